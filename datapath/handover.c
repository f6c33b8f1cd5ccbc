/* SPDX-License-Identifier: MIT */
/*
 * Handing a device's rings to the kernel and taking them back; see handover.h. From below: one pair
 * goes and comes back, all pairs do, whether they can, when they do. One file of over 400 lines, as
 * each of these leaves its reason in the same place.
 */
#include "datapath/handover.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "datapath/device_log.h"
#include "datapath/probe.h"
#include "virtio/features.h"

_Static_assert(PAIR_RX == (int)VHOST_NET_RX && PAIR_TX == (int)VHOST_NET_TX,
	       "rings are numbered as the kernel does");

/* Until a hand-over is tried again that found a received frame waiting for buffers. */
#define RETRY_NS 100000000

static const char *const ring_names[PAIR_RINGS] = { "rx", "tx" };

__attribute__((format(printf, 3, 4))) static enum device_driver
because(struct handover *h, enum device_driver driver, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(h->why, sizeof(h->why), fmt, args);
	va_end(args);
	return driver;
}

static void account(struct device_handovers *way, uint64_t since_ns)
{
	way->n++;
	way->last_us = (monotonic_ns() - since_ns + 999) / 1000;
	way->max_us = max_u64(way->max_us, way->last_us);
}

/* The kernel lets go of a pair. PAIR_RECLAIM is to follow. */
static void stop_kernel(struct handover *h, struct pair *p)
{
	char why[VHOST_NET_WHY_LEN];
	uint16_t base[VHOST_NET_RINGS], used;
	unsigned i;

	if (vhost_net_stop(&h->kernel[p->index], base, why) < 0)
		device_log(h->cfg, DEVICE_WARNING,
			   "queue pair %u: taken back from the kernel, but %s", p->index, why);
	for (i = 0; i < PAIR_RINGS; i++) {
		used = load_acquire(&p->rings[i].vq.rings.used->idx);
		if (base[i] != used)
			device_log(h->cfg, DEVICE_WARNING,
				   "ring %u: the kernel stopped at %u, but has used up to %u: it "
				   "goes on there",
				   2 * p->index + i, base[i], used);
	}
	p->owner = PAIR_USER;
	probe_3(handover, p->tx.nic, p->index, 0);
}

/*
 * Those of n pairs from first on that the kernel has. Each runs again as soon as the kernel has let
 * go of it. Returns how many.
 */
static unsigned take_back_pairs(struct handover *h, unsigned first, unsigned n)
{
	struct iothread_batch batch;
	unsigned taken = 0, i;

	iothread_batch_init(&batch);
	for (i = first; i < first + n; i++) {
		if (h->pairs[i].owner != PAIR_KERNEL)
			continue;
		stop_kernel(h, &h->pairs[i]);
		pair_post(&h->pairs[i], &batch, PAIR_RECLAIM);
		iothread_batch_start(&batch);
		taken++;
	}
	iothread_batch_wait(&batch);
	return taken;
}

/* The same where it was not a hand-over that failed. */
static unsigned leave_kernel(struct handover *h, unsigned first, unsigned n)
{
	uint64_t start_ns = monotonic_ns();
	unsigned taken = take_back_pairs(h, first, n);

	if (taken)
		account(&h->to_user, start_ns);
	return taken;
}

static unsigned n_in_kernel(const struct handover *h)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->n_pairs; i++)
		n += h->pairs[i].owner == PAIR_KERNEL;
	return n;
}

void handover_take_back(struct handover *h, unsigned pair)
{
	h->changed = true;
	if (leave_kernel(h, pair, 1))
		h->driver = because(h, DEVICE_WAITS, "queue pair %u was taken back to be changed",
				    pair);
}

void handover_take_back_all(struct handover *h)
{
	h->changed = true;
	if (leave_kernel(h, 0, h->n_pairs))
		h->driver = because(h, DEVICE_WAITS, "taken back");
}

