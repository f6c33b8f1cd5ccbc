/* SPDX-License-Identifier: MIT */
/* A document's life: read, looked at as bytes, built, located, asked, freed. See xml.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tools/config/xml_node.h"

int xml_refuse(char err[XML_ERR_LEN], const char *path, unsigned line, const char *fmt, ...)
{
	int n = line ? snprintf(err, XML_ERR_LEN, "%.200s:%u: ", path, line)
		     : snprintf(err, XML_ERR_LEN, "%.200s: ", path);
	va_list args;
	size_t len;

	va_start(args, fmt);
	vsnprintf(err + n, XML_ERR_LEN - (size_t)n, fmt, args);
	va_end(args);
	for (len = strlen(err); len && err[len - 1] == '\n'; len--)
		err[len - 1] = '\0';
	for (char *c = err; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = ' ';
	}
	return -EINVAL;
}

void xml_node_append(struct xml_node *parent, struct xml_node *node, struct xml_node **last)
{
	node->parent = parent;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	(*last)->following = node;
	*last = node;
}

static unsigned line_of(const char *text, size_t at)
{
	unsigned line = 1;

	for (size_t i = 0; i < at; i++)
		line += text[i] == '\n';
	return line;
}

/* How many bytes the character at s has, of which n are there; 0: it is not UTF-8. */
static size_t utf8_len(const unsigned char *s, size_t n)
{
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (s[0] > 0xf4 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Longer than need be, a half of a pair of UTF-16, or beyond Unicode's end. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

static int check_bytes(const struct xml_doc *doc, char err[XML_ERR_LEN])
{
	const unsigned char *text = (const unsigned char *)doc->text;
	size_t at, len;

	for (at = 0; at < doc->len; at += len) {
		if (!text[at])
			return xml_refuse(err, doc->path, line_of(doc->text, at),
					  "a zero byte at offset %zu: no XML in UTF-8", at);
		len = utf8_len(text + at, doc->len - at);
		if (!len)
			return xml_refuse(err, doc->path, line_of(doc->text, at),
					  "byte 0x%02x at offset %zu is not UTF-8: convert it with "
					  "iconv -t UTF-8",
					  text[at], at);
	}
	return 0;
}

/* What <?xml encoding="..."?> declares, if anything. Whether it is well-formed libxml2 says. */
static int check_encoding(const struct xml_doc *doc, char err[XML_ERR_LEN])
{
	const char *begin = doc->text, *end, *name, *quote;
	size_t len;

	if (!strncmp(begin, "\xef\xbb\xbf", 3))
		begin += 3;
	end = strncmp(begin, "<?xml", 5) ? NULL : strstr(begin, "?>");
	name = end ? memmem(begin, (size_t)(end - begin), "encoding", 8) : NULL;
	quote = name ? strpbrk(name, "'\"") : NULL;
	if (!quote || quote > end)
		return 0;
	quote++;
	len = strcspn(quote, "'\"");
	if ((len == 5 && !strncasecmp(quote, "UTF-8", 5)) ||
	    (len == 8 && !strncasecmp(quote, "US-ASCII", 8)))
		return 0;
	return xml_refuse(err, doc->path, 1,
			  "<?xml encoding='%.*s'?> must be UTF-8: convert it with iconv -t UTF-8",
			  len > 64 ? 64 : (int)len, quote);
}

static int too_long(char err[XML_ERR_LEN], const char *path)
{
	xml_refuse(err, path, 0, "longer than %d bytes", XML_MAX_LEN);
	return -EFBIG;
}

/* The document owns text, of len bytes and a zero, whatever comes of it. */
static int make(struct xml_doc **result, const char *path, char *text, size_t len,
		char err[XML_ERR_LEN])
{
	struct xml_doc *doc = calloc(1, sizeof(*doc));
	int error = -ENOMEM;

	if (doc)
		*doc = (struct xml_doc){ .path = strdup(path), .text = text, .len = len };
	else
		free(text);
	if (!doc || !doc->path) {
		xml_refuse(err, path, 0, "out of memory");
		goto fail;
	}
	error = len > XML_MAX_LEN ? too_long(err, path) : 0;
	if (!error)
		error = check_bytes(doc, err);
	if (!error)
		error = check_encoding(doc, err);
	if (!error)
		error = xml_build(doc, err);
	if (error)
		goto fail;
	xml_locate(doc);
	*result = doc;
	return 0;
fail:
	xml_free(doc);
	return error;
}

int xml_parse(struct xml_doc **doc, const char *name, const char *text, size_t len,
	      char err[XML_ERR_LEN])
{
	char *copy;

	if (len > XML_MAX_LEN)
		return too_long(err, name);
	copy = malloc(len + 1);
	if (!copy) {
		xml_refuse(err, name, 0, "out of memory");
		return -ENOMEM;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	return make(doc, name, copy, len, err);
}

/* All of fd, but no more than one byte above what is allowed. NULL: errno says why. */
static char *read_all(int fd, size_t *len)
{
	size_t size = 1 << 16;
	char *text = NULL;
	ssize_t n = 1;

	for (*len = 0; n > 0 && *len <= XML_MAX_LEN; *len += (size_t)n) {
		if (!text || *len == size) {
			char *larger = realloc(text, (size *= 2) + 1);

			if (!larger)
				goto fail;
			text = larger;
		}
		n = TEMP_FAILURE_RETRY(read(fd, text + *len, size - *len));
		if (n < 0)
			goto fail;
	}
	text[*len] = '\0';
	return text;
fail:
	free(text);
	return NULL;
}

int xml_read(struct xml_doc **doc, const char *path, char err[XML_ERR_LEN])
{
	bool is_stdin = !strcmp(path, "-");
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), error;
	size_t len = 0;
	char *text = fd < 0 ? NULL : read_all(fd, &len);

	error = errno;
	if (fd >= 0 && !is_stdin)
		close(fd);
	if (text)
		return make(doc, path, text, len, err);
	xml_refuse(err, path, 0, "cannot be read: %s", strerror(error));
	return -error;
}

/* Without recursion, in the text's order. */
void xml_free(struct xml_doc *doc)
{
	struct xml_node *node, *next;

	if (!doc)
		return;
	for (node = doc->top.following; node; node = next) {
		next = node->following;
		for (unsigned i = 0; i < node->n_attrs; i++) {
			free(node->attrs[i].ns);
			free(node->attrs[i].name);
			free(node->attrs[i].value);
		}
		free(node->attrs);
		free(node->content);
		free(node->ns);
		free(node->name);
		free(node);
	}
	free(doc->top.content);
	free(doc->text);
	free(doc->path);
	free(doc);
}

const char *xml_path(const struct xml_doc *doc)
{
	return doc->path;
}

const char *xml_text(const struct xml_doc *doc, size_t *len)
{
	if (len)
		*len = doc->len;
	return doc->text;
}

const struct xml_node *xml_top(const struct xml_doc *doc)
{
	return &doc->top;
}

const struct xml_node *xml_root(const struct xml_doc *doc)
{
	const struct xml_node *node = doc->top.first;

	while (node->instruction)
		node = node->next;
	return node;
}

const struct xml_node *xml_next(const struct xml_node *parent, const struct xml_node *after)
{
	return after ? after->next : parent->first;
}

const struct xml_node *xml_parent(const struct xml_node *node)
{
	return node->parent && node->parent->parent ? node->parent : NULL;
}

const struct xml_node *xml_child(const struct xml_node *parent, const char *ns, const char *name)
{
	const struct xml_node *node = NULL;

	while ((node = xml_next(parent, node))) {
		if (!node->instruction && !strcmp(node->name, name) && !strcmp(node->ns, ns))
			return node;
	}
	return NULL;
}

const char *xml_name(const struct xml_node *node)
{
	return node->name;
}

int xml_is_instruction(const struct xml_node *node)
{
	return node->instruction;
}

const char *xml_ns(const struct xml_node *node)
{
	return node->ns;
}

unsigned xml_line(const struct xml_node *node)
{
	return node->line;
}

const char *xml_attr_at(const struct xml_node *node, unsigned n, const char **ns,
			const char **value)
{
	if (n >= node->n_attrs)
		return NULL;
	*ns = node->attrs[n].ns;
	*value = node->attrs[n].value;
	return node->attrs[n].name;
}

const char *xml_attr(const struct xml_node *node, const char *name)
{
	for (unsigned i = 0; i < node->n_attrs; i++) {
		if (!*node->attrs[i].ns && !strcmp(node->attrs[i].name, name))
			return node->attrs[i].value;
	}
	return NULL;
}

const char *xml_content(const struct xml_node *node)
{
	return node->content ? node->content : "";
}

struct xml_span xml_span(const struct xml_doc *doc, const struct xml_node *node)
{
	(void)doc;
	return node->whole;
}

struct xml_span xml_start_tag(const struct xml_doc *doc, const struct xml_node *node)
{
	(void)doc;
	return node->tag;
}
