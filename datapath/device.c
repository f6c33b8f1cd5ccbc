/* SPDX-License-Identifier: MIT */
/* A device: how a session's wishes reach its pairs, and the kernel that may have them. */
#include "datapath/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/device_log.h"
#include "datapath/handover.h"
#include "datapath/pair.h"
#include "datapath/rarp.h"
#include "virtio/features.h"
#include "virtio/net_hdr.h"

struct device {
	struct device_config cfg;
	struct tx_mode mode;
	uint64_t features; /* negotiated */
	unsigned n_pairs;
	struct pair *pairs;
	struct handover handover;
	bool changed;       /* a ring, since the last device_hand_over() */
	uint64_t unused_ns; /* when what no driver uses is let go of; DEVICE_NEVER: not due */
	bool carrier_up;    /* of the backend's interface */
	bool down;          /* device_set_link(): no ring is enabled */
	enum backend_health health; /* of the last device_check() */
	char lost[BACKEND_ERR_LEN]; /* why it is not healthy */
};

static struct pair *pair_of(struct device *dev, unsigned ring)
{
	return &dev->pairs[ring / PAIR_RINGS];
}

/*
 * The session's wishes. A pair that the kernel has is taken back before each that concerns a ring
 * of it, all are before each that concerns the device; device_hand_over() hands them over again.
 */

static int dev_set_features(void *ctx, uint64_t features)
{
	struct device *dev = ctx;
	struct backend *b = dev->cfg.backend;
	char names[FEATURES_NAMES_LEN];
	int err;

	handover_take_back_all(&dev->handover);
	err = b->ops->start(b, features, net_hdr_len(features));
	if (err) {
		device_log(&dev->cfg, DEVICE_WARNING,
			   "backend %s refuses the negotiated offloads: %s", b->describe,
			   strerror(-err));
		return err;
	}
	dev->features = features;
	features_names(features, names);
	device_log(&dev->cfg, DEVICE_INFO, "negotiated %s",
		   *names ? names : "nothing: the driver has no features");
	return 0;
}

static void set_carrier(struct device *dev, bool up)
{
	struct backend *b = dev->cfg.backend;

	dev->carrier_up = up;
	if (b->ops->set_link)
		b->ops->set_link(b, up);
}

static bool in_use(const struct device *dev)
{
	unsigned i;

	for (i = 0; i < dev->n_pairs && !pair_in_use(&dev->pairs[i]); i++)
		;
	return i < dev->n_pairs;
}

/* A ring has changed: a guest may have come. That one has gone shows when it is quiet. */
static void ring_changed(struct device *dev)
{
	dev->changed = true;
	if (!dev->carrier_up && in_use(dev))
		set_carrier(dev, true);
}

static int dev_ring_start(void *ctx, unsigned ring, const struct virtq_config *cfg, int kick_fd)
{
	struct device *dev = ctx;
	struct pair *p = pair_of(dev, ring);
	int err;

	handover_take_back(&dev->handover, p->index);
	if (p->rings[ring % PAIR_RINGS].enabled)
		pair_attach(p, true);
	err = pair_start(p, ring % PAIR_RINGS, cfg, kick_fd, net_hdr_len(dev->features));
	ring_changed(dev);
	return err;
}

static uint32_t dev_ring_stop(void *ctx, unsigned ring)
{
	struct device *dev = ctx;
	struct pair *p = pair_of(dev, ring);
	uint32_t base;

	handover_take_back(&dev->handover, p->index);
	base = pair_stop(p, ring % PAIR_RINGS);
	ring_changed(dev);
	return base;
}

/* As the session wishes, unless the link is down. */
static void enable_ring(struct device *dev, unsigned ring)
{
	struct pair *p = pair_of(dev, ring);
	struct pair_ring *r = &p->rings[ring % PAIR_RINGS];
	bool enabled = r->wanted && !dev->down;

	if (enabled && r->started)
		pair_attach(p, true);
	pair_enable(p, ring % PAIR_RINGS, enabled);
}

