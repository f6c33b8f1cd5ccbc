/* SPDX-License-Identifier: MIT */
/* show, dumpxml, domifstat [NIC], link up|down [NIC], vhost on|off [NIC]; see commands.h. */
#include "tools/txringd/commands.h"

#include <string.h>

#include "tools/txringd/domifstat.h"
#include "tools/txringd/dumpxml.h"

#define USAGE \
	"'show [NIC]', 'dumpxml [NIC]', 'domifstat [NIC]', 'link up|down [NIC]' or 'vhost on|off " \
	"[NIC]'"
#define MAX_WORDS 4

/* The next card of this name, or of any if it is NULL, from *i on; NULL: none. */
static struct nic *next_nic(const struct commands *c, const char *name, unsigned *i)
{
	for (; *i < c->n_nics; ++*i) {
		if (c->nics[*i] && (!name || !strcmp(nic_name(c->nics[*i]), name)))
			return c->nics[(*i)++];
	}
	return NULL;
}

static void no_nic(const char *name, FILE *out)
{
	if (name)
		fprintf(out, "error: there is no card '%s'\n", name);
	else
		fprintf(out, "error: all cards have ended\n");
}

/* What a card says of itself. False: it cannot, and has said "error: ". */
struct telling {
	const char *name;
	bool (*tell)(const struct nic *nic, struct status *s, FILE *out);
};

static bool show(const struct nic *nic, struct status *s, FILE *out)
{
	(void)nic;
	status_print(s, out);
	return true;
}

static bool dumpxml(const struct nic *nic, struct status *s, FILE *out)
{
	char err[NIC_CONFIG_ERR_LEN];
	struct ifstate tap;

	s->tap_mtu = nic_tap(nic, &tap) ? 0 : tap.mtu;
	if (dumpxml_print(s, out, err))
		return true;
	fprintf(out, "error: %s: %s\n", s->name, err);
	return false;
}

/* Once the kernel has had a card, its tap alone knows all frames, and goes on to. */
static bool domifstat(const struct nic *nic, struct status *s, FILE *out)
{
	bool by_tap = s->driver.to_kernel.n;
	struct ifstate tap;
	int err = by_tap ? nic_tap(nic, &tap) : 0;

	if (err) {
		fprintf(out,
			"error: %s: the kernel has moved its frames, and the tap's counters are "
			"not to be had: %s\n",
			s->name, strerror(-err));
		return false;
	}
	domifstat_print(s, by_tap ? &tap : NULL, out);
	return true;
}

/* The last one has no name. */
static const struct telling tellings[] = {
	{ "show", show },
	{ "dumpxml", dumpxml },
	{ "domifstat", domifstat },
	{ 0 },
};

static void tell(const struct commands *c, const struct telling *what, const char *name, FILE *out)
{
	unsigned i = 0, found = 0;
	struct status s;
	struct nic *nic;
	bool ok;

	for (; (nic = next_nic(c, name, &i)); found++) {
		if (nic_status(nic, &s)) {
			fprintf(out, "error: out of memory\n");
			return;
		}
		ok = what->tell(nic, &s, out);
		status_deinit(&s);
		if (!ok)
			return;
	}
	if (found)
		fprintf(out, "ok\n");
	else
		no_nic(name, out);
}

/*
 * True: to be run again; not if a card cannot, as that would stop its rings in vain. The first card
 * that does not do as it was told is the verdict; the others have a line each.
 */
static bool vhost(const struct commands *c, bool on, const char *name, FILE *out)
{
	char said[NIC_SAID_LEN], verdict[NIC_SAID_LEN + 32] = "ok";
	unsigned i = 0, found = 0, later = 0, cannot = 0;
	enum nic_vhost outcome;
	struct nic *nic;

	for (; (nic = next_nic(c, name, &i)); found++) {
		outcome = nic_vhost(nic, on, said);
		if (outcome != NIC_VHOST_DONE && !later && !cannot)
			snprintf(verdict, sizeof(verdict), "error: %s: %s", nic_name(nic), said);
		else
			fprintf(out, "%s: %s\n", nic_name(nic), said);
		later += outcome == NIC_VHOST_LATER;
		cannot += outcome == NIC_VHOST_CANNOT;
	}
	if (found)
		fprintf(out, "%s\n", verdict);
	else
		no_nic(name, out);
	return later && !cannot;
}

/* The first card that cannot is the verdict; the others have a line each. */
static void set_link(const struct commands *c, bool up, const char *name, FILE *out)
{
	char said[NIC_SAID_LEN], verdict[NIC_SAID_LEN + 32] = "ok";
	unsigned i = 0, found = 0;
	bool failed = false;
	struct nic *nic;

	for (; (nic = next_nic(c, name, &i)); found++) {
		if (nic_set_link(nic, up, said) || failed) {
			fprintf(out, "%s: %s\n", nic_name(nic), said);
			continue;
		}
		failed = true;
		snprintf(verdict, sizeof(verdict), "error: %s: %s", nic_name(nic), said);
	}
	if (found)
		fprintf(out, "%s\n", verdict);
	else
		no_nic(name, out);
}

static unsigned split(char *line, const char *words[MAX_WORDS])
{
	char *rest = NULL, *word = strtok_r(line, " \t\r", &rest);
	unsigned n;

	for (n = 0; word && n < MAX_WORDS; n++) {
		words[n] = word;
		word = strtok_r(NULL, " \t\r", &rest);
	}
	return n;
}

bool commands_run(void *ctx, char *line, FILE *out)
{
	const char *words[MAX_WORDS] = { NULL };
	unsigned n = split(line, words);

	for (const struct telling *t = tellings; t->name && n >= 1 && n <= 2; t++) {
		if (!strcmp(words[0], t->name)) {
			tell(ctx, t, words[1], out);
			return false;
		}
	}
	if (n >= 2 && n <= 3 && !strcmp(words[0], "vhost") &&
	    (!strcmp(words[1], "on") || !strcmp(words[1], "off")))
		return vhost(ctx, !strcmp(words[1], "on"), words[2], out);
	if (n >= 2 && n <= 3 && !strcmp(words[0], "link") &&
	    (!strcmp(words[1], "up") || !strcmp(words[1], "down"))) {
		set_link(ctx, !strcmp(words[1], "up"), words[2], out);
		return false;
	}
	fprintf(out, "error: a command is " USAGE "\n");
	return false;
}
