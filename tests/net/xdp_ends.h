/* SPDX-License-Identifier: MIT */
/*
 * A veth pair for tests of XDP: NEAR runs programs, frames are sent from FAR, and it is seen where
 * each one gets to. Everything here fails the test that it is used in.
 */
#ifndef TESTS_NET_XDP_ENDS_H
#define TESTS_NET_XDP_ENDS_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/net_hdr.h"

#define NEAR      "txringx0"
#define FAR       "txringx1"
#define ENDS_TYPE 0x88b5 /* an EtherType that the host leaves alone */

struct xsk;

/* Addresses: of the guest, of another one, of all, of a group. */
extern const uint8_t ends_guest[6], ends_other[6], ends_all[6], ends_group[6];

/*
 * For main(): 0, or 77 when this machine lets us load no program for AF_XDP, which is then said.
 * From here on /sys/fs/bpf is this process's own: a bpffs, or none.
 */
int ends_begin(bool bpffs);

/* cmocka's. After a test nothing of the names is left. */
int ends_set_up(void **state);
int ends_tear_down(void **state);

unsigned ends_ifindex(void);

/* The id of the program that NEAR runs; 0: none. */
uint32_t ends_program(void);

/* An AF_XDP socket on queue 0 of NEAR, in whatever mode is to be had. No program is loaded. */
struct xsk *ends_open_xsk(void);
void ends_close_xsk(struct xsk *x);
int ends_xsk_fd(const struct xsk *x);

/* A socket that sees what gets to NEAR's stack, of ENDS_TYPE. */
int ends_open_host(void);

/* Sends a frame from FAR, and later ones are told from it by their number. */
void ends_send(const uint8_t *to);
/* The same with len bytes, a header, and a VLAN tag unless vlan is 0. */
void ends_send_frame(const uint8_t *to, uint32_t len, const struct virtio_net_hdr_v1 *hdr,
		     unsigned vlan);

/* Did the last frame get there? Waits for it, and for none for a second. */
bool ends_xsk_got(struct xsk *x);
bool ends_host_got(int host);
bool ends_group_got(int group);

#endif
