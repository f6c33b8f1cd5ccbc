/* SPDX-License-Identifier: MIT */
/*
 * The XDP program on its way into the kernel.
 *
 * libbpf asks for no BTF of the kernel here: only libxdp's dispatcher needs that.
 */
#include "datapath/backend/xdp_load.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "datapath/backend/xdp_image.h"
#include "datapath/backend/xdp_log.h"

#define LIBXDP_FILE "xsk_def_xdp_prog.o"

/* Since Linux 5.8; before, CAP_SYS_ADMIN was for all of BPF. */
#define CAP_OF_BPF 39

bool xdp_load_can_filter(void)
{
	return xdp_image_len > 0;
}

static bool has_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	syscall(SYS_capget, &header, data);
	return (data[0].effective & CAP_TO_MASK(CAP_SYS_ADMIN)) ||
	       ((data[0].effective & CAP_TO_MASK(CAP_NET_ADMIN)) &&
		(data[1].effective & CAP_TO_MASK(CAP_OF_BPF)));
}

static int not_permitted(int code, char err[BACKEND_ERR_LEN])
{
	struct rlimit lock = { 0 };

	if (!has_caps())
		return xdp_log_failed(
			err, code,
			"no permission to load an XDP program: it takes CAP_NET_ADMIN and "
			"CAP_BPF (before Linux 5.8 CAP_SYS_ADMIN), or sockets that were made "
			"by another process");
	/* libbpf has raised it already, if it could and the kernel counts by it. */
	getrlimit(RLIMIT_MEMLOCK, &lock);
	return xdp_log_failed(
		err, code,
		"the kernel refuses an XDP program, for all our capabilities: they are a user "
		"namespace's (an unprivileged container), it is locked down%s",
		lock.rlim_cur == RLIM_INFINITY ? ""
					       : ", or, before Linux 5.11, there is too little "
						 "memory to lock (ulimit -l unlimited)");
}

int xdp_load_failed(int code, char err[BACKEND_ERR_LEN])
{
	const char *said = xdp_log_first();

	switch (-code) {
	case EPERM:
	case EACCES:
		return not_permitted(code, err);
	case ENOSYS:
		return xdp_log_failed(err, code,
				      "this kernel has no BPF: it needs CONFIG_BPF_SYSCALL and "
				      "CONFIG_XDP_SOCKETS");
	case EINVAL:
		return xdp_log_failed(err, code,
				      "the kernel refuses the XDP program: it needs Linux 5.9 and "
				      "CONFIG_XDP_SOCKETS%s%s",
				      said[0] ? ": " : "", said);
	default:
		return xdp_log_failed(err, code, "the XDP program cannot be loaded: %s%s%s",
				      strerror(-code), said[0] ? ": " : "", said);
	}
}

static int open_libxdp(struct xdp_load *load, char err[BACKEND_ERR_LEN])
{
	struct xdp_program *libxdp = xdp_program__find_file(LIBXDP_FILE, NULL, NULL);
	int code = (int)libxdp_get_error(libxdp);

	if (code)
		return xdp_log_failed(err, code,
				      "libxdp's program " LIBXDP_FILE " cannot be opened (%s), and "
				      "this build has none of its own: install libxdp's programs, "
				      "or build with clang",
				      strerror(-code));
	load->libxdp = libxdp;
	load->object = xdp_program__bpf_obj(libxdp);
	return 0;
}

static int open_own(struct xdp_load *load, char err[BACKEND_ERR_LEN])
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "txring");

	load->object = bpf_object__open_mem(xdp_image, xdp_image_len, &opts);
	return load->object ? 0 : xdp_load_failed(-errno, err);
}

static int set_maps(struct xdp_load *load, const struct xdp_take *take)
{
	struct bpf_map *map;
	size_t len;
	int code = 0;

	bpf_object__for_each_map(map, load->object)
	{
		if (bpf_map__type(map) == BPF_MAP_TYPE_XSKMAP)
			load->sockets = map;
		else if (xdp_image_len && bpf_map__initial_value(map, &len) && len == sizeof(*take))
			code = bpf_map__set_initial_value(map, take, sizeof(*take));
	}
	return code;
}

static int set_up(struct xdp_load *load, const struct xdp_take *take, unsigned n_queues, bool frags)
{
	int code = set_maps(load, take);

	load->program = bpf_object__next_program(load->object, NULL);
	if (!code && !(load->program && load->sockets))
		code = -EINVAL;
	if (!code)
		code = bpf_map__set_max_entries(load->sockets, n_queues);
	if (!code && frags)
		code = bpf_program__set_flags(load->program, bpf_program__flags(load->program) |
								     BPF_F_XDP_HAS_FRAGS);
	return code;
}

int xdp_load_open(struct xdp_load *load, const struct xdp_take *take, unsigned n_queues, bool frags,
		  char err[BACKEND_ERR_LEN])
{
	int code;

	*load = (struct xdp_load){ 0 };
	code = xdp_image_len ? open_own(load, err) : open_libxdp(load, err);
	if (code)
		return code;
	code = set_up(load, take, n_queues, frags);
	if (!code)
		return 0;
	xdp_load_deinit(load);
	return xdp_load_failed(code, err);
}

void xdp_load_deinit(struct xdp_load *load)
{
	if (load->libxdp)
		xdp_program__close(load->libxdp);
	else
		bpf_object__close(load->object);
	*load = (struct xdp_load){ 0 };
}

static int open_and_load(struct xdp_load *load, const struct xdp_take *take, unsigned n_queues,
			 bool frags, char err[BACKEND_ERR_LEN])
{
	int code = xdp_load_open(load, take, n_queues, frags, err);

	if (code)
		return code;
	code = bpf_object__load(load->object);
	if (!code)
		return 0;
	xdp_load_deinit(load);
	return xdp_load_failed(code, err);
}

int xdp_load_init(struct xdp_load *load, const struct xdp_take *take, unsigned n_queues,
		  char err[BACKEND_ERR_LEN])
{
	int code = open_and_load(load, take, n_queues, true, err);

	/* An object that could not be loaded cannot be tried again. */
	if (code == -EINVAL)
		code = open_and_load(load, take, n_queues, false, err);
	return code;
}
