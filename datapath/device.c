/* SPDX-License-Identifier: MIT */
/* Life cycle of a device's queues: how a session's wishes reach the iothreads. */
#include "datapath/device.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/rx.h"
#include "datapath/tx/queue.h"
#include "virtio/features.h"
#include "virtio/net_hdr.h"

struct pair {
	struct device *dev;
	struct iothread *thread;
	unsigned index;
	struct rx_queue rx;
	struct tx_queue tx;
	bool rx_started, rx_enabled;
	bool tx_started, tx_enabled;
	bool used; /* by the driver: the backend's queue is attached */
};

struct device {
	struct device_config cfg;
	struct tx_mode mode;
	uint64_t features; /* negotiated */
	unsigned n_pairs;
	struct pair *pairs;
};

/* What an iothread is asked to do with one ring. */
struct order {
	struct pair *pair;
	bool tx;
	const struct virtq_config *vq;
	int kick_fd;
	unsigned hdr_len;
	const struct virtq_rings *rings;
	bool enabled;
	int call_fd, err_fd;
	int result;
	uint32_t base;
};

static struct order order_for(struct device *dev, unsigned ring)
{
	return (struct order){ .pair = &dev->pairs[ring / 2], .tx = ring % 2 };
}

static void give(struct order *o, void (*fn)(void *arg))
{
	iothread_call(o->pair->thread, fn, o);
}

