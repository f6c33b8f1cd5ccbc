/* SPDX-License-Identifier: MIT */
/*
 * The client of the kernel's vhost-net; contract in vhost_net.h. Cold: nothing here runs while
 * frames move.
 *
 * What is not done, and why: the features array of newer kernels (VHOST_GET_FEATURES_ARRAY) is for
 * bits above 63, of which we know none, and an older kernel takes it for something else. Backend
 * features are for an IOTLB and LOG_ALL for migration: neither is ours. Legacy rings need no
 * VHOST_SET_VRING_ENDIAN: they are little-endian as the host is (virtio/base.h).
 */
#include "virtio/vhost_net.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "virtio/base.h"
#include "virtio/features.h"

/*
 * What changes a ring or the header in front of its frames. ANY_LAYOUT has the number of
 * VHOST_NET_F_VIRTIO_NET_HDR, which would make the kernel add a header to the tap's own: never set.
 */
#define RING_FEATURES \
	(FEATURE(VIRTIO_NET_F_MRG_RXBUF) | FEATURE(VIRTIO_F_NOTIFY_ON_EMPTY) | \
	 FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX) | \
	 FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_IN_ORDER) | FEATURE(VIRTIO_F_RING_RESET))

/*
 * What is not for this client even if a kernel should offer it: the one would have us answer for
 * each address (IOTLB), the other has bases of another kind.
 */
#define NOT_HERE (FEATURE(VIRTIO_F_ACCESS_PLATFORM) | FEATURE(VIRTIO_F_RING_PACKED))

/* The value of a request, and its name for messages. */
#define REQUEST(name) name, #name

static const char *const ring_names[VHOST_NET_RINGS] = { "rx", "tx" };

static int linux_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int linux_ioctl(int fd, unsigned long request, void *arg)
{
	int result = ioctl(fd, request, arg);

	return result < 0 ? -errno : result;
}

static int linux_close(int fd)
{
	return close(fd) ? -errno : 0;
}

static int linux_max_regions(void)
{
	FILE *file = fopen("/sys/module/vhost/parameters/max_mem_regions", "re");
	int n = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%d", &n) != 1)
		n = 0;
	fclose(file);
	return n;
}

const struct vhost_net_sys vhost_net_linux = {
	.open = linux_open,
	.ioctl = linux_ioctl,
	.close = linux_close,
	.max_regions = linux_max_regions,
};

__attribute__((format(printf, 3, 4))) static int failed(char why[VHOST_NET_WHY_LEN], int code,
							const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, VHOST_NET_WHY_LEN, fmt, args);
	va_end(args);
	return code;
}

static int set_state(const struct vhost_net *v, unsigned long request, const char *name,
		     unsigned ring, unsigned num, char why[VHOST_NET_WHY_LEN])
{
	struct vhost_vring_state state = { .index = ring, .num = num };
	int code = v->sys->ioctl(v->fd, request, &state);

	if (code < 0)
		return failed(why, code, "%s %u of the %s ring: %s", name, num, ring_names[ring],
			      strerror(-code));
	return 0;
}

static int set_file(const struct vhost_net *v, unsigned long request, const char *name,
		    unsigned ring, int fd, char why[VHOST_NET_WHY_LEN])
{
	struct vhost_vring_file file = { .index = ring, .fd = fd };
	int code = v->sys->ioctl(v->fd, request, &file);

	if (code < 0)
		return failed(why, code, "%s fd %d of the %s ring: %s", name, fd, ring_names[ring],
			      strerror(-code));
	return 0;
}

static int open_failed(const char *path, int code, char why[VHOST_NET_WHY_LEN])
{
	switch (-code) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return failed(why, code, "%s: %s: load the kernel's module: modprobe vhost_net",
			      path, strerror(-code));
	case EACCES:
	case EPERM:
		return failed(why, code, "%s: %s: it must be readable and writable for this user",
			      path, strerror(-code));
	default:
		return failed(why, code, "%s: %s", path, strerror(-code));
	}
}

