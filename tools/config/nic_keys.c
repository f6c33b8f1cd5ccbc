/* SPDX-License-Identifier: MIT */
/* The keys of a card's configuration: their names, parsers and help; see nic_config.h. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/config/backends.h"
#include "tools/config/nic_config.h"
#include "tools/config/txmode.h"
#include "tools/config/values.h"
#include "virtio/base.h"
#include "virtio/features.h"
#include "virtio/vhost_net.h"

#define MIN_MTU     68 /* RFC 791 */
#define MAX_MTU     65535
#define MAX_POLL_NS 1000000000ull
#define MAX_ID      (UINT32_MAX - 1)

static const char *const policy_names[] = {
	[VHOST_DEFAULT] = "default",
	[VHOST_REQUIRE] = "require",
	[VHOST_DISABLE] = "disable",
};

const char *nic_config_policy_name(enum vhost_policy policy)
{
	return policy_names[policy];
}

__attribute__((format(printf, 2, 3))) static int invalid(char err[NIC_CONFIG_ERR_LEN],
							 const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, NIC_CONFIG_ERR_LEN, fmt, args);
	va_end(args);
	return -EINVAL;
}

static int set_string(char **string, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*string);
	*string = copy;
	return 0;
}

static int parse_number(const char *value, uint64_t min, uint64_t max, uint64_t *n,
			char err[NIC_CONFIG_ERR_LEN])
{
	if (values_number(value, strlen(value), min, max, n))
		return 0;
	return invalid(err, " must be a number from %llu to %llu", (unsigned long long)min,
		       (unsigned long long)max);
}

static int set_socket_path(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	(void)err;
	return set_string(&c->socket_path, value);
}

static int set_client(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	(void)value;
	(void)err;
	c->client = true;
	return 0;
}

#define SYSTEMD "systemd"

/* The name behind "systemd:", "" for "systemd" alone; NULL: value is neither. */
static const char *systemd_name(const char *value)
{
	const char *name = value + strlen(SYSTEMD);

	if (strncmp(value, SYSTEMD, strlen(SYSTEMD)) != 0)
		return NULL;
	if (!*name)
		return name;
	return *name == ':' && name[1] && !strchr(name + 1, ':') ? name + 1 : NULL;
}

static int set_fd(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	const char *name = systemd_name(value);
	uint64_t n = 0;

	if (!name && !values_number(value, strlen(value), 0, VALUES_MAX_FD, &n))
		return invalid(err,
			       " must be a number from 0 to %d, " SYSTEMD " or " SYSTEMD ":NAME",
			       VALUES_MAX_FD);
	if (name && set_string(&c->listen_name, name))
		return -ENOMEM;
	if (name) {
		c->fd = -1;
		return 0;
	}
	free(c->listen_name);
	c->listen_name = NULL;
	c->fd = (int)n;
	return 0;
}

static int set_socket_mode(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	size_t len = strlen(value);

	if (!len || len > 4 || strspn(value, "01234567") != len || strtoul(value, NULL, 8) > 0777)
		return invalid(err, " must be octal digits, 0 to 0777; who shall connect needs w, "
				    "as in 0660");
	c->access.mode = (mode_t)strtoul(value, NULL, 8);
	c->access.has_mode = true;
	return 0;
}

/* A name of digits alone is a number. */
static int set_socket_owner(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	const struct passwd *pw;
	uint64_t id;

	if (values_number(value, strlen(value), 0, MAX_ID, &id)) {
		c->access.owner = (uid_t)id;
		return 0;
	}
	pw = getpwnam(value);
	if (!pw)
		return invalid(err, " must be a user of this host (getent passwd), or a number");
	c->access.owner = pw->pw_uid;
	return 0;
}

static int set_socket_group(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	const struct group *gr;
	uint64_t id;

	if (values_number(value, strlen(value), 0, MAX_ID, &id)) {
		c->access.group = (gid_t)id;
		return 0;
	}
	gr = getgrnam(value);
	if (!gr)
		return invalid(err, " must be a group of this host (getent group), or a number");
	c->access.group = gr->gr_gid;
	return 0;
}

