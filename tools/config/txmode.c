/* SPDX-License-Identifier: MIT */
/* Parsing and printing of tx modes. Times are printed in the largest unit that keeps them whole. */
#include "tools/config/txmode.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "datapath/tx/engines.h"
#include "tools/config/values.h"

static void append(char *buf, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void append(char *buf, size_t len, const char *fmt, ...)
{
	size_t at = strlen(buf);
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf + at, len - at, fmt, args);
	va_end(args);
}

static bool is_time(const struct tx_param *p)
{
	return !strcmp(p->unit, "ns");
}

static void append_value(char *buf, size_t len, const struct tx_param *p, uint64_t value)
{
	char time[VALUES_TIME_LEN];

	if (is_time(p))
		append(buf, len, "%s", values_time_text(value, time));
	else
		append(buf, len, "%" PRIu64, value);
}

/* A number, for a time with a unit behind it (none: ns). */
static bool parse_value(const struct tx_param *p, const char *s, size_t len, uint64_t *value)
{
	uint64_t n;

	if (is_time(p) ? !values_time(s, len, true, &n) || n < p->min || n > p->max
		       : !values_number(s, len, p->min, p->max, &n))
		return false;
	*value = n;
	return true;
}

static const struct tx_param *find_param(const struct tx_engine *e, const char *name, size_t len)
{
	for (unsigned i = 0; i < e->n_params; i++) {
		if (strlen(e->params[i].name) == len && !memcmp(e->params[i].name, name, len))
			return &e->params[i];
	}
	return NULL;
}

static int unknown_engine(const char *name, size_t len, char *err, size_t err_len)
{
	snprintf(err, err_len, "unknown tx mode '%.*s', valid are:", (int)len, name);
	for (unsigned i = 0; tx_engines[i]; i++) {
		append(err, err_len, "%s %s", i ? "," : "", tx_engines[i]->name);
		if (tx_engines[i]->alias)
			append(err, err_len, " (or %s)", tx_engines[i]->alias);
	}
	return -1;
}

static int unknown_param(const struct tx_engine *e, const char *item, size_t len, char *err,
			 size_t err_len)
{
	snprintf(err, err_len, "tx mode %s has no parameter '%.*s', valid are:", e->name, (int)len,
		 item);
	for (unsigned i = 0; i < e->n_params; i++)
		append(err, err_len, "%s %s", i ? "," : "", e->params[i].name);
	return -1;
}

static int bad_value(const struct tx_engine *e, const struct tx_param *p, const char *value,
		     size_t len, char *err, size_t err_len)
{
	snprintf(err, err_len, "tx mode %s: %s '%.*s' must be ", e->name, p->name, (int)len, value);
	append_value(err, err_len, p, p->min);
	append(err, err_len, " to ");
	append_value(err, err_len, p, p->max);
	append(err, err_len, " %s", is_time(p) ? "(units ns, us, ms, s; none means ns)" : p->unit);
	return -1;
}

/* ",param=value..." */
static int parse_params(struct tx_mode *mode, const char *item, char *err, size_t err_len)
{
	const struct tx_param *p;
	size_t name_len, item_len;

	for (; *item == ','; item += item_len) {
		item++;
		item_len = strcspn(item, ",");
		name_len = strcspn(item, "=,");
		p = find_param(mode->engine, item, name_len);
		if (!p)
			return unknown_param(mode->engine, item, name_len, err, err_len);
		if (name_len == item_len ||
		    !parse_value(p, item + name_len + 1, item_len - name_len - 1,
				 &mode->values[p - mode->engine->params])) {
			name_len += name_len < item_len;
			return bad_value(mode->engine, p, item + name_len, item_len - name_len, err,
					 err_len);
		}
	}
	return 0;
}

int txmode_parse(struct tx_mode *mode, const char *text, char *err, size_t err_len)
{
	size_t len = strcspn(text, ",");

	mode->engine = tx_engines_find(text, len);
	if (!mode->engine)
		return unknown_engine(text, len, err, err_len);
	for (unsigned i = 0; i < mode->engine->n_params; i++)
		mode->values[i] = mode->engine->params[i].def;
	return parse_params(mode, text + len, err, err_len);
}

int txmode_change(struct tx_mode *mode, const char *text, char *err, size_t err_len)
{
	struct tx_mode changed = *mode;
	int code = *text == ',' ? parse_params(&changed, text, err, err_len)
				: txmode_parse(&changed, text, err, err_len);

	if (!code)
		*mode = changed;
	return code;
}

const char *txmode_text(const struct tx_mode *mode, char buf[TXMODE_TEXT_LEN])
{
	snprintf(buf, TXMODE_TEXT_LEN, "%s", mode->engine->name);
	for (unsigned i = 0; i < mode->engine->n_params; i++) {
		append(buf, TXMODE_TEXT_LEN, ",%s=", mode->engine->params[i].name);
		append_value(buf, TXMODE_TEXT_LEN, &mode->engine->params[i], mode->values[i]);
	}
	return buf;
}

void txmode_help(char *buf, size_t len)
{
	buf[0] = '\0';
	for (unsigned i = 0; tx_engines[i]; i++) {
		const struct tx_engine *e = tx_engines[i];

		append(buf, len, "  %s%s%s\t%s\n", e->name, e->alias ? ", " : "",
		       e->alias ? e->alias : "", e->help);
		for (unsigned k = 0; k < e->n_params; k++) {
			const struct tx_param *p = &e->params[k];

			append(buf, len, "    %s=", p->name);
			append_value(buf, len, p, p->def);
			append(buf, len, "\t%s: ", p->help);
			append_value(buf, len, p, p->min);
			append(buf, len, " to ");
			append_value(buf, len, p, p->max);
			append(buf, len, "\n");
		}
	}
}
