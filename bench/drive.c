/* SPDX-License-Identifier: MIT */
/*
 * drive: plays the guest of a running txringd and watches the tap that its frames come out of,
 * which must be in this network namespace and up. Two phases, each after a warm-up that does not
 * count:
 *
 *   paced   one frame at a time at random moments (open-loop). Latency: from just before a frame is
 *           offered and the device kicked to the kernel's time stamp of that frame at the tap.
 *   flood   the ring is kept full, nobody listens at the tap.
 *
 * In both it counts kicks, calls (asked for as Linux does, when 3/4 of what is in flight is used)
 * and the daemon's CPU time, and demands that frames sent == used == on the tap. It knows nothing
 * of tx modes: --label is only printed. Pin it and the daemon to different CPUs (taskset).
 *
 * Longer than a station should be, for its options and two forms of output: it reads from top to
 * bottom.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/histogram.h"
#include "bench/pace.h"
#include "bench/wire.h"
#include "virtio/base.h"
#include "virtio/driver/net.h"

#define RING_SIZE  256 /* as QEMU's default */
#define FRAME_LEN  64
#define ETHERTYPE  0x88b5 /* IEEE: for local experiments; nobody answers it */
#define SEQ_AT     14     /* behind the Ethernet header: the frame's number, 8 bytes */
#define STALL_NS   5000000000
#define WIRE_NS    200000000 /* a frame that was used is on the tap by then, or lost */
#define SETTLE_NS  2000000   /* until the daemon sleeps, and its last call has come */
#define WARM_UP_NS 300000000
#define MAX_FRAMES 100000000

struct settings {
	const char *path;
	const char *tap;
	const char *label;
	unsigned long rate;     /* frames per second of the paced phase */
	unsigned long frames;   /* of the paced phase */
	unsigned long flood_ms; /* length of the flood */
	bool share_cpu;
	bool json;
};

/* What only grows; a phase is the difference of two of these. */
struct counts {
	uint64_t at_ns;
	uint64_t flood_ns;  /* of the time: from the first frame to the last one's return */
	uint64_t waited_ns; /* of the time: this program was ready to run, but had no CPU */
	uint64_t cpu_ns;    /* of the daemon, all threads */
	uint64_t sent;
	uint64_t used;
	uint64_t on_tap;
	uint64_t kicks;
	uint64_t calls;
};

struct drive {
	const struct settings *set;
	struct driver_net *net;
	struct ring *ring;
	clockid_t daemon_clock;
	struct counts now;

