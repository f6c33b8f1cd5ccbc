/* SPDX-License-Identifier: MIT */
/* A copy of an answer, as deep as it is; see plain.h. */
#include "tools/txringctl/plain.h"

#include <stdlib.h>
#include <string.h>

#include "tools/plain.h"

/* keep: control characters that may stay. NULL: out of memory. */
static char *plain_text(const char *text, const char *keep)
{
	char *plain = strdup(text);
	size_t len;

	for (size_t i = 0; plain && plain[i]; i += len) {
		len = plain_length(&plain[i]);
		if (len)
			continue;
		len = 1;
		if (!strchr(keep, plain[i]))
			plain[i] = '?';
	}
	return plain;
}

static json_t *plain_string(const json_t *string, const char *keep)
{
	char *text = plain_text(json_string_value(string), keep);
	json_t *plain = text ? json_string(text) : NULL;

	free(text);
	return plain;
}

static json_t *plain_value(json_t *value);

static json_t *plain_object(json_t *object)
{
	json_t *plain = json_object(), *value;
	const char *name;
	int failed = 0;

	json_object_foreach(object, name, value)
	{
		char *text = plain_text(name, "");

		failed |= !text || json_object_set_new(plain, text, plain_value(value));
		free(text);
	}
	if (!failed)
		return plain;
	json_decref(plain);
	return NULL;
}

static json_t *plain_array(const json_t *array)
{
	json_t *plain = json_array(), *value;
	int failed = 0;
	size_t i;

	json_array_foreach(array, i, value)
		failed |= json_array_append_new(plain, plain_value(value));
	if (!failed)
		return plain;
	json_decref(plain);
	return NULL;
}

static json_t *plain_value(json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return plain_string(value, "");
	case JSON_OBJECT:
		return plain_object(value);
	case JSON_ARRAY:
		return plain_array(value);
	default:
		return json_incref(value);
	}
}

json_t *plain_answer(json_t *answer)
{
	json_t *plain;

	if (!answer)
		return NULL;
	plain = json_is_string(answer) ? plain_string(answer, "\n\t") : plain_value(answer);
	json_decref(answer);
	return plain;
}