/* Is it vhost-net at all? vhost-vsock and vhost-scsi answer, too, but do not know MRG_RXBUF. */
static int identify(struct vhost_net *v, const char *name, char why[VHOST_NET_WHY_LEN])
{
	__u64 features = 0;
	int code = v->sys->ioctl(v->fd, VHOST_GET_FEATURES, &features);

	if (code == -EBADF)
		return failed(why, code, "%s is not open", name);
	if (code < 0)
		return failed(why, code, "%s is no vhost-net device: VHOST_GET_FEATURES: %s", name,
			      strerror(-code));
	if (!feature_has(features, VIRTIO_NET_F_MRG_RXBUF))
		return failed(why, -EINVAL, "%s is a vhost device, but not vhost-net", name);
	v->features = features;
	return 0;
}

static int take_owner(const struct vhost_net *v, const char *name, char why[VHOST_NET_WHY_LEN])
{
	int code = v->sys->ioctl(v->fd, VHOST_SET_OWNER, NULL);
	unsigned i;

	if (code < 0)
		return failed(why, code, "%s: VHOST_SET_OWNER: %s%s", name, strerror(-code),
			      code == -EBUSY ? ": it is in use, each queue pair needs its own"
					     : "");
	for (i = 0; i < VHOST_NET_RINGS && v->poll_us && !code; i++)
		code = set_state(v, REQUEST(VHOST_SET_VRING_BUSYLOOP_TIMEOUT), i, v->poll_us, why);
	if (code < 0) {
		v->sys->ioctl(v->fd, VHOST_RESET_OWNER, NULL);
		return code;
	}
	return 0;
}

int vhost_net_open(struct vhost_net *v, const struct vhost_net_sys *sys, const char *path, int fd,
		   unsigned poll_us, char why[VHOST_NET_WHY_LEN])
{
	char name[VHOST_NET_WHY_LEN / 2];
	int code;

	*v = (struct vhost_net){ .sys = sys, .fd = -1, .poll_us = poll_us };
	if (path) {
		fd = sys->open(path);
		if (fd < 0)
			return open_failed(path, fd, why);
		snprintf(name, sizeof(name), "%s", path);
	} else {
		snprintf(name, sizeof(name), "fd %d", fd);
	}
	v->fd = fd;
	code = identify(v, name, why);
	if (!code)
		code = take_owner(v, name, why);
	if (!code)
		return 0;
	if (path)
		sys->close(fd);
	v->fd = -1;
	return code;
}

void vhost_net_close(struct vhost_net *v)
{
	char why[VHOST_NET_WHY_LEN];
	uint16_t base[VHOST_NET_RINGS];

	if (v->running)
		vhost_net_stop(v, base, why);
	if (v->fd >= 0)
		v->sys->close(v->fd);
	v->fd = -1;
}

uint64_t vhost_net_lacks(const struct vhost_net *v, uint64_t features)
{
	return features & ((RING_FEATURES & ~v->features) | NOT_HERE);
}

static int check(const struct vhost_net *v, const struct vhost_net_config *cfg,
		 char why[VHOST_NET_WHY_LEN])
{
	uint64_t lacks = vhost_net_lacks(v, cfg->features);
	char names[FEATURES_NAMES_LEN];
	unsigned i;

	if (v->fd < 0)
		return failed(why, -EBADF, "vhost-net was closed, as it would not stop");
	if (lacks)
		return failed(why, -EOPNOTSUPP, "negotiated, but not to be had of vhost-net: %s",
			      features_names(lacks, names));
	for (i = 0; i < VHOST_NET_RINGS; i++) {
		if (cfg->rings[i].kick_fd < 0)
			return failed(
				why, -EINVAL,
				"the %s ring has no kick eventfd, and the kernel does not poll",
				ring_names[i]);
	}
	return 0;
}

static int set_features(const struct vhost_net *v, uint64_t negotiated, char why[VHOST_NET_WHY_LEN])
{
	__u64 features = negotiated & RING_FEATURES;
	int code = v->sys->ioctl(v->fd, VHOST_SET_FEATURES, &features);

	if (code < 0)
		return failed(why, code, "VHOST_SET_FEATURES 0x%llx: %s",
			      (unsigned long long)features, strerror(-code));
	return 0;
}

