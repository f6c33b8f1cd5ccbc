/* SPDX-License-Identifier: MIT */
/* What to do with a converted document, and what will not work any more: see convert.h. */
#include <stdlib.h>
#include <string.h>

#include "tools/txringctl/convert.h"
#include "tools/txringctl/convert_words.h"

/* Where the units of tools/systemd/ listen: txringd@INSTANCE.socket. */
#define UNITS_FOLDER "/run/txring/"
#define UNITS_SUFFIX ".sock"

/* The name under which the commands below have the file: "vm0-txring.xml". */
static void file_name(const struct convert *c, char *name, size_t len)
{
	const struct xml_node *node = c->domain ? xml_child(c->domain, "", "name") : NULL;

	snprintf(name, len, "%s-txring.xml", node ? xml_content(node) : "interface");
	for (char *s = name; *s; s++) {
		if (*s == '/')
			*s = '-';
	}
}

static void line(const char *const *words, FILE *out)
{
	fputs(" ", out);
	for (; *words; words++) {
		fputc(' ', out);
		convert_words_shell(*words, out);
	}
	fputc('\n', out);
}

/* A macvtap is not made by txringd. */
static void write_macvtap(const struct convert_nic *nic, FILE *out)
{
	const char *mode = iface_get(&nic->iface, "source", "mode");

	if (!nic->parent)
		return;
	line((const char *const[]){ "ip", "link", "add", "link", nic->parent, "name", nic->tap,
				    "address", nic->mac, "type", "macvtap", "mode",
				    mode ? mode : "vepa", NULL },
	     out);
	line((const char *const[]){ "ip", "link", "set", nic->tap, "up", NULL }, out);
}

static void write_txringd(const struct convert *c, const char *file, FILE *out)
{
	const char *before = "  txringd";
	char choice[512];

	for (unsigned i = 0; i < c->n_nics; i++) {
		if (c->domain)
			snprintf(choice, sizeof(choice), "%s,mac=%s", file, c->nics[i].mac);
		else
			snprintf(choice, sizeof(choice), "%s", file);
		fprintf(out, "%s --interface ", before);
		convert_words_shell(choice, out);
		fputs(" --socket-group libvirt-qemu --socket-mode 0660", out);
		before = " \\\n     ";
	}
	fputc('\n', out);
}

/* The instance of our units that listens on that path: "vm0"; NULL: there is none. To be freed. */
static char *instance(const char *socket)
{
	size_t len = strlen(socket), before = strlen(UNITS_FOLDER), behind = strlen(UNITS_SUFFIX);
	char *name;

	if (len <= before + behind || strncmp(socket, UNITS_FOLDER, before) != 0 ||
	    strcmp(socket + len - behind, UNITS_SUFFIX) != 0)
		return NULL;
	name = strndup(socket + before, len - before - behind);
	if (name && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.:")]) {
		free(name);
		return NULL;
	}
	return name;
}

static void write_units(const struct convert *c, const char *file, FILE *out)
{
	char *name = c->n_nics == 1 ? instance(c->nics[0].socket) : NULL;
	char path[256], unit[256];

	if (!name)
		return;
	snprintf(path, sizeof(path), "/etc/txring/%s.xml", name);
	snprintf(unit, sizeof(unit), "txringd@%s.socket", name);
	fputs("\nor, so that systemd starts txringd when QEMU connects, in its place:\n\n", out);
	line((const char *const[]){ "install", "-D", "-m", "644", file, path, NULL }, out);
	line((const char *const[]){ "systemctl", "enable", "--now", unit, NULL }, out);
	free(name);
}

void convert_report(const struct convert *c, FILE *out)
{
	char file[256];

	file_name(c, file, sizeof(file));
	fprintf(out, "%u interface%s for txringd. Save stdout as %s, then:\n\n", c->n_nics,
		c->n_nics == 1 ? " is now" : "s are now", file);
	for (unsigned i = 0; i < c->n_nics; i++)
		write_macvtap(&c->nics[i], out);
	write_txringd(c, file, out);
	line(c->domain ? (const char *const[]){ "virsh", "define", file, NULL }
		       : (const char *const[]){ "virsh", "attach-device", "DOMAIN", file, NULL },
	     out);
	write_units(c, file, out);
	fputs("\nIt will not work any more to save or migrate the domain, or to take a snapshot of "
	      "its memory:\n"
	      "txringd keeps no log of the pages that it writes. libvirt refuses domif-setlink, "
	      "domiftune and\n"
	      "update-device for this type, and has no domifstat: see txringctl link and txringctl "
	      "domifstat.\n",
	      out);
	if (!c->domain)
		fputs("The domain must share its memory: <memoryBacking><source type='memfd'/>"
		      "<access mode='shared'/></memoryBacking>.\n",
		      out);
	fputs("\nBack again:\n\n", out);
	line((const char *const[]){ "txringctl", "convert", "--back", file, NULL }, out);
}
