/* SPDX-License-Identifier: MIT */
/*
 * The socket that SET_BACKEND_REQ_FD brought is the session's until it ends, used or not: to
 * virtio_uml one that is closed is the end of the back-end.
 *
 * No message asks for a reply, so nothing is ever read from it. Only unix sockets are taken: to
 * send to others may mean to wait for a lock of theirs, whatever MSG_DONTWAIT says.
 */
#include "virtio/vhost_user/backend_req.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "virtio/features.h"
#include "virtio/notifier.h"
#include "virtio/vhost_user/report.h"

enum vhost_user_answer vhost_user_backend_req_set_fd(struct vhost_user_session *s,
						     struct vhost_user_msg *msg)
{
	struct notifier n;

	(void)msg;
	if (notifier_of_fd(&n, s->conn.fds[0]) < 0 || n.kind != NOTIFIER_SOCKET)
		return vhost_user_report_fault(s, ANSWER_REFUSED, "its fd is not a unix socket");
	foreign_close(&s->foreign, s->backend_req_fd);
	s->backend_req_fd = vhost_user_conn_take_fd(&s->conn, 0);
	return ANSWER_DONE;
}

static bool any_started(const struct vhost_user_session *s)
{
	unsigned i;

	for (i = 0; i < s->n_rings && !s->rings[i].started; i++)
		;
	return i < s->n_rings;
}

bool vhost_user_backend_req_listens(const struct vhost_user_session *s)
{
	return feature_has(s->protocol_features, VHOST_USER_PROTOCOL_F_BACKEND_REQ) &&
	       feature_has(s->protocol_features, VHOST_USER_PROTOCOL_F_CONFIG) &&
	       (s->backend_req_fd >= 0 || !any_started(s));
}

void vhost_user_backend_req_tell(struct vhost_user_session *s)
{
	const struct vhost_user_header hdr = { VHOST_USER_BACKEND_CONFIG_CHANGE, VHOST_USER_VERSION,
					       0 };

	if (!s->config_changed || !any_started(s) || !vhost_user_backend_req_listens(s))
		return;
	s->config_changed = false;
	/* A socket that is full holds such messages already, which say no less. */
	if (send(s->backend_req_fd, &hdr, sizeof(hdr), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	    errno != EAGAIN)
		vhost_user_report_line(s,
				       "front-end: cannot be told of a changed configuration: %s",
				       strerror(errno));
}
