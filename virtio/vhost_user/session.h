/* SPDX-License-Identifier: MIT */
/*
 * The back-end's side of one vhost-user connection: a state machine fed by messages, that tells a
 * device what to do. QEMU's docs/interop/vhost-user.rst is the specification.
 *
 * Owner: the control thread. The session owns the socket, guest memory, and the fds of each ring
 * (kick, call, err) from the message that brought them until they are replaced or the session ends,
 * the front-end's socket for our own messages, and its buffer for the places of rings in flight.
 * It has no thread and no loop: wait until vhost_user_session_fd() is readable, then call
 * vhost_user_session_dispatch(), which never blocks: fds and memory are given up by ops->release.
 *
 * A ring is started by SET_VRING_KICK and stopped by GET_VRING_BASE, and enabled or not apart from
 * that; the device hears of both.
 */
#ifndef VIRTIO_VHOST_USER_SESSION_H
#define VIRTIO_VHOST_USER_SESSION_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtio/gmem.h"
#include "virtio/virtq.h"

/* Rings are known by index: 2 * pair is the guest's rx ring, 2 * pair + 1 its tx ring. */
#define VHOST_USER_MAX_RINGS 256

/*
 * What the session asks of its device; every call is on the control thread, and when it returns it
 * is done. A negative errno of the calls that have one ends the session; that of set_mtu only if
 * the front-end asked for no answer, else it is told.
 */
struct vhost_user_ops {
	/* The driver's choice of config.features, before any ring starts. */
	int (*set_features)(void *dev, uint64_t features);
	/*
	 * Start ring, which is stopped. cfg->mem, the fds in cfg and kick_fd are the session's and
	 * stay valid until ring_stop; cfg itself does not outlive the call. The device must look
	 * into the ring once as if it had been kicked.
	 */
	int (*ring_start)(void *dev, unsigned ring, const struct virtq_config *cfg, int kick_fd);
	/*
	 * Stop ring: in-flight work finished, nothing of the guest's touched afterwards. What
	 * GET_VRING_BASE answers: virtq_base(). Never between quiesce and resume.
	 */
	uint32_t (*ring_stop)(void *dev, unsigned ring);
	/*
	 * A disabled tx ring is drained and its frames dropped; a disabled rx ring gets none. Told
	 * when it changes, of a stopped ring too. Rings are disabled when the session begins and
	 * after it ended.
	 */
	void (*ring_enable)(void *dev, unsigned ring, bool enabled);
	/*
	 * New call and err fds of a started ring. The driver must be called once, since a call may
	 * have gone to the old fd. The old ones may be closed when this returns.
	 */
	void (*ring_fds)(void *dev, unsigned ring, struct notifier call, struct notifier err);
	/* No ring touches guest memory between quiesce and resume; no frame is in flight. */
	void (*quiesce)(void *dev);
	/* Between quiesce and resume: the areas of a started ring moved in our address space. */
	void (*ring_moved)(void *dev, unsigned ring, const struct virtq_rings *rings);
	void (*resume)(void *dev);
	/* NET_SET_MTU. */
	int (*set_mtu)(void *dev, uint16_t mtu);
	/* SEND_RARP: tell the network where the guest of this MAC is now, as well as can be. */
	void (*send_rarp)(void *dev, const uint8_t mac[6]);
	/*
	 * Close fd (-1: none) and unmap len bytes at map (NULL: none) without waiting for it:
	 * both are the front-end's, or the session's own socket, and nobody uses them any more.
	 * NULL: the session does it itself, at once, and a front-end may make it wait.
	 */
	void (*release)(void *dev, int fd, void *map, size_t len);
	/* Never called from a data path. fmt has no newline. */
	void (*log)(void *dev, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
	/* The same, with each message that comes and what is answered. NULL: nobody wants it. */
	void (*trace)(void *dev, const char *fmt, va_list args)
		__attribute__((format(printf, 2, 0)));
};

struct vhost_user_config {
	const struct vhost_user_ops *ops;
	void *dev;
	uint64_t features;  /* offered; the session adds its own: PROTOCOL_FEATURES */
	unsigned max_pairs; /* queue pairs, 1 .. VHOST_USER_MAX_RINGS / 2 */
	/*
	 * Offer CONFIG, with MAC and link state in it (features says whether the driver may know
	 * of them: VIRTIO_NET_F_MAC, VIRTIO_NET_F_STATUS); else none of them.
	 * QEMU has no use for the CONFIG of a network card: it prints a warning, and 7.1.0 to 7.2.2
	 * and 8.0.0 crash.
	 */
	bool has_mac;
	uint8_t mac[6];
	uint16_t mtu;                 /* 0: none; only shown in GET_CONFIG */
	struct gmem_watcher *watcher; /* of guest memory, borrowed, or NULL */
};

struct vhost_user_session;

/*
 * The session owns fd (a connected unix stream socket) from here on, also on failure. cfg is
 * copied, ops and dev are borrowed. 0, -EINVAL for max_pairs out of range or features that
 * contradict each other, or -ENOMEM.
 */
int vhost_user_session_new(struct vhost_user_session **session, const struct vhost_user_config *cfg,
			   int fd);

/* Rings are stopped and disabled, memory and all fds are released. Takes NULL. */
void vhost_user_session_free(struct vhost_user_session *session);

/* Readable: call dispatch. Borrowed. */
int vhost_user_session_fd(const struct vhost_user_session *session);

/* A whole message has come. */
bool vhost_user_session_has_spoken(const struct vhost_user_session *session);

/*
 * Whether GET_CONFIG shows a link from now on; at first it does. A front-end that acknowledged
 * CONFIG and BACKEND_REQ is told of a change, once a ring is started. Never waits.
 */
void vhost_user_session_set_link(struct vhost_user_session *session, bool up);

/*
 * Whether the front-end will be told of that. Nothing is known before it has acknowledged features;
 * then it is one or the other: deaf is one that did not acknowledge both, or that has started a
 * ring and sent no socket for it.
 */
enum vhost_user_hearing { VHOST_USER_HEARING_UNKNOWN, VHOST_USER_DEAF, VHOST_USER_HEARS };

enum vhost_user_hearing vhost_user_session_hearing(const struct vhost_user_session *session);

enum vhost_user_outcome {
	/* Wait for the fd again. */
	VHOST_USER_GO_ON,
	/* The front-end went away: free the session. */
	VHOST_USER_CLOSED,
	/* It broke the protocol, or the host failed; the reason is in the log: free the session. */
	VHOST_USER_VIOLATION,
};

/*
 * Read and carry out what has arrived. Bounded to a few messages a call: what is left keeps the fd
 * readable. Not to be called again after CLOSED or VIOLATION.
 */
enum vhost_user_outcome vhost_user_session_dispatch(struct vhost_user_session *session);

#endif
