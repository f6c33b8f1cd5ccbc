/* SPDX-License-Identifier: MIT */
/* Another's XDP program for xdp_share_test.c: counts frames to one address, and passes all on. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 seen;

SEC("xdp")
int xdp_count(struct xdp_md *ctx)
{
	const __u8 *frame = (const __u8 *)(long)ctx->data;

	if (frame + 6 <= (const __u8 *)(long)ctx->data_end && frame[0] == 2 && frame[5] == 0x77)
		__sync_fetch_and_add(&seen, 1);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "MIT";
