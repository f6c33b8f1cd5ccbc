/* SPDX-License-Identifier: MIT */
/* The messages that change guest memory. */
#ifndef VIRTIO_VHOST_USER_MEMORY_H
#define VIRTIO_VHOST_USER_MEMORY_H

#include "virtio/vhost_user/state.h"

/* SET_MEM_TABLE, ADD_MEM_REG and REM_MEM_REG. A refused one leaves memory as it was. */
enum vhost_user_answer vhost_user_memory_set_table(struct vhost_user_session *s,
						   struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_memory_add(struct vhost_user_session *s,
					     struct vhost_user_msg *msg);
enum vhost_user_answer vhost_user_memory_remove(struct vhost_user_session *s,
						struct vhost_user_msg *msg);

#endif
