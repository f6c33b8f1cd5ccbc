/* SPDX-License-Identifier: MIT */
/*
 * One non-blocking system call a frame: measured, nothing is faster on a tap (neither io_uring nor
 * writev, where a frame lies in one piece). The kernel takes its cheap way only with O_NONBLOCK and
 * the default send buffer, INT_MAX.
 *
 * The kernel cuts a frame for which a read has no room, and does not say so. So a read has room for
 * the longest frame that the interface can have, or the spill buffer behind it; and a frame that
 * filled what was thought to be more than enough is taken for cut: somebody raised the MTU.
 *
 * Where the spill buffer may be needed behind a single iovec, the frame is read there as a whole
 * and copied: that costs less than a readv of two, 1.1 against 1.25 times a plain read of a short
 * frame (docs/performance.md).
 */
#include "datapath/backend/tap.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datapath/backend/tap_check.h"
#include "datapath/backend/tap_link.h"
#include "datapath/backend/tap_open.h"
#include "virtio/base.h"

static void tap_free(struct backend *backend)
{
	struct tap_backend *tap = container_of(backend, struct tap_backend, base);
	unsigned i;

	/* Whoever passed the fds in has others of them, and an interface that had a carrier. */
	if (!tap->name[0] && !tap->carrier)
		tap_link_set_carrier(backend, true);
	for (i = 0; i < backend->n_queues; i++)
		close(tap->list[i].fd);
	close(tap->sock);
	free(tap->list);
	free(tap);
}

/* As many pieces as writev takes, and the header apart: one more. So the frame is copied. */
static ssize_t tap_write_copy(const struct tap_queue *q, const struct frame *f)
{
	uint8_t copy[NET_HDR_LEN_MAX + NET_FRAME_MAX], *to = copy;

	memcpy(to, &f->hdr, q->hdr_len);
	to += q->hdr_len;
	for (unsigned i = 0; i < f->n_iov; to += f->iov[i++].iov_len)
		memcpy(to, f->iov[i].iov_base, f->iov[i].iov_len);
	return write(q->fd, copy, q->hdr_len + f->len);
}

/* A frame in several pieces, or with its header apart. */
static ssize_t tap_writev(const struct tap_queue *q, const struct frame *f)
{
	struct iovec iov[IOV_MAX];

	if (f->in_place) {
		memcpy(iov, f->iov, f->n_iov * sizeof(*iov));
		iov[0] = (struct iovec){ (uint8_t *)iov[0].iov_base - q->hdr_len,
					 iov[0].iov_len + q->hdr_len };
		return writev(q->fd, iov, f->n_iov);
	}
	if (f->n_iov == IOV_MAX)
		return tap_write_copy(q, f);
	iov[0] = (struct iovec){ (void *)(uintptr_t)&f->hdr, q->hdr_len };
	memcpy(&iov[1], f->iov, f->n_iov * sizeof(*iov));
	return writev(q->fd, iov, f->n_iov + 1);
}

/*
 * A header that lies before the payload goes out as it lies there, though the guest may have
 * changed it since it was judged: the kernel judges its own copy, and a second iovec costs 90 to
 * 120 ns.
 */
static ssize_t tap_write(const struct tap_queue *q, const struct frame *f)
{
	ssize_t len;

	do {
		if (f->in_place && f->n_iov == 1)
			len = write(q->fd, (uint8_t *)f->iov->iov_base - q->hdr_len,
				    q->hdr_len + f->len);
		else
			len = tap_writev(q, f);
	} while (len < 0 && errno == EINTR);
	return len;
}

/* Queue 0 is always attached. */
static int tap_send(struct backend *backend, const void *frame, unsigned len)
{
	const struct tap_backend *tap = container_of(backend, struct tap_backend, base);
	struct iovec iov = { (void *)(uintptr_t)frame, len };
	struct frame f = { .iov = &iov, .n_iov = 1, .n_chains = 1, .len = len };

	return tap_write(&tap->list[0], &f) < 0 ? -errno : 0;
}

/*
 * A merged frame that the kernel does not take as one, in its parts: each is sent or dropped, as
 * the frame is taken whole.
 */
