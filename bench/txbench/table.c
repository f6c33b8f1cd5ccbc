/* SPDX-License-Identifier: MIT */
/*
 * The table on the terminal: what was run, how long frames took, what that cost, and how late the
 * machine itself is. Means over the repetitions, +- half of their 95 % confidence interval.
 */
#include "bench/txbench/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/txbench/host.h"
#include "bench/txbench/metric.h"
#include "bench/txbench/setup.h"

#define CELL_LEN 48

/* What makes figures doubtful. */
#define WAITED_SHARE 0.02
#define STEAL_SHARE  0.01

/* 1234567.8 as 1,234,567.8. */
static const char *number(char cell[CELL_LEN], double v, int decimals)
{
	char plain[CELL_LEN];
	int whole, i, n = 0;

	snprintf(plain, sizeof(plain), "%.*f", decimals, v);
	whole = (int)strspn(plain, "-0123456789");
	for (i = 0; plain[i] && n < CELL_LEN - 2; i++) {
		if (i && i < whole && (whole - i) % 3 == 0 && plain[i - 1] != '-')
			cell[n++] = ',';
		cell[n++] = plain[i];
	}
	cell[n] = '\0';
	return cell;
}

/* "33.1 +-0.4", or "33.1" with one repetition, or "-": not measured. */
static const char *cell_of(char cell[CELL_LEN], const struct interval *i, double unit, int decimals)
{
	char half[CELL_LEN];
	size_t len;

	if (!i->n)
		return strcpy(cell, "-");
	number(cell, i->mean / unit, decimals);
	len = strlen(cell);
	if (!isnan(i->high))
		snprintf(cell + len, CELL_LEN - len, " +-%s",
			 number(half, (i->high - i->mean) / unit, decimals));
	return cell;
}

static const char *metric_cell(const struct run_result *r, unsigned metric, double unit,
			       int decimals, char cell[CELL_LEN])
{
	struct interval i = metric_interval(r, metric);

	return cell_of(cell, &i, unit, decimals);
}

/* What was run. */

static void print_load(const struct options *o, FILE *to)
{
	char rate[CELL_LEN];

	fprintf(to, "%s, %s", direction_names[o->direction], load_names[o->load]);
	if (o->load <= LOAD_ONOFF)
		fprintf(to, " %s frames/s", number(rate, o->rate, 0));
	if (o->load == LOAD_ONOFF)
		fprintf(to, " for %g ms, %g ms nothing", (double)o->on_ns / 1e6,
			(double)o->off_ns / 1e6);
	if (o->load == LOAD_TRACE)
		fprintf(to, " %s", o->trace);
	if (o->load == LOAD_INFLIGHT)
		fprintf(to, " %u", o->inflight);
	if (o->size == SIZE_FIXED)
		fprintf(to, ", frames of %u bytes", o->size_bytes);
	else
		fprintf(to, ", sizes %s", o->size == SIZE_IMIX ? "imix" : "of the trace");
}

static void print_head(const struct run_result *r, FILE *to)
{
	static const char *const wires[] = { "to ", "not watched", "looped back" };
	const struct options *o = r->options;
	char label[SETUP_LABEL_LEN];
	struct host h;
	int cpus[2];

	fprintf(to, "%s: ", setup_label(r, label));
	print_load(o, to);
	fprintf(to, "; ring of %u, %s; wire %s%s; %u x %g s\n", o->ring_size,
		o->packed ? "packed" : "split", wires[o->wire_kind],
		o->wire_kind == WIRE_INTERFACE ? o->wire : "", r->n, (double)o->ns / 1e9);
	host_take(&h);
	fprintf(to, "Linux %s, %s%s%s", h.kernel, h.cpu, h.hypervisor[0] ? ", hypervisor " : "",
		h.hypervisor);
	if (h.driver_cpu >= 0)
		fprintf(to, "; driver on CPU %d", h.driver_cpu);
	if (host_cpus_of(r->port->pid, cpus, 2) == 1)
		fprintf(to, ", back-end on CPU %d", cpus[0]);
	fprintf(to, "\n\n");
}

