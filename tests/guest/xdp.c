/* SPDX-License-Identifier: MIT */
/*
 * xdp IFINDEX: attaches a native XDP program that passes every frame, and keeps it until it is
 * killed. Exit status 0: it is attached, and a process that holds it goes on; else the errno of
 * what failed. Without a C library, so that it is small enough for a console port:
 * gcc -static -nostdlib -ffreestanding.
 */
#include <asm/unistd.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

static long call(long number, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

static long bpf(int cmd, union bpf_attr *attr)
{
	return call(__NR_bpf, cmd, (long)attr, sizeof(*attr));
}

static long load(void)
{
	static const char license[] = "GPL";
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	static union bpf_attr attr;

	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (unsigned long)pass;
	attr.insn_cnt = 2;
	attr.license = (unsigned long)license;
	return bpf(BPF_PROG_LOAD, &attr);
}

static long attach(long prog, unsigned int ifindex)
{
	static union bpf_attr attr;

	attr.link_create.prog_fd = (unsigned int)prog;
	attr.link_create.target_ifindex = ifindex;
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = XDP_FLAGS_DRV_MODE;
	return bpf(BPF_LINK_CREATE, &attr);
}

static int run(const char *arg)
{
	unsigned int ifindex = 0;
	long ret;

	for (; *arg >= '0' && *arg <= '9'; arg++)
		ifindex = 10 * ifindex + (unsigned int)(*arg - '0');
	ret = load();
	if (ret >= 0)
		ret = attach(ret, ifindex);
	if (ret < 0)
		return (int)-ret;
	if (call(__NR_fork, 0, 0, 0))
		return 0;
	for (;;)
		call(__NR_pause, 0, 0, 0);
}

/* The stack as the kernel leaves it: argc, argv[0], argv[1]. */
__attribute__((used)) static void start(const long *stack)
{
	call(__NR_exit, stack[0] > 1 ? run((const char *)stack[2]) : 2, 0, 0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall start\n");
