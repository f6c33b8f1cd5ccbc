/* SPDX-License-Identifier: MIT */
/* The folders in which control sockets lie; see find.h. */
#include "tools/txringctl/find.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX    ".ctl"
#define IN_FOLDER "/control"

/* NAME.ctl, or that of a folder of its own, as systemd's units have it. */
static bool is_socket(const char *folder, const char *name, char path[FIND_PATH_LEN])
{
	size_t len = strlen(name), end = strlen(SUFFIX);
	bool named = len > end && !strcmp(name + len - end, SUFFIX);
	struct stat st;

	return name[0] != '.' &&
	       snprintf(path, FIND_PATH_LEN, "%s/%s%s", folder, name, named ? "" : IN_FOLDER) <
		       FIND_PATH_LEN &&
	       stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

bool find_in(const char *folder, char path[FIND_PATH_LEN], char *err, size_t len)
{
	DIR *dir = opendir(folder);
	char found[FIND_PATH_LEN];
	struct dirent *entry;
	unsigned n = 0;
	size_t used;

	if (!dir) {
		snprintf(err, len, "no --control was given, and in %s is no socket: %s", folder,
			 strerror(errno));
		return false;
	}
	snprintf(err, len, "no --control was given, and in %s are several sockets:", folder);
	while ((entry = readdir(dir))) {
		if (!is_socket(folder, entry->d_name, found))
			continue;
		if (!n++)
			strcpy(path, found);
		used = strlen(err);
		snprintf(err + used, len - used, " %s", found + strlen(folder) + 1);
	}
	closedir(dir);
	if (!n)
		snprintf(err, len,
			 "no --control was given, and in %s is neither *" SUFFIX " nor */control",
			 folder);
	return n == 1;
}

void find_folder(char folder[FIND_PATH_LEN])
{
	const char *own = geteuid() ? getenv("XDG_RUNTIME_DIR") : NULL;

	if (!own || snprintf(folder, FIND_PATH_LEN, "%s/txring", own) >= FIND_PATH_LEN ||
	    access(folder, F_OK) != 0)
		strcpy(folder, "/run/txring");
}

bool find_socket(char path[FIND_PATH_LEN], char *err, size_t len)
{
	char folder[FIND_PATH_LEN];

	find_folder(folder);
	return find_in(folder, path, err, len);
}
