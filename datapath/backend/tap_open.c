/* SPDX-License-Identifier: MIT */
/* The kernel says little more than EINVAL: here it is found out what that meant, and what helps. */
#include "datapath/backend/tap_open.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
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

#include "datapath/backend/tap_check.h"
#include "datapath/backend/tap_holder.h"

#define TAP_DEVICE "/dev/net/tun"

/* A tap that is in use may be about to become free: about a second is waited for that. */
#define BUSY_WAIT_US 20000
#define BUSY_TRIES   50

/* What an interface name is now. */
enum tap_kind {
	TAP_ABSENT,
	TAP_THERE,
	TAP_MACVTAP, /* or a macvlan: they look alike but for the device node */
	TAP_OTHER,   /* an interface of another kind */
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

static enum tap_kind kind_of_driver(const struct ethtool_drvinfo *info)
{
	if (!strcmp(info->driver, "tun") && !strcmp(info->bus_info, "tap"))
		return TAP_THERE;
	return strcmp(info->driver, "macvlan") ? TAP_OTHER : TAP_MACVTAP;
}

static enum tap_kind kind_of(const char *name)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (char *)&info };
	enum tap_kind kind = TAP_OTHER;
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (!ioctl(sock, SIOCETHTOOL, &ifr))
		kind = kind_of_driver(&info);
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

/*
 * Some process has what: "its only queue", or some of several. Which one is looked for only where
 * somebody has asked for the tap: one that is lost is tried again and again under other cards.
 */
static int in_use(const char *name, const char *what, bool asked, char err[BACKEND_ERR_LEN])
{
	struct tap_holder holder;

	if (!asked || !tap_holder_find(&holder, name))
		return tap_open_failed(err, -EBUSY, "tap %s is in use: another process has %s",
				       name, what);
	return tap_open_failed(err, -EBUSY, "tap %s is in use: it seems that '%s' (pid %d) has %s",
			       name, holder.name, (int)holder.pid, what);
}

static int attach_failed(const char *name, unsigned n, int code, bool asked,
			 char err[BACKEND_ERR_LEN])
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
		return in_use(name, "its only queue", asked, err);
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

/* One queue of n; tries is how often a tap that is in use is tried again. */
static int open_tap_queue(const char *name, unsigned n, int tries, char err[BACKEND_ERR_LEN])
{
	int fd = open_device(name, err), code;
	bool asked = tries > 0;

	if (fd < 0)
		return fd;
	code = attach_any(fd, name, n);
	/* A killed process lets go of its tap only when the kernel has ended its io_uring. */
	for (; code == -EBUSY && tries > 0; tries--) {
		usleep(BUSY_WAIT_US);
		code = attach_any(fd, name, n);
	}
	if (!code)
		return fd;
	close(fd);
	return attach_failed(name, n, code, asked, err);
}

static int open_macvtap_failed(const char *name, const char *path, int code,
			       char err[BACKEND_ERR_LEN])
{
	switch (-code) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return tap_open_failed(
			err, code,
			"%s is a macvlan, or a macvtap without its device node %s: make "
			"that with mknod, numbers as in "
			"/sys/class/net/%s/macvtap/*/dev",
			name, path, name);
	case EACCES:
	case EPERM:
		return tap_open_failed(
			err, code,
			"macvtap %s: no permission to open %s: it must be readable and "
			"writable for this user",
			name, path);
	default:
		return tap_open_failed(err, code, "macvtap %s: %s: %s", name, path,
				       strerror(-code));
	}
}

/*
 * Whether a macvtap's queue is one of the interface of this name. Device nodes are named by the
 * interface's index, which another network namespace may use as well.
 */
static bool is_queue_of(int fd, const char *name)
{
	struct ifreq ours = { 0 }, found = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool same;

	strncpy(found.ifr_name, name, IFNAMSIZ - 1);
	same = !ioctl(fd, TUNGETIFF, &ours) && !strncmp(ours.ifr_name, name, IFNAMSIZ) &&
	       !ioctl(fd, SIOCGIFHWADDR, &ours) && !ioctl(sock, SIOCGIFHWADDR, &found) &&
	       !memcmp(ours.ifr_hwaddr.sa_data, found.ifr_hwaddr.sa_data, 6);
	if (sock >= 0)
		close(sock);
	return same;
}

/* To open the node is to add a queue. */
static int open_macvtap_queue(const char *name, char err[BACKEND_ERR_LEN])
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/tap%u", if_nametoindex(name));
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return open_macvtap_failed(name, path, -errno, err);
	if (is_queue_of(fd, name))
		return fd;
	close(fd);
	return tap_open_failed(
		err, -ENODEV,
		"macvtap %s: %s is of another network namespace: open it elsewhere and "
		"pass it in: tap-fd:N",
		name, path);
}

/*
 * Of a tap for several queues nobody else has any: the kernel would give each some of the frames.
 * tries is how often one that is in use is looked at again.
 */
static int check_free(const char *name, int tries, char err[BACKEND_ERR_LEN])
{
	unsigned n = tap_holder_queues(name);
	bool asked = tries > 0;
	char what[48];

	for (; n && tries > 0; tries--) {
		usleep(BUSY_WAIT_US);
		n = tap_holder_queues(name);
	}
	snprintf(what, sizeof(what), "%u of its queues", n);
	return n ? in_use(name, what, asked, err) : 0;
}

static int open_queues(int *fds, unsigned n, const char *name, int tries, char err[BACKEND_ERR_LEN])
{
	bool macvtap = kind_of(name) == TAP_MACVTAP;
	int code = macvtap ? 0 : check_free(name, tries, err);
	unsigned i;

	if (code)
		return code;
	for (i = 0; i < n && !code; i++) {
		fds[i] = macvtap ? open_macvtap_queue(name, err)
				 : open_tap_queue(name, n, tries, err);
		code = fds[i] < 0 ? fds[i] : 0;
	}
	if (code)
		i--;
	else
		code = tap_check_fds(fds, n, err);
	while (code && i)
		close(fds[--i]);
	return code;
}

int tap_open_queues(int *fds, unsigned n, const char *name, char err[BACKEND_ERR_LEN])
{
	int code = check_name(name, err);

	return code ? code : open_queues(fds, n, name, BUSY_TRIES, err);
}

int tap_open_again(int *fds, unsigned n, const char *name, char err[BACKEND_ERR_LEN])
{
	if (kind_of(name) == TAP_ABSENT)
		return tap_open_failed(err, -ENODEV, "tap %s is not there", name);
	return open_queues(fds, n, name, 0, err);
}
