/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: what QEMU prints about a device. The input is the text.
 *
 * A property is found only if its name and a '=' are there. All properties are not asked, or none.
 * Line ends of another kind change nothing, and a property that is added is found.
 */
#include "tests/fuzz/fuzz.h"
#include "tools/txringctl/probe_help.h"
#include "virtio/base.h"

static const char *const properties[] = { "tx", "x-txtimer", "tx_queue_size", "mq", "zz" };

/* The text with a \r before each \n, and room for more bytes behind; *len: how long it is. */
static char *with_cr(const uint8_t *data, size_t size, size_t more, size_t *len)
{
	char *copy = malloc(2 * size + more + 1);

	fuzz_require(copy);
	*len = 0;
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n')
			copy[(*len)++] = '\r';
		copy[(*len)++] = (char)data[i];
	}
	return copy;
}

static void check_added(const uint8_t *data, size_t size)
{
	static const char line[] = "\nvirtio-net-pci.zz=str";
	size_t len;
	char *text = with_cr(data, size, sizeof(line), &len);

	memcpy(text + len, line, sizeof(line) - 1);
	fuzz_require(probe_help_has(text, len + sizeof(line) - 1, "zz") == PROBE_YES);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	enum probe_answer answer, first = PROBE_NOT_ASKED;
	size_t crlf_len;
	char *crlf = with_cr(data, size, 0, &crlf_len), typed[32];

	for (size_t i = 0; i < array_size(properties); i++) {
		answer = probe_help_has(text, size, properties[i]);
		if (!i)
			first = answer;
		fuzz_require((answer == PROBE_NOT_ASKED) == (first == PROBE_NOT_ASKED));
		snprintf(typed, sizeof(typed), "%s=", properties[i]);
		fuzz_require(answer != PROBE_YES || memmem(text, size, typed, strlen(typed)));
		fuzz_require(answer == probe_help_has(crlf, crlf_len, properties[i]));
	}
	free(crlf);
	check_added(data, size);
	return 0;
}
