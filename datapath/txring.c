/* SPDX-License-Identifier: MIT */
/*
 * libtxring: a device, its backend and a session behind one file descriptor; see txring.h. What a
 * program may choose is translated here into what the other files take, and judged.
 *
 * The card's fd is an epoll of three: the session's socket, or the one that listens while there is
 * no session; and a timer for device_hand_over(), which also detaches queues that no driver uses.
 */
#include "datapath/txring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "datapath/device.h"
#include "datapath/txring_config.h"
#include "virtio/base.h"
#include "virtio/vhost_user/session.h"

#define BACKLOG 8

/* A front-end that breaks the protocol, or cannot be taken, must not keep the program busy. */
#define RETRY_NS 100000000

struct txring_iothread {
	struct iothread *thread;
};

struct txring_card {
	struct txring_card_config cfg; /* what it points to is gone, but for log, release and ctx */
	struct iothread **threads;
	struct tx_mode mode;
	struct backend *backend;
	struct device *device;
	struct vhost_user_session *session; /* NULL: no front-end */
	int epoll_fd;
	int timer_fd;
	int listen_fd;           /* -1: it does not listen */
	struct sockaddr_un path; /* of listen_fd; bound is its file, as it was made */
	struct stat bound;
	bool listens;      /* it is waited for */
	uint64_t retry_ns; /* front-ends are taken again from then on */
	bool down;
};

const char *txring_version(void)
{
	return TXRING_VERSION;
}

/* Each message of a front-end is more than a program wants to hear. */
static void log_card(void *ctx, enum device_level level, const char *line)
{
	const struct txring_card *card = ctx;

	if (level < DEVICE_DEBUG)
		card->cfg.log(card->cfg.ctx, line);
}

static void log_nowhere(void *ctx, const char *line)
{
	(void)ctx;
	(void)line;
}

int txring_iothread_new(struct txring_iothread **thread, const char *name,
			void (*log)(void *ctx, const char *line), void *log_ctx)
{
	struct txring_iothread *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	err = iothread_new(&t->thread, name);
	if (err) {
		free(t);
		return err;
	}
	iothread_on_error(t->thread, log ? log : log_nowhere, log_ctx);
	*thread = t;
	return 0;
}

void txring_iothread_free(struct txring_iothread *thread)
{
	if (!thread)
		return;
	iothread_free(thread->thread);
	free(thread);
}

static int set_mtu(struct txring_card *card, char err[TXRING_ERR_LEN])
{
	int error;

	if (!card->cfg.mtu || !card->backend->ops->set_mtu)
		return 0;
	error = card->backend->ops->set_mtu(card->backend, card->cfg.mtu);
	if (error)
		snprintf(err, TXRING_ERR_LEN, "mtu %u: backend %s: %s", card->cfg.mtu,
			 card->cfg.backend, strerror(-error));
	return error;
}

static int make_device(struct txring_card *card)
{
	struct device_config cfg = {
		.backend = card->backend,
		.n_threads = card->cfg.n_threads,
		.mode = &card->mode,
		.mtu = card->cfg.mtu,
		.has_mac = card->cfg.has_mac,
		.log = log_card,
		.log_ctx = card,
		.foreign = { card->cfg.release, card->cfg.ctx },
	};

	card->threads = calloc(cfg.n_threads, sizeof(struct iothread *));
	if (!card->threads)
		return -ENOMEM;
	for (unsigned i = 0; i < cfg.n_threads; i++)
		card->threads[i] = card->cfg.threads[i]->thread;
	cfg.threads = card->threads;
	return device_new(&card->device, &cfg);
}

static int watch(struct txring_card *card, int fd, bool on)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(card->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event) ? -errno
											 : 0;
}

static int open_fds(struct txring_card *card)
{
	card->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (card->epoll_fd < 0)
		return -errno;
	card->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (card->timer_fd < 0)
		return -errno;
	return watch(card, card->timer_fd, true);
}

static int card_init(struct txring_card *card, char err[TXRING_ERR_LEN])
{
	int error = txring_config_mode(&card->mode, &card->cfg, err);

	if (!error)
		error = txring_config_backend(&card->backend, &card->cfg, err);
	if (!error)
		error = set_mtu(card, err);
	if (error)
		return error;
	error = make_device(card);
	if (!error)
		error = open_fds(card);
	if (error)
		snprintf(err, TXRING_ERR_LEN, "cannot make a card: %s", strerror(-error));
	return error;
}

