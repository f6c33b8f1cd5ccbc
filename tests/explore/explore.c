/* SPDX-License-Identifier: MIT */
/* The explorer of explore.h: a depth-first search over states. */
#include "tests/explore/explore.h"

#include <assert.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/explore/step.h"

#define BUFFER_MAX  32   /* stores that wait */
#define RESULTS_MAX 128  /* steps of one iteration */
#define STATE_MAX   2048 /* bytes of a program's private state */
#define DEPTH_MAX   2000
#define ITERATIONS  1000 /* without any step that shows */
#define TABLE_LOG2  16

enum kind { LOAD, STORE, FENCE, SIGNAL, SLEEP, SLEEP_OR_TIMER, POLL, CHOICE, DONE };

struct op {
	enum kind kind;
	unsigned at; /* in mem; of SIGNAL to POLL: the fd; of CHOICE: how many */
	unsigned len;
	uint64_t value;
	const char *func;
};

struct store {
	uint16_t at;
	uint16_t len;
	uint64_t value;
};

struct side {
	struct store buffer[BUFFER_MAX];
	unsigned n_buffer;
	uint64_t results[RESULTS_MAX]; /* of the steps of this iteration so far */
	unsigned n_results;
	struct op next; /* the step that it stands before */
	bool recheck;   /* the next load is the one that is broken */
	uint8_t seen[EXPLORE_MEM_MAX];
	uint8_t state[STATE_MAX];
};

/* All that two executions must have in common to go on alike. */
struct state {
	uint8_t mem[EXPLORE_MEM_MAX];
	bool signals[EXPLORE_FDS];
	struct side sides[EXPLORE_SIDES];
};

struct entry {
	uint64_t key[2]; /* 0, 0: free */
	double orders;
};

static struct {
	const struct explore *e;
	struct explore_result *result;
	struct state *now;
	enum explore_side side;
	unsigned at; /* results of this iteration that were used */
	bool running;
	jmp_buf back;
	struct entry *table;
	size_t table_len;
	unsigned depth;
	struct {
		enum explore_side side;
		const char *what;
		struct op op;
		uint64_t result;
	} trace[DEPTH_MAX];
} x;

static const char *const side_names[] = { "device", "driver" };
static const char *const kind_names[] = { "load",           "store", "fence",  "signal", "sleep",
					  "sleep or timer", "poll",  "choice", "done" };

/* Memory as one side sees it */

static uint64_t bytes_get(const uint8_t *p, unsigned len)
{
	uint64_t value = 0;

	memcpy(&value, p, len);
	return value;
}

static uint64_t view(const struct state *s, const struct side *side, unsigned at, unsigned len)
{
	uint8_t bytes[sizeof(uint64_t)];
	unsigned i, k;

	memcpy(bytes, s->mem + at, len);
	for (i = 0; i < side->n_buffer; i++) {
		const struct store *w = &side->buffer[i];

		for (k = 0; k < w->len; k++) {
			if (w->at + k >= at && w->at + k < at + len)
				bytes[w->at + k - at] = (uint8_t)(w->value >> (8 * k));
		}
	}
	return bytes_get(bytes, len);
}

static void flush_one(struct state *s, struct side *side)
{
	struct store *w = &side->buffer[0];

	memcpy(s->mem + w->at, &w->value, w->len);
	side->n_buffer--;
	memmove(w, w + 1, side->n_buffer * sizeof(*w));
}

/* The steps of a program */

static struct side *side_now(void)
{
	return &x.now->sides[x.side];
}

static bool is_broken(const char *func)
{
	return x.e->brk.func && strstr(func, x.e->brk.func);
}

static uint64_t load_result(struct side *side, const struct op *op)
{
	uint64_t value = view(x.now, side, op->at, op->len);

	if (x.e->brk.recheck)
		memcpy(side->seen + op->at, &value, op->len);
	return value;
}

/* Steps that need not be seen: done at once. */
static bool do_quietly(struct side *side, const struct op *op, uint64_t *result)
{
	*result = 0;
	switch (op->kind) {
	case STORE:
		assert(side->n_buffer < BUFFER_MAX);
		side->buffer[side->n_buffer++] =
			(struct store){ (uint16_t)op->at, (uint16_t)op->len, op->value };
		return true;
	case FENCE:
		side->recheck = x.e->brk.recheck && is_broken(op->func);
		if (!x.e->brk.recheck && is_broken(op->func))
			return true;
		return !side->n_buffer;
	case LOAD:
		if (!side->recheck)
			return false;
		side->recheck = false;
		*result = bytes_get(side->seen + op->at, op->len);
		return true;
	default:
		return false;
	}
}

/* The result of this step, if it was done; else the side stands before it from now on. */
static uint64_t step(struct op op)
{
	struct side *side = side_now();
	uint64_t result;

	if (x.at < side->n_results)
		return side->results[x.at++];
	assert(side->n_results < RESULTS_MAX);
	if (do_quietly(side, &op, &result)) {
		side->results[side->n_results++] = result;
		x.at++;
		return result;
	}
	side->next = op;
	longjmp(x.back, 1);
}

