/* SPDX-License-Identifier: MIT */
/* Making a card from its options, and serving one front-end after the other. */
#include "tools/txringd/nic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/device.h"
#include "tools/config/backends.h"
#include "tools/config/txmode.h"
#include "tools/txringd/counters.h"
#include "tools/txringd/endpoint.h"
#include "tools/log.h"
#include "tools/txringd/sigbus.h"
#include "tools/txringd/vhost.h"
#include "virtio/base.h"
#include "virtio/vhost_user/session.h"

/* A front-end that fails at once must not keep us busy. */
#define RETRY_AFTER_SESSION_MS 100

#define LINE_LEN 1024

struct nic {
	const struct nic_config *cfg; /* borrowed */
	bool named;                   /* lines of the log begin with the name */
	struct endpoint endpoint;
	struct backend *backend;
	struct device *device;
	struct vhost_user_session *session;
	struct sigbus_guard guard; /* of the session's memory */
	struct log_limit limit;    /* of lines that the device writes */
	struct vhost vhost;
	int64_t settle_ms; /* when to settle the device again, CLOCK_MONOTONIC; -1: never */
	/* When to try for the next front-end, CLOCK_MONOTONIC; -1: when fd says so. */
	int64_t due_ms;
};

/* With several cards each line says which it is about. */
static void nic_log(const struct nic *nic, const char *line)
{
	if (nic->named)
		log_line("%s: %s", nic->cfg->name, line);
	else
		log_line("%s", line);
}

static int64_t now_ms(void)
{
	return (int64_t)(monotonic_ns() / 1000000);
}

/* What a front-end or its guest causes, who may do so without end. Any thread. */
static void nic_log_callback(void *ctx, const char *line)
{
	struct nic *nic = ctx;
	char note[80];
	unsigned missed;

	if (!log_limit_take(&nic->limit, now_ms(), &missed))
		return;
	if (missed) {
		snprintf(note, sizeof(note), "%u lines more in that minute were not logged",
			 missed);
		nic_log(nic, note);
	}
	nic_log(nic, line);
}

static int endpoint_init(struct nic *nic)
{
	const struct nic_config *cfg = nic->cfg;
	char err[512];
	int error;

	if (!cfg->socket_path)
		error = endpoint_inherit(&nic->endpoint, cfg->fd, err, sizeof(err));
	else if (cfg->client)
		error = endpoint_connect(&nic->endpoint, cfg->socket_path, err, sizeof(err));
	else
		error = endpoint_listen(&nic->endpoint, cfg->socket_path, err, sizeof(err));
	if (error)
		log_line("%s", err);
	return error;
}

static int backend_init(struct nic *nic)
{
	const struct nic_config *cfg = nic->cfg;
	char err[BACKEND_ERR_LEN];
	int error = backends_open(&nic->backend, cfg->backend, cfg->pairs, err);

	if (error) {
		log_line("%sbackend '%s': %s", cfg->mark, cfg->backend, err);
		return error;
	}
	if (!cfg->mtu || !nic->backend->ops->set_mtu)
		return 0;
	error = nic->backend->ops->set_mtu(nic->backend, cfg->mtu);
	if (error)
		log_line("%smtu '%u': backend %s refuses it: %s", cfg->mark, cfg->mtu,
			 nic->backend->describe, strerror(-error));
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
		.mode = &nic->cfg->mode,
		.mtu = nic->cfg->mtu,
		.has_mac = nic->cfg->has_mac,
		.log = nic_log_callback,
		.log_ctx = nic,
	};
	int err = device_new(&nic->device, &cfg);

	if (err)
		log_line("cannot make a device: %s", strerror(-err));
	return err;
}

static int kernel_init(struct nic *nic)
{
	int err = vhost_init(&nic->vhost, &nic->cfg->vhost, nic->backend,
			     device_features(nic->device));

	if (err) {
		log_line("%svhost require: %s", nic->cfg->mark, nic->vhost.why);
		return err;
	}
	device_set_kernel(nic->device, nic->vhost.nets, nic->vhost.why);
	device_settle(nic->device);
	return 0;
}

int nic_new(struct nic **out, const struct nic_config *cfg, bool named,
	    struct iothread *const *threads, unsigned n_threads, unsigned first)
{
	struct nic *nic = calloc(1, sizeof(*nic));
	int err;

	if (!nic)
		return -ENOMEM;
	nic->cfg = cfg;
	nic->named = named;
	nic->endpoint.fd = -1;
	nic->settle_ms = -1;
	log_limit_init(&nic->limit);
	err = endpoint_init(nic);
	if (!err)
		err = backend_init(nic);
	if (!err)
		err = device_init(nic, threads, n_threads, first);
	if (!err)
		err = kernel_init(nic);
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
	vhost_deinit(&nic->vhost);
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
		.features = vhost_offer(&nic->vhost, device_features(nic->device)),
		.max_pairs = nic->backend->n_queues,
		.has_mac = nic->cfg->has_mac,
		.mtu = nic->cfg->mtu,
		.watcher = &nic->guard.watcher,
	};
	int fd = endpoint_next(&nic->endpoint), err;

	if (fd < 0)
		return;
	memcpy(cfg.mac, nic->cfg->mac, sizeof(cfg.mac));
	sigbus_guard_init(&nic->guard);
	err = vhost_user_session_new(&nic->session, &cfg, fd);
	if (err)
		log_line("front-end refused: %s", strerror(-err));
	else
		nic_log(nic, "front-end connected");
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
	nic->settle_ms = -1;
	device_settle(nic->device);
	set_due(nic, RETRY_AFTER_SESSION_MS);
	nic_log(nic, "front-end gone, device reset");
}

