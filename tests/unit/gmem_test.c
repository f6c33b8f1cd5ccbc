/* SPDX-License-Identifier: MIT */
/* Guest memory: what a front-end may share, and that no lookup leaves it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "virtio/base.h"
#include "virtio/driver/arena.h"
#include "virtio/gmem.h"

#define PAGE 4096ULL
#define UVA  0x7f0000000000ULL

static int file(uint64_t size)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static struct gmem *mem_new(void)
{
	struct gmem *mem = malloc(sizeof(*mem));

	assert_non_null(mem);
	assert_int_equal(gmem_init(mem), 0);
	return mem;
}

static void mem_free(struct gmem *mem)
{
	gmem_deinit(mem);
	gmem_deinit(mem);
	free(mem);
}

static void *at(const struct gmem *mem, uint64_t gpa, uint64_t len, uint64_t *got)
{
	unsigned hint = 0;

	*got = len;
	return gmem_at(mem, gpa, got, &hint);
}

static void add_ok(struct gmem *mem, uint64_t gpa, uint64_t size, uint64_t uva, int fd,
		   uint64_t offset)
{
	assert_int_equal(gmem_add(mem, gpa, size, uva, fd, offset), 0);
}

/* The mapping outlives the fd; guest and front-end addresses lead to the same byte of the file. */
static void test_add(void **state)
{
	struct gmem *mem = mem_new();
	int fd = file(4 * PAGE);
	uint64_t got;

	(void)state;
	assert_int_equal(pwrite(fd, "guest", 6, 2 * PAGE + 7), 6);
	add_ok(mem, 0x10000, 2 * PAGE, UVA, fd, 2 * PAGE);
	close(fd);
	assert_string_equal(at(mem, 0x10007, 6, &got), "guest");
	assert_int_equal(got, 6);
	assert_string_equal(gmem_at_uva(mem, UVA + 7, 6), "guest");
	mem_free(mem);
}

/*
 * Neither page-aligned offset nor size is promised: the first byte is the right one all the same.
 */
static void test_odd_offset(void **state)
{
	struct gmem *mem = mem_new();
	int fd = file(3 * PAGE);
	uint64_t got;

	(void)state;
	assert_int_equal(pwrite(fd, "x", 1, PAGE + 100), 1);
	assert_int_equal(pwrite(fd, "y", 1, PAGE + 100 + 4999), 1);
	add_ok(mem, 0, 5000, UVA, fd, PAGE + 100);
	assert_int_equal(*(char *)at(mem, 0, 1, &got), 'x');
	assert_int_equal(*(char *)at(mem, 4999, 2, &got), 'y');
	assert_int_equal(got, 1);
	assert_null(at(mem, 5000, 1, &got));
	assert_int_equal(gmem_remove(mem, 0, 5000, UVA), 0);
	close(fd);
	mem_free(mem);
}

/* Lookups end where the region ends, at every edge. */
static void test_bounds(void **state)
{
	struct gmem *mem = mem_new();
	int fd = file(PAGE);
	uint64_t got;

	(void)state;
	assert_null(at(mem, 0, 1, &got));
	assert_null(gmem_at_uva(mem, UVA, 1));
	add_ok(mem, 0x10000, PAGE, UVA, fd, 0);
	assert_null(at(mem, 0xffff, 1, &got));
	assert_null(at(mem, 0x10000 + PAGE, 1, &got));
	assert_null(at(mem, UINT64_MAX, 1, &got));
	assert_non_null(at(mem, 0x10000, UINT64_MAX, &got));
	assert_int_equal(got, PAGE);
	assert_non_null(at(mem, 0x10000 + PAGE - 1, 2, &got));
	assert_int_equal(got, 1);
	assert_non_null(gmem_at_uva(mem, UVA, PAGE));
	assert_null(gmem_at_uva(mem, UVA, PAGE + 1));
	assert_null(gmem_at_uva(mem, UVA + 1, PAGE));
	assert_null(gmem_at_uva(mem, UVA - 1, 1));
	assert_null(gmem_at_uva(mem, UVA + PAGE, 1));
	assert_null(gmem_at_uva(mem, UVA + 1, UINT64_MAX));
	close(fd);
	mem_free(mem);
}

