/* SPDX-License-Identifier: MIT */
/* The front-end's half of vhost-user. Contracts in frontend.h. */
#include "virtio/driver/frontend.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "virtio/features.h"

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left = deadline_ms - now_ms();
	int n = poll(&p, 1, left > 0 ? (int)left : 0);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n ? 0 : -ETIMEDOUT;
}

/* The connection. */

int frontend_init(struct frontend *f, unsigned n_rings)
{
	unsigned i;

	memset(f, 0, sizeof(*f));
	f->sock = -1;
	f->timeout_ms = FRONTEND_TIMEOUT_MS;
	if (!n_rings || n_rings > FRONTEND_MAX_RINGS)
		return -EINVAL;
	for (i = 0; i < n_rings; i++) {
		struct frontend_ring *r = &f->rings[i];

		r->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		r->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		r->err_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		f->n_rings = i + 1;
		if (r->kick_fd < 0 || r->call_fd < 0 || r->err_fd < 0) {
			int err = -errno;

			frontend_deinit(f);
			return err;
		}
	}
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void frontend_close(struct frontend *f)
{
	close_fd(f->sock);
	f->sock = -1;
}

void frontend_deinit(struct frontend *f)
{
	frontend_close(f);
	while (f->n_rings > 0) {
		f->n_rings--;
		close_fd(f->rings[f->n_rings].kick_fd);
		close_fd(f->rings[f->n_rings].call_fd);
		close_fd(f->rings[f->n_rings].err_fd);
	}
}

void frontend_adopt(struct frontend *f, int sock)
{
	frontend_close(f);
	f->sock = sock;
}

static int unix_socket(struct sockaddr_un *addr, const char *path)
{
	int sock;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	strcpy(addr->sun_path, path);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return sock < 0 ? -errno : sock;
}

int frontend_connect(struct frontend *f, const char *path)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int64_t deadline = now_ms() + f->timeout_ms;
	struct sockaddr_un addr;
	int sock = unix_socket(&addr, path);

	if (sock < 0)
		return sock;
	while (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int err = -errno;

		if ((err != -ENOENT && err != -ECONNREFUSED && err != -EINTR) ||
		    now_ms() >= deadline) {
			close(sock);
			return err;
		}
		nanosleep(&pause, NULL);
	}
	frontend_adopt(f, sock);
	return 0;
}

int frontend_accept(struct frontend *f, const char *path)
{
	int64_t deadline = now_ms() + f->timeout_ms;
	struct sockaddr_un addr;
	int listener = unix_socket(&addr, path);
	int sock, err;

	if (listener < 0)
		return listener;
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err = -errno;
		goto close_listener;
	}
	if (listen(listener, 1) < 0) {
		err = -errno;
		goto remove_path;
	}
	err = wait_for(listener, POLLIN, deadline);
	if (err)
		goto remove_path;
	sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (sock < 0)
		err = -errno;
	else
		frontend_adopt(f, sock);
remove_path:
	unlink(path);
close_listener:
	close(listener);
	return err;
}

