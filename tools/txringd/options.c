/* SPDX-License-Identifier: MIT */
/*
 * Parses argv into struct options; every refusal is one line that names option, value and what is
 * allowed.
 */
#include "tools/txringd/options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/config/values.h"
#include "tools/log.h"
#include "tools/txringd/options_check.h"
#include "tools/txringd/options_parser.h"
#include "tools/version.h"
#include "virtio/base.h"

#define MAX_NICS      512
#define MAX_IOTHREADS 64

/* Most keys that a card may have, for the table that getopt reads. */
#define MAX_KEYS 64

static const struct option own_options[] = {
	{ "iothreads", required_argument, NULL, OPT_IOTHREADS },
	{ "nic", no_argument, NULL, OPT_NIC },
	{ "interface", required_argument, NULL, OPT_INTERFACE },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "print-capabilities", no_argument, NULL, OPT_PRINT_CAPABILITIES },
};

/* Our own options and the keys of a card, ended by zeroes. */
static void collect_options(struct option all[array_size(own_options) + MAX_KEYS + 1])
{
	unsigned n = array_size(own_options);

	memcpy(all, own_options, sizeof(own_options));
	for (unsigned i = 0; nic_config_keys[i].name; i++) {
		assert(i < MAX_KEYS);
		all[n++] = (struct option){
			.name = nic_config_keys[i].name,
			.has_arg = nic_config_keys[i].arg ? required_argument : no_argument,
			.val = OPT_KEYS + (int)i,
		};
	}
	all[n] = (struct option){ 0 };
}

void *options_grow(void *array, unsigned n, size_t size)
{
	void *larger = realloc(array, n * size);

	if (!larger)
		log_at(LOG_ERROR, "out of memory");
	return larger;
}

static bool append_nic(struct options_parser *p)
{
	struct options_origin *origins;
	struct options *o = p->o;
	struct nic_config *nics;

	if (o->n_nics == MAX_NICS) {
		log_at(LOG_ERROR, "%s%snic: more than %d network cards", p->where,
		       *p->where ? "" : "--", MAX_NICS);
		return false;
	}
	nics = options_grow(o->nics, o->n_nics + 1, sizeof(*nics));
	if (!nics)
		return false;
	o->nics = nics;
	origins = options_grow(o->origins, o->n_nics + 1, sizeof(*origins));
	if (!origins)
		return false;
	o->origins = origins;
	nic_config_init(&nics[o->n_nics], "--");
	snprintf(nics[o->n_nics].name, sizeof(nics->name), "nic%u", o->n_nics);
	origins[o->n_nics].text[0] = '\0';
	o->n_nics++;
	return true;
}

static bool set_key(const struct options_parser *p, struct nic_config *c,
		    const struct config_key *key, const char *value)
{
	char err[NIC_CONFIG_ERR_LEN];

	if (!nic_config_set(c, key, value, err))
		return true;
	log_at(LOG_ERROR, "%s%s", p->where, err);
	return false;
}

static bool set_given(const struct options_parser *p, struct nic_config *c)
{
	for (unsigned i = 0; i < p->n_given; i++) {
		if (!set_key(p, c, p->given[i].key, p->given[i].value))
			return false;
	}
	return true;
}

/* Of a socket that an option names nothing stays that the file says of another. */
static void drop_socket(struct nic_config *c, bool by_path, bool by_fd)
{
	if (by_path) {
		c->fd = -1;
		free(c->listen_name);
		c->listen_name = NULL;
	}
	if (by_fd) {
		c->client = false;
		free(c->socket_path);
		c->socket_path = NULL;
	}
}

/*
 * The last card has all its options. If a file describes it they are set before the file is read,
 * which need not say what they do, and again behind it, as they go before.
 */
static bool finish_nic(struct options_parser *p)
{
	struct nic_config *c;
	bool by_path, by_fd;

	if (!p->interface)
		return true;
	c = &p->o->nics[p->o->n_nics - 1];
	if (!set_given(p, c))
		return false;
	by_path = c->socket_path;
	by_fd = c->fd >= 0 || c->listen_name;
	if (!options_xml_fill(&p->xml, p->interface, c, &p->o->origins[p->o->n_nics - 1]))
		return false;
	drop_socket(c, by_path, by_fd);
	if (!set_given(p, c))
		return false;
	p->interface = NULL;
	p->n_given = 0;
	return true;
}

bool options_add_nic(struct options_parser *p)
{
	if (!finish_nic(p) || !append_nic(p))
		return false;
	p->untouched = true;
	p->begun = false;
	return true;
}

static struct options_origin origin(const struct options_parser *p)
{
	size_t len = strlen(p->where);
	struct options_origin at;

	/* Without ": ". */
	snprintf(at.text, sizeof(at.text), "%.*s", len ? (int)len - 2 : 0, p->where);
	return at;
}

bool options_add_interface(struct options_parser *p, const char *spec)
{
	if (!p->untouched && !options_add_nic(p))
		return false;
	p->untouched = false;
	p->interface = spec;
	p->o->origins[p->o->n_nics - 1] = origin(p);
	return true;
}

