/* SPDX-License-Identifier: MIT */
/* Names of what a driver's header may do wrong; the checks are inline. */
#include "virtio/net_hdr.h"

static const char *const fault_names[NET_HDR_FAULTS] = {
	[NET_HDR_OK] = "none",           [NET_HDR_CSUM] = "csum",
	[NET_HDR_GSO_TYPE] = "gso_type", [NET_HDR_ECN] = "ecn",
	[NET_HDR_GSO_SIZE] = "gso_size", [NET_HDR_GSO_CSUM] = "gso_csum",
	[NET_HDR_HDR_LEN] = "hdr_len",
};

const char *net_hdr_fault_name(enum net_hdr_fault fault)
{
	return fault < NET_HDR_FAULTS ? fault_names[fault] : "unknown";
}
