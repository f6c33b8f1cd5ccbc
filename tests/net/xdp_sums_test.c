/* SPDX-License-Identifier: MIT */
/*
 * usage: xdp_sums_test TXRINGD
 *
 * Checksums and segments between a guest and plain sockets at the far end of a veth, which has its
 * offloads as the kernel gives them: what the kernel there believes of what the guest sends, and
 * what the guest is told of what it gets. Judged by the kernel itself, and by
 * tests/unit/offload_frames.c. Runs in a network namespace of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/peer.h"
#include "tests/net/xdp_rig.h"
#include "tests/unit/offload_frames.h"
#include "virtio/base.h"

#define PATIENCE_MS 10000
#define QUIET_MS    200 /* what has not come by then is not to come */
#define PORT        7000
#define GUEST_PORT  5000

#define NEEDS_CSUM VIRTIO_NET_HDR_F_NEEDS_CSUM

/* What a guest does without that wants its sums complete. */
#define NEEDS_CSUM_MADE (FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURES_GUEST_LARGE)

static struct rig rig;
static uint64_t seed = 42;

/* At the far end these are looked at, and taken by none. */
static const uint8_t nobody[6] = { 2, 0, 0, 0, 0, 3 };

static void open_rig(void *state)
{
	struct rig_config cfg = *(const struct rig_config *)state;

	cfg.v6 = true;
	rig_open(&rig, &cfg);
}

/* How the guest leaves the sum of what it sends. */
enum sum { SUM_PARTIAL, SUM_COMPLETE, SUM_WRONG, SUM_NONE };

static void set_addresses(struct made *m)
{
	static const uint8_t guest[6] = RIG_GUEST_MAC, far[6] = RIG_FAR_MAC;
	uint8_t *ip = m->bytes + m->l3;

	memcpy(m->bytes, far, 6);
	memcpy(m->bytes + 6, guest, 6);
	if (m->shape.v6) {
		memset(ip + 1, 0, 3);
		ip[7] = 64;
		inet_pton(AF_INET6, RIG_GUEST_V6, ip + 8);
		inet_pton(AF_INET6, RIG_FAR_V6, ip + 24);
		return;
	}
	ip[1] = 0;
	ip[8] = 64;
	inet_pton(AF_INET, RIG_GUEST_V4, ip + 12);
	inet_pton(AF_INET, RIG_FAR_V4, ip + 16);
	frames_put16(ip + 10, 0);
	frames_put16(ip + 10, (uint16_t)~frames_sum(ip, 20));
}

/* From the guest to PORT of the far end, payload bytes long, its sum partial. */
static void make(struct made *m, const struct shape *shape, uint32_t payload)
{
	frames_make(m, shape, payload, &seed);
	set_addresses(m);
	frames_put16(m->bytes + m->l4, GUEST_PORT);
	frames_put16(m->bytes + m->l4 + 2, PORT);
	if (!shape->udp) {
		memset(m->bytes + m->l4 + 4, 0, 8);
		frames_put16(m->bytes + m->l4 + 12, 0x5002); /* SYN */
		memset(m->bytes + m->l4 + 18, 0, 2);
	}
	frames_put16(m->bytes + m->csum_at, frames_pseudo(m, m->len - m->l4));
}

static struct virtio_net_hdr_v1 finish(struct made *m, enum sum sum)
{
	struct virtio_net_hdr_v1 hdr = { .flags = NEEDS_CSUM,
					 .csum_start = (uint16_t)m->l4,
					 .csum_offset = (uint16_t)(m->csum_at - m->l4) };
	uint16_t csum;

	if (sum == SUM_PARTIAL)
		return hdr;
	frames_put16(m->bytes + m->csum_at, 0);
	csum = (uint16_t)~frames_l4_sum(m, m->bytes, m->len);
	if (sum == SUM_NONE)
		csum = 0;
	else
		csum = csum ? csum : 0xffff;
	if (sum == SUM_WRONG)
		csum = csum == 0x1234 ? 0x1235 : 0x1234;
	frames_put16(m->bytes + m->csum_at, csum);
	return (struct virtio_net_hdr_v1){ 0 };
}

