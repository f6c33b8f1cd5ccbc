/* SPDX-License-Identifier: MIT */
/* Asking by txringctl's own words; see ask.h. */
#include "tests/net/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/txringctl/ask.h"

#define MAX_WORDS 8

const char *ask_text(const char *control, const char *command)
{
	static char text[32768];
	char line[256], err[ASK_ERR_LEN], *rest = NULL, *words[MAX_WORDS];
	FILE *out = fmemopen(text, sizeof(text), "w");
	struct client c = { .fd = -1 };
	unsigned n = 0;
	bool done;

	assert_non_null(out);
	snprintf(line, sizeof(line), "%s", command);
	for (char *w = strtok_r(line, " \n", &rest); w; w = strtok_r(NULL, " \n", &rest)) {
		assert_true(n < MAX_WORDS);
		words[n++] = w;
	}
	done = ask_check(words, n, err) && !client_open(&c, control, err, sizeof(err)) &&
	       ask_run(&c, words, n, false, out, err);
	if (done)
		fputs("ok\n", out);
	else
		fprintf(out, "error: %s\n", err);
	client_close(&c);
	assert_int_equal(fclose(out), 0);
	return text;
}

int ask_send(const char *control, const char *request)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(strlen(control) < sizeof(addr.sun_path));
	strcpy(addr.sun_path, control);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	return fd;
}