static void log_line(struct device *dev, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void log_args(struct device *dev, const char *fmt, va_list args)
{
	char line[FEATURES_NAMES_LEN + 512];

	vsnprintf(line, sizeof(line), fmt, args);
	dev->cfg.log(dev->cfg.log_ctx, line);
}

static void log_line(struct device *dev, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_args(dev, fmt, args);
	va_end(args);
}

/*
 * On the iothread: the backend's queue follows the pair, in use while a ring of it can move frames.
 */
static void pair_update_used(struct pair *p)
{
	struct backend *b = p->dev->cfg.backend;
	bool used = (p->rx_started && p->rx_enabled) || (p->tx_started && p->tx_enabled);

	if (used == p->used || !b->ops->set_queue)
		return;
	if (b->ops->set_queue(b, p->index, used) == 0)
		p->used = used;
	else
		log_line(p->dev, "queue pair %u: backend %s cannot %s its queue", p->index,
			 b->describe, used ? "attach" : "detach");
}

static int dev_set_features(void *ctx, uint64_t features)
{
	struct device *dev = ctx;
	struct backend *b = dev->cfg.backend;
	char names[FEATURES_NAMES_LEN];
	int err;

	err = b->ops->start(b, features, net_hdr_len(features));
	if (err) {
		log_line(dev, "backend %s refuses the negotiated offloads: %s", b->describe,
			 strerror(-err));
		return err;
	}
	dev->features = features;
	log_line(dev, "negotiated %s", features_names(features, names));
	return 0;
}

static void on_start(void *arg)
{
	struct order *o = arg;
	struct pair *p = o->pair;
	struct rx_queue_config rx = { .vq = *o->vq, .kick_fd = o->kick_fd, .hdr_len = o->hdr_len };
	struct tx_queue_config tx = { .vq = *o->vq, .kick_fd = o->kick_fd, .hdr_len = o->hdr_len };
	bool *started = o->tx ? &p->tx_started : &p->rx_started;

	*started = true;
	pair_update_used(p);
	o->result = o->tx ? tx_queue_start(&p->tx, &tx) : rx_queue_start(&p->rx, &rx);
	*started = !o->result;
	pair_update_used(p);
}

static int dev_ring_start(void *ctx, unsigned ring, const struct virtq_config *cfg, int kick_fd)
{
	struct device *dev = ctx;
	struct order o = order_for(dev, ring);

	o.vq = cfg;
	o.kick_fd = kick_fd;
	o.hdr_len = net_hdr_len(dev->features);
	give(&o, on_start);
	return o.result;
}

static void on_stop(void *arg)
{
	struct order *o = arg;
	struct pair *p = o->pair;

	o->base = o->tx ? tx_queue_stop(&p->tx) : rx_queue_stop(&p->rx);
	*(o->tx ? &p->tx_started : &p->rx_started) = false;
	pair_update_used(p);
}

static uint32_t dev_ring_stop(void *ctx, unsigned ring)
{
	struct order o = order_for(ctx, ring);

	give(&o, on_stop);
	return o.base;
}

static void on_enable(void *arg)
{
	struct order *o = arg;
	struct pair *p = o->pair;

	*(o->tx ? &p->tx_enabled : &p->rx_enabled) = o->enabled;
	/* Attached before the first frame, detached after the last. */
	if (o->enabled)
		pair_update_used(p);
	if (o->tx)
		tx_queue_enable(&p->tx, o->enabled);
	else
		rx_queue_enable(&p->rx, o->enabled);
	pair_update_used(p);
}

static void dev_ring_enable(void *ctx, unsigned ring, bool enabled)
{
	struct order o = order_for(ctx, ring);

	o.enabled = enabled;
	give(&o, on_enable);
}

static void on_fds(void *arg)
{
	struct order *o = arg;
	struct virtq *vq = o->tx ? &o->pair->tx.vq : &o->pair->rx.vq;

	vq->call_fd = o->call_fd;
	vq->err_fd = o->err_fd;
	/* A call may have gone to the old fd. */
	virtq_call_now(vq);
}

static void dev_ring_fds(void *ctx, unsigned ring, int call_fd, int err_fd)
{
	struct order o = order_for(ctx, ring);

	o.call_fd = call_fd;
	o.err_fd = err_fd;
	give(&o, on_fds);
}

static void on_quiesce(void *arg)
{
	struct order *o = arg;

	if (o->pair->rx_started)
		rx_queue_pause(&o->pair->rx);
	if (o->pair->tx_started)
		tx_queue_pause(&o->pair->tx);
}

static void dev_quiesce(void *ctx)
{
	struct device *dev = ctx;

	for (unsigned i = 0; i < dev->n_pairs; i++) {
		struct order o = order_for(dev, 2 * i);

		give(&o, on_quiesce);
	}
}

static void dev_ring_moved(void *ctx, unsigned ring, const struct virtq_rings *rings)
{
	struct order o = order_for(ctx, ring);

	/* The queue is paused: nobody else touches it. */
	virtq_move(o.tx ? &o.pair->tx.vq : &o.pair->rx.vq, rings);
}

static void on_resume(void *arg)
{
	struct order *o = arg;

	if (o->pair->rx_started)
		rx_queue_resume(&o->pair->rx);
	if (o->pair->tx_started)
		tx_queue_resume(&o->pair->tx);
}

static void dev_resume(void *ctx)
{
	struct device *dev = ctx;

	for (unsigned i = 0; i < dev->n_pairs; i++) {
		struct order o = order_for(dev, 2 * i);

		give(&o, on_resume);
	}
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

/* A reverse ARP request (RFC 903), as long as Ethernet wants it: who hears it learns the way. */
struct rarp_frame {
	struct ether_header eth;
	struct ether_arp arp;
	uint8_t padding[ETHER_MIN_LEN - ETHER_CRC_LEN - sizeof(struct ether_header) -
			sizeof(struct ether_arp)];
};

static void rarp_fill(struct rarp_frame *f, const uint8_t mac[ETH_ALEN])
{
	*f = (struct rarp_frame){
		.eth.ether_type = htons(ETHERTYPE_REVARP),
		.arp.ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER),
				.ar_pro = htons(ETHERTYPE_IP),
				.ar_hln = ETH_ALEN,
				.ar_pln = sizeof(f->arp.arp_spa),
				.ar_op = htons(ARPOP_RREQUEST) },
	};
	memset(f->eth.ether_dhost, 0xff, ETH_ALEN);
	memcpy(f->eth.ether_shost, mac, ETH_ALEN);
	memcpy(f->arp.arp_sha, mac, ETH_ALEN);
	memcpy(f->arp.arp_tha, mac, ETH_ALEN);
}

