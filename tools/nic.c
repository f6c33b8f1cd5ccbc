/* SPDX-License-Identifier: MIT */
/* Making a card from its options, and serving one front-end after the other. */
#include "tools/nic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datapath/device.h"
#include "tools/endpoint.h"
#include "tools/log.h"
#include "tools/sigbus.h"
#include "tools/txmode.h"
#include "virtio/base.h"
#include "virtio/vhost_user/session.h"

/* A front-end that fails at once must not keep us busy. */
#define RETRY_AFTER_SESSION_MS 100

#define LINE_LEN 1024

struct nic {
	const struct nic_options *opt;
	struct endpoint endpoint;
	struct backend *backend;
	struct device *device;
	struct vhost_user_session *session;
	struct sigbus_guard guard; /* of the session's memory */
	/* When to try for the next front-end, CLOCK_MONOTONIC; -1: when fd says so. */
	int64_t due_ms;
};

/* With several cards each line says which it is about. */
static void nic_log(const struct nic *nic, const char *line)
{
	if (nic->opt->name[0])
		log_line("%s: %s", nic->opt->name, line);
	else
		log_line("%s", line);
}

static void nic_log_callback(void *ctx, const char *line)
{
	nic_log(ctx, line);
}

static int endpoint_init(struct nic *nic)
{
	const struct nic_options *o = nic->opt;
	char err[512];
	int error;

	if (!o->socket_path)
		error = endpoint_inherit(&nic->endpoint, o->fd, err, sizeof(err));
	else if (o->client)
		error = endpoint_connect(&nic->endpoint, o->socket_path, err, sizeof(err));
	else
		error = endpoint_listen(&nic->endpoint, o->socket_path, err, sizeof(err));
	if (error)
		log_line("%s", err);
	return error;
}

static int backend_init(struct nic *nic)
{
	const struct nic_options *o = nic->opt;
	char err[BACKEND_ERR_LEN];
	int error = o->backend->open(&nic->backend, o->backend_spec, o->queues, err);

	if (error) {
		log_line("--backend '%s': %s", o->backend_spec, err);
		return error;
	}
	if (!o->mtu || !nic->backend->ops->set_mtu)
		return 0;
	error = nic->backend->ops->set_mtu(nic->backend, o->mtu);
	if (error)
		log_line("--mtu '%u': backend %s refuses it: %s", o->mtu, nic->backend->describe,
			 strerror(-error));
	return error;
}

static int device_init(struct nic *nic, struct iothread *const *threads, unsigned n_threads,
		       unsigned first)
{
	struct device_config cfg = {
		.backend = nic->backend,
		.threads = threads,
		.n_threads = n_threads,
		.first_thread = first,
		.mode = &nic->opt->mode,
		.mtu = nic->opt->mtu,
		.has_mac = nic->opt->has_mac,
		.log = nic_log_callback,
		.log_ctx = nic,
	};
	int err = device_new(&nic->device, &cfg);

	if (err)
		log_line("cannot make a device: %s", strerror(-err));
	return err;
}

int nic_new(struct nic **out, const struct nic_options *o, struct iothread *const *threads,
	    unsigned n_threads, unsigned first)
{
	struct nic *nic = calloc(1, sizeof(*nic));
	int err;

	if (!nic)
		return -ENOMEM;
	nic->opt = o;
	nic->endpoint.fd = -1;
	err = endpoint_init(nic);
	if (!err)
		err = backend_init(nic);
	if (!err)
		err = device_init(nic, threads, n_threads, first);
	if (err) {
		nic_free(nic);
		return err;
	}
	*out = nic;
	return 0;
}

void nic_stop(struct nic *nic)
{
	vhost_user_session_free(nic->session);
	nic->session = NULL;
	device_free(nic->device);
	nic->device = NULL;
	endpoint_close(&nic->endpoint);
}

void nic_free(struct nic *nic)
{
	if (!nic)
		return;
	nic_stop(nic);
	backend_free(nic->backend);
	free(nic);
}

