/* SPDX-License-Identifier: MIT */
/*
 * What each message must look like (the table at the end), and what those do that concern the
 * device as a whole; the handlers for rings and memory are in vring.c and memory.c.
 *
 * A handler sees a payload that is long enough, fds of an allowed number and a ring that exists. An
 * fd that it does not take is closed after it. A payload may be longer than its content: virtio_uml
 * sends SET_MEM_TABLE with room for two regions whether it has two or one.
 */
#include "virtio/vhost_user/requests.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include <linux/virtio_net.h>

#include "virtio/base.h"
#include "virtio/features.h"
#include "virtio/vhost_user/backend_req.h"
#include "virtio/vhost_user/inflight.h"
#include "virtio/vhost_user/memory.h"
#include "virtio/vhost_user/report.h"
#include "virtio/vhost_user/vring.h"
#include "virtio/vhost_user/vring_fds.h"

/* Smallest and largest MTU of virtio-net (virtio 1.2 section 5.1.4.1). */
#define MTU_MIN 68
#define MTU_MAX 65535

#define TABLE_HEAD  offsetof(struct vhost_user_mem_table, regions)
#define CONFIG_HEAD offsetof(struct vhost_user_config_space, data)

#define INFLIGHT_LEN (offsetof(struct vhost_user_inflight, queue_size) + sizeof(uint16_t))

static enum vhost_user_answer reply_u64(struct vhost_user_msg *msg, uint64_t value)
{
	msg->payload.u64 = value;
	msg->hdr.size = sizeof(value);
	return ANSWER_REPLY;
}

/* SET_OWNER: one socket has one owner. */
static enum vhost_user_answer set_owner(struct vhost_user_session *s, struct vhost_user_msg *msg)
{
	(void)s;
	(void)msg;
	return ANSWER_DONE;
}

/* Features */

static uint64_t offered_features(const struct vhost_user_session *s)
{
	return s->cfg.features | FEATURE(VHOST_USER_F_PROTOCOL_FEATURES);
}

static uint64_t offered_protocol_features(const struct vhost_user_session *s)
{
	uint64_t offered = FEATURE(VHOST_USER_PROTOCOL_F_MQ) | FEATURE(VHOST_USER_PROTOCOL_F_RARP) |
			   FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
			   FEATURE(VHOST_USER_PROTOCOL_F_MTU) |
			   FEATURE(VHOST_USER_PROTOCOL_F_BACKEND_REQ) |
			   FEATURE(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) |
			   FEATURE(VHOST_USER_PROTOCOL_F_RESET_DEVICE) |
			   FEATURE(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) |
			   FEATURE(VHOST_USER_PROTOCOL_F_STATUS);

	return s->cfg.has_mac ? offered | FEATURE(VHOST_USER_PROTOCOL_F_CONFIG) : offered;
}

static enum vhost_user_answer get_features(struct vhost_user_session *s, struct vhost_user_msg *msg)
{
	return reply_u64(msg, offered_features(s));
}

/* "Ring states": without protocol features nobody will send SET_VRING_ENABLE. */
static void enable_by_features(struct vhost_user_session *s, uint64_t features)
{
	bool was_implied = s->has_features &&
			   !feature_has(s->features, VHOST_USER_F_PROTOCOL_FEATURES);

	if (!feature_has(features, VHOST_USER_F_PROTOCOL_FEATURES))
		vhost_user_vring_enable_all(s, true);
	else if (was_implied)
		vhost_user_vring_enable_all(s, false);
}

static enum vhost_user_answer set_features(struct vhost_user_session *s, struct vhost_user_msg *msg)
{
	uint64_t features = msg->payload.u64, excess = features & ~offered_features(s);
	char names[FEATURES_NAMES_LEN], lacking[FEATURES_NAMES_LEN];
	int err;

