/* SPDX-License-Identifier: MIT */
/* A list of text edits, and how what is put in is laid out; see convert_edits.h. */
#include "tools/txringctl/convert_edits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Where a line of the text begins, and with what. */
struct layout {
	bool own_line;  /* nothing but space stands before it on its line */
	const char *nl; /* the text's line end */
	const char *indent;
	size_t indent_len;
	const char *unit; /* one level more */
};

void convert_edits_init(struct convert_edits *e, const char *text, size_t len)
{
	*e = (struct convert_edits){ .text = text, .len = len };
}

void convert_edits_deinit(struct convert_edits *e)
{
	for (unsigned i = 0; i < e->n; i++)
		free(e->list[i].text);
	free(e->list);
	e->list = NULL;
	e->n = e->room = 0;
}

/* Takes text over, which is NULL when memory is out. */
static void add(struct convert_edits *e, struct xml_span span, char *text)
{
	struct convert_edit *list = e->list;

	assert(span.begin <= span.end && span.end <= e->len);
	if (text && e->n == e->room) {
		list = realloc(e->list, (2 * e->room + 8) * sizeof(*list));
		if (list) {
			e->list = list;
			e->room = 2 * e->room + 8;
		}
	}
	if (!text || !list) {
		e->failed = true;
		free(text);
		return;
	}
	list[e->n] = (struct convert_edit){ .span = span, .text = text, .nth = e->n };
	e->n++;
}

void convert_edits_replace(struct convert_edits *e, struct xml_span span, const char *text)
{
	add(e, span, strdup(text));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Where the line of byte at begins, if nothing but space stands before it there; else at. */
static size_t line_begin(const struct convert_edits *e, size_t at)
{
	size_t begin = at;

	while (begin && is_blank(e->text[begin - 1]))
		begin--;
	return !begin || e->text[begin - 1] == '\n' ? begin : at;
}

static struct layout layout_at(const struct convert_edits *e, size_t at)
{
	const char *end = memchr(e->text, '\n', e->len);
	size_t begin = line_begin(e, at);
	struct layout l = {
		.own_line = !begin || e->text[begin - 1] == '\n',
		.nl = end && end > e->text && end[-1] == '\r' ? "\r\n" : "\n",
		.indent = e->text + begin,
		.indent_len = at - begin,
		.unit = "  ",
	};

	if (l.indent_len && l.indent[0] == '\t')
		l.unit = "\t";
	return l;
}

/* The line end and the indentation, unless all is on one line. */
static void begin_line(const struct layout *l, unsigned deeper, FILE *out)
{
	if (!l->own_line)
		return;
	fputs(l->nl, out);
	fwrite(l->indent, 1, l->indent_len, out);
	while (deeper--)
		fputs(l->unit, out);
}

static void lay_out(const struct layout *l, unsigned deeper, const char *block, FILE *out)
{
	unsigned tabs;
	size_t len;

	for (bool first = true; *block; first = false, block += len) {
		tabs = (unsigned)strspn(block, "\t");
		block += tabs;
		len = strcspn(block, "\n");
		if (!first)
			begin_line(l, deeper + tabs, out);
		fwrite(block, 1, len, out);
		block += block[len] == '\n';
	}
}

static void add_block(struct convert_edits *e, struct xml_span span, const struct layout *l,
		      unsigned deeper, const char *block, bool begins_line)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out) {
		e->failed = true;
		return;
	}
	if (begins_line)
		begin_line(l, deeper, out);
	lay_out(l, deeper, block, out);
	if (fclose(out)) {
		free(text);
		text = NULL;
	}
	add(e, span, text);
}

void convert_edits_put(struct convert_edits *e, size_t at, size_t like, unsigned deeper,
		       const char *block)
{
	struct layout l = layout_at(e, like);

	add_block(e, (struct xml_span){ at, at }, &l, deeper, block, true);
}

void convert_edits_swap(struct convert_edits *e, struct xml_span span, const char *block)
{
	struct layout l = layout_at(e, span.begin);

	add_block(e, span, &l, 0, block, false);
}

