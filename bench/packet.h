/* SPDX-License-Identifier: MIT */
/* Frames to measure with, and an AF_PACKET socket that puts them into an interface. */
#ifndef BENCH_PACKET_H
#define BENCH_PACKET_H

#include <stdint.h>

/* A UDP frame of len bytes from somebody to nobody: whoever sees it, drops it. */
void packet_frame(uint8_t *frame, unsigned len);

/* A socket that only sends, past the queueing discipline; to be closed. Dies if there is none. */
int packet_open(const char *interface);
/* Send the frame n times; how many went. */
unsigned packet_send(int fd, const uint8_t *frame, unsigned len, unsigned n);

#endif