static bool is_shared(const void *p)
{
	return x.running && (uintptr_t)p - (uintptr_t)x.e->mem < x.e->len;
}

static unsigned place(const void *p)
{
	return (unsigned)((const uint8_t *)p - x.e->mem);
}

uint64_t explore_load(const void *p, size_t len, const char *func)
{
	if (!is_shared(p))
		return bytes_get(p, (unsigned)len);
	return step((struct op){ LOAD, place(p), (unsigned)len, 0, func });
}

void explore_store(void *p, size_t len, uint64_t value, const char *func)
{
	if (is_shared(p))
		step((struct op){ STORE, place(p), (unsigned)len, value, func });
	else
		memcpy(p, &value, len);
}

void explore_fence(const char *func)
{
	if (x.running)
		step((struct op){ FENCE, 0, 0, 0, func });
}

int explore_signal(int fd, const char *func)
{
	if (x.running)
		step((struct op){ SIGNAL, (unsigned)fd, 0, 0, func });
	return 0;
}

unsigned explore_choose(unsigned n)
{
	return (unsigned)step((struct op){ CHOICE, n, 0, 0, "" });
}

void explore_sleep(enum explore_fd fd)
{
	step((struct op){ SLEEP, fd, 0, 0, "" });
}

bool explore_sleep_or_timer(enum explore_fd fd)
{
	return step((struct op){ SLEEP_OR_TIMER, fd, 0, 0, "" });
}

bool explore_poll(enum explore_fd fd)
{
	return step((struct op){ POLL, fd, 0, 0, "" });
}

void explore_done(void)
{
	step((struct op){ DONE, 0, 0, 0, "" });
	abort();
}

void explore_fail(const char *what)
{
	x.result->failure = what;
	longjmp(x.back, 1);
}

/* Run side on, up to its next step that shows. */
static void advance(struct state *s, enum explore_side which)
{
	const struct explore_program *p = &x.e->programs[which];
	struct side *side = &s->sides[which];
	volatile unsigned i;

	x.now = s;
	x.side = which;
	for (i = 0; i < ITERATIONS; i++) {
		x.at = 0;
		memcpy(p->state, side->state, p->len);
		if (setjmp(x.back))
			return;
		p->iterate();
		memcpy(side->state, p->state, p->len);
		side->n_results = 0;
	}
	x.result->failure = "a side runs for ever without looking at shared memory";
}

/* States that were seen */

static void mix(uint64_t key[2], const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t word;
	size_t part;

	for (; len; len -= part, p += part) {
		part = len < sizeof(word) ? len : sizeof(word);
		word = bytes_get(p, (unsigned)part);
		key[0] = (key[0] ^ word) * 0x9e3779b97f4a7c15;
		key[0] ^= key[0] >> 32;
		key[1] = (key[1] + word) * 0xc2b2ae3d27d4eb4f;
		key[1] ^= key[1] >> 29;
	}
}

static void state_key(const struct state *s, uint64_t key[2])
{
	unsigned i;

	key[0] = key[1] = 1;
	mix(key, s->mem, x.e->len);
	mix(key, s->signals, sizeof(s->signals));
	for (i = 0; i < EXPLORE_SIDES; i++) {
		const struct side *side = &s->sides[i];
		unsigned head[] = { side->n_buffer, side->n_results, side->next.kind,
				    side->recheck };

		mix(key, head, sizeof(head));
		for (unsigned k = 0; k < side->n_buffer; k++) {
			const struct store *w = &side->buffer[k];
			uint64_t words[] = { w->at, w->len, w->value };

			mix(key, words, sizeof(words));
		}
		mix(key, side->results, side->n_results * sizeof(side->results[0]));
		mix(key, side->state, x.e->programs[i].len);
		if (x.e->brk.recheck)
			mix(key, side->seen, x.e->len);
	}
}

static struct entry *table_find(const uint64_t key[2])
{
	size_t i = key[0] & (x.table_len - 1);

	while (x.table[i].key[0] | x.table[i].key[1]) {
		if (x.table[i].key[0] == key[0] && x.table[i].key[1] == key[1])
			break;
		i = (i + 1) & (x.table_len - 1);
	}
	return &x.table[i];
}

static void table_grow(void)
{
	struct entry *old = x.table;
	size_t n = x.table_len, i;

	x.table_len = n ? 2 * n : (size_t)1 << TABLE_LOG2;
	x.table = calloc(x.table_len, sizeof(*x.table));
	if (!x.table)
		abort();
	for (i = 0; i < n; i++) {
		if (old[i].key[0] | old[i].key[1])
			*table_find(old[i].key) = old[i];
	}
	free(old);
}

static void table_add(const uint64_t key[2], double orders)
{
	if (x.result->states * 2 >= x.table_len)
		table_grow();
	*table_find(key) = (struct entry){ { key[0], key[1] }, orders };
	x.result->states++;
}

