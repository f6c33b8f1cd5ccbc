/* SPDX-License-Identifier: MIT */
/* The lines of a configuration file, and what a file that was changed asks of running cards. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/txringd/options_file.h"
#include "tools/txringd/options_reload.h"
#include "virtio/base.h"

static char path[64];
static char err[OPTIONS_FILE_ERR_LEN];

static void write_bytes(const char *bytes, size_t len)
{
	FILE *file;
	int fd;

	strcpy(path, "/tmp/txring-options-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static int open_bytes(struct options_file *f, const char *bytes, size_t len)
{
	int error;

	write_bytes(bytes, len);
	err[0] = '\0';
	error = options_file_open(f, path, err);
	unlink(path);
	return error;
}

/* Names, values and numbers of lines, whatever blanks, comments and ends of line are around. */
static void lines_are_read(void **state)
{
	static const char text[] = "# all\n\n  socket-path\t= /run/a b#c   # where\r\nclient\n"
				   "[ nic ]\nbackend=tap:t=0\nmac =\n   #\nlast = 1";
	static const struct options_line want[] = {
		{ (char *)"socket-path", (char *)"/run/a b#c", false, 3 },
		{ (char *)"client", NULL, false, 4 },
		{ (char *)"nic", NULL, true, 5 },
		{ (char *)"backend", (char *)"tap:t=0", false, 6 },
		{ (char *)"mac", (char *)"", false, 7 },
		{ (char *)"last", (char *)"1", false, 9 },
	};
	struct options_line line;
	struct options_file f;

	(void)state;
	assert_int_equal(open_bytes(&f, text, strlen(text)), 0);
	for (unsigned i = 0; i < array_size(want); i++) {
		assert_int_equal(options_file_next(&f, &line, err), 1);
		assert_string_equal(line.name, want[i].name);
		assert_int_equal(!line.value, !want[i].value);
		if (line.value)
			assert_string_equal(line.value, want[i].value);
		assert_int_equal(line.is_section, want[i].is_section);
		assert_int_equal(line.line, want[i].line);
	}
	assert_int_equal(options_file_next(&f, &line, err), 0);
	options_file_close(&f);
	options_file_close(&f);
}

/* A line that is no option is refused, with its number and what it says. */
static void wrong_lines_are_refused(void **state)
{
	static const struct {
		const char *text, *word;
	} wrong[] = {
		{ "\n= 1\n", "no name" },           { "\n--queues = 2\n", "without the dashes" },
		{ "\nqueues 2\n", "NAME = VALUE" }, { "\n[nic\n", "end in ']'" },
		{ "\n[\n", "end in ']'" },
	};
	struct options_line line;
	struct options_file f;

	(void)state;
	for (unsigned i = 0; i < array_size(wrong); i++) {
		assert_int_equal(open_bytes(&f, wrong[i].text, strlen(wrong[i].text)), 0);
		assert_int_equal(options_file_next(&f, &line, err), -EINVAL);
		assert_int_equal(line.line, 2);
		if (!strstr(err, wrong[i].word))
			fail_msg("'%s' is not in '%s'", wrong[i].word, err);
		options_file_close(&f);
	}
}

/* What is no text, or no file, or too much: refused at once, by name. */
static void wrong_files_are_refused(void **state)
{
	size_t len = OPTIONS_FILE_MAX_LEN + 1;
	char *large = malloc(len);
	struct options_file f;

	(void)state;
	memset(large, '\n', len);
	assert_int_equal(open_bytes(&f, large, len), -EFBIG);
	assert_non_null(strstr(err, path));
	assert_int_equal(open_bytes(&f, large, len - 1), 0);
	options_file_close(&f);
	free(large);
	assert_int_equal(open_bytes(&f, "a\0b", 3), -EILSEQ);
	assert_int_equal(options_file_open(&f, "/no/such", err), -ENOENT);
	assert_int_equal(options_file_open(&f, "/tmp", err), -EISDIR);
	strcpy(path, "/tmp/txring-options-fifo-XXXXXX");
	assert_int_equal(close(mkstemp(path)) | unlink(path) | mkfifo(path, 0600), 0);
	assert_int_equal(options_file_open(&f, path, err), -EINVAL);
	unlink(path);
}