static void dev_ring_enable(void *ctx, unsigned ring, bool enabled)
{
	struct device *dev = ctx;
	struct pair *p = pair_of(dev, ring);

	handover_take_back(&dev->handover, p->index);
	p->rings[ring % PAIR_RINGS].wanted = enabled;
	enable_ring(dev, ring);
	ring_changed(dev);
}

/* Straight through to the kernel: QEMU does it whenever a guest masks an interrupt. */
static void dev_ring_fds(void *ctx, unsigned ring, struct notifier call, struct notifier err)
{
	struct device *dev = ctx;

	handover_set_fds(&dev->handover, ring / PAIR_RINGS, ring % PAIR_RINGS, call, err);
	pair_set_fds(pair_of(dev, ring), ring % PAIR_RINGS, call, err);
}

static void run_on_all(struct device *dev, enum pair_op op)
{
	struct iothread_batch batch;

	iothread_batch_init(&batch);
	for (unsigned i = 0; i < dev->n_pairs; i++)
		pair_post(&dev->pairs[i], &batch, op);
	iothread_batch_wait(&batch);
}

static void dev_quiesce(void *ctx)
{
	struct device *dev = ctx;

	handover_take_back_all(&dev->handover);
	run_on_all(dev, PAIR_PAUSE);
}

static void dev_ring_moved(void *ctx, unsigned ring, const struct virtq_rings *rings)
{
	pair_move(pair_of(ctx, ring), ring % PAIR_RINGS, rings);
}

static void dev_resume(void *ctx)
{
	run_on_all(ctx, PAIR_RESUME);
}

static int dev_set_mtu(void *ctx, uint16_t mtu)
{
	struct backend *b = ((struct device *)ctx)->cfg.backend;
	int err;

	if (!b->ops->set_mtu)
		return 0;
	dev_quiesce(ctx);
	err = b->ops->set_mtu(b, mtu);
	dev_resume(ctx);
	return err;
}

static void dev_send_rarp(void *ctx, const uint8_t mac[6])
{
	struct device *dev = ctx;
	struct backend *b = dev->cfg.backend;
	int err = b->ops->send && !dev->down ? rarp_send(b, dev->pairs[0].thread, mac) : 0;

	if (err)
		device_log(&dev->cfg, DEVICE_WARNING, "backend %s: a RARP is lost: %s", b->describe,
			   strerror(-err));
}

static void dev_release(void *ctx, int fd, void *map, size_t len)
{
	const struct foreign *f = &((struct device *)ctx)->cfg.foreign;

	foreign_close(f, fd);
	foreign_unmap(f, map, len);
}

/* What a session says is of a front-end that broke the protocol, or of a host that fails it. */
static void dev_log(void *ctx, const char *fmt, va_list args)
{
	device_log_args(&((struct device *)ctx)->cfg, DEVICE_WARNING, fmt, args);
}

static void dev_trace(void *ctx, const char *fmt, va_list args)
{
	device_log_args(&((struct device *)ctx)->cfg, DEVICE_DEBUG, fmt, args);
}

const struct vhost_user_ops device_vhost_user_ops = {
	.set_features = dev_set_features,
	.ring_start = dev_ring_start,
	.ring_stop = dev_ring_stop,
	.ring_enable = dev_ring_enable,
	.ring_fds = dev_ring_fds,
	.quiesce = dev_quiesce,
	.ring_moved = dev_ring_moved,
	.resume = dev_resume,
	.set_mtu = dev_set_mtu,
	.send_rarp = dev_send_rarp,
	.release = dev_release,
	.log = dev_log,
	.trace = dev_trace,
};

