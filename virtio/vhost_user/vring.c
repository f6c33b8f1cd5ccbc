/* SPDX-License-Identifier: MIT */
/*
 * The state of each ring: stopped or started, and apart from that disabled or enabled ("Ring
 * states" in the specification), and the messages that change it. All that the device hears about
 * rings is said here, but for a move of their memory. The device has a ring while it is started and
 * its areas are in guest memory.
 */
#include "virtio/vhost_user/vring.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "virtio/features.h"
#include "virtio/vhost_user/inflight.h"
#include "virtio/vhost_user/report.h"
#include "virtio/virtq.h"
#include "virtio/vring.h"

/* 2.8.1: both wrap counters of a new packed ring are 1. */
#define PACKED_BASE_NEW (VRING_PACKED_START << 16 | VRING_PACKED_START)

int vhost_user_vring_resolve(struct vhost_user_ring *ring, const struct gmem *mem)
{
	if (ring->packed)
		return virtq_resolve_packed(&ring->areas, mem, ring->size, ring->addr.desc,
					    ring->addr.avail, ring->addr.used);
	return virtq_resolve(&ring->areas, mem, ring->size, ring->addr.desc, ring->addr.avail,
			     ring->addr.used);
}

/* The message that a ring still needs before it can start, or NULL. */
static const char *missing(const struct vhost_user_session *s, const struct vhost_user_ring *ring)
{
	if (!s->has_features)
		return "SET_FEATURES";
	if (!ring->size)
		return "SET_VRING_NUM";
	if (!ring->has_addr)
		return "SET_VRING_ADDR";
	return NULL;
}

static enum vhost_user_answer unresolved(struct vhost_user_session *s, unsigned idx, int err)
{
	const struct vhost_user_ring *ring = &s->rings[idx];

	/* The session ends with it, so this is said once. */
	if (err == -EFAULT && !s->mem.n)
		vhost_user_report_line(
			s, "the guest's memory is not shared with us: in libvirt's XML that is "
			   "<memoryBacking><source type='memfd'/><access mode='shared'/>"
			   "</memoryBacking>, for QEMU -object memory-backend-memfd,id=mem,"
			   "size=SIZE,share=on -machine memory-backend=mem");
	return vhost_user_report_fault(
		s, ANSWER_BROKEN,
		"ring %u of %u entries, descriptors 0x%" PRIx64 ", available 0x%" PRIx64
		", used 0x%" PRIx64 ": %s",
		idx, ring->size, ring->addr.desc, ring->addr.avail, ring->addr.used,
		err == -EFAULT ? "not inside a memory region" : "misaligned");
}

/* 2.7: a split ring's size is a power of two; 2.8.10.1: a packed one's need not be. */
static bool split_size(uint32_t size)
{
	return !(size & (size - 1));
}

static bool is_packed(const struct vhost_user_session *s)
{
	return feature_has(s->features, VIRTIO_F_RING_PACKED);
}

/* A base that comes from a stop counts for the layout that stopped. */
static bool has_base(const struct vhost_user_session *s, const struct vhost_user_ring *ring)
{
	switch (ring->base_from) {
	case BASE_TOLD:
		return true;
	case BASE_SPLIT:
		return !is_packed(s);
	case BASE_PACKED:
		return is_packed(s);
	default:
		return false;
	}
}

/*
 * A split ring has an index of 16 bits; what a packed ring puts above it means nothing there.
 * Between a reset and SET_FEATURES there is no layout, and a base is what it was.
 */
static uint32_t base_of(const struct vhost_user_session *s, const struct vhost_user_ring *ring)
{
	if (!s->has_features)
		return ring->base;
	if (!has_base(s, ring))
		return is_packed(s) ? PACKED_BASE_NEW : 0;
	return is_packed(s) ? ring->base : (uint16_t)ring->base;
}

/* Size and base may have come before the layout was known: whether they fit it. */
static enum vhost_user_answer check_layout(struct vhost_user_session *s, unsigned idx)
{
	const struct vhost_user_ring *ring = &s->rings[idx];
	uint32_t base = base_of(s, ring);

	if (!ring->packed && !split_size(ring->size))
		return vhost_user_report_fault(s, ANSWER_BROKEN,
					       "ring %u: %u is no power of two and RING_PACKED "
					       "was not negotiated",
					       idx, ring->size);
	if (ring->packed && vring_packed_slot(vring_packed_base(base)) >= ring->size)
		return vhost_user_report_fault(s, ANSWER_BROKEN,
					       "ring %u: base 0x%x is not in a ring of %u", idx,
					       base, ring->size);
	return ANSWER_DONE;
}

