/* SPDX-License-Identifier: MIT */
/* txringctl probe: its options, which QEMUs are asked, and for what. */
#include "tools/txringctl/probe.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tools/log.h"
#include "tools/txringctl/probe_host.h"
#include "tools/txringctl/probe_report.h"
#include "virtio/base.h"

/* QEMUs of one call: named, or found in PATH. */
#define MAX_QEMUS 16

/* What of virtio-net-pci something is mapped to, and what that is. */
static const struct property {
	const char *name, *purpose;
} properties[] = {
	{ "tx", "<driver txmode=>" },
	{ "x-txtimer", "the delay of tx mode timer" },
	{ "x-txburst", "the burst of a tx mode" },
	{ "mq", "<driver queues=>" },
	{ "vectors", "<driver queues=>" },
	{ "rx_queue_size", "<driver rx_queue_size=>" },
	{ "tx_queue_size", "<driver tx_queue_size=>" },
	{ "ioeventfd", "<driver ioeventfd=>" },
	{ "event_idx", "<driver event_idx=>" },
	{ "packed", "<driver packed=>" },
	{ "rss", "<driver rss=>" },
	{ "hash", "<driver rss_hash_report=>" },
	{ "iommu_platform", "<driver iommu=>" },
	{ "ats", "<driver ats=>" },
	{ "page-per-vq", "<driver page_per_vq=>" },
	{ "mac", "<mac address=>" },
	{ "host_mtu", "<mtu size=>" },
	{ "status", "<link state=>" },
	{ "csum", "<host csum=>" },
	{ "gso", "<host gso=>" },
	{ "host_tso4", "<host tso4=>" },
	{ "host_tso6", "<host tso6=>" },
	{ "host_ecn", "<host ecn=>" },
	{ "host_ufo", "<host ufo=>" },
	{ "host_uso", "UDP segments of the guest's" },
	{ "mrg_rxbuf", "<host mrg_rxbuf=>" },
	{ "guest_csum", "<guest csum=>" },
	{ "guest_tso4", "<guest tso4=>" },
	{ "guest_tso6", "<guest tso6=>" },
	{ "guest_ecn", "<guest ecn=>" },
	{ "guest_ufo", "<guest ufo=>" },
	{ "guest_uso4", "UDP segments to the guest" },
	{ "guest_uso6", "UDP segments to the guest" },
	{ "guest_announce", "the guest's own word after it has moved" },
	{ "ctrl_guest_offloads", "an XDP program in the guest" },
	{ "queue_reset", "a guest that resets one queue" },
	{ "in_order", "used entries in order" },
	{ "failover", "<teaming>" },
	{ "bootindex", "<boot order=>" },
	{ "rombar", "<rom bar=>" },
	{ "romfile", "<rom file=>" },
	{ "acpi-index", "<acpi index=>" },
};

struct args {
	bool json, help;
	char *qemus[MAX_QEMUS];
	unsigned n_qemus;
};

static const struct option long_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "json", no_argument, NULL, 'j' },
	{ "qemu", required_argument, NULL, 'q' },
	{ 0 },
};

static void print_help(void)
{
	puts("usage: txringctl probe [--qemu BINARY]... [--json]\n"
	     "Asks QEMUs which properties their virtio-net-pci has, of those that libvirt's "
	     "<interface>\n"
	     "or a tx mode is mapped to, and asks this host what it lets this user do. A line for "
	     "each:\n"
	     "yes; no, what lacks, and what helps; or not asked, and why.\n"
	     "\n"
	     "  --qemu BINARY  a path, or a name in PATH; without, all of this machine's in PATH\n"
	     "  --json         one object: \"qemus\", a list, and \"host\"\n"
	     "  --help\n"
	     "\n"
	     "The status is 1, and a line on stderr says why, if a QEMU could not be asked.");
}

static bool add_qemu(struct args *args, const char *binary)
{
	if (!*binary)
		log_line("probe: --qemu '': it must name a QEMU, by its path or its name in PATH");
	else if (args->n_qemus == MAX_QEMUS)
		log_line("probe: --qemu '%s': at most %d can be asked in one call", binary,
			 MAX_QEMUS);
	else if (!(args->qemus[args->n_qemus] = strdup(binary)))
		log_line("out of memory");
	else
		return args->n_qemus++, true;
	return false;
}

