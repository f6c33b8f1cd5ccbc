/* SPDX-License-Identifier: MIT */
/* The XDP program on NEAR (xdp_ends.h), without a backend. What is wrong fails the test. */
#ifndef TESTS_NET_ATTACH_H
#define TESTS_NET_ATTACH_H

#include <sys/types.h>

#include "datapath/backend/xdp_prog.h"

/* What xdp_prog_attach() said last. */
extern char attach_note[BACKEND_ERR_LEN], attach_err[BACKEND_ERR_LEN];

/* For one queue, and the guest's address. */
struct xdp_prog_config attach_config(enum xdp_mode mode, bool share);
/* It is attached in this mode. */
struct xdp_prog *attach_program(const struct xdp_prog_config *cfg, enum xdp_mode want);
/* It is refused with this negative errno, in one line that has this text. */
void attach_refused(const struct xdp_prog_config *cfg, int want, const char *text);

/* A child that attached one; it is not there any more when this returns. */
void attach_kill(pid_t pid);

#endif
