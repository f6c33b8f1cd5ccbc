/* SPDX-License-Identifier: MIT */
/*
 * datapath/iothread.h without a thread: the test makes the turns and owns the clock, so every order
 * of events can be had, and had again. No io_uring, and no promise about real time.
 *
 * Link it in place of datapath/iothread.c. Time stands still within a turn. Kick eventfds (watches
 * with every) and one-shot watches are looked at with poll(2) once a turn; a counter that an
 * every-watch saw is read, so that each write is one event. A job runs when it is posted; waiting
 * for one that has not ended makes turns. What is armed or queued stands in the structs of the
 * caller's (timer.armed, timer.at_ns, work.queued, watch.armed): tests look there.
 */
#ifndef TESTS_UNIT_FAKE_IOTHREAD_H
#define TESTS_UNIT_FAKE_IOTHREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/iothread.h"

#define FAKE_IOTHREAD_NO_TIMER UINT64_MAX

/* One turn: events, due timers, queued work. How many functions were called. */
unsigned fake_iothread_turn(struct iothread *thread);

/* Turns until one has nothing to do; the clock stands. False: still busy after max turns. */
bool fake_iothread_run_until_idle(struct iothread *thread, unsigned max);

/* Let ns go by, with a turn at each timer's time on the way, and none at the end. */
void fake_iothread_advance(struct iothread *thread, uint64_t ns);

/* The thread is held up, also within a turn: ns go by and nothing happens. */
void fake_iothread_hold(struct iothread *thread, uint64_t ns);

/* When the next timer is due, or FAKE_IOTHREAD_NO_TIMER. */
uint64_t fake_iothread_next_timer(const struct iothread *thread);

/* The next turn tells whoever is armed for fd, though nothing may have come. */
void fake_iothread_fire(struct iothread *thread, int fd);

#endif
