/* SPDX-License-Identifier: MIT */
/* SET_VRING_KICK, SET_VRING_CALL and SET_VRING_ERR; the ring exists. */
#ifndef VIRTIO_VHOST_USER_VRING_FDS_H
#define VIRTIO_VHOST_USER_VRING_FDS_H

#include "virtio/vhost_user/state.h"

enum vhost_user_answer vhost_user_vring_fds_set_kick(struct vhost_user_session *s,
						     struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_vring_fds_set_call(struct vhost_user_session *s,
						     struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_vring_fds_set_err(struct vhost_user_session *s,
						    struct vhost_user_msg *msg);

#endif
