/* SPDX-License-Identifier: MIT */
/* What is rare or cold of a header: the names of its faults, and its mending. */
#include "virtio/net_hdr.h"

static const char *const fault_names[NET_HDR_FAULTS] = {
	[NET_HDR_OK] = "none", [NET_HDR_CSUM] = "csum",         [NET_HDR_GSO_TYPE] = "gso_type",
	[NET_HDR_ECN] = "ecn", [NET_HDR_GSO_SIZE] = "gso_size", [NET_HDR_GSO_CSUM] = "gso_csum",
};

const char *net_hdr_fault_name(enum net_hdr_fault fault)
{
	return fault < NET_HDR_FAULTS ? fault_names[fault] : "unknown";
}

void net_hdr_mend(struct virtio_net_hdr_v1 *h, uint32_t len)
{
	h->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (!h->flags)
		h->csum_start = h->csum_offset = 0;
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		h->gso_size = 0;
	else if (h->gso_size == UINT16_MAX)
		h->gso_size--;
	if (h->hdr_len > len || h->hdr_len < NET_FRAME_MIN)
		h->hdr_len = 0;
}
