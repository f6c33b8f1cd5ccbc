/* SPDX-License-Identifier: MIT */
/* txringctl convert: its command line, and what comes after what. See convert.h. */
#include "tools/txringctl/convert.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "tools/log.h"
#include "tools/txringctl/check.h"
#include "tools/txringctl/probe.h"
#include "tools/txringctl/qemu_args.h"
#include "virtio/base.h"

enum goal {
	NOTHING,
	TO_VHOSTUSER,
	TO_QEMU,
	TO_VHOST_USER,
	BACK,
};

struct options {
	enum goal goal;
	const char *socket, *qemu;
	bool diff, check;
	const char *file;
	struct iface_selector sel;
	bool chosen; /* by sel */
};

static const struct option long_options[] = {
	{ "to", required_argument, NULL, 't' },     { "back", no_argument, NULL, 'b' },
	{ "socket", required_argument, NULL, 's' }, { "qemu", required_argument, NULL, 'q' },
	{ "diff", no_argument, NULL, 'd' },         { "check", no_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },         { 0 },
};

static void print_help(void)
{
	puts("usage: txringctl convert (--to WHAT | --back | --check) [option...] FILE[,CHOICE]\n"
	     "FILE is libvirt's XML, a <domain> or an <interface>; - is stdin. CHOICE is mac=MAC,\n"
	     "alias=NAME, dev=NAME or n=N; without it all interfaces of a virtio model are meant.\n"
	     "What comes out goes to stdout, what to do with it to stderr; FILE is not written.\n"
	     "\n"
	     "  --to vhostuser      the same XML for txringd: of type='vhostuser'; <driver> stays\n"
	     "  --to qemu           QEMU's arguments for its own datapath, as libvirt has them\n"
	     "  --to vhost-user     QEMU's arguments for txringd\n"
	     "  --back              what --to vhostuser was given\n"
	     "  --check             can QEMU's user connect, is memory shared, do the queues "
	     "agree;\n"
	     "                      with --to vhostuser: of what would come out\n"
	     "  --diff              of XML only what changes, as patch reads it\n"
	     "  --socket PATH       where txringd listens, default /run/txring/NAME.sock\n"
	     "  --qemu BINARY       with --to qemu: refuse a txmode that it does not have\n"
	     "  --help\n"
	     "\n"
	     "What would be lost is refused, a line each on stderr, and nothing is written: the\n"
	     "status is 1.");
}

static bool parse_to(struct options *o, const char *value)
{
	static const struct {
		const char *name;
		enum goal goal;
	} words[] = { { "vhostuser", TO_VHOSTUSER },
		      { "qemu", TO_QEMU },
		      { "vhost-user", TO_VHOST_USER } };

	if (o->goal != NOTHING) {
		log_line("convert: --to '%s' is the second: give one (see convert --help)", value);
		return false;
	}
	for (unsigned i = 0; i < array_size(words); i++) {
		if (!strcmp(value, words[i].name)) {
			o->goal = words[i].goal;
			return true;
		}
	}
	log_line("convert: --to '%s' must be one of: vhostuser | qemu | vhost-user", value);
	return false;
}

static bool are_possible(const struct options *o, bool back)
{
	const char *why = NULL;

	if (back && o->goal != BACK)
		why = "give one of --to and --back";
	else if (o->goal == NOTHING && !o->check)
		why = "give one of --to, --back and --check";
	else if (o->goal == BACK && o->chosen)
		why = "--back is for all that was converted: give FILE alone";
	else if (o->socket && o->goal != TO_VHOSTUSER && o->goal != TO_VHOST_USER)
		why = "--socket is for --to vhostuser and --to vhost-user";
	else if (o->qemu && o->goal != TO_QEMU)
		why = "--qemu is for --to qemu";
	else if (o->diff && o->goal != TO_VHOSTUSER && o->goal != BACK)
		why = "--diff is for --to vhostuser and --back";
	else if (o->check && o->goal != TO_VHOSTUSER && o->goal != NOTHING)
		why = "--check is for --to vhostuser, or alone";
	else if (o->check && o->diff)
		why = "give one of --check and --diff";
	if (why)
		log_line("convert: %s (see convert --help)", why);
	return !why;
}