static enum vhost_user_answer start(struct vhost_user_session *s, unsigned idx)
{
	struct vhost_user_ring *ring = &s->rings[idx];
	const char *lack = missing(s, ring);
	enum vhost_user_answer answer;
	struct virtq_config cfg;
	int err;

	if (lack)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "ring %u cannot start before %s",
					       idx, lack);
	ring->packed = is_packed(s);
	answer = check_layout(s, idx);
	if (answer != ANSWER_DONE)
		return answer;
	err = vhost_user_vring_resolve(ring, &s->mem);
	if (err)
		return unresolved(s, idx, err);
	cfg = (struct virtq_config){
		.mem = &s->mem,
		.rings = ring->areas,
		.features = s->features & s->cfg.features,
		.size = ring->size,
		.base = base_of(s, ring),
		.call = ring->call,
		.err = ring->err,
		.inflight = vhost_user_inflight_region(s, idx, ring->packed),
	};
	if (virtq_find_base(&cfg))
		vhost_user_report_line(
			s, "ring %u: base 0x%x contradicts the ring: it goes on at 0x%x", idx,
			base_of(s, ring), cfg.base);
	err = s->cfg.ops->ring_start(s->cfg.dev, idx, &cfg, ring->kick_fd);
	if (err)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "ring %u cannot start: %s", idx,
					       strerror(-err));
	ring->running = true;
	return ANSWER_DONE;
}

static void leave_device(struct vhost_user_session *s, unsigned idx)
{
	struct vhost_user_ring *ring = &s->rings[idx];

	if (!ring->running)
		return;
	ring->base = s->cfg.ops->ring_stop(s->cfg.dev, idx);
	ring->base_from = ring->packed ? BASE_PACKED : BASE_SPLIT;
	ring->running = false;
}

void vhost_user_vring_lose(struct vhost_user_session *s, unsigned idx)
{
	leave_device(s, idx);
	vhost_user_report_fault(s, ANSWER_DONE, "ring %u lost its memory and waits for it", idx);
}

/* A started ring that is not running goes on where it stood, if its areas are in memory. */
static enum vhost_user_answer regain(struct vhost_user_session *s, unsigned idx)
{
	struct vhost_user_ring *ring = &s->rings[idx];

	if (!ring->started || ring->running || missing(s, ring))
		return ANSWER_DONE;
	ring->packed = is_packed(s);
	if (vhost_user_vring_resolve(ring, &s->mem) < 0)
		return ANSWER_DONE;
	vhost_user_report_fault(s, ANSWER_DONE, "ring %u has its memory again", idx);
	return start(s, idx);
}

enum vhost_user_answer vhost_user_vring_regain(struct vhost_user_session *s)
{
	enum vhost_user_answer answer = ANSWER_DONE;
	unsigned i;

	for (i = 0; i < s->n_rings && answer == ANSWER_DONE; i++)
		answer = regain(s, i);
	return answer;
}

void vhost_user_vring_stop(struct vhost_user_session *s, unsigned idx)
{
	struct vhost_user_ring *ring = &s->rings[idx];

	leave_device(s, idx);
	ring->started = false;
	foreign_close(&s->foreign, ring->kick_fd);
	ring->kick_fd = -1;
}

enum vhost_user_answer vhost_user_vring_start(struct vhost_user_session *s, unsigned idx,
					      int kick_fd)
{
	struct vhost_user_ring *ring = &s->rings[idx];
	enum vhost_user_answer answer;

	vhost_user_vring_stop(s, idx);
	ring->kick_fd = kick_fd;
	answer = start(s, idx);
	ring->started = answer == ANSWER_DONE;
	return answer;
}

void vhost_user_vring_enable(struct vhost_user_session *s, unsigned idx, bool enabled)
{
	if (s->rings[idx].enabled == enabled)
		return;
	s->rings[idx].enabled = enabled;
	s->cfg.ops->ring_enable(s->cfg.dev, idx, enabled);
}

void vhost_user_vring_enable_all(struct vhost_user_session *s, bool enabled)
{
	unsigned i;

	for (i = 0; i < s->n_rings; i++)
		vhost_user_vring_enable(s, i, enabled);
}

