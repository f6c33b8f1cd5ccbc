/* SPDX-License-Identifier: MIT */
/*
 * What comes out of an interface of this network namespace, as the kernel sees it: frames of one
 * EtherType with their time stamps, and the count of all frames that it has taken in. A tap takes
 * in what its user writes. While no wire is open nobody listens, and the interface is as fast as
 * it is.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An fd to be closed, or a negative errno; -EPERM: needs CAP_NET_RAW and CAP_NET_ADMIN. */
int wire_open(const char *interface, uint16_t ethertype);

/*
 * The next frame and when it came (CLOCK_REALTIME): its length, cut to cap; -EAGAIN: none by now;
 * -ENODATA: it has no time stamp.
 */
ssize_t wire_next(int wire, void *frame, size_t cap, uint64_t *at_ns);

/* Frames that the interface has taken in so far: 0, or -ENODEV. */
int wire_count(const char *interface, uint64_t *frames);

#endif
