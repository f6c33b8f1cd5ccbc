/* SPDX-License-Identifier: MIT */
/* The mending of a header. */
#include "virtio/net_hdr.h"

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
