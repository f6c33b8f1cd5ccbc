/* SPDX-License-Identifier: MIT */
/*
 * What stands around txringd and DPDK when they send through AF_XDP, for bench/peers/dpdk-xdp:
 *
 *   xdp-bare drop IFNAME        what comes to this end of a veth is dropped, in native XDP
 *   xdp-bare send IFNAME LEN    a bare loop: frames are copied and sent, as fast as it goes
 *
 * Says "ready" and goes on until it is killed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/packet.h"
#include "bench/veth.h"
#include "bench/xsk.h"

#define BUFFERS 256 /* as many as a guest's ring has */
#define KICK    64

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void drop(const char *interface)
{
	veth_drop(interface);
	ready();
	for (;;)
		pause();
}

static void send_frames(const char *interface, unsigned len)
{
	static uint8_t frames[BUFFERS][XSK_CHUNK];
	struct xsk x;
	unsigned i;

	for (i = 0; i < BUFFERS; i++)
		packet_frame(frames[i], len);
	xsk_init(&x, interface);
	ready();
	for (i = 0;; i++) {
		xsk_add(&x, frames[i % BUFFERS], len);
		if (i % KICK == KICK - 1)
			xsk_kick(&x);
	}
}

int main(int argc, char **argv)
{
	int len = argc == 4 && !argv[3][strspn(argv[3], "0123456789")] ? atoi(argv[3]) : 0;

	if (argc == 3 && !strcmp(argv[1], "drop"))
		drop(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "send") && len >= 64 && len <= PACKET_MAX)
		send_frames(argv[2], (unsigned)len);
	fprintf(stderr, "usage: xdp-bare drop IFNAME | send IFNAME LEN\n");
	return EXIT_FAILURE;
}
