/* SPDX-License-Identifier: MIT */
/*
 * How the XDP program gets onto an interface, which runs one program only.
 *
 * By a bpf_link, which the kernel undoes with the last fd of it, so after SIGKILL, too. A program
 * that is there already is another's business: it is named, and left alone.
 *
 * On a shared interface through libxdp's dispatcher (xdp_dispatch.c), also as the first: nobody
 * can join a program that hangs on a link, and which one was started first should not matter. The
 * price is that a killed process leaves a program behind, which passes all frames on and goes with
 * the next start. Without bpffs, or on a kernel without dispatchers, the first has the interface
 * by a link after all, and the note says that no other can join.
 */
#include "datapath/backend/xdp_prog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "datapath/backend/xdp_dispatch.h"
#include "datapath/backend/xdp_load.h"
#include "datapath/backend/xdp_log.h"

struct xdp_prog {
	struct xdp_load load;
	unsigned ifindex;
	int link;                      /* -1: in the dispatcher */
	struct xdp_dispatch *dispatch; /* or NULL */
};

static bool is_there(unsigned ifindex)
{
	char name[IF_NAMESIZE];

	return if_indextoname(ifindex, name);
}

/* The program that an interface runs. */
struct runs {
	uint32_t id; /* 0: none */
	bool skb;
};

static int get_running(unsigned ifindex, struct runs *runs)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	int code = bpf_xdp_query((int)ifindex, 0, &q);

	*runs = (struct runs){ 0 };
	if (code)
		return code;
	runs->skb = !q.drv_prog_id && q.skb_prog_id;
	runs->id = q.drv_prog_id ? q.drv_prog_id : runs->skb ? q.skb_prog_id : q.hw_prog_id;
	return 0;
}

/* "" where that may not be asked. */
static void get_name(uint32_t id, char name[BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	name[0] = 0;
	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len))
		snprintf(name, BPF_OBJ_NAME_LEN, "%s", info.name);
	close(fd);
}

static int refuse(const struct xdp_prog_config *cfg, uint32_t id, char err[BACKEND_ERR_LEN])
{
	char name[BPF_OBJ_NAME_LEN];

	get_name(id, name);
	if (!cfg->share)
		return xdp_log_failed(err, -EBUSY,
				      "interface %s runs the XDP program '%s' (id %u) already: "
				      "detach it (ip link set %s xdp off, or end its process), or "
				      "say share",
				      cfg->ifname, name, id, cfg->ifname);
	if (!xdp_dispatch_is_possible())
		return xdp_log_failed(err, -EBUSY,
				      "interface %s runs the XDP program '%s' (id %u), and without "
				      "a bpffs it cannot be joined: " XDP_DISPATCH_REMEDY,
				      cfg->ifname, name, id);
	return xdp_log_failed(err, -EBUSY,
			      "interface %s runs the XDP program '%s' (id %u), which is no "
			      "dispatcher of libxdp and cannot be joined: detach it, or attach it "
			      "with xdp-loader",
			      cfg->ifname, name, id);
}

static int check_interface(const struct xdp_prog_config *cfg, struct runs *runs,
			   char err[BACKEND_ERR_LEN])
{
	int code = get_running(cfg->ifindex, runs);

	if (!code && runs->id && xdp_dispatch_is_possible()) {
		xdp_dispatch_clean(cfg->ifindex);
		code = get_running(cfg->ifindex, runs);
	}
	if (!is_there(cfg->ifindex))
		return xdp_log_failed(err, -ENODEV, "interface %s is not there", cfg->ifname);
	if (code)
		return xdp_log_failed(err, code, "interface %s: its XDP program is not told: %s",
				      cfg->ifname, strerror(-code));
	if (runs->id &&
	    !(cfg->share && xdp_dispatch_is_possible() && xdp_dispatch_is_there(cfg->ifindex)))
		return refuse(cfg, runs->id, err);
	return 0;
}

static int check_share(const struct xdp_prog_config *cfg, char err[BACKEND_ERR_LEN])
{
	if (!cfg->share)
		return 0;
	if (!xdp_load_can_filter())
		return xdp_log_failed(err, -EOPNOTSUPP,
				      "interface %s cannot be shared: libxdp's program takes all "
				      "frames, and this build has none of its own (no clang)",
				      cfg->ifname);
	if (!cfg->has_mac)
		return xdp_log_failed(err, -EINVAL,
				      "interface %s can be shared only with the guest's address: "
				      "say mac",
				      cfg->ifname);
	return 0;
}

static int create_link(const struct xdp_prog *prog, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	int fd = bpf_link_create(bpf_program__fd(prog->load.program), (int)prog->ifindex, BPF_XDP,
				 &opts);

	return fd < 0 ? -errno : fd;
}

