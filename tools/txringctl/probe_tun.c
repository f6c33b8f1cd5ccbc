/* SPDX-License-Identifier: MIT */
/*
 * Taps and macvtaps of this host; see probe_tun.h. The namespace is made with our own right, or
 * with that of a user namespace, which gives it to whoever may have one.
 *
 * A macvtap needs an interface under it, and a new namespace has none. So one is asked for without:
 * a kernel that knows macvtaps misses the interface (EINVAL), another does not know the kind.
 */
#include "tools/txringctl/probe_tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/txringctl/probe_host.h"
#include "virtio/base.h"

#define TUN_DEVICE "/dev/net/tun"
#define PATIENCE_S 10

/* Headers older than Linux 6.2. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum { DEVICE, VNET_HDR, MULTI_QUEUE, CSUM, TSO4, TSO6, ECN, UFO, USO, MACVTAP };

static const char *const names[PROBE_TUN_LINES] = {
	[DEVICE] = "tun",      [VNET_HDR] = "tun-vnet-hdr", [MULTI_QUEUE] = "tun-multi-queue",
	[CSUM] = "tun-csum",   [TSO4] = "tun-tso4",         [TSO6] = "tun-tso6",
	[ECN] = "tun-ecn",     [UFO] = "tun-ufo",           [USO] = "tun-uso",
	[MACVTAP] = "macvtap",
};

/* What must be set together counts together; UFO is not told by TUNSETOFFLOAD. */
static const unsigned offloads[PROBE_TUN_LINES] = {
	[CSUM] = TUN_F_CSUM,
	[TSO4] = TUN_F_CSUM | TUN_F_TSO4,
	[TSO6] = TUN_F_CSUM | TUN_F_TSO6,
	[ECN] = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN,
	[USO] = TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6,
};

static void not_asked(struct probe_line *line, const char *remedy, const char *why)
{
	line->answer = PROBE_NOT_ASKED;
	snprintf(line->says, sizeof(line->says), "%s", why);
	snprintf(line->remedy, sizeof(line->remedy), "%s", remedy);
}

static void ask_flags(struct probe_line *lines, int fd)
{
	unsigned flags = 0;

	if (ioctl(fd, TUNGETFEATURES, &flags))
		flags = 0;
	lines[VNET_HDR].answer = lines[MULTI_QUEUE].answer = PROBE_YES;
	if (!(flags & IFF_VNET_HDR))
		probe_host_no(&lines[VNET_HDR], "boot a newer kernel: txringd needs it",
			      "this kernel's taps have no IFF_VNET_HDR");
	if (!(flags & IFF_MULTI_QUEUE))
		probe_host_no(&lines[MULTI_QUEUE], "one queue pair, or a newer kernel",
			      "this kernel's taps have no IFF_MULTI_QUEUE");
}

/*
 * TUN_F_UFO is accepted for old users' sake by kernels that make no such fragments: the features of
 * the tap tell.
 */
static void ask_ufo(struct probe_line *line, int fd, const char tap[IFNAMSIZ])
{
	struct ethtool_value value = { .cmd = ETHTOOL_GUFO };
	struct ifreq ifr = { .ifr_data = (char *)&value };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(ifr.ifr_name, tap, IFNAMSIZ);
	line->answer = PROBE_YES;
	if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_UFO) || ioctl(sock, SIOCETHTOOL, &ifr) ||
	    !value.data)
		probe_host_no(line, "nothing helps, and guests do without it",
			      "this kernel makes no UDP fragments for a tap");
	if (sock >= 0)
		close(sock);
}

static void ask_offloads(struct probe_line *lines, int fd)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	char why[100];

	if (ioctl(fd, TUNSETIFF, &ifr)) {
		snprintf(why, sizeof(why), "a tap in a new network namespace: %s", strerror(errno));
		for (unsigned i = CSUM; i <= USO; i++)
			probe_host_no(&lines[i], "see the kernel's log", "%s", why);
		return;
	}
	for (unsigned i = CSUM; i <= USO; i++) {
		if (!offloads[i])
			continue;
		lines[i].answer = PROBE_YES;
		if (ioctl(fd, TUNSETOFFLOAD, offloads[i]))
			probe_host_no(&lines[i],
				      i == USO ? "boot Linux 6.2 or later; guests do without it"
					       : "boot a newer kernel",
				      "this kernel's taps have no TUN_F flags 0x%x", offloads[i]);
	}
	ask_ufo(&lines[UFO], fd, ifr.ifr_name);
}

