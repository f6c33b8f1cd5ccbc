/* SPDX-License-Identifier: MIT */
/*
 * txring-xdp: makes AF_XDP sockets for a txringd that is to have no privilege, attaches the XDP
 * program that fills them, and becomes that txringd.
 *
 * The sockets and the program's link stay open over the exec and are named in COMMAND in place of
 * {}. So the program is on the interface, which is promiscuous, just as long as COMMAND's process
 * has them open.
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "datapath/backend/xdp_prog.h"
#include "tools/config/xdp_words.h"
#include "tools/log.h"
#include "tools/version.h"

#define PLACE "{}"

/* Of what stands in place of it: 64 fds of 7 digits, and the rest. */
#define SPEC_LEN 1024

static const struct option long_options[] = {
	{ "user", required_argument, NULL, 'u' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{ 0 },
};

struct job {
	struct xdp_words words;
	const char *user; /* NULL: as we are */
	uid_t uid;        /* user's */
	gid_t gid;
	char **command; /* of argv, ended by NULL */
};

static void print_help(void)
{
	char params[2048] = "";

	xdp_words_help(params, sizeof(params), XDP_WORDS_TOOL);
	printf("usage: txring-xdp IFNAME[,param...] [--user NAME] -- COMMAND [ARGUMENT...]\n"
	       "Makes AF_XDP sockets on queues of IFNAME, attaches the XDP program that fills "
	       "them, and runs\n"
	       "COMMAND, which then needs no privilege. Each {} in COMMAND becomes the backend:\n"
	       "\n"
	       "  txring-xdp eth0,queues=2 --user vm0 -- \\\n"
	       "      txringd --socket-path /run/vm0/net.sock --queues 2 --backend {}\n"
	       "\n"
	       "runs txringd with --backend xdp-fd:3,4,ifname=eth0,start-queue=0,mode=native. What "
	       "is for\n"
	       "txringd itself goes behind it: {},copy=force.\n"
	       "\n"
	       "parameters, with defaults:\n"
	       "%s"
	       "\n"
	       "  --user NAME         run COMMAND as this user, without any capability\n"
	       "  --help, --version\n"
	       "\n"
	       "Needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF, --user also CAP_SETUID and "
	       "CAP_SETGID; with\n"
	       "CAP_SYS_RESOURCE it lifts COMMAND's limit of locked memory (ulimit -l).\n",
	       params);
}

static bool has_place(char *const *command)
{
	for (; *command; command++) {
		if (strstr(*command, PLACE))
			return true;
	}
	return false;
}

/* False when it was refused. */
static bool parse_rest(struct job *job, int argc, char **argv)
{
	char err[BACKEND_ERR_LEN];

	/* getopt has put it right before what is no option. */
	if (strcmp(argv[optind - 1], "--") != 0 || argc - optind < 2) {
		log_line("usage: txring-xdp IFNAME[,param...] [--user NAME] -- COMMAND "
			 "[ARGUMENT...] (see --help)");
		return false;
	}
	if (xdp_words_parse(&job->words, argv[optind], XDP_WORDS_TOOL, err)) {
		log_line("'%s': %s", argv[optind], err);
		return false;
	}
	job->command = argv + optind + 1;
	if (has_place(job->command))
		return true;
	log_line("COMMAND has no " PLACE ": that is where the sockets are named (see --help)");
	return false;
}

static bool find_user(struct job *job)
{
	const struct passwd *user;

	if (!job->user)
		return true;
	errno = 0;
	user = getpwnam(job->user);
	if (user) {
		job->uid = user->pw_uid;
		job->gid = user->pw_gid;
		return true;
	}
	log_line("--user '%s': %s", job->user, errno ? strerror(errno) : "there is no such user");
	return false;
}

/* word with spec in each place, for free(); or NULL: out of memory. */
static char *replace(const char *word, const char *spec)
{
	const char *place;
	size_t len = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	while ((place = strstr(word, PLACE))) {
		fprintf(out, "%.*s%s", (int)(place - word), word, spec);
		word = place + strlen(PLACE);
	}
	fputs(word, out);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

static int make_sockets(struct job *job)
{
	const struct xdp_words *w = &job->words;
	int fd, code;

	for (unsigned i = 0; i < w->n_queues; i++) {
		fd = socket(AF_XDP, SOCK_RAW, 0);
		code = -errno;
		if (fd < 0) {
			log_line("cannot make an AF_XDP socket: %s%s", strerror(-code),
				 code == -EPERM          ? " (it needs CAP_NET_RAW)"
				 : code == -EAFNOSUPPORT ? " (the kernel needs CONFIG_XDP_SOCKETS)"
							 : "");
			return code;
		}
		job->words.fds[job->words.n_fds++] = fd;
	}
	return 0;
}

static int attach(struct job *job, struct xdp_prog **prog)
{
	const struct xdp_words *w = &job->words;
	struct xdp_prog_config cfg = {
		.ifname = w->ifname,
		.ifindex = if_nametoindex(w->ifname),
		.mode = w->cfg.mode,
		.n_queues = w->cfg.start_queue + w->n_queues,
	};
	char note[BACKEND_ERR_LEN] = "", err[BACKEND_ERR_LEN];
	int code;

	if (!cfg.ifindex) {
		log_line("there is no interface %s", w->ifname);
		return -ENODEV;
	}
	code = xdp_prog_attach(prog, &cfg, &job->words.cfg.mode, note, err);
	if (code)
		log_line("%s", err);
	else if (note[0])
		log_line("%s: mode %s: %s", w->ifname, xdp_words_mode(w->cfg.mode), note);
	return code;
}

/* The guest's MAC is not the interface's: all frames come, for as long as a socket stays open. */
static int open_to_all(const struct job *job)
{
	const char *ifname = job->words.ifname;
	struct packet_mreq all = {
		.mr_ifindex = (int)if_nametoindex(ifname),
		.mr_type = PACKET_MR_PROMISC,
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), code;

	if (fd >= 0 && !setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)))
		return 0;
	code = -errno;
	log_line("%s cannot be made promiscuous: %s", ifname, strerror(-code));
	return code;
}

