/* SPDX-License-Identifier: MIT */
/* What a vhostuser interface needs of this host and of its domain; see check.h. */
#include "tools/txringctl/check.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/log.h"
#include "tools/txringctl/check_user.h"

struct checks {
	FILE *out;
	unsigned n_no;
};

/* answer: "yes", "no" or "not asked". */
__attribute__((format(printf, 4, 5))) static void say(struct checks *k, const char *name,
						      const char *answer, const char *fmt, ...)
{
	va_list args;

	fprintf(k->out, "  %-10s %s: ", name, answer);
	va_start(args, fmt);
	vfprintf(k->out, fmt, args);
	va_end(args);
	fputc('\n', k->out);
	k->n_no += !strcmp(answer, "no");
}

static void say_folder(struct checks *k, const struct check_user *user,
		       const struct check_user_answer *a, bool listens)
{
	if (a->stage > CHECK_USER_FOLDER)
		say(k, "folder", "yes", "%s may pass it", user->name);
	else if (a->error == ENOENT)
		say(k, "folder", "no", "there is no %s: mkdir -m 755 it", a->path);
	else
		say(k, "folder", "no", "%s may not %s %s: %s: chmod or setfacl it, for that user",
		    user->name, listens ? "write to" : "pass", a->path, strerror(a->error));
}

static void say_socket(struct checks *k, const struct check_user *user,
		       const struct check_user_answer *a, const char *path)
{
	struct group *group = getgrgid(user->gid);

	if (a->stage < CHECK_USER_CONNECT)
		say(k, "socket", "not asked", "it is in that folder");
	else if (a->stage > CHECK_USER_CONNECT)
		say(k, "socket", "yes", "%s has connected to %s", user->name, path);
	else if (a->error == EACCES)
		say(k, "socket", "no",
		    "%s may not open %s, and virsh start would wait for ever: start txringd with "
		    "--socket-group %s --socket-mode 0660",
		    user->name, path, group ? group->gr_name : "GROUP");
	else if (a->error == ENOENT || a->error == ECONNREFUSED)
		say(k, "socket", "no", "no txringd listens at %s: start it with --interface", path);
	else
		say(k, "socket", "no", "%s: %s", path, strerror(a->error));
}

static void say_queues(struct checks *k, const struct convert_nic *nic,
		       const struct check_user_answer *a)
{
	const char *text = iface_get(&nic->iface, "driver", "queues");
	unsigned long long wanted = text ? strtoull(text, NULL, 10) : 1;

	if (a->stage < CHECK_USER_QUIET)
		say(k, "queues", "not asked", "there is no connection");
	else if (a->stage == CHECK_USER_QUIET)
		say(k, "queues", "not asked",
		    "no answer came: another front-end has the card, as while the domain runs");
	else if (wanted > a->pairs)
		say(k, "queues", "no",
		    "<driver queues='%llu'> is more than the %llu that are there: start txringd "
		    "with --queues %llu, or by --interface",
		    wanted, (unsigned long long)a->pairs, wanted);
	else
		say(k, "queues", "yes", "%llu of %llu", wanted, (unsigned long long)a->pairs);
}

static void check_nic(struct checks *k, const struct convert_nic *nic,
		      const struct check_user *user)
{
	const char *path = iface_get(&nic->iface, "source", "path");
	const char *mode = iface_get(&nic->iface, "source", "mode");
	bool listens = mode && !strcmp(mode, "server");
	struct check_user_answer a;

	if (!user->name[0]) {
		say(k, "user", "not asked",
		    "there is no user libvirt-qemu or qemu here, and none in "
		    "/etc/libvirt/qemu.conf");
		return;
	}
	a = check_user_try(user, path ? path : "", listens);
	if (a.stage == CHECK_USER_NOT_ASKED) {
		say(k, "user", "not asked", "to become %s: %s: run it as root", user->name,
		    strerror(a.error));
		return;
	}
	say_folder(k, user, &a, listens);
	if (listens) {
		say(k, "socket", "not asked", "QEMU makes it, and txringd --client connects");
		return;
	}
	say_socket(k, user, &a, path ? path : "");
	say_queues(k, nic, &a);
}

static void check_memory(struct checks *k, const struct xml_node *domain)
{
	if (!domain)
		say(k, "memory", "not asked", "that is the domain's, and this is an <interface>");
	else if (convert_domain_shared(domain))
		say(k, "memory", "yes", "it can be shared");
	else
		say(k, "memory", "no",
		    "the guest would run without a network: <memoryBacking><source "
		    "type='memfd'/><access mode='shared'/></memoryBacking>");
}

bool check_run(const struct convert *c, FILE *out)
{
	struct checks k = { .out = out };
	struct check_user user;
	unsigned n = 0;

	check_user_find(&user, c->domain);
	for (unsigned i = 0; i < c->n_nics; i++) {
		const struct convert_nic *nic = &c->nics[i];

		if (nic->iface.type != IFACE_VHOSTUSER)
			continue;
		n++;
		fprintf(out, "interface %s:\n", nic->iface.has_mac ? nic->mac : "without a MAC");
		check_nic(&k, nic, &user);
	}
	if (!n) {
		log_line("%s: no interface in it is of type='vhostuser': convert it first, or add "
			 "--to vhostuser",
			 xml_path(c->doc));
		return false;
	}
	fputs("domain:\n", out);
	check_memory(&k, c->domain);
	return !k.n_no;
}
