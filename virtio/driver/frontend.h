/* SPDX-License-Identifier: MIT */
/*
 * The front-end's half of vhost-user: what QEMU sends, for tests, benches and the demo. The wire
 * format is virtio/vhost_user/proto.h.
 *
 * Every call blocks, at most timeout_ms for each answer, and returns 0 or a negative errno, of
 * which the back-end causes: -ETIMEDOUT, -ECONNRESET (it closed), -EREMOTEIO (it refused: REPLY_ACK
 * with a value other than 0), -EPROTO (an answer to another question). With REPLY_ACK every message
 * asks for an answer, so that an error shows at once. The object owns the socket and the eventfds
 * of its rings.
 */
#ifndef VIRTIO_DRIVER_FRONTEND_H
#define VIRTIO_DRIVER_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/driver/arena.h"
#include "virtio/vhost_user/proto.h"
#include "virtio/virtq_state.h"

#define FRONTEND_MAX_RINGS  256
#define FRONTEND_TIMEOUT_MS 5000

/* What SCM_RIGHTS carries at most; a decent message has VHOST_USER_MAX_FDS. */
#define FRONTEND_MAX_FDS 253

struct frontend {
	int sock;
	int timeout_ms;
	uint64_t offered;          /* features, as the back-end gave them */
	uint64_t features;         /* what was accepted */
	uint64_t protocol_offered; /* protocol features, likewise */
	uint64_t protocol;
	unsigned max_pairs; /* GET_QUEUE_NUM; 1 without MQ */
	uint64_t
		max_slots; /* GET_MAX_MEM_SLOTS; VHOST_USER_MAX_TABLE without CONFIGURE_MEM_SLOTS */
	unsigned n_rings;
	struct frontend_ring {
		int kick_fd;
		int call_fd;
		int err_fd;
	} rings[FRONTEND_MAX_RINGS];
};

/* Eventfds for n_rings rings; no connection yet. 0, -EINVAL or eventfd's errno. */
int frontend_init(struct frontend *f, unsigned n_rings);
/* Closes everything; may run twice. */
void frontend_deinit(struct frontend *f);

/* Connect to a listening back-end, which may come up within timeout_ms. */
int frontend_connect(struct frontend *f, const char *path);
/* Listen at path, which must not exist, and take the first back-end that connects. */
int frontend_accept(struct frontend *f, const char *path);
/* Take a connected socket; it is the front-end's from here on. */
void frontend_adopt(struct frontend *f, int sock);
/* Hang up. The rings' eventfds stay for the next connection. */
void frontend_close(struct frontend *f);
/* Wait until the back-end has hung up: 0 or -ETIMEDOUT. What it still sends is thrown away. */
int frontend_wait_closed(struct frontend *f);

/*
 * Ask what is offered, take of it what is wanted of features and of protocol features, and become
 * the owner. SET_FEATURES is sent by frontend_set_features(), with f->features or what a test
 * prefers.
 */
int frontend_negotiate(struct frontend *f, uint64_t features, uint64_t protocol);
int frontend_set_features(struct frontend *f, uint64_t features);

/* Share the arena, slot by slot where that was negotiated. -E2BIG: more regions than may be. */
int frontend_set_memory(struct frontend *f, const struct arena *arena);
int frontend_add_region(struct frontend *f, const struct arena *arena, unsigned region);
int frontend_remove_region(struct frontend *f, const struct arena *arena, unsigned region);

/* NUM, BASE, ADDR, ERR, CALL and KICK: the ring runs, once it is enabled. */
int frontend_ring_start(struct frontend *f, unsigned ring, const struct virtq_rings *areas,
			unsigned size, uint32_t base);
int frontend_ring_enable(struct frontend *f, unsigned ring, bool enabled);
/* GET_VRING_BASE. */
int frontend_ring_stop(struct frontend *f, unsigned ring, uint32_t *base);

int frontend_set_status(struct frontend *f, uint8_t status);
int frontend_get_status(struct frontend *f, uint8_t *status);
int frontend_set_mtu(struct frontend *f, uint16_t mtu);
int frontend_send_rarp(struct frontend *f, const uint8_t mac[6]);
/* len <= VHOST_USER_MAX_CONFIG bytes of the device's configuration. -EREMOTEIO: it has none. */
int frontend_get_config(struct frontend *f, uint32_t offset, void *data, uint32_t len);
int frontend_reset_device(struct frontend *f);

/* A message with an acknowledgement where REPLY_ACK was negotiated, else without. */
int frontend_request(struct frontend *f, uint32_t request, const void *payload, uint32_t size,
		     const int *fds, unsigned n_fds);
/* A message that has an answer of its own. The answer's size is at least reply_min. */
int frontend_query(struct frontend *f, uint32_t request, const void *payload, uint32_t size,
		   struct vhost_user_msg *reply, uint32_t reply_min);

/* For tests that misbehave: a message as given, and any bytes at all. No answer is waited for. */
int frontend_send(struct frontend *f, const struct vhost_user_header *hdr, const void *payload,
		  size_t len, const int *fds, unsigned n_fds);
/* The next message from the back-end, whatever it is. */
int frontend_receive(struct frontend *f, struct vhost_user_msg *msg);

#endif
