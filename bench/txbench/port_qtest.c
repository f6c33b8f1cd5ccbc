/* SPDX-License-Identifier: MIT */
/*
 * QEMU's own virtio-net-pci, driven without a guest: set up through QEMU's qtest socket, its rings
 * in the file that is QEMU's memory, kicked through the eventfds that QEMU waits for (ioeventfd),
 * as KVM would do for a guest. The device is modern (disable-legacy=on) and on bus 0; the machine
 * runs, on a ROM that only halts. Virtio 1.2 section 4.1.
 *
 * Calls of the tx ring are MSI-X messages whose address is in guest memory: they write
 * port.tx_call_word. With a vhost back-end behind QEMU there are none: QEMU 7.2 crashes when such a
 * device starts with MSI-X and no KVM.
 *
 * Longer than a station should be: the steps of one set-up, each of them used once, in their order.
 */
#include "bench/txbench/port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/txbench/qtest.h"
#include "virtio/features.h"
#include "virtio/net_hdr.h"

#define PCI_DEVICES  32
#define PCI_ID       0x10411af4U   /* virtio-net, modern */
#define BARS         0xe0000000ULL /* where nothing else is */
#define BAR_SPACE    0x100000ULL   /* for each, more than any has */
#define MEMORY_AT    (16ULL << 20) /* above what a PC has at fixed places */
#define BUF_LEN      2048          /* of a frame with its header */
#define MAX_EVENTFDS 1024
#define NO_VECTOR    0xffff
#define CHECK_NS     10000000000ULL /* longer than tx=timer may wait */

enum { RX, TX, RINGS };

struct qtest_port {
	struct qtest q;
	int pidfd;
	struct arena arena;
	struct ring rings[RINGS];
	unsigned device;
	uint64_t common; /* where its registers are */
	unsigned msix;   /* the capability, or 0 */
	bool vhost;
	char *why;
	unsigned why_size;
};

__attribute__((format(printf, 2, 3))) static int fail(struct qtest_port *d, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(d->why, d->why_size, fmt, args);
	va_end(args);
	return -1;
}

/* What the socket has suffered since it was opened. */
static int checked(struct qtest_port *d, const struct options *o)
{
	return *d->q.error ? fail(d, "--qtest '%s': %s", o->qtest, d->q.error) : 0;
}

/* The process. */

