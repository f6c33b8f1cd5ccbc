/* SPDX-License-Identifier: MIT */
/*
 * c2c: prints the cache-line round trip between the two CPUs that bench/measure.h uses, in ns, and
 * its class; for scripts that measure programs other than ours. Both CPUs have to be free.
 */
#include <stdio.h>

#include "bench/measure.h"

int main(void)
{
	double ns;

	measure_init();
	ns = measure_c2c_ns();
	printf("%.0f %s\n", ns, c2c_class_name(c2c_class_of(ns)));
	return 0;
}
