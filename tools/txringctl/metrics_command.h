/* SPDX-License-Identifier: MIT */
/* txringctl metrics: its arguments, and what it does with the text. */
#ifndef TXRING_TOOLS_TXRINGCTL_METRICS_COMMAND_H
#define TXRING_TOOLS_TXRINGCTL_METRICS_COMMAND_H

/* argv[0] is "metrics". Returns the exit status; what failed is in the log. */
int metrics_run(int argc, char **argv);

#endif
