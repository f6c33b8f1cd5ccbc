/* SPDX-License-Identifier: MIT */
/*
 * The fake kernel; see vhost_net_fake.h. The rules are those of Linux' drivers/vhost/{vhost,net}.c.
 * What a test must not do, or a client, aborts.
 */
#include "tests/unit/vhost_net_fake.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "virtio/base.h"
#include "virtio/vring.h"

#define MAX_FAILURES 8

struct failure {
	unsigned long request;
	unsigned left; /* such calls until it comes; 0: free */
	int error;
};

struct vhost_net_fake vhost_net_fake;
static struct failure failures[MAX_FAILURES];

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool is_power_of_two(unsigned n)
{
	return n && !(n & (n - 1));
}

static struct vhost_net_fake_device *find(int fd)
{
	unsigned i;

	for (i = 0; fd >= 0 && i < VHOST_NET_FAKE_DEVICES; i++) {
		if (vhost_net_fake.devices[i].fd == fd)
			return &vhost_net_fake.devices[i];
	}
	return NULL;
}

static void ring_reset(struct vhost_net_fake_ring *ring)
{
	*ring = (struct vhost_net_fake_ring){
		.num = 1, .kick_fd = -1, .call_fd = -1, .err_fd = -1, .backend_fd = -1
	};
}

static void device_reset(struct vhost_net_fake_device *device, int fd)
{
	unsigned i;

	memset(device, 0, sizeof(*device));
	device->fd = fd;
	for (i = 0; i < VHOST_NET_RINGS; i++)
		ring_reset(&device->rings[i]);
}

bool vhost_net_fake_idle(const struct vhost_net_fake_device *device)
{
	const struct vhost_net_fake_ring *r;

	for (r = device->rings; r < device->rings + VHOST_NET_RINGS; r++) {
		if (r->backend_fd >= 0 || r->kick_fd >= 0 || r->call_fd >= 0 || r->err_fd >= 0)
			return false;
	}
	return true;
}

void vhost_net_fake_begin(void)
{
	unsigned i;

	vhost_net_fake = (struct vhost_net_fake){
		.features = VHOST_NET_FAKE_FEATURES,
		.max_regions = 64,
		.says_max_regions = true,
	};
	for (i = 0; i < VHOST_NET_FAKE_DEVICES; i++)
		device_reset(&vhost_net_fake.devices[i], -1);
	memset(failures, 0, sizeof(failures));
}

void vhost_net_fake_end(void)
{
	unsigned i;

	for (i = 0; i < VHOST_NET_FAKE_DEVICES; i++)
		assert(vhost_net_fake.devices[i].fd < 0);
	assert(!vhost_net_fake_unfailed());
}

void vhost_net_fake_fail(unsigned long request, unsigned nth, int error)
{
	unsigned i = 0;

	assert(nth && error < 0);
	while (failures[i].left)
		assert(++i < MAX_FAILURES);
	failures[i] = (struct failure){ .request = request, .left = nth, .error = error };
}

unsigned vhost_net_fake_unfailed(void)
{
	unsigned i, n = 0;

	for (i = 0; i < MAX_FAILURES; i++) {
		n += failures[i].left > 0;
		failures[i].left = 0;
	}
	return n;
}

/* Counts a call. 0, or the errno that was planned for it. */
static int planned(unsigned long request)
{
	int error = 0;
	unsigned i;

	vhost_net_fake.n_calls++;
	for (i = 0; i < MAX_FAILURES; i++) {
		struct failure *f = &failures[i];

		if (f->left && (f->request == VHOST_NET_FAKE_ANY || f->request == request) &&
		    !--f->left) {
			error = f->error;
			vhost_net_fake.failed = request;
		}
	}
	return error;
}

int vhost_net_fake_fd(void)
{
	unsigned i = 0;
	int fd;

	while (i < VHOST_NET_FAKE_DEVICES && vhost_net_fake.devices[i].fd >= 0)
		i++;
	assert(i < VHOST_NET_FAKE_DEVICES);
	/* A real one, so that its number is nobody else's. */
	fd = eventfd(0, EFD_CLOEXEC);
	assert(fd >= 0);
	device_reset(&vhost_net_fake.devices[i], fd);
	return fd;
}