	if (excess)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "never offered: %s",
					       features_names(excess, names));
	features = features_prune(features, lacking);
	if (!features_check(features, names))
		return vhost_user_report_fault(s, ANSWER_BROKEN, "contradictory: %s", names);
	/* QEMU says it once for every queue pair. */
	if (s->has_features && features == s->features)
		return ANSWER_DONE;
	if (lacking[0])
		vhost_user_report_fault(s, ANSWER_DONE, "without effect: %s", lacking);
	if (vhost_user_any_running(s))
		return vhost_user_report_fault(s, ANSWER_BROKEN,
					       "changes while a ring is started: %s",
					       features_names(features ^ s->features, names));
	err = s->cfg.ops->set_features(s->cfg.dev, features & s->cfg.features);
	if (err)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "the device does not take %s: %s",
					       features_names(features, names), strerror(-err));
	enable_by_features(s, features);
	s->features = features;
	s->has_features = true;
	return ANSWER_DONE;
}

static enum vhost_user_answer get_protocol_features(struct vhost_user_session *s,
						    struct vhost_user_msg *msg)
{
	return reply_u64(msg, offered_protocol_features(s));
}

static enum vhost_user_answer set_protocol_features(struct vhost_user_session *s,
						    struct vhost_user_msg *msg)
{
	uint64_t excess = msg->payload.u64 & ~offered_protocol_features(s);

	if (excess)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "never offered: bits 0x%" PRIx64,
					       excess);
	s->protocol_features = msg->payload.u64;
	return ANSWER_DONE;
}

/* The device as a whole */

static enum vhost_user_answer get_queue_num(struct vhost_user_session *s,
					    struct vhost_user_msg *msg)
{
	return reply_u64(msg, s->cfg.max_pairs);
}

static enum vhost_user_answer net_set_mtu(struct vhost_user_session *s, struct vhost_user_msg *msg)
{
	uint64_t mtu = msg->payload.u64;
	int err;

	if (mtu < MTU_MIN || mtu > MTU_MAX)
		return vhost_user_report_fault(s, ANSWER_REFUSED,
					       "%" PRIu64 " is not between %d and %d", mtu, MTU_MIN,
					       MTU_MAX);
	err = s->cfg.ops->set_mtu(s->cfg.dev, (uint16_t)mtu);
	if (err)
		return vhost_user_report_fault(s, ANSWER_REFUSED,
					       "the device does not take %" PRIu64 ": %s%s", mtu,
					       strerror(-err),
					       err == -EPERM ? ": set the interface's MTU "
							       "beforehand, as root"
							     : "");
	return ANSWER_DONE;
}

/* The guest has moved here and cannot say so itself. The first six bytes are its MAC. */
static enum vhost_user_answer send_rarp(struct vhost_user_session *s, struct vhost_user_msg *msg)
{
	uint8_t mac[6];

	memcpy(mac, &msg->payload.u64, sizeof(mac));
	s->cfg.ops->send_rarp(s->cfg.dev, mac);
	return ANSWER_DONE;
}

/* A bad range gets an empty payload, as the specification wants it. */
static enum vhost_user_answer get_config(struct vhost_user_session *s, struct vhost_user_msg *msg)
{
	struct vhost_user_config_space *c = &msg->payload.config;
	struct virtio_net_config net = {
		.status = s->link_up ? VIRTIO_NET_S_LINK_UP : 0,
		.max_virtqueue_pairs = (uint16_t)s->cfg.max_pairs,
		.mtu = s->cfg.mtu,
	};
	uint8_t space[VHOST_USER_MAX_CONFIG] = { 0 };

	if (msg->hdr.size < CONFIG_HEAD + (uint64_t)c->size || c->offset > sizeof(space) ||
	    c->size > sizeof(space) - c->offset) {
		msg->hdr.size = 0;
		return ANSWER_REPLY;
	}
	memcpy(net.mac, s->cfg.mac, sizeof(net.mac));
	memcpy(space, &net, sizeof(net));
	memcpy(c->data, space + c->offset, c->size);
	msg->hdr.size = (uint32_t)CONFIG_HEAD + c->size;
	return ANSWER_REPLY;
}

static enum vhost_user_answer set_config(struct vhost_user_session *s, struct vhost_user_msg *msg)
{
	(void)msg;
	return vhost_user_report_fault(s, ANSWER_REFUSED, "the configuration is read-only");
}

static void reset(struct vhost_user_session *s)
{
	unsigned i;

	for (i = 0; i < s->n_rings; i++)
		vhost_user_inflight_forget(s, i);
	vhost_user_vring_reset_all(s);
	s->has_features = false;
	s->features = 0;
	s->status = 0;
}

