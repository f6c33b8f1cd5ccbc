/* SPDX-License-Identifier: MIT */
/*
 * Parses argv into struct options; every refusal is one line that names option, value and what is
 * allowed.
 */
#include "bench/txbench/options.h"

#include <getopt.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/txbench/die.h"
#include "bench/txbench/load.h"
#include "bench/txbench/parse.h"
#include "virtio/base.h"
#include "virtio/vring.h"

#define MAX_RATE      1e8
#define MAX_REPEAT    1000
#define MAX_SEED      100000
#define MAX_KICK_COST 1000000000

const char *const direction_names[] = { "tx", "rx", "rr" };
const char *const load_names[] = { "constant", "poisson", "onoff", "trace", "inflight", "flood" };
const char *const calls_names[] = { "linux", "each", "none" };
const char *const state_names[] = { "idle", "spinner", "neighbour", "same-cpu" };

static const char help[] =
	"usage: txbench run TARGET [--wire WIRE] [option...] [-o FILE]\n"
	"Plays the driver of a virtio-net device and measures how far its frames get, and "
	"when.\n"
	"\n"
	"target, one of:\n"
	"  --socket-path PATH  a vhost-user back-end that listens there\n"
	"  --qtest PATH --memory FILE\n"
	"                      QEMU's virtio-net-pci without a guest: its qtest socket, and "
	"the\n"
	"                      file that is its memory\n"
	"  --ceiling TAP       the least possible device, in txbench itself: a thread that\n"
	"                      writes into that tap; needs --backend-cpu\n"
	"  --pid N             the back-end's process, default: who made the socket\n"
	"  --wire WIRE         where frames come out: an interface (the tap, or a veth's "
	"other\n"
	"                      end), none, or loop (they come back through the rx ring);\n"
	"                      default: the tap of --ceiling\n"
	"  --label TEXT        what to call the run\n"
	"\n"
	"ring:\n"
	"  --ring-size N       default 256\n"
	"  --packed            instead of split\n"
	"  --no-event-idx      without EVENT_IDX\n"
	"\n"
	"load:\n"
	"  --direction D       tx (default), rx, or rr: out, answered at the wire, and back\n"
	"  --load LOAD         constant:RATE, poisson:RATE, onoff:RATE,ON,OFF, trace:FILE,\n"
	"                      inflight:N, flood; default poisson:1000\n"
	"  --size SIZE         60 to 1514, imix, or trace; default 64; tcp:N, udp:N: all "
	"frames\n"
	"                      are of one flow and continue each other; only in a flood\n"
	"  --batch N           most frames for one kick, default 64\n"
	"  --calls C           linux (default), each, none\n"
	"  --watch             in a flood too: look at each frame on the wire\n"
	"\n"
	"measurement:\n"
	"  --seconds S         of one repetition, default 2, or the trace's length\n"
	"  --warm-up S         before each, default 0.3\n"
	"  --repeat N          repetitions, default 5\n"
	"  --seed N            random moments of the first one, default 0; then N + 1\n"
	"  --cost S            then the same load for so long with nobody at the wire: what "
	"it\n"
	"                      costs; default: counted while frames are watched\n"
	"  --kick-cost TIME    a kick takes so long, at least\n"
	"  --state S           idle (default); or on the back-end's CPU: spinner, a process "
	"that\n"
	"                      gives way to everybody; neighbour, one that does not; "
	"same-cpu,\n"
	"                      the driver\n"
	"  --cpu N             the driver's, default: as inherited\n"
	"  --backend-cpu N     the back-end's, default: found\n"
	"  --no-syscalls       do not add a short repetition that counts system calls\n"
	"  --output, -o FILE   write the result as JSON\n"
	"  --quiet             no progress, no table\n"
	"\n"
	"Times are numbers with ns, us, ms or s. Status 1: the run failed, ended early, or "
	"does\n"
	"not count (frames or CPU lost). Ctrl-C keeps what was measured; status 130.";

static void print_help(void)
{
	puts(help);
}

/* Options of several words. */

/* What follows the rate. */
static char *set_rate(struct options *o, const char *text, const char *value)
{
	char *end;

	if (!parse_decimal(value, &o->rate, &end) || !(o->rate >= 0.001 && o->rate <= MAX_RATE))
		txbench_die("--load '%s': RATE must be frames per second, from 0.001 to %g", text,
			    MAX_RATE);
	return end;
}

