/* SPDX-License-Identifier: MIT */
/*
 * A descriptor chain that was taken off a ring, as host iovecs, and the rules that a chain must
 * keep (virtio 1.2 sections 2.7.4 and 2.7.5). Every range is translated and bounded here and
 * nowhere else.
 *
 * The iovecs borrow guest memory until the chain is pushed back as used.
 */
#ifndef VIRTIO_CHAIN_H
#define VIRTIO_CHAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtio/base.h"
#include "virtio/gmem.h"

/* Most iovecs that one chain may need; also what writev takes. */
#define CHAIN_MAX_IOV 1024

/* What a guest did wrong to a ring. The queue is broken from then on. */
enum virtq_fault {
	VIRTQ_OK,
	VIRTQ_FAULT_AVAIL_IDX, /* more is available than the ring's size */
	VIRTQ_FAULT_HEAD,      /* split: a head or next index beyond the table */
	VIRTQ_FAULT_LOOP,      /* a chain longer than its table; packed: than what is free */
	VIRTQ_FAULT_INDIRECT,  /* nested, combined with NEXT, mis-sized or not negotiated */
	VIRTQ_FAULT_ADDRESS,   /* a range that is not guest memory */
	VIRTQ_FAULT_EMPTY,     /* a descriptor of length 0 */
	VIRTQ_FAULT_ORDER,     /* a device-readable descriptor after a device-writable one */
	VIRTQ_FAULT_TOO_LONG,  /* more than CHAIN_MAX_IOV pieces or 4 GiB */
	VIRTQ_FAULT_DIRECTION, /* a device-readable descriptor in a receive buffer */
	VIRTQ_FAULT_NO_HEADER, /* a chain that has no room for, or lacks, the virtio-net header */
	VIRTQ_FAULTS,
};

/* What must be kept of a chain to push it, and nothing else. */
struct virtq_elem {
	uint16_t id;    /* head index if split, the driver's buffer id if packed: goes back */
	uint16_t slots; /* of the ring: 1 if split, the chain's length if packed */
};

struct chain {
	struct virtq_elem elem;
	uint16_t n_out;   /* iovecs the device reads: iov[0 .. n_out) */
	uint16_t n_in;    /* iovecs the device writes: iov[n_out .. n_out + n_in) */
	uint32_t out_len; /* bytes */
	uint32_t in_len;  /* bytes */
	struct iovec *iov;
};

/* The caller's room for iovecs; chains are laid into it one behind the other. */
struct iov_pool {
	struct iovec *iov;
	unsigned cap;
	unsigned n;
};

/* One descriptor's range of guest memory. */
struct chain_part {
	uint64_t addr;
	uint32_t len;
	bool in; /* device-writable */
};

/* Append one range, cut where it crosses from one region into the next. */
static inline enum virtq_fault chain_append(struct chain *c, struct iov_pool *pool,
					    const struct gmem *mem, unsigned *hint,
					    struct chain_part p)
{
	uint64_t addr = p.addr, left = p.len, part;
	uint32_t *total = p.in ? &c->in_len : &c->out_len;
	void *host;

	if (!left)
		return VIRTQ_FAULT_EMPTY;
	if (!p.in && c->n_in)
		return VIRTQ_FAULT_ORDER;
	if (left > UINT32_MAX - *total)
		return VIRTQ_FAULT_TOO_LONG;
	*total += (uint32_t)left;
	do {
		part = left;
		host = gmem_at(mem, addr, &part, hint);
		if (!host)
			return VIRTQ_FAULT_ADDRESS;
		if (c->n_out + c->n_in == CHAIN_MAX_IOV)
			return VIRTQ_FAULT_TOO_LONG;
		pool->iov[pool->n++] = (struct iovec){ .iov_base = host, .iov_len = part };
		if (p.in)
			c->n_in++;
		else
			c->n_out++;
		addr += part;
		left -= part;
	} while (left);
	return VIRTQ_OK;
}

/* A chain of one descriptor that lies at host in one piece; iov is the pool's. */
static inline void chain_single(struct chain *c, struct iovec *iov, struct virtq_elem elem,
				uint32_t len, bool in, void *host)
{
	*iov = (struct iovec){ .iov_base = host, .iov_len = len };
	*c = (struct chain){ .elem = elem,
			     .n_out = !in,
			     .n_in = in,
			     .out_len = in ? 0 : len,
			     .in_len = in ? len : 0,
			     .iov = iov };
}

#endif
