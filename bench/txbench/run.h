/* SPDX-License-Identifier: MIT */
/* `txbench run`: one target, one load, some repetitions, a table and a result file. */
#ifndef BENCH_TXBENCH_RUN_H
#define BENCH_TXBENCH_RUN_H

/* argv: the whole command. The program's exit status; what cannot run at all ends it. */
int run_main(int argc, char **argv);

#endif
