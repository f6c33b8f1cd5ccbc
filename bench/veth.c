/* SPDX-License-Identifier: MIT */
/* Contracts in veth.h. */
#include "bench/veth.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/measure.h"
#include "virtio/base.h"

static int bpf(int cmd, union bpf_attr *attr, const char *what)
{
	long ret = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	if (ret < 0)
		measure_die("%s: %s", what, strerror(errno));
	return (int)ret;
}

/* Load a program, attach it, and forget it: the link holds it. */
static int attach(const char *interface, const struct bpf_insn *insns, unsigned n)
{
	union bpf_attr prog = { .prog_type = BPF_PROG_TYPE_XDP,
				.insns = (uintptr_t)insns,
				.insn_cnt = n,
				.license = (uintptr_t) "GPL" };
	union bpf_attr link = { .link_create = { .target_ifindex = if_nametoindex(interface),
						 .attach_type = BPF_XDP,
						 .flags = XDP_FLAGS_DRV_MODE } };
	int fd;

	link.link_create.prog_fd = (unsigned)bpf(BPF_PROG_LOAD, &prog, "an XDP program");
	fd = bpf(BPF_LINK_CREATE, &link, interface);
	close((int)link.link_create.prog_fd);
	return fd;
}

int veth_drop(const char *interface)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_DROP },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return attach(interface, insns, array_size(insns));
}

int veth_redirect(const char *interface, int sock)
{
	uint32_t key = 0;
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_XSKMAP, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	union bpf_attr set = { .key = (uintptr_t)&key, .value = (uintptr_t)&sock };
	int fd = bpf(BPF_MAP_CREATE, &map, "a map of AF_XDP sockets"), link;
	const struct bpf_insn insns[] = {
		/* r1 = map; r2 = ctx->rx_queue_index; r3 = XDP_PASS; return redirect_map() */
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_REG_1,
		  .off = offsetof(struct xdp_md, rx_queue_index) },
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = fd },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	set.map_fd = (unsigned)fd;
	bpf(BPF_MAP_UPDATE_ELEM, &set, "a map of AF_XDP sockets");
	link = attach(interface, insns, array_size(insns));
	close(fd);
	return link;
}

void veth_make(const char *name)
{
	measure_shell("ip link add %s type veth peer name %sp && ip link set %s up && "
		      "ip link set %sp up",
		      name, name, name, name);
}

void veth_delete(const char *name)
{
	measure_shell("ip link del %s", name);
}
