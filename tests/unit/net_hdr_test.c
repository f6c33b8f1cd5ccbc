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
#include <sys/mman.h>
#include <unistd.h>

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

/* What is there already is not written: the driver, which reads it, keeps its cache line. */
static void test_num_buffers_there(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *hdr = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t whole[NET_HDR_LEN] = { [10] = 0x34, [11] = 0x12 };
	const struct iovec iov = { hdr, NET_HDR_LEN };

	(void)state;
	assert_ptr_not_equal(hdr, MAP_FAILED);
	/* One byte differs, then the other. */
	hdr[10] = 0x34;
	net_hdr_set_num_buffers(&iov, 0x1234);
	assert_memory_equal(hdr, whole, NET_HDR_LEN);
	hdr[10] = 0x12;
	net_hdr_set_num_buffers(&iov, 0x1234);
	assert_memory_equal(hdr, whole, NET_HDR_LEN);
	assert_int_equal(mprotect(hdr, page, PROT_READ), 0);
	net_hdr_set_num_buffers(&iov, 0x1234);
	munmap(hdr, page);
}

static enum net_hdr_fault judge(uint8_t flags, uint8_t gso, uint16_t gso_size, uint64_t features)
{
	struct virtio_net_hdr_v1 h = { .flags = flags, .gso_type = gso, .gso_size = gso_size };

	return net_hdr_check(&h, 1500, features);
}

/*
 * Each kind of unfinished frame needs its feature, a segment size and a checksum to be filled in;
 * the reason is the right one.
 */
static void test_tx_gso(void **state)
{
	const struct {
		uint8_t type;
		uint64_t feature;
	} kinds[] = {
		{ VIRTIO_NET_HDR_GSO_TCPV4, BIT(HOST_TSO4) },
		{ VIRTIO_NET_HDR_GSO_TCPV6, BIT(HOST_TSO6) },
		{ VIRTIO_NET_HDR_GSO_UDP, BIT(HOST_UFO) },
		{ VIRTIO_NET_HDR_GSO_UDP_L4, BIT(HOST_USO) },
	};

	(void)state;
	for (unsigned i = 0; i < array_size(kinds); i++) {
		uint8_t type = kinds[i].type;

		assert_int_equal(judge(CSUM, type, 1448, BIT(CSUM) | kinds[i].feature), NET_HDR_OK);
		assert_int_equal(judge(CSUM, type, 1448, ALL & ~kinds[i].feature),
				 NET_HDR_GSO_TYPE);
		assert_int_equal(judge(CSUM, type, 1448, ALL & ~BIT(CSUM)), NET_HDR_CSUM);
		assert_int_equal(judge(CSUM, type, 0, ALL), NET_HDR_GSO_SIZE);
		assert_int_equal(judge(0, type, 1448, ALL), NET_HDR_GSO_CSUM);
	}
	for (unsigned type = 0; type < 0x80; type++) {
		if (type > 1 && type != 3 && type != 4 && type != 5)
			assert_int_equal(judge(CSUM, (uint8_t)type, 1448, ALL), NET_HDR_GSO_TYPE);
	}
}

/* ECN goes with TCP only, and is a feature of its own. */
static void test_tx_ecn(void **state)
{
	const uint8_t ecn = VIRTIO_NET_HDR_GSO_ECN;

	(void)state;
	assert_int_equal(judge(CSUM, VIRTIO_NET_HDR_GSO_TCPV4 | ecn, 1448, ALL), NET_HDR_OK);
	assert_int_equal(judge(CSUM, VIRTIO_NET_HDR_GSO_TCPV6 | ecn, 1448, ALL), NET_HDR_OK);
	assert_int_equal(judge(CSUM, VIRTIO_NET_HDR_GSO_TCPV4 | ecn, 1448, ALL & ~BIT(HOST_ECN)),
			 NET_HDR_ECN);
	assert_int_equal(judge(CSUM, VIRTIO_NET_HDR_GSO_UDP_L4 | ecn, 1448, ALL), NET_HDR_ECN);
	assert_int_equal(judge(CSUM, VIRTIO_NET_HDR_GSO_UDP | ecn, 1448, ALL), NET_HDR_ECN);
	assert_int_equal(judge(0, ecn, 0, ALL), NET_HDR_ECN);
}

