/* SPDX-License-Identifier: MIT */
/* What xdp_rig.h says. One thread plays guest and far end, and enters the latter's namespace. */
#include "tests/net/xdp_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/peer.h"
#include "virtio/base.h"

#define PATIENCE_MS 30000
#define MAX_ARGS    32
#define RCVBUF      (64 << 20)
#define NO_IPV6     "/proc/sys/net/ipv6/conf/" RIG_FAR "/disable_ipv6"

static const char *program;

void rig_init(const char *txringd)
{
	program = txringd;
}

static void enter(int ns)
{
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

static int open_ns(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

void rig_far_run(const struct rig *rig, const char *command)
{
	int status;

	enter(rig->there);
	status = system(command);
	enter(rig->here);
	if (status)
		fail_msg("%s: failed", command);
}

void rig_far_ip(const struct rig *rig, const char *fmt, ...)
{
	char cmd[256] = "ip ";
	va_list args;

	va_start(args, fmt);
	vsnprintf(cmd + 3, sizeof(cmd) - 3, fmt, args);
	va_end(args);
	rig_far_run(rig, cmd);
}

/* The guest answers nobody's question for its address, so it is known. */
static void set_far_up(const struct rig *rig)
{
	rig_far_run(rig, rig->cfg.v6 ? "echo 0 >" NO_IPV6 : "echo 1 >" NO_IPV6);
	rig_far_ip(rig, "link set lo up");
	rig_far_ip(rig, "link set " RIG_FAR " address 02:00:00:00:00:02 up");
	rig_far_ip(rig, "addr add " RIG_FAR_V4 "/24 dev " RIG_FAR);
	rig_far_ip(rig, "neigh add " RIG_GUEST_V4 " lladdr 02:00:00:00:00:01 dev " RIG_FAR);
	if (!rig->cfg.v6)
		return;
	rig_far_ip(rig, "addr add " RIG_FAR_V6 "/64 dev " RIG_FAR " nodad");
	rig_far_ip(rig, "neigh add " RIG_GUEST_V6 " lladdr 02:00:00:00:00:01 dev " RIG_FAR);
}

/* As many queues as the card has pairs: what comes to others would be the host's. */
void rig_make_veth(struct rig *rig)
{
	unsigned n = rig->cfg.queues, mtu = rig->cfg.mtu;

	peer_ip("link add " RIG_NEAR " numtxqueues %u numrxqueues %u type veth peer name " RIG_FAR
		" numtxqueues %u numrxqueues %u netns /proc/%d/fd/%d",
		n, n, n, n, (int)getpid(), rig->there);
	if (mtu) {
		peer_ip("link set " RIG_NEAR " mtu %u", mtu);
		rig_far_ip(rig, "link set " RIG_FAR " mtu %u", mtu);
	}
	set_far_up(rig);
}

/* The kernel tells of a carrier up to a second late. */
static void wait_carrier(void)
{
	struct ifreq ifr = { .ifr_name = RIG_NEAR };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	for (unsigned i = 0; i < PATIENCE_MS && !(ifr.ifr_flags & IFF_RUNNING); i++) {
		usleep(1000);
		assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
	}
	assert_true(ifr.ifr_flags & IFF_RUNNING);
	close(fd);
}

void rig_make_namespace(struct rig *rig)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	rig->there = open_ns();
	enter(rig->here);
}

void rig_link(struct rig *rig, const struct rig_config *cfg)
{
	memset(rig, 0, sizeof(*rig));
	rig->cfg = *cfg;
	rig->cfg.queues = cfg->queues ? cfg->queues : 1;
	rig->here = open_ns();
	rig_make_namespace(rig);
	rig_make_veth(rig);
	peer_ip("link set " RIG_NEAR " up");
	wait_carrier();
}

void rig_connect(struct rig *rig)
{
	const struct driver_net_config net = {
		.path = rig->daemon.path,
		.fd = -1,
		.features = DRIVER_NET_FEATURES & ~rig->cfg.without,
		.protocol = DRIVER_NET_PROTOCOL | FEATURE(VHOST_USER_PROTOCOL_F_CONFIG),
		.n_pairs = rig->cfg.queues,
		.ring_size = rig->cfg.ring_size ? rig->cfg.ring_size : 256,
	};
	int err = driver_net_new(&rig->net, &net);

	if (err)
		fail_msg("the front-end cannot set up the device: %s", strerror(-err));
}

void rig_start(struct rig *rig)
{
	char backend[256], queues[16];
	const char *args[MAX_ARGS] = {
		"--backend", backend,
		"--queues",  queues,
		"--mac",     "02:00:00:00:00:01",
		"--txmode",  rig->cfg.txmode ? rig->cfg.txmode : "iothread"
	};

	snprintf(backend, sizeof(backend), "xdp:" RIG_NEAR "%s",
		 rig->cfg.words ? rig->cfg.words : "");
	snprintf(queues, sizeof(queues), "%u", rig->cfg.queues);
	for (unsigned i = 0; rig->cfg.options && rig->cfg.options[i]; i++)
		args[8 + i] = rig->cfg.options[i];
	daemon_start(&rig->daemon, program, args);
	rig_connect(rig);
}

void rig_open(struct rig *rig, const struct rig_config *cfg)
{
	rig_link(rig, cfg);
	rig_start(rig);
}

/* The far end ends with its namespace, and the near end with the far one. */
static void remove_link(struct rig *rig)
{
	(void)!system("ip link del " RIG_NEAR " 2>/dev/null");
	close(rig->here);
	close(rig->there);
}

void rig_close(struct rig *rig)
{
	driver_net_free(rig->net);
	rig->net = NULL;
	daemon_stop(&rig->daemon);
	daemon_cleanup(&rig->daemon, false);
	remove_link(rig);
	memset(rig, 0, sizeof(*rig));
}

void rig_cleanup(struct rig *rig)
{
	if (!rig->here)
		return;
	enter(rig->here);
	driver_net_free(rig->net);
	if (rig->daemon.log_fd)
		daemon_cleanup(&rig->daemon, true);
	remove_link(rig);
	memset(rig, 0, sizeof(*rig));
}

int rig_far_socket(const struct rig *rig, int domain, int type, int protocol)
{
	int fd, rcvbuf = RCVBUF;

	enter(rig->there);
	fd = socket(domain, type | SOCK_CLOEXEC, protocol);
	enter(rig->here);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf));
	return fd;
}

