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
	{ 0 },
};
