/* SPDX-License-Identifier: MIT */
/*
 * Driver and device of one ring, split or packed, on two threads, each with its own mapping of the
 * same memory. Both sleep on their eventfds whenever they find nothing to do, and stall for random
 * times at random places, so that each kick and each call counts: one that is lost leaves a side
 * asleep for ever, which the limit of its sleep reports. Sequence numbers show what is lost,
 * doubled, or read before it was written.
 *
 * usage: ring_race_test [-n FRAMES] [-t SECONDS] [-s SEED]
 * Each mode ends after so many frames or so long, whichever comes first; a limit that is not given
 * beside the other is none. The seed decides where a side stalls and how much it does at once, not
 * what the other side does meanwhile: a failure may need several tries to come again.
 *
 * The barriers at stake are A to D of virtio/virtq_split.h and virtq_packed.h. Build it with
 * -fsanitize=thread as well.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
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
#define FLOOD    256
#define WATCH_MS 5000

/* How long one mode runs unless told: the frames, or the time when the machine is slow. */
#define FRAMES   1500000ULL
#define LIMIT_MS 1200
#define NO_LIMIT (1ULL << 62)

#define EVENT_IDX FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define IN_ORDER  FEATURE(VIRTIO_F_IN_ORDER)
#define PACKED    FEATURE(VIRTIO_F_RING_PACKED)

/*
 * With one frame at a time and one side that never sleeps, almost each frame meets the other side
 * between arming and falling asleep: that finds a missing fence. Bursts find the rest, floods are
 * for many frames. One mapping for both sides lets the thread sanitizer see that they share memory:
 * it judges acquire and release.
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
	{ "flags, flood", 0, 1024, FLOOD, true, true, false },
	{ "EVENT_IDX, flood", EVENT_IDX, 1024, FLOOD, true, true, false },
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
	{ "packed, flags, flood", PACKED, 1000, FLOOD, true, true, false },
	{ "packed, EVENT_IDX, flood", PACKED | EVENT_IDX, 1000, FLOOD, true, true, false },
};

struct limits {
	uint64_t frames;
	uint64_t ms;
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
	struct limits limits;
	uint32_t seed;

	struct virtq vq cache_aligned;
	uint64_t device_sleeps;
	uint64_t calls;

	uint64_t driver_sleeps cache_aligned;
	uint64_t kicks;
	uint64_t sent;
	uint64_t back;
	unsigned sent_slot; /* in frames, of the next to be sent */
	unsigned back_slot; /* ... and of the next to come back */
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

static void spin(unsigned n)
{
	for (volatile unsigned i = 0; i < n; i++)
		;
}

/* The CPU is somebody else's for a while. */
static void go_away(uint32_t r)
{
	const struct timespec ts = { .tv_nsec = 1 + r % 200000 };

	if (r & 1U << 31)
		nanosleep(&ts, NULL);
	else
		sched_yield();
}

/*
 * Somewhere between two steps. Bursts: mostly not at all, rarely long enough for the other side to
 * fall asleep. One frame: mostly within what a cache line travels.
 */
