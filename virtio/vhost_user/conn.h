/* SPDX-License-Identifier: MIT */
/*
 * The back-end's end of a vhost-user socket: whole requests with their fds in, replies out. It
 * never blocks and knows nothing of what requests mean.
 *
 * The specification sends fds with the first byte of a header; here any byte may bring them.
 */
#ifndef VIRTIO_VHOST_USER_CONN_H
#define VIRTIO_VHOST_USER_CONN_H

#include <stddef.h>
#include <stdint.h>

#include "virtio/foreign.h"
#include "virtio/vhost_user/proto.h"

struct vhost_user_conn {
	int fd;
	const struct foreign *foreign; /* borrowed */
	size_t len;                    /* bytes of the message that have arrived, as on the wire */
	/* What of the payload has no room here is thrown away: hdr.size may say more. */
	struct vhost_user_msg msg;
	unsigned n_fds;
	int fds[VHOST_USER_MAX_FDS]; /* -1: taken */
	char reason[128];            /* of a violation */
};

enum vhost_user_conn_outcome {
	VHOST_USER_CONN_MESSAGE, /* msg is whole: use it, take its fds, then call done */
	VHOST_USER_CONN_AGAIN,   /* nothing more for now */
	VHOST_USER_CONN_CLOSED,
	VHOST_USER_CONN_VIOLATION, /* see reason */
};

/*
 * Owns fd, a connected unix stream socket. Everything is closed by way of foreign: the socket too,
 * since fds that wait in it unread are closed with it.
 */
void vhost_user_conn_init(struct vhost_user_conn *conn, int fd, const struct foreign *foreign);
/* Closes the socket and the fds that nobody took; may run twice. */
void vhost_user_conn_deinit(struct vhost_user_conn *conn);

/* Receive until a message is whole or the socket is empty. After a violation no fd is held. */
enum vhost_user_conn_outcome vhost_user_conn_recv(struct vhost_user_conn *conn);
/* Own fds[i] of the present message, i < n_fds, from here on. */
int vhost_user_conn_take_fd(struct vhost_user_conn *conn, unsigned i);
/* The present message has been dealt with: close what was not taken, begin the next one. */
void vhost_user_conn_done(struct vhost_user_conn *conn);

/*
 * Send msg whole, with fd if that is not -1. 0, or negative errno; -EAGAIN: the peer does not read
 * its replies, and the stream cannot be used any more.
 */
int vhost_user_conn_send(struct vhost_user_conn *conn, struct vhost_user_msg *msg, int fd);

#endif
