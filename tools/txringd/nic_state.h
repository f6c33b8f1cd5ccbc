/* SPDX-License-Identifier: MIT */
/*
 * What a card remembers, and how its parts call each other: nic.c makes it and tells of it,
 * nic_serve.c takes its front-ends, nic_link.c sees to it that its interface is there, nic_bridge.c
 * that it is in its bridge, nic_change.c changes it while its frames move. Not for others.
 */
#ifndef TOOLS_TXRINGD_NIC_STATE_H
#define TOOLS_TXRINGD_NIC_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/backend.h"
#include "tools/log.h"
#include "tools/txringd/closer.h"
#include "tools/txringd/endpoint.h"
#include "tools/txringd/nic.h"
#include "tools/txringd/sigbus.h"
#include "tools/txringd/vhost.h"
#include "virtio/base.h"

struct nic {
	const struct nic_config *cfg; /* borrowed */
	bool named;                   /* lines of the log begin with the name */
	struct endpoint endpoint;
	struct backend *backend;
	struct device *device;
	struct vhost_user_session *session;
	struct sigbus_guard guard; /* of the session's memory */
	struct log_limit limit;    /* of lines that a front-end or its guest causes */
	struct log_limit debug_limit;
	struct vhost vhost;
	uint64_t n_front_ends;         /* sessions that have begun */
	bool coalesces;                /* as --coalesce, or set since */
	bool down;                     /* by the administrator: --link, txringctl link */
	bool refusal_logged;           /* of front-ends, since it is down */
	bool quiet;                    /* the session began while it was down, and may be refused */
	enum nic_link link;            /* as of the last nic_check_link() */
	char refusal[BACKEND_ERR_LEN]; /* why it was not taken again; empty: it has not been lost */
	struct closer *closer;         /* of what front-ends sent, and of their sockets */

	/* Times are CLOCK_MONOTONIC. */
	int64_t next_ms;    /* when to try for the next front-end; -1: when its fd is readable */
	int64_t silence_ms; /* when the session's silence has been long enough */
	int64_t closes_ms;  /* since when there are too many pending closes; -1: not now */
	bool closes_logged; /* of the present time of too many */
};

/* CLOCK_MONOTONIC. */
static inline int64_t nic_now_ms(void)
{
	return (int64_t)(monotonic_ns() / 1000000);
}

/* A line; with several cards it says which it is about. */
void nic_log(const struct nic *nic, enum log_level level, const char *line);
/* A line that a front-end or its guest causes, as often as it likes. Any thread. */
void nic_log_limited(struct nic *nic, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The features to offer: what device and kernel have, with and without those that the configuration
 * names, and without what needs one of the latter.
 */
uint64_t nic_offer(const struct nic *nic);

/*
 * Put the backend's tap into the bridge of the configuration, if that names one, and set it up. 0,
 * or a negative errno and the reason, without the bridge's name, in err.
 */
int nic_join_bridge(const struct nic *nic, char err[BACKEND_ERR_LEN]);

/* Tell the session's front-end, which may be new, whether there is a link. */
void nic_show_link(struct nic *nic);

/* There is a front-end, and it is known that it cannot be told of the link. */
bool nic_is_deaf(const struct nic *nic);

/*
 * While the link is down and the session's front-end cannot be told so, it is given up: to its
 * guest that is no carrier. To be called when either may have changed.
 */
void nic_drop_deaf(struct nic *nic);

/*
 * To be called after whatever may have changed whether the kernel can have the device. Where it
 * must, and cannot, the session ends.
 */
void nic_hand_over(struct nic *nic);

#endif
