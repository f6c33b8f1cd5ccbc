/* SPDX-License-Identifier: MIT */
/* Two readers that give one list: contracts in trace.h. */
#include "bench/txbench/trace.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <pcap/pcap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS 1000000000ULL

/* A trace longer than a day is a time stamp of another kind. */
#define MAX_NS (86400 * SECOND_NS)

struct reader {
	struct trace *trace;
	size_t cap;
	uint64_t first_ns;
	char *why;
	unsigned why_size;
};

static int complain(const struct reader *r, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int complain(const struct reader *r, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(r->why, r->why_size, fmt, args);
	va_end(args);
	return err;
}

/* A frame at that time of the file's own clock; what: "line" or "packet", number n of it. */
static int add(struct reader *r, uint64_t at_ns, uint32_t len, const char *what, size_t n)
{
	struct trace *t = r->trace;
	struct trace_frame *more;

	if (!t->n)
		r->first_ns = at_ns;
	if (at_ns < r->first_ns || (t->n && at_ns - r->first_ns < t->frames[t->n - 1].at_ns))
		return complain(r, -EINVAL, "%s %zu is earlier than the one before: sort it", what,
				n);
	if (at_ns - r->first_ns > MAX_NS)
		return complain(r, -EINVAL, "%s %zu is more than a day after the first", what, n);
	if (t->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 4096;
		more = realloc(t->frames, r->cap * sizeof(*more));
		if (!more)
			return complain(r, -ENOMEM, "out of memory at %s %zu", what, n);
		t->frames = more;
	}
	t->frames[t->n++] = (struct trace_frame){ at_ns - r->first_ns, len };
	return 0;
}

/* CSV. */

/* "seconds" or "seconds,bytes", to the end of the line. */
static bool parse_line(const char *line, uint64_t *at_ns, uint32_t *len)
{
	unsigned long long whole;
	char *end;
	double seconds;

	if (!isdigit((unsigned char)*line) && *line != '.')
		return false;
	whole = strtoull(line, &end, 10);
	seconds = 0;
	if (line[strcspn(line, "eE,")] == 'e' || line[strcspn(line, "eE,")] == 'E') {
		seconds = strtod(line, &end);
		whole = 0;
	} else if (*end == '.') {
		/* Apart from the whole ones: an epoch's, as a double, would be off by 200 ns. */
		seconds = end[1] >= '0' && end[1] <= '9' ? strtod(end, &end) : 0;
	}
	if (whole > UINT64_MAX / SECOND_NS / 2 || !(seconds < 1e9))
		return false;
	*at_ns = whole * SECOND_NS + (uint64_t)llround(seconds * 1e9);
	*len = 0;
	if (*end == ',') {
		unsigned long bytes;

		end += strspn(end, ", ");
		if (!isdigit((unsigned char)*end))
			return false;
		bytes = strtoul(end, &end, 10);
		if (!bytes || bytes > 65535)
			return false;
		*len = (uint32_t)bytes;
	}
	return end[strspn(end, " \t\r\n")] == '\0';
}

static int read_csv(struct reader *r, FILE *f)
{
	char line[256];
	size_t n = 0;

	r->trace->sizes = true;
	while (fgets(line, sizeof(line), f)) {
		uint64_t at_ns;
		uint32_t len;
		int err;

		n++;
		line[strcspn(line, "\r\n")] = '\0';
		if (!*line || *line == '#')
			continue;
		if (n == 1 && (!strcmp(line, "seconds") || !strcmp(line, "seconds,bytes")))
			continue;
		if (!parse_line(line, &at_ns, &len)) {
			for (char *c = line; *c; c++)
				*c = (char)(isprint((unsigned char)*c) ? *c : '?');
			return complain(r, -EINVAL,
					"no pcap, and line %zu, '%.40s', is not \"seconds\" or "
					"\"seconds,bytes\"",
					n, line);
		}
		r->trace->sizes &= len != 0;
		err = add(r, at_ns, len, "line", n);
		if (err)
			return err;
	}
	return ferror(f) ? complain(r, -EIO, "it cannot be read") : 0;
}

/* pcap. */

/* Whether the file begins as a pcap of either byte order and precision, or as a pcapng. */
static bool is_pcap(FILE *f)
{
	static const uint32_t magics[] = { 0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1,
					   0x0a0d0d0a };
	uint32_t magic = 0;
	bool found = false;

	if (fread(&magic, 1, sizeof(magic), f) == sizeof(magic))
		for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
			found |= magic == magics[i];
	rewind(f);
	return found;
}

/* Takes f. */
static int read_pcap(struct reader *r, FILE *f)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	pcap_t *pcap;
	struct pcap_pkthdr *hdr;
	const u_char *data;
	int err = 0, got;

	pcap = pcap_fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, error);
	if (!pcap) {
		fclose(f);
		return complain(r, -EINVAL, "a broken pcap: %s", error);
	}
	r->trace->sizes = pcap_datalink(pcap) == DLT_EN10MB;
	while (!err && (got = pcap_next_ex(pcap, &hdr, &data)) == 1) {
		if (hdr->ts.tv_sec < 0)
			err = complain(r, -EINVAL, "packet %zu is before 1970", r->trace->n + 1);
		else
			err = add(r,
				  (uint64_t)hdr->ts.tv_sec * SECOND_NS + (uint64_t)hdr->ts.tv_usec,
				  hdr->len, "packet", r->trace->n + 1);
	}
	if (!err && got == PCAP_ERROR)
		err = complain(r, -EINVAL, "a broken pcap, after packet %zu: %s", r->trace->n,
			       pcap_geterr(pcap));
	pcap_close(pcap);
	return err;
}

int trace_load(struct trace *t, const char *path, char *why, unsigned size)
{
	struct reader r = { .trace = t, .why = why, .why_size = size };
	FILE *f = fopen(path, "re");
	int err;

	*t = (struct trace){ 0 };
	if (!f)
		return complain(&r, -errno, "%s", strerror(errno));
	if (is_pcap(f)) {
		err = read_pcap(&r, f);
	} else {
		err = read_csv(&r, f);
		fclose(f);
	}
	if (!err && !t->n)
		err = complain(&r, -EINVAL, "there is no frame in it");
	if (err)
		trace_free(t);
	return err;
}

void trace_free(struct trace *t)
{
	free(t->frames);
	*t = (struct trace){ 0 };
}