static enum vhost_user_answer reset_device(struct vhost_user_session *s, struct vhost_user_msg *msg)
{
	(void)msg;
	reset(s);
	return ANSWER_DONE;
}

/*
 * Deprecated; older front-ends mean by it that rings are disabled. Not without protocol features:
 * nothing would enable them again.
 */
static enum vhost_user_answer reset_owner(struct vhost_user_session *s, struct vhost_user_msg *msg)
{
	(void)msg;
	if (!s->has_features || feature_has(s->features, VHOST_USER_F_PROTOCOL_FEATURES))
		vhost_user_vring_enable_all(s, false);
	return ANSWER_DONE;
}

static enum vhost_user_answer set_status(struct vhost_user_session *s, struct vhost_user_msg *msg)
{
	if (msg->payload.u64 > UINT8_MAX)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "0x%" PRIx64 " is not a byte",
					       msg->payload.u64);
	if (!msg->payload.u64)
		reset(s);
	s->status = (uint8_t)msg->payload.u64;
	return ANSWER_DONE;
}

static enum vhost_user_answer get_status(struct vhost_user_session *s, struct vhost_user_msg *msg)
{
	return reply_u64(msg, s->status);
}

static enum vhost_user_answer get_max_mem_slots(struct vhost_user_session *s,
						struct vhost_user_msg *msg)
{
	(void)s;
	return reply_u64(msg, GMEM_MAX_REGIONS);
}

/* The table */

enum ring_field {
	RING_NONE,
	RING_STATE, /* the first u32 of the payload */
	RING_FILE,  /* the low byte of a u64, NOFD the only other bit */
};

struct request {
	/* NULL: not supported. */
	enum vhost_user_answer (*run)(struct vhost_user_session *s, struct vhost_user_msg *msg);
	uint16_t size; /* of the payload at least, bytes */
	uint8_t fds_min;
	uint8_t fds_max;
	enum ring_field ring;
	uint64_t needs; /* protocol features that must have been acknowledged */
};

#define REQUEST(request, ...) [VHOST_USER_##request] = { __VA_ARGS__ }
#define RUN(handler)          .run = (handler)
#define SIZE(min)             .size = (min)
#define FDS(min, max)         .fds_min = (min), .fds_max = (max)
#define RING(kind)            .ring = RING_##kind
#define NEEDS(name)           .needs = FEATURE(VHOST_USER_PROTOCOL_F_##name)
/* Payloads that several requests share. */
#define U64       SIZE(sizeof(uint64_t))
#define RING_U32  SIZE(sizeof(struct vhost_user_vring_state))
#define RING_ADDR SIZE(sizeof(struct vhost_user_vring_addr)), RING(STATE)
#define RING_FD   U64, FDS(0, 1), RING(FILE)
#define TABLE     SIZE(TABLE_HEAD)
#define REGION    SIZE(sizeof(struct vhost_user_mem_reg)), NEEDS(CONFIGURE_MEM_SLOTS)
#define CONFIG    SIZE(CONFIG_HEAD), NEEDS(CONFIG)
#define INFLIGHT  SIZE(INFLIGHT_LEN), NEEDS(INFLIGHT_SHMFD)

