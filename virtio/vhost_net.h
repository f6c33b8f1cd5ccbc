/* SPDX-License-Identifier: MIT */
/*
 * The client of the kernel's vhost-net: hands it one running queue pair and takes it back. The
 * kernel's worker then moves frames between the rings and the tap, and is kicked and calls by the
 * front-end's own eventfds. linux/vhost.h and drivers/vhost/net.c are the specification.
 *
 * It knows no queue and no policy: the caller has stopped its own datapath before start, and goes
 * on with it after stop. Owner: the control thread.
 */
#ifndef VIRTIO_VHOST_NET_H
#define VIRTIO_VHOST_NET_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/vhost.h>

#include "virtio/gmem.h"
#include "virtio/virtq_state.h"

#define VHOST_NET_DEVICE "/dev/vhost-net"

/* The rings of a pair, as the kernel numbers them. */
enum vhost_net_ring {
	VHOST_NET_RX,
	VHOST_NET_TX,
	VHOST_NET_RINGS,
};

/* How the kernel is reached. Each returns a value >= 0 or a negative errno. */
struct vhost_net_sys {
	int (*open)(const char *path);
	int (*ioctl)(int fd, unsigned long request, void *arg);
	int (*close)(int fd);
	/* The memory regions that the kernel takes at most; 0: it does not say. */
	int (*max_regions)(void);
};

extern const struct vhost_net_sys vhost_net_linux;

struct vhost_net {
	const struct vhost_net_sys *sys;
	int fd; /* -1: closed */
	unsigned poll_us;
	uint64_t features; /* what the kernel can do, VHOST_NET_F_* and VHOST_F_* too */
	bool running;
	const struct vring_used *used[VHOST_NET_RINGS]; /* while it runs */
};

/* What failed, in one line without newline: the step, its value, what the kernel said. */
#define VHOST_NET_WHY_LEN 256

/*
 * Open path, or take fd if path is NULL (it is the object's from here on; on failure it stays the
 * caller's, and not owned by us), own it, and ask what it can do. poll_us:
 * VHOST_SET_VRING_BUSYLOOP_TIMEOUT of both rings, 0: not set. 0, or a negative errno and why;
 * nothing stays open then.
 */
int vhost_net_open(struct vhost_net *v, const struct vhost_net_sys *sys, const char *path, int fd,
		   unsigned poll_us, char why[VHOST_NET_WHY_LEN]);
/* Stops it if it runs. May run twice. */
void vhost_net_close(struct vhost_net *v);

/*
 * Of negotiated features those that concern rings and that this kernel cannot honour. Not among
 * them: ANY_LAYOUT, which it always can, and what is the tap's or the front-end's.
 */
uint64_t vhost_net_lacks(const struct vhost_net *v, uint64_t features);

struct vhost_net_config {
	uint64_t features;      /* negotiated */
	const struct gmem *mem; /* borrowed for the call; its mappings must stay until stop */
	int backend_fd;         /* the tap's queue; borrowed until stop */
	struct vhost_net_vring {
		struct virtq_rings rings; /* in our address space */
		unsigned size;
		uint16_t base; /* the used index: all that was taken has been used */
		int kick_fd;   /* the kernel does not poll: -1 is refused */
		int call_fd;   /* or -1 */
		int err_fd;    /* or -1 */
	} rings[VHOST_NET_RINGS];
};

/*
 * Tell the kernel all that does not depend on where the rings stand, while another still moves the
 * frames: base and backend_fd are not used yet. 0, and then start or cancel; or a negative errno
 * and why: the kernel has nothing.
 */
int vhost_net_prepare(struct vhost_net *v, const struct vhost_net_config *cfg,
		      char why[VHOST_NET_WHY_LEN]);
void vhost_net_cancel(struct vhost_net *v);

/*
 * Give the pair to the kernel, with what it was prepared for and base and backend_fd. 0: it runs,
 * and has run both rings once. A negative errno and why: the kernel has nothing.
 */
int vhost_net_start(struct vhost_net *v, const struct vhost_net_config *cfg,
		    char why[VHOST_NET_WHY_LEN]);
/*
 * Take it back: when it returns the kernel touches neither the rings nor the tap, and has none of
 * the fds. base: where each ring goes on. Fails never as to that; a negative errno and why: the
 * kernel would not let go until its owner was taken from it, or would not say a base: it is the
 * ring's used index then.
 */
int vhost_net_stop(struct vhost_net *v, uint16_t base[VHOST_NET_RINGS],
		   char why[VHOST_NET_WHY_LEN]);

/* New fds while it runs; -1: none. 0 or a negative errno and why: a fd stays as it was. */
int vhost_net_set_fds(struct vhost_net *v, enum vhost_net_ring ring, int call_fd, int err_fd,
		      char why[VHOST_NET_WHY_LEN]);

#endif
