/* SPDX-License-Identifier: MIT */
/*
 * A txringd on one end of a veth (--backend xdp:RIG_NEAR), a guest (the driver half) in front of
 * it, and the other end in a network namespace of its own, with addresses, so that plain sockets
 * there are what the guest talks to. Everything here fails the test that it is used in.
 */
#ifndef TESTS_NET_XDP_RIG_H
#define TESTS_NET_XDP_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/net/daemon.h"
#include "virtio/driver/net.h"

#define RIG_NEAR "txring0" /* txringd's end */
#define RIG_FAR  "txring1"

#define RIG_GUEST_MAC \
	{ \
		2, 0, 0, 0, 0, 1 \
	}
#define RIG_FAR_MAC \
	{ \
		2, 0, 0, 0, 0, 2 \
	}
#define RIG_GUEST_V4 "10.99.99.1"
#define RIG_FAR_V4   "10.99.99.2"
#define RIG_GUEST_V6 "fd99::1"
#define RIG_FAR_V6   "fd99::2"

/* 0 and NULL mean the usual. */
struct rig_config {
	const char *name;
	const char *words;  /* behind xdp:RIG_NEAR, with their comma */
	const char *txmode; /* iothread */
	unsigned queues;
	unsigned mtu;     /* of both ends when txringd starts */
	bool v6;          /* the far end speaks IPv6, also by itself, now and then */
	uint64_t without; /* features that the guest does not take */
	unsigned ring_size;
	const char *const *options; /* more of the daemon's, up to a NULL */
};

struct rig {
	struct rig_config cfg;
	struct daemon daemon;
	struct driver_net *net;
	int here, there; /* namespaces: the test's own, and the far end's */
	uint8_t frame[65536 + 64];
};

/* The program under test, once for all. */
void rig_init(const char *txringd);

/* The veth; then daemon and guest. */
void rig_link(struct rig *rig, const struct rig_config *cfg);
void rig_start(struct rig *rig);
void rig_open(struct rig *rig, const struct rig_config *cfg);
/*
 * The veth anew, after it was removed, the near end still down; the far end's namespace anew, which
 * has none then.
 */
void rig_make_veth(struct rig *rig);
void rig_make_namespace(struct rig *rig);
/* Only the guest: for the first time, or after driver_net_free. */
void rig_connect(struct rig *rig);
/* The daemon must end well; then the veth is removed. */
void rig_close(struct rig *rig);
/* As cmocka's tear-down: after rig_close nothing, after a failure with the daemon's log. */
void rig_cleanup(struct rig *rig);

/* A command of ip(8) at the far end, or any command there. */
void rig_far_ip(const struct rig *rig, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void rig_far_run(const struct rig *rig, const char *command);
/* A socket at the far end. */
int rig_far_socket(const struct rig *rig, int domain, int type, int protocol);
/* A UDP socket of both families' port at the far end. */
int rig_far_udp(const struct rig *rig, bool v6, uint16_t port);
/* All frames that come and go there, of all protocols; PACKET_VNET_HDR and PACKET_AUXDATA set. */
int rig_far_packet(const struct rig *rig);
/* A line of the far end's /proc/net/snmp or snmp6, such as "Udp" "InCsumErrors". */
uint64_t rig_far_counter(const struct rig *rig, const char *proto, const char *name);

/* One frame of the guest's on a pair; waits for room in the ring. */
void rig_send(struct rig *rig, unsigned pair, const struct virtio_net_hdr_v1 *hdr,
	      const void *frame, size_t len);
/* Until the device has used all that the guest sent. */
void rig_wait_sent(struct rig *rig);
/*
 * The next frame for the guest's MAC on any pair, into rig->frame: its length, or 0 when none comes
 * for so long.
 */
size_t rig_receive(struct rig *rig, struct virtio_net_hdr_v1 *hdr, unsigned timeout_ms);
/* As the guest sees it. */
bool rig_link_is_up(struct rig *rig);
/* Counters of all queues of a kind ("tx", "rx"). */
uint64_t rig_counter(struct rig *rig, const char *kind, const char *name);

#endif
