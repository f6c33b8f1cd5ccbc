/* SPDX-License-Identifier: MIT */
/* What `txbench run` was asked to do. Checked: what stands here can be tried. */
#ifndef BENCH_TXBENCH_OPTIONS_H
#define BENCH_TXBENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define OPTIONS_MAX_BATCH 1024

enum direction {
	DIRECTION_TX, /* driver to wire */
	DIRECTION_RX, /* wire to driver */
	DIRECTION_RR, /* out, answered, and back */
};

enum load_kind {
	LOAD_CONSTANT,
	LOAD_POISSON,
	LOAD_ONOFF,
	LOAD_TRACE,
	LOAD_INFLIGHT, /* closed-loop from here on */
	LOAD_FLOOD,
};

enum size_kind {
	SIZE_FIXED,
	SIZE_IMIX,
	SIZE_TRACE,
	SIZE_TCP, /* of a flow; see flow.h */
	SIZE_UDP,
};

enum calls {
	CALLS_LINUX, /* when 3/4 of what is in flight is used */
	CALLS_EACH,
	CALLS_NONE,
};

enum wire_kind {
	WIRE_INTERFACE, /* a tap or one end of a veth */
	WIRE_NONE,      /* the back-end swallows frames */
	WIRE_LOOP,      /* the back-end gives them back through the rx ring */
};

/* Who else wants the back-end's CPU. */
enum state {
	STATE_IDLE,      /* no other process: it halts when the back-end sleeps */
	STATE_SPINNER,   /* a process that gives way to everybody: it never halts */
	STATE_NEIGHBOUR, /* a process with the same right to it */
	STATE_SAME_CPU,  /* the driver, which yields instead of spinning */
};

struct options {
	/* target: one of the first three */
	const char *socket_path; /* vhost-user */
	const char *qtest;       /* QEMU's qtest socket */
	const char *ceiling;     /* the tap of the least possible device */
	const char *memory;      /* of qtest: the file that is QEMU's memory */
	pid_t pid;               /* the back-end; 0: the process that made the socket */
	const char *label;       /* NULL: made of the target */
	enum wire_kind wire_kind;
	const char *wire; /* the interface's name */

	/* ring */
	unsigned ring_size;
	bool packed;
	bool event_idx;

	/* load */
	enum direction direction;
	enum load_kind load;
	double rate; /* frames per second */
	uint64_t on_ns, off_ns;
	unsigned inflight;
	const char *trace;
	enum size_kind size;
	unsigned size_bytes; /* of SIZE_FIXED, SIZE_TCP and SIZE_UDP */
	unsigned batch;      /* most frames for one kick */
	enum calls calls;
	bool watch; /* look at each frame on the wire: always true but in a flood */

	/* measure */
	uint64_t ns;           /* of one repetition; 0: as long as the trace */
	uint64_t warm_up_ns;   /* before each, does not count */
	uint64_t cost_ns;      /* after each repetition, with a closed wire; 0: not */
	uint64_t kick_cost_ns; /* a kick takes so long, at least */
	unsigned repeat;
	unsigned seed; /* of the first repetition's random moments, then one on */
	enum state state;
	int cpu;         /* the driver's; -1: as inherited */
	int backend_cpu; /* the back-end's; it is not moved there; -1: found */
	bool syscalls;   /* count the back-end's in a repetition that is for nothing else */
	bool quiet;      /* no progress and no table */
	const char *out; /* result file, or NULL */

	int argc; /* the command, for the result */
	char **argv;
};

/* Open-loop: frames have a moment at which they are due. */
static inline bool options_open_loop(const struct options *o)
{
	return o->load < LOAD_INFLIGHT;
}

/* Frames are those of a flow, which a device may merge. */
static inline bool options_flow(const struct options *o)
{
	return o->size == SIZE_TCP || o->size == SIZE_UDP;
}

/* The driver is on the back-end's CPU. */
static inline bool options_share_cpu(const struct options *o)
{
	return o->state == STATE_SAME_CPU;
}

/* The kind of target, as in the result file. */
static inline const char *options_target(const struct options *o)
{
	return o->socket_path ? "vhost-user" : o->qtest ? "qtest" : "ceiling";
}

/*
 * argv: the whole command, "txbench run ...". Ends the program with one line on stderr and status 1
 * if the options make no sense, and with status 0 after --help.
 */
void options_parse(struct options *o, int argc, char **argv);

/* The words of the result file. */
extern const char *const direction_names[];
extern const char *const load_names[];
extern const char *const calls_names[];
extern const char *const state_names[];

#endif
