/* SPDX-License-Identifier: MIT */
/*
 * Frames are TCP over IPv4, so that the kernel may take long ones for TSO and steers flows by their
 * ports. The number stands in the sequence number; the checksum is nobody's concern.
 */
#include "tests/net/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "virtio/base.h"

#define HEADERS (sizeof(struct ether_header) + sizeof(struct iphdr) + sizeof(struct tcphdr))
/*
 * The two directions share no flow: the kernel moves one to the queue that the guest last sent it
 * on, and order is lost there.
 */
#define PORT_GUEST 5000
#define PORT_HOST  6000
#define PORT_FAR   7000
#define RCVBUF     (128 << 20)
#define VNET_LEN   NET_HDR_LEN_LEGACY /* PACKET_VNET_HDR's */

void peer_ip(const char *fmt, ...)
{
	char cmd[256] = "ip ";
	va_list args;

	va_start(args, fmt);
	vsnprintf(cmd + 3, sizeof(cmd) - 3, fmt, args);
	va_end(args);
	if (system(cmd))
		fail_msg("%s: failed", cmd);
}

void peer_open(struct peer *peer, const char *ifname)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int one = 1, rcvbuf = RCVBUF;

	peer_ip("link set %s up", ifname);
	peer->ifindex = (int)if_nametoindex(ifname);
	assert_true(peer->ifindex > 0);
	addr.sll_ifindex = peer->ifindex;
	peer->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(peer->fd >= 0);
	assert_int_equal(setsockopt(peer->fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	assert_int_equal(setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)),
			 0);
	assert_int_equal(bind(peer->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

void peer_close(struct peer *peer)
{
	close(peer->fd);
	peer->fd = -1;
}

bool peer_wait_link(const struct peer *peer, const char *ifname)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GLINK };
	struct ifreq flags = { 0 }, link = { .ifr_data = (char *)&value };

	strncpy(flags.ifr_name, ifname, IFNAMSIZ - 1);
	strncpy(link.ifr_name, ifname, IFNAMSIZ - 1);
	for (unsigned i = 0; i < 3000; i++) {
		/* The queues come after the flag, but under the same lock, which GLINK takes. */
		if (!ioctl(peer->fd, SIOCGIFFLAGS, &flags) && flags.ifr_flags & IFF_RUNNING &&
		    !ioctl(peer->fd, SIOCETHTOOL, &link) && value.data)
			return true;
		usleep(10000);
	}
	return false;
}

bool peer_send(struct peer *peer, const struct virtio_net_hdr_v1 *hdr, const void *frame,
	       size_t len)
{
	struct virtio_net_hdr_v1 copy = *hdr;
	struct iovec iov[2] = { { &copy, VNET_LEN }, { (void *)(uintptr_t)frame, len } };
	ssize_t done = writev(peer->fd, iov, 2);

	if (done < 0 && (errno == EAGAIN || errno == ENOBUFS))
		return false;
	if (done != (ssize_t)(VNET_LEN + len))
		fail_msg("sending %zu bytes to the tap: %s", len, strerror(errno));
	return true;
}

