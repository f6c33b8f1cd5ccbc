/* SPDX-License-Identifier: MIT */
/*
 * One network card of txringd: a device with its backend, the endpoint where its front-ends come
 * from, and the session of the present one. It has no loop: nic_prepare(), poll, nic_serve().
 *
 * Owner: the control thread.
 */
#ifndef TOOLS_TXRINGD_NIC_H
#define TOOLS_TXRINGD_NIC_H

#include <poll.h>
#include <stdbool.h>

#include "datapath/iothread.h"
#include "tools/config/nic_config.h"
#include "tools/txringd/ifstate.h"
#include "tools/txringd/status.h"

struct nic;

/*
 * Opens all that cfg asks for; cfg and threads are borrowed. named: the log says which card a line
 * is about. first is the thread of the first queue pair. 0, or a negative errno after a line in the
 * log; nothing is left behind then.
 */
int nic_new(struct nic **nic, const struct nic_config *cfg, bool named,
	    struct iothread *const *threads, unsigned n_threads, unsigned first);
/* Ends the session, if any, and takes no other. */
void nic_stop(struct nic *nic);
/* Of a stopped card on any thread, else the control thread. Takes NULL. */
void nic_free(struct nic *nic);

/* What a card waits for. */
enum nic_fd { NIC_FD_SESSION, NIC_FD_ENDPOINT, NIC_FDS };

/* What to poll for; the time-out in ms, -1: none. */
int nic_prepare(const struct nic *nic, struct pollfd fds[NIC_FDS]);
/* After the poll, whatever ended it. False: no front-end will come any more. */
bool nic_serve(struct nic *nic, const struct pollfd fds[NIC_FDS]);

/* To be called when sigbus_fd() is readable: the session whose memory was taken away ends. */
void nic_check_memory(struct nic *nic);

/* Whether the host's interface behind a card is there. */
enum nic_link {
	NIC_LINK_THERE,
	NIC_LINK_LOST, /* check again from time to time: it may be made again */
	NIC_LINK_DEAD, /* for good: the card is of no use any more */
};

/*
 * Look, and take the interface again if it is back. The log and the front-end hear of each change.
 * To be called when an interface of the host has changed (links.h). Costs little.
 */
enum nic_link nic_check_link(struct nic *nic);

/* What runs here, and the counters of all queues: lines for the log. */
void nic_log_what_runs(const struct nic *nic);
void nic_log_counters(const struct nic *nic);

/* For the control socket. */
const char *nic_name(const struct nic *nic);
const struct nic_config *nic_cfg(const struct nic *nic);
/*
 * What runs, as of the last nic_serve(); changes nothing. 0, to be given back with status_deinit(),
 * or -ENOMEM.
 */
int nic_status(const struct nic *nic, struct status *s);
/* The interface of its tap. 0, -EOPNOTSUPP: it has none; else as ifstate_of_tap(). */
int nic_tap(const struct nic *nic, struct ifstate *tap);

/* How long frames are with the queues of a pair: tx, or rx. Any time, until the card is freed. */
const struct latency *nic_latency(const struct nic *nic, unsigned pair, bool tx);

enum nic_vhost {
	NIC_VHOST_DONE,
	NIC_VHOST_LATER,  /* not yet: ask again soon */
	NIC_VHOST_CANNOT, /* the user datapath goes on */
};

#define NIC_SAID_LEN 512

/* Whether neighbours of a flow leave as one: from here on, also for the front-ends that come. */
void nic_set_coalesce(struct nic *nic, bool on, char said[NIC_SAID_LEN]);

/*
 * Let the kernel move the frames, or the user datapath. said: which of them does so afterwards, and
 * why it is not the kernel.
 */
enum nic_vhost nic_vhost(struct nic *nic, bool on, char said[NIC_SAID_LEN]);

/* For nic_set_txmode(). */
#define NIC_ALL_PAIRS DEVICE_ALL_PAIRS

/*
 * Let a pair, or all, run by another tx mode from here on, for this front-end and those that come:
 * text is for txmode_change(). No frame is lost or overtaken by it. said: what runs now. False: a
 * value cannot be, or there is no such pair, as said tells; nothing has changed.
 */
bool nic_set_txmode(struct nic *nic, unsigned pair, const char *text, char said[NIC_SAID_LEN]);

/*
 * Let another iothread run a pair, while frames move. said: what became of it. The iothread has
 * room for DEVICE_PAIR_WATCHES more. Outcomes as of nic_vhost(); the pair is where it was, unless
 * it is done.
 */
enum nic_vhost nic_move(struct nic *nic, unsigned pair, struct iothread *thread,
			char said[NIC_SAID_LEN]);
/* Of a pair: what nic_drain() remembers from one time to the next; all zero at first. */
struct nic_drain {
	bool begun;
	bool done;
	uint64_t until; /* so many frames have left then */
};

/*
 * Whether all frames that the guest had offered on a pair when it was first asked have left, those
 * that the backend holds included. said: what they wait for. Outcomes as of nic_vhost(); it cannot
 * be known while the kernel has the pair, or once the guest has broken the ring.
 */
enum nic_vhost nic_drain(struct nic *nic, unsigned pair, struct nic_drain *drain,
			 char said[NIC_SAID_LEN]);
/* Its queue pairs, and how many of them this iothread runs. */
unsigned nic_pairs(const struct nic *nic);
unsigned nic_pairs_on(const struct nic *nic, const struct iothread *thread);

/*
 * Set the link up or down, for this front-end and those that come. Down, no frame is passed on; a
 * front-end that cannot be told is given up, and refused until the link is up again. said: what
 * became of it. False: it cannot be done, for the reason in said; nothing has changed.
 */
bool nic_set_link(struct nic *nic, bool up, char said[NIC_SAID_LEN]);

#endif
