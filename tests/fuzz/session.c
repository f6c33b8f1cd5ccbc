/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a vhost-user session. The input is a stream of messages, well-formed to any degree,
 * with fds of all kinds; the device behind the session insists on what session.h promises it, and
 * touches the rings wherever it may. At the end no fd and no mapping may be left, which is why mmap
 * and munmap are wrapped (-Wl,--wrap).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "virtio/base.h"
#include "virtio/features.h"
#include "virtio/virtq.h"
#include "virtio/vhost_user/proto.h"
#include "virtio/vhost_user/session.h"

#define PAIRS        2
#define RINGS        (2 * PAIRS)
#define MESSAGES_MAX 64
#define FDS_MAX      64 /* no fd of ours is higher */

#define OFFERED \
	(FEATURES_RING | FEATURE(VIRTIO_NET_F_MRG_RXBUF) | FEATURE(VIRTIO_NET_F_CSUM) | \
	 FEATURE(VIRTIO_NET_F_MTU))

/*
 * Mappings that the session holds; libFuzzer's own do not come this way. Large offsets are mmap64's
 * where the build says so.
 */
static int64_t mapped;

void *__real_mmap64(void *addr, size_t len, int prot, int flags, int fd, int64_t offset);
int __real_munmap(void *addr, size_t len);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, int64_t offset);
void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, int64_t offset);
int __wrap_munmap(void *addr, size_t len);

void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, int64_t offset)
{
	void *map = __real_mmap64(addr, len, prot, flags, fd, offset);

	if (map != MAP_FAILED)
		mapped += (int64_t)len;
	return map;
}

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, int64_t offset)
{
	return __wrap_mmap64(addr, len, prot, flags, fd, offset);
}

int __wrap_munmap(void *addr, size_t len)
{
	mapped -= (int64_t)len;
	return __real_munmap(addr, len);
}

/* The device */

struct device {
	bool started[RINGS];
	bool enabled[RINGS];
	bool quiet;
	bool may_refuse;
	unsigned n_calls;
	struct virtq vq[RINGS];
	int kick_fd[RINGS];
};

/* Every fourth call that may fail does, for inputs that ask for it. */
static int refuse(struct device *dev)
{
	return dev->may_refuse && ++dev->n_calls % 4 == 0 ? -EIO : 0;
}

static void check_fd(int fd)
{
	fuzz_require(fd < 0 || fcntl(fd, F_GETFD) == FD_CLOEXEC);
	fuzz_require(fd < 0 || (fcntl(fd, F_GETFL) & O_NONBLOCK));
}

/* A socket is sent to with MSG_DONTWAIT, whatever its flags. */
static void check_notifier(const struct notifier *n)
{
	fuzz_require((n->fd < 0) == (n->kind == NOTIFIER_NONE));
	if (n->kind != NOTIFIER_SOCKET)
		check_fd(n->fd);
	else
		fuzz_require(fcntl(n->fd, F_GETFD) == FD_CLOEXEC);
}

/* Look into the ring as a queue does: it must be memory, all of it. */
static void touch(struct device *dev, unsigned ring)
{
	struct virtq *vq = &dev->vq[ring];
	struct iovec iov[CHAIN_MAX_IOV];
	struct iov_pool pool = { .iov = iov, .cap = CHAIN_MAX_IOV };
	struct chain c;

	virtq_peek(vq);
	if (virtq_pop(vq, &c, 1, &pool)) {
		for (unsigned i = 0; i < pool.n; i++)
			(void)load_relaxed((uint8_t *)iov[i].iov_base + iov[i].iov_len - 1);
		virtq_push(vq, c.elem, 0);
		virtq_publish(vq);
		virtq_call(vq);
	}
	virtq_arm_notify(vq);
	virtq_disarm_notify(vq);
}

static void touch_all(struct device *dev)
{
	for (unsigned i = 0; i < RINGS; i++) {
		if (dev->started[i])
			touch(dev, i);
	}
}

static int device_set_features(void *opaque, uint64_t features)
{
	struct device *dev = opaque;

	for (unsigned i = 0; i < RINGS; i++)
		fuzz_require(!dev->started[i]);
	fuzz_require(!(features & ~OFFERED));
	return refuse(dev);
}

