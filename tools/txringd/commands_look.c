/* SPDX-License-Identifier: MIT */
/* Commands that change nothing; see commands.h. Any client may give them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/log.h"
#include "tools/txringd/commands.h"
#include "tools/txringd/domifstat.h"
#include "tools/txringd/dumpxml.h"
#include "tools/txringd/latency_json.h"
#include "tools/txringd/protocol.h"
#include "tools/txringd/status_json.h"
#include "virtio/base.h"

/* What a card says of itself; or NULL, and why. */
typedef json_t *teller(const struct nic *nic, struct status *s, char why[PROTOCOL_DESC_LEN]);

static json_t *tell_show(const struct nic *nic, struct status *s, char why[PROTOCOL_DESC_LEN])
{
	(void)nic;
	(void)why;
	return status_json(s);
}

static json_t *tell_stats(const struct nic *nic, struct status *s, char why[PROTOCOL_DESC_LEN])
{
	(void)nic;
	(void)why;
	return status_stats_json(s);
}

static json_t *tell_xml(const struct nic *nic, struct status *s, char why[PROTOCOL_DESC_LEN])
{
	char err[NIC_CONFIG_ERR_LEN], *text = NULL;
	json_t *value = NULL;
	struct ifstate tap;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool ok;

	if (!out)
		return NULL;
	s->tap_mtu = nic_tap(nic, &tap) ? 0 : tap.mtu;
	ok = dumpxml_print(s, out, err);
	if (fclose(out) == 0 && ok)
		value = json_stringn(text, len);
	else if (!ok)
		snprintf(why, PROTOCOL_DESC_LEN, "%s", err);
	free(text);
	return value;
}

/* Once the kernel has had a card, its tap alone knows all frames, and goes on to. */
static json_t *tell_domifstat(const struct nic *nic, struct status *s, char why[PROTOCOL_DESC_LEN])
{
	bool by_tap = s->driver.to_kernel.n;
	struct ifstate tap;
	int err = by_tap ? nic_tap(nic, &tap) : 0;

	if (!err)
		return domifstat_json(s, by_tap ? &tap : NULL);
	snprintf(why, PROTOCOL_DESC_LEN,
		 "the kernel has moved its frames, and the tap's counters are not to be had: %s",
		 strerror(-err));
	return NULL;
}

/* Of each card that is asked for, as a list; NULL, and *error is the answer. */
static json_t *tell(struct command_call *call, teller *say, json_t **error)
{
	char why[PROTOCOL_DESC_LEN] = "out of memory";
	json_t *nics = json_array(), *said;
	struct status s;
	unsigned i = 0;
	struct nic *nic;

	while ((nic = command_next(call, &i))) {
		said = NULL;
		if (!nic_status(nic, &s)) {
			said = say(nic, &s, why);
			status_deinit(&s);
		}
		if (said && !json_array_append_new(nics, said))
			continue;
		*error = command_error(call, PROTOCOL_GENERIC, "%s: %s", nic_name(nic), why);
		json_decref(nics);
		return NULL;
	}
	if (json_array_size(nics))
		return nics;
	json_decref(nics);
	*error = command_no_nic(call);
	return NULL;
}

static json_t *answer_nics(struct command_call *call, teller *say)
{
	json_t *error, *nics = tell(call, say, &error);

	return nics ? command_return(call, json_pack("{s:o}", "nics", nics)) : error;
}

static json_t *show(struct command_call *call)
{
	json_t *error, *nics = tell(call, tell_show, &error);

	if (!nics)
		return error;
	return command_return(call, json_pack("{s:o, s:s}", "nics", nics, "log_level",
					      log_level_name(log_level())));
}

static json_t *domifstat(struct command_call *call)
{
	return answer_nics(call, tell_domifstat);
}

/* The record of a queue; the memory for its copy is the caller's. */
static json_t *tell_queue(const struct nic *nic, unsigned pair, bool tx,
			  struct latency_record *room, bool fine)
{
	memset(room, 0, sizeof(*room));
	latency_copy(room, nic_latency(nic, pair, tx));
	return latency_json(room, monotonic_ns(), fine);
}