static void tap_write_parts(const struct tap_queue *q, const struct frame *f,
			    struct tx_stats *stats)
{
	for (unsigned i = 0; i < f->n_chains; i++) {
		if (tap_write(q, &f->parts[i]) < 0)
			count_add(&stats->drop_backend, 1);
	}
}

static unsigned tap_tx(struct backend_queue *base, const struct frame *frames, unsigned n,
		       struct tx_stats *stats)
{
	struct tap_queue *q = container_of(base, struct tap_queue, base);
	unsigned i;

	for (i = 0; i < n; i++) {
		if (tap_write(q, &frames[i]) >= 0)
			continue;
		if (errno == EAGAIN)
			break;
		/*
		 * EIO: the interface is down; EBADFD: it was removed; EINVAL: a header that does
		 * not suit the frame.
		 */
		if (errno == EINVAL && frames[i].parts)
			tap_write_parts(q, &frames[i], stats);
		else
			count_add(&stats->drop_backend, frames[i].n_chains);
	}
	return i;
}

/* Copy len bytes into f, and what does not fit to the front of the buffer they are in. */
static void tap_unspill(struct frame *f, struct spill *spill, uint32_t len)
{
	uint32_t done = 0, part;
	unsigned i;

	for (i = 0; i < f->n_iov && done < len; i++, done += part) {
		part = (uint32_t)min_u64(f->iov[i].iov_len, len - done);
		memcpy(f->iov[i].iov_base, spill->buf + done, part);
	}
	spill->used = len - done;
	memmove(spill->buf, spill->buf + done, spill->used);
	f->len = done;
}

/* One frame, by way of the spill buffer. */
static ssize_t tap_read_copy(int fd, struct frame *f, struct spill *spill)
{
	ssize_t len = read(fd, spill->buf, SPILL_SIZE);

	if (len > 0)
		tap_unspill(f, spill, (uint32_t)len);
	return len;
}

/* One frame into several iovecs, fewer than IOV_MAX, whose end may need the spill buffer. */
static ssize_t tap_readv(int fd, struct frame *f, struct spill *spill)
{
	struct iovec iov[IOV_MAX];
	ssize_t len;

	memcpy(iov, f->iov, f->n_iov * sizeof(*iov));
	iov[f->n_iov] = (struct iovec){ .iov_base = spill->buf, .iov_len = SPILL_SIZE };
	len = readv(fd, iov, f->n_iov + 1);
	if (len > (ssize_t)f->len)
		spill->used = (uint32_t)len - f->len;
	else if (len > 0)
		f->len = (uint32_t)len;
	return len;
}

/* One frame that cannot need more room than there is. */
static ssize_t tap_read_whole(int fd, struct frame *f)
{
	ssize_t len;

	if (f->n_iov == 1)
		len = read(fd, f->iov->iov_base, f->len);
	else
		len = readv(fd, f->iov, f->n_iov);
	if (len > 0)
		f->len = (uint32_t)len;
	return len;
}

/* One frame. Negative: errno says why there is none; *cut: there was one, but its end is lost. */
static ssize_t tap_read(struct tap_queue *q, struct frame *f, struct spill *spill, bool *cut)
{
	uint32_t room = f->len;
	ssize_t len;

	/* IOV_MAX iovecs leave no place for one more, and room may count some beyond them. */
	if ((room > q->max_len || room >= SPILL_SIZE) && f->n_iov < IOV_MAX) {
		len = tap_read_whole(q->fd, f);
		*cut = len == (ssize_t)room && room < SPILL_SIZE;
		return len;
	}
	if (f->n_iov == 1 || f->n_iov >= IOV_MAX)
		len = tap_read_copy(q->fd, f, spill);
	else
		len = tap_readv(q->fd, f, spill);
	*cut = spill->used == SPILL_SIZE;
	return len;
}

/* A read failed for another reason than that there is no frame. */
static void tap_read_failed(struct tap_queue *q, int code, struct rx_stats *stats)
{
	count_add(&stats->drop_backend, 1);
	if (code == EBADFD)
		tap_set_fd(q, -1);
}

