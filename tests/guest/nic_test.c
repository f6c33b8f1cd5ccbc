/* SPDX-License-Identifier: MIT */
/*
 * usage: nic_test TXRINGD NEAR FAR
 *
 * txringd by AF_XDP on a network card that has a driver of its own, and the host's card FAR at the
 * other end of a cable: every byte both ways; what a driver left undone, checksums and segments, is
 * done on the cable. Run where both cards may be taken: in tests/guest/vm.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/net/lab.h"
#include "virtio/base.h"

#define FRAMES      2000
#define WINDOW      64
#define PATIENCE_MS 30000

#define L4 (sizeof(struct ether_header) + sizeof(struct iphdr))

static char backend[64];
static struct lab lab;

/* A frame that its driver did not finish. */
struct unfinished {
	const char *name;
	bool udp;
	uint32_t payload;
	uint16_t gso_size; /* 0: one frame, and only its checksum is missing */
};

static const struct unfinished unfinished[] = {
	{ "UDP, checksum, 21 bytes", true, 21, 0 },
	{ "UDP, checksum, 1472 bytes", true, 1472, 0 },
	{ "TCP, checksum, nothing", false, 0, 0 },
	{ "TCP, checksum, 1459 bytes", false, 1459, 0 },
	{ "TCP, 3 segments", false, 2 * 1460 + 7, 1460 },
	{ "TCP, 45 segments", false, 65000, 1448 },
	{ "UDP, 9 segments", true, 8 * 1000 + 333, 1000 },
};

static uint32_t l4_len(const struct unfinished *u)
{
	return u->udp ? sizeof(struct udphdr) : sizeof(struct tcphdr);
}

static uint16_t csum_offset(const struct unfinished *u)
{
	return u->udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check);
}

