/* SPDX-License-Identifier: MIT */
/*
 * One network card of txringd: a device with its backend, the endpoint where its front-ends come
 * from, and the session of the present one. It has no loop: poll nic_fd() for at most
 * nic_timeout_ms(), then nic_serve().
 *
 * Owner: the control thread.
 */
#ifndef TOOLS_NIC_H
#define TOOLS_NIC_H

#include <stdbool.h>

#include "datapath/iothread.h"
#include "tools/options.h"

struct nic;

/*
 * Opens all that o asks for; o and threads are borrowed. first is the thread of the first queue
 * pair. 0, or a negative errno after a line in the log; nothing is left behind then.
 */
int nic_new(struct nic **nic, const struct nic_options *o, struct iothread *const *threads,
	    unsigned n_threads, unsigned first);
/* Ends the session, if any, and takes no other. */
void nic_stop(struct nic *nic);
/* Of a stopped card on any thread, else the control thread. Takes NULL. */
void nic_free(struct nic *nic);

/* To be polled for POLLIN; -1: only time helps. */
int nic_fd(const struct nic *nic);
/* When to call nic_serve() even if nothing is readable; -1: never. */
int nic_timeout_ms(const struct nic *nic);
/* Something is readable, or the time has come. False: no front-end will come any more. */
bool nic_serve(struct nic *nic, bool readable);

/* To be called when sigbus_fd() is readable: the session whose memory was taken away ends. */
void nic_check_memory(struct nic *nic);

/* What runs here, and the counters of all queues: lines for the log. */
void nic_log_what_runs(const struct nic *nic);
void nic_log_counters(const struct nic *nic);

#endif
