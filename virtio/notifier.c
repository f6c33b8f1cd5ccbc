/* SPDX-License-Identifier: MIT */
/* Telling the fds of a front-end apart, and notifying through them; see notifier.h. */
#include "virtio/notifier.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * The kernel's nameless files have no type, and the name of their kind in /proc. poll() would not
 * do to tell them apart: it asks all files that an epoll fd holds, and one of them may be a FUSE
 * file, which answers when it likes.
 */
static int nameless_kind(int fd)
{
	static const char eventfd_name[] = "anon_inode:[eventfd]";
	char path[32], name[sizeof(eventfd_name)];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, name, sizeof(name));
	if (len < 0)
		return -errno;
	if (len != (ssize_t)strlen(eventfd_name) || memcmp(name, eventfd_name, (size_t)len) != 0)
		return -EINVAL;
	return NOTIFIER_EVENTFD;
}

/* A fifo that was opened with O_PATH cannot be written either, and says O_RDONLY. */
static int pipe_kind(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	return (flags & O_ACCMODE) == O_RDONLY ? -EINVAL : NOTIFIER_PIPE;
}

/* Only unix sockets: others send under a lock that another sender may hold as long as it likes. */
static int socket_kind(int fd)
{
	int domain;
	socklen_t len = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_UNIX)
		return -EINVAL;
	return NOTIFIER_SOCKET;
}

static int kind_of(int fd, mode_t type)
{
	switch (type) {
	case 0:
		return nameless_kind(fd);
	case S_IFIFO:
		return pipe_kind(fd);
	case S_IFSOCK:
		return socket_kind(fd);
	default:
		return -EINVAL;
	}
}

int notifier_of_fd(struct notifier *n, int fd)
{
	struct statx stx;
	int kind;

	*n = notifier_none();
	/* DONT_SYNC: what the kernel knows already, without a question to the file's server. */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0)
		return -errno;
	kind = kind_of(fd, stx.stx_mode & S_IFMT);
	if (kind < 0)
		return kind;
	if (kind != NOTIFIER_SOCKET && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	*n = (struct notifier){ fd, (enum notifier_kind)kind };
	return 0;
}

/* RWF_NOWAIT is ours alone, while the front-end may clear O_NONBLOCK. A fifo does not have it. */
static void send_pipe(int fd)
{
	const uint64_t one = 1;
	struct iovec iov = { .iov_base = (void *)&one, .iov_len = sizeof(one) };

	if (pwritev2(fd, &iov, 1, -1, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP)
		(void)!write(fd, &one, sizeof(one));
}

void notifier_send(const struct notifier *n)
{
	const uint64_t one = 1;

	switch (n->kind) {
	case NOTIFIER_NONE:
		break;
	case NOTIFIER_EVENTFD:
		(void)!eventfd_write(n->fd, 1);
		break;
	case NOTIFIER_PIPE:
		send_pipe(n->fd);
		break;
	case NOTIFIER_SOCKET:
		(void)!send(n->fd, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	}
}

const char *notifier_name(const struct notifier *n)
{
	static const char *const names[] = {
		[NOTIFIER_NONE] = "none",
		[NOTIFIER_EVENTFD] = "an eventfd",
		[NOTIFIER_PIPE] = "a pipe",
		[NOTIFIER_SOCKET] = "a socket",
	};

	return names[n->kind];
}
