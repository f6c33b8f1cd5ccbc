/* SPDX-License-Identifier: MIT */
/*
 * The XDP program among others on one interface, through libxdp's dispatcher: it joins, others join
 * it, and what a killed process leaves is put right. Runs in a network namespace of its own
 * (run.sh), with a bpffs of its own.
 *
 * usage: xdp_share_test FILE: the other program, xdp_count.bpf.c compiled
 */
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "datapath/backend/xdp_dispatch.h"
#include "datapath/backend/xdp_prog.h"
#include "tests/net/attach.h"
#include "tests/net/peer.h"
#include "tests/net/xdp_ends.h"
#include "tests/net/xdp_other.h"

#define YOUNG_US 3100000

static const char *file;
/* The folders that libxdp has for dispatchers. */
static unsigned pinned(void)
{
	DIR *dir = opendir(XDP_DISPATCH_BPFFS "/xdp");
	struct dirent *e;
	unsigned n = 0;

	while (dir && (e = readdir(dir)))
		n += !strncmp(e->d_name, "dispatch-", 9);
	if (dir)
		closedir(dir);
	return n;
}

/* Frames to the guest get to its socket, others to the host, and the other program sees them. */
static void all_work(struct xdp_prog *prog, const struct other *other)
{
	struct xsk *x = ends_open_xsk();
	int host = ends_open_host();
	uint64_t seen = other_seen(other);

	assert_int_equal(xdp_prog_set_socket(prog, 0, ends_xsk_fd(x)), 0);
	ends_send(ends_guest);
	assert_true(ends_xsk_got(x));
	assert_false(ends_host_got(host));
	assert_int_equal(other_seen(other), seen + 1);
	ends_send(ends_other);
	assert_true(ends_host_got(host));
	assert_false(ends_xsk_got(x));
	ends_send(ends_all);
	assert_true(ends_host_got(host));
	close(host);
	ends_close_xsk(x);
}

/* It joins one that was there, in the mode that this one has, and leaves it as it was. */
static void joins(enum xdp_mode mode)
{
	struct xdp_prog_config cfg = attach_config(XDP_MODE_AUTO, true);
	struct other *other = other_attach(file, cfg.ifindex, mode == XDP_MODE_SKB);
	struct xdp_prog *prog = attach_program(&cfg, mode);
	uint64_t seen;

	all_work(prog, other);
	xdp_prog_free(prog);
	seen = other_seen(other);
	ends_send(ends_guest);
	usleep(50000);
	assert_int_equal(other_seen(other), seen + 1);
	cfg.mode = mode == XDP_MODE_SKB ? XDP_MODE_NATIVE : XDP_MODE_SKB;
	attach_refused(&cfg, -EBUSY, "runs its XDP programs in ");
	other_detach(other);
	assert_int_equal(ends_program(), 0);
	assert_int_equal(pinned(), 0);
}

static void joins_native(void **state)
{
	(void)state;
	joins(XDP_MODE_NATIVE);
	assert_string_equal(attach_note, "");
}

static void joins_skb(void **state)
{
	(void)state;
	joins(XDP_MODE_SKB);
}

/* The first lets others join, and knows itself in each new dispatcher, and when it is in none. */
static void is_joined(void **state)
{
	struct xdp_prog_config cfg = attach_config(XDP_MODE_AUTO, true);
	struct xdp_prog *prog = attach_program(&cfg, XDP_MODE_NATIVE);
	uint32_t first = ends_program();
	struct other *other = other_attach(file, cfg.ifindex, false);

	(void)state;
	assert_string_equal(attach_note, "");
	assert_true(first != ends_program());
	assert_true(xdp_prog_is_attached(prog));
	all_work(prog, other);
	other_detach(other);
	assert_true(xdp_prog_is_attached(prog));
	assert_int_equal(bpf_xdp_detach((int)cfg.ifindex, XDP_FLAGS_DRV_MODE, NULL), 0);
	assert_false(xdp_prog_is_attached(prog));
	xdp_prog_free(prog);
	assert_int_equal(pinned(), 0);
}

/*
 * Two cards, each with its own address: each one's program leaves the other's frames to the next,
 * and goes on when the other is off. Here they have one queue, so one socket, in turns.
 */
static void two_of_ours(void **state)
{
	struct xdp_prog_config first = attach_config(XDP_MODE_AUTO, true), second = first;
	struct xdp_prog *a = attach_program(&first, XDP_MODE_NATIVE), *b;
	struct xsk *x = ends_open_xsk();
	int host = ends_open_host();

	(void)state;
	memcpy(second.mac, ends_other, sizeof(second.mac));
	b = attach_program(&second, XDP_MODE_NATIVE);
	assert_true(xdp_prog_is_attached(a));
	assert_int_equal(xdp_prog_set_socket(a, 0, ends_xsk_fd(x)), 0);
	ends_send(ends_guest);
	assert_true(ends_xsk_got(x));
	ends_send(ends_other);
	assert_true(ends_host_got(host));
	assert_int_equal(xdp_prog_set_socket(a, 0, -1), 0);
	assert_int_equal(xdp_prog_set_socket(b, 0, ends_xsk_fd(x)), 0);
	ends_send(ends_other);
	assert_true(ends_xsk_got(x));
	ends_send(ends_guest);
	assert_true(ends_host_got(host));
	xdp_prog_free(a);
	assert_true(xdp_prog_is_attached(b));
	ends_send(ends_other);
	assert_true(ends_xsk_got(x));
	xdp_prog_free(b);
	assert_int_equal(ends_program(), 0);
	assert_int_equal(pinned(), 0);
	close(host);
	ends_close_xsk(x);
}

