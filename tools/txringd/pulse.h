/* SPDX-License-Identifier: MIT */
/*
 * Whether the iothreads turn: each is given a job now and then, and one that does not end it stands
 * still. For the watchdog. Control thread only; no call but the last waits.
 */
#ifndef TOOLS_TXRINGD_PULSE_H
#define TOOLS_TXRINGD_PULSE_H

#include <stdbool.h>

#include "datapath/iothread.h"

struct pulse_beat {
	struct iothread_job job;
	struct iothread_batch batch;
	bool posted; /* control thread: it is to be waited for */
	bool ended;  /* set by the iothread */
};

struct pulse {
	struct iothread *const *threads; /* n; borrowed */
	struct pulse_beat *beats;        /* n */
	unsigned n;
};

/* 0, or -ENOMEM. All zero is one of no iothreads. */
int pulse_init(struct pulse *p, struct iothread *const *threads, unsigned n);

/*
 * Whether all iothreads have turned since the last call, which is true of the first one. Asks those
 * that have anew.
 */
bool pulse_check(struct pulse *p);

/* Before the iothreads end. Waits for them. May run twice. */
void pulse_deinit(struct pulse *p);

#endif
