/* SPDX-License-Identifier: MIT */
/*
 * A virtio-net device: queue pairs, the iothreads that run them, and one backend; or the kernel's
 * vhost-net in their place (datapath/handover.h). Cold: it starts and stops queues as a vhost-user
 * session asks for it, and no frame passes here.
 *
 * Owner: the control thread. While a queue runs, everything in it is its iothread's; the device
 * reaches it by jobs.
 */
#ifndef DATAPATH_DEVICE_H
#define DATAPATH_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/device_types.h"
#include "datapath/stats.h"
#include "virtio/vhost_net.h"
#include "virtio/vhost_user/session.h"

struct device;
struct latency;

/* What a queue pair needs of IOTHREAD_MAX_WATCHES, one of which is the iothread's own. */
#define DEVICE_PAIR_WATCHES 5

/* 0 or -ENOMEM. The user datapath moves the frames, until device_set_kernel(). */
int device_new(struct device **dev, const struct device_config *cfg);
/* All rings must be stopped. Takes NULL. */
void device_free(struct device *dev);

/* Feature bits to offer: what rings and backend can do. */
uint64_t device_features(const struct device *dev);
/* Those that the present driver, or the last one, negotiated. */
uint64_t device_negotiated(const struct device *dev);

/* The tx mode of the device: that of its first pair. */
const struct tx_mode *device_mode(const struct device *dev);
/* That of a pair, which may be another; waits: the kernel has the pair, which does not know. */
const struct tx_mode *device_pair_mode(const struct device *dev, unsigned pair, bool *waits);

/* For device_set_mode(). */
#define DEVICE_ALL_PAIRS UINT32_MAX

/*
 * Let a pair's tx queue, or those of all pairs, run by another mode, while frames move: it has
 * begun when this returns, no frame is lost or overtaken, and it stays for the front-ends that
 * come. What the kernel has runs by it when it comes back.
 */
void device_set_mode(struct device *dev, unsigned pair, const struct tx_mode *mode);

/* Whether neighbours of a flow leave as one: of all pairs, from here on. */
void device_set_coalesce(struct device *dev, bool on);

/* How far a pair's tx queue is; of a pair that the kernel does not have. */
struct device_progress device_pair_progress(struct device *dev, unsigned pair);

enum device_move {
	DEVICE_MOVED,
	DEVICE_MOVE_LATER,  /* a received frame waits for buffers: ask again soon */
	DEVICE_MOVE_BROKEN, /* the guest has broken a ring of it */
};

/*
 * Let another iothread, which has room for DEVICE_PAIR_WATCHES more, run a pair; no frame is lost.
 * It comes back from the kernel for that, and device_hand_over() follows. Not DEVICE_MOVED: nothing
 * has changed.
 */
enum device_move device_move_pair(struct device *dev, unsigned pair, struct iothread *thread);
/* The iothread that runs a pair. */
struct iothread *device_pair_thread(const struct device *dev, unsigned pair);

/* What a session calls; its dev is a struct device. Then comes device_hand_over(). */
extern const struct vhost_user_ops device_vhost_user_ops;

/*
 * The kernel's vhost-net for each pair, open, borrowed until the next such call; or NULL, and why
 * there is none. The rings are in the user datapath when it returns.
 */
void device_set_kernel(struct device *dev, struct vhost_net *kernel, const char *why);
/*
 * Whether the kernel shall move the frames where it can: at first it shall. If not, the rings are
 * in the user datapath when it returns; else the next device_hand_over() waits for no quiet.
 */
void device_want_kernel(struct device *dev, bool wanted);

/*
 * Do what is due. Once nothing about the device has changed for DEVICE_QUIET_NS: hand it to the
 * kernel if that is wanted and can be, detach the backend's queues that no driver uses, and take
 * its link down if none is used. now_ns is CLOCK_MONOTONIC's. To be called after each turn of a
 * session's messages, after its end, after device_set_kernel() and device_want_kernel(), and at
 * device_due_ns(); does nothing when nothing has changed. Whatever fails, the user datapath goes on
 * with all rings.
 */
enum device_driver device_hand_over(struct device *dev, uint64_t now_ns);
/* When to call it next if nothing changes; DEVICE_NEVER: no need to. */
uint64_t device_due_ns(const struct device *dev);

/* As of the last device_hand_over(), but for what was taken back since. */
struct device_driver_status {
	enum device_driver driver;
	const char *why; /* it is not the kernel; valid until the next call that may change it */
	struct device_handovers to_kernel;
	struct device_handovers to_user;
	uint64_t failed; /* tries that ended where they began */
};

struct device_driver_status device_driver_status(const struct device *dev);
/* Whether a driver uses a pair, and there is a link. */
bool device_pair_in_use(const struct device *dev, unsigned pair);
/* Whether the kernel moves this pair's frames: a pair that no driver uses stays here. */
bool device_pair_in_kernel(const struct device *dev, unsigned pair);

/*
 * Ask whether the backend is still there; no side effect while that is as it was. When it is lost
 * the user datapath gets all rings, and goes on: frames are dropped and counted. That is logged
 * once. What the guest shall know of it is the caller's affair.
 */
enum backend_health device_check(struct device *dev);
/*
 * Take a lost backend again: all pairs pause for it. 0, and the kernel may have them again at
 * device_due_ns(); or a negative errno and err: it is lost as before.
 */
int device_reopen(struct device *dev, char err[BACKEND_ERR_LEN]);

/*
 * Whether the device has a link; at first it has. Without, it is as if all rings were disabled: the
 * driver's frames are dropped and counted, it gets none, and what has come by then is thrown away
 * when there is a link again. Whoever tells the driver is the caller. device_hand_over() follows.
 */
void device_set_link(struct device *dev, bool up);

/* Counters of a pair's queues; may be read at any time with load_relaxed. */
const struct tx_stats *device_tx_stats(const struct device *dev, unsigned pair);
const struct rx_stats *device_rx_stats(const struct device *dev, unsigned pair);
/* For latency_copy(); valid until device_free(). */
const struct latency *device_tx_latency(const struct device *dev, unsigned pair);
const struct latency *device_rx_latency(const struct device *dev, unsigned pair);

#endif
