/* SPDX-License-Identifier: MIT */
/*
 * Driver and device of one ring, split or packed, on two threads, each with its own mapping of the
 * same memory. Both sleep on their eventfds whenever they find nothing to do, after stalls of
 * random length, so that each kick and each call counts: one that is lost leaves a side asleep for
 * ever, which the two-second limit of its sleep reports. Sequence numbers show what is lost,
 * doubled, or read before it was written.
 *
 * The barriers at stake are A to D of virtio/virtq_split.h and virtq_packed.h. Build it with
 * -fsanitize=thread as well.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "virtio/driver/ring.h"
#include "virtio/features.h"
#include "virtio/virtq.h"

#define GPA      0x40000000ULL
#define MEMORY   (1ULL << 20)
#define BURST    32
#define WATCH_MS 2000

/* How long one mode runs: the frames, or the time when the machine is slow. */
#define FRAMES   1500000ULL
#define LIMIT_MS 1200

#define EVENT_IDX FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define IN_ORDER  FEATURE(VIRTIO_F_IN_ORDER)
#define PACKED    FEATURE(VIRTIO_F_RING_PACKED)

/*
 * With one frame at a time and one side that never sleeps, almost each frame meets the other side
 * between arming and falling asleep: that finds a missing fence. Bursts find the rest. One mapping
 * for both sides lets the thread sanitizer see that they share memory: it judges acquire and
 * release.
 */
struct mode {
	const char *name;
	uint64_t features;
	unsigned size;
	unsigned burst;
	bool device_sleeps;
	bool driver_sleeps;
	bool one_mapping;
};

static const struct mode modes[] = {
	{ "flags, bursts", 0, 256, BURST, true, true, false },
	{ "EVENT_IDX, bursts", EVENT_IDX, 256, BURST, true, true, false },
	{ "flags, small ring", 0, 2, BURST, true, true, false },
	{ "EVENT_IDX, IN_ORDER, small ring", EVENT_IDX | IN_ORDER, 4, BURST, true, true, false },
	{ "flags, device asleep", 0, 256, 1, true, false, false },
	{ "EVENT_IDX, device asleep", EVENT_IDX, 256, 1, true, false, false },
	{ "flags, driver asleep", 0, 256, 1, false, true, false },
	{ "EVENT_IDX, driver asleep", EVENT_IDX, 256, 1, false, true, false },
	{ "flags, bursts, one mapping", 0, 256, BURST, true, true, true },
	{ "packed, flags, bursts", PACKED, 256, BURST, true, true, false },
	{ "packed, EVENT_IDX, bursts", PACKED | EVENT_IDX, 256, BURST, true, true, false },
	{ "packed, flags, small ring", PACKED, 2, BURST, true, true, false },
	{ "packed, EVENT_IDX, IN_ORDER, small ring", PACKED | EVENT_IDX | IN_ORDER, 3, BURST, true,
	  true, false },
	{ "packed, flags, device asleep", PACKED, 256, 1, true, false, false },
	{ "packed, EVENT_IDX, device asleep", PACKED | EVENT_IDX, 256, 1, true, false, false },
	{ "packed, flags, driver asleep", PACKED, 256, 1, false, true, false },
	{ "packed, EVENT_IDX, driver asleep", PACKED | EVENT_IDX, 256, 1, false, true, false },
	{ "packed, flags, bursts, one mapping", PACKED, 256, BURST, true, true, true },
};

/* What a frame's buffer holds: the driver's number there, the device's answer back. */
struct frame {
	uint64_t seq;
	uint64_t answer;
};

/*
 * Written by one side each; the other reads them after it has been joined, or with the words of
 * base.h.
 */
struct race {
	struct arena arena;
	struct gmem mem;
	struct ring ring;
	struct frame *frames;
	uint64_t frames_gpa;
	int kick_fd;
	int call_fd;
	const char *failure; /* the first one, of either side */
	bool stop;           /* the driver's last frame is back */
	const struct mode *mode;

	struct virtq vq cache_aligned;
	uint64_t device_sleeps;
	uint64_t calls;

