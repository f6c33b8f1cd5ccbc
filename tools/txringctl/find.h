/* SPDX-License-Identifier: MIT */
/* Where txringd's control socket is, when it was not said. */
#ifndef TOOLS_TXRINGCTL_FIND_H
#define TOOLS_TXRINGCTL_FIND_H

#include <stdbool.h>
#include <stddef.h>

#define FIND_PATH_LEN 108

/*
 * The one NAME.ctl, or NAME/control, of folder that is a socket. False: there is none, or several,
 * as err says with their names.
 */
bool find_in(const char *folder, char path[FIND_PATH_LEN], char *err, size_t len);

/* /run/txring; for a user other than root $XDG_RUNTIME_DIR/txring, if that folder is there. */
void find_folder(char folder[FIND_PATH_LEN]);

/* In find_folder(). */
bool find_socket(char path[FIND_PATH_LEN], char *err, size_t len);

#endif
