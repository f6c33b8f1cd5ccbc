/* SPDX-License-Identifier: MIT */
/*
 * For tests of the back-end half of vhost-user: a front-end made of raw bytes, and a device that
 * writes down what it is told and insists on what the ops promise it. No thread: send, dispatch,
 * read the reply. Every test ends with as many open fds and guest mappings as it began with.
 */
#ifndef TESTS_UNIT_VHOST_USER_PEER_H
#define TESTS_UNIT_VHOST_USER_PEER_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "virtio/base.h"
#include "virtio/features.h"
#include "virtio/vhost_user/proto.h"
#include "virtio/vhost_user/session.h"

#define PAIRS   2
#define RINGS   (2 * PAIRS)
#define ENTRIES 256

#define OFFERED \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | \
	 FEATURE(VIRTIO_NET_F_MRG_RXBUF))
#define PACKED  FEATURE(VIRTIO_F_RING_PACKED)
#define BIT30   FEATURE(VHOST_USER_F_PROTOCOL_FEATURES)
#define P(name) FEATURE(VHOST_USER_PROTOCOL_F_##name)
#define PROTOCOL \
	(P(MQ) | P(RARP) | P(REPLY_ACK) | P(MTU) | P(RESET_DEVICE) | P(CONFIGURE_MEM_SLOTS) | \
	 P(STATUS) | P(BACKEND_REQ) | P(INFLIGHT_SHMFD))

/* Guest memory: two regions of one file, far apart in both address spaces. Rings 0, 1 live in A. */
#define REGION_SIZE 0x10000
#define REGION_A \
	{ \
		0, REGION_SIZE, 0x7f0000000000, 0 \
	}
#define REGION_B \
	{ \
		0x100000000, REGION_SIZE, 0x7e0000000000, REGION_SIZE \
	}
#define FILE_SIZE (2 * REGION_SIZE)

static const struct vhost_user_region region_a = REGION_A, region_b = REGION_B;

/* The device: writes down its calls, and insists on what the ops promise it. */
struct fake {
	char events[4096];
	char log[4096];
	bool started[RINGS];
	bool enabled[RINGS];
	bool quiet;
	struct virtq_config cfg[RINGS];
	int kick_fd[RINGS];
	int refuse; /* errno of the next call that can fail */
};

__attribute__((format(printf, 2, 3))) static inline void event(struct fake *dev, const char *fmt,
							       ...)
{
	size_t len = strlen(dev->events);
	va_list args;

	va_start(args, fmt);
	vsnprintf(dev->events + len, sizeof(dev->events) - len, fmt, args);
	va_end(args);
}

static inline int fake_set_features(void *opaque, uint64_t features)
{
	struct fake *dev = opaque;
	unsigned i;

	for (i = 0; i < RINGS; i++)
		assert_false(dev->started[i]);
	assert_int_equal(features & ~(OFFERED | PACKED | FEATURE(VIRTIO_NET_F_STATUS)), 0);
	event(dev, "features %" PRIx64 "; ", features);
	return dev->refuse;
}

