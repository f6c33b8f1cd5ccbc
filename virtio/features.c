/* SPDX-License-Identifier: MIT */
/* Names of the feature bits, and what each of them needs. */
#include "virtio/features.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "virtio/base.h"

static const char *const names[64] = {
	[VIRTIO_NET_F_CSUM] = "CSUM",
	[VIRTIO_NET_F_GUEST_CSUM] = "GUEST_CSUM",
	[VIRTIO_NET_F_CTRL_GUEST_OFFLOADS] = "CTRL_GUEST_OFFLOADS",
	[VIRTIO_NET_F_MTU] = "MTU",
	[VIRTIO_NET_F_MAC] = "MAC",
	[VIRTIO_NET_F_GSO] = "GSO",
	[VIRTIO_NET_F_GUEST_TSO4] = "GUEST_TSO4",
	[VIRTIO_NET_F_GUEST_TSO6] = "GUEST_TSO6",
	[VIRTIO_NET_F_GUEST_ECN] = "GUEST_ECN",
	[VIRTIO_NET_F_GUEST_UFO] = "GUEST_UFO",
	[VIRTIO_NET_F_HOST_TSO4] = "HOST_TSO4",
	[VIRTIO_NET_F_HOST_TSO6] = "HOST_TSO6",
	[VIRTIO_NET_F_HOST_ECN] = "HOST_ECN",
	[VIRTIO_NET_F_HOST_UFO] = "HOST_UFO",
	[VIRTIO_NET_F_MRG_RXBUF] = "MRG_RXBUF",
	[VIRTIO_NET_F_STATUS] = "STATUS",
	[VIRTIO_NET_F_CTRL_VQ] = "CTRL_VQ",
	[VIRTIO_NET_F_CTRL_RX] = "CTRL_RX",
	[VIRTIO_NET_F_CTRL_VLAN] = "CTRL_VLAN",
	[VIRTIO_NET_F_CTRL_RX_EXTRA] = "CTRL_RX_EXTRA",
	[VIRTIO_NET_F_GUEST_ANNOUNCE] = "GUEST_ANNOUNCE",
	[VIRTIO_NET_F_MQ] = "MQ",
	[VIRTIO_NET_F_CTRL_MAC_ADDR] = "CTRL_MAC_ADDR",
	[VIRTIO_F_NOTIFY_ON_EMPTY] = "NOTIFY_ON_EMPTY",
	[26] = "LOG_ALL",
	[VIRTIO_F_ANY_LAYOUT] = "ANY_LAYOUT",
	[VIRTIO_RING_F_INDIRECT_DESC] = "INDIRECT_DESC",
	[VIRTIO_RING_F_EVENT_IDX] = "EVENT_IDX",
	[VHOST_USER_F_PROTOCOL_FEATURES] = "PROTOCOL_FEATURES",
	[VIRTIO_F_VERSION_1] = "VERSION_1",
	[VIRTIO_F_ACCESS_PLATFORM] = "ACCESS_PLATFORM",
	[VIRTIO_F_RING_PACKED] = "RING_PACKED",
	[VIRTIO_F_IN_ORDER] = "IN_ORDER",
	[VIRTIO_F_ORDER_PLATFORM] = "ORDER_PLATFORM",
	[VIRTIO_F_SR_IOV] = "SR_IOV",
	[38] = "NOTIFICATION_DATA",
	[39] = "NOTIF_CONFIG_DATA",
	[VIRTIO_F_RING_RESET] = "RING_RESET",
	[51] = "DEVICE_STATS",
	[52] = "VQ_NOTF_COAL",
	[53] = "NOTF_COAL",
	[VIRTIO_NET_F_GUEST_USO4] = "GUEST_USO4",
	[VIRTIO_NET_F_GUEST_USO6] = "GUEST_USO6",
	[VIRTIO_NET_F_HOST_USO] = "HOST_USO",
	[VIRTIO_NET_F_HASH_REPORT] = "HASH_REPORT",
	[59] = "GUEST_HDRLEN",
	[VIRTIO_NET_F_RSS] = "RSS",
	[VIRTIO_NET_F_RSC_EXT] = "RSC_EXT",
	[VIRTIO_NET_F_STANDBY] = "STANDBY",
	[VIRTIO_NET_F_SPEED_DUPLEX] = "SPEED_DUPLEX",
};

