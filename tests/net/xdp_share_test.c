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
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "datapath/backend/xdp_dispatch.h"
#include "datapath/backend/xdp_prog.h"
#include "tests/net/peer.h"
#include "tests/net/xdp_ends.h"
#include "tests/net/xdp_other.h"

#define YOUNG_US 3100000

static const char *file;
static char note[BACKEND_ERR_LEN], err[BACKEND_ERR_LEN];

static struct xdp_prog_config config(enum xdp_mode mode)
{
	struct xdp_prog_config cfg = { .ifname = NEAR,
				       .ifindex = ends_ifindex(),
				       .mode = mode,
				       .share = true,
				       .has_mac = true,
				       .n_queues = 1 };

	memcpy(cfg.mac, ends_guest, sizeof(cfg.mac));
	return cfg;
}

static struct xdp_prog *attach(const struct xdp_prog_config *cfg, enum xdp_mode want)
{
	struct xdp_prog *prog;
	enum xdp_mode mode;

	if (xdp_prog_attach(&prog, cfg, &mode, note, err))
		fail_msg("%s", err);
	assert_int_equal(mode, want);
	assert_true(xdp_prog_is_attached(prog));
	return prog;
}

static void refused(const struct xdp_prog_config *cfg, int want, const char *text)
{
	struct xdp_prog *prog;
	enum xdp_mode mode;
	int code = xdp_prog_attach(&prog, cfg, &mode, note, err);

	if (code != want || !strstr(err, text) || strchr(err, '\n'))
		fail_msg("%d: %s", code, err);
}

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
	struct xdp_prog_config cfg = config(XDP_MODE_AUTO);
	struct other *other = other_attach(file, cfg.ifindex, mode == XDP_MODE_SKB);
	struct xdp_prog *prog = attach(&cfg, mode);
	uint64_t seen;

	all_work(prog, other);
	xdp_prog_free(prog);
	seen = other_seen(other);
	ends_send(ends_guest);
	usleep(50000);
	assert_int_equal(other_seen(other), seen + 1);
	cfg.mode = mode == XDP_MODE_SKB ? XDP_MODE_NATIVE : XDP_MODE_SKB;
	refused(&cfg, -EBUSY, "runs its XDP programs in ");
	other_detach(other);
	assert_int_equal(ends_program(), 0);
	assert_int_equal(pinned(), 0);
}

static void joins_native(void **state)
{
	(void)state;
	joins(XDP_MODE_NATIVE);
	assert_string_equal(note, "");
}

static void joins_skb(void **state)
{
	(void)state;
	joins(XDP_MODE_SKB);
}

/* The first lets others join, and knows itself in each new dispatcher, and when it is in none. */
static void is_joined(void **state)
{
	struct xdp_prog_config cfg = config(XDP_MODE_AUTO);
	struct xdp_prog *prog = attach(&cfg, XDP_MODE_NATIVE);
	uint32_t first = ends_program();
	struct other *other = other_attach(file, cfg.ifindex, false);

	(void)state;
	assert_string_equal(note, "");
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

/* Large frames come in several fragments through a dispatcher, too. */
static void large_mtu(void **state)
{
	struct xdp_prog_config cfg = config(XDP_MODE_AUTO);

	(void)state;
	peer_ip("link set " NEAR " mtu 9000");
	peer_ip("link set " FAR " mtu 9000");
	xdp_prog_free(attach(&cfg, XDP_MODE_NATIVE));
	assert_int_equal(ends_program(), 0);
}

static pid_t child_attaches(void)
{
	struct xdp_prog_config cfg = config(XDP_MODE_AUTO);
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
		if (!xdp_prog_attach(&prog, &cfg, &mode, note, err) && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void kill_it(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/*
 * A killed process leaves its program, which takes no frame from the host; the next start takes it
 * off, also one that does not share. That of a live process is not touched.
 */
static void put_right(void **state)
{
	struct xdp_prog_config cfg = config(XDP_MODE_AUTO), alone = cfg;
	pid_t pid = child_attaches();
	int host = ends_open_host();

	(void)state;
	alone.share = false;
	usleep(YOUNG_US);
	refused(&alone, -EBUSY, "'xdp_dispatcher'");
	kill_it(pid);
	assert_true(ends_program() != 0);
	ends_send(ends_guest);
	assert_true(ends_host_got(host));
	xdp_prog_free(attach(&alone, XDP_MODE_NATIVE));
	assert_int_equal(ends_program(), 0);
	assert_int_equal(pinned(), 0);
	close(host);
}

/* With the interface goes what libxdp keeps of it. */
static void removed(void **state)
{
	struct xdp_prog_config cfg = config(XDP_MODE_AUTO);
	struct xdp_prog *prog = attach(&cfg, XDP_MODE_NATIVE);

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
	struct xdp_prog_config cfg = config(XDP_MODE_AUTO);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "another", "MIT", pass, 2, NULL);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach((int)cfg.ifindex, fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	refused(&cfg, -EBUSY, "'another'");
	assert_non_null(strstr(err, "no dispatcher"));
	assert_int_equal(mount("none", XDP_DISPATCH_BPFFS, "tmpfs", 0, NULL), 0);
	refused(&cfg, -EBUSY, XDP_DISPATCH_REMEDY);
	assert_int_equal(bpf_xdp_detach((int)cfg.ifindex, XDP_FLAGS_DRV_MODE, NULL), 0);
	xdp_prog_free(attach(&cfg, XDP_MODE_NATIVE));
	assert_non_null(strstr(note, XDP_DISPATCH_REMEDY));
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
	cfg = config(XDP_MODE_AUTO);
	code = xdp_prog_attach(&prog, &cfg, &mode, note, err);
	possible = code || !strstr(note, "has no dispatcher here");
	if (!code)
		xdp_prog_free(prog);
	ends_tear_down(NULL);
	return possible;
}

int main(int argc, char **argv)
{
#define ENDS_TEST(name) cmocka_unit_test_setup_teardown(name, ends_set_up, ends_tear_down)
	const struct CMUnitTest tests[] = {
		ENDS_TEST(joins_native), ENDS_TEST(joins_skb), ENDS_TEST(is_joined),
		ENDS_TEST(large_mtu),    ENDS_TEST(put_right), ENDS_TEST(removed),
		ENDS_TEST(cannot_join),
	};
	int code = ends_begin(true);

	if (code)
		return code;
	file = argv[argc - 1];
	if (!is_possible()) {
		printf("skipped: needs a kernel that lets programs into a dispatcher: %s\n", note);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
