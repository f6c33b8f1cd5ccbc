/* SPDX-License-Identifier: MIT */
/*
 * --control PATH[,mode=MODE][,owner=USER][,group=GROUP]: where the socket is, and who may connect.
 */
#ifndef TOOLS_TXRINGD_CONTROL_ACCESS_H
#define TOOLS_TXRINGD_CONTROL_ACCESS_H

#include "tools/config/nic_config.h"

#define CONTROL_PATH_LEN 512

struct control_access {
	char path[CONTROL_PATH_LEN];
	struct socket_access access; /* 0600 if nothing was said */
};

/*
 * 0, or -EINVAL and the reason in err. A path may have commas: what is no such item is part of it.
 */
int control_access_parse(struct control_access *a, const char *text, char err[NIC_CONFIG_ERR_LEN]);

#endif