int rig_far_udp(const struct rig *rig, bool v6, uint16_t port)
{
	struct sockaddr_in v4_addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6_addr = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = rig_far_socket(rig, v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	int code = v6 ? bind(fd, (struct sockaddr *)&v6_addr, sizeof(v6_addr))
		      : bind(fd, (struct sockaddr *)&v4_addr, sizeof(v4_addr));

	assert_int_equal(code, 0);
	return fd;
}

int rig_far_packet(const struct rig *rig)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = rig_far_socket(rig, AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), one = 1;

	enter(rig->there);
	addr.sll_ifindex = (int)if_nametoindex(RIG_FAR);
	enter(rig->here);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* Two lines for each protocol: names, then values. */
static bool find_snmp(FILE *f, const char *proto, const char *name, uint64_t *value)
{
	char names[2048], values[2048], *n, *v, *save_n, *save_v;

	while (fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		n = strtok_r(names, " \n", &save_n);
		v = strtok_r(values, " \n", &save_v);
		if (strncmp(n, proto, strlen(proto)) || n[strlen(proto)] != ':')
			continue;
		while (n && v && strcmp(n, name)) {
			n = strtok_r(NULL, " \n", &save_n);
			v = strtok_r(NULL, " \n", &save_v);
		}
		if (n && v)
			*value = strtoull(v, NULL, 10);
		return n && v;
	}
	return false;
}

static bool find_snmp6(FILE *f, const char *proto, const char *name, uint64_t *value)
{
	char key[64], line[128], want[64];
	unsigned long long n;

	snprintf(want, sizeof(want), "%s%s", proto, name);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %llu", key, &n) == 2 && !strcmp(key, want)) {
			*value = n;
			return true;
		}
	}
	return false;
}

uint64_t rig_far_counter(const struct rig *rig, const char *proto, const char *name)
{
	bool v6 = strchr(proto, '6'), found;
	uint64_t value = 0;
	FILE *f;

	enter(rig->there);
	f = fopen(v6 ? "/proc/thread-self/net/snmp6" : "/proc/thread-self/net/snmp", "r");
	enter(rig->here);
	assert_non_null(f);
	found = v6 ? find_snmp6(f, proto, name, &value) : find_snmp(f, proto, name, &value);
	fclose(f);
	if (!found)
		fail_msg("no counter %s %s", proto, name);
	return value;
}

void rig_send(struct rig *rig, unsigned pair, const struct virtio_net_hdr_v1 *hdr,
	      const void *frame, size_t len)
{
	for (unsigned i = 0; i < PATIENCE_MS * 10; i++) {
		int err = driver_net_send(rig->net, pair, hdr, frame, len, 0);

		assert_true(driver_net_reap(rig->net, pair) >= 0);
		if (!err)
			return;
		assert_int_equal(err, -EAGAIN);
		usleep(100);
	}
	fail_msg("the guest's ring does not move");
}

void rig_wait_sent(struct rig *rig)
{
	for (unsigned pair = 0; pair < rig->cfg.queues; pair++) {
		const struct driver_net_pair *p = &rig->net->pairs[pair];

		for (unsigned i = 0; p->n_tx_free < rig->net->cfg.ring_size; i++) {
			assert_true(driver_net_reap(rig->net, pair) >= 0);
			if (i == PATIENCE_MS * 10)
				fail_msg("pair %u: %u frames are not complete", pair,
					 rig->net->cfg.ring_size - p->n_tx_free);
			usleep(100);
		}
	}
}

size_t rig_receive(struct rig *rig, struct virtio_net_hdr_v1 *hdr, unsigned timeout_ms)
{
	static const uint8_t mac[6] = RIG_GUEST_MAC;
	uint64_t end_ns = monotonic_ns() + timeout_ms * 1000000ULL;
	ssize_t len;

	do {
		for (unsigned i = 0; i < rig->cfg.queues; i++) {
			while ((len = driver_net_receive(rig->net, i, hdr, rig->frame,
							 sizeof(rig->frame))) >= 0) {
				if (!memcmp(rig->frame, mac, sizeof(mac)))
					return (size_t)len;
			}
			assert_int_equal(len, -EAGAIN);
		}
		usleep(20);
	} while (monotonic_ns() < end_ns);
	return 0;
}

bool rig_link_is_up(struct rig *rig)
{
	struct virtio_net_config config = { 0 };
	int err = frontend_get_config(&rig->net->frontend, 0, &config, sizeof(config));

	assert_int_equal(err, 0);
	return config.status & VIRTIO_NET_S_LINK_UP;
}

uint64_t rig_counter(struct rig *rig, const char *kind, const char *name)
{
	uint64_t sum = 0;
	char queue[16];

	for (unsigned i = 0; i < rig->cfg.queues; i++) {
		snprintf(queue, sizeof(queue), "%s%u", kind, i);
		sum += daemon_counter(&rig->daemon, queue, name);
	}
	return sum;
}