static int memory_failed(const struct vhost_net *v, unsigned n, int code,
			 char why[VHOST_NET_WHY_LEN])
{
	int max = code == -E2BIG ? v->sys->max_regions() : 0;

	if (max > 0)
		return failed(why, code,
			      "VHOST_SET_MEM_TABLE: %u memory regions, but the kernel takes %d "
			      "(vhost.max_mem_regions)",
			      n, max);
	return failed(why, code, "VHOST_SET_MEM_TABLE of %u memory regions: %s", n,
		      strerror(-code));
}

static int set_memory(const struct vhost_net *v, const struct gmem *mem,
		      char why[VHOST_NET_WHY_LEN])
{
	struct vhost_memory *table = calloc(1, sizeof(*table) + mem->n * sizeof(*table->regions));
	unsigned i;
	int code;

	if (!table)
		return failed(why, -ENOMEM, "no memory for a table of %u regions", mem->n);
	table->nregions = mem->n;
	for (i = 0; i < mem->n; i++) {
		table->regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = mem->regions[i].gpa,
			.memory_size = mem->regions[i].size,
			.userspace_addr = (uintptr_t)mem->regions[i].host,
		};
	}
	code = v->sys->ioctl(v->fd, VHOST_SET_MEM_TABLE, table);
	free(table);
	return code < 0 ? memory_failed(v, mem->n, code, why) : 0;
}

static int set_addr(const struct vhost_net *v, unsigned ring, const struct virtq_rings *rings,
		    char why[VHOST_NET_WHY_LEN])
{
	struct vhost_vring_addr addr = {
		.index = ring,
		.desc_user_addr = (uintptr_t)rings->desc,
		.avail_user_addr = (uintptr_t)rings->avail,
		.used_user_addr = (uintptr_t)rings->used,
	};
	int code = v->sys->ioctl(v->fd, VHOST_SET_VRING_ADDR, &addr);

	if (code < 0)
		return failed(why, code, "VHOST_SET_VRING_ADDR of the %s ring: %s",
			      ring_names[ring], strerror(-code));
	return 0;
}

static int set_ring(const struct vhost_net *v, unsigned ring, const struct vhost_net_vring *cfg,
		    char why[VHOST_NET_WHY_LEN])
{
	int code = set_state(v, REQUEST(VHOST_SET_VRING_NUM), ring, cfg->size, why);

	if (!code)
		code = set_addr(v, ring, &cfg->rings, why);
	if (!code)
		code = set_file(v, REQUEST(VHOST_SET_VRING_CALL), ring, cfg->call_fd, why);
	if (!code)
		code = set_file(v, REQUEST(VHOST_SET_VRING_ERR), ring, cfg->err_fd, why);
	return code;
}

static int set_backend(const struct vhost_net *v, unsigned ring, int fd,
		       char why[VHOST_NET_WHY_LEN])
{
	int code = set_file(v, REQUEST(VHOST_NET_SET_BACKEND), ring, fd, why);

	if (code == -ENOTSOCK)
		return failed(why, code,
			      "the backend's fd %d is no tap that vhost-net takes: "
			      "VHOST_NET_SET_BACKEND of the %s ring: %s",
			      fd, ring_names[ring], strerror(-code));
	return code;
}

/* The kernel lets go of the tap; it is quiet when this returns 0. */
static int unset_backends(const struct vhost_net *v, char why[VHOST_NET_WHY_LEN])
{
	int code = 0;
	unsigned i;

	for (i = 0; i < VHOST_NET_RINGS && !code; i++)
		code = set_backend(v, i, VHOST_FILE_UNBIND, why);
	return code;
}

static int unset_fds(const struct vhost_net *v, char why[VHOST_NET_WHY_LEN])
{
	int code = 0;
	unsigned i;

	for (i = 0; i < VHOST_NET_RINGS && !code; i++) {
		code = set_file(v, REQUEST(VHOST_SET_VRING_KICK), i, VHOST_FILE_UNBIND, why);
		if (!code)
			code = set_file(v, REQUEST(VHOST_SET_VRING_CALL), i, VHOST_FILE_UNBIND,
					why);
		if (!code)
			code = set_file(v, REQUEST(VHOST_SET_VRING_ERR), i, VHOST_FILE_UNBIND, why);
	}
	return code;
}

