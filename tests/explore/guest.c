/* SPDX-License-Identifier: MIT */
/* The explored memory and its driver; see guest.h. */
#include "tests/explore/guest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/base.h"
#include "virtio/features.h"

#define GPA   0x1000
#define BLOCK 64 /* bytes of a chain's buffer */

static struct guest *guest;

/* Rings first, then the buffers, which nobody explores. */
static struct {
	uint8_t rings[EXPLORE_MEM_MAX];
	uint8_t bufs[16 * BLOCK];
} memory cache_aligned;

unsigned guest_number(const struct iovec *iov)
{
	return (unsigned)((uint8_t *)iov->iov_base - memory.bufs) / BLOCK;
}

static void send_some(struct guest_driver *d)
{
	unsigned n = (unsigned)min_u64(d->cfg.n_chains - d->sent, d->cfg.batch_max);
	struct chain_part part = { .len = d->cfg.out_len };

	n = ring_reserve(&d->ring, n);
	if (n > 1)
		n = 1 + explore_choose(n);
	if (!n)
		return;
	for (; n; n--) {
		part.addr = GPA + sizeof(memory.rings) + d->sent * BLOCK;
		ring_fill(&d->ring, part, d->sent++);
	}
	ring_submit(&d->ring);
	ring_kick(&d->ring);
}

static unsigned take_some(struct guest_driver *d)
{
	struct ring_used used;
	unsigned n = 0;

	ring_peek(&d->ring);
	for (; ring_use(&d->ring, &used) == RING_USED; n++)
		explore_require(used.token == d->back++);
	explore_require(d->ring.fault == RING_OK);
	return n;
}

static void driver_iterate(void)
{
	struct guest_driver *d = &guest->driver;
	unsigned after = 0;
	bool room;

	ring_disarm_call(&d->ring);
	send_some(d);
	if (take_some(d))
		return;
	if (d->back == d->cfg.n_chains)
		explore_done();
	room = d->sent < d->cfg.n_chains && ring_reserve(&d->ring, 1);
	if (room && explore_choose(2))
		return;
	/* A driver may be content to be called later: for all that it has sent. */
	if (d->ring.event_idx && d->sent - d->back > 1)
		after = explore_choose(2) ? d->sent - d->back - 1 : 0;
	if (!ring_arm_call(&d->ring, (uint16_t)after))
		explore_sleep(EXPLORE_CALL);
}

static void place_rings(struct guest *g, unsigned size)
{
	bool packed = feature_has(g->vq.features, VIRTIO_F_RING_PACKED);
	uint8_t *at = memory.rings;
	struct virtq_rings *r = &g->vq.rings;

	r->desc = (struct vring_desc *)(void *)at;
	at += vring_desc_len(size);
	r->avail = (struct vring_avail *)(void *)at;
	at += packed ? sizeof(*r->driver_event) : (vring_avail_len(size) + 3) & ~3UL;
	r->used = (struct vring_used *)(void *)at;
	at += packed ? sizeof(*r->device_event) : (vring_used_len(size) + 7) & ~7UL;
	g->explore->mem = memory.rings;
	g->explore->len = (size_t)(at - memory.rings);
}

/* ring_init() allocates what must be part of the state here. */
static void driver_set_up(struct guest_driver *d, const struct ring_config *cfg)
{
	struct ring ring;

	if (ring_init(&ring, cfg) < 0)
		abort();
	memcpy(d->slots, ring.slots, cfg->size * sizeof(d->slots[0]));
	memcpy(d->next, ring.next, cfg->size * sizeof(d->next[0]));
	d->ring = ring;
	ring_deinit(&ring);
	d->ring.slots = d->slots;
	d->ring.next = d->next;
}

void guest_set_up(struct guest *g, struct explore *e, const struct guest_config *cfg)
{
	/* The base is such that indices, and wrap counters, soon turn over. */
	struct ring_config rc = {
		.features = cfg->features, .size = cfg->size, .base = 65535, .kick_fd = EXPLORE_KICK
	};

	assert(cfg->size <= GUEST_SIZE_MAX && cfg->n_chains <= 16 && cfg->out_len <= BLOCK);
	guest = g;
	memset(g, 0, sizeof(*g));
	memset(&memory, 0, sizeof(memory));
	g->explore = e;
	g->region = (struct gmem_region){ .gpa = GPA, .size = sizeof(memory) };
	g->region.host = (uint8_t *)&memory;
	g->mem = (struct gmem){ .n = 1, .regions = &g->region };
	g->vq = (struct virtq_config){ .mem = &g->mem,
				       .features = cfg->features,
				       .size = (uint16_t)cfg->size,
				       .call = notifier_eventfd(EXPLORE_CALL),
				       .err = notifier_none() };
	place_rings(g, cfg->size);
	rc.areas = g->vq.rings;
	g->driver.cfg = *cfg;
	driver_set_up(&g->driver, &rc);
	g->vq.base = ring_base(&g->driver.ring);
	e->programs[EXPLORE_DRIVER] =
		(struct explore_program){ driver_iterate, &g->driver, sizeof(g->driver) };
}
