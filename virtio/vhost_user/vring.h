/* SPDX-License-Identifier: MIT */
/* The rings of a session: their states, and the messages that change them. */
#ifndef VIRTIO_VHOST_USER_VRING_H
#define VIRTIO_VHOST_USER_VRING_H

#include <stdbool.h>

#include "virtio/vhost_user/state.h"

/* Find the areas of ring in mem, by ring->packed. 0, or what virtq_resolve() says. */
int vhost_user_vring_resolve(struct vhost_user_ring *ring, const struct gmem *mem);
/* Start the ring with this kick fd, which is the session's from here on; stop it first. */
enum vhost_user_answer vhost_user_vring_start(struct vhost_user_session *s, unsigned idx,
					      int kick_fd);
/* Stop the ring and close its kick fd; nothing if it is stopped. */
void vhost_user_vring_stop(struct vhost_user_session *s, unsigned idx);
/*
 * A running ring is about to lose its memory: it leaves the device, but stays started, with its
 * fds, addresses and base.
 */
void vhost_user_vring_lose(struct vhost_user_session *s, unsigned idx);
/* After memory came: started rings that are not running go on if their areas are there again. */
enum vhost_user_answer vhost_user_vring_regain(struct vhost_user_session *s);
void vhost_user_vring_enable(struct vhost_user_session *s, unsigned idx, bool enabled);
void vhost_user_vring_enable_all(struct vhost_user_session *s, bool enabled);
/*
 * All rings as at the session's beginning, but for their call and err fds, and their bases: QEMU
 * 7.2 pauses a guest with SET_STATUS 0 and asks for the bases after it. A front-end that starts
 * rings anew sends new ones.
 */
void vhost_user_vring_reset_all(struct vhost_user_session *s);

/* SET_VRING_NUM, ADDR, BASE, ENABLE and GET_VRING_BASE; the ring exists. */
enum vhost_user_answer vhost_user_vring_set_num(struct vhost_user_session *s,
						struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_vring_set_addr(struct vhost_user_session *s,
						 struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_vring_set_base(struct vhost_user_session *s,
						 struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_vring_set_enable(struct vhost_user_session *s,
						   struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_vring_get_base(struct vhost_user_session *s,
						 struct vhost_user_msg *msg);

#endif
