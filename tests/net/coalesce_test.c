/* SPDX-License-Identifier: MIT */
/*
 * usage: coalesce_test TXRINGD
 *
 * What a guest without TSO or USO sends leaves txringd merged, and comes out of another tap, which
 * takes no large frames, as it was sent: the kernel has segmented it. Every byte is compared, and
 * the order. A bridge lies between the taps. Runs in a network namespace of its own (run.sh).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/offload.h"
#include "tests/net/ask.h"
#include "tests/net/lab.h"
#include "tests/unit/offload_frames.h"
#include "virtio/base.h"

#define BURST  24 /* frames that are made visible at once */
#define ROUNDS 40
#define PLAIN  "plain0"

/* A frame as it was sent. */
struct sent {
	struct virtio_net_hdr_v1 hdr;
	uint32_t len;
	uint8_t bytes[2000];
};

static struct lab lab;
static char control[96];
static int plain = -1;
static uint64_t seed = 88172645463325252ULL;
static struct made made;
static struct sent sent[BURST];

/* The tap that takes no large frames; in a bridge with txringd's. */
static void open_plain(void)
{
	struct ifreq ifr = { .ifr_name = PLAIN, .ifr_flags = IFF_TAP | IFF_NO_PI };

	plain = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(plain >= 0);
	assert_int_equal(ioctl(plain, TUNSETIFF, &ifr), 0);
	assert_int_equal(ioctl(plain, TUNSETOFFLOAD, 0), 0);
	assert_int_equal(system("ip link add br0 type bridge mcast_snooping 0 && "
				"ip link set br0 up && "
				"ip link set " PLAIN " mtu 2000 master br0 up && "
				"ip link set " LAB_TAP " mtu 2000 master br0 up"),
			 0);
}

static int tear_down(void **state)
{
	(void)state;
	if (plain >= 0)
		close(plain);
	plain = -1;
	lab_cleanup(&lab);
	return system("ip link del br0 2>/dev/null") < 0;
}

/* Frames of one flow; now and then one has a byte changed, so that it does not continue it. */
static void make_burst(const struct shape *shape, bool partial)
{
	uint32_t size = 1 + frames_random(&seed) % 1400;
	unsigned odd = frames_random(&seed) % (3 * BURST);

	frames_make(&made, shape, BURST * size - frames_random(&seed) % size, &seed);
	/* A bridge passes on no frame from a group. */
	memset(made.bytes, 2, 12);
	made.bytes[11] = 3;
	if (!shape->udp)
		made.bytes[made.l4 + 13] = 0x10;
	for (unsigned i = 0; i < BURST; i++) {
		struct sent *s = &sent[i];

		s->len = frames_segment(&made, i, size, partial, s->bytes);
		s->hdr = (struct virtio_net_hdr_v1){ 0 };
		if (partial) {
			s->hdr = frames_hdr(&made, 0);
			s->hdr.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		}
	}
	if (odd < BURST)
		sent[odd].bytes[made.l4 + frames_random(&seed) % (sent[odd].len - made.l4)] ^= 1;
}

static void send_burst(void)
{
	for (unsigned i = 0; i < BURST; i++)
		assert_int_equal(driver_net_send(lab.net, 0, &sent[i].hdr, sent[i].bytes,
						 sent[i].len, DRIVER_NET_MORE),
				 0);
	driver_net_flush(lab.net, 0);
}

/* To a TCP receiver 0 and 0xffff say the same, and the kernel writes one or the other. */
static void complete(struct sent *s, uint8_t *got)
{
	offload_csum(s->bytes, s->len, &s->hdr);
	if (!frames_get16(s->bytes + made.csum_at) && frames_get16(got + made.csum_at) == 0xffff)
		frames_put16(got + made.csum_at, 0);
}

static void receive_burst(void)
{
	struct pollfd p = { .fd = plain, .events = POLLIN };
	uint8_t got[4096];
	ssize_t len;

	for (unsigned i = 0; i < BURST; i++) {
		struct sent *s = &sent[i];

		do {
			if (poll(&p, 1, 20000) <= 0)
				fail_msg("frame %u did not come: %u tags, options %u and %u, %s %s",
					 i, made.shape.tags, made.shape.ip_opt, made.shape.l4_opt,
					 made.shape.v6 ? "IPv6" : "IPv4",
					 made.shape.udp ? "UDP" : "TCP");
			len = read(plain, got, sizeof(got));
		} while (len < 12 || memcmp(got, made.bytes, 12) != 0);
		assert_int_equal(len, s->len);
		if (s->hdr.flags)
			complete(s, got);
		frames_forget_id(got + made.l3);
		frames_forget_id(s->bytes + made.l3);
		assert_memory_equal(got, s->bytes, s->len);
	}
}

