/* SPDX-License-Identifier: MIT */
/* As which user libvirt runs QEMU, and what such a process can do with a socket. */
#ifndef TOOLS_TXRINGCTL_CHECK_USER_H
#define TOOLS_TXRINGCTL_CHECK_USER_H

#include <stdint.h>
#include <sys/types.h>

#include "tools/config/xml.h"

struct check_user {
	char name[64]; /* "libvirt-qemu"; "": there is none that we know of */
	uid_t uid;
	gid_t gid;
};

/*
 * The user that the domain's <seclabel model='dac'> names, or /etc/libvirt/qemu.conf, or the one
 * that libvirt was built with. domain may be NULL.
 */
void check_user_find(struct check_user *user, const struct xml_node *domain);

/* How far it came. */
enum check_user_stage {
	CHECK_USER_NOT_ASKED, /* we may not become that user; error */
	CHECK_USER_FOLDER,    /* path is a folder that it cannot use; error */
	CHECK_USER_CONNECT,   /* it cannot connect; error */
	CHECK_USER_QUIET,     /* connected, and there came no answer */
	CHECK_USER_ANSWERED,  /* and pairs are there */
	CHECK_USER_MAY_LISTEN,
};

struct check_user_answer {
	enum check_user_stage stage;
	int error; /* an errno */
	char path[108];
	uint64_t pairs;
};

/*
 * Try it, in a process that becomes that user: connect to the socket at path and ask for its queue
 * pairs, or, where QEMU is to listen, look whether it could make it there. Takes seconds at most.
 */
struct check_user_answer check_user_try(const struct check_user *user, const char *path,
					int listens);

#endif
