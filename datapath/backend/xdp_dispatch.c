/* SPDX-License-Identifier: MIT */
/*
 * libxdp's dispatcher: one program on the interface that calls several, each at its priority and
 * until one does not pass the frame on. Every change of it is a new dispatcher, put in place of the
 * old one at once.
 *
 * libxdp pins programs and their links in bpffs, or it could not find them again. So they outlive a
 * process that is killed: the program stays on the interface and passes every frame to the next
 * one, as the kernel has taken the dead sockets out of its map. The next start on that interface
 * takes such a program off. A live process is known by an abstract unix socket with its program's
 * id in the name: the kernel frees the name with the process. Programs of the last few seconds
 * are let alone, since that socket comes after the program. If the interface is removed, too, only
 * the folder /sys/fs/bpf/xdp/dispatch-IFINDEX-ID is left, for the administrator: libxdp's own
 * cleaning would take an interface of another network namespace for this one.
 */
#include "datapath/backend/xdp_dispatch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#define PROGRAM  "txring_xsk"
#define YOUNG_NS 3000000000ULL

/* After those that filter (xdp-filter has 10), before those that do what they like (50). */
#define PRIORITY 20

struct xdp_dispatch {
	struct xdp_program *program;
	enum xdp_attach_mode mode;
	unsigned ifindex;
	uint32_t id; /* the dispatcher's, when we were last seen in it */
	int alive;   /* the socket that says so */
};

bool xdp_dispatch_is_possible(void)
{
	struct statfs fs;

	return !statfs(XDP_DISPATCH_BPFFS, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/*
 * A socket named after program id: as long as it is open the process that attached it lives.
 * -EADDRINUSE: it does.
 */
static int take_name(uint32_t id)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "txring-xdp-%u", id);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), code;

	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&name,
		  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)))
		return fd;
	code = -errno;
	close(fd);
	return code;
}

static bool is_young(const struct xdp_program *program)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return bpf_obj_get_info_by_fd(xdp_program__fd(program), &info, &len) ||
	       info.load_time + YOUNG_NS >
		       (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool is_stale(const struct xdp_program *program)
{
	int fd;

	if (strcmp(xdp_program__name(program), PROGRAM) != 0 || is_young(program))
		return false;
	fd = take_name(xdp_program__id(program));
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The dispatcher and its programs; NULL: none, or a single program. */
static struct xdp_multiprog *get_dispatcher(unsigned ifindex)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex((int)ifindex);

	if (libxdp_get_error(all))
		return NULL;
	if (!xdp_multiprog__is_legacy(all))
		return all;
	xdp_multiprog__close(all);
	return NULL;
}

bool xdp_dispatch_is_there(unsigned ifindex)
{
	struct xdp_multiprog *all = get_dispatcher(ifindex);

	xdp_multiprog__close(all);
	return all;
}

/* Takes off one stale program; false: there is none. */
static bool clean_one(unsigned ifindex)
{
	struct xdp_multiprog *all = get_dispatcher(ifindex);
	struct xdp_program *program = NULL;
	bool done = false;

	if (!all)
		return false;
	while ((program = xdp_multiprog__next_prog(program, all)) && !is_stale(program))
		;
	if (program)
		done = !xdp_program__detach(program, (int)ifindex, xdp_multiprog__attach_mode(all),
					    0);
	xdp_multiprog__close(all);
	return done;
}

/* A dispatcher that lost a program is a new one. */
void xdp_dispatch_clean(unsigned ifindex)
{
	while (clean_one(ifindex))
		;
}

static int attach(struct xdp_dispatch *d, const struct xdp_load *load)
{
	int code;

	d->program = xdp_program__from_bpf_obj(load->object, "xdp");
	code = (int)libxdp_get_error(d->program);
	if (code) {
		d->program = NULL;
		return code;
	}
	xdp_program__set_run_prio(d->program, PRIORITY);
	code = xdp_program__attach(d->program, (int)d->ifindex, d->mode, 0);
	if (code) {
		xdp_program__close(d->program);
		d->program = NULL;
	}
	return code;
}

/* Are we in the dispatcher? What it is now is remembered. */
static bool look_again(struct xdp_dispatch *d)
{
	struct xdp_multiprog *all = get_dispatcher(d->ifindex);
	struct xdp_program *program = NULL;

	if (!all)
		return false;
	while ((program = xdp_multiprog__next_prog(program, all)) &&
	       xdp_program__id(program) != xdp_program__id(d->program))
		;
	if (program)
		d->id = xdp_program__id(xdp_multiprog__main_prog(all));
	xdp_multiprog__close(all);
	return program;
}

int xdp_dispatch_join(struct xdp_dispatch **dispatch, const struct xdp_load *load, unsigned ifindex,
		      bool skb)
{
	struct xdp_dispatch *d = calloc(1, sizeof(*d));
	int code;

	if (!d)
		return -ENOMEM;
	d->mode = skb ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	d->ifindex = ifindex;
	d->alive = -1;
	code = attach(d, load);
	if (!code)
		code = d->alive = take_name(xdp_program__id(d->program));
	/* On a kernel without dispatchers libxdp attaches the program alone, and for ever. */
	if (code >= 0)
		code = look_again(d) ? 0 : -EOPNOTSUPP;
	if (code)
		xdp_dispatch_leave(d);
	else
		*dispatch = d;
	return code;
}

bool xdp_dispatch_is_joined(struct xdp_dispatch *d, uint32_t id)
{
	return id == d->id || look_again(d);
}

int xdp_dispatch_keep(struct xdp_dispatch *d)
{
	return fcntl(d->alive, F_SETFD, 0) ? -errno : 0;
}

/* Its interface was removed, or it was taken off without libxdp. */
static bool is_off(const struct xdp_dispatch *d)
{
	uint32_t id = 0;
	int code = bpf_xdp_query_id((int)d->ifindex, 0, &id);

	return code == -ENODEV || (!code && id != d->id);
}

/* libxdp does not do it for a dispatcher that is off. The kernel gives its id to no other. */
static void remove_pins(const struct xdp_dispatch *d)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), XDP_DISPATCH_BPFFS "/xdp/dispatch-%u-%u", d->ifindex, d->id);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(path);
}

void xdp_dispatch_leave(struct xdp_dispatch *d)
{
	if (!d)
		return;
	if (d->program) {
		if (xdp_program__detach(d->program, (int)d->ifindex, d->mode, 0) && is_off(d))
			remove_pins(d);
		xdp_program__close(d->program);
	}
	if (d->alive >= 0)
		close(d->alive);
	free(d);
}
