/* SPDX-License-Identifier: MIT */
/* The table of requests: what each must look like, and what it does. */
#ifndef VIRTIO_VHOST_USER_REQUESTS_H
#define VIRTIO_VHOST_USER_REQUESTS_H

#include "virtio/vhost_user/state.h"

/* Check the present message against what its request allows, and carry it out. */
enum vhost_user_answer vhost_user_requests_run(struct vhost_user_session *s);

#endif
