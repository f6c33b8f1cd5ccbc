/* SPDX-License-Identifier: MIT */
/* A user of libxdp that is not txring. */
#include "tests/net/xdp_other.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <xdp/libxdp.h>

struct other {
	struct xdp_program *program;
	enum xdp_attach_mode mode;
	unsigned ifindex;
};

struct other *other_attach(const char *file, unsigned ifindex, bool skb)
{
	struct other *other = calloc(1, sizeof(*other));

	assert_non_null(other);
	other->mode = skb ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	other->ifindex = ifindex;
	other->program = xdp_program__open_file(file, "xdp", NULL);
	assert_int_equal(libxdp_get_error(other->program), 0);
	assert_int_equal(xdp_program__set_run_prio(other->program, 1), 0);
	assert_int_equal(xdp_program__attach(other->program, (int)ifindex, other->mode, 0), 0);
	return other;
}

uint64_t other_seen(const struct other *other)
{
	struct bpf_map *map = bpf_object__next_map(xdp_program__bpf_obj(other->program), NULL);
	uint32_t zero = 0;
	uint64_t seen;

	assert_int_equal(bpf_map__value_size(map), sizeof(seen));
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(map), &zero, &seen), 0);
	return seen;
}

void other_detach(struct other *other)
{
	assert_int_equal(xdp_program__detach(other->program, (int)other->ifindex, other->mode, 0),
			 0);
	xdp_program__close(other->program);
	free(other);
}