int frontend_wait_closed(struct frontend *f)
{
	int64_t deadline = now_ms() + f->timeout_ms;
	char waste[512];
	ssize_t n;
	int err;

	for (;;) {
		err = wait_for(f->sock, POLLIN, deadline);
		if (err)
			return err;
		n = recv(f->sock, waste, sizeof(waste), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}

/* Messages. */

static void attach_fds(struct msghdr *msg, const int *fds, unsigned n_fds)
{
	struct cmsghdr *cmsg;

	msg->msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	cmsg = CMSG_FIRSTHDR(msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
}

int frontend_send(struct frontend *f, const struct vhost_user_header *hdr, const void *payload,
		  size_t len, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FRONTEND_MAX_FDS * sizeof(int))];
	} control = { 0 };
	struct iovec iov[2] = {
		{ .iov_base = (void *)(uintptr_t)hdr, .iov_len = sizeof(*hdr) },
		{ .iov_base = (void *)(uintptr_t)payload, .iov_len = len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	int64_t deadline = now_ms() + f->timeout_ms;
	ssize_t n;
	int err;

	if (n_fds > FRONTEND_MAX_FDS)
		return -EINVAL;
	if (n_fds) {
		msg.msg_control = &control;
		attach_fds(&msg, fds, n_fds);
	}
	while (iov[0].iov_len + iov[1].iov_len) {
		n = sendmsg(f->sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				return errno == EPIPE ? -ECONNRESET : -errno;
			err = wait_for(f->sock, POLLOUT, deadline);
			if (err)
				return err;
			continue;
		}
		/* The fds went with the first byte. */
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
		for (unsigned i = 0; i < 2; i++) {
			size_t part = min_u64((uint64_t)n, iov[i].iov_len);

			if (!part)
				continue;
			iov[i].iov_base = (char *)iov[i].iov_base + part;
			iov[i].iov_len -= part;
			n -= (ssize_t)part;
		}
	}
	return 0;
}

static int receive_bytes(struct frontend *f, void *buf, size_t len, int64_t deadline)
{
	size_t done = 0;
	ssize_t n;
	int err;

	while (done < len) {
		n = recv(f->sock, (char *)buf + done, len - done, MSG_DONTWAIT);
		if (n == 0)
			return -ECONNRESET;
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		err = wait_for(f->sock, POLLIN, deadline);
		if (err)
			return err;
	}
	return 0;
}

int frontend_receive(struct frontend *f, struct vhost_user_msg *msg)
{
	int64_t deadline = now_ms() + f->timeout_ms;
	int err = receive_bytes(f, &msg->hdr, sizeof(msg->hdr), deadline);

	if (err)
		return err;
	if (msg->hdr.size > sizeof(msg->payload))
		return -EPROTO;
	return receive_bytes(f, &msg->payload, msg->hdr.size, deadline);
}

static int receive_reply(struct frontend *f, uint32_t request, struct vhost_user_msg *reply,
			 uint32_t min)
{
	int err = frontend_receive(f, reply);

	if (err)
		return err;
	if (reply->hdr.request != request || reply->hdr.size < min ||
	    (reply->hdr.flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION ||
	    !(reply->hdr.flags & VHOST_USER_FLAG_REPLY))
		return -EPROTO;
	return 0;
}

int frontend_request(struct frontend *f, uint32_t request, const void *payload, uint32_t size,
		     const int *fds, unsigned n_fds)
{
	bool ack = feature_has(f->protocol, VHOST_USER_PROTOCOL_F_REPLY_ACK);
	struct vhost_user_header hdr = {
		.request = request,
		.flags = VHOST_USER_VERSION | (ack ? VHOST_USER_FLAG_NEED_REPLY : 0),
		.size = size,
	};
	struct vhost_user_msg reply;
	int err = frontend_send(f, &hdr, payload, size, fds, n_fds);

	if (err || !ack)
		return err;
	err = receive_reply(f, request, &reply, sizeof(reply.payload.u64));
	if (err)
		return err;
	return reply.payload.u64 ? -EREMOTEIO : 0;
}

int frontend_query(struct frontend *f, uint32_t request, const void *payload, uint32_t size,
		   struct vhost_user_msg *reply, uint32_t reply_min)
{
	struct vhost_user_header hdr = { request, VHOST_USER_VERSION, size };
	int err = frontend_send(f, &hdr, payload, size, NULL, 0);

	return err ? err : receive_reply(f, request, reply, reply_min);
}

static int request_u64(struct frontend *f, uint32_t request, uint64_t value)
{
	return frontend_request(f, request, &value, sizeof(value), NULL, 0);
}

static int query_u64(struct frontend *f, uint32_t request, uint64_t *value)
{
	struct vhost_user_msg reply;
	int err = frontend_query(f, request, NULL, 0, &reply, sizeof(*value));

	if (!err)
		*value = reply.payload.u64;
	return err;
}

/* Negotiation. */

static int negotiate_protocol(struct frontend *f, uint64_t protocol)
{
	uint64_t pairs;
	int err;

	err = query_u64(f, VHOST_USER_GET_PROTOCOL_FEATURES, &f->protocol_offered);
	if (err)
		return err;
	protocol &= f->protocol_offered;
	err = request_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, protocol);
	if (err)
		return err;
	f->protocol = protocol;
	if (feature_has(protocol, VHOST_USER_PROTOCOL_F_MQ)) {
		err = query_u64(f, VHOST_USER_GET_QUEUE_NUM, &pairs);
		if (err)
			return err;
		f->max_pairs = (unsigned)min_u64(pairs, FRONTEND_MAX_RINGS / 2);
	}
	if (feature_has(protocol, VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS))
		err = query_u64(f, VHOST_USER_GET_MAX_MEM_SLOTS, &f->max_slots);
	return err;
}

int frontend_negotiate(struct frontend *f, uint64_t features, uint64_t protocol)
{
	int err;

	f->protocol = 0;
	f->protocol_offered = 0;
	f->max_pairs = 1;
	f->max_slots = VHOST_USER_MAX_TABLE;
	err = query_u64(f, VHOST_USER_GET_FEATURES, &f->offered);
	if (err)
		return err;
	f->features = features & f->offered;
	if (feature_has(f->features, VHOST_USER_F_PROTOCOL_FEATURES)) {
		err = negotiate_protocol(f, protocol);
		if (err)
			return err;
	}
	return frontend_request(f, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
}

int frontend_set_features(struct frontend *f, uint64_t features)
{
	int err = request_u64(f, VHOST_USER_SET_FEATURES, features);

	if (!err)
		f->features = features;
	return err;
}

/* Memory. */

static struct vhost_user_region wire_region(const struct arena_region *r)
{
	return (struct vhost_user_region){
		.gpa = r->gpa, .size = r->size, .uva = (uintptr_t)r->host, .mmap_offset = r->offset
	};
}

static int set_table(struct frontend *f, const struct arena *arena)
{
	struct vhost_user_mem_table table = { .n = arena->n };
	int fds[VHOST_USER_MAX_TABLE];
	unsigned i;

	if (arena->n > VHOST_USER_MAX_TABLE)
		return -E2BIG;
	for (i = 0; i < arena->n; i++) {
		table.regions[i] = wire_region(&arena->regions[i]);
		fds[i] = arena->fd;
	}
	return frontend_request(f, VHOST_USER_SET_MEM_TABLE, &table,
				(uint32_t)(offsetof(struct vhost_user_mem_table, regions) +
					   arena->n * sizeof(table.regions[0])),
				fds, arena->n);
}

int frontend_set_memory(struct frontend *f, const struct arena *arena)
{
	unsigned i;
	int err;

	if (!feature_has(f->protocol, VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS))
		return set_table(f, arena);
	if (arena->n > f->max_slots)
		return -E2BIG;
	for (i = 0; i < arena->n; i++) {
		err = frontend_add_region(f, arena, i);
		if (err)
			return err;
	}
	return 0;
}

int frontend_add_region(struct frontend *f, const struct arena *arena, unsigned region)
{
	struct vhost_user_mem_reg reg = { .region = wire_region(&arena->regions[region]) };

	return frontend_request(f, VHOST_USER_ADD_MEM_REG, &reg, sizeof(reg), &arena->fd, 1);
}

int frontend_remove_region(struct frontend *f, const struct arena *arena, unsigned region)
{
	struct vhost_user_mem_reg reg = { .region = wire_region(&arena->regions[region]) };

	return frontend_request(f, VHOST_USER_REM_MEM_REG, &reg, sizeof(reg), NULL, 0);
}

/* Rings. */

static int request_state(struct frontend *f, uint32_t request, unsigned ring, uint32_t num)
{
	struct vhost_user_vring_state state = { ring, num };

	return frontend_request(f, request, &state, sizeof(state), NULL, 0);
}

static int request_fd(struct frontend *f, uint32_t request, unsigned ring, int fd)
{
	uint64_t value = ring;

	return frontend_request(f, request, &value, sizeof(value), &fd, 1);
}

int frontend_ring_start(struct frontend *f, unsigned ring, const struct virtq_rings *areas,
			unsigned size, uint32_t base)
{
	const struct frontend_ring *r = &f->rings[ring];
	struct vhost_user_vring_addr addr = {
		.index = ring,
		.desc = (uintptr_t)areas->desc,
		.used = (uintptr_t)areas->used,
		.avail = (uintptr_t)areas->avail,
	};
	int err;

	err = request_state(f, VHOST_USER_SET_VRING_NUM, ring, size);
	if (!err)
		err = request_state(f, VHOST_USER_SET_VRING_BASE, ring, base);
	if (!err)
		err = frontend_request(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
	if (!err)
		err = request_fd(f, VHOST_USER_SET_VRING_ERR, ring, r->err_fd);
	if (!err)
		err = request_fd(f, VHOST_USER_SET_VRING_CALL, ring, r->call_fd);
	if (!err)
		err = request_fd(f, VHOST_USER_SET_VRING_KICK, ring, r->kick_fd);
	return err;
}

int frontend_ring_enable(struct frontend *f, unsigned ring, bool enabled)
{
	return request_state(f, VHOST_USER_SET_VRING_ENABLE, ring, enabled);
}

int frontend_ring_stop(struct frontend *f, unsigned ring, uint32_t *base)
{
	struct vhost_user_vring_state state = { .index = ring };
	struct vhost_user_msg reply;
	int err = frontend_query(f, VHOST_USER_GET_VRING_BASE, &state, sizeof(state), &reply,
				 sizeof(state));

	if (err)
		return err;
	if (reply.payload.state.index != ring)
		return -EPROTO;
	*base = reply.payload.state.num;
	return 0;
}

/* The device. */

int frontend_set_status(struct frontend *f, uint8_t status)
{
	return request_u64(f, VHOST_USER_SET_STATUS, status);
}

int frontend_get_status(struct frontend *f, uint8_t *status)
{
	uint64_t value = 0;
	int err = query_u64(f, VHOST_USER_GET_STATUS, &value);

	*status = (uint8_t)value;
	return err;
}

int frontend_set_mtu(struct frontend *f, uint16_t mtu)
{
	return request_u64(f, VHOST_USER_NET_SET_MTU, mtu);
}

int frontend_send_rarp(struct frontend *f, const uint8_t mac[6])
{
	uint64_t value = 0;

	memcpy(&value, mac, 6);
	return request_u64(f, VHOST_USER_SEND_RARP, value);
}

int frontend_get_config(struct frontend *f, uint32_t offset, void *data, uint32_t len)
{
	struct vhost_user_config_space space = { .offset = offset, .size = len };
	const uint32_t head = offsetof(struct vhost_user_config_space, data);
	struct vhost_user_msg reply;
	int err;

	if (len > VHOST_USER_MAX_CONFIG)
		return -EINVAL;
	err = frontend_query(f, VHOST_USER_GET_CONFIG, &space, head + len, &reply, 0);
	if (err)
		return err;
	/* An empty answer is the back-end's way to refuse. */
	if (!reply.hdr.size)
		return -EREMOTEIO;
	if (reply.hdr.size != head + len)
		return -EPROTO;
	memcpy(data, reply.payload.config.data, len);
	return 0;
}

int frontend_reset_device(struct frontend *f)
{
	return frontend_request(f, VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0);
}
