/* SPDX-License-Identifier: MIT */
/* Requests are found in the tables, checked, and carried out; see commands.h. */
#include "tools/txringd/commands.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/log.h"
#include "tools/txringd/protocol.h"
#include "tools/version.h"
#include "virtio/base.h"

static const struct command own[5];

static const struct command *const tables[] = { commands_look, commands_change, commands_set,
						commands_cards, own };

const struct command_argument command_any_nic[] = {
	{ .name = "nic", .type = "string", .help = "a card's name; without: all cards" },
	{ 0 },
};

json_t *command_return(const struct command_call *call, json_t *value)
{
	return protocol_return(value, call->id);
}

json_t *command_error(const struct command_call *call, const char *class, const char *fmt, ...)
{
	char desc[PROTOCOL_DESC_LEN];
	va_list args;

	va_start(args, fmt);
	vsnprintf(desc, sizeof(desc), fmt, args);
	va_end(args);
	return protocol_error(class, NULL, call->id, "%s", desc);
}

const char *command_nic(const struct command_call *call)
{
	return json_string_value(json_object_get(call->arguments, "nic"));
}

struct nic *command_next(const struct command_call *call, unsigned *i)
{
	const struct commands *c = call->commands;
	const char *name = command_nic(call);

	for (; *i < c->n_nics; ++*i) {
		if (c->nics[*i] && (!name || !strcmp(nic_name(c->nics[*i]), name)))
			return c->nics[(*i)++];
	}
	return NULL;
}

json_t *command_no_nic(const struct command_call *call)
{
	const struct commands *c = call->commands;
	const char *name = command_nic(call);
	json_t *allowed;

	if (!name)
		return command_error(call, PROTOCOL_DEVICE_NOT_FOUND, "all cards have ended");
	allowed = json_array();
	for (unsigned i = 0; i < c->n_nics; i++) {
		if (c->nics[i])
			json_array_append_new(allowed, protocol_text(nic_name(c->nics[i])));
	}
	return protocol_error(PROTOCOL_DEVICE_NOT_FOUND, allowed, call->id, "there is no card '%s'",
			      name);
}

/* Commands about the socket itself. */

static json_t *ping(struct command_call *call)
{
	return command_return(call, json_object());
}

static json_t *watch(struct command_call *call)
{
	call->line->watches = true;
	return command_return(call, json_object());
}

static json_t *argument_json(const struct command_argument *a)
{
	json_t *argument = json_pack("{s:s, s:s, s:b, s:s}", "name", a->name, "type", a->type,
				     "needed", a->needed, "help", a->help);
	json_t *values = a->values ? json_array() : NULL;

	for (unsigned i = 0; a->values && a->values[i]; i++)
		json_array_append_new(values, json_string(a->values[i]));
	if (values)
		json_object_set_new(argument, "values", values);
	if (a->changes)
		json_object_set_new(argument, "may", json_string("change"));
	return argument;
}

static json_t *command_json(const struct command *c)
{
	json_t *arguments = json_array();

	for (const struct command_argument *a = c->arguments; a && a->name; a++)
		json_array_append_new(arguments, argument_json(a));
	return json_pack("{s:s, s:s, s:s, s:o}", "name", c->name, "help", c->help, "may",
			 c->changes ? "change" : "look", "arguments", arguments);
}

static json_t *list(struct command_call *call)
{
	json_t *commands = json_array();

	for (unsigned i = 0; i < array_size(tables); i++) {
		for (const struct command *c = tables[i]; c->name; c++)
			json_array_append_new(commands, command_json(c));
	}
	return command_return(call, json_pack("{s:o}", "commands", commands));
}

static json_t *log_level_run(struct command_call *call)
{
	const char *name = json_string_value(json_object_get(call->arguments, "level"));
	enum log_level level;

	if (name && log_level_parse(name, &level) && level != log_level()) {
		log_set_level(level);
		log_line("log level %s, by command", name);
	}
	return command_return(call, json_pack("{s:s}", "log_level", log_level_name(log_level())));
}

static const struct command_argument log_level_arguments[] = {
	{ .name = "level",
	  .type = "string",
	  .help = "log what is at least so urgent; without: what it is",
	  .values = log_level_names,
	  .changes = true },
	{ 0 },
};

static const struct command own[5] = {
	{ .name = "log-level",
	  .help = "what is logged",
	  .arguments = log_level_arguments,
	  .run = log_level_run },
	{ .name = "watch", .help = "events follow, on this connection", .run = watch },
	{ .name = "commands", .help = "this list", .run = list },
	{ .name = "ping", .help = "answers", .run = ping },
	{ 0 },
};

static const struct command *find(const char *name)
{
	for (unsigned i = 0; i < array_size(tables); i++) {
		for (const struct command *c = tables[i]; c->name; c++) {
			if (!strcmp(c->name, name))
				return c;
		}
	}
	return NULL;
}

static json_t *not_found(const struct command_call *call, const char *name)
{
	json_t *allowed = json_array();

	for (unsigned i = 0; i < array_size(tables); i++) {
		for (const struct command *c = tables[i]; c->name; c++)
			json_array_append_new(allowed, json_string(c->name));
	}
	return protocol_error(PROTOCOL_COMMAND_NOT_FOUND, allowed, call->id,
			      "there is no command '%s'", name);
}

