/* SPDX-License-Identifier: MIT */
/*
 * A front-end that sends what it must not: each malformed message ends the session with a reason,
 * and neither garbage nor good messages in any order break what the device was promised.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/unit/vhost_user_peer.h"

/* What each request that we carry out looks like. */
static const struct shape {
	uint32_t request;
	uint32_t size;
	unsigned fds_min, fds_max;
	bool has_ring;
} shapes[] = {
	{ VHOST_USER_GET_FEATURES, 0, 0, 0, false },
	{ VHOST_USER_SET_FEATURES, 8, 0, 0, false },
	{ VHOST_USER_SET_OWNER, 0, 0, 0, false },
	{ VHOST_USER_RESET_OWNER, 0, 0, 0, false },
	{ VHOST_USER_SET_MEM_TABLE, 8, 0, 8, false },
	{ VHOST_USER_SET_VRING_NUM, 8, 0, 0, true },
	{ VHOST_USER_SET_VRING_ADDR, 40, 0, 0, true },
	{ VHOST_USER_SET_VRING_BASE, 8, 0, 0, true },
	{ VHOST_USER_GET_VRING_BASE, 8, 0, 0, true },
	{ VHOST_USER_SET_VRING_KICK, 8, 0, 1, true },
	{ VHOST_USER_SET_VRING_CALL, 8, 0, 1, true },
	{ VHOST_USER_SET_VRING_ERR, 8, 0, 1, true },
	{ VHOST_USER_GET_PROTOCOL_FEATURES, 0, 0, 0, false },
	{ VHOST_USER_SET_PROTOCOL_FEATURES, 8, 0, 0, false },
	{ VHOST_USER_GET_QUEUE_NUM, 0, 0, 0, false },
	{ VHOST_USER_SET_VRING_ENABLE, 8, 0, 0, true },
	{ VHOST_USER_SEND_RARP, 8, 0, 0, false },
	{ VHOST_USER_NET_SET_MTU, 8, 0, 0, false },
	{ VHOST_USER_SET_BACKEND_REQ_FD, 0, 1, 1, false },
	{ VHOST_USER_GET_CONFIG, 12, 0, 0, false },
	{ VHOST_USER_SET_CONFIG, 12, 0, 0, false },
	{ VHOST_USER_GET_INFLIGHT_FD, 20, 0, 0, false },
	{ VHOST_USER_SET_INFLIGHT_FD, 20, 1, 1, false },
	{ VHOST_USER_RESET_DEVICE, 0, 0, 0, false },
	{ VHOST_USER_GET_MAX_MEM_SLOTS, 0, 0, 0, false },
	{ VHOST_USER_ADD_MEM_REG, 40, 1, 1, false },
	{ VHOST_USER_REM_MEM_REG, 40, 0, 1, false },
	{ VHOST_USER_SET_STATUS, 8, 0, 0, false },
	{ VHOST_USER_GET_STATUS, 0, 0, 0, false },
};

/* A session with all protocol features, so that nothing else than the shape is wrong. */
static void fresh(struct fixture *f)
{
	disconnect(f);
	memset(&f->dev, 0, sizeof(f->dev));
	connect_session(f, true);
	tell_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, PROTOCOL | P(CONFIG));
}

static void refuse_shape(struct fixture *f, uint32_t request, uint32_t size, unsigned n_fds,
			 const char *text)
{
	static const uint8_t zeros[512];
	int fds[9] = { f->event, f->event, f->event, f->event, f->event,
		       f->event, f->event, f->event, f->event };

	fresh(f);
	put_message(f, request, zeros, size, fds, n_fds);
	assert_violation(f, text);
	assert_events(f, "");
}

/* Too few bytes, too few and too many fds end the session before anything happens. */
static void test_shapes(void **state)
{
	struct fixture *f = *state;
	const struct shape *s;

	for (s = shapes; s < shapes + array_size(shapes); s++) {
		if (s->size > 0) {
			refuse_shape(f, s->request, s->size - 1, s->fds_min, "a payload of ");
			refuse_shape(f, s->request, 0, s->fds_min, "a payload of 0 bytes");
		}
		refuse_shape(f, s->request, s->size, s->fds_max + 1, "fds");
		if (s->fds_min > 0)
			refuse_shape(f, s->request, s->size, s->fds_min - 1, "fds, not");
	}
}

/* Send a message of zeros; what becomes of it, and the log in f->dev.log. */
static enum vhost_user_outcome outcome_of(struct fixture *f, const struct shape *s, uint32_t size)
{
	static const uint8_t zeros[VHOST_USER_MAX_PAYLOAD];
	int fds[8] = { f->event, f->event, f->event, f->event,
		       f->event, f->event, f->event, f->event };

