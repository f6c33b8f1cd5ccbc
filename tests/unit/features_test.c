/* SPDX-License-Identifier: MIT */
/* Names of feature bits, what a log line shows; and what contradicts each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "virtio/base.h"
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

#define BIT(name) FEATURE(VIRTIO_NET_F_##name)

/* Each feature is fine with what it needs, and named with it when that lacks. */
static void test_check(void **state)
{
	static const struct {
		uint64_t features;
		uint64_t needs; /* any of them */
		const char *why;
	} rules[] = {
		{ BIT(GUEST_TSO4), BIT(GUEST_CSUM), "GUEST_TSO4 without GUEST_CSUM" },
		{ BIT(GUEST_TSO6), BIT(GUEST_CSUM), "GUEST_TSO6 without GUEST_CSUM" },
		{ BIT(GUEST_ECN), BIT(GUEST_TSO4) | BIT(GUEST_TSO6),
		  "GUEST_ECN without GUEST_TSO4 or GUEST_TSO6" },
		{ BIT(GUEST_UFO), BIT(GUEST_CSUM), "GUEST_UFO without GUEST_CSUM" },
		{ BIT(GUEST_USO4), BIT(GUEST_CSUM), "GUEST_USO4 without GUEST_CSUM" },
		{ BIT(GUEST_USO6), BIT(GUEST_CSUM), "GUEST_USO6 without GUEST_CSUM" },
		{ BIT(HOST_TSO4), BIT(CSUM), "HOST_TSO4 without CSUM" },
		{ BIT(HOST_TSO6), BIT(CSUM), "HOST_TSO6 without CSUM" },
		{ BIT(HOST_ECN), BIT(HOST_TSO4) | BIT(HOST_TSO6),
		  "HOST_ECN without HOST_TSO4 or HOST_TSO6" },
		{ BIT(HOST_UFO), BIT(CSUM), "HOST_UFO without CSUM" },
		{ BIT(HOST_USO), BIT(CSUM), "HOST_USO without CSUM" },
		{ BIT(RSC_EXT), BIT(HOST_TSO4) | BIT(HOST_TSO6),
		  "RSC_EXT without HOST_TSO4 or HOST_TSO6" },
		{ FEATURE(VIRTIO_F_RING_PACKED), FEATURE(VIRTIO_F_VERSION_1),
		  "RING_PACKED without VERSION_1" },
		{ FEATURE(VIRTIO_F_IN_ORDER), FEATURE(VIRTIO_F_VERSION_1),
		  "IN_ORDER without VERSION_1" },
	};
	const uint64_t base = BIT(CSUM) | BIT(GUEST_CSUM) | FEATURE(VIRTIO_F_VERSION_1);
	char why[FEATURES_NAMES_LEN];

	(void)state;
	for (unsigned i = 0; i < array_size(rules); i++) {
		assert_false(features_check(rules[i].features, why));
		assert_string_equal(why, rules[i].why);
		/* All but what it needs is no help. */
		assert_false(features_check(~rules[i].needs, why));
		assert_non_null(strstr(why, rules[i].why));
		for (unsigned bit = 0; bit < 64; bit++) {
			if (feature_has(rules[i].needs, bit))
				assert_true(features_check(rules[i].features | FEATURE(bit) | base,
							   why));
		}
	}
}

/* Nothing at all, everything, what a legacy driver and what a modern one takes: all fine. */
static void test_check_good(void **state)
{
	char why[FEATURES_NAMES_LEN];

	(void)state;
	assert_true(features_check(0, why));
	assert_string_equal(why, "");
	assert_true(features_check(UINT64_MAX, why));
	assert_true(features_check(FEATURES_RING, why));
	assert_true(features_check(BIT(MRG_RXBUF) | BIT(MQ), why));
	assert_true(features_check(BIT(CSUM) | FEATURES_HOST_TSO | BIT(GUEST_CSUM) |
					   FEATURES_GUEST_LARGE | FEATURE(VIRTIO_F_ANY_LAYOUT) |
					   FEATURE(VIRTIO_RING_F_EVENT_IDX),
				   why));
}

/* All that can be wrong at once fits into the promised room. */
static void test_check_all(void **state)
{
	char why[FEATURES_NAMES_LEN];
	uint64_t roots = BIT(CSUM) | BIT(GUEST_CSUM) | FEATURE(VIRTIO_F_VERSION_1);

	(void)state;
	assert_false(features_check(~roots, why));
	assert_true(strlen(why) < FEATURES_NAMES_LEN - 2);
	assert_non_null(strstr(why, "GUEST_TSO4 without GUEST_CSUM, GUEST_TSO6 without"));
	assert_non_null(strstr(why, ", IN_ORDER without VERSION_1"));
}

/* What goes takes with it what needs it; what does not contradict stays. */
static void test_prune(void **state)
{
	char why[FEATURES_NAMES_LEN];
	uint64_t good = BIT(MRG_RXBUF) | BIT(GUEST_CSUM) | BIT(GUEST_TSO4) |
			FEATURE(VIRTIO_F_VERSION_1);

	(void)state;
	assert_int_equal(features_prune(good, why), good);
	assert_string_equal(why, "");
	assert_int_equal(features_prune(good | FEATURES_HOST_TSO, why), good);
	assert_non_null(strstr(why, "HOST_TSO4 without CSUM"));
	assert_int_equal(features_prune(FEATURE(VIRTIO_F_IN_ORDER), why),
			 FEATURE(VIRTIO_F_IN_ORDER));
}

/* Names as they stand in the log, in any case; nothing else, and then nothing changes. */
static void test_parse(void **state)
{
	static const char *const bad[] = { "",        "MQ,", ",MQ", "MQ,,CSUM",
					   "MQ CSUM", "MQX", "M",   "bit47" };
	char why[FEATURES_NAMES_LEN], all[FEATURES_NAMES_LEN];
	uint64_t features = 0, named = 0;
	unsigned i;

	(void)state;
	assert_true(features_parse("RING_PACKED,mq", &features, why));
	assert_int_equal(features, FEATURE(VIRTIO_F_RING_PACKED) | BIT(MQ));
	assert_true(features_parse("CSUM", &features, why));
	assert_int_equal(features, BIT(CSUM));
	for (i = 0; i < array_size(bad); i++) {
		assert_false(features_parse(bad[i], &features, why));
		assert_int_equal(features, BIT(CSUM));
		assert_non_null(strstr(why, "is no name of a feature"));
	}
	assert_false(features_parse("MQ,RING_PACKD", &features, why));
	assert_string_equal(why, "'RING_PACKD' is no name of a feature");
	for (i = 0; i < 64; i++)
		named |= features_name(i) ? FEATURE(i) : 0;
	features_names(named, all);
	for (i = 0; all[i]; i++)
		all[i] = all[i] == ' ' ? ',' : all[i];
	assert_true(features_parse(all, &features, why));
	assert_int_equal(features, named);
}

/* What is offered on request only is not among what is always offered. */
static void test_on_request(void **state)
{
	(void)state;
	assert_int_equal(FEATURES_ON_REQUEST & FEATURES_RING, 0);
	assert_true(feature_has(FEATURES_ON_REQUEST, VIRTIO_F_RING_RESET));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),   cmocka_unit_test(test_name),
		cmocka_unit_test(test_names),     cmocka_unit_test(test_all_names_fit),
		cmocka_unit_test(test_check),     cmocka_unit_test(test_check_good),
		cmocka_unit_test(test_check_all), cmocka_unit_test(test_prune),
		cmocka_unit_test(test_parse),     cmocka_unit_test(test_on_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