int device_new(struct device **out, const struct device_config *cfg)
{
	struct device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return -ENOMEM;
	dev->cfg = *cfg;
	dev->mode = *cfg->mode;
	dev->cfg.mode = &dev->mode;
	dev->pairs = aligned_alloc(CACHE_LINE, cfg->backend->n_queues * sizeof(*dev->pairs));
	if (!dev->pairs)
		goto out;
	for (; dev->n_pairs < cfg->backend->n_queues; dev->n_pairs++) {
		unsigned i = dev->n_pairs;

		if (pair_init(&dev->pairs[i], &dev->cfg, i,
			      cfg->threads[(cfg->first_thread + i) % cfg->n_threads]))
			goto out;
	}
	handover_init(&dev->handover, &dev->cfg, dev->pairs, dev->n_pairs);
	dev->unused_ns = DEVICE_NEVER;
	set_carrier(dev, false);
	*out = dev;
	return 0;

out:
	device_free(dev);
	return -ENOMEM;
}

void device_free(struct device *dev)
{
	if (!dev)
		return;
	for (unsigned i = 0; i < dev->n_pairs; i++)
		pair_deinit(&dev->pairs[i]);
	free(dev->pairs);
	free(dev);
}

uint64_t device_features(const struct device *dev)
{
	uint64_t features = FEATURES_RING | dev->cfg.backend->features;

	if (dev->n_pairs > 1)
		features |= FEATURE(VIRTIO_NET_F_MQ);
	if (dev->cfg.mtu)
		features |= FEATURE(VIRTIO_NET_F_MTU);
	if (dev->cfg.has_mac)
		features |= FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_STATUS);
	return features;
}

uint64_t device_negotiated(const struct device *dev)
{
	return dev->features;
}

const struct tx_mode *device_mode(const struct device *dev)
{
	return &dev->mode;
}

const struct tx_mode *device_pair_mode(const struct device *dev, unsigned pair, bool *waits)
{
	*waits = dev->pairs[pair].mode_waits;
	return &dev->pairs[pair].mode;
}

void device_set_mode(struct device *dev, unsigned pair, const struct tx_mode *mode)
{
	for (unsigned i = 0; i < dev->n_pairs; i++) {
		if (pair == DEVICE_ALL_PAIRS || pair == i)
			pair_set_mode(&dev->pairs[i], mode);
	}
	dev->mode = dev->pairs[0].mode;
}

void device_set_coalesce(struct device *dev, bool on)
{
	for (unsigned i = 0; i < dev->n_pairs; i++)
		pair_set_coalesce(&dev->pairs[i], on);
}

struct device_progress device_pair_progress(struct device *dev, unsigned pair)
{
	return pair_progress(&dev->pairs[pair]);
}

enum device_move device_move_pair(struct device *dev, unsigned pair, struct iothread *thread)
{
	handover_take_back(&dev->handover, pair);
	switch (pair_set_thread(&dev->pairs[pair], thread)) {
	case PAIR_PARKED:
		return DEVICE_MOVE_LATER;
	case PAIR_BROKEN:
		return DEVICE_MOVE_BROKEN;
	case PAIR_RELEASED:
		break;
	}
	return DEVICE_MOVED;
}

struct iothread *device_pair_thread(const struct device *dev, unsigned pair)
{
	return dev->pairs[pair].thread;
}

void device_set_kernel(struct device *dev, struct vhost_net *kernel, const char *why)
{
	handover_set_kernel(&dev->handover, kernel, why);
}

void device_want_kernel(struct device *dev, bool wanted)
{
	handover_want(&dev->handover, wanted);
}

/* Of the backend what no driver uses. */
static void let_go(struct device *dev)
{
	for (unsigned i = 0; i < dev->n_pairs; i++) {
		if (!pair_in_use(&dev->pairs[i]))
			pair_attach(&dev->pairs[i], false);
	}
	if (dev->carrier_up && !in_use(dev))
		set_carrier(dev, false);
}

