/* SPDX-License-Identifier: MIT */
/*
 * QEMU's arguments, with the names and the decisions that libvirt has; see qemu_args.h. libvirt
 * opens taps and vhost-net itself and hands over fds; here QEMU opens them by name.
 */
#include "tools/txringctl/qemu_args.h"

#include <stdlib.h>
#include <string.h>

#include "tools/config/values.h"
#include "tools/txringctl/convert_words.h"

/* An option's value, of which the parts are separated by commas. */
struct value {
	FILE *out;
	char *text;
	size_t len;
};

static bool begin(struct value *v, const char *kind)
{
	*v = (struct value){ 0 };
	v->out = open_memstream(&v->text, &v->len);
	if (!v->out)
		return false;
	fputs(kind, v->out);
	return true;
}

static void add(struct value *v, const char *name, const char *text)
{
	fprintf(v->out, ",%s=", name);
	convert_words_qemu(text, v->out);
}

static void add_number(struct value *v, const char *name, unsigned long n)
{
	fprintf(v->out, ",%s=%lu", name, n);
}

static bool end(struct value *v, const char *option, FILE *out)
{
	bool ok = !fclose(v->out);

	if (ok) {
		fprintf(out, "%s ", option);
		convert_words_shell(v->text, out);
		fputc('\n', out);
	}
	free(v->text);
	return ok;
}

static const char *get(const struct convert_nic *nic, const char *element, const char *attribute)
{
	const char *text = iface_get(&nic->iface, element, attribute);

	return text ? text : "";
}

static unsigned queues(const struct convert_nic *nic)
{
	unsigned long n = strtoul(get(nic, "driver", "queues"), NULL, 10);

	return n ? (unsigned)n : 1;
}

/* libvirt's: an alias of the user's, or net0 and so on. */
static void name(const struct convert *c, const struct convert_nic *nic, const char *prefix,
		 char text[64])
{
	const char *alias = get(nic, "alias", "name");

	if (*alias)
		snprintf(text, 64, "%s%.40s", prefix, alias);
	else
		snprintf(text, 64, "%snet%u", prefix, (unsigned)(nic - c->nics));
}

/* What libvirt does on the host. */
static void judge(struct convert *c, const struct convert_nic *nic)
{
	for (unsigned i = 0; i < nic->iface.n_values; i++) {
		const struct iface_value *v = &nic->iface.values[i];
		const struct iface_key *k = v->key;
		const char *attribute = k->form == IFACE_TREE ? NULL : k->attribute;
		char err[IFACE_ERR_LEN];

		if (k->nic != IFACE_REFUSED || k->qemu || !strncmp(k->element, "source", 6) ||
		    !strcmp(k->element, "tune/sndbuf") ||
		    (k->unless && !strcmp(v->text, k->unless)))
			continue;
		iface_refuse(err, c->doc, v->node, attribute, v->text,
			     "libvirt does it beside QEMU, and no argument of QEMU does: do it on "
			     "the tap, and take it out");
		convert_plan_refuse(c, "%s", err);
	}
}

static void judge_vhost(struct convert *c, const struct convert_nic *nic)
{
	const struct iface_value *v = iface_find(&nic->iface, "backend", "vhost");
	char err[IFACE_ERR_LEN];

	if (!v || !strcmp(v->text, "/dev/vhost-net"))
		return;
	iface_refuse(err, c->doc, v->node, "vhost", v->text,
		     "QEMU opens /dev/vhost-net only, where nobody hands it an fd: take it out");
	convert_plan_refuse(c, "%s", err);
}

void qemu_args_plan(struct convert *c)
{
	for (unsigned i = 0; i < c->n_nics; i++) {
		judge(c, &c->nics[i]);
		judge_vhost(c, &c->nics[i]);
	}
	convert_plan_taps(c);
}

/* libvirt's order: not without KVM, whatever is asked for; then what the name says. */
static void add_vhost(struct convert *c, const struct convert_nic *nic, struct value *v)
{
	const struct iface_value *driver = iface_find(&nic->iface, "driver", "name");
	const char *txmode = get(nic, "driver", "txmode");
	bool required = driver && !strcmp(driver->text, "vhost");

	if (c->tcg && required)
		fprintf(c->notes,
			"%s:%u: <driver name='vhost'>: libvirt does without vhost-net in a domain "
			"of type 'qemu', and says nothing\n",
			xml_path(c->doc), xml_line(driver->node));
	if (c->tcg || (driver && !required))
		return;
	add(v, "vhost", "on");
	if (required)
		add(v, "vhostforce", "on");
	if (*txmode)
		fprintf(c->notes,
			"%s:%u: <driver txmode='%s'>: it does nothing while vhost-net moves the "
			"frames: see name='qemu'\n",
			xml_path(c->doc),
			xml_line(iface_find(&nic->iface, "driver", "txmode")->node), txmode);
}

