/* SPDX-License-Identifier: MIT */
/* Commands that add and remove cards while txringd runs; see commands.h. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/log.h"
#include "tools/txringd/commands.h"
#include "tools/txringd/options.h"
#include "tools/txringd/protocol.h"

/* Of one card, with the program's name and the end. */
#define MAX_ARGS 66

/* Options that no card has. */
static const char *const not_of_a_card[] = { "--help",      "--version", "--print-capabilities",
					     "--config",    "--control", "--iothreads",
					     "--log-level", "--nic",     NULL };

/* What a card was made from; its configuration is in there. */
struct command_added {
	struct options options;
};

static void forget(struct commands *c, unsigned i)
{
	if (c->added[i])
		options_deinit(&c->added[i]->options);
	free(c->added[i]);
	c->added[i] = NULL;
}

void commands_deinit(struct commands *c)
{
	events_deinit(&c->events);
	for (unsigned i = 0; i < COMMANDS_MAX_NICS; i++)
		forget(c, i);
}

/* A slot without a card; NULL is none. */
static struct nic **free_slot(struct commands *c)
{
	unsigned i;

	for (i = 0; i < c->n_nics && c->nics[i]; i++)
		;
	return i < COMMANDS_MAX_NICS ? &c->nics[i] : NULL;
}

/* No socket, interface or fd of it may be another card's. */
static bool is_apart(const struct commands *c, const struct nic_config *cfg,
		     char err[NIC_CONFIG_ERR_LEN])
{
	struct nic_config *all = calloc(c->n_nics + 1, sizeof(*all));
	unsigned n = 0;
	int code;

	if (!all) {
		snprintf(err, NIC_CONFIG_ERR_LEN, "out of memory");
		return false;
	}
	for (unsigned i = 0; i < c->n_nics; i++) {
		if (c->nics[i])
			all[n++] = *nic_cfg(c->nics[i]);
	}
	all[n++] = *cfg;
	code = nic_config_check_all(all, n, err);
	free(all);
	return !code;
}

/* The iothread that runs the fewest pairs, if there is room for the card's; else n_threads. */
static unsigned roomy_thread(const struct commands *c, unsigned pairs)
{
	unsigned each = (pairs + c->n_threads - 1) / c->n_threads, best = 0, least = UINT32_MAX;

	for (unsigned t = 0; t < c->n_threads; t++) {
		unsigned n = 0;

		for (unsigned i = 0; i < c->n_nics; i++)
			n += c->nics[i] ? nic_pairs_on(c->nics[i], c->threads[t]) : 0;
		if ((n + each) * DEVICE_PAIR_WATCHES >= IOTHREAD_MAX_WATCHES)
			return c->n_threads;
		if (n < least) {
			least = n;
			best = t;
		}
	}
	return best;
}

/* The options of one card as argv; NULL, or why they are none. */
static const char *read_options(struct options *o, int argc, char **argv)
{
	enum options_outcome outcome;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) != 0 && argv[i][0] == '-')
			return "an option begins with '--'";
		for (unsigned k = 0; not_of_a_card[k]; k++) {
			size_t len = strcspn(argv[i], "=");

			if (len > 2 && !strncmp(not_of_a_card[k], argv[i], len))
				return "an option that is not of a card";
		}
	}
	optind = 0;
	outcome = options_parse(o, argc, argv);
	if (outcome == OPTIONS_RUN && o->n_nics == 1)
		return NULL;
	return outcome == OPTIONS_RUN ? "it must be one card" : "";
}

/* The card, in that slot. False: why says what is wrong. */
static bool add(struct commands *c, struct nic **slot, struct options *o, char why[NIC_SAID_LEN])
{
	struct nic_config *cfg = &o->nics[0];
	unsigned first = roomy_thread(c, cfg->pairs);

	snprintf(cfg->name, sizeof(cfg->name), "nic%u", c->next_name);
	if (!is_apart(c, cfg, why))
		return false;
	if (first == c->n_threads) {
		snprintf(why, NIC_SAID_LEN, "the iothreads have no room for %u queue pairs more",
			 cfg->pairs);
		return false;
	}
	/* What it says to the log is the reason. */
	if (nic_new(slot, cfg, true, c->threads, c->n_threads, first)) {
		*slot = NULL;
		return false;
	}
	c->next_name++;
	return true;
}

