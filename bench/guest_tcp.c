/* SPDX-License-Identifier: MIT */
/*
 * Both ends of the TCP loads of bench/guest: one runs in the guest, the other one on the host.
 *
 *   guest-tcp host LOAD ADDRESS PORT WARM_UP_MS MS   listens; takes the time, and ends the load
 *   guest-tcp guest LOAD ADDRESS PORT                connects, and goes on until it is reset
 *
 * LOAD: rr:N, a request of one byte and an answer of one byte in turn on each of N connections;
 * send, a stream from the guest; receive, a stream to it.
 *
 * The host's end says "start" and "end" around what is measured, by its clock, and then both print
 * one line of JSON. An answer says by its value whether its transaction is measured. In a closed
 * loop both ends see round trips: the guest's from request to answer, the host's from answer to
 * next request.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datapath/histogram.h"
#include "virtio/base.h"

#define MAX_CONNECTIONS 64
#define CHUNK           (128 * 1024)
#define LIMIT_S         30 /* beyond the load's own time */

enum kind {
	RR,
	SEND,
	RECEIVE,
};

/* The value of a byte. */
enum phase {
	WARM_UP = 'w',
	MEASURED = 'm',
};

struct end {
	bool host;
	enum kind kind;
	unsigned n;
	int fds[MAX_CONNECTIONS];
	struct sockaddr_in address;
	uint64_t warm_up_ns, ns; /* the host's only */

	uint64_t sent_at[MAX_CONNECTIONS]; /* 0: not yet, or not in what is measured */
	uint64_t begin, end;               /* of what is measured: the host's only */
	uint64_t first, last;              /* measured answers */
	uint64_t total;                    /* transactions or bytes, warm-up included */
	uint64_t measured;
	struct histogram round_trips;
	struct tcp_info info; /* of the first connection */
};

