/* SPDX-License-Identifier: MIT */
/* A vhost-user back-end that listens on a socket, through the driver of virtio/driver/net.h. */
#include "bench/txbench/port.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "virtio/driver/net.h"

#define TIMEOUT_MS 2000 /* of the connection and of each answer */

/* What driver_net_new says, in words that help. */
static const char *describe(int err)
{
	switch (err) {
	case -ENOENT:
		return "nobody listens there (start the back-end first)";
	case -ECONNREFUSED:
		return "the connection was refused (is the back-end still running?)";
	case -ETIMEDOUT:
		return "the back-end did not answer (does it serve another front-end already?)";
	case -ECONNRESET:
		return "the back-end hung up";
	case -EREMOTEIO:
		return "the back-end refused a request";
	case -EPROTO:
		return "the back-end does not speak vhost-user";
	case -ENAMETOOLONG:
		return "the path is longer than a socket's may be";
	default:
		return strerror(-err);
	}
}

/* What was demanded and is not there. */
static int check_features(const struct driver_net *net, const struct options *o, char *why,
			  unsigned size)
{
	if (o->packed && !feature_has(net->features, VIRTIO_F_RING_PACKED)) {
		snprintf(why, size,
			 "--packed: the back-end at '%s' does not offer RING_PACKED; leave it out",
			 o->socket_path);
		return -ENOTSUP;
	}
	if (o->event_idx && !feature_has(net->features, VIRTIO_RING_F_EVENT_IDX)) {
		snprintf(why, size,
			 "the back-end at '%s' does not offer EVENT_IDX: use --no-event-idx",
			 o->socket_path);
		return -ENOTSUP;
	}
	return 0;
}

static void fill_in(struct port *p, struct driver_net *net)
{
	struct driver_net_pair *pair = &net->pairs[0];

	p->tx = &pair->tx;
	p->rx = &pair->rx;
	p->tx_bufs = (struct port_buffers){ pair->tx_bufs, pair->tx_gpa, net->cfg.ring_size,
					    net->tx_stride };
	p->rx_bufs =
		(struct port_buffers){ pair->rx_bufs, pair->rx_gpa, net->n_rx, net->rx_stride };
	p->hdr_len = net->hdr_len;
	/* That bit is between front-end and back-end: no driver sees it. */
	p->features = net->features & ~FEATURE(VHOST_USER_F_PROTOCOL_FEATURES);
	p->rx_call_fd = net->frontend.rings[0].call_fd;
	p->tx_call_fd = net->frontend.rings[1].call_fd;
	p->impl = net;
}

int port_vhost_user_open(struct port *p, const struct options *o, char *why, unsigned size)
{
	struct driver_net_config cfg = { .path = o->socket_path,
					 .timeout_ms = TIMEOUT_MS,
					 .features = DRIVER_NET_FEATURES,
					 .protocol = DRIVER_NET_PROTOCOL,
					 .n_pairs = 1,
					 .ring_size = o->ring_size };
	struct driver_net *net;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int err;

	if (o->packed)
		cfg.features |= FEATURE(VIRTIO_F_RING_PACKED);
	if (!o->event_idx)
		cfg.features &= ~FEATURE(VIRTIO_RING_F_EVENT_IDX);
	err = driver_net_new(&net, &cfg);
	if (err) {
		snprintf(why, size, "--socket-path '%s': %s", o->socket_path, describe(err));
		return err;
	}
	err = check_features(net, o, why, size);
	if (err) {
		driver_net_free(net);
		return err;
	}
	fill_in(p, net);
	p->who.pid = o->pid;
	/* Whoever made the socket: the back-end itself, unless it inherited the socket. */
	if (!p->who.pid && !getsockopt(net->frontend.sock, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		p->who.pid = peer.pid;
	return 0;
}

void port_vhost_user_close(struct port *p)
{
	struct driver_net *net = p->impl;

	/* A back-end that is gone, or broke the ring, cannot be stopped: hang up. */
	(void)driver_net_stop(net);
	driver_net_free(net);
}

bool port_vhost_user_gone(const struct port *p)
{
	const struct driver_net *net = p->impl;
	struct pollfd poll_fd = { .fd = net->frontend.sock, .events = POLLRDHUP };

	return poll(&poll_fd, 1, 0) > 0 &&
	       poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL);
}
