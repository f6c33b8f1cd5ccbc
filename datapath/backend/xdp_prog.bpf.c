/* SPDX-License-Identifier: MIT */
/*
 * The XDP program: a frame that comes on a queue of the interface goes to the AF_XDP socket that
 * the map has for that queue, and to the host's stack where it has none.
 *
 * On a shared interface only frames to the guest's own address are taken. XDP cannot copy a frame,
 * so broadcast and multicast go to the host, and the guest's copy comes through a packet socket
 * (xdp_group.c).
 *
 * The section is not "xdp.frags": xdp_load.c asks for frames of several fragments with a flag,
 * and does without on a kernel that knows none.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "datapath/backend/xdp_take.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} txring_sockets SEC(".maps");

const volatile struct xdp_take xdp_take;

static __always_inline int is_taken(const struct xdp_md *ctx)
{
	const __u8 *frame = (const __u8 *)(long)ctx->data;
	unsigned i;

	if (!xdp_take.only_mac)
		return 1;
	if (frame + sizeof(xdp_take.mac) > (const __u8 *)(long)ctx->data_end)
		return 0;
	for (i = 0; i < sizeof(xdp_take.mac); i++) {
		if (frame[i] != xdp_take.mac[i])
			return 0;
	}
	return 1;
}

SEC("xdp")
int txring_xsk(struct xdp_md *ctx)
{
	if (!is_taken(ctx))
		return XDP_PASS;
	return bpf_redirect_map(&txring_sockets, ctx->rx_queue_index, XDP_PASS);
}

/* bpf_redirect_map is not reserved for programs under the GPL. */
char LICENSE[] SEC("license") = "MIT";
