/* SPDX-License-Identifier: MIT */
/*
 * txbench-known: a vhost-user back-end whose behaviour is known exactly, for `txbench selftest` and
 * nothing else. One thread spins on the tx ring and lets each frame out a set time after it saw it,
 * loses, doubles or swaps every Nth, or sleeps now and then; and says at its end what it did.
 *
 * What it says is its own: it shares the ring and the session with txringd, and nothing with
 * txbench, neither clock nor histogram. Frames are given back in ring order, swapped ones as a
 * pair. It trusts its driver: a broken ring ends it.
 *
 * Longer than a station should be, for the eleven calls of a session: it reads from top to bottom.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "bench/txbench/known_account.h"
#include "bench/txbench/known_options.h"
#include "virtio/features.h"
#include "virtio/net_hdr.h"
#include "virtio/vhost_user/session.h"
#include "virtio/virtq.h"

#define BATCH    64 /* frames taken at one look */
#define HELD_IOV 4  /* pieces of a frame */
/* No look at the ring for longer than this is an absence, whether it was meant or not. */
#define ABSENT_NS 50000
/* A frame that is to be swapped waits so long for its successor, then goes alone. */
#define ALONE_NS 150000000

/* A frame between seen and used. */
struct held {
	struct virtq_elem elem;
	unsigned n_iov;
	uint64_t before_ns; /* the look before */
	uint64_t seen_ns;
	uint64_t number; /* from 1 */
	struct iovec iov[HELD_IOV];
};

struct ring_state {
	struct virtq vq;
	bool started;
	bool enabled;
};

struct known {
	struct known_options set;
	int listener;
	int tap;
	struct vhost_user_session *session;
	struct ring_state rx, tx;
	int kick_fd; /* of tx, while it runs */
	unsigned hdr_len;

	struct held *held; /* as many as a ring can have, used round */
	uint64_t first, behind;
	uint64_t looked_ns;
	uint64_t stall_at_ns; /* 0: no frame came yet */
	struct known_account did;
};

static volatile sig_atomic_t message_came, stop_wanted;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* A signal does not end it. */
static void sleep_until(uint64_t ns)
{
	const struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000),
				     .tv_nsec = (long)(ns % 1000000000) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* Where frames go. */

static bool write_tap(struct known *k, const struct held *h)
{
	return writev(k->tap, h->iov, (int)h->n_iov) > 0;
}

/* The frame with a header of the device's own into the next rx buffer. */
static bool write_loop(struct known *k, const struct held *h)
{
	static const struct virtio_net_hdr_v1 header = { .num_buffers = 1 };
	struct iovec iov[CHAIN_MAX_IOV];
	struct iov_pool pool = { .iov = iov, .cap = CHAIN_MAX_IOV };
	uint32_t len = 0;
	struct chain c;

	if (!k->rx.started || !k->rx.enabled)
		return false;
	/* The driver posts buffers again sooner or later, or it hangs up. */
	while (!virtq_pop(&k->rx.vq, &c, 1, &pool)) {
		if (k->rx.vq.fault || message_came || stop_wanted)
			return false;
	}
	for (unsigned i = 0; i < h->n_iov; i++) {
		if (c.n_in != 1 || len + h->iov[i].iov_len > c.in_len)
			known_options_die("an rx buffer has %u pieces and %u bytes: it must be "
					  "one, and hold a "
					  "frame",
					  c.n_in, c.in_len);
		memcpy((char *)c.iov->iov_base + len, h->iov[i].iov_base, h->iov[i].iov_len);
		len += (uint32_t)h->iov[i].iov_len;
	}
	memcpy(c.iov->iov_base, &header, k->hdr_len);
	virtq_push(&k->rx.vq, c.elem, len);
	virtq_publish(&k->rx.vq);
	virtq_call(&k->rx.vq);
	return true;
}

static void write_once(struct known *k, const struct held *h)
{
	bool good = true;

	if (k->set.output == KNOWN_TAP)
		good = write_tap(k, h);
	else if (k->set.output == KNOWN_LOOP)
		good = write_loop(k, h);
	if (good)
		k->did.written++;
	else
		k->did.failed++;
}

static bool is_nth(const struct held *h, uint64_t n)
{
	return n && h->number % n == 0;
}