static int device_ring_start(void *opaque, unsigned ring, const struct virtq_config *cfg,
			     int kick_fd)
{
	struct device *dev = opaque;

	fuzz_require(ring < RINGS && !dev->started[ring] && !dev->quiet && kick_fd >= 0);
	fuzz_require(cfg->size && cfg->size <= VRING_MAX_SIZE);
	fuzz_require(feature_has(cfg->features, VIRTIO_F_RING_PACKED) ||
		     !(cfg->size & (cfg->size - 1)));
	fuzz_require(!(cfg->features & ~OFFERED));
	check_fd(kick_fd);
	check_notifier(&cfg->call);
	check_notifier(&cfg->err);
	if (refuse(dev))
		return -EIO;
	dev->started[ring] = true;
	dev->kick_fd[ring] = kick_fd;
	virtq_start(&dev->vq[ring], cfg);
	touch(dev, ring);
	return 0;
}

static uint32_t device_ring_stop(void *opaque, unsigned ring)
{
	struct device *dev = opaque;

	fuzz_require(ring < RINGS && dev->started[ring] && !dev->quiet);
	touch(dev, ring);
	check_fd(dev->kick_fd[ring]);
	check_notifier(&dev->vq[ring].call);
	check_notifier(&dev->vq[ring].err);
	dev->started[ring] = false;
	return virtq_base(&dev->vq[ring]);
}

static void device_ring_enable(void *opaque, unsigned ring, bool enabled)
{
	struct device *dev = opaque;

	fuzz_require(ring < RINGS && !dev->quiet && dev->enabled[ring] != enabled);
	dev->enabled[ring] = enabled;
}

static void device_ring_fds(void *opaque, unsigned ring, struct notifier call, struct notifier err)
{
	struct device *dev = opaque;

	fuzz_require(ring < RINGS && dev->started[ring] && !dev->quiet);
	check_notifier(&dev->vq[ring].call);
	check_notifier(&dev->vq[ring].err);
	check_notifier(&call);
	check_notifier(&err);
	dev->vq[ring].call = call;
	dev->vq[ring].err = err;
	virtq_call_now(&dev->vq[ring]);
}

static void device_quiesce(void *opaque)
{
	struct device *dev = opaque;

	fuzz_require(!dev->quiet);
	touch_all(dev);
	dev->quiet = true;
}

static void device_ring_moved(void *opaque, unsigned ring, const struct virtq_rings *rings)
{
	struct device *dev = opaque;

	fuzz_require(ring < RINGS && dev->started[ring] && dev->quiet);
	virtq_move(&dev->vq[ring], rings);
}

static void device_resume(void *opaque)
{
	struct device *dev = opaque;

	fuzz_require(dev->quiet);
	dev->quiet = false;
	touch_all(dev);
}

static int device_set_mtu(void *opaque, uint16_t mtu)
{
	fuzz_require(mtu >= 68);
	return refuse(opaque);
}

static void device_send_rarp(void *opaque, const uint8_t mac[6])
{
	struct device *dev = opaque;

	(void)mac;
	fuzz_require(!dev->quiet);
}

/* What a started ring has is never given up. */
static void device_release(void *opaque, int fd, void *map, size_t len)
{
	struct device *dev = opaque;
	uint8_t *at;

	for (unsigned i = 0; i < RINGS; i++) {
		if (!dev->started[i])
			continue;
		at = (uint8_t *)dev->vq[i].rings.desc;
		fuzz_require(fd < 0 || (fd != dev->kick_fd[i] && fd != dev->vq[i].call.fd &&
					fd != dev->vq[i].err.fd));
		fuzz_require(!map || at < (uint8_t *)map || at >= (uint8_t *)map + len);
	}
	if (fd >= 0)
		close(fd);
	if (map)
		munmap(map, len);
}

/* Formats, so that a sanitizer reads what the log would. */
__attribute__((format(printf, 2, 0))) static void device_log(void *opaque, const char *fmt,
							     va_list args)
{
	char line[2048];

	(void)opaque;
	fuzz_require(vsnprintf(line, sizeof(line), fmt, args) > 0);
}

