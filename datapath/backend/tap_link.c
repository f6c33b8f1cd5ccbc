/* SPDX-License-Identifier: MIT */
/*
 * The interface behind a tap: what the kernel takes of it, and what a driver has negotiated. The
 * kernel asks for its RTNL lock in most of this, so it may wait for whatever else is being
 * configured on the host.
 */
#include "datapath/backend/tap_link.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "datapath/backend/tap.h"
#include "datapath/backend/tap_check.h"
#include "datapath/backend/tap_open.h"
#include "virtio/base.h"

/* Newer than Debian 12's headers. The kernel wants both or neither. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#define TUN_F_USO (TUN_F_USO4 | TUN_F_USO6)
#define TUN_F_TSO (TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)

/* What an Ethernet header with two VLAN tags adds to the MTU. */
#define TAP_L2_LEN (14 + 8)

/* An emptied queue holds at most so many frames, unless the interface says that it holds more. */
#define TAP_FLUSH_MAX 4096

/* The interface is gone: it was removed, perhaps with the network namespace that it was in. */
static bool tap_is_gone(const struct tap_backend *tap)
{
	struct pollfd p = { .fd = tap->list[0].fd };
	struct ifreq ifr;

	/* The driver of macvtaps says so only here, and asks for RTNL; the other one by poll(). */
	if (tap->macvtap)
		return ioctl(p.fd, TUNGETIFF, &ifr) != 0;
	return poll(&p, 1, 0) == 1 && p.revents & POLLERR;
}

static int tap_name(const struct tap_backend *tap, struct ifreq *ifr)
{
	memset(ifr, 0, sizeof(*ifr));
	return ioctl(tap->list[0].fd, TUNGETIFF, ifr) ? -errno : 0;
}

/*
 * Whether the interface of our tap's name in our network namespace is our tap: an inherited one may
 * live in another. The addresses tell, for which no privilege is needed.
 */
static bool tap_is_here(const struct tap_backend *tap, const struct ifreq *name)
{
	struct ifreq ours = *name, found = *name;

	return !ioctl(tap->list[0].fd, SIOCGIFHWADDR, &ours) &&
	       !ioctl(tap->sock, SIOCGIFHWADDR, &found) &&
	       !memcmp(ours.ifr_hwaddr.sa_data, found.ifr_hwaddr.sa_data, 6);
}

static uint32_t tap_max_len(const struct tap_backend *tap)
{
	struct ifreq ifr;

	if (tap->offloads & (TUN_F_TSO | TUN_F_USO) || tap_name(tap, &ifr) ||
	    !tap_is_here(tap, &ifr) || ioctl(tap->sock, SIOCGIFMTU, &ifr))
		return SPILL_SIZE;
	return (uint32_t)(tap->hdr_len + TAP_L2_LEN + ifr.ifr_mtu);
}

static unsigned tap_offloads(const struct tap_backend *tap, uint64_t features)
{
	unsigned flags = 0;

	if (!feature_has(features, VIRTIO_NET_F_GUEST_CSUM))
		return 0;
	if (feature_has(features, VIRTIO_NET_F_GUEST_TSO4))
		flags |= TUN_F_TSO4;
	if (feature_has(features, VIRTIO_NET_F_GUEST_TSO6))
		flags |= TUN_F_TSO6;
	if (flags && feature_has(features, VIRTIO_NET_F_GUEST_ECN))
		flags |= TUN_F_TSO_ECN;
	if ((features & FEATURES_GUEST_USO) == FEATURES_GUEST_USO)
		flags |= TUN_F_USO;
	return (flags | TUN_F_CSUM) & tap->usable;
}

/* How many frames can wait in a queue. */
static unsigned tap_queue_len(const struct tap_backend *tap)
{
	struct ifreq ifr;

	if (tap_name(tap, &ifr) || !tap_is_here(tap, &ifr) ||
	    ioctl(tap->sock, SIOCGIFTXQLEN, &ifr) || ifr.ifr_qlen < TAP_FLUSH_MAX)
		return TAP_FLUSH_MAX;
	return (unsigned)ifr.ifr_qlen;
}

/*
 * Throw away what waits in a queue: nobody took it in time, and the next driver may not know its
 * offloads. Frames that come meanwhile do not prolong it.
 */
static void tap_flush(struct tap_queue *q, unsigned max)
{
	uint8_t none;
	unsigned n;

	/* A read that is too short for the header fails, and takes the frame off. */
	for (n = 0; n < max; n++) {
		if (read(q->fd, &none, sizeof(none)) < 0 && errno != EINVAL)
			break;
		q->flushed++;
	}
}