static void set(struct nic_config *c, const char *name, const char *value)
{
	const struct config_key *key = nic_config_keys;

	while (strcmp(key->name, name) != 0)
		key++;
	assert_int_equal(nic_config_set(c, key, value, err), 0);
}

static void init(struct nic_config c[2])
{
	for (unsigned i = 0; i < 2; i++) {
		nic_config_init(&c[i], "");
		snprintf(c[i].name, sizeof(c->name), "nic%u", i);
		set(&c[i], "txmode", "iothread");
	}
}

/* What can change while cards run is told, by card and value; the same file changes nothing. */
static void live_keys_are_changes(void **state)
{
	struct options_changes changes;
	struct nic_config now[2], next[2];

	(void)state;
	init(now);
	init(next);
	assert_int_equal(options_reload_compare(&changes, now, 2, next, 2), 0);
	assert_int_equal(changes.n_live, 0);
	assert_string_equal(changes.later, "");
	options_reload_deinit(&changes);
	set(&next[1], "txmode", "timer,delay=80us");
	set(&next[0], "link", "down");
	assert_int_equal(options_reload_compare(&changes, now, 2, next, 2), 0);
	assert_int_equal(changes.n_live, 2);
	assert_int_equal(changes.live[0].nic, 0);
	assert_string_equal(changes.live[0].key, "link");
	assert_string_equal(changes.live[0].value, "down");
	assert_int_equal(changes.live[1].nic, 1);
	assert_string_equal(changes.live[1].key, "txmode");
	assert_non_null(strstr(changes.live[1].value, "delay=80us"));
	assert_string_equal(changes.later, "");
	options_reload_deinit(&changes);
	options_reload_deinit(&changes);
	set(&now[1], "txmode", "timer,delay=80us");
	set(&now[0], "link", "down");
	assert_int_equal(options_reload_compare(&changes, now, 2, next, 2), 0);
	assert_int_equal(changes.n_live, 0);
	options_reload_deinit(&changes);
	for (unsigned i = 0; i < 2; i++) {
		nic_config_deinit(&now[i]);
		nic_config_deinit(&next[i]);
	}
}

/* All live keys of all cards may change at once: the list has room for them. */
static void all_live_keys_change_at_once(void **state)
{
	struct nic_config now[2], next[2];
	struct options_changes changes;

	(void)state;
	init(now);
	init(next);
	for (unsigned i = 0; i < 2; i++) {
		set(&now[i], "coalesce", "off");
		set(&next[i], "coalesce", "on");
		set(&next[i], "link", "down");
		set(&next[i], "txmode", "timer");
	}
	assert_int_equal(options_reload_compare(&changes, now, 2, next, 2), 0);
	assert_int_equal(changes.n_live, 6);
	assert_in_range(malloc_usable_size(changes.live), 6 * sizeof(*changes.live), SIZE_MAX);
	options_reload_deinit(&changes);
	for (unsigned i = 0; i < 2; i++) {
		nic_config_deinit(&now[i]);
		nic_config_deinit(&next[i]);
	}
}

/* Each key of a card is either live or named as one that waits: none is passed over in silence. */
static void each_key_counts(void **state)
{
	static const struct {
		const char *key, *value;
	} keys[] = {
		{ "socket-path", "/run/x" },
		{ "client", NULL },
		{ "fd", "7" },
		{ "socket-mode", "0600" },
		{ "socket-owner", "0" },
		{ "socket-group", "0" },
		{ "backend", "null" },
		{ "bridge", "br0" },
		{ "link", "down" },
		{ "txmode", "timer" },
		{ "coalesce", "off" },
		{ "queues", "2" },
		{ "mac", "52:54:00:12:34:56" },
		{ "mtu", "1400" },
		{ "no-offer", "MQ" },
		{ "offer", "RING_RESET" },
		{ "vhost", "require" },
		{ "vhost-device", "/x" },
		{ "vhost-fd", "9" },
		{ "vhost-poll", "20us" },
	};
	unsigned n = 0;

	(void)state;
	while (nic_config_keys[n].name)
		n++;
	assert_int_equal(array_size(keys), n);
	for (unsigned i = 0; i < array_size(keys); i++) {
		struct options_changes changes;
		struct nic_config now[2], next[2];

		init(now);
		init(next);
		set(&next[0], keys[i].key, keys[i].value);
		assert_int_equal(options_reload_compare(&changes, now, 1, next, 1), 0);
		if (!changes.n_live == !*changes.later)
			fail_msg("%s: %u live, later '%s'", keys[i].key, changes.n_live,
				 changes.later);
		options_reload_deinit(&changes);
		for (unsigned k = 0; k < 2; k++) {
			nic_config_deinit(&now[k]);
			nic_config_deinit(&next[k]);
		}
	}
}

