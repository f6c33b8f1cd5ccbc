/* SPDX-License-Identifier: MIT */
/* What goes to the log about a message, and the names that it uses. */
#ifndef VIRTIO_VHOST_USER_REPORT_H
#define VIRTIO_VHOST_USER_REPORT_H

#include <stdint.h>

#include "virtio/vhost_user/state.h"

/* The specification's name of a request, or NULL. */
const char *vhost_user_report_name(uint32_t request);

/* One line, as it is. */
void vhost_user_report_line(struct vhost_user_session *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Tell whoever traces of the message that has arrived, with its value; nothing is checked yet. */
void vhost_user_report_message(struct vhost_user_session *s);
/* ... and of what goes back: the message's reply, or its acknowledgement. */
void vhost_user_report_reply(struct vhost_user_session *s);

/* Log "REQUEST: text" for the present message and return answer. */
enum vhost_user_answer vhost_user_report_fault(struct vhost_user_session *s,
					       enum vhost_user_answer answer, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), nonnull(3)));

#endif
