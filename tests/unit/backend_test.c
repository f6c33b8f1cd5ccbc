/* SPDX-License-Identifier: MIT */
/*
 * Backends without an interface: null, loop, and what a tap's constructors say to wrong arguments.
 * Taps with frames are in tests/net/tap_backend_test.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/backend/loop.h"
#include "datapath/backend/null.h"
#include "datapath/backend/tap.h"
#include "virtio/base.h"

/* One queue of a loop backend, with what it told and counted. */
struct world {
	struct backend *backend;
	struct backend_queue *q;
	struct tx_stats tx_stats;
	struct rx_stats rx_stats;
	struct spill spill;
	unsigned hdr_len;
	unsigned woken; /* enum backend_event, or-ed */
};

static void on_wake(void *ctx, unsigned events)
{
	((struct world *)ctx)->woken |= events;
}

static void start(struct world *w, unsigned hdr_len)
{
	w->hdr_len = hdr_len;
	assert_int_equal(w->backend->ops->start(w->backend, 0, hdr_len), 0);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->spill.buf = malloc(SPILL_SIZE);
	assert_non_null(w->spill.buf);
	assert_int_equal(loop_backend_new(&w->backend, 2), 0);
	start(w, NET_HDR_LEN_LEGACY);
	w->q = w->backend->queues[1];
	w->q->wake = on_wake;
	w->q->wake_ctx = w;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	backend_free(w->backend);
	free(w->spill.buf);
	free(w);
	return 0;
}

static void fill(uint8_t *buf, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		buf[i] = (uint8_t)(seed >> 16);
	}
}

/* Cuts len bytes of buf into n iovecs, the last of which takes the rest. */
static struct frame cut(uint8_t *buf, uint32_t len, struct iovec *iov, unsigned n)
{
	uint32_t part = len / n;
	unsigned i;

	for (i = 0; i < n; i++)
		iov[i] =
			(struct iovec){ buf + (size_t)i * part, i + 1 < n ? part : len - i * part };
	return (struct frame){ .iov = iov, .n_iov = (uint16_t)n, .len = len };
}

/* Cut off the header that the pieces of f begin with; what is behind it goes into iov. */
static struct frame without_header(const struct world *w, const struct frame *f, struct iovec *iov)
{
	struct frame out = { .iov = iov, .n_chains = 1, .len = f->len - w->hdr_len };
	size_t skip = w->hdr_len;

	net_hdr_get(&out.hdr, NET_HDR_LEN_LEGACY, f->iov);
	for (unsigned i = 0; i < f->n_iov; i++) {
		size_t part = min_u64(skip, f->iov[i].iov_len);

		skip -= part;
		if (part < f->iov[i].iov_len)
			iov[out.n_iov++] = (struct iovec){ (uint8_t *)f->iov[i].iov_base + part,
							   f->iov[i].iov_len - part };
	}
	return out;
}

/* Frames whose pieces begin with a header. */
static unsigned tx(struct world *w, const struct frame *whole, unsigned n)
{
	static struct iovec iov[2 * LOOP_IOVS];
	struct frame frames[LOOP_FRAMES + 1];
	unsigned used = 0, i;

	for (i = 0; i < n; used += whole[i++].n_iov)
		frames[i] = without_header(w, &whole[i], &iov[used]);
	return w->q->ops->tx(w->q, frames, n, &w->tx_stats);
}

static unsigned rx(struct world *w, struct frame *frames, unsigned n)
{
	return w->q->ops->rx(w->q, frames, n, &w->spill, &w->rx_stats);
}

/* A bench takes its ceiling from null: nothing may ever be refused, dropped or waited for. */
static void null_takes_everything(void **state)
{
	struct frame frames[64] = { { .len = 1 } };
	struct tx_stats stats = { 0 };
	struct backend *b;
	struct backend_queue *q;

	(void)state;
	assert_int_equal(null_backend_new(&b, 3), 0);
	assert_int_equal(b->n_queues, 3);
	assert_string_equal(b->describe, "null (3 queues)");
	assert_true(feature_has(b->features, VIRTIO_NET_F_HOST_USO));
	assert_int_equal(b->features & (FEATURES_GUEST_LARGE | FEATURE(VIRTIO_NET_F_GUEST_CSUM)),
			 0);
	assert_int_equal(b->ops->start(b, b->features, NET_HDR_LEN), 0);
	q = b->queues[2];
	assert_int_equal(q->ops->tx(q, frames, 64, &stats), 64);
	assert_int_equal(stats.drop_backend, 0);
	assert_null(q->ops->rx);
	assert_null(q->ops->tx_done);
	assert_true(q->room.fd == -1 && q->frames.fd == -1);
	backend_free(b);
}

