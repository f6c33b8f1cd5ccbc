/* SPDX-License-Identifier: MIT */
/*
 * txringd: virtio-net devices over vhost-user. Reads argv, makes the iothreads and the network
 * cards, and serves their front-ends on the control thread until SIGTERM.
 *
 * Follows the conventions for back-end programs of QEMU's docs/interop/vhost-user.rst: stays in the
 * foreground, ends quickly.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "datapath/iothread.h"
#include "tools/txringd/commands.h"
#include "tools/txringd/control.h"
#include "tools/txringd/control_access.h"
#include "tools/log.h"
#include "tools/txringd/links.h"
#include "tools/txringd/nic.h"
#include "tools/txringd/notify.h"
#include "tools/txringd/options.h"
#include "tools/txringd/process.h"
#include "tools/txringd/pulse.h"
#include "tools/txringd/reload.h"
#include "tools/txringd/sigbus.h"
#include "virtio/base.h"

/* Threads that free the cards at the end, beside the control thread. */
#define MAX_HELPERS 64

/* How long the end of txringd waits for stderr to take the last lines. */
#define LOG_PATIENCE_MS 150

enum { FD_SIGNAL, FD_SIGBUS, FD_LINKS, FD_CONTROL, FD_NICS = FD_CONTROL + CONTROL_FDS };

struct daemon {
	int argc;    /* of main(), to be read again */
	char **argv; /* likewise */
	struct options opt;
	struct notify notify;
	struct pulse pulse; /* of threads, where a watchdog wants to know */
	int signal_fd;
	struct iothread **threads;
	unsigned n_threads;
	struct nic **nics; /* NULL: its only front-end has come and gone */
	unsigned n_nics;
	unsigned n_left;    /* of nics that have not ended */
	bool died;          /* the one that ended last had to */
	unsigned n_freed;   /* of nics, at the end */
	struct pollfd *fds; /* those of FD_*, then NIC_FDS for each of nics */
	struct links links;
	struct commands commands;
	struct control *control; /* NULL: none */
	char control_path[CONTROL_PATH_LEN];
	bool stop;
};

static int64_t now_ms(void)
{
	return (int64_t)(monotonic_ns() / 1000000);
}

static int tables_init(struct daemon *d)
{
	d->threads = calloc(d->opt.iothreads, sizeof(struct iothread *));
	d->nics = calloc(COMMANDS_MAX_NICS, sizeof(struct nic *));
	d->fds = calloc(FD_NICS + COMMANDS_MAX_NICS * NIC_FDS, sizeof(*d->fds));
	if (d->threads && d->nics && d->fds)
		return 0;
	log_line("out of memory");
	return -ENOMEM;
}

static const char *iothread_hint(int err)
{
	if (err == -EPERM)
		return " (sysctl kernel.io_uring_disabled must be 0)";
	if (err == -EINVAL || err == -ENOSYS)
		return " (Linux 6.1 or newer is needed)";
	return "";
}

static void log_iothread(void *ctx, const char *line)
{
	(void)ctx;
	log_line("%s", line);
}

static int threads_init(struct daemon *d)
{
	char name[24];
	int err;

	for (; d->n_threads < d->opt.iothreads; d->n_threads++) {
		snprintf(name, sizeof(name), "iothread%u", d->n_threads);
		err = iothread_new(&d->threads[d->n_threads], name);
		if (err) {
			log_line("cannot start an iothread: io_uring: %s%s", strerror(-err),
				 iothread_hint(err));
			return err;
		}
		iothread_on_error(d->threads[d->n_threads], log_iothread, NULL);
	}
	return 0;
}

static int nics_init(struct daemon *d)
{
	unsigned first = 0;
	int err;

	for (; d->n_nics < d->opt.n_nics; d->n_nics++) {
		const struct nic_config *cfg = &d->opt.nics[d->n_nics];

		err = nic_new(&d->nics[d->n_nics], cfg, d->opt.n_nics > 1, d->threads, d->n_threads,
			      first);
		if (err)
			return err;
		first = (first + cfg->pairs) % d->n_threads;
	}
	return 0;
}

static int control_init(struct daemon *d)
{
	struct control_access access;
	struct control_config cfg = {
		.path = d->opt.control_path,
		.greet = commands_greet,
		.run = commands_run,
		.ctx = &d->commands,
	};
	char err[512];
	int error;

	if (!cfg.path)
		return 0;
	error = control_access_parse(&access, d->opt.control_path, err);
	if (error) {
		log_line("%s", err);
		return error;
	}
	snprintf(d->control_path, sizeof(d->control_path), "%s", access.path);
	cfg.path = d->control_path;
	cfg.access = &access.access;
	d->commands = (struct commands){ .nics = d->nics,
					 .n_nics = d->n_nics,
					 .next_name = d->n_nics,
					 .threads = d->threads,
					 .n_threads = d->n_threads };
	error = control_new(&d->control, &cfg, err, sizeof(err));
	d->commands.control = d->control;
	if (error)
		log_line("%s", err);
	return error;
}