/* The search */

static void print_trace(void)
{
	for (unsigned i = 0; i < x.depth; i++) {
		printf("  %3u %s: %s", i, side_names[x.trace[i].side], x.trace[i].what);
		if (x.trace[i].op.kind == LOAD || x.trace[i].op.kind == STORE)
			printf(" [%u, %u bytes]", x.trace[i].op.at, x.trace[i].op.len);
		printf(" %#llx %s\n", (unsigned long long)x.trace[i].result,
		       x.trace[i].op.func ? x.trace[i].op.func : "");
	}
}

static double search(const struct state *s);

static double go_on(const struct state *s)
{
	double orders = 0;

	if (x.result->failure)
		return 0;
	if (++x.depth == DEPTH_MAX)
		x.result->failure = "some order goes on for ever";
	else
		orders = search(s);
	if (!x.result->failure)
		x.depth--;
	return orders;
}

static void note(enum explore_side which, const char *what, struct op op, uint64_t result)
{
	x.trace[x.depth].side = which;
	x.trace[x.depth].what = what;
	x.trace[x.depth].op = op;
	x.trace[x.depth].result = result;
	x.result->steps++;
}

/* The oldest store of a side becomes visible. */
static double search_flush(const struct state *s, enum explore_side which)
{
	struct state t = *s;
	struct side *side = &t.sides[which];
	struct op op = { .kind = STORE, .at = side->buffer[0].at, .len = side->buffer[0].len };

	note(which, "flush", op, side->buffer[0].value);
	flush_one(&t, side);
	if (side->next.kind == FENCE && !side->n_buffer)
		advance(&t, which);
	return go_on(&t);
}

/* The side's next step, with this result. */
static double search_step(const struct state *s, enum explore_side which, uint64_t result)
{
	struct state t = *s;
	struct side *side = &t.sides[which];

	x.now = &t;
	if (side->next.kind == LOAD)
		result = load_result(side, &side->next);
	else if (side->next.kind == SIGNAL)
		t.signals[side->next.at] = true;
	else if (side->next.kind != CHOICE && result)
		t.signals[side->next.at] = false;
	note(which, kind_names[side->next.kind], side->next, result);
	side->results[side->n_results++] = result;
	advance(&t, which);
	return go_on(&t);
}

/* All that one side may do now. */
static double search_side(const struct state *s, enum explore_side which)
{
	const struct side *side = &s->sides[which];
	double orders = 0;
	unsigned i;

	if (side->n_buffer)
		orders += search_flush(s, which);
	switch (side->next.kind) {
	case LOAD:
	case SIGNAL:
		orders += search_step(s, which, 0);
		break;
	case SLEEP:
		if (s->signals[side->next.at])
			orders += search_step(s, which, 1);
		break;
	case SLEEP_OR_TIMER:
		orders += search_step(s, which, 0);
		if (s->signals[side->next.at])
			orders += search_step(s, which, 1);
		break;
	case POLL:
		orders += search_step(s, which, s->signals[side->next.at]);
		break;
	case CHOICE:
		for (i = 0; i < side->next.at && !x.result->failure; i++)
			orders += search_step(s, which, i);
		break;
	default:
		break;
	}
	return orders;
}

static double search(const struct state *s)
{
	const struct op *driver = &s->sides[EXPLORE_DRIVER].next;
	uint64_t key[2];
	struct entry *seen;
	double orders = 0;
	unsigned i;

	state_key(s, key);
	seen = table_find(key);
	if (seen->key[0] | seen->key[1])
		return seen->orders;
	for (i = 0; i < EXPLORE_SIDES && !x.result->failure; i++)
		orders += search_side(s, (enum explore_side)i);
	if (x.result->failure)
		return 0;
	if (orders == 0) {
		orders = 1;
		if (driver->kind == SLEEP)
			x.result->failure = "both sides sleep, and the driver is not done";
		else
			assert(driver->kind == DONE);
	}
	table_add(key, orders);
	return orders;
}

void explore_run(const struct explore *e, struct explore_result *result)
{
	struct state first = { 0 };
	unsigned i;

	assert(e->len <= EXPLORE_MEM_MAX);
	*result = (struct explore_result){ 0 };
	x.e = e;
	x.result = result;
	x.depth = 0;
	table_grow();
	memcpy(first.mem, e->mem, e->len);
	x.running = true;
	for (i = 0; i < EXPLORE_SIDES; i++) {
		assert(e->programs[i].len <= STATE_MAX);
		memcpy(first.sides[i].state, e->programs[i].state, e->programs[i].len);
		memcpy(first.sides[i].seen, e->mem, e->len);
	}
	for (i = 0; i < EXPLORE_SIDES; i++)
		advance(&first, (enum explore_side)i);
	result->orders = search(&first);
	x.running = false;
	if (result->failure && !e->quiet)
		print_trace();
	free(x.table);
	x.table = NULL;
	x.table_len = 0;
}