static bool print_tap(struct convert *c, const struct convert_nic *nic, FILE *out)
{
	const char *sndbuf = get(nic, "tune/sndbuf", "");
	struct value v;
	char id[64];

	if (!begin(&v, "tap"))
		return false;
	name(c, nic, "host", id);
	add(&v, "id", id);
	if (nic->iface.type == IFACE_DIRECT) {
		add(&v, "fd", "3");
		fprintf(c->notes,
			"a macvtap is handed over open: start QEMU with 3<>/dev/tapN, where N is "
			"in "
			"/sys/class/net/%s/ifindex\n",
			nic->tap);
	} else {
		/* Without an address there is nothing to name it by: QEMU finds a name. */
		if (nic->tap[0])
			add(&v, "ifname", nic->tap);
		add(&v, "script", "no");
		add(&v, "downscript", "no");
	}
	if (queues(nic) > 1)
		add_number(&v, "queues", queues(nic));
	if (*sndbuf)
		add(&v, "sndbuf", sndbuf);
	add_vhost(c, nic, &v);
	return end(&v, "-netdev", out);
}

static bool print_chardev(const struct convert *c, const struct convert_nic *nic, FILE *out)
{
	bool server = !strcmp(get(nic, "source", "mode"), "server");
	const char *seconds = get(nic, "source/reconnect", "timeout");
	struct value v;
	char id[64];

	if (!begin(&v, "socket"))
		return false;
	name(c, nic, "char", id);
	add(&v, "id", id);
	add(&v, "path", nic->socket);
	if (server)
		add(&v, "server", "on");
	else if (nic->iface.type != IFACE_VHOSTUSER)
		add(&v, "reconnect", "1");
	else if (!strcmp(get(nic, "source/reconnect", "enabled"), "yes"))
		add(&v, "reconnect", *seconds ? seconds : "1");
	return end(&v, "-chardev", out);
}

static bool print_vhost_user(const struct convert *c, const struct convert_nic *nic, FILE *out)
{
	struct value v;
	char id[64];

	if (!print_chardev(c, nic, out) || !begin(&v, "vhost-user"))
		return false;
	name(c, nic, "char", id);
	add(&v, "chardev", id);
	name(c, nic, "host", id);
	add(&v, "id", id);
	if (queues(nic) > 1)
		add_number(&v, "queues", queues(nic));
	return end(&v, "-netdev", out);
}

/* A setting as a property of virtio-net-pci. */
static void add_property(struct value *v, const struct iface_key *k, const char *text,
			 bool vhost_user)
{
	if (!strcmp(k->qemu, "tx")) {
		if (!vhost_user)
			add(v, "tx", !strcmp(text, "iothread") ? "bh" : text);
	} else if (!strcmp(k->qemu, "rombar")) {
		add(v, k->qemu, !strcmp(text, "on") ? "1" : "0");
	} else if (!strcmp(k->qemu, "host_mtu")) {
		if (strcmp(text, "0") != 0)
			add(v, k->qemu, text);
	} else if (strcmp(k->qemu, "id") != 0 && strcmp(k->qemu, "mq") != 0) {
		add(v, k->qemu, text);
	}
}

static bool print_device(const struct convert *c, const struct convert_nic *nic, bool vhost_user,
			 FILE *out)
{
	const char *model = get(nic, "model", "type");
	unsigned n = queues(nic);
	struct value v;
	char id[64];

	if (!begin(&v, "virtio-net-pci"))
		return false;
	if (!strncmp(model, "virtio-", strlen("virtio-")))
		fputs(model + strlen("virtio"), v.out);
	for (const struct iface_key *k = iface_keys; k->element; k++) {
		const char *text = iface_get(&nic->iface, k->element, k->attribute);

		if (k->qemu && text)
			add_property(&v, k, text, vhost_user);
	}
	if (!strcmp(get(nic, "rom", "enabled"), "no"))
		add(&v, "romfile", "");
	if (n > 1)
		add(&v, "mq", "on");
	if (vhost_user && c->tcg)
		add(&v, "vectors", "0");
	else if (n > 1)
		add_number(&v, "vectors", 2ul * n + 2);
	name(c, nic, "host", id);
	add(&v, "netdev", id);
	name(c, nic, "", id);
	add(&v, "id", id);
	return end(&v, "-device", out);
}