/* What goes out comes back whole, in order, header included, however it was cut on either side. */
static void loop_gives_back_what_it_took(void **state)
{
	static const uint32_t lens[] = { 12, 13, 72, 1526, 4096, SPILL_SIZE };
	static const unsigned cuts[] = { 1, 2, 3, 7, 12 };
	static uint8_t out[SPILL_SIZE], in[SPILL_SIZE + 64];
	struct world *w = *state;
	struct iovec out_iov[12], in_iov[12];
	unsigned l, o, i;

	for (l = 0; l < array_size(lens); l++) {
		for (o = 0; o < array_size(cuts); o++) {
			for (i = 0; i < array_size(cuts); i++) {
				struct frame f = cut(out, lens[l], out_iov, cuts[o]);
				struct frame room =
					cut(in, lens[l] + (i ? 64 : 0), in_iov, cuts[i]);

				fill(out, lens[l], l * 100 + o * 10 + i);
				memset(in, 0, sizeof(in));
				assert_int_equal(tx(w, &f, 1), 1);
				assert_int_equal(rx(w, &room, 1), 1);
				assert_int_equal(room.len, lens[l]);
				assert_int_equal(w->spill.used, 0);
				assert_memory_equal(in, out, lens[l]);
				assert_int_equal(in[lens[l]], 0);
				assert_int_equal(w->q->ops->tx_done(w->q), 1);
			}
		}
	}
}

/*
 * A frame that goes from one piece to one piece, its header in a page that ends with it. At byte
 * differs the room holds another header; -1: the same, and then nobody may write there.
 */
static void loop_one_header(struct world *w, unsigned hdr_len, int differs)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *map =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t out[100], *in = map + page - hdr_len;
	struct iovec out_iov, in_iov;
	struct frame f = cut(out, 100, &out_iov, 1), room = cut(in, 150, &in_iov, 1);

	assert_ptr_not_equal(map, MAP_FAILED);
	fill(out, sizeof(out), 100 + hdr_len);
	memcpy(in, out, NET_HDR_LEN_LEGACY);
	/* The rx queue's to set, whatever stands there. */
	memset(in + NET_HDR_LEN_LEGACY, 0x5a, hdr_len - NET_HDR_LEN_LEGACY);
	if (differs < 0)
		assert_int_equal(mprotect(map, page, PROT_READ), 0);
	else
		in[differs] ^= 1;
	assert_int_equal(tx(w, &f, 1), 1);
	assert_int_equal(rx(w, &room, 1), 1);
	assert_int_equal(room.len, 100);
	assert_memory_equal(in, out, NET_HDR_LEN_LEGACY);
	for (unsigned i = NET_HDR_LEN_LEGACY; i < hdr_len; i++)
		assert_int_equal(in[i], 0x5a);
	assert_memory_equal(in + hdr_len, out + hdr_len, 100 - hdr_len);
	assert_int_equal(in[100], 0);
	assert_int_equal(w->q->ops->tx_done(w->q), 1);
	munmap(map, 2 * page);
}

/* A header that is there already is left alone; one that differs anywhere is not. */
static void loop_writes_only_new_headers(void **state)
{
	static const unsigned hdr_lens[] = { NET_HDR_LEN_LEGACY, NET_HDR_LEN };
	struct world *w = *state;

	for (unsigned i = 0; i < array_size(hdr_lens); i++) {
		start(w, hdr_lens[i]);
		for (int differs = -1; differs < NET_HDR_LEN_LEGACY; differs++)
			loop_one_header(w, hdr_lens[i], differs);
	}
}

