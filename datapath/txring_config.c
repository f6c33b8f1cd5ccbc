/* SPDX-License-Identifier: MIT */
/* What a program chose for a card of libtxring, judged and translated; see txring_config.h. */
#include "datapath/txring_config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "datapath/tx/engines.h"
#include "virtio/vhost_user/session.h"

_Static_assert(TXRING_ERR_LEN == BACKEND_ERR_LEN, "err is handed down");
_Static_assert(TXRING_MAX_PAIRS == VHOST_USER_MAX_RINGS / 2, "a pair is two rings");

/* The first version's struct, which no program may fall short of. */
#define SIZE_0_1 (offsetof(struct txring_card_config, ctx) + sizeof(void *))

/*
 * The struct of a program that was built with an older version may be shorter: the fields that it
 * lacks count as 0. That of a newer version may be longer: what is not known here must be 0.
 */
int txring_config_take(struct txring_card_config *cfg, const struct txring_card_config *from,
		       char err[TXRING_ERR_LEN])
{
	const char *bytes = (const char *)from;

	memset(cfg, 0, sizeof(*cfg));
	if (from->size < SIZE_0_1) {
		snprintf(err, TXRING_ERR_LEN, "config: size %zu, at least %zu are needed",
			 from->size, SIZE_0_1);
		return -EINVAL;
	}
	for (size_t i = sizeof(*cfg); i < from->size; i++) {
		if (bytes[i]) {
			snprintf(err, TXRING_ERR_LEN,
				 "config: libtxring %s does not know all that is asked for",
				 TXRING_VERSION);
			return -E2BIG;
		}
	}
	memcpy(cfg, from, from->size < sizeof(*cfg) ? from->size : sizeof(*cfg));
	cfg->n_pairs = cfg->n_pairs ? cfg->n_pairs : 1;
	if (cfg->n_pairs <= TXRING_MAX_PAIRS && cfg->threads && cfg->n_threads && cfg->backend)
		return 0;
	snprintf(err, TXRING_ERR_LEN, "config: needs a backend, a thread, and 1 to %u queue pairs",
		 TXRING_MAX_PAIRS);
	return -EINVAL;
}

static int set_param(struct tx_mode *mode, const struct txring_param *param,
		     char err[TXRING_ERR_LEN])
{
	const struct tx_engine *e = mode->engine;

	for (unsigned i = 0; i < e->n_params && param->name; i++) {
		const struct tx_param *p = &e->params[i];

		if (strcmp(p->name, param->name))
			continue;
		mode->values[i] = param->value;
		if (param->value >= p->min && param->value <= p->max)
			return 0;
		snprintf(err, TXRING_ERR_LEN, "engine %s: %s is %llu, it may be %llu to %llu %s",
			 e->name, p->name, (unsigned long long)param->value,
			 (unsigned long long)p->min, (unsigned long long)p->max, p->unit);
		return -ERANGE;
	}
	snprintf(err, TXRING_ERR_LEN, "engine %s: it has no parameter '%s'", e->name,
		 param->name ? param->name : "");
	return -EINVAL;
}

int txring_config_mode(struct tx_mode *mode, const struct txring_card_config *cfg,
		       char err[TXRING_ERR_LEN])
{
	const char *name = cfg->engine ? cfg->engine : "iothread";
	const struct tx_engine *e = tx_engines_find(name, strlen(name));
	int error = 0;

	if (!e) {
		snprintf(err, TXRING_ERR_LEN, "there is no tx engine '%s'", name);
		return -EINVAL;
	}
	mode->engine = e;
	for (unsigned i = 0; i < e->n_params; i++)
		mode->values[i] = e->params[i].def;
	for (unsigned i = 0; i < cfg->n_params && !error; i++)
		error = set_param(mode, &cfg->params[i], err);
	return error;
}

int txring_config_backend(struct backend **backend, const struct txring_card_config *cfg,
			  char err[TXRING_ERR_LEN])
{
	const char *what = strchr(cfg->backend, ':');
	size_t len = what ? (size_t)(what - cfg->backend) : strlen(cfg->backend);
	const struct txring_kind *kind = txring_kinds;
	int error;

	while (kind->name && (strlen(kind->name) != len || memcmp(kind->name, cfg->backend, len)))
		kind++;
	if (!kind->name || (kind->make && what)) {
		snprintf(err, TXRING_ERR_LEN, "there is no backend '%s'", cfg->backend);
		return -EINVAL;
	}
	if (kind->open)
		return kind->open(backend, what ? what + 1 : "", cfg, err);
	error = kind->make(backend, cfg->n_pairs);
	if (error)
		snprintf(err, TXRING_ERR_LEN, "backend %s: %s", kind->name, strerror(-error));
	return error;
}
