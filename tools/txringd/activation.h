/* SPDX-License-Identifier: MIT */
/*
 * Sockets that systemd opened and passed on, as sd_listen_fds(3) has it: LISTEN_PID says to which
 * process, LISTEN_FDS how many, from fd 3 on, and LISTEN_FDNAMES their names.
 */
#ifndef TOOLS_TXRINGD_ACTIVATION_H
#define TOOLS_TXRINGD_ACTIVATION_H

#include "tools/config/nic_config.h"

/* The first fd that is passed on. */
#define ACTIVATION_FIRST_FD 3

/*
 * Give the cards whose configuration names such a socket their fd: the next of that name, or of
 * any, which no card before has. One that no card has would keep its clients waiting for ever, so
 * that is refused. The variables are taken out of the environment. If no card names one, nothing is
 * done. 0, or -EINVAL and the reason in err. To be called once, before there are threads.
 */
int activation_resolve(struct nic_config *cards, unsigned n, char err[NIC_CONFIG_ERR_LEN]);

#endif