static unsigned tap_rx(struct backend_queue *base, struct frame *frames, unsigned n,
		       struct spill *spill, struct rx_stats *stats)
{
	struct tap_queue *q = container_of(base, struct tap_queue, base);
	unsigned got = 0;
	bool cut;

	if (q->flushed) {
		count_add(&stats->drop_backend, q->flushed);
		q->flushed = 0;
	}
	spill->used = 0;
	while (got < n && !spill->used) {
		uint32_t room = frames[got].len;

		if (tap_read(q, &frames[got], spill, &cut) < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				tap_read_failed(q, errno, stats);
			break;
		}
		if (cut) {
			count_add(&stats->drop_size, 1);
			q->max_len = SPILL_SIZE;
			frames[got].len = room;
			spill->used = 0;
			break;
		}
		got++;
	}
	return got;
}

static const struct backend_ops tap_ops = {
	.name = "tap",
	.start = tap_link_start,
	.set_mtu = tap_link_set_mtu,
	.set_queue = tap_link_set_queue,
	.set_link = tap_link_set_carrier,
	.check = tap_link_check,
	.reopen = tap_link_reopen,
	.send = tap_send,
	.free = tap_free,
	.tx = tap_tx,
	.rx = tap_rx,
};

static void tap_init(struct tap_backend *tap, const int *fds, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		tap->list[i] = (struct tap_queue){
			.base = { .ops = &tap_ops,
				  .room = { .fd = fds[i], .events = POLLOUT },
				  .done = { .fd = -1 },
				  .frames = { .fd = fds[i], .events = POLLIN },
				  .vhost_fd = fds[i] },
			.fd = fds[i],
			.attached = true,
			.max_len = SPILL_SIZE,
		};
		tap->queues[i] = &tap->list[i].base;
	}
	tap->base = (struct backend){
		.ops = &tap_ops, .n_queues = n, .queues = tap->queues, .describe = tap->describe
	};
	tap_link_init(tap);
}

/* name: what the fds were opened by; NULL: they were passed in. */
static int tap_new(struct backend **backend, const int *fds, unsigned n, const char *name,
		   char err[BACKEND_ERR_LEN])
{
	struct tap_backend *tap = calloc(1, sizeof(*tap) + n * sizeof(tap->queues[0]));
	int code;

	if (!tap)
		return tap_open_failed(err, -ENOMEM, "no memory for a tap's queues");
	tap->list = calloc(n, sizeof(*tap->list));
	if (!tap->list) {
		code = tap_open_failed(err, -ENOMEM, "no memory for a tap's queues");
		goto free_tap;
	}
	tap->sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (tap->sock < 0) {
		code = tap_open_failed(err, -errno, "a tap needs a socket: %s", strerror(errno));
		goto free_list;
	}
	if (name)
		strncpy(tap->name, name, IFNAMSIZ - 1);
	tap_init(tap, fds, n);
	*backend = &tap->base;
	return 0;
free_list:
	free(tap->list);
free_tap:
	free(tap);
	return code;
}

int tap_backend_from_fds(struct backend **backend, const int *fds, unsigned n,
			 char err[BACKEND_ERR_LEN])
{
	int code;

	if (!n || n > TAP_MAX_QUEUES)
		return tap_open_failed(err, -EINVAL, "a tap has 1 to %d queues, not %u",
				       TAP_MAX_QUEUES, n);
	code = tap_check_fds(fds, n, err);
	return code ? code : tap_new(backend, fds, n, NULL, err);
}

int tap_backend_new(struct backend **backend, const char *name, unsigned n_queues,
		    char err[BACKEND_ERR_LEN])
{
	int fds[TAP_MAX_QUEUES], code;
	unsigned i;

	if (!n_queues || n_queues > TAP_MAX_QUEUES)
		return tap_open_failed(err, -EINVAL, "tap %s: it can have 1 to %d queues, not %u",
				       name, TAP_MAX_QUEUES, n_queues);
	code = tap_open_queues(fds, n_queues, name, err);
	if (code)
		return code;
	code = tap_new(backend, fds, n_queues, name, err);
	for (i = 0; code && i < n_queues; i++)
		close(fds[i]);
	return code;
}