static void send_with(struct made *m, enum sum sum)
{
	struct virtio_net_hdr_v1 hdr = finish(m, sum);

	rig_send(&rig, 0, &hdr, m->bytes, m->len);
}

/* The datagram that made m is what the socket gets next. */
static void expect_datagram(int fd, const struct made *m)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t got[9000];
	ssize_t len;

	if (poll(&p, 1, PATIENCE_MS) != 1)
		fail_msg("a datagram of %u bytes does not come", m->len - m->payload);
	len = recv(fd, got, sizeof(got), 0);
	assert_int_equal(len, m->len - m->payload);
	assert_memory_equal(got, m->bytes + m->payload, (size_t)len);
}

static void expect_silence(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, QUIET_MS), 0);
}

static const struct shape udp_shapes[] = { { .udp = true }, { .udp = true, .v6 = true } };
static const struct shape tcp_shapes[] = { { 0 }, { .v6 = true } };

/* Of both families: poll() finds a wrong sum, and counts it in IPv4's table only. */
static uint64_t bad_sums(bool udp)
{
	if (!udp)
		return rig_far_counter(&rig, "Tcp", "InCsumErrors");
	return rig_far_counter(&rig, "Udp", "InCsumErrors") +
	       rig_far_counter(&rig, "Udp6", "InCsumErrors");
}

/* Right sums, whoever makes them, and for IPv4 none; a wrong one is not made right. */
static void datagrams_reach_a_socket(void **state)
{
	static const uint32_t lens[] = { 1, 2, 17, 18, 500, 1451, 1452 };
	static struct made m;
	unsigned i, k;
	int fd;

	open_rig(*state);
	for (i = 0; i < array_size(udp_shapes); i++) {
		const struct shape *shape = &udp_shapes[i];

		fd = rig_far_udp(&rig, shape->v6, PORT);
		for (k = 0; k < array_size(lens); k++) {
			make(&m, shape, lens[k]);
			send_with(&m, SUM_PARTIAL);
			expect_datagram(fd, &m);
			send_with(&m, SUM_COMPLETE);
			expect_datagram(fd, &m);
		}
		if (!shape->v6) {
			send_with(&m, SUM_NONE);
			expect_datagram(fd, &m);
		}
		assert_int_equal(bad_sums(true), i);
		send_with(&m, SUM_WRONG);
		expect_silence(fd);
		assert_int_equal(bad_sums(true), i + 1);
		close(fd);
	}
	assert_int_equal(daemon_drops(&rig.daemon, "tx0"), 0);
	rig_close(&rig);
}

/* The frame in rig.frame, as its header tells it: partial and right, or complete and right. */
static void check_sum(const struct virtio_net_hdr_v1 *hdr, const struct made *m, size_t len,
		      bool partial)
{
	struct made got = *m;

	memcpy(got.bytes, rig.frame, len);
	got.len = (uint32_t)len;
	assert_int_equal(hdr->gso_type, VIRTIO_NET_HDR_GSO_NONE);
	assert_int_equal(hdr->flags, partial ? NEEDS_CSUM : 0);
	if (partial) {
		assert_int_equal(hdr->csum_start, m->l4);
		assert_int_equal(hdr->csum_offset, m->csum_at - m->l4);
		assert_int_equal(frames_get16(got.bytes + m->csum_at),
				 frames_pseudo(&got, got.len - m->l4));
		return;
	}
	assert_int_not_equal(frames_get16(got.bytes + m->csum_at), 0);
	assert_int_equal(frames_l4_sum(&got, got.bytes, got.len), 0xffff);
}

/* Where the headers of a frame lie. */
static struct made *layout(const struct shape *shape)
{
	static struct made m;

	frames_make(&m, shape, 0, &seed);
	return &m;
}

static bool guest_csum(void)
{
	return feature_has(rig.net->features, VIRTIO_NET_F_GUEST_CSUM);
}