/* The ones' complement sum of len bytes and of what sum has already. */
static uint32_t sum_of(const uint8_t *bytes, size_t len, uint32_t sum)
{
	size_t i;

	for (i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* ... of a frame's pseudo-header, len bytes of TCP or UDP behind it. */
static uint32_t pseudo_sum(const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + sizeof(struct ether_header);

	return sum_of(ip + offsetof(struct iphdr, saddr), 8,
		      ip[offsetof(struct iphdr, protocol)] + len);
}

static uint8_t payload_byte(uint32_t at)
{
	return (uint8_t)(at * 7 + at / 251);
}

/* The frame of u as a driver gives it away; its length. */
static uint32_t make(const struct unfinished *u, uint8_t *frame, struct virtio_net_hdr_v1 *hdr)
{
	const uint32_t start = L4 + l4_len(u), len = start + u->payload;
	struct ether_header eth = { .ether_dhost = { 2, 0, 0, 0, 0, 2 },
				    .ether_shost = { 2, 0, 0, 0, 0, 1 },
				    .ether_type = htons(ETHERTYPE_IP) };
	struct iphdr ip = { .version = 4,
			    .ihl = 5,
			    .ttl = 64,
			    .protocol = u->udp ? IPPROTO_UDP : IPPROTO_TCP,
			    .tot_len = htons((uint16_t)(len - sizeof(eth))),
			    .saddr = htonl(0x0a636301),
			    .daddr = htonl(0x0a636302) };
	struct tcphdr tcp = { .source = htons(5000), .dest = htons(7000), .doff = 5, .ack = 1 };
	struct udphdr udp = { .source = htons(5000),
			      .dest = htons(7000),
			      .len = htons((uint16_t)(len - L4)) };
	uint16_t field;
	uint32_t at;

	ip.check = htons((uint16_t)~sum_of((uint8_t *)&ip, sizeof(ip), 0));
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &ip, sizeof(ip));
	memcpy(frame + L4, u->udp ? (void *)&udp : (void *)&tcp, l4_len(u));
	field = htons((uint16_t)pseudo_sum(frame, len - L4));
	memcpy(frame + L4 + csum_offset(u), &field, sizeof(field));
	for (at = 0; at < u->payload; at++)
		frame[start + at] = payload_byte(at);
	*hdr = (struct virtio_net_hdr_v1){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					   .csum_start = L4,
					   .csum_offset = csum_offset(u) };
	if (u->gso_size) {
		hdr->gso_type = u->udp ? VIRTIO_NET_HDR_GSO_UDP_L4 : VIRTIO_NET_HDR_GSO_TCPV4;
		hdr->gso_size = u->gso_size;
		hdr->hdr_len = (uint16_t)start;
	}
	return len;
}

/* The next frame that comes to the host. */
static uint32_t host_takes(uint8_t *frame, size_t cap)
{
	struct pollfd fd = { .fd = lab.peer.fd, .events = POLLIN };
	struct virtio_net_hdr_v1 hdr;
	ssize_t len;

	while ((len = peer_receive(&lab.peer, &hdr, frame, cap)) == -EAGAIN) {
		if (poll(&fd, 1, PATIENCE_MS) != 1)
			fail_msg("no frame comes to the host");
	}
	assert_true(len > 0);
	if (hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		fail_msg("the host's card made up a partial checksum");
	return (uint32_t)len;
}

/*
 * A frame of the cable has these bytes of u's payload, and sums that are right. Returns how many.
 */
static uint32_t check_segment(const struct unfinished *u, const uint8_t *frame, uint32_t len,
			      uint32_t from)
{
	const uint32_t start = L4 + l4_len(u);
	struct iphdr ip;
	struct tcphdr tcp;
	uint32_t end, at;

	assert_true(len >= start);
	memcpy(&ip, frame + sizeof(struct ether_header), sizeof(ip));
	memcpy(&tcp, frame + L4, u->udp ? sizeof(struct udphdr) : sizeof(tcp));
	end = (uint32_t)sizeof(struct ether_header) + ntohs(ip.tot_len);
	assert_true(end <= len && end >= start);
	if (sum_of(frame + sizeof(struct ether_header), sizeof(ip), 0) != 0xffff)
		fail_msg("%s, byte %u: a wrong sum of the IP header", u->name, from);
	if (sum_of(frame + L4, end - L4, pseudo_sum(frame, end - L4)) != 0xffff)
		fail_msg("%s, byte %u: a wrong checksum", u->name, from);
	if (!u->udp)
		assert_int_equal(ntohl(tcp.seq), from);
	for (at = start; at < end; at++)
		assert_int_equal(frame[at], payload_byte(from + at - start));
	return end - start;
}

static void finishes(const struct unfinished *u)
{
	static uint8_t frame[PEER_MAX_LEN], came[PEER_MAX_LEN];
	struct virtio_net_hdr_v1 hdr;
	uint32_t len = make(u, frame, &hdr), got = 0, part;

	assert_int_equal(driver_net_send(lab.net, 0, &hdr, frame, len, 0), 0);
	do {
		len = host_takes(came, sizeof(came));
		part = check_segment(u, came, len, got);
		assert_true(!u->gso_size || part <= u->gso_size);
		assert_true(part || !u->payload);
		got += part;
	} while (got < u->payload);
	assert_true(driver_net_wait(lab.net, 1, PATIENCE_MS) >= 0);
	assert_true(driver_net_reap(lab.net, 0) >= 0);
}

static void leaves_finished(void **state)
{
	const struct lab_config cfg = { .backend = backend,
					.host_if = *state,
					.with = FEATURE(VIRTIO_NET_F_HOST_USO) };
	unsigned i;

	lab_open(&lab, &cfg);
	assert_true(feature_has(lab.net->features, VIRTIO_NET_F_HOST_USO));
	for (i = 0; i < array_size(unfinished); i++)
		finishes(&unfinished[i]);
	assert_int_equal(lab_counter(&lab, "tx", "frames"), array_size(unfinished));
	lab_close(&lab);
}

static void carries(const char *txmode, const char *host_if)
{
	const struct lab_config cfg = { .backend = backend,
					.host_if = host_if,
					.txmode = txmode,
					.without = FEATURES_HOST_TSO };

	lab_open(&lab, &cfg);
	lab_traffic(&lab, FRAMES, FRAMES, WINDOW);
	lab_ping(&lab, 30);
	lab_check_counters(&lab);
	lab_close(&lab);
}

static void carries_iothread(void **state)
{
	carries("iothread", *state);
}

static void carries_timer(void **state)
{
	carries("timer", *state);
}

static int tear_down(void **state)
{
	(void)state;
	lab_cleanup(&lab);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	const struct CMUnitTest tests[] = {
		{ "leaves_finished", leaves_finished, NULL, tear_down, argv[3] },
		{ "carries_iothread", carries_iothread, NULL, tear_down, argv[3] },
		{ "carries_timer", carries_timer, NULL, tear_down, argv[3] },
	};

	lab_init(argv[1]);
	snprintf(backend, sizeof(backend), "xdp:%s", argv[2]);
	peer_ip("link set %s up", argv[2]);
	return cmocka_run_group_tests_name("nic", tests, NULL, NULL);
}
