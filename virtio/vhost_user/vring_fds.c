/* SPDX-License-Identifier: MIT */
/* The messages that bring a ring its fds. The session owns them until they are replaced. */
#include "virtio/vhost_user/vring_fds.h"

#include <errno.h>
#include <string.h>

#include "virtio/notifier.h"
#include "virtio/vhost_user/report.h"
#include "virtio/vhost_user/vring.h"

static unsigned file_ring(const struct vhost_user_msg *msg)
{
	return msg->payload.u64 & VHOST_USER_VRING_IDX_MASK;
}

/* The fd of SET_VRING_KICK, CALL or ERR, or none if the message says so. */
static enum vhost_user_answer take_notifier(struct vhost_user_session *s,
					    struct vhost_user_msg *msg, struct notifier *n)
{
	bool none = msg->payload.u64 & VHOST_USER_VRING_NOFD;
	int err;

	*n = notifier_none();
	if (s->conn.n_fds != !none)
		return vhost_user_report_fault(s, ANSWER_BROKEN, "ring %u: %u fds, not %d",
					       file_ring(msg), s->conn.n_fds, !none);
	if (none)
		return ANSWER_DONE;
	err = notifier_of_fd(n, s->conn.fds[0]);
	if (err == -EINVAL)
		return vhost_user_report_fault(
			s, ANSWER_BROKEN, "ring %u: not an eventfd, pipe to write or unix socket",
			file_ring(msg));
	if (err)
		return vhost_user_report_fault(s, ANSWER_BROKEN,
					       "ring %u: what its fd is cannot be told: %s",
					       file_ring(msg), strerror(-err));
	vhost_user_conn_take_fd(&s->conn, 0);
	return ANSWER_DONE;
}

/*
 * For a started ring: go on where it stands, with another kick fd. That is an eventfd, which the
 * iothread need not read: it waits for the next write. A socket or pipe would stay readable.
 */
enum vhost_user_answer vhost_user_vring_fds_set_kick(struct vhost_user_session *s,
						     struct vhost_user_msg *msg)
{
	unsigned idx = file_ring(msg);
	enum vhost_user_answer answer;
	struct notifier kick;

	answer = take_notifier(s, msg, &kick);
	if (answer != ANSWER_DONE)
		return answer;
	if (kick.kind == NOTIFIER_NONE)
		return vhost_user_report_fault(
			s, ANSWER_BROKEN, "ring %u: polling instead of a kick fd is not supported",
			idx);
	if (kick.kind != NOTIFIER_EVENTFD) {
		foreign_close(&s->foreign, kick.fd);
		return vhost_user_report_fault(s, ANSWER_BROKEN,
					       "ring %u: its kick fd is %s, not an eventfd", idx,
					       notifier_name(&kick));
	}
	return vhost_user_vring_start(s, idx, kick.fd);
}

/* The device lets go of the old fd before it is closed. */
static enum vhost_user_answer replace_notifier(struct vhost_user_session *s,
					       struct vhost_user_msg *msg, struct notifier *place)
{
	const struct vhost_user_ring *ring = &s->rings[file_ring(msg)];
	struct notifier now, old = *place;
	enum vhost_user_answer answer;

	answer = take_notifier(s, msg, &now);
	if (answer != ANSWER_DONE)
		return answer;
	*place = now;
	if (ring->running)
		s->cfg.ops->ring_fds(s->cfg.dev, file_ring(msg), ring->call, ring->err);
	foreign_close(&s->foreign, old.fd);
	return ANSWER_DONE;
}

enum vhost_user_answer vhost_user_vring_fds_set_call(struct vhost_user_session *s,
						     struct vhost_user_msg *msg)
{
	return replace_notifier(s, msg, &s->rings[file_ring(msg)].call);
}

enum vhost_user_answer vhost_user_vring_fds_set_err(struct vhost_user_session *s,
						    struct vhost_user_msg *msg)
{
	return replace_notifier(s, msg, &s->rings[file_ring(msg)].err);
}