static int fake_open(const char *path)
{
	int error = planned(VHOST_NET_FAKE_OPEN);

	(void)path;
	if (error)
		return error;
	return vhost_net_fake.open_error ? vhost_net_fake.open_error : vhost_net_fake_fd();
}

static int fake_close(int fd)
{
	struct vhost_net_fake_device *device = find(fd);

	vhost_net_fake.n_calls++;
	assert(device);
	/* The real kernel would stop it; that a client relies on that is what must not be. */
	assert(device->stuck || vhost_net_fake_idle(device));
	device->fd = -1;
	close(fd);
	return 0;
}

static int fake_max_regions(void)
{
	return vhost_net_fake.says_max_regions ? (int)vhost_net_fake.max_regions : 0;
}

static bool in_memory(const struct vhost_net_fake_device *device, uint64_t addr, uint64_t len)
{
	unsigned i;

	for (i = 0; i < device->n_regions; i++) {
		const struct vhost_memory_region *r = &device->regions[i];
		uint64_t off = addr - r->userspace_addr;

		if (off < r->memory_size && len <= r->memory_size - off)
			return true;
	}
	return false;
}

static int set_owner(struct vhost_net_fake_device *device)
{
	if (device->owned)
		return -EBUSY;
	device->owned = true;
	return 0;
}

static int set_features(struct vhost_net_fake_device *device, uint64_t features)
{
	if (features & ~vhost_net_fake.features)
		return -EOPNOTSUPP;
	device->features = features;
	return 0;
}

static int set_memory(struct vhost_net_fake_device *device, const struct vhost_memory *table)
{
	if (table->padding)
		return -EOPNOTSUPP;
	if (table->nregions > vhost_net_fake.max_regions)
		return -E2BIG;
	assert(table->nregions <= VHOST_NET_FAKE_MAX_REGIONS);
	device->n_regions = table->nregions;
	memcpy(device->regions, table->regions, table->nregions * sizeof(*table->regions));
	return 0;
}

static int set_num(struct vhost_net_fake_ring *ring, unsigned num)
{
	if (ring->backend_fd >= 0)
		return -EBUSY;
	if (num > 0xffff || !is_power_of_two(num))
		return -EINVAL;
	ring->num = num;
	return 0;
}

static int set_base(struct vhost_net_fake_ring *ring, unsigned base)
{
	if (ring->backend_fd >= 0)
		return -EBUSY;
	if (base > 0xffff)
		return -EINVAL;
	ring->base = (uint16_t)base;
	return 0;
}

static int set_addr(struct vhost_net_fake_ring *ring, const struct vhost_vring_addr *addr)
{
	if (addr->flags)
		return -EOPNOTSUPP;
	if (addr->desc_user_addr % VRING_DESC_ALIGN || addr->avail_user_addr % VRING_AVAIL_ALIGN ||
	    addr->used_user_addr % VRING_USED_ALIGN)
		return -EINVAL;
	ring->addr = *addr;
	return 0;
}

static int set_fd(int *slot, int fd)
{
	if (fd != -1 && !is_open(fd))
		return -EBADF;
	*slot = fd;
	return 0;
}

/* A kick that has come is taken at once; one that finds no backend is spent. */
static int set_kick(struct vhost_net_fake_ring *ring, int fd)
{
	struct pollfd kick = { .fd = fd, .events = POLLIN };
	int error = set_fd(&ring->kick_fd, fd);

	ring->n_looks += !error && ring->backend_fd >= 0 && poll(&kick, 1, 0) == 1;
	return error;
}

static bool ring_in_memory(const struct vhost_net_fake_device *device,
			   const struct vhost_net_fake_ring *ring)
{
	return in_memory(device, ring->addr.desc_user_addr, vring_desc_len(ring->num)) &&
	       in_memory(device, ring->addr.avail_user_addr, vring_avail_len(ring->num)) &&
	       in_memory(device, ring->addr.used_user_addr, vring_used_len(ring->num));
}

