/* SPDX-License-Identifier: MIT */
/* The host's side of txringctl probe; see probe_host.h. Taps and macvtaps are in probe_tun.c. */
#include "tools/txringctl/probe_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "datapath/iothread.h"
#include "tools/txringctl/probe_tun.h"
#include "virtio/base.h"
#include "virtio/vhost_net.h"

/* UMEM of a queue pair (docs/af-xdp.md). */
#define UMEM_KIB (6 << 10)

void probe_host_no(struct probe_line *line, const char *remedy, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(line->says, sizeof(line->says), fmt, args);
	va_end(args);
	snprintf(line->remedy, sizeof(line->remedy), "%s", remedy);
	line->answer = PROBE_NO;
}

/* The device is there, and its mode keeps us out. */
static void no_access(struct probe_line *line, const char *path)
{
	char remedy[sizeof(line->remedy)];
	struct group *group;
	struct stat st;

	if (stat(path, &st)) {
		probe_host_no(line, "let this user search the folders above it", "%s: %s", path,
			      strerror(errno));
		return;
	}
	group = getgrgid(st.st_gid);
	snprintf(remedy, sizeof(remedy),
		 "be a user who may open it (chgrp, chmod, or a member of its group)");
	probe_host_no(line, remedy, "no permission to open %s: its mode is %04o, its group %s",
		      path, st.st_mode & 07777u, group ? group->gr_name : "has no name");
}

int probe_host_open(struct probe_line *line, const char *path, const char *module)
{
	char remedy[sizeof(line->remedy)];
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		line->answer = PROBE_YES;
		return fd;
	}
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		snprintf(remedy, sizeof(remedy),
			 "as root: modprobe %s; in a container, hand the device in", module);
		probe_host_no(line, remedy, "there is no %s", path);
		break;
	case EACCES:
		no_access(line, path);
		break;
	case EPERM:
		probe_host_no(line, "allow it in the devices of this container or unit",
			      "the device cgroup forbids %s", path);
		break;
	default:
		probe_host_no(line, "see the kernel's log", "%s: %s", path, strerror(errno));
	}
	return -1;
}

static bool has_capability(unsigned capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return !syscall(SYS_capget, &header, data) &&
	       (data[capability / 32].effective & CAP_TO_MASK(capability));
}

static void ask_vhost_net(struct probe_line *line)
{
	struct vhost_net net;
	char why[VHOST_NET_WHY_LEN];
	int fd = probe_host_open(line, VHOST_NET_DEVICE, "vhost_net");

	if (fd < 0)
		return;
	if (vhost_net_open(&net, &vhost_net_linux, NULL, fd, 0, why)) {
		probe_host_no(line, "see the kernel's log", "%s", why);
		close(fd);
		return;
	}
	vhost_net_close(&net);
}

/* A tap of this host's own would be seen, so it is not made. */
static void ask_new_tap(struct probe_line *line)
{
	line->answer = PROBE_YES;
	if (!has_capability(CAP_NET_ADMIN))
		probe_host_no(line,
			      "as root, beforehand: ip tuntap add NAME mode tap vnet_hdr user USER",
			      "it takes CAP_NET_ADMIN");
}

static void ask_xdp_socket(struct probe_line *line)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	line->answer = PROBE_YES;
	if (fd >= 0)
		close(fd);
	else if (errno == EPERM)
		probe_host_no(line, "give it the capability, or sockets made by txring-xdp",
			      "it takes CAP_NET_RAW");
	else if (errno == EAFNOSUPPORT)
		probe_host_no(line, "boot a kernel that has it",
			      "this kernel was built without CONFIG_XDP_SOCKETS");
	else
		probe_host_no(line, "see the kernel's log", "an AF_XDP socket: %s",
			      strerror(errno));
}

static void ask_xdp_program(struct probe_line *line)
{
	line->answer = PROBE_YES;
	if (has_capability(CAP_SYS_ADMIN) ||
	    (has_capability(CAP_NET_ADMIN) && has_capability(CAP_BPF)))
		return;
	probe_host_no(line, "give it them, or sockets made by txring-xdp",
		      "it takes CAP_NET_ADMIN and CAP_BPF");
}

/* Any interface has the generic mode; of others a driver tells when a program is attached. */
static void ask_xdp_native(struct probe_line *line)
{
	strcpy(line->says, "native mode and zero-copy are matters of an interface's driver");
	strcpy(line->remedy,
	       "txringd --backend xdp:IFNAME,mode=native,copy=zerocopy is refused where they lack");
}

/* -1: there is no such file, or no number in it. */
static long long number_of(const char *path)
{
	FILE *file = fopen(path, "re");
	long long n = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%lld", &n) != 1)
		n = -1;
	fclose(file);
	return n;
}

