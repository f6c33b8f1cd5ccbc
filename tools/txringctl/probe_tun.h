/* SPDX-License-Identifier: MIT */
/*
 * Taps and macvtaps, tried in a network namespace of a process of its own, so that nothing is seen
 * outside and all ends with it.
 */
#ifndef TOOLS_TXRINGCTL_PROBE_TUN_H
#define TOOLS_TXRINGCTL_PROBE_TUN_H

#include "tools/txringctl/probe_report.h"

#define PROBE_TUN_LINES 10

/* Fills in all of them. */
void probe_tun(struct probe_line lines[PROBE_TUN_LINES]);

#endif