/* Large frames come in several fragments through a dispatcher, too. */
static void large_mtu(void **state)
{
	struct xdp_prog_config cfg = attach_config(XDP_MODE_AUTO, true);

	(void)state;
	peer_ip("link set " NEAR " mtu 9000");
	peer_ip("link set " FAR " mtu 9000");
	xdp_prog_free(attach_program(&cfg, XDP_MODE_NATIVE));
	assert_int_equal(ends_program(), 0);
}

static pid_t child_attaches(void)
{
	struct xdp_prog_config cfg = attach_config(XDP_MODE_AUTO, true);
	struct xdp_prog *prog;
	enum xdp_mode mode;
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!xdp_prog_attach(&prog, &cfg, &mode, attach_note, attach_err) &&
		    write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

/*
 * A killed process leaves its program, which takes no frame from the host; the next start takes it
 * off, also one that does not share. That of a live process is not touched.
 */
static void put_right(void **state)
{
	struct xdp_prog_config cfg = attach_config(XDP_MODE_AUTO, true), alone = cfg;
	pid_t pid = child_attaches();
	int host = ends_open_host();

	(void)state;
	alone.share = false;
	usleep(YOUNG_US);
	attach_refused(&alone, -EBUSY, "'xdp_dispatcher'");
	attach_kill(pid);
	assert_true(ends_program() != 0);
	ends_send(ends_guest);
	assert_true(ends_host_got(host));
	xdp_prog_free(attach_program(&alone, XDP_MODE_NATIVE));
	assert_int_equal(ends_program(), 0);
	assert_int_equal(pinned(), 0);
	close(host);
}

/* With the interface goes what libxdp keeps of it. */
static void removed(void **state)
{
	struct xdp_prog_config cfg = attach_config(XDP_MODE_AUTO, true);
	struct xdp_prog *prog = attach_program(&cfg, XDP_MODE_NATIVE);

	(void)state;
	assert_int_equal(pinned(), 1);
	peer_ip("link del " NEAR);
	assert_false(xdp_prog_is_attached(prog));
	xdp_prog_free(prog);
	assert_int_equal(pinned(), 0);
}

/* A program that nobody can join, and a place where nobody can join any. */
static void cannot_join(void **state)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct xdp_prog_config cfg = attach_config(XDP_MODE_AUTO, true);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "another", "MIT", pass, 2, NULL);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach((int)cfg.ifindex, fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	attach_refused(&cfg, -EBUSY, "'another'");
	assert_non_null(strstr(attach_err, "no dispatcher"));
	assert_int_equal(mount("none", XDP_DISPATCH_BPFFS, "tmpfs", 0, NULL), 0);
	attach_refused(&cfg, -EBUSY, XDP_DISPATCH_REMEDY);
	assert_int_equal(bpf_xdp_detach((int)cfg.ifindex, XDP_FLAGS_DRV_MODE, NULL), 0);
	xdp_prog_free(attach_program(&cfg, XDP_MODE_NATIVE));
	assert_non_null(strstr(attach_note, XDP_DISPATCH_REMEDY));
	assert_int_equal(umount(XDP_DISPATCH_BPFFS), 0);
	close(fd);
}

/* Some kernels let nobody put a program into a dispatcher. */
static bool is_possible(void)
{
	struct xdp_prog_config cfg;
	struct xdp_prog *prog;
	enum xdp_mode mode;
	bool possible;
	int code;

	ends_set_up(NULL);
	cfg = attach_config(XDP_MODE_AUTO, true);
	code = xdp_prog_attach(&prog, &cfg, &mode, attach_note, attach_err);
	possible = code || !strstr(attach_note, "has no dispatcher here");
	if (!code)
		xdp_prog_free(prog);
	ends_tear_down(NULL);
	return possible;
}

int main(int argc, char **argv)
{
#define ENDS_TEST(name) cmocka_unit_test_setup_teardown(name, ends_set_up, ends_tear_down)
	const struct CMUnitTest tests[] = {
		ENDS_TEST(joins_native), ENDS_TEST(joins_skb),   ENDS_TEST(is_joined),
		ENDS_TEST(two_of_ours),  ENDS_TEST(large_mtu),   ENDS_TEST(put_right),
		ENDS_TEST(removed),      ENDS_TEST(cannot_join),
	};
	int code = ends_begin(true);

	if (code)
		return code;
	file = argv[argc - 1];
	if (!is_possible()) {
		printf("skipped: needs a kernel that lets programs into a dispatcher: %s\n",
		       attach_note);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
