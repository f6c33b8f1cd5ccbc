/* SPDX-License-Identifier: MIT */
/* Lines of a device's files for the log of its configuration: cold path only, any thread. */
#ifndef DATAPATH_DEVICE_LOG_H
#define DATAPATH_DEVICE_LOG_H

#include <stdarg.h>

#include "datapath/device_types.h"

/* fmt has no newline. */
void device_log(const struct device_config *cfg, enum device_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void device_log_args(const struct device_config *cfg, enum device_level level, const char *fmt,
		     va_list args) __attribute__((format(printf, 3, 0)));

#endif
