/* SPDX-License-Identifier: MIT */
/* Contracts in packet.h. */
#include "bench/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "bench/measure.h"

#define BATCH       64
#define SEND_BUFFER (64 << 20)

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

void packet_frame(uint8_t *frame, unsigned len)
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

int packet_open(const char *interface)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_ifindex = (int)if_nametoindex(interface) };
	int fd, one = 1, len = SEND_BUFFER;

	/* Protocol 0: it sends only. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &len, sizeof(len)))
		measure_die("packet socket: %s", strerror(errno));
	return fd;
}

unsigned packet_send(int fd, const uint8_t *frame, unsigned len, unsigned n)
{
	struct iovec iov = { (void *)(uintptr_t)frame, len };
	struct mmsghdr msgs[BATCH];
	unsigned sent = 0, i, want;
	int got;

	memset(msgs, 0, sizeof(msgs));
	for (i = 0; i < BATCH; i++) {
		msgs[i].msg_hdr.msg_iov = &iov;
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	while (sent < n) {
		want = n - sent < BATCH ? n - sent : BATCH;
		got = sendmmsg(fd, msgs, want, 0);
		if (got <= 0)
			break;
		sent += (unsigned)got;
	}
	return sent;
}
