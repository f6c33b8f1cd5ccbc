/* SPDX-License-Identifier: MIT */
/*
 * The buffer in which a front-end keeps, over the loss of a back-end, where each ring stands
 * (GET_INFLIGHT_FD, SET_INFLIGHT_FD; what is in it: virtio/virtq_inflight.h).
 */
#ifndef VIRTIO_VHOST_USER_INFLIGHT_H
#define VIRTIO_VHOST_USER_INFLIGHT_H

#include <stdbool.h>

#include "virtio/vhost_user/state.h"

/* GET_INFLIGHT_FD: make one. SET_INFLIGHT_FD: use the one that comes, from the next start on. */
enum vhost_user_answer vhost_user_inflight_get_fd(struct vhost_user_session *s,
						  struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_inflight_set_fd(struct vhost_user_session *s,
						  struct vhost_user_msg *msg);

/* The region of a ring of this layout that is about to start; NULL if it has none. */
struct virtq_inflight *vhost_user_inflight_region(struct vhost_user_session *s, unsigned idx,
						  bool packed);
/* Where the ring stands was told to the front-end, or is of no use any more: its base counts. */
void vhost_user_inflight_forget(struct vhost_user_session *s, unsigned idx);

#endif
