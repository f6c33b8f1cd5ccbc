/* SPDX-License-Identifier: MIT */
/*
 * libtxring: a virtio-net device over vhost-user, for a program that has its own loop. This is the
 * only header that is installed; docs/library.md says what is promised about it.
 *
 * A card is a device with its backend. Frames move on iothreads, which may be shared by cards. All
 * functions are called on one thread of the program, the card's control thread: it waits until
 * txring_card_fd() is readable, then calls txring_card_dispatch(). None of them waits for a
 * front-end. The library reads no environment, prints nothing and handles no signals.
 *
 * Functions that may fail return 0 or a negative errno; where there is an err, it gets one line of
 * text, without newline, that says what failed.
 */
#ifndef DATAPATH_TXRING_H
#define DATAPATH_TXRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TXRING_ERR_LEN   256
#define TXRING_MAX_PAIRS 128

/* "0.1.0": of the library that runs. */
const char *txring_version(void);

struct txring_iothread;

/*
 * Starts a thread that moves frames; name is at most 15 characters. log gets what goes wrong on it,
 * a line at a time, called on it; it must not wait. NULL: nobody is told. -ENOSYS, -EPERM: the
 * kernel has no io_uring for us. Signals that are not for this thread must be blocked before.
 */
int txring_iothread_new(struct txring_iothread **thread, const char *name,
			void (*log)(void *ctx, const char *line), void *log_ctx);
/* Ends it; no card uses it any more. Takes NULL. */
void txring_iothread_free(struct txring_iothread *thread);

/* A parameter of a tx engine, as txring-engines(7) names it: times in ns, else a number. */
struct txring_param {
	const char *name;
	uint64_t value;
};

/* To be zeroed, but for what is meant otherwise: fields may be added at its end. */
struct txring_card_config {
	size_t size; /* sizeof(struct txring_card_config) */

	/*
	 * Where frames go to and come from: "null", "loop", "tap:NAME", or "tap-fd", which takes
	 * one of fds for each queue pair: copies, yours may be closed once the card is made.
	 */
	const char *backend;
	const int *fds;
	unsigned n_fds;
	unsigned n_pairs; /* queue pairs, 1 .. TXRING_MAX_PAIRS; 0: 1 */

	/* The queue pairs take turns on these; the threads are borrowed until the card is freed. */
	struct txring_iothread *const *threads;
	unsigned n_threads;

	/* When a tx queue runs: NULL is "iothread". A parameter that is not named has its default.
	 */
	const char *engine;
	const struct txring_param *params;
	unsigned n_params;

	uint16_t mtu; /* set for the backend, and offered to the driver; 0: neither */
	bool has_mac; /* tell a front-end that asks that mac is the address */
	uint8_t mac[6];

	/* A line about the card, on the control thread or an iothread: it must not wait. NULL: none
	 */
	void (*log)(void *ctx, const char *line);
	/*
	 * Close fd (-1: none) and unmap len bytes at map (NULL: none), some time. They are a
	 * front-end's, and it may make close() and munmap() wait for as long as it likes. NULL:
	 * both are done at once, on the control thread.
	 */
	void (*release)(void *ctx, int fd, void *map, size_t len);
	void *ctx; /* of log and release */
};

struct txring_card;

/* What cfg points to is needed for this call only, but for the threads. */
int txring_card_new(struct txring_card **card, const struct txring_card_config *cfg,
		    char err[TXRING_ERR_LEN]);
/* Hangs up on the front-end, and takes a socket file away that was made for it. Takes NULL. */
void txring_card_free(struct txring_card *card);

/*
 * Serve the front-ends that connect to path, one after the other, where a socket is made: its mode
 * is by umask. -EADDRINUSE: there is such a file; -EBUSY: the card listens already.
 */
int txring_card_listen(struct txring_card *card, const char *path);
/*
 * Serve the front-end at the other end of fd, a connected unix stream socket, which is the card's
 * from here on, also on failure. -EBUSY: there is a front-end.
 */
int txring_card_attach(struct txring_card *card, int fd);

/* Readable when there is something to do; borrowed. The same for the card's whole life. */
int txring_card_fd(const struct txring_card *card);
/* Do it: a bounded piece of work. Whether a front-end is connected now. */
bool txring_card_dispatch(struct txring_card *card);

/*
 * Whether the card has a link; at first it has. Without, the driver's frames are dropped and
 * counted, and it gets none. A front-end is told if it asked for that (has_mac, BACKEND_REQ).
 */
void txring_card_set_link(struct txring_card *card, bool up);

/* Of the guest's words: TX is what it sends. */
enum txring_direction { TXRING_TX, TXRING_RX };

struct txring_counter {
	const char *name; /* "frames": see docs/library.md */
	const char *unit; /* "frames", "bytes", "events" */
	uint64_t value;   /* since the card was made */
};

/*
 * Copies the counters of a queue, at most n; returns how many there are, 0 for a pair that the card
 * has not. Their names and order stay the same while the program runs. Any thread.
 */
unsigned txring_card_counters(const struct txring_card *card, unsigned pair,
			      enum txring_direction direction, struct txring_counter *counters,
			      unsigned n);

#ifdef __cplusplus
}
#endif

#endif
