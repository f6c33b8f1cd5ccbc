/* SPDX-License-Identifier: MIT */
/*
 * A document of XML: what of it is refused, and that each node stands where the document says it
 * does. The texts are ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/config/xml.h"
#include "virtio/base.h"

static struct xml_doc *parse(const char *text)
{
	struct xml_doc *doc = NULL;
	char err[XML_ERR_LEN] = "";

	if (xml_parse(&doc, "a.xml", text, strlen(text), err))
		fail_msg("%s", err);
	return doc;
}

/* One line that begins with the name and ends with no line feed. */
static void assert_refused(const char *text, size_t len, const char *says)
{
	struct xml_doc *doc = NULL;
	char err[XML_ERR_LEN] = "";

	if (!xml_parse(&doc, "a.xml", text, len, err))
		fail_msg("taken, but it should say: %s", says);
	assert_null(doc);
	assert_ptr_equal(strstr(err, "a.xml:"), err);
	assert_null(strpbrk(err, "\n\r\t"));
	if (!strstr(err, says))
		fail_msg("'%s' does not say: %s", err, says);
}

static void assert_span(const struct xml_doc *doc, struct xml_span span, const char *text)
{
	if (span.end - span.begin != strlen(text) ||
	    memcmp(xml_text(doc, NULL) + span.begin, text, strlen(text)) != 0)
		fail_msg("%zu to %zu is not: %s", span.begin, span.end, text);
}

/* Each is one line, with the place where it can be told. */
static void refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "empty" },
		{ "<a>\n<b></a>", "a.xml:2: not well-formed XML: " },
		{ "<a/><b/>", "a.xml:1: not well-formed XML: " },
		{ "just text", "not well-formed" },
		{ "<a b='1' b='2'/>", "not well-formed" },
		{ "<a b='<'/>", "not well-formed" },
		{ "<a>&#0;</a>", "not well-formed" },
		{ "<n:a/>", "not well-formed" },
		{ "\n<!DOCTYPE a>\n<a/>", "a.xml:2: <!DOCTYPE a>: document types and entities" },
		{ "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "<!DOCTYPE a>" },
		{ "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "<!DOCTYPE a>" },
		{ "<!DOCTYPE a PUBLIC 'p' 'http://127.0.0.1:1/'><a/>", "<!DOCTYPE a>" },
		{ "<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://127.0.0.1:1/'> %x;]><a/>",
		  "<!DOCTYPE a>" },
		{ "<a>\n&x;</a>", "a.xml:2: not well-formed XML: Entity 'x' not defined" },
		{ "<a b='&x;'/>", "Entity 'x' not defined" },
		{ "<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
		  "a.xml:1: <?xml encoding='ISO-8859-1'?> must be UTF-8" },
		{ "<?xml version='1.0' encoding='UTF-7'?><a/>", "must be UTF-8" },
		{ "<a>\n\xe9</a>", "a.xml:2: byte 0xe9 at offset 4 is not UTF-8" },
		{ "\xff\xfe<", "byte 0xff at offset 0" },
		{ "<a>\xc0\x80</a>", "byte 0xc0" },
		{ "<a>\xed\xa0\x80</a>", "byte 0xed" },
		{ "<a>\xf4\x90\x80\x80</a>", "byte 0xf4" },
		{ "<a>\xe2\x82", "byte 0xe2" },
	};

	(void)state;
	for (unsigned i = 0; i < array_size(cases); i++)
		assert_refused(cases[i].text, strlen(cases[i].text), cases[i].says);
	assert_refused("<a>\n\0</a>", 9, "a.xml:2: a zero byte at offset 4");
	assert_refused("<\0a\0/\0>\0", 8, "a.xml:1: a zero byte at offset 1");
}