/* What is in no argument. */
static void note(const struct convert *c, const struct convert_nic *nic)
{
	const struct iface_value *address = iface_find(&nic->iface, "address", "");
	const struct iface_value *link = iface_find(&nic->iface, "link", "state");

	if (nic->iface.n_own)
		fprintf(c->notes,
			"%s:%u: <interface>: what txring's own settings say of it is for "
			"txringd, and QEMU has no arguments for it\n",
			xml_path(c->doc), xml_line(nic->iface.own[0].node));
	if (address)
		fprintf(c->notes, "%s:%u: <address>: QEMU chooses the slot\n", xml_path(c->doc),
			xml_line(address->node));
	if (link && !strcmp(link->text, "down"))
		fprintf(c->notes,
			"%s:%u: <link state='down'>: there is no argument: set_link in QEMU's "
			"monitor\n",
			xml_path(c->doc), xml_line(link->node));
}

/* The guest's memory in KiB, as libvirt counts: 0: it is not said, or not so that we know it. */
static unsigned long long memory_kib(const struct xml_node *domain)
{
	static const struct {
		const char *unit;
		double bytes;
	} units[] = { { "b", 1 },      { "bytes", 1 },   { "KB", 1e3 },     { "k", 1024 },
		      { "KiB", 1024 }, { "MB", 1e6 },    { "M", 0x1p20 },   { "MiB", 0x1p20 },
		      { "GB", 1e9 },   { "G", 0x1p30 },  { "GiB", 0x1p30 }, { "TB", 1e12 },
		      { "T", 0x1p40 }, { "TiB", 0x1p40 } };
	const struct xml_node *memory = xml_child(domain, "", "memory");
	const char *unit = memory ? xml_attr(memory, "unit") : NULL, *text;
	uint64_t n;

	text = memory ? xml_content(memory) : "";
	text += strspn(text, " \t\r\n");
	if (!values_number(text, strcspn(text, " \t\r\n"), 1, 1ull << 40, &n))
		return 0;
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!strcmp(unit ? unit : "KiB", units[i].unit))
			return (unsigned long long)((double)n * units[i].bytes / 1024);
	}
	return 0;
}

/* vhost-user needs the guest's memory as a file. */
static void print_memory(const struct convert *c, FILE *out)
{
	unsigned long long kib = c->domain ? memory_kib(c->domain) : 0;

	if (kib)
		fprintf(out,
			"-object memory-backend-memfd,id=pc.ram,size=%lluK,share=on\n"
			"-machine memory-backend=pc.ram\n",
			kib);
	else
		fputs("QEMU needs shared memory besides: -object memory-backend-memfd,id=pc.ram,"
		      "size=SIZE,share=on -machine memory-backend=pc.ram, with the SIZE of -m\n",
		      c->notes);
}

static void note_txringd(const struct convert *c, const struct convert_nic *nic)
{
	fputs("its txringd: txringd --interface ", c->notes);
	convert_words_shell(xml_path(c->doc), c->notes);
	if (c->domain)
		fprintf(c->notes, ",mac=%s", nic->mac);
	if (nic->iface.type != IFACE_VHOSTUSER) {
		fputs(" --socket-path ", c->notes);
		convert_words_shell(nic->socket, c->notes);
	}
	fputc('\n', c->notes);
}

bool qemu_args_print(struct convert *c, bool vhost_user, FILE *out)
{
	bool ok = true;

	if (vhost_user)
		print_memory(c, out);
	for (unsigned i = 0; ok && i < c->n_nics; i++) {
		const struct convert_nic *nic = &c->nics[i];

		ok = (vhost_user ? print_vhost_user(c, nic, out) : print_tap(c, nic, out)) &&
		     print_device(c, nic, vhost_user, out);
		note(c, nic);
		if (vhost_user)
			note_txringd(c, nic);
	}
	return ok;
}