/* Open, O_NONBLOCK and not for programs that we start; or none. */
static inline void check_fd(int fd)
{
	if (fd < 0)
		return;
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static inline int fake_ring_start(void *opaque, unsigned ring, const struct virtq_config *cfg,
				  int kick_fd)
{
	struct fake *dev = opaque;

	assert_true(ring < RINGS && !dev->started[ring] && !dev->quiet && kick_fd >= 0);
	check_fd(kick_fd);
	check_fd(cfg->call.fd);
	check_fd(cfg->err.fd);
	event(dev, "start %u (%u from %u); ", ring, cfg->size, cfg->base);
	if (dev->refuse)
		return dev->refuse;
	dev->started[ring] = true;
	dev->cfg[ring] = *cfg;
	dev->kick_fd[ring] = kick_fd;
	return 0;
}

/* Reports 7 chains taken, and touches the ring: memory and fds must still be there. */
static inline uint32_t fake_ring_stop(void *opaque, unsigned ring)
{
	struct fake *dev = opaque;

	assert_true(ring < RINGS && dev->started[ring] && !dev->quiet);
	store_relaxed(&dev->cfg[ring].rings.used->idx, 1);
	check_fd(dev->kick_fd[ring]);
	check_fd(dev->cfg[ring].call.fd);
	check_fd(dev->cfg[ring].err.fd);
	event(dev, "stop %u; ", ring);
	dev->started[ring] = false;
	return dev->cfg[ring].base + 7;
}

static inline void fake_ring_enable(void *opaque, unsigned ring, bool enabled)
{
	struct fake *dev = opaque;

	assert_true(ring < RINGS && dev->enabled[ring] != enabled);
	dev->enabled[ring] = enabled;
	event(dev, "%s %u; ", enabled ? "enable" : "disable", ring);
}

static inline void fake_ring_fds(void *opaque, unsigned ring, struct notifier call,
				 struct notifier err)
{
	struct fake *dev = opaque;

	assert_true(ring < RINGS && dev->started[ring]);
	/* The old ones are open until the device has let go of them. */
	check_fd(dev->cfg[ring].call.fd);
	check_fd(dev->cfg[ring].err.fd);
	check_fd(call.fd);
	check_fd(err.fd);
	dev->cfg[ring].call = call;
	dev->cfg[ring].err = err;
	event(dev, "fds %u%s%s; ", ring, call.fd < 0 ? "" : " call", err.fd < 0 ? "" : " err");
}

static inline void fake_quiesce(void *opaque)
{
	struct fake *dev = opaque;

	assert_false(dev->quiet);
	dev->quiet = true;
	event(dev, "quiesce; ");
}

static inline void fake_ring_moved(void *opaque, unsigned ring, const struct virtq_rings *rings)
{
	struct fake *dev = opaque;

	assert_true(ring < RINGS && dev->started[ring] && dev->quiet);
	assert_ptr_not_equal(rings->used, dev->cfg[ring].rings.used);
	dev->cfg[ring].rings = *rings;
	event(dev, "moved %u; ", ring);
}

static inline void fake_resume(void *opaque)
{
	struct fake *dev = opaque;

	assert_true(dev->quiet);
	dev->quiet = false;
	event(dev, "resume; ");
}

static inline int fake_set_mtu(void *opaque, uint16_t mtu)
{
	struct fake *dev = opaque;

	event(dev, "mtu %u; ", mtu);
	return dev->refuse;
}

static inline void fake_send_rarp(void *opaque, const uint8_t mac[6])
{
	struct fake *dev = opaque;

	event(dev, "rarp %02x%02x%02x%02x%02x%02x; ", mac[0], mac[1], mac[2], mac[3], mac[4],
	      mac[5]);
}

static inline void fake_log(void *opaque, const char *fmt, va_list args)
{
	struct fake *dev = opaque;
	size_t len = strlen(dev->log);

	vsnprintf(dev->log + len, sizeof(dev->log) - len, fmt, args);
	assert_null(strchr(dev->log + len, '\n'));
	assert_true(strlen(dev->log) > len);
}

/* No line of the log: it is only looked at as one. */
static inline void fake_trace(void *opaque, const char *fmt, va_list args)
{
	char line[256];

	(void)opaque;
	assert_in_range(vsnprintf(line, sizeof(line), fmt, args), 1, sizeof(line) - 1);
	assert_null(strchr(line, '\n'));
}

static const struct vhost_user_ops fake_ops = {
	.set_features = fake_set_features,
	.ring_start = fake_ring_start,
	.ring_stop = fake_ring_stop,
	.ring_enable = fake_ring_enable,
	.ring_fds = fake_ring_fds,
	.quiesce = fake_quiesce,
	.ring_moved = fake_ring_moved,
	.resume = fake_resume,
	.set_mtu = fake_set_mtu,
	.send_rarp = fake_send_rarp,
	.log = fake_log,
	.trace = fake_trace,
};

/* The fixture */

struct fixture {
	struct vhost_user_session *session;
	struct fake dev;
	int sock;  /* the front-end's end; -1: closed */
	int memfd; /* FILE_SIZE bytes */
	int event; /* what is sent where an eventfd is wanted */
	int n_fds; /* open before */
	bool need_reply;
	uint64_t more; /* offered on top of OFFERED */
	const struct vhost_user_ops *ops;
	struct vhost_user_vring_addr packed_addr; /* where a test laid a packed ring */
};

static inline int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static inline int guest_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	int n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "memfd:guest") != NULL;
	fclose(maps);
	return n;
}