/*
 * The last resort: without an owner the kernel has nothing of ours. Where it will not even do that,
 * or not be owned again, the device is closed, and starts no more.
 */
static void drop_owner(struct vhost_net *v)
{
	char why[VHOST_NET_WHY_LEN];

	if (v->sys->ioctl(v->fd, VHOST_RESET_OWNER, NULL) >= 0 && !take_owner(v, "vhost-net", why))
		return;
	v->sys->close(v->fd);
	v->fd = -1;
}

/* The kernel forgets what it was set to; returns code. */
static int undo(struct vhost_net *v, int code)
{
	char ignored[VHOST_NET_WHY_LEN];

	if (unset_backends(v, ignored) || unset_fds(v, ignored))
		drop_owner(v);
	return code;
}

int vhost_net_prepare(struct vhost_net *v, const struct vhost_net_config *cfg,
		      char why[VHOST_NET_WHY_LEN])
{
	int code = check(v, cfg, why);
	unsigned i;

	assert(!v->running);
	if (code)
		return code;
	code = set_features(v, cfg->features, why);
	if (!code)
		code = set_memory(v, cfg->mem, why);
	for (i = 0; i < VHOST_NET_RINGS && !code; i++)
		code = set_ring(v, i, &cfg->rings[i], why);
	return code ? undo(v, code) : 0;
}

void vhost_net_cancel(struct vhost_net *v)
{
	undo(v, 0);
}

int vhost_net_start(struct vhost_net *v, const struct vhost_net_config *cfg,
		    char why[VHOST_NET_WHY_LEN])
{
	int code = 0;
	unsigned i;

	/* To the kernel it would mean "none". */
	if (cfg->backend_fd < 0)
		code = failed(why, -EBADF, "the backend has lost its tap");
	for (i = 0; i < VHOST_NET_RINGS && !code; i++)
		code = set_state(v, REQUEST(VHOST_SET_VRING_BASE), i, cfg->rings[i].base, why);
	for (i = 0; i < VHOST_NET_RINGS && !code; i++)
		code = set_backend(v, i, cfg->backend_fd, why);
	/*
	 * Last: a kick that finds no backend is spent, and may be all that makes the kernel run:
	 * it waits for a tap that is down.
	 */
	for (i = 0; i < VHOST_NET_RINGS && !code; i++)
		code = set_file(v, REQUEST(VHOST_SET_VRING_KICK), i, cfg->rings[i].kick_fd, why);
	if (code)
		return undo(v, code);
	for (i = 0; i < VHOST_NET_RINGS; i++)
		v->used[i] = cfg->rings[i].rings.used;
	v->running = true;
	return 0;
}

static int get_base(const struct vhost_net *v, unsigned ring, uint16_t *base,
		    char why[VHOST_NET_WHY_LEN])
{
	struct vhost_vring_state state = { .index = ring };
	int code = v->sys->ioctl(v->fd, VHOST_GET_VRING_BASE, &state);

	if (code < 0)
		return failed(why, code, "VHOST_GET_VRING_BASE of the %s ring: %s",
			      ring_names[ring], strerror(-code));
	*base = (uint16_t)state.num;
	return 0;
}

int vhost_net_stop(struct vhost_net *v, uint16_t base[VHOST_NET_RINGS], char why[VHOST_NET_WHY_LEN])
{
	char ignored[VHOST_NET_WHY_LEN];
	int code = unset_backends(v, why);
	bool stuck = code;
	unsigned i;

	if (stuck)
		drop_owner(v);
	for (i = 0; i < VHOST_NET_RINGS; i++) {
		base[i] = load_acquire(&v->used[i]->idx);
		if (!code)
			code = get_base(v, i, &base[i], why);
	}
	if (!stuck && unset_fds(v, ignored))
		drop_owner(v);
	v->running = false;
	return code;
}

int vhost_net_set_fds(struct vhost_net *v, enum vhost_net_ring ring, int call_fd, int err_fd,
		      char why[VHOST_NET_WHY_LEN])
{
	int code = set_file(v, REQUEST(VHOST_SET_VRING_CALL), ring, call_fd, why);

	if (!code)
		code = set_file(v, REQUEST(VHOST_SET_VRING_ERR), ring, err_fd, why);
	return code;
}