static struct vhost_net_config kernel_config(const struct pair *p)
{
	struct vhost_net_config cfg = {
		.features = p->rings[PAIR_RX].vq.features,
		.mem = p->rings[PAIR_RX].vq.mem,
	};
	unsigned i;

	for (i = 0; i < PAIR_RINGS; i++) {
		const struct pair_ring *r = &p->rings[i];

		cfg.rings[i] = (struct vhost_net_vring){
			.rings = r->vq.rings,
			.size = r->vq.size,
			.kick_fd = r->kick_fd,
			.call_fd = r->vq.call.fd,
			.err_fd = r->vq.err.fd,
		};
	}
	return cfg;
}

/* The pair's queues have stopped: the bases of its rings and the tap's fd are final. */
static int start_kernel(struct handover *h, struct pair *p, struct vhost_net_config *cfg,
			char why[VHOST_NET_WHY_LEN])
{
	unsigned i;

	for (i = 0; i < PAIR_RINGS; i++)
		cfg->rings[i].base = (uint16_t)p->rings[i].vq.base;
	cfg->backend_fd = h->cfg->backend->queues[p->index]->vhost_fd;
	return vhost_net_start(&h->kernel[p->index], cfg, why);
}

/* Whether the user datapath lets go of a pair. */
static enum device_driver released(struct handover *h, const struct pair *p,
				   enum pair_release answer)
{
	switch (answer) {
	case PAIR_PARKED:
		return because(h, DEVICE_RETRY,
			       "a received frame of queue pair %u waits for buffers", p->index);
	case PAIR_BROKEN:
		return because(h, DEVICE_WAITS, "a ring of queue pair %u is broken", p->index);
	case PAIR_RELEASED:
		break;
	}
	return DEVICE_KERNEL;
}

static enum device_driver hand_over_pair(struct handover *h, struct pair *p)
{
	struct vhost_net_config cfg = kernel_config(p);
	struct vhost_net *kernel = &h->kernel[p->index];
	enum device_driver driver;
	char why[VHOST_NET_WHY_LEN];

	if (vhost_net_prepare(kernel, &cfg, why))
		return because(h, DEVICE_CANNOT, "queue pair %u: %s", p->index, why);
	driver = released(h, p, pair_release(p));
	if (driver != DEVICE_KERNEL) {
		vhost_net_cancel(kernel);
		return driver;
	}
	if (!start_kernel(h, p, &cfg, why)) {
		p->owner = PAIR_KERNEL;
		probe_3(handover, p->tx.nic, p->index, 1);
		return driver;
	}
	pair_run(p, PAIR_RECLAIM);
	return because(h, DEVICE_CANNOT, "queue pair %u: %s", p->index, why);
}

static bool is_to_go(const struct pair *p)
{
	return pair_in_use(p) && p->owner == PAIR_USER;
}

/* All are asked before the first one stops, as that would stop in vain. */
static enum device_driver ask_pairs(struct handover *h)
{
	enum device_driver driver = DEVICE_KERNEL;
	struct iothread_batch batch;
	unsigned i;

	iothread_batch_init(&batch);
	for (i = 0; i < h->n_pairs; i++) {
		if (is_to_go(&h->pairs[i]))
			pair_post(&h->pairs[i], &batch, PAIR_ASK);
	}
	iothread_batch_wait(&batch);
	for (i = 0; i < h->n_pairs && driver == DEVICE_KERNEL; i++) {
		if (is_to_go(&h->pairs[i]))
			driver = released(h, &h->pairs[i], h->pairs[i].job.release);
	}
	return driver;
}

/* Of all pairs in use those that the kernel does not have yet. */
static enum device_driver hand_over(struct handover *h)
{
	enum device_driver driver = ask_pairs(h);
	uint64_t start_ns = 0;
	unsigned i;

	if (driver != DEVICE_KERNEL)
		return driver;
	for (i = 0; i < h->n_pairs && driver == DEVICE_KERNEL; i++) {
		struct pair *p = &h->pairs[i];

		if (!is_to_go(p))
			continue;
		driver = hand_over_pair(h, p);
		if (!start_ns)
			start_ns = p->released_ns;
	}
	if (driver == DEVICE_KERNEL) {
		account(&h->to_kernel, start_ns);
		return driver;
	}
	take_back_pairs(h, 0, h->n_pairs);
	h->failed += driver == DEVICE_CANNOT;
	return driver;
}

