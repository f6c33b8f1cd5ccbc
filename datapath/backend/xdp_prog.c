/* SPDX-License-Identifier: MIT */
/*
 * How the XDP program gets onto an interface: by a bpf_link, which the kernel undoes with the last
 * fd of it, so after SIGKILL, too.
 *
 * An interface runs one program. One that is there already is another's business: it is named, and
 * left alone.
 */
#include "datapath/backend/xdp_prog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "datapath/backend/xdp_load.h"
#include "datapath/backend/xdp_log.h"

struct xdp_prog {
	struct xdp_load load;
	unsigned ifindex;
	int link;
};

/* The id of the program that the interface runs, 0: none; or a negative errno. */
static int64_t running(unsigned ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	int code = bpf_xdp_query((int)ifindex, 0, &q);

	if (code)
		return code;
	return q.drv_prog_id ? q.drv_prog_id : q.skb_prog_id ? q.skb_prog_id : q.hw_prog_id;
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
	return xdp_log_failed(err, -EBUSY,
			      "interface %s runs the XDP program '%s' (id %u) already: detach it "
			      "(ip link set %s xdp off), or say share",
			      cfg->ifname, name, id, cfg->ifname);
}

static int check_interface(const struct xdp_prog_config *cfg, char err[BACKEND_ERR_LEN])
{
	int64_t id = running(cfg->ifindex);

	if (!cfg->ifindex || id == -ENODEV)
		return xdp_log_failed(err, -ENODEV, "interface %s is not there", cfg->ifname);
	if (id < 0)
		return xdp_log_failed(err, (int)id, "interface %s: its XDP program is not told: %s",
				      cfg->ifname, strerror((int)-id));
	return id ? refuse(cfg, (uint32_t)id, err) : 0;
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

static int link_failed(const struct xdp_prog_config *cfg, enum xdp_mode mode, int code,
		       char err[BACKEND_ERR_LEN])
{
	int64_t id = running(cfg->ifindex);

	switch (-code) {
	case EBUSY:
	case EEXIST:
		if (id > 0)
			return refuse(cfg, (uint32_t)id, err);
		break;
	case EPERM:
		return xdp_load_failed(code, err);
	case ENODEV:
		return xdp_log_failed(err, code, "interface %s is not there", cfg->ifname);
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
	       code != -ENODEV;
}

static int attach_link(struct xdp_prog *prog, const struct xdp_prog_config *cfg,
		       enum xdp_mode *mode, char note[BACKEND_ERR_LEN], char err[BACKEND_ERR_LEN])
{
	int fd = -EOPNOTSUPP;

	*mode = cfg->mode == XDP_MODE_SKB ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	if (*mode == XDP_MODE_NATIVE)
		fd = create_link(prog, XDP_FLAGS_DRV_MODE);
	if (*mode == XDP_MODE_NATIVE && fd < 0 && may_try_skb(cfg, fd)) {
		xdp_log_failed(note, 0, "%s", native_words(fd));
		*mode = XDP_MODE_SKB;
	}
	if (*mode == XDP_MODE_SKB)
		fd = create_link(prog, XDP_FLAGS_SKB_MODE);
	if (fd < 0)
		return link_failed(cfg, *mode, fd, err);
	prog->link = fd;
	return 0;
}

static int load_and_link(struct xdp_prog *prog, const struct xdp_prog_config *cfg,
			 enum xdp_mode *mode, char note[BACKEND_ERR_LEN], char err[BACKEND_ERR_LEN])
{
	struct xdp_take take = { .only_mac = cfg->share };
	int code;

	memcpy(take.mac, cfg->mac, sizeof(take.mac));
	code = xdp_load_init(&prog->load, &take, cfg->n_queues, err);
	return code ? code : attach_link(prog, cfg, mode, note, err);
}

int xdp_prog_attach(struct xdp_prog **prog, const struct xdp_prog_config *cfg, enum xdp_mode *mode,
		    char note[BACKEND_ERR_LEN], char err[BACKEND_ERR_LEN])
{
	struct xdp_prog *p = calloc(1, sizeof(*p));
	int code;

	if (!p)
		return xdp_log_failed(err, -ENOMEM, "interface %s: no memory", cfg->ifname);
	p->link = -1;
	p->ifindex = cfg->ifindex;
	note[0] = 0;
	xdp_log_start();
	code = check_share(cfg, err);
	if (!code)
		code = check_interface(cfg, err);
	if (!code)
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
	return bpf_map_delete_elem(map, &queue) && errno != ENOENT ? -errno : 0;
}

/* A link whose interface is gone, or that was detached, has no interface. */
bool xdp_prog_is_attached(const struct xdp_prog *prog)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	return !bpf_obj_get_info_by_fd(prog->link, &info, &len) &&
	       info.xdp.ifindex == prog->ifindex;
}

int xdp_prog_keep(struct xdp_prog *prog)
{
	return fcntl(prog->link, F_SETFD, 0) ? -errno : 0;
}

void xdp_prog_free(struct xdp_prog *prog)
{
	if (!prog)
		return;
	if (prog->link >= 0)
		close(prog->link);
	xdp_load_deinit(&prog->load);
	free(prog);
}