/* The file and the choice in it. */
static bool parse_file(struct options *o, int argc, char **argv)
{
	char err[IFACE_ERR_LEN];

	if (optind + 1 != argc) {
		log_line("convert: give one FILE (see convert --help)");
		return false;
	}
	if (iface_selector_parse(argv[optind], &o->sel, err)) {
		log_line("convert: %s", err);
		return false;
	}
	o->file = argv[optind];
	o->chosen = o->sel.mac || o->sel.alias || o->sel.dev || o->sel.nth;
	return true;
}

/* -1: go on; else the status to end with. */
static int parse(struct options *o, int argc, char **argv)
{
	bool back = false;
	int id, at = 1;

	for (; (id = getopt_long(argc, argv, "+:", long_options, NULL)) != -1; at = optind) {
		if (id == 'h') {
			print_help();
			return EXIT_SUCCESS;
		}
		if (id == 't' && !parse_to(o, optarg))
			return EXIT_FAILURE;
		if (id == ':' || id == '?') {
			log_line("convert: option '%s' is unknown or lacks its value (see convert "
				 "--help)",
				 argv[at]);
			return EXIT_FAILURE;
		}
		back |= id == 'b';
		o->diff |= id == 'd';
		o->check |= id == 'c';
		o->socket = id == 's' ? optarg : o->socket;
		o->qemu = id == 'q' ? optarg : o->qemu;
	}
	if (back && o->goal == NOTHING)
		o->goal = BACK;
	return parse_file(o, argc, argv) && are_possible(o, back) ? -1 : EXIT_FAILURE;
}

/* The text with its edits, or what they change. */
static bool write_text(const struct options *o, struct convert_edits *e)
{
	size_t len = 0;
	char *text;
	bool ok;

	if (o->diff) {
		ok = convert_edits_diff(e, o->file, stdout);
	} else {
		text = convert_edits_apply(e, &len);
		ok = text;
		if (ok)
			fwrite(text, 1, len, stdout);
		free(text);
	}
	if (!ok)
		log_line("out of memory");
	/* Nobody is told what to do with what is not there. */
	if (ok && fflush(stdout)) {
		log_line("cannot write to stdout: %s", strerror(errno));
		ok = false;
	}
	return ok;
}

/* What would come out is read again, as txringd does. NULL: it is refused, as is said. */
static struct xml_doc *read_again(struct convert_edits *e)
{
	char err[XML_ERR_LEN];
	struct xml_doc *doc = NULL;
	size_t len = 0;
	char *text = convert_edits_apply(e, &len);

	if (!text)
		log_line("out of memory");
	else if (xml_parse(&doc, "stdout", text, len, err))
		log_line("what would come out cannot be read: %s", err);
	free(text);
	return doc;
}

static void forget(void *ctx, const char *line)
{
	(void)ctx;
	(void)line;
}

static void refuse_result(struct convert *c, const char *why)
{
	convert_plan_refuse(c, "txringd would refuse what comes out: %s", why);
}

static void try_nic(struct convert *c, const struct xml_doc *doc, const char *mac,
		    struct nic_config *nic)
{
	struct iface_selector sel = { .mac = mac };
	char why[NIC_CONFIG_ERR_LEN], err[IFACE_ERR_LEN];
	struct iface iface;

	if (iface_read(&iface, doc, &sel, err)) {
		refuse_result(c, err);
		return;
	}
	if (iface_to_nic(&iface, nic, forget, NULL, err))
		refuse_result(c, err);
	else if (nic_config_check(nic, why))
		refuse_result(c, why);
	iface_deinit(&iface);
}

/* Whether txringd would take the interfaces of doc, which are those of c after their conversion. */
static void try_nics(struct convert *c, const struct xml_doc *doc)
{
	struct nic_config *nics = calloc(c->n_nics, sizeof(*nics));
	char why[NIC_CONFIG_ERR_LEN];

	if (!nics) {
		convert_plan_refuse(c, "out of memory");
		return;
	}
	for (unsigned i = 0; i < c->n_nics; i++) {
		nic_config_init(&nics[i], "");
		snprintf(nics[i].name, sizeof(nics[i].name), "nic%u", i);
		try_nic(c, doc, c->nics[i].mac, &nics[i]);
	}
	if (!c->refused && nic_config_check_all(nics, c->n_nics, why))
		refuse_result(c, why);
	for (unsigned i = 0; i < c->n_nics; i++)
		nic_config_deinit(&nics[i]);
	free(nics);
}