/* The checksum's place must lie within the frame. */
static void test_tx_csum(void **state)
{
	struct virtio_net_hdr_v1 h = { .flags = CSUM, .csum_start = 34, .csum_offset = 16 };

	(void)state;
	assert_int_equal(net_hdr_check(&h, 52, BIT(CSUM)), NET_HDR_OK);
	assert_int_equal(net_hdr_check(&h, 51, BIT(CSUM)), NET_HDR_CSUM);
	assert_int_equal(net_hdr_check(&h, 52, ALL & ~BIT(CSUM)), NET_HDR_CSUM);
	h.csum_start = h.csum_offset = UINT16_MAX;
	assert_int_equal(net_hdr_check(&h, 65535, ALL), NET_HDR_CSUM);
	h.flags = 0;
	assert_int_equal(net_hdr_check(&h, 0, 0), NET_HDR_OK);
}

/* True: there was garbage; it is gone, and the header is fit to be sent. */
static bool mended(struct virtio_net_hdr_v1 *h, uint32_t len)
{
	struct virtio_net_hdr_v1 was = *h;
	bool garbage = net_hdr_has_garbage(h, len);

	assert_int_equal(net_hdr_check(h, len, ALL), NET_HDR_OK);
	net_hdr_mend(h, len);
	assert_false(net_hdr_has_garbage(h, len));
	assert_int_equal(net_hdr_check(h, len, ALL), NET_HDR_OK);
	assert_int_equal(garbage, memcmp(h, &was, sizeof(was)) != 0);
	return garbage;
}

/* hdr_len is a hint: it costs no frame, and one that cannot be is none. */
static void test_tx_hdr_len(void **state)
{
	static const struct {
		uint16_t said, meant;
	} cases[] = { { 0, 0 },   { 1, 0 },   { 13, 0 },  { 14, 14 },
		      { 54, 54 }, { 99, 99 }, { 100, 0 }, { UINT16_MAX, 0 } };

	(void)state;
	for (unsigned i = 0; i < 2 * array_size(cases); i++) {
		struct virtio_net_hdr_v1 h = { .hdr_len = cases[i / 2].said };

		if (i % 2) {
			h.flags = CSUM;
			h.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
			h.gso_size = 10;
		}
		assert_int_equal(mended(&h, 99), cases[i / 2].said != cases[i / 2].meant);
		assert_int_equal(h.hdr_len, cases[i / 2].meant);
	}
}

/* What means nothing is taken out, what means something stays. */
static void test_tx_mend(void **state)
{
	const struct virtio_net_hdr_v1 good[] = {
		{ 0 },
		{ .hdr_len = 54 },
		{ .flags = CSUM, .csum_start = 34, .csum_offset = 16, .hdr_len = 54 },
		{ .flags = CSUM,
		  .gso_type = VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN,
		  .hdr_len = 74,
		  .gso_size = UINT16_MAX - 1,
		  .csum_start = 54,
		  .csum_offset = 16 },
	};
	struct virtio_net_hdr_v1 h;

	(void)state;
	for (unsigned i = 0; i < array_size(good); i++) {
		h = good[i];
		assert_false(mended(&h, 100));
		h.flags |= (uint8_t)~CSUM;
		assert_true(mended(&h, 100));
		assert_memory_equal(&h, &good[i], sizeof(h));
		assert_int_equal(net_hdr_is_plain(&h), i == 0);
	}
	h = (struct virtio_net_hdr_v1){ .csum_start = 1 };
	assert_true(mended(&h, 100) && net_hdr_is_plain(&h));
	h = (struct virtio_net_hdr_v1){ .csum_offset = 1 };
	assert_true(mended(&h, 100) && net_hdr_is_plain(&h));
	h = (struct virtio_net_hdr_v1){ .gso_size = 1 };
	assert_true(mended(&h, 100) && net_hdr_is_plain(&h));
	h = good[3];
	h.gso_size = UINT16_MAX;
	assert_true(mended(&h, 100));
	assert_memory_equal(&h, &good[3], sizeof(h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_len),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_get_byte_by_byte),
		cmocka_unit_test(test_num_buffers),
		cmocka_unit_test(test_num_buffers_there),
		cmocka_unit_test(test_tx_gso),
		cmocka_unit_test(test_tx_ecn),
		cmocka_unit_test(test_tx_csum),
		cmocka_unit_test(test_tx_hdr_len),
		cmocka_unit_test(test_tx_mend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
