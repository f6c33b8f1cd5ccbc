/* SPDX-License-Identifier: MIT */
/* Which frames the XDP program takes: written by xdp_load.c, read by the program (.rodata). */
#ifndef DATAPATH_BACKEND_XDP_TAKE_H
#define DATAPATH_BACKEND_XDP_TAKE_H

#include <linux/types.h>

struct xdp_take {
	__u8 only_mac; /* only frames to mac; else all frames */
	__u8 mac[6];
};

#endif