static int check_all(const struct xml_doc *doc, const struct options *o)
{
	struct convert c;
	bool ok;

	ok = convert_plan_read(&c, doc, o->chosen ? &o->sel : NULL, true, stderr) &&
	     check_run(&c, stdout);
	convert_plan_deinit(&c);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int to_vhostuser(const struct options *o, struct convert *c, struct convert_edits *e)
{
	struct xml_doc *after;
	int status = EXIT_FAILURE;

	convert_plan_make(c, o->socket);
	if (c->refused)
		return EXIT_FAILURE;
	for (unsigned i = 0; i < c->n_nics; i++)
		convert_nic_edit(c, &c->nics[i], e);
	if (c->domain)
		convert_domain_edit(c, e);
	after = read_again(e);
	if (!after)
		return EXIT_FAILURE;
	try_nics(c, after);
	if (!c->refused && o->check) {
		status = check_all(after, o);
	} else if (!c->refused && write_text(o, e)) {
		convert_report(c, stderr);
		status = EXIT_SUCCESS;
	}
	xml_free(after);
	return status;
}

/* Whether that QEMU lets a txmode be chosen, if one is. */
static void ask_qemu(struct convert *c, const char *binary)
{
	char err[PROBE_ERR_LEN];
	struct probe_qemu *qemu;

	if (probe_qemu_new(&qemu, binary, err)) {
		convert_plan_refuse(c, "%s", err);
		return;
	}
	for (unsigned i = 0; i < c->n_nics; i++) {
		const struct iface_value *v = iface_find(&c->nics[i].iface, "driver", "txmode");

		if (v && probe_qemu_require(qemu, "tx", err))
			convert_plan_refuse(c, "%s:%u: <driver txmode='%s'>: %s", xml_path(c->doc),
					    xml_line(v->node), v->text, err);
	}
	probe_qemu_free(qemu);
}

static int to_arguments(const struct options *o, struct convert *c)
{
	if (o->goal == TO_QEMU)
		qemu_args_plan(c);
	else
		convert_plan_make(c, o->socket);
	if (o->qemu)
		ask_qemu(c, o->qemu);
	if (c->refused)
		return EXIT_FAILURE;
	if (qemu_args_print(c, o->goal == TO_VHOST_USER, stdout))
		return EXIT_SUCCESS;
	log_line("out of memory");
	return EXIT_FAILURE;
}

/* What is kept is of a file that others have edited since. */
static int back(const struct options *o, const struct xml_doc *doc, struct convert_edits *e)
{
	struct xml_doc *after = convert_back(doc, e) ? read_again(e) : NULL;
	bool ok = after && write_text(o, e);

	xml_free(after);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int convert(const struct options *o, const struct xml_doc *doc, struct convert_edits *e,
		   FILE *notes)
{
	bool vhostuser_too = o->goal == TO_QEMU || o->goal == TO_VHOST_USER;
	int status = EXIT_FAILURE;
	struct convert c;

	if (o->goal == BACK)
		return back(o, doc, e);
	if (o->goal == NOTHING)
		return check_all(doc, o);
	if (convert_plan_read(&c, doc, o->chosen ? &o->sel : NULL, vhostuser_too, notes)) {
		if (o->goal == TO_VHOSTUSER)
			status = to_vhostuser(o, &c, e);
		else
			status = to_arguments(o, &c);
	}
	convert_plan_deinit(&c);
	return status;
}

/* Notes come last, and only where nothing was refused. */
static int convert_doc(const struct options *o, const struct xml_doc *doc)
{
	struct convert_edits e;
	char *notes = NULL;
	size_t len;
	const char *text = xml_text(doc, &len);
	FILE *out = open_memstream(&notes, &(size_t){ 0 });
	int status;

	if (!out) {
		log_line("out of memory");
		return EXIT_FAILURE;
	}
	convert_edits_init(&e, text, len);
	status = convert(o, doc, &e, out);
	if (!fclose(out) && status == EXIT_SUCCESS)
		fputs(notes, stderr);
	free(notes);
	convert_edits_deinit(&e);
	return status;
}

int convert_run(int argc, char **argv)
{
	struct options o = { 0 };
	char err[XML_ERR_LEN];
	struct xml_doc *doc;
	int status = parse(&o, argc, argv);

	if (status >= 0)
		return status;
	if (xml_read(&doc, o.file, err)) {
		log_line("%s", err);
		return EXIT_FAILURE;
	}
	status = convert_doc(&o, doc);
	xml_free(doc);
	return status;
}
