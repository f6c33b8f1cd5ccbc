/* SPDX-License-Identifier: MIT */
/* Words to requests, answers to text; see ask.h. */
#include "tools/txringctl/ask.h"

#include <string.h>

#include "tools/config/values.h"
#include "tools/txringctl/plain.h"
#include "tools/txringctl/render.h"
#include "tools/txringctl/render_latency.h"
#include "virtio/base.h"

/* A way of typing a command. */
struct form {
	const char *command;
	const char *usage; /* behind the name */
	const char *help;  /* one or more lines */
	/* The arguments that n words behind the name say; NULL: they say none. */
	json_t *(*read)(char *const *words, unsigned n);
	void (*render)(const json_t *answer, FILE *out);
};

static json_t *read_none(char *const *words, unsigned n)
{
	(void)words;
	return n ? NULL : json_object();
}

static json_t *read_nic(char *const *words, unsigned n)
{
	return n > 1 ? NULL : json_pack("{s:s*}", "nic", n ? words[0] : NULL);
}

/* on or off, by another name, and a card. */
static json_t *read_switch(const char *name, const char *on, const char *off, char *const *words,
			   unsigned n)
{
	if (n < 1 || n > 2 || (strcmp(words[0], on) != 0 && strcmp(words[0], off) != 0))
		return NULL;
	return json_pack("{s:b, s:s*}", name, !strcmp(words[0], on), "nic",
			 n > 1 ? words[1] : NULL);
}

static json_t *read_link(char *const *words, unsigned n)
{
	return read_switch("up", "up", "down", words, n);
}

static json_t *read_vhost(char *const *words, unsigned n)
{
	return read_switch("on", "on", "off", words, n);
}

/* A pair's number, behind the slash; NULL: it is none. */
static json_t *read_pair(const char *text)
{
	uint64_t pair;

	return values_number(text, strlen(text), 0, INT32_MAX, &pair)
		       ? json_integer((json_int_t)pair)
		       : NULL;
}

/* NIC[/PAIR] KEY=VALUE... */
static json_t *read_set(char *const *words, unsigned n)
{
	json_t *settings = json_object(), *pair = NULL;
	const char *slash = n ? strchr(words[0], '/') : NULL, *equals;
	bool fits = n > 1;

	if (slash) {
		pair = read_pair(slash + 1);
		fits = fits && pair;
	}
	for (unsigned i = 1; i < n && fits; i++) {
		equals = strchr(words[i], '=');
		fits = equals &&
		       !json_object_setn_new(settings, words[i], (size_t)(equals - words[i]),
					     json_string(equals + 1));
	}
	if (fits)
		return json_pack("{s:s%, s:o*, s:o}", "nic", words[0],
				 slash ? (size_t)(slash - words[0]) : strlen(words[0]), "pair",
				 pair, "settings", settings);
	json_decref(settings);
	json_decref(pair);
	return NULL;
}

/* NIC/PAIR IOTHREAD */
static json_t *read_move(char *const *words, unsigned n)
{
	const char *slash = n == 2 ? strchr(words[0], '/') : NULL;
	json_t *pair = slash ? read_pair(slash + 1) : NULL;

	return pair ? json_pack("{s:s%, s:o, s:s}", "nic", words[0], (size_t)(slash - words[0]),
				"pair", pair, "iothread", words[1])
		    : NULL;
}

/* The server knows which levels there are. */
static json_t *read_log_level(char *const *words, unsigned n)
{
	return n > 1 ? NULL : json_pack("{s:s*}", "level", n ? words[0] : NULL);
}

static json_t *read_one_nic(char *const *words, unsigned n)
{
	return n == 1 ? json_pack("{s:s}", "nic", words[0]) : NULL;
}

/* Words of txringd's command line, or one that begins as XML does. */
static json_t *read_add(char *const *words, unsigned n)
{
	json_t *options;

	if (n == 1 && words[0][0] == '<')
		return json_pack("{s:s}", "xml", words[0]);
	options = n ? json_array() : NULL;
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(options, json_string(words[i]));
	return options ? json_pack("{s:o}", "options", options) : NULL;
}

static void render_nothing(const json_t *answer, FILE *out)
{
	(void)answer;
	(void)out;
}

