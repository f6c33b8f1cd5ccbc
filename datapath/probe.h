/* SPDX-License-Identifier: MIT */
/*
 * Where tracers may look in (USDT probes, provider "txring"): a nop each, until one does. In builds
 * with <sys/sdt.h> (meson: usdt) tools/trace/ reads them.
 *
 *   kick       nic, pair                       the driver has kicked a tx ring
 *   plan       nic, pair, event, when, in_ns   enum tx_event, enum tx_when; in_ns: for TX_AT
 *   run_begin  nic, pair
 *   send       nic, pair, frames, bytes        the backend took them
 *   complete   nic, pair, frames, ns           used; ns: residence of the oldest of them
 *   run_end    nic, pair, frames, stop         enum tx_stop
 *   handover   nic, pair, kernel               1: the kernel has the pair, 0: we have it again
 *
 * nic is a string: the card's name, "" where it has none.
 */
#ifndef DATAPATH_PROBE_H
#define DATAPATH_PROBE_H

#ifdef TXRING_USDT
#include <sys/sdt.h>

#define probe_2(name, a, b)          DTRACE_PROBE2(txring, name, (a), (b))
#define probe_3(name, a, b, c)       DTRACE_PROBE3(txring, name, (a), (b), (c))
#define probe_4(name, a, b, c, d)    DTRACE_PROBE4(txring, name, (a), (b), (c), (d))
#define probe_5(name, a, b, c, d, e) DTRACE_PROBE5(txring, name, (a), (b), (c), (d), (e))
#else
#define probe_2(name, a, b)          ((void)(a), (void)(b))
#define probe_3(name, a, b, c)       ((void)(a), (void)(b), (void)(c))
#define probe_4(name, a, b, c, d)    ((void)(a), (void)(b), (void)(c), (void)(d))
#define probe_5(name, a, b, c, d, e) ((void)(a), (void)(b), (void)(c), (void)(d), (void)(e))
#endif

#endif
