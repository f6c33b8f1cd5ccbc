/* SPDX-License-Identifier: MIT */
/* Messages and fds over a unix stream socket. A message may come in pieces of any size. */
#include "virtio/vhost_user/conn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio/base.h"

union control {
	char buf[CMSG_SPACE(sizeof(int) * VHOST_USER_MAX_FDS)];
	struct cmsghdr align;
};

void vhost_user_conn_init(struct vhost_user_conn *conn, int fd)
{
	*conn = (struct vhost_user_conn){ .fd = fd };
}

void vhost_user_conn_deinit(struct vhost_user_conn *conn)
{
	vhost_user_conn_done(conn);
	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = -1;
}

int vhost_user_conn_take_fd(struct vhost_user_conn *conn, unsigned i)
{
	int fd = conn->fds[i];

	conn->fds[i] = -1;
	return fd;
}

void vhost_user_conn_done(struct vhost_user_conn *conn)
{
	unsigned i;

	for (i = 0; i < conn->n_fds; i++) {
		if (conn->fds[i] >= 0)
			close(conn->fds[i]);
	}
	conn->n_fds = 0;
	conn->len = 0;
}

__attribute__((format(printf, 2, 3))) static enum vhost_user_conn_outcome
violation(struct vhost_user_conn *conn, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(conn->reason, sizeof(conn->reason), fmt, args);
	va_end(args);
	vhost_user_conn_done(conn);
	return VHOST_USER_CONN_VIOLATION;
}

/* False: more than a message may carry; those that have no place are closed. */
static bool keep_fds(struct vhost_user_conn *conn, struct msghdr *mh)
{
	bool fit = !(mh->msg_flags & MSG_CTRUNC);
	struct cmsghdr *c;
	size_t i;
	int fd;

	for (c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(fd); i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (conn->n_fds < VHOST_USER_MAX_FDS) {
				conn->fds[conn->n_fds++] = fd;
			} else {
				close(fd);
				fit = false;
			}
		}
	}
	return fit;
}

/* MESSAGE: up to len bytes have arrived, at least one. */
static enum vhost_user_conn_outcome receive(struct vhost_user_conn *conn, void *to, size_t len)
{
	struct iovec iov = { .iov_base = to, .iov_len = len };
	union control control;
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;

	do
		n = recvmsg(conn->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return VHOST_USER_CONN_AGAIN;
	if (n < 0 && errno != ECONNRESET)
		return violation(conn, "cannot receive: %s", strerror(errno));
	if (n <= 0 && conn->len)
		return violation(conn, "closed after %zu bytes of a message", conn->len);
	if (n <= 0)
		return VHOST_USER_CONN_CLOSED;
	conn->len += (size_t)n;
	if (!keep_fds(conn, &mh))
		return violation(conn, "more than %d fds with a message, or more than we may open",
				 VHOST_USER_MAX_FDS);
	return VHOST_USER_CONN_MESSAGE;
}

static enum vhost_user_conn_outcome check_header(struct vhost_user_conn *conn)
{
	const struct vhost_user_header *hdr = &conn->msg.hdr;

	if ((hdr->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION)
		return violation(conn, "request %u of version %u: only version %u is spoken here",
				 hdr->request, hdr->flags & VHOST_USER_VERSION_MASK,
				 VHOST_USER_VERSION);
	if (hdr->flags & VHOST_USER_FLAG_REPLY)
		return violation(conn, "request %u is marked as a reply", hdr->request);
	if (hdr->size > VHOST_USER_MAX_PAYLOAD)
		return violation(conn, "request %u: a payload of %u bytes, at most %d are taken",
				 hdr->request, hdr->size, VHOST_USER_MAX_PAYLOAD);
	return VHOST_USER_CONN_MESSAGE;
}

/* For what follows the content of a payload. */
struct surplus {
	uint8_t bytes[256];
};

/* Where the next bytes of the present message go, and how many it lacks there. */
static size_t lacking(struct vhost_user_conn *conn, struct surplus *surplus, uint8_t **to)
{
	const size_t head = sizeof(conn->msg.hdr), room = sizeof(conn->msg.payload);
	size_t at = conn->len - head;

	if (conn->len < head) {
		*to = (uint8_t *)&conn->msg.hdr + conn->len;
		return head - conn->len;
	}
	if (at < room) {
		*to = (uint8_t *)&conn->msg.payload + at;
		return min_u64(conn->msg.hdr.size, room) - at;
	}
	*to = surplus->bytes;
	return min_u64(conn->msg.hdr.size - at, sizeof(surplus->bytes));
}

enum vhost_user_conn_outcome vhost_user_conn_recv(struct vhost_user_conn *conn)
{
	enum vhost_user_conn_outcome outcome = VHOST_USER_CONN_MESSAGE;
	struct surplus surplus;
	uint8_t *to;
	size_t len;

	while (outcome == VHOST_USER_CONN_MESSAGE && (len = lacking(conn, &surplus, &to)) > 0) {
		outcome = receive(conn, to, len);
		if (outcome == VHOST_USER_CONN_MESSAGE && conn->len == sizeof(conn->msg.hdr))
			outcome = check_header(conn);
	}
	return outcome;
}

int vhost_user_conn_send(struct vhost_user_conn *conn, struct vhost_user_msg *msg)
{
	struct iovec iov[] = {
		{ .iov_base = &msg->hdr, .iov_len = sizeof(msg->hdr) },
		{ .iov_base = &msg->payload, .iov_len = msg->hdr.size },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	do
		n = sendmsg(conn->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == sizeof(msg->hdr) + msg->hdr.size ? 0 : -EAGAIN;
}
