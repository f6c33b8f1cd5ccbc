/* SPDX-License-Identifier: MIT */
/* A process of QEMU's user tries a socket; see check_user.h. */
#include "tools/txringctl/check_user.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "virtio/base.h"
#include "virtio/features.h"
#include "virtio/vhost_user/proto.h"

#define QEMU_CONF  "/etc/libvirt/qemu.conf"
#define PATIENCE_S 2 /* for each message */

/* "NAME", "+UID" or "UID". */
static bool find_user(struct check_user *user, const char *name)
{
	const char *digits = name + (*name == '+');
	struct passwd *pw;

	if (*digits && !digits[strspn(digits, "0123456789")])
		pw = getpwuid((uid_t)strtoul(digits, NULL, 10));
	else
		pw = getpwnam(name);
	if (!pw)
		return false;
	snprintf(user->name, sizeof(user->name), "%s", pw->pw_name);
	user->uid = pw->pw_uid;
	user->gid = pw->pw_gid;
	return true;
}

static void find_group(struct check_user *user, const char *name)
{
	const char *digits = name + (*name == '+');
	struct group *group;

	if (*digits && !digits[strspn(digits, "0123456789")]) {
		user->gid = (gid_t)strtoul(digits, NULL, 10);
		return;
	}
	group = getgrnam(name);
	if (group)
		user->gid = group->gr_gid;
}

/* "user = "NAME"" of libvirt's configuration. */
static bool read_conf(const char *key, char value[64])
{
	FILE *file = fopen(QEMU_CONF, "re");
	char line[256], format[32];
	bool found = false;

	if (!file)
		return false;
	snprintf(format, sizeof(format), " %s = \"%%63[^\"]", key);
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, format, value) == 1;
	fclose(file);
	return found;
}

/* <seclabel type='static' model='dac'><label>USER:GROUP</label> */
static bool read_label(const struct xml_node *domain, char *name, char *group)
{
	const struct xml_node *label;
	const char *model;

	for (const struct xml_node *n = NULL; domain && (n = xml_next(domain, n));) {
		model = xml_attr(n, "model");
		if (xml_is_instruction(n) || strcmp(xml_name(n), "seclabel") != 0 || !model ||
		    strcmp(model, "dac") != 0)
			continue;
		label = xml_child(n, "", "label");
		return label && sscanf(xml_content(label), " %63[^:]:%63s", name, group) == 2;
	}
	return false;
}

void check_user_find(struct check_user *user, const struct xml_node *domain)
{
	char name[64], group[64] = "";

	*user = (struct check_user){ 0 };
	if (read_label(domain, name, group)) {
		if (find_user(user, name))
			find_group(user, group);
		return;
	}
	if (read_conf("user", name)) {
		if (find_user(user, name) && read_conf("group", group))
			find_group(user, group);
		return;
	}
	if (!find_user(user, "libvirt-qemu"))
		find_user(user, "qemu");
}

/* 0, or an errno. */
static int become(const struct check_user *user)
{
	if (geteuid() == user->uid)
		return 0;
	if (initgroups(user->name, user->gid) || setgid(user->gid) || setuid(user->uid))
		return errno;
	return 0;
}

/* The folders above the socket must let it pass. */
static bool walk(struct check_user_answer *a, const char *path, int last)
{
	const char *slash = path;

	while ((slash = strchr(slash + 1, '/'))) {
		snprintf(a->path, sizeof(a->path), "%.*s", (int)(slash - path), path);
		if (faccessat(AT_FDCWD, a->path, strchr(slash + 1, '/') ? X_OK : X_OK | last,
			      AT_EACCESS)) {
			a->error = errno;
			return false;
		}
	}
	return true;
}

/* 0 or an errno: it was asked, and the answer is in *value. */
static int ask(int fd, uint32_t request, uint64_t *value)
{
	struct vhost_user_header hdr = { .request = request, .flags = VHOST_USER_VERSION };
	struct {
		struct vhost_user_header hdr;
		uint64_t value;
	} __attribute__((packed)) reply;

	if (send(fd, &hdr, sizeof(hdr), MSG_NOSIGNAL) != sizeof(hdr))
		return errno;
	if (recv(fd, &reply, sizeof(reply), MSG_WAITALL) != sizeof(reply))
		return EPROTO;
	if (reply.hdr.request != request || reply.hdr.size != sizeof(reply.value))
		return EPROTO;
	*value = reply.value;
	return 0;
}

/* As QEMU does at its start, up to the number of queues. */
static int ask_pairs(int fd, uint64_t *pairs)
{
	uint64_t features, protocol;
	int error = ask(fd, VHOST_USER_GET_FEATURES, &features);

	*pairs = 1;
	if (error || !feature_has(features, VHOST_USER_F_PROTOCOL_FEATURES))
		return error;
	error = ask(fd, VHOST_USER_GET_PROTOCOL_FEATURES, &protocol);
	if (error || !feature_has(protocol, VHOST_USER_PROTOCOL_F_MQ))
		return error;
	return ask(fd, VHOST_USER_GET_QUEUE_NUM, pairs);
}

static void try_connect(struct check_user_answer *a, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	a->stage = CHECK_USER_CONNECT;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		a->error = errno;
		return;
	}
	a->stage = ask_pairs(fd, &a->pairs) ? CHECK_USER_QUIET : CHECK_USER_ANSWERED;
	close(fd);
}

static void try_as(const struct check_user *user, struct check_user_answer *a, const char *path,
		   int listens)
{
	a->error = become(user);
	if (a->error)
		return;
	a->stage = CHECK_USER_FOLDER;
	if (!walk(a, path, listens ? W_OK : 0))
		return;
	if (listens)
		a->stage = CHECK_USER_MAY_LISTEN;
	else
		try_connect(a, path);
}

struct check_user_answer check_user_try(const struct check_user *user, const char *path,
					int listens)
{
	struct check_user_answer a = { .stage = CHECK_USER_NOT_ASKED }, got;
	int fds[2];
	pid_t pid;

	if (pipe(fds)) {
		a.error = errno;
		return a;
	}
	pid = fork();
	if (pid < 0)
		a.error = errno;
	if (pid == 0) {
		try_as(user, &a, path, listens);
		_exit(write(fds[1], &a, sizeof(a)) != sizeof(a));
	}
	close(fds[1]);
	if (pid > 0 && read(fds[0], &got, sizeof(got)) == sizeof(got))
		a = got;
	close(fds[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return a;
}
