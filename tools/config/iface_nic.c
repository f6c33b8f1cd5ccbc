/* SPDX-License-Identifier: MIT */
/*
 * An <interface> as the configuration of a card: first what libvirt's words say, by the table and,
 * where a word is no key, by hand; then what is ours, which goes before. See iface.h.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "tools/config/iface_parts.h"
#include "tools/config/txmode.h"
#include "virtio/base.h"
#include "virtio/features.h"

struct filler {
	const struct iface *iface;
	struct nic_config *c;
	void (*warn)(void *ctx, const char *line);
	void *ctx;
	char *err;
};

static bool is_text(const char *text, const char *other)
{
	return text && !strcmp(text, other);
}

/* For messages: of an element with all that is in it there is no one text. */
static const char *attribute_of(const struct iface_value *v)
{
	return v->key->form == IFACE_TREE ? NULL : v->key->attribute;
}

static int refuse(const struct filler *f, const struct iface_value *v, const char *why)
{
	return iface_refuse(f->err, f->iface->doc, v->node, attribute_of(v), v->text, "%s", why);
}

static int refuse_whole(const struct filler *f, const char *why)
{
	return iface_refuse(f->err, f->iface->doc, f->iface->node, NULL, NULL, "%s", why);
}

static void warn(const struct filler *f, const struct iface_value *v, const char *why)
{
	char line[IFACE_ERR_LEN];

	iface_refuse(line, f->iface->doc, v->node, attribute_of(v), v->text, "ignored: %s", why);
	f->warn(f->ctx, line);
}

/* Set a key to value; a refusal names the place: node, and its attribute and text if any. */
static int set_key(const struct filler *f, const char *name, const char *value,
		   const struct xml_node *node, const char *attribute, const char *text)
{
	const struct config_key *key = nic_config_keys;
	char why[NIC_CONFIG_ERR_LEN] = "";
	int error;

	while (strcmp(key->name, name) != 0)
		key++;
	error = key->set(f->c, value, why);
	if (error == -ENOMEM)
		refuse_whole(f, "out of memory");
	else if (error)
		iface_refuse(f->err, f->iface->doc, node, attribute, text, "%s%s", name, why);
	return error;
}

static int set_from(const struct filler *f, const char *name, const char *value,
		    const struct iface_value *from)
{
	return set_key(f, name, value, from->node, from->key->attribute, from->text);
}

/* A row that needs no more than its columns. */
static int fill_value(const struct filler *f, const struct iface_value *v)
{
	const struct iface_key *key = v->key;

	if (key->unless && !strcmp(v->text, key->unless))
		return 0;
	if (key->nic == IFACE_REFUSED)
		return refuse(f, v, key->why);
	if (key->nic == IFACE_IGNORED)
		warn(f, v, key->why);
	if (!strcmp(key->element, "backend") && !strcmp(key->attribute, "vhost") &&
	    is_text(iface_get(f->iface, "driver", "name"), "qemu") &&
	    !iface_own(f->iface, "vhost")) {
		warn(f, v, "libvirt does not open it with <driver name='qemu'>");
		return 0;
	}
	if (key->feature)
		return set_from(f, is_text(v->text, "on") ? "offer" : "no-offer", key->feature, v);
	return key->key ? set_from(f, key->key, v->text, v) : 0;
}

bool iface_is_virtio(enum iface_type type, const char *model)
{
	static const char *const models[] = { "virtio", "virtio-transitional",
					      "virtio-non-transitional" };

	for (unsigned i = 0; model && i < array_size(models); i++) {
		if (!strcmp(model, models[i]))
			return true;
	}
	return !model && type == IFACE_VHOSTUSER;
}

/* The driver's attributes are virtio's; libvirt drops them on any other model, without a word. */
static int check_model(const struct filler *f)
{
	const struct iface_value *model = iface_find(f->iface, "model", "type");

	if (f->iface->type == IFACE_OTHER)
		return refuse(f, iface_find(f->iface, "", "type"),
			      "txringd has nothing to be behind it: it must be one of: network "
			      "bridge ethernet direct vhostuser");
	if (!model && f->iface->type != IFACE_VHOSTUSER)
		return refuse_whole(f,
				    "<model type='virtio'/> is missing, and libvirt's default is "
				    "no virtio card");
	if (iface_is_virtio(f->iface->type, model ? model->text : NULL))
		return 0;
	for (unsigned i = 0; i < f->iface->n_values; i++) {
		const struct iface_value *v = &f->iface->values[i];

		if (!strncmp(v->key->element, "driver", strlen("driver")))
			return iface_refuse(f->err, f->iface->doc, v->node, v->key->attribute,
					    v->text,
					    "is for virtio, and libvirt drops it on <model "
					    "type='%.40s'/>: make that virtio",
					    model->text);
	}
	return refuse(f, model,
		      "txringd is a virtio card: it must be virtio, virtio-transitional or "
		      "virtio-non-transitional");
}