/* A billion laughs are none: the first word of the DTD ends the parser. */
static void laughs(void **state)
{
	static const char text[] = "<!DOCTYPE l [<!ENTITY a 'ha'>"
				   "<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
				   "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>"
				   "<!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>"
				   "<!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'>"
				   "<!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;'>"
				   "<!ENTITY g '&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;'>"
				   "<!ENTITY h '&g;&g;&g;&g;&g;&g;&g;&g;&g;&g;'>"
				   "<!ENTITY i '&h;&h;&h;&h;&h;&h;&h;&h;&h;&h;'>]><l>&i;&i;</l>";

	(void)state;
	assert_refused(text, strlen(text), "document types and entities are refused");
}

static char *repeat(const char *one, size_t n, const char *end)
{
	size_t len = strlen(one);
	char *text = malloc(n * len + strlen(end) + 1);

	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		memcpy(text + i * len, one, len);
	strcpy(text + n * len, end);
	return text;
}

/* What is too large is refused before it takes memory or stack: in length, levels and number. */
static void large(void **state)
{
	struct xml_doc *doc;
	char *text, *whole;

	(void)state;
	text = repeat(" ", XML_MAX_LEN + 1, "");
	assert_refused(text, strlen(text), "longer than 10485760 bytes");
	free(text);
	text = repeat("<a>", 10000, "");
	assert_refused(text, strlen(text), "over 256 levels deep");
	free(text);
	text = repeat("<a>", XML_MAX_DEPTH, "");
	whole = repeat("</a>", XML_MAX_DEPTH, "");
	text = realloc(text, strlen(text) + strlen(whole) + 1);
	assert_non_null(text);
	xml_free(parse(strcat(text, whole)));
	free(text);
	free(whole);
	text = repeat("<b/>", 100001, "");
	memcpy(text, "<a>", 4);
	text[3] = ' ';
	assert_refused(text, strlen(text), "more than 100000 elements");
	free(text);
	text = repeat("0123456789abcdef", XML_MAX_LEN / 32, "</a>");
	memcpy(text, "<a>", 3);
	doc = parse(text);
	assert_int_equal(strlen(xml_content(xml_root(doc))), XML_MAX_LEN / 2 - 3);
	xml_free(doc);
	free(text);
}

/* A file is named as it was given, and what cannot be read says why. */
static void files(void **state)
{
	char path[] = "/tmp/xml_test.XXXXXX", err[XML_ERR_LEN], want[64];
	int fd = mkstemp(path);
	struct xml_doc *doc;
	size_t len;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "<a>\n<b/>\n</a>\n", 14), 14);
	assert_int_equal(xml_read(&doc, path, err), 0);
	assert_string_equal(xml_path(doc), path);
	assert_string_equal(xml_text(doc, &len), "<a>\n<b/>\n</a>\n");
	assert_int_equal(len, 14);
	assert_int_equal(xml_line(xml_child(xml_root(doc), "", "b")), 2);
	xml_free(doc);
	assert_int_equal(ftruncate(fd, XML_MAX_LEN + 1), 0);
	assert_true(xml_read(&doc, path, err) < 0);
	snprintf(want, sizeof(want), "%s: longer than 10485760 bytes", path);
	assert_string_equal(err, want);
	close(fd);
	unlink(path);
	assert_true(xml_read(&doc, path, err) < 0);
	snprintf(want, sizeof(want), "%s: cannot be read: No such file or directory", path);
	assert_string_equal(err, want);
	assert_true(xml_read(&doc, "/", err) < 0);
	assert_string_equal(err, "/: cannot be read: Is a directory");
}