/* A connection's first word is answered: the sums are right each way. */
static void handshakes_are_answered(void **state)
{
	struct virtio_net_hdr_v1 hdr;
	static struct made m;
	unsigned i, sum;
	size_t len;
	int fd;

	open_rig(*state);
	for (i = 0; i < array_size(tcp_shapes); i++) {
		const struct shape *shape = &tcp_shapes[i];
		struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };

		fd = rig_far_socket(&rig, AF_INET6, SOCK_STREAM, 0);
		assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
		assert_int_equal(listen(fd, 1), 0);
		for (sum = SUM_PARTIAL; sum <= SUM_WRONG; sum++) {
			make(&m, shape, 0);
			frames_put16(m.bytes + m.l4, GUEST_PORT + sum);
			frames_put16(m.bytes + m.csum_at, frames_pseudo(&m, m.len - m.l4));
			send_with(&m, (enum sum)sum);
			len = rig_receive(&rig, &hdr, sum == SUM_WRONG ? QUIET_MS : PATIENCE_MS);
			if (sum == SUM_WRONG) {
				assert_int_equal(len, 0);
				continue;
			}
			assert_true(len >= m.len);
			assert_int_equal(frames_get16(rig.frame + m.l4 + 2), GUEST_PORT + sum);
			assert_int_equal(rig.frame[m.l4 + 13], 0x12);
			check_sum(&hdr, &m, len, guest_csum());
			/* RST, lest it is said again. */
			m.bytes[m.l4 + 13] = 0x04;
			memcpy(m.bytes + m.l4 + 4, rig.frame + m.l4 + 8, 4);
			frames_put16(m.bytes + m.csum_at, frames_pseudo(&m, m.len - m.l4));
			send_with(&m, SUM_PARTIAL);
		}
		assert_int_equal(bad_sums(false), i + 1);
		close(fd);
	}
	rig_close(&rig);
}

static void far_sends(int fd, bool v6, const void *bytes, size_t len)
{
	struct sockaddr_in v4_to = { .sin_family = AF_INET, .sin_port = htons(GUEST_PORT) };
	struct sockaddr_in6 v6_to = { .sin6_family = AF_INET6, .sin6_port = htons(GUEST_PORT) };
	ssize_t done;

	inet_pton(AF_INET, RIG_GUEST_V4, &v4_to.sin_addr);
	inet_pton(AF_INET6, RIG_GUEST_V6, &v6_to.sin6_addr);
	done = v6 ? sendto(fd, bytes, len, 0, (struct sockaddr *)&v6_to, sizeof(v6_to))
		  : sendto(fd, bytes, len, 0, (struct sockaddr *)&v4_to, sizeof(v4_to));
	assert_int_equal(done, len);
}

/* A socket leaves the sum to the card; the guest is told so, or has it made. */
static void datagrams_reach_the_guest(void **state)
{
	static const uint32_t lens[] = { 1, 2, 18, 19, 500, 1451, 1452 };
	struct virtio_net_hdr_v1 hdr;
	uint8_t bytes[2000];
	unsigned i, k;
	size_t len;
	int fd;

	open_rig(*state);
	for (i = 0; i < array_size(udp_shapes); i++) {
		const struct made *m = layout(&udp_shapes[i]);

		fd = rig_far_udp(&rig, m->shape.v6, PORT);
		for (k = 0; k < array_size(lens); k++) {
			for (len = 0; len < lens[k]; len++)
				bytes[len] = (uint8_t)frames_random(&seed);
			far_sends(fd, m->shape.v6, bytes, lens[k]);
			len = rig_receive(&rig, &hdr, PATIENCE_MS);
			assert_int_equal(len, m->payload + lens[k]);
			assert_memory_equal(rig.frame + m->payload, bytes, lens[k]);
			check_sum(&hdr, m, len, guest_csum());
		}
		close(fd);
	}
	rig_close(&rig);
}

