/* SPDX-License-Identifier: MIT */
/*
 * A backend that gives back on each pair what went out on it, unchanged and in order: one copy,
 * guest to guest. It offers no offloads: what the driver left unfinished would come back to it
 * unfinished.
 */
#ifndef DATAPATH_BACKEND_LOOP_H
#define DATAPATH_BACKEND_LOOP_H

#include "datapath/backend.h"

/* A queue holds this many frames and iovecs that have not come back yet, then it is full. */
#define LOOP_FRAMES 256
#define LOOP_IOVS   2048

/* 0 or -ENOMEM. */
int loop_backend_new(struct backend **backend, unsigned n_queues);

#endif