/* Why a driver refuses a program; the kernel's own words do not come with a bpf_link. */
static const char *native_words(int code)
{
	switch (-code) {
	case EOPNOTSUPP:
		return "its driver has no native XDP, or not with the settings of the interface "
		       "(ethtool -k: LRO, GRO in hardware)";
	case ERANGE:
	case EINVAL:
	case E2BIG:
		return "its driver refuses native XDP, perhaps for its MTU";
	case ENOSPC:
	case ENOMEM:
		return "its driver has too few queues for native XDP (ethtool -l)";
	default:
		return strerror(-code);
	}
}

/* One reason more why what was got is not the best. */
static void add_note(char note[BACKEND_ERR_LEN], const char *words)
{
	if (*note)
		strncat(note, "; ", BACKEND_ERR_LEN - 1 - strlen(note));
	strncat(note, words, BACKEND_ERR_LEN - 1 - strlen(note));
}

static int attach_failed(const struct xdp_prog_config *cfg, enum xdp_mode mode, int code,
			 char err[BACKEND_ERR_LEN])
{
	struct runs runs;

	/* For one that was just removed the kernel says EINVAL. */
	if (!is_there(cfg->ifindex))
		return xdp_log_failed(err, -ENODEV, "interface %s is not there", cfg->ifname);
	switch (-code) {
	case EBUSY:
	case EEXIST:
		if (!get_running(cfg->ifindex, &runs) && runs.id)
			return refuse(cfg, runs.id, err);
		break;
	case EPERM:
		return xdp_load_failed(code, err);
	}
	if (mode == XDP_MODE_NATIVE)
		return xdp_log_failed(err, code, "interface %s: %s: say mode=skb", cfg->ifname,
				      native_words(code));
	return xdp_log_failed(err, code, "interface %s: no XDP program can be attached: %s%s",
			      cfg->ifname, strerror(-code),
			      code == -EINVAL ? " (it needs Linux 5.9)" : "");
}

static bool may_try_skb(const struct xdp_prog_config *cfg, int code)
{
	return cfg->mode == XDP_MODE_AUTO && code != -EBUSY && code != -EEXIST && code != -EPERM &&
	       is_there(cfg->ifindex);
}

static int attach_link(struct xdp_prog *prog, const struct xdp_prog_config *cfg,
		       enum xdp_mode *mode, char note[BACKEND_ERR_LEN], char err[BACKEND_ERR_LEN])
{
	int fd = -EOPNOTSUPP;

	*mode = cfg->mode == XDP_MODE_SKB ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	if (*mode == XDP_MODE_NATIVE)
		fd = create_link(prog, XDP_FLAGS_DRV_MODE);
	if (*mode == XDP_MODE_NATIVE && fd < 0 && may_try_skb(cfg, fd)) {
		add_note(note, native_words(fd));
		*mode = XDP_MODE_SKB;
	}
	if (*mode == XDP_MODE_SKB)
		fd = create_link(prog, XDP_FLAGS_SKB_MODE);
	if (fd < 0)
		return attach_failed(cfg, *mode, fd, err);
	prog->link = fd;
	return 0;
}

static struct xdp_take what_to_take(const struct xdp_prog_config *cfg)
{
	struct xdp_take take = { .only_mac = cfg->share };

	memcpy(take.mac, cfg->mac, sizeof(take.mac));
	return take;
}

static int load_and_link(struct xdp_prog *prog, const struct xdp_prog_config *cfg,
			 enum xdp_mode *mode, char note[BACKEND_ERR_LEN], char err[BACKEND_ERR_LEN])
{
	struct xdp_take take = what_to_take(cfg);
	int code = xdp_load_init(&prog->load, &take, cfg->n_queues, err);

	return code ? code : attach_link(prog, cfg, mode, note, err);
}

/* libxdp loads the program itself, for the dispatcher that it is to be in. */
static int join_in_mode(struct xdp_prog *prog, const struct xdp_prog_config *cfg,
			enum xdp_mode mode, char err[BACKEND_ERR_LEN])
{
	struct xdp_take take = what_to_take(cfg);
	int code = xdp_load_open(&prog->load, &take, cfg->n_queues, true, err);

	if (code)
		return code;
	code = xdp_dispatch_join(&prog->dispatch, &prog->load, cfg->ifindex, mode == XDP_MODE_SKB);
	if (!code)
		return 0;
	xdp_load_deinit(&prog->load);
	if (code == -EPERM)
		return xdp_load_failed(code, err);
	return xdp_log_failed(err, code,
			      "interface %s: libxdp's dispatcher cannot be joined: %s%s%s",
			      cfg->ifname, strerror(-code), xdp_log_first()[0] ? ": " : "",
			      xdp_log_first());
}