/* Behind VLAN tags, options and extension headers, of frames of one chunk and of more. */
static void partial_sums_reach_the_guest(void **state)
{
	static const uint8_t guest[6] = RIG_GUEST_MAC;
	static uint8_t buf[10 + 9100];
	struct virtio_net_hdr_v1 hdr;
	static struct made m;
	uint32_t len;
	unsigned i, k;
	int fd;

	open_rig(*state);
	fd = rig_far_packet(&rig);
	for (i = 0; frames_shape(i); i++) {
		for (k = 0; k < 6; k++) {
			len = rig.cfg.mtu && k % 2 ? 8000 + k : 20 + 200 * k;
			frames_make(&m, frames_shape(i), len, &seed);
			memcpy(m.bytes, guest, sizeof(guest));
			hdr = frames_hdr(&m, 0);
			hdr.gso_type = VIRTIO_NET_HDR_GSO_NONE;
			memcpy(buf, &hdr, 10);
			memcpy(buf + 10, m.bytes, m.len);
			assert_int_equal(send(fd, buf, 10 + m.len, 0), 10 + m.len);
			assert_int_equal(rig_receive(&rig, &hdr, PATIENCE_MS), m.len);
			check_sum(&hdr, &m, m.len, guest_csum());
			memcpy(rig.frame + m.csum_at, m.bytes + m.csum_at, 2);
			assert_memory_equal(rig.frame, m.bytes, m.len);
		}
	}
	close(fd);
	rig_close(&rig);
}

/* A sum that is there is not touched, also a wrong one; nor is the absence of one. */
static void complete_sums_stay(void **state)
{
	static const uint8_t guest[6] = RIG_GUEST_MAC;
	struct virtio_net_hdr_v1 hdr;
	static struct made m;
	uint8_t buf[10 + 2000] = { 0 };
	unsigned i, sum;
	int fd;

	open_rig(*state);
	fd = rig_far_packet(&rig);
	for (i = 0; i < array_size(udp_shapes); i++) {
		for (sum = SUM_COMPLETE; sum <= SUM_NONE; sum++) {
			make(&m, &udp_shapes[i], 700);
			memcpy(m.bytes, guest, sizeof(guest));
			finish(&m, (enum sum)sum);
			memcpy(buf + 10, m.bytes, m.len);
			assert_int_equal(send(fd, buf, 10 + m.len, 0), 10 + m.len);
			assert_int_equal(rig_receive(&rig, &hdr, PATIENCE_MS), m.len);
			assert_int_equal(hdr.flags, 0);
			assert_memory_equal(rig.frame, m.bytes, m.len);
		}
	}
	close(fd);
	rig_close(&rig);
}

/* A frame at the far end, its VLAN tag back in its place, and its header. */
static size_t capture(int fd, uint8_t *frame, size_t cap, struct virtio_net_hdr_v1 *hdr)
{
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct iovec iov[2] = { { hdr, NET_HDR_LEN_LEGACY }, { frame, cap } };
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct tpacket_auxdata aux;
	ssize_t len;

	if (poll(&p, 1, PATIENCE_MS) != 1)
		return 0;
	len = recvmsg(fd, &msg, 0) - NET_HDR_LEN_LEGACY;
	assert_true(len > 0 && CMSG_FIRSTHDR(&msg));
	memcpy(&aux, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(aux));
	if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
		return (size_t)len;
	memmove(frame + 16, frame + 12, (size_t)len - 12);
	frames_put16(frame + 12, aux.tp_vlan_tpid);
	frames_put16(frame + 14, aux.tp_vlan_tci);
	hdr->csum_start = (uint16_t)(hdr->csum_start + 4);
	return (size_t)len + 4;
}

