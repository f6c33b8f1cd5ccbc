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

#define MAX_RATE   1e8
#define MAX_REPEAT 1000
#define MAX_SEED   100000

const char *const direction_names[] = { "tx", "rx", "rr" };
const char *const load_names[] = { "constant", "poisson", "onoff", "trace", "inflight", "flood" };
const char *const calls_names[] = { "linux", "each", "none" };

enum option_id {
	OPT_SOCKET_PATH = 256,
	OPT_QTEST,
	OPT_MEMORY,
	OPT_PID,
	OPT_WIRE,
	OPT_LABEL,
	OPT_RING_SIZE,
	OPT_PACKED,
	OPT_NO_EVENT_IDX,
	OPT_DIRECTION,
	OPT_LOAD,
	OPT_SIZE,
	OPT_BATCH,
	OPT_CALLS,
	OPT_WATCH,
	OPT_SECONDS,
	OPT_WARM_UP,
	OPT_REPEAT,
	OPT_SEED,
	OPT_LATE_LIMIT,
	OPT_CPU,
	OPT_BACKEND_CPU,
	OPT_SHARE_CPU,
	OPT_NO_SYSCALLS,
	OPT_QUIET,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "socket-path", required_argument, NULL, OPT_SOCKET_PATH },
	{ "qtest", required_argument, NULL, OPT_QTEST },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "pid", required_argument, NULL, OPT_PID },
	{ "wire", required_argument, NULL, OPT_WIRE },
	{ "label", required_argument, NULL, OPT_LABEL },
	{ "ring-size", required_argument, NULL, OPT_RING_SIZE },
	{ "packed", no_argument, NULL, OPT_PACKED },
	{ "no-event-idx", no_argument, NULL, OPT_NO_EVENT_IDX },
	{ "direction", required_argument, NULL, OPT_DIRECTION },
	{ "load", required_argument, NULL, OPT_LOAD },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "batch", required_argument, NULL, OPT_BATCH },
	{ "calls", required_argument, NULL, OPT_CALLS },
	{ "watch", no_argument, NULL, OPT_WATCH },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "warm-up", required_argument, NULL, OPT_WARM_UP },
	{ "repeat", required_argument, NULL, OPT_REPEAT },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "late-limit", required_argument, NULL, OPT_LATE_LIMIT },
	{ "cpu", required_argument, NULL, OPT_CPU },
	{ "backend-cpu", required_argument, NULL, OPT_BACKEND_CPU },
	{ "share-cpu", no_argument, NULL, OPT_SHARE_CPU },
	{ "no-syscalls", no_argument, NULL, OPT_NO_SYSCALLS },
	{ "output", required_argument, NULL, 'o' },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

static void print_help(void)
{
	puts("usage: txbench run TARGET --wire WIRE [option...] [-o FILE]\n"
	     "Plays the driver of a virtio-net device and measures how far its frames get, and "
	     "when.\n"
	     "\n"
	     "target, one of:\n"
	     "  --socket-path PATH  a vhost-user back-end that listens there\n"
	     "  --qtest PATH --memory FILE\n"
	     "                      QEMU's virtio-net-pci without a guest: its qtest socket, and "
	     "the\n"
	     "                      file that is its memory\n"
	     "  --pid N             the back-end's process, default: who made the socket\n"
	     "  --wire WIRE         where frames come out: an interface (the tap, or a veth's "
	     "other\n"
	     "                      end), none, or loop (they come back through the rx ring)\n"
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
	     "  --size SIZE         60 to 1514, imix, or trace; default 64\n"
	     "  --batch N           most frames for one kick, default 64\n"
	     "  --calls C           linux (default), each, none\n"
	     "  --watch             in a flood too: look at each frame on the wire\n"
	     "\n"
	     "measurement:\n"
	     "  --seconds S         of one repetition, default 2, or the trace's length\n"
	     "  --warm-up S         before each, default 0.3\n"
	     "  --repeat N          repetitions, default 5\n"
	     "  --seed N            random moments of the first one, default 0; then N + 1\n"
	     "  --late-limit TIME   how late txbench itself may be at p99, default 10us\n"
	     "  --cpu N             the driver's, default: as inherited\n"
	     "  --backend-cpu N     where the machine's noise is measured, default: the "
	     "back-end's\n"
	     "  --share-cpu         there is one CPU only: yield instead of spinning\n"
	     "  --no-syscalls       do not add a short repetition that counts system calls\n"
	     "  --output, -o FILE   write the result as JSON\n"
	     "  --quiet             no progress, no table\n"
	     "\n"
	     "Times are numbers with ns, us, ms or s. Status 1: the run failed, ended early, or "
	     "does\n"
	     "not count (frames lost, txbench late). Ctrl-C keeps what was measured; status 130.");
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
	char *end;
	long n;

	if (!strcmp(text, "imix")) {
		o->size = SIZE_IMIX;
	} else if (!strcmp(text, "trace")) {
		o->size = SIZE_TRACE;
	} else {
		o->size = SIZE_FIXED;
		n = strtol(text, &end, 10);
		if (end == text || *end || n < LOAD_MIN_SIZE || n > LOAD_MAX_SIZE)
			txbench_die("--size '%s' must be %d to %d bytes, imix, or trace", text,
				    LOAD_MIN_SIZE, LOAD_MAX_SIZE);
		o->size_bytes = (unsigned)n;
	}
}

static void set_wire(struct options *o, const char *text)
{
	o->wire = text;
	o->wire_kind = WIRE_INTERFACE;
	if (!strcmp(text, "none"))
		o->wire_kind = WIRE_NONE;
	else if (!strcmp(text, "loop"))
		o->wire_kind = WIRE_LOOP;
	else if (!*text || strlen(text) >= IF_NAMESIZE || !if_nametoindex(text))
		txbench_die("--wire '%s': no such interface in this network namespace "
			    "(none: frames are not watched; loop: they come back)",
			    text);
}

