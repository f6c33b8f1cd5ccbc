/* SPDX-License-Identifier: MIT */
/*
 * An AF_XDP socket is opened; see xdp_sock.h.
 *
 * By system calls, not by libxdp's xsk_socket__create(): that of Debian 12 knows no metadata for
 * frames on their way out, and prints.
 */
#include "datapath/backend/xdp_sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "datapath/backend/xdp_link.h"
#include "datapath/backend/xdp_log.h"

/* Newer than Debian 12's <linux/if_xdp.h> and <sys/socket.h>. */
#define XDP_SOCK_UMEM_TX_METADATA (1U << 2) /* XDP_UMEM_TX_METADATA_LEN */
#define XDP_SOCK_SG               (1U << 4) /* XDP_USE_SG */
#define XDP_SOCK_TX_BUDGET        9         /* XDP_MAX_TX_SKB_BUDGET */
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#define SO_BUSY_POLL_BUDGET 70
#endif

/* Linux 6.8's struct xdp_umem_reg: as long as the one before. */
struct xdp_sock_umem_reg {
	uint64_t addr;
	uint64_t len;
	uint32_t chunk_size;
	uint32_t headroom;
	uint32_t flags;
	uint32_t tx_metadata_len;
};

#define XDP_SOCK_CHUNKS      (XDP_TX_CHUNKS + XDP_RX_CHUNKS)
#define XDP_SOCK_META_LEN    24
#define XDP_SOCK_SMALL       11 /* chunks of 2048 bytes: Ethernet's usual frames */
#define XDP_SOCK_LARGE       12 /* 4096: the most that the kernel has */
#define XDP_SOCK_RETRY_NS    20000000
#define XDP_SOCK_SNDBUF      (8 << 20)
#define XDP_SOCK_NAPI_FRAMES 64

static size_t umem_len(const struct xdp_sock *s)
{
	return (size_t)XDP_SOCK_CHUNKS << s->chunk_shift;
}

static int make_socket(struct xdp_sock *s, char err[BACKEND_ERR_LEN])
{
	int code;

	s->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (s->fd >= 0)
		return 0;
	code = -errno;
	if (code == -EPERM)
		return xdp_log_failed(
			err, code,
			"an AF_XDP socket needs CAP_NET_RAW: run as root, or pass sockets "
			"in with xdp-fd:");
	if (code == -EAFNOSUPPORT)
		return xdp_log_failed(
			err, code,
			"this kernel has no AF_XDP sockets (CONFIG_XDP_SOCKETS): use a "
			"tap");
	return xdp_log_failed(err, code, "an AF_XDP socket: %s", strerror(-code));
}

static int check_socket(int fd, char err[BACKEND_ERR_LEN])
{
	socklen_t len = sizeof(int);
	int domain, flags = fcntl(fd, F_GETFD);

	/* One that did not come with exec() is another file of our own. */
	if (flags < 0 || flags & FD_CLOEXEC)
		return xdp_log_failed(err, -EBADF, "fd %d is not open", fd);
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len))
		return xdp_log_failed(err, -errno, "fd %d is no AF_XDP socket: %s", fd,
				      strerror(errno));
	return domain == AF_XDP ? 0 : xdp_log_failed(err, -EINVAL, "fd %d is no AF_XDP socket", fd);
}

static int memory_refused(int code, size_t len, char err[BACKEND_ERR_LEN])
{
	struct rlimit limit = { 0 };

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (code == -ENOBUFS || code == -EPERM)
		return xdp_log_failed(
			err, code,
			"an AF_XDP socket locks %zu KiB of memory and RLIMIT_MEMLOCK is "
			"%llu KiB for all that this user locks: raise it (ulimit -l, "
			"LimitMEMLOCK=), or add CAP_IPC_LOCK",
			len >> 10, (unsigned long long)limit.rlim_cur >> 10);
	return xdp_log_failed(err, code, "memory for an AF_XDP socket: %s", strerror(-code));
}

/* Register the UMEM, with metadata if s->meta asks for it and the kernel has it. */
static int register_umem(struct xdp_sock *s, char err[BACKEND_ERR_LEN])
{
	struct xdp_sock_umem_reg reg = {
		.addr = (uint64_t)(uintptr_t)s->umem,
		.len = umem_len(s),
		.chunk_size = 1U << s->chunk_shift,
		.flags = s->meta ? XDP_SOCK_UMEM_TX_METADATA : 0,
		.tx_metadata_len = s->meta ? XDP_SOCK_META_LEN : 0,
	};

	if (!setsockopt(s->fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)))
		return 0;
	if (errno == EINVAL && s->meta) {
		s->meta = false;
		return register_umem(s, err);
	}
	if (errno == EBUSY)
		return xdp_log_failed(
			err, -EBUSY,
			"fd %d is an AF_XDP socket that is set up already: pass one that "
			"is in the map and not bound yet",
			s->fd);
	return memory_refused(-errno, umem_len(s), err);
}

