/* SPDX-License-Identifier: MIT */
/*
 * What a session remembers, and how its parts call each other: session.c receives and answers,
 * requests.c checks and hands out, vring.c and memory.c carry out. Not for others.
 */
#ifndef VIRTIO_VHOST_USER_STATE_H
#define VIRTIO_VHOST_USER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/gmem.h"
#include "virtio/virtq_state.h"
#include "virtio/vhost_user/conn.h"
#include "virtio/vhost_user/session.h"

struct vhost_user_ring {
	struct vhost_user_vring_addr addr; /* as it came, in the front-end's address space */
	struct virtq_rings areas;          /* the same in ours, while started */
	bool has_addr;
	bool started;
	bool enabled;
	bool packed;   /* while started */
	uint16_t size; /* 0: not set */
	bool has_base; /* base came from the front-end or from a stop, else a ring is new */
	uint32_t base; /* where the next start begins */
	int kick_fd;   /* -1 while stopped */
	struct notifier call;
	struct notifier err;
};

struct vhost_user_session {
	struct vhost_user_config cfg;
	struct vhost_user_conn conn;
	struct gmem mem;
	bool has_features; /* SET_FEATURES came since the last reset */
	uint64_t features; /* as acknowledged, with PROTOCOL_FEATURES */
	uint64_t protocol_features;
	uint8_t status;
	unsigned n_rings;
	struct vhost_user_ring rings[];
};

/* What becomes of a message. */
enum vhost_user_answer {
	ANSWER_DONE,    /* ack 0 if one is asked for */
	ANSWER_REPLY,   /* the session's message buffer holds the reply */
	ANSWER_REFUSED, /* logged, nothing changed: ack 1 if asked for, else the session ends */
	ANSWER_BROKEN,  /* logged; the session ends */
};

/* Log "REQUEST: text" for the present message and return answer. */
enum vhost_user_answer vhost_user_session_fault(struct vhost_user_session *s,
						enum vhost_user_answer answer, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The specification's name of a request, or NULL. */
const char *vhost_user_requests_name(uint32_t request);
/* Check the present message against what its request allows, and carry it out. */
enum vhost_user_answer vhost_user_requests_run(struct vhost_user_session *s);

/* Find the areas of ring in mem, by ring->packed. 0, or what virtq_resolve() says. */
int vhost_user_vring_resolve(struct vhost_user_ring *ring, const struct gmem *mem);
/* Nothing if it is stopped. */
void vhost_user_vring_stop(struct vhost_user_session *s, unsigned idx);
void vhost_user_vring_enable(struct vhost_user_session *s, unsigned idx, bool enabled);
void vhost_user_vring_enable_all(struct vhost_user_session *s, bool enabled);
/*
 * All rings as at the session's beginning, but for their call and err fds, and their bases: QEMU
 * 7.2 pauses a guest with SET_STATUS 0 and asks for the bases after it. Whoever starts anew sends
 * new ones.
 */
void vhost_user_vring_reset_all(struct vhost_user_session *s);

/* SET_VRING_NUM, ADDR, BASE, ENABLE, KICK, CALL, ERR and GET_VRING_BASE; the ring exists. */
enum vhost_user_answer vhost_user_vring_set_num(struct vhost_user_session *s,
						struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_vring_set_addr(struct vhost_user_session *s,
						 struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_vring_set_base(struct vhost_user_session *s,
						 struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_vring_set_enable(struct vhost_user_session *s,
						   struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_vring_set_kick(struct vhost_user_session *s,
						 struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_vring_set_call(struct vhost_user_session *s,
						 struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_vring_set_err(struct vhost_user_session *s,
						struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_vring_get_base(struct vhost_user_session *s,
						 struct vhost_user_msg *msg);

/* SET_MEM_TABLE, ADD_MEM_REG and REM_MEM_REG. A refused one leaves memory as it was. */
enum vhost_user_answer vhost_user_memory_set_table(struct vhost_user_session *s,
						   struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_memory_add(struct vhost_user_session *s,
					     struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_memory_remove(struct vhost_user_session *s,
						struct vhost_user_msg *msg);

#endif
