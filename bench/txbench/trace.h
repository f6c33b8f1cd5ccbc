/* SPDX-License-Identifier: MIT */
/*
 * Arrival times, and lengths if they are known, from a pcap (libpcap reads it, pcapng too) or from
 * a CSV whose lines are "seconds" or "seconds,bytes". An empty line, one that begins with # and a
 * first line of the names of the columns are passed over.
 */
#ifndef BENCH_TXBENCH_TRACE_H
#define BENCH_TXBENCH_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_frame {
	uint64_t at_ns; /* after the first one; never before the one before */
	uint32_t len;   /* with its Ethernet header; 0: not known */
};

struct trace {
	struct trace_frame *frames;
	size_t n;
	bool sizes; /* all have a length */
};

/*
 * The whole file: 0, or a negative errno and *why (of size bytes) in words, without the file's
 * name: "line 3: ...".
 */
int trace_load(struct trace *t, const char *path, char *why, unsigned size);
/* May run twice. */
void trace_free(struct trace *t);

#endif
