/* SPDX-License-Identifier: MIT */
/* One message of rtnetlink to the kernel, and one back; see ifstate.h. */
#include "tools/txringd/ifstate.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of the kernel's answer: an interface with all its attributes takes about two KiB. */
#define ANSWER_LEN 32768

struct request {
	struct nlmsghdr nlh;
	struct ifinfomsg info;
	char attrs[64];
};

static void add_attr(struct request *req, unsigned short type, const void *data, unsigned short len)
{
	struct rtattr *rta = (struct rtattr *)((char *)req + NLMSG_ALIGN(req->nlh.nlmsg_len));

	rta->rta_type = type;
	rta->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(rta), data, len);
	req->nlh.nlmsg_len = NLMSG_ALIGN(req->nlh.nlmsg_len) + RTA_LENGTH(len);
}

/* The length of the answer, or a negative errno, that of the kernel's refusal too. */
static int ask(const struct request *req, char answer[ANSWER_LEN])
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)answer;
	const struct nlmsgerr *refusal;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), err = 0;
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = send(fd, req, req->nlh.nlmsg_len, 0);
	if (len >= 0)
		len = recv(fd, answer, ANSWER_LEN, 0);
	if (len < 0)
		err = -errno;
	close(fd);
	if (err)
		return err;
	if (!NLMSG_OK(nlh, (size_t)len))
		return -EPROTO;
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		refusal = NLMSG_DATA(nlh);
		return refusal->error;
	}
	return (int)nlh->nlmsg_len;
}

static bool is_bridge(const struct rtattr *info)
{
	int len = (int)RTA_PAYLOAD(info);

	for (const struct rtattr *a = RTA_DATA(info); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == IFLA_INFO_KIND)
			return !strncmp(RTA_DATA(a), "bridge", RTA_PAYLOAD(a));
	}
	return false;
}

static void take_stats(struct ifstate_stats *to, const struct rtattr *a)
{
	struct rtnl_link_stats64 s = { 0 };
	size_t len = RTA_PAYLOAD(a);

	memcpy(&s, RTA_DATA(a), len < sizeof(s) ? len : sizeof(s));
	*to = (struct ifstate_stats){
		.rx_bytes = s.rx_bytes,
		.rx_packets = s.rx_packets,
		.rx_errs = s.rx_errors,
		.rx_drop = s.rx_dropped,
		.tx_bytes = s.tx_bytes,
		.tx_packets = s.tx_packets,
		.tx_errs = s.tx_errors,
		.tx_drop = s.tx_dropped,
	};
}

static void take_attr(struct ifstate *s, const struct rtattr *a)
{
	size_t len = RTA_PAYLOAD(a);

	switch (a->rta_type) {
	case IFLA_IFNAME:
		strncpy(s->name, RTA_DATA(a), sizeof(s->name) - 1);
		break;
	case IFLA_MASTER:
		if (len >= sizeof(s->master))
			memcpy(&s->master, RTA_DATA(a), sizeof(s->master));
		break;
	case IFLA_MTU:
		if (len >= sizeof(s->mtu))
			memcpy(&s->mtu, RTA_DATA(a), sizeof(s->mtu));
		break;
	case IFLA_ADDRESS:
		if (len == sizeof(s->address))
			memcpy(s->address, RTA_DATA(a), sizeof(s->address));
		break;
	case IFLA_STATS64:
		take_stats(&s->stats, a);
		break;
	case IFLA_LINKINFO:
		s->bridge = is_bridge(a);
		break;
	}
}

int ifstate_get(const char *name, struct ifstate *s)
{
	struct request req = {
		.nlh = { .nlmsg_len = NLMSG_LENGTH(sizeof(req.info)),
			 .nlmsg_type = RTM_GETLINK,
			 .nlmsg_flags = NLM_F_REQUEST },
		.info.ifi_family = AF_UNSPEC,
	};
	char answer[ANSWER_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct ifinfomsg *info = NLMSG_DATA((struct nlmsghdr *)answer);
	size_t name_len = strnlen(name, IFNAMSIZ - 1);
	int len;

	*s = (struct ifstate){ 0 };
	add_attr(&req, IFLA_IFNAME, name, (unsigned short)(name_len + 1));
	len = ask(&req, answer);
	if (len < 0)
		return len;
	s->index = (unsigned)info->ifi_index;
	s->up = info->ifi_flags & IFF_UP;
	len -= (int)NLMSG_LENGTH(sizeof(*info));
	for (const struct rtattr *a = IFLA_RTA(info); RTA_OK(a, len); a = RTA_NEXT(a, len))
		take_attr(s, a);
	return 0;
}

int ifstate_of_tap(int fd, struct ifstate *s)
{
	struct ifreq name = { 0 }, address;
	int err;

	if (ioctl(fd, TUNGETIFF, &name))
		return -ENODEV;
	address = name;
	err = ifstate_get(name.ifr_name, s);
	if (err)
		return err;
	/* In another namespace there may be one of the same name, but not of the same address. */
	if (ioctl(fd, SIOCGIFHWADDR, &address) ||
	    memcmp(address.ifr_hwaddr.sa_data, s->address, sizeof(s->address)) != 0)
		return -ENODEV;
	return 0;
}

int ifstate_join(unsigned index, unsigned master)
{
	struct request req = {
		.nlh = { .nlmsg_len = NLMSG_LENGTH(sizeof(req.info)),
			 .nlmsg_type = RTM_SETLINK,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.info = { .ifi_family = AF_UNSPEC,
			  .ifi_index = (int)index,
			  .ifi_flags = IFF_UP,
			  .ifi_change = IFF_UP },
	};
	char answer[ANSWER_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	int len;

	add_attr(&req, IFLA_MASTER, &master, sizeof(master));
	len = ask(&req, answer);
	return len < 0 ? len : 0;
}
