/* SPDX-License-Identifier: MIT */
/* An rtnetlink socket (rtnetlink(7), RTMGRP_LINK), read only to be empty again. */
#include "tools/txringd/links.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

/* Messages taken at a time: a host that never ceases to change its interfaces cannot hold us. */
#define DRAIN_MAX 64

int links_init(struct links *links)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int err = 0;

	links->due_ms = -1;
	links->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (links->fd < 0)
		return -errno;
	if (bind(links->fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		links_deinit(links);
	}
	return err;
}

void links_deinit(struct links *links)
{
	if (links->fd >= 0)
		close(links->fd);
	links->fd = -1;
}

int links_fd(const struct links *links)
{
	return links->fd;
}

int links_timeout_ms(const struct links *links, int64_t now_ms)
{
	if (links->due_ms < 0)
		return -1;
	return links->due_ms > now_ms ? (int)(links->due_ms - now_ms) : 0;
}

static void look_after(struct links *links, int64_t now_ms, int delay_ms)
{
	if (links->due_ms < 0 || links->due_ms > now_ms + delay_ms)
		links->due_ms = now_ms + delay_ms;
}

/* Whether there was anything. */
static bool drain(int fd)
{
	char buf[1]; /* the rest of a message goes with it */
	unsigned n = 0;

	/* ENOBUFS: there was more than the kernel kept for us. */
	while (n < DRAIN_MAX && (recv(fd, buf, sizeof(buf), 0) >= 0 || errno == ENOBUFS))
		n++;
	return n > 0;
}

bool links_serve(struct links *links, bool readable, int64_t now_ms)
{
	if (readable && links->fd >= 0 && drain(links->fd))
		look_after(links, now_ms, LINKS_QUIET_MS);
	if (links_timeout_ms(links, now_ms) != 0)
		return false;
	links->due_ms = -1;
	return true;
}

void links_retry(struct links *links, int64_t now_ms)
{
	look_after(links, now_ms, LINKS_RETRY_MS);
}
