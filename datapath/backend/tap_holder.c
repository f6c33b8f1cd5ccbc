/* SPDX-License-Identifier: MIT */
/*
 * The kernel tells of a file of /dev/net/tun which interface it is a queue of, but not where that
 * interface is: the network namespace is that of the process, which is right unless the file was
 * opened in another one. A process that is of another namespace, or does not tell, is passed over.
 */
#include "datapath/backend/tap_holder.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_number(const char *name)
{
	return isdigit((unsigned char)name[0]);
}

/* Whether the file, as its fdinfo describes it, is a queue of the tap. */
static bool is_queue(const char *fdinfo, const char *tap)
{
	FILE *f = fopen(fdinfo, "re");
	char line[128];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		found = !strncmp(line, "iff:\t", 5) && !strcmp(line + 5, tap);
	}
	if (f)
		fclose(f);
	return found;
}

static bool has_queue(const char *process, const char *tap)
{
	char path[600];
	struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo", process);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", process, e->d_name);
		found = is_number(e->d_name) && is_queue(path, tap);
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool is_of(const char *process, const struct stat *ours)
{
	struct stat theirs;
	char path[300];

	snprintf(path, sizeof(path), "/proc/%s/ns/net", process);
	return stat(path, &theirs) == 0 && theirs.st_dev == ours->st_dev &&
	       theirs.st_ino == ours->st_ino;
}

static void read_name(struct tap_holder *holder)
{
	char path[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)holder->pid);
	f = fopen(path, "re");
	if (!f || !fgets(holder->name, sizeof(holder->name), f))
		holder->name[0] = '\0';
	holder->name[strcspn(holder->name, "\n")] = '\0';
	if (f)
		fclose(f);
}

bool tap_holder_find(struct tap_holder *holder, const char *tap)
{
	struct stat ours;
	struct dirent *e;
	DIR *dir;

	*holder = (struct tap_holder){ 0 };
	if (stat("/proc/self/ns/net", &ours))
		return false;
	dir = opendir("/proc");
	while (dir && !holder->pid && (e = readdir(dir))) {
		if (is_number(e->d_name) && is_of(e->d_name, &ours) && has_queue(e->d_name, tap))
			holder->pid = atoi(e->d_name);
	}
	if (dir)
		closedir(dir);
	if (holder->pid)
		read_name(holder);
	return holder->pid;
}
