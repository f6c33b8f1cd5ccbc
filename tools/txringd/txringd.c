/* SPDX-License-Identifier: MIT */
/*
 * txringd: virtio-net devices over vhost-user. Reads argv, makes the iothreads and the network
 * cards, and serves their front-ends on the control thread until SIGTERM.
 *
 * Follows the conventions for back-end programs of QEMU's docs/interop/vhost-user.rst: stays in the
 * foreground, ends quickly.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/log.h"
#include "tools/txringd/daemon.h"
#include "tools/txringd/process.h"
#include "tools/txringd/sigbus.h"
#include "virtio/base.h"

/* Threads that free the cards at the end, beside the control thread. */
#define MAX_HELPERS 64

/* How long the end of txringd waits for stderr to take the last lines. */
#define LOG_PATIENCE_MS 150

static int tables_init(struct daemon *d)
{
	d->threads = calloc(d->opt.iothreads, sizeof(struct iothread *));
	d->nics = calloc(COMMANDS_MAX_NICS, sizeof(struct nic *));
	d->fds = calloc(DAEMON_FD_NICS + COMMANDS_MAX_NICS * NIC_FDS, sizeof(*d->fds));
	if (d->threads && d->nics && d->fds)
		return 0;
	log_at(LOG_ERROR, "out of memory");
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
	log_at(LOG_WARNING, "%s", line);
}

static int threads_init(struct daemon *d)
{
	char name[24];
	int err;

	for (; d->n_threads < d->opt.iothreads; d->n_threads++) {
		snprintf(name, sizeof(name), "iothread%u", d->n_threads);
		err = iothread_new(&d->threads[d->n_threads], name);
		if (err) {
			log_at(LOG_ERROR, "cannot start an iothread: io_uring: %s%s",
			       strerror(-err), iothread_hint(err));
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
		log_at(LOG_ERROR, "%s", err);
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
		log_at(LOG_ERROR, "%s", err);
	return error;
}

/* Without a service manager, or one that watches, there is nothing to do. */
static void watchdog_init(struct daemon *d)
{
	if (d->notify.period_ns && pulse_init(&d->pulse, d->threads, d->n_threads)) {
		log_at(LOG_WARNING, "the watchdog gets no sign of life: out of memory");
		d->notify.period_ns = 0;
	}
}

/* Without it an interface that was removed is noticed late. */
static void watch_links(struct daemon *d)
{
	int err = links_init(&d->links);

	if (err)
		log_at(LOG_WARNING, "the host's interfaces are not watched: netlink: %s",
		       strerror(-err));
}

static int run(struct daemon *d)
{
	d->n_left = d->n_nics;
	log_at(LOG_INFO, "%u network card%s on %u iothread%s", d->n_nics, d->n_nics > 1 ? "s" : "",
	       d->n_threads, d->n_threads > 1 ? "s" : "");
	for (unsigned i = 0; i < d->n_nics; i++)
		nic_log_what_runs(d->nics[i]);
	watchdog_init(d);
	notify_tell(&d->notify, "READY=1\nSTATUS=%u network card%s on %u iothread%s", d->n_nics,
		    d->n_nics > 1 ? "s" : "", d->n_threads, d->n_threads > 1 ? "s" : "");
	return daemon_serve(d);
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

static void deinit(struct daemon *d)
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
		log_set_level(d.opt.log_level);
		break;
	}
	err = process_init_files();
	if (!err && notify_init(&d.notify))
		log_at(LOG_WARNING,
		       "NOTIFY_SOCKET cannot be used: nothing is told to who has started this");
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
		err = run(&d);
	deinit(&d);
	log_stop(LOG_PATIENCE_MS);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
