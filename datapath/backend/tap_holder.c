/* SPDX-License-Identifier: MIT */
/*
 * The kernel tells of a file of /dev/net/tun which interface it is a queue of, but not where that
 * interface is: the network namespace is that of the process, which is right unless the file was
 * opened in another one. A process that is of another namespace, or does not tell, is passed over.
 */
#include "datapath/backend/tap_holder.h"

#include <ctype.h>
#include <dirent.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a link, without its VFs. */
#define ANSWER_LEN 16384

/* The attribute of this type among len bytes of them; NULL: there is none. */
static const struct rtattr *attr_of(const struct rtattr *a, int len, unsigned short type)
{
	while (RTA_OK(a, len) && (a->rta_type & NLA_TYPE_MASK) != type)
		a = RTA_NEXT(a, len);
	return RTA_OK(a, len) ? a : NULL;
}

static const struct rtattr *nested_of(const struct rtattr *a, unsigned short type)
{
	return a ? attr_of(RTA_DATA(a), (int)RTA_PAYLOAD(a), type) : NULL;
}

static unsigned number_of(const struct rtattr *info, unsigned short type)
{
	const struct rtattr *a = nested_of(info, type);
	uint32_t n = 0;

	if (a && RTA_PAYLOAD(a) == sizeof(n))
		memcpy(&n, RTA_DATA(a), sizeof(n));
	return n;
}

/* What the kernel says of a link, of len bytes; 0: nothing. */
static int ask_kernel(unsigned index, char answer[ANSWER_LEN])
{
	struct {
		struct nlmsghdr nlh;
		struct ifinfomsg info;
	} ask = { { .nlmsg_len = sizeof(ask),
		    .nlmsg_type = RTM_GETLINK,
		    .nlmsg_flags = NLM_F_REQUEST },
		  { .ifi_family = AF_UNSPEC, .ifi_index = (int)index } };
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t len = 0;

	if (fd < 0)
		return 0;
	if (send(fd, &ask, sizeof(ask), 0) == (ssize_t)sizeof(ask))
		len = recv(fd, answer, ANSWER_LEN, 0);
	close(fd);
	if (len < (ssize_t)sizeof(ask) || !NLMSG_OK(nlh, (size_t)len) ||
	    nlh->nlmsg_type != RTM_NEWLINK)
		return 0;
	return (int)nlh->nlmsg_len;
}

unsigned tap_holder_queues(const char *tap)
{
	char answer[ANSWER_LEN] __attribute__((aligned(NLMSG_ALIGNTO)));
	unsigned index = if_nametoindex(tap);
	int len = index ? ask_kernel(index, answer) : 0;
	const struct ifinfomsg *info = NLMSG_DATA((struct nlmsghdr *)answer);
	const struct rtattr *link, *kind, *data;

	if (!len)
		return 0;
	link = attr_of(IFLA_RTA(info), len - (int)NLMSG_LENGTH(sizeof(*info)), IFLA_LINKINFO);
	kind = nested_of(link, IFLA_INFO_KIND);
	data = nested_of(link, IFLA_INFO_DATA);
	if (!kind || strncmp(RTA_DATA(kind), "tun", RTA_PAYLOAD(kind)) != 0)
		return 0;
	return number_of(data, IFLA_TUN_NUM_QUEUES) + number_of(data, IFLA_TUN_NUM_DISABLED_QUEUES);
}

static bool is_number(const char *name)
{
	return isdigit((unsigned char)name[0]);
}

/* Whether the file, as its fdinfo describes it, is a queue of the tap. */
static bool is_queue(const char *fdinfo, const char *tap)
{
	FILE *f = fopen(fdinfo, "re");
	char line[128];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		found = !strncmp(line, "iff:\t", 5) && !strcmp(line + 5, tap);
	}
	if (f)
		fclose(f);
	return found;
}

static bool has_queue(const char *process, const char *tap)
{
	char path[600];
	struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo", process);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", process, e->d_name);
		found = is_number(e->d_name) && is_queue(path, tap);
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool is_of(const char *process, const struct stat *ours)
{
	struct stat theirs;
	char path[300];

	snprintf(path, sizeof(path), "/proc/%s/ns/net", process);
	return stat(path, &theirs) == 0 && theirs.st_dev == ours->st_dev &&
	       theirs.st_ino == ours->st_ino;
}

static void read_name(struct tap_holder *holder)
{
	char path[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)holder->pid);
	f = fopen(path, "re");
	if (!f || !fgets(holder->name, sizeof(holder->name), f))
		holder->name[0] = '\0';
	holder->name[strcspn(holder->name, "\n")] = '\0';
	if (f)
		fclose(f);
}

bool tap_holder_find(struct tap_holder *holder, const char *tap)
{
	struct stat ours;
	struct dirent *e;
	DIR *dir;

	*holder = (struct tap_holder){ 0 };
	if (stat("/proc/self/ns/net", &ours))
		return false;
	dir = opendir("/proc");
	while (dir && !holder->pid && (e = readdir(dir))) {
		if (is_number(e->d_name) && is_of(e->d_name, &ours) && has_queue(e->d_name, tap))
			holder->pid = atoi(e->d_name);
	}
	if (dir)
		closedir(dir);
	if (holder->pid)
		read_name(holder);
	return holder->pid;
}
