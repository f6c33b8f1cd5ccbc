/* SPDX-License-Identifier: MIT */
/*
 * Reads what QEMU prints for "-device virtio-net-pci,help": which properties has the device? All
 * forms since 0.12 are known, by what a line looks like:
 *
 *   virtio-net-pci.tx=str (TEXT)	up to 3.x, TEXT since 2.2
 *
 *   virtio-net-pci options:		since 4.0; the device is in the heading
 *     tx=<str>   - TEXT (default: ...)
 *
 * A type may hold <> itself: child<virtio-net-device>. Other devices may be listed before and
 * behind, lines may end in CRLF, and what is neither is passed over.
 */
#ifndef TOOLS_TXRINGCTL_PROBE_HELP_H
#define TOOLS_TXRINGCTL_PROBE_HELP_H

#include <stddef.h>

#include "tools/txringctl/probe.h"

/*
 * Does the text list this property of virtio-net-pci? PROBE_NOT_ASKED: it lists none at all, so it
 * says nothing about this one.
 */
enum probe_answer probe_help_has(const char *text, size_t len, const char *property);

#endif