/* What was measured. */

static void print_stages(const struct run_result *r, FILE *to)
{
	static const char *const heads[] = { "p50", "p90", "p99", "p99.9", "p99.99", "max" };
	char cell[CELL_LEN];

	fprintf(to, "us from %-9s", options_open_loop(r->options) ? "due" : "published");
	for (unsigned i = 0; i <= STAT_MAX; i++)
		fprintf(to, " %15s", heads[i]);
	fputc('\n', to);
	for (unsigned s = 0; s < STAGES; s++) {
		if (!metric_watched(r, s))
			continue;
		fprintf(to, "  %-15s", stage_names[s]);
		for (unsigned i = 0; i <= STAT_MAX; i++)
			fprintf(to, " %15s", metric_cell(r, metric_of_stage(s, i), 1e3, 1, cell));
		fputc('\n', to);
	}
	fputc('\n', to);
}

/* A line of figures, each with its name. */
struct figure {
	const char *name;
	enum metric metric;
	int decimals;
};

static void print_line(const struct run_result *r, const char *title, const struct figure *f,
		       unsigned n, FILE *to)
{
	char cell[CELL_LEN];

	fprintf(to, "%-17s", title);
	for (unsigned i = 0; i < n; i++)
		fprintf(to, "%s%s%s%s", i ? ", " : "", f[i].name, f[i].name[0] ? " " : "",
			metric_cell(r, f[i].metric, 1, f[i].decimals, cell));
	fputc('\n', to);
}

#define LINE(r, title, to, ...) \
	print_line(r, title, (const struct figure[]){ __VA_ARGS__ }, \
		   sizeof((const struct figure[]){ __VA_ARGS__ }) / sizeof(struct figure), to)

/* A sum over the repetitions, or "not known". */
static const char *sum_cell(const struct run_result *r, enum metric metric, char cell[CELL_LEN])
{
	struct interval i = metric_interval(r, metric);

	return i.n ? number(cell, i.mean * i.n, 0) : "not known";
}

static void print_figures(const struct run_result *r, FILE *to)
{
	char cell[4][CELL_LEN];
	double frames = 0;

	for (unsigned i = 0; i < r->n; i++)
		frames += (double)r->repetitions[i].frames;
	LINE(r, "frames/s", to, { "", METRIC_FRAMES_PER_S, 1 });
	LINE(r, "bytes/s", to, { "", METRIC_BYTES_PER_S, 0 });
	LINE(r, "CPU ns per frame", to, { "driver", METRIC_CPU_DRIVER, 0 },
	     { "back-end", METRIC_CPU_BACKEND, 0 }, { "sampled user", METRIC_CPU_BACKEND_USER, 0 },
	     { "sampled kernel", METRIC_CPU_BACKEND_KERNEL, 0 },
	     { "softirqs", METRIC_CPU_SOFTIRQ, 0 });
	LINE(r, "per frame", to, { "kicks", METRIC_KICKS, 4 }, { "calls", METRIC_CALLS, 4 },
	     { "system calls", METRIC_SYSCALLS, 4 });
	fprintf(to, "%-17slost %s, duplicated %s, reordered %s, of %s\n\n", "frames",
		sum_cell(r, METRIC_LOST, cell[0]), sum_cell(r, METRIC_DUPLICATED, cell[1]),
		sum_cell(r, METRIC_REORDERED, cell[2]), number(cell[3], frames, 0));
}

/* How sure it is. */

static struct interval of_noise(const struct run_result *r, double (*get)(const struct noise *n))
{
	double sum = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < r->n; i++) {
		double v = get(&r->repetitions[i].noise);

		if (v <= 0)
			continue;
		sum += v;
		n++;
	}
	return (struct interval){ sum / n, NAN, NAN, n };
}

