/* SPDX-License-Identifier: MIT */
/*
 * A card as libvirt's <interface> element, as it is now: what the configuration left open is filled
 * in, what libvirt has no word for is an instruction (<?txring KEY VALUE?>, of nic_config_keys[]),
 * and what cannot be configured is a comment. txringd --interface takes it as it is.
 */
#ifndef TOOLS_TXRINGD_DUMPXML_H
#define TOOLS_TXRINGD_DUMPXML_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/config/nic_config.h"
#include "tools/txringd/status.h"

/* False: a value has bytes that XML cannot hold; nothing is printed, and err says which. */
bool dumpxml_print(const struct status *s, FILE *out, char err[NIC_CONFIG_ERR_LEN]);

#endif