/* Without a service manager, or one that watches, there is nothing to do. */
static void watchdog_init(struct daemon *d)
{
	if (d->notify.period_ns && pulse_init(&d->pulse, d->threads, d->n_threads)) {
		log_line("the watchdog gets no sign of life: out of memory");
		d->notify.period_ns = 0;
	}
}

/* A sign of life is one of all threads. */
static void feed_watchdog(struct daemon *d)
{
	if (notify_due(&d->notify, monotonic_ns()) && pulse_check(&d->pulse))
		notify_tell(&d->notify, "WATCHDOG=1");
}

/* Without it an interface that was removed is noticed late. */
static void watch_links(struct daemon *d)
{
	int err = links_init(&d->links);

	if (err)
		log_line("the host's interfaces are not watched: netlink: %s", strerror(-err));
}

static void reload(struct daemon *d)
{
	bool ok;

	notify_reloading(&d->notify);
	ok = reload_run(d->argc, d->argv, &d->opt, d->nics, d->n_nics);
	notify_tell(&d->notify, "READY=1\nSTATUS=%s",
		    ok ? "reloaded" : "the last reload failed: see the log");
}

static void handle_signals(struct daemon *d)
{
	struct signalfd_siginfo info;

	while (read(d->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP && d->opt.from_file) {
			reload(d);
			continue;
		}
		if (info.ssi_signo != SIGUSR1)
			d->stop = true;
		for (unsigned i = 0; i < d->n_nics && !d->stop; i++) {
			if (d->nics[i])
				nic_log_counters(d->nics[i]);
		}
	}
}

static void handle_lost_memory(struct daemon *d)
{
	sigbus_ack();
	for (unsigned i = 0; i < d->n_nics; i++) {
		if (d->nics[i])
			nic_check_memory(d->nics[i]);
	}
}

static void end_nic(struct daemon *d, unsigned i, bool died)
{
	nic_free(d->nics[i]);
	d->nics[i] = NULL;
	d->n_left--;
	d->died = died;
}

/* Some interface has changed, or one is missed. */
static void check_links(struct daemon *d)
{
	for (unsigned i = 0; i < d->n_nics; i++) {
		enum nic_link link = d->nics[i] ? nic_check_link(d->nics[i]) : NIC_LINK_THERE;

		if (link == NIC_LINK_LOST)
			links_retry(&d->links, now_ms());
		else if (link == NIC_LINK_DEAD)
			end_nic(d, i, true);
	}
}

static struct pollfd *nic_fds(struct daemon *d, unsigned i)
{
	return &d->fds[FD_NICS + i * NIC_FDS];
}

