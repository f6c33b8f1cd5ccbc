/* SPDX-License-Identifier: MIT */
/* The client of vhost-net before a fake kernel: what it is told, and each of its refusals. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/vhost_net_fake.h"
#include "virtio/base.h"
#include "virtio/driver/arena.h"
#include "virtio/features.h"
#include "virtio/vhost_net.h"

#define PAGE  4096ULL
#define SIZE  64
#define BASE  65530
#define FIRST (&vhost_net_fake.devices[0])

/* A tap, a memory of two regions, and rings in the second of them. */
struct bed {
	struct arena arena;
	struct gmem mem;
	struct vhost_net v;
	struct vhost_net_config cfg;
	char why[VHOST_NET_WHY_LEN];
};

/* One line, to stand in a log behind "driver user: ". */
static void assert_says(const char *why, const char *text)
{
	assert_null(strchr(why, '\n'));
	assert_true(strlen(why) < VHOST_NET_WHY_LEN - 1);
	if (!strstr(why, text))
		fail_msg("\"%s\" does not say \"%s\"", why, text);
}

static int event(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void *host_at(const struct gmem *mem, uint64_t gpa)
{
	unsigned hint = 0;
	uint64_t len = 1;

	return gmem_at(mem, gpa, &len, &hint);
}

static void ring_setup(struct bed *bed, unsigned ring)
{
	struct vhost_net_vring *r = &bed->cfg.rings[ring];
	uint64_t gpa = 0x40000 + ring * PAGE * 2;

	*r = (struct vhost_net_vring){ .size = SIZE, .base = BASE, .kick_fd = event() };
	r->call_fd = event();
	r->err_fd = event();
	r->rings.desc = host_at(&bed->mem, gpa);
	r->rings.avail = host_at(&bed->mem, gpa + PAGE);
	r->rings.used = host_at(&bed->mem, gpa + PAGE + PAGE / 2);
	r->rings.used->idx = BASE;
	r->rings.avail->idx = BASE;
}

static int bed_setup(void **state)
{
	static const struct arena_span spans[] = { { 0, 4 * PAGE }, { 0x40000, 4 * PAGE } };
	struct bed *bed = calloc(1, sizeof(*bed));
	unsigned i;

	assert_non_null(bed);
	vhost_net_fake_begin();
	assert_int_equal(arena_init(&bed->arena, spans, array_size(spans), false), 0);
	assert_int_equal(gmem_init(&bed->mem), 0);
	for (i = 0; i < bed->arena.n; i++) {
		const struct arena_region *r = &bed->arena.regions[i];

		assert_int_equal(gmem_add(&bed->mem, r->gpa, r->size, (uintptr_t)r->host,
					  bed->arena.fd, r->offset),
				 0);
	}
	bed->cfg = (struct vhost_net_config){
		.features = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
			    FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VIRTIO_NET_F_CSUM) |
			    FEATURE(VIRTIO_F_ANY_LAYOUT) | FEATURE(VHOST_USER_F_PROTOCOL_FEATURES),
		.mem = &bed->mem,
		.backend_fd = event(),
	};
	for (i = 0; i < VHOST_NET_RINGS; i++)
		ring_setup(bed, i);
	bed->v.fd = -1;
	*state = bed;
	return 0;
}

static int bed_teardown(void **state)
{
	struct bed *bed = *state;
	unsigned i;

	vhost_net_close(&bed->v);
	vhost_net_close(&bed->v);
	close(bed->cfg.backend_fd);
	for (i = 0; i < VHOST_NET_RINGS; i++) {
		close(bed->cfg.rings[i].kick_fd);
		close(bed->cfg.rings[i].call_fd);
		close(bed->cfg.rings[i].err_fd);
	}
	vhost_net_fake_end();
	gmem_deinit(&bed->mem);
	arena_deinit(&bed->arena);
	free(bed);
	return 0;
}

static int bed_open(struct bed *bed, unsigned poll_us)
{
	return vhost_net_open(&bed->v, &vhost_net_fake_sys, VHOST_NET_DEVICE, -1, poll_us,
			      bed->why);
}

static int bed_start(struct bed *bed)
{
	int code = vhost_net_prepare(&bed->v, &bed->cfg, bed->why);

	return code ? code : vhost_net_start(&bed->v, &bed->cfg, bed->why);
}