ssize_t peer_receive(struct peer *peer, struct virtio_net_hdr_v1 *hdr, void *frame, size_t cap)
{
	struct iovec iov[2] = { { hdr, VNET_LEN }, { frame, cap } };
	ssize_t len;

	memset(hdr, 0, sizeof(*hdr));
	do {
		len = readv(peer->fd, iov, 2);
		if (len < 0)
			return -errno;
		len -= VNET_LEN;
	} while (!stream_owns(frame, (size_t)len, true));
	return len;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint32_t between(uint64_t *state, uint32_t low, uint32_t high)
{
	return low + (uint32_t)(next_random(state) % (high - low + 1));
}

/* Mostly short ones, some up to the MTU, some beyond; the edges first. */
static size_t stream_len(const struct stream *s, uint32_t seq, uint64_t *state)
{
	static const uint32_t edges[] = { PEER_MIN_LEN, PEER_MTU_LEN, PEER_MTU_LEN + 1,
					  PEER_MAX_LEN };
	uint32_t kind = between(state, 0, 7), len;

	if (seq < array_size(edges))
		len = edges[seq];
	else if (kind < 4)
		len = between(state, PEER_MIN_LEN, 200);
	else if (kind < 7 || s->max_len <= PEER_MTU_LEN)
		len = between(state, PEER_MIN_LEN, PEER_MTU_LEN);
	else
		len = between(state, PEER_MTU_LEN + 1, PEER_MAX_LEN);
	return len < s->max_len ? len : s->max_len;
}

static uint64_t stream_state(const struct stream *s, uint32_t seq)
{
	uint64_t state = 0x9e3779b97f4a7c15ULL * (seq + 1) + 2 * s->flow + s->to_host;

	next_random(&state);
	return state;
}

static void address(struct ether_header *eth, struct iphdr *ip, bool to_host)
{
	static const uint8_t guest[6] = { 2, 0, 0, 0, 0, 1 }, host[6] = { 2, 0, 0, 0, 0, 2 };

	memcpy(eth->ether_dhost, to_host ? host : guest, 6);
	memcpy(eth->ether_shost, to_host ? guest : host, 6);
	eth->ether_type = htons(ETH_P_IP);
	ip->saddr = htonl(to_host ? 0x0a636301 : 0x0a636302);
	ip->daddr = htonl(to_host ? 0x0a636302 : 0x0a636301);
}

static size_t make(const struct stream *s, uint32_t seq, struct virtio_net_hdr_v1 *hdr,
		   uint8_t *frame)
{
	uint64_t state = stream_state(s, seq), word;
	size_t len = stream_len(s, seq, &state), at;
	struct ether_header eth;
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP };
	struct tcphdr tcp = { .doff = 5, .ack = 1, .window = htons(1000) };

	for (at = HEADERS; at < len; at += sizeof(word)) {
		word = next_random(&state);
		memcpy(frame + at, &word, min_u64(sizeof(word), len - at));
	}
	address(&eth, &ip, s->to_host);
	ip.tot_len = htons((uint16_t)(len - sizeof(eth)));
	tcp.source = htons((uint16_t)(s->to_host ? PORT_GUEST + s->flow : PORT_FAR));
	tcp.dest = htons((uint16_t)(s->to_host ? PORT_FAR : PORT_HOST + s->flow));
	tcp.seq = htonl(seq);
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &ip, sizeof(ip));
	memcpy(frame + sizeof(eth) + sizeof(ip), &tcp, sizeof(tcp));
	memset(hdr, 0, sizeof(*hdr));
	if (len > PEER_MTU_LEN)
		*hdr = (struct virtio_net_hdr_v1){
			.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
			.hdr_len = HEADERS,
			.gso_size = PEER_MSS,
			.csum_start = sizeof(eth) + sizeof(ip),
			.csum_offset = offsetof(struct tcphdr, check),
		};
	return len;
}

size_t stream_make(const struct stream *s, struct virtio_net_hdr_v1 *hdr, uint8_t *frame)
{
	return make(s, s->sent, hdr, frame);
}

void stream_forget(struct stream *s)
{
	s->first = s->seen = s->sent;
}

bool stream_owns(const uint8_t *frame, size_t len, bool to_host)
{
	struct ether_header eth, got;
	struct iphdr ip;

	if (len < HEADERS)
		return false;
	address(&eth, &ip, to_host);
	memcpy(&got, frame, sizeof(got));
	return !memcmp(&got, &eth, sizeof(eth));
}

void stream_take(struct stream *streams, unsigned n, const struct virtio_net_hdr_v1 *hdr,
		 const uint8_t *frame, size_t len)
{
	static uint8_t want[PEER_MAX_LEN + 8];
	struct virtio_net_hdr_v1 want_hdr;
	struct tcphdr tcp;
	struct stream *s;
	size_t want_len, at;
	unsigned flow;

	memcpy(&tcp, frame + sizeof(struct ether_header) + sizeof(struct iphdr), sizeof(tcp));
	flow = streams->to_host ? ntohs(tcp.source) - PORT_GUEST : ntohs(tcp.dest) - PORT_HOST;
	if (flow >= n)
		fail_msg("a frame of flow %u, there are %u", flow, n);
	s = &streams[flow];
	if (ntohl(tcp.seq) < s->first)
		return;
	if (ntohl(tcp.seq) != s->seen)
		fail_msg("%s, flow %u: frame %u came, but frame %u is next (%u sent)",
			 s->to_host ? "to host" : "to guest", flow, ntohl(tcp.seq), s->seen,
			 s->sent);
	want_len = make(s, s->seen, &want_hdr, want);
	for (at = 0; at < len && at < want_len && frame[at] == want[at]; at++)
		;
	if (len != want_len || at < len)
		fail_msg("%s, flow %u, frame %u: %zu bytes of %zu, byte %zu differs",
			 s->to_host ? "to host" : "to guest", flow, s->seen, len, want_len, at);
	if (hdr->gso_type != want_hdr.gso_type || hdr->gso_size != want_hdr.gso_size)
		fail_msg("%s, flow %u, frame %u (%zu bytes): gso type %u, size %u",
			 s->to_host ? "to host" : "to guest", flow, s->seen, len, hdr->gso_type,
			 hdr->gso_size);
	s->seen++;
}
