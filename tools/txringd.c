/* SPDX-License-Identifier: MIT */
/*
 * txringd: one virtio-net device over vhost-user. Reads argv, makes backend, iothreads and device,
 * and serves one front-end after the other on the control thread until SIGTERM.
 *
 * Follows the conventions for back-end programs of QEMU's docs/interop/vhost-user.rst: stays in the
 * foreground, ends quickly.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "datapath/device.h"
#include "datapath/iothread.h"
#include "tools/endpoint.h"
#include "tools/log.h"
#include "tools/options.h"
#include "tools/txmode.h"
#include "virtio/base.h"
#include "virtio/vhost_user/session.h"

#define RETRY_AFTER_SESSION_MS 100 /* a front-end that fails at once must not keep us busy */

struct daemon {
	const struct options *opt;
	int signal_fd;
	struct endpoint endpoint;
	struct backend *backend;
	struct iothread *threads[VHOST_USER_MAX_RINGS / 2];
	unsigned n_threads;
	struct device *device;
	struct vhost_user_session *session;
	bool stop;
};

static int signals_init(struct daemon *d)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	/* Blocked before any thread exists, so that all of them inherit it. */
	sigprocmask(SIG_BLOCK, &set, NULL);
	d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signal_fd >= 0)
		return 0;
	log_line("cannot make a signalfd: %s", strerror(errno));
	return -errno;
}

static int endpoint_init(struct daemon *d)
{
	const struct options *o = d->opt;
	char err[512];
	int error;

	if (!o->socket_path)
		error = endpoint_inherit(&d->endpoint, o->fd, err, sizeof(err));
	else if (o->client)
		error = endpoint_connect(&d->endpoint, o->socket_path, err, sizeof(err));
	else
		error = endpoint_listen(&d->endpoint, o->socket_path, err, sizeof(err));
	if (error)
		log_line("%s", err);
	return error;
}

static int backend_init(struct daemon *d)
{
	const struct options *o = d->opt;
	char err[BACKEND_ERR_LEN];
	int error = o->backend->open(&d->backend, o->backend_spec, o->queues, err);

	if (error) {
		log_line("--backend %s", err);
		return error;
	}
	if (!o->mtu || !d->backend->ops->set_mtu)
		return 0;
	error = d->backend->ops->set_mtu(d->backend, o->mtu);
	if (error)
		log_line("--mtu '%u': backend %s refuses it: %s", o->mtu, d->backend->describe,
			 strerror(-error));
	return error;
}

static int threads_init(struct daemon *d)
{
	char name[24];
	int err;

	for (; d->n_threads < d->opt->iothreads; d->n_threads++) {
		snprintf(name, sizeof(name), "iothread%u", d->n_threads);
		err = iothread_new(&d->threads[d->n_threads], name);
		if (err) {
			log_line("cannot start an iothread: io_uring: %s%s", strerror(-err),
				 err == -EPERM ? " (sysctl kernel.io_uring_disabled must be 0)"
				 : err == -EINVAL || err == -ENOSYS
					 ? " (Linux 6.1 or newer is needed)"
					 : "");
			return err;
		}
	}
	return 0;
}

static int device_init(struct daemon *d)
{
	struct device_config cfg = {
		.backend = d->backend,
		.threads = d->threads,
		.n_threads = d->n_threads,
		.mode = &d->opt->mode,
		.mtu = d->opt->mtu,
		.has_mac = d->opt->has_mac,
		.log = log_callback,
	};

	if (device_new(&d->device, &cfg) == 0)
		return 0;
	log_line("out of memory");
	return -ENOMEM;
}

static void log_what_runs(const struct daemon *d)
{
	const struct options *o = d->opt;
	char mode[TXMODE_TEXT_LEN], where[256];

	if (o->socket_path)
		snprintf(where, sizeof(where), "%s %s",
			 o->client ? "connecting to" : "listening on", o->socket_path);
	else
		snprintf(where, sizeof(where), "on fd %d", o->fd);
	log_line("backend %s, tx mode %s, %u queue pair%s on %u iothread%s, %s",
		 d->backend->describe, txmode_text(&o->mode, mode), o->queues,
		 o->queues > 1 ? "s" : "", o->iothreads, o->iothreads > 1 ? "s" : "", where);
}

