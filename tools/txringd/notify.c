/* SPDX-License-Identifier: MIT */
/* What txringd tells its service manager; see notify.h. */
#include "tools/txringd/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/config/values.h"
#include "virtio/base.h"

#define NS_PER_US 1000
#define NS_PER_MS 1000000

/* False: it is neither a path nor an abstract name, or too long. */
static bool set_address(struct notify *n, const char *name)
{
	size_t len = strlen(name);

	if ((*name != '/' && *name != '@') || len < 2 || len >= sizeof(n->addr.sun_path))
		return false;
	n->addr.sun_family = AF_UNIX;
	memcpy(n->addr.sun_path, name, len);
	if (*name == '@')
		n->addr.sun_path[0] = '\0';
	n->addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return true;
}

/* Whose silence is watched: this process', if none is named. */
static uint64_t read_period(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t number;

	if (pid && (!values_number(pid, strlen(pid), 1, INT32_MAX, &number) ||
		    number != (uint64_t)getpid()))
		return 0;
	if (!usec || !values_number(usec, strlen(usec), 1, UINT64_MAX / NS_PER_US, &number))
		return 0;
	return number * NS_PER_US / 2;
}

int notify_init(struct notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int err = 0;

	*n = (struct notify){ .fd = -1 };
	if (name && !set_address(n, name))
		err = -EINVAL;
	else if (name)
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (name && !err && n->fd < 0)
		err = -errno;
	if (n->fd >= 0)
		n->period_ns = read_period();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return err;
}

void notify_deinit(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
	n->period_ns = 0;
}

void notify_tell(const struct notify *n, const char *fmt, ...)
{
	char text[512];
	va_list args;
	int len;

	if (n->fd < 0)
		return;
	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len > 0 && (size_t)len < sizeof(text))
		sendto(n->fd, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL,
		       (const struct sockaddr *)&n->addr, n->addr_len);
}

void notify_reloading(const struct notify *n)
{
	notify_tell(n, "RELOADING=1\nMONOTONIC_USEC=%llu",
		    (unsigned long long)(monotonic_ns() / NS_PER_US));
}

int notify_timeout_ms(const struct notify *n, uint64_t now_ns)
{
	if (!n->period_ns)
		return -1;
	if (now_ns >= n->next_ns)
		return 0;
	return (int)((n->next_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

bool notify_due(struct notify *n, uint64_t now_ns)
{
	if (!n->period_ns || now_ns < n->next_ns)
		return false;
	n->next_ns = now_ns + n->period_ns;
	return true;
}
