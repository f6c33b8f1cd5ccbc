/* SPDX-License-Identifier: MIT */
/*
 * The XDP program, opened and loaded: our own, or libxdp's where the build had no clang. What the
 * kernel may refuse about it, in words. Control thread; used by xdp_prog.c and xdp_dispatch.c.
 *
 * libxdp's and the backend's names for the modes are the same, so this header has neither.
 */
#ifndef DATAPATH_BACKEND_XDP_LOAD_H
#define DATAPATH_BACKEND_XDP_LOAD_H

#include "datapath/backend.h"
#include "datapath/backend/xdp_take.h"

struct bpf_map;
struct bpf_object;
struct bpf_program;
struct xdp_program;

struct xdp_load {
	struct bpf_object *object;
	struct xdp_program *libxdp; /* whose object it is, or NULL */
	struct bpf_program *program;
	struct bpf_map *sockets;
};

/* Does this build have a program that can take only the frames to one address? */
bool xdp_load_can_filter(void);

/*
 * Open it, for n_queues queues from 0 on; frags: frames of several fragments come too. 0, or a
 * negative errno and err. xdp_load_deinit() closes it; loaded or attached, all is gone then.
 */
int xdp_load_open(struct xdp_load *load, const struct xdp_take *take, unsigned n_queues, bool frags,
		  char err[BACKEND_ERR_LEN]);
void xdp_load_deinit(struct xdp_load *load);

/* The same, and load it into the kernel; without fragments where that knows none. */
int xdp_load_init(struct xdp_load *load, const struct xdp_take *take, unsigned n_queues,
		  char err[BACKEND_ERR_LEN]);

/* What the kernel's refusal means, from code and what xdp_log.h kept. Writes err, returns code. */
int xdp_load_failed(int code, char err[BACKEND_ERR_LEN]);

#endif