/* All of a tap's queues have one header length; each queue of a macvtap has its own. */
static int tap_set_hdr_len(const struct tap_backend *tap, int len)
{
	unsigned i;

	for (i = 0; i < tap->base.n_queues; i++) {
		if (ioctl(tap->list[i].fd, TUNSETVNETHDRSZ, &len))
			return -errno;
	}
	return 0;
}

/* Offloads are the interface's, of a macvtap too. */
static int tap_set_offloads(const struct tap_backend *tap, unsigned offloads)
{
	return ioctl(tap->list[0].fd, TUNSETOFFLOAD, offloads) ? -errno : 0;
}

/* All that a driver's queues need; the queues are not running. */
static int tap_prepare(struct tap_backend *tap, int hdr_len, unsigned offloads)
{
	unsigned max = tap_queue_len(tap), i;
	int code = tap_set_hdr_len(tap, hdr_len);

	if (!code)
		code = tap_set_offloads(tap, offloads);
	if (code)
		return code;
	tap->hdr_len = hdr_len;
	tap->offloads = offloads;
	for (i = 0; i < tap->base.n_queues; i++) {
		tap->list[i].max_len = tap_max_len(tap);
		tap->list[i].hdr_len = (uint32_t)hdr_len;
		tap_flush(&tap->list[i], max);
	}
	return 0;
}

int tap_link_start(struct backend *backend, uint64_t features, unsigned hdr_len)
{
	struct tap_backend *tap = container_of(backend, struct tap_backend, base);
	unsigned offloads = tap_offloads(tap, features);
	int code;

	/* A driver need not wait for the interface: reopen sets what it has negotiated. */
	if (tap->name[0] && tap_is_gone(tap)) {
		tap->hdr_len = (int)hdr_len;
		tap->offloads = offloads;
		return 0;
	}
	code = tap_prepare(tap, (int)hdr_len, offloads);
	if (code)
		tap_set_hdr_len(tap, tap->hdr_len);
	return code;
}

int tap_link_set_mtu(struct backend *backend, uint16_t mtu)
{
	struct tap_backend *tap = container_of(backend, struct tap_backend, base);
	struct ifreq ifr;
	unsigned i;
	int code = tap_name(tap, &ifr);

	if (code)
		return code;
	if (!tap_is_here(tap, &ifr))
		return -ENODEV;
	if (ioctl(tap->sock, SIOCGIFMTU, &ifr))
		return -errno;
	/* To change it takes CAP_NET_ADMIN; to find it as it should be, nothing. */
	if (ifr.ifr_mtu != mtu) {
		ifr.ifr_mtu = mtu;
		if (ioctl(tap->sock, SIOCSIFMTU, &ifr))
			return -errno;
	}
	tap->mtu = mtu;
	for (i = 0; i < backend->n_queues; i++)
		tap->list[i].max_len = tap_max_len(tap);
	return 0;
}