/* The kernel notifies through eventfds only. */
static bool kernel_notifies(const struct notifier *n)
{
	return n->kind == NOTIFIER_NONE || n->kind == NOTIFIER_EVENTFD;
}

static enum device_driver check_notifiers(struct handover *h, const struct pair *p, unsigned ring)
{
	const struct notifier *call = &p->rings[ring].vq.call, *err = &p->rings[ring].vq.err;

	if (!kernel_notifies(call))
		return because(h, DEVICE_CANNOT,
			       "the call fd of the %s ring of queue pair %u is %s, not an eventfd",
			       ring_names[ring], p->index, notifier_name(call));
	if (!kernel_notifies(err))
		return because(h, DEVICE_CANNOT,
			       "the err fd of the %s ring of queue pair %u is %s, not an eventfd",
			       ring_names[ring], p->index, notifier_name(err));
	return DEVICE_KERNEL;
}

/* What a pair in use still lacks. */
static enum device_driver check_pair(struct handover *h, const struct pair *p)
{
	enum device_driver driver = DEVICE_KERNEL;
	char names[FEATURES_NAMES_LEN];
	uint64_t lacks;
	unsigned i;

	for (i = 0; i < PAIR_RINGS; i++) {
		if (!p->rings[i].started || !p->rings[i].enabled)
			return because(h, DEVICE_WAITS, "the %s ring of queue pair %u is not %s",
				       ring_names[i], p->index,
				       p->rings[i].started ? "enabled" : "started");
	}
	if (h->cfg->backend->queues[p->index]->vhost_fd < 0)
		return because(h, DEVICE_CANNOT, "backend %s is no tap",
			       h->cfg->backend->ops->name);
	lacks = vhost_net_lacks(&h->kernel[p->index], p->rings[PAIR_RX].vq.features);
	if (lacks)
		return because(h, DEVICE_CANNOT, "vhost-net does not have what was negotiated: %s",
			       features_names(lacks, names));
	for (i = 0; i < PAIR_RINGS && driver == DEVICE_KERNEL; i++)
		driver = check_notifiers(h, p, i);
	return driver;
}

/* Whether the pairs in use can all be in the kernel, and how many are in use. */
static enum device_driver check_pairs(struct handover *h, unsigned *in_use)
{
	enum device_driver driver = DEVICE_KERNEL;
	unsigned i;

	*in_use = 0;
	if (!h->kernel)
		return because(h, h->wanted ? DEVICE_CANNOT : DEVICE_WAITS, "%s", h->no_kernel);
	if (!h->wanted)
		return because(h, DEVICE_WAITS, "vhost off was asked for");
	if (h->lost[0])
		return because(h, DEVICE_WAITS, "%s", h->lost);
	for (i = 0; i < h->n_pairs && driver == DEVICE_KERNEL; i++) {
		if (!pair_in_use(&h->pairs[i]))
			continue;
		++*in_use;
		driver = check_pair(h, &h->pairs[i]);
	}
	if (*in_use)
		return driver;
	h->logged[0] = '\0';
	return because(h, DEVICE_WAITS, "no driver uses it");
}

/* Each reason once; why there is no kernel at all was said when it was asked for. */
static void log_reason(struct handover *h)
{
	if (h->driver == DEVICE_KERNEL || h->driver == DEVICE_WAITS || !h->kernel ||
	    !strcmp(h->why, h->logged))
		return;
	strcpy(h->logged, h->why);
	device_log(h->cfg, DEVICE_INFO, "driver user: %s", h->why);
}

/* All can go, and some are not there. */
static enum device_driver go(struct handover *h, uint64_t now_ns)
{
	enum device_driver driver;

