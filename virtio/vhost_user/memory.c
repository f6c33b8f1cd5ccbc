/* SPDX-License-Identifier: MIT */
/*
 * The memory table under running rings. A ring whose areas are about to vanish leaves the device
 * first, and goes on when they are there again; the others pause while the table changes. A new
 * table is mapped whole before the old one goes.
 */
#include "virtio/vhost_user/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "virtio/vhost_user/report.h"
#include "virtio/vhost_user/vring.h"

static const char *map_error(int err)
{
	switch (err) {
	case -EINVAL:
		return "it is empty, wraps around or overlaps another region";
	case -ENOSPC:
		return "too many regions";
	case -ENXIO:
		return "its file is shorter";
	default:
		return strerror(-err);
	}
}

static enum vhost_user_answer map(struct vhost_user_session *s, struct gmem *mem,
				  const struct vhost_user_region *r, int fd)
{
	int err = gmem_add(mem, r->gpa, r->size, r->uva, fd, r->mmap_offset);

	if (!err)
		return ANSWER_DONE;
	return vhost_user_report_fault(s, ANSWER_REFUSED,
				       "region %u (guest 0x%" PRIx64 ", size 0x%" PRIx64
				       ", user 0x%" PRIx64 ", offset 0x%" PRIx64
				       ") cannot be mapped: %s",
				       mem->n, r->gpa, r->size, r->uva, r->mmap_offset,
				       map_error(err));
}

/* Pause the device if any ring runs; the result is for resume(). */
static bool quiesce(struct vhost_user_session *s)
{
	if (!vhost_user_any_running(s))
		return false;
	s->cfg.ops->quiesce(s->cfg.dev);
	return true;
}

static void resume(struct vhost_user_session *s, bool quiesced)
{
	if (quiesced)
		s->cfg.ops->resume(s->cfg.dev);
}

/* Where the running rings are in mem; those that are not inside it leave the device. */
static void resolve_all(struct vhost_user_session *s, const struct gmem *mem)
{
	unsigned i;

	for (i = 0; i < s->n_rings; i++) {
		if (s->rings[i].running && vhost_user_vring_resolve(&s->rings[i], mem) < 0)
			vhost_user_vring_lose(s, i);
	}
}

static void tell_moved(struct vhost_user_session *s)
{
	unsigned i;

	for (i = 0; i < s->n_rings; i++) {
		if (s->rings[i].running)
			s->cfg.ops->ring_moved(s->cfg.dev, i, &s->rings[i].areas);
	}
}

static enum vhost_user_answer map_table(struct vhost_user_session *s, struct gmem *mem,
					const struct vhost_user_mem_table *table)
{
	enum vhost_user_answer answer = ANSWER_DONE;
	unsigned i;

	for (i = 0; i < table->n && answer == ANSWER_DONE; i++)
		answer = map(s, mem, &table->regions[i], s->conn.fds[i]);
	return answer;
}

enum vhost_user_answer vhost_user_memory_set_table(struct vhost_user_session *s,
						   struct vhost_user_msg *msg)
{
	const struct vhost_user_mem_table *table = &msg->payload.table;
	enum vhost_user_answer answer;
	struct gmem fresh, old;
	bool quiesced;

	if (table->n > VHOST_USER_MAX_TABLE || table->n != s->conn.n_fds ||
	    msg->hdr.size < offsetof(struct vhost_user_mem_table, regions[table->n]))
		return vhost_user_report_fault(s, ANSWER_BROKEN,
					       "%u regions with %u fds in %u bytes", table->n,
					       s->conn.n_fds, msg->hdr.size);
	if (gmem_init(&fresh) < 0)
		return vhost_user_report_fault(s, ANSWER_REFUSED, "out of memory");
	fresh.watcher = s->mem.watcher;
	fresh.foreign = s->mem.foreign;
	answer = map_table(s, &fresh, table);
	if (answer != ANSWER_DONE) {
		gmem_deinit(&fresh);
		return answer;
	}
	resolve_all(s, &fresh);
	quiesced = quiesce(s);
	old = s->mem;
	s->mem = fresh;
	tell_moved(s);
	resume(s, quiesced);
	gmem_deinit(&old);
	return vhost_user_vring_regain(s);
}

/*
 * QEMU before 8.0 adds each region once for every queue pair: that disturbs no ring. One that is
 * new does, since iothreads search the table and vhost-net has a copy of it.
 */
enum vhost_user_answer vhost_user_memory_add(struct vhost_user_session *s,
					     struct vhost_user_msg *msg)
{
	const struct vhost_user_region *r = &msg->payload.reg.region;
	enum vhost_user_answer answer;
	bool quiesced;

	if (gmem_add_again(&s->mem, r->gpa, r->size, r->uva, s->conn.fds[0], r->mmap_offset))
		return ANSWER_DONE;
	quiesced = quiesce(s);
	answer = map(s, &s->mem, r, s->conn.fds[0]);
	resume(s, quiesced);
	return answer == ANSWER_DONE ? vhost_user_vring_regain(s) : answer;
}

/* Each area is wholly inside one region, so its first byte tells. */
static bool ring_is_in(const struct vhost_user_ring *ring, const struct vhost_user_region *r)
{
	return ring->addr.desc - r->uva < r->size || ring->addr.avail - r->uva < r->size ||
	       ring->addr.used - r->uva < r->size;
}

static void lose_rings_in(struct vhost_user_session *s, const struct vhost_user_region *r)
{
	unsigned i;

	for (i = 0; i < s->n_rings; i++) {
		if (s->rings[i].running && ring_is_in(&s->rings[i], r))
			vhost_user_vring_lose(s, i);
	}
}

enum vhost_user_answer vhost_user_memory_remove(struct vhost_user_session *s,
						struct vhost_user_msg *msg)
{
	const struct vhost_user_region *r = &msg->payload.reg.region;
	unsigned refs = gmem_refs(&s->mem, r->gpa, r->size, r->uva);
	bool quiesced = false;

	if (!refs)
		return vhost_user_report_fault(s, ANSWER_REFUSED,
					       "no region (guest 0x%" PRIx64 ", size 0x%" PRIx64
					       ", user 0x%" PRIx64 ")",
					       r->gpa, r->size, r->uva);
	if (refs == 1) {
		lose_rings_in(s, r);
		quiesced = quiesce(s);
	}
	gmem_remove(&s->mem, r->gpa, r->size, r->uva);
	resume(s, quiesced);
	return ANSWER_DONE;
}