static json_t *tell_queues(const struct nic *nic, const struct status *s, bool fine)
{
	struct latency_record *room = malloc(sizeof(*room));
	json_t *pairs = json_array();

	for (unsigned i = 0; room && i < s->n_pairs; i++)
		json_array_append_new(pairs, json_pack("{s:o, s:o}", "tx",
						       tell_queue(nic, i, true, room, fine), "rx",
						       tell_queue(nic, i, false, room, fine)));
	free(room);
	if (json_array_size(pairs) == s->n_pairs)
		return json_pack("{s:o, s:o}", "name", protocol_text(s->name), "pairs", pairs);
	json_decref(pairs);
	return NULL;
}

static json_t *tell_latency(const struct nic *nic, struct status *s, char why[PROTOCOL_DESC_LEN])
{
	(void)why;
	return tell_queues(nic, s, false);
}

static json_t *tell_fine_latency(const struct nic *nic, struct status *s,
				 char why[PROTOCOL_DESC_LEN])
{
	(void)why;
	return tell_queues(nic, s, true);
}

static json_t *latency(struct command_call *call)
{
	bool fine = json_is_true(json_object_get(call->arguments, "fine"));

	return answer_nics(call, fine ? tell_fine_latency : tell_latency);
}

static const struct command_argument latency_arguments[] = {
	{ .name = "nic", .type = "string", .help = "a card's name; without: all cards" },
	{ .name = "fine", .type = "boolean", .help = "more buckets of \"residence\"" },
	{ 0 },
};

/* One text: a file of several elements is no XML document, but that is how virsh would print it. */
static json_t *dumpxml(struct command_call *call)
{
	json_t *error, *nics = tell(call, tell_xml, &error), *text, *value = NULL;
	size_t i, len = 0;
	char *all;

	if (!nics)
		return error;
	json_array_foreach(nics, i, text) len += json_string_length(text);
	all = calloc(1, len + 1);
	json_array_foreach(nics, i, text)
	{
		if (all)
			strcat(all, json_string_value(text));
	}
	if (all)
		value = command_return(call, json_string(all));
	free(all);
	json_decref(nics);
	return value;
}

static json_t *iothreads(const struct commands *c)
{
	json_t *threads = json_array();

	for (unsigned i = 0; i < c->n_threads; i++)
		json_array_append_new(
			threads, json_pack("{s:s, s:I, s:I}", "name", iothread_name(c->threads[i]),
					   "cpu_ns", (json_int_t)iothread_cpu_ns(c->threads[i]),
					   "turns", (json_int_t)iothread_turns(c->threads[i])));
	return threads;
}

static json_t *control_json(const struct commands *c)
{
	struct control_stats s = { 0 };

	if (c->control)
		s = control_stats(c->control);
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "clients", (json_int_t)s.clients, "requests",
			 (json_int_t)s.requests, "cut_off", (json_int_t)s.cut_off, "events",
			 (json_int_t)s.events, "events_lost", (json_int_t)s.events_lost);
}

static json_t *stats(struct command_call *call)
{
	json_t *error, *nics = tell(call, tell_stats, &error);

	if (!nics)
		return error;
	return command_return(call, json_pack("{s:o, s:o, s:o, s:I}", "nics", nics, "iothreads",
					      iothreads(call->commands), "control",
					      control_json(call->commands), "time_ns",
					      (json_int_t)monotonic_ns()));
}

const struct command commands_look[] = {
	{ .name = "show",
	  .help = "what runs: backend, tx mode, front-end, features, driver, counters, hand-overs",
	  .arguments = command_any_nic,
	  .run = show },
	{ .name = "stats",
	  .help = "counters of all queues, iothreads and of this socket",
	  .arguments = command_any_nic,
	  .run = stats },
	{ .name = "latency",
	  .help = "how long frames are with each queue, and why the slowest were slow",
	  .arguments = latency_arguments,
	  .run = latency },
	{ .name = "dumpxml",
	  .help = "the card as libvirt's <interface>, as it is now",
	  .arguments = command_any_nic,
	  .run = dumpxml },
	{ .name = "domifstat",
	  .help = "what the guest received and sent, in virsh's words",
	  .arguments = command_any_nic,
	  .run = domifstat },
	{ 0 },
};
