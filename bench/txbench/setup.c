/* SPDX-License-Identifier: MIT */
/* What was run, on what: contracts in setup.h. */
#include "bench/txbench/setup.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "bench/txbench/commit.h"
#include "bench/txbench/host.h"
#include "bench/txbench/value.h"
#include "tools/version.h"
#include "virtio/features.h"

#define COMMAND_CAP 4096
#define CPUS_CAP    1024

json_t *setup_command(const struct options *o)
{
	json_t *list = json_array();

	for (int i = 0; i < o->argc; i++)
		json_array_append_new(list, value_text(o->argv[i]));
	return list;
}

static json_t *command_of_pid(pid_t pid)
{
	static char args[COMMAND_CAP];
	size_t len = host_command(pid, args, sizeof(args));
	json_t *list = len ? json_array() : json_null();

	for (size_t at = 0; at < len; at += strlen(args + at) + 1)
		json_array_append_new(list, args[at] ? value_text(args + at) : json_string(""));
	return list;
}

/* The value of an option in a command line, as "--name value" or "--name=value"; or NULL. */
static const char *argument(const char *args, size_t len, const char *name)
{
	size_t at, next, name_len = strlen(name);

	for (at = 0; at < len; at = next) {
		next = at + strlen(args + at) + 1;
		if (strncmp(args + at, name, name_len))
			continue;
		if (args[at + name_len] == '=')
			return args + at + name_len + 1;
		if (!args[at + name_len] && next < len)
			return args + next;
	}
	return NULL;
}

const char *setup_label(const struct run_result *r, char label[SETUP_LABEL_LEN])
{
	static char args[COMMAND_CAP];
	size_t len = host_command(r->port->who.pid, args, sizeof(args));
	const char *slash = len ? strrchr(args, '/') : NULL;
	const char *mode = argument(args, len, "--txmode");

	if (r->options->label)
		snprintf(label, SETUP_LABEL_LEN, "%s", r->options->label);
	else if (!len || r->options->ceiling)
		snprintf(label, SETUP_LABEL_LEN, "%s", options_target(r->options));
	else
		snprintf(label, SETUP_LABEL_LEN, "%.40s%s%.30s", slash ? slash + 1 : args,
			 mode ? " " : "", mode ? mode : "");
	return label;
}

static json_t *features_of(uint64_t features)
{
	json_t *list = json_array();
	char name[16];

	for (unsigned bit = 0; bit < 64; bit++) {
		if (!feature_has(features, bit))
			continue;
		snprintf(name, sizeof(name), "bit%u", bit);
		json_array_append_new(list,
				      json_string(features_name(bit) ? features_name(bit) : name));
	}
	return list;
}

static json_t *wire_kind_of(const struct options *o)
{
	char kind[32] = "";

	if (o->wire_kind == WIRE_NONE)
		return json_string("none");
	if (o->wire_kind == WIRE_LOOP)
		return json_string("loop");
	host_interface_kind(o->wire, kind, sizeof(kind));
	return value_text(kind);
}

json_t *setup_target(const struct run_result *r)
{
	const struct options *o = r->options;

	return json_pack("{s:s, s:o, s:o, s:o, s:s, s:i, s:o, s:o}", "kind", options_target(o),
			 "pid", value_measured((uint64_t)r->port->who.pid), "command",
			 command_of_pid(r->port->who.pid), "features",
			 features_of(r->port->features), "layout", o->packed ? "packed" : "split",
			 "ring_size", (int)o->ring_size, "wire",
			 o->wire_kind == WIRE_INTERFACE ? value_text(o->wire) : json_null(),
			 "wire_kind", wire_kind_of(o));
}

static json_t *size_of(const struct options *o)
{
	static const char *const names[] = {
		[SIZE_IMIX] = "imix",
		[SIZE_TRACE] = "trace",
		[SIZE_TCP] = "tcp",
		[SIZE_UDP] = "udp",
	};

	if (o->size == SIZE_FIXED)
		return json_sprintf("%u", o->size_bytes);
	if (options_flow(o))
		return json_sprintf("%s:%u", names[o->size], o->size_bytes);
	return json_string(names[o->size]);
}

json_t *setup_load(const struct options *o)
{
	bool rate = o->load <= LOAD_ONOFF, onoff = o->load == LOAD_ONOFF;

	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:s, s:f, s:f, s:o, s:o,"
			 " s:s, s:i}",
			 "direction", direction_names[o->direction], "kind", load_names[o->load],
			 "rate", value_real(rate ? o->rate : NAN), "on_ns",
			 onoff ? value_count(o->on_ns) : json_null(), "off_ns",
			 onoff ? value_count(o->off_ns) : json_null(), "inflight",
			 o->load == LOAD_INFLIGHT ? json_integer(o->inflight) : json_null(),
			 "trace", o->load == LOAD_TRACE ? value_text(o->trace) : json_null(),
			 "size", size_of(o), "batch", (int)o->batch, "calls", calls_names[o->calls],
			 "seconds", (double)o->ns / 1e9, "warm_up", (double)o->warm_up_ns / 1e9,
			 "cost_seconds", value_real(o->cost_ns ? (double)o->cost_ns / 1e9 : NAN),
			 "kick_cost_ns", value_measured(o->kick_cost_ns), "state",
			 state_names[o->state], "seed", (int)o->seed);
}

static json_t *backend_cpus(const struct run_result *r)
{
	static int cpus[CPUS_CAP];
	unsigned n = host_cpus_of(&r->port->who, cpus, CPUS_CAP);
	json_t *list = n ? json_array() : json_null();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, json_integer(cpus[i]));
	return list;
}

json_t *setup_host(const struct run_result *r)
{
	struct host h;

	host_take(&h);
	return json_pack("{s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "kernel",
			 value_text(h.kernel), "cpu", value_text(h.cpu), "cpus", (int)h.cpus,
			 "driver_cpu", h.driver_cpu < 0 ? json_null() : json_integer(h.driver_cpu),
			 "backend_cpus", backend_cpus(r), "hypervisor", value_text(h.hypervisor),
			 "clocksource", value_text(h.clocksource), "preempt", value_text(h.preempt),
			 "hz", value_measured(h.hz), "txbench", TXRING_VERSION, "commit",
			 value_text(TXBENCH_COMMIT));
}