/* <driver name=>: vhost is the kernel's vhost-net and nothing else, qemu is never the kernel. */
static int fill_policy(const struct filler *f)
{
	const struct iface_value *name = iface_find(f->iface, "driver", "name");

	if (!name)
		return 0;
	return set_from(f, "vhost", is_text(name->text, "vhost") ? "require" : "disable", name);
}

/* As libvirt has it: what it says of a lost socket is for the side that connects. */
static int check_reconnect(const struct filler *f)
{
	const struct iface_value *on = iface_find(f->iface, "source/reconnect", "enabled");

	if (!is_text(on ? on->text : NULL, "yes"))
		return 0;
	if (is_text(iface_get(f->iface, "source", "mode"), "server"))
		return refuse(f, on,
			      "not with mode='server', where QEMU listens: libvirt refuses it");
	if (!iface_find(f->iface, "source/reconnect", "timeout"))
		return refuse(f, on, "needs a timeout, in seconds: libvirt refuses it without");
	return 0;
}

/* mode is QEMU's: its server has txringd for a client. */
static int fill_socket(const struct filler *f)
{
	const struct iface_value *path = iface_find(f->iface, "source", "path"), *mode;
	int error;

	if (f->iface->type != IFACE_VHOSTUSER || iface_own(f->iface, "fd"))
		return 0;
	if (!path)
		return refuse_whole(f, "<source path='SOCKET'/> is missing");
	mode = iface_find(f->iface, "source", "mode");
	error = set_from(f, "socket-path", path->text, path);
	if (!error && mode && is_text(mode->text, "server"))
		error = set_from(f, "client", NULL, mode);
	return error;
}

/* A macvtap is made by the host's administrator: its mode and lower device are chosen then. */
static int check_macvtap(const struct filler *f)
{
	const struct iface_value *dev = iface_find(f->iface, "target", "dev");
	const char *lower = iface_get(f->iface, "source", "dev");
	const char *mode = iface_get(f->iface, "source", "mode");
	const char *name = dev ? dev->text : "macvtap0";

	if (dev && if_nametoindex(dev->text))
		return 0;
	return iface_refuse(
		f->err, f->iface->doc, dev ? dev->node : f->iface->node, dev ? "dev" : NULL,
		dev ? dev->text : NULL,
		"%s: ip link add link %.40s name %.40s type macvtap mode %s",
		dev ? "there is no such macvtap, which txringd does not make"
		    : "txringd makes no macvtap; make one, and name it in <target dev=/>",
		lower ? lower : "LOWER", name, mode ? mode : "vepa");
}

/* libvirt makes no tap with managed='no': it is somebody else's, and has to be there. */
static int check_managed(const struct filler *f, const struct iface_value *dev)
{
	const struct iface_value *managed = iface_find(f->iface, "target", "managed");

	if (!managed || !is_text(managed->text, "no") || if_nametoindex(dev->text))
		return 0;
	return iface_refuse(f->err, f->iface->doc, managed->node, "managed", managed->text,
			    "there is no %.40s, which is not to be made here: ip tuntap add %.40s "
			    "mode tap vnet_hdr",
			    dev->text, dev->text);
}

/* The tap that the interface names, unless a backend is named that is ours. */
static int fill_backend(const struct filler *f)
{
	const struct iface_value *dev = iface_find(f->iface, "target", "dev");
	char backend[sizeof("tap:") + IFNAMSIZ];
	int error = 0;

	if (f->c->backend || iface_own(f->iface, "backend"))
		return 0;
	if (f->iface->type == IFACE_DIRECT)
		error = check_macvtap(f);
	if (error)
		return error;
	if (!dev)
		return refuse_whole(f, "no backend: name a tap, <target dev='tap0'/>, or another "
				       "one, <?txring backend BACKEND?> or --backend behind it");
	if (strlen(dev->text) >= IFNAMSIZ)
		return refuse(f, dev, "an interface's name has 15 characters at most");
	error = check_managed(f, dev);
	if (error)
		return error;
	snprintf(backend, sizeof(backend), "tap:%s", dev->text);
	return set_from(f, "backend", backend, dev);
}

static bool is_on_tap(const struct filler *f)
{
	const struct iface_own *own = iface_own(f->iface, "backend");
	const char *backend = f->c->backend ? f->c->backend : own ? own->value : "";

	return !strncmp(backend, "tap", strlen("tap"));
}

