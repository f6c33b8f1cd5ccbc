/* SPDX-License-Identifier: MIT */
/* The options, read again while cards run; see reload.h. */
#include "tools/txringd/reload.h"

#include <stdlib.h>
#include <string.h>

#include "tools/config/txmode.h"
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
		log_at(done ? LOG_INFO : LOG_WARNING, "%s: reload: %s %s: %s", nic_name(nic),
		       change->key, change->value, *said ? said : "done");
		return done;
	}
	log_at(LOG_WARNING, "%s: reload: %s %s waits for the next start", nic_name(nic),
	       change->key, change->value);
	return true;
}

/*
 * The pairs of a card may have modes of their own: one of these that next does not want, so that
 * the comparison sees it. Else the card's.
 */
static struct tx_mode mode_to_compare(const struct status *s, const struct options *next)
{
	char wanted[TXMODE_TEXT_LEN] = "", runs[TXMODE_TEXT_LEN];

	for (unsigned i = 0; i < next->n_nics; i++) {
		if (!strcmp(next->nics[i].name, s->cfg->name))
			txmode_text(&next->nics[i].mode, wanted);
	}
	for (unsigned i = 0; i < s->n_pairs; i++) {
		if (strcmp(txmode_text(&s->pairs[i].mode, runs), wanted) != 0)
			return s->pairs[i].mode;
	}
	return s->mode;
}

/*
 * The cards as they run: what they were told at their start, but for what has been changed since.
 * Borrows all strings. One that has ended has no name. NULL: out of memory.
 */
static struct nic_config *collect_live(struct nic *const *nics, unsigned n,
				       const struct options *next)
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
		live[i].mode = mode_to_compare(&s, next);
		live[i].link_down = s.down;
		live[i].coalesce = s.coalesces;
		status_deinit(&s);
	}
	return live;
}

/* At once, and whatever the level is then: a log that says less says why. */
static bool apply_log_level(const struct options *next)
{
	if (next->log_level == log_level())
		return false;
	log_set_level(next->log_level);
	log_line("reload: log-level %s: done", log_level_name(next->log_level));
	return true;
}

/* What else is of no card waits. False: it is as it was. */
static bool log_others(const struct options *now, const struct options *next)
{
	const char *was = now->control_path ? now->control_path : "";
	const char *is = next->control_path ? next->control_path : "";
	bool control = strcmp(was, is) != 0, iothreads = now->iothreads != next->iothreads;

	if (control)
		log_at(LOG_WARNING, "reload: waits for the next start: control");
	if (iothreads)
		log_at(LOG_WARNING, "reload: waits for the next start: iothreads");
	return control || iothreads;
}

static bool apply_all(struct nic *const *nics, const struct options_changes *changes, bool others)
{
	bool ok = true;

	for (unsigned i = 0; i < changes->n_live; i++)
		ok &= apply(nics[changes->live[i].nic], &changes->live[i]);
	if (*changes->later)
		log_at(LOG_WARNING, "reload: waits for the next start: %s", changes->later);
	if (!changes->n_live && !*changes->later && !others)
		log_at(LOG_INFO, "reload: nothing has changed");
	return ok;
}

static bool compare_and_apply(const struct options *now, const struct options *next,
			      struct nic *const *nics, unsigned n_nics)
{
	struct nic_config *live = collect_live(nics, n_nics, next);
	struct options_changes changes;
	bool others, ok;

	if (!live || options_reload_compare(&changes, live, n_nics, next->nics, next->n_nics)) {
		log_at(LOG_ERROR, "reload: out of memory");
		free(live);
		return false;
	}
	others = apply_log_level(next);
	others |= log_others(now, next);
	ok = apply_all(nics, &changes, others);
	options_reload_deinit(&changes);
	free(live);
	return ok;
}

bool reload_run(int argc, char **argv, const struct options *now, struct nic *const *nics,
		unsigned n_nics)
{
	struct options next;
	bool ok = false;

	if (options_parse_again(&next, argc, argv) == OPTIONS_RUN)
		ok = compare_and_apply(now, &next, nics, n_nics);
	else
		log_at(LOG_ERROR, "reload: refused, and nothing has changed");
	options_deinit(&next);
	return ok;
}
