/* SPDX-License-Identifier: MIT */
/* Frames to measure with, and an AF_PACKET socket that puts them into an interface. */
#ifndef BENCH_PACKET_H
#define BENCH_PACKET_H

#include <stdint.h>

#define PACKET_MAX 1514

/* A frame of len bytes between made-up addresses, which every receiver drops. */
void packet_frame(uint8_t *frame, unsigned len);

/* A socket that only sends, past the queueing discipline; to be closed. Dies if there is none. */
int packet_open(const char *interface);
/* Send the frame n times; how many went. */
unsigned packet_send(int fd, const uint8_t *frame, unsigned len, unsigned n);

#endif