static void set_onoff(struct options *o, const char *text, const char *value)
{
	char *end = set_rate(o, text, value);

	if (*end != ',' || !parse_time(end + 1, &o->on_ns, &end) || *end != ',' ||
	    !parse_time(end + 1, &o->off_ns, &end) || *end)
		txbench_die("--load '%s' must be onoff:RATE,ON,OFF with times like 1ms", text);
}

static void set_load(struct options *o, const char *text)
{
	size_t len = strcspn(text, ":");
	const char *value = text[len] ? text + len + 1 : "";
	unsigned i;
	char *end;

	for (i = 0; i < array_size(load_names); i++)
		if (strlen(load_names[i]) == len && !strncmp(load_names[i], text, len))
			break;
	o->load = (enum load_kind)i;
	switch (i) {
	case LOAD_CONSTANT:
	case LOAD_POISSON:
		if (*set_rate(o, text, value))
			txbench_die("--load '%s' must be %s:RATE", text, load_names[i]);
		return;
	case LOAD_ONOFF:
		set_onoff(o, text, value);
		return;
	case LOAD_TRACE:
		o->trace = value;
		if (!*value)
			txbench_die("--load '%s' must be trace:FILE, a pcap or a CSV", text);
		return;
	case LOAD_INFLIGHT:
		o->inflight = (unsigned)min_u64(strtoul(value, &end, 10), UINT32_MAX);
		if (*value < '1' || *value > '9' || *end)
			txbench_die("--load '%s' must be inflight:N, N at least 1", text);
		return;
	case LOAD_FLOOD:
		if (!text[len])
			return;
	}
	txbench_die("--load '%s' must be one of: constant:RATE, poisson:RATE, onoff:RATE,ON,OFF, "
		    "trace:FILE, inflight:N, flood",
		    text);
}

static void set_size(struct options *o, const char *text)
{
	const char *bytes;
	char *end;
	long n;

	if (!strcmp(text, "imix")) {
		o->size = SIZE_IMIX;
	} else if (!strcmp(text, "trace")) {
		o->size = SIZE_TRACE;
	} else {
		o->size = !strncmp(text, "tcp:", 4)   ? SIZE_TCP
			  : !strncmp(text, "udp:", 4) ? SIZE_UDP
						      : SIZE_FIXED;
		n = strtol(bytes = text + (options_flow(o) ? 4 : 0), &end, 10);
		if (*bytes < '1' || *bytes > '9' || *end || n < LOAD_MIN_SIZE || n > LOAD_MAX_SIZE)
			txbench_die("--size '%s' must be %d to %d bytes, tcp:BYTES, udp:BYTES, "
				    "imix, or trace",
				    text, LOAD_MIN_SIZE, LOAD_MAX_SIZE);
		o->size_bytes = (unsigned)n;
	}
}

static void set_wire(struct options *o, const char *option, const char *text)
{
	o->wire = text;
	o->wire_kind = WIRE_INTERFACE;
	if (!strcmp(text, "none"))
		o->wire_kind = WIRE_NONE;
	else if (!strcmp(text, "loop"))
		o->wire_kind = WIRE_LOOP;
	else if (!*text || strlen(text) >= IF_NAMESIZE || !if_nametoindex(text))
		txbench_die("--%s '%s': no such interface in this network namespace "
			    "(none: frames are not watched; loop: they come back)",
			    option, text);
}

static void set_kick_cost(struct options *o, const char *text)
{
	char *end;

	if (!parse_time(text, &o->kick_cost_ns, &end) || *end || o->kick_cost_ns > MAX_KICK_COST)
		txbench_die("--kick-cost '%s' must be a time like 4us, at most 1s", text);
}

static void set_wire_option(struct options *o, const char *text)
{
	set_wire(o, "wire", text);
}

static int cpu_number(const char *option, const char *text)
{
	long n = parse_number(option, text, 0, CPU_SETSIZE - 1);
	long last = sysconf(_SC_NPROCESSORS_CONF) - 1;

	if (n > last)
		txbench_die("--%s '%s': there are CPUs 0 to %ld", option, text, last);
	return (int)n;
}

/* All options. What an option is, and where in struct options its value goes. */

