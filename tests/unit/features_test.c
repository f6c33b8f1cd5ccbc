/* SPDX-License-Identifier: MIT */
/* Names of feature bits: what a log line shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "virtio/features.h"

/* The numbers are the specification's, also of bits that the build machine's headers may lack. */
static void test_numbers(void **state)
{
	(void)state;
	assert_int_equal(VIRTIO_NET_F_MRG_RXBUF, 15);
	assert_int_equal(VIRTIO_RING_F_INDIRECT_DESC, 28);
	assert_int_equal(VIRTIO_RING_F_EVENT_IDX, 29);
	assert_int_equal(VIRTIO_F_VERSION_1, 32);
	assert_int_equal(VIRTIO_F_IN_ORDER, 35);
	assert_int_equal(VIRTIO_NET_F_GUEST_USO4, 54);
	assert_int_equal(VIRTIO_NET_F_GUEST_USO6, 55);
	assert_int_equal(VIRTIO_NET_F_HOST_USO, 56);
	assert_true(feature_has(1ULL << 63, 63));
	assert_false(feature_has(~(1ULL << 63), 63));
}

static void test_name(void **state)
{
	(void)state;
	assert_string_equal(features_name(0), "CSUM");
	assert_string_equal(features_name(15), "MRG_RXBUF");
	assert_string_equal(features_name(56), "HOST_USO");
	assert_null(features_name(47));
	assert_null(features_name(64));
	assert_null(features_name(UINT32_MAX));
}

static void test_names(void **state)
{
	char buf[FEATURES_NAMES_LEN];

	(void)state;
	assert_string_equal(features_names(0, buf), "");
	assert_string_equal(features_names(FEATURE(29), buf), "EVENT_IDX");
	assert_string_equal(features_names(FEATURE(32) | FEATURE(47) | FEATURE(0), buf),
			    "CSUM VERSION_1 bit47");
}

/* All 64 names fit into the promised room, the last one whole. */
static void test_all_names_fit(void **state)
{
	char buf[FEATURES_NAMES_LEN];
	size_t len = strlen(features_names(UINT64_MAX, buf));
	unsigned gaps = 0;

	(void)state;
	assert_in_range(len, 64, FEATURES_NAMES_LEN - 2);
	for (size_t i = 0; i < len; i++)
		gaps += buf[i] == ' ';
	assert_int_equal(gaps, 63);
	assert_string_equal(strrchr(buf, ' ') + 1, features_name(63));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_all_names_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
