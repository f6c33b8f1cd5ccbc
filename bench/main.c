/* SPDX-License-Identifier: MIT */
/*
 * txring-bench: what txringd costs, each figure beside its ceiling, measured in turn. Needs root
 * and two CPUs; bench/run starts it as it wants to be started.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/tapdev.h"
#include "virtio/base.h"

#define SKIPPED 77

static const struct {
	const char *name;
	void (*run)(const struct bench_options *opt);
} benches[] = {
	{ "tx-null", bench_tx_null }, { "pairs", bench_pairs },   { "tx-tap", bench_tx_tap },
	{ "rx-tap", bench_rx_tap },   { "tx-xdp", bench_tx_xdp }, { "rx-xdp", bench_rx_xdp },
	{ "timer", bench_timer },     { "idle", bench_idle },     { "offload", bench_offload },
};

static void usage(FILE *to)
{
	fprintf(to, "usage: txring-bench --txringd PATH [--quick] [--json FILE] [BENCH...]\n"
		    "BENCH, all if none is given:");
	for (unsigned i = 0; i < array_size(benches); i++)
		fprintf(to, " %s", benches[i].name);
	fprintf(to, "\n");
}

static int find(const char *name)
{
	for (unsigned i = 0; i < array_size(benches); i++) {
		if (!strcmp(benches[i].name, name))
			return (int)i;
	}
	return -1;
}

static bool parse(struct bench_options *opt, const char **json, int argc, char **argv)
{
	static const struct option options[] = { { "txringd", required_argument, NULL, 't' },
						 { "quick", no_argument, NULL, 'q' },
						 { "json", required_argument, NULL, 'j' },
						 { "help", no_argument, NULL, 'h' },
						 { 0 } };
	int c, i;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 't':
			opt->txringd = optarg;
			break;
		case 'q':
			opt->quick = true;
			break;
		case 'j':
			*json = optarg;
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_SUCCESS);
		default:
			return false;
		}
	}
	for (i = optind; i < argc; i++) {
		if (find(argv[i]) < 0) {
			fprintf(stderr, "txring-bench: '%s' is no bench\n", argv[i]);
			return false;
		}
	}
	return opt->txringd;
}

/* Why nothing can be measured here, or NULL. */
static const char *unfit(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return "two CPUs are needed";
	if (access("/dev/net/tun", R_OK | W_OK))
		return "/dev/net/tun is needed";
	if (!tapdev_enter())
		return "CAP_SYS_ADMIN is needed for a network namespace";
	return NULL;
}

int main(int argc, char **argv)
{
	struct bench_options opt = { 0 };
	const char *json = NULL, *why;

	if (!parse(&opt, &json, argc, argv)) {
		usage(stderr);
		return EXIT_FAILURE;
	}
	why = unfit();
	if (why) {
		printf("skipped: %s\n", why);
		return SKIPPED;
	}
	measure_pin(MEASURE_CPU_BENCH);
	measure_worker_init();
	bench_report_begin(json, &opt);
	if (optind == argc) {
		for (unsigned i = 0; i < array_size(benches); i++)
			benches[i].run(&opt);
	}
	for (; optind < argc; optind++)
		benches[find(argv[optind])].run(&opt);
	if (!bench_report_end())
		return SKIPPED;
	return bench_report_gross() ? EXIT_FAILURE : EXIT_SUCCESS;
}
