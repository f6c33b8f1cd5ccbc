/* SPDX-License-Identifier: MIT */
/* Lines of the control socket as JSON and back; see protocol.h. */
#include "tools/txringd/protocol.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "virtio/base.h"

/* Whether brackets, outside of strings, are never deeper than allowed: parsing recurses. */
static bool is_shallow(const char *text, size_t len)
{
	bool in_string = false;
	unsigned depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = false;
		} else if (text[i] == '"') {
			in_string = true;
		} else if (text[i] == '{' || text[i] == '[') {
			if (++depth > PROTOCOL_MAX_DEPTH)
				return false;
		} else if ((text[i] == '}' || text[i] == ']') && depth) {
			depth--;
		}
	}
	return true;
}

/* What an object that is no request lacks; NULL: nothing. */
static json_t *check(const struct protocol_request *r)
{
	static const char *const keys[] = { "execute", "arguments", "id" };
	const char *key;
	json_t *value;

	json_object_foreach(r->whole, key, value)
	{
		unsigned i;

		for (i = 0; i < array_size(keys) && strcmp(key, keys[i]) != 0; i++)
			;
		if (i == array_size(keys))
			return protocol_error(PROTOCOL_MALFORMED,
					      json_pack("[sss]", keys[0], keys[1], keys[2]), r->id,
					      "a request has no '%s'", key);
	}
	if (!r->execute)
		return protocol_error(PROTOCOL_MALFORMED, NULL, r->id,
				      "a request has \"execute\" with the name of a command");
	if (r->arguments && !json_is_object(r->arguments))
		return protocol_error(PROTOCOL_MALFORMED, NULL, r->id,
				      "\"arguments\" must be an object");
	return NULL;
}

json_t *protocol_parse(struct protocol_request *r, const char *line, size_t len)
{
	json_error_t why;
	json_t *error;

	*r = (struct protocol_request){ 0 };
	if (!is_shallow(line, len))
		return protocol_error(PROTOCOL_MALFORMED, NULL, NULL,
				      "more than %d objects and lists within each other",
				      PROTOCOL_MAX_DEPTH);
	r->whole = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (!r->whole)
		return protocol_error(PROTOCOL_MALFORMED, NULL, NULL,
				      "not a line of JSON: %s, at byte %d", why.text, why.position);
	if (json_is_object(r->whole)) {
		r->execute = json_string_value(json_object_get(r->whole, "execute"));
		r->arguments = json_object_get(r->whole, "arguments");
		r->id = json_object_get(r->whole, "id");
		error = check(r);
	} else {
		error = protocol_error(PROTOCOL_MALFORMED, NULL, NULL,
				       "a request is an object: {\"execute\": \"show\"}");
	}
	if (error)
		protocol_request_deinit(r);
	return error;
}

void protocol_request_deinit(struct protocol_request *r)
{
	json_decref(r->whole);
	*r = (struct protocol_request){ 0 };
}

json_t *protocol_return(json_t *value, json_t *id)
{
	return json_pack("{s:o, s:O*}", "return", value, "id", id);
}

json_t *protocol_error(const char *class, json_t *allowed, json_t *id, const char *fmt, ...)
{
	char desc[PROTOCOL_DESC_LEN];
	va_list args;

	va_start(args, fmt);
	vsnprintf(desc, sizeof(desc), fmt, args);
	va_end(args);
	return json_pack("{s:{s:s, s:o, s:o*}, s:O*}", "error", "class", class, "desc",
			 protocol_text(desc), "allowed", allowed, "id", id);
}

json_t *protocol_greeting(const char *version, bool may_change)
{
	return json_pack("{s:{s:s, s:i, s:s}}", "txring", "version", version, "protocol",
			 PROTOCOL_VERSION, "may", may_change ? "change" : "look");
}

json_t *protocol_event(const char *event, json_t *data)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return json_pack("{s:s, s:o, s:{s:I, s:I}}", "event", event, "data", data, "timestamp",
			 "seconds", (json_int_t)now.tv_sec, "microseconds",
			 (json_int_t)(now.tv_nsec / 1000));
}

json_t *protocol_text(const char *text)
{
	json_t *value = json_string(text);
	char *copy;

	if (value)
		return value;
	copy = strdup(text);
	for (char *s = copy; s && *s; s++) {
		if ((unsigned char)*s >= 0x80)
			*s = '?';
	}
	value = copy ? json_string(copy) : NULL;
	free(copy);
	return value;
}

char *protocol_line(json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL, *line = NULL;
	size_t len = text ? strlen(text) : 0;

	json_decref(object);
	if (text)
		line = realloc(text, len + 2);
	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + len, "\n", 2);
	return line;
}