/* A new macvtap, with nothing else. 0 or a negative errno, which is the kernel's answer. */
static int ask_new_macvtap(void)
{
	struct {
		struct nlmsghdr hdr;
		struct ifinfomsg info;
		struct rtattr link_info;
		struct rtattr kind_attr;
		char kind[8];
	} request = {
		.hdr = { .nlmsg_len = sizeof(request),
			 .nlmsg_type = RTM_NEWLINK,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL },
		.link_info = { sizeof(request.link_info) + sizeof(request.kind_attr) +
				       sizeof(request.kind),
			       IFLA_LINKINFO },
		.kind_attr = { sizeof(request.kind_attr) + sizeof(request.kind), IFLA_INFO_KIND },
		.kind = "macvtap",
	};
	struct {
		struct nlmsghdr hdr;
		struct nlmsgerr error;
		char rest[1024];
	} reply;
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), code;
	ssize_t n;

	if (sock < 0)
		return -errno;
	n = send(sock, &request, sizeof(request), 0);
	if (n > 0)
		n = recv(sock, &reply, sizeof(reply), 0);
	code = n < 0 ? -errno : -EPROTO;
	if (n >= (ssize_t)(sizeof(reply.hdr) + sizeof(reply.error)) &&
	    reply.hdr.nlmsg_type == NLMSG_ERROR)
		code = reply.error.error;
	close(sock);
	return code;
}

static void ask_macvtap(struct probe_line *line)
{
	int code = ask_new_macvtap();

	line->answer = PROBE_YES;
	if (!code || code == -EINVAL)
		return;
	if (code == -EOPNOTSUPP)
		probe_host_no(line, "as root: modprobe macvtap; or a kernel with CONFIG_MACVTAP",
			      "this kernel has no macvtap");
	else
		probe_host_no(line, "see the kernel's log", "RTM_NEWLINK: %s", strerror(-code));
}

static bool has_namespace(void)
{
	return !unshare(CLONE_NEWNET) || !unshare(CLONE_NEWUSER | CLONE_NEWNET);
}

/* There is no namespace to try it in. */
static void leave_out(struct probe_line *line)
{
	not_asked(line,
		  "give CAP_SYS_ADMIN, or allow user namespaces (sysctl user.max_user_namespaces, "
		  "kernel.unprivileged_userns_clone)",
		  "no right to make a network namespace to try it in");
}

/* In a process of its own. */
static void ask(struct probe_line *lines)
{
	bool tries = has_namespace();
	int fd;

	if (tries)
		ask_macvtap(&lines[MACVTAP]);
	else
		leave_out(&lines[MACVTAP]);
	fd = probe_host_open(&lines[DEVICE], TUN_DEVICE, "tun");
	if (fd < 0) {
		for (unsigned i = VNET_HDR; i <= USO; i++)
			probe_host_no(&lines[i], "see tun", "it takes " TUN_DEVICE);
		return;
	}
	ask_flags(lines, fd);
	if (tries)
		ask_offloads(lines, fd);
	for (unsigned i = CSUM; !tries && i <= USO; i++)
		leave_out(&lines[i]);
	close(fd);
}

/* What the process answers, all of it at once; it has PATIENCE_S for that. */
static bool take_answer(int fd, struct probe_line *lines, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t end_ns = monotonic_ns() + PATIENCE_S * 1000000000ull, now;
	size_t done = 0;
	ssize_t n = 1;

	while (done < len && n > 0 && (now = monotonic_ns()) < end_ns) {
		if (poll(&p, 1, (int)((end_ns - now) / 1000000) + 1) <= 0)
			continue;
		n = read(fd, (char *)lines + done, len - done);
		done += n > 0 ? (size_t)n : 0;
	}
	return done == len;
}

/* What the process that tries it says. False: nothing, and the lines may be anything. */
static bool ask_process(struct probe_line *lines)
{
	const size_t len = PROBE_TUN_LINES * sizeof(*lines);
	int fds[2];
	bool ok;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return false;
	pid = fork();
	if (!pid) {
		ask(lines);
		_exit(write(fds[1], lines, len) != (ssize_t)len);
	}
	close(fds[1]);
	ok = pid > 0 && take_answer(fds[0], lines, len);
	close(fds[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return ok;
}

static void name_all(struct probe_line *lines)
{
	for (unsigned i = 0; i < PROBE_TUN_LINES; i++) {
		lines[i] = (struct probe_line){ 0 };
		strcpy(lines[i].name, names[i]);
	}
}

void probe_tun(struct probe_line lines[PROBE_TUN_LINES])
{
	name_all(lines);
	if (ask_process(lines))
		return;
	name_all(lines);
	for (unsigned i = 0; i < PROBE_TUN_LINES; i++)
		not_asked(&lines[i], "see the kernel's log", "the process that tries it is silent");
}
