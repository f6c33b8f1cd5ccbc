/* SPDX-License-Identifier: MIT */
/* Messages and fds over a unix stream socket. A message may come in pieces of any size. */
#include "virtio/vhost_user/conn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "virtio/base.h"

/* Most fds that one sendmsg() may carry (SCM_MAX_FD). */
#define SENT_FDS_MAX 253

/* Room for all of them: fds that have none are closed by the kernel, on this thread. */
union control {
	char buf[CMSG_SPACE(sizeof(int) * SENT_FDS_MAX)];
	struct cmsghdr align;
};

void vhost_user_conn_init(struct vhost_user_conn *conn, int fd, const struct foreign *foreign)
{
	const int on = 1;

	*conn = (struct vhost_user_conn){ .fd = fd, .foreign = foreign };
	/* A byte out of band may carry fds, and a look passes over it: let it be like others. */
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
}

void vhost_user_conn_deinit(struct vhost_user_conn *conn)
{
	vhost_user_conn_done(conn);
	/* The front-end shall see the end now, however long the close takes. */
	if (conn->fd >= 0)
		shutdown(conn->fd, SHUT_RDWR);
	foreign_close(conn->foreign, conn->fd);
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

	for (i = 0; i < conn->n_fds; i++)
		foreign_close(conn->foreign, conn->fds[i]);
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

/* The fds of one recvmsg(). */
struct passed {
	unsigned n;
	int fds[SENT_FDS_MAX];
};

static void passed_get(struct passed *p, struct msghdr *mh)
{
	struct cmsghdr *c;
	size_t len;

	p->n = 0;
	for (c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		len = min_u64(c->cmsg_len - CMSG_LEN(0), (SENT_FDS_MAX - p->n) * sizeof(int));
		memcpy(p->fds + p->n, CMSG_DATA(c), len);
		p->n += (unsigned)(len / sizeof(int));
	}
}

static void passed_close(struct passed *p, const struct foreign *foreign)
{
	while (p->n > 0)
		foreign_close(foreign, p->fds[--p->n]);
}

static ssize_t receive_again(int fd, struct msghdr *mh, int flags)
{
	ssize_t n;

	do
		n = recvmsg(fd, mh, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	return n;
}

/* Look at up to len bytes, and get fds of our own of what they carry, or what follows them. */
static enum vhost_user_conn_outcome peek(struct vhost_user_conn *conn, struct iovec *iov,
					 struct passed *passed)
{
	union control control;
	struct msghdr mh = {
		.msg_iov = iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n = receive_again(conn->fd, &mh, MSG_PEEK);

	if (n < 0 && errno == EAGAIN)
		return VHOST_USER_CONN_AGAIN;
	if (n < 0 && errno != ECONNRESET)
		return violation(conn, "cannot receive: %s", strerror(errno));
	if (n <= 0 && conn->len)
		return violation(conn, "closed after %zu bytes of a message", conn->len);
	if (n <= 0)
		return VHOST_USER_CONN_CLOSED;
	passed_get(passed, &mh);
	iov->iov_len = (size_t)n;
	if (!(mh.msg_flags & MSG_CTRUNC))
		return VHOST_USER_CONN_MESSAGE;
	passed_close(passed, conn->foreign);
	return violation(conn, "its fds are more than this process may open: raise `ulimit -n`, or "
			       "LimitNOFILE= of its systemd unit");
}

static enum vhost_user_conn_outcome keep_fds(struct vhost_user_conn *conn, struct passed *passed)
{
	while (passed->n > 0 && conn->n_fds < VHOST_USER_MAX_FDS) {
		conn->fds[conn->n_fds++] = passed->fds[0];
		passed->n--;
		memmove(passed->fds, passed->fds + 1, passed->n * sizeof(int));
	}
	if (!passed->n)
		return VHOST_USER_CONN_MESSAGE;
	passed_close(passed, conn->foreign);
	return violation(conn, "more than %d fds with a message", VHOST_USER_MAX_FDS);
}

/*
 * MESSAGE: up to len bytes have arrived, at least one.
 *
 * They are looked at first and then taken out of the socket, without their fds, which we have from
 * the look. Otherwise the kernel would close those that we may not open, before recvmsg() returns,
 * and such a close may wait for as long as the front-end likes. A look at bytes without fds may
 * bring those of the bytes behind them; MSG_CTRUNC tells whose they are.
 */
static enum vhost_user_conn_outcome receive(struct vhost_user_conn *conn, void *to, size_t len)
{
	struct iovec iov = { .iov_base = to, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	enum vhost_user_conn_outcome outcome;
	struct passed passed;
	ssize_t n;

	outcome = peek(conn, &iov, &passed);
	if (outcome != VHOST_USER_CONN_MESSAGE)
		return outcome;
	n = receive_again(conn->fd, &mh, 0);
	if (n == (ssize_t)iov.iov_len && (mh.msg_flags & MSG_CTRUNC))
		outcome = keep_fds(conn, &passed);
	passed_close(&passed, conn->foreign);
	if (n != (ssize_t)iov.iov_len)
		return violation(conn, "what arrived changed while it was read");
	conn->len += (size_t)n;
	return outcome;
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

int vhost_user_conn_send(struct vhost_user_conn *conn, struct vhost_user_msg *msg, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(fd))];
		struct cmsghdr head;
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(fd)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };

	struct iovec iov[] = {
		{ .iov_base = &msg->hdr, .iov_len = sizeof(msg->hdr) },
		{ .iov_base = &msg->payload, .iov_len = msg->hdr.size },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
	}
	do
		n = sendmsg(conn->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == sizeof(msg->hdr) + msg->hdr.size ? 0 : -EAGAIN;
}
