/* SPDX-License-Identifier: MIT */
/*
 * The XDP program on an interface: got on in each mode, refused beside another's, gone with its
 * process, and which frames it takes. Alone on the interface; xdp_share_test.c has it among others.
 * Runs in a network namespace of its own (run.sh).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "datapath/backend/xdp_group.h"
#include "datapath/backend/xdp_load.h"
#include "datapath/backend/xdp_prog.h"
#include "tests/net/attach.h"
#include "tests/net/peer.h"
#include "tests/net/xdp_ends.h"

/* All frames are the guest's, in each mode that a veth has; and the host's again afterwards. */
static void takes_all(enum xdp_mode ask, enum xdp_mode want)
{
	struct xdp_prog_config cfg = attach_config(ask, false);
	struct xdp_prog *prog = attach_program(&cfg, want);
	int host = ends_open_host();
	struct xsk *x;

	assert_string_equal(attach_note, "");
	/* A queue without a socket is the host's. */
	ends_send(ends_guest);
	assert_true(ends_host_got(host));
	x = ends_open_xsk();
	assert_int_equal(xdp_prog_set_socket(prog, 0, ends_xsk_fd(x)), 0);
	ends_send(ends_other);
	assert_true(ends_xsk_got(x));
	assert_false(ends_host_got(host));
	ends_send(ends_all);
	assert_true(ends_xsk_got(x));
	assert_int_equal(xdp_prog_set_socket(prog, 0, -1), 0);
	assert_int_equal(xdp_prog_set_socket(prog, 0, -1), 0);
	ends_send(ends_guest);
	assert_true(ends_host_got(host));
	assert_int_equal(xdp_prog_set_socket(prog, 1, ends_xsk_fd(x)), -E2BIG);
	xdp_prog_free(prog);
	assert_int_equal(ends_program(), 0);
	ends_close_xsk(x);
	close(host);
}

static void native(void **state)
{
	(void)state;
	takes_all(XDP_MODE_AUTO, XDP_MODE_NATIVE);
}

static void skb(void **state)
{
	(void)state;
	takes_all(XDP_MODE_SKB, XDP_MODE_SKB);
}

/* A veth takes a native program at this MTU only if it can take frames of several fragments. */
static void large_mtu(void **state)
{
	struct xdp_prog_config cfg = attach_config(XDP_MODE_AUTO, false);

	(void)state;
	peer_ip("link set " NEAR " mtu 9000");
	peer_ip("link set " FAR " mtu 9000");
	xdp_prog_free(attach_program(&cfg, XDP_MODE_NATIVE));
}

/* An interface whose driver has no native XDP gets the other one, unless native was asked for. */
static void no_native(void **state)
{
	struct xdp_prog_config cfg = attach_config(XDP_MODE_AUTO, false);

	(void)state;
	peer_ip("link del " NEAR);
	peer_ip("link add " NEAR " type bridge");
	cfg.ifindex = ends_ifindex();
	xdp_prog_free(attach_program(&cfg, XDP_MODE_SKB));
	assert_non_null(strstr(attach_note, "no native XDP"));
	cfg.mode = XDP_MODE_NATIVE;
	attach_refused(&cfg, -EOPNOTSUPP, "interface " NEAR ": its driver has no native XDP");
}

/* A program of another's, in either mode: named, and left alone. */
static void beside(uint32_t flags)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct xdp_prog_config cfg = attach_config(XDP_MODE_AUTO, false);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "another", "MIT", pass, 2, NULL);
	char text[64];

	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach((int)cfg.ifindex, fd, flags, NULL), 0);
	snprintf(text, sizeof(text), "'another' (id %u) already", ends_program());
	attach_refused(&cfg, -EBUSY, text);
	cfg.mode = flags == XDP_FLAGS_SKB_MODE ? XDP_MODE_NATIVE : XDP_MODE_SKB;
	attach_refused(&cfg, -EBUSY, text);
	assert_true(ends_program() != 0);
	assert_int_equal(bpf_xdp_detach((int)cfg.ifindex, flags, NULL), 0);
	close(fd);
}

static void beside_another(void **state)
{
	(void)state;
	beside(XDP_FLAGS_DRV_MODE);
	beside(XDP_FLAGS_SKB_MODE);
}

/* A child attaches, and goes on as what; returns when it is there. */
static pid_t child_attaches(const char *program)
{
	struct xdp_prog_config cfg = attach_config(XDP_MODE_AUTO, false);
	struct xdp_prog *prog;
	enum xdp_mode mode;
	int ready[2], code;
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		code = xdp_prog_attach(&prog, &cfg, &mode, attach_note, attach_err);
		if (!code && program)
			code = xdp_prog_keep(prog);
		if (!code && program)
			execlp(program, program, "60", NULL);
		if (!code && !write(ready[1], "", 1))
			code = 1;
		while (!code)
			pause();
		_exit(1);
	}
	close(ready[1]);
	/* The exec closes its end of the pipe, too. */
	assert_int_equal(read(ready[0], &byte, 1), program ? 0 : 1);
	close(ready[0]);
	return pid;
}

