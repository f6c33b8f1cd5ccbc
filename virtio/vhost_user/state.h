/* SPDX-License-Identifier: MIT */
/*
 * What a session remembers. Its parts call each other downwards only: session.c receives and
 * answers; requests.c checks and hands out; memory.c and vring_fds.c, below them vring.c, and below
 * that inflight.c carry out, as does backend_req.c; report.c says what went wrong. Not for others.
 */
#ifndef VIRTIO_VHOST_USER_STATE_H
#define VIRTIO_VHOST_USER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/gmem.h"
#include "virtio/virtq_state.h"
#include "virtio/vhost_user/conn.h"
#include "virtio/vhost_user/session.h"

/* Where a ring's base comes from. */
enum vhost_user_base {
	BASE_NONE,   /* the ring is new */
	BASE_TOLD,   /* SET_VRING_BASE, of whichever layout the ring will have */
	BASE_SPLIT,  /* a stop of a split ring */
	BASE_PACKED, /* a stop of a packed ring */
};

struct vhost_user_ring {
	struct vhost_user_vring_addr addr; /* as it came, in the front-end's address space */
	struct virtq_rings areas;          /* the same in ours, while running */
	bool has_addr;
	bool started; /* from SET_VRING_KICK to GET_VRING_BASE */
	bool running; /* the device has it: started, and its areas are in guest memory */
	bool enabled;
	bool packed;   /* at the last start */
	uint16_t size; /* 0: not set */
	enum vhost_user_base base_from;
	uint32_t base; /* where the next start begins */
	int kick_fd;   /* -1 while stopped */
	struct notifier call;
	struct notifier err;
};

struct vhost_user_session {
	struct vhost_user_config cfg;
	struct foreign foreign; /* ops->release */
	struct vhost_user_conn conn;
	struct gmem mem;
	bool spoken;       /* a whole message has come */
	bool has_features; /* SET_FEATURES came since the last reset */
	uint64_t features; /* as acknowledged, with PROTOCOL_FEATURES */
	uint64_t protocol_features;
	uint8_t status;
	bool link_up;        /* as GET_CONFIG shows it */
	bool config_changed; /* and the front-end was not told yet */
	int backend_req_fd;  /* -1: none */
	int reply_fd;        /* ours; goes with the reply and is closed then; -1: none */
	struct {
		struct gmem mem; /* the buffer at address 0; no region: there is none */
		uint16_t n_queues;
		uint16_t queue_size;
	} inflight;
	unsigned n_rings;
	struct vhost_user_ring rings[];
};

/* Whether the device has any ring. */
static inline bool vhost_user_any_running(const struct vhost_user_session *s)
{
	unsigned i;

	for (i = 0; i < s->n_rings && !s->rings[i].running; i++)
		;
	return i < s->n_rings;
}

/* What becomes of a message. */
enum vhost_user_answer {
	ANSWER_DONE,    /* ack 0 if one is asked for */
	ANSWER_REPLY,   /* the session's message buffer holds the reply */
	ANSWER_REFUSED, /* logged, nothing changed: ack 1 if asked for, else the session ends */
	ANSWER_BROKEN,  /* logged; the session ends */
};

#endif
