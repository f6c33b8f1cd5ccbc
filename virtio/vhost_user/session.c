/* SPDX-License-Identifier: MIT */
/*
 * A session's life: messages are received here, carried out by requests.c, and answered here.
 * Which messages there are, and what each needs, is the table at the end of requests.c.
 */
#include "virtio/vhost_user/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "virtio/base.h"
#include "virtio/features.h"
#include "virtio/vhost_user/backend_req.h"
#include "virtio/vhost_user/report.h"
#include "virtio/vhost_user/requests.h"
#include "virtio/vhost_user/state.h"
#include "virtio/vhost_user/vring.h"

/* A front-end that never pauses must not keep the control thread to itself. */
#define MESSAGES_PER_DISPATCH 16

int vhost_user_session_new(struct vhost_user_session **session, const struct vhost_user_config *cfg,
			   int fd)
{
	const struct foreign foreign = { cfg->ops->release, cfg->dev };
	struct vhost_user_session *s;
	unsigned i, n_rings = 2 * cfg->max_pairs;
	char why[FEATURES_NAMES_LEN];
	int err = -EINVAL;

	if (!cfg->max_pairs || cfg->max_pairs > VHOST_USER_MAX_RINGS / 2 ||
	    !features_check(cfg->features, why))
		goto close_fd;
	err = -ENOMEM;
	s = calloc(1, sizeof(*s) + n_rings * sizeof(s->rings[0]));
	if (!s)
		goto close_fd;
	err = gmem_init(&s->mem);
	if (err)
		goto free_session;
	err = gmem_init(&s->inflight.mem);
	if (err)
		goto free_mem;
	s->cfg = *cfg;
	s->foreign = foreign;
	s->mem.watcher = cfg->watcher;
	s->mem.foreign = &s->foreign;
	s->link_up = true;
	s->backend_req_fd = -1;
	s->reply_fd = -1;
	s->n_rings = n_rings;
	for (i = 0; i < n_rings; i++) {
		s->rings[i].kick_fd = -1;
		s->rings[i].call = notifier_none();
		s->rings[i].err = notifier_none();
	}
	vhost_user_conn_init(&s->conn, fd, &s->foreign);
	*session = s;
	return 0;

free_mem:
	gmem_deinit(&s->mem);
free_session:
	free(s);
close_fd:
	foreign_close(&foreign, fd);
	return err;
}

void vhost_user_session_free(struct vhost_user_session *s)
{
	unsigned i;

	if (!s)
		return;
	vhost_user_vring_reset_all(s);
	for (i = 0; i < s->n_rings; i++) {
		foreign_close(&s->foreign, s->rings[i].call.fd);
		foreign_close(&s->foreign, s->rings[i].err.fd);
	}
	foreign_close(&s->foreign, s->backend_req_fd);
	gmem_deinit(&s->inflight.mem);
	gmem_deinit(&s->mem);
	vhost_user_conn_deinit(&s->conn);
	free(s);
}

int vhost_user_session_fd(const struct vhost_user_session *s)
{
	return s->conn.fd;
}

bool vhost_user_session_has_spoken(const struct vhost_user_session *s)
{
	return s->spoken;
}

void vhost_user_session_set_link(struct vhost_user_session *s, bool up)
{
	s->config_changed |= s->link_up != up;
	s->link_up = up;
	vhost_user_backend_req_tell(s);
}

enum vhost_user_hearing vhost_user_session_hearing(const struct vhost_user_session *s)
{
	if (!s->protocol_features && !s->has_features)
		return VHOST_USER_HEARING_UNKNOWN;
	return vhost_user_backend_req_listens(s) ? VHOST_USER_HEARS : VHOST_USER_DEAF;
}

/* 0 or negative errno: a front-end that asks and does not read the answers is not waited for. */
static int reply(struct vhost_user_session *s)
{
	struct vhost_user_msg *msg = &s->conn.msg;
	int err;

	vhost_user_report_reply(s);
	msg->hdr.flags = VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY;
	err = vhost_user_conn_send(&s->conn, msg, s->reply_fd);
	if (s->reply_fd >= 0)
		close(s->reply_fd);
	s->reply_fd = -1;
	return err;
}

static bool wants_ack(const struct vhost_user_session *s)
{
	return feature_has(s->protocol_features, VHOST_USER_PROTOCOL_F_REPLY_ACK) &&
	       (s->conn.msg.hdr.flags & VHOST_USER_FLAG_NEED_REPLY);
}

static int ack(struct vhost_user_session *s, uint64_t result)
{
	s->conn.msg.payload.u64 = result;
	s->conn.msg.hdr.size = sizeof(result);
	return reply(s);
}

/* Carry out the message that has arrived and answer it. */
static enum vhost_user_outcome handle(struct vhost_user_session *s)
{
	enum vhost_user_answer answer;
	int err = 0;

	vhost_user_report_message(s);
	answer = vhost_user_requests_run(s);
	if (answer == ANSWER_BROKEN || (answer == ANSWER_REFUSED && !wants_ack(s)))
		return VHOST_USER_VIOLATION;
	if (answer == ANSWER_REPLY)
		err = reply(s);
	else if (wants_ack(s))
		err = ack(s, answer == ANSWER_REFUSED);
	if (err == -EPIPE || err == -ECONNRESET)
		return VHOST_USER_CLOSED;
	if (err) {
		vhost_user_report_fault(s, ANSWER_BROKEN, "cannot send the reply: %s",
					err == -EAGAIN ? "replies are not read" : strerror(-err));
		return VHOST_USER_VIOLATION;
	}
	return VHOST_USER_GO_ON;
}

enum vhost_user_outcome vhost_user_session_dispatch(struct vhost_user_session *s)
{
	enum vhost_user_outcome outcome = VHOST_USER_GO_ON;
	unsigned n;

	for (n = 0; n < MESSAGES_PER_DISPATCH && outcome == VHOST_USER_GO_ON; n++) {
		switch (vhost_user_conn_recv(&s->conn)) {
		case VHOST_USER_CONN_MESSAGE:
			s->spoken = true;
			outcome = handle(s);
			vhost_user_conn_done(&s->conn);
			vhost_user_backend_req_tell(s);
			break;
		case VHOST_USER_CONN_AGAIN:
			return VHOST_USER_GO_ON;
		case VHOST_USER_CONN_CLOSED:
			return VHOST_USER_CLOSED;
		case VHOST_USER_CONN_VIOLATION:
			vhost_user_report_line(s, "front-end: %s", s->conn.reason);
			return VHOST_USER_VIOLATION;
		}
	}
	return outcome;
}
