/* SPDX-License-Identifier: MIT */
/*
 * txringctl probe: what QEMUs and this host can do, told by asking them and never by a version.
 * Nothing here needs a txringd. All of it is for the main thread.
 */
#ifndef TOOLS_TXRINGCTL_PROBE_H
#define TOOLS_TXRINGCTL_PROBE_H

/* A line without newline that says what is wrong. */
#define PROBE_ERR_LEN 512

enum probe_answer {
	PROBE_NOT_ASKED, /* what was asked said nothing about it */
	PROBE_NO,
	PROBE_YES,
};

/* What one QEMU lists of virtio-net-pci. */
struct probe_qemu;

/*
 * Ask a QEMU, by its path or its name in PATH, for the properties of virtio-net-pci. It is run up
 * to three times, has 10 seconds for all of them, and is ended with its process group. 0: free it
 * later; or a negative errno and err: it cannot be run, hangs, dies, prints without end, is no
 * QEMU.
 */
int probe_qemu_new(struct probe_qemu **qemu, const char *binary, char err[PROBE_ERR_LEN]);
enum probe_answer probe_qemu_has(const struct probe_qemu *qemu, const char *property);
/*
 * For what somebody wants. 0: the QEMU lists this property; else -EOPNOTSUPP and err, which begins
 * with libvirt's words: unsupported configuration: virtio-net-pci 'tx' option not supported in this
 * QEMU binary. So too if the QEMU lists none: then it is not known to have it.
 */
int probe_qemu_require(const struct probe_qemu *qemu, const char *property,
		       char err[PROBE_ERR_LEN]);
/* Takes NULL. */
void probe_qemu_free(struct probe_qemu *qemu);

/* txringctl's command of this name: prints; an exit status, and then lines on stderr. */
int probe_run(int argc, char **argv);

#endif
