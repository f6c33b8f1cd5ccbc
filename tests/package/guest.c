/* SPDX-License-Identifier: MIT */
/*
 * A guest at a card whose backend gives each frame back: N frames with a number each go out and
 * come in again.
 *
 * usage: guest SOCKET N
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/driver/net.h"

#define PATIENCE_MS 30000

static int failed(const char *what, long code)
{
	fprintf(stderr, "guest: %s: %ld\n", what, code);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct driver_net_config cfg = {
		.path = argc == 3 ? argv[1] : "",
		.fd = -1,
		.timeout_ms = PATIENCE_MS,
		.features = DRIVER_NET_FEATURES,
		.protocol = DRIVER_NET_PROTOCOL,
		.n_pairs = 1,
		.ring_size = 256,
	};
	unsigned n = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
	uint8_t frame[64] = { 2 }, back[2048];
	struct virtio_net_hdr_v1 hdr;
	struct driver_net *net;
	long code = driver_net_new(&net, &cfg);

	if (code)
		return failed("no card", code);
	for (unsigned i = 0; i < n; i++) {
		memcpy(frame + 20, &i, sizeof(i));
		code = driver_net_send(net, 0, NULL, frame, sizeof(frame), 0);
		if (code)
			return failed("not sent", code);
		code = driver_net_wait(net, 0, PATIENCE_MS);
		if (code <= 0)
			return failed("nothing comes back", code);
		code = driver_net_receive(net, 0, &hdr, back, sizeof(back));
		if (code != sizeof(frame) || memcmp(frame, back, sizeof(frame)))
			return failed("another frame comes back", code);
		driver_net_reap(net, 0);
	}
	driver_net_free(net);
	printf("%u frames\n", n);
	return EXIT_SUCCESS;
}