	uint64_t driver_sleeps cache_aligned;
	uint64_t kicks;
	uint64_t sent;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void fail(struct race *race, const char *what)
{
	const char *none = NULL;

	__atomic_compare_exchange_n(&race->failure, &none, what, false, __ATOMIC_ACQ_REL,
				    __ATOMIC_RELAXED);
}

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/*
 * Bursts: rarely long enough for the other side to fall asleep. One frame: within what a cache
 * line travels.
 */
static void stall(const struct mode *mode, uint32_t *random)
{
	uint32_t r = next_random(random);
	unsigned spins = (r >> 8) % (16U << (r % 6));

	if (mode->burst > 1)
		spins = r % 4 ? 0 : (r >> 8) % (r % 64 ? 64 : 16384);
	for (volatile unsigned i = 0; i < spins; i++)
		;
}

/* Asleep until the other side's eventfd says otherwise. False: nobody ever woke us. */
static bool sleep_on(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	eventfd_t n;

	if (poll(&p, 1, WATCH_MS) <= 0)
		return false;
	return eventfd_read(fd, &n) == 0;
}

/* The device: pops, checks numbers, answers, sleeps when the ring is empty. */

static void answer(struct race *race, const struct chain *c, uint64_t seq)
{
	struct frame *f = c->iov[0].iov_base;

	if (f->seq != seq)
		fail(race, "the device read a wrong number");
	f->answer = ~seq;
}

static void *device(void *arg)
{
	struct race *race = arg;
	struct virtq *vq = &race->vq;
	struct iovec iov[CHAIN_MAX_IOV + BURST];
	struct chain chains[BURST];
	uint32_t random = 2463534242U;
	uint64_t seq = 0;
	unsigned n;

	while (!load_acquire(&race->stop) && !load_acquire(&race->failure)) {
		struct iov_pool pool = { .iov = iov, .cap = array_size(iov) };

		virtq_disarm_notify(vq);
		while ((n = virtq_pop(vq, chains, 1 + next_random(&random) % BURST, &pool)) > 0) {
			for (unsigned i = 0; i < n; i++) {
				answer(race, &chains[i], seq++);
				virtq_push(vq, chains[i].elem, sizeof(struct frame));
			}
			virtq_publish(vq);
			race->calls += virtq_call(vq);
			stall(race->mode, &random);
			pool.n = 0;
		}
		if (vq->fault)
			fail(race, virtq_fault_name(vq->fault));
		if (!race->mode->device_sleeps)
			continue;
		stall(race->mode, &random);
		if (virtq_arm_notify(vq))
			continue;
		race->device_sleeps++;
		if (!sleep_on(race->kick_fd) && !load_acquire(&race->stop))
			fail(race, "a kick was lost: the device slept two seconds");
	}
	return NULL;
}

/* The driver: numbers frames, sends bursts, takes answers back, sleeps when nothing can be done. */

static void send_burst(struct race *race, uint64_t limit, uint32_t *random)
{
	struct ring *r = &race->ring;
	unsigned n = ring_reserve(r, 1 + next_random(random) % race->mode->burst);

	for (; n > 0 && race->sent < limit; n--, race->sent++) {
		uint64_t i = race->sent % r->size,
			 addr = race->frames_gpa + i * sizeof(struct frame);

		race->frames[i] = (struct frame){ .seq = race->sent };
		ring_fill(r, (struct chain_part){ addr, sizeof(struct frame), true }, race->sent);
	}
	ring_submit(r);
	race->kicks += ring_kick(r);
}

static uint64_t take_answers(struct race *race, uint64_t back)
{
	struct ring *r = &race->ring;
	struct ring_used used;

	for (; ring_use(r, &used) == RING_USED; back++) {
		if (used.token != back || used.len != sizeof(struct frame))
			fail(race, "the driver got a wrong chain back");
		if (race->frames[back % r->size].answer != ~back)
			fail(race, "the driver read a wrong answer");
	}
	if (r->fault)
		fail(race, ring_fault_name(r->fault));
	return back;
}

/* Whether to wait for answers now: when there is no room, or in no hurry. */
static bool idle(const struct race *race, uint64_t back, uint32_t *random)
{
	if (race->mode->burst == 1)
		return race->sent != back;
	return race->sent != back && (!race->ring.n_free || next_random(random) % 4 == 0);
}

static void *driver(void *arg)
{
	struct race *race = arg;
	struct ring *r = &race->ring;
	uint64_t end = now_ms() + LIMIT_MS, back = 0, limit = FRAMES;
	uint32_t random = 88172645U;

	while (back < limit && !load_acquire(&race->failure)) {
		if (race->sent % 64 == 0 && now_ms() > end)
			limit = race->sent;
		ring_disarm_call(r);
		if (race->mode->burst > 1 || race->sent == back)
			send_burst(race, limit, &random);
		stall(race->mode, &random);
		if (ring_peek(r)) {
			back = take_answers(race, back);
			continue;
		}
		if (!race->mode->driver_sleeps || !idle(race, back, &random) || ring_arm_call(r, 0))
			continue;
		race->driver_sleeps++;
		if (!sleep_on(race->call_fd))
			fail(race, "a call was lost: the driver slept two seconds");
	}
	store_release(&race->stop, true);
	(void)!eventfd_write(race->kick_fd, 1);
	return NULL;
}

static int set_up(struct race *race, const struct mode *mode)
{
	const struct arena_span span = { GPA, MEMORY };
	struct ring_config rc = { .features = mode->features, .size = mode->size, .base = 65000 };
	struct virtq_config vc = { .features = mode->features, .size = (uint16_t)mode->size };
	const struct arena_region *region = &race->arena.regions[0];
	int err = arena_init(&race->arena, &span, 1, false);

	if (!err)
		err = gmem_init(&race->mem);
	if (!err)
		err = gmem_add(&race->mem, region->gpa, region->size, (uintptr_t)region->host,
			       race->arena.fd, 0);
	if (err)
		return err;
	if (mode->one_mapping)
		race->mem.regions[0].host = region->host;
	race->mode = mode;
	race->kick_fd = rc.kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	race->call_fd = vc.call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (race->kick_fd < 0 || race->call_fd < 0)
		return -errno;
	err = ring_place(&rc, &race->arena, 0);
	if (!err)
		err = ring_init(&race->ring, &rc);
	if (!err)
		err = (race->ring.packed ? virtq_resolve_packed : virtq_resolve)(
			&vc.rings, &race->mem, mode->size, (uintptr_t)rc.areas.desc,
			(uintptr_t)rc.areas.avail, (uintptr_t)rc.areas.used);
	if (err)
		return err;
	race->frames = arena_alloc(&race->arena, 0, mode->size * sizeof(struct frame), CACHE_LINE);
	race->frames_gpa = arena_gpa(&race->arena, race->frames);
	vc.mem = &race->mem;
	vc.base = ring_base(&race->ring);
	vc.err_fd = -1;
	virtq_start(&race->vq, &vc);
	return 0;
}

static void tear_down(struct race *race)
{
	close(race->kick_fd);
	close(race->call_fd);
	ring_deinit(&race->ring);
	gmem_deinit(&race->mem);
	arena_deinit(&race->arena);
}

static int run(const struct mode *mode)
{
	static struct race race;
	pthread_t threads[2];
	int err;

	memset(&race, 0, sizeof(race));
	err = set_up(&race, mode);
	if (err) {
		printf("%s: set-up: %s\n", mode->name, strerror(-err));
		return 1;
	}
	err = pthread_create(&threads[0], NULL, device, &race);
	if (!err)
		err = pthread_create(&threads[1], NULL, driver, &race);
	if (err) {
		printf("%s: no thread: %s\n", mode->name, strerror(err));
		return 1;
	}
	pthread_join(threads[1], NULL);
	pthread_join(threads[0], NULL);
	printf("%s: %llu frames, %llu kicks, %llu calls, slept: device %llu, driver %llu: %s\n",
	       mode->name, (unsigned long long)race.sent, (unsigned long long)race.kicks,
	       (unsigned long long)race.calls, (unsigned long long)race.device_sleeps,
	       (unsigned long long)race.driver_sleeps, race.failure ? race.failure : "ok");
	tear_down(&race);
	if (!race.failure && (!race.device_sleeps == mode->device_sleeps ||
			      !race.driver_sleeps == mode->driver_sleeps)) {
		printf("%s: a side never slept: nothing was shown\n", mode->name);
		return 1;
	}
	return race.failure != NULL;
}

int main(void)
{
	int failed = 0;

	for (unsigned i = 0; i < array_size(modes); i++)
		failed |= run(&modes[i]);
	return failed;
}
