/* SPDX-License-Identifier: MIT */
/*
 * The packet socket for what XDP cannot copy: frames to groups, for the host and for the guest.
 *
 * A frame comes with its header, as its checksum may be partial and it may be a large one that is
 * yet to be segmented. The kernel takes the VLAN tag out of a frame before it gets here, and hands
 * it over beside it.
 */
#include "datapath/backend/xdp_group.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datapath/backend/xdp_log.h"

#define VLAN_AT  12 /* in a frame: behind the addresses */
#define VLAN_LEN 4

static int set(int fd, int option, int value)
{
	return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)) ? -errno : 0;
}

/* Bit 0 of a frame's first byte tells that it is for a group. */
static int set_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) ? -errno : 0;
}

/* What the interface receives is the kernel's to undo when the socket is closed. */
static int add_addresses(int fd, unsigned ifindex, const uint8_t *mac)
{
	struct packet_mreq one = { .mr_ifindex = (int)ifindex,
				   .mr_type = PACKET_MR_UNICAST,
				   .mr_alen = ETH_ALEN };
	struct packet_mreq groups = { .mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_ALLMULTI };

	memcpy(one.mr_address, mac, ETH_ALEN);
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &groups, sizeof(groups)))
		return -errno;
	return 0;
}

/* Nothing comes before the bind, so nothing passes the filter by. */
static int set_up(int fd, unsigned ifindex, const uint8_t *mac)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)ifindex };
	int code = set_filter(fd);

	if (!code)
		code = set(fd, PACKET_VNET_HDR, 1);
	if (!code)
		code = set(fd, PACKET_AUXDATA, 1);
	if (!code)
		code = set(fd, PACKET_IGNORE_OUTGOING, 1);
	if (!code)
		code = add_addresses(fd, ifindex, mac);
	if (!code && bind(fd, (struct sockaddr *)&at, sizeof(at)))
		code = -errno;
	return code;
}

int xdp_group_open(const char *ifname, unsigned ifindex, const uint8_t *mac,
		   char err[BACKEND_ERR_LEN])
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int code = fd < 0 ? -errno : set_up(fd, ifindex, mac);

	if (!code)
		return fd;
	if (fd >= 0)
		close(fd);
	return xdp_log_failed(err, code,
			      "interface %s: no packet socket for broadcast and multicast: %s%s",
			      ifname, strerror(-code),
			      code == -EPERM ? ": it takes CAP_NET_RAW" : "");
}

static const struct tpacket_auxdata *get_auxdata(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	for (; c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA)
			return (const struct tpacket_auxdata *)CMSG_DATA(c);
	}
	return NULL;
}

static void put_vlan_back(uint8_t *frame, int len, const struct tpacket_auxdata *aux,
			  struct virtio_net_hdr_v1 *hdr)
{
	uint16_t tag[2] = { htons(aux->tp_status & TP_STATUS_VLAN_TPID_VALID ? aux->tp_vlan_tpid
									     : ETH_P_8021Q),
			    htons(aux->tp_vlan_tci) };

	memmove(frame + VLAN_AT + VLAN_LEN, frame + VLAN_AT, (size_t)len - VLAN_AT);
	memcpy(frame + VLAN_AT, tag, VLAN_LEN);
	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		hdr->csum_start = (uint16_t)(hdr->csum_start + VLAN_LEN);
	if (hdr->gso_type)
		hdr->hdr_len = (uint16_t)(hdr->hdr_len + VLAN_LEN);
}

int xdp_group_read(int fd, struct virtio_net_hdr_v1 *hdr, void *frame, uint32_t cap)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct iovec iov[2] = { { hdr, NET_HDR_LEN_LEGACY }, { frame, cap - VLAN_LEN } };
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(fd, &msg, 0);
	const struct tpacket_auxdata *aux;
	int len = (int)got - NET_HDR_LEN_LEGACY;

	if (got < 0)
		return -errno;
	if (msg.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	aux = get_auxdata(&msg);
	if (!aux || !(aux->tp_status & TP_STATUS_VLAN_VALID) || len < ETH_HLEN)
		return len;
	put_vlan_back(frame, len, aux, hdr);
	return len + VLAN_LEN;
}
