/* SPDX-License-Identifier: MIT */
/*
 * A veth pair: what is measured has the one end, the bench the other, its peer. XDP programs are
 * written in instructions here, so that nothing but the kernel is needed. They run in native mode
 * until the fd that is returned is closed.
 */
#ifndef BENCH_VETH_H
#define BENCH_VETH_H

/* Both ends are up; the peer's name is the name and a p. Dies if it cannot be had. */
void veth_make(const char *name);
void veth_delete(const char *name);

/* What comes to the interface is dropped; or goes to this AF_XDP socket of its queue 0. */
int veth_drop(const char *interface);
int veth_redirect(const char *interface, int sock);

#endif