static int fill_bridge(const struct filler *f)
{
	const struct iface_value *bridge = iface_find(f->iface, "source", "bridge");
	const struct iface_value *network = iface_find(f->iface, "source", "network");

	if (f->iface->type != IFACE_BRIDGE && f->iface->type != IFACE_NETWORK)
		return 0;
	if (!is_on_tap(f)) {
		if (bridge)
			warn(f, bridge, "the backend is no tap, which could be put into it");
		return 0;
	}
	if (bridge)
		return set_from(f, "bridge", bridge->text, bridge);
	if (iface_own(f->iface, "bridge") || f->c->bridge[0])
		return 0;
	if (network)
		return refuse(f, network,
			      "which bridge it has only libvirt knows: virsh net-info tells it; "
			      "give bridge= beside it");
	return refuse_whole(f, "<source bridge='BRIDGE'/> is missing");
}

/* Our own, behind libvirt's two words, says more of the same engine, or contradicts it. */
static int check_engines(const struct filler *f)
{
	const struct iface_value *theirs = iface_find(f->iface, "driver", "txmode");
	const struct iface_own *ours = iface_own(f->iface, "txmode");
	struct tx_mode mode;
	char why[256];

	/* One that is no mode at all is refused where it is set. */
	if (!theirs || !ours || txmode_parse(&mode, ours->value, why, sizeof(why)) ||
	    mode.engine == f->c->mode.engine)
		return 0;
	return iface_refuse(f->err, f->iface->doc, theirs->node, "txmode", theirs->text,
			    "line %u says txmode %.80s: both must name the same, or one be taken "
			    "out",
			    xml_line(ours->node), ours->value);
}

/* What is asked for, and needs what is switched off: no card, whatever its backend is. */
static int check_features(const struct filler *f)
{
	char why[FEATURES_NAMES_LEN];
	uint64_t possible = features_prune(~f->c->no_offer, why);

	for (unsigned i = 0; i < f->iface->n_values; i++) {
		const struct iface_value *v = &f->iface->values[i];
		uint64_t feature = 0;

		if (!v->key->feature || !features_parse(v->key->feature, &feature, why) ||
		    !(feature & f->c->offer & ~possible))
			continue;
		features_check(possible | feature, why);
		return iface_refuse(f->err, f->iface->doc, v->node, v->key->attribute, v->text,
				    "needs what is off: %s cannot be", why);
	}
	return 0;
}

/* QEMU has the address from libvirt, and some versions cannot bear another that they could ask. */
static void keep_mac(const struct filler *f)
{
	if (f->iface->type == IFACE_VHOSTUSER)
		f->c->mac_told = false;
}

static int fill_own(const struct filler *f)
{
	int error = 0;

	for (unsigned i = 0; !error && i < f->iface->n_own; i++) {
		const struct iface_own *own = &f->iface->own[i];

		error = set_key(f, own->key, own->value, own->node, "value", own->value);
	}
	return error;
}

/* Warn of each <txring:nic> in <metadata> with a MAC that no interface of the domain has. */
static void warn_strays(const struct filler *f)
{
	const struct xml_node *root = xml_root(f->iface->doc), *node, *nic = NULL, *other;
	char line[IFACE_ERR_LEN];

	node = root == f->iface->node ? NULL : xml_child(root, "", "metadata");
	node = node ? xml_child(node, IFACE_NS, "nics") : NULL;
	while (node && (nic = xml_next(node, nic))) {
		const char *mac = xml_attr(nic, "mac");

		for (other = iface_next(f->iface->doc, NULL); other;
		     other = iface_next(f->iface->doc, other)) {
			if (iface_same_mac(mac, iface_mac_text(other)))
				break;
		}
		if (!mac || other)
			continue;
		iface_refuse(line, f->iface->doc, nic, "mac", mac,
			     "ignored: no <interface> of the domain has it");
		f->warn(f->ctx, line);
	}
}

int iface_to_nic(const struct iface *iface, struct nic_config *c,
		 void (*warn_line)(void *ctx, const char *line), void *ctx, char err[IFACE_ERR_LEN])
{
	struct filler f = { iface, c, warn_line, ctx, err };
	int error = check_model(&f);

	for (unsigned i = 0; !error && i < iface->n_values; i++)
		error = fill_value(&f, &iface->values[i]);
	error = error ? error : check_engines(&f);
	error = error ? error : check_reconnect(&f);
	error = error ? error : fill_policy(&f);
	error = error ? error : fill_socket(&f);
	error = error ? error : fill_backend(&f);
	error = error ? error : fill_bridge(&f);
	keep_mac(&f);
	error = error ? error : fill_own(&f);
	error = error ? error : check_features(&f);
	if (!error)
		warn_strays(&f);
	return error;
}
