/* SPDX-License-Identifier: MIT */
/* The XDP program on NEAR; see attach.h. */
#include "tests/net/attach.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/net/xdp_ends.h"

char attach_note[BACKEND_ERR_LEN], attach_err[BACKEND_ERR_LEN];

struct xdp_prog_config attach_config(enum xdp_mode mode, bool share)
{
	struct xdp_prog_config cfg = { .ifname = NEAR,
				       .ifindex = ends_ifindex(),
				       .mode = mode,
				       .share = share,
				       .has_mac = true,
				       .n_queues = 1 };

	memcpy(cfg.mac, ends_guest, sizeof(cfg.mac));
	return cfg;
}

struct xdp_prog *attach_program(const struct xdp_prog_config *cfg, enum xdp_mode want)
{
	struct xdp_prog *prog;
	enum xdp_mode mode;

	if (xdp_prog_attach(&prog, cfg, &mode, attach_note, attach_err))
		fail_msg("%s", attach_err);
	assert_int_equal(mode, want);
	assert_true(xdp_prog_is_attached(prog));
	return prog;
}

void attach_refused(const struct xdp_prog_config *cfg, int want, const char *text)
{
	struct xdp_prog *prog;
	enum xdp_mode mode;
	int code = xdp_prog_attach(&prog, cfg, &mode, attach_note, attach_err);

	if (code != want || !strstr(attach_err, text) || strchr(attach_err, '\n'))
		fail_msg("%d: %s", code, attach_err);
}

void attach_kill(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}