static void assert_runs(struct bed *bed)
{
	unsigned i;

	assert_int_equal(bed_start(bed), 0);
	assert_true(bed->v.running);
	for (i = 0; i < VHOST_NET_RINGS; i++) {
		assert_int_equal(FIRST->rings[i].backend_fd, bed->cfg.backend_fd);
		assert_int_equal(FIRST->rings[i].kick_fd, bed->cfg.rings[i].kick_fd);
		assert_int_equal(FIRST->rings[i].call_fd, bed->cfg.rings[i].call_fd);
		assert_int_equal(FIRST->rings[i].err_fd, bed->cfg.rings[i].err_fd);
	}
}

/* n more chains of one descriptor wait in the ring. */
static void offer(struct bed *bed, enum vhost_net_ring ring, unsigned n)
{
	struct vring_avail *avail = bed->cfg.rings[ring].rings.avail;

	for (; n; n--) {
		avail->ring[avail->idx % SIZE] = avail->idx % SIZE;
		store_release(&avail->idx, (uint16_t)(avail->idx + 1));
	}
}

/* What fails is said with what helps against it. */
static void test_open_fails(void **state)
{
	static const struct {
		int error;
		const char *says;
	} cases[] = {
		{ -ENOENT, "/dev/vhost-net: No such file or directory: load the kernel's module: "
			   "modprobe vhost_net" },
		{ -ENODEV, "modprobe vhost_net" },
		{ -ENXIO, "modprobe vhost_net" },
		{ -EACCES, "readable and writable for this user" },
		{ -EPERM, "readable and writable for this user" },
		{ -EMFILE, "/dev/vhost-net: Too many open files" },
	};
	struct bed *bed = *state;
	unsigned i;

	for (i = 0; i < array_size(cases); i++) {
		vhost_net_fake.open_error = cases[i].error;
		assert_int_equal(bed_open(bed, 0), cases[i].error);
		assert_says(bed->why, cases[i].says);
		assert_int_equal(bed->v.fd, -1);
	}
}

/* --vhost-fd with any other fd: named by its number, and left open. */
static void test_wrong_fd(void **state)
{
	struct bed *bed = *state;
	int fds[2];
	char says[64];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(vhost_net_open(&bed->v, &vhost_net_fake_sys, NULL, fds[0], 0, bed->why),
			 -ENOTTY);
	snprintf(says, sizeof(says), "fd %d is no vhost-net device", fds[0]);
	assert_says(bed->why, says);
	assert_true(fcntl(fds[0], F_GETFD) >= 0);
	close(fds[0]);
	close(fds[1]);

	assert_int_equal(vhost_net_open(&bed->v, &vhost_net_fake_sys, NULL, fds[0], 0, bed->why),
			 -EBADF);
	snprintf(says, sizeof(says), "fd %d is not open", fds[0]);
	assert_says(bed->why, says);
}

/* The real system calls, too, see that a pipe is no vhost-net device. */
static void test_wrong_fd_for_linux(void **state)
{
	struct bed *bed = *state;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(vhost_net_open(&bed->v, &vhost_net_linux, NULL, fds[0], 0, bed->why),
			 -ENOTTY);
	assert_says(bed->why, "is no vhost-net device: VHOST_GET_FEATURES: Inappropriate ioctl");
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(vhost_net_open(&bed->v, &vhost_net_linux, "/nowhere/vhost-net", -1, 0,
					bed->why),
			 -ENOENT);
	assert_says(bed->why, "/nowhere/vhost-net");
}

/* vhost-vsock and vhost-scsi answer to the same requests. */
static void test_other_vhost(void **state)
{
	struct bed *bed = *state;
	int fd = vhost_net_fake_fd();

	vhost_net_fake.features &= ~FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	assert_int_equal(vhost_net_open(&bed->v, &vhost_net_fake_sys, NULL, fd, 0, bed->why),
			 -EINVAL);
	assert_says(bed->why, "a vhost device, but not vhost-net");
	assert_false(FIRST->owned);
	vhost_net_fake_sys.close(fd);
}