	/* The paced phase. */
	struct wire wire;
	uint64_t *sent_ns; /* of each frame that the wire has not shown yet, CLOCK_REALTIME */
	uint64_t n_seen;
	struct histogram latency;
};

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *fmt, ...)
{
	va_list args;

	fputs("drive: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

/* The driver's side of the ring. */

/* Give the CPU to the daemon if there is only one. */
static void wait_a_moment(const struct drive *d)
{
	if (d->set->share_cpu)
		sched_yield();
}

/* Fill one frame, not offered yet. The buffers are used in turn, as frames come back in order. */
static void fill(struct drive *d, uint64_t seq)
{
	struct driver_net_pair *p = &d->net->pairs[0];
	uint64_t at = d->now.sent % RING_SIZE * d->net->tx_stride;

	memcpy(p->tx_bufs + at + d->net->hdr_len + SEQ_AT, &seq, sizeof(seq));
	ring_fill(d->ring,
		  (struct chain_part){ p->tx_gpa + at, d->net->hdr_len + FRAME_LEN, false }, seq);
	d->now.sent++;
}

/* Offer what was filled, and ask for a call as Linux does. It is never waited for. */
static void offer(struct drive *d)
{
	ring_submit(d->ring);
	d->now.kicks += ring_kick(d->ring);
	ring_arm_call(d->ring, (uint16_t)((d->now.sent - d->now.used) * 3 / 4));
}

/* How many frames came back. */
static unsigned take_back(struct drive *d)
{
	struct ring_used used;
	unsigned n = 0;

	if (!ring_peek(d->ring))
		return 0;
	while (ring_use(d->ring, &used) == RING_USED)
		n++;
	if (d->ring->fault)
		die("the daemon broke the ring: %s", ring_fault_name(d->ring->fault));
	d->now.used += n;
	return n;
}

/* Until at most n frames are in flight. */
static void wait_in_flight(struct drive *d, unsigned n)
{
	uint64_t until = pace_now_ns(CLOCK_MONOTONIC) + STALL_NS;

	while (d->now.sent - d->now.used > n) {
		if (take_back(d))
			until = pace_now_ns(CLOCK_MONOTONIC) + STALL_NS;
		else if (pace_now_ns(CLOCK_MONOTONIC) > until)
			die("%s: the daemon took no frame for %u s, %" PRIu64 " are in its ring",
			    d->set->label, (unsigned)(STALL_NS / 1000000000),
			    d->now.sent - d->now.used);
		else
			wait_a_moment(d);
	}
}

/* The counters. */

static uint64_t frames_on_tap(const struct settings *set)
{
	uint64_t frames;
	int err = wire_count(set->tap, &frames);

	if (err)
		die("--tap '%s': %s in this network namespace", set->tap, strerror(-err));
	return frames;
}

static uint64_t time_waited_ns(void)
{
	FILE *f = fopen("/proc/self/schedstat", "re");
	uint64_t waited_ns = 0;

	if (f) {
		if (fscanf(f, "%*u %" SCNu64, &waited_ns) != 1)
			waited_ns = 0;
		fclose(f);
	}
	return waited_ns;
}

static void count(struct drive *d, struct counts *c)
{
	const struct timespec settle = { .tv_nsec = SETTLE_NS };
	eventfd_t calls;

	nanosleep(&settle, NULL);
	if (!eventfd_read(d->net->frontend.rings[1].call_fd, &calls))
		d->now.calls += calls;
	d->now.cpu_ns = pace_now_ns(d->daemon_clock);
	d->now.on_tap = frames_on_tap(d->set);
	d->now.at_ns = pace_now_ns(CLOCK_MONOTONIC);
	d->now.waited_ns = time_waited_ns();
	*c = d->now;
}

static void subtract(struct counts *c, const struct counts *from)
{
	c->at_ns -= from->at_ns;
	c->flood_ns -= from->flood_ns;
	c->waited_ns -= from->waited_ns;
	c->cpu_ns -= from->cpu_ns;
	c->sent -= from->sent;
	c->used -= from->used;
	c->on_tap -= from->on_tap;
	c->kicks -= from->kicks;
	c->calls -= from->calls;
}

/* The paced phase. */

/* Take in what the wire shows. */
static void watch_wire(struct drive *d)
{
	struct wire_frame f;
	uint64_t seq;

	for (; wire_peek(&d->wire, &f); wire_release(&d->wire)) {
		memcpy(&seq, f.data + SEQ_AT, sizeof(seq));
		if (f.len != FRAME_LEN || seq >= d->set->frames || !d->sent_ns[seq])
			die("%s: a frame came out of the tap that was not sent, or twice",
			    d->set->label);
		if (f.at_ns < d->sent_ns[seq])
			die("the clock was set back during the run");
		histogram_add(&d->latency, f.at_ns - d->sent_ns[seq]);
		d->sent_ns[seq] = 0;
		d->n_seen++;
	}
}

static void send_paced(struct drive *d, uint64_t n)
{
	uint64_t until, now_ns;
	struct pace pace;

	d->n_seen = 0;
	memset(&d->latency, 0, sizeof(d->latency));
	pace_start(&pace, 1e9 / (double)d->set->rate);
	for (uint64_t seq = 0; seq < n; seq++, pace_next(&pace)) {
		while (!pace_due(&pace)) {
			if (take_back(d))
				watch_wire(d);
			wait_a_moment(d);
		}
		wait_in_flight(d, RING_SIZE - 1);
		fill(d, seq);
		now_ns = pace_now_ns(CLOCK_REALTIME);
		offer(d);
		d->sent_ns[seq] = now_ns;
	}
	wait_in_flight(d, 0);
	until = pace_now_ns(CLOCK_MONOTONIC) + WIRE_NS;
	while (d->n_seen < n && pace_now_ns(CLOCK_MONOTONIC) < until)
		watch_wire(d);
}

static void send_flood(struct drive *d, uint64_t for_ns)
{
	uint64_t start = pace_now_ns(CLOCK_MONOTONIC), until = start + for_ns;

	do {
		for (unsigned room = ring_reserve(d->ring, RING_SIZE); room; room--)
			fill(d, d->now.sent);
		offer(d);
		wait_in_flight(d, RING_SIZE - 1);
	} while (pace_now_ns(CLOCK_MONOTONIC) < until);
	wait_in_flight(d, 0);
	d->now.flood_ns += pace_now_ns(CLOCK_MONOTONIC) - start;
}

/* Frames lost in a phase; seen: how many of them the wire showed, where it was watched. */
static uint64_t lost(const struct counts *c, uint64_t seen)
{
	uint64_t arrived = min_u64(min_u64(c->used, c->on_tap), seen);

	if (c->on_tap > c->sent)
		die("%" PRIu64 " frames sent, %" PRIu64 " on the tap", c->sent, c->on_tap);
	return c->sent - arrived;
}

static void run_paced(struct drive *d, struct counts *c)
{
	uint64_t warm_up = d->set->rate * WARM_UP_NS / 1000000000;
	int err = wire_open(&d->wire, d->set->tap, ETHERTYPE);
	struct counts before;

	if (err)
		die("--tap '%s': cannot be watched: %s%s", d->set->tap, strerror(-err),
		    err == -EPERM ? " (run as root)" : "");
	send_paced(d, min_u64(warm_up, d->set->frames));
	count(d, &before);
	send_paced(d, d->set->frames);
	count(d, c);
	subtract(c, &before);
	wire_close(&d->wire);
}

static void run_flood(struct drive *d, struct counts *c)
{
	struct counts before;

	send_flood(d, min_u64(WARM_UP_NS, d->set->flood_ms * 1000000));
	count(d, &before);
	send_flood(d, d->set->flood_ms * 1000000);
	count(d, c);
	subtract(c, &before);
}

/* What is said. */

static double each(uint64_t n, const struct counts *c)
{
	return (double)n / (double)c->sent;
}

static double per_second(const struct counts *c)
{
	return (double)c->sent * 1e9 / (double)c->flood_ns;
}

/* The share of the time in which others had the driver's CPU: it would not rest by itself. */
static double waited(const struct counts *c)
{
	return (double)c->waited_ns / (double)c->at_ns;
}

static void print_counts_json(const struct counts *c, uint64_t n_lost)
{
	printf("\"frames\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"cpu_ns_per_frame\": %.1f, "
	       "\"kicks_per_frame\": %.6f, \"calls_per_frame\": %.6f, \"waited\": %.4f}",
	       c->sent, n_lost, each(c->cpu_ns, c), each(c->kicks, c), each(c->calls, c),
	       waited(c));
}

static void print_json(const struct drive *d, const struct counts *paced,
		       const struct counts *flood)
{
	const struct histogram *h = &d->latency;

	printf("{\"label\": \"%s\", \"paced\": {\"rate\": %lu, \"p50_ns\": %" PRIu64
	       ", \"p99_ns\": %" PRIu64 ", \"p999_ns\": %" PRIu64 ", \"max_ns\": %" PRIu64 ", ",
	       d->set->label, d->set->rate, histogram_at(h, 0.5), histogram_at(h, 0.99),
	       histogram_at(h, 0.999), h->max);
	print_counts_json(paced, lost(paced, d->n_seen));
	printf(", \"flood\": {\"frames_per_s\": %.0f, ", per_second(flood));
	print_counts_json(flood, lost(flood, UINT64_MAX));
	puts("}");
}

static void print_counts(const struct counts *c, uint64_t n_lost)
{
	printf("CPU %.0f ns, %.4f kicks, %.4f calls a frame; %" PRIu64 " of %" PRIu64 " lost; "
	       "the driver waited for its CPU %.1f %% of the time\n",
	       each(c->cpu_ns, c), each(c->kicks, c), each(c->calls, c), n_lost, c->sent,
	       100 * waited(c));
}

static void print_text(const struct drive *d, const struct counts *paced,
		       const struct counts *flood)
{
	const struct histogram *h = &d->latency;

	printf("%s, %lu frames/s: latency us p50 %.1f, p99 %.1f, p99.9 %.1f; ", d->set->label,
	       d->set->rate, (double)histogram_at(h, 0.5) / 1e3,
	       (double)histogram_at(h, 0.99) / 1e3, (double)histogram_at(h, 0.999) / 1e3);
	print_counts(paced, lost(paced, d->n_seen));
	printf("%s, ring kept full: %.0f frames/s; ", d->set->label, per_second(flood));
	print_counts(flood, lost(flood, UINT64_MAX));
}

/* Arguments. */

static unsigned long number(const char *option, const char *text, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || !n || n > max)
		die("--%s '%s' must be a number from 1 to %lu", option, text, max);
	return n;
}

static void print_help(void)
{
	puts("usage: drive --socket-path PATH --tap NAME [option...]\n"
	     "Plays the guest of the txringd that listens on PATH, and watches its tap.\n"
	     "\n"
	     "  --rate N       paced phase: frames per second, default 1000\n"
	     "  --frames N     paced phase: frames, default 4000\n"
	     "  --flood-ms N   length of the flood, default 1000\n"
	     "  --label TEXT   what to call this run\n"
	     "  --share-cpu    the daemon has no CPU of its own: yield instead of spinning\n"
	     "  --json         one line of JSON instead of text\n"
	     "\n"
	     "Status 0: no frame was lost.");
}

static void parse(struct settings *s, int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket-path", required_argument, NULL, 's' },
		{ "tap", required_argument, NULL, 't' },
		{ "rate", required_argument, NULL, 'r' },
		{ "frames", required_argument, NULL, 'n' },
		{ "flood-ms", required_argument, NULL, 'f' },
		{ "label", required_argument, NULL, 'l' },
		{ "share-cpu", no_argument, NULL, 'y' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int id;

	*s = (struct settings){
		.label = "txringd", .rate = 1000, .frames = 4000, .flood_ms = 1000
	};
	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (id) {
		case 's':
			s->path = optarg;
			break;
		case 't':
			s->tap = optarg;
			break;
		case 'r':
			s->rate = number("rate", optarg, 1000000);
			break;
		case 'n':
			s->frames = number("frames", optarg, MAX_FRAMES);
			break;
		case 'f':
			s->flood_ms = number("flood-ms", optarg, 3600000);
			break;
		case 'l':
			s->label = optarg;
			break;
		case 'y':
			s->share_cpu = true;
			break;
		case 'j':
			s->json = true;
			break;
		case 'h':
			print_help();
			exit(EXIT_SUCCESS);
		default:
			exit(EXIT_FAILURE);
		}
	}
	if (strpbrk(s->label, "\"\\"))
		die("--label '%s' must be free of quotes and backslashes", s->label);
	if (optind < argc || !s->path || !s->tap)
		die("--socket-path and --tap are needed, and nothing but options (see --help)");
}

static void connect_ring(struct drive *d)
{
	static const uint8_t header[SEQ_AT] = { 0x02,
						0,
						0,
						0,
						0,
						1,
						0x52,
						0x54,
						0,
						0x12,
						0x34,
						0x56,
						ETHERTYPE >> 8,
						ETHERTYPE & 0xff };
	const struct driver_net_config cfg = { .path = d->set->path,
					       .features = DRIVER_NET_FEATURES,
					       .protocol = DRIVER_NET_PROTOCOL,
					       .n_pairs = 1,
					       .ring_size = RING_SIZE };
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int err = driver_net_new(&d->net, &cfg);

	if (err)
		die("--socket-path '%s': no vhost-user session: %s", d->set->path, strerror(-err));
	/* Whoever made the socket: the daemon itself, unless it inherited the socket. */
	if (getsockopt(d->net->frontend.sock, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		die("--socket-path '%s': whose is it: %s", d->set->path, strerror(errno));
	err = clock_getcpuclockid(peer.pid, &d->daemon_clock);
	if (err)
		die("CPU time of process %d: %s", peer.pid, strerror(err));
	d->ring = &d->net->pairs[0].tx;
	for (unsigned i = 0; i < RING_SIZE; i++)
		memcpy(d->net->pairs[0].tx_bufs + (size_t)i * d->net->tx_stride + d->net->hdr_len,
		       header, sizeof(header));
}

int main(int argc, char **argv)
{
	struct drive d = { .wire = { .fd = -1 } };
	struct counts paced, flood;
	struct settings set;
	bool good;

	parse(&set, argc, argv);
	d.set = &set;
	d.sent_ns = calloc(set.frames, sizeof(*d.sent_ns));
	if (!d.sent_ns)
		die("--frames '%lu': out of memory", set.frames);
	frames_on_tap(&set);
	connect_ring(&d);
	run_paced(&d, &paced);
	run_flood(&d, &flood);
	(set.json ? print_json : print_text)(&d, &paced, &flood);
	good = !lost(&paced, d.n_seen) && !lost(&flood, UINT64_MAX);
	if (!good)
		fprintf(stderr,
			"drive: %s: frames were lost: paced %" PRIu64 " sent, %" PRIu64
			" used, %" PRIu64 " on the tap, %" PRIu64 " seen there; flood %" PRIu64
			" sent, %" PRIu64 " used, %" PRIu64 " on the tap\n",
			set.label, paced.sent, paced.used, paced.on_tap, d.n_seen, flood.sent,
			flood.used, flood.on_tap);
	driver_net_free(d.net);
	free(d.sent_ns);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
