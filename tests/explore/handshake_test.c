/* SPDX-License-Identifier: MIT */
/*
 * The verbs of virtq.h against those of driver/ring.h, in all orders on a machine with store
 * buffers: nobody sleeps while something waits for him. Then the same with each fence and each
 * look-again taken out, one by one: there an order must be found in which both sleep for ever, or
 * this test would prove nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/explore/guest.h"
#include "virtio/base.h"
#include "virtio/features.h"

#define EVENT_IDX FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define PACKED    FEATURE(VIRTIO_F_RING_PACKED)

/* The device's private state. */
struct device {
	struct virtq vq;
	unsigned limit; /* most chains of one pop */
	unsigned taken;
};

static struct device device;
static struct guest guest;
static struct explore explore;

/* As a queue does it: pop, push, publish, call, until there is nothing; arm, look again, sleep. */
static void device_iterate(void)
{
	struct iovec iov[CHAIN_MAX_IOV + GUEST_SIZE_MAX];
	struct iov_pool pool = { .iov = iov, .cap = array_size(iov) };
	struct chain chains[GUEST_SIZE_MAX];
	unsigned n = virtq_pop(&device.vq, chains, device.limit, &pool), i;

	explore_require(!device.vq.fault);
	if (n) {
		for (i = 0; i < n; i++) {
			explore_require(guest_number(chains[i].iov) == device.taken++);
			virtq_push(&device.vq, chains[i].elem, 0);
		}
		virtq_publish(&device.vq);
		virtq_call(&device.vq);
		return;
	}
	if (!virtq_arm_notify(&device.vq))
		explore_sleep(EXPLORE_KICK);
	virtq_disarm_notify(&device.vq);
}

static void run(const struct guest_config *cfg, unsigned limit, struct explore_break brk,
		struct explore_result *result)
{
	memset(&device, 0, sizeof(device));
	guest_set_up(&guest, &explore, cfg);
	virtq_start(&device.vq, &guest.vq);
	device.limit = limit;
	explore.brk = brk;
	explore.quiet = brk.func;
	explore.programs[EXPLORE_DEVICE] =
		(struct explore_program){ device_iterate, &device, sizeof(device) };
	explore_run(&explore, result);
}

struct mode {
	const char *name;
	uint64_t features;
};

static const struct mode modes[] = {
	{ "split, flags", 0 },
	{ "split, EVENT_IDX", EVENT_IDX },
	{ "packed, flags", PACKED },
	{ "packed, EVENT_IDX", PACKED | EVENT_IDX },
};

/* What is there to be taken out, by the name of the function that has it. */
static const struct {
	const char *name;
	struct explore_break brk;
} breaks[] = {
	{ "fence B of the device (arm_notify)", { "arm_notify", false } },
	{ "look-again of the device (arm_notify)", { "arm_notify", true } },
	{ "fence D of the device (call_wanted)", { "call_wanted", false } },
	{ "fence B of the driver (kick_wanted)", { "kick_wanted", false } },
	{ "fence D of the driver (arm_call)", { "arm_call", false } },
	{ "look-again of the driver (arm_call)", { "arm_call", true } },
};

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Whole: no order may be bad. */
static int prove(const struct mode *mode, unsigned size, unsigned n_chains, unsigned limit)
{
	struct guest_config cfg = { .features = mode->features | FEATURE(VIRTIO_F_VERSION_1),
				    .size = size,
				    .n_chains = n_chains,
				    .batch_max = 2,
				    .out_len = 16 };
	struct explore_result result;
	double start = seconds();

	run(&cfg, limit, (struct explore_break){ 0 }, &result);
	printf("%s, ring of %u, %u chains, %u at a time: %" PRIu64 " states, %" PRIu64
	       " steps, %.3g orders, %.1f s: %s\n",
	       mode->name, size, n_chains, limit, result.states, result.steps, result.orders,
	       seconds() - start, result.failure ? result.failure : "holds in all");
	return result.failure != NULL;
}

/* With a part missing: some order must be bad. */
static int refute(const struct mode *mode, unsigned i)
{
	struct guest_config cfg = { .features = mode->features | FEATURE(VIRTIO_F_VERSION_1),
				    .size = 2,
				    .n_chains = 3,
				    .batch_max = 2,
				    .out_len = 16 };
	struct explore_result result;

	run(&cfg, 2, breaks[i].brk, &result);
	printf("%s, without %s: %s after %" PRIu64 " states\n", mode->name, breaks[i].name,
	       result.failure ? result.failure : "NOT FOUND", result.states);
	return result.failure == NULL;
}

int main(void)
{
	unsigned m, i;
	int failed = 0;

	setbuf(stdout, NULL);
	for (m = 0; m < array_size(modes); m++) {
		failed |= prove(&modes[m], 2, 3, 1);
		failed |= prove(&modes[m], 2, 4, 2);
		failed |= prove(&modes[m], 4, 4, 2);
		failed |= prove(&modes[m], 4, 5, 4);
		if (modes[m].features & PACKED)
			failed |= prove(&modes[m], 3, 4, 2);
	}
	for (m = 0; m < array_size(modes); m++) {
		for (i = 0; i < array_size(breaks); i++)
			failed |= refute(&modes[m], i);
	}
	return failed;
}