static void let_out(struct known *k, const struct held *h)
{
	struct known_account_times t = { .before_ns = h->before_ns, .seen_ns = h->seen_ns };

	if (is_nth(h, k->set.drop)) {
		k->did.dropped++;
		return;
	}
	t.began_ns = now_ns();
	write_once(k, h);
	t.written_ns = now_ns();
	known_account_delay(&k->did, &t);
	if (is_nth(h, k->set.duplicate)) {
		write_once(k, h);
		k->did.duplicated++;
	}
}

/* The tx ring. */

static struct held *held_at(struct known *k, uint64_t i)
{
	return &k->held[i % VRING_MAX_SIZE];
}

static void hold(struct known *k, const struct chain *c, uint64_t before_ns, uint64_t seen_ns)
{
	struct held *h = held_at(k, k->behind++);

	if (c->n_out > HELD_IOV || c->n_in || c->out_len < k->hdr_len)
		known_options_die(
			"a tx chain of %u pieces to read, %u to write and %u bytes: it must be a "
			"header and a frame in at most %u pieces",
			c->n_out, c->n_in, c->out_len, HELD_IOV);
	h->elem = c->elem;
	h->n_iov = c->n_out;
	h->before_ns = before_ns;
	h->seen_ns = seen_ns;
	h->number = k->behind;
	memcpy(h->iov, c->iov, c->n_out * sizeof(*c->iov));
}

static void use(struct known *k)
{
	virtq_push(&k->tx.vq, held_at(k, k->first++)->elem, 0);
	k->did.frames++;
}

/* The frames held, of the oldest n, were given their end; tell the driver. */
static void use_n(struct known *k, unsigned n)
{
	while (n--)
		use(k);
	virtq_publish(&k->tx.vq);
	virtq_call(&k->tx.vq);
}

static bool is_due(struct known *k, uint64_t i, uint64_t now)
{
	return i < k->behind && now >= held_at(k, i)->seen_ns + k->set.delay_ns;
}

/* Let the oldest frame out if it is time, or the two oldest in the wrong order. */
static void let_next_out(struct known *k, uint64_t now)
{
	struct held *h = held_at(k, k->first);

	if (!is_due(k, k->first, now))
		return;
	if (!is_nth(h, k->set.reorder)) {
		let_out(k, h);
		use_n(k, 1);
	} else if (is_due(k, k->first + 1, now)) {
		let_out(k, held_at(k, k->first + 1));
		let_out(k, h);
		k->did.reordered++;
		use_n(k, 2);
	} else if (now >= h->seen_ns + k->set.delay_ns + ALONE_NS) {
		let_out(k, h);
		k->did.alone++;
		use_n(k, 1);
	}
}

/* Take the frames that are in the ring now. */
static void look(struct known *k)
{
	static struct iovec iov[BATCH + CHAIN_MAX_IOV];
	struct iov_pool pool = { .iov = iov, .cap = BATCH + CHAIN_MAX_IOV };
	struct chain chains[BATCH];
	uint64_t before = k->looked_ns, now = now_ns(), absent_ns = now - before;
	unsigned waiting = virtq_peek(&k->tx.vq), n;

	k->looked_ns = now;
	if (!waiting)
		return;
	if (absent_ns > ABSENT_NS && k->behind)
		known_account_absence(&k->did, absent_ns);
	now = now_ns(); /* none of them came later */
	if (!k->behind)
		k->stall_at_ns = now;
	n = virtq_pop(&k->tx.vq, chains, (unsigned)min_u64(waiting, BATCH), &pool);
	for (unsigned i = 0; i < n; i++)
		hold(k, &chains[i], before, now);
}

/* Each period since the first frame begins with a stall. */
static void stall(struct known *k)
{
	uint64_t until;

	if (!k->stall_at_ns || now_ns() < k->stall_at_ns)
		return;
	until = k->stall_at_ns + k->set.stall_ns;
	sleep_until(until);
	k->did.stalls++;
	while (k->stall_at_ns <= until)
		k->stall_at_ns += k->set.period_ns;
}

static void turn(struct known *k)
{
	if (k->set.stall_ns)
		stall(k);
	look(k);
	if (k->set.kicks)
		virtq_arm_notify(&k->tx.vq);
	let_next_out(k, now_ns());
}

