/* SPDX-License-Identifier: MIT */
/* Commands that change a card; see commands.h. */
#include <stdio.h>
#include <string.h>

#include "tools/txringd/commands.h"
#include "tools/txringd/protocol.h"
#include "virtio/base.h"

/* What became of each card that was told something. */
struct outcomes {
	json_t *said;                   /* [{"name", "said"}], of all but the first that failed */
	char failed[NIC_SAID_LEN + 32]; /* of that one; empty: none */
};

static void note(struct outcomes *o, const struct nic *nic, const char *said, bool failed)
{
	if (failed && !*o->failed) {
		snprintf(o->failed, sizeof(o->failed), "%s: %s", nic_name(nic), said);
		return;
	}
	json_array_append_new(o->said, json_pack("{s:o, s:o}", "name", protocol_text(nic_name(nic)),
						 "said", protocol_text(said)));
}

/* The first card that does not do as it was told is the verdict; the others are told of. */
static json_t *verdict(const struct command_call *call, struct outcomes *o)
{
	json_t *answer;

	if (!json_array_size(o->said) && !*o->failed)
		answer = command_no_nic(call);
	else if (!*o->failed)
		return command_return(call, json_pack("{s:o}", "nics", o->said));
	else
		answer = command_error(call, PROTOCOL_GENERIC, "%s", o->failed);
	if (json_array_size(o->said))
		json_object_set(json_object_get(answer, "error"), "nics", o->said);
	json_decref(o->said);
	return answer;
}

/* To be run again, but not if a card cannot, as that would stop its rings in vain. */
static json_t *vhost(struct command_call *call)
{
	bool on = json_is_true(json_object_get(call->arguments, "on"));
	struct outcomes o = { .said = json_array() };
	unsigned i = 0, later = 0, cannot = 0;
	char said[NIC_SAID_LEN];
	enum nic_vhost outcome;
	struct nic *nic;

	while ((nic = command_next(call, &i))) {
		outcome = nic_vhost(nic, on, said);
		note(&o, nic, said, outcome != NIC_VHOST_DONE);
		later += outcome == NIC_VHOST_LATER;
		cannot += outcome == NIC_VHOST_CANNOT;
	}
	call->later = later && !cannot;
	return verdict(call, &o);
}

static json_t *set_link(struct command_call *call)
{
	bool up = json_is_true(json_object_get(call->arguments, "up")), done;
	struct outcomes o = { .said = json_array() };
	char said[NIC_SAID_LEN];
	unsigned i = 0;
	struct nic *nic;

	while ((nic = command_next(call, &i))) {
		done = nic_set_link(nic, up, said);
		note(&o, nic, said, !done);
	}
	return verdict(call, &o);
}

static const struct command_argument vhost_arguments[] = {
	{ .name = "on", .type = "boolean", .needed = true, .help = "the kernel shall, or txringd" },
	{ .name = "nic", .type = "string", .help = "a card's name; without: all cards" },
	{ 0 },
};

static const struct command_argument link_arguments[] = {
	{ .name = "up", .type = "boolean", .needed = true, .help = "the guest has a link, or not" },
	{ .name = "nic", .type = "string", .help = "a card's name; without: all cards" },
	{ 0 },
};

const struct command commands_change[] = {
	{ .name = "vhost",
	  .help = "let the kernel's vhost-net move the frames, or txringd",
	  .arguments = vhost_arguments,
	  .changes = true,
	  .run = vhost },
	{ .name = "link",
	  .help = "set the link up or down: down, the guest's frames are dropped",
	  .arguments = link_arguments,
	  .changes = true,
	  .run = set_link },
	{ 0 },
};
