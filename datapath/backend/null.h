/* SPDX-License-Identifier: MIT */
/*
 * A backend that takes every frame, with every offload, and never gives one: the ceiling for
 * benches.
 */
#ifndef DATAPATH_BACKEND_NULL_H
#define DATAPATH_BACKEND_NULL_H

#include "datapath/backend.h"

/* 0 or -ENOMEM. */
int null_backend_new(struct backend **backend, unsigned n_queues);

#endif