/* A frame is counted before it is used. */
static void take_back(void)
{
	int n, back = 0;

	for (unsigned tries = 0; back < BURST; back += n, tries++) {
		n = driver_net_reap(lab.net, 0);
		assert_true(n >= 0 && tries < 200000);
		usleep(n ? 0 : 100);
	}
}

static void comes_out_as_sent(void **state)
{
	const struct lab_config *cfg = *state;
	const struct shape *shape;
	uint64_t merged;
	unsigned n = 0;

	lab_open(&lab, cfg);
	open_plain();
	for (unsigned k = 0; (shape = frames_shape(k)); k++) {
		/* Linux reads these: made-up ones are dropped. They are not merged. */
		if (shape->v6 && shape->ip_opt)
			continue;
		for (unsigned round = 0; round < ROUNDS; round++, n += BURST) {
			make_burst(shape, round % 2);
			send_burst();
			receive_burst();
			take_back();
		}
	}
	assert_int_equal(lab_counter(&lab, "tx", "frames"), n);
	merged = lab_counter(&lab, "tx", "merged");
	if (cfg->options)
		assert_int_equal(merged, 0);
	else
		assert_true(merged > n / 3);
	assert_int_equal(lab_counter(&lab, "tx", "drop_backend"), 0);
	driver_net_free(lab.net);
	lab.net = NULL;
	daemon_stop(&lab.daemon);
}

static void one_burst(void)
{
	static const struct shape shape = { 0, 0, 12, false, false };

	make_burst(&shape, true);
	send_burst();
	receive_burst();
	take_back();
}

/* From a command on, until the next: also while frames move, and for the next driver. */
static void as_it_is_set(void **state)
{
	uint64_t merged;

	lab_open(&lab, *state);
	open_plain();
	for (unsigned i = 0; i < 5; i++) {
		one_burst();
		assert_true(lab_counter(&lab, "tx", "merged") > i);
		merged = lab_counter(&lab, "tx", "merged");
		assert_string_equal(ask_text(control, "set nic0 coalesce=off"),
				    "nic0: coalesce off\nok\n");
		one_burst();
		driver_net_free(lab.net);
		lab_connect(&lab);
		one_burst();
		assert_int_equal(lab_counter(&lab, "tx", "merged"), merged);
		assert_string_equal(ask_text(control, "set nic0 coalesce=on"),
				    "nic0: coalesce on\nok\n");
	}
	one_burst();
	assert_true(lab_counter(&lab, "tx", "merged") > merged);
	driver_net_free(lab.net);
	lab.net = NULL;
	daemon_stop(&lab.daemon);
}

static const char *const off[] = { "--coalesce", "off", NULL };
static const char *const asked[] = { "--control", control, NULL };
static struct lab_config set_config = {
	.name = "set", .queues = 1, .options = asked, .without = FEATURES_HOST_TSO | FEATURES_MERGES
};
static struct lab_config configs[] = {
	{ .name = "iothread", .queues = 1, .without = FEATURES_HOST_TSO | FEATURES_MERGES },
	{ .name = "timer",
	  .queues = 1,
	  .txmode = "timer",
	  .without = FEATURES_HOST_TSO | FEATURES_MERGES },
	{ .name = "off",
	  .queues = 1,
	  .options = off,
	  .without = FEATURES_HOST_TSO | FEATURES_MERGES },
};

int main(int argc, char **argv)
{
	struct CMUnitTest tests[array_size(configs) + 1] = {
		[array_size(configs)] = { .name = "set",
					  .test_func = as_it_is_set,
					  .teardown_func = tear_down,
					  .initial_state = &set_config }
	};

	if (argc != 2)
		return 2;
	lab_init(argv[1]);
	snprintf(control, sizeof(control), "%s/control", getenv("TMPDIR"));
	for (unsigned i = 0; i < array_size(configs); i++)
		tests[i] = (struct CMUnitTest){ .name = configs[i].name,
						.test_func = comes_out_as_sent,
						.teardown_func = tear_down,
						.initial_state = &configs[i] };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