static void session_begin(struct nic *nic)
{
	struct vhost_user_config cfg = {
		.ops = &device_vhost_user_ops,
		.dev = nic->device,
		.features = device_features(nic->device),
		.max_pairs = nic->opt->queues,
		.has_mac = nic->opt->has_mac,
		.mtu = nic->opt->mtu,
		.watcher = &nic->guard.watcher,
	};
	int fd = endpoint_next(&nic->endpoint), err;

	if (fd < 0)
		return;
	memcpy(cfg.mac, nic->opt->mac, sizeof(cfg.mac));
	sigbus_guard_init(&nic->guard);
	err = vhost_user_session_new(&nic->session, &cfg, fd);
	if (err)
		log_line("front-end refused: %s", strerror(-err));
	else
		nic_log(nic, "front-end connected");
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* No session: who will tell us of the next front-end, the fd or the clock. */
static void set_due(struct nic *nic, int timeout_ms)
{
	nic->due_ms = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
}

static void session_end(struct nic *nic)
{
	vhost_user_session_free(nic->session);
	nic->session = NULL;
	set_due(nic, RETRY_AFTER_SESSION_MS);
	nic_log(nic, "front-end gone, device reset");
}

void nic_check_memory(struct nic *nic)
{
	if (!sigbus_lost(&nic->guard) || !nic->session)
		return;
	nic_log(nic, "front-end took memory away: the file behind it was cut short, or the host "
		     "has no page left for it");
	session_end(nic);
}

int nic_fd(const struct nic *nic)
{
	if (nic->session)
		return vhost_user_session_fd(nic->session);
	return nic->due_ms < 0 ? endpoint_fd(&nic->endpoint) : -1;
}

int nic_timeout_ms(const struct nic *nic)
{
	int64_t left = nic->due_ms - now_ms();

	if (nic->session || nic->due_ms < 0)
		return -1;
	return left > 0 ? (int)left : 0;
}

bool nic_serve(struct nic *nic, bool readable)
{
	if (nic->session) {
		if (readable && vhost_user_session_dispatch(nic->session) != VHOST_USER_GO_ON)
			session_end(nic);
	} else if (readable || nic_timeout_ms(nic) == 0) {
		session_begin(nic);
		/* A front-end that could not be taken, for want of fds say, still waits. */
		set_due(nic, readable && !nic->session ? RETRY_AFTER_SESSION_MS
						       : endpoint_timeout_ms(&nic->endpoint));
	}
	return nic->session || !endpoint_finished(&nic->endpoint);
}

void nic_log_what_runs(const struct nic *nic)
{
	const struct nic_options *o = nic->opt;
	char mode[TXMODE_TEXT_LEN], where[256], line[1024];

	if (o->socket_path)
		snprintf(where, sizeof(where), "%s %s",
			 o->client ? "connecting to" : "listening on", o->socket_path);
	else
		snprintf(where, sizeof(where), "on fd %d", o->fd);
	snprintf(line, sizeof(line), "backend %s, tx mode %s, %s", nic->backend->describe,
		 txmode_text(&o->mode, mode), where);
	nic_log(nic, line);
}

static void log_tx_counters(const struct nic *nic, unsigned pair, const struct tx_stats *s)
{
	char line[LINE_LEN];
	char header[NET_HDR_FAULTS * 40];
	int len = 0;

	for (unsigned i = NET_HDR_OK + 1; i < NET_HDR_FAULTS; i++)
		len += sprintf(header + len, " drop_%s=%" PRIu64, net_hdr_fault_name(i),
			       load_relaxed(&s->drop_header[i]));
	snprintf(line, sizeof(line),
		 "tx%u frames=%" PRIu64 " bytes=%" PRIu64 " kicks=%" PRIu64 " calls=%" PRIu64
		 " runs=%" PRIu64 " rechecks=%" PRIu64 " backend_full=%" PRIu64
		 " unsafe_plans=%" PRIu64 " drop_size=%" PRIu64 " drop_disabled=%" PRIu64
		 " drop_backend=%" PRIu64 " broken=%" PRIu64 "%s",
		 pair, load_relaxed(&s->frames), load_relaxed(&s->bytes), load_relaxed(&s->kicks),
		 load_relaxed(&s->calls), load_relaxed(&s->runs), load_relaxed(&s->rechecks),
		 load_relaxed(&s->backend_full), load_relaxed(&s->unsafe_plans),
		 load_relaxed(&s->drop_size), load_relaxed(&s->drop_disabled),
		 load_relaxed(&s->drop_backend), load_relaxed(&s->broken), header);
	nic_log(nic, line);
}

static void log_rx_counters(const struct nic *nic, unsigned pair, const struct rx_stats *s)
{
	char line[LINE_LEN];

	snprintf(line, sizeof(line),
		 "rx%u frames=%" PRIu64 " bytes=%" PRIu64 " kicks=%" PRIu64 " calls=%" PRIu64
		 " runs=%" PRIu64 " no_buffers=%" PRIu64 " spilled=%" PRIu64 " drop_size=%" PRIu64
		 " drop_stopped=%" PRIu64 " drop_backend=%" PRIu64 " broken=%" PRIu64,
		 pair, load_relaxed(&s->frames), load_relaxed(&s->bytes), load_relaxed(&s->kicks),
		 load_relaxed(&s->calls), load_relaxed(&s->runs), load_relaxed(&s->no_buffers),
		 load_relaxed(&s->spilled), load_relaxed(&s->drop_size),
		 load_relaxed(&s->drop_stopped), load_relaxed(&s->drop_backend),
		 load_relaxed(&s->broken));
	nic_log(nic, line);
}

void nic_log_counters(const struct nic *nic)
{
	for (unsigned i = 0; i < nic->opt->queues; i++) {
		log_tx_counters(nic, i, device_tx_stats(nic->device, i));
		log_rx_counters(nic, i, device_rx_stats(nic->device, i));
	}
}