/* The same fd for two pairs, or one that another process has. */
static void test_fd_in_use(void **state)
{
	struct bed *bed = *state;
	struct vhost_net other;
	int fd = vhost_net_fake_fd();

	assert_int_equal(vhost_net_open(&bed->v, &vhost_net_fake_sys, NULL, fd, 0, bed->why), 0);
	assert_int_equal(bed->v.fd, fd);
	assert_int_equal(vhost_net_open(&other, &vhost_net_fake_sys, NULL, fd, 0, bed->why),
			 -EBUSY);
	assert_says(bed->why, "it is in use");
	assert_true(FIRST->owned);
}

/* ANY_LAYOUT has the number of VHOST_NET_F_VIRTIO_NET_HDR; the rest is no matter of rings. */
static void test_lacks(void **state)
{
	struct bed *bed = *state;
	uint64_t newer = FEATURE(VIRTIO_F_IN_ORDER) | FEATURE(VIRTIO_F_RING_RESET);
	uint64_t never = FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_ACCESS_PLATFORM);

	assert_int_equal(bed_open(bed, 0), 0);
	assert_int_equal(vhost_net_lacks(&bed->v, ~0ULL), newer | never);
	assert_int_equal(vhost_net_lacks(&bed->v, bed->cfg.features), 0);
	vhost_net_close(&bed->v);

	vhost_net_fake.features |= newer | never;
	assert_int_equal(bed_open(bed, 0), 0);
	assert_int_equal(vhost_net_lacks(&bed->v, ~0ULL), never);
	vhost_net_close(&bed->v);

	vhost_net_fake.features = FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	assert_int_equal(bed_open(bed, 0), 0);
	assert_int_equal(vhost_net_lacks(&bed->v, FEATURE(VIRTIO_F_ANY_LAYOUT)), 0);
	assert_int_equal(vhost_net_lacks(&bed->v, FEATURE(VIRTIO_F_NOTIFY_ON_EMPTY)),
			 FEATURE(VIRTIO_F_NOTIFY_ON_EMPTY));
}

/* The kernel is told all of it, in our addresses, and gives the rings back where it left them. */
static void test_start_stop(void **state)
{
	struct bed *bed = *state;
	uint16_t base[VHOST_NET_RINGS];
	unsigned i;

	assert_int_equal(bed_open(bed, 0), 0);
	assert_runs(bed);
	assert_int_equal(FIRST->features, FEATURE(VIRTIO_F_VERSION_1) |
						  FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
						  FEATURE(VIRTIO_RING_F_EVENT_IDX));
	assert_int_equal(FIRST->n_regions, 2);
	for (i = 0; i < 2; i++) {
		assert_int_equal(FIRST->regions[i].guest_phys_addr, bed->arena.regions[i].gpa);
		assert_int_equal(FIRST->regions[i].memory_size, bed->arena.regions[i].size);
		assert_ptr_equal(FIRST->regions[i].userspace_addr, bed->mem.regions[i].host);
	}
	for (i = 0; i < VHOST_NET_RINGS; i++) {
		const struct vhost_net_fake_ring *r = &FIRST->rings[i];

		assert_int_equal(r->num, SIZE);
		assert_int_equal(r->base, BASE);
		assert_int_equal(r->poll_us, 0);
		assert_ptr_equal(r->addr.desc_user_addr, bed->cfg.rings[i].rings.desc);
		assert_ptr_equal(r->addr.avail_user_addr, bed->cfg.rings[i].rings.avail);
		assert_ptr_equal(r->addr.used_user_addr, bed->cfg.rings[i].rings.used);
	}

	offer(bed, VHOST_NET_TX, 10);
	offer(bed, VHOST_NET_RX, 3);
	assert_int_equal(vhost_net_fake_use(FIRST, VHOST_NET_TX, SIZE, 0), 10);
	assert_int_equal(vhost_net_fake_use(FIRST, VHOST_NET_RX, 2, 60), 2);
	assert_int_equal(vhost_net_stop(&bed->v, base, bed->why), 0);
	assert_int_equal(base[VHOST_NET_TX], (uint16_t)(BASE + 10));
	assert_int_equal(base[VHOST_NET_RX], (uint16_t)(BASE + 2));
	assert_false(bed->v.running);
	assert_true(vhost_net_fake_idle(FIRST));
	assert_int_equal(vhost_net_fake_use(FIRST, VHOST_NET_RX, SIZE, 60), 0);
	assert_runs(bed);
}

