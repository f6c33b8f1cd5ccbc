/* SPDX-License-Identifier: MIT */
/*
 * What a network card shall be, wherever that was written: the command line, later interface XML
 * and the control socket. It owns its strings, so that it outlives what it was read from. What a
 * card has become is asked of its device.
 *
 * The keys are data: one table, from which each reader takes names, parsers and help. An error
 * names key and value; a reader adds how it writes keys, and where the value stood.
 */
#ifndef TOOLS_CONFIG_NIC_CONFIG_H
#define TOOLS_CONFIG_NIC_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "datapath/tx/engine.h"
#include "virtio/vhost_user/session.h"

#define NIC_CONFIG_MAX_PAIRS (VHOST_USER_MAX_RINGS / 2)
/* Of a text in which a reason is returned. */
#define NIC_CONFIG_ERR_LEN 512

enum vhost_policy {
	VHOST_DEFAULT, /* the kernel, where it can */
	VHOST_REQUIRE, /* nothing but the kernel */
	VHOST_DISABLE, /* never */
};

/* default, require, disable. */
const char *nic_config_policy_name(enum vhost_policy policy);

struct vhost_config {
	enum vhost_policy policy;
	bool given;     /* the policy, whichever, was asked for */
	char *device;   /* NULL: not given */
	unsigned n_fds; /* 0: not given */
	int fds[NIC_CONFIG_MAX_PAIRS];
	unsigned poll_us; /* 0: not given */
};

/* Of the socket file that txringd makes: mode, owner and group decide which users may connect. */
struct socket_access {
	bool has_mode;
	mode_t mode; /* of its file */
	uid_t owner; /* (uid_t)-1: not given */
	gid_t group; /* (gid_t)-1: not given */
};

/* A longer name no interface has. */
#define NIC_CONFIG_IFNAME_LEN 16

struct nic_config {
	const char *mark;  /* how its reader writes a key: "--" before its name; static */
	char name[16];     /* "nic0" */
	char *socket_path; /* NULL: fd or listen_name */
	bool client;       /* connect to socket_path, do not listen on it */
	int fd;            /* -1: socket_path, or not known yet */
	char *listen_name; /* fd is systemd's socket of this name, "": any; NULL: it is not */
	struct socket_access access;
	char *backend;                      /* "tap:tap0", of a known kind; NULL: not given */
	char bridge[NIC_CONFIG_IFNAME_LEN]; /* that the tap is put into; "": none */
	bool link_down;                     /* the state at the start */
	struct tx_mode mode;
	bool coalesce;  /* neighbours of a flow leave as one */
	unsigned pairs; /* queue pairs */
	bool has_mac;
	bool mac_told; /* to a front-end that asks: none but us knows it */
	uint8_t mac[6];
	uint16_t mtu;      /* 0: not given */
	uint64_t offer;    /* features to offer besides */
	uint64_t no_offer; /* features not to offer, whatever the device can do */
	struct vhost_config vhost;
};

/* All defaults; mark is borrowed for c's life. To be given back with nic_config_deinit(). */
void nic_config_init(struct nic_config *c, const char *mark);
/* May run twice. */
void nic_config_deinit(struct nic_config *c);

struct config_key {
	const char *name; /* "socket-path" */
	const char *arg;  /* "PATH"; NULL: the key alone says it, its value is NULL */
	const char *help; /* one or more lines */
	/* For help: appends the values there are to buf, which is a string; NULL: help says it. */
	void (*list)(char *buf, size_t len);
	/*
	 * 0; or -EINVAL or -ENOMEM, with what goes behind "KEY 'value'" in err, and c as it was: "
	 * must be 1 to 128".
	 */
	int (*set)(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN]);
};

/* The last one has no name. */
extern const struct config_key nic_config_keys[];

/*
 * Set key of c. 0, or a negative errno and a line in err that names key, value and what is allowed:
 * "--queues '0' must be a number from 1 to 128".
 */
int nic_config_set(struct nic_config *c, const struct config_key *key, const char *value,
		   char err[NIC_CONFIG_ERR_LEN]);

/* Whether any key of vhost-net was given. */
bool nic_config_names_vhost(const struct nic_config *c);

/* What the keys of a card together must be. 0, or -EINVAL and the reason in err. */
int nic_config_check(const struct nic_config *c, char err[NIC_CONFIG_ERR_LEN]);
/*
 * What several cards of one process must be, each of which is right by itself: no two may have the
 * same socket, interface or fd. 0, or -EINVAL and the reason in err, with both their names.
 */
int nic_config_check_all(const struct nic_config *cards, unsigned n, char err[NIC_CONFIG_ERR_LEN]);

#endif
