/* SPDX-License-Identifier: MIT */
/*
 * txringctl: asks a running txringd over its control socket, and prints what it answers. What the
 * commands are txringd knows (tools/txringd/commands.c); but for those of the table here, which
 * need no txringd and have a file of their own each.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/txringctl/convert.h"
#include "tools/txringctl/probe.h"
#include "tools/txringd/control.h"
#include "tools/log.h"
#include "tools/version.h"
#include "virtio/base.h"

/* Longer than txringd takes for anything. */
#define PATIENCE_S (2 * CONTROL_PATIENCE_MS / 1000)

/* A command that needs no txringd. argv[0] is its name; the status is what run() returns. */
static const struct local {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} locals[] = {
	{ "convert", convert_run, "libvirt's XML to txring and back, or as QEMU's arguments" },
	{ "probe", probe_run, "what this host, and QEMUs on it, can do" },
};

static const struct option long_options[] = {
	{ "control", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{ 0 },
};

static void print_help(void)
{
	puts("usage: txringctl --control PATH COMMAND\n"
	     "       txringctl LOCAL-COMMAND [ARGUMENT...]\n"
	     "Asks the txringd that was started with --control PATH.\n"
	     "\n"
	     "  show [NIC]          what runs: backend, tx mode, front-end, features, driver "
	     "(kernel\n"
	     "                      or user, and why), counters, hand-overs\n"
	     "  dumpxml [NIC]       the card as libvirt's <interface>, as it is now\n"
	     "  domifstat [NIC]     what the guest received and sent, in virsh's words\n"
	     "  link up [NIC]       the guest has a link; down: it has none, and its frames are\n"
	     "  link down [NIC]     dropped, until it is up again\n"
	     "  vhost on [NIC]      let the kernel's vhost-net move the frames\n"
	     "  vhost off [NIC]     let txringd do it\n"
	     "  --help, --version\n"
	     "\n"
	     "NIC is a card's name, nic0 and so on; without it the command is for all cards.\n"
	     "The status is 0 if it was done; else 1, and a line on stderr says why.\n"
	     "\n"
	     "Local commands need no txringd; each has a --help of its own:\n");
	for (size_t i = 0; i < array_size(locals); i++)
		printf("  %-18s  %s\n", locals[i].name, locals[i].help);
}

static const struct local *find_local(const char *name)
{
	for (size_t i = 0; i < array_size(locals); i++) {
		if (!strcmp(name, locals[i].name))
			return &locals[i];
	}
	return NULL;
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	const char *hint = "";
	int fd;

	if (!*path || strlen(path) >= sizeof(addr.sun_path)) {
		log_line("--control '%s' must be 1 to %zu characters long", path,
			 sizeof(addr.sun_path) - 1);
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	if (errno == EAGAIN)
		hint = ": txringd does not answer";
	else if (errno == ENOENT || errno == ECONNREFUSED)
		hint = ": no txringd listens there";
	log_line("--control '%s': %s%s", path, strerror(errno), hint);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The words with a space between, and a newline. */
static bool ask(int fd, char *const *words, int n)
{
	char line[CONTROL_MAX_LINE + 2];
	size_t len = 0, word_len;

	for (int i = 0; i < n; i++) {
		word_len = strlen(words[i]);
		/* Without a card's name a command is for all cards. */
		if (i && !word_len) {
			log_line(
				"a card's name must not be empty: without one it is for all cards");
			return false;
		}
		if (len + word_len + 1 > sizeof(line) - 1 || strchr(words[i], '\n')) {
			log_line("a command is one line of %d characters at most",
				 CONTROL_MAX_LINE);
			return false;
		}
		memcpy(line + len, words[i], word_len);
		len += word_len;
		line[len++] = i + 1 < n ? ' ' : '\n';
	}
	if (send(fd, line, len, MSG_NOSIGNAL) == (ssize_t)len)
		return true;
	log_line("txringd does not listen: %s", strerror(errno));
	return false;
}

/* Prints all lines but the last, which is the verdict. */
static bool print_answer(FILE *in)
{
	char *line = NULL, *last = NULL;
	size_t size = 0;
	bool ok;

	errno = 0;
	while (getline(&line, &size, in) > 0) {
		if (last)
			fputs(last, stdout);
		free(last);
		last = line;
		line = NULL;
		size = 0;
	}
	free(line);
	ok = last && !strcmp(last, "ok\n");
	if (!last && ferror(in) && errno == EAGAIN)
		log_line("txringd does not answer");
	else if (!last || !strchr(last, '\n'))
		log_line("txringd broke off its answer");
	else if (!strncmp(last, "error: ", 7))
		log_line("%.*s", (int)strcspn(last + 7, "\n"), last + 7);
	else if (!ok)
		log_line("txringd gave an answer without an end");
	free(last);
	return ok;
}

/* What was printed has arrived. */
static int printed(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_SUCCESS;
	log_line("cannot write to stdout: %s", strerror(errno));
	return EXIT_FAILURE;
}

static int run(const char *path, char *const *words, int n)
{
	int fd = connect_to(path);
	FILE *in;
	bool ok;

	if (fd < 0)
		return EXIT_FAILURE;
	if (!ask(fd, words, n)) {
		close(fd);
		return EXIT_FAILURE;
	}
	in = fdopen(fd, "r");
	if (!in) {
		log_line("out of memory");
		close(fd);
		return EXIT_FAILURE;
	}
	ok = print_answer(in);
	fclose(in);
	return ok ? printed() : EXIT_FAILURE;
}

static int run_local(const struct local *local, const char *path, int argc, char **argv)
{
	int status;

	if (path) {
		log_line("--control '%s': %s asks no txringd; leave it out", path, local->name);
		return EXIT_FAILURE;
	}
	/* The command has options of its own. */
	optind = 0;
	status = local->run(argc, argv);
	return status == EXIT_SUCCESS ? printed() : status;
}

int main(int argc, char **argv)
{
	const struct local *local;
	const char *path = NULL;
	int id, at = 1;

	opterr = 0;
	for (; (id = getopt_long(argc, argv, "+:", long_options, NULL)) != -1; at = optind) {
		switch (id) {
		case 'c':
			path = optarg;
			break;
		case 'h':
			print_help();
			return printed();
		case 'v':
			puts("txringctl " TXRING_VERSION);
			return printed();
		default:
			log_line("option '%s' is unknown or lacks its value (see --help)",
				 argv[at]);
			return EXIT_FAILURE;
		}
	}
	local = optind < argc ? find_local(argv[optind]) : NULL;
	if (local)
		return run_local(local, path, argc - optind, argv + optind);
	if (!path || optind == argc) {
		log_line("usage: txringctl --control PATH COMMAND (see --help)");
		return EXIT_FAILURE;
	}
	return run(path, argv + optind, argc - optind);
}