/*
 * Nobody polls a backend without fds: each side must be woken when the other has something for it.
 */
static void loop_wakes_each_side(void **state)
{
	struct world *w = *state;
	uint8_t out[64] = { 1 }, in[64];
	struct iovec out_iov, in_iov;
	struct frame f = cut(out, 64, &out_iov, 1), room = cut(in, 64, &in_iov, 1);

	assert_int_equal(rx(w, &room, 1), 0);
	assert_int_equal(w->woken, 0);
	assert_int_equal(tx(w, &f, 1), 1);
	assert_int_equal(w->woken, BACKEND_FRAMES);
	assert_int_equal(w->q->ops->tx_done(w->q), 0);
	w->woken = 0;
	assert_int_equal(rx(w, &room, 1), 1);
	assert_int_equal(w->woken, (BACKEND_ROOM | BACKEND_DONE));
	assert_int_equal(w->q->ops->tx_done(w->q), 1);
	assert_int_equal(w->q->ops->tx_done(w->q), 0);
}

/* The store is bounded by frames; a refused frame is taken once one has left. */
static void loop_holds_so_many_frames(void **state)
{
	struct world *w = *state;
	static uint8_t out[LOOP_FRAMES + 1][64];
	struct iovec iov[LOOP_FRAMES + 1], in_iov;
	struct frame frames[LOOP_FRAMES + 1], room;
	uint8_t in[64];
	unsigned i;

	for (i = 0; i <= LOOP_FRAMES; i++) {
		fill(out[i], 64, i);
		frames[i] = cut(out[i], 64, &iov[i], 1);
	}
	assert_int_equal(tx(w, frames, LOOP_FRAMES + 1), LOOP_FRAMES);
	assert_int_equal(tx(w, &frames[LOOP_FRAMES], 1), 0);
	for (i = 0; i <= LOOP_FRAMES; i++) {
		room = cut(in, 64, &in_iov, 1);
		assert_int_equal(rx(w, &room, 1), 1);
		assert_memory_equal(in, out[i], 64);
		assert_int_equal(w->q->ops->tx_done(w->q), 1);
		if (!i)
			assert_int_equal(tx(w, &frames[LOOP_FRAMES], 1), 1);
	}
	room = cut(in, 64, &in_iov, 1);
	assert_int_equal(rx(w, &room, 1), 0);
}

/*
 * And by iovecs: the longest chain fits into an empty store at every position, so no queue is stuck
 * for ever.
 */
static void loop_holds_so_many_iovecs(void **state)
{
	struct world *w = *state;
	static uint8_t out[4096], in[4096];
	struct iovec iov[1024], in_iov;
	struct frame f, room;
	unsigned i;

	fill(out, sizeof(out), 1);
	for (i = 0; i < 20; i++) {
		f = cut(out, sizeof(out), iov, 1024);
		assert_int_equal(tx(w, &f, 1), 1);
		assert_int_equal(tx(w, &f, 1), 1);
		assert_int_equal(tx(w, &f, 1), 0);
		for (unsigned k = 0; k < 2; k++) {
			room = cut(in, sizeof(in), &in_iov, 1);
			memset(in, 0, sizeof(in));
			assert_int_equal(rx(w, &room, 1), 1);
			assert_memory_equal(in, out, sizeof(in));
		}
		/* Next time begins elsewhere in the store. */
		f = cut(out, 64, iov, 37);
		room = cut(in, 64, &in_iov, 1);
		assert_int_equal(tx(w, &f, 1), 1);
		assert_int_equal(rx(w, &room, 1), 1);
		assert_int_equal(w->q->ops->tx_done(w->q), 3);
	}
}

