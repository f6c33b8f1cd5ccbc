/* SPDX-License-Identifier: MIT */
/*
 * Broadcast and multicast for the guest on a shared interface: the XDP program leaves those frames
 * to the host, and this packet socket has the guest's copy.
 *
 * Opened and closed on the control thread; read on the iothread of queue 0.
 */
#ifndef DATAPATH_BACKEND_XDP_GROUP_H
#define DATAPATH_BACKEND_XDP_GROUP_H

#include <stdint.h>

#include "datapath/backend.h"
#include "virtio/net_hdr.h"

/*
 * The frames to groups that come in on the interface from here on, and none that the host or the
 * guest sends there. As long as it is open the interface also receives frames to mac (6 bytes) and
 * to all groups. The fd, for xdp_group_read(), for poll (POLLIN) and close; or a negative errno and
 * err. When the interface is removed it is of no more use.
 */
int xdp_group_open(const char *ifname, unsigned ifindex, const uint8_t *mac,
		   char err[BACKEND_ERR_LEN]);

/*
 * One frame into cap bytes at frame, and its header without num_buffers; a VLAN tag is in its
 * place. Its length. Or -EAGAIN: none is there; -EMSGSIZE: one that was longer than cap - 4 is
 * lost; another errno: one is lost, or the interface was set down: read again. Does not wait.
 */
int xdp_group_read(int fd, struct virtio_net_hdr_v1 *hdr, void *frame, uint32_t cap);

#endif
