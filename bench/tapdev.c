/* SPDX-License-Identifier: MIT */
/* A tap and what fills it: contracts in tapdev.h. */
#include "bench/tapdev.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
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

#define INJECT_BATCH 64
#define HDR_LEN      12
#define SEND_BUFFER  (64 << 20)

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

static void open_packet(struct tapdev *t)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_ifindex = (int)if_nametoindex(t->name) };
	int one = 1, len = SEND_BUFFER;

	/* Protocol 0: it sends only. */
	t->packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (t->packet < 0 || bind(t->packet, (struct sockaddr *)&addr, sizeof(addr)) ||
	    setsockopt(t->packet, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    setsockopt(t->packet, SOL_SOCKET, SO_SNDBUFFORCE, &len, sizeof(len)))
		measure_die("packet socket: %s", strerror(errno));
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
	open_packet(t);
}

void tapdev_deinit(struct tapdev *t)
{
	close(t->packet);
	close(t->fd);
}

static uint16_t checksum(const uint8_t *data, unsigned len)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < len; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void put16(uint8_t *to, unsigned v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
}

void tapdev_frame(uint8_t *frame, unsigned len)
{
	static const uint8_t head[] = { 2,    0,    0,  0,  0,    0x77, 2,    0,   0, 0,
					0,    0x99, 8,  0,  0x45, 0,    0,    0,   0, 0,
					0x40, 0,    64, 17, 0,    0,    10,   99,  0, 2,
					10,   99,   0,  1,  0x27, 0x10, 0x27, 0x11 };
	uint16_t sum;

	memset(frame, 0, len);
	memcpy(frame, head, sizeof(head));
	put16(frame + 16, len - 14);
	put16(frame + 38, len - 34);
	sum = checksum(frame + 14, 20);
	memcpy(frame + 24, &sum, sizeof(sum));
}

unsigned tapdev_inject(struct tapdev *t, const uint8_t *frame, unsigned len, unsigned n)
{
	struct iovec iov = { (void *)(uintptr_t)frame, len };
	struct mmsghdr msgs[INJECT_BATCH];
	unsigned sent = 0, i, want;
	int got;

	memset(msgs, 0, sizeof(msgs));
	for (i = 0; i < INJECT_BATCH; i++) {
		msgs[i].msg_hdr.msg_iov = &iov;
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	while (sent < n) {
		want = n - sent < INJECT_BATCH ? n - sent : INJECT_BATCH;
		got = sendmmsg(t->packet, msgs, want, 0);
		if (got <= 0)
			break;
		sent += (unsigned)got;
	}
	return sent;
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
