/* SPDX-License-Identifier: MIT */
/* A card that only says how it went; see fake_nic.h. */
#include "tests/unit/fake_nic.h"

#include <assert.h>
#include <stdio.h>

#include "datapath/latency.h"
#include "tools/txringd/commands.h"

unsigned fake_nic_changes;
char fake_nic_set_as[600];

/* They make cards: tests/net/mode_test.c. */
const struct command commands_cards[] = { { 0 } };

const char *nic_name(const struct nic *nic)
{
	return nic->name;
}

int nic_status(const struct nic *nic, struct status *s)
{
	*s = (struct status){ .name = nic->name,
			      .n_pairs = nic->n_pairs,
			      .driver.to_kernel.n = nic->n_to_kernel };
	return 0;
}

int nic_tap(const struct nic *nic, struct ifstate *tap)
{
	*tap = (struct ifstate){ .mtu = 1400 };
	snprintf(tap->name, sizeof(tap->name), "tap-%s", nic->name);
	return nic->tap_error;
}

const struct latency *nic_latency(const struct nic *nic, unsigned pair, bool tx)
{
	static struct latency none;

	assert(pair < nic->n_pairs);
	return tx ? nic->latency : &none;
}

unsigned nic_pairs(const struct nic *nic)
{
	(void)nic;
	return 2;
}

unsigned nic_pairs_on(const struct nic *nic, const struct iothread *thread)
{
	(void)nic;
	(void)thread;
	return 2;
}

enum nic_vhost nic_vhost(struct nic *nic, bool on, char said[NIC_SAID_LEN])
{
	static const char *const words[] = { "done", "later", "cannot" };

	fake_nic_changes++;
	snprintf(said, NIC_SAID_LEN, "%s %s", on ? "on" : "off", words[nic->outcome]);
	return nic->outcome;
}

bool nic_set_link(struct nic *nic, bool up, char said[NIC_SAID_LEN])
{
	fake_nic_changes++;
	snprintf(said, NIC_SAID_LEN, "%s %s", up ? "up" : "down", nic->deaf ? "cannot" : "done");
	return !nic->deaf;
}

bool nic_set_txmode(struct nic *nic, unsigned pair, const char *text, char said[NIC_SAID_LEN])
{
	fake_nic_changes++;
	assert(pair == NIC_ALL_PAIRS || pair < NIC_CONFIG_MAX_PAIRS);
	snprintf(fake_nic_set_as, sizeof(fake_nic_set_as), "%s/%d %s", nic->name, (int)pair, text);
	snprintf(said, NIC_SAID_LEN, "%s", nic->deaf ? "cannot be" : "tx mode x");
	return !nic->deaf;
}

void nic_set_coalesce(struct nic *nic, bool on, char said[NIC_SAID_LEN])
{
	(void)nic;
	fake_nic_changes++;
	snprintf(said, NIC_SAID_LEN, "coalesce %s", on ? "on" : "off");
}

enum nic_vhost nic_move(struct nic *nic, unsigned pair, struct iothread *thread,
			char said[NIC_SAID_LEN])
{
	(void)thread;
	fake_nic_changes++;
	snprintf(said, NIC_SAID_LEN, "pair %u moved", pair);
	return nic->outcome;
}

enum nic_vhost nic_drain(struct nic *nic, unsigned pair, struct nic_drain *drain,
			 char said[NIC_SAID_LEN])
{
	fake_nic_changes++;
	snprintf(said, NIC_SAID_LEN, "pair %u waits", pair);
	drain->begun = true;
	drain->done = ++drain->until == 2 + pair;
	return drain->done ? NIC_VHOST_DONE : nic->outcome;
}

const char *iothread_name(const struct iothread *thread)
{
	(void)thread;
	return "iothread0";
}

void control_event(struct control *control, const char *line)
{
	(void)control;
	(void)line;
}

bool control_is_watched(const struct control *control)
{
	return control;
}
