/* SPDX-License-Identifier: MIT */
/*
 * gexit N: ends QEMU from inside the guest, through the port of its isa-debug-exit device. QEMU's
 * exit status is 2 * N + 1. Returns only when there is no such device.
 */
#include <stdlib.h>
#include <sys/io.h>

#define EXIT_PORT 0xf4

int main(int argc, char **argv)
{
	int status = argc > 1 ? atoi(argv[1]) : 0;

	if (ioperm(EXIT_PORT, 4, 1))
		return 1;
	outl((unsigned int)status, EXIT_PORT);
	return 1;
}
