/* SPDX-License-Identifier: MIT */
/*
 * A fd that a front-end passed to be notified by: a ring's call or err fd. QEMU and DPDK pass
 * eventfds, user-mode Linux passes unix sockets.
 *
 * Telling the kind of a foreign fd and sending to it do not wait for the front-end, with two
 * exceptions, of which docs/design.md says what they mean: a front-end that clears O_NONBLOCK of an
 * eventfd and fills its counter, and one that holds the lock of a pipe.
 */
#ifndef VIRTIO_NOTIFIER_H
#define VIRTIO_NOTIFIER_H

enum notifier_kind {
	NOTIFIER_NONE, /* nobody is notified: the other side polls */
	NOTIFIER_EVENTFD,
	NOTIFIER_PIPE,   /* the end that is written, of a pipe or a fifo */
	NOTIFIER_SOCKET, /* a unix socket of any type */
};

struct notifier {
	int fd; /* borrowed; -1 if there is none */
	enum notifier_kind kind;
};

static inline struct notifier notifier_none(void)
{
	return (struct notifier){ .fd = -1, .kind = NOTIFIER_NONE };
}

/* fd is known to be an eventfd with O_NONBLOCK, or is -1 for none. */
static inline struct notifier notifier_eventfd(int fd)
{
	return (struct notifier){ fd, fd < 0 ? NOTIFIER_NONE : NOTIFIER_EVENTFD };
}

/*
 * Tell what kind of notifier a foreign fd is, and make it one that does not block: O_NONBLOCK is
 * set on an eventfd and on a pipe. 0, or a negative errno, and *n is no notifier then: -EINVAL for
 * an fd that cannot serve as one. Needs /proc: -ENOENT without. The fd stays the caller's.
 */
int notifier_of_fd(struct notifier *n, int fd);

/*
 * Notify: add 1 to an eventfd, or send a uint64_t of 1. What does not fit is dropped: the other
 * side has notifications to read then. Any thread. The process must ignore SIGPIPE.
 */
void notifier_send(const struct notifier *n);

/* The kind in words for a log line, as "a pipe". */
const char *notifier_name(const struct notifier *n);

#endif