/* All of it, once the words are there. Takes nothing over. */
static json_t *add_by_words(struct command_call *call, int argc, char **argv)
{
	struct commands *c = call->commands;
	struct nic **slot = free_slot(c);
	struct command_added *added = calloc(1, sizeof(*added));
	char why[NIC_SAID_LEN] = "";
	const char *wrong;
	unsigned i;
	bool done;

	if (!slot || !added) {
		free(added);
		return command_error(call, PROTOCOL_GENERIC, "no room for one more card");
	}
	log_capture(why, sizeof(why));
	wrong = read_options(&added->options, argc, argv);
	done = !wrong && add(c, slot, &added->options, why);
	log_capture(NULL, 0);
	if (!done) {
		options_deinit(&added->options);
		free(added);
		return command_error(call, wrong ? PROTOCOL_INVALID_ARGUMENT : PROTOCOL_GENERIC,
				     "no card was added: %s", wrong && *wrong ? wrong : why);
	}
	i = (unsigned)(slot - c->nics);
	forget(c, i);
	c->added[i] = added;
	if (i == c->n_nics)
		c->n_nics++;
	c->n_more++;
	nic_log_what_runs(*slot);
	return command_return(call, json_pack("{s:[{s:o, s:s}]}", "nics", "name",
					      protocol_text(nic_name(*slot)), "said", "added"));
}

static json_t *add_by_options(struct command_call *call, json_t *options)
{
	char *argv[MAX_ARGS] = { (char *)(uintptr_t) "txringd" };
	json_t *word;
	size_t i;

	json_array_foreach(options, i, word)
	{
		if (!json_is_string(word) || i + 2 >= MAX_ARGS)
			return command_error(call, PROTOCOL_INVALID_ARGUMENT,
					     "argument 'options' must be a list of at most %d "
					     "texts",
					     MAX_ARGS - 2);
		argv[i + 1] = (char *)(uintptr_t)json_string_value(word);
	}
	return add_by_words(call, (int)json_array_size(options) + 1, argv);
}

static json_t *add_by_xml(struct command_call *call, json_t *xml)
{
	int fd = memfd_create("interface", MFD_CLOEXEC);
	char path[32];
	char *argv[] = { (char *)(uintptr_t) "txringd", (char *)(uintptr_t) "--interface", path,
			 NULL };
	json_t *answer;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd >= 0 && write(fd, json_string_value(xml), json_string_length(xml)) ==
			       (ssize_t)json_string_length(xml))
		answer = add_by_words(call, 3, argv);
	else
		answer = command_error(call, PROTOCOL_GENERIC, "no room for the XML");
	if (fd >= 0)
		close(fd);
	return answer;
}

static json_t *nic_add(struct command_call *call)
{
	json_t *options = json_object_get(call->arguments, "options");
	json_t *xml = json_object_get(call->arguments, "xml");

	if (!options == !xml)
		return command_error(call, PROTOCOL_INVALID_ARGUMENT,
				     "'nic-add' needs one of the arguments 'options' and 'xml'");
	return options ? add_by_options(call, options) : add_by_xml(call, xml);
}

static json_t *nic_remove(struct command_call *call)
{
	struct commands *c = call->commands;
	unsigned i = 0, left = 0;
	struct nic *nic = command_next(call, &i);
	json_t *answer;

	if (!nic)
		return command_no_nic(call);
	for (unsigned k = 0; k < c->n_nics; k++)
		left += c->nics[k] != NULL;
	if (left == 1)
		return command_error(call, PROTOCOL_GENERIC,
				     "%s is the last card: end txringd instead", nic_name(nic));
	answer = command_return(call, json_pack("{s:[{s:o, s:s}]}", "nics", "name",
						protocol_text(nic_name(nic)), "said", "removed"));
	log_at(LOG_INFO, "%s: removed by command", nic_name(nic));
	nic_free(nic);
	c->nics[i - 1] = NULL;
	forget(c, i - 1);
	c->n_more--;
	return answer;
}

static const struct command_argument add_arguments[] = {
	{ .name = "options",
	  .type = "array",
	  .help = "of one card, as on txringd's command line: [\"--socket-path\", \"/run/x\", "
		  "...]" },
	{ .name = "xml", .type = "string", .help = "or libvirt's <interface>" },
	{ 0 },
};

static const struct command_argument remove_arguments[] = {
	{ .name = "nic", .type = "string", .needed = true, .help = "a card's name" },
	{ 0 },
};

const struct command commands_cards[] = {
	{ .name = "nic-add",
	  .help = "one more card",
	  .arguments = add_arguments,
	  .changes = true,
	  .run = nic_add },
	{ .name = "nic-remove",
	  .help = "end a card: its front-end is given up, its backend closed",
	  .arguments = remove_arguments,
	  .changes = true,
	  .run = nic_remove },
	{ 0 },
};
