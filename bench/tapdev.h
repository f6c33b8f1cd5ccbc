/* SPDX-License-Identifier: MIT */
/* A tap with a vnet header, one queue of which a child process may inherit. */
#ifndef BENCH_TAPDEV_H
#define BENCH_TAPDEV_H

#define TAPDEV_QUEUE 4096 /* frames that wait in it at most */

struct tapdev {
	int fd; /* O_NONBLOCK, inherited by programs */
};

/* It is up. Dies if it cannot be had. */
void tapdev_init(struct tapdev *t, const char *name);
void tapdev_deinit(struct tapdev *t);

#endif