static int cpu_number(const char *option, const char *text)
{
	long n = parse_number(option, text, 0, CPU_SETSIZE - 1);
	long last = sysconf(_SC_NPROCESSORS_CONF) - 1;

	if (n > last)
		txbench_die("--%s '%s': there are CPUs 0 to %ld", option, text, last);
	return (int)n;
}

/* Three kinds of options. False: it is of another kind. */

static bool set_target(struct options *o, int id, char *value)
{
	switch (id) {
	case OPT_SOCKET_PATH:
		o->socket_path = value;
		break;
	case OPT_QTEST:
		o->qtest = value;
		break;
	case OPT_MEMORY:
		o->memory = value;
		break;
	case OPT_PID:
		o->pid = (pid_t)parse_number("pid", value, 1, INT32_MAX);
		break;
	case OPT_WIRE:
		set_wire(o, value);
		break;
	case OPT_LABEL:
		o->label = value;
		break;
	case OPT_RING_SIZE:
		o->ring_size = (unsigned)parse_number("ring-size", value, 2, VRING_MAX_SIZE);
		break;
	case OPT_PACKED:
		o->packed = true;
		break;
	case OPT_NO_EVENT_IDX:
		o->event_idx = false;
		break;
	default:
		return false;
	}
	return true;
}

static bool set_load_option(struct options *o, int id, char *value)
{
	switch (id) {
	case OPT_DIRECTION:
		o->direction = (enum direction)parse_choice("direction", value, direction_names,
							    array_size(direction_names));
		break;
	case OPT_LOAD:
		set_load(o, value);
		break;
	case OPT_SIZE:
		set_size(o, value);
		break;
	case OPT_BATCH:
		o->batch = (unsigned)parse_number("batch", value, 1, OPTIONS_MAX_BATCH);
		break;
	case OPT_CALLS:
		o->calls = (enum calls)parse_choice("calls", value, calls_names,
						    array_size(calls_names));
		break;
	case OPT_WATCH:
		o->watch = true;
		break;
	default:
		return false;
	}
	return true;
}

static void set_measure(struct options *o, int id, char *value)
{
	char *end;

	switch (id) {
	case OPT_SECONDS:
		o->ns = parse_seconds("seconds", value, 0.001);
		break;
	case OPT_WARM_UP:
		o->warm_up_ns = parse_seconds("warm-up", value, 0);
		break;
	case OPT_REPEAT:
		o->repeat = (unsigned)parse_number("repeat", value, 1, MAX_REPEAT);
		break;
	case OPT_SEED:
		o->seed = (unsigned)parse_number("seed", value, 0, MAX_SEED);
		break;
	case OPT_LATE_LIMIT:
		if (!parse_time(value, &o->late_limit_ns, &end) || *end)
			txbench_die("--late-limit '%s' must be a time like 10us", value);
		break;
	case OPT_CPU:
		o->cpu = cpu_number("cpu", value);
		break;
	case OPT_BACKEND_CPU:
		o->backend_cpu = cpu_number("backend-cpu", value);
		break;
	case OPT_SHARE_CPU:
		o->share_cpu = true;
		break;
	case OPT_NO_SYSCALLS:
		o->syscalls = false;
		break;
	case 'o':
		o->out = value;
		break;
	case OPT_QUIET:
		o->quiet = true;
		break;
	case OPT_HELP:
		print_help();
		exit(EXIT_SUCCESS);
	}
}

/* What goes together. */

static void check_target(const struct options *o)
{
	if (!o->socket_path == !o->qtest)
		txbench_die("a target is needed: --socket-path PATH, or --qtest PATH and --memory "
			    "FILE (see txbench run --help)");
	if (!o->qtest != !o->memory)
		txbench_die("--qtest and --memory go together");
	if (!o->wire)
		txbench_die("--wire is needed: an interface, none or loop");
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
	if (o->watch && o->wire_kind != WIRE_INTERFACE)
		txbench_die("--watch needs an interface to look at: --wire is '%s'", o->wire);
}

void options_parse(struct options *o, int argc, char **argv)
{
	int id;

	*o = (struct options){
		.ring_size = 256,
		.event_idx = true,
		.load = LOAD_POISSON,
		.rate = 1000,
		.size_bytes = 64,
		.batch = 64,
		.warm_up_ns = 300000000,
		.repeat = 5,
		.late_limit_ns = 10000,
		.cpu = -1,
		.backend_cpu = -1,
		.syscalls = true,
		.argc = argc,
		.argv = argv,
	};
	optind = 2;
	opterr = 0;
	while ((id = getopt_long(argc, argv, ":o:", long_options, NULL)) != -1) {
		if (id == ':')
			txbench_die("'%s' needs a value", argv[optind - 1]);
		if (id == '?')
			txbench_die("no such option: '%s' (see txbench run --help)",
				    argv[optind - 1]);
		if (!set_target(o, id, optarg) && !set_load_option(o, id, optarg))
			set_measure(o, id, optarg);
	}
	if (optind < argc)
		txbench_die("'%s' is no option (see txbench run --help)", argv[optind]);
	check_target(o);
	check_load(o);
	if (!o->ns && o->load != LOAD_TRACE)
		o->ns = 2000000000;
	/* Answers are given to what was seen. */
	if (o->wire_kind == WIRE_INTERFACE && o->direction != DIRECTION_RX &&
	    (o->load != LOAD_FLOOD || o->direction == DIRECTION_RR))
		o->watch = true;
}
