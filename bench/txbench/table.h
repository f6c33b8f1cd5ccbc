/* SPDX-License-Identifier: MIT */
/* A run as a table for people. */
#ifndef BENCH_TXBENCH_TABLE_H
#define BENCH_TXBENCH_TABLE_H

#include <stdio.h>

#include "bench/txbench/result.h"

void table_print(const struct run_result *r, FILE *to);

#endif
