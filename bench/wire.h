/* SPDX-License-Identifier: MIT */
/*
 * The other side of a tap, or of a veth: what comes out of an interface of this network namespace,
 * as the kernel sees it, and putting frames in there. Frames of one EtherType come with the time
 * at which the kernel took them in (CLOCK_REALTIME), through a ring in shared memory: to look
 * whether there is one costs no system call. While no wire is open the
 * kernel copies no frame, and the interface is as fast as without txbench.
 *
 * What is put in is not seen: it goes the other way.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/if_packet.h>

#define WIRE_SLOTS     16384
#define WIRE_SLOT_SIZE 128

struct wire {
	int fd;
	uint8_t *slots;
	unsigned at; /* the slot of the next frame */
};

struct wire_frame {
	const uint8_t *data;
	unsigned captured; /* bytes at data: at least the frame's first 56 */
	unsigned len;
	uint64_t at_ns;
};

/* 0, or a negative errno. -ENODEV: no such interface; -EPERM: needs CAP_NET_RAW, CAP_NET_ADMIN. */
int wire_open(struct wire *w, const char *interface, uint16_t ethertype);
/* May run twice, and after a failed open. */
void wire_close(struct wire *w);

/* Frames since the last time that came while the ring was full, so they were not seen here. */
unsigned wire_missed(const struct wire *w);

static inline const struct tpacket2_hdr *wire_slot(const struct wire *w)
{
	return (const void *)(w->slots + (size_t)w->at * WIRE_SLOT_SIZE);
}

/* The next frame, the caller's until wire_release; false: none by now. */
static inline bool wire_peek(const struct wire *w, struct wire_frame *f)
{
	const struct tpacket2_hdr *h = wire_slot(w);

	if (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
		return false;
	f->data = (const uint8_t *)h + h->tp_mac;
	f->captured = h->tp_snaplen;
	f->len = h->tp_len;
	f->at_ns = (uint64_t)h->tp_sec * 1000000000 + h->tp_nsec;
	return true;
}

static inline void wire_release(struct wire *w)
{
	struct tpacket2_hdr *h = (void *)(w->slots + (size_t)w->at * WIRE_SLOT_SIZE);

	__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	w->at = (w->at + 1) % WIRE_SLOTS;
}

/* An fd to send frames into the interface, to be closed, or a negative errno as of wire_open. */
int wire_inject_open(const char *interface);
/*
 * 0 or a negative errno; -ENOBUFS: its queue is full. A tap may throw the frame away and say
 * nothing.
 */
int wire_inject(int fd, const void *frame, size_t len);

/* What an interface has taken in so far. */
struct wire_counts {
	uint64_t frames, bytes;
};

/* 0, or -ENODEV. */
int wire_count(const char *interface, struct wire_counts *n);

#endif
