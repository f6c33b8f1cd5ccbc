/* SPDX-License-Identifier: MIT */
/*
 * What must be true of a tap's queues before frames go through them, whoever opened them: a fd may
 * be anything, and the flags of a tap are those of the process that opened its first queue.
 */
#include "datapath/backend/tap_check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "datapath/backend/tap_open.h"

/* Of /dev/net/tun, everywhere. */
#define TUN_MAJOR 10
#define TUN_MINOR 200

bool tap_check_is_macvtap(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_rdev != makedev(TUN_MAJOR, TUN_MINOR);
}

/*
 * Whether frames have a struct tun_pi before the header (opened without IFF_NO_PI). TUNGETIFF
 * cannot tell, as its bit for that means something else (IFF_NOFILTER). So a frame is written that
 * the kernel takes in neither case: with struct tun_pi the rest is too short for the header, else
 * the header would lie where there is no memory.
 */
static bool has_pi(int fd)
{
	struct tun_pi pi = { 0 };
	struct iovec iov[2] = { { &pi, sizeof(pi) }, { NULL, 0 } };
	int hdr_len = 0;

	if (ioctl(fd, TUNGETVNETHDRSZ, &hdr_len) || hdr_len <= 0)
		return false;
	iov[1].iov_len = (size_t)hdr_len - 1;
	return writev(fd, iov, 2) < 0 && errno == EINVAL;
}

/* What must be true of one queue alone. */
static int check_queue(int fd, struct ifreq *ifr, char err[BACKEND_ERR_LEN])
{
	if (fcntl(fd, F_GETFL) < 0)
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
	if (has_pi(fd))
		return tap_open_failed(
			err, -EINVAL,
			"tap %s (fd %d) was opened without IFF_NO_PI: its opener must "
			"set that flag",
			ifr->ifr_name, fd);
	return 0;
}

/*
 * Make them all non-blocking. Each queue is an open file of its own, and files have that flag, not
 * fds: one that has it without having been given it is an earlier one once more.
 */
static int set_nonblocking(const int *fds, unsigned n, const char *name, char err[BACKEND_ERR_LEN])
{
	int sndbuf = INT_MAX;
	unsigned i, k;

	for (i = 0; i < n; i++)
		fcntl(fds[i], F_SETFL, fcntl(fds[i], F_GETFL) & ~O_NONBLOCK);
	for (i = 0; i < n; i++) {
		int flags = fcntl(fds[i], F_GETFL);

		if (flags & O_NONBLOCK)
			break;
		if (fcntl(fds[i], F_SETFL, flags | O_NONBLOCK) ||
		    ioctl(fds[i], TUNSETSNDBUF, &sndbuf))
			return tap_open_failed(err, -errno,
					       "tap %s (fd %d) cannot be made non-blocking: %s",
					       name, fds[i], strerror(errno));
	}
	if (i == n)
		return 0;
	fcntl(fds[i], F_SETFL, fcntl(fds[i], F_GETFL) & ~O_NONBLOCK);
	for (k = 0; fcntl(fds[k], F_GETFL) & O_NONBLOCK; k++)
		;
	return tap_open_failed(err, -EINVAL, "fds %d and %d are the same queue of tap %s", fds[k],
			       fds[i], name);
}

int tap_check_fds(const int *fds, unsigned n, char err[BACKEND_ERR_LEN])
{
	struct ifreq first = { 0 }, ifr, attach = { .ifr_flags = IFF_ATTACH_QUEUE };
	unsigned i;
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
		/* Refused of one that is attached already. */
		ioctl(fds[i], TUNSETQUEUE, &attach);
	}
	return set_nonblocking(fds, n, first.ifr_name, err);
}
