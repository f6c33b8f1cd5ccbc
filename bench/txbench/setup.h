/* SPDX-License-Identifier: MIT */
/* What was run, on what: those parts of a result that were known before it was measured. */
#ifndef BENCH_TXBENCH_SETUP_H
#define BENCH_TXBENCH_SETUP_H

#include <jansson.h>

#include "bench/txbench/result.h"

#define SETUP_LABEL_LEN 80

/* --label, or made of the target: its program and tx mode. Returns label. */
const char *setup_label(const struct run_result *r, char label[SETUP_LABEL_LEN]);

/* As in the result file; NULL: out of memory. */
json_t *setup_command(const struct options *o);
json_t *setup_target(const struct run_result *r);
json_t *setup_load(const struct options *o);
json_t *setup_host(const struct run_result *r);

#endif