static void list_backends(char *buf, size_t len)
{
	const char *before = "";

	for (unsigned i = 0; backends_known[i].name; i++) {
		if (backends_known[i].absent)
			continue;
		strncat(buf, before, len - strlen(buf) - 1);
		strncat(buf, backends_known[i].syntax, len - strlen(buf) - 1);
		before = " | ";
	}
}

static int set_backend(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	const struct backend_kind *kind = backends_find(value);
	char valid[256] = "";

	if (kind && kind->absent)
		return invalid(err, ": this program was built without it: %s", kind->absent);
	if (kind)
		return set_string(&c->backend, value);
	list_backends(valid, sizeof(valid));
	return invalid(err, " must be one of: %s", valid);
}

/* As the kernel has names of interfaces. */
static int set_bridge(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	size_t len = strlen(value);

	if (!len || len >= sizeof(c->bridge) || strpbrk(value, "/: \t\n") || value[0] == '.')
		return invalid(err, " must be the name of a bridge, 1 to %zu characters",
			       sizeof(c->bridge) - 1);
	memset(c->bridge, 0, sizeof(c->bridge));
	memcpy(c->bridge, value, len);
	return 0;
}

static int set_coalesce(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return invalid(err, " must be one of: on | off");
	c->coalesce = !strcmp(value, "on");
	return 0;
}

static int set_link(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	if (strcmp(value, "up") != 0 && strcmp(value, "down") != 0)
		return invalid(err, " must be one of: up | down");
	c->link_down = !strcmp(value, "down");
	return 0;
}

static int set_txmode(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	struct tx_mode mode;
	char why[256];

	if (txmode_parse(&mode, value, why, sizeof(why)))
		return invalid(err, ": %s", why);
	c->mode = mode;
	return 0;
}

static int set_queues(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	uint64_t n;
	int error = parse_number(value, 1, NIC_CONFIG_MAX_PAIRS, &n, err);

	if (!error)
		c->pairs = (unsigned)n;
	return error;
}

static int set_mac(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	if (!values_mac(value, c->mac))
		return invalid(err, " must be a unicast address like 52:54:00:12:34:56");
	c->has_mac = c->mac_told = true;
	return 0;
}

static int set_mtu(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	uint64_t n;
	int error = parse_number(value, MIN_MTU, MAX_MTU, &n, err);

	if (!error)
		c->mtu = (uint16_t)n;
	return error;
}

static int parse_features(const char *value, uint64_t *features, char err[NIC_CONFIG_ERR_LEN])
{
	char why[FEATURES_NAMES_LEN];

	if (!features_parse(value, features, why))
		return invalid(err, ": %s", why);
	if (feature_has(*features, VHOST_USER_F_PROTOCOL_FEATURES))
		return invalid(err, ": PROTOCOL_FEATURES is the connection's, not the driver's");
	return 0;
}

/* What is named last counts. */
static int set_offer(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	uint64_t features;
	int error = parse_features(value, &features, err);

	if (error)
		return error;
	c->offer |= features;
	c->no_offer &= ~features;
	return 0;
}

static int set_no_offer(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	uint64_t features;
	int error = parse_features(value, &features, err);

	if (error)
		return error;
	c->no_offer |= features;
	c->offer &= ~features;
	return 0;
}

static int set_vhost(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	for (unsigned i = 0; i < array_size(policy_names); i++) {
		if (!strcmp(value, policy_names[i])) {
			c->vhost.policy = (enum vhost_policy)i;
			c->vhost.given = true;
			return 0;
		}
	}
	return invalid(err, " must be one of: default | require | disable");
}

static int set_vhost_device(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	if (!*value)
		return invalid(err, " must be a path");
	return set_string(&c->vhost.device, value);
}

static int set_vhost_fd(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	int fds[NIC_CONFIG_MAX_PAIRS];
	unsigned n = values_fds(value, fds, NIC_CONFIG_MAX_PAIRS);

	if (!n)
		return invalid(err, " must be N[,N...], open fds of vhost-net from 0 to %d",
			       VALUES_MAX_FD);
	if (n > NIC_CONFIG_MAX_PAIRS)
		return invalid(err, " has more than %d fds", NIC_CONFIG_MAX_PAIRS);
	memcpy(c->vhost.fds, fds, n * sizeof(fds[0]));
	c->vhost.n_fds = n;
	return 0;
}