static int make_umem(struct xdp_sock *s, char err[BACKEND_ERR_LEN])
{
	void *at =
		mmap(NULL, umem_len(s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return memory_refused(-errno, umem_len(s), err);
	s->umem = at;
	/* Fewer pages to look up for the kernel; where it has none, small ones do. */
	madvise(at, umem_len(s), MADV_HUGEPAGE);
	return register_umem(s, err);
}

static int map_ring(struct xdp_sock *s, struct xdp_ring *r, const struct xdp_ring_offset *offset,
		    size_t entry, uint64_t page, unsigned i)
{
	size_t len = offset->desc + r->size * entry;
	uint8_t *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, s->fd,
			   (off_t)page);

	if (at == MAP_FAILED)
		return -errno;
	s->maps[i].at = at;
	s->maps[i].len = len;
	r->producer = (uint32_t *)(void *)(at + offset->producer);
	r->consumer = (uint32_t *)(void *)(at + offset->consumer);
	r->flags = (uint32_t *)(void *)(at + offset->flags);
	r->entries = at + offset->desc;
	return 0;
}

static int make_rings(struct xdp_sock *s, char err[BACKEND_ERR_LEN])
{
	struct {
		struct xdp_ring *ring;
		int option;
		int size;
	} rings[] = {
		{ &s->tx, XDP_TX_RING, XDP_TX_CHUNKS },
		{ &s->comp, XDP_UMEM_COMPLETION_RING, XDP_TX_CHUNKS },
		{ &s->rx, XDP_RX_RING, XDP_RX_CHUNKS },
		{ &s->fill, XDP_UMEM_FILL_RING, XDP_RX_CHUNKS },
	};
	struct xdp_mmap_offsets offsets;
	socklen_t len = sizeof(offsets);
	unsigned i;

	for (i = 0; i < array_size(rings); i++) {
		*rings[i].ring = (struct xdp_ring){ .size = (uint32_t)rings[i].size };
		if (setsockopt(s->fd, SOL_XDP, rings[i].option, &rings[i].size, sizeof(int)))
			return xdp_log_failed(err, -errno, "rings of an AF_XDP socket: %s",
					      strerror(errno));
	}
	if (getsockopt(s->fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &len) || len != sizeof(offsets))
		return xdp_log_failed(err, -ENOSYS,
				      "this kernel's AF_XDP is older than 5.4 and not supported");
	if (map_ring(s, &s->tx, &offsets.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING, 0) ||
	    map_ring(s, &s->comp, &offsets.cr, sizeof(uint64_t), XDP_UMEM_PGOFF_COMPLETION_RING,
		     1) ||
	    map_ring(s, &s->rx, &offsets.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING, 2) ||
	    map_ring(s, &s->fill, &offsets.fr, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING, 3))
		return xdp_log_failed(err, -errno, "mapping rings of an AF_XDP socket: %s",
				      strerror(errno));
	return 0;
}

static void fill(struct xdp_sock *s)
{
	uint64_t chunk;

	for (chunk = XDP_TX_CHUNKS; chunk < XDP_SOCK_CHUNKS; chunk++)
		*xdp_ring_addr(&s->fill, s->fill.idx++) = chunk << s->chunk_shift;
	xdp_ring_submit(&s->fill);
}

static int bind_refused(int code, const struct xdp_sock_config *cfg, char err[BACKEND_ERR_LEN])
{
	switch (code) {
	case -EBUSY:
		return xdp_log_failed(
			err, code,
			"queue %u of %s is another AF_XDP socket's: choose another with "
			"start-queue=, or end what uses it",
			cfg->queue, cfg->ifname);
	case -EINVAL:
		return xdp_log_failed(err, code, "%s has no queue %u, or fd %d is bound already",
				      cfg->ifname, cfg->queue, cfg->fd);
	case -ENETDOWN:
		return xdp_log_failed(err, code, "%s is down: ip link set %s up", cfg->ifname,
				      cfg->ifname);
	case -EOPNOTSUPP:
		return xdp_log_failed(err, code, "%s has no zero-copy: use copy=auto", cfg->ifname);
	default:
		return xdp_log_failed(err, code, "binding an AF_XDP socket to queue %u of %s: %s",
				      cfg->queue, cfg->ifname, strerror(-code));
	}
}

/* Bind with these flags. A queue is busy for a moment after the socket that had it was closed. */
static int bind_as(const struct xdp_sock *s, const struct xdp_sock_config *cfg, unsigned flags)
{
	const struct timespec pause = { .tv_nsec = XDP_SOCK_RETRY_NS };
	struct sockaddr_xdp addr = { .sxdp_family = AF_XDP,
				     .sxdp_flags = (uint16_t)(flags | XDP_USE_NEED_WAKEUP),
				     .sxdp_ifindex = cfg->ifindex,
				     .sxdp_queue_id = cfg->queue };
	unsigned left = cfg->tries;

	while (bind(s->fd, (struct sockaddr *)&addr, sizeof(addr))) {
		if (errno != EBUSY || !left--)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* With frames of several chunks where the kernel has them: Linux 6.6. */
static int bind_mode(struct xdp_sock *s, const struct xdp_sock_config *cfg, unsigned mode)
{
	int code = bind_as(s, cfg, mode | XDP_SOCK_SG);

	s->segments = !code;
	if (code == -EINVAL || code == -EOPNOTSUPP)
		code = bind_as(s, cfg, mode);
	s->zerocopy = mode == XDP_ZEROCOPY;
	return code;
}

static int bind_best(struct xdp_sock *s, const struct xdp_sock_config *cfg,
		     char note[BACKEND_ERR_LEN], char err[BACKEND_ERR_LEN])
{
	int code = -EOPNOTSUPP;

	note[0] = '\0';
	if (cfg->copy != XDP_COPY_FORCE)
		code = bind_mode(s, cfg, XDP_ZEROCOPY);
	if (code == -EOPNOTSUPP && cfg->copy == XDP_COPY_AUTO)
		snprintf(note, BACKEND_ERR_LEN, "no zero-copy: its driver has none");
	if (code == -EOPNOTSUPP && cfg->copy != XDP_COPY_ZEROCOPY)
		code = bind_mode(s, cfg, XDP_COPY);
	if (code)
		return bind_refused(code, cfg, err);
	/* There the driver would have to make the sums, and does not tell whether it can. */
	s->meta = s->meta && !s->zerocopy;
	if (!s->segments && cfg->max_len > xdp_sock_piece(s))
		return xdp_log_failed(
			err, -EMSGSIZE,
			"without frames in several buffers, which this kernel has not, %s "
			"can have an MTU of %u at most: ip link set %s mtu %u",
			cfg->ifname, xdp_sock_piece(s) - XDP_LINK_HEADERS, cfg->ifname,
			xdp_sock_piece(s) - XDP_LINK_HEADERS);
	return 0;
}

/* More frames at once on their way through the kernel, as far as that is allowed. */
static void set_sndbuf(const struct xdp_sock *s)
{
	int len = XDP_SOCK_SNDBUF;

	if (setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &len, sizeof(len)))
		setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &len, sizeof(len));
}

/*
 * All that waits in the tx ring is sent by one system call in copy mode, instead of 32 descriptors.
 * A kernel before 6.17 refuses, and is called more often.
 */
static void set_tx_budget(const struct xdp_sock *s)
{
	int n = XDP_TX_CHUNKS;

	setsockopt(s->fd, SOL_XDP, XDP_SOCK_TX_BUDGET, &n, sizeof(n));
}

static int set_busy_poll(const struct xdp_sock *s, unsigned us, char err[BACKEND_ERR_LEN])
{
	int on = 1, frames = XDP_SOCK_NAPI_FRAMES, time = (int)us;

	if (!us || (!setsockopt(s->fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &on, sizeof(on)) &&
		    !setsockopt(s->fd, SOL_SOCKET, SO_BUSY_POLL, &time, sizeof(time)) &&
		    !setsockopt(s->fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &frames, sizeof(frames))))
		return 0;
	return xdp_log_failed(err, -errno, "busy-poll=%u: %s%s", us, strerror(errno),
			      errno == EPERM ? " (it needs CAP_NET_ADMIN)" : "");
}

static int set_up(struct xdp_sock *s, const struct xdp_sock_config *cfg, char note[BACKEND_ERR_LEN],
		  char err[BACKEND_ERR_LEN])
{
	int code = cfg->fd < 0 ? make_socket(s, err) : check_socket(cfg->fd, err);

	if (!code)
		code = make_umem(s, err);
	if (!code)
		code = make_rings(s, err);
	if (!code)
		code = set_busy_poll(s, cfg->busy_poll_us, err);
	if (code)
		return code;
	fill(s);
	set_sndbuf(s);
	set_tx_budget(s);
	return bind_best(s, cfg, note, err);
}

int xdp_sock_open(struct xdp_sock *s, const struct xdp_sock_config *cfg, char note[BACKEND_ERR_LEN],
		  char err[BACKEND_ERR_LEN])
{
	int code;

	*s = (struct xdp_sock){ .fd = cfg->fd, .chunk_shift = XDP_SOCK_SMALL, .meta = cfg->meta };
	if (cfg->max_len > xdp_sock_piece(s))
		s->chunk_shift = XDP_SOCK_LARGE;
	code = set_up(s, cfg, note, err);
	if (code) {
		if (cfg->fd >= 0)
			s->fd = -1;
		xdp_sock_close(s);
	}
	return code;
}

void xdp_sock_close(struct xdp_sock *s)
{
	unsigned i;

	for (i = 0; i < array_size(s->maps); i++) {
		if (s->maps[i].at)
			munmap(s->maps[i].at, s->maps[i].len);
		s->maps[i].at = NULL;
	}
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (s->umem)
		munmap(s->umem, umem_len(s));
	s->umem = NULL;
}
