/* SPDX-License-Identifier: MIT */
/*
 * A card's status as XML; see dumpxml.h. Of type 'vhostuser' where that can say where the socket
 * is, else 'ethernet', which says nothing of it.
 */
#include "tools/txringd/dumpxml.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "tools/config/txmode.h"
#include "virtio/features.h"

/* How many bytes the character at s has, of UTF-8 that XML 1.0 can hold; 0: it is none. */
static unsigned char_len(const unsigned char *s)
{
	uint32_t c = *s;
	unsigned n = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

	if (n <= 1)
		return c >= 0x20 || c == '\t' || c == '\n' || c == '\r' ? n : 0;
	c &= 0x7fu >> n;
	for (unsigned i = 1; i < n; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || c >> 11 == 0x1b || c == 0xfffe || c == 0xffff)
		return 0;
	return n;
}

static bool is_text(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned n;

	for (; *s; s += n) {
		n = char_len(s);
		if (!n)
			return false;
	}
	return true;
}

/* In an instruction nothing can be escaped; space at its ends and line ends would be lost. */
static bool fits_instruction(const char *text)
{
	return is_text(text) && !strstr(text, "?>") && !strpbrk(text, "\r\n") && *text != ' ' &&
	       *text != '\t';
}

/* What stands between the quotes ' of an attribute. */
static void print_attr(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '\'':
			fputs("&apos;", out);
			break;
		case '\t':
			fputs("&#9;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

/* A comment has no two dashes in a row, nor one at its end; what it is about may have them. */
__attribute__((format(printf, 2, 3))) static void print_comment(FILE *out, const char *fmt, ...)
{
	char text[2 * NIC_CONFIG_ERR_LEN];
	va_list args;
	unsigned n;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fputs("  <!-- ", out);
	for (const char *s = text; *s; s += n ? n : 1) {
		n = char_len((const unsigned char *)s);
		if (!n)
			fputc('?', out);
		else if (s[0] == '-' && s[1] == '-')
			fputs("- ", out);
		else
			fwrite(s, 1, n, out);
	}
	fputs(" -->\n", out);
}

__attribute__((format(printf, 3, 4))) static void print_own(FILE *out, const char *key,
							    const char *fmt, ...)
{
	va_list args;

	fprintf(out, "  <?txring %s ", key);
	va_start(args, fmt);
	vfprintf(out, fmt, args);
	va_end(args);
	fputs("?>\n", out);
}

/* Whether the schema takes it as a path: absolute, and a line. */
static bool is_path(const char *path)
{
	return path[0] == '/' && path[1] && !strpbrk(path, "\r\n") && is_text(path);
}

/* The name of the tap that the card is given by, if the schema takes it as one; else NULL. */
static const char *target(const struct nic_config *c)
{
	static const char valid[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_.-";
	const char *name = c->backend + strlen("tap:");

	if (strncmp(c->backend, "tap:", strlen("tap:")) != 0 || !*name)
		return NULL;
	return name[strspn(name, valid)] ? NULL : name;
}

static bool check(const struct nic_config *c, char err[NIC_CONFIG_ERR_LEN])
{
	const struct {
		const char *key, *value;
	} own[] = {
		{ "socket-path",
		  c->socket_path && !is_path(c->socket_path) ? c->socket_path : NULL },
		{ "fd", c->listen_name },
		{ "backend", target(c) ? NULL : c->backend },
		{ "bridge", c->bridge },
		{ "vhost-device", c->vhost.device },
	};

	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (!own[i].value || !*own[i].value || fits_instruction(own[i].value))
			continue;
		snprintf(err, NIC_CONFIG_ERR_LEN,
			 "its %s has characters that cannot be written in XML", own[i].key);
		return false;
	}
	return true;
}

static void print_socket(const struct status *s, FILE *out)
{
	const struct nic_config *c = s->cfg;

	if (c->socket_path && is_path(c->socket_path)) {
		fputs("  <source type='unix' path='", out);
		print_attr(out, c->socket_path);
		fprintf(out, "' mode='%s'/>\n", c->client ? "server" : "client");
		return;
	}
	if (c->listen_name)
		print_own(out, "fd", "systemd%s%s", *c->listen_name ? ":" : "", c->listen_name);
	else if (c->socket_path)
		print_own(out, "socket-path", "%s", c->socket_path);
	else
		print_own(out, "fd", "%d", c->fd);
	if (c->client)
		fputs("  <?txring client?>\n", out);
}

static void print_access(const struct socket_access *a, FILE *out)
{
	if (a->has_mode)
		print_own(out, "socket-mode", "%04o", (unsigned)a->mode);
	if (a->owner != (uid_t)-1)
		print_own(out, "socket-owner", "%u", (unsigned)a->owner);
	if (a->group != (gid_t)-1)
		print_own(out, "socket-group", "%u", (unsigned)a->group);
}

static void print_backend(const struct status *s, FILE *out)
{
	const char *name = target(s->cfg);

	if (name)
		fprintf(out, "  <target dev='%s'/>\n", name);
	else
		print_own(out, "backend", "%s", s->cfg->backend);
	if (s->cfg->bridge[0])
		print_own(out, "bridge", "%s", s->cfg->bridge);
}

/* Whose engine libvirt has a word for says so, too. */
static void print_driver(const struct status *s, FILE *out)
{
	const char *engine = s->mode.engine->name;
	char text[TXMODE_TEXT_LEN];

	fprintf(out, "  <driver name='%s'", s->driver.driver == DEVICE_KERNEL ? "vhost" : "qemu");
	if (!strcmp(engine, "iothread") || !strcmp(engine, "timer"))
		fprintf(out, " txmode='%s'", engine);
	if (s->n_pairs > 1)
		fprintf(out, " queues='%u'", s->n_pairs);
	fputs("/>\n", out);
	print_own(out, "txmode", "%s", txmode_text(&s->mode, text));
}

/* The name above is what runs; this is what was asked for. */
static void print_vhost(const struct vhost_config *v, FILE *out)
{
	print_own(out, "vhost", "%s", nic_config_policy_name(v->policy));
	if (v->device)
		print_own(out, "vhost-device", "%s", v->device);
	if (v->n_fds) {
		fputs("  <?txring vhost-fd ", out);
		for (unsigned i = 0; i < v->n_fds; i++)
			fprintf(out, "%s%d", i ? "," : "", v->fds[i]);
		fputs("?>\n", out);
	}
	if (v->poll_us)
		print_own(out, "vhost-poll", "%uus", v->poll_us);
}

/* NAME,NAME as the keys take them; features_names() has spaces between. */
static void print_features(const char *key, uint64_t features, FILE *out)
{
	char names[FEATURES_NAMES_LEN];

	if (!features)
		return;
	features_names(features, names);
	for (char *space = names; (space = strchr(space, ' '));)
		*space = ',';
	print_own(out, key, "%s", names);
}

/* What is so and cannot be asked for. */
static void print_comments(const struct status *s, FILE *out)
{
	unsigned in_use = 0;

	for (unsigned i = 0; i < s->n_pairs; i++)
		in_use += s->pairs[i].in_use;
	print_comment(out, "%s: front-end %s, %u of %u queue pair%s in use", s->name,
		      s->connected ? "connected" : "none", in_use, s->n_pairs,
		      s->n_pairs == 1 ? "" : "s");
	if (s->driver.driver != DEVICE_KERNEL)
		print_comment(out, "not in the kernel: %s", s->driver.why);
	if (s->lost)
		print_comment(out, "no link: the interface was removed");
	if (s->tap_mtu && s->tap_mtu != s->cfg->mtu)
		print_comment(out, "the MTU of its tap is %u", s->tap_mtu);
}

bool dumpxml_print(const struct status *s, FILE *out, char err[NIC_CONFIG_ERR_LEN])
{
	const struct nic_config *c = s->cfg;
	bool vhostuser = c->socket_path && is_path(c->socket_path);

	if (!check(c, err))
		return false;
	fprintf(out, "<interface type='%s'>\n", vhostuser ? "vhostuser" : "ethernet");
	if (c->has_mac)
		fprintf(out, "  <mac address='%02x:%02x:%02x:%02x:%02x:%02x'/>\n", c->mac[0],
			c->mac[1], c->mac[2], c->mac[3], c->mac[4], c->mac[5]);
	/* <mac> alone is not told to a front-end that asks: libvirt's has it. */
	if (c->mac_told)
		print_own(out, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", c->mac[0], c->mac[1],
			  c->mac[2], c->mac[3], c->mac[4], c->mac[5]);
	print_socket(s, out);
	print_access(&c->access, out);
	print_backend(s, out);
	fputs("  <model type='virtio'/>\n", out);
	print_driver(s, out);
	print_vhost(&c->vhost, out);
	fprintf(out, "  <link state='%s'/>\n", s->down ? "down" : "up");
	print_own(out, "link", "%s", s->down ? "down" : "up");
	if (!s->coalesces)
		print_own(out, "coalesce", "%s", "off");
	if (c->mtu)
		fprintf(out, "  <mtu size='%u'/>\n", c->mtu);
	print_features("offer", c->offer, out);
	print_features("no-offer", c->no_offer, out);
	print_comments(s, out);
	fputs("</interface>\n", out);
	return true;
}
