/* SPDX-License-Identifier: MIT */
/* The command that changes how a card's frames are scheduled; see commands.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/txringd/commands.h"
#include "tools/txringd/protocol.h"
#include "virtio/base.h"

/* Of all settings of a request, as a tx mode is written. */
#define TEXT_LEN 512

/* Whether it can be one item of a tx mode: what separates items cannot be in it. */
static bool is_item(const char *text)
{
	return *text && !strpbrk(text, ",=");
}

/* Appends ",NAME=VALUE". False: it cannot be one. */
static bool add_parameter(char text[TEXT_LEN], const char *name, const json_t *value)
{
	size_t len = strlen(text);
	const char *word = json_string_value(value);
	char number[24];

	if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
		word = number;
	}
	if (!word || !is_item(word) || !is_item(name))
		return false;
	return (size_t)snprintf(text + len, TEXT_LEN - len, ",%s=%s", name, word) < TEXT_LEN - len;
}

/* The settings as a text for nic_set_txmode(); NULL, or the error to answer with. */
static json_t *write_mode(const struct command_call *call, char text[TEXT_LEN])
{
	json_t *settings = json_object_get(call->arguments, "settings"), *value;
	json_t *mode = json_object_get(settings, "txmode");
	const char *name;

	if (!json_object_size(settings))
		return command_error(call, PROTOCOL_INVALID_ARGUMENT,
				     "argument 'settings' has \"txmode\", or parameters of the tx "
				     "mode that runs: {\"delay\": \"80us\"}");
	if (mode && (!json_is_string(mode) || json_string_length(mode) >= TEXT_LEN))
		return command_error(call, PROTOCOL_INVALID_ARGUMENT,
				     "setting 'txmode' must be a text of less than %d bytes",
				     TEXT_LEN);
	snprintf(text, TEXT_LEN, "%s", mode ? json_string_value(mode) : "");
	json_object_foreach(settings, name, value)
	{
		if (value != mode && !add_parameter(text, name, value))
			return command_error(call, PROTOCOL_INVALID_ARGUMENT,
					     "setting '%.64s' must be a number or a short text "
					     "without ',' and '='",
					     name);
	}
	return NULL;
}

/* The answer of a change of a card. */
static json_t *answer_said(struct command_call *call, const struct nic *nic, const char *said)
{
	return command_return(call,
			      json_pack("{s:[{s:o, s:o}]}", "nics", "name",
					protocol_text(nic_name(nic)), "said", protocol_text(said)));
}

/* It is of the card, and not of the tx mode: so it comes alone. */
static json_t *set_coalesce(struct command_call *call, struct nic *nic, const json_t *value)
{
	const char *word = json_string_value(value);
	char said[NIC_SAID_LEN];

	if (json_object_get(call->arguments, "pair") ||
	    json_object_size(json_object_get(call->arguments, "settings")) > 1)
		return command_error(call, PROTOCOL_INVALID_ARGUMENT,
				     "setting 'coalesce' is of a whole card, and comes alone");
	if (!json_is_boolean(value) &&
	    (!word || (strcmp(word, "on") != 0 && strcmp(word, "off") != 0)))
		return protocol_error(PROTOCOL_INVALID_ARGUMENT, json_pack("[ss]", "on", "off"),
				      call->id, "setting 'coalesce' cannot be that");
	nic_set_coalesce(nic, word ? !strcmp(word, "on") : json_is_true(value), said);
	return answer_said(call, nic, said);
}

static json_t *set(struct command_call *call)
{
	json_t *pair = json_object_get(call->arguments, "pair"), *error;
	const json_t *coalesce =
		json_object_get(json_object_get(call->arguments, "settings"), "coalesce");
	char text[TEXT_LEN], said[NIC_SAID_LEN];
	json_int_t which = json_integer_value(pair);
	unsigned i = 0;
	struct nic *nic = command_next(call, &i);

	if (!nic)
		return command_no_nic(call);
	if (coalesce)
		return set_coalesce(call, nic, coalesce);
	error = write_mode(call, text);
	if (error)
		return error;
	if (pair && (which < 0 || which >= NIC_CONFIG_MAX_PAIRS))
		return command_error(call, PROTOCOL_INVALID_ARGUMENT,
				     "pair '%" JSON_INTEGER_FORMAT "' must be 0 to %d", which,
				     NIC_CONFIG_MAX_PAIRS - 1);
	if (!nic_set_txmode(nic, pair ? (unsigned)which : NIC_ALL_PAIRS, text, said))
		return command_error(call, PROTOCOL_INVALID_ARGUMENT, "%s: %s", nic_name(nic),
				     said);
	return answer_said(call, nic, said);
}

/* Queue pairs of all cards that a thread runs. */
static unsigned pairs_on(const struct commands *c, const struct iothread *thread)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->n_nics; i++)
		n += c->nics[i] ? nic_pairs_on(c->nics[i], thread) : 0;
	return n;
}

/* The iothread of that name; NULL, and the error to answer with. */
static struct iothread *find_thread(const struct command_call *call, const char *name,
				    json_t **error)
{
	const struct commands *c = call->commands;
	json_t *allowed = json_array();

	for (unsigned i = 0; i < c->n_threads; i++) {
		if (!strcmp(iothread_name(c->threads[i]), name)) {
			json_decref(allowed);
			return c->threads[i];
		}
		json_array_append_new(allowed, json_string(iothread_name(c->threads[i])));
	}
	*error = protocol_error(PROTOCOL_INVALID_ARGUMENT, allowed, call->id,
				"there is no iothread '%s'", name);
	return NULL;
}