	if (now_ns < h->due_ns)
		return because(h, DEVICE_WAITS, "the front-end has just changed it");
	driver = hand_over(h);
	h->due_ns = driver == DEVICE_RETRY ? now_ns + RETRY_NS : DEVICE_NEVER;
	if (driver == DEVICE_KERNEL) {
		h->logged[0] = '\0';
		device_log(h->cfg, DEVICE_INFO, "driver kernel, blackout %llu us",
			   (unsigned long long)h->to_kernel.last_us);
	}
	return driver;
}

/*
 * Not all can go: none does. Those that are there still come back when the front-end has been
 * quiet, as it may be on its way to where all can go.
 */
static void stay(struct handover *h, uint64_t now_ns)
{
	if (n_in_kernel(h) && now_ns < h->due_ns)
		return;
	leave_kernel(h, 0, h->n_pairs);
	h->due_ns = DEVICE_NEVER;
}

enum device_driver handover_run(struct handover *h, uint64_t now_ns)
{
	unsigned in_use;

	if (h->changed)
		h->due_ns = h->at_once ? now_ns : now_ns + DEVICE_QUIET_NS;
	else if (now_ns < h->due_ns)
		return h->driver;
	h->changed = h->at_once = false;
	h->driver = check_pairs(h, &in_use);
	if (h->driver != DEVICE_KERNEL)
		stay(h, now_ns);
	else if (n_in_kernel(h) < in_use)
		h->driver = go(h, now_ns);
	else
		h->due_ns = DEVICE_NEVER;
	if (h->driver == DEVICE_KERNEL)
		h->why[0] = '\0';
	log_reason(h);
	return h->driver;
}

uint64_t handover_due_ns(const struct handover *h)
{
	return h->changed ? 0 : h->due_ns;
}

void handover_set_kernel(struct handover *h, struct vhost_net *kernel, const char *why)
{
	handover_take_back_all(h);
	h->kernel = kernel;
	snprintf(h->no_kernel, sizeof(h->no_kernel), "%s", kernel ? "" : why);
}

void handover_set_lost(struct handover *h, const char *why)
{
	handover_take_back_all(h);
	snprintf(h->lost, sizeof(h->lost), "%s", why ? why : "");
}

void handover_want(struct handover *h, bool wanted)
{
	bool had = n_in_kernel(h);

	h->wanted = wanted;
	h->at_once = true;
	h->changed = true;
	if (wanted)
		return;
	handover_take_back_all(h);
	if (had)
		device_log(h->cfg, DEVICE_INFO, "driver user, blackout %llu us",
			   (unsigned long long)h->to_user.last_us);
}

void handover_set_fds(struct handover *h, unsigned pair, unsigned ring, struct notifier call,
		      struct notifier err)
{
	const struct virtq_config *old = &h->pairs[pair].rings[ring].vq;
	char why[VHOST_NET_WHY_LEN];

	if (h->pairs[pair].owner != PAIR_KERNEL) {
		/* The old ones may have been all that was in the way. */
		if (!kernel_notifies(&old->call) || !kernel_notifies(&old->err))
			h->changed = true;
		return;
	}
	/* What the kernel does not take is said when the pair would be handed over again. */
	if (!kernel_notifies(&call) || !kernel_notifies(&err)) {
		handover_take_back(h, pair);
		return;
	}
	if (!vhost_net_set_fds(&h->kernel[pair], ring, call.fd, err.fd, why))
		return;
	device_log(h->cfg, DEVICE_WARNING, "ring %u: the kernel does not take its new fds: %s",
		   2 * pair + ring, why);
	handover_take_back(h, pair);
}

void handover_init(struct handover *h, const struct device_config *cfg, struct pair *pairs,
		   unsigned n_pairs)
{
	*h = (struct handover){
		.cfg = cfg,
		.pairs = pairs,
		.n_pairs = n_pairs,
		.wanted = true,
		.due_ns = DEVICE_NEVER,
		.driver = DEVICE_CANNOT,
	};
	handover_set_kernel(h, NULL, "there is no vhost-net here");
}