/* What cannot be memory is refused and leaves nothing behind. */
static void test_refused(void **state)
{
	struct gmem *mem = mem_new();
	int fd = file(4 * PAGE), pipes[2], ro;
	char path[64];

	(void)state;
	assert_int_equal(gmem_add(mem, 0, 0, UVA, fd, 0), -EINVAL);
	assert_int_equal(gmem_add(mem, UINT64_MAX - PAGE + 2, PAGE, UVA, fd, 0), -EINVAL);
	assert_int_equal(gmem_add(mem, 0, PAGE, UINT64_MAX - PAGE + 2, fd, 0), -EINVAL);
	assert_int_equal(gmem_add(mem, 0, 5 * PAGE, UVA, fd, 0), -ENXIO);
	assert_int_equal(gmem_add(mem, 0, PAGE, UVA, fd, 3 * PAGE + 1), -ENXIO);
	assert_int_equal(gmem_add(mem, 0, PAGE, UVA, fd, UINT64_MAX - PAGE + 1), -ENXIO);
	assert_int_equal(gmem_add(mem, 0, PAGE, UVA, fd, UINT64_MAX), -ENXIO);
	assert_int_equal(gmem_add(mem, 0, PAGE, UVA, -1, 0), -EBADF);
	assert_int_equal(pipe(pipes), 0);
	assert_true(gmem_add(mem, 0, PAGE, UVA, pipes[0], 0) < 0);
	close(pipes[0]);
	close(pipes[1]);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(ro >= 0);
	assert_int_equal(gmem_add(mem, 0, PAGE, UVA, ro, 0), -EACCES);
	close(ro);
	assert_int_equal(mem->n, 0);
	close(fd);
	mem_free(mem);
}

/* Two regions share no byte, neither for the guest nor in the front-end. */
static void test_overlap(void **state)
{
	struct gmem *mem = mem_new();
	int fd = file(4 * PAGE);

	(void)state;
	add_ok(mem, 0x10000, 2 * PAGE, UVA, fd, 0);
	assert_int_equal(gmem_add(mem, 0x10000, PAGE, 0, fd, 0), -EINVAL);
	assert_int_equal(gmem_add(mem, 0x10000 + 2 * PAGE - 1, PAGE, 0, fd, 0), -EINVAL);
	assert_int_equal(gmem_add(mem, 0x10000 - PAGE + 1, PAGE, 0, fd, 0), -EINVAL);
	assert_int_equal(gmem_add(mem, 0x10000 - PAGE, 4 * PAGE, 0, fd, 0), -EINVAL);
	assert_int_equal(gmem_add(mem, 0, PAGE, UVA + 2 * PAGE - 1, fd, 0), -EINVAL);
	add_ok(mem, 0x10000 + 2 * PAGE, PAGE, UVA + 2 * PAGE, fd, 0);
	add_ok(mem, 0x10000 - PAGE, PAGE, UVA - PAGE, fd, 0);
	assert_int_equal(mem->n, 3);
	close(fd);
	mem_free(mem);
}

/* The hint is a hint: whatever it is, the answer is the same, and it ends up right. */
static void test_hint(void **state)
{
	struct gmem *mem = mem_new();
	int fd = file(2 * PAGE);
	uint64_t len;

	(void)state;
	add_ok(mem, 0x20000, PAGE, UVA + PAGE, fd, PAGE);
	add_ok(mem, 0x10000, PAGE, UVA, fd, 0);
	assert_int_equal(pwrite(fd, "a", 1, 0), 1);
	assert_int_equal(pwrite(fd, "b", 1, PAGE), 1);
	for (unsigned first = 0; first < 4; first++) {
		unsigned hint = first == 3 ? UINT32_MAX : first;

		len = 1;
		assert_int_equal(*(char *)gmem_at(mem, 0x10000, &len, &hint), 'a');
		assert_int_equal(hint, 0);
		assert_int_equal(*(char *)gmem_at(mem, 0x20000, &len, &hint), 'b');
		assert_int_equal(hint, 1);
		assert_null(gmem_at(mem, 0x18000, &len, &hint));
	}
	close(fd);
	mem_free(mem);
}

/* Only the very region goes; the others stay where they are. */
static void test_remove(void **state)
{
	struct gmem *mem = mem_new();
	int fd = file(PAGE);
	uint64_t got;

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		add_ok(mem, i * PAGE, PAGE, UVA + i * PAGE, fd, 0);
	assert_int_equal(gmem_remove(mem, PAGE, PAGE, UVA), -ENOENT);
	assert_int_equal(gmem_remove(mem, PAGE, PAGE - 1, UVA + PAGE), -ENOENT);
	assert_int_equal(gmem_remove(mem, PAGE + 1, PAGE, UVA + PAGE), -ENOENT);
	assert_int_equal(gmem_remove(mem, PAGE, PAGE, UVA + PAGE), 0);
	assert_int_equal(gmem_remove(mem, PAGE, PAGE, UVA + PAGE), -ENOENT);
	assert_int_equal(mem->n, 2);
	assert_non_null(at(mem, 0, 1, &got));
	assert_null(at(mem, PAGE, 1, &got));
	assert_non_null(at(mem, 2 * PAGE, 1, &got));
	gmem_clear(mem);
	assert_null(at(mem, 0, 1, &got));
	add_ok(mem, 0, PAGE, UVA, fd, 0);
	close(fd);
	mem_free(mem);
}