static inline void connect_session(struct fixture *f, bool has_mac)
{
	struct vhost_user_config cfg = {
		.ops = f->ops,
		.dev = &f->dev,
		.features = OFFERED | f->more | (has_mac ? FEATURE(VIRTIO_NET_F_STATUS) : 0),
		.max_pairs = PAIRS,
		.has_mac = has_mac,
		.mac = { 2, 3, 5, 7, 11, 13 },
		.mtu = 1400,
	};
	int socks[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	f->sock = socks[0];
	assert_int_equal(vhost_user_session_new(&f->session, &cfg, socks[1]), 0);
	assert_int_equal(vhost_user_session_fd(f->session), socks[1]);
}

static inline void hang_up(struct fixture *f)
{
	if (f->sock >= 0)
		close(f->sock);
	f->sock = -1;
}

/* Whatever state the session is in, the device ends as it began and all fds are closed. */
static inline void disconnect(struct fixture *f)
{
	unsigned i;

	vhost_user_session_free(f->session);
	f->session = NULL;
	hang_up(f);
	assert_false(f->dev.quiet);
	for (i = 0; i < RINGS; i++) {
		assert_false(f->dev.started[i]);
		assert_false(f->dev.enabled[i]);
	}
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->ops = &fake_ops;
	f->n_fds = open_fds();
	f->memfd = memfd_create("guest", MFD_CLOEXEC);
	f->event = eventfd(0, EFD_CLOEXEC);
	assert_true(f->memfd >= 0 && f->event >= 0);
	assert_int_equal(ftruncate(f->memfd, FILE_SIZE), 0);
	connect_session(f, false);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	disconnect(f);
	close(f->memfd);
	close(f->event);
	assert_int_equal(open_fds(), f->n_fds);
	assert_int_equal(guest_mappings(), 0);
	free(f);
	return 0;
}

/* The front-end: messages */

/* Bytes as they are, with fds at the first of them. */
static inline void put(struct fixture *f, const void *bytes, size_t len, const int *fds,
		       unsigned n_fds)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	union {
		char buf[CMSG_SPACE(sizeof(int) * 64)];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	assert_true(n_fds <= 64);
	if (n_fds) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(f->sock, &mh, MSG_NOSIGNAL), len);
}

/* A message on the wire, ready to be sent whole or in pieces. */
struct wire {
	struct vhost_user_header hdr;
	uint8_t payload[VHOST_USER_MAX_PAYLOAD];
};

static inline size_t wire_len(const struct wire *w)
{
	return sizeof(w->hdr) + w->hdr.size;
}

static inline struct wire wire(const struct fixture *f, uint32_t request, const void *payload,
			       uint32_t size)
{
	struct wire w = { .hdr = { request, VHOST_USER_VERSION, size } };

	if (f->need_reply)
		w.hdr.flags |= VHOST_USER_FLAG_NEED_REPLY;
	assert_true(size <= sizeof(w.payload));
	if (size)
		memcpy(w.payload, payload, size);
	return w;
}

static inline void put_message(struct fixture *f, uint32_t request, const void *payload,
			       uint32_t size, const int *fds, unsigned n_fds)
{
	struct wire w = wire(f, request, payload, size);

	put(f, &w, wire_len(&w), fds, n_fds);
}

static inline void go(struct fixture *f)
{
	assert_int_equal(vhost_user_session_dispatch(f->session), VHOST_USER_GO_ON);
}

/* The reply to request; its payload's size. */
static inline uint32_t get_reply(struct fixture *f, uint32_t request, void *payload, uint32_t room)
{
	struct vhost_user_header hdr;

	assert_int_equal(recv(f->sock, &hdr, sizeof(hdr), MSG_DONTWAIT), sizeof(hdr));
	assert_int_equal(hdr.request, request);
	assert_int_equal(hdr.flags, VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY);
	assert_true(hdr.size <= room);
	if (hdr.size)
		assert_int_equal(recv(f->sock, payload, hdr.size, MSG_DONTWAIT), hdr.size);
	return hdr.size;
}

