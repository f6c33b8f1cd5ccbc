/* SPDX-License-Identifier: MIT */
/*
 * What txringd tells the service manager that has started it: sd_notify(3) without its library. Of
 * the environment: NOTIFY_SOCKET, a path or "@" and an abstract name; WATCHDOG_USEC, the time after
 * which it takes silence for a fault; WATCHDOG_PID, whose silence. Without NOTIFY_SOCKET nothing is
 * told. Control thread only; no call waits.
 */
#ifndef TOOLS_TXRINGD_NOTIFY_H
#define TOOLS_TXRINGD_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	int fd; /* -1: nobody wants to know */
	struct sockaddr_un addr;
	socklen_t addr_len;
	uint64_t period_ns; /* of signs of life, half of what the manager waits; 0: it does not */
	uint64_t next_ns;   /* CLOCK_MONOTONIC: when the next one is due */
};

/*
 * Reads the environment, and takes it away: it is not for a program that this one might start. 0,
 * or a negative errno: NOTIFY_SOCKET cannot be used, and n tells nothing.
 */
int notify_init(struct notify *n);
/* May run twice. */
void notify_deinit(struct notify *n);

/* Lines of NAME=VALUE: "READY=1", "STATUS=...", "STOPPING=1". What cannot be sent is lost. */
void notify_tell(const struct notify *n, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* RELOADING=1 with the time, as Type=notify-reload wants it; "READY=1" must follow. */
void notify_reloading(const struct notify *n);

/* Until the next sign of life is due, in ms; -1: none ever is. */
int notify_timeout_ms(const struct notify *n, uint64_t now_ns);
/* It is due; then the next one is due a period later. */
bool notify_due(struct notify *n, uint64_t now_ns);

#endif