static const struct vhost_user_ops ops = {
	.set_features = device_set_features,
	.ring_start = device_ring_start,
	.ring_stop = device_ring_stop,
	.ring_enable = device_ring_enable,
	.ring_fds = device_ring_fds,
	.quiesce = device_quiesce,
	.ring_moved = device_ring_moved,
	.resume = device_resume,
	.set_mtu = device_set_mtu,
	.send_rarp = device_send_rarp,
	.release = device_release,
	.log = device_log,
	.trace = device_log,
};

/* The front-end */

#define REGION_A 0x7f0000000000ULL /* user addresses of the two usual regions */
#define REGION_B 0x7e0000000000ULL

enum { MEM_64K, MEM_1M, MEM_ODD, MEM_EMPTY, EVENT_A, EVENT_B, DIRECTORY, DEV_NULL, SOCKET, FDS };

/* What the front-end sends; made once. */
static int send_fds[FDS];

static int memory(off_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	fuzz_require(fd >= 0 && ftruncate(fd, size) == 0);
	return fd;
}

static void open_fds(void)
{
	if (send_fds[MEM_64K])
		return;
	send_fds[MEM_64K] = memory(0x10000);
	send_fds[MEM_1M] = memory(0x100000);
	send_fds[MEM_ODD] = memory(12345);
	send_fds[MEM_EMPTY] = memory(0);
	send_fds[EVENT_A] = eventfd(0, EFD_CLOEXEC);
	send_fds[EVENT_B] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	send_fds[DIRECTORY] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	send_fds[DEV_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
	send_fds[SOCKET] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (unsigned i = 0; i < FDS; i++)
		fuzz_require(send_fds[i] > 0);
}

struct front_end {
	int fd;
	bool has_mac;
	struct fuzz_input in;
	struct vhost_user_msg msg;
	unsigned n_fds;
	int fds[VHOST_USER_MAX_FDS + 2]; /* more than a message may carry */
};

static uint64_t take_u64(struct front_end *f)
{
	return fuzz_take(&f->in, 8);
}

static void take_fd(struct front_end *f, unsigned usual)
{
	unsigned other = (unsigned)fuzz_take(&f->in, 1);

	if (f->n_fds < array_size(f->fds))
		f->fds[f->n_fds++] = send_fds[other < FDS ? other : usual];
}

/* One of the usual regions, or nearly, or something else. */
static struct vhost_user_region take_region(struct front_end *f)
{
	static const struct vhost_user_region usual[] = {
		{ 0, 0x10000, REGION_A, 0 },
		{ 0x100000000, 0x10000, REGION_B, 0 },
		{ 0x10000, 0x1000, REGION_A + 0x10000, 0x1000 },
		{ 0x200000000, 12345, 0x7d0000000000, 0 },
		{ 0x200000001, 100, 0x7c0000000001, 17 },
	};
	unsigned kind = (unsigned)fuzz_take(&f->in, 1);
	struct vhost_user_region r = usual[kind % array_size(usual)];

	if (kind >= 250)
		r = (struct vhost_user_region){ take_u64(f), take_u64(f), take_u64(f),
						take_u64(f) };
	else if (kind >= 240)
		r.size = fuzz_take(&f->in, 3);
	else if (kind >= 230)
		r.mmap_offset = fuzz_take(&f->in, 3);
	else if (kind >= 220)
		r.uva += fuzz_take(&f->in, 2);
	return r;
}

static void fill_table(struct front_end *f)
{
	struct vhost_user_mem_table *t = &f->msg.payload.table;
	unsigned n = fuzz_below(&f->in, VHOST_USER_MAX_TABLE + 1), i;

	t->n = n;
	for (i = 0; i < n; i++) {
		t->regions[i] = take_region(f);
		take_fd(f, MEM_64K);
	}
	f->msg.hdr.size = (uint32_t)offsetof(struct vhost_user_mem_table, regions[n]);
}

static void fill_region(struct front_end *f)
{
	f->msg.payload.reg = (struct vhost_user_mem_reg){ .region = take_region(f) };
	f->msg.hdr.size = sizeof(f->msg.payload.reg);
	if (f->msg.hdr.request == VHOST_USER_ADD_MEM_REG)
		take_fd(f, MEM_64K);
}

static void fill_addr(struct front_end *f)
{
	static const uint64_t bases[] = { REGION_A, REGION_B, REGION_A + 0x10000, 0 };
	unsigned ring = fuzz_below(&f->in, RINGS + 1);
	uint64_t at = bases[fuzz_below(&f->in, 4)] + fuzz_below(&f->in, 16) * 0x1000;
	struct vhost_user_vring_addr a = { .index = ring, .desc = at, .avail = at + 0x600 };

	a.used = at + 0x800;
	if (!fuzz_below(&f->in, 16))
		a.desc += fuzz_take(&f->in, 2);
	if (!fuzz_below(&f->in, 16))
		a.used = take_u64(f);
	f->msg.payload.addr = a;
	f->msg.hdr.size = sizeof(a);
}

static void fill_file(struct front_end *f)
{
	f->msg.payload.u64 = fuzz_below(&f->in, RINGS + 1);
	f->msg.hdr.size = sizeof(uint64_t);
	if (fuzz_below(&f->in, 8))
		take_fd(f, EVENT_A);
	else
		f->msg.payload.u64 |= VHOST_USER_VRING_NOFD;
}

static void fill_state(struct front_end *f)
{
	struct vhost_user_vring_state s = { .index = fuzz_below(&f->in, RINGS + 1) };

	s.num = 1U << fuzz_below(&f->in, 9);
	if (f->msg.hdr.request != VHOST_USER_SET_VRING_NUM)
		s.num = (uint32_t)fuzz_take(&f->in, f->msg.hdr.request & 1 ? 2 : 1);
	else if (s.num == 256)
		s.num = (uint32_t)fuzz_take(&f->in, 4);
	if (f->msg.hdr.request == VHOST_USER_SET_VRING_ENABLE)
		s.num = fuzz_below(&f->in, 3);
	f->msg.payload.state = s;
	f->msg.hdr.size = sizeof(s);
}

static void fill_u64(struct front_end *f)
{
	uint64_t usual = OFFERED | FEATURE(VHOST_USER_F_PROTOCOL_FEATURES);

	if (f->msg.hdr.request == VHOST_USER_SET_PROTOCOL_FEATURES)
		usual = FEATURE(VHOST_USER_PROTOCOL_F_MQ) |
			FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
			FEATURE(VHOST_USER_PROTOCOL_F_MTU) | FEATURE(VHOST_USER_PROTOCOL_F_RARP) |
			(f->has_mac ? FEATURE(VHOST_USER_PROTOCOL_F_CONFIG) : 0) |
			FEATURE(VHOST_USER_PROTOCOL_F_RESET_DEVICE) |
			FEATURE(VHOST_USER_PROTOCOL_F_BACKEND_REQ) |
			FEATURE(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) |
			FEATURE(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) |
			FEATURE(VHOST_USER_PROTOCOL_F_STATUS);
	else if (f->msg.hdr.request != VHOST_USER_SET_FEATURES)
		usual = fuzz_take(&f->in, 2);
	/* Take some of what is offered away, seldom anything at all. */
	if (!fuzz_below(&f->in, 16))
		usual = take_u64(f);
	else if (!fuzz_below(&f->in, 4))
		usual &= ~take_u64(f);
	f->msg.payload.u64 = usual;
	f->msg.hdr.size = sizeof(uint64_t);
}

static void fill_bytes(struct front_end *f)
{
	uint8_t *payload = (uint8_t *)&f->msg.payload;
	unsigned i;

	f->msg.hdr.size = fuzz_below(&f->in, sizeof(f->msg.payload) + 1);
	for (i = 0; i < f->msg.hdr.size && fuzz_more(&f->in); i++)
		payload[i] = (uint8_t)fuzz_take(&f->in, 1);
	for (i = fuzz_below(&f->in, 12); i > 8; i--)
		take_fd(f, MEM_64K);
}

static void fill_config(struct front_end *f)
{
	struct vhost_user_config_space *c = &f->msg.payload.config;

	c->offset = (uint32_t)fuzz_take(&f->in, 2);
	c->size = fuzz_below(&f->in, VHOST_USER_MAX_CONFIG + 2);
	f->msg.hdr.size = (uint32_t)min_u64(
		offsetof(struct vhost_user_config_space, data) + (uint64_t)c->size, sizeof(*c));
}

static void fill_inflight(struct front_end *f)
{
	struct vhost_user_inflight *i = &f->msg.payload.inflight;

	i->mmap_size = fuzz_below(&f->in, 4) ? 0x8000 : fuzz_take(&f->in, 4);
	i->mmap_offset = fuzz_below(&f->in, 8) ? 0 : take_u64(f);
	i->n_queues = (uint16_t)fuzz_below(&f->in, RINGS + 2);
	i->queue_size = (uint16_t)(1u << fuzz_below(&f->in, 10));
	f->msg.hdr.size = sizeof(*i);
	if (f->msg.hdr.request == VHOST_USER_SET_INFLIGHT_FD)
		take_fd(f, MEM_1M);
}

static void fill(struct front_end *f)
{
	switch (f->msg.hdr.request) {
	case VHOST_USER_SET_MEM_TABLE:
		fill_table(f);
		break;
	case VHOST_USER_ADD_MEM_REG:
	case VHOST_USER_REM_MEM_REG:
		fill_region(f);
		break;
	case VHOST_USER_SET_VRING_ADDR:
		fill_addr(f);
		break;
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		fill_file(f);
		break;
	case VHOST_USER_SET_VRING_NUM:
	case VHOST_USER_SET_VRING_BASE:
	case VHOST_USER_GET_VRING_BASE:
	case VHOST_USER_SET_VRING_ENABLE:
		fill_state(f);
		break;
	case VHOST_USER_SET_FEATURES:
	case VHOST_USER_SET_PROTOCOL_FEATURES:
	case VHOST_USER_NET_SET_MTU:
	case VHOST_USER_SEND_RARP:
	case VHOST_USER_SET_STATUS:
		fill_u64(f);
		break;
	case VHOST_USER_GET_CONFIG:
	case VHOST_USER_SET_CONFIG:
		fill_config(f);
		break;
	case VHOST_USER_GET_INFLIGHT_FD:
	case VHOST_USER_SET_INFLIGHT_FD:
		fill_inflight(f);
		break;
	case VHOST_USER_SET_BACKEND_REQ_FD:
		take_fd(f, SOCKET);
		break;
	case VHOST_USER_GET_FEATURES:
	case VHOST_USER_GET_PROTOCOL_FEATURES:
	case VHOST_USER_GET_QUEUE_NUM:
	case VHOST_USER_GET_MAX_MEM_SLOTS:
	case VHOST_USER_GET_STATUS:
	case VHOST_USER_SET_OWNER:
	case VHOST_USER_RESET_OWNER:
	case VHOST_USER_RESET_DEVICE:
		break;
	default:
		fill_bytes(f);
		break;
	}
}

static void send_bytes(struct front_end *f, const void *bytes, size_t len)
{
	union {
		char buf[CMSG_SPACE(sizeof(f->fds))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (f->n_fds) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(f->n_fds * sizeof(int));
		*CMSG_FIRSTHDR(&mh) =
			(struct cmsghdr){ .cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS,
					  .cmsg_len = CMSG_LEN(f->n_fds * sizeof(int)) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&mh)), f->fds, f->n_fds * sizeof(int));
	}
	/* A full socket or a session that hung up is no finding. */
	(void)!sendmsg(f->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	f->n_fds = 0;
}

/* One message; now and then its size, its flags, its fds or the number of bytes sent lie. */
static void send_message(struct front_end *f)
{
	uint8_t wire[sizeof(struct vhost_user_header) + sizeof(union vhost_user_payload)];
	unsigned odd = fuzz_below(&f->in, 32);
	size_t len;

	memset(&f->msg, 0, sizeof(f->msg));
	f->n_fds = 0;
	f->msg.hdr.request = fuzz_below(&f->in, VHOST_USER_REQUESTS + 1);
	f->msg.hdr.flags = VHOST_USER_VERSION | (odd & 1 ? VHOST_USER_FLAG_NEED_REPLY : 0);
	fill(f);
	len = sizeof(f->msg.hdr) + min_u64(f->msg.hdr.size, sizeof(f->msg.payload));
	if (odd == 2)
		f->msg.hdr.size = (uint32_t)fuzz_take(&f->in, 4);
	else if (odd == 4)
		f->msg.hdr.flags = (uint32_t)fuzz_take(&f->in, 4);
	else if (odd == 6)
		take_fd(f, EVENT_B);
	else if (odd == 8)
		f->n_fds = 0;
	memcpy(wire, &f->msg.hdr, sizeof(f->msg.hdr));
	memcpy(wire + sizeof(f->msg.hdr), &f->msg.payload, sizeof(f->msg.payload));
	if (odd == 10) {
		/* In two pieces. */
		size_t cut = fuzz_below(&f->in, (unsigned)len);

		send_bytes(f, wire, cut);
		send_bytes(f, wire + cut, len - cut);
		return;
	}
	send_bytes(f, wire, odd == 12 ? fuzz_below(&f->in, (unsigned)len + 1) : len);
}

static void read_replies(struct front_end *f)
{
	char buf[4096];

	while (recv(f->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

/* The guest writes into its memory: a few descriptors, indices, flags. */
static void write_memory(struct front_end *f)
{
	uint64_t bytes = take_u64(f);
	off_t at = (off_t)fuzz_below(&f->in, 16) * 0x1000 + (off_t)fuzz_take(&f->in, 2) % 0x1000;

	fuzz_require(pwrite(send_fds[MEM_64K], &bytes, sizeof(bytes), at & 0xfff8) == 8);
}

/* The fds that are open, by one system call. */
static uint64_t open_now(void)
{
	struct pollfd fds[FDS_MAX];
	uint64_t set = 0;
	unsigned i;

	for (i = 0; i < FDS_MAX; i++)
		fds[i] = (struct pollfd){ .fd = (int)i };
	fuzz_require(poll(fds, FDS_MAX, 0) >= 0);
	for (i = 0; i < FDS_MAX; i++)
		set |= fds[i].revents & POLLNVAL ? 0 : 1ULL << i;
	return set;
}

static void run(struct front_end *f, struct vhost_user_session *s)
{
	enum vhost_user_outcome outcome = VHOST_USER_GO_ON;
	unsigned i;

	for (i = 0; i < MESSAGES_MAX && fuzz_more(&f->in) && outcome == VHOST_USER_GO_ON; i++) {
		unsigned what = fuzz_below(&f->in, 16);

		if (what == 0) {
			write_memory(f);
			continue;
		}
		if (what == 1)
			read_replies(f);
		if (what == 3)
			vhost_user_session_set_link(s, fuzz_below(&f->in, 2));
		send_message(f);
		if (what != 2)
			outcome = vhost_user_session_dispatch(s);
	}
	if (outcome != VHOST_USER_GO_ON)
		return;
	shutdown(f->fd, SHUT_WR);
	for (i = 0; i < MESSAGES_MAX && outcome == VHOST_USER_GO_ON; i++)
		outcome = vhost_user_session_dispatch(s);
	fuzz_require(outcome != VHOST_USER_GO_ON);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct device dev = { 0 };
	struct vhost_user_config cfg = {
		.ops = &ops, .dev = &dev, .features = OFFERED, .max_pairs = PAIRS
	};
	struct front_end f = { .in = { data, data + size } };
	struct vhost_user_session *s = NULL;
	unsigned bits = (unsigned)fuzz_take(&f.in, 1), i;
	uint64_t open_before;
	int pair[2];

	open_fds();
	open_before = open_now();
	dev.may_refuse = bits & 1;
	cfg.has_mac = f.has_mac = bits & 2;
	fuzz_require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	f.fd = pair[0];
	fuzz_require(vhost_user_session_new(&s, &cfg, pair[1]) == 0);
	run(&f, s);
	vhost_user_session_free(s);
	close(f.fd);
	for (i = 0; i < RINGS; i++)
		fuzz_require(!dev.started[i] && !dev.enabled[i]);
	fuzz_require(!dev.quiet && mapped == 0);
	fuzz_require(open_now() == open_before);
	return 0;
}
