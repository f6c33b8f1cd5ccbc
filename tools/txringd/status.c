/* SPDX-License-Identifier: MIT */
/* A card's status as text: what txringctl show prints. */
#include "tools/txringd/status.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tools/config/txmode.h"
#include "tools/txringd/counters.h"
#include "virtio/features.h"

static void print_handovers(FILE *out, const char *name, const char *way,
			    const struct device_handovers *h)
{
	fprintf(out, "%s: handovers to %s: n=%" PRIu64 " last_us=%" PRIu64 " max_us=%" PRIu64 "\n",
		name, way, h->n, h->last_us, h->max_us);
}

static void print_pair(const struct status *s, unsigned pair, FILE *out)
{
	const struct status_pair *p = &s->pairs[pair];
	char line[COUNTERS_TEXT_LEN];

	if (p->in_kernel)
		fprintf(out, "%s: pair %u: driver kernel (its frames are not in these counters)\n",
			s->name, pair);
	else
		fprintf(out, "%s: pair %u: driver user: %s\n", s->name, pair,
			*s->driver.why ? s->driver.why : "no driver uses it");
	fprintf(out, "%s: %s\n", s->name, counters_tx(line, pair, &p->tx));
	fprintf(out, "%s: %s\n", s->name, counters_rx(line, pair, &p->rx));
}

void status_print(const struct status *s, FILE *out)
{
	char mode[TXMODE_TEXT_LEN], names[FEATURES_NAMES_LEN];

	fprintf(out, "%s: backend %s\n", s->name, s->backend);
	if (*s->note)
		fprintf(out, "  without: %s\n", s->note);
	fprintf(out, "%s: tx mode %s\n", s->name, txmode_text(&s->mode, mode));
	fprintf(out, "%s: link %s\n", s->name,
		s->down   ? "down: it was set down"
		: s->lost ? "down: the interface was removed"
			  : "up");
	fprintf(out, "%s: front-end %s\n", s->name, s->connected ? "connected" : "none");
	features_names(s->features, names);
	if (s->connected)
		fprintf(out, "%s: features %s\n", s->name, *names ? names : "none");
	fprintf(out, "%s: vhost %s\n", s->name, nic_config_policy_name(s->policy));
	if (s->driver.driver == DEVICE_KERNEL)
		fprintf(out, "%s: driver kernel\n", s->name);
	else
		fprintf(out, "%s: driver user: %s\n", s->name, s->driver.why);
	print_handovers(out, s->name, "kernel", &s->driver.to_kernel);
	print_handovers(out, s->name, "user", &s->driver.to_user);
	fprintf(out, "%s: handovers failed: n=%" PRIu64 "\n", s->name, s->driver.failed);
	for (unsigned i = 0; i < s->n_pairs; i++)
		print_pair(s, i, out);
}

void status_deinit(struct status *s)
{
	free(s->pairs);
	s->pairs = NULL;
}
