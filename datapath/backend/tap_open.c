/* SPDX-License-Identifier: MIT */
/* The kernel says little more than EINVAL: here it is found out what that meant, and what helps. */
#include "datapath/backend/tap_open.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TAP_DEVICE "/dev/net/tun"

/* A tap that is in use may be about to become free: about a second is waited for that. */
#define BUSY_WAIT_US 20000
#define BUSY_TRIES   50

/* What an interface name is now. */
enum tap_kind {
	TAP_ABSENT,
	TAP_THERE,
	TAP_OTHER, /* an interface of another kind */
};

int tap_open_failed(char err[BACKEND_ERR_LEN], int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, BACKEND_ERR_LEN, fmt, args);
	va_end(args);
	return code;
}

/* For a message of one line: the beginning of name, with '?' for what does not print. */
static const char *shown(const char *name, char buf[36])
{
	size_t i;

	for (i = 0; name[i] && i < 32; i++)
		buf[i] = isprint((unsigned char)name[i]) ? name[i] : '?';
	strcpy(&buf[i], name[i] ? "..." : "");
	return buf;
}

static int check_name(const char *name, char err[BACKEND_ERR_LEN])
{
	size_t len = strlen(name), i;
	char buf[36];

	if (!len)
		return tap_open_failed(err, -EINVAL, "a tap needs a name");
	if (len >= IFNAMSIZ)
		return tap_open_failed(err, -EINVAL,
				       "tap name '%s' is too long: at most %d characters",
				       shown(name, buf), IFNAMSIZ - 1);
	for (i = 0; i < len; i++) {
		if (!isgraph((unsigned char)name[i]) || strchr("/:%", name[i]))
			break;
	}
	if (i < len || !strcmp(name, ".") || !strcmp(name, ".."))
		return tap_open_failed(err, -EINVAL,
				       "'%s' cannot be a tap's name: no spaces, '/', ':' or '%%'",
				       shown(name, buf));
	return 0;
}

static enum tap_kind kind_of(const char *name)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (char *)&info };
	enum tap_kind kind = TAP_OTHER;
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (!ioctl(sock, SIOCETHTOOL, &ifr))
		kind = strcmp(info.driver, "tun") || strcmp(info.bus_info, "tap") ? TAP_OTHER
										  : TAP_THERE;
	else if (errno == ENODEV)
		kind = TAP_ABSENT;
	if (sock >= 0)
		close(sock);
	return kind;
}

/* The words of "ip tuntap add" for a tap with n queues. */
static const char *queue_words(unsigned n)
{
	return n > 1 ? "multi_queue vnet_hdr" : "vnet_hdr";
}

static int open_device(const char *name, char err[BACKEND_ERR_LEN])
{
	int fd = open(TAP_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC), code = -errno;

	if (fd >= 0)
		return fd;
	switch (-code) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return tap_open_failed(err, code,
				       "tap %s: no " TAP_DEVICE
				       ": load the kernel's module: modprobe tun",
				       name);
	case EACCES:
	case EPERM:
		return tap_open_failed(err, code,
				       "tap %s: no permission to open " TAP_DEVICE
				       ": it must be readable and writable for this user",
				       name);
	default:
		return tap_open_failed(err, code, "tap %s: " TAP_DEVICE ": %s", name,
				       strerror(-code));
	}
}

static int attach_failed(const char *name, unsigned n, int code, char err[BACKEND_ERR_LEN])
{
	enum tap_kind kind = kind_of(name);

	if (kind == TAP_OTHER)
		return tap_open_failed(
			err, code, "%s is an interface, but not a tap: give another name", name);
	switch (-code) {
	case EPERM:
		if (kind == TAP_THERE)
			return tap_open_failed(
				err, code,
				"tap %s is another user's: be that user, or have CAP_NET_ADMIN",
				name);
		return tap_open_failed(
			err, code,
			"tap %s cannot be made without CAP_NET_ADMIN; beforehand, as root: "
			"ip tuntap add %s mode tap %s user NAME",
			name, name, queue_words(n));
	case EBUSY:
		return tap_open_failed(
			err, code, "tap %s is in use: another process has its only queue", name);
	case EINVAL:
		if (kind == TAP_THERE && n > 1)
			return tap_open_failed(
				err, code,
				"tap %s has one queue, not %u; make it so beforehand: "
				"ip tuntap add %s mode tap multi_queue vnet_hdr",
				name, n, name);
		break;
	case E2BIG:
		return tap_open_failed(err, code, "tap %s cannot have %u more queues", name, n);
	}
	return tap_open_failed(err, code, "tap %s cannot be opened: %s", name, strerror(-code));
}

