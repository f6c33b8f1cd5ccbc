/* SPDX-License-Identifier: MIT */
/* The command that changes how a card's frames are scheduled; see commands.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/txringd/commands.h"
#include "tools/txringd/protocol.h"

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

static json_t *set(struct command_call *call)
{
	json_t *pair = json_object_get(call->arguments, "pair"), *error;
	char text[TEXT_LEN], said[NIC_SAID_LEN];
	json_int_t which = json_integer_value(pair);
	unsigned i = 0;
	struct nic *nic = command_next(call, &i);

	if (!nic)
		return command_no_nic(call);
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
	return command_return(call,
			      json_pack("{s:[{s:o, s:o}]}", "nics", "name",
					protocol_text(nic_name(nic)), "said", protocol_text(said)));
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
	return command_return(call,
			      json_pack("{s:[{s:o, s:o}]}", "nics", "name",
					protocol_text(nic_name(nic)), "said", protocol_text(said)));
}

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
		  "the others stay: \"delay\": \"80us\"" },
	{ 0 },
};

const struct command commands_set[] = {
	{ .name = "set",
	  .help = "change the tx mode, or parameters of it, while frames move",
	  .arguments = set_arguments,
	  .changes = true,
	  .run = set },
	{ .name = "move",
	  .help = "let another iothread run a queue pair, while frames move",
	  .arguments = move_arguments,
	  .changes = true,
	  .run = move },
	{ 0 },
};
