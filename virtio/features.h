/* SPDX-License-Identifier: MIT */
/*
 * Feature bits of virtio-net and of the ring (virtio 1.2 sections 5.1.3 and 6): numbers, names,
 * groups.
 *
 * The kernel's headers name most bits; those newer than Debian 12's headers are added here.
 */
#ifndef VIRTIO_FEATURES_H
#define VIRTIO_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO   56
#endif
#ifndef VIRTIO_F_IN_ORDER
#define VIRTIO_F_IN_ORDER 35
#endif
#ifndef VIRTIO_F_RING_RESET
#define VIRTIO_F_RING_RESET 40
#endif
/*
 * Bit 30 of the vhost-user feature word: the back-end speaks protocol features. Never shown to the
 * driver.
 */
#define VHOST_USER_F_PROTOCOL_FEATURES 30

#define FEATURE(bit) (1ULL << (bit))

/* What the device half of our rings can do, whatever the backend. */
#define FEATURES_RING \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | \
	 FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VIRTIO_F_IN_ORDER) | \
	 FEATURE(VIRTIO_F_ANY_LAYOUT) | FEATURE(VIRTIO_F_RING_PACKED))

/*
 * What we can do, but offer only when asked to by name. RING_RESET: a session stops and starts
 * rings one by one, and so serves a front-end that passes a reset on, as GET_VRING_BASE and the
 * messages of a new ring. QEMU (7.2, and master of 2025) does not: it shows the bit to a guest, but
 * its virtio_net_queue_reset() stops a ring for the kernel's vhost-net only, and we would go on in
 * memory that the guest has taken back.
 */
#define FEATURES_ON_REQUEST FEATURE(VIRTIO_F_RING_RESET)

/* Frames that the driver may hand to the device unfinished: for a backend that finishes them. */
#define FEATURES_HOST_TSO \
	(FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6) | \
	 FEATURE(VIRTIO_NET_F_HOST_ECN))

/* Frames of segments that are one flow's: what several frames may be merged into. */
#define FEATURES_MERGES \
	(FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6) | \
	 FEATURE(VIRTIO_NET_F_HOST_USO))

/* Frames that the driver takes unfinished. */
#define FEATURES_GUEST_TSO \
	(FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO6) | \
	 FEATURE(VIRTIO_NET_F_GUEST_ECN))
#define FEATURES_GUEST_USO (FEATURE(VIRTIO_NET_F_GUEST_USO4) | FEATURE(VIRTIO_NET_F_GUEST_USO6))

/* The driver may be sent frames longer than its MTU. */
#define FEATURES_GUEST_LARGE (FEATURES_GUEST_TSO | FEATURES_GUEST_USO)

/* Room for the names of all 64 bits, and for all that may contradict each other. */
#define FEATURES_NAMES_LEN 1024

static inline bool feature_has(uint64_t features, unsigned bit)
{
	return features & FEATURE(bit);
}

/* The specification's name of a bit without its prefix ("MRG_RXBUF"), or NULL. */
const char *features_name(unsigned bit);

/*
 * Writes the names of the set bits, lowest first, with a space between; a bit without a name as
 * "bit47". Returns buf.
 */
const char *features_names(uint64_t features, char buf[FEATURES_NAMES_LEN]);

/*
 * The bits of names with a comma between, as "RING_PACKED,mq". False: why says which of them is no
 * name of a feature, and *features is what it was.
 */
bool features_parse(const char *list, uint64_t *features, char why[FEATURES_NAMES_LEN]);

/*
 * Whether each feature has what it needs (2.2.1, 5.1.3.1). If not, why says it by name: "HOST_TSO4
 * without CSUM, GUEST_ECN without GUEST_TSO4 or GUEST_TSO6". What needs CTRL_VQ is not judged: a
 * vhost-user front-end keeps that queue to itself, and its bit with it.
 */
bool features_check(uint64_t features, char why[FEATURES_NAMES_LEN]);

/*
 * Features without the offloads that lack what they need: Linux acks TSO without checksums when
 * QEMU was told csum=off or guest_csum=off and nothing else, and then does without both. why as
 * above.
 */
uint64_t features_prune(uint64_t features, char why[FEATURES_NAMES_LEN]);

#endif