/* As txringd's own threads have it, with all flags that they need. */
static void ask_io_uring(struct probe_line *line)
{
	struct iothread *thread;
	int err = iothread_new(&thread, "probe");

	line->answer = PROBE_YES;
	if (!err) {
		iothread_free(thread);
		return;
	}
	switch (-err) {
	case EPERM:
		if (number_of("/proc/sys/kernel/io_uring_disabled") > 0)
			probe_host_no(line,
				      "as root: sysctl kernel.io_uring_disabled=0; or 1, and "
				      "be in the group of kernel.io_uring_group",
				      "the sysctl kernel.io_uring_disabled forbids it");
		else
			probe_host_no(line,
				      "allow io_uring_setup, io_uring_enter and "
				      "io_uring_register there",
				      "a seccomp filter of this container or unit forbids it");
		break;
	case ENOSYS:
		probe_host_no(line, "boot a kernel that has it",
			      "this kernel was built without CONFIG_IO_URING");
		break;
	case EINVAL:
		probe_host_no(line, "boot Linux 6.1 or later",
			      "this kernel's io_uring lacks DEFER_TASKRUN");
		break;
	case ENOMEM:
		probe_host_no(line, "raise it: ulimit -l, LimitMEMLOCK=",
			      "RLIMIT_MEMLOCK is too low for it");
		break;
	default:
		probe_host_no(line, "see the kernel's log", "io_uring: %s", strerror(-err));
	}
}

#define HUGEPAGES "/sys/kernel/mm/hugepages"

/* Of one size, whose folder is hugepages-2048kB or the like. */
static void add_hugepages(struct probe_line *line, const char *folder)
{
	size_t len = strlen(line->says);
	char path[PATH_MAX];
	long long n_free, all;

	snprintf(path, sizeof(path), HUGEPAGES "/%s/free_hugepages", folder);
	n_free = number_of(path);
	snprintf(path, sizeof(path), HUGEPAGES "/%s/nr_hugepages", folder);
	all = number_of(path);
	if (n_free < 0 || all < 0)
		return;
	if (n_free)
		line->answer = PROBE_YES;
	snprintf(line->says + len, sizeof(line->says) - len, "%sfree of %s: %lld of %lld",
		 len ? ", " : "", folder + strlen("hugepages-"), n_free, all);
}

static void ask_hugepages(struct probe_line *line)
{
	DIR *dir = opendir(HUGEPAGES);
	struct dirent *entry;

	line->answer = PROBE_NO;
	while (dir && (entry = readdir(dir))) {
		if (!strncmp(entry->d_name, "hugepages-", strlen("hugepages-")))
			add_hugepages(line, entry->d_name);
	}
	if (dir)
		closedir(dir);
	else
		snprintf(line->says, sizeof(line->says), HUGEPAGES ": %s", strerror(errno));
	if (line->answer == PROBE_NO)
		snprintf(line->remedy, sizeof(line->remedy),
			 "as root: sysctl vm.nr_hugepages=N; a guest's memory can be a memfd of "
			 "plain pages as well");
}

static void ask_memlock(struct probe_line *line)
{
	struct rlimit limit = { 0 };

	line->answer = PROBE_YES;
	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (has_capability(CAP_IPC_LOCK))
		strcpy(line->says, "no limit: CAP_IPC_LOCK");
	else if (limit.rlim_cur == RLIM_INFINITY)
		strcpy(line->says, "no limit");
	else if (limit.rlim_cur >> 10 >= UMEM_KIB)
		snprintf(line->says, sizeof(line->says),
			 "%llu KiB, and an AF_XDP queue pair takes %d",
			 (unsigned long long)limit.rlim_cur >> 10, UMEM_KIB);
	else
		probe_host_no(line, "raise it (ulimit -l, LimitMEMLOCK=), or give CAP_IPC_LOCK",
			      "RLIMIT_MEMLOCK is %llu KiB, and an AF_XDP queue pair takes %d",
			      (unsigned long long)limit.rlim_cur >> 10, UMEM_KIB);
}

unsigned probe_host(struct probe_line lines[PROBE_HOST_MAX])
{
	static const struct {
		const char *name;
		void (*ask)(struct probe_line *line);
	} things[] = {
		{ "vhost-net", ask_vhost_net },
		{ "io_uring", ask_io_uring },
		{ "hugepages", ask_hugepages },
		{ "memlock", ask_memlock },
		{ "new-tap", ask_new_tap },
		{ "af-xdp-socket", ask_xdp_socket },
		{ "af-xdp-program", ask_xdp_program },
		{ "af-xdp-native", ask_xdp_native },
	};
	unsigned n = 0;

	for (; n < array_size(things); n++) {
		lines[n] = (struct probe_line){ 0 };
		strcpy(lines[n].name, things[n].name);
		things[n].ask(&lines[n]);
	}
	probe_tun(lines + n);
	return n + PROBE_TUN_LINES;
}
