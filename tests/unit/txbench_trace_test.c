/* SPDX-License-Identifier: MIT */
/* bench/txbench/trace.h: what is read of a pcap and of a CSV, and how a file that is neither is
 * refused: by a line or packet number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/txbench/trace.h"

static char path[] = "/tmp/txbench_trace_test.XXXXXX";
static char why[400];
static struct trace trace;

/* The trace of a file with these bytes. */
static int load(const void *bytes, size_t len)
{
	int fd, err;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
	memset(why, 0, sizeof(why));
	err = trace_load(&trace, path, why, sizeof(why));
	unlink(path);
	return err;
}

static int load_text(const char *text)
{
	return load(text, strlen(text));
}

static void refuses(const char *text, const char *word)
{
	assert_true(load_text(text) < 0);
	if (!strstr(why, word))
		fail_msg("'%s' has no word of '%s'", why, word);
	assert_null(strchr(why, '\n'));
	assert_null(trace.frames);
}

/* From the first frame on, to the nanosecond also where the clock is an epoch's. */
static void test_csv_times(void **state)
{
	(void)state;
	assert_int_equal(load_text("1700000000.000000001\n\n1700000000.000000002\n"
				   "# later\n1700000001.5\n1700000002\r\n"),
			 0);
	assert_int_equal(trace.n, 4);
	assert_int_equal(trace.frames[0].at_ns, 0);
	assert_int_equal(trace.frames[1].at_ns, 1);
	assert_int_equal(trace.frames[2].at_ns, 1499999999);
	assert_int_equal(trace.frames[3].at_ns, 1999999999);
	assert_false(trace.sizes);
	trace_free(&trace);
	assert_int_equal(load_text("1e-6\n2.5E-6\n.5\n"), 0);
	assert_int_equal(trace.frames[1].at_ns, 1500);
	assert_int_equal(trace.frames[2].at_ns, 499999000);
	trace_free(&trace);
}

/* Lengths count only if all frames have one. */
static void test_csv_sizes(void **state)
{
	(void)state;
	assert_int_equal(load_text("seconds,bytes\n0,64\n0.1, 1514 \n"), 0);
	assert_true(trace.sizes);
	assert_int_equal(trace.frames[0].len, 64);
	assert_int_equal(trace.frames[1].len, 1514);
	trace_free(&trace);
	assert_int_equal(load_text("0,64\n1\n"), 0);
	assert_false(trace.sizes);
	trace_free(&trace);
}

static void test_csv_bad(void **state)
{
	(void)state;
	refuses("", "no frame");
	refuses("# nothing\n", "no frame");
	refuses("0\n1\nhello\n", "line 3");
	refuses("0\nseconds\n", "line 2");
	refuses("-1\n", "line 1");
	refuses("nan\n", "line 1");
	refuses("0x10\n", "line 1");
	refuses("1e99\n", "line 1");
	refuses("0,\n", "line 1");
	refuses("0,0\n", "line 1");
	refuses("0,65536\n", "line 1");
	refuses("0,64,1\n", "line 1");
	refuses("0 64\n", "line 1");
	refuses("1\n0.5\n", "line 2");
	refuses("0\n86401\n", "line 2");
	refuses("\177ELF\2\1\1\n", "'?ELF");
}

/* There is no file, or none to be read. */
static void test_no_file(void **state)
{
	(void)state;
	assert_int_equal(trace_load(&trace, "/nonexistent/trace", why, sizeof(why)), -2);
	assert_non_null(strstr(why, "No such file"));
	assert_true(trace_load(&trace, "/", why, sizeof(why)) < 0);
	trace_free(&trace);
	trace_free(&trace);
}

/* pcap. */

struct packet {
	uint32_t sec, fraction, captured, len;
	uint8_t data[4];
};

static int load_pcap(uint32_t magic, uint32_t linktype, const struct packet *p, unsigned n,
		     size_t cut)
{
	struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, accuracy, snaplen, linktype;
		struct packet packets[4];
	} file = { magic, 2, 4, 0, 0, 65535, linktype, { { 0 } } };

	memcpy(file.packets, p, n * sizeof(*p));
	return load(&file, 24 + n * sizeof(*p) - cut);
}

static const struct packet packets[] = { { 100, 500000, 4, 1514, { 0 } },
					 { 100, 500001, 4, 60, { 0 } },
					 { 101, 0, 4, 9000, { 0 } } };

/* Both precisions. The length is the frame's, not what was captured of it. */
static void test_pcap(void **state)
{
	(void)state;
	assert_int_equal(load_pcap(0xa1b2c3d4, 1, packets, 3, 0), 0);
	assert_int_equal(trace.n, 3);
	assert_int_equal(trace.frames[1].at_ns, 1000);
	assert_int_equal(trace.frames[2].at_ns, 500000000);
	assert_int_equal(trace.frames[0].len, 1514);
	assert_int_equal(trace.frames[2].len, 9000);
	assert_true(trace.sizes);
	trace_free(&trace);
	assert_int_equal(load_pcap(0xa1b23c4d, 1, packets, 3, 0), 0);
	assert_int_equal(trace.frames[1].at_ns, 1);
	trace_free(&trace);
}

/* Of another link type the times are good, the lengths not: they have no Ethernet header. */
static void test_pcap_raw_ip(void **state)
{
	(void)state;
	assert_int_equal(load_pcap(0xa1b2c3d4, 101, packets, 3, 0), 0);
	assert_false(trace.sizes);
	trace_free(&trace);
}

static void test_pcap_bad(void **state)
{
	const struct packet back[] = { packets[0], packets[2], packets[1] };

	(void)state;
	assert_true(load_pcap(0xa1b2c3d4, 1, back, 3, 0) < 0);
	assert_non_null(strstr(why, "packet 3"));
	assert_true(load_pcap(0xa1b2c3d4, 1, packets, 3, 2) < 0);
	assert_non_null(strstr(why, "packet 2"));
	assert_true(load_pcap(0xa1b2c3d4, 1, packets, 0, 8) < 0);
	assert_non_null(strstr(why, "pcap"));
	assert_true(load_pcap(0xa1b2c3d4, 1, packets, 0, 0) < 0);
	assert_non_null(strstr(why, "no frame"));
	assert_null(trace.frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv_times), cmocka_unit_test(test_csv_sizes),
		cmocka_unit_test(test_csv_bad),   cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_pcap),      cmocka_unit_test(test_pcap_raw_ip),
		cmocka_unit_test(test_pcap_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
