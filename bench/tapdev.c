/* SPDX-License-Identifier: MIT */
/* A tap and what fills it: contracts in tapdev.h. */
#include "bench/tapdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/measure.h"
#include "bench/packet.h"

#define HDR_LEN 12

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		measure_die("%s: %s", path, strerror(errno));
	close(fd);
}

bool tapdev_enter(void)
{
	if (unshare(CLONE_NEWNET))
		return false;
	write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	return true;
}

static void interface(int sock, const char *name, unsigned long request, struct ifreq *ifr)
{
	strncpy(ifr->ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(sock, request, ifr))
		measure_die("tap %s: %s", name, strerror(errno));
}

void tapdev_init(struct tapdev *t, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int len = HDR_LEN, sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(t->name, name, sizeof(t->name) - 1);
	t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	interface(t->fd, name, TUNSETIFF, &ifr);
	if (ioctl(t->fd, TUNSETVNETHDRSZ, &len))
		measure_die("tap %s: %s", name, strerror(errno));
	ifr.ifr_qlen = TAPDEV_QUEUE;
	interface(sock, name, SIOCSIFTXQLEN, &ifr);
	interface(sock, name, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	interface(sock, name, SIOCSIFFLAGS, &ifr);
	close(sock);
	t->packet = packet_open(name);
}

void tapdev_deinit(struct tapdev *t)
{
	close(t->packet);
	close(t->fd);
}

unsigned tapdev_inject(struct tapdev *t, const uint8_t *frame, unsigned len, unsigned n)
{
	return packet_send(t->packet, frame, len, n);
}

uint64_t tapdev_written(const struct tapdev *t)
{
	unsigned long long bytes, frames = 0;
	char line[256], *at;
	FILE *f = fopen("/proc/net/dev", "re");

	if (!f)
		measure_die("/proc/net/dev: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, t->name);
		if (at && at[strlen(t->name)] == ':')
			sscanf(at + strlen(t->name) + 1, "%llu %llu", &bytes, &frames);
	}
	fclose(f);
	return frames;
}
