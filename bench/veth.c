/* SPDX-License-Identifier: MIT */
/* Contracts in veth.h. */
#include "bench/veth.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/measure.h"
#include "bench/packet.h"
#include "bench/wire.h"
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

void veth_drop(struct veth *v)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_DROP },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	v->link = attach(v->peer, insns, array_size(insns));
}

static int make_map(int sock)
{
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_XSKMAP, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	uint32_t key = 0;
	int fd = bpf(BPF_MAP_CREATE, &map, "a map of AF_XDP sockets");
	union bpf_attr set = { .map_fd = (unsigned)fd,
			       .key = (uintptr_t)&key,
			       .value = (uintptr_t)&sock };

	bpf(BPF_MAP_UPDATE_ELEM, &set, "a map of AF_XDP sockets");
	return fd;
}

void veth_redirect(struct veth *v, int sock)
{
	int map = make_map(sock);
	const struct bpf_insn insns[] = {
		/* r1 = map; r2 = ctx->rx_queue_index; r3 = XDP_PASS; return redirect_map() */
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_REG_1,
		  .off = offsetof(struct xdp_md, rx_queue_index) },
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = map },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	v->link = attach(v->name, insns, array_size(insns));
	close(map);
}

static void run(const char *command)
{
	if (system(command))
		measure_die("failed: %s", command);
}

void veth_init(struct veth *v, const char *name)
{
	char command[160];

	*v = (struct veth){ .link = -1 };
	snprintf(v->name, sizeof(v->name), "%s", name);
	snprintf(v->peer, sizeof(v->peer), "%sp", v->name);
	snprintf(command, sizeof(command),
		 "ip link add %s type veth peer name %s && ip link set %s up && ip link set %s up",
		 v->name, v->peer, v->name, v->peer);
	run(command);
	v->packet = packet_open(v->peer);
}

void veth_deinit(struct veth *v)
{
	char command[32];

	close(v->packet);
	if (v->link >= 0)
		close(v->link);
	snprintf(command, sizeof(command), "ip link del %s", v->name);
	run(command);
}

uint64_t veth_arrived(const struct veth *v)
{
	uint64_t frames = 0;

	measure_check(wire_count(v->peer, &frames), v->peer);
	return frames;
}