/* --no-op --loop: what lies in a buffer is the frame. For how many of n there were buffers. */
static unsigned fill_no_op(struct known *k, const struct chain *sent, unsigned n)
{
	static struct iovec iov[BATCH + CHAIN_MAX_IOV];
	struct iov_pool pool = { .iov = iov, .cap = BATCH + CHAIN_MAX_IOV };
	struct chain rooms[BATCH];

	if (!k->rx.started || !k->rx.enabled)
		return 0;
	n = virtq_pop(&k->rx.vq, rooms, n, &pool);
	for (unsigned i = 0; i < n; i++) {
		if (rooms[i].in_len < sent[i].out_len)
			known_options_die(
				"an rx buffer of %u bytes: it must hold the %u of a frame",
				rooms[i].in_len, sent[i].out_len);
		if (k->hdr_len == NET_HDR_LEN)
			net_hdr_set_num_buffers(rooms[i].iov, 1);
		virtq_push(&k->rx.vq, rooms[i].elem, sent[i].out_len);
	}
	if (n) {
		virtq_publish(&k->rx.vq);
		virtq_call(&k->rx.vq);
	}
	return n;
}

/* --no-op: the device half of the rings and not one thing more. */
static void turn_no_op(struct known *k)
{
	static struct iovec iov[BATCH + CHAIN_MAX_IOV];
	struct iov_pool pool = { .iov = iov, .cap = BATCH + CHAIN_MAX_IOV };
	struct chain chains[BATCH];
	unsigned popped = virtq_pop(&k->tx.vq, chains, BATCH, &pool), n = popped;

	if (k->set.output == KNOWN_LOOP)
		n = fill_no_op(k, chains, popped);
	virtq_rewind(&k->tx.vq, &chains[n], popped - n);
	if (!n)
		return;
	for (unsigned i = 0; i < n; i++)
		virtq_push(&k->tx.vq, chains[i].elem, 0);
	virtq_publish(&k->tx.vq);
	virtq_call(&k->tx.vq);
	k->did.frames += n;
}

/* What the session asks of its device, on the one thread. */

static struct ring_state *ring_state(struct known *k, unsigned ring)
{
	return ring % 2 ? &k->tx : &k->rx;
}

/* Guest memory goes: what is held cannot wait for its time. */
static void discard_held(struct known *k)
{
	unsigned n = (unsigned)(k->behind - k->first);

	if (!k->tx.started || !n)
		return;
	k->did.discarded += n;
	use_n(k, n);
}

static int on_features(void *dev, uint64_t features)
{
	((struct known *)dev)->hdr_len = net_hdr_len(features);
	return 0;
}

static int on_start(void *dev, unsigned ring, const struct virtq_config *cfg, int kick_fd)
{
	struct ring_state *r = ring_state(dev, ring);
	struct known *k = dev;

	virtq_start(&r->vq, cfg);
	virtq_disarm_notify(&r->vq); /* it looks at the ring all the time */
	r->started = true;
	if (ring % 2)
		k->kick_fd = kick_fd;
	k->looked_ns = now_ns();
	return 0;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) > 0;
}

/* Nobody read the eventfd before, so it has all of them. */
static void count_kicks(struct known *k)
{
	uint64_t n;

	if (readable(k->kick_fd, 0) && read(k->kick_fd, &n, sizeof(n)) == sizeof(n))
		k->did.kicks += n;
}

static uint32_t on_stop(void *dev, unsigned ring)
{
	struct ring_state *r = ring_state(dev, ring);

	if (ring % 2) {
		discard_held(dev);
		count_kicks(dev);
	}
	r->started = false;
	return virtq_base(&r->vq);
}

static void on_enable(void *dev, unsigned ring, bool enabled)
{
	ring_state(dev, ring)->enabled = enabled;
}

static void on_fds(void *dev, unsigned ring, struct notifier call, struct notifier err)
{
	struct virtq *vq = &ring_state(dev, ring)->vq;

	vq->call = call;
	vq->err = err;
	virtq_call_now(vq);
}

static void on_quiesce(void *dev)
{
	discard_held(dev);
}

static void on_moved(void *dev, unsigned ring, const struct virtq_rings *rings)
{
	virtq_move(&ring_state(dev, ring)->vq, rings);
}

static void on_resume(__attribute__((unused)) void *dev)
{
}

static int on_mtu(__attribute__((unused)) void *dev, __attribute__((unused)) uint16_t mtu)
{
	return 0;
}

static void on_rarp(__attribute__((unused)) void *dev, __attribute__((unused)) const uint8_t mac[6])
{
}

