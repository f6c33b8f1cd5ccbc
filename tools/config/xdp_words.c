/* SPDX-License-Identifier: MIT */
/* Parsing of AF_XDP's words; see xdp_words.h. */
#include "tools/config/xdp_words.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/config/values.h"
#include "virtio/base.h"

#define MAX_BUSY_POLL_NS 1000000000ull

static const char *const modes[] = {
	[XDP_MODE_AUTO] = "auto",
	[XDP_MODE_NATIVE] = "native",
	[XDP_MODE_SKB] = "skb",
};

static const char *const copies[] = {
	[XDP_COPY_AUTO] = "auto",
	[XDP_COPY_ZEROCOPY] = "zerocopy",
	[XDP_COPY_FORCE] = "force",
};

const char *xdp_words_mode(enum xdp_mode mode)
{
	return modes[mode];
}

__attribute__((format(printf, 2, 3))) static int invalid(char err[BACKEND_ERR_LEN], const char *fmt,
							 ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, BACKEND_ERR_LEN, fmt, args);
	va_end(args);
	return -EINVAL;
}

/* The place of value in words, or n. */
static unsigned find_word(const char *const *words, unsigned n, const char *value)
{
	unsigned i = 0;

	while (i < n && strcmp(words[i], value) != 0)
		i++;
	return i;
}

static bool parse_unsigned(const char *value, unsigned min, unsigned max, unsigned *n)
{
	uint64_t wide;

	if (!values_number(value, strlen(value), min, max, &wide))
		return false;
	*n = (unsigned)wide;
	return true;
}

static bool set_ifname(struct xdp_words *w, const char *value)
{
	size_t len = strlen(value), i;

	for (i = 0; i < len; i++) {
		if (!isgraph((unsigned char)value[i]) || strchr("/:%", value[i]))
			return false;
	}
	if (!len || len >= sizeof(w->ifname) || !strcmp(value, ".") || !strcmp(value, ".."))
		return false;
	memcpy(w->ifname, value, len + 1);
	return true;
}

static bool set_start_queue(struct xdp_words *w, const char *value)
{
	return parse_unsigned(value, 0, XDP_WORDS_MAX_QUEUE, &w->cfg.start_queue);
}

static bool set_queues(struct xdp_words *w, const char *value)
{
	return parse_unsigned(value, 1, XDP_MAX_QUEUES, &w->n_queues);
}

static bool set_mode(struct xdp_words *w, const char *value)
{
	unsigned i = find_word(modes, array_size(modes), value);

	if (i < array_size(modes))
		w->cfg.mode = (enum xdp_mode)i;
	return i < array_size(modes);
}

static bool set_copy(struct xdp_words *w, const char *value)
{
	unsigned i = find_word(copies, array_size(copies), value);

	if (i < array_size(copies))
		w->cfg.copy = (enum xdp_copy)i;
	return i < array_size(copies);
}

static bool set_busy_poll(struct xdp_words *w, const char *value)
{
	uint64_t ns;

	if (parse_unsigned(value, 1, MAX_BUSY_POLL_NS / 1000, &w->cfg.busy_poll_us))
		return true;
	if (!values_time(value, strlen(value), false, &ns) || !ns || ns > MAX_BUSY_POLL_NS ||
	    ns % 1000)
		return false;
	w->cfg.busy_poll_us = (unsigned)(ns / 1000);
	return true;
}

static bool set_share(struct xdp_words *w, const char *value)
{
	(void)value;
	w->cfg.share = true;
	return true;
}

struct param {
	const char *name;
	unsigned forms;     /* that take it; 0: none, it is here for what elsewhere says */
	const char *values; /* what is allowed; NULL: it has none */
	const char *def;    /* NULL: there is no default */
	const char *help;
	const char *elsewhere; /* for the other forms: where that is said */
	bool (*set)(struct xdp_words *w, const char *value);
};

/* Of an interface's name as the kernel has it. */
#define IFNAME_RULE "1 to 15 characters without space, '/', ':' and '%'"

static const struct param params[] = {
	{ .name = "ifname",
	  .forms = XDP_WORDS_FDS,
	  .values = IFNAME_RULE,
	  .help = "of xdp-fd: the interface of these sockets, which are not bound yet",
	  .elsewhere = "the interface's name stands first, alone",
	  .set = set_ifname },
	{ .name = "start-queue",
	  .forms = XDP_WORDS_IFNAME | XDP_WORDS_FDS | XDP_WORDS_TOOL,
	  .values = "0 to 65535",
	  .def = "0",
	  .help = "the interface's queue of the first queue pair; the others follow",
	  .set = set_start_queue },
	{ .name = "queues",
	  .forms = XDP_WORDS_TOOL,
	  .values = "1 to 64",
	  .def = "1",
	  .help = "so many sockets, for as many queues of the interface",
	  .elsewhere = "the number of queue pairs is --queues",
	  .set = set_queues },
	{ .name = "mode",
	  .forms = XDP_WORDS_IFNAME | XDP_WORDS_FDS | XDP_WORDS_TOOL,
	  .values = "native, skb or auto",
	  .def = "auto",
	  .help = "the driver runs the XDP program, or later the kernel (skb)",
	  .set = set_mode },
	{ .name = "copy",
	  .forms = XDP_WORDS_IFNAME | XDP_WORDS_FDS,
	  .values = "auto, zerocopy (or fail) or force",
	  .def = "auto",
	  .help = "between the sockets and the driver",
	  .elsewhere = "that is for COMMAND, behind {}",
	  .set = set_copy },
	{ .name = "busy-poll",
	  .forms = XDP_WORDS_IFNAME | XDP_WORDS_FDS,
	  .values = "1us to 1s (units us, ms, s; none means us)",
	  .help = "poll the driver from its queue's thread, so long at a time",
	  .elsewhere = "that is for COMMAND, behind {}",
	  .set = set_busy_poll },
	{ .name = "share",
	  .forms = XDP_WORDS_IFNAME,
	  .help = "take only what is for the guest's MAC, or for all; needs that address",
	  .elsewhere = "sockets that are handed on get no broadcast of a shared interface",
	  .set = set_share },
	{ .name = "mac", .elsewhere = "the guest's address is --mac" },
};