/* Of two time-outs; -1 is none. */
static int earlier(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* What to wait for; the time-out, -1 for none. */
static int prepare(struct daemon *d)
{
	int timeout = d->control ? control_prepare(d->control, &d->fds[FD_CONTROL]) : -1;

	if (control_is_watched(d->control))
		timeout = earlier(timeout, EVENTS_LOOK_MS);
	timeout = earlier(timeout, links_timeout_ms(&d->links, now_ms()));
	timeout = earlier(timeout, notify_timeout_ms(&d->notify, monotonic_ns()));
	for (unsigned i = 0; i < CONTROL_FDS && !d->control; i++)
		d->fds[FD_CONTROL + i].fd = -1;
	d->fds[FD_SIGNAL] = (struct pollfd){ .fd = d->signal_fd, .events = POLLIN };
	d->fds[FD_SIGBUS] = (struct pollfd){ .fd = sigbus_fd(), .events = POLLIN };
	d->fds[FD_LINKS] = (struct pollfd){ .fd = links_fd(&d->links), .events = POLLIN };
	for (unsigned i = 0; i < d->n_nics; i++) {
		struct pollfd *fds = nic_fds(d, i);

		for (unsigned k = 0; k < NIC_FDS; k++)
			fds[k].fd = -1;
		timeout = earlier(timeout, d->nics[i] ? nic_prepare(d->nics[i], fds) : -1);
	}
	return timeout;
}

/* Cards that were added or removed by command. */
static void count_nics(struct daemon *d)
{
	d->n_nics = d->commands.n_nics;
	d->n_left += (unsigned)d->commands.n_more;
	d->commands.n_more = 0;
}

/*
 * Until SIGTERM, or until no front-end will come any more: 0. Or a negative errno, after a line in
 * the log: also when the last card has lost its interface for good.
 */
static int serve(struct daemon *d)
{
	int err;

	while (d->n_left && !d->stop) {
		int timeout = prepare(d);

		if (poll(d->fds, FD_NICS + d->n_nics * NIC_FDS, timeout) < 0) {
			err = -errno;
			if (err == -EINTR)
				continue;
			log_line("cannot wait for front-ends: poll: %s%s", strerror(-err),
				 err == -EINVAL ? ": raise `ulimit -n`, or LimitNOFILE= of the "
						  "systemd unit"
						: "");
			return err;
		}
		if (d->fds[FD_SIGNAL].revents)
			handle_signals(d);
		for (unsigned i = 0; i < d->n_nics && !d->stop; i++) {
			if (!d->nics[i] || nic_serve(d->nics[i], nic_fds(d, i)))
				continue;
			end_nic(d, i, nic_check_link(d->nics[i]) == NIC_LINK_DEAD);
		}
		if (links_serve(&d->links, d->fds[FD_LINKS].revents, now_ms()) && !d->stop)
			check_links(d);
		if (d->fds[FD_SIGBUS].revents)
			handle_lost_memory(d);
		if (d->control) {
			control_serve(d->control, &d->fds[FD_CONTROL]);
			commands_tell_events(&d->commands);
			count_nics(d);
		}
		feed_watchdog(d);
	}
	return d->died && !d->n_left ? -ENODEV : 0;
}

static int daemon_run(struct daemon *d)
{
	d->n_left = d->n_nics;
	log_line("%u network card%s on %u iothread%s", d->n_nics, d->n_nics > 1 ? "s" : "",
		 d->n_threads, d->n_threads > 1 ? "s" : "");
	for (unsigned i = 0; i < d->n_nics; i++)
		nic_log_what_runs(d->nics[i]);
	watchdog_init(d);
	notify_tell(&d->notify, "READY=1\nSTATUS=%u network card%s on %u iothread%s", d->n_nics,
		    d->n_nics > 1 ? "s" : "", d->n_threads, d->n_threads > 1 ? "s" : "");
	return serve(d);
}

static void *free_nics(void *arg)
{
	struct daemon *d = arg;
	unsigned i;

	while ((i = __atomic_fetch_add(&d->n_freed, 1, __ATOMIC_RELAXED)) < d->n_nics)
		nic_free(d->nics[i]);
	return NULL;
}

/*
 * To remove a tap the kernel waits for some 20 ms: hundreds of cards are freed by several threads,
 * as the end is to be quick.
 */
static void nics_deinit(struct daemon *d)
{
	pthread_t helpers[MAX_HELPERS];
	unsigned n = 0;

	for (unsigned i = 0; i < d->n_nics; i++) {
		if (d->nics[i])
			nic_stop(d->nics[i]);
	}
	while (n < MAX_HELPERS && n + 1 < d->n_nics &&
	       pthread_create(&helpers[n], NULL, free_nics, d) == 0)
		n++;
	free_nics(d);
	while (n)
		pthread_join(helpers[--n], NULL);
}

static void daemon_deinit(struct daemon *d)
{
	notify_tell(&d->notify, "STOPPING=1");
	control_free(d->control);
	links_deinit(&d->links);
	nics_deinit(d);
	commands_deinit(&d->commands);
	pulse_deinit(&d->pulse);
	while (d->n_threads)
		iothread_free(d->threads[--d->n_threads]);
	free(d->fds);
	free(d->nics);
	free(d->threads);
	sigbus_deinit();
	notify_deinit(&d->notify);
	options_deinit(&d->opt);
}

int main(int argc, char **argv)
{
	struct daemon d = { .argc = argc, .argv = argv, .notify.fd = -1, .links.fd = -1 };
	int err;

	switch (options_parse(&d.opt, argc, argv)) {
	case OPTIONS_DONE:
		options_deinit(&d.opt);
		return process_printed();
	case OPTIONS_BAD:
		options_deinit(&d.opt);
		return EXIT_FAILURE;
	case OPTIONS_RUN:
		break;
	}
	err = process_init_files();
	if (!err && notify_init(&d.notify))
		log_line("NOTIFY_SOCKET cannot be used: nothing is told to who has started this");
	if (!err)
		err = process_init_signals(&d.signal_fd);
	if (!err)
		err = tables_init(&d);
	if (!err)
		err = threads_init(&d);
	if (!err)
		err = nics_init(&d);
	if (!err)
		err = control_init(&d);
	if (!err)
		watch_links(&d);
	if (!err)
		err = daemon_run(&d);
	daemon_deinit(&d);
	log_stop(LOG_PATIENCE_MS);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