static bool parse(struct args *args, int argc, char **argv)
{
	int id, at = 1;

	for (; (id = getopt_long(argc, argv, "+:", long_options, NULL)) != -1; at = optind) {
		switch (id) {
		case 'h':
			args->help = true;
			return true;
		case 'j':
			args->json = true;
			break;
		case 'q':
			if (!add_qemu(args, optarg))
				return false;
			break;
		default:
			log_line("probe: option '%s' is unknown or lacks its value (see probe "
				 "--help)",
				 argv[at]);
			return false;
		}
	}
	if (optind == argc)
		return true;
	log_line("probe: '%s' is too much: it takes options only (see probe --help)", argv[optind]);
	return false;
}

/* This machine as it is in the names of QEMUs. */
static const char *machine(struct utsname *uts)
{
	static const char *const names[][2] = { { "i486", "i386" },    { "i586", "i386" },
						{ "i686", "i386" },    { "armv6l", "arm" },
						{ "armv7l", "arm" },   { "armv8l", "arm" },
						{ "ppc64le", "ppc64" } };

	uname(uts);
	for (size_t i = 0; i < array_size(names); i++) {
		if (!strcmp(uts->machine, names[i][0]))
			return names[i][1];
	}
	return uts->machine;
}

/* Not one that another folder, by a link, has as well. */
static bool is_new(const struct args *args, const char *path)
{
	char real[PATH_MAX], other[PATH_MAX];

	for (unsigned i = 0; realpath(path, real) && i < args->n_qemus; i++) {
		if (realpath(args->qemus[i], other) && !strcmp(real, other))
			return false;
	}
	return true;
}

/* All of this machine's in PATH. False: out of memory. */
static bool find_qemus(struct args *args)
{
	const char *path = getenv("PATH");
	struct utsname uts;
	char binary[PATH_MAX];
	size_t len;

	for (; path && args->n_qemus < MAX_QEMUS; path = path[len] ? path + len + 1 : NULL) {
		len = strcspn(path, ":");
		snprintf(binary, sizeof(binary), "%.*s/qemu-system-%s", (int)len, path,
			 machine(&uts));
		if (len && !access(binary, X_OK) && is_new(args, binary) && !add_qemu(args, binary))
			return false;
	}
	return true;
}

static void answer(struct probe_line *line, const struct property *p, const struct probe_qemu *qemu)
{
	*line = (struct probe_line){ .answer = probe_qemu_has(qemu, p->name) };
	snprintf(line->name, sizeof(line->name), "%s", p->name);
	if (line->answer == PROBE_YES)
		return;
	strcpy(line->says, line->answer == PROBE_NO
				   ? "this QEMU does not list it"
				   : "this QEMU lists no properties of the device");
	snprintf(line->remedy, sizeof(line->remedy), "take a QEMU that does, or do without: %s",
		 p->purpose);
}

static bool ask_qemu(struct probe_report *report, const char *binary)
{
	struct probe_line lines[array_size(properties)];
	struct probe_qemu *qemu;
	char err[PROBE_ERR_LEN];

	if (probe_qemu_new(&qemu, binary, err)) {
		log_line("%s", err);
		probe_report_qemu_failed(report, binary, err);
		return false;
	}
	for (size_t i = 0; i < array_size(properties); i++)
		answer(&lines[i], &properties[i], qemu);
	probe_report_qemu(report, binary, lines, array_size(lines));
	probe_qemu_free(qemu);
	return true;
}

static bool probe(const struct args *args)
{
	struct probe_report *report = probe_report_new(args->json);
	struct probe_line lines[PROBE_HOST_MAX];
	bool ok = report != NULL;
	unsigned n;

	if (report && !args->n_qemus)
		probe_report_no_qemu(report);
	for (unsigned i = 0; report && i < args->n_qemus; i++) {
		if (!ask_qemu(report, args->qemus[i]))
			ok = false;
	}
	if (report) {
		n = probe_host(lines);
		probe_report_host(report, lines, n);
	}
	if (report && probe_report_end(report))
		return ok;
	log_line("out of memory");
	return false;
}

int probe_run(int argc, char **argv)
{
	struct args args = { 0 };
	bool ok = parse(&args, argc, argv);

	if (ok && args.help)
		print_help();
	else if (ok)
		ok = (args.n_qemus || find_qemus(&args)) && probe(&args);
	while (args.n_qemus)
		free(args.qemus[--args.n_qemus]);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
