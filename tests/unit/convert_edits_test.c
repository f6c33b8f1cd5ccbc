/* SPDX-License-Identifier: MIT */
/*
 * Edits of a text: what is not touched stays, what is put in looks like its neighbour and goes away
 * again without a trace, and what changed is told as patch reads it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/txringctl/convert_edits.h"
#include "tools/txringctl/convert_words.h"
#include "virtio/base.h"

/* Where what begins in text. */
static size_t at(const char *text, const char *what)
{
	const char *found = strstr(text, what);

	assert_non_null(found);
	return (size_t)(found - text);
}

static struct xml_span span(const char *text, const char *what)
{
	size_t begin = at(text, what);

	return (struct xml_span){ begin, begin + strlen(what) };
}

static void becomes(struct convert_edits *e, const char *expected)
{
	size_t len;
	char *text = convert_edits_apply(e, &len);

	assert_non_null(text);
	assert_string_equal(text, expected);
	assert_int_equal(len, strlen(expected));
	free(text);
	convert_edits_deinit(e);
}

/* Edits are in places of the text from before, in whatever order they were made. */
static void in_place(void **state)
{
	static const char text[] = "one two three";
	struct convert_edits e;

	(void)state;
	convert_edits_init(&e, text, strlen(text));
	convert_edits_replace(&e, span(text, "three"), "3");
	convert_edits_replace(&e, (struct xml_span){ 4, 4 }, "a");
	convert_edits_replace(&e, (struct xml_span){ 4, 4 }, "b ");
	convert_edits_replace(&e, span(text, "one"), "1111");
	convert_edits_replace(&e, (struct xml_span){ 0, 0 }, "0");
	becomes(&e, "01111 ab two 3");
	convert_edits_init(&e, text, strlen(text));
	becomes(&e, text);
}

/* Line ends, tabs or spaces, or all on one line: what is put in is written as the text is. */
static void laid_out(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "<a>\n    <b/>\n</a>\n", "<a>\n    <b/>\n    <c>\n      <d/>\n    </c>\n</a>\n" },
		{ "<a>\r\n <b/>\r\n</a>", "<a>\r\n <b/>\r\n <c>\r\n   <d/>\r\n </c>\r\n</a>" },
		{ "<a>\n\t<b/></a>", "<a>\n\t<b/>\n\t<c>\n\t\t<d/>\n\t</c></a>" },
		{ "<a>\n<b/>\n</a>", "<a>\n<b/>\n<c>\n  <d/>\n</c>\n</a>" },
		{ "<a><b/></a>", "<a><b/><c><d/></c></a>" },
		{ "<a>\n<x/><b/> \n</a>", "<a>\n<x/><b/><c><d/></c> \n</a>" },
	};
	struct convert_edits e;

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++) {
		const char *text = cases[i].text, *expected = cases[i].expected;
		struct xml_span b = span(text, "<b/>"), c;

		convert_edits_init(&e, text, strlen(text));
		convert_edits_put(&e, b.end, b.begin, 0, "<c>\n\t<d/>\n</c>");
		becomes(&e, expected);
		c.begin = at(expected, "<c>");
		c.end = at(expected, "</c>") + 4;
		convert_edits_init(&e, expected, strlen(expected));
		convert_edits_remove(&e, c);
		becomes(&e, text);
	}
}

static void deeper(void **state)
{
	static const char text[] = "  <a>\n  </a>", before[] = "x\n  <a><b/></a>";
	struct convert_edits e;

	(void)state;
	convert_edits_init(&e, before, strlen(before));
	convert_edits_swap(&e, span(before, "<a><b/></a>"), "<A>\n\t<B/>\n</A>");
	becomes(&e, "x\n  <A>\n    <B/>\n  </A>");
	convert_edits_init(&e, text, strlen(text));
	convert_edits_put(&e, 5, 2, 1, "<b/>\n");
	/* The first line of a text is like any other that nothing stands on before. */
	becomes(&e, "  <a>\n    <b/>\n  </a>");
}

/* The text of diff -u, with names, and what changes as lines; each was read by patch. */
static void diff(void **state)
{
	static const char text[] = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16";
	struct convert_edits e;
	char *out = NULL;
	size_t len;
	FILE *file;

	(void)state;
	convert_edits_init(&e, text, strlen(text));
	convert_edits_put(&e, at(text, "\n2"), 0, 0, "1a\n1b");
	convert_edits_replace(&e, span(text, "5"), "five");
	convert_edits_replace(&e, span(text, "9"), "9");
	convert_edits_replace(&e, span(text, "16"), "16\n");
	file = open_memstream(&out, &len);
	assert_non_null(file);
	assert_true(convert_edits_diff(&e, "f", file));
	fclose(file);
	assert_string_equal(out,
			    "--- f\n+++ f\n"
			    "@@ -1,8 +1,10 @@\n 1\n+1a\n+1b\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
			    "@@ -13,4 +15,4 @@\n 13\n 14\n 15\n"
			    "-16\n\\ No newline at end of file\n+16\n");
	free(out);
	convert_edits_deinit(&e);
}

/* What is kept in a document comes out of it as it was, whatever line ends and quotes it has. */
static void words(void **state)
{
	static const char text[] = "<a b='\"&amp;'>\r\n\t<!-- ?> ]]> -->&#10;</a>\n";
	char *kept = NULL, *decoded;
	size_t len;
	FILE *out = open_memstream(&kept, &len);

	(void)state;
	assert_non_null(out);
	convert_words_kept(text, strlen(text), out);
	fclose(out);
	assert_null(strpbrk(kept, "<>\r\n"));
	decoded = convert_words_decoded(kept);
	assert_string_equal(decoded, text);
	free(decoded);
	free(kept);
	kept = NULL;
	out = open_memstream(&kept, &len);
	assert_non_null(out);
	convert_words_shell("/run/a-b.sock", out);
	convert_words_shell("", out);
	convert_words_shell("it's $x", out);
	convert_words_qemu("a,b", out);
	convert_words_attr("<'\">", out);
	fclose(out);
	assert_string_equal(kept, "/run/a-b.sock'''it'\\''s $x'a,,b&lt;&apos;&quot;&gt;");
	free(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_place), cmocka_unit_test(laid_out), cmocka_unit_test(deeper),
		cmocka_unit_test(diff),     cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