/* After whatever may have changed who shall move the frames. */
static void settle(struct nic *nic)
{
	enum device_driver driver = device_settle(nic->device);
	char line[LINE_LEN];

	nic->settle_ms = driver == DEVICE_RETRY ? now_ms() + DEVICE_RETRY_MS : -1;
	if (driver != DEVICE_CANNOT || nic->cfg->vhost.policy != VHOST_REQUIRE || !nic->session)
		return;
	snprintf(line, sizeof(line), "--vhost require: the front-end is given up: %s",
		 device_driver_status(nic->device).why);
	nic_log(nic, line);
	session_end(nic);
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
	int64_t due_ms = nic->session ? nic->settle_ms : nic->due_ms, left = due_ms - now_ms();

	if (due_ms < 0)
		return -1;
	return left > 0 ? (int)left : 0;
}

bool nic_serve(struct nic *nic, bool readable)
{
	if (nic->session) {
		if (readable && vhost_user_session_dispatch(nic->session) != VHOST_USER_GO_ON)
			session_end(nic);
		else if (readable || nic_timeout_ms(nic) == 0)
			settle(nic);
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
	const struct nic_config *cfg = nic->cfg;
	char mode[TXMODE_TEXT_LEN], where[256], line[1024];

	if (cfg->socket_path)
		snprintf(where, sizeof(where), "%s %s",
			 cfg->client ? "connecting to" : "listening on", cfg->socket_path);
	else
		snprintf(where, sizeof(where), "on fd %d", cfg->fd);
	if (!nic->vhost.nets) {
		snprintf(line, sizeof(line), "vhost: driver user: %s", nic->vhost.why);
		nic_log(nic, line);
	}
	snprintf(line, sizeof(line), "backend %s, tx mode %s, %s", nic->backend->describe,
		 txmode_text(device_mode(nic->device), mode), where);
	nic_log(nic, line);
}

void nic_log_counters(const struct nic *nic)
{
	char line[COUNTERS_TEXT_LEN];

	for (unsigned i = 0; i < nic->backend->n_queues; i++) {
		nic_log(nic, counters_tx(line, i, device_tx_stats(nic->device, i)));
		nic_log(nic, counters_rx(line, i, device_rx_stats(nic->device, i)));
	}
}

const char *nic_name(const struct nic *nic)
{
	return nic->cfg->name;
}

int nic_status(const struct nic *nic, struct status *s)
{
	*s = (struct status){
		.name = nic->cfg->name,
		.backend = nic->backend->describe,
		.mode = *device_mode(nic->device),
		.connected = nic->session,
		.features = device_negotiated(nic->device),
		.policy = nic->cfg->vhost.policy,
		.driver = device_driver_status(nic->device),
		.n_pairs = nic->backend->n_queues,
	};
	s->pairs = calloc(s->n_pairs, sizeof(*s->pairs));
	if (!s->pairs)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n_pairs; i++) {
		s->pairs[i].in_kernel = device_pair_in_kernel(nic->device, i);
		stats_copy(&s->pairs[i].tx, device_tx_stats(nic->device, i),
			   sizeof(struct tx_stats));
		stats_copy(&s->pairs[i].rx, device_rx_stats(nic->device, i),
			   sizeof(struct rx_stats));
	}
	return 0;
}

/* The kernel's vhost-net may not have been there at the start, or have been closed. */
static void open_vhost(struct nic *nic)
{
	if (vhost_is_open(&nic->vhost))
		return;
	device_set_kernel(nic->device, NULL, "it is opened");
	if (vhost_open(&nic->vhost))
		vhost_deinit(&nic->vhost);
	device_set_kernel(nic->device, nic->vhost.nets, nic->vhost.why);
}

enum nic_vhost nic_vhost(struct nic *nic, bool on, char said[NIC_VHOST_LEN])
{
	bool was_kernel = device_driver_status(nic->device).driver == DEVICE_KERNEL;
	struct device_driver_status s;

	if (on)
		open_vhost(nic);
	device_want_kernel(nic->device, on);
	device_settle(nic->device);
	s = device_driver_status(nic->device);
	if (s.driver == DEVICE_KERNEL)
		snprintf(said, NIC_VHOST_LEN, "driver kernel, blackout %" PRIu64 " us",
			 s.to_kernel.last_us);
	else if (was_kernel)
		snprintf(said, NIC_VHOST_LEN, "driver user, blackout %" PRIu64 " us",
			 s.to_user.last_us);
	else
		snprintf(said, NIC_VHOST_LEN, "driver user: %s", s.why);
	/* Where the kernel is required, a front-end that it cannot serve goes. */
	settle(nic);
	if (on && s.driver == DEVICE_RETRY)
		return NIC_VHOST_LATER;
	return on && s.driver == DEVICE_CANNOT ? NIC_VHOST_CANNOT : NIC_VHOST_DONE;
}