/* What was kicked for before is looked for, whatever the tap says: the kick is not spent early. */
static void test_kick_of_before(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(bed_open(bed, 0), 0);
	assert_int_equal(eventfd_write(bed->cfg.rings[VHOST_NET_TX].kick_fd, 1), 0);
	assert_runs(bed);
	assert_int_equal(FIRST->rings[VHOST_NET_TX].n_looks, 1);
	assert_int_equal(FIRST->rings[VHOST_NET_RX].n_looks, 0);
}

/* Prepared, it touches nothing, whoever kicks; and it may be left at that. */
static void test_cancel(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(bed_open(bed, 0), 0);
	assert_int_equal(vhost_net_prepare(&bed->v, &bed->cfg, bed->why), 0);
	offer(bed, VHOST_NET_TX, 1);
	assert_int_equal(vhost_net_fake_use(FIRST, VHOST_NET_TX, SIZE, 0), 0);
	vhost_net_cancel(&bed->v);
	assert_true(vhost_net_fake_idle(FIRST));
	/* Undoing fails: the last resort. */
	assert_int_equal(vhost_net_prepare(&bed->v, &bed->cfg, bed->why), 0);
	vhost_net_fake_fail(VHOST_SET_VRING_CALL, 1, -EIO);
	vhost_net_cancel(&bed->v);
	assert_true(vhost_net_fake_idle(FIRST));
	assert_runs(bed);
}

/* A fd that was taken over runs as well, and is closed with the object. */
static void test_given_fd(void **state)
{
	struct bed *bed = *state;
	int fd = vhost_net_fake_fd();

	assert_int_equal(vhost_net_open(&bed->v, &vhost_net_fake_sys, NULL, fd, 0, bed->why), 0);
	assert_runs(bed);
	vhost_net_close(&bed->v);
	assert_int_equal(FIRST->fd, -1);
}

/* Both rings poll, also after the device had to be disowned. */
static void test_poll(void **state)
{
	struct bed *bed = *state;
	uint16_t base[VHOST_NET_RINGS];
	unsigned i;

	assert_int_equal(bed_open(bed, 50), 0);
	for (i = 0; i < VHOST_NET_RINGS; i++)
		assert_int_equal(FIRST->rings[i].poll_us, 50);
	assert_runs(bed);
	vhost_net_fake_fail(VHOST_NET_SET_BACKEND, 1, -EIO);
	assert_int_equal(vhost_net_stop(&bed->v, base, bed->why), -EIO);
	for (i = 0; i < VHOST_NET_RINGS; i++)
		assert_int_equal(FIRST->rings[i].poll_us, 50);
}

/* What cannot be is refused before the kernel is told anything. */
static void test_refused(void **state)
{
	struct bed *bed = *state;
	uint64_t features = bed->cfg.features;
	int kick_fd = bed->cfg.rings[VHOST_NET_TX].kick_fd, tap = bed->cfg.backend_fd;
	unsigned n_calls;

	assert_int_equal(bed_open(bed, 0), 0);
	n_calls = vhost_net_fake.n_calls;
	bed->cfg.features |= FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER);
	assert_int_equal(bed_start(bed), -EOPNOTSUPP);
	assert_says(bed->why, "vhost-net: RING_PACKED IN_ORDER");
	bed->cfg.features = features;
	bed->cfg.rings[VHOST_NET_TX].kick_fd = -1;
	assert_int_equal(bed_start(bed), -EINVAL);
	assert_says(bed->why, "the tx ring has no kick eventfd");
	bed->cfg.rings[VHOST_NET_TX].kick_fd = kick_fd;
	assert_int_equal(vhost_net_fake.n_calls, n_calls);
	/* To the kernel it would mean "unset": it would run, and move nothing. */
	bed->cfg.backend_fd = -1;
	assert_int_equal(bed_start(bed), -EBADF);
	assert_says(bed->why, "lost its tap");
	assert_true(vhost_net_fake_idle(FIRST));
	bed->cfg.backend_fd = tap;
	assert_runs(bed);
}

