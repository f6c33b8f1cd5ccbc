/* SPDX-License-Identifier: MIT */
/*
 * Files of --config: a start, and a reload by SIGHUP. An input is words of the command line, one a
 * line; behind a line "==" the file as txringd starts with it; behind one more the file as it is
 * read again. The cards are fakes that become what they are told. Interface XML has its own target.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tools/config/txmode.h"
#include "tools/config/values.h"
#include "tools/log.h"
#include "tools/txringd/activation.h"
#include "tools/txringd/options.h"
#include "tools/txringd/options_xml.h"
#include "tools/txringd/reload.h"

#define MAX_WORDS 16
#define MAX_CARDS 512
#define FILE_FD   100
#define PATH      "/proc/self/fd/100"

struct nic {
	const struct nic_config *cfg;
	struct tx_mode mode;
	bool down, coalesces;
};

static struct nic cards[MAX_CARDS];
static unsigned n_changes;
static char last_line[4096];
static unsigned n_lines;

static void say(const char *fmt, va_list args)
{
	vsnprintf(last_line, sizeof(last_line), fmt, args);
	fuzz_require(*last_line && !strchr(last_line, '\n'));
	n_lines++;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list args;

	(void)level;
	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
}

void log_line(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
}

/* The fakes. */
static enum log_level shown = LOG_INFO;

void log_set_level(enum log_level level)
{
	shown = level;
}

enum log_level log_level(void)
{
	return shown;
}

const char *log_level_name(enum log_level level)
{
	return level == LOG_DEBUG ? "debug" : "info";
}

bool log_level_parse(const char *name, enum log_level *level)
{
	*level = !strcmp(name, "debug") ? LOG_DEBUG : LOG_INFO;
	return *level == LOG_DEBUG || !strcmp(name, "info");
}

const char *nic_name(const struct nic *nic)
{
	return nic->cfg->name;
}

int nic_status(const struct nic *nic, struct status *s)
{
	*s = (struct status){ .cfg = nic->cfg,
			      .mode = nic->mode,
			      .down = nic->down,
			      .coalesces = nic->coalesces,
			      .n_pairs = 1,
			      .pairs = calloc(1, sizeof(*s->pairs)) };
	fuzz_require(s->pairs);
	s->pairs[0].mode = nic->mode;
	return 0;
}

bool nic_set_link(struct nic *nic, bool up, char said[NIC_SAID_LEN])
{
	(void)said;
	n_changes++;
	nic->down = !up;
	return true;
}

bool nic_set_txmode(struct nic *nic, unsigned pair, const char *text, char said[NIC_SAID_LEN])
{
	n_changes++;
	fuzz_require(pair == NIC_ALL_PAIRS);
	fuzz_require(!txmode_change(&nic->mode, text, said, NIC_SAID_LEN));
	return true;
}

void nic_set_coalesce(struct nic *nic, bool on, char said[NIC_SAID_LEN])
{
	(void)said;
	n_changes++;
	nic->coalesces = on;
}

/* As systemd would give them. */
int activation_resolve(struct nic_config *nics, unsigned n, char err[NIC_CONFIG_ERR_LEN])
{
	(void)err;
	for (unsigned i = 0; i < n; i++) {
		if (nics[i].listen_name)
			nics[i].fd = VALUES_MAX_FD - (int)i;
	}
	return 0;
}

bool options_xml_fill(struct options_xml *xml, const char *spec, struct nic_config *c,
		      struct options_origin *origin)
{
	(void)xml;
	snprintf(origin->text, sizeof(origin->text), "a.xml:1");
	c->mtu = 1400;
	if (*spec)
		return true;
	log_at(LOG_ERROR, "a.xml:1: no");
	return false;
}

void options_xml_deinit(struct options_xml *xml)
{
	(void)xml;
}

static void write_file(const char *bytes, size_t len)
{
	fuzz_require(!ftruncate(FILE_FD, 0));
	fuzz_require(pwrite(FILE_FD, bytes, len, 0) == (ssize_t)len);
}

/* "FILE:LINE: ", or "--config 'FILE': " of a file that cannot be read at all. */
static bool names_place(const char *line)
{
	static const char *const starts[] = { PATH ":", "a.xml:" };

	if (!strncmp(line, "--config '" PATH "': ", strlen("--config '" PATH "': ")))
		return true;
	for (unsigned i = 0; i < 2; i++) {
		const char *at = line + strlen(starts[i]);

		if (strncmp(line, starts[i], strlen(starts[i])) != 0)
			continue;
		return *at >= '1' && *at <= '9' && !strncmp(at + strspn(at, "0123456789"), ": ", 2);
	}
	return false;
}

