/* SPDX-License-Identifier: MIT */
/* Student's t: contracts in interval.h. */
#include "bench/txbench/interval.h"

#include <math.h>

#include "virtio/base.h"

double interval_t(unsigned df)
{
	static const double few[] = { 12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912,
				      2.364624,  2.306004, 2.262157, 2.228139, 2.200985, 2.178813,
				      2.160369,  2.144787, 2.131450, 2.119905, 2.109816, 2.100922,
				      2.093024,  2.085963, 2.079614, 2.073873, 2.068658, 2.063899,
				      2.059539,  2.055529, 2.051831, 2.048407, 2.045230, 2.042272 };
	const double z = 1.959964;
	double n = df;

	if (df <= array_size(few))
		return few[df - 1];
	/* The beginning of Cornish and Fisher's expansion around the normal distribution. */
	return z + (pow(z, 3) + z) / (4 * n) +
	       (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * n * n) +
	       (3 * pow(z, 7) + 19 * pow(z, 5) + 17 * pow(z, 3) - 15 * z) / (384 * n * n * n);
}

struct interval interval_of(const double *v, unsigned n)
{
	struct interval got = { NAN, NAN, NAN, 0 };
	double sum = 0, squares = 0, half;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (isnan(v[i]))
			continue;
		sum += v[i];
		got.n++;
	}
	if (!got.n)
		return got;
	got.mean = sum / got.n;
	if (got.n < 2)
		return got;
	for (i = 0; i < n; i++)
		squares += isnan(v[i]) ? 0 : (v[i] - got.mean) * (v[i] - got.mean);
	half = interval_t(got.n - 1) * sqrt(squares / (got.n - 1) / got.n);
	got.low = got.mean - half;
	got.high = got.mean + half;
	return got;
}