/* What is wrong with a value is said where it stands, not when it is set. */
static bool check_key(const struct options_parser *p, const struct config_key *key,
		      const char *value)
{
	struct nic_config c;
	bool ok;

	nic_config_init(&c, p->o->nics[p->o->n_nics - 1].mark);
	ok = set_key(p, &c, key, value);
	nic_config_deinit(&c);
	return ok;
}

static bool parse_key(struct options_parser *p, const struct config_key *key, const char *value)
{
	struct given *given;

	p->untouched = false;
	if (!p->interface)
		return set_key(p, &p->o->nics[p->o->n_nics - 1], key, value);
	if (!check_key(p, key, value))
		return false;
	given = options_grow(p->given, p->n_given + 1, sizeof(*given));
	if (!given)
		return false;
	p->given = given;
	given[p->n_given++] = (struct given){ key, value };
	return true;
}

static bool parse_iothreads(const struct options_parser *p, const char *text)
{
	uint64_t n;

	if (!values_number(text, strlen(text), 1, MAX_IOTHREADS, &n)) {
		log_at(LOG_ERROR, "%s%siothreads '%s' must be a number from 1 to %d", p->where,
		       *p->where ? "" : "--", text, MAX_IOTHREADS);
		return false;
	}
	p->o->iothreads = (unsigned)n;
	p->o->iothreads_at = origin(p);
	return true;
}

static bool parse_log_level(const struct options_parser *p, const char *name)
{
	if (log_level_parse(name, &p->o->log_level))
		return true;
	log_at(LOG_ERROR, "%s%slog-level '%s' must be error, warning, info or debug", p->where,
	       *p->where ? "" : "--", name);
	return false;
}

bool options_take(struct options_parser *p, int id, const char *arg)
{
	if (id == OPT_CONFIG)
		return options_lines_read(p, arg);
	if (id == OPT_NIC)
		return options_add_nic(p);
	if (id == OPT_INTERFACE)
		return options_add_interface(p, arg);
	if (id == OPT_IOTHREADS)
		return parse_iothreads(p, arg);
	if (id == OPT_LOG_LEVEL)
		return parse_log_level(p, arg);
	if (id == OPT_CONTROL) {
		p->o->control_path = arg;
		p->o->control_at = origin(p);
		return true;
	}
	return parse_key(p, &nic_config_keys[id - OPT_KEYS], arg);
}

static void print_capabilities(void)
{
	puts("{\n  \"type\": \"net\"\n}");
}

/* Conventions of QEMU's docs/interop/vhost-user.json: print and exit 0, whatever else was asked. */
static bool answered(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--print-capabilities")) {
			print_capabilities();
			return true;
		}
	}
	return false;
}

void options_deinit(struct options *o)
{
	for (unsigned i = 0; i < o->n_nics; i++)
		nic_config_deinit(&o->nics[i]);
	for (unsigned i = 0; i < o->n_texts; i++)
		free(o->texts[i]);
	free(o->texts);
	free(o->nics);
	free(o->origins);
	*o = (struct options){ 0 };
}

static enum options_outcome parse(struct options_parser *p, int argc, char **argv)
{
	struct option long_options[array_size(own_options) + MAX_KEYS + 1];
	char letter[] = "-?";
	int id;

	collect_options(long_options);
	p->known = long_options;
	optind = 0;
	if (!options_add_nic(p))
		return OPTIONS_BAD;
	opterr = 0;
	while ((id = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (id == OPT_HELP) {
			options_help();
			return OPTIONS_DONE;
		}
		if (id == OPT_VERSION) {
			puts("txringd " TXRING_VERSION);
			return OPTIONS_DONE;
		}
		/* Its name may be cut short, as that of others. */
		if (id == OPT_PRINT_CAPABILITIES) {
			print_capabilities();
			return OPTIONS_DONE;
		}
		if (id == ':' || id == '?') {
			/* The first of the letters behind one '-', of which none is an option. */
			letter[1] = (char)optopt;
			log_at(LOG_ERROR,
			       id == ':' ? "option '%s' needs a value (see --help)"
					 : "unknown option '%s', or one that takes no value (see "
					   "--help)",
			       optopt && optopt < OPT_IOTHREADS ? letter : argv[optind - 1]);
			return OPTIONS_BAD;
		}
		if (!options_take(p, id, optarg))
			return OPTIONS_BAD;
	}
	if (optind < argc) {
		log_at(LOG_ERROR, "unexpected argument '%s' (see --help)", argv[optind]);
		return OPTIONS_BAD;
	}
	return finish_nic(p) && options_check(p->o, p->again) ? OPTIONS_RUN : OPTIONS_BAD;
}

static enum options_outcome parse_all(struct options *o, int argc, char **argv, bool again)
{
	struct options_parser p = { .o = o, .again = again };
	enum options_outcome outcome;

	*o = (struct options){ .iothreads = 1, .log_level = LOG_INFO };
	if (answered(argc, argv))
		return OPTIONS_DONE;
	outcome = parse(&p, argc, argv);
	options_xml_deinit(&p.xml);
	free(p.given);
	return outcome;
}

enum options_outcome options_parse(struct options *o, int argc, char **argv)
{
	return parse_all(o, argc, argv, false);
}

enum options_outcome options_parse_again(struct options *o, int argc, char **argv)
{
	return parse_all(o, argc, argv, true);
}