/* What a file does not say has no place in it. */
static bool is_unsaid(const char *line)
{
	return !strncmp(line, "give one of --", 14) || !strncmp(line, "--iothreads '1' ", 16);
}

/* A refusal is one line, and names its place in the file if all was said there. */
static void check_refusal(int argc)
{
	fuzz_require(n_lines == 1);
	fuzz_require(argc > 3 || names_place(last_line) || is_unsaid(last_line));
}

static void run_cards(const struct options *o, struct nic **nics)
{
	for (unsigned i = 0; i < o->n_nics; i++) {
		const struct nic_config *c = &o->nics[i];

		fuzz_require(c->backend && c->pairs && (c->socket_path || c->fd >= 0));
		cards[i] = (struct nic){ c, c->mode, c->link_down, c->coalesce };
		nics[i] = &cards[i];
	}
}

/* False: it was refused, and no card has heard of it. */
static bool reload(int argc, char **argv, const struct options *o, struct nic **nics)
{
	n_changes = n_lines = 0;
	if (reload_run(argc, argv, o, nics, o->n_nics))
		return true;
	fuzz_require(!n_changes && n_lines == 2);
	fuzz_require(!strcmp(last_line, "reload: refused, and nothing has changed"));
	return false;
}

static bool is_read(int argc, char **argv)
{
	struct options next;
	bool ok = options_parse_again(&next, argc, argv) == OPTIONS_RUN;

	options_deinit(&next);
	return ok;
}

/* What is read twice is the same, and what was applied is not applied again. */
static void check_reload(int argc, char **argv, const struct options *o, const char *file,
			 size_t len)
{
	struct nic *nics[MAX_CARDS];

	run_cards(o, nics);
	fuzz_require(reload(argc, argv, o, nics));
	fuzz_require(!n_changes && !strcmp(last_line, "reload: nothing has changed"));
	write_file(file, len);
	if (!is_read(argc, argv)) {
		fuzz_require(!reload(argc, argv, o, nics));
		return;
	}
	for (unsigned i = 0; i < 2; i++)
		fuzz_require(reload(argc, argv, o, nics));
	fuzz_require(!n_changes);
}

/* What prints and ends, or reads another file. */
static bool is_passed_over(const char *word)
{
	static const char *const options[] = { "--help", "--version", "--print-capabilities",
					       "--config" };
	size_t len = strcspn(word, "=");

	for (unsigned i = 0; i < 4; i++) {
		if (!strncmp(word, options[i], len))
			return true;
	}
	return false;
}

static int split_words(char *words, char *argv[MAX_WORDS + 3])
{
	int argc = 0;

	argv[argc++] = (char *)"txringd";
	for (char *word = strtok(words, "\n"); word && argc <= MAX_WORDS;
	     word = strtok(NULL, "\n")) {
		if (!is_passed_over(word))
			argv[argc++] = word;
	}
	argv[argc++] = (char *)"--config";
	argv[argc++] = (char *)PATH;
	return argc;
}

/* Up to a line "==", or the end; *at is behind it then. */
static size_t take_part(const char **at, const char *end)
{
	const char *start = *at, *mark = memmem(start, (size_t)(end - start), "==\n", 3);

	while (mark && mark > start && mark[-1] != '\n')
		mark = memmem(mark + 1, (size_t)(end - mark - 1), "==\n", 3);
	*at = mark ? mark + 3 : end;
	return (size_t)((mark ? mark : end) - start);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size, *first;
	size_t words_len = take_part(&at, end), first_len;
	char *words = strndup((const char *)data, words_len), *argv[MAX_WORDS + 4] = { 0 };
	struct options o;
	int argc;

	fuzz_require(words);
	if (fcntl(FILE_FD, F_GETFD) < 0)
		fuzz_require(dup2(memfd_create("config", 0), FILE_FD) == FILE_FD);
	first = at;
	first_len = take_part(&at, end);
	write_file(first, first_len);
	argc = split_words(words, argv);
	n_lines = 0;
	switch (options_parse(&o, argc, argv)) {
	case OPTIONS_RUN:
		check_reload(argc, argv, &o, at, (size_t)(end - at));
		break;
	case OPTIONS_BAD:
		check_refusal(argc);
		break;
	case OPTIONS_DONE:
		fuzz_fail("nothing was asked for that ends", __FILE__, __LINE__);
	}
	options_deinit(&o);
	free(words);
	return 0;
}
