/* SPDX-License-Identifier: MIT */
/* Making a card from its configuration, and telling what it is and does; see nic.h. */
#include "tools/txringd/nic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/device.h"
#include "tools/config/backends.h"
#include "tools/config/txmode.h"
#include "tools/txringd/counters.h"
#include "tools/txringd/nic_state.h"
#include "virtio/features.h"

#define LINE_LEN 1024

void nic_log(const struct nic *nic, enum log_level level, const char *line)
{
	if (nic->named)
		log_at(level, "%s: %s", nic->cfg->name, line);
	else
		log_at(level, "%s", line);
}

/*
 * What a front-end or its guest causes, as often as it likes. What is for debugging has a limit of
 * its own, so that it does not use up that of the faults. Any thread.
 */
static void log_caused(struct nic *nic, enum log_level level, const char *line)
{
	struct log_limit *limit = level == LOG_DEBUG ? &nic->debug_limit : &nic->limit;
	char note[80];
	unsigned missed;

	if (!log_shows(level) || !log_limit_take(limit, nic_now_ms(), &missed))
		return;
	if (missed) {
		snprintf(note, sizeof(note), "%u lines more in that minute were not logged",
			 missed);
		nic_log(nic, LOG_WARNING, note);
	}
	nic_log(nic, level, line);
}

static void nic_log_callback(void *ctx, enum device_level level, const char *line)
{
	static const enum log_level levels[] = {
		[DEVICE_WARNING] = LOG_WARNING, [DEVICE_INFO] = LOG_INFO, [DEVICE_DEBUG] = LOG_DEBUG
	};

	log_caused(ctx, levels[level], line);
}

void nic_log_limited(struct nic *nic, enum log_level level, const char *fmt, ...)
{
	char line[LINE_LEN];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	log_caused(nic, level, line);
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
		error = endpoint_listen(&nic->endpoint, cfg->socket_path, &cfg->access, err,
					sizeof(err));
	if (error)
		log_at(LOG_ERROR, "%s", err);
	return error;
}

static const char *mtu_remedy(int error)
{
	if (error == -EPERM)
		return ": set it beforehand, as root (ip link set dev NAME mtu N), or have "
		       "CAP_NET_ADMIN";
	if (error == -ENODEV)
		return ": the interface is in another network namespace; set its MTU there, and "
		       "leave this out";
	return "";
}

static int bridge_init(const struct nic *nic)
{
	char err[BACKEND_ERR_LEN];
	int error = nic_join_bridge(nic, err);

	if (error)
		log_at(LOG_ERROR, "%sbridge '%s': %s", nic->cfg->mark, nic->cfg->bridge, err);
	return error;
}

static int backend_init(struct nic *nic)
{
	const struct nic_config *cfg = nic->cfg;
	char err[BACKEND_ERR_LEN];
	int error = backends_open(&nic->backend, cfg, err);

	if (error) {
		log_at(LOG_ERROR, "%sbackend '%s': %s", cfg->mark, cfg->backend, err);
		return error;
	}
	if (!cfg->mtu || !nic->backend->ops->set_mtu)
		return 0;
	error = nic->backend->ops->set_mtu(nic->backend, cfg->mtu);
	if (error)
		log_at(LOG_ERROR, "%smtu '%u': backend %s refuses it: %s%s", cfg->mark, cfg->mtu,
		       nic->backend->describe, strerror(-error), mtu_remedy(error));
	return error;
}

static void release(void *ctx, int fd, void *map, size_t len)
{
	closer_release(ctx, fd, map, len);
}

static int device_init(struct nic *nic, struct iothread *const *threads, unsigned n_threads,
		       unsigned first)
{
	struct device_config cfg = {
		.name = nic_name(nic),
		.backend = nic->backend,
		.threads = threads,
		.n_threads = n_threads,
		.first_thread = first,
		.mode = &nic->cfg->mode,
		.coalesce = nic->cfg->coalesce,
		.mtu = nic->cfg->mtu,
		.has_mac = nic->cfg->mac_told,
		.log = nic_log_callback,
		.log_ctx = nic,
		.foreign = { release, nic->closer },
	};
	int err = device_new(&nic->device, &cfg);

	if (err) {
		log_at(LOG_ERROR, "cannot make a device: %s", strerror(-err));
		return err;
	}
	nic->down = nic->cfg->link_down;
	nic->coalesces = nic->cfg->coalesce;
	device_set_link(nic->device, !nic->down);
	return 0;
}

/* Without those that need one that is not there; why says which. */
static uint64_t offer(const struct nic *nic, char why[FEATURES_NAMES_LEN])
{
	uint64_t features = vhost_offer(&nic->vhost, device_features(nic->device));

	features = (features | nic->cfg->offer) & ~nic->cfg->no_offer;
	features = features_prune(features, why);
	if (!feature_has(features, VIRTIO_F_VERSION_1))
		features &= ~(FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER));
	return features;
}

uint64_t nic_offer(const struct nic *nic)
{
	char why[FEATURES_NAMES_LEN];

	return offer(nic, why);
}

/* What is to be offered must be something that the card can do, and have what it needs. */
static int check_offer(const struct nic *nic)
{
	uint64_t can = device_features(nic->device) | FEATURES_ON_REQUEST;
	uint64_t excess = nic->cfg->offer & ~can;
	char text[FEATURES_NAMES_LEN];

	if (excess)
		log_at(LOG_ERROR, "%soffer: %s: not for backend %s with these options",
		       nic->cfg->mark, features_names(excess, text), nic->backend->describe);
	else if (nic->cfg->offer & ~offer(nic, text))
		log_at(LOG_ERROR, "%soffer, %sno-offer: %s cannot be", nic->cfg->mark,
		       nic->cfg->mark, text);
	else
		return 0;
	return -EINVAL;
}