/* There is room for all that can change of all cards at once. */
static void all_live_keys_of_all_cards_change(void **state)
{
	struct options_changes changes;
	struct nic_config now[2], next[2];

	(void)state;
	init(now);
	init(next);
	for (unsigned i = 0; i < 2; i++) {
		set(&next[i], "link", "down");
		set(&next[i], "txmode", "timer");
		set(&next[i], "coalesce", "off");
	}
	assert_int_equal(options_reload_compare(&changes, now, 2, next, 2), 0);
	assert_int_equal(changes.n_live, 2 * OPTIONS_LIVE_KEYS);
	for (unsigned i = 0; i < changes.n_live; i++)
		assert_int_equal(changes.live[i].nic, i / OPTIONS_LIVE_KEYS);
	assert_string_equal(changes.later, "");
	options_reload_deinit(&changes);
	for (unsigned i = 0; i < 2; i++) {
		nic_config_deinit(&now[i]);
		nic_config_deinit(&next[i]);
	}
}

/* A card that has taken the place of another is compared with what is said of its own name. */
static void cards_are_told_apart_by_name(void **state)
{
	struct options_changes changes;
	struct nic_config now[2], next[2];

	(void)state;
	init(now);
	init(next);
	strcpy(now[0].name, "nic1");
	now[1].name[0] = '\0';
	set(&next[1], "link", "down");
	set(&next[0], "mtu", "1400");
	assert_int_equal(options_reload_compare(&changes, now, 2, next, 2), 0);
	assert_int_equal(changes.n_live, 1);
	assert_int_equal(changes.live[0].nic, 0);
	assert_string_equal(changes.live[0].value, "down");
	assert_string_equal(changes.later, "the new card nic0");
	options_reload_deinit(&changes);
	for (unsigned i = 0; i < 2; i++) {
		nic_config_deinit(&now[i]);
		nic_config_deinit(&next[i]);
	}
}

/* Cards that come or go are named; however many they are, the text ends. */
static void cards_that_come_and_go_wait(void **state)
{
	struct options_changes changes;
	struct nic_config many[100], two[2];

	(void)state;
	init(two);
	assert_int_equal(options_reload_compare(&changes, two, 2, two, 1), 0);
	assert_string_equal(changes.later, "the end of nic1");
	options_reload_deinit(&changes);
	for (unsigned i = 0; i < array_size(many); i++) {
		many[i] = two[1];
		snprintf(many[i].name, sizeof(many->name), "nic%u", i);
	}
	assert_int_equal(options_reload_compare(&changes, many, 1, many, array_size(many)), 0);
	assert_int_equal(changes.n_live, 0);
	assert_true(strlen(changes.later) < sizeof(changes.later));
	options_reload_deinit(&changes);
	nic_config_deinit(&two[0]);
	nic_config_deinit(&two[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read),
		cmocka_unit_test(wrong_lines_are_refused),
		cmocka_unit_test(wrong_files_are_refused),
		cmocka_unit_test(live_keys_are_changes),
		cmocka_unit_test(all_live_keys_change_at_once),
		cmocka_unit_test(each_key_counts),
		cmocka_unit_test(all_live_keys_of_all_cards_change),
		cmocka_unit_test(cards_are_told_apart_by_name),
		cmocka_unit_test(cards_that_come_and_go_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
