/* SPDX-License-Identifier: MIT */
/* QEMU's qtest protocol: a line asks, a line answers. Contracts in qtest.h. */
#include "bench/txbench/qtest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_S 15 /* of a QEMU that is emulated, on a machine that is busy */

/* Configuration mechanism 1. */
#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc
#define PCI_ENABLE  0x80000000U

int qtest_open(struct qtest *q, const char *path)
{
	const struct timeval limit = { .tv_sec = ANSWER_S };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int err;

	*q = (struct qtest){ .sock = -1 };
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	q->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (q->sock >= 0 && !connect(q->sock, (struct sockaddr *)&addr, sizeof(addr)) &&
	    !setsockopt(q->sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		return 0;
	err = -errno;
	qtest_close(q);
	return err;
}

void qtest_close(struct qtest *q)
{
	if (q->sock >= 0)
		close(q->sock);
	q->sock = -1;
}

/* The next line, without its end, to be dropped by drop_line(); NULL: q->error says why not. */
static char *next_line(struct qtest *q)
{
	char *end;
	ssize_t got;

	while (!(end = memchr(q->buf, '\n', q->n))) {
		got = q->n < sizeof(q->buf) ? recv(q->sock, q->buf + q->n, sizeof(q->buf) - q->n, 0)
					    : 0;
		if (got <= 0) {
			snprintf(q->error, sizeof(q->error), "%s",
				 got == 0          ? "QEMU hung up"
				 : errno == EAGAIN ? "QEMU does not answer"
						   : strerror(errno));
			return NULL;
		}
		q->n += (size_t)got;
	}
	*end = '\0';
	return q->buf;
}

static void drop_line(struct qtest *q)
{
	size_t len = strlen(q->buf) + 1;

	q->n -= len;
	memmove(q->buf, q->buf + len, q->n);
}

/* Ask, and read the number in the answer, if there is one. */
static uint64_t ask(struct qtest *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static uint64_t ask(struct qtest *q, const char *fmt, ...)
{
	uint64_t value = 0;
	char question[64], *answer;
	va_list args;
	int len;

	if (*q->error)
		return 0;
	va_start(args, fmt);
	len = vsnprintf(question, sizeof(question), fmt, args);
	va_end(args);
	if (send(q->sock, question, (size_t)len, MSG_NOSIGNAL) != len) {
		snprintf(q->error, sizeof(q->error), "%s", strerror(errno));
		return 0;
	}
	answer = next_line(q);
	if (!answer)
		return 0;
	if (!strncmp(answer, "OK ", 3))
		value = strtoull(answer + 3, NULL, 0);
	else if (strcmp(answer, "OK"))
		snprintf(q->error, sizeof(q->error), "'%.*s' was answered by '%.40s'", len - 1,
			 question, answer);
	drop_line(q);
	return value;
}

static char width(unsigned bytes)
{
	return bytes == 1 ? 'b' : bytes == 2 ? 'w' : bytes == 4 ? 'l' : 'q';
}

uint64_t qtest_read(struct qtest *q, unsigned bytes, uint64_t addr)
{
	return ask(q, "read%c 0x%" PRIx64 "\n", width(bytes), addr);
}

void qtest_write(struct qtest *q, unsigned bytes, uint64_t addr, uint64_t value)
{
	ask(q, "write%c 0x%" PRIx64 " 0x%" PRIx64 "\n", width(bytes), addr, value);
}

static void select_register(struct qtest *q, unsigned device, unsigned where)
{
	ask(q, "outl 0x%x 0x%x\n", PCI_ADDRESS, PCI_ENABLE | device << 11 | where);
}

uint32_t qtest_pci_read(struct qtest *q, unsigned device, unsigned where)
{
	select_register(q, device, where);
	return (uint32_t)ask(q, "inl 0x%x\n", PCI_DATA);
}

void qtest_pci_write(struct qtest *q, unsigned device, unsigned where, uint32_t value)
{
	select_register(q, device, where);
	ask(q, "outl 0x%x 0x%x\n", PCI_DATA, value);
}

uint8_t qtest_pci_byte(struct qtest *q, unsigned device, unsigned where)
{
	return (uint8_t)(qtest_pci_read(q, device, where & ~3U) >> where % 4 * 8);
}
