/* SPDX-License-Identifier: MIT */
/* The options of a configuration file, by the table of the command line; see options_parser.h. */
#include <stdio.h>
#include <string.h>

#include "tools/log.h"
#include "tools/txringd/options_file.h"
#include "tools/txringd/options_parser.h"

/* The option of this name that a file may have; NULL: there is none. */
static const struct option *find_option(const struct options_parser *p, const char *name)
{
	for (const struct option *known = p->known; known->name; known++) {
		if (!strcmp(known->name, name) && known->val != OPT_HELP &&
		    known->val != OPT_VERSION && known->val != OPT_PRINT_CAPABILITIES &&
		    known->val != OPT_CONFIG && known->val != OPT_NIC)
			return known;
	}
	return NULL;
}

/* The last card is one of the file's: so are its keys written, and there it stands. */
static void mark_card(struct options_parser *p, const char *path, unsigned line)
{
	unsigned last = p->o->n_nics - 1;

	p->o->nics[last].mark = "";
	snprintf(p->o->origins[last].text, sizeof(p->o->origins->text), "%.160s:%u", path, line);
}

/* What follows is about one more card; the first one of all may begin so. */
static bool begin_section(struct options_parser *p, const struct options_line *line,
			  const char *path)
{
	if (strcmp(line->name, "nic") != 0) {
		log_at(LOG_ERROR, "%s'[%s]' must be [nic]", p->where, line->name);
		return false;
	}
	if ((!p->untouched || p->begun) && !options_add_nic(p))
		return false;
	p->begun = true;
	mark_card(p, path, line->line);
	return true;
}

static bool take(struct options_parser *p, const struct option *known,
		 const struct options_line *line, const char *path)
{
	bool of_card = known->val >= OPT_KEYS || known->val == OPT_INTERFACE;

	if (of_card && p->untouched && !p->begun)
		mark_card(p, path, line->line);
	return options_take(p, known->val, line->value);
}

static bool parse_line(struct options_parser *p, const struct options_line *line, const char *path)
{
	const struct option *known = find_option(p, line->name);

	if (line->is_section)
		return begin_section(p, line, path);
	if (!known)
		log_at(LOG_ERROR, "%s'%s' is no option that a file can have (see --help)", p->where,
		       line->name);
	else if (known->has_arg == required_argument && !line->value)
		log_at(LOG_ERROR, "%s%s needs a value: %s = VALUE", p->where, line->name,
		       line->name);
	else if (known->has_arg == no_argument && line->value)
		log_at(LOG_ERROR, "%s%s takes no value: it stands alone", p->where, line->name);
	else
		return take(p, known, line, path);
	return false;
}

/* The text stays with the options, which have parts of it. */
static bool keep_text(struct options *o, char *text)
{
	char **texts = options_grow(o->texts, o->n_texts + 1, sizeof(*texts));

	if (!texts)
		return false;
	o->texts = texts;
	texts[o->n_texts++] = text;
	return true;
}

static bool parse_lines(struct options_parser *p, struct options_file *file, const char *path)
{
	char err[OPTIONS_FILE_ERR_LEN];
	struct options_line line;
	int more;

	while ((more = options_file_next(file, &line, err)) > 0) {
		snprintf(p->where, sizeof(p->where), "%.160s:%u: ", path, line.line);
		if (!parse_line(p, &line, path))
			return false;
	}
	if (more < 0)
		log_at(LOG_ERROR, "%s:%u: %s", path, line.line, err);
	p->where[0] = '\0';
	return !more;
}

bool options_lines_read(struct options_parser *p, const char *path)
{
	char err[OPTIONS_FILE_ERR_LEN];
	struct options_file file;
	size_t len = strlen(path);

	p->o->from_file = true;
	if (len > 4 && !strcmp(path + len - 4, ".xml"))
		return options_add_interface(p, path);
	if (options_file_open(&file, path, err)) {
		log_at(LOG_ERROR, "%s", err);
		return false;
	}
	if (keep_text(p->o, file.text))
		return parse_lines(p, &file, path);
	options_file_close(&file);
	return false;
}