/* Names, namespaces, values with their entities read, content and instructions. */
static void read_back(void **state)
{
	struct xml_doc *doc =
		parse("<?xml version='1.0' encoding='utf-8'?><?x before?>\n"
		      "<a xmlns:t='urn:t' n='&lt;&#65;\"&amp;&#38;&amp;lt;' t:n='other'>\n"
		      "one<t:b>two</t:b> &amp; <![CDATA[<three>]]>"
		      "<?txring timer,delay=80us?><c xmlns='urn:c'/></a><?x?>");
	const struct xml_node *root = xml_root(doc), *node;
	const char *ns, *value;

	(void)state;
	assert_string_equal(xml_name(root), "a");
	assert_string_equal(xml_ns(root), "");
	assert_null(xml_parent(root));
	assert_string_equal(xml_content(root), "\none & <three>");
	assert_string_equal(xml_attr(root, "n"), "<A\"&&&lt;");
	assert_null(xml_attr(root, "t"));
	assert_string_equal(xml_attr_at(root, 1, &ns, &value), "n");
	assert_string_equal(ns, "urn:t");
	assert_string_equal(value, "other");
	assert_null(xml_attr_at(root, 2, &ns, &value));
	assert_null(xml_child(root, "", "b"));
	node = xml_child(root, "urn:t", "b");
	assert_string_equal(xml_content(node), "two");
	assert_ptr_equal(xml_parent(node), root);
	node = xml_next(root, node);
	assert_true(xml_is_instruction(node));
	assert_string_equal(xml_name(node), "txring");
	assert_string_equal(xml_content(node), "timer,delay=80us");
	node = xml_next(root, node);
	assert_string_equal(xml_ns(node), "urn:c");
	assert_string_equal(xml_content(node), "");
	assert_null(xml_next(root, node));
	node = xml_next(xml_top(doc), NULL);
	assert_string_equal(xml_content(node), "before");
	assert_ptr_equal(xml_next(xml_top(doc), node), root);
	assert_string_equal(xml_content(xml_next(xml_top(doc), root)), "");
	xml_free(doc);
}

/* Each node stands where its text is, whatever looks like a tag before it. */
static void spans(void **state)
{
	static const char text[] =
		"\xef\xbb\xbf<?xml version='1.0'?><!-- <a/> \"' -->\n<?p <a>?>\n"
		"<a\n x='>' y = \"'/>\" z=''>\n"
		"<![CDATA[<b/>]]><b\txx='1'  x='2'/><!--<b>--><c>\xc3\xa9<d></d ></c>\n"
		"<?q '?><e t:x='1' x=\"\t2\" xmlns:t='urn:t'></e></a >\n<?r?>";
	struct xml_doc *doc = parse(text);
	const struct xml_node *a = xml_root(doc), *b = xml_child(a, "", "b"),
			      *c = xml_child(a, "", "c"), *e = xml_child(a, "", "e"),
			      *q = xml_next(a, c), *p = xml_next(xml_top(doc), NULL),
			      *r = xml_next(xml_top(doc), a);

	(void)state;
	assert_span(doc, xml_start_tag(doc, a), "<a\n x='>' y = \"'/>\" z=''>");
	assert_int_equal(xml_span(doc, a).end, strlen(text) - strlen("\n<?r?>"));
	assert_span(doc, xml_attr_span(doc, a, "x"), ">");
	assert_span(doc, xml_attr_span(doc, a, "y"), "'/>");
	assert_span(doc, xml_attr_span(doc, a, "z"), "");
	assert_int_equal(xml_attr_span(doc, a, "w").end, 0);
	assert_span(doc, xml_span(doc, b), "<b\txx='1'  x='2'/>");
	assert_span(doc, xml_start_tag(doc, b), "<b\txx='1'  x='2'/>");
	assert_span(doc, xml_attr_span(doc, b, "x"), "2");
	assert_span(doc, xml_span(doc, c), "<c>\xc3\xa9<d></d ></c>");
	assert_span(doc, xml_span(doc, xml_child(c, "", "d")), "<d></d >");
	assert_span(doc, xml_span(doc, q), "<?q '?>");
	assert_span(doc, xml_attr_span(doc, e, "x"), "\t2");
	assert_span(doc, xml_span(doc, p), "<?p <a>?>");
	assert_span(doc, xml_span(doc, r), "<?r?>");
	assert_int_equal(xml_line(p), 2);
	assert_int_equal(xml_line(a), 3);
	assert_int_equal(xml_line(b), 5);
	assert_int_equal(xml_line(e), 6);
	assert_int_equal(xml_line(r), 7);
	xml_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused), cmocka_unit_test(laughs),    cmocka_unit_test(large),
		cmocka_unit_test(files),   cmocka_unit_test(read_back), cmocka_unit_test(spans),
	};

	return cmocka_run_group_tests_name("xml", tests, NULL, NULL);
}