enum device_driver device_hand_over(struct device *dev, uint64_t now_ns)
{
	if (dev->changed)
		dev->unused_ns = now_ns + DEVICE_QUIET_NS;
	dev->changed = false;
	if (now_ns >= dev->unused_ns) {
		dev->unused_ns = DEVICE_NEVER;
		let_go(dev);
	}
	return handover_run(&dev->handover, now_ns);
}

uint64_t device_due_ns(const struct device *dev)
{
	uint64_t due_ns = min_u64(dev->unused_ns, handover_due_ns(&dev->handover));

	return dev->changed ? 0 : due_ns;
}

/* The kernel does not get a device without a backend, nor one that is to pass on no frames. */
static void tell_handover(struct device *dev)
{
	const char *down = dev->down ? "the link is down" : NULL;

	handover_set_lost(&dev->handover, dev->health == BACKEND_HEALTHY ? down : dev->lost);
}

enum backend_health device_check(struct device *dev)
{
	struct backend *b = dev->cfg.backend;
	enum backend_health was = dev->health;

	dev->health = b->ops->check ? b->ops->check(b, dev->lost) : BACKEND_HEALTHY;
	if (dev->health == was)
		return was;
	if (dev->health != BACKEND_HEALTHY)
		device_log(&dev->cfg, DEVICE_WARNING, "backend %s: %s", b->describe, dev->lost);
	tell_handover(dev);
	return dev->health;
}

/* What has come from the network while the link was down is nobody's. */
static void forget_frames(struct device *dev)
{
	struct backend *b = dev->cfg.backend;
	int err;

	dev_quiesce(dev);
	err = b->ops->start(b, dev->features, net_hdr_len(dev->features));
	dev_resume(dev);
	if (err)
		device_log(&dev->cfg, DEVICE_WARNING,
			   "backend %s: old frames cannot be thrown away: %s", b->describe,
			   strerror(-err));
}

void device_set_link(struct device *dev, bool up)
{
	if (dev->down == !up)
		return;
	dev->down = !up;
	tell_handover(dev);
	if (up)
		forget_frames(dev);
	for (unsigned i = 0; i < dev->n_pairs * PAIR_RINGS; i++)
		enable_ring(dev, i);
	ring_changed(dev);
}

int device_reopen(struct device *dev, char err[BACKEND_ERR_LEN])
{
	struct backend *b = dev->cfg.backend;
	int code;

	dev_quiesce(dev);
	code = b->ops->reopen(b, err);
	if (!code) {
		dev->health = BACKEND_HEALTHY;
		tell_handover(dev);
		/*
		 * All queues of a new one are attached: let_go() detaches those that are not in
		 * use.
		 */
		for (unsigned i = 0; i < dev->n_pairs; i++)
			dev->pairs[i].attached = true;
		dev->changed = true;
		set_carrier(dev, dev->carrier_up);
	}
	dev_resume(dev);
	return code;
}

struct device_driver_status device_driver_status(const struct device *dev)
{
	const struct handover *h = &dev->handover;

	return (struct device_driver_status){
		.driver = h->driver,
		.why = h->why,
		.to_kernel = h->to_kernel,
		.to_user = h->to_user,
		.failed = h->failed,
	};
}

bool device_pair_in_use(const struct device *dev, unsigned pair)
{
	return pair_in_use(&dev->pairs[pair]);
}

bool device_pair_in_kernel(const struct device *dev, unsigned pair)
{
	return dev->pairs[pair].owner == PAIR_KERNEL;
}

const struct tx_stats *device_tx_stats(const struct device *dev, unsigned pair)
{
	return &dev->pairs[pair].tx.stats;
}

const struct rx_stats *device_rx_stats(const struct device *dev, unsigned pair)
{
	return &dev->pairs[pair].rx.stats;
}

const struct latency *device_tx_latency(const struct device *dev, unsigned pair)
{
	return dev->pairs[pair].tx.latency;
}

const struct latency *device_rx_latency(const struct device *dev, unsigned pair)
{
	return dev->pairs[pair].rx.latency;
}