static json_t *move(struct command_call *call)
{
	json_int_t pair = json_integer_value(json_object_get(call->arguments, "pair"));
	const char *name = json_string_value(json_object_get(call->arguments, "iothread"));
	char said[NIC_SAID_LEN];
	enum nic_vhost outcome;
	struct iothread *thread;
	json_t *error = NULL;
	unsigned i = 0;
	struct nic *nic = command_next(call, &i);

	if (!nic)
		return command_no_nic(call);
	if (pair < 0 || pair >= nic_pairs(nic))
		return command_error(call, PROTOCOL_INVALID_ARGUMENT,
				     "%s: pair '%" JSON_INTEGER_FORMAT "' must be 0 to %u",
				     nic_name(nic), pair, nic_pairs(nic) - 1);
	thread = find_thread(call, name, &error);
	if (!thread)
		return error;
	if ((pairs_on(call->commands, thread) + 1) * DEVICE_PAIR_WATCHES >= IOTHREAD_MAX_WATCHES)
		return command_error(call, PROTOCOL_GENERIC, "%s has no room for one more pair",
				     name);
	outcome = nic_move(nic, (unsigned)pair, thread, said);
	call->later = outcome == NIC_VHOST_LATER;
	if (outcome != NIC_VHOST_DONE)
		return command_error(call, PROTOCOL_GENERIC, "%s: %s", nic_name(nic), said);
	return answer_said(call, nic, said);
}

/* What drain keeps from one time to the next: the pairs of nic_drain(), and why it waits. */
static json_t *drain_begin(unsigned n_pairs)
{
	json_t *pairs = json_array();

	for (unsigned i = 0; i < n_pairs; i++)
		json_array_append_new(pairs, json_pack("[b, b, I]", false, false, (json_int_t)0));
	return json_pack("{s:o, s:s, s:I}", "pairs", pairs, "waited", "", "begun_ns",
			 (json_int_t)monotonic_ns());
}

/* One pair. The first thing that it waits for is kept. */
static enum nic_vhost drain_pair(struct nic *nic, unsigned pair, json_t *memo,
				 char said[NIC_SAID_LEN])
{
	json_t *kept = json_array_get(json_object_get(memo, "pairs"), pair);
	struct nic_drain d = { .begun = json_is_true(json_array_get(kept, 0)),
			       .done = json_is_true(json_array_get(kept, 1)),
			       .until = (uint64_t)json_integer_value(json_array_get(kept, 2)) };
	enum nic_vhost outcome = d.done ? NIC_VHOST_DONE : nic_drain(nic, pair, &d, said);

	json_array_set_new(kept, 0, json_boolean(d.begun));
	json_array_set_new(kept, 1, json_boolean(d.done));
	json_array_set_new(kept, 2, json_integer((json_int_t)d.until));
	if (outcome == NIC_VHOST_LATER && !json_string_length(json_object_get(memo, "waited")))
		json_object_set_new(memo, "waited", protocol_text(said));
	return outcome;
}

static json_t *drain(struct command_call *call)
{
	json_t **memo = &call->line->memo;
	char said[NIC_SAID_LEN] = "";
	enum nic_vhost outcome = NIC_VHOST_DONE;
	const char *waited;
	unsigned i = 0, n;
	uint64_t us;
	struct nic *nic = command_next(call, &i);

	if (!nic)
		return command_no_nic(call);
	n = nic_pairs(nic);
	if (!*memo)
		*memo = drain_begin(n);
	for (i = 0; i < n && outcome == NIC_VHOST_DONE; i++)
		outcome = drain_pair(nic, i, *memo, said);
	call->later = outcome == NIC_VHOST_LATER;
	if (outcome != NIC_VHOST_DONE)
		return command_error(call, PROTOCOL_GENERIC, "%s: not drained: %s", nic_name(nic),
				     said);
	waited = json_string_value(json_object_get(*memo, "waited"));
	us = (monotonic_ns() - (uint64_t)json_integer_value(json_object_get(*memo, "begun_ns"))) /
	     1000;
	if (waited && *waited)
		snprintf(said, sizeof(said), "drained after %" PRIu64 " us: %.256s", us, waited);
	else
		snprintf(said, sizeof(said), "drained: nothing waited");
	return answer_said(call, nic, said);
}

static const struct command_argument drain_arguments[] = {
	{ .name = "nic", .type = "string", .needed = true, .help = "a card's name" },
	{ 0 },
};

static const struct command_argument move_arguments[] = {
	{ .name = "nic", .type = "string", .needed = true, .help = "a card's name" },
	{ .name = "pair", .type = "integer", .needed = true, .help = "one of its queue pairs" },
	{ .name = "iothread", .type = "string", .needed = true, .help = "as show names them" },
	{ 0 },
};

static const struct command_argument set_arguments[] = {
	{ .name = "nic", .type = "string", .needed = true, .help = "a card's name" },
	{ .name = "pair", .type = "integer", .help = "one of its queue pairs; without: all" },
	{ .name = "settings",
	  .type = "object",
	  .needed = true,
	  .help = "\"txmode\": as for --txmode; or parameters of the tx mode that runs, of which "
		  "the others stay: \"delay\": \"80us\"; or \"coalesce\": \"on\" or \"off\"" },
	{ 0 },
};

const struct command commands_set[] = {
	{ .name = "set",
	  .help = "change the tx mode, or parameters of it, or coalesce, while frames move",
	  .arguments = set_arguments,
	  .changes = true,
	  .run = set },
	{ .name = "drain",
	  .help = "wait until all frames that the guest has offered by now have left",
	  .arguments = drain_arguments,
	  .changes = true,
	  .run = drain },
	{ .name = "move",
	  .help = "let another iothread run a queue pair, while frames move",
	  .arguments = move_arguments,
	  .changes = true,
	  .run = move },
	{ 0 },
};
