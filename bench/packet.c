/* SPDX-License-Identifier: MIT */
/* Contracts in packet.h. */
#include "bench/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "bench/measure.h"
#include "bench/wire.h"

#define SEND_BUFFER (64 << 20) /* a tap's whole queue */

void packet_frame(uint8_t *frame, unsigned len)
{
	/* Two addresses, and the EtherType for local experiments. */
	static const uint8_t head[] = { 2, 0, 0, 0, 0, 0x77, 2, 0, 0, 0, 0, 0x99, 0x88, 0xb5 };

	memset(frame, 0, len);
	memcpy(frame, head, sizeof(head));
}

int packet_open(const char *interface)
{
	int fd = wire_inject_open(interface), len = SEND_BUFFER;

	measure_check(fd, interface);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &len, sizeof(len)))
		measure_die("packet socket: %s", strerror(errno));
	return fd;
}

unsigned packet_send(int fd, const uint8_t *frame, unsigned len, unsigned n)
{
	unsigned sent = 0;

	while (sent < n && !wire_inject(fd, frame, len))
		sent++;
	return sent;
}
