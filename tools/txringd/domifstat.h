/* SPDX-License-Identifier: MIT */
/*
 * A card's counters in the words of virsh domifstat, which cannot tell them of a vhostuser
 * interface. rx is what the guest received.
 */
#ifndef TOOLS_TXRINGD_DOMIFSTAT_H
#define TOOLS_TXRINGD_DOMIFSTAT_H

#include <jansson.h>

#include "tools/txringd/ifstate.h"
#include "tools/txringd/status.h"

/*
 * tap: of whose frames some went through the kernel, which alone has counted them; NULL: none did,
 * and our own counters tell. NULL: out of memory.
 */
json_t *domifstat_json(const struct status *s, const struct ifstate *tap);

#endif
