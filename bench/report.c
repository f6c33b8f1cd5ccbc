/* SPDX-License-Identifier: MIT */
/* The table and the JSON: contracts in bench.h. */
#include "bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* A figure this many times its target is a fault of the program or of the bench. */
#define GROSS 3

/* What, measured, ceiling, ratio, target. */
#define TABLE "%-40s %-28s %-40s %-20s %-10s "

static struct {
	FILE *json;
	unsigned rows, targets, met, gross;
} report;

/* The host, as far as it explains a figure. */
static void cpu_model(char *text, size_t cap)
{
	char line[256], *at;
	FILE *f = fopen("/proc/cpuinfo", "re");

	snprintf(text, cap, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		at = strstr(line, ": ");
		if (strncmp(line, "model name", 10) || !at)
			continue;
		snprintf(text, cap, "%.*s", (int)strcspn(at + 2, "\n\""), at + 2);
		break;
	}
	if (f)
		fclose(f);
}

void bench_report_begin(const char *json_path, const struct bench_options *opt)
{
	double load[3] = { 0 }, c2c = measure_c2c_ns();
	struct utsname host;
	char cpu[128];

	uname(&host);
	cpu_model(cpu, sizeof(cpu));
	getloadavg(load, 3);
	printf("machine: %s, Linux %s, load %.2f, cache line CPU to CPU and back %.0f ns (%s)\n",
	       cpu, host.release, load[0], c2c, c2c_class_name(c2c_class_of(c2c)));
	printf(TABLE "%s\n", "what", "measured [p10..p90]", "ceiling [p10..p90]",
	       "ratio [p10..p90]", "target", "windows, distance");
	fflush(stdout);
	if (!json_path)
		return;
	report.json = fopen(json_path, "we");
	if (!report.json)
		measure_die("--json '%s': %s", json_path, strerror(errno));
	fprintf(report.json,
		"{\n  \"cpu\": \"%s\",\n  \"kernel\": \"%s\",\n  \"load\": %.2f,\n"
		"  \"c2c_ns\": %.0f,\n  \"quick\": %s,\n  \"rows\": [",
		cpu, host.release, load[0], c2c, opt->quick ? "true" : "false");
}

static void format(char *text, size_t cap, struct measure_summary s, const char *unit)
{
	int digits = s.median < 10 ? 2 : s.median < 100 ? 1 : 0;

	if (s.n > 1)
		snprintf(text, cap, "%.*f %s [%.*f..%.*f]", digits, s.median, unit, digits, s.p10,
			 digits, s.p90);
	else
		snprintf(text, cap, "%.*f %s", digits, s.median, unit);
}

static void json_summary(const char *name, struct measure_summary s)
{
	fprintf(report.json,
		", \"%s\": { \"median\": %.4g, \"p10\": %.4g, \"p90\": %.4g, \"n\": %u }", name,
		s.median, s.p10, s.p90, s.n);
}

static void json_row(const struct bench_row *r, const char *verdict)
{
	fprintf(report.json, "%s\n    { \"bench\": \"%s\", \"what\": \"%s\", \"unit\": \"%s\"",
		report.rows > 1 ? "," : "", r->bench, r->what, r->unit);
	json_summary("measured", r->got.subject);
	if (r->ceiling) {
		fprintf(report.json, ", \"ceiling_is\": \"%s\"", r->ceiling);
		json_summary("ceiling", r->got.ceiling);
		json_summary("ratio", r->got.ratio);
	}
	if (r->max > 0)
		fprintf(report.json, ", \"max\": %g", r->max);
	if (r->max_ratio > 0)
		fprintf(report.json, ", \"max_ratio\": %g", r->max_ratio);
	fprintf(report.json, ", \"met\": %s", verdict);
	if (r->got.tried)
		fprintf(report.json,
			", \"class\": \"%s\", \"c2c_ns\": %.0f, \"tried\": %u, "
			"\"all_disturbed\": %s",
			c2c_class_name(r->got.class), r->got.c2c_ns, r->got.tried,
			r->got.all_disturbed ? "true" : "false");
	fprintf(report.json, " }");
}

/* How far over its target the row is: at most 1 if it is met, 0 if there is none. */
static double judge(const struct bench_row *r, char *target, size_t cap)
{
	double over = 0;

	target[0] = '\0';
	if (r->max > 0) {
		over = r->got.subject.median / r->max;
		snprintf(target, cap, "%g %s", r->max, over <= 1 ? "yes" : "NO");
	} else if (r->max_ratio > 0) {
		over = r->got.ratio.median / r->max_ratio;
		snprintf(target, cap, "x%.2f %s", r->max_ratio, over <= 1 ? "yes" : "NO");
	}
	return over;
}

void bench_report(const struct bench_row *r)
{
	char measured[64], ceiling[96] = "", ratio[64] = "", target[32];
	double over = judge(r, target, sizeof(target));

	report.rows++;
	report.targets += target[0] != '\0';
	report.met += target[0] && over <= 1;
	/* Between CPUs that are far apart the way of the cache lines is most of a cost. */
	if (!r->got.all_disturbed && (r->max_ratio > 0 || r->got.class != C2C_FAR))
		report.gross += over > GROSS;
	format(measured, sizeof(measured), r->got.subject, r->unit);
	if (r->ceiling) {
		format(ceiling, sizeof(ceiling), r->got.ceiling, r->ceiling);
		snprintf(ratio, sizeof(ratio), "%.2f [%.2f..%.2f]", r->got.ratio.median,
			 r->got.ratio.p10, r->got.ratio.p90);
	}
	printf(TABLE, r->what, measured, ceiling, ratio, target);
	if (r->got.tried)
		printf("%u of %u%s, %s %.0f ns", r->got.subject.n, r->got.tried,
		       r->got.all_disturbed ? " (disturbed)" : "", c2c_class_name(r->got.class),
		       r->got.c2c_ns);
	printf("\n");
	fflush(stdout);
	if (report.json)
		json_row(r, !target[0] ? "null" : over <= 1 ? "true" : "false");
}

unsigned bench_report_end(void)
{
	printf("%u figures, %u of %u targets met\n", report.rows, report.met, report.targets);
	if (!report.json)
		return report.rows;
	fprintf(report.json, "\n  ]\n}\n");
	if (fclose(report.json))
		measure_die("JSON: %s", strerror(errno));
	return report.rows;
}

bool bench_report_gross(void)
{
	return report.gross > 0;
}