static bool has_type(const json_t *value, const char *type)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return !strcmp(type, "string");
	case JSON_INTEGER:
		return !strcmp(type, "integer");
	case JSON_TRUE:
	case JSON_FALSE:
		return !strcmp(type, "boolean");
	case JSON_OBJECT:
		return !strcmp(type, "object");
	case JSON_ARRAY:
		return !strcmp(type, "array");
	default:
		return false;
	}
}

/* NULL: the value is one that the argument may have. */
static json_t *check_value(const struct command_call *call, const struct command *c,
			   const struct command_argument *a, const json_t *value)
{
	const char *text = json_string_value(value);
	json_t *allowed = NULL;
	unsigned i;

	if (!has_type(value, a->type))
		return command_error(call, PROTOCOL_INVALID_ARGUMENT,
				     "argument '%s' of '%s' must be a value of type %s", a->name,
				     c->name, a->type);
	if (text && !*text)
		return command_error(call, PROTOCOL_INVALID_ARGUMENT,
				     "argument '%s' of '%s' must not be empty", a->name, c->name);
	if (!a->values)
		return NULL;
	for (i = 0; a->values[i] && strcmp(a->values[i], text) != 0; i++)
		;
	if (a->values[i])
		return NULL;
	allowed = json_array();
	for (i = 0; a->values[i]; i++)
		json_array_append_new(allowed, json_string(a->values[i]));
	return protocol_error(PROTOCOL_INVALID_ARGUMENT, allowed, call->id,
			      "argument '%s' of '%s' cannot be '%s'", a->name, c->name, text);
}

static json_t *unknown_argument(const struct command_call *call, const struct command *c,
				const char *name)
{
	json_t *allowed = json_array();

	for (const struct command_argument *a = c->arguments; a && a->name; a++)
		json_array_append_new(allowed, json_string(a->name));
	return protocol_error(PROTOCOL_INVALID_ARGUMENT, allowed, call->id,
			      "'%s' has no argument '%s'", c->name, name);
}

static json_t *denied(const struct command_call *call, const char *name)
{
	return command_error(call, PROTOCOL_PERMISSION_DENIED,
			     "'%s' changes something: only root and the user of this txringd may",
			     name);
}

/* NULL: the arguments are what the table says. */
static json_t *check(const struct command_call *call, const struct command *c)
{
	const struct command_argument *a;
	json_t *value, *error;
	const char *key;

	json_object_foreach(call->arguments, key, value)
	{
		for (a = c->arguments; a && a->name && strcmp(a->name, key) != 0; a++)
			;
		if (!a || !a->name)
			return unknown_argument(call, c, key);
		if (a->changes && !call->line->may_change)
			return denied(call, c->name);
		error = check_value(call, c, a, value);
		if (error)
			return error;
	}
	for (a = c->arguments; a && a->name; a++) {
		if (a->needed && !json_object_get(call->arguments, a->name))
			return command_error(call, PROTOCOL_INVALID_ARGUMENT,
					     "'%s' needs the argument '%s': %s", c->name, a->name,
					     a->help);
	}
	return NULL;
}

static json_t *carry_out(struct command_call *call, const char *name)
{
	const struct command *c = find(name);
	json_t *error;

	if (!c)
		return not_found(call, name);
	if (c->changes && !call->line->may_change)
		return denied(call, name);
	error = check(call, c);
	return error ? error : c->run(call);
}

bool commands_run(void *ctx, struct control_line *line)
{
	struct command_call call = { .commands = ctx, .line = line };
	struct protocol_request request;
	json_t *answer = protocol_parse(&request, line->text, line->len);
	json_t *none = NULL;

	if (!answer) {
		if (!request.arguments)
			none = json_object();
		call.arguments = none ? none : request.arguments;
		call.id = request.id;
		answer = carry_out(&call, request.execute);
	}
	line->answer = protocol_line(answer);
	json_decref(none);
	protocol_request_deinit(&request);
	return call.later;
}

static void tell_event(void *ctx, const char *event, json_t *data)
{
	char *line = protocol_line(protocol_event(event, data));

	if (line)
		control_event(ctx, line);
	free(line);
}

void commands_tell_events(struct commands *c)
{
	bool watched = control_is_watched(c->control);
	struct status *now = watched ? calloc(c->n_nics + 1, sizeof(*now)) : NULL;
	unsigned n = 0;

	if (!now) {
		events_deinit(&c->events);
		c->was_watched = false;
		return;
	}
	for (unsigned i = 0; i < c->n_nics; i++) {
		if (c->nics[i] && !nic_status(c->nics[i], &now[n]))
			n++;
	}
	events_look(&c->events, now, n, !c->was_watched, tell_event, c->control);
	c->was_watched = true;
}

char *commands_greet(void *ctx, bool may_change)
{
	(void)ctx;
	return protocol_line(protocol_greeting(TXRING_VERSION, may_change));
}
