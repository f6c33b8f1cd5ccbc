/* SPDX-License-Identifier: MIT */
/*
 * The words of QEMU's qtest socket that a driver needs: guest-physical memory as the CPU sees it,
 * and PCI configuration space of bus 0 (a PC's). Each costs some 20 us.
 *
 * The first failure stays in q->error; from then on nothing is sent and everything reads as 0, so
 * that a sequence is checked once, at its end.
 */
#ifndef BENCH_TXBENCH_QTEST_H
#define BENCH_TXBENCH_QTEST_H

#include <stddef.h>
#include <stdint.h>

struct qtest {
	int sock;       /* -1: closed */
	char error[96]; /* empty: none yet */
	char buf[256];  /* of an answer, what has come so far */
	size_t n;
};

/* 0 or connect's negative errno. */
int qtest_open(struct qtest *q, const char *path);
/* May run twice. */
void qtest_close(struct qtest *q);

/* bytes: 1, 2, 4 or 8. */
uint64_t qtest_read(struct qtest *q, unsigned bytes, uint64_t addr);
void qtest_write(struct qtest *q, unsigned bytes, uint64_t addr, uint64_t value);

/* A register of function 0; where is a multiple of 4. */
uint32_t qtest_pci_read(struct qtest *q, unsigned device, unsigned where);
void qtest_pci_write(struct qtest *q, unsigned device, unsigned where, uint32_t value);
uint8_t qtest_pci_byte(struct qtest *q, unsigned device, unsigned where);

#endif
