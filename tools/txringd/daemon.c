/* SPDX-License-Identifier: MIT */
/* The loop of the control thread; see daemon.h. */
#include "tools/txringd/daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/log.h"
#include "tools/txringd/reload.h"
#include "tools/txringd/sigbus.h"
#include "virtio/base.h"

static int64_t now_ms(void)
{
	return (int64_t)(monotonic_ns() / 1000000);
}

/* A sign of life is one of all threads. */
static void feed_watchdog(struct daemon *d)
{
	if (notify_due(&d->notify, monotonic_ns()) && pulse_check(&d->pulse))
		notify_tell(&d->notify, "WATCHDOG=1");
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
	return &d->fds[DAEMON_FD_NICS + i * NIC_FDS];
}

/* Of two time-outs; -1 is none. */
static int earlier(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* What to wait for; the time-out, -1 for none. */
static int prepare(struct daemon *d)
{
	int timeout = d->control ? control_prepare(d->control, &d->fds[DAEMON_FD_CONTROL]) : -1;

	if (control_is_watched(d->control))
		timeout = earlier(timeout, EVENTS_LOOK_MS);
	timeout = earlier(timeout, links_timeout_ms(&d->links, now_ms()));
	timeout = earlier(timeout, notify_timeout_ms(&d->notify, monotonic_ns()));
	for (unsigned i = 0; i < CONTROL_FDS && !d->control; i++)
		d->fds[DAEMON_FD_CONTROL + i].fd = -1;
	d->fds[DAEMON_FD_SIGNAL] = (struct pollfd){ .fd = d->signal_fd, .events = POLLIN };
	d->fds[DAEMON_FD_SIGBUS] = (struct pollfd){ .fd = sigbus_fd(), .events = POLLIN };
	d->fds[DAEMON_FD_LINKS] = (struct pollfd){ .fd = links_fd(&d->links), .events = POLLIN };
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

int daemon_serve(struct daemon *d)
{
	int err;

	while (d->n_left && !d->stop) {
		int timeout = prepare(d);

		if (poll(d->fds, DAEMON_FD_NICS + d->n_nics * NIC_FDS, timeout) < 0) {
			err = -errno;
			if (err == -EINTR)
				continue;
			log_at(LOG_ERROR, "cannot wait for front-ends: poll: %s%s", strerror(-err),
			       err == -EINVAL ? ": raise `ulimit -n`, or LimitNOFILE= of the "
						"systemd unit"
					      : "");
			return err;
		}
		if (d->fds[DAEMON_FD_SIGNAL].revents)
			handle_signals(d);
		for (unsigned i = 0; i < d->n_nics && !d->stop; i++) {
			if (!d->nics[i] || nic_serve(d->nics[i], nic_fds(d, i)))
				continue;
			end_nic(d, i, nic_check_link(d->nics[i]) == NIC_LINK_DEAD);
		}
		if (links_serve(&d->links, d->fds[DAEMON_FD_LINKS].revents, now_ms()) && !d->stop)
			check_links(d);
		if (d->fds[DAEMON_FD_SIGBUS].revents)
			handle_lost_memory(d);
		if (d->control) {
			control_serve(d->control, &d->fds[DAEMON_FD_CONTROL]);
			commands_tell_events(&d->commands);
			count_nics(d);
		}
		feed_watchdog(d);
	}
	return d->died && !d->n_left ? -ENODEV : 0;
}