static int set_vhost_poll(struct nic_config *c, const char *value, char err[NIC_CONFIG_ERR_LEN])
{
	uint64_t ns;

	if (!values_time(value, strlen(value), false, &ns) || !ns || ns > MAX_POLL_NS || ns % 1000)
		return invalid(err, " must be 1us to 1s (units us, ms, s)");
	c->vhost.poll_us = (unsigned)(ns / 1000);
	return 0;
}

const struct config_key nic_config_keys[] = {
	{ .name = "socket-path",
	  .arg = "PATH",
	  .help = "listen on PATH for front-ends (VMMs), one at a time",
	  .set = set_socket_path },
	{ .name = "client",
	  .help = "connect to PATH instead, and again whenever the front-end\ngoes away",
	  .set = set_client },
	{ .name = "fd",
	  .arg = "N",
	  .help = "an inherited socket: connected (served once) or listening;\n"
		  "systemd or systemd:NAME: one that a .socket unit opened",
	  .set = set_fd },
	{ .name = "socket-mode",
	  .arg = "OCTAL",
	  .help = "the mode of the socket at PATH: who has w may connect; default\n"
		  "0660 with an owner or group, else by umask",
	  .set = set_socket_mode },
	{ .name = "socket-owner",
	  .arg = "USER",
	  .help = "whose that socket is, a name or number",
	  .set = set_socket_owner },
	{ .name = "socket-group",
	  .arg = "GROUP",
	  .help = "the same of its group",
	  .set = set_socket_group },
	{ .name = "backend",
	  .arg = "BACKEND",
	  .help = "where frames go and come from:\n",
	  .list = list_backends,
	  .set = set_backend },
	{ .name = "bridge",
	  .arg = "BRIDGE",
	  .help = "put the tap into it, and set it up",
	  .set = set_bridge },
	{ .name = "link",
	  .arg = "STATE",
	  .help = "up (default) or down: the link at the start; later\ntxringctl link",
	  .set = set_link },
	{ .name = "txmode",
	  .arg = "MODE",
	  .help = "when a tx queue runs: NAME[,param=value...], default iothread",
	  .set = set_txmode },
	{ .name = "coalesce",
	  .arg = "STATE",
	  .help = "on (default) or off: frames of one flow that follow one another\nin a batch "
		  "leave as one, where the backend gains by it",
	  .set = set_coalesce },
	{ .name = "queues",
	  .arg = "N",
	  .help = "queue pairs, 1 to 128, default 1",
	  .set = set_queues },
	{ .name = "mac",
	  .arg = "MAC",
	  .help = "tell a front-end that asks (GET_CONFIG) that this is its address",
	  .set = set_mac },
	{ .name = "mtu",
	  .arg = "N",
	  .help = "68 to 65535: set the tap's MTU, and offer it to the driver",
	  .set = set_mtu },
	{ .name = "no-offer",
	  .arg = "NAME[,NAME...]",
	  .help = "do not offer these features (RING_PACKED, HOST_TSO4 ...), nor what needs them",
	  .set = set_no_offer },
	{ .name = "offer",
	  .arg = "NAME[,NAME...]",
	  .help = "offer them, also RING_RESET, which is not unless asked for",
	  .set = set_offer },
	{ .name = "vhost",
	  .arg = "POLICY",
	  .help = "the kernel's vhost-net in our place: default (where it can),\n"
		  "require (or fail), disable (never)",
	  .set = set_vhost },
	{ .name = "vhost-device",
	  .arg = "PATH",
	  .help = "where it is, default " VHOST_NET_DEVICE,
	  .set = set_vhost_device },
	{ .name = "vhost-fd",
	  .arg = "N[,N...]",
	  .help = "it is open already, an fd for each queue pair",
	  .set = set_vhost_fd },
	{ .name = "vhost-poll",
	  .arg = "TIME",
	  .help = "it polls so long before it sleeps, 1us to 1s",
	  .set = set_vhost_poll },
	{ 0 },
};