const char *features_name(unsigned bit)
{
	return bit < array_size(names) ? names[bit] : NULL;
}

const char *features_names(uint64_t features, char buf[FEATURES_NAMES_LEN])
{
	size_t len = 0;
	unsigned bit;

	buf[0] = '\0';
	for (bit = 0; bit < 64; bit++) {
		const char *gap = len ? " " : "";

		if (!feature_has(features, bit))
			continue;
		if (names[bit])
			len += (size_t)snprintf(buf + len, FEATURES_NAMES_LEN - len, "%s%s", gap,
						names[bit]);
		else
			len += (size_t)snprintf(buf + len, FEATURES_NAMES_LEN - len, "%sbit%u", gap,
						bit);
	}
	return buf;
}

static int bit_of(const char *name, size_t len)
{
	int bit;

	for (bit = 0; bit < 64; bit++) {
		if (names[bit] && strlen(names[bit]) == len && !strncasecmp(names[bit], name, len))
			return bit;
	}
	return -1;
}

bool features_parse(const char *list, uint64_t *features, char why[FEATURES_NAMES_LEN])
{
	uint64_t bits = 0;
	size_t len;
	int bit;

	for (;; list += len + 1) {
		len = strcspn(list, ",");
		bit = bit_of(list, len);
		if (bit < 0) {
			snprintf(why, FEATURES_NAMES_LEN, "'%.*s' is no name of a feature",
				 (int)min_u64(len, 64), list);
			return false;
		}
		bits |= FEATURE(bit);
		if (!list[len])
			break;
	}
	*features = bits;
	return true;
}

/* A feature needs one of up to two others, which stand before it if they need something, too. */
static const struct need {
	uint8_t bit;
	uint8_t one;
	uint8_t other;
} needs[] = {
	{ VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM },
	{ VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM },
	{ VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6 },
	{ VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM },
	{ VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_CSUM },
	{ VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_CSUM },
	{ VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6 },
	{ VIRTIO_NET_F_HOST_UFO, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_CSUM },
	{ VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM },
	{ VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM },
	{ VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_CSUM },
	{ VIRTIO_NET_F_RSC_EXT, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6 },
	/* The legacy interface knows neither. */
	{ VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1, VIRTIO_F_VERSION_1 },
	{ VIRTIO_F_IN_ORDER, VIRTIO_F_VERSION_1, VIRTIO_F_VERSION_1 },
};

static bool lacks(uint64_t features, const struct need *n)
{
	return feature_has(features, n->bit) && !(features & (FEATURE(n->one) | FEATURE(n->other)));
}

uint64_t features_prune(uint64_t features, char why[FEATURES_NAMES_LEN])
{
	unsigned i;

	features_check(features, why);
	/* A bit comes behind those that it needs, so once is enough. */
	for (i = 0; i < array_size(needs); i++) {
		if (needs[i].one != VIRTIO_F_VERSION_1 && lacks(features, &needs[i]))
			features &= ~FEATURE(needs[i].bit);
	}
	return features;
}

bool features_check(uint64_t features, char why[FEATURES_NAMES_LEN])
{
	size_t len = 0;
	unsigned i;

	why[0] = '\0';
	for (i = 0; i < array_size(needs); i++) {
		const struct need *n = &needs[i];

		if (!lacks(features, n))
			continue;
		len += (size_t)snprintf(why + len, FEATURES_NAMES_LEN - len, "%s%s without %s",
					len ? ", " : "", names[n->bit], names[n->one]);
		if (n->other != n->one)
			len += (size_t)snprintf(why + len, FEATURES_NAMES_LEN - len, " or %s",
						names[n->other]);
	}
	return !len;
}
