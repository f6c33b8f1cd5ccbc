/* SPDX-License-Identifier: MIT */
/* The machine's fingerprint: contracts in host.h. */
#include "bench/txbench/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "virtio/base.h"

/* The first line of a file, or nothing. */
static bool read_line(const char *path, char *line, size_t cap)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(line, (int)cap, f);

	if (f)
		fclose(f);
	line[ok ? strcspn(line, "\n") : 0] = '\0';
	return ok;
}

/* What stands behind the first line that begins with key and these separators; or nothing. */
static void read_value(const char *path, const char *key, const char *separators, char *value,
		       size_t cap)
{
	FILE *f = fopen(path, "re");
	char line[512];

	value[0] = '\0';
	while (f && !value[0] && fgets(line, sizeof(line), f)) {
		char *rest = line + strlen(key);

		if (strncmp(line, key, strlen(key)))
			continue;
		rest += strspn(rest, separators);
		snprintf(value, cap, "%.*s", (int)strcspn(rest, "\n"), rest);
	}
	if (f)
		fclose(f);
}

#ifdef __x86_64__
/* A hypervisor says who it is in a leaf of its own. */
static void find_hypervisor(char *name, size_t cap)
{
	static const char *const known[][2] = {
		{ "KVMKVMKVM", "kvm" },       { "Microsoft Hv", "hyperv" },
		{ "VMwareVMware", "vmware" }, { "XenVMMXenVMM", "xen" },
		{ "TCGTCGTCGTCG", "tcg" },    { "bhyve bhyve ", "bhyve" },
	};
	char id[13] = "";
	unsigned eax, words[3];

	if (!__get_cpuid(1, &eax, &words[0], &words[1], &words[2]) || !(words[1] & 1U << 31)) {
		snprintf(name, cap, "none");
		return;
	}
	__cpuid(0x40000000, eax, words[0], words[1], words[2]);
	memcpy(id, words, sizeof(words));
	snprintf(name, cap, "%s", id);
	for (unsigned i = 0; i < array_size(known); i++) {
		if (!strcmp(id, known[i][0]))
			snprintf(name, cap, "%s", known[i][1]);
	}
}
#else
static void find_hypervisor(char *name, size_t cap)
{
	read_line("/sys/hypervisor/type", name, cap);
}
#endif

/* "none (voluntary) full": the one in brackets. Else the word of the kernel's version. */
static void find_preempt(const struct utsname *uts, char *model, size_t cap)
{
	char line[128];
	const char *from;

	if (read_line("/sys/kernel/debug/sched/preempt", line, sizeof(line)) &&
	    (from = strchr(line, '('))) {
		from++;
		snprintf(model, cap, "%.*s", (int)strcspn(from, ")"), from);
		return;
	}
	from = strstr(uts->version, "PREEMPT");
	if (from)
		snprintf(model, cap, "%.*s", (int)strcspn(from, " "), from);
}

/* The only CPU of a set, or -1. */
static int only_cpu(const cpu_set_t *set)
{
	int cpu = 0;

	if (CPU_COUNT(set) != 1)
		return -1;
	while (!CPU_ISSET((unsigned)cpu, set))
		cpu++;
	return cpu;
}

void host_take(struct host *h)
{
	struct utsname uts;
	char path[128], hz[16];
	cpu_set_t set;

	*h = (struct host){ .driver_cpu = -1 };
	uname(&uts);
	snprintf(h->kernel, sizeof(h->kernel), "%s", uts.release);
	read_value("/proc/cpuinfo", "model name", "\t :", h->cpu, sizeof(h->cpu));
	h->cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	if (!sched_getaffinity(0, sizeof(set), &set))
		h->driver_cpu = only_cpu(&set);
	find_hypervisor(h->hypervisor, sizeof(h->hypervisor));
	read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		  h->clocksource, sizeof(h->clocksource));
	find_preempt(&uts, h->preempt, sizeof(h->preempt));
	snprintf(path, sizeof(path), "/boot/config-%s", uts.release);
	read_value(path, "CONFIG_HZ=", "", hz, sizeof(hz));
	h->hz = (unsigned)atoi(hz);
}

/* Takes in the CPUs of a thread that is still there. */
static void add_cpus(pid_t tid, cpu_set_t *all)
{
	cpu_set_t set;

	if (tid > 0 && !sched_getaffinity(tid, sizeof(set), &set))
		CPU_OR(all, all, &set);
}

unsigned host_cpus_of(const struct usage_target *t, int *cpus, unsigned cap)
{
	struct dirent *e;
	unsigned n = 0;
	cpu_set_t all;
	char path[64];
	DIR *tasks;

	CPU_ZERO(&all);
	snprintf(path, sizeof(path), "/proc/%d/task", t->pid);
	tasks = t->pid > 0 && !t->tid ? opendir(path) : NULL;
	add_cpus(t->tid, &all);
	while (tasks && (e = readdir(tasks)))
		add_cpus(atoi(e->d_name), &all);
	if (tasks)
		closedir(tasks);
	for (unsigned i = 0; i < CPU_SETSIZE && n < cap; i++) {
		if (CPU_ISSET(i, &all))
			cpus[n++] = (int)i;
	}
	return n;
}

size_t host_command(pid_t pid, char *args, size_t cap)
{
	char path[64];
	ssize_t len;
	int fd;

	if (pid <= 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = read(fd, args, cap);
	close(fd);
	if (len <= 0)
		return 0;
	args[len - 1] = '\0'; /* it is, unless there was no room */
	return (size_t)len;
}

void host_interface_kind(const char *name, char *kind, size_t cap)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (char *)&info };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	kind[0] = '\0';
	if (fd < 0)
		return;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (!ioctl(fd, SIOCETHTOOL, &request))
		snprintf(kind, cap, "%s",
			 !strcmp(info.driver, "tun") ? info.bus_info : info.driver);
	close(fd);
}
