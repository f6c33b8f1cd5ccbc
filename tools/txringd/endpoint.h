/* SPDX-License-Identifier: MIT */
/*
 * Where front-ends come from: a listening socket, a path to connect to again and again, or an
 * inherited socket. It has no loop: poll endpoint_fd() (if any) for at most endpoint_timeout_ms(),
 * then endpoint_next().
 */
#ifndef TOOLS_TXRINGD_ENDPOINT_H
#define TOOLS_TXRINGD_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tools/config/nic_config.h"
#include "tools/txringd/closer.h"

/* A socket's file, told from one that another process has put in its place since. */
struct endpoint_file {
	const char *path; /* NULL: there is none of ours; borrowed */
	dev_t dev;
	ino_t ino;
};

struct endpoint {
	const char *path; /* NULL: an inherited fd */
	bool client;
	bool listening;
	bool once;                 /* fd is itself the connection: there is only one */
	struct endpoint_file file; /* made by us */
	int fd;                    /* listening socket, or the connection; -1: none (now) */
};

/*
 * A listening socket at file->path, which --option named, with the mode, owner and group of access;
 * without a mode 0660 where it has an owner or group, else by umask. There is no moment in which
 * anybody else can connect. A socket there that nobody listens on is replaced. Its fd, or negative
 * errno with a reason in err.
 */
int endpoint_bind(struct endpoint_file *file, const char *option,
		  const struct socket_access *access, char *err, size_t err_len);
/* Removes the file, unless it is another process's by now. */
void endpoint_unlink(struct endpoint_file *file);

/* All three: 0, or negative errno with a reason in err. Nothing is left behind on failure. */
int endpoint_listen(struct endpoint *e, const char *path, const struct socket_access *access,
		    char *err, size_t err_len);
int endpoint_connect(struct endpoint *e, const char *path, char *err, size_t err_len);
/*
 * fd must be one that came with exec(), not one of our own. A listening one is made non-blocking,
 * as a connection that poll() has seen may be gone: so it is for all processes that share it.
 */
int endpoint_inherit(struct endpoint *e, int fd, char *err, size_t err_len);

/*
 * Removes the socket that endpoint_listen made, and gives the fd to closer: connections that nobody
 * has taken yet end with it, and what their peers have sent already.
 */
void endpoint_close(struct endpoint *e, struct closer *closer);

/* To be polled for POLLIN while there is no connection; -1: only time helps. */
int endpoint_fd(const struct endpoint *e);
/* -1: for ever; else when to call endpoint_next() even if nothing is readable. */
int endpoint_timeout_ms(const struct endpoint *e);

/* A connection for the caller to own, or -1 when there is none yet. */
int endpoint_next(struct endpoint *e);
/* Whether none will come any more. */
bool endpoint_finished(const struct endpoint *e);

#endif
