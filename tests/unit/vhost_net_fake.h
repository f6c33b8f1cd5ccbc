/* SPDX-License-Identifier: MIT */
/*
 * A kernel with vhost-net behind struct vhost_net_sys: keeps what each device was told, refuses
 * what the real one refuses, and fails where a test wants it to. It moves no frame of its own
 * accord.
 *
 * One per process, as kernels are: a test begins with vhost_net_fake_begin() and ends with
 * vhost_net_fake_end(), which asserts that nothing was left set anywhere. What must never happen
 * (a tap closed while the kernel has it, a device closed while it runs) aborts at once.
 *
 * Stricter than Linux in one thing: rings must lie in the memory table (EFAULT at SET_BACKEND);
 * Linux finds that out with the first frame.
 */
#ifndef TESTS_UNIT_VHOST_NET_FAKE_H
#define TESTS_UNIT_VHOST_NET_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/vhost_net.h"

#define VHOST_NET_FAKE_DEVICES     128
#define VHOST_NET_FAKE_MAX_REGIONS 256

/* What Linux 6.1 answers, and what newer ones add. */
#define VHOST_NET_FAKE_FEATURES 0x33d008000ULL
#define VHOST_NET_FAKE_NEWER    (1ULL << 35 | 1ULL << 40) /* IN_ORDER, RING_RESET */

struct vhost_net_fake_ring {
	unsigned num;
	uint16_t base; /* where it stands: GET_VRING_BASE */
	struct vhost_vring_addr addr;
	int kick_fd; /* -1: none */
	int call_fd;
	int err_fd;
	int backend_fd;
	unsigned poll_us;
	unsigned n_looks; /* at SET_VRING_KICK, for a kick of before */
};

struct vhost_net_fake_device {
	int fd; /* -1: closed */
	bool owned;
	bool stuck;        /* RESET_OWNER failed: it may be closed as it is */
	uint64_t features; /* SET_FEATURES */
	unsigned n_regions;
	struct vhost_memory_region regions[VHOST_NET_FAKE_MAX_REGIONS];
	struct vhost_net_fake_ring rings[VHOST_NET_RINGS];
};

/* What kind of kernel it is. A test may change it at any time. */
struct vhost_net_fake {
	int open_error;        /* 0, or a negative errno: there is no vhost-net */
	uint64_t features;     /* VHOST_NET_FAKE_FEATURES */
	unsigned max_regions;  /* 64 */
	bool says_max_regions; /* true */
	unsigned n_calls;      /* opens, ioctls and closes until now */
	unsigned long failed;  /* the request that a planned failure came to last */
	struct vhost_net_fake_device
		devices[VHOST_NET_FAKE_DEVICES]; /* the first free one is next */
};

extern const struct vhost_net_sys vhost_net_fake_sys;
extern struct vhost_net_fake vhost_net_fake;

void vhost_net_fake_begin(void);
/* All devices closed, and all planned failures come true. */
void vhost_net_fake_end(void);

/* Nothing is set in this device: no backend, no eventfd. It may have an owner and memory. */
bool vhost_net_fake_idle(const struct vhost_net_fake_device *device);

/* A device that somebody else opened, for --vhost-fd. */
int vhost_net_fake_fd(void);

/* Planned failures, each for one call; several may be planned at a time. */
#define VHOST_NET_FAKE_ANY  0UL /* for request: whatever is called */
#define VHOST_NET_FAKE_OPEN 1UL
/* The nth such call from now (1: the next) fails with a negative errno, and changes nothing. */
void vhost_net_fake_fail(unsigned long request, unsigned nth, int error);
/* How many planned failures have not come yet; forgets them. */
unsigned vhost_net_fake_unfailed(void);

/*
 * The kernel's worker: uses up to max chains that wait in a ring, with this used length each, and
 * calls. How many; 0 too if the ring has no backend.
 */
unsigned vhost_net_fake_use(struct vhost_net_fake_device *device, enum vhost_net_ring ring,
			    unsigned max, uint32_t len);

#endif
