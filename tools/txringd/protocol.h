/* SPDX-License-Identifier: MIT */
/*
 * The words of the control socket, in QMP's manner: one JSON object a line (docs/control.md).
 * Requests are read here, and answers, errors and events written; which commands there are is
 * commands.c's affair.
 */
#ifndef TOOLS_TXRINGD_PROTOCOL_H
#define TOOLS_TXRINGD_PROTOCOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Of the whole protocol: raised when what clients rely on changes. */
#define PROTOCOL_VERSION 1
/* Objects and lists within each other, in a request. */
#define PROTOCOL_MAX_DEPTH 32
/* Of a "desc". */
#define PROTOCOL_DESC_LEN 1024

/* "class" of an error. */
#define PROTOCOL_COMMAND_NOT_FOUND "CommandNotFound"
#define PROTOCOL_GENERIC           "GenericError"
#define PROTOCOL_DEVICE_NOT_FOUND  "DeviceNotFound"
#define PROTOCOL_PERMISSION_DENIED "PermissionDenied"
#define PROTOCOL_INVALID_ARGUMENT  "InvalidArgument"
#define PROTOCOL_MALFORMED         "Malformed"

struct protocol_request {
	json_t *whole;       /* owned; what follows is borrowed of it */
	const char *execute; /* the command */
	json_t *arguments;   /* an object; NULL: none */
	json_t *id;          /* anything; NULL: none */
};

/*
 * Read a line of len bytes. NULL, and r is to be given back with protocol_request_deinit(); or the
 * error to answer with, which is the caller's, and r holds nothing.
 */
json_t *protocol_parse(struct protocol_request *r, const char *line, size_t len);
/* May run twice. */
void protocol_request_deinit(struct protocol_request *r);

/*
 * What goes back. value and allowed are given away, id is borrowed; NULL of the latter two: none.
 * NULL: out of memory.
 */
json_t *protocol_return(json_t *value, json_t *id);
json_t *protocol_error(const char *class, json_t *allowed, json_t *id, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
json_t *protocol_greeting(const char *version, bool may_change);
/* Now. data is given away. */
json_t *protocol_event(const char *event, json_t *data);

/*
 * A text of ours as a JSON string: bytes that are no UTF-8, as a file's name may have, are question
 * marks.
 */
json_t *protocol_text(const char *text);

/* The object, which is given away, as a line with its newline. NULL: out of memory. */
char *protocol_line(json_t *object);

#endif
