/* SPDX-License-Identifier: MIT */
/*
 * The contract of a tx engine: it decides when a tx queue runs, and does nothing else.
 *
 * An engine is a pure state machine. It hears what happened (enum tx_event) and what the queue
 * looks like (struct tx_view), and answers when the queue shall run next (struct tx_plan). It has
 * no clock, no thread, no ring and no I/O: the same object code runs in the daemon, in unit tests
 * and in a simulator. The queue (queue.h) carries plans out, and sees to it that whatever an engine
 * plans, no frame waits for ever and no other queue of the iothread starves.
 *
 * The rules that the queue keeps:
 *  - an engine hears TX_START before anything else, also one that takes over a running queue;
 *  - to sleep is to arm the driver's notifications and look again; frames that are found then are
 *    sent at once, and the engine hears of that run as TX_RECHECKED;
 *  - a plan replaces the one before it;
 *  - a plan that makes no sense is counted in unsafe_plans and mended: an unknown when is made
 *    TX_ON_KICK, so that no plan sleeps with neither notifications nor a timer; a burst is brought
 *    into 1 .. TX_BURST_MAX; TX_AT, also when it is put off again and again, ends TX_WAIT_MAX_NS
 *    after the first one since the last run;
 *  - TX_AT at a time gone by is TX_SOON;
 *  - a run is at most burst frames, and other queues of the iothread get their turn between two. It
 *    may take several turns itself, if its frames are long: the engine hears nothing before it is
 *    over, not even kicks;
 *  - while the backend is full the engine hears nothing; then TX_WRITABLE comes.
 */
#ifndef DATAPATH_TX_ENGINE_H
#define DATAPATH_TX_ENGINE_H

#include <stdint.h>

#define TX_ENGINE_ABI 1

#define TX_BURST_MAX   65535
#define TX_WAIT_MAX_NS 1000000000

enum tx_event {
	TX_START,     /* the queue starts, goes on, or has a new engine; pending is fresh */
	TX_KICK,      /* the driver kicked */
	TX_TIMER,     /* the time of a TX_AT plan has come */
	TX_RAN,       /* a run ended, see stop */
	TX_RECHECKED, /* likewise, of a run that the look before going to sleep caused */
	TX_WRITABLE,  /* the backend was full and takes frames again */
};

/* Why a run ended. */
enum tx_stop {
	TX_STOP_EMPTY, /* the ring is drained */
	TX_STOP_BURST, /* burst frames were sent; there may be more */
	TX_STOP_FULL,  /* the backend took no more: the plan waits for TX_WRITABLE */
};

struct tx_view {
	uint64_t now_ns;   /* monotonic */
	uint32_t sent;     /* TX_RAN, TX_RECHECKED: frames of this run, dropped ones included */
	enum tx_stop stop; /* TX_RAN, TX_RECHECKED */
	uint32_t pending;  /* frames seen waiting, there may be more; packed: 1 means some */
	uint32_t ring_size;
};

enum tx_when {
	TX_ON_KICK, /* sleep until the driver kicks (notifications on) */
	TX_SOON,    /* run after the others had their turn (notifications off) */
	TX_NOW, /* run here and now (notifications off); as TX_SOON after TX_RAN and TX_RECHECKED */
	TX_AT,  /* run at at_ns (notifications off: only a driver out of room still kicks) */
};

struct tx_plan {
	enum tx_when when;
	uint64_t at_ns; /* TX_AT */
	uint32_t burst; /* most frames of the next run, 1 .. TX_BURST_MAX */
};

/*
 * A parameter as the user writes it: --txmode timer,delay=150us. Values are integers in the unit
 * named.
 */
struct tx_param {
	const char *name;
	const char *unit; /* "ns" (the user may write ns, us, ms), "frames" */
	const char *help;
	uint64_t min;
	uint64_t max;
	uint64_t def;
};

#define TX_ENGINE_MAX_PARAMS 8
#define TX_ENGINE_MAX_STATE  256

struct tx_engine {
	const char *name;
	const char *alias; /* or NULL */
	const char *help;
	unsigned abi;      /* TX_ENGINE_ABI */
	unsigned n_params; /* at most TX_ENGINE_MAX_PARAMS */
	const struct tx_param *params;
	unsigned state_size; /* bytes, at most TX_ENGINE_MAX_STATE; aligned to 16, zeroed */
	/* values: one per parameter, in range. Cannot fail. */
	void (*init)(void *state, const uint64_t *values);
	struct tx_plan (*plan)(void *state, enum tx_event event, const struct tx_view *view);
};

/* An engine with the values of its parameters, as parsed from a txmode. */
struct tx_mode {
	const struct tx_engine *engine;
	uint64_t values[TX_ENGINE_MAX_PARAMS];
};

extern const struct tx_engine bh_tx_engine;
extern const struct tx_engine timer_tx_engine;
extern const struct tx_engine poll_tx_engine;

#endif