static int attach(int fd, const char *name, int flags)
{
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags) };

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	return ioctl(fd, TUNSETIFF, &ifr) ? -errno : 0;
}

static int attach_any(int fd, const char *name, unsigned n)
{
	int code = attach(fd, name, n > 1 ? IFF_MULTI_QUEUE : 0);

	/* A tap that was made for several queues may be used with one. */
	if (code == -EINVAL && n == 1 && kind_of(name) == TAP_THERE)
		code = attach(fd, name, IFF_MULTI_QUEUE);
	return code;
}

/* One queue of n. */
static int open_queue(const char *name, unsigned n, char err[BACKEND_ERR_LEN])
{
	int fd = open_device(name, err), code, tries;

	if (fd < 0)
		return fd;
	code = attach_any(fd, name, n);
	/* A killed process lets go of its tap only when the kernel has ended its io_uring. */
	for (tries = 0; code == -EBUSY && tries < BUSY_TRIES; tries++) {
		usleep(BUSY_WAIT_US);
		code = attach_any(fd, name, n);
	}
	if (!code)
		return fd;
	close(fd);
	return attach_failed(name, n, code, err);
}

int tap_open_queues(int *fds, unsigned n, const char *name, char err[BACKEND_ERR_LEN])
{
	unsigned i;
	int code = check_name(name, err);

	if (code)
		return code;
	for (i = 0; i < n; i++) {
		fds[i] = open_queue(name, n, err);
		if (fds[i] >= 0)
			continue;
		code = fds[i];
		while (i)
			close(fds[--i]);
		return code;
	}
	return 0;
}

/*
 * What must be true of one queue alone. Whether IFF_NO_PI is on cannot be seen: TUNGETIFF uses its
 * bit for something else (IFF_NOFILTER).
 */
static int check_queue(int fd, struct ifreq *ifr, char err[BACKEND_ERR_LEN])
{
	int flags = fcntl(fd, F_GETFL), sndbuf = INT_MAX;

	if (flags < 0)
		return tap_open_failed(err, -errno, "fd %d is not open", fd);
	if (ioctl(fd, TUNGETIFF, ifr))
		return tap_open_failed(err, -errno, "fd %d is not a tap", fd);
	if (!(ifr->ifr_flags & IFF_TAP))
		return tap_open_failed(err, -EINVAL, "%s (fd %d) is a tun, not a tap",
				       ifr->ifr_name, fd);
	if (!(ifr->ifr_flags & IFF_VNET_HDR))
		return tap_open_failed(err, -EINVAL,
				       "tap %s (fd %d) was opened without IFF_VNET_HDR (vnet_hdr)",
				       ifr->ifr_name, fd);
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) || ioctl(fd, TUNSETSNDBUF, &sndbuf))
		return tap_open_failed(err, -errno,
				       "tap %s (fd %d) cannot be made non-blocking: %s",
				       ifr->ifr_name, fd, strerror(errno));
	return 0;
}

int tap_open_check(const int *fds, unsigned n, char err[BACKEND_ERR_LEN])
{
	struct ifreq first = { 0 }, ifr;
	unsigned i, k;
	int code;

	for (i = 0; i < n; i++) {
		memset(&ifr, 0, sizeof(ifr));
		code = check_queue(fds[i], &ifr, err);
		if (code)
			return code;
		if (!i)
			first = ifr;
		if (strncmp(ifr.ifr_name, first.ifr_name, IFNAMSIZ))
			return tap_open_failed(
				err, -EINVAL,
				"fd %d is %s, but fd %d is %s: they must be queues of one tap",
				fds[0], first.ifr_name, fds[i], ifr.ifr_name);
		for (k = 0; k < i; k++) {
			if (fds[k] == fds[i] || !(ifr.ifr_flags & IFF_MULTI_QUEUE))
				return tap_open_failed(err, -EINVAL,
						       "fds %d and %d are the same queue of tap %s",
						       fds[k], fds[i], ifr.ifr_name);
		}
	}
	return 0;
}
