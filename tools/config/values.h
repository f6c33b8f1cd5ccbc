/* SPDX-License-Identifier: MIT */
/*
 * Values as users write them. All are strict: decimal digits only, no space, no sign, nothing
 * behind. None logs.
 */
#ifndef TOOLS_CONFIG_VALUES_H
#define TOOLS_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters of a value that a message shows, so that what is allowed has room behind it. */
#define VALUES_SHOWN 160

/* The highest number that a file descriptor may have here. */
#define VALUES_MAX_FD 1048575

/* A number in [min, max] of exactly len characters. False: n is as it was. */
bool values_number(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *n);

/*
 * A time of exactly len characters: a number and its unit, which is ns, us, ms or s; bare: a number
 * without a unit is ns. False: ns is as it was.
 */
bool values_time(const char *s, size_t len, bool bare, uint64_t *ns);

#define VALUES_TIME_LEN 32

/* In the largest unit that keeps it whole: "150us". Returns buf. */
const char *values_time_text(uint64_t ns, char buf[VALUES_TIME_LEN]);

/*
 * N[,N...]: how many, of which the first max are in fds; 0: it is no such list. What they are open
 * on, if anything, is not looked at.
 */
unsigned values_fds(const char *s, int *fds, unsigned max);

/* Six bytes in hexadecimal with colons between: one station's address, so not zero either. */
bool values_mac(const char *s, uint8_t mac[6]);

#endif
