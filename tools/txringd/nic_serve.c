/* SPDX-License-Identifier: MIT */
/* Serving one front-end after the other; see nic.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "datapath/device.h"
#include "tools/txringd/nic_state.h"
#include "virtio/vhost_user/session.h"

/* A front-end that breaks the protocol, or cannot be taken, must not keep us busy. */
#define RETRY_AFTER_FAILURE_MS 100

/* A front-end that has sent no message by then gives way to another that waits. */
#define SILENCE_MS 2000

/*
 * Most files and mappings of front-ends that are not closed yet: more than one session may hold.
 * Beyond it no front-end is read or taken, until they are closed.
 */
#define MAX_PENDING_CLOSES 2048
#define RETRY_CLOSES_MS    20
#define CLOSES_LOGGED_MS   1000

static void next_after(struct nic *nic, int timeout_ms)
{
	nic->next_ms = timeout_ms < 0 ? -1 : nic_now_ms() + timeout_ms;
}

/*
 * The link is down, and no front-end that could come would hear of it: one that QEMU connects again
 * and again. To leave it waiting would make it wait for our answers.
 */
static bool refuses(const struct nic *nic)
{
	return nic->down && !nic->endpoint.once && (nic->cfg->client || !nic->cfg->mac_told);
}

/* Once: such a front-end comes again and again. */
static void log_refusal(struct nic *nic)
{
	if (!nic->refusal_logged)
		nic_log_limited(nic, LOG_WARNING,
				"front-ends that cannot be told are refused while the link is "
				"down");
	nic->refusal_logged = true;
}

static void refuse(struct nic *nic)
{
	int fd = nic->cfg->client ? -1 : endpoint_next(&nic->endpoint);

	if (fd < 0)
		return;
	log_refusal(nic);
	shutdown(fd, SHUT_RDWR);
	closer_release(nic->closer, fd, NULL, 0);
}

/* False: there was none, or it could not be taken. */
static bool session_begin(struct nic *nic)
{
	struct vhost_user_config cfg = {
		.ops = &device_vhost_user_ops,
		.dev = nic->device,
		.features = nic_offer(nic),
		.max_pairs = nic->backend->n_queues,
		.has_mac = nic->cfg->mac_told,
		.mtu = nic->cfg->mtu,
		.watcher = &nic->guard.watcher,
	};
	int fd, err;

	if (refuses(nic)) {
		refuse(nic);
		return false;
	}
	fd = endpoint_next(&nic->endpoint);
	if (fd < 0)
		return false;
	memcpy(cfg.mac, nic->cfg->mac, sizeof(cfg.mac));
	sigbus_guard_init(&nic->guard);
	err = vhost_user_session_new(&nic->session, &cfg, fd);
	if (err) {
		nic_log_limited(nic, LOG_WARNING, "front-end refused: %s", strerror(-err));
		return false;
	}
	nic->n_front_ends++;
	nic->silence_ms = nic_now_ms() + SILENCE_MS;
	nic->quiet = nic->down && !nic->endpoint.once;
	if (!nic->quiet)
		nic_log_limited(nic, LOG_INFO, "front-end connected");
	/* The kernel does not tell us of an interface in another namespace. */
	nic_check_link(nic);
	nic_show_link(nic);
	return true;
}

/* failed: the next one is not taken at once. */
static void session_end(struct nic *nic, bool failed)
{
	vhost_user_session_free(nic->session);
	nic->session = NULL;
	device_hand_over(nic->device, monotonic_ns());
	next_after(nic, failed ? RETRY_AFTER_FAILURE_MS : endpoint_timeout_ms(&nic->endpoint));
	if (!nic->quiet)
		nic_log_limited(nic, LOG_INFO, "front-end gone, device reset");
}

bool nic_is_deaf(const struct nic *nic)
{
	return nic->session &&
	       (!nic->cfg->mac_told || vhost_user_session_hearing(nic->session) == VHOST_USER_DEAF);
}

void nic_drop_deaf(struct nic *nic)
{
	if (nic->down && !nic->endpoint.once && nic_is_deaf(nic)) {
		if (nic->quiet)
			log_refusal(nic);
		else
			nic_log_limited(nic, LOG_WARNING,
					"the link is down, and the front-end cannot be told: "
					"it is given up");
		session_end(nic, true);
	} else if (nic->session && nic->quiet &&
		   (!nic->down || vhost_user_session_hearing(nic->session) == VHOST_USER_HEARS)) {
		nic->quiet = false;
		nic_log_limited(nic, LOG_INFO, "front-end connected");
	}
}

