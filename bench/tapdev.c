/* SPDX-License-Identifier: MIT */
/* Contracts in tapdev.h. */
#include "bench/tapdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench/measure.h"
#include "virtio/net_hdr.h"

void tapdev_init(struct tapdev *t, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int len = NET_HDR_LEN;

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (ioctl(t->fd, TUNSETIFF, &ifr) || ioctl(t->fd, TUNSETVNETHDRSZ, &len))
		measure_die("tap %s: %s", name, strerror(errno));
	measure_shell("ip link set %s txqueuelen %d up", name, TAPDEV_QUEUE);
}

void tapdev_deinit(struct tapdev *t)
{
	close(t->fd);
}