void vhost_user_vring_reset_all(struct vhost_user_session *s)
{
	unsigned i;

	for (i = 0; i < s->n_rings; i++) {
		vhost_user_vring_stop(s, i);
		vhost_user_vring_enable(s, i, false);
		s->rings[i].has_addr = false;
		s->rings[i].size = 0;
	}
}

/*
 * A ring that runs is not laid anew under the device, unless it is disabled: virtio_uml disables a
 * ring and sends everything again, without asking for its base.
 */
static enum vhost_user_answer stop_disabled(struct vhost_user_session *s, unsigned idx)
{
	if (!s->rings[idx].running)
		return ANSWER_DONE;
	if (s->rings[idx].enabled)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "ring %u is started", idx);
	vhost_user_vring_stop(s, idx);
	vhost_user_inflight_forget(s, idx);
	return ANSWER_DONE;
}

enum vhost_user_answer vhost_user_vring_set_num(struct vhost_user_session *s,
						struct vhost_user_msg *msg)
{
	struct vhost_user_vring_state v = msg->payload.state;
	bool any = feature_has(s->cfg.features, VIRTIO_F_RING_PACKED);
	enum vhost_user_answer answer;

	if (!v.num || v.num > VRING_MAX_SIZE || (!any && !split_size(v.num)))
		return vhost_user_report_fault(s, ANSWER_BROKEN, "ring %u: %u is no %s up to %d",
					       v.index, v.num, any ? "size" : "power of two",
					       VRING_MAX_SIZE);
	if (s->rings[v.index].size == v.num)
		return ANSWER_DONE;
	answer = stop_disabled(s, v.index);
	if (answer == ANSWER_DONE)
		s->rings[v.index].size = (uint16_t)v.num;
	return answer;
}

static bool same_place(const struct vhost_user_vring_addr *a, const struct vhost_user_vring_addr *b)
{
	return a->desc == b->desc && a->avail == b->avail && a->used == b->used;
}

enum vhost_user_answer vhost_user_vring_set_addr(struct vhost_user_session *s,
						 struct vhost_user_msg *msg)
{
	const struct vhost_user_vring_addr *addr = &msg->payload.addr;
	struct vhost_user_ring *ring = &s->rings[addr->index];
	enum vhost_user_answer answer;

	if (addr->flags)
		return vhost_user_report_fault(s, ANSWER_BROKEN,
					       "ring %u: flags 0x%x: logging was never offered",
					       addr->index, addr->flags);
	if (ring->has_addr && same_place(addr, &ring->addr))
		return ANSWER_DONE;
	answer = stop_disabled(s, addr->index);
	if (answer != ANSWER_DONE)
		return answer;
	ring->addr = *addr;
	ring->has_addr = true;
	return regain(s, addr->index);
}

/* Of which layout the base is shows when the ring starts. */
enum vhost_user_answer vhost_user_vring_set_base(struct vhost_user_session *s,
						 struct vhost_user_msg *msg)
{
	struct vhost_user_ring *ring = &s->rings[msg->payload.state.index];
	enum vhost_user_answer answer = stop_disabled(s, msg->payload.state.index);

	if (answer != ANSWER_DONE)
		return answer;
	ring->base = msg->payload.state.num;
	ring->base_from = BASE_TOLD;
	return ANSWER_DONE;
}

enum vhost_user_answer vhost_user_vring_get_base(struct vhost_user_session *s,
						 struct vhost_user_msg *msg)
{
	unsigned idx = msg->payload.state.index;

	vhost_user_vring_stop(s, idx);
	vhost_user_inflight_forget(s, idx);
	msg->payload.state.num = base_of(s, &s->rings[idx]);
	msg->hdr.size = sizeof(msg->payload.state);
	return ANSWER_REPLY;
}

/* It may come before SET_FEATURES: QEMU enables rings first. */
enum vhost_user_answer vhost_user_vring_set_enable(struct vhost_user_session *s,
						   struct vhost_user_msg *msg)
{
	struct vhost_user_vring_state v = msg->payload.state;

	if (s->has_features && !feature_has(s->features, VHOST_USER_F_PROTOCOL_FEATURES))
		return vhost_user_report_fault(s, ANSWER_BROKEN,
					       "PROTOCOL_FEATURES was not negotiated");
	if (v.num > 1)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "ring %u: %u is neither 0 nor 1",
					       v.index, v.num);
	vhost_user_vring_enable(s, v.index, v.num);
	return ANSWER_DONE;
}