static const struct param *find_param(const char *name)
{
	for (unsigned i = 0; i < array_size(params); i++) {
		if (!strcmp(params[i].name, name))
			return &params[i];
	}
	return NULL;
}

static int unknown(const char *name, enum xdp_words_form form, char err[BACKEND_ERR_LEN])
{
	const char *before = "";
	size_t at;

	invalid(err, "unknown parameter '%.64s', valid are: ", name);
	for (unsigned i = 0; i < array_size(params); i++) {
		if (!(params[i].forms & form))
			continue;
		at = strlen(err);
		snprintf(err + at, BACKEND_ERR_LEN - at, "%s%s", before, params[i].name);
		before = ", ";
	}
	return -EINVAL;
}

/* One param, which it takes to pieces. */
static int parse_param(struct xdp_words *w, char *word, enum xdp_words_form form,
		       char err[BACKEND_ERR_LEN])
{
	char *value = strchr(word, '=');
	const struct param *p;

	if (value)
		*value++ = '\0';
	p = find_param(word);
	if (!p)
		return unknown(word, form, err);
	if (!(p->forms & form))
		return invalid(err, "%s is not said here: %s", p->name, p->elsewhere);
	if (!p->values && value)
		return invalid(err, "%s takes no value, but has '%.64s'", p->name, value);
	if (p->values && !value)
		return invalid(err, "%s needs a value: %s", p->name, p->values);
	if (!p->set(w, value))
		return invalid(err, "%s '%.64s' must be %s", p->name, value, p->values);
	return 0;
}

/* Those before the first param; the rest is left in *words. */
static int parse_fds(struct xdp_words *w, char **words, char err[BACKEND_ERR_LEN])
{
	unsigned fd;
	char *word;

	while (*words && strcspn(*words, "=") >= strcspn(*words, ",")) {
		word = strsep(words, ",");
		if (!parse_unsigned(word, 0, VALUES_MAX_FD, &fd))
			return invalid(err,
				       "'%.64s' is no file descriptor, use "
				       "xdp-fd:N[,N...],ifname=IFNAME[,param...]",
				       word);
		if (w->n_fds == XDP_MAX_QUEUES)
			return invalid(err, "more than %d file descriptors", XDP_MAX_QUEUES);
		w->fds[w->n_fds++] = (int)fd;
	}
	if (!w->n_fds)
		return invalid(err, "the sockets are missing, use "
				    "xdp-fd:N[,N...],ifname=IFNAME[,param...]");
	w->cfg.fds = w->fds;
	return 0;
}

static int parse_words(struct xdp_words *w, char *words, enum xdp_words_form form,
		       char err[BACKEND_ERR_LEN])
{
	const char *word;
	int error = 0;

	if (form == XDP_WORDS_FDS) {
		error = parse_fds(w, &words, err);
	} else {
		word = strsep(&words, ",");
		if (!set_ifname(w, word))
			return invalid(err, "an interface's name is %s, not '%.64s'", IFNAME_RULE,
				       word);
	}
	while (!error && words)
		error = parse_param(w, strsep(&words, ","), form, err);
	if (!error && !w->ifname[0])
		return invalid(err, "ifname=IFNAME is missing: the interface of these sockets");
	return error;
}

int xdp_words_parse(struct xdp_words *w, const char *text, enum xdp_words_form form,
		    char err[BACKEND_ERR_LEN])
{
	char *copy = strdup(text);
	int error;

	if (!copy) {
		snprintf(err, BACKEND_ERR_LEN, "out of memory");
		return -ENOMEM;
	}
	*w = (struct xdp_words){ .cfg.ifname = w->ifname, .n_queues = 1 };
	error = parse_words(w, copy, form, err);
	free(copy);
	return error;
}

void xdp_words_help(char *buf, size_t len, unsigned forms)
{
	char left[32];

	for (unsigned i = 0; i < array_size(params); i++) {
		const struct param *p = &params[i];
		size_t at = strlen(buf);

		if (!(p->forms & forms))
			continue;
		snprintf(left, sizeof(left), "%s%s%s", p->name, p->values ? "=" : "",
			 p->def ? p->def : "");
		snprintf(buf + at, len - at, "    %-14s  %s%s%s\n", left, p->help,
			 p->values ? ": " : "", p->values ? p->values : "");
	}
}