static const struct form forms[] = {
	{ "show", "[NIC]",
	  "what runs: backend, tx mode, front-end, features, driver (kernel\n"
	  "or user, and why), counters, hand-overs",
	  read_nic, render_show },
	{ "latency", "[NIC]",
	  "how long frames are with the queues, and why the slowest were\nslow (docs/latency.md)",
	  read_nic, render_latency },
	{ "dumpxml", "[NIC]", "the card as libvirt's <interface>, as it is now", read_nic,
	  render_string },
	{ "domifstat", "[NIC]", "what the guest received and sent, in virsh's words", read_nic,
	  render_domifstat },
	{ "link", "up|down [NIC]",
	  "the guest has a link; down: it has none, and its frames are\n"
	  "dropped, until it is up again",
	  read_link, render_said },
	{ "vhost", "on|off [NIC]", "let the kernel's vhost-net move the frames, or txringd",
	  read_vhost, render_said },
	{ "set", "NIC[/PAIR] KEY=VALUE...",
	  "change the tx mode while frames move: txmode=timer delay=80us, or\n"
	  "parameters of the one that runs: delay=80us; or coalesce=on|off",
	  read_set, render_said },
	{ "drain", "NIC", "wait until all that the guest has offered by now has left", read_one_nic,
	  render_said },
	{ "move", "NIC/PAIR IOTHREAD", "let another iothread run a queue pair", read_move,
	  render_said },
	{ "nic-add", "OPTION...|XML", "one more card, by the options of txringd, or <interface>",
	  read_add, render_said },
	{ "nic-remove", "NIC", "end a card", read_one_nic, render_said },
	{ "log-level", "[error|warning|info|debug]",
	  "log what is at least so urgent; without a word: which it is", read_log_level,
	  render_log_level },
	{ "commands", "", "all that the socket understands, with arguments", read_none,
	  render_commands },
	{ "ping", "", "whether txringd answers", read_none, render_nothing },
};

static const struct form *find(const char *name)
{
	for (size_t i = 0; i < array_size(forms); i++) {
		if (!strcmp(forms[i].command, name))
			return &forms[i];
	}
	return NULL;
}

/* "'show [NIC]', ..." */
static void list(char *text, size_t len)
{
	size_t used = 0;

	for (size_t i = 0; i < array_size(forms) && used < len; i++)
		used += (size_t)snprintf(text + used, len - used, "%s'%s%s%s'", i ? ", " : "",
					 forms[i].command, *forms[i].usage ? " " : "",
					 forms[i].usage);
}

/* The form, and the arguments for the caller; NULL and err: there is none. */
static const struct form *read(char *const *words, unsigned n, json_t **arguments,
			       char err[ASK_ERR_LEN])
{
	const struct form *form = n ? find(words[0]) : NULL;
	char all[ASK_ERR_LEN / 2];

	/* Without a card's name a command is for all cards. */
	for (unsigned i = 1; i < n; i++) {
		if (*words[i])
			continue;
		snprintf(err, ASK_ERR_LEN,
			 "word %u of '%s' must not be empty: for all cards there is no name", i,
			 words[0]);
		return NULL;
	}
	if (!form) {
		list(all, sizeof(all));
		snprintf(err, ASK_ERR_LEN, "a command is one of %s", all);
		return NULL;
	}
	*arguments = form->read(words + 1, n - 1);
	if (*arguments)
		return form;
	snprintf(err, ASK_ERR_LEN, "it is '%s %s', in UTF-8", form->command, form->usage);
	return NULL;
}

bool ask_check(char *const *words, unsigned n, char err[ASK_ERR_LEN])
{
	json_t *arguments;

	if (!read(words, n, &arguments, err))
		return false;
	json_decref(arguments);
	return true;
}

bool ask_run(struct client *c, char *const *words, unsigned n, bool json, FILE *out,
	     char err[ASK_ERR_LEN])
{
	json_t *arguments, *answer;
	const struct form *form = read(words, n, &arguments, err);

	if (!form)
		return false;
	snprintf(err, ASK_ERR_LEN, "out of memory");
	answer = client_ask(c, form->command, arguments, err, ASK_ERR_LEN);
	if (!json) {
		answer = plain_answer(answer);
		c->error = plain_answer(c->error);
	}
	if (json && (answer || c->error)) {
		json_dumpf(answer ? answer : c->error, out,
			   JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
		fputc('\n', out);
	} else if (answer) {
		form->render(answer, out);
	} else if (c->error) {
		render_said(c->error, out);
	}
	json_decref(answer);
	return answer;
}

void ask_help(void)
{
	char left[48];

	for (size_t i = 0; i < array_size(forms); i++) {
		const char *help = forms[i].help;

		snprintf(left, sizeof(left), "%s %s", forms[i].command, forms[i].usage);
		if (strlen(left) > 18)
			printf("  %s\n%21s", left, "");
		else
			printf("  %-18s ", left);
		for (size_t len; *help; help += len + (help[len] == '\n')) {
			len = strcspn(help, "\n");
			printf(" %.*s\n", (int)len, help);
			if (help[len])
				printf("%21s", "");
		}
	}
}