static int fill_map(const struct job *job, struct xdp_prog *prog)
{
	const struct xdp_words *w = &job->words;
	int code = 0;

	for (unsigned i = 0; i < w->n_queues && !code; i++)
		code = xdp_prog_set_socket(prog, w->cfg.start_queue + i, w->fds[i]);
	if (!code)
		code = xdp_prog_keep(prog);
	if (code)
		log_line("%s: the sockets cannot be handed on: %s", w->ifname, strerror(-code));
	return code;
}

static void describe(const struct xdp_words *w, char spec[SPEC_LEN])
{
	size_t len = 0;

	for (unsigned i = 0; i < w->n_queues; i++)
		len += (size_t)snprintf(spec + len, SPEC_LEN - len, "%s%d",
					i ? "," : "xdp-fd:", w->fds[i]);
	snprintf(spec + len, SPEC_LEN - len, ",ifname=%s,start-queue=%u,mode=%s", w->ifname,
		 w->cfg.start_queue, xdp_words_mode(w->cfg.mode));
}

static int put_in_place(char **command, const char *spec)
{
	for (; *command; command++) {
		*command = replace(*command, spec);
		if (!*command) {
			log_line("out of memory");
			return -ENOMEM;
		}
	}
	return 0;
}

/* To user, for good: neither a capability nor a way to gain one is left. */
static int become(const struct job *job)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	uid_t uid = job->uid;
	gid_t gid = job->gid;

	if (!initgroups(job->user, gid) && !setresgid(gid, gid, gid) && !setresuid(uid, uid, uid) &&
	    !syscall(SYS_capset, &header, none) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return 0;
	log_line("--user '%s': %s", job->user, strerror(errno));
	return -EPERM;
}

/* UMEM is locked memory, and the usual limit is 8 MiB for all that a user has. */
static void lift_memory_limit(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (!setrlimit(RLIMIT_MEMLOCK, &limit) || getrlimit(RLIMIT_MEMLOCK, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* Comes back only when it fails, after a line. */
static void run(struct job *job)
{
	struct xdp_prog *prog = NULL;
	char spec[SPEC_LEN];
	int code = make_sockets(job);

	if (!code)
		code = attach(job, &prog);
	if (!code)
		code = fill_map(job, prog);
	if (!code)
		code = open_to_all(job);
	if (!code) {
		describe(&job->words, spec);
		code = put_in_place(job->command, spec);
	}
	if (!code) {
		lift_memory_limit();
		code = job->user ? become(job) : 0;
	}
	if (!code) {
		execvp(job->command[0], job->command);
		log_line("cannot run '%s': %s", job->command[0], strerror(errno));
	}
	xdp_prog_free(prog);
}

int main(int argc, char **argv)
{
	struct job job = { 0 };
	int id;

	opterr = 0;
	while ((id = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		switch (id) {
		case 'u':
			job.user = optarg;
			break;
		case 'h':
			print_help();
			return EXIT_SUCCESS;
		case 'v':
			puts("txring-xdp " TXRING_VERSION);
			return EXIT_SUCCESS;
		default:
			log_line("option '%s' is unknown or lacks its value (see --help)",
				 argv[optind - 1]);
			return EXIT_FAILURE;
		}
	}
	if (parse_rest(&job, argc, argv) && find_user(&job))
		run(&job);
	return EXIT_FAILURE;
}
