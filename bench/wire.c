/* SPDX-License-Identifier: MIT */
/* An AF_PACKET socket with SO_TIMESTAMPNS, and /proc/net/dev, which is of this namespace always. */
#include "bench/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BUFFER (8 << 20)

int wire_open(const char *interface, uint16_t ethertype)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_protocol = htons(ethertype),
				    .sll_ifindex = (int)if_nametoindex(interface) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, len = BUFFER, err;

	if (fd < 0)
		return -errno;
	if (addr.sll_ifindex && !setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &len, sizeof(len)) &&
	    !bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

ssize_t wire_next(int wire, void *frame, size_t cap, uint64_t *at_ns)
{
	char control[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec iov = { frame, cap };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(wire, &msg, 0);
	struct cmsghdr *c;
	struct timespec ts;

	if (len < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
		return -ENODATA;
	memcpy(&ts, CMSG_DATA(c), sizeof(ts));
	*at_ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	return len;
}

int wire_count(const char *interface, uint64_t *frames)
{
	FILE *f = fopen("/proc/net/dev", "re");
	size_t len = strlen(interface);
	bool found = false;
	char line[512], *at;

	if (!f)
		return -errno;
	while (!found && fgets(line, sizeof(line), f)) {
		at = line + strspn(line, " ");
		found = !strncmp(at, interface, len) &&
			sscanf(at + len, ": %*u %" SCNu64, frames) == 1;
	}
	fclose(f);
	return found ? 0 : -ENODEV;
}