static void log_tx_counters(unsigned pair, const struct tx_stats *s)
{
	log_line("tx%u frames=%" PRIu64 " bytes=%" PRIu64 " kicks=%" PRIu64 " calls=%" PRIu64
		 " runs=%" PRIu64 " rechecks=%" PRIu64 " backend_full=%" PRIu64
		 " unsafe_plans=%" PRIu64 " drop_header=%" PRIu64 " drop_size=%" PRIu64
		 " drop_disabled=%" PRIu64 " drop_backend=%" PRIu64 " broken=%" PRIu64,
		 pair, load_relaxed(&s->frames), load_relaxed(&s->bytes), load_relaxed(&s->kicks),
		 load_relaxed(&s->calls), load_relaxed(&s->runs), load_relaxed(&s->rechecks),
		 load_relaxed(&s->backend_full), load_relaxed(&s->unsafe_plans),
		 load_relaxed(&s->drop_header), load_relaxed(&s->drop_size),
		 load_relaxed(&s->drop_disabled), load_relaxed(&s->drop_backend),
		 load_relaxed(&s->broken));
}

static void log_rx_counters(unsigned pair, const struct rx_stats *s)
{
	log_line("rx%u frames=%" PRIu64 " bytes=%" PRIu64 " kicks=%" PRIu64 " calls=%" PRIu64
		 " runs=%" PRIu64 " no_buffers=%" PRIu64 " spilled=%" PRIu64 " drop_size=%" PRIu64
		 " drop_stopped=%" PRIu64 " drop_backend=%" PRIu64 " broken=%" PRIu64,
		 pair, load_relaxed(&s->frames), load_relaxed(&s->bytes), load_relaxed(&s->kicks),
		 load_relaxed(&s->calls), load_relaxed(&s->runs), load_relaxed(&s->no_buffers),
		 load_relaxed(&s->spilled), load_relaxed(&s->drop_size),
		 load_relaxed(&s->drop_stopped), load_relaxed(&s->drop_backend),
		 load_relaxed(&s->broken));
}

static void log_counters(const struct daemon *d)
{
	for (unsigned i = 0; i < d->opt->queues; i++) {
		log_tx_counters(i, device_tx_stats(d->device, i));
		log_rx_counters(i, device_rx_stats(d->device, i));
	}
}

static void handle_signals(struct daemon *d)
{
	struct signalfd_siginfo info;

	while (read(d->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			log_counters(d);
		else
			d->stop = true;
	}
}

static void session_begin(struct daemon *d)
{
	struct vhost_user_config cfg = {
		.ops = &device_vhost_user_ops,
		.dev = d->device,
		.features = device_features(d->device),
		.max_pairs = d->opt->queues,
		.has_mac = d->opt->has_mac,
		.mtu = d->opt->mtu,
	};
	int fd = endpoint_next(&d->endpoint), err;

	if (fd < 0)
		return;
	memcpy(cfg.mac, d->opt->mac, sizeof(cfg.mac));
	err = vhost_user_session_new(&d->session, &cfg, fd);
	if (err)
		log_line("front-end refused: %s", strerror(-err));
	else
		log_line("front-end connected");
}

static void session_end(struct daemon *d)
{
	vhost_user_session_free(d->session);
	d->session = NULL;
	log_line("front-end gone, device reset");
}

static void serve(struct daemon *d)
{
	struct pollfd fds[2] = { { .fd = d->signal_fd, .events = POLLIN }, { .events = POLLIN } };
	int timeout = 0;

	while (!d->stop) {
		fds[1].fd = d->session ? vhost_user_session_fd(d->session)
				       : endpoint_fd(&d->endpoint);
		if (poll(fds, 2, timeout) < 0 && errno != EINTR)
			return;
		if (fds[0].revents)
			handle_signals(d);
		timeout = -1;
		if (!d->session) {
			session_begin(d);
			timeout = d->session ? -1 : endpoint_timeout_ms(&d->endpoint);
		} else if (fds[1].revents &&
			   vhost_user_session_dispatch(d->session) != VHOST_USER_GO_ON) {
			session_end(d);
			timeout = RETRY_AFTER_SESSION_MS;
			d->stop = d->stop || endpoint_finished(&d->endpoint);
		}
	}
}

static void daemon_deinit(struct daemon *d)
{
	vhost_user_session_free(d->session);
	device_free(d->device);
	while (d->n_threads)
		iothread_free(d->threads[--d->n_threads]);
	backend_free(d->backend);
	endpoint_close(&d->endpoint);
}

int main(int argc, char **argv)
{
	struct options opt;
	struct daemon d = { .opt = &opt, .endpoint.fd = -1 };
	int err;

	switch (options_parse(&opt, argc, argv)) {
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	case OPTIONS_BAD:
		return EXIT_FAILURE;
	case OPTIONS_RUN:
		break;
	}
	err = signals_init(&d);
	if (!err)
		err = endpoint_init(&d);
	if (!err)
		err = backend_init(&d);
	if (!err)
		err = threads_init(&d);
	if (!err)
		err = device_init(&d);
	if (!err) {
		log_what_runs(&d);
		serve(&d);
	}
	daemon_deinit(&d);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