static const struct request requests[VHOST_USER_REQUESTS] = {
	REQUEST(GET_FEATURES, RUN(get_features)),
	REQUEST(SET_FEATURES, RUN(set_features), U64),
	REQUEST(SET_OWNER, RUN(set_owner)),
	REQUEST(RESET_OWNER, RUN(reset_owner)),
	REQUEST(SET_MEM_TABLE, RUN(vhost_user_memory_set_table), TABLE,
		FDS(0, VHOST_USER_MAX_TABLE)),
	REQUEST(SET_VRING_NUM, RUN(vhost_user_vring_set_num), RING_U32, RING(STATE)),
	REQUEST(SET_VRING_ADDR, RUN(vhost_user_vring_set_addr), RING_ADDR),
	REQUEST(SET_VRING_BASE, RUN(vhost_user_vring_set_base), RING_U32, RING(STATE)),
	REQUEST(GET_VRING_BASE, RUN(vhost_user_vring_get_base), RING_U32, RING(STATE)),
	REQUEST(SET_VRING_KICK, RUN(vhost_user_vring_fds_set_kick), RING_FD),
	REQUEST(SET_VRING_CALL, RUN(vhost_user_vring_fds_set_call), RING_FD),
	REQUEST(SET_VRING_ERR, RUN(vhost_user_vring_fds_set_err), RING_FD),
	REQUEST(GET_PROTOCOL_FEATURES, RUN(get_protocol_features)),
	REQUEST(SET_PROTOCOL_FEATURES, RUN(set_protocol_features), U64),
	REQUEST(GET_QUEUE_NUM, RUN(get_queue_num)),
	REQUEST(SET_VRING_ENABLE, RUN(vhost_user_vring_set_enable), RING_U32, RING(STATE)),
	REQUEST(SEND_RARP, RUN(send_rarp), U64, NEEDS(RARP)),
	REQUEST(NET_SET_MTU, RUN(net_set_mtu), U64, NEEDS(MTU)),
	REQUEST(SET_BACKEND_REQ_FD, RUN(vhost_user_backend_req_set_fd), FDS(1, 1),
		NEEDS(BACKEND_REQ)),
	REQUEST(GET_CONFIG, RUN(get_config), CONFIG),
	REQUEST(SET_CONFIG, RUN(set_config), CONFIG),
	REQUEST(GET_INFLIGHT_FD, RUN(vhost_user_inflight_get_fd), INFLIGHT),
	REQUEST(SET_INFLIGHT_FD, RUN(vhost_user_inflight_set_fd), INFLIGHT, FDS(1, 1)),
	REQUEST(RESET_DEVICE, RUN(reset_device), NEEDS(RESET_DEVICE)),
	REQUEST(GET_MAX_MEM_SLOTS, RUN(get_max_mem_slots), NEEDS(CONFIGURE_MEM_SLOTS)),
	REQUEST(ADD_MEM_REG, RUN(vhost_user_memory_add), REGION, FDS(1, 1)),
	REQUEST(REM_MEM_REG, RUN(vhost_user_memory_remove), REGION, FDS(0, 1)),
	REQUEST(SET_STATUS, RUN(set_status), U64, NEEDS(STATUS)),
	REQUEST(GET_STATUS, RUN(get_status), NEEDS(STATUS)),
};

static enum vhost_user_answer check_ring(struct vhost_user_session *s, const struct request *req)
{
	const struct vhost_user_msg *msg = &s->conn.msg;
	uint64_t file_bits = VHOST_USER_VRING_IDX_MASK | VHOST_USER_VRING_NOFD;
	unsigned idx = msg->payload.state.index;

	if (req->ring == RING_NONE)
		return ANSWER_DONE;
	if (req->ring == RING_FILE)
		idx = msg->payload.u64 & VHOST_USER_VRING_IDX_MASK;
	if (req->ring == RING_FILE && (msg->payload.u64 & ~file_bits))
		return vhost_user_report_fault(s, ANSWER_BROKEN, "unknown bits in 0x%" PRIx64,
					       msg->payload.u64);
	if (idx >= s->n_rings)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "ring %u: there are %u", idx,
					       s->n_rings);
	return ANSWER_DONE;
}

static enum vhost_user_answer check(struct vhost_user_session *s, const struct request *req)
{
	uint32_t size = s->conn.msg.hdr.size;
	unsigned n_fds = s->conn.n_fds;

	if (req->needs & ~s->protocol_features)
		return vhost_user_report_fault(s, ANSWER_BROKEN,
					       "its protocol feature was not acknowledged");
	if (size < req->size)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "a payload of %u bytes, not %u",
					       size, req->size);
	if (n_fds < req->fds_min || n_fds > req->fds_max)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "%u fds, not %u to %u", n_fds,
					       req->fds_min, req->fds_max);
	return check_ring(s, req);
}

enum vhost_user_answer vhost_user_requests_run(struct vhost_user_session *s)
{
	uint32_t request = s->conn.msg.hdr.request;
	const struct request *req = &requests[request < array_size(requests) ? request : 0];
	enum vhost_user_answer answer;

	if (!req->run)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "not supported and not offered");
	answer = check(s, req);
	return answer == ANSWER_DONE ? req->run(s, &s->conn.msg) : answer;
}