static int open_process(struct qtest_port *d, struct port *p, const struct options *o)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	char path[64], args[32768];
	ssize_t n;
	int fd;

	p->who.pid = o->pid;
	if (!p->who.pid && !getsockopt(d->q.sock, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		p->who.pid = peer.pid;
	d->pidfd = (int)syscall(SYS_pidfd_open, p->who.pid, 0);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", p->who.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, args, sizeof(args));
	if (fd >= 0)
		close(fd);
	if (d->pidfd < 0 || n < 0)
		return fail(d, "--pid %d: there is no such process", p->who.pid);
	d->vhost = memmem(args, (size_t)n, "vhost", 5);
	return 0;
}

/* The numbers of its eventfds, upwards; how many, or -1. */
static int list_eventfds(const struct port *p, int *numbers)
{
	char name[320], target[32];
	const struct dirent *e;
	int n = 0, at;
	DIR *dir;

	snprintf(name, sizeof(name), "/proc/%d/fd", p->who.pid);
	dir = opendir(name);
	if (!dir)
		return -1;
	while ((e = readdir(dir))) {
		ssize_t len;

		snprintf(name, sizeof(name), "/proc/%d/fd/%s", p->who.pid, e->d_name);
		len = readlink(name, target, sizeof(target));
		if (len != 20 || memcmp(target, "anon_inode:[eventfd]", 20) || n == MAX_EVENTFDS)
			continue;
		for (at = n++; at && numbers[at - 1] > atoi(e->d_name); at--)
			numbers[at] = numbers[at - 1];
		numbers[at] = atoi(e->d_name);
	}
	closedir(dir);
	return n;
}

/*
 * The eventfds that QEMU makes when the driver says DRIVER_OK: it takes the lowest free number each
 * time and closes none meanwhile, so their numbers go up in the order in which its code makes them.
 * That is: with vhost, the calls of rx and tx; then the kicks of rx, tx, and (without vhost) of the
 * control ring.
 */
static int take_kicks(struct qtest_port *d, struct port *p, const int *before, int n_before)
{
	int now[MAX_EVENTFDS], fresh[MAX_EVENTFDS], n = 0, known = 0;
	int n_now = list_eventfds(p, now), first = d->vhost ? RINGS : 0;

	for (int i = 0; i < n_now; i++) {
		while (known < n_before && before[known] < now[i])
			known++;
		if (known == n_before || before[known] != now[i])
			fresh[n++] = now[i];
	}
	if (n < first + RINGS || n > first + RINGS + 1)
		return fail(d,
			    "process %d made %d eventfds for its rings instead of %d or %d: is it "
			    "QEMU, does it run (no -S), is its netdev 'tap' or 'vhost-user'?",
			    p->who.pid, n, first + RINGS, first + RINGS + 1);
	for (int i = 0; i < RINGS; i++) {
		int fd = (int)syscall(SYS_pidfd_getfd, d->pidfd, fresh[first + i], 0);

		if (fd < 0)
			return fail(d, "eventfd %d of process %d cannot be taken: %s (run as root)",
				    fresh[first + i], p->who.pid, strerror(errno));
		d->rings[i].cfg.kick_fd = fd;
	}
	return 0;
}

/* Guest memory. */

static int map_memory(struct qtest_port *d, const struct options *o)
{
	uint64_t bytes = 2ULL * o->ring_size * (64 + BUF_LEN) + (64ULL << 10);
	struct arena_region *r = &d->arena.regions[0];
	struct stat st;

	d->arena.fd = open(o->memory, O_RDWR | O_CLOEXEC);
	if (d->arena.fd < 0 || fstat(d->arena.fd, &st))
		return fail(d, "--memory '%s': %s", o->memory, strerror(errno));
	if ((uint64_t)st.st_size < MEMORY_AT + bytes)
		return fail(d, "--memory '%s' has %lld bytes, %llu are needed: -m 64", o->memory,
			    (long long)st.st_size, (unsigned long long)(MEMORY_AT + bytes));
	*r = (struct arena_region){ .gpa = MEMORY_AT, .size = bytes, .offset = MEMORY_AT };
	r->host = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, d->arena.fd,
		       (off_t)MEMORY_AT);
	if (r->host == MAP_FAILED)
		return fail(d, "--memory '%s': %s", o->memory, strerror(errno));
	d->arena.n = 1;
	memset(r->host, 0, bytes);
	return 0;
}

static void place_buffers(struct qtest_port *d, struct port_buffers *b, const struct options *o)
{
	b->n = o->ring_size;
	b->stride = BUF_LEN;
	b->host = arena_alloc(&d->arena, 0, (size_t)b->n * b->stride, CACHE_LINE);
	b->gpa = arena_gpa(&d->arena, b->host);
}

/* The device's registers. */

static uint64_t get(struct qtest_port *d, unsigned bytes, unsigned where)
{
	return qtest_read(&d->q, bytes, d->common + where);
}

static void set(struct qtest_port *d, unsigned bytes, unsigned where, uint64_t value)
{
	qtest_write(&d->q, bytes, d->common + where, value);
}