static int kernel_init(struct nic *nic)
{
	int err = vhost_init(&nic->vhost, &nic->cfg->vhost, nic->backend,
			     device_features(nic->device));

	if (err) {
		log_at(LOG_ERROR, "%svhost require: %s", nic->cfg->mark, nic->vhost.why);
		return err;
	}
	device_set_kernel(nic->device, nic->vhost.nets, nic->vhost.why);
	device_hand_over(nic->device, monotonic_ns());
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
	nic->closes_ms = -1;
	log_limit_init(&nic->limit);
	log_limit_init(&nic->debug_limit);
	err = closer_new(&nic->closer);
	if (!err)
		err = endpoint_init(nic);
	if (!err)
		err = backend_init(nic);
	if (!err)
		err = bridge_init(nic);
	if (!err)
		err = device_init(nic, threads, n_threads, first);
	if (!err)
		err = check_offer(nic);
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
	endpoint_close(&nic->endpoint, nic->closer);
}

void nic_free(struct nic *nic)
{
	if (!nic)
		return;
	nic_stop(nic);
	backend_free(nic->backend);
	closer_free(nic->closer);
	free(nic);
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
	/* Where the configuration says nothing of vhost-net, its absence is no news. */
	if (!nic->vhost.nets && nic_config_names_vhost(cfg)) {
		snprintf(line, sizeof(line), "vhost: driver user: %s", nic->vhost.why);
		nic_log(nic, LOG_INFO, line);
	}
	if (nic->backend->note && *nic->backend->note) {
		snprintf(line, sizeof(line), "backend %s: %s", nic->backend->describe,
			 nic->backend->note);
		nic_log(nic, LOG_INFO, line);
	}
	snprintf(line, sizeof(line), "backend %s, tx mode %s, %s%s", nic->backend->describe,
		 txmode_text(device_mode(nic->device), mode), where,
		 nic->down ? ", the link is down" : "");
	nic_log(nic, LOG_INFO, line);
}

void nic_log_counters(const struct nic *nic)
{
	char line[COUNTERS_TEXT_LEN];

	for (unsigned i = 0; i < nic->backend->n_queues; i++) {
		nic_log(nic, LOG_ALWAYS, counters_tx(line, i, device_tx_stats(nic->device, i)));
		nic_log(nic, LOG_ALWAYS, counters_rx(line, i, device_rx_stats(nic->device, i)));
	}
}

const char *nic_name(const struct nic *nic)
{
	return nic->cfg->name;
}

const struct nic_config *nic_cfg(const struct nic *nic)
{
	return nic->cfg;
}

int nic_status(const struct nic *nic, struct status *s)
{
	*s = (struct status){
		.name = nic_name(nic),
		.n_front_ends = nic->n_front_ends,
		.cfg = nic->cfg,
		.backend = nic->backend->describe,
		.note = nic->backend->note ? nic->backend->note : "",
		.mode = *device_mode(nic->device),
		.down = nic->down,
		.coalesces = nic->coalesces,
		.lost = nic->link != NIC_LINK_THERE,
		.connected = nic->session,
		.features = device_negotiated(nic->device),
		.policy = nic->cfg->vhost.policy,
		.driver = device_driver_status(nic->device),
		.n_pairs = nic->backend->n_queues,
	};
	snprintf(s->id, sizeof(s->id), "%s", nic->cfg->name);
	s->pairs = calloc(s->n_pairs, sizeof(*s->pairs));
	if (!s->pairs)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n_pairs; i++) {
		s->pairs[i].in_use = device_pair_in_use(nic->device, i);
		s->pairs[i].in_kernel = device_pair_in_kernel(nic->device, i);
		s->pairs[i].iothread = iothread_name(device_pair_thread(nic->device, i));
		s->pairs[i].mode = *device_pair_mode(nic->device, i, &s->pairs[i].mode_waits);
		stats_copy(&s->pairs[i].tx, device_tx_stats(nic->device, i),
			   sizeof(struct tx_stats));
		stats_copy(&s->pairs[i].rx, device_rx_stats(nic->device, i),
			   sizeof(struct rx_stats));
	}
	return 0;
}

const struct latency *nic_latency(const struct nic *nic, unsigned pair, bool tx)
{
	return tx ? device_tx_latency(nic->device, pair) : device_rx_latency(nic->device, pair);
}

int nic_tap(const struct nic *nic, struct ifstate *tap)
{
	int fd = nic->backend->queues[0]->vhost_fd;

	return fd < 0 ? -EOPNOTSUPP : ifstate_of_tap(fd, tap);
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

enum nic_vhost nic_vhost(struct nic *nic, bool on, char said[NIC_SAID_LEN])
{
	bool was_kernel = device_driver_status(nic->device).driver == DEVICE_KERNEL;
	struct device_driver_status s;

	if (on)
		open_vhost(nic);
	device_want_kernel(nic->device, on);
	device_hand_over(nic->device, monotonic_ns());
	s = device_driver_status(nic->device);
	if (s.driver == DEVICE_KERNEL)
		snprintf(said, NIC_SAID_LEN, "driver kernel, blackout %" PRIu64 " us",
			 s.to_kernel.last_us);
	else if (was_kernel)
		snprintf(said, NIC_SAID_LEN, "driver user, blackout %" PRIu64 " us",
			 s.to_user.last_us);
	else
		snprintf(said, NIC_SAID_LEN, "driver user: %s", s.why);
	/* Where the kernel is required, a front-end that it cannot serve goes. */
	nic_hand_over(nic);
	if (on && s.driver == DEVICE_RETRY)
		return NIC_VHOST_LATER;
	return on && s.driver == DEVICE_CANNOT ? NIC_VHOST_CANNOT : NIC_VHOST_DONE;
}
