/* SPDX-License-Identifier: MIT */
/* The socket that metrics are served on: of this host, whatever is asked for. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/config/values.h"
#include "tools/txringctl/metrics_serve.h"

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

#define FORMS "127.0.0.1:PORT, [::1]:PORT or unix:PATH"

static bool is_loopback(const union address *a)
{
	if (a->any.sa_family == AF_INET)
		return ntohl(a->in.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

/* "ADDRESS:PORT" or "[ADDRESS]:PORT"; false: it is neither. */
static bool parse_ip(const char *spec, union address *a)
{
	const char *colon = strrchr(spec, ':');
	char host[INET6_ADDRSTRLEN];
	uint64_t port;
	size_t len;

	if (!colon || !values_number(colon + 1, strlen(colon + 1), 0, UINT16_MAX, &port))
		return false;
	len = (size_t)(colon - spec);
	if (len > 2 && spec[0] == '[' && colon[-1] == ']') {
		snprintf(host, sizeof(host), "%.*s", (int)len - 2, spec + 1);
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, host, &a->in6.sin6_addr) == 1;
	}
	snprintf(host, sizeof(host), "%.*s", (int)len, spec);
	a->in.sin_family = AF_INET;
	a->in.sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &a->in.sin_addr) == 1;
}

/* A file that an earlier one of us has left goes away; one that somebody listens on stays. */
static void remove_stale(const struct sockaddr_un *un)
{
	struct stat st;
	int fd;

	if (lstat(un->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)un, sizeof(*un)) &&
	    errno == ECONNREFUSED)
		unlink(un->sun_path);
	if (fd >= 0)
		close(fd);
}

static int open_socket(const char *spec, const union address *a, socklen_t len,
		       char err[METRICS_ERR_LEN])
{
	int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;

	if (fd >= 0 && a->any.sa_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (fd >= 0 && !bind(fd, &a->any, len) && !listen(fd, METRICS_MAX_CLIENTS))
		return fd;
	error = -errno;
	snprintf(err, METRICS_ERR_LEN, "--listen '%.128s': %s%s", spec, strerror(-error),
		 error == -EADDRINUSE ? ": another program listens there" : "");
	if (fd >= 0)
		close(fd);
	return error;
}

static int listen_unix(const char *spec, const char **path, char err[METRICS_ERR_LEN])
{
	union address a = { .un.sun_family = AF_UNIX };
	const char *name = spec + strlen("unix:");
	int fd;

	if (!*name || strlen(name) >= sizeof(a.un.sun_path)) {
		snprintf(err, METRICS_ERR_LEN,
			 "--listen '%.128s': the path must be 1 to %zu characters long", spec,
			 sizeof(a.un.sun_path) - 1);
		return -EINVAL;
	}
	strcpy(a.un.sun_path, name);
	remove_stale(&a.un);
	fd = open_socket(spec, &a, sizeof(a.un), err);
	*path = fd >= 0 ? name : NULL;
	return fd;
}

int metrics_listen(const char *spec, const char **path, char err[METRICS_ERR_LEN])
{
	union address a = { .any.sa_family = AF_UNSPEC };

	*path = NULL;
	if (!strncmp(spec, "unix:", 5))
		return listen_unix(spec, path, err);
	if (!parse_ip(spec, &a)) {
		snprintf(err, METRICS_ERR_LEN, "--listen '%.128s' must be " FORMS, spec);
		return -EINVAL;
	}
	if (!is_loopback(&a)) {
		snprintf(err, METRICS_ERR_LEN,
			 "--listen '%.128s' must be " FORMS
			 ": what it serves is for this host; for "
			 "others put a web server that asks who they are before it",
			 spec);
		return -EPERM;
	}
	return open_socket(spec, &a, a.any.sa_family == AF_INET ? sizeof(a.in) : sizeof(a.in6),
			   err);
}