void convert_edits_remove(struct convert_edits *e, struct xml_span span)
{
	size_t begin = line_begin(e, span.begin);

	if (begin && e->text[begin - 1] == '\n')
		span.begin = begin - 1;
	if (span.begin < begin && span.begin && e->text[span.begin - 1] == '\r')
		span.begin--;
	convert_edits_replace(e, span, "");
}

/* What is put in before a byte goes before what takes that byte away. */
static int by_place(const void *a, const void *b)
{
	const struct convert_edit *x = a, *y = b;
	bool x_takes = x->span.end > x->span.begin, y_takes = y->span.end > y->span.begin;

	if (x->span.begin != y->span.begin)
		return x->span.begin < y->span.begin ? -1 : 1;
	if (x_takes != y_takes)
		return x_takes ? 1 : -1;
	return x->nth < y->nth ? -1 : 1;
}

/* Write bytes [from, to) of the text with the edits from *next on that lie in it. */
static void write_part(const struct convert_edits *e, size_t from, size_t to, unsigned *next,
		       FILE *out)
{
	for (; *next < e->n && e->list[*next].span.end <= to; ++*next) {
		const struct convert_edit *edit = &e->list[*next];

		assert(edit->span.begin >= from);
		fwrite(e->text + from, 1, edit->span.begin - from, out);
		fputs(edit->text, out);
		from = edit->span.end;
	}
	fwrite(e->text + from, 1, to - from, out);
}

