/* SPDX-License-Identifier: MIT */
/* Makes one line of a format and its arguments; see device_log.h. */
#include "datapath/device_log.h"

#include <stdio.h>

#include "virtio/features.h"

/* All names of a feature word, and a sentence around them. */
#define LINE_LEN (FEATURES_NAMES_LEN + 512)

void device_log_args(const struct device_config *cfg, enum device_level level, const char *fmt,
		     va_list args)
{
	char line[LINE_LEN];

	vsnprintf(line, sizeof(line), fmt, args);
	cfg->log(cfg->log_ctx, level, line);
}

void device_log(const struct device_config *cfg, enum device_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	device_log_args(cfg, level, fmt, args);
	va_end(args);
}
