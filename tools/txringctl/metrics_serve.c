/* SPDX-License-Identifier: MIT */
/*
 * Metrics by HTTP; see metrics_serve.h. The only file that knows libmicrohttpd, which runs without
 * a thread of its own: this loop waits for it, for signals, and for clients that have had their
 * time.
 */
#include "tools/txringctl/metrics_serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/log.h"
#include "virtio/base.h"

/* For an answer of one daemon; Prometheus waits for 10 s. */
#define PATIENCE_MS 2000
/* Looked at so often whether a client's time is over. */
#define LOOK_MS   1000
#define NS_PER_MS 1000000

struct server {
	const struct metrics_controls *controls;
	struct MHD_Daemon *http;
	struct {
		int fd; /* -1: none */
		uint64_t since_ns;
	} clients[METRICS_MAX_CLIENTS];
};

/* A connection has begun, or will be closed. */
static void note_client(void *ctx, struct MHD_Connection *connection, void **socket_ctx,
			enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	bool begun = code == MHD_CONNECTION_NOTIFY_STARTED;
	struct server *s = ctx;

	(void)socket_ctx;
	for (unsigned i = 0; i < METRICS_MAX_CLIENTS; i++) {
		if (s->clients[i].fd != (begun ? -1 : info->connect_fd))
			continue;
		s->clients[i].fd = begun ? info->connect_fd : -1;
		s->clients[i].since_ns = monotonic_ns();
		return;
	}
}

/* libmicrohttpd sees the end of a connection that is shut down, and closes it. */
static void cut_slow(struct server *s)
{
	uint64_t now_ns = monotonic_ns(), life_ns = (uint64_t)METRICS_LIFE_MS * NS_PER_MS;

	for (unsigned i = 0; i < METRICS_MAX_CLIENTS; i++) {
		if (s->clients[i].fd >= 0 && now_ns > s->clients[i].since_ns + life_ns)
			shutdown(s->clients[i].fd, SHUT_RDWR);
	}
}

/* text is freed with the answer. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
			      char *text, size_t len)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result = MHD_NO;

	if (!response) {
		free(text);
		return MHD_NO;
	}
	if (MHD_add_response_header(response, "Content-Type", type) &&
	    MHD_add_response_header(response, "Connection", "close") &&
	    (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
	     MHD_add_response_header(response, "Allow", "GET, HEAD")))
		result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_line(struct MHD_Connection *connection, unsigned status,
				   const char *line)
{
	char *text;
	int len = asprintf(&text, "%s\n", line);

	return len < 0 ? MHD_NO
		       : answer(connection, status, "text/plain; charset=utf-8", text, (size_t)len);
}

/* Prometheus names what it takes, in the order of its liking, and likes OpenMetrics. */
static enum metrics_format format_for(struct MHD_Connection *connection)
{
	const char *accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept");

	return accept && strstr(accept, "application/openmetrics-text") ? METRICS_OPENMETRICS
									: METRICS_PROMETHEUS;
}

/* What the daemons take is no client's fault. */
static void collect(struct server *s, enum metrics_format format, FILE *out,
		    struct metrics_outcome *outcome)
{
	uint64_t start_ns = monotonic_ns(), took_ns;

	metrics_collect(s->controls, PATIENCE_MS, format, out, outcome);
	took_ns = monotonic_ns() - start_ns;
	for (unsigned i = 0; i < METRICS_MAX_CLIENTS; i++)
		s->clients[i].since_ns += took_ns;
}

static enum MHD_Result answer_metrics(struct server *s, struct MHD_Connection *connection)
{
	enum metrics_format format = format_for(connection);
	struct metrics_outcome outcome;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return MHD_NO;
	collect(s, format, out, &outcome);
	if (fclose(out)) {
		free(text);
		return MHD_NO;
	}
	if (outcome.n_answered)
		return answer(connection, MHD_HTTP_OK, metrics_type(format), text, len);
	free(text);
	return answer_line(connection, MHD_HTTP_SERVICE_UNAVAILABLE, outcome.err);
}

/* Called when the head of a request is there, with *request NULL, and again until it is answered */
static enum MHD_Result serve_request(void *ctx, struct MHD_Connection *connection, const char *url,
				     const char *method, const char *version, const char *data,
				     size_t *data_len, void **request)
{
	static int begun;

	(void)version;
	(void)data;
	if (!*request) {
		*request = &begun;
		return MHD_YES;
	}
	*data_len = 0; /* a body says nothing to us */
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_line(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET is all there is");
	if (!strcmp(url, "/"))
		return answer_line(connection, MHD_HTTP_OK, "txringctl metrics: see /metrics");
	if (strcmp(url, "/metrics") != 0)
		return answer_line(connection, MHD_HTTP_NOT_FOUND, "see /metrics");
	return answer_metrics(ctx, connection);
}

static void log_address(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} a = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(a);
	char host[INET6_ADDRSTRLEN];

	getsockname(fd, &a.any, &len);
	if (a.any.sa_family == AF_INET)
		log_line("metrics: http://%s:%u/metrics",
			 inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host)),
			 ntohs(a.in.sin_port));
	else if (a.any.sa_family == AF_INET6)
		log_line("metrics: http://[%s]:%u/metrics",
			 inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof(host)),
			 ntohs(a.in6.sin6_port));
	else
		log_line("metrics: serves /metrics");
}

static int open_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Until a signal: 0, or a negative errno. */
static int loop(struct server *s, int signal_fd)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->http, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd fds[] = { { .fd = signal_fd, .events = POLLIN },
				{ .fd = info->epoll_fd, .events = POLLIN } };
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	for (;;) {
		if (MHD_get_timeout(s->http, &timeout_ms) != MHD_YES || timeout_ms > LOOK_MS)
			timeout_ms = LOOK_MS;
		if (poll(fds, array_size(fds), (int)timeout_ms) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return 0;
		MHD_run(s->http);
		cut_slow(s);
	}
}

int metrics_serve(int fd, const struct metrics_controls *controls, char err[METRICS_ERR_LEN])
{
	struct server s = { .controls = controls };
	int signal_fd = open_signals(), error;

	for (unsigned i = 0; i < METRICS_MAX_CLIENTS; i++)
		s.clients[i].fd = -1;
	if (signal_fd >= 0)
		s.http = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, serve_request, &s,
					  MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
					  METRICS_MAX_CLIENTS, MHD_OPTION_CONNECTION_TIMEOUT,
					  METRICS_LIFE_MS / 1000u,
					  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384,
					  MHD_OPTION_NOTIFY_CONNECTION, note_client, &s,
					  MHD_OPTION_END);
	if (!s.http) {
		error = signal_fd < 0 ? -errno : -ENOMEM;
		snprintf(err, METRICS_ERR_LEN, "cannot serve: %s", strerror(-error));
		close(fd);
	} else {
		log_address(fd);
		error = loop(&s, signal_fd);
		if (error)
			snprintf(err, METRICS_ERR_LEN, "poll: %s", strerror(-error));
		MHD_stop_daemon(s.http);
	}
	if (signal_fd >= 0)
		close(signal_fd);
	return error;
}
