/* SPDX-License-Identifier: MIT */
/*
 * bench/txbench/flow.h: frames that a device may merge. One that may not, or whose checksum is
 * wrong, would make the bench measure another load than it says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/txbench/flow.h"
#include "datapath/tx/coalesce.h"
#include "virtio/base.h"

#define FRAMES 40 /* no more than 44: what IP can say */
#define LEN    1514

static const uint8_t addresses[12] = { 2, 0, 0, 0, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
static const uint64_t all_types = FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_USO);

/* RFC 1071, word by word: 0xffff if the checksum that it goes over is right. */
static unsigned sum(const uint8_t *at, unsigned len, unsigned sum)
{
	for (unsigned i = 0; i < len; i++)
		sum += i % 2 ? at[i] : at[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void check_sums(const uint8_t *frame, unsigned len)
{
	const uint8_t *ip = frame + FLOW_ETH, *l4 = ip + IPV4_MIN;
	unsigned l4_len = len - FLOW_ETH - IPV4_MIN;
	unsigned pseudo = sum(ip + IPV4_ADDR_AT, 8, ip[IPV4_PROTO_AT] + l4_len);

	assert_int_equal(sum(ip, IPV4_MIN, 0), 0xffff);
	assert_int_equal(sum(l4, l4_len, pseudo), 0xffff);
}

/* So many frames of len bytes, all with right checksums, into one, as the device does it. */
static void check_merge(bool udp, unsigned len, unsigned hdr_len)
{
	static uint8_t bytes[FRAMES][LEN];
	static struct coalesce c;
	struct iovec iov[FRAMES];
	struct frame frames[FRAMES];
	struct tx_stats stats = { 0 };
	struct flow f;

	memset(bytes, 0, sizeof(bytes));
	flow_start(&f, udp, len, addresses);
	assert_int_equal(f.hdr_len, hdr_len);
	for (unsigned i = 0; i < FRAMES; i++) {
		flow_next(&f, bytes[i]);
		check_sums(bytes[i], len);
		iov[i] = (struct iovec){ bytes[i], len };
		frames[i] = (struct frame){ .iov = &iov[i], .n_iov = 1, .n_chains = 1, .len = len };
	}
	assert_int_equal(coalesce(&c, frames, FRAMES, all_types, &stats), 1);
	assert_int_equal(frames[0].n_chains, FRAMES);
	assert_int_equal(frames[0].len, hdr_len + FRAMES * (len - hdr_len));
	/* An interface that counted 7 frames as they were and these as one. */
	assert_int_equal(flow_count(&f, 7 * len + frames[0].len, 8), 7 + FRAMES);
}

static void test_merge(void **state)
{
	(void)state;
	check_merge(false, LEN, 54);
	check_merge(true, LEN, 42);
	check_merge(false, 60, 54);
	check_merge(true, 61, 42);
}

/* Sequence numbers come round, and each checksum on the way is right. */
static void test_wrap(void **state)
{
	uint8_t frame[LEN] = { 0 };
	struct flow f;

	(void)state;
	flow_start(&f, false, LEN, addresses);
	f.seq = UINT32_MAX - 3 * f.payload;
	for (unsigned i = 0; i < 6; i++) {
		flow_next(&f, frame);
		check_sums(frame, LEN);
	}
	assert_int_equal(get32(frame + FLOW_ETH + IPV4_MIN + TCP_SEQ_AT), 2 * f.payload - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
