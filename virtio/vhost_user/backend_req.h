/* SPDX-License-Identifier: MIT */
/* Messages that the back-end sends of its own accord: that the configuration space has changed. */
#ifndef VIRTIO_VHOST_USER_BACKEND_REQ_H
#define VIRTIO_VHOST_USER_BACKEND_REQ_H

#include "virtio/vhost_user/state.h"

/* SET_BACKEND_REQ_FD. */
enum vhost_user_answer vhost_user_backend_req_set_fd(struct vhost_user_session *s,
						     struct vhost_user_msg *msg);

/* Whether it has said that it wants to be told; before a ring starts the socket may be missing. */
bool vhost_user_backend_req_listens(const struct vhost_user_session *s);

/*
 * Tell the front-end of s->config_changed, and clear it, if it wants to be told and may be: not
 * while all rings are stopped ("Suspended device state" in the specification). Never waits.
 */
void vhost_user_backend_req_tell(struct vhost_user_session *s);

#endif