/* Where BAR number bar is; it is put there. */
static uint64_t place_bar(struct qtest_port *d, unsigned bar)
{
	unsigned where = PCI_BASE_ADDRESS_0 + 4 * bar;
	uint64_t addr = BARS + bar * BAR_SPACE;
	uint32_t kind = qtest_pci_read(&d->q, d->device, where);

	qtest_pci_write(&d->q, d->device, where, (uint32_t)addr);
	if ((kind & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64)
		qtest_pci_write(&d->q, d->device, where + 4, (uint32_t)(addr >> 32));
	return addr;
}

static void take_capability(struct qtest_port *d, unsigned at)
{
	unsigned type = qtest_pci_byte(&d->q, d->device, at + VIRTIO_PCI_CAP_CFG_TYPE);
	unsigned bar = qtest_pci_byte(&d->q, d->device, at + VIRTIO_PCI_CAP_BAR);
	uint32_t offset = qtest_pci_read(&d->q, d->device, at + VIRTIO_PCI_CAP_OFFSET);

	if (type == VIRTIO_PCI_CAP_COMMON_CFG)
		d->common = place_bar(d, bar) + offset;
}

static int find_device(struct qtest_port *d, const struct options *o)
{
	unsigned at;

	while (d->device < PCI_DEVICES && qtest_pci_read(&d->q, d->device, 0) != PCI_ID)
		d->device++;
	if (checked(d, o))
		return -1;
	if (d->device == PCI_DEVICES)
		return fail(d,
			    "--qtest '%s': no modern virtio-net device on PCI bus 0: "
			    "-device virtio-net-pci,disable-legacy=on",
			    o->qtest);
	at = qtest_pci_byte(&d->q, d->device, PCI_CAPABILITY_LIST);
	for (unsigned n = 0; at && n < 48; n++) {
		unsigned id = qtest_pci_byte(&d->q, d->device, at);

		if (id == PCI_CAP_ID_VNDR)
			take_capability(d, at);
		else if (id == PCI_CAP_ID_MSIX)
			d->msix = at;
		at = qtest_pci_byte(&d->q, d->device, at + PCI_CAP_LIST_NEXT);
	}
	qtest_pci_write(&d->q, d->device, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	if (!checked(d, o) && !d->common)
		return fail(d, "--qtest '%s': the device has no virtio capabilities", o->qtest);
	return checked(d, o);
}

static int negotiate(struct qtest_port *d, struct port *p, const struct options *o)
{
	uint64_t must = FEATURE(VIRTIO_F_VERSION_1), take, offered;
	char names[FEATURES_NAMES_LEN];

	must |= o->event_idx ? FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0;
	must |= o->packed ? FEATURE(VIRTIO_F_RING_PACKED) : 0;
	set(d, 1, VIRTIO_PCI_COMMON_STATUS, 0);
	set(d, 1, VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	set(d, 4, VIRTIO_PCI_COMMON_DFSELECT, 0);
	offered = get(d, 4, VIRTIO_PCI_COMMON_DF);
	set(d, 4, VIRTIO_PCI_COMMON_DFSELECT, 1);
	offered |= get(d, 4, VIRTIO_PCI_COMMON_DF) << 32;
	if (checked(d, o))
		return -1;
	if (must & ~offered)
		return fail(d, "the device lacks %s%s", features_names(must & ~offered, names),
			    o->packed ? " (-device virtio-net-pci,packed=on)" : "");
	take = must | (offered & FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	set(d, 4, VIRTIO_PCI_COMMON_GFSELECT, 0);
	set(d, 4, VIRTIO_PCI_COMMON_GF, (uint32_t)take);
	set(d, 4, VIRTIO_PCI_COMMON_GFSELECT, 1);
	set(d, 4, VIRTIO_PCI_COMMON_GF, take >> 32);
	set(d, 1, VIRTIO_PCI_COMMON_STATUS,
	    VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
	if (!(get(d, 1, VIRTIO_PCI_COMMON_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK))
		return checked(d, o) ? -1
				     : fail(d, "the device refuses the features %s",
					    features_names(take, names));
	p->features = take;
	p->hdr_len = net_hdr_len(take);
	return 0;
}

/* The driver's half of a ring, and the device's. */
static int set_up_ring(struct qtest_port *d, struct port *p, unsigned index,
		       const struct options *o)
{
	struct ring_config cfg = { .features = p->features, .size = o->ring_size, .kick_fd = -1 };
	unsigned most;
	int err;

	set(d, 2, VIRTIO_PCI_COMMON_Q_SELECT, index);
	most = (unsigned)get(d, 2, VIRTIO_PCI_COMMON_Q_SIZE);
	if (checked(d, o))
		return -1;
	if (most < o->ring_size)
		return fail(d, "--ring-size %u: the device's %s ring has at most %u entries (%s)",
			    o->ring_size, index == TX ? "tx" : "rx", most,
			    index == TX ? "tx_queue_size=; QEMU's tap has at most 256"
					: "rx_queue_size=");
	err = ring_place(&cfg, &d->arena, 0);
	if (!err)
		err = ring_init(&d->rings[index], &cfg);
	if (err)
		return fail(d, "--ring-size %u: %s", o->ring_size, strerror(-err));
	set(d, 2, VIRTIO_PCI_COMMON_Q_SIZE, o->ring_size);
	set(d, 2, VIRTIO_PCI_COMMON_Q_MSIX, NO_VECTOR);
	set(d, 8, VIRTIO_PCI_COMMON_Q_DESCLO, arena_gpa(&d->arena, cfg.areas.desc));
	set(d, 8, VIRTIO_PCI_COMMON_Q_AVAILLO, arena_gpa(&d->arena, cfg.areas.avail));
	set(d, 8, VIRTIO_PCI_COMMON_Q_USEDLO, arena_gpa(&d->arena, cfg.areas.used));
	return 0;
}

/* Vector 0, which the tx ring has, writes the word. */
static int set_up_call(struct qtest_port *d, struct port *p, const struct options *o)
{
	uint32_t table, control;
	uint64_t entry, gpa;

	if (!d->msix || d->vhost)
		return 0;
	p->tx_call_word = arena_alloc(&d->arena, 0, CACHE_LINE, CACHE_LINE);
	gpa = arena_gpa(&d->arena, p->tx_call_word);
	control = qtest_pci_read(&d->q, d->device, d->msix);
	qtest_pci_write(&d->q, d->device, d->msix, control | PCI_MSIX_FLAGS_ENABLE << 16);
	table = qtest_pci_read(&d->q, d->device, d->msix + PCI_MSIX_TABLE);
	entry = place_bar(d, table & PCI_MSIX_TABLE_BIR) + (table & PCI_MSIX_TABLE_OFFSET);
	qtest_write(&d->q, 4, entry + PCI_MSIX_ENTRY_LOWER_ADDR, (uint32_t)gpa);
	qtest_write(&d->q, 4, entry + PCI_MSIX_ENTRY_UPPER_ADDR, gpa >> 32);
	qtest_write(&d->q, 4, entry + PCI_MSIX_ENTRY_DATA, 1);
	qtest_write(&d->q, 4, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
	set(d, 2, VIRTIO_PCI_COMMON_Q_SELECT, TX);
	set(d, 2, VIRTIO_PCI_COMMON_Q_MSIX, 0);
	if (get(d, 2, VIRTIO_PCI_COMMON_Q_MSIX) && !checked(d, o))
		return fail(d, "the device has no MSI-X vector for its tx ring");
	return checked(d, o);
}

/* Looking whether the kick is the right one. */

/* Where the device asks for kicks of its idle tx ring, and a value that does not ask. */
static uint16_t *kick_wish(struct qtest_port *d, uint16_t *never)
{
	struct ring *r = &d->rings[TX];

	*never = r->packed || !r->event_idx ? VRING_PACKED_EVENT_FLAG_DISABLE : r->size;
	if (r->packed)
		return &r->areas.device_event->flags;
	return r->event_idx ? vring_used_avail_event(r->areas.used, r->size)
			    : &r->areas.used->flags;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static bool wish_is_renewed(const uint16_t *wish, uint16_t never)
{
	const struct timespec pause = { .tv_nsec = 20000 };
	uint64_t until = now_ns() + CHECK_NS;

	while (load_relaxed(wish) == never) {
		if (now_ns() > until)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/*
 * QEMU answers a kick of an empty tx ring by asking for the next one: the word is overwritten. It
 * does so once by itself, when the device starts. A vhost back-end need not, as it may poll.
 */
static int start(struct qtest_port *d, struct port *p, const struct options *o)
{
	int before[MAX_EVENTFDS], n_before = list_eventfds(p, before);
	uint16_t never, *wish = kick_wish(d, &never);

	if (n_before < 0)
		return fail(d, "the files of process %d cannot be listed: %s (run as root)",
			    p->who.pid, strerror(errno));
	if (!d->vhost)
		store_relaxed(wish, never);
	set(d, 1, VIRTIO_PCI_COMMON_STATUS, 0xf);
	if (checked(d, o) || take_kicks(d, p, before, n_before))
		return -1;
	if (d->vhost)
		return 0;
	if (!wish_is_renewed(wish, never))
		return fail(d, "QEMU does not look at its tx ring: does it run (no -S)?");
	store_relaxed(wish, never);
	ring_kick_now(&d->rings[TX]);
	if (!wish_is_renewed(wish, never))
		return fail(d, "process %d: none of its eventfds is the kick of its tx ring",
			    p->who.pid);
	return 0;
}

/* The port. */

static int set_up(struct qtest_port *d, struct port *p, const struct options *o)
{
	if (find_device(d, o) || negotiate(d, p, o))
		return -1;
	for (unsigned i = 0; i < RINGS; i++) {
		if (set_up_ring(d, p, i, o))
			return -1;
	}
	place_buffers(d, &p->rx_bufs, o);
	place_buffers(d, &p->tx_bufs, o);
	if (set_up_call(d, p, o))
		return -1;
	for (unsigned i = 0; i < RINGS; i++) {
		set(d, 2, VIRTIO_PCI_COMMON_Q_SELECT, i);
		set(d, 2, VIRTIO_PCI_COMMON_Q_ENABLE, 1);
	}
	for (unsigned i = 0; i < p->rx_bufs.n; i++)
		ring_fill(&d->rings[RX],
			  (struct chain_part){ p->rx_bufs.gpa + (uint64_t)i * BUF_LEN, BUF_LEN,
					       true },
			  i);
	ring_submit(&d->rings[RX]);
	return start(d, p, o);
}

int port_qtest_open(struct port *p, const struct options *o, char *why, unsigned size)
{
	struct qtest_port *d = aligned_alloc(CACHE_LINE, sizeof(*d));
	int err;

	if (!d) {
		snprintf(why, size, "%s", strerror(ENOMEM));
		return -1;
	}
	memset(d, 0, sizeof(*d));
	d->why = why;
	d->why_size = size;
	d->pidfd = d->arena.fd = -1;
	d->rings[RX].cfg.kick_fd = d->rings[TX].cfg.kick_fd = -1;
	p->impl = d;
	p->rx = &d->rings[RX];
	p->tx = &d->rings[TX];
	p->tx_call_fd = p->rx_call_fd = -1;
	err = qtest_open(&d->q, o->qtest);
	if (err)
		fail(d, "--qtest '%s': %s", o->qtest, strerror(-err));
	if (err || open_process(d, p, o) || map_memory(d, o) || set_up(d, p, o)) {
		port_qtest_close(p);
		return -1;
	}
	return 0;
}

void port_qtest_close(struct port *p)
{
	struct qtest_port *d = p->impl;

	if (!d)
		return;
	if (d->common && d->q.sock >= 0)
		set(d, 1, VIRTIO_PCI_COMMON_STATUS, 0);
	for (unsigned i = 0; i < RINGS; i++) {
		if (d->rings[i].cfg.kick_fd >= 0)
			close(d->rings[i].cfg.kick_fd);
		ring_deinit(&d->rings[i]);
	}
	arena_deinit(&d->arena);
	if (d->pidfd >= 0)
		close(d->pidfd);
	qtest_close(&d->q);
	free(d);
	p->impl = NULL;
}

bool port_qtest_gone(const struct port *p)
{
	const struct qtest_port *d = p->impl;
	struct pollfd process = { .fd = d->pidfd, .events = POLLIN };

	return poll(&process, 1, 0) != 0;
}
