/* SPDX-License-Identifier: MIT */
/*
 * Interface XML from anywhere: the document, the place of each node in its text, each <interface>
 * of it, and the card that it makes. What is refused is refused in one line.
 */
#include "tests/fuzz/fuzz.h"
#include "tools/config/iface.h"

/* Of interfaces that are read one by one: each looks at all the others. */
#define MAX_INTERFACES 8

static void check_line(const char *line)
{
	fuzz_require(*line);
	for (; *line; line++)
		fuzz_require((unsigned char)*line >= ' ' && *line != 127);
}

static void warned(void *ctx, const char *line)
{
	(void)ctx;
	check_line(line);
}

/* The name in the text at begin, behind '<' or '<?' and a prefix. */
static void check_name(const char *text, size_t at, const struct xml_node *node)
{
	const char *name = xml_name(node);
	size_t len = strlen(name), prefix = strcspn(text + at, ": \t\r\n/>");

	if (text[at + prefix] == ':' && !xml_is_instruction(node))
		at += prefix + 1;
	fuzz_require(!strncmp(text + at, name, len));
}

/* Between the quotes of an attribute there is no such quote. */
static void check_attrs(const struct xml_doc *doc, const struct xml_node *node)
{
	struct xml_span tag = xml_start_tag(doc, node), span;
	const char *text = xml_text(doc, NULL), *ns, *value, *name;

	for (unsigned i = 0; (name = xml_attr_at(node, i, &ns, &value)); i++) {
		if (*ns)
			continue;
		span = xml_attr_span(doc, node, name);
		fuzz_require(span.begin > tag.begin && span.end < tag.end);
		fuzz_require(span.begin <= span.end);
		fuzz_require(text[span.end] == text[span.begin - 1]);
		fuzz_require(!memchr(text + span.begin, text[span.end], span.end - span.begin));
		/* Without entities and line ends the value is what stands there. */
		if (!strpbrk(value, "&<> \t\r\n'\"") &&
		    !memchr(text + span.begin, '&', span.end - span.begin))
			fuzz_require(!strncmp(text + span.begin, value, strlen(value)));
	}
}

/* A node stands in its parent, behind what stands before it. Returns its end. */
static size_t check_place(const struct xml_doc *doc, const struct xml_node *node, size_t from,
			  size_t to)
{
	struct xml_span span = xml_span(doc, node), tag = xml_start_tag(doc, node);
	bool instruction = xml_is_instruction(node);
	const char *text = xml_text(doc, NULL);
	const struct xml_node *child = NULL;
	size_t at = tag.end;

	fuzz_require(span.begin >= from && span.end <= to && span.begin == tag.begin);
	fuzz_require(tag.end > tag.begin + 2 && tag.end <= span.end);
	fuzz_require(text[span.begin] == '<' && text[tag.end - 1] == '>');
	fuzz_require(text[span.end - 1] == '>' && xml_line(node) > 0);
	check_name(text, span.begin + (instruction ? 2 : 1), node);
	if (!instruction)
		check_attrs(doc, node);
	while ((child = xml_next(node, child)))
		at = check_place(doc, child, at, span.end);
	return span.end;
}

static void check_places(const struct xml_doc *doc)
{
	const struct xml_node *child = NULL;
	size_t at = 0, len;

	xml_text(doc, &len);
	while ((child = xml_next(xml_top(doc), child)))
		at = check_place(doc, child, at, len);
}

static void check_interface(const struct xml_doc *doc, unsigned nth)
{
	struct iface_selector sel = { .nth = nth };
	char err[IFACE_ERR_LEN] = "";
	struct nic_config c;
	struct iface iface;

	if (iface_read(&iface, doc, &sel, err)) {
		check_line(err);
		return;
	}
	for (unsigned i = 0; i < iface.n_values; i++)
		fuzz_require(iface.values[i].key && iface.values[i].node && iface.values[i].text);
	nic_config_init(&c, "--");
	if (iface_to_nic(&iface, &c, warned, NULL, err))
		check_line(err);
	else
		fuzz_require(c.backend && c.pairs);
	nic_config_deinit(&c);
	iface_deinit(&iface);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[XML_ERR_LEN] = "";
	struct xml_doc *doc;
	unsigned n;

	if (xml_parse(&doc, "input", (const char *)data, size, err)) {
		check_line(err);
		return 0;
	}
	check_places(doc);
	n = iface_count(doc);
	for (unsigned nth = 1; nth <= n && nth <= MAX_INTERFACES; nth++)
		check_interface(doc, nth);
	/* None, or more than there are. */
	check_interface(doc, n + 1);
	xml_free(doc);
	return 0;
}