/* How many regions, and the limit if the kernel tells it. */
static void test_too_many_regions(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(bed_open(bed, 0), 0);
	vhost_net_fake.max_regions = 1;
	assert_int_equal(bed_start(bed), -E2BIG);
	assert_says(bed->why, "2 memory regions, but the kernel takes 1 (vhost.max_mem_regions)");
	vhost_net_fake.says_max_regions = false;
	assert_int_equal(bed_start(bed), -E2BIG);
	assert_says(bed->why, "VHOST_SET_MEM_TABLE of 2 memory regions: Argument list too long");
	assert_true(vhost_net_fake_idle(FIRST));
	vhost_net_fake.max_regions = 2;
	assert_runs(bed);
}

static void test_no_tap(void **state)
{
	struct bed *bed = *state;
	char says[64];

	assert_int_equal(bed_open(bed, 0), 0);
	vhost_net_fake_fail(VHOST_NET_SET_BACKEND, 2, -ENOTSOCK);
	assert_int_equal(bed_start(bed), -ENOTSOCK);
	snprintf(says, sizeof(says), "the backend's fd %d is no tap that vhost-net takes",
		 bed->cfg.backend_fd);
	assert_says(bed->why, says);
	assert_says(bed->why, "tx ring");
	assert_true(vhost_net_fake_idle(FIRST));
}

/* Rings that the memory table does not hold: seen with the fake only, and undone like the rest. */
static void test_ring_outside(void **state)
{
	struct bed *bed = *state;
	struct vring_used *used = bed->cfg.rings[VHOST_NET_TX].rings.used;
	uint16_t outside[256] __attribute__((aligned(VRING_USED_ALIGN))) = { 0 };

	assert_int_equal(bed_open(bed, 0), 0);
	bed->cfg.rings[VHOST_NET_TX].rings.used = (void *)outside;
	assert_int_equal(bed_start(bed), -EFAULT);
	assert_says(bed->why, "VHOST_NET_SET_BACKEND");
	assert_true(vhost_net_fake_idle(FIRST));
	bed->cfg.rings[VHOST_NET_TX].rings.used = used;
	assert_runs(bed);
}

static const char *request_name(unsigned long request)
{
	static const struct {
		unsigned long request;
		const char *name;
	} names[] = {
		{ VHOST_NET_FAKE_OPEN, VHOST_NET_DEVICE },
		{ VHOST_GET_FEATURES, "VHOST_GET_FEATURES" },
		{ VHOST_SET_FEATURES, "VHOST_SET_FEATURES" },
		{ VHOST_SET_OWNER, "VHOST_SET_OWNER" },
		{ VHOST_SET_MEM_TABLE, "VHOST_SET_MEM_TABLE" },
		{ VHOST_SET_VRING_NUM, "VHOST_SET_VRING_NUM" },
		{ VHOST_SET_VRING_BASE, "VHOST_SET_VRING_BASE" },
		{ VHOST_GET_VRING_BASE, "VHOST_GET_VRING_BASE" },
		{ VHOST_SET_VRING_ADDR, "VHOST_SET_VRING_ADDR" },
		{ VHOST_SET_VRING_KICK, "VHOST_SET_VRING_KICK" },
		{ VHOST_SET_VRING_CALL, "VHOST_SET_VRING_CALL" },
		{ VHOST_SET_VRING_ERR, "VHOST_SET_VRING_ERR" },
		{ VHOST_SET_VRING_BUSYLOOP_TIMEOUT, "VHOST_SET_VRING_BUSYLOOP_TIMEOUT" },
		{ VHOST_NET_SET_BACKEND, "VHOST_NET_SET_BACKEND" },
	};
	unsigned i;

	for (i = 0; i < array_size(names); i++) {
		if (names[i].request == request)
			return names[i].name;
	}
	fail_msg("request 0x%lx has no name", request);
	return NULL;
}

static void assert_names_failure(const struct bed *bed, int error)
{
	assert_says(bed->why, request_name(vhost_net_fake.failed));
	assert_says(bed->why, strerror(-error));
}

/*
 * Each call of opening fails once, of an own device and of a given one: said which, nothing stays
 * open or owned, and the next try works.
 */
