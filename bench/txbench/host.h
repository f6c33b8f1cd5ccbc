/* SPDX-License-Identifier: MIT */
/* On what a run was made: the machine, and the back-end's process. Reads, and runs nothing. */
#ifndef BENCH_TXBENCH_HOST_H
#define BENCH_TXBENCH_HOST_H

#include <stddef.h>
#include <sys/types.h>

#include "bench/txbench/usage.h"

/* An empty string, 0, or -1 for driver_cpu: not known. */
struct host {
	char kernel[65]; /* as uname says */
	char cpu[128];
	unsigned cpus;       /* online */
	int driver_cpu;      /* the one that the calling thread may use */
	char hypervisor[16]; /* "none": it runs on the bare machine */
	char clocksource[32];
	char preempt[65]; /* the model in use, or what the kernel was built for */
	unsigned hz;
};

void host_take(struct host *h);

/* The CPUs that the back-end may use, lowest first; how many. 0: not known. */
unsigned host_cpus_of(const struct usage_target *t, int *cpus, unsigned cap);

/* The command line of pid, a NUL after each argument; its length. 0: not known. */
size_t host_command(pid_t pid, char *args, size_t cap);

/* What a network interface is: "tap", "veth", another driver's name, or empty: not known. */
void host_interface_kind(const char *name, char *kind, size_t cap);

#endif
