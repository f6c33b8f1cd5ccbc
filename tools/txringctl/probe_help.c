/* SPDX-License-Identifier: MIT */
/*
 * The parser of QEMU's device help; see probe_help.h. It goes by lines, keeps nothing of the text
 * but which device the last heading was about, and reads each byte once or twice.
 */
#include "tools/txringctl/probe_help.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "virtio/base.h"

#define HEADING_END " options:"

/* A part of the text, by no NUL ended. */
struct slice {
	const char *at;
	size_t len;
};

/* The device, and what it is called on a command line as well. */
static const char *const devices[] = { "virtio-net-pci", "virtio-net" };

static bool equals(struct slice s, const char *word)
{
	return s.len == strlen(word) && !memcmp(s.at, word, s.len);
}

static bool is_device(struct slice s)
{
	for (size_t i = 0; i < array_size(devices); i++) {
		if (equals(s, devices[i]))
			return true;
	}
	return false;
}

static struct slice drop(struct slice s, size_t n)
{
	return (struct slice){ s.at + n, s.len - n };
}

/* The line at the front of the text, without its end, which is taken off the text too. */
static struct slice take_line(struct slice *text)
{
	const char *end = memchr(text->at, '\n', text->len);
	struct slice line = { text->at, end ? (size_t)(end - text->at) : text->len };

	*text = drop(*text, line.len + (end ? 1 : 0));
	while (line.len && isspace((unsigned char)line.at[line.len - 1]))
		line.len--;
	return line;
}

static size_t blanks(struct slice s)
{
	size_t n = 0;

	while (n < s.len && (s.at[n] == ' ' || s.at[n] == '\t'))
		n++;
	return n;
}

/* A name at the front: what may stand in one of QEMU's. */
static size_t name_len(struct slice s)
{
	size_t n = 0;

	while (n < s.len &&
	       (isalnum((unsigned char)s.at[n]) || (s.at[n] && strchr("-_.[]*", s.at[n]))))
		n++;
	return n;
}

/* DEVICE.PROPERTY=TYPE: the property, or an empty slice. No device has a dot in its name. */
static struct slice dotted(struct slice line)
{
	const char *dot = memchr(line.at, '.', line.len);
	struct slice rest, name;

	if (!dot || !is_device((struct slice){ line.at, (size_t)(dot - line.at) }))
		return (struct slice){ NULL, 0 };
	rest = drop(line, (size_t)(dot - line.at) + 1);
	name = (struct slice){ rest.at, name_len(rest) };
	rest = drop(rest, name.len);
	/* The type begins at once: what follows a blank is no type. */
	if (rest.len < 2 || rest.at[0] != '=' || isspace((unsigned char)rest.at[1]))
		name.len = 0;
	return name;
}

/* The end of a <TYPE> at the front of s, or 0: there is none. */
static size_t type_len(struct slice s)
{
	size_t depth = 0;

	for (size_t i = 0; i < s.len && s.at[0] == '<'; i++) {
		depth += s.at[i] == '<';
		depth -= s.at[i] == '>';
		if (!depth)
			return i + 1;
	}
	return 0;
}

/* PROPERTY=<TYPE>, or that and - TEXT, behind blanks: the property, or an empty slice. */
static struct slice indented(struct slice line)
{
	struct slice rest = drop(line, blanks(line));
	struct slice name = { rest.at, name_len(rest) };
	size_t len;

	rest = drop(rest, name.len);
	if (rest.at == line.at + name.len || !rest.len || rest.at[0] != '=')
		return (struct slice){ NULL, 0 };
	rest = drop(rest, 1);
	len = type_len(rest);
	/* <> is no type. */
	if (len < 3)
		return (struct slice){ NULL, 0 };
	rest = drop(rest, len);
	rest = drop(rest, blanks(rest));
	if (rest.len && rest.at[0] != '-')
		return (struct slice){ NULL, 0 };
	return name;
}

/*
 * Headings stand at the margin: "DEVICE options:", and "Network devices:" over a list. A line of
 * such a list ends the options of a device, too.
 */
static bool is_heading(struct slice line)
{
	return line.len && !blanks(line) &&
	       (line.at[line.len - 1] == ':' || (line.len > 6 && !memcmp(line.at, "name \"", 6)));
}

static bool is_our_heading(struct slice line)
{
	size_t end = strlen(HEADING_END);

	return line.len > end && !memcmp(line.at + line.len - end, HEADING_END, end) &&
	       is_device((struct slice){ line.at, line.len - end });
}

enum probe_answer probe_help_has(const char *text, size_t len, const char *property)
{
	struct slice rest = { text, len }, line, name;
	enum probe_answer answer = PROBE_NOT_ASKED;
	bool ours = false;

	while (rest.len && answer != PROBE_YES) {
		line = take_line(&rest);
		if (is_heading(line))
			ours = is_our_heading(line);
		name = dotted(line);
		if (!name.len && ours)
			name = indented(line);
		if (name.len)
			answer = equals(name, property) ? PROBE_YES : PROBE_NO;
	}
	return answer;
}
