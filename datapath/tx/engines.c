/* SPDX-License-Identifier: MIT */
/* The list of tx engines. */
#include "datapath/tx/engines.h"

#include <stdbool.h>
#include <string.h>

const struct tx_engine *const tx_engines[] = {
	&bh_tx_engine,
	&timer_tx_engine,
	&poll_tx_engine,
	NULL,
};

static bool is(const char *word, const char *name, size_t len)
{
	return word && strlen(word) == len && !memcmp(word, name, len);
}

const struct tx_engine *tx_engines_find(const char *name, size_t len)
{
	for (unsigned i = 0; tx_engines[i]; i++) {
		if (is(tx_engines[i]->name, name, len) || is(tx_engines[i]->alias, name, len))
			return tx_engines[i];
	}
	return NULL;
}