static void test_each_call_of_open(void **state)
{
	struct bed *bed = *state;
	unsigned n, given, n_failed[2] = { 0, 0 };
	int code, fd;

	for (n = 1, given = 0; given < 2; n++) {
		fd = given ? vhost_net_fake_fd() : -1;
		vhost_net_fake_fail(VHOST_NET_FAKE_ANY, n, -EIO);
		code = vhost_net_open(&bed->v, &vhost_net_fake_sys, given ? NULL : "/dev/vhost-net",
				      fd, 7, bed->why);
		if (vhost_net_fake_unfailed()) {
			assert_int_equal(code, 0);
			n = 0;
			given++;
		} else {
			assert_int_equal(code, -EIO);
			assert_names_failure(bed, -EIO);
			assert_int_equal(bed->v.fd, -1);
			assert_int_equal(FIRST->fd, fd);
			assert_false(FIRST->owned);
			n_failed[given]++;
			assert_int_equal(fd < 0 ? bed_open(bed, 7)
						: vhost_net_open(&bed->v, &vhost_net_fake_sys, NULL,
								 fd, 7, bed->why),
					 0);
		}
		assert_true(FIRST->owned);
		vhost_net_close(&bed->v);
		assert_int_equal(FIRST->fd, -1);
	}
	/* open, GET_FEATURES, SET_OWNER, BUSYLOOP_TIMEOUT of each ring */
	assert_int_equal(n_failed[0], 5);
	assert_int_equal(n_failed[1], 4);
}

/* Each call of starting fails once: said which, nothing is left set, and the next start works. */
static void test_each_call_of_start(void **state)
{
	struct bed *bed = *state;
	uint16_t base[VHOST_NET_RINGS];
	unsigned n;

	assert_int_equal(bed_open(bed, 0), 0);
	for (n = 1;; n++) {
		vhost_net_fake_fail(VHOST_NET_FAKE_ANY, n, -EIO);
		if (!bed_start(bed))
			break;
		assert_int_equal(vhost_net_fake_unfailed(), 0);
		assert_names_failure(bed, -EIO);
		assert_false(bed->v.running);
		assert_true(vhost_net_fake_idle(FIRST));
		assert_runs(bed);
		assert_int_equal(vhost_net_stop(&bed->v, base, bed->why), 0);
	}
	assert_int_equal(vhost_net_fake_unfailed(), 1);
	/* SET_FEATURES, SET_MEM_TABLE, six of each ring, SET_BACKEND of each */
	assert_int_equal(n - 1, 2 + 2 * 6 + 2);
}

/* Undoing a failed start fails as well, at each call: even so nothing is left set. */
static void test_each_call_of_undoing(void **state)
{
	struct bed *bed = *state;
	uint16_t base[VHOST_NET_RINGS];
	unsigned n, start_calls = 2 + 2 * 6 + 2;

	assert_int_equal(bed_open(bed, 0), 0);
	for (n = 1;; n++) {
		vhost_net_fake_fail(VHOST_NET_FAKE_ANY, start_calls, -EIO);
		vhost_net_fake_fail(VHOST_NET_FAKE_ANY, start_calls + n, -ENOMEM);
		assert_int_equal(bed_start(bed), -EIO);
		assert_says(bed->why, "VHOST_SET_VRING_KICK");
		assert_true(vhost_net_fake_idle(FIRST));
		if (vhost_net_fake_unfailed())
			break;
		assert_runs(bed);
		assert_int_equal(vhost_net_stop(&bed->v, base, bed->why), 0);
	}
	/* SET_BACKEND, KICK, CALL and ERR of each ring */
	assert_int_equal(n - 1, 2 * 4);
}

/*
 * Each call of stopping fails once: the kernel has nothing all the same, the rings go on where they
 * stand, and the next start works.
 */
static void test_each_call_of_stop(void **state)
{
	struct bed *bed = *state;
	uint16_t base[VHOST_NET_RINGS];
	unsigned n, left = 0, i;
	int code;

	assert_int_equal(bed_open(bed, 0), 0);
	for (n = 1; !left; n++) {
		assert_runs(bed);
		offer(bed, VHOST_NET_TX, n);
		assert_int_equal(vhost_net_fake_use(FIRST, VHOST_NET_TX, SIZE, 0), n);
		vhost_net_fake_fail(VHOST_NET_FAKE_ANY, n, -EIO);
		code = vhost_net_stop(&bed->v, base, bed->why);
		left = vhost_net_fake_unfailed();
		/* SET_BACKEND of both rings, then GET_VRING_BASE of both; later ones are mended. */
		assert_int_equal(code, n <= 4 ? -EIO : 0);
		if (code)
			assert_names_failure(bed, -EIO);
		assert_false(bed->v.running);
		assert_true(FIRST->owned);
		assert_true(vhost_net_fake_idle(FIRST));
		for (i = 0; i < VHOST_NET_RINGS; i++) {
			assert_int_equal(base[i], bed->cfg.rings[i].rings.used->idx);
			bed->cfg.rings[i].base = base[i];
		}
	}
	assert_int_equal(n - 2, 2 * 2 + 2 * 3);
}