/* The very same region may be added again, and goes when it was removed as often. */
static void test_twice(void **state)
{
	struct gmem *mem = mem_new();
	int fd = file(2 * PAGE), other = file(2 * PAGE);
	uint64_t got;

	(void)state;
	add_ok(mem, 0, PAGE, UVA, fd, 0);
	add_ok(mem, 0, PAGE, UVA, fd, 0);
	assert_int_equal(mem->n, 1);
	assert_int_equal(gmem_add(mem, 0, PAGE, UVA, fd, PAGE), -EINVAL);
	assert_int_equal(gmem_add(mem, 0, PAGE, UVA, other, 0), -EINVAL);
	assert_int_equal(gmem_remove(mem, 0, PAGE, UVA), 0);
	assert_non_null(at(mem, 0, 1, &got));
	assert_int_equal(gmem_remove(mem, 0, PAGE, UVA), 0);
	assert_null(at(mem, 0, 1, &got));
	assert_int_equal(gmem_remove(mem, 0, PAGE, UVA), -ENOENT);
	close(fd);
	close(other);
	mem_free(mem);
}

/* As many regions as there may be, added in a scattered order, all found; one more is refused. */
static void test_many(void **state)
{
	struct gmem *mem = mem_new();
	int fd = file(GMEM_MAX_REGIONS * PAGE);
	uint64_t got;

	(void)state;
	for (uint64_t k = 0; k < GMEM_MAX_REGIONS; k++) {
		uint64_t i = k * 77 % GMEM_MAX_REGIONS;
		uint16_t mark = (uint16_t)i;

		assert_int_equal(pwrite(fd, &mark, 2, (off_t)(i * PAGE)), 2);
		add_ok(mem, i * 2 * PAGE, PAGE, UVA + i * PAGE, fd, i * PAGE);
	}
	assert_int_equal(gmem_add(mem, 1ULL << 40, PAGE, 0, fd, 0), -ENOSPC);
	for (uint64_t i = 0; i < GMEM_MAX_REGIONS; i++) {
		assert_int_equal(*(uint16_t *)at(mem, i * 2 * PAGE, 2, &got), i);
		assert_null(at(mem, (i * 2 + 1) * PAGE, 1, &got));
	}
	close(fd);
	mem_free(mem);
}

/*
 * Huge pages are mapped in whole pages whatever the region's bounds. Needs one free huge page of 2
 * MiB.
 */
static void test_hugetlb(void **state)
{
	const struct arena_span span = { .gpa = 0, .size = 2ULL << 20 };
	struct gmem *mem;
	struct arena arena;
	uint64_t got;

	(void)state;
	if (arena_init(&arena, &span, 1, true) < 0) {
		print_message("needs a free huge page of 2 MiB (sysctl vm.nr_hugepages)\n");
		skip();
	}
	mem = mem_new();
	add_ok(mem, 0x10000, PAGE, UVA, arena.fd, 3 * PAGE);
	*(char *)arena_at(&arena, 3 * PAGE, 1) = 'h';
	assert_int_equal(*(char *)at(mem, 0x10000, 1, &got), 'h');
	assert_int_equal(gmem_remove(mem, 0x10000, PAGE, UVA), 0);
	mem_free(mem);
	arena_deinit(&arena);
}

/* The driver's memory: regions apart, addresses both ways, aligned pieces until it is full. */
static void test_arena(void **state)
{
	const struct arena_span spans[] = { { 0x1000, PAGE }, { 1ULL << 40, 2 * PAGE } };
	const struct arena_span bad[] = { { 0, 0 }, { 0, PAGE + 1 } };
	struct arena arena;
	char *p;

	(void)state;
	assert_int_equal(arena_init(&arena, spans, 0, false), -EINVAL);
	assert_int_equal(arena_init(&arena, &bad[0], 1, false), -EINVAL);
	assert_int_equal(arena_init(&arena, &bad[1], 1, false), -EINVAL);
	assert_int_equal(arena_init(&arena, spans, 1, true), -EINVAL);
	assert_int_equal(arena_init(&arena, spans, 2, false), 0);
	assert_null(arena_alloc(&arena, 2, 1, 1));
	assert_non_null(arena_alloc(&arena, 1, 3, 1));
	p = arena_alloc(&arena, 1, PAGE, 64);
	assert_int_equal(arena_gpa(&arena, p), (1ULL << 40) + 64);
	assert_ptr_equal(arena_at(&arena, (1ULL << 40) + 64, PAGE), p);
	assert_null(arena_alloc(&arena, 1, PAGE, 64));
	assert_non_null(arena_alloc(&arena, 1, PAGE - 64, 64));
	assert_null(arena_at(&arena, 0x1fff, 2));
	assert_null(arena_at(&arena, 0xfff, 1));
	assert_int_equal(arena_gpa(&arena, &arena), UINT64_MAX);
	arena_deinit(&arena);
	arena_deinit(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),     cmocka_unit_test(test_odd_offset),
		cmocka_unit_test(test_bounds),  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_overlap), cmocka_unit_test(test_hint),
		cmocka_unit_test(test_remove),  cmocka_unit_test(test_twice),
		cmocka_unit_test(test_many),    cmocka_unit_test(test_hugetlb),
		cmocka_unit_test(test_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