enum kind {
	KIND_ON, /* no value from here on */
	KIND_OFF,
	KIND_HELP,
	KIND_TEXT, /* a value from here on */
	KIND_NUMBER,
	KIND_SECONDS,
	KIND_CHOICE,
	KIND_CPU,
	KIND_OTHER,
};

#define AT(member)            .at = offsetof(struct options, member)
#define CHOICE(member, names) KIND_CHOICE, AT(member), .choices = names, .max = array_size(names)

static const struct setting {
	const char *name;
	enum kind kind;
	size_t at;
	long min, max; /* seconds: min in ms; a choice: max names */
	const char *const *choices;
	void (*set)(struct options *o, const char *text);
} settings[] = {
	{ "socket-path", KIND_TEXT, AT(socket_path) },
	{ "qtest", KIND_TEXT, AT(qtest) },
	{ "memory", KIND_TEXT, AT(memory) },
	{ "ceiling", KIND_TEXT, AT(ceiling) },
	{ "pid", KIND_NUMBER, AT(pid), .min = 1, .max = INT32_MAX },
	{ "wire", KIND_OTHER, .set = set_wire_option },
	{ "label", KIND_TEXT, AT(label) },
	{ "ring-size", KIND_NUMBER, AT(ring_size), .min = 2, .max = VRING_MAX_SIZE },
	{ "packed", KIND_ON, AT(packed) },
	{ "no-event-idx", KIND_OFF, AT(event_idx) },
	{ "direction", CHOICE(direction, direction_names) },
	{ "load", KIND_OTHER, .set = set_load },
	{ "size", KIND_OTHER, .set = set_size },
	{ "batch", KIND_NUMBER, AT(batch), .min = 1, .max = OPTIONS_MAX_BATCH },
	{ "calls", CHOICE(calls, calls_names) },
	{ "watch", KIND_ON, AT(watch) },
	{ "seconds", KIND_SECONDS, AT(ns), .min = 1 },
	{ "warm-up", KIND_SECONDS, AT(warm_up_ns), .min = 0 },
	{ "cost", KIND_SECONDS, AT(cost_ns), .min = 1 },
	{ "kick-cost", KIND_OTHER, .set = set_kick_cost },
	{ "repeat", KIND_NUMBER, AT(repeat), .min = 1, .max = MAX_REPEAT },
	{ "seed", KIND_NUMBER, AT(seed), .min = 0, .max = MAX_SEED },
	{ "state", CHOICE(state, state_names) },
	{ "cpu", KIND_CPU, AT(cpu) },
	{ "backend-cpu", KIND_CPU, AT(backend_cpu) },
	{ "no-syscalls", KIND_OFF, AT(syscalls) },
	{ "output", KIND_TEXT, AT(out) },
	{ "quiet", KIND_ON, AT(quiet) },
	{ "help", .kind = KIND_HELP },
};

_Static_assert(sizeof(enum direction) == sizeof(int) && sizeof(pid_t) == sizeof(int),
	       "numbers and choices are stored as an int");

static void set(struct options *o, const struct setting *s, const char *value)
{
	void *to = (char *)o + s->at;

	switch (s->kind) {
	case KIND_ON:
	case KIND_OFF:
		*(bool *)to = s->kind == KIND_ON;
		break;
	case KIND_HELP:
		print_help();
		exit(EXIT_SUCCESS);
	case KIND_TEXT:
		*(const char **)to = value;
		break;
	case KIND_NUMBER:
		*(int *)to = (int)parse_number(s->name, value, s->min, s->max);
		break;
	case KIND_SECONDS:
		*(uint64_t *)to = parse_seconds(s->name, value, (double)s->min / 1e3);
		break;
	case KIND_CHOICE:
		*(unsigned *)to = parse_choice(s->name, value, s->choices, (unsigned)s->max);
		break;
	case KIND_CPU:
		*(int *)to = cpu_number(s->name, value);
		break;
	case KIND_OTHER:
		s->set(o, value);
		break;
	}
}