void nic_hand_over(struct nic *nic)
{
	enum device_driver driver = device_hand_over(nic->device, monotonic_ns());

	if (driver != DEVICE_CANNOT || nic->cfg->vhost.policy != VHOST_REQUIRE || !nic->session)
		return;
	nic_log_limited(nic, LOG_WARNING, "%svhost require: the front-end is given up: %s",
			nic->cfg->mark, device_driver_status(nic->device).why);
	session_end(nic, true);
}

void nic_check_memory(struct nic *nic)
{
	if (!sigbus_lost(&nic->guard) || !nic->session)
		return;
	nic_log_limited(nic, LOG_WARNING,
			"front-end took memory away: the file behind it was cut short, or the "
			"host has no page left for it");
	session_end(nic, true);
}

/* The session has said nothing for so long that another front-end may have the card. */
static bool gives_way(const struct nic *nic)
{
	return nic->session && !vhost_user_session_has_spoken(nic->session) &&
	       nic_now_ms() >= nic->silence_ms;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

int nic_prepare(const struct nic *nic, struct pollfd fds[NIC_FDS])
{
	bool listens = nic->session ? gives_way(nic) : nic->next_ms < 0;
	uint64_t hand_over_ns = device_due_ns(nic->device);
	int64_t due = nic->session ? -1 : nic->next_ms, left;

	fds[NIC_FD_SESSION].fd = nic->session ? vhost_user_session_fd(nic->session) : -1;
	fds[NIC_FD_ENDPOINT].fd = listens ? endpoint_fd(&nic->endpoint) : -1;
	for (unsigned i = 0; i < NIC_FDS; i++)
		fds[i].events = POLLIN;
	if (nic->session && !listens && !vhost_user_session_has_spoken(nic->session))
		due = earlier(due, nic->silence_ms);
	if (hand_over_ns != DEVICE_NEVER)
		due = earlier(due, (int64_t)(hand_over_ns / 1000000) + 1);
	if (nic->closes_ms >= 0) {
		fds[NIC_FD_SESSION].fd = fds[NIC_FD_ENDPOINT].fd = -1;
		due = nic_now_ms() + RETRY_CLOSES_MS;
	}
	if (due < 0)
		return -1;
	left = due - nic_now_ms();
	return left > 0 ? (int)left : 0;
}

/* Whether so much is not closed yet that nothing more is taken in. */
static bool closes_are_pending(struct nic *nic)
{
	unsigned n = closer_pending(nic->closer);

	if (n <= MAX_PENDING_CLOSES) {
		nic->closes_ms = -1;
		nic->closes_logged = false;
		return false;
	}
	if (nic->closes_ms < 0)
		nic->closes_ms = nic_now_ms();
	if (!nic->closes_logged && nic_now_ms() - nic->closes_ms >= CLOSES_LOGGED_MS) {
		nic_log_limited(nic, LOG_WARNING,
				"%u files of front-ends do not close: no front-end is served until "
				"they do",
				n);
		nic->closes_logged = true;
	}
	return true;
}

static void serve_session(struct nic *nic, const struct pollfd fds[NIC_FDS])
{
	enum vhost_user_outcome outcome = VHOST_USER_GO_ON;

	if (fds[NIC_FD_SESSION].revents)
		outcome = vhost_user_session_dispatch(nic->session);
	if (outcome != VHOST_USER_GO_ON) {
		session_end(nic, outcome != VHOST_USER_CLOSED);
	} else if (fds[NIC_FD_ENDPOINT].revents && gives_way(nic)) {
		nic_log_limited(nic, LOG_WARNING,
				"front-end has said nothing: it gives way to the next");
		session_end(nic, false);
	} else {
		nic_drop_deaf(nic);
	}
}

bool nic_serve(struct nic *nic, const struct pollfd fds[NIC_FDS])
{
	bool waits = fds[NIC_FD_ENDPOINT].revents;

	if (closes_are_pending(nic))
		return true;
	if (nic->session)
		serve_session(nic, fds);
	else if (waits || (nic->next_ms >= 0 && nic_now_ms() >= nic->next_ms))
		/* One that could not be taken, for want of fds say, still waits. */
		if (!session_begin(nic))
			next_after(nic, waits ? RETRY_AFTER_FAILURE_MS
					      : endpoint_timeout_ms(&nic->endpoint));
	if (device_due_ns(nic->device) <= monotonic_ns())
		nic_hand_over(nic);
	if (nic->link == NIC_LINK_DEAD)
		return false;
	return nic->session || !endpoint_finished(&nic->endpoint);
}
