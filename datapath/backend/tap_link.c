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
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

/* A reader of frames of a former driver stops here, so that a busy interface cannot hold it. */
#define TAP_FLUSH_MAX 4096

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

/* Throw away what waits in a queue: frames with offloads that the next driver may not know. */
static void tap_flush(struct tap_queue *q)
{
	uint8_t none;
	unsigned n;

	/* A read that is too short for the header fails, and takes the frame off. */
	for (n = 0; n < TAP_FLUSH_MAX; n++) {
		if (read(q->fd, &none, sizeof(none)) < 0 && errno != EINVAL)
			break;
		q->flushed++;
	}
}

int tap_link_start(struct backend *backend, uint64_t features, unsigned hdr_len)
{
	struct tap_backend *tap = container_of(backend, struct tap_backend, base);
	unsigned offloads = tap_offloads(tap, features), lost = tap->offloads & ~offloads, i;
	int fd = tap->list[0].fd, len = (int)hdr_len, code;

	if (ioctl(fd, TUNSETVNETHDRSZ, &len))
		return -errno;
	if (ioctl(fd, TUNSETOFFLOAD, offloads)) {
		code = -errno;
		ioctl(fd, TUNSETVNETHDRSZ, &tap->hdr_len);
		return code;
	}
	tap->hdr_len = len;
	tap->offloads = offloads;
	for (i = 0; i < backend->n_queues; i++) {
		tap->list[i].max_len = tap_max_len(tap);
		tap->list[i].hdr_len = hdr_len;
		if (lost)
			tap_flush(&tap->list[i]);
	}
	return 0;
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
	ifr.ifr_mtu = mtu;
	if (ioctl(tap->sock, SIOCSIFMTU, &ifr))
		return -errno;
	for (i = 0; i < backend->n_queues; i++)
		tap->list[i].max_len = tap_max_len(tap);
	return 0;
}

/* Queue 0 stays attached: the interface as a whole is reached through it. */
int tap_link_set_queue(struct backend *backend, unsigned i, bool used)
{
	struct tap_backend *tap = container_of(backend, struct tap_backend, base);
	struct tap_queue *q = &tap->list[i];
	struct ifreq ifr = { .ifr_flags = used ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	if (!i || used == q->attached)
		return 0;
	if (ioctl(q->fd, TUNSETQUEUE, &ifr))
		return -errno;
	q->attached = used;
	tap_set_fd(q, used ? q->fd : -1);
	return 0;
}

/* What the kernel takes; leaves all of it off, and nothing in the queues that was made with it. */
static void tap_probe(struct tap_backend *tap)
{
	static const unsigned sets[] = { TUN_F_CSUM | TUN_F_TSO | TUN_F_USO, TUN_F_CSUM | TUN_F_TSO,
					 TUN_F_CSUM, 0 };
	int fd = tap->list[0].fd;
	unsigned i;

	for (i = 0; i < array_size(sets) - 1 && ioctl(fd, TUNSETOFFLOAD, sets[i]); i++)
		;
	tap->usable = sets[i];
	ioctl(fd, TUNSETOFFLOAD, 0);
	for (i = 0; i < tap->base.n_queues; i++)
		tap_flush(&tap->list[i]);
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
	snprintf(tap->describe, sizeof(tap->describe), "tap %.*s (%u queue%s%s%s%s)", IFNAMSIZ,
		 ifr.ifr_name, tap->base.n_queues, tap->base.n_queues == 1 ? "" : "s",
		 tap->usable & TUN_F_CSUM ? ", csum" : "", tap->usable & TUN_F_TSO ? " tso" : "",
		 tap->usable & TUN_F_USO ? " uso" : "");
}

void tap_link_init(struct tap_backend *tap)
{
	ioctl(tap->list[0].fd, TUNGETVNETHDRSZ, &tap->hdr_len);
	tap_probe(tap);
	tap->base.features = tap_features(tap);
	tap_describe(tap);
}