struct send_order {
	struct backend *backend;
	const struct rarp_frame *frame;
	int result;
};

static void on_send(void *arg)
{
	struct send_order *o = arg;

	o->result = o->backend->ops->send(o->backend, o->frame, sizeof(*o->frame));
}

static void dev_send_rarp(void *ctx, const uint8_t mac[ETH_ALEN])
{
	struct device *dev = ctx;
	struct rarp_frame frame;
	struct send_order o = { .backend = dev->cfg.backend, .frame = &frame };

	if (!o.backend->ops->send)
		return;
	rarp_fill(&frame, mac);
	iothread_call(dev->pairs[0].thread, on_send, &o);
	if (o.result)
		log_line(dev, "backend %s: a RARP is lost: %s", o.backend->describe,
			 strerror(-o.result));
}

static void dev_log(void *ctx, const char *fmt, va_list args)
{
	log_args(ctx, fmt, args);
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
	.log = dev_log,
};

static void log_broken(struct pair *p, unsigned ring, const struct virtq *vq)
{
	log_line(p->dev, "ring %u (%s of queue pair %u) is broken: %s, at available index %u", ring,
		 ring % 2 ? "tx" : "rx", p->index, virtq_fault_name(vq->fault), vq->fault_idx);
}

static void on_rx_broken(struct rx_queue *q)
{
	struct pair *p = container_of(q, struct pair, rx);

	log_broken(p, 2 * p->index, &q->vq);
}

static void on_tx_broken(struct tx_queue *q)
{
	struct pair *p = container_of(q, struct pair, tx);

	log_broken(p, 2 * p->index + 1, &q->vq);
}

/* A backend without fds says what it has; on the pair's iothread. */
static void on_wake(void *ctx, unsigned events)
{
	struct pair *p = ctx;

	if (events & BACKEND_RX)
		rx_queue_ready(&p->rx);
	if (events & BACKEND_TX)
		tx_queue_ready(&p->tx);
}

static int pair_init(struct pair *p, struct device *dev, unsigned index)
{
	struct backend_queue *bq = dev->cfg.backend->queues[index];
	int err;

	p->dev = dev;
	p->index = index;
	p->thread = dev->cfg.threads[(dev->cfg.first_thread + index) % dev->cfg.n_threads];
	p->used = true; /* as the backend made it */
	err = rx_queue_init(&p->rx, p->thread, bq);
	if (err)
		return err;
	tx_queue_init(&p->tx, p->thread, bq, &dev->mode);
	p->rx.on_broken = on_rx_broken;
	p->tx.on_broken = on_tx_broken;
	bq->wake = on_wake;
	bq->wake_ctx = p;
	/* Frames for a pair that no driver uses must not wait there for ever. */
	pair_update_used(p);
	return 0;
}

int device_new(struct device **out, const struct device_config *cfg)
{
	struct device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return -ENOMEM;
	dev->cfg = *cfg;
	dev->mode = *cfg->mode;
	dev->pairs = aligned_alloc(CACHE_LINE, cfg->backend->n_queues * sizeof(*dev->pairs));
	if (!dev->pairs)
		goto out;
	memset(dev->pairs, 0, cfg->backend->n_queues * sizeof(*dev->pairs));
	for (; dev->n_pairs < cfg->backend->n_queues; dev->n_pairs++) {
		if (pair_init(&dev->pairs[dev->n_pairs], dev, dev->n_pairs))
			goto out;
	}
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
	for (unsigned i = 0; i < dev->n_pairs; i++) {
		rx_queue_deinit(&dev->pairs[i].rx);
		tx_queue_deinit(&dev->pairs[i].tx);
		dev->cfg.backend->queues[i]->wake = NULL;
	}
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
		features |= FEATURE(VIRTIO_NET_F_MAC);
	return features;
}

const struct tx_stats *device_tx_stats(const struct device *dev, unsigned pair)
{
	return &dev->pairs[pair].tx.stats;
}

const struct rx_stats *device_rx_stats(const struct device *dev, unsigned pair)
{
	return &dev->pairs[pair].rx.stats;
}
