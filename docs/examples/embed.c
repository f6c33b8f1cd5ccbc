/* SPDX-License-Identifier: MIT */
/*
 * A network card in a program of your own: serves one front-end after the other at a socket, until
 * stdin ends, then says what went through.
 *
 *     cc embed.c -o embed $(pkg-config --cflags --libs txring)
 *     ./embed /tmp/vm0.sock tap:tap0
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <txring.h>
#include <unistd.h>

static void log_line(void *ctx, const char *line)
{
	fprintf(stderr, "%s: %s\n", (const char *)ctx, line);
}

int main(int argc, char **argv)
{
	struct txring_iothread *thread;
	struct txring_param delay = { "delay", 80000 };
	struct txring_card_config cfg = { .size = sizeof(cfg), .threads = &thread, .n_threads = 1,
					  .engine = "timer", .params = &delay, .n_params = 1 };
	struct txring_counter counters[64];
	struct txring_card *card = NULL;
	char err[TXRING_ERR_LEN] = "", byte;
	unsigned n;
	int error;

	signal(SIGPIPE, SIG_IGN); /* a front-end may take a pipe for its interrupts */
	if (argc != 3 || txring_iothread_new(&thread, "frames", log_line, "frames"))
		return fprintf(stderr, "usage: embed SOCKET BACKEND, where io_uring is\n"), 1;
	cfg.backend = argv[2];
	cfg.log = log_line;
	cfg.ctx = "card";
	error = txring_card_new(&card, &cfg, err);
	if (error || (error = txring_card_listen(card, argv[1])))
		return fprintf(stderr, "cannot serve %s: %s\n", argv[1],
			       *err ? err : strerror(-error)), 1;
	for (;;) {
		struct pollfd fds[] = { { txring_card_fd(card), POLLIN, 0 }, { 0, POLLIN, 0 } };

		if (poll(fds, 2, -1) < 0)
			break;
		if (fds[1].revents && read(0, &byte, 1) < 1)
			break;
		txring_card_dispatch(card);
	}
	n = txring_card_counters(card, 0, TXRING_TX, counters, 64);
	for (unsigned i = 0; i < n && i < 64; i++)
		printf("%s %" PRIu64 " %s\n", counters[i].name, counters[i].value,
		       counters[i].unit);
	txring_card_free(card);
	txring_iothread_free(thread);
	return 0;
}