/* All programs of a dispatcher run in one mode: the first has chosen it. */
static int join_others(struct xdp_prog *prog, const struct xdp_prog_config *cfg,
		       const struct runs *runs, enum xdp_mode *mode, char note[BACKEND_ERR_LEN],
		       char err[BACKEND_ERR_LEN])
{
	*mode = runs->skb ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	if (cfg->mode != XDP_MODE_AUTO && cfg->mode != *mode)
		return xdp_log_failed(err, -EBUSY,
				      "interface %s runs its XDP programs in %s mode: say that, or "
				      "no mode",
				      cfg->ifname, runs->skb ? "skb" : "native");
	if (runs->skb)
		add_note(note, "the interface runs its other XDP programs so");
	return join_in_mode(prog, cfg, *mode, err);
}

static int join_first(struct xdp_prog *prog, const struct xdp_prog_config *cfg, enum xdp_mode *mode,
		      char note[BACKEND_ERR_LEN], char err[BACKEND_ERR_LEN])
{
	int code;

	*mode = cfg->mode == XDP_MODE_SKB ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	code = join_in_mode(prog, cfg, *mode, err);
	if (!code || *mode == XDP_MODE_SKB || !may_try_skb(cfg, code))
		return code;
	*mode = XDP_MODE_SKB;
	if (!join_in_mode(prog, cfg, *mode, err))
		add_note(note, native_words(code));
	return prog->dispatch ? 0 : code;
}

static int share(struct xdp_prog *prog, const struct xdp_prog_config *cfg, const struct runs *runs,
		 enum xdp_mode *mode, char note[BACKEND_ERR_LEN], char err[BACKEND_ERR_LEN])
{
	int code;

	if (runs->id)
		return join_others(prog, cfg, runs, mode, note, err);
	if (xdp_dispatch_is_possible()) {
		code = join_first(prog, cfg, mode, note, err);
		if (!code || code == -EPERM || !is_there(cfg->ifindex))
			return code;
		add_note(note, "no other XDP program can join: libxdp has no dispatcher here: ");
		strncat(note, xdp_log_first(), BACKEND_ERR_LEN - 1 - strlen(note));
	} else {
		add_note(note, "no other XDP program can join: there is no bpffs "
			       "(" XDP_DISPATCH_REMEDY ")");
	}
	return load_and_link(prog, cfg, mode, note, err);
}

int xdp_prog_attach(struct xdp_prog **prog, const struct xdp_prog_config *cfg, enum xdp_mode *mode,
		    char note[BACKEND_ERR_LEN], char err[BACKEND_ERR_LEN])
{
	struct xdp_prog *p = calloc(1, sizeof(*p));
	struct runs runs;
	int code;

	if (!p)
		return xdp_log_failed(err, -ENOMEM, "interface %s: no memory", cfg->ifname);
	p->link = -1;
	p->ifindex = cfg->ifindex;
	note[0] = 0;
	xdp_log_start();
	code = check_share(cfg, err);
	if (!code)
		code = check_interface(cfg, &runs, err);
	if (!code && cfg->share)
		code = share(p, cfg, &runs, mode, note, err);
	else if (!code)
		code = load_and_link(p, cfg, mode, note, err);
	if (code)
		xdp_prog_free(p);
	else
		*prog = p;
	return code;
}

int xdp_prog_set_socket(struct xdp_prog *prog, unsigned queue, int sock)
{
	int map = bpf_map__fd(prog->load.sockets);

	if (sock >= 0)
		return bpf_map_update_elem(map, &queue, &sock, BPF_ANY) ? -errno : 0;
	return bpf_map_delete_elem(map, &queue) ? -errno : 0;
}

/* A link whose interface is gone, or that was detached, has no interface. */
bool xdp_prog_is_attached(const struct xdp_prog *prog)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);
	struct runs runs;

	if (prog->dispatch)
		return !get_running(prog->ifindex, &runs) && runs.id &&
		       xdp_dispatch_is_joined(prog->dispatch, runs.id);
	return !bpf_obj_get_info_by_fd(prog->link, &info, &len) &&
	       info.xdp.ifindex == prog->ifindex;
}

int xdp_prog_keep(struct xdp_prog *prog)
{
	if (prog->dispatch)
		return xdp_dispatch_keep(prog->dispatch);
	return fcntl(prog->link, F_SETFD, 0) ? -errno : 0;
}

void xdp_prog_free(struct xdp_prog *prog)
{
	if (!prog)
		return;
	xdp_dispatch_leave(prog->dispatch);
	if (prog->link >= 0)
		close(prog->link);
	xdp_load_deinit(&prog->load);
	free(prog);
}
