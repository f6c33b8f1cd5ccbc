/* SPDX-License-Identifier: MIT */
/*
 * The bh engine (QEMU's tx=bh, which libvirt and --txmode call iothread): a kick makes the queue
 * run in the same turn of its iothread, and it keeps running, with the driver's notifications off,
 * as long as it finds full bursts. A kick while a run is owed changes nothing. QEMU:
 * hw/net/virtio-net.c, virtio_net_handle_tx_bh and virtio_net_tx_bh.
 */
#include "datapath/tx/engine.h"

struct bh_state {
	uint32_t burst;
};

static const struct tx_param params[] = {
	{ "burst", "frames", "most frames of one run", 1, TX_BURST_MAX, 256 },
};

static void bh_tx_init(void *state, const uint64_t *values)
{
	struct bh_state *s = state;

	s->burst = (uint32_t)values[0];
}

static struct tx_plan bh_tx_plan(void *state, enum tx_event event, const struct tx_view *view)
{
	struct bh_state *s = state;
	struct tx_plan plan = { .when = TX_SOON, .burst = s->burst };

	switch (event) {
	case TX_START:
	case TX_KICK:
	case TX_TIMER:
		break;
	case TX_WRITABLE:
		plan.when = TX_NOW;
		break;
	case TX_RAN:
		if (view->stop != TX_STOP_BURST)
			plan.when = TX_ON_KICK;
		break;
	case TX_RECHECKED:
		break;
	}
	return plan;
}

const struct tx_engine bh_tx_engine = {
	.name = "iothread",
	.alias = "bh",
	.help = "run as soon as the driver kicks",
	.abi = TX_ENGINE_ABI,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params = params,
	.state_size = sizeof(struct bh_state),
	.init = bh_tx_init,
	.plan = bh_tx_plan,
};