/* As write_part(), into memory. */
static char *part(const struct convert_edits *e, size_t from, size_t to, unsigned *next,
		  size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (!out)
		return NULL;
	write_part(e, from, to, next, out);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

static void sort(struct convert_edits *e)
{
	if (e->n)
		qsort(e->list, e->n, sizeof(*e->list), by_place);
}

bool convert_edits_fit(struct convert_edits *e)
{
	sort(e);
	for (unsigned i = 1; i < e->n; i++) {
		if (e->list[i].span.begin < e->list[i - 1].span.end)
			return false;
	}
	return true;
}

char *convert_edits_apply(struct convert_edits *e, size_t *len)
{
	unsigned next = 0;

	if (e->failed)
		return NULL;
	sort(e);
	return part(e, 0, e->len, &next, len);
}

/* diff -u: whole lines of the text, and what became of them. */

#define CONTEXT 3

struct change {
	size_t begin, end; /* bytes of the text, whole lines */
	char *text;        /* what comes in their place */
	const char *from;  /* of it, without the lines that stay */
	size_t len;
};

static size_t line_start(const struct convert_edits *e, size_t at)
{
	while (at && e->text[at - 1] != '\n')
		at--;
	return at;
}

/* Behind the line end of byte at. */
static size_t line_end(const struct convert_edits *e, size_t at)
{
	while (at < e->len && e->text[at] != '\n')
		at++;
	return at < e->len ? at + 1 : at;
}

static unsigned count_lines(const char *text, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n + (len && text[len - 1] != '\n');
}

static size_t first_line(const char *text, size_t len)
{
	const char *end = memchr(text, '\n', len);

	return end ? (size_t)(end - text) + 1 : len;
}

/* Lines at the begin and the end that are the same on both sides are no change. */
static void trim(const struct convert_edits *e, struct change *c)
{
	size_t same = 0, line;

	while (c->begin < c->end && c->len) {
		line = first_line(e->text + c->begin, c->end - c->begin);
		if (line != first_line(c->from, c->len) ||
		    memcmp(e->text + c->begin, c->from, line) != 0)
			break;
		c->begin += line;
		c->from += line;
		c->len -= line;
	}
	for (size_t i = 1; i <= c->len && i <= c->end - c->begin; i++) {
		if (e->text[c->end - i] != c->from[c->len - i])
			break;
		/* It is a whole line, if before it there is a line's end, or nothing, on both. */
		if ((i == c->len || c->from[c->len - i - 1] == '\n') &&
		    (i == c->end - c->begin || e->text[c->end - i - 1] == '\n'))
			same = i;
	}
	c->end -= same;
	c->len -= same;
}

/* The next change, from the edit *next on. False: there is none, or no memory (text is NULL). */
static bool take_change(struct convert_edits *e, unsigned *next, struct change *c)
{
	unsigned last = *next;
	size_t begin, end;

	if (*next == e->n)
		return false;
	begin = line_start(e, e->list[last].span.begin);
	do
		end = line_end(e, e->list[last].span.end);
	while (++last < e->n && e->list[last].span.begin < end);
	c->text = part(e, begin, end, next, &c->len);
	c->begin = begin;
	c->end = end;
	c->from = c->text;
	if (c->text)
		trim(e, c);
	return c->text;
}

static void print_lines(char mark, const char *text, size_t len, FILE *out)
{
	for (size_t line; len; text += line, len -= line) {
		line = first_line(text, len);
		fputc(mark, out);
		fwrite(text, 1, line, out);
		if (text[line - 1] != '\n')
			fputs("\n\\ No newline at end of file\n", out);
	}
}

static void print_range(char mark, unsigned before, unsigned n, FILE *out)
{
	fprintf(out, " %c%u,%u", mark, n ? before + 1 : before, n);
}

/* One hunk; shift: how many lines more the new text has before it. */
static void print_hunk(const struct convert_edits *e, const struct change *changes, unsigned n,
		       int *shift, FILE *out)
{
	size_t begin = changes[0].begin, end = changes[n - 1].end, at;
	unsigned before, n_old, n_new;

	for (int i = 0; i < CONTEXT && begin; i++)
		begin = line_start(e, begin - 1);
	for (int i = 0; i < CONTEXT && end < e->len; i++)
		end = line_end(e, end);
	before = count_lines(e->text, begin);
	n_old = n_new = count_lines(e->text + begin, end - begin);
	for (unsigned i = 0; i < n; i++)
		n_new = n_new -
			count_lines(e->text + changes[i].begin, changes[i].end - changes[i].begin) +
			count_lines(changes[i].from, changes[i].len);
	fputs("@@", out);
	print_range('-', before, n_old, out);
	print_range('+', (unsigned)((int)before + *shift), n_new, out);
	fputs(" @@\n", out);
	*shift += (int)n_new - (int)n_old;
	at = begin;
	for (unsigned i = 0; i < n; i++) {
		print_lines(' ', e->text + at, changes[i].begin - at, out);
		print_lines('-', e->text + changes[i].begin, changes[i].end - changes[i].begin,
			    out);
		print_lines('+', changes[i].from, changes[i].len, out);
		at = changes[i].end;
	}
	print_lines(' ', e->text + at, end - at, out);
}

/* Whether there are so few lines between that one hunk shows both. */
static bool joined(const struct convert_edits *e, const struct change *a, const struct change *b)
{
	return count_lines(e->text + a->end, b->begin - a->end) <= 2 * CONTEXT;
}

bool convert_edits_diff(struct convert_edits *e, const char *name, FILE *out)
{
	struct change *changes = calloc(e->n + 1, sizeof(*changes));
	unsigned next = 0, n = 0, last;
	int shift = 0;
	bool ok;

	if (!changes || e->failed) {
		free(changes);
		return false;
	}
	sort(e);
	while (take_change(e, &next, &changes[n])) {
		if (changes[n].begin < changes[n].end || changes[n].len)
			n++;
		else
			free(changes[n].text);
	}
	ok = next == e->n;
	if (ok && n)
		fprintf(out, "--- %s\n+++ %s\n", name, name);
	for (unsigned i = 0; ok && i < n; i = last) {
		for (last = i + 1; last < n && joined(e, &changes[last - 1], &changes[last]);)
			last++;
		print_hunk(e, &changes[i], last - i, &shift, out);
	}
	for (unsigned i = 0; i < n; i++)
		free(changes[i].text);
	free(changes);
	return ok;
}