static void gone_when_killed(void **state)
{
	pid_t pid = child_attaches(NULL);

	(void)state;
	assert_true(ends_program() != 0);
	attach_kill(pid);
	assert_int_equal(ends_program(), 0);
}

/* A process that attached it and then becomes another keeps it, as long as that one lives. */
static void kept_through_exec(void **state)
{
	pid_t pid = child_attaches("sleep");

	(void)state;
	assert_true(ends_program() != 0);
	attach_kill(pid);
	assert_int_equal(ends_program(), 0);
}

static void detach_links(void)
{
	struct bpf_link_info info;
	uint32_t id = 0, len;
	int fd;

	while (!bpf_link_get_next_id(id, &id)) {
		fd = bpf_link_get_fd_by_id(id);
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		    info.type == BPF_LINK_TYPE_XDP && info.xdp.ifindex == ends_ifindex() &&
		    info.prog_id == ends_program())
			assert_int_equal(bpf_link_detach(fd), 0);
		close(fd);
	}
}

/* That it is off is found out: the administrator detached it, or removed the interface. */
static void found_out(void **state)
{
	struct xdp_prog_config cfg = attach_config(XDP_MODE_AUTO, false);
	struct xdp_prog *prog = attach_program(&cfg, XDP_MODE_NATIVE);

	(void)state;
	detach_links();
	assert_false(xdp_prog_is_attached(prog));
	xdp_prog_free(prog);
	prog = attach_program(&cfg, XDP_MODE_NATIVE);
	peer_ip("link del " NEAR);
	assert_false(xdp_prog_is_attached(prog));
	xdp_prog_free(prog);
	attach_refused(&cfg, -ENODEV, NEAR " is not there");
}

/* On a shared interface each frame is the guest's, the host's, or both's. */
static void shared(enum xdp_mode mode)
{
	static const uint8_t *const groups[] = { ends_all, ends_group };
	struct xdp_prog_config cfg = attach_config(mode, false);
	struct xdp_prog *prog;
	int host = ends_open_host(), group;
	unsigned i;
	struct xsk *x;

	cfg.share = true;
	prog = attach_program(&cfg, mode);
	assert_non_null(strstr(attach_note, "no other XDP program can join"));
	x = ends_open_xsk();
	assert_int_equal(xdp_prog_set_socket(prog, 0, ends_xsk_fd(x)), 0);
	group = xdp_group_open(NEAR, cfg.ifindex, cfg.mac, attach_err);
	assert_true(group >= 0);

	ends_send(ends_guest);
	assert_true(ends_xsk_got(x));
	assert_false(ends_host_got(host));
	assert_false(ends_group_got(group));
	ends_send(ends_other);
	assert_true(ends_host_got(host));
	assert_false(ends_xsk_got(x));
	assert_false(ends_group_got(group));
	for (i = 0; i < 2; i++) {
		ends_send(groups[i]);
		assert_true(ends_host_got(host));
		assert_true(ends_group_got(group));
		assert_false(ends_xsk_got(x));
	}
	close(group);
	close(host);
	ends_close_xsk(x);
	xdp_prog_free(prog);
}

static void shared_native(void **state)
{
	(void)state;
	if (!xdp_load_can_filter())
		skip();
	shared(XDP_MODE_NATIVE);
}

static void shared_skb(void **state)
{
	(void)state;
	if (!xdp_load_can_filter())
		skip();
	shared(XDP_MODE_SKB);
}

/* What share cannot do without. */
static void share_refused(void **state)
{
	struct xdp_prog_config cfg = attach_config(XDP_MODE_AUTO, false);

	(void)state;
	cfg.share = true;
	if (!xdp_load_can_filter()) {
		attach_refused(&cfg, -EOPNOTSUPP, "libxdp's program takes all frames");
		return;
	}
	cfg.has_mac = false;
	attach_refused(&cfg, -EINVAL, "the guest's address");
}

int main(void)
{
#define ENDS_TEST(name) cmocka_unit_test_setup_teardown(name, ends_set_up, ends_tear_down)
	const struct CMUnitTest tests[] = {
		ENDS_TEST(native),
		ENDS_TEST(skb),
		ENDS_TEST(large_mtu),
		ENDS_TEST(no_native),
		ENDS_TEST(beside_another),
		ENDS_TEST(gone_when_killed),
		ENDS_TEST(kept_through_exec),
		ENDS_TEST(found_out),
		ENDS_TEST(shared_native),
		ENDS_TEST(shared_skb),
		ENDS_TEST(share_refused),
	};

	int code = ends_begin(false);

	return code ? code : cmocka_run_group_tests(tests, NULL, NULL);
}