static void on_log(void *dev, const char *fmt, va_list args)
{
	(void)dev;
	fputs("txbench-known: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

static const struct vhost_user_ops ops = {
	.set_features = on_features,
	.ring_start = on_start,
	.ring_stop = on_stop,
	.ring_enable = on_enable,
	.ring_fds = on_fds,
	.quiesce = on_quiesce,
	.ring_moved = on_moved,
	.resume = on_resume,
	.set_mtu = on_mtu,
	.send_rarp = on_rarp,
	.log = on_log,
};

/* Sessions. */

static void on_signal(int number)
{
	if (number == SIGIO)
		message_came = 1;
	else
		stop_wanted = 1;
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGIO, SIGTERM, SIGINT };
	const struct sigaction action = { .sa_handler = on_signal };

	for (unsigned i = 0; i < array_size(numbers); i++)
		sigaction(numbers[i], &action, NULL);
}

/* The spinning thread asks the kernel nothing: a message is told by a signal. */
static void accept_session(struct known *k)
{
	struct vhost_user_config cfg = {
		.ops = &ops, .dev = k, .features = FEATURES_RING, .max_pairs = 1
	};
	int fd = accept4(k->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), err;

	if (fd < 0)
		return;
	err = vhost_user_session_new(&k->session, &cfg, fd);
	if (err)
		known_options_die("no session: %s", strerror(-err));
	if (fcntl(fd, F_SETOWN, getpid()) || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC))
		known_options_die("no signals from a socket: %s", strerror(errno));
}

static void read_messages(struct known *k)
{
	while (k->session && readable(vhost_user_session_fd(k->session), 0)) {
		if (vhost_user_session_dispatch(k->session) == VHOST_USER_GO_ON)
			continue;
		vhost_user_session_free(k->session);
		k->session = NULL;
	}
}

/* Nothing runs: sleep until something is asked. */
static void idle(struct known *k)
{
	if (!readable(k->session ? vhost_user_session_fd(k->session) : k->listener, 100))
		return;
	if (k->session)
		read_messages(k);
	else
		accept_session(k);
}

static void run(struct known *k)
{
	while (!stop_wanted) {
		if (message_came) {
			message_came = 0;
			read_messages(k);
		}
		if (!k->tx.started || !k->tx.enabled)
			idle(k);
		else if (k->set.no_op)
			turn_no_op(k);
		else
			turn(k);
		if (k->tx.vq.fault || k->rx.vq.fault)
			known_options_die("the driver broke a ring: %s",
					  virtq_fault_name(k->tx.vq.fault ? k->tx.vq.fault
									  : k->rx.vq.fault));
	}
}

/* Set-up. */

static void open_tap(struct known *k)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int len = NET_HDR_LEN, sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(ifr.ifr_name, k->set.tap, IFNAMSIZ - 1);
	k->tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (k->tap < 0)
		known_options_die("/dev/net/tun: %s: modprobe tun, and be root", strerror(errno));
	if (ioctl(k->tap, TUNSETIFF, &ifr) || ioctl(k->tap, TUNSETVNETHDRSZ, &len) ||
	    ioctl(sock, SIOCGIFFLAGS, &ifr))
		known_options_die("--tap '%s': %s", k->set.tap, strerror(errno));
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &ifr))
		known_options_die("--tap '%s' cannot be brought up: %s", k->set.tap,
				  strerror(errno));
	close(sock);
}

static void open_listener(struct known *k)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(k->set.path) >= sizeof(addr.sun_path))
		known_options_die("--socket-path '%s' must be at most %zu characters long",
				  k->set.path, sizeof(addr.sun_path) - 1);
	strcpy(addr.sun_path, k->set.path);
	k->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->listener < 0 || bind(k->listener, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(k->listener, 1))
		known_options_die("--socket-path '%s': cannot listen: %s", k->set.path,
				  strerror(errno));
}

int main(int argc, char **argv)
{
	static struct known k = { .tap = -1 };

	known_options_parse(&k.set, argc, argv);
	k.held = calloc(VRING_MAX_SIZE, sizeof(*k.held));
	if (!k.held || known_account_init(&k.did))
		known_options_die("out of memory");
	if (k.set.tap)
		open_tap(&k);
	/* A page fault would count as a delay: of its own memory, and later of the driver's. */
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
	catch_signals();
	open_listener(&k);
	run(&k);
	unlink(k.set.path);
	vhost_user_session_free(k.session);
	known_account_print(&k.did);
	known_account_deinit(&k.did);
	free(k.held);
	return EXIT_SUCCESS;
}
