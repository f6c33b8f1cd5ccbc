/* SPDX-License-Identifier: MIT */
/*
 * The compiled XDP program (xdp_prog.bpf.c), an ELF object that the build puts into the library.
 * Its length is 0 where no clang could compile it.
 */
#ifndef DATAPATH_BACKEND_XDP_IMAGE_H
#define DATAPATH_BACKEND_XDP_IMAGE_H

#include <stddef.h>

extern const unsigned char xdp_image[];
extern const size_t xdp_image_len;

#endif
