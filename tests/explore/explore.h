/* SPDX-License-Identifier: MIT */
/*
 * Runs two programs, the device's side and the driver's side of shared memory, in all orders of
 * their steps, on a machine like x86 (TSO): a store waits in its side's store buffer for any time,
 * a full fence waits until that is empty, a load sees the own buffer first.
 *
 * A step is a load, a flush of the oldest buffered store, a signal, a sleep, or a choice of the
 * program. What a side does without being seen (storing into its buffer, a fence on an empty one)
 * runs together with the step before.
 *
 * Programs are iterations over a private state, without threads or second stacks: to take a step,
 * an iteration is run again from its beginning with the results that its steps had. A state that
 * was seen before (memory, buffers, signals, both private states and results) is not gone into
 * again.
 */
#ifndef TESTS_EXPLORE_EXPLORE_H
#define TESTS_EXPLORE_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum explore_side { EXPLORE_DEVICE, EXPLORE_DRIVER, EXPLORE_SIDES };

/* The two eventfds; numbers, not files. */
enum explore_fd { EXPLORE_KICK, EXPLORE_CALL, EXPLORE_FDS };

struct explore_program {
	void (*iterate)(void); /* again and again, until explore_done() */
	void *state;           /* all that lives from one iteration to the next */
	size_t len;
};

/*
 * What is taken out of the code: in functions whose name contains func, the fence; with recheck,
 * the load behind it sees what that side saw last. func NULL: nothing is.
 */
struct explore_break {
	const char *func;
	bool recheck;
};

#define EXPLORE_MEM_MAX 1024

struct explore {
	uint8_t *mem; /* shared; what loads and stores elsewhere do is private */
	size_t len;   /* at most EXPLORE_MEM_MAX */
	struct explore_program programs[EXPLORE_SIDES];
	struct explore_break brk;
	bool quiet; /* do not print the steps of a finding: it is expected */
};

struct explore_result {
	const char *failure; /* NULL: holds in all orders */
	uint64_t states;
	uint64_t steps;
	double orders; /* interleavings */
};

/*
 * Explore from the present contents of mem and of both states; set the states up anew afterwards. A
 * failure: both sides sleep for ever and the driver is not done, or explore_fail() was called.
 */
void explore_run(const struct explore *e, struct explore_result *result);

/* For programs. */

/* 0 .. n - 1, each in turn. */
unsigned explore_choose(unsigned n);
/* Until fd is signalled. */
void explore_sleep(enum explore_fd fd);
/* The same, or until time goes by, which it may at any moment. True: the signal came. */
bool explore_sleep_or_timer(enum explore_fd fd);
/* Whether fd is signalled; takes the signal. */
bool explore_poll(enum explore_fd fd);
/* This side has nothing more to do; does not return. */
__attribute__((noreturn)) void explore_done(void);
/* The rule that does not hold. */
__attribute__((noreturn)) void explore_fail(const char *what);

#define explore_require(cond) \
	do { \
		if (!(cond)) \
			explore_fail(#cond); \
	} while (0)

#endif
