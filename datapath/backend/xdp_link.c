/* SPDX-License-Identifier: MIT */
/* What an interface is, and how it is; see xdp_link.h. */
#include "datapath/backend/xdp_link.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>

#include "datapath/backend/xdp_log.h"

int xdp_link_init(struct xdp_link *l, const char *name, char err[BACKEND_ERR_LEN])
{
	*l = (struct xdp_link){ .sock = -1, .promisc = -1 };
	if (!*name || strlen(name) >= IFNAMSIZ)
		return xdp_log_failed(err, -EINVAL,
				      "'%s' is no name of an interface: 1 to %d characters", name,
				      IFNAMSIZ - 1);
	memcpy(l->name, name, strlen(name));
	l->sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return l->sock < 0 ? xdp_log_failed(err, -errno, "a socket: %s", strerror(errno)) : 0;
}

void xdp_link_deinit(struct xdp_link *l)
{
	if (l->sock >= 0)
		close(l->sock);
	if (l->promisc >= 0)
		close(l->promisc);
	l->sock = l->promisc = -1;
}

/* Fill in the name that the interface has now: somebody may have renamed it. */
static int name_it(const struct xdp_link *l, struct ifreq *ifr)
{
	*ifr = (struct ifreq){ .ifr_ifindex = (int)l->ifindex };
	return ioctl(l->sock, SIOCGIFNAME, ifr) ? -errno : 0;
}

static int ask(const struct xdp_link *l, unsigned long what, struct ifreq *ifr)
{
	int code = name_it(l, ifr);

	return code || !ioctl(l->sock, what, ifr) ? code : -errno;
}

static int ethtool(const struct xdp_link *l, void *command)
{
	struct ifreq ifr;
	int code = name_it(l, &ifr);

	ifr.ifr_data = command;
	return code || !ioctl(l->sock, SIOCETHTOOL, &ifr) ? code : -errno;
}

static void find_queues(struct xdp_link *l)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };

	l->n_queues = ethtool(l, &c) ? 0 : c.rx_count + c.combined_count;
}

/*
 * virtio_net builds frames without a linear part, for which the kernel reads no metadata before
 * Linux 6.17.
 */
static void find_driver(struct xdp_link *l)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	l->local = ethtool(l, &info) || !info.bus_info[0];
	l->meta = strcmp(info.driver, "virtio_net") != 0;
}

int xdp_link_find(struct xdp_link *l, char err[BACKEND_ERR_LEN])
{
	struct ifreq ifr = { 0 };

	memcpy(ifr.ifr_name, l->name, IFNAMSIZ);
	if (ioctl(l->sock, SIOCGIFINDEX, &ifr))
		return xdp_log_failed(err, -errno, "there is no interface %s: ip link shows all",
				      l->name);
	l->ifindex = (unsigned)ifr.ifr_ifindex;
	if (ask(l, SIOCGIFHWADDR, &ifr) || ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return xdp_log_failed(err, -EINVAL, "%s is no Ethernet interface", l->name);
	find_queues(l);
	find_driver(l);
	return 0;
}

enum xdp_link_state xdp_link_state(const struct xdp_link *l)
{
	struct ifreq ifr;

	if (ask(l, SIOCGIFFLAGS, &ifr))
		return XDP_LINK_GONE;
	if (!(ifr.ifr_flags & IFF_UP))
		return XDP_LINK_DOWN;
	return ifr.ifr_flags & IFF_RUNNING ? XDP_LINK_UP : XDP_LINK_NO_CARRIER;
}

int xdp_link_mtu(const struct xdp_link *l)
{
	struct ifreq ifr;
	int code = ask(l, SIOCGIFMTU, &ifr);

	return code ? code : ifr.ifr_mtu;
}

int xdp_link_raise_mtu(const struct xdp_link *l, unsigned mtu)
{
	int now = xdp_link_mtu(l);
	struct ifreq ifr;
	int code;

	if (now < 0 || (unsigned)now >= mtu)
		return now < 0 ? now : 0;
	code = name_it(l, &ifr);
	ifr.ifr_mtu = (int)mtu;
	return code || !ioctl(l->sock, SIOCSIFMTU, &ifr) ? code : -errno;
}

int xdp_link_promisc(struct xdp_link *l)
{
	struct packet_mreq all = { .mr_ifindex = (int)l->ifindex, .mr_type = PACKET_MR_PROMISC };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), code;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all))) {
		code = -errno;
		close(fd);
		return code;
	}
	if (l->promisc >= 0)
		close(l->promisc);
	l->promisc = fd;
	return 0;
}
