/* SPDX-License-Identifier: MIT */
/*
 * A tap in a network namespace of this process, whose queue both subject and ceiling use, and an
 * AF_PACKET socket that fills it. IPv6 is off: no frame but the bench's own.
 */
#ifndef BENCH_TAPDEV_H
#define BENCH_TAPDEV_H

#include <stdbool.h>
#include <stdint.h>

/* Frames that wait in the tap at most. */
#define TAPDEV_QUEUE 4096

struct tapdev {
	int fd;     /* O_NONBLOCK, with a vnet header */
	int packet; /* of packet_open() */
	char name[16];
};

/* A namespace of our own, before any thread exists. False: errno says why not. */
bool tapdev_enter(void);

void tapdev_init(struct tapdev *t, const char *name);
void tapdev_deinit(struct tapdev *t);

/* Put n <= TAPDEV_QUEUE frames into the tap's queue; how many went in. */
unsigned tapdev_inject(struct tapdev *t, const uint8_t *frame, unsigned len, unsigned n);

/* Frames that were written into the tap so far. */
uint64_t tapdev_written(const struct tapdev *t);

#endif
