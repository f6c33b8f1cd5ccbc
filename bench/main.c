/* SPDX-License-Identifier: MIT */
/*
 * txring-bench TXRINGD quick|full BENCH...: what txringd costs, each figure beside its ceiling,
 * measured in turn, as lines of JSON on stdout. Started by bench/run, which makes a table of them.
 * Needs root; its traffic stays in a network namespace of its own.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bench/subject.h"
#include "virtio/base.h"

static const struct {
	const char *name;
	void (*run)(const struct bench_options *opt);
} benches[] = {
	{ "tx-null", bench_tx_null }, { "bulk", bench_bulk },       { "pairs", bench_pairs },
	{ "rx-tap", bench_rx_tap },   { "tx-xdp", bench_tx_xdp },   { "rx-xdp", bench_rx_xdp },
	{ "idle", bench_idle },       { "offload", bench_offload },
};

static void run(const char *name, const struct bench_options *opt)
{
	for (unsigned i = 0; i < array_size(benches); i++) {
		if (!strcmp(benches[i].name, name)) {
			benches[i].run(opt);
			return;
		}
	}
	measure_die("'%s' is no bench", name);
}

int main(int argc, char **argv)
{
	struct bench_options opt;

	if (argc < 4)
		measure_die("it is started by bench/run");
	opt = (struct bench_options){ .txringd = argv[1], .quick = !strcmp(argv[2], "quick") };
	if (unshare(CLONE_NEWNET))
		measure_die("a network namespace: %s", strerror(errno));
	/* No frame but the bench's own. */
	measure_shell("[ ! -d /proc/sys/net/ipv6 ] || "
		      "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
	measure_init();
	for (int i = 3; i < argc; i++)
		run(argv[i], &opt);
	return EXIT_SUCCESS;
}