static void read_arguments(struct options *o, int argc, char **argv)
{
	struct option list[array_size(settings) + 1] = { 0 };
	int id, at = -1;

	for (unsigned i = 0; i < array_size(settings); i++) {
		list[i].name = settings[i].name;
		list[i].has_arg = settings[i].kind >= KIND_TEXT;
	}
	optind = 2;
	opterr = 0;
	while ((id = getopt_long(argc, argv, ":o:", list, &at)) != -1) {
		if (id == ':')
			txbench_die("'%s' needs a value", argv[optind - 1]);
		if (id == '?')
			txbench_die("no such option: '%s' (see txbench run --help)",
				    argv[optind - 1]);
		if (id == 'o')
			o->out = optarg;
		else
			set(o, &settings[at], optarg);
	}
	if (optind < argc)
		txbench_die("'%s' is no option (see txbench run --help)", argv[optind]);
}

/* What goes together. */

static void check_target(const struct options *o)
{
	if (!!o->socket_path + !!o->qtest + !!o->ceiling != 1)
		txbench_die("one target is needed: --socket-path PATH, --qtest PATH and --memory "
			    "FILE, or --ceiling TAP (see txbench run --help)");
	if (!o->qtest != !o->memory)
		txbench_die("--qtest and --memory go together");
	if (!o->wire)
		txbench_die("--wire is needed: an interface, none or loop");
	if (o->ceiling && (o->packed || !o->event_idx || o->direction != DIRECTION_TX))
		txbench_die("--ceiling '%s' has a split ring with EVENT_IDX and sends only: not "
			    "with --packed, --no-event-idx or --direction %s",
			    o->ceiling, direction_names[o->direction]);
	if (o->ceiling && o->backend_cpu < 0)
		txbench_die("--ceiling '%s' needs --backend-cpu: where its thread is", o->ceiling);
	if (!o->packed && o->ring_size & (o->ring_size - 1))
		txbench_die("--ring-size '%u' must be a power of two, or --packed", o->ring_size);
}

static void check_load(const struct options *o)
{
	if (o->direction != DIRECTION_TX && o->wire_kind == WIRE_NONE)
		txbench_die("--direction %s needs a wire: --wire must be an interface or loop",
			    direction_names[o->direction]);
	if (o->load == LOAD_INFLIGHT && o->inflight > o->ring_size)
		txbench_die("--load 'inflight:%u': the ring has %u entries (--ring-size)",
			    o->inflight, o->ring_size);
	if (o->size == SIZE_TRACE && o->load != LOAD_TRACE)
		txbench_die("--size 'trace' needs --load trace:FILE");
	if (o->calls == CALLS_EACH && o->direction == DIRECTION_RX && o->wire_kind != WIRE_LOOP)
		txbench_die("--calls 'each' is of the tx ring: not with --direction rx");
	if (o->cost_ns && o->direction == DIRECTION_RR)
		txbench_die("--cost is not for --direction rr: answers are given to what is seen "
			    "at the wire");
	if (options_flow(o) && (o->load != LOAD_FLOOD || o->direction != DIRECTION_TX || o->watch ||
				o->wire_kind == WIRE_LOOP))
		txbench_die("--size '%s:%u': several frames may leave as one, so single ones are "
			    "not seen: only with --load flood, --direction tx, without --watch and "
			    "with a wire that is an interface or none",
			    o->size == SIZE_TCP ? "tcp" : "udp", o->size_bytes);
	if (o->watch && o->wire_kind != WIRE_INTERFACE)
		txbench_die("--watch needs an interface to look at: --wire is '%s'", o->wire);
}

void options_parse(struct options *o, int argc, char **argv)
{
	*o = (struct options){
		.ring_size = 256,
		.event_idx = true,
		.load = LOAD_POISSON,
		.rate = 1000,
		.size_bytes = 64,
		.batch = 64,
		.warm_up_ns = 300000000,
		.repeat = 5,
		.cpu = -1,
		.backend_cpu = -1,
		.syscalls = true,
		.argc = argc,
		.argv = argv,
	};
	read_arguments(o, argc, argv);
	if (o->ceiling && !o->wire)
		set_wire(o, "ceiling", o->ceiling);
	check_target(o);
	check_load(o);
	if (!o->ns && o->load != LOAD_TRACE)
		o->ns = 2000000000;
	/* Answers are given to what was seen. */
	if (o->wire_kind == WIRE_INTERFACE && o->direction != DIRECTION_RX &&
	    (o->load != LOAD_FLOOD || o->direction == DIRECTION_RR))
		o->watch = true;
}