static inline void assert_silent(struct fixture *f)
{
	char byte;

	assert_int_equal(recv(f->sock, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static inline uint64_t get_u64(struct fixture *f, uint32_t request)
{
	uint64_t value;

	assert_int_equal(get_reply(f, request, &value, sizeof(value)), sizeof(value));
	assert_silent(f);
	return value;
}

/* A message that is carried out; its acknowledgement too, if one is asked for. */
static inline void tell(struct fixture *f, uint32_t request, const void *payload, uint32_t size,
			const int *fds, unsigned n_fds)
{
	put_message(f, request, payload, size, fds, n_fds);
	go(f);
	if (f->need_reply)
		assert_int_equal(get_u64(f, request), 0);
	else
		assert_silent(f);
}

static inline void tell_u64(struct fixture *f, uint32_t request, uint64_t value)
{
	tell(f, request, &value, sizeof(value), NULL, 0);
}

static inline void tell_state(struct fixture *f, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_user_vring_state state = { index, num };

	tell(f, request, &state, sizeof(state), NULL, 0);
}

/* KICK, CALL, ERR; fd -1: none comes. */
static inline void tell_fd(struct fixture *f, uint32_t request, uint64_t ring, int fd)
{
	uint64_t value = fd < 0 ? ring | VHOST_USER_VRING_NOFD : ring;

	tell(f, request, &value, sizeof(value), &fd, fd >= 0);
}

static inline uint64_t ask(struct fixture *f, uint32_t request)
{
	put_message(f, request, NULL, 0, NULL, 0);
	go(f);
	return get_u64(f, request);
}

/* Where the front-end lays ring: descriptors, available, used in pages of their own. */
static inline struct vhost_user_vring_addr ring_addr(unsigned ring)
{
	uint64_t base = (ring < 2 ? region_a.uva : region_b.uva) + (ring % 2) * 0x4000;

	return (struct vhost_user_vring_addr){
		.index = ring,
		.desc = base,
		.avail = base + 0x1000,
		.used = base + 0x2000,
	};
}

static inline void tell_addr(struct fixture *f, unsigned ring)
{
	struct vhost_user_vring_addr addr = ring_addr(ring);

	tell(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

static inline uint32_t table_size(unsigned n)
{
	return (uint32_t)offsetof(struct vhost_user_mem_table, regions[n]);
}

static inline void tell_table(struct fixture *f)
{
	struct vhost_user_mem_table table = { .n = 2, .regions = { REGION_A, REGION_B } };
	int fds[] = { f->memfd, f->memfd };

	tell(f, VHOST_USER_SET_MEM_TABLE, &table, table_size(2), fds, 2);
}

static inline void put_region(struct fixture *f, uint32_t request, struct vhost_user_region region,
			      unsigned n_fds)
{
	struct vhost_user_mem_reg reg = { .region = region };

	put_message(f, request, &reg, sizeof(reg), &f->memfd, n_fds);
}

static inline void tell_region(struct fixture *f, uint32_t request, struct vhost_user_region region,
			       unsigned n_fds)
{
	struct vhost_user_mem_reg reg = { .region = region };

	tell(f, request, &reg, sizeof(reg), &f->memfd, n_fds);
}

static inline uint32_t get_base(struct fixture *f, unsigned ring)
{
	struct vhost_user_vring_state state = { ring, 0 }, reply;

	put_message(f, VHOST_USER_GET_VRING_BASE, &state, sizeof(state), NULL, 0);
	go(f);
	assert_int_equal(get_reply(f, VHOST_USER_GET_VRING_BASE, &reply, sizeof(reply)),
			 sizeof(reply));
	assert_silent(f);
	assert_int_equal(reply.index, ring);
	return reply.num;
}

/* The front-end: what is expected */

static inline void assert_events(struct fixture *f, const char *events)
{
	assert_string_equal(f->dev.events, events);
	f->dev.events[0] = '\0';
}

static inline void assert_log(struct fixture *f, const char *text)
{
	if (!strstr(f->dev.log, text))
		fail_msg("'%s' is not in the log: '%s'", text, f->dev.log);
	f->dev.log[0] = '\0';
}

/* The session ends, and text says why. */
static inline void assert_violation(struct fixture *f, const char *text)
{
	assert_int_equal(vhost_user_session_dispatch(f->session), VHOST_USER_VIOLATION);
	assert_silent(f);
	assert_log(f, text);
}

static inline void refuse(struct fixture *f, uint32_t request, const void *payload, uint32_t size,
			  const char *text)
{
	put_message(f, request, payload, size, NULL, 0);
	assert_violation(f, text);
}

static inline void refuse_u64(struct fixture *f, uint32_t request, uint64_t value, const char *text)
{
	refuse(f, request, &value, sizeof(value), text);
}

static inline void refuse_state(struct fixture *f, uint32_t request, uint32_t index, uint32_t num,
				const char *text)
{
	struct vhost_user_vring_state state = { index, num };

	refuse(f, request, &state, sizeof(state), text);
}

/* A new session on the same device, after one was ended by a violation. */
static inline void reconnect(struct fixture *f)
{
	disconnect(f);
	memset(&f->dev, 0, sizeof(f->dev));
	f->need_reply = false;
	connect_session(f, false);
}

/* Set-up up to a point, for tests of what comes then. */

static inline void negotiate(struct fixture *f)
{
	tell_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, PROTOCOL);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30);
	f->dev.events[0] = '\0';
}

static inline void lay_ring(struct fixture *f, unsigned ring)
{
	tell_state(f, VHOST_USER_SET_VRING_NUM, ring, ENTRIES);
	tell_state(f, VHOST_USER_SET_VRING_BASE, ring, 0);
	tell_addr(f, ring);
}

static inline void start_rings(struct fixture *f, unsigned n)
{
	unsigned i;

	negotiate(f);
	tell_table(f);
	for (i = 0; i < n; i++) {
		lay_ring(f, i);
		tell_fd(f, VHOST_USER_SET_VRING_KICK, i, f->event);
	}
	f->dev.events[0] = '\0';
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