/* A frame that its room cannot hold goes on in the spill buffer, and ends the batch. */
static void loop_spills(void **state)
{
	struct world *w = *state;
	uint8_t out[2][300], in[2][300];
	struct iovec out_iov[2][5], in_iov[2][3];
	struct frame frames[2], rooms[2];
	unsigned i;

	for (i = 0; i < 2; i++) {
		fill(out[i], 300, i);
		frames[i] = cut(out[i], 300, out_iov[i], 5);
	}
	rooms[0] = cut(in[0], 101, in_iov[0], 3);
	rooms[1] = cut(in[1], 300, in_iov[1], 3);
	assert_int_equal(tx(w, frames, 2), 2);
	assert_int_equal(rx(w, rooms, 2), 1);
	assert_int_equal(rooms[0].len, 101);
	assert_int_equal(w->spill.used, 199);
	assert_memory_equal(in[0], out[0], 101);
	assert_memory_equal(w->spill.buf, &out[0][101], 199);
	assert_int_equal(rx(w, &rooms[1], 1), 1);
	assert_int_equal(w->spill.used, 0);
	assert_memory_equal(in[1], out[1], 300);
	assert_int_equal(w->rx_stats.drop_size, 0);
}

/*
 * A frame beyond room and spill buffer is lost, counted and complete: its sender must not wait for
 * ever.
 */
static void loop_drops_what_is_too_long(void **state)
{
	static uint8_t out[SPILL_SIZE + 65], in[64];
	struct world *w = *state;
	struct iovec out_iov[2], in_iov;
	struct frame frames[2] = { cut(out, sizeof(out), &out_iov[0], 1),
				   cut(out, 64, &out_iov[1], 1) };
	struct frame room = cut(in, 64, &in_iov, 1);

	fill(out, sizeof(out), 5);
	assert_int_equal(tx(w, frames, 2), 2);
	assert_int_equal(rx(w, &room, 1), 1);
	assert_memory_equal(in, out, 64);
	assert_int_equal(w->rx_stats.drop_size, 1);
	assert_int_equal(w->q->ops->tx_done(w->q), 2);
}

/* A chain may have close to 4 GiB of room: that is not less than none. */
static void loop_takes_any_room(void **state)
{
	static const uint32_t rooms[] = { UINT32_MAX, UINT32_MAX - SPILL_SIZE + 1, 1U << 31 };
	struct world *w = *state;
	uint8_t out[300], in[300];
	struct iovec out_iov[5], in_iov;

	for (unsigned i = 0; i < array_size(rooms); i++) {
		struct frame f = cut(out, 300, out_iov, 5), room = cut(in, 300, &in_iov, 1);

		fill(out, sizeof(out), i);
		room.len = rooms[i];
		assert_int_equal(tx(w, &f, 1), 1);
		assert_int_equal(rx(w, &room, 1), 1);
		assert_int_equal(room.len, 300);
		assert_memory_equal(in, out, 300);
		assert_int_equal(w->q->ops->tx_done(w->q), 1);
	}
	assert_int_equal(w->rx_stats.drop_size, 0);
}

/*
 * After cancel the guest's memory may go: nothing of it may be read, and all that was taken is
 * accounted for.
 */
static void loop_forgets_on_cancel(void **state)
{
	struct world *w = *state;
	uint8_t *out = malloc(64), in[64];
	struct iovec out_iov[3], in_iov;
	struct frame frames[3], room = cut(in, 64, &in_iov, 1);
	unsigned i;

	assert_non_null(out);
	fill(out, 64, 1);
	for (i = 0; i < 3; i++)
		frames[i] = cut(out, 64, &out_iov[i], 1);
	assert_int_equal(tx(w, frames, 3), 3);
	assert_int_equal(rx(w, &room, 1), 1);
	assert_true(w->q->ops->tx_cancel(w->q, &w->tx_stats));
	free(out);
	assert_int_equal(w->q->ops->tx_done(w->q), 3);
	assert_int_equal(w->tx_stats.drop_backend, 2);
	assert_int_equal(rx(w, &room, 1), 0);
	assert_true(w->q->ops->tx_cancel(w->q, &w->tx_stats));
	assert_int_equal(w->tx_stats.drop_backend, 2);
}

/* A guest may post the buffer that it is sending from; that is its own affair. */
static void loop_survives_overlap(void **state)
{
	struct world *w = *state;
	uint8_t buf[128];
	struct iovec out_iov, in_iov;
	struct frame f = cut(buf, 64, &out_iov, 1), room = cut(buf + 7, 64, &in_iov, 1);

	fill(buf, sizeof(buf), 3);
	assert_int_equal(tx(w, &f, 1), 1);
	assert_int_equal(rx(w, &room, 1), 1);
	assert_int_equal(room.len, 64);
}