static void die(const char *what)
{
	fprintf(stderr, "guest-tcp: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void usage(void)
{
	fputs("usage: guest-tcp host LOAD ADDRESS PORT WARM_UP_MS MS | guest LOAD ADDRESS PORT; "
	      "LOAD: rr:N, send, receive\n",
	      stderr);
	exit(EXIT_FAILURE);
}

static void mark(const char *text)
{
	puts(text);
	fflush(stdout);
}

static void set(int fd, int level, int option)
{
	int one = 1;

	if (setsockopt(fd, level, option, &one, sizeof(one)))
		die("setsockopt");
}

static int new_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static void accept_all(struct end *e)
{
	int fd = new_socket();

	set(fd, SOL_SOCKET, SO_REUSEADDR);
	if (bind(fd, (struct sockaddr *)&e->address, sizeof(e->address)) ||
	    listen(fd, MAX_CONNECTIONS))
		die("bind");
	mark("listening");
	for (unsigned i = 0; i < e->n; i++) {
		e->fds[i] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (e->fds[i] < 0)
			die("accept");
		set(e->fds[i], IPPROTO_TCP, TCP_NODELAY);
	}
	close(fd);
}

static void connect_all(struct end *e)
{
	for (unsigned i = 0; i < e->n; i++) {
		e->fds[i] = new_socket();
		if (connect(e->fds[i], (struct sockaddr *)&e->address, sizeof(e->address)))
			die("connect");
		set(e->fds[i], IPPROTO_TCP, TCP_NODELAY);
	}
}

/* What the kernel knows of the stream: bytes of both directions, one of which carries none. */
static uint64_t progress(struct end *e)
{
	socklen_t len = sizeof(e->info);

	if (getsockopt(e->fds[0], IPPROTO_TCP, TCP_INFO, &e->info, &len))
		die("TCP_INFO");
	return e->info.tcpi_bytes_acked + e->info.tcpi_bytes_received;
}

/* Waits for one byte on some connection; sets the revents of all that have one. */
static void wait_for_bytes(struct end *e, struct pollfd *ready)
{
	for (unsigned i = 0; i < e->n; i++)
		ready[i] = (struct pollfd){ .fd = e->fds[i], .events = POLLIN, .revents = POLLIN };
	/* A single connection's recv() waits by itself. */
	if (e->n > 1 && poll(ready, e->n, -1) < 0)
		die("poll");
}

static void send_byte(struct end *e, unsigned i, uint64_t now, char value)
{
	if (send(e->fds[i], &value, 1, MSG_NOSIGNAL) == 1)
		e->sent_at[i] = now;
}

/* False: the load is over. */
static bool guest_turn(struct end *e, unsigned i)
{
	uint64_t now;
	char value;

	if (recv(e->fds[i], &value, 1, 0) != 1)
		return false;
	now = monotonic_ns();
	e->total++;
	if (value == MEASURED) {
		histogram_add(&e->round_trips, now - e->sent_at[i]);
		e->first = e->first ? e->first : now;
		e->last = now;
		e->measured++;
	}
	send_byte(e, i, now, WARM_UP);
	return true;
}

static bool host_turn(struct end *e, unsigned i)
{
	uint64_t now;
	char value;

	if (recv(e->fds[i], &value, 1, 0) != 1)
		die("recv");
	now = monotonic_ns();
	if (now >= e->end)
		return false;
	e->total++;
	if (now < e->begin) {
		send_byte(e, i, 0, WARM_UP);
		return true;
	}
	if (!e->measured++) {
		mark("start");
		e->first = now;
	}
	e->last = now;
	if (e->sent_at[i])
		histogram_add(&e->round_trips, now - e->sent_at[i]);
	send_byte(e, i, now, MEASURED);
	return true;
}

static void rr(struct end *e)
{
	struct pollfd ready[MAX_CONNECTIONS];

	for (unsigned i = 0; !e->host && i < e->n; i++)
		send_byte(e, i, monotonic_ns(), WARM_UP);
	for (;;) {
		wait_for_bytes(e, ready);
		for (unsigned i = 0; i < e->n; i++)
			if (ready[i].revents && !(e->host ? host_turn(e, i) : guest_turn(e, i)))
				return;
	}
}

/* One chunk; false: the other end has gone. */
static bool move_chunk(int fd, bool out)
{
	static char chunk[CHUNK];

	return (out ? send(fd, chunk, CHUNK, MSG_NOSIGNAL) : recv(fd, chunk, CHUNK, 0)) > 0;
}

static void host_stream(struct end *e)
{
	uint64_t now = monotonic_ns(), before = 0;

	while (now < e->end) {
		if (!move_chunk(e->fds[0], e->kind == RECEIVE))
			die("stream");
		now = monotonic_ns();
		if (e->measured || now < e->begin)
			continue;
		before = progress(e);
		e->begin = now;
		e->measured = 1;
		mark("start");
	}
	e->end = now;
	e->total = progress(e);
	e->measured = e->total - before;
}

static void guest_stream(struct end *e)
{
	while (move_chunk(e->fds[0], e->kind == SEND))
		;
	e->total = progress(e);
}

/* Ends every connection at once, whatever is on its way. */
static void reset_all(struct end *e)
{
	struct linger now = { .l_onoff = 1 };

	for (unsigned i = 0; i < e->n; i++) {
		setsockopt(e->fds[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(e->fds[i]);
	}
}

static void print_json(const struct end *e)
{
	const struct tcp_info *t = &e->info;
	const char *comma = "";

	printf("{\"total\": %" PRIu64 ", \"measured\": %" PRIu64 ", \"ns\": %" PRIu64
	       ", \"span_ns\": %" PRIu64 ", ",
	       e->total, e->measured, e->end - e->begin, e->last - e->first);
	printf("\"tcp\": {\"retransmits\": %u, \"busy_us\": %" PRIu64
	       ", \"rwnd_limited_us\": %" PRIu64 ", \"sndbuf_limited_us\": %" PRIu64
	       ", \"segments_out\": %u, \"segments_in\": %u, \"srtt_us\": %u, \"cwnd\": %u}, ",
	       t->tcpi_total_retrans, (uint64_t)t->tcpi_busy_time, (uint64_t)t->tcpi_rwnd_limited,
	       (uint64_t)t->tcpi_sndbuf_limited, t->tcpi_segs_out, t->tcpi_segs_in, t->tcpi_rtt,
	       t->tcpi_snd_cwnd);
	printf("\"round_trips\": {\"n\": %" PRIu64 ", \"min_ns\": %" PRIu64 ", \"max_ns\": %" PRIu64
	       ", \"buckets\": [",
	       e->round_trips.n, e->round_trips.min, e->round_trips.max);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (!e->round_trips.buckets[i])
			continue;
		printf("%s[%" PRIu64 ", %" PRIu64 "]", comma, histogram_value(i),
		       e->round_trips.buckets[i]);
		comma = ", ";
	}
	mark("]}}");
}

static uint64_t number(const char *text, uint64_t most)
{
	char *rest;
	unsigned long n = strtoul(text, &rest, 10);

	if (*text < '0' || *text > '9' || *rest || n > most)
		usage();
	return n;
}

static void parse(struct end *e, int argc, char **argv)
{
	const char *load = argc > 2 ? argv[2] : "";

	e->host = argc == 7 && !strcmp(argv[1], "host");
	if (!e->host && (argc != 5 || strcmp(argv[1], "guest") != 0))
		usage();
	e->n = 1;
	if (!strcmp(load, "send"))
		e->kind = SEND;
	else if (!strcmp(load, "receive"))
		e->kind = RECEIVE;
	else if (!strncmp(load, "rr:", 3))
		e->n = (unsigned)number(load + 3, MAX_CONNECTIONS);
	else
		usage();
	e->address = (struct sockaddr_in){ .sin_family = AF_INET,
					   .sin_port = htons((uint16_t)number(argv[4], 65535)) };
	if (!e->n || inet_pton(AF_INET, argv[3], &e->address.sin_addr) != 1)
		usage();
	e->warm_up_ns = e->host ? number(argv[5], 86400000) * 1000000 : 0;
	e->ns = e->host ? number(argv[6], 86400000) * 1000000 : 0;
}

int main(int argc, char **argv)
{
	static struct end e;

	parse(&e, argc, argv);
	if (e.host) {
		alarm(LIMIT_S + (unsigned)((e.warm_up_ns + e.ns) / 1000000000));
		accept_all(&e);
		e.begin = monotonic_ns() + e.warm_up_ns;
		e.end = e.begin + e.ns;
	} else {
		connect_all(&e);
	}
	if (e.kind == RR)
		rr(&e);
	else if (e.host)
		host_stream(&e);
	else
		guest_stream(&e);
	if (e.host)
		mark("end");
	progress(&e);
	if (e.host)
		reset_all(&e);
	print_json(&e);
	return 0;
}