/* The kernel will not even be disowned: it is closed, and a later start says so. */
static void test_last_resort(void **state)
{
	struct bed *bed = *state;
	uint16_t base[VHOST_NET_RINGS];

	assert_int_equal(bed_open(bed, 0), 0);
	assert_runs(bed);
	vhost_net_fake_fail(VHOST_NET_SET_BACKEND, 1, -EFAULT);
	vhost_net_fake_fail(VHOST_RESET_OWNER, 1, -ENOMEM);
	assert_int_equal(vhost_net_stop(&bed->v, base, bed->why), -EFAULT);
	assert_int_equal(base[VHOST_NET_TX], BASE);
	assert_int_equal(FIRST->fd, -1);
	assert_int_equal(bed_start(bed), -EBADF);
	assert_says(bed->why, "vhost-net was closed");
	assert_false(bed->v.running);
}

/* The object goes while the kernel has the pair: taken back first. */
static void test_close_while_running(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(bed_open(bed, 0), 0);
	assert_runs(bed);
	vhost_net_close(&bed->v);
	assert_false(bed->v.running);
	assert_int_equal(FIRST->fd, -1);
}

/* A guest masks an interrupt: another call fd at once, while it runs. */
static void test_set_fds(void **state)
{
	struct bed *bed = *state;
	int call_fd = event(), err_fd = event();
	const struct vhost_net_fake_ring *tx = &FIRST->rings[VHOST_NET_TX];
	const struct vhost_net_vring *was = &bed->cfg.rings[VHOST_NET_TX];

	assert_int_equal(bed_open(bed, 0), 0);
	assert_runs(bed);
	vhost_net_fake_fail(VHOST_SET_VRING_CALL, 1, -EIO);
	assert_int_equal(vhost_net_set_fds(&bed->v, VHOST_NET_TX, call_fd, err_fd, bed->why), -EIO);
	assert_names_failure(bed, -EIO);
	assert_int_equal(tx->call_fd, was->call_fd);
	assert_int_equal(tx->err_fd, was->err_fd);
	vhost_net_fake_fail(VHOST_SET_VRING_ERR, 1, -EIO);
	assert_int_equal(vhost_net_set_fds(&bed->v, VHOST_NET_TX, call_fd, err_fd, bed->why), -EIO);
	assert_names_failure(bed, -EIO);
	assert_int_equal(tx->err_fd, was->err_fd);

	assert_int_equal(vhost_net_set_fds(&bed->v, VHOST_NET_TX, call_fd, err_fd, bed->why), 0);
	assert_int_equal(tx->call_fd, call_fd);
	assert_int_equal(tx->err_fd, err_fd);
	assert_int_equal(FIRST->rings[VHOST_NET_RX].call_fd, bed->cfg.rings[VHOST_NET_RX].call_fd);
	assert_int_equal(vhost_net_set_fds(&bed->v, VHOST_NET_TX, -1, -1, bed->why), 0);
	assert_int_equal(tx->call_fd, -1);
	assert_int_equal(tx->backend_fd, bed->cfg.backend_fd);
	close(call_fd);
	close(err_fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bed_setup, bed_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_open_fails),
		TEST(test_wrong_fd),
		TEST(test_wrong_fd_for_linux),
		TEST(test_other_vhost),
		TEST(test_fd_in_use),
		TEST(test_lacks),
		TEST(test_start_stop),
		TEST(test_kick_of_before),
		TEST(test_cancel),
		TEST(test_given_fd),
		TEST(test_poll),
		TEST(test_refused),
		TEST(test_too_many_regions),
		TEST(test_no_tap),
		TEST(test_ring_outside),
		TEST(test_each_call_of_open),
		TEST(test_each_call_of_start),
		TEST(test_each_call_of_undoing),
		TEST(test_each_call_of_stop),
		TEST(test_last_resort),
		TEST(test_close_while_running),
		TEST(test_set_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