static void stall(const struct mode *mode, uint32_t *random)
{
	uint32_t r = next_random(random);

	if (r % 4096 == 0)
		go_away(r);
	else if (mode->burst == 1)
		spin((r >> 8) % (16U << (r % 6)));
	else if (r % 256 == 0)
		spin((r >> 8) % 16384);
	else if (r % 8 == 0)
		spin((r >> 8) % 64);
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

/* n chains that were popped, from number seq on. */
static void give_back(struct race *race, const struct chain *chains, unsigned n, uint64_t seq,
		      uint32_t *random)
{
	struct virtq *vq = &race->vq;

	stall(race->mode, random);
	for (unsigned i = 0; i < n; i++) {
		answer(race, &chains[i], seq + i);
		virtq_push(vq, chains[i].elem, sizeof(struct frame));
	}
	stall(race->mode, random);
	virtq_publish(vq);
	stall(race->mode, random);
	race->calls += virtq_call(vq);
	stall(race->mode, random);
}

static void *device(void *arg)
{
	struct race *race = arg;
	struct virtq *vq = &race->vq;
	struct iovec iov[CHAIN_MAX_IOV + FLOOD];
	struct chain chains[FLOOD];
	unsigned n, most = race->mode->burst > BURST ? FLOOD : BURST;
	uint32_t random = race->seed;
	uint64_t seq = 0;

	while (!load_acquire(&race->stop) && !load_acquire(&race->failure)) {
		struct iov_pool pool = { .iov = iov, .cap = array_size(iov) };

		virtq_disarm_notify(vq);
		while ((n = virtq_pop(vq, chains, 1 + next_random(&random) % most, &pool)) > 0) {
			give_back(race, chains, n, seq, &random);
			seq += n;
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
		stall(race->mode, &random);
		if (!sleep_on(race->kick_fd) && !load_acquire(&race->stop))
			fail(race, "a kick was lost: the device slept for seconds");
	}
	return NULL;
}

/* The driver: numbers frames, sends bursts, takes answers back, sleeps when nothing can be done. */

static unsigned next_slot(const struct race *race, unsigned slot)
{
	return slot + 1 < race->mode->size ? slot + 1 : 0;
}

static void send_burst(struct race *race, uint64_t limit, uint32_t *random)
{
	struct ring *r = &race->ring;
	unsigned n = ring_reserve(r, 1 + next_random(random) % race->mode->burst);

	for (; n > 0 && race->sent < limit; n--, race->sent++) {
		unsigned i = race->sent_slot;
		uint64_t addr = race->frames_gpa + i * sizeof(struct frame);

		race->frames[i] = (struct frame){ .seq = race->sent };
		race->sent_slot = next_slot(race, i);
		ring_fill(r, (struct chain_part){ addr, sizeof(struct frame), true }, race->sent);
	}
	stall(race->mode, random);
	ring_submit(r);
	stall(race->mode, random);
	if (!ring_kick_wanted(r))
		return;
	stall(race->mode, random);
	ring_kick_now(r);
	race->kicks++;
}

static void take_answers(struct race *race)
{
	struct ring *r = &race->ring;
	struct ring_used used;

	while (ring_use(r, &used) == RING_USED) {
		if (used.token != race->back || used.len != sizeof(struct frame))
			fail(race, "the driver got a wrong chain back");
		if (race->frames[race->back_slot].answer != ~race->back)
			fail(race, "the driver read a wrong answer");
		race->back++;
		race->back_slot = next_slot(race, race->back_slot);
	}
	if (r->fault)
		fail(race, ring_fault_name(r->fault));
}

/* Whether to wait for answers now: when there is no room, or in no hurry. */
static bool idle(const struct race *race, uint32_t *random)
{
	if (race->mode->burst == 1)
		return race->sent != race->back;
	return race->sent != race->back && (!race->ring.n_free || next_random(random) % 4 == 0);
}

static void *driver(void *arg)
{
	struct race *race = arg;
	struct ring *r = &race->ring;
	uint64_t end = now_ms() + race->limits.ms, limit = race->limits.frames;
	uint32_t random = race->seed ^ 0x55555555U;
	unsigned turn = 0;

	while (race->back < limit && !load_acquire(&race->failure)) {
		if (++turn % 256 == 0 && now_ms() > end)
			limit = race->sent;
		ring_disarm_call(r);
		if (race->mode->burst > 1 || race->sent == race->back)
			send_burst(race, limit, &random);
		stall(race->mode, &random);
		if (ring_peek(r)) {
			take_answers(race);
			continue;
		}
		if (!race->mode->driver_sleeps || !idle(race, &random) || ring_arm_call(r, 0))
			continue;
		race->driver_sleeps++;
		stall(race->mode, &random);
		if (!sleep_on(race->call_fd))
			fail(race, "a call was lost: the driver slept for seconds");
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
	race->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
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
	vc.call = notifier_eventfd(race->call_fd);
	vc.err = notifier_none();
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

static void print_result(const struct race *race, uint64_t ms)
{
	printf("%s: %llu frames in %llu ms, %llu kicks, %llu calls, slept: device %llu, "
	       "driver %llu: %s\n",
	       race->mode->name, (unsigned long long)race->sent, (unsigned long long)ms,
	       (unsigned long long)race->kicks, (unsigned long long)race->calls,
	       (unsigned long long)race->device_sleeps, (unsigned long long)race->driver_sleeps,
	       race->failure ? race->failure : "ok");
	fflush(stdout);
}

/* How many frames went through; 0: it failed. */
static uint64_t run(const struct mode *mode, struct limits limits, uint32_t seed)
{
	static struct race race;
	uint64_t start = now_ms();
	pthread_t threads[2];
	int err;

	memset(&race, 0, sizeof(race));
	race.limits = limits;
	race.seed = seed;
	err = set_up(&race, mode);
	if (err) {
		printf("%s: set-up: %s\n", mode->name, strerror(-err));
		return 0;
	}
	err = pthread_create(&threads[0], NULL, device, &race);
	if (!err)
		err = pthread_create(&threads[1], NULL, driver, &race);
	if (err) {
		printf("%s: no thread: %s\n", mode->name, strerror(err));
		return 0;
	}
	pthread_join(threads[1], NULL);
	pthread_join(threads[0], NULL);
	print_result(&race, now_ms() - start);
	tear_down(&race);
	if (race.failure)
		return 0;
	if (!race.device_sleeps == mode->device_sleeps ||
	    !race.driver_sleeps == mode->driver_sleeps) {
		printf("%s: a side never slept: nothing was shown\n", mode->name);
		return 0;
	}
	return race.back;
}

/* Not 0, which stays 0 for ever; different for each mode. */
static uint32_t mode_seed(uint64_t seed, unsigned mode)
{
	uint32_t state = (uint32_t)seed * 2654435761U ^ (mode + 1) * 2246822519U;

	return next_random(&state) | 1;
}

static bool number(const char *text, uint64_t *n)
{
	char *end;

	errno = 0;
	*n = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *n < NO_LIMIT;
}

static bool parse(int argc, char **argv, struct limits *limits, uint64_t *seed)
{
	uint64_t n, frames = 0, seconds = 0;
	int option;

	while ((option = getopt(argc, argv, "n:t:s:")) != -1) {
		if (option == '?' || !number(optarg, &n))
			return false;
		if (option == 's')
			*seed = n;
		else
			*(option == 'n' ? &frames : &seconds) = n;
	}
	if (frames || seconds)
		*limits = (struct limits){ frames ? frames : NO_LIMIT,
					   seconds ? seconds * 1000 : NO_LIMIT };
	return optind == argc;
}

int main(int argc, char **argv)
{
	struct limits limits = { FRAMES, LIMIT_MS };
	uint64_t seed = now_ms() % 1000000, all = 0, n;
	bool failed = false;

	if (!parse(argc, argv, &limits, &seed)) {
		fprintf(stderr, "usage: %s [-n FRAMES] [-t SECONDS] [-s SEED]\n", argv[0]);
		return EXIT_FAILURE;
	}
	printf("seed %llu\n", (unsigned long long)seed);
	for (unsigned i = 0; i < array_size(modes); i++) {
		n = run(&modes[i], limits, mode_seed(seed, i));
		failed |= !n;
		all += n;
	}
	printf("%llu frames in all, seed %llu: %s\n", (unsigned long long)all,
	       (unsigned long long)seed, failed ? "failed" : "ok");
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
