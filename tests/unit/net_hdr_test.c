/* SPDX-License-Identifier: MIT */
/*
 * The virtio-net header: its length, its copy out of any iovecs, and what a driver may claim in
 * it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "virtio/base.h"
#include "virtio/net_hdr.h"

#define BIT(name) FEATURE(VIRTIO_NET_F_##name)
#define ALL       (~0ULL)
#define CSUM      VIRTIO_NET_HDR_F_NEEDS_CSUM

static void test_len(void **state)
{
	(void)state;
	assert_int_equal(net_hdr_len(0), 10);
	assert_int_equal(net_hdr_len(ALL & ~FEATURE(VIRTIO_F_VERSION_1) & ~BIT(MRG_RXBUF)), 10);
	assert_int_equal(net_hdr_len(FEATURE(VIRTIO_F_VERSION_1)), 12);
	assert_int_equal(net_hdr_len(BIT(MRG_RXBUF)), 12);
}

/* The header is whole wherever it is cut, and nothing behind it is read. */
static void test_get(void **state)
{
	const unsigned lens[] = { NET_HDR_LEN_LEGACY, NET_HDR_LEN };
	uint8_t bytes[NET_HDR_LEN], out[NET_HDR_LEN + 1];

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i + 1);
	for (unsigned k = 0; k < array_size(lens); k++) {
		for (unsigned cut = 1; cut <= lens[k]; cut++) {
			struct iovec iov[] = { { bytes, cut }, { bytes + cut, lens[k] - cut } };

			memset(out, 0, sizeof(out));
			net_hdr_get(out, lens[k], iov);
			assert_memory_equal(out, bytes, lens[k]);
			assert_int_equal(out[lens[k]], 0);
		}
	}
}

static void test_get_byte_by_byte(void **state)
{
	uint8_t bytes[NET_HDR_LEN], out[NET_HDR_LEN];
	struct iovec iov[NET_HDR_LEN];

	(void)state;
	for (unsigned i = 0; i < NET_HDR_LEN; i++) {
		bytes[i] = (uint8_t)(i + 1);
		iov[i] = (struct iovec){ &bytes[i], 1 };
	}
	net_hdr_get(out, NET_HDR_LEN, iov);
	assert_memory_equal(out, bytes, NET_HDR_LEN);
	net_hdr_set_num_buffers(iov, 0x1234);
	assert_int_equal(bytes[10], 0x34);
	assert_int_equal(bytes[11], 0x12);
}

/* num_buffers is set wherever the header is cut, and no other byte is. */
static void test_num_buffers(void **state)
{
	(void)state;
	for (unsigned cut = 1; cut <= NET_HDR_LEN; cut++) {
		uint8_t a[NET_HDR_LEN + 4] = { 0 }, b[NET_HDR_LEN + 4] = { 0 };
		uint8_t whole[NET_HDR_LEN] = { [10] = 0x34, [11] = 0x12 };
		struct iovec iov[] = { { a, cut }, { b, sizeof(b) } };

		net_hdr_set_num_buffers(iov, 0x1234);
		assert_memory_equal(a, whole, cut);
		assert_memory_equal(b, whole + cut, NET_HDR_LEN - cut);
		assert_int_equal(b[NET_HDR_LEN - cut], 0);
	}
}

static bool ok(uint8_t flags, uint8_t gso, uint16_t gso_size, uint64_t features)
{
	struct virtio_net_hdr_v1 h = { .flags = flags, .gso_type = gso, .gso_size = gso_size };

	return net_hdr_tx_ok(&h, 1500, features);
}

/*
 * Each kind of unfinished frame needs its feature, a segment size and a checksum to be filled in.
 */
static void test_tx_gso(void **state)
{
	const struct {
		uint8_t type;
		uint64_t feature;
	} kinds[] = {
		{ VIRTIO_NET_HDR_GSO_TCPV4, BIT(HOST_TSO4) },
		{ VIRTIO_NET_HDR_GSO_TCPV6, BIT(HOST_TSO6) },
		{ VIRTIO_NET_HDR_GSO_UDP_L4, BIT(HOST_USO) },
	};

	(void)state;
	for (unsigned i = 0; i < array_size(kinds); i++) {
		uint8_t type = kinds[i].type;

		assert_true(ok(CSUM, type, 1448, BIT(CSUM) | kinds[i].feature));
		assert_false(ok(CSUM, type, 1448, ALL & ~kinds[i].feature));
		assert_false(ok(CSUM, type, 1448, ALL & ~BIT(CSUM)));
		assert_false(ok(CSUM, type, 0, ALL));
		assert_false(ok(0, type, 1448, ALL));
	}
	assert_true(ok(CSUM, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, 1448, ALL));
	assert_false(ok(CSUM, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, 1448,
			ALL & ~BIT(HOST_ECN)));
	assert_false(ok(CSUM, VIRTIO_NET_HDR_GSO_UDP_L4 | VIRTIO_NET_HDR_GSO_ECN, 1448, ALL));
	assert_false(ok(0, VIRTIO_NET_HDR_GSO_ECN, 0, ALL));
	/* UFO is history, the rest never was. */
	assert_false(ok(CSUM, VIRTIO_NET_HDR_GSO_UDP, 1448, ALL));
	assert_false(ok(CSUM, 2, 1448, ALL));
	assert_false(ok(CSUM, 0x7f, 1448, ALL));
}

/* The checksum's place must lie within the frame. */
static void test_tx_csum(void **state)
{
	struct virtio_net_hdr_v1 h = { .flags = CSUM, .csum_start = 34, .csum_offset = 16 };

	(void)state;
	assert_true(net_hdr_tx_ok(&h, 52, BIT(CSUM)));
	assert_false(net_hdr_tx_ok(&h, 51, BIT(CSUM)));
	assert_false(net_hdr_tx_ok(&h, 52, ALL & ~BIT(CSUM)));
	h.csum_start = h.csum_offset = UINT16_MAX;
	assert_false(net_hdr_tx_ok(&h, 65535, ALL));
	h.flags = 0;
	assert_true(net_hdr_tx_ok(&h, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_len),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_get_byte_by_byte),
		cmocka_unit_test(test_num_buffers),
		cmocka_unit_test(test_tx_gso),
		cmocka_unit_test(test_tx_csum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