static int set_backend(const struct vhost_net_fake_device *device, struct vhost_net_fake_ring *ring,
		       int fd)
{
	/* Else the kernel would have gone on with a tap that the process has closed. */
	assert(ring->backend_fd < 0 || is_open(ring->backend_fd));
	if (fd != -1 && !is_open(fd))
		return -ENOTSOCK;
	if (fd != -1 && !ring_in_memory(device, ring))
		return -EFAULT;
	ring->backend_fd = fd;
	return 0;
}

/* Requests whose argument begins with a ring's index. */
static int ring_ioctl(struct vhost_net_fake_device *device, unsigned long request, void *arg)
{
	struct vhost_vring_state *state = arg;
	struct vhost_vring_file *file = arg;
	struct vhost_net_fake_ring *ring = &device->rings[state->index % VHOST_NET_RINGS];

	if (state->index >= VHOST_NET_RINGS)
		return -ENOBUFS;
	switch (request) {
	case VHOST_SET_VRING_NUM:
		return set_num(ring, state->num);
	case VHOST_SET_VRING_BASE:
		return set_base(ring, state->num);
	case VHOST_GET_VRING_BASE:
		state->num = ring->base;
		return 0;
	case VHOST_SET_VRING_ADDR:
		return set_addr(ring, arg);
	case VHOST_SET_VRING_KICK:
		return set_kick(ring, file->fd);
	case VHOST_SET_VRING_CALL:
		return set_fd(&ring->call_fd, file->fd);
	case VHOST_SET_VRING_ERR:
		return set_fd(&ring->err_fd, file->fd);
	case VHOST_SET_VRING_BUSYLOOP_TIMEOUT:
		ring->poll_us = state->num;
		return 0;
	case VHOST_NET_SET_BACKEND:
		return set_backend(device, ring, file->fd);
	default:
		return -ENOTTY;
	}
}

static int reset_owner(struct vhost_net_fake_device *device)
{
	device_reset(device, device->fd);
	return 0;
}

static int fake_ioctl(int fd, unsigned long request, void *arg)
{
	struct vhost_net_fake_device *device = find(fd);
	int error = planned(request);

	if (error && request == VHOST_RESET_OWNER && device)
		device->stuck = true;
	if (error)
		return error;
	if (!device)
		return is_open(fd) ? -ENOTTY : -EBADF;
	switch (request) {
	case VHOST_GET_FEATURES:
		*(__u64 *)arg = vhost_net_fake.features;
		return 0;
	case VHOST_SET_FEATURES:
		return set_features(device, *(__u64 *)arg);
	case VHOST_SET_OWNER:
		return set_owner(device);
	}
	if (!device->owned)
		return -EPERM;
	switch (request) {
	case VHOST_RESET_OWNER:
		return reset_owner(device);
	case VHOST_SET_MEM_TABLE:
		return set_memory(device, arg);
	default:
		return ring_ioctl(device, request, arg);
	}
}

const struct vhost_net_sys vhost_net_fake_sys = {
	.open = fake_open,
	.ioctl = fake_ioctl,
	.close = fake_close,
	.max_regions = fake_max_regions,
};

unsigned vhost_net_fake_use(struct vhost_net_fake_device *device, enum vhost_net_ring ring,
			    unsigned max, uint32_t len)
{
	struct vhost_net_fake_ring *r = &device->rings[ring];
	struct vring_avail *avail = (void *)(uintptr_t)r->addr.avail_user_addr;
	struct vring_used *used = (void *)(uintptr_t)r->addr.used_user_addr;
	unsigned n;

	if (r->backend_fd < 0)
		return 0;
	for (n = 0; n < max && load_acquire(&avail->idx) != r->base; n++, r->base++) {
		unsigned slot = r->base & (r->num - 1);

		used->ring[slot].id = avail->ring[slot];
		used->ring[slot].len = len;
		store_release(&used->idx, (uint16_t)(r->base + 1));
	}
	if (n && r->call_fd >= 0)
		assert(!eventfd_write(r->call_fd, 1));
	return n;
}
