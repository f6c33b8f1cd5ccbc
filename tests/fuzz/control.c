/* SPDX-License-Identifier: MIT */
/*
 * Lines of the control socket, of any bytes: each has one line of JSON as its answer, and nothing
 * is changed by who may only look. The cards are fakes; what the commands do is not here.
 */
#include <jansson.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_nic.h"
#include "tools/txringd/commands.h"
#include "tools/txringd/protocol.h"

static json_t *change(struct command_call *call)
{
	const char *nic = command_nic(call);
	unsigned i = 0;

	fake_nic_changes++;
	while (command_next(call, &i))
		fuzz_require(!nic || !strcmp(nic, "nic0"));
	return command_return(call, json_incref(call->arguments));
}

static json_t *look(struct command_call *call)
{
	return command_return(call, json_incref(call->arguments));
}

static const char *const values[] = { "a", "b", NULL };

static const struct command_argument all[] = {
	{ .name = "nic", .type = "string", .help = "" },
	{ .name = "on", .type = "boolean", .needed = true, .help = "" },
	{ .name = "n", .type = "integer", .help = "" },
	{ .name = "value", .type = "string", .help = "", .values = values },
	{ .name = "settings", .type = "object", .help = "" },
	{ .name = "list", .type = "array", .help = "" },
	{ 0 },
};

const struct command commands_look[] = {
	{ .name = "look", .help = "", .arguments = command_any_nic, .run = look },
	{ 0 },
};

const struct command commands_change[] = {
	{ .name = "change", .help = "", .arguments = all, .changes = true, .run = change },
	{ 0 },
};

static void one_line(const char *line, size_t len, bool may_change)
{
	struct nic nic0 = { .name = "nic0", .outcome = NIC_VHOST_LATER }, *nics[] = { &nic0 };
	struct iothread *threads[] = { (struct iothread *)threads };
	struct commands c = { .nics = nics, .n_nics = 1, .threads = threads, .n_threads = 1 };
	struct control_line request = { .text = line, .len = len, .may_change = may_change };
	unsigned before = fake_nic_changes;
	json_t *answer;
	char *end;

	commands_run(&c, &request);
	fuzz_require(request.answer);
	end = strchr(request.answer, '\n');
	fuzz_require(end && !end[1]);
	answer = json_loads(request.answer, JSON_REJECT_DUPLICATES, NULL);
	fuzz_require(json_is_object(answer));
	fuzz_require(!json_object_get(answer, "return") != !json_object_get(answer, "error"));
	fuzz_require(may_change || fake_nic_changes == before);
	json_decref(answer);
	free(request.answer);
	json_decref(request.memo);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size, *nl;
	/* As control.c has it: a room of that size, which is not a string. */
	char *line;

	for (; at < end; at = nl + 1) {
		nl = memchr(at, '\n', (size_t)(end - at));
		nl = nl ? nl : end;
		line = malloc((size_t)(nl - at) + 1);
		fuzz_require(line);
		memcpy(line, at, (size_t)(nl - at));
		one_line(line, (size_t)(nl - at), true);
		one_line(line, (size_t)(nl - at), false);
		free(line);
	}
	return 0;
}