static void expect_segments(int fd, const struct made *m, uint16_t gso_size)
{
	static uint8_t got[65536 + 64], want[65536 + 64];
	uint32_t payload = m->len - m->payload, n = (payload + gso_size - 1) / gso_size, len, i;
	struct virtio_net_hdr_v1 hdr;
	size_t got_len;
	bool partial;

	for (i = 0; i < n; i++) {
		do
			got_len = capture(fd, got, sizeof(got) - 4, &hdr);
		while (got_len && memcmp(got, m->bytes, 12));
		partial = hdr.flags & NEEDS_CSUM;
		if (partial) {
			assert_int_equal(hdr.csum_start, m->l4);
			assert_int_equal(hdr.csum_offset, m->csum_at - m->l4);
		}
		assert_int_equal(hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		len = frames_segment(m, i, gso_size, partial, want);
		if (got_len != len || memcmp(got, want, len))
			fail_msg("segment %u of %u of %u bytes (%u tags, v6 %d, udp %d): %zu bytes "
				 "or others, not %u",
				 i, n, gso_size, m->shape.tags, m->shape.v6, m->shape.udp, got_len,
				 len);
	}
}

/* Behind whatever headers, of frames of one chunk and of more. */
static void partial_sums_reach_the_far_end(void **state)
{
	struct virtio_net_hdr_v1 hdr;
	static struct made m;
	unsigned i, k;
	int fd;

	open_rig(*state);
	fd = rig_far_packet(&rig);
	for (i = 0; frames_shape(i); i++) {
		for (k = 0; k < 6; k++) {
			frames_make(&m, frames_shape(i),
				    rig.cfg.mtu && k % 2 ? 8000 + k : 20 + 200 * k, &seed);
			memcpy(m.bytes, nobody, sizeof(nobody));
			hdr = frames_hdr(&m, 0);
			hdr.gso_type = VIRTIO_NET_HDR_GSO_NONE;
			rig_send(&rig, 0, &hdr, m.bytes, m.len);
			expect_segments(fd, &m, 10000);
		}
	}
	assert_int_equal(daemon_drops(&rig.daemon, "tx0"), 0);
	close(fd);
	rig_close(&rig);
}

/* All kinds of headers, segments of all sizes, one to many. */
static void large_frames_become_segments(void **state)
{
	struct virtio_net_hdr_v1 hdr;
	static const uint16_t sizes[] = { 1, 7, 536, 1000, 1300, 1350 };
	static struct made m;
	uint32_t payload;
	unsigned i, k;
	int fd;

	open_rig(*state);
	fd = rig_far_packet(&rig);
	for (i = 0; frames_shape(i); i++) {
		for (k = 0; k < array_size(sizes); k++) {
			payload = 1 + frames_random(&seed) % (sizes[k] * 40U);
			if (!k || payload > 64000)
				payload = payload % 64000 + sizes[k];
			frames_make(&m, frames_shape(i), payload, &seed);
			memcpy(m.bytes, nobody, sizeof(nobody));
			hdr = frames_hdr(&m, sizes[k]);

			rig_send(&rig, 0, &hdr, m.bytes, m.len);
			expect_segments(fd, &m, sizes[k]);
		}
	}
	assert_int_equal(daemon_drops(&rig.daemon, "tx0"), 0);
	close(fd);
	rig_close(&rig);
}

/* Of USO each segment is a datagram, and the last is what is left. */
static void datagrams_of_a_large_frame(void **state)
{
	static struct made m;
	unsigned i, k;
	int fd;

	open_rig(*state);
	for (i = 0; i < array_size(udp_shapes); i++) {
		fd = rig_far_udp(&rig, udp_shapes[i].v6, PORT);
		for (k = 1; k <= 20; k++) {
			uint32_t size = 70 * k, payload = size * 12 + k, at;
			struct virtio_net_hdr_v1 hdr;

			make(&m, &udp_shapes[i], payload);
			hdr = frames_hdr(&m, (uint16_t)size);
			rig_send(&rig, 0, &hdr, m.bytes, m.len);
			for (at = 0; at < payload; at += size) {
				struct made part = m;
				uint32_t len = (uint32_t)min_u64(size, payload - at);

				part.len = m.payload + len;
				memcpy(part.bytes + m.payload, m.bytes + m.payload + at, len);
				expect_datagram(fd, &part);
			}
		}
		expect_silence(fd);
		assert_int_equal(bad_sums(true), 0);
		close(fd);
	}
	rig_close(&rig);
}

/* Not segments of any kind: dropped, and counted once each. */
static void segments_that_cannot_be(void **state)
{
	struct virtio_net_hdr_v1 hdr;
	static struct made m;

	open_rig(*state);
	/* Longer than the interface takes. */
	make(&m, &tcp_shapes[0], 20000);
	hdr = frames_hdr(&m, 1600);
	rig_send(&rig, 0, &hdr, m.bytes, m.len);
	/* IPv6, said to be IPv4. */
	make(&m, &tcp_shapes[1], 20000);
	hdr = frames_hdr(&m, 1000);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	rig_send(&rig, 0, &hdr, m.bytes, m.len);
	/* More than there are chunks. */
	make(&m, &tcp_shapes[0], 60000);
	hdr = frames_hdr(&m, 20);
	rig_send(&rig, 0, &hdr, m.bytes, m.len);
	rig_wait_sent(&rig);
	assert_int_equal(rig_counter(&rig, "tx", "drop_backend"), 3);
	rig_close(&rig);
}

static int tear_down(void **state)
{
	(void)state;
	rig_cleanup(&rig);
	return 0;
}

#define TEST(name, test, cfg) \
	{ \
		name, test, NULL, tear_down, cfg \
	}

int main(int argc, char **argv)
{
	static struct rig_config native, generic = { .words = ",mode=skb" };
	static struct rig_config plain = { .without = NEEDS_CSUM_MADE };
	static struct rig_config plain_generic = { .words = ",mode=skb",
						   .without = NEEDS_CSUM_MADE };
	static struct rig_config large = { .mtu = 9000 };
	static struct rig_config plain_large = { .mtu = 9000, .without = NEEDS_CSUM_MADE };
	static struct rig_config timer = { .txmode = "timer" }, poll_mode = { .txmode = "poll" };
	const struct CMUnitTest tests[] = {
		TEST("datagrams of the guest, native", datagrams_reach_a_socket, &native),
		TEST("datagrams of the guest, generic", datagrams_reach_a_socket, &generic),
		TEST("datagrams of the guest, MTU 9000", datagrams_reach_a_socket, &large),
		TEST("handshakes, native", handshakes_are_answered, &native),
		TEST("handshakes, generic, no GUEST_CSUM", handshakes_are_answered, &plain_generic),
		TEST("datagrams for the guest, native", datagrams_reach_the_guest, &native),
		TEST("datagrams for the guest, generic", datagrams_reach_the_guest, &generic),
		TEST("... no GUEST_CSUM, native", datagrams_reach_the_guest, &plain),
		TEST("... no GUEST_CSUM, generic", datagrams_reach_the_guest, &plain_generic),
		TEST("partial sums, native", partial_sums_reach_the_guest, &native),
		TEST("partial sums, generic", partial_sums_reach_the_guest, &generic),
		TEST("partial sums, no GUEST_CSUM", partial_sums_reach_the_guest, &plain),
		TEST("partial sums, MTU 9000, no GUEST_CSUM", partial_sums_reach_the_guest,
		     &plain_large),
		TEST("complete sums", complete_sums_stay, &native),
		TEST("complete sums, no GUEST_CSUM", complete_sums_stay, &plain),
		TEST("partial sums of the guest, native", partial_sums_reach_the_far_end, &native),
		TEST("partial sums of the guest, generic", partial_sums_reach_the_far_end,
		     &generic),
		TEST("partial sums of the guest, MTU 9000", partial_sums_reach_the_far_end, &large),
		TEST("large frames, native", large_frames_become_segments, &native),
		TEST("large frames, generic", large_frames_become_segments, &generic),
		TEST("large frames, MTU 9000", large_frames_become_segments, &large),
		TEST("large frames, timer", large_frames_become_segments, &timer),
		TEST("large frames, poll", large_frames_become_segments, &poll_mode),
		TEST("datagrams of a large frame", datagrams_of_a_large_frame, &native),
		TEST("datagrams of a large frame, generic", datagrams_of_a_large_frame, &generic),
		TEST("segments that cannot be", segments_that_cannot_be, &native),
	};

	if (argc != 2)
		return 2;
	rig_init(argv[1]);
	return cmocka_run_group_tests_name("xdp sums", tests, NULL, NULL);
}