static int tap_attach(int fd, bool attach)
{
	struct ifreq ifr = { .ifr_flags = attach ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ioctl(fd, TUNSETQUEUE, &ifr) ? -errno : 0;
}

/* Queue 0 stays attached: the interface as a whole is reached through it. */
int tap_link_set_queue(struct backend *backend, unsigned i, bool used)
{
	struct tap_backend *tap = container_of(backend, struct tap_backend, base);
	struct tap_queue *q = &tap->list[i];
	int code;

	if (!i || used == q->attached)
		return 0;
	code = tap_attach(q->fd, used);
	/* While the interface is away there is nothing to be done. */
	if (code && !(tap->name[0] && tap_is_gone(tap)))
		return code;
	q->attached = used;
	tap_set_fd(q, used ? q->fd : -1);
	/* A tap empties a detached queue; a macvtap keeps the frames for when it is back. */
	if (!used && tap->macvtap)
		tap_flush(q, tap_queue_len(tap));
	return 0;
}

void tap_link_set_carrier(struct backend *backend, bool up)
{
	struct tap_backend *tap = container_of(backend, struct tap_backend, base);

	tap->carrier = up;
	/* No privilege is needed. A macvtap does not know it: its carrier is the lower device's. */
	ioctl(tap->list[0].fd, TUNSETCARRIER, &tap->carrier);
}

enum backend_health tap_link_check(struct backend *backend, char why[BACKEND_ERR_LEN])
{
	struct tap_backend *tap = container_of(backend, struct tap_backend, base);

	if (!tap_is_gone(tap))
		return BACKEND_HEALTHY;
	snprintf(why, BACKEND_ERR_LEN, "it was removed%s",
		 tap->name[0] ? ""
			      : ", and its queues were passed in as fds: they cannot be "
				"opened again");
	return tap->name[0] ? BACKEND_LOST : BACKEND_DEAD;
}

/* Tell a new interface, whose queues are tap's already, what the old one was told. */
static int tap_restore(struct tap_backend *tap, char err[BACKEND_ERR_LEN])
{
	int code = tap_prepare(tap, tap->hdr_len, tap->offloads);

	if (code)
		return tap_open_failed(err, code,
				       "tap %s does not take what the driver has "
				       "negotiated: %s",
				       tap->name, strerror(-code));
	code = tap->mtu ? tap_link_set_mtu(&tap->base, tap->mtu) : 0;
	if (code)
		return tap_open_failed(err, code, "tap %s does not take an MTU of %u: %s",
				       tap->name, tap->mtu, strerror(-code));
	if (tap->carrier >= 0)
		tap_link_set_carrier(&tap->base, tap->carrier);
	return 0;
}

/* From here on the queues are these fds; the old ones are in fds. */
static void tap_exchange_fds(struct tap_backend *tap, int *fds)
{
	unsigned i;

	for (i = 0; i < tap->base.n_queues; i++) {
		struct tap_queue *q = &tap->list[i];
		int old = q->fd;

		q->fd = q->base.vhost_fd = fds[i];
		fds[i] = old;
		q->attached = true;
		tap_set_fd(q, q->fd);
	}
}

int tap_link_reopen(struct backend *backend, char err[BACKEND_ERR_LEN])
{
	struct tap_backend *tap = container_of(backend, struct tap_backend, base);
	bool was_macvtap = tap->macvtap;
	int fds[TAP_MAX_QUEUES], code;
	unsigned i;

	if (!tap->name[0])
		return tap_open_failed(err, -EBADFD,
				       "queues that were passed in as fds cannot be "
				       "opened again");
	code = tap_open_again(fds, backend->n_queues, tap->name, err);
	if (code)
		return code;
	tap_exchange_fds(tap, fds);
	tap->macvtap = tap_check_is_macvtap(tap->list[0].fd);
	code = tap_restore(tap, err);
	/* A failure leaves the queues of the interface that is gone, not half of the new one. */
	if (code) {
		tap_exchange_fds(tap, fds);
		for (i = 0; i < backend->n_queues; i++)
			tap_set_fd(&tap->list[i], -1);
		tap->macvtap = was_macvtap;
	}
	for (i = 0; i < backend->n_queues; i++)
		close(fds[i]);
	return code;
}

/* What the kernel takes; leaves all of it off, and nothing in the queues that was made with it. */
static void tap_probe(struct tap_backend *tap)
{
	static const unsigned sets[] = { TUN_F_CSUM | TUN_F_TSO | TUN_F_USO, TUN_F_CSUM | TUN_F_TSO,
					 TUN_F_CSUM, 0 };
	unsigned i = 0;

	while (i < array_size(sets) - 1 && tap_set_offloads(tap, sets[i]))
		i++;
	tap->usable = sets[i];
	tap_set_offloads(tap, 0);
	for (i = 0; i < tap->base.n_queues; i++)
		tap_flush(&tap->list[i], tap_queue_len(tap));
}

/*
 * The kernel takes a UFO frame on a write, as one that will be fragmented where it leaves, but
 * since Linux 4.14 makes none: TUN_F_UFO changes nothing, and GUEST_UFO is no offer.
 */
static uint64_t tap_features(const struct tap_backend *tap)
{
	uint64_t features = FEATURE(VIRTIO_NET_F_MRG_RXBUF);

	if (tap->usable & TUN_F_CSUM)
		features |= FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_CSUM);
	if (tap->usable & TUN_F_TSO)
		features |= FEATURES_HOST_TSO | FEATURE(VIRTIO_NET_F_HOST_UFO) | FEATURES_GUEST_TSO;
	if (tap->usable & TUN_F_USO)
		features |= FEATURE(VIRTIO_NET_F_HOST_USO) | FEATURES_GUEST_USO;
	return features;
}

static void tap_describe(struct tap_backend *tap)
{
	struct ifreq ifr;

	if (tap_name(tap, &ifr))
		return;
	snprintf(tap->describe, sizeof(tap->describe), "%s %.*s (%u queue%s%s%s%s)",
		 tap->macvtap ? "macvtap" : "tap", IFNAMSIZ, ifr.ifr_name, tap->base.n_queues,
		 tap->base.n_queues == 1 ? "" : "s", tap->usable & TUN_F_CSUM ? ", csum" : "",
		 tap->usable & TUN_F_TSO ? " tso" : "", tap->usable & TUN_F_USO ? " uso" : "");
}

void tap_link_init(struct tap_backend *tap)
{
	tap->macvtap = tap_check_is_macvtap(tap->list[0].fd);
	tap->carrier = -1;
	ioctl(tap->list[0].fd, TUNGETVNETHDRSZ, &tap->hdr_len);
	tap_probe(tap);
	tap->base.features = tap_features(tap);
	tap->base.merges = tap->base.features & FEATURES_MERGES;
	tap_describe(tap);
}