	fresh(f);
	put_message(f, s->request, zeros, size, fds, s->fds_min);
	return vhost_user_session_dispatch(f->session);
}

/* A payload that is longer than its content means the same, and the next message is understood. */
static void test_long_payloads(void **state)
{
	static const uint32_t more[] = { 1, 100, 272, 1000, VHOST_USER_MAX_PAYLOAD };
	struct fixture *f = *state;
	enum vhost_user_outcome outcome;
	const struct shape *s;
	char bytes[512], log[sizeof(f->dev.log)];
	unsigned i;

	for (s = shapes; s < shapes + array_size(shapes); s++) {
		outcome = outcome_of(f, s, s->size);
		memcpy(log, f->dev.log, sizeof(log));
		for (i = 0; i < array_size(more); i++) {
			assert_int_equal(outcome_of(f, s,
						    more[i] < 4000 ? s->size + more[i] : more[i]),
					 outcome);
			assert_string_equal(f->dev.log, log);
			while (recv(f->sock, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
				;
			if (outcome == VHOST_USER_GO_ON)
				assert_int_equal(ask(f, VHOST_USER_GET_QUEUE_NUM), PAIRS);
		}
	}
}

/* A ring that does not exist. */
static void test_ring_index(void **state)
{
	struct fixture *f = *state;
	const struct shape *s;
	uint32_t payload[10] = { 0 };
	unsigned i;

	for (s = shapes; s < shapes + array_size(shapes); s++) {
		for (i = 0; i < 2 && s->has_ring; i++) {
			fresh(f);
			payload[0] = i ? 255 : RINGS;
			put_message(f, s->request, payload, s->size, &f->event, s->fds_max);
			assert_violation(f, i ? "ring 255: there are 4" : "ring 4: there are 4");
			assert_events(f, "");
		}
	}
}

/* Messages of protocol features that were offered but not taken. */
static void test_not_acknowledged(void **state)
{
	static const uint32_t requests[] = {
		VHOST_USER_NET_SET_MTU,       VHOST_USER_RESET_DEVICE,
		VHOST_USER_SET_STATUS,        VHOST_USER_GET_STATUS,
		VHOST_USER_ADD_MEM_REG,       VHOST_USER_REM_MEM_REG,
		VHOST_USER_GET_MAX_MEM_SLOTS, VHOST_USER_GET_CONFIG,
		VHOST_USER_SEND_RARP,         VHOST_USER_SET_BACKEND_REQ_FD,
		VHOST_USER_GET_INFLIGHT_FD,   VHOST_USER_SET_INFLIGHT_FD,
	};
	struct fixture *f = *state;
	unsigned i;

	for (i = 0; i < array_size(requests); i++) {
		reconnect(f);
		put_message(f, requests[i], NULL, 0, NULL, 0);
		assert_violation(f, "its protocol feature was not acknowledged");
	}
}

/* What we do not know cannot be skipped in silence, even where an answer is asked for. */
static void test_unknown_requests(void **state)
{
	struct fixture *f = *state;
	const struct shape *s, *end = shapes + array_size(shapes);
	uint32_t request;

	for (request = 0; request < 64; request++) {
		for (s = shapes; s < end && s->request != request; s++)
			;
		if (s < end)
			continue;
		fresh(f);
		f->need_reply = true;
		put_message(f, request, NULL, 0, NULL, 0);
		f->need_reply = false;
		assert_violation(f, "not supported and not offered");
	}
	fresh(f);
	refuse_u64(f, VHOST_USER_SET_LOG_BASE, 0, "SET_LOG_BASE: ");
	fresh(f);
	refuse_u64(f, VHOST_USER_IOTLB_MSG, 0, "IOTLB_MSG: ");
	fresh(f);
	refuse_u64(f, UINT32_MAX, 0, "request 4294967295: ");
}

/* Headers that no front-end writes. */
static void test_headers(void **state)
{
	static const struct {
		struct vhost_user_header hdr;
		const char *text;
	} bad[] = {
		{ { VHOST_USER_SET_OWNER, 0, 0 }, "version 0" },
		{ { VHOST_USER_SET_OWNER, 2, 0 }, "version 2" },
		{ { VHOST_USER_SET_OWNER, 3, 0 }, "version 3" },
		{ { VHOST_USER_GET_FEATURES, 5, 8 }, "request 1 is marked as a reply" },
		{ { VHOST_USER_SET_CONFIG, 1, 4097 }, "a payload of 4097 bytes" },
		{ { VHOST_USER_SET_CONFIG, 1, UINT32_MAX }, "a payload of 4294967295 bytes" },
	};
	struct fixture *f = *state;
	unsigned i;

	for (i = 0; i < array_size(bad); i++) {
		reconnect(f);
		put(f, &bad[i].hdr, sizeof(bad[i].hdr), &f->event, 1);
		assert_violation(f, bad[i].text);
	}
}

/* More fds than a message carries, in one piece or spread over its bytes. */
static void test_too_many_fds(void **state)
{
	struct fixture *f = *state;
	struct wire w = wire(f, VHOST_USER_SET_MEM_TABLE, (uint8_t[8]){ 0 }, 8);
	int fds[64];
	unsigned i, n;
	int before;

	for (i = 0; i < array_size(fds); i++)
		fds[i] = f->event;
	for (n = 9; n <= 64; n += 11) {
		reconnect(f);
		before = open_fds();
		put(f, &w, wire_len(&w), fds, n);
		assert_violation(f, "more than 8 fds");
		assert_int_equal(open_fds(), before);
	}
	reconnect(f);
	before = open_fds();
	put(f, &w, 5, fds, 5);
	go(f);
	put(f, (uint8_t *)&w + 5, 5, fds, 4);
	assert_violation(f, "more than 8 fds");
	assert_int_equal(open_fds(), before);
}

/* Pieces of any size make the same message; its fds come with the first. */
static void test_single_bytes(void **state)
{
	struct fixture *f = *state;
	struct vhost_user_mem_table table = { .n = 2, .regions = { REGION_A, REGION_B } };
	struct wire w = wire(f, VHOST_USER_SET_MEM_TABLE, &table, table_size(2));
	int fds[] = { f->memfd, f->memfd };
	size_t i;

	negotiate(f);
	for (i = 0; i < wire_len(&w); i++) {
		put(f, (uint8_t *)&w + i, 1, fds, i ? 0 : 2);
		go(f);
	}
	lay_ring(f, 2);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 2, f->event);
	assert_events(f, "start 2 (256 from 0); ");
}

/* Two messages in one write are two messages. */
static void test_glued(void **state)
{
	struct fixture *f = *state;
	struct wire w[2] = { wire(f, VHOST_USER_SET_OWNER, NULL, 0),
			     wire(f, VHOST_USER_GET_QUEUE_NUM, NULL, 0) };
	uint8_t bytes[2 * sizeof(struct vhost_user_header)];

	memcpy(bytes, &w[0].hdr, sizeof(w[0].hdr));
	memcpy(bytes + sizeof(w[0].hdr), &w[1].hdr, sizeof(w[1].hdr));
	put(f, bytes, sizeof(bytes), NULL, 0);
	go(f);
	assert_int_equal(get_u64(f, VHOST_USER_GET_QUEUE_NUM), PAIRS);
}

/* The fds of a message that waits behind others are its own, and each is there once. */
static void test_glued_fds(void **state)
{
	struct fixture *f = *state;
	uint64_t ring = 0;
	int before;

	negotiate(f);
	before = open_fds();
	put_message(f, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
	put_message(f, VHOST_USER_SET_VRING_CALL, &ring, sizeof(ring), &f->event, 1);
	put_message(f, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
	ring = 1;
	put_message(f, VHOST_USER_SET_VRING_CALL, &ring, sizeof(ring), &f->event, 1);
	put_message(f, VHOST_USER_SET_VRING_ERR, &ring, sizeof(ring), &f->event, 1);
	go(f);
	assert_int_equal(open_fds(), before + 3);
}

/* The front-end dies within a message, wherever that is. */
static void test_cut_short(void **state)
{
	struct fixture *f = *state;
	struct vhost_user_mem_reg reg = { .region = REGION_A };
	struct wire w = wire(f, VHOST_USER_ADD_MEM_REG, &reg, sizeof(reg));
	size_t len;

	for (len = 0; len < wire_len(&w); len++) {
		reconnect(f);
		if (len)
			put(f, &w, len, &f->memfd, 1);
		if (len % 2)
			go(f);
		hang_up(f);
		assert_int_equal(vhost_user_session_dispatch(f->session),
				 len ? VHOST_USER_VIOLATION : VHOST_USER_CLOSED);
		if (len)
			assert_log(f, "closed after ");
	}
}

/* xorshift64: the same garbage on every run. */
static uint64_t random_u64(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Dispatch to the end; a session that ends has said why. */
static enum vhost_user_outcome drain(struct fixture *f)
{
	enum vhost_user_outcome outcome;
	char bytes[4096];

	outcome = vhost_user_session_dispatch(f->session);
	while (recv(f->sock, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	if (outcome == VHOST_USER_VIOLATION)
		assert_true(f->dev.log[0]);
	f->dev.events[0] = '\0';
	return outcome;
}

/* Bytes without any sense do no more than end their session. */
static void test_garbage(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 0x747872696e67;
	uint8_t bytes[256];
	unsigned round, i, ended = 0;

	for (round = 0; round < 2000; round++) {
		size_t len = 1 + random_u64(&seed) % sizeof(bytes);

		for (i = 0; i < len; i++)
			bytes[i] = (uint8_t)(random_u64(&seed) >> 32);
		reconnect(f);
		put(f, bytes, len, &f->event, round % 2);
		ended += drain(f) == VHOST_USER_VIOLATION;
	}
	assert_in_range(ended, 1800, 2000);
}

/* A payload that could be right for request. */
static void fill(union vhost_user_payload *p, uint32_t request, uint64_t *seed)
{
	static const uint64_t features[] = { OFFERED | BIT30, OFFERED | BIT30, OFFERED, BIT30 };
	unsigned pick = random_u64(seed) % 64, ring = pick == 63 ? RINGS : pick % RINGS;

	memset(p, 0, sizeof(*p));
	switch (request) {
	case VHOST_USER_SET_FEATURES:
		p->u64 = features[pick % 4];
		break;
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		p->u64 = PROTOCOL;
		break;
	case VHOST_USER_SET_MEM_TABLE:
		p->table =
			(struct vhost_user_mem_table){ .n = 2, .regions = { REGION_A, REGION_B } };
		break;
	case VHOST_USER_ADD_MEM_REG:
	case VHOST_USER_REM_MEM_REG:
		p->reg.region = pick % 2 ? region_a : region_b;
		break;
	case VHOST_USER_SET_VRING_ADDR:
		p->addr = ring_addr(ring);
		break;
	case VHOST_USER_NET_SET_MTU:
		p->u64 = 60 + pick;
		break;
	case VHOST_USER_SET_STATUS:
		p->u64 = pick % 16;
		break;
	case VHOST_USER_SET_VRING_NUM:
		p->state = (struct vhost_user_vring_state){ ring, pick ? ENTRIES : 5 };
		break;
	default:
		p->state = (struct vhost_user_vring_state){ ring, 0 };
	}
}

static void put_random(struct fixture *f, uint64_t *seed)
{
	const struct shape *s = &shapes[random_u64(seed) % array_size(shapes)];
	unsigned n_fds = s->fds_max, slip = random_u64(seed) % 128;
	int fds[9], i, fd = s->has_ring ? f->event : f->memfd;
	uint32_t size = s->size;
	struct {
		union vhost_user_payload payload;
		uint8_t more[100];
	} p = { 0 };

	fill(&p.payload, s->request, seed);
	for (i = 0; i < 9; i++)
		fds[i] = fd;
	if (s->request == VHOST_USER_SET_MEM_TABLE) {
		size = table_size(2);
		n_fds = 2;
	}
	if (!size && slip == 1)
		slip = 2;
	if (slip == 0)
		n_fds++;
	if (slip == 1)
		size--;
	if (slip == 2)
		size += sizeof(p.more);
	f->need_reply = slip % 2;
	put_message(f, s->request, &p, size, fds, n_fds);
}

/* Good messages in any order, with a slip now and then: the device insists on its contract. */
static void test_any_order(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 0x6f72646572;
	unsigned round, i, lasted = 0, ended = 0;

	for (round = 0; round < 2000; round++) {
		enum vhost_user_outcome outcome = VHOST_USER_GO_ON;

		reconnect(f);
		if (round % 4)
			start_rings(f, round % 4);
		for (i = 0; i < 40 && outcome == VHOST_USER_GO_ON; i++) {
			put_random(f, &seed);
			outcome = drain(f);
		}
		lasted += i > 8;
		ended += outcome == VHOST_USER_VIOLATION;
	}
	assert_in_range(lasted, 200, 2000);
	assert_in_range(ended, 200, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_shapes),           TEST(test_long_payloads),    TEST(test_ring_index),
		TEST(test_not_acknowledged), TEST(test_unknown_requests), TEST(test_headers),
		TEST(test_too_many_fds),     TEST(test_single_bytes),     TEST(test_glued),
		TEST(test_glued_fds),        TEST(test_cut_short),        TEST(test_garbage),
		TEST(test_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
