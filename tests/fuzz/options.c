/* SPDX-License-Identifier: MIT */
/* How the fuzzers' AddressSanitizer runs: what was freed need not stay for long. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "quarantine_size_mb=8:allocator_may_return_null=1";
}
