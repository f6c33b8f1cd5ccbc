/* SPDX-License-Identifier: MIT */
/* The options, read again while cards run; see reload.h. */
#include "tools/txringd/reload.h"

#include <stdlib.h>
#include <string.h>

#include "tools/log.h"
#include "tools/txringd/options.h"
#include "tools/txringd/options_reload.h"
#include "tools/txringd/status.h"

/* False: it cannot be, for the reason in said. */
static bool apply_link(struct nic *nic, const char *value, char said[NIC_SAID_LEN])
{
	return nic_set_link(nic, !strcmp(value, "up"), said);
}

static bool apply_txmode(struct nic *nic, const char *value, char said[NIC_SAID_LEN])
{
	return nic_set_txmode(nic, NIC_ALL_PAIRS, value, said);
}

static bool apply_coalesce(struct nic *nic, const char *value, char said[NIC_SAID_LEN])
{
	nic_set_coalesce(nic, !strcmp(value, "on"), said);
	return true;
}

/* The keys that a running card can be given. */
static const struct {
	const char *key;
	bool (*apply)(struct nic *nic, const char *value, char said[NIC_SAID_LEN]);
} appliers[] = {
	{ "link", apply_link },
	{ "txmode", apply_txmode },
	{ "coalesce", apply_coalesce },
};

static bool apply(struct nic *nic, const struct options_change *change)
{
	char said[NIC_SAID_LEN] = "";
	bool done;

	for (size_t i = 0; i < sizeof(appliers) / sizeof(appliers[0]); i++) {
		if (strcmp(appliers[i].key, change->key) != 0)
			continue;
		done = appliers[i].apply(nic, change->value, said);
		log_line("%s: reload: %s %s: %s", nic_name(nic), change->key, change->value,
			 *said ? said : "done");
		return done;
	}
	log_line("%s: reload: %s %s waits for the next start", nic_name(nic), change->key,
		 change->value);
	return true;
}

/*
 * The cards as they run: what they were told at their start, but for what has been changed since.
 * Borrows all strings. One that has ended has no name. NULL: out of memory.
 */
static struct nic_config *collect_live(struct nic *const *nics, unsigned n)
{
	struct nic_config *live = calloc(n ? n : 1, sizeof(*live));
	struct status s;

	for (unsigned i = 0; live && i < n; i++) {
		if (!nics[i])
			continue;
		if (nic_status(nics[i], &s)) {
			free(live);
			return NULL;
		}
		live[i] = *s.cfg;
		live[i].mode = s.mode;
		live[i].link_down = s.down;
		live[i].coalesce = s.coalesces;
		status_deinit(&s);
	}
	return live;
}

static bool apply_all(struct nic *const *nics, const struct options_changes *changes)
{
	bool ok = true;

	for (unsigned i = 0; i < changes->n_live; i++)
		ok &= apply(nics[changes->live[i].nic], &changes->live[i]);
	if (*changes->later)
		log_line("reload: waits for the next start: %s", changes->later);
	if (!changes->n_live && !*changes->later)
		log_line("reload: nothing has changed");
	return ok;
}

static bool compare_and_apply(const struct options *next, struct nic *const *nics, unsigned n_nics)
{
	struct nic_config *live = collect_live(nics, n_nics);
	struct options_changes changes;
	bool ok;

	if (!live || options_reload_compare(&changes, live, n_nics, next->nics, next->n_nics)) {
		log_line("reload: out of memory");
		free(live);
		return false;
	}
	ok = apply_all(nics, &changes);
	options_reload_deinit(&changes);
	free(live);
	return ok;
}

bool reload_run(int argc, char **argv, struct nic *const *nics, unsigned n_nics)
{
	struct options next;
	bool ok = false;

	if (options_parse_again(&next, argc, argv) == OPTIONS_RUN)
		ok = compare_and_apply(&next, nics, n_nics);
	else
		log_line("reload: refused, and nothing has changed");
	options_deinit(&next);
	return ok;
}