int txring_card_new(struct txring_card **out, const struct txring_card_config *cfg,
		    char err[TXRING_ERR_LEN])
{
	struct txring_card *card = calloc(1, sizeof(*card));
	int error;

	if (!card) {
		snprintf(err, TXRING_ERR_LEN, "out of memory");
		return -ENOMEM;
	}
	card->epoll_fd = card->timer_fd = card->listen_fd = -1;
	error = txring_config_take(&card->cfg, cfg, err);
	card->cfg.log = card->cfg.log ? card->cfg.log : log_nowhere;
	if (!error)
		error = card_init(card, err);
	if (error) {
		txring_card_free(card);
		return error;
	}
	*out = card;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Its file goes too, unless it is another's by now. */
static void stop_listening(struct txring_card *card)
{
	struct stat now;

	if (card->listen_fd < 0)
		return;
	if (stat(card->path.sun_path, &now) == 0 && now.st_dev == card->bound.st_dev &&
	    now.st_ino == card->bound.st_ino)
		unlink(card->path.sun_path);
	close(card->listen_fd);
	card->listen_fd = -1;
}

void txring_card_free(struct txring_card *card)
{
	if (!card)
		return;
	vhost_user_session_free(card->session);
	device_free(card->device);
	backend_free(card->backend);
	stop_listening(card);
	close_fd(card->timer_fd);
	close_fd(card->epoll_fd);
	free(card->threads);
	free(card);
}

/* The device's housekeeping; then what to wait for, and until when. */
static void settle(struct txring_card *card)
{
	struct itimerspec at = { 0 };
	uint64_t now_ns = monotonic_ns(), due_ns;
	bool late, listens;

	device_hand_over(card->device, now_ns);
	due_ns = device_due_ns(card->device);
	late = card->retry_ns > now_ns;
	listens = card->listen_fd >= 0 && !card->session && !late;
	if (listens != card->listens && watch(card, card->listen_fd, listens) == 0)
		card->listens = listens;
	if (late && card->retry_ns < due_ns)
		due_ns = card->retry_ns;
	if (due_ns != DEVICE_NEVER) {
		at.it_value.tv_sec = (time_t)(due_ns / 1000000000);
		at.it_value.tv_nsec = (long)(due_ns % 1000000000);
	}
	timerfd_settime(card->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

int txring_card_listen(struct txring_card *card, const char *path)
{
	int fd, error;

	if (card->listen_fd >= 0)
		return -EBUSY;
	if (strlen(path) >= sizeof(card->path.sun_path))
		return -ENAMETOOLONG;
	card->path = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(card->path.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&card->path, sizeof(card->path)) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	card->listen_fd = fd;
	error = stat(path, &card->bound) || listen(fd, BACKLOG) ? -errno : 0;
	if (error)
		stop_listening(card);
	else
		settle(card);
	return error;
}

static int begin(struct txring_card *card, int fd)
{
	struct vhost_user_config cfg = {
		.ops = &device_vhost_user_ops,
		.dev = card->device,
		.features = device_features(card->device),
		.max_pairs = card->cfg.n_pairs,
		.has_mac = card->cfg.has_mac,
		.mtu = card->cfg.mtu,
	};
	int err;

	memcpy(cfg.mac, card->cfg.mac, sizeof(cfg.mac));
	err = vhost_user_session_new(&card->session, &cfg, fd);
	if (err)
		return err;
	err = watch(card, vhost_user_session_fd(card->session), true);
	if (err) {
		vhost_user_session_free(card->session);
		card->session = NULL;
		return err;
	}
	vhost_user_session_set_link(card->session, !card->down);
	return 0;
}

int txring_card_attach(struct txring_card *card, int fd)
{
	int err;

	if (card->session) {
		close(fd);
		return -EBUSY;
	}
	err = begin(card, fd);
	settle(card);
	return err;
}

int txring_card_fd(const struct txring_card *card)
{
	return card->epoll_fd;
}

/* Whoever release() leaves the socket to may close it late: it must not be waited for any more. */
static void end(struct txring_card *card)
{
	watch(card, vhost_user_session_fd(card->session), false);
	vhost_user_session_free(card->session);
	card->session = NULL;
}

static void serve(struct txring_card *card)
{
	enum vhost_user_outcome outcome = vhost_user_session_dispatch(card->session);

	if (outcome == VHOST_USER_GO_ON)
		return;
	end(card);
	if (outcome != VHOST_USER_CLOSED)
		card->retry_ns = monotonic_ns() + RETRY_NS;
}

static void take_next(struct txring_card *card)
{
	int fd = accept4(card->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if ((fd < 0 && errno != EAGAIN) || (fd >= 0 && begin(card, fd)))
		card->retry_ns = monotonic_ns() + RETRY_NS;
}

bool txring_card_dispatch(struct txring_card *card)
{
	if (card->session)
		serve(card);
	else if (card->listens)
		take_next(card);
	settle(card);
	return card->session;
}

void txring_card_set_link(struct txring_card *card, bool up)
{
	card->down = !up;
	device_set_link(card->device, up);
	if (card->session)
		vhost_user_session_set_link(card->session, up);
	settle(card);
}

unsigned txring_card_counters(const struct txring_card *card, unsigned pair,
			      enum txring_direction direction, struct txring_counter *counters,
			      unsigned n)
{
	const struct stats_counter *table = direction == TXRING_TX ? stats_tx : stats_rx;
	const void *stats;
	unsigned i;

	if (pair >= card->cfg.n_pairs || (direction != TXRING_TX && direction != TXRING_RX))
		return 0;
	stats = direction == TXRING_TX ? (const void *)device_tx_stats(card->device, pair)
				       : device_rx_stats(card->device, pair);
	for (i = 0; table[i].name; i++) {
		if (i < n)
			counters[i] = (struct txring_counter){ table[i].name, table[i].unit,
							       stats_read(stats, &table[i]) };
	}
	return i;
}