static double wake_up_p50(const struct noise *n)
{
	return (double)n->wake_up.p50_ns;
}

static double wake_up_p99(const struct noise *n)
{
	return (double)n->wake_up.p99_ns;
}

static double timer_p50(const struct noise *n)
{
	return (double)n->timer.p50_ns;
}

static double timer_p99(const struct noise *n)
{
	return (double)n->timer.p99_ns;
}

static double distance(const struct noise *n)
{
	return (n->c2c_before_ns + n->c2c_after_ns) / 2;
}

static const char *noise_cell(const struct run_result *r, double (*get)(const struct noise *n),
			      double unit, char cell[CELL_LEN])
{
	struct interval i = of_noise(r, get);

	return cell_of(cell, &i, unit, unit > 1 ? 1 : 0);
}

/* Of all repetitions, "mixed" if they differ. */
static const char *class_of(const struct run_result *r)
{
	const char *class = r->n ? noise_class(&r->repetitions[0].noise) : "-";

	for (unsigned i = 1; i < r->n; i++) {
		if (strcmp(noise_class(&r->repetitions[i].noise), class))
			return "mixed";
	}
	return class;
}

static void print_machine(const struct run_result *r, FILE *to)
{
	char cell[5][CELL_LEN];

	fprintf(to,
		"%-17swakes a thread in %s us (p99 %s), a timer of 150 us is %s us late (p99 %s);\n"
		"%-17scache line to the back-end's CPU and back %s ns (%s)\n",
		"this machine", noise_cell(r, wake_up_p50, 1e3, cell[0]),
		noise_cell(r, wake_up_p99, 1e3, cell[1]), noise_cell(r, timer_p50, 1e3, cell[2]),
		noise_cell(r, timer_p99, 1e3, cell[3]), "", noise_cell(r, distance, 1, cell[4]),
		class_of(r));
}

static void print_generator(const struct run_result *r, FILE *to)
{
	struct interval p99 = metric_interval(r, METRIC_LATE_P99);
	char cell[CELL_LEN], max_cell[CELL_LEN];
	uint64_t max = 0;

	for (unsigned i = 0; i < r->n; i++) {
		const struct histogram *h = &r->repetitions[i].late;

		max = h->max > max ? h->max : max;
	}
	if (!options_open_loop(r->options))
		return;
	fprintf(to, "%-17slate by p99 %s us, max %s us\n", "the generator",
		cell_of(cell, &p99, 1e3, 2), number(max_cell, (double)max / 1e3, 1));
}

static void print_warnings(const struct run_result *r, FILE *to)
{
	double waited = 0, steal = 0;

	for (unsigned i = 0; i < r->n; i++) {
		const struct repetition *p = &r->repetitions[i];

		if (p->usage.wall_ns)
			waited = fmax(waited, (double)p->waited_ns / (double)p->usage.wall_ns);
		steal = fmax(steal, p->noise.steal_share);
	}
	if (!strcmp(class_of(r), "mixed"))
		fprintf(to, "Mind: the host moved the CPUs: their distance was not the same all "
			    "the time.\n");
	if (waited > WAITED_SHARE)
		fprintf(to,
			"Mind: the driver had to wait for its CPU for up to %.0f %% of a "
			"repetition.\n",
			100 * waited);
	if (steal > STEAL_SHARE)
		fprintf(to, "Mind: the host took up to %.0f %% of the CPUs' time (steal).\n",
			100 * steal);
	if (r->failed[0])
		fprintf(to, "DOES NOT COUNT: %s\n", r->failed);
	if (r->incomplete[0])
		fprintf(to, "INCOMPLETE: %s\n", r->incomplete);
}

void table_print(const struct run_result *r, FILE *to)
{
	print_head(r, to);
	print_stages(r, to);
	print_figures(r, to);
	print_machine(r, to);
	print_generator(r, to);
	print_warnings(r, to);
}