/* Pairs are apart: a frame never comes back on another one. */
static void loop_keeps_pairs_apart(void **state)
{
	struct world *w = *state;
	uint8_t out[64] = { 0 }, in[64];
	struct iovec out_iov, in_iov;
	struct frame f = cut(out, 64, &out_iov, 1), room = cut(in, 64, &in_iov, 1);
	struct backend_queue *other = w->backend->queues[0];

	assert_int_equal(tx(w, &f, 1), 1);
	assert_int_equal(other->ops->rx(other, &room, 1, &w->spill, &w->rx_stats), 0);
	assert_int_equal(rx(w, &room, 1), 1);
	assert_int_equal(w->backend->features, FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	assert_string_equal(w->backend->describe, "loop (2 queues)");
}

/* Wrong names are told apart before anything is opened, in one line that names them. */
static void tap_refuses_names(void **state)
{
	static const char *const cases[][2] = {
		{ "", "a tap needs a name" },
		{ "sixteen-letters-", "'sixteen-letters-' is too long: at most 15 characters" },
		{ "a/b", "'a/b' cannot be" },
		{ "a:1", "'a:1' cannot be" },
		{ "a b", "'a b' cannot be" },
		{ "tap%d", "'tap%d' cannot be" },
		{ "a\nb", "'a?b' cannot be" },
		{ ".", "'.' cannot be" },
		{ "..", "'..' cannot be" },
	};
	char err[BACKEND_ERR_LEN], longest[1000];
	struct backend *b;
	unsigned i;

	(void)state;
	for (i = 0; i < array_size(cases); i++) {
		err[0] = 0;
		assert_int_equal(tap_backend_new(&b, cases[i][0], 1, err), -EINVAL);
		if (!strstr(err, cases[i][1]) || strchr(err, '\n'))
			fail_msg("'%s' gives: %s", cases[i][0], err);
	}
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	assert_int_equal(tap_backend_new(&b, longest, 1, err), -EINVAL);
	assert_non_null(strstr(err, "too long"));
	assert_int_equal(tap_backend_new(&b, "tap0", 0, err), -EINVAL);
	assert_non_null(strstr(err, "1 to 256 queues, not 0"));
	assert_int_equal(tap_backend_new(&b, "tap0", 257, err), -EINVAL);
}

/* Inherited fds that are no taps are refused, and stay the caller's. */
static void tap_refuses_fds(void **state)
{
	char err[BACKEND_ERR_LEN], want[64];
	int zero = open("/dev/zero", O_RDWR), tun = open("/dev/net/tun", O_RDWR),
	    closed = dup(zero);
	struct backend *b;

	(void)state;
	assert_true(zero >= 0 && closed >= 0);
	close(closed);
	assert_int_equal(tap_backend_from_fds(&b, &closed, 1, err), -EBADF);
	snprintf(want, sizeof(want), "fd %d is not open", closed);
	assert_string_equal(err, want);
	assert_true(tap_backend_from_fds(&b, &zero, 1, err) < 0);
	snprintf(want, sizeof(want), "fd %d is not a tap", zero);
	assert_string_equal(err, want);
	assert_int_equal(tap_backend_from_fds(&b, &zero, 0, err), -EINVAL);
	if (tun >= 0) {
		assert_true(tap_backend_from_fds(&b, &tun, 1, err) < 0);
		snprintf(want, sizeof(want), "fd %d is not a tap", tun);
		assert_string_equal(err, want);
		close(tun);
	}
	assert_int_equal(close(zero), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(null_takes_everything),
		cmocka_unit_test_setup_teardown(loop_gives_back_what_it_took, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loop_writes_only_new_headers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loop_wakes_each_side, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loop_holds_so_many_frames, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loop_holds_so_many_iovecs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loop_spills, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loop_drops_what_is_too_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loop_takes_any_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loop_forgets_on_cancel, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loop_survives_overlap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(loop_keeps_pairs_apart, set_up, tear_down),
		cmocka_unit_test(tap_refuses_names),
		cmocka_unit_test(tap_refuses_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
