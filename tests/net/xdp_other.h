/* SPDX-License-Identifier: MIT */
/*
 * Another's XDP program on NEAR, attached through libxdp's dispatcher. In a file of its own, as
 * libxdp's names for the modes are the backend's. Everything here fails the test that it is used
 * in.
 */
#ifndef TESTS_NET_XDP_OTHER_H
#define TESTS_NET_XDP_OTHER_H

#include <stdbool.h>
#include <stdint.h>

struct other;

/* Ahead of all others: xdp_count.bpf.c, compiled, out of a file. */
struct other *other_attach(const char *file, unsigned ifindex, bool skb);
/* How many frames to the guest it has seen. */
uint64_t other_seen(const struct other *other);
void other_detach(struct other *other);

#endif
