/* SPDX-License-Identifier: MIT */
/* txringctl metrics --listen, in a build without libmicrohttpd; see metrics_serve.h. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/txringctl/metrics_serve.h"

int metrics_serve(int fd, const struct metrics_controls *controls, char err[METRICS_ERR_LEN])
{
	(void)controls;
	close(fd);
	snprintf(err, METRICS_ERR_LEN,
		 "--listen: this program was built without it: apt-get install libmicrohttpd-dev, "
		 "then meson configure -Dmetrics=enabled");
	return -ENOSYS;
}
