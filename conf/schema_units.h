/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Units for the ranges in the option tables; for conf/schema_*.c alone. */

#include <stdint.h>

#define MS UINT64_C(1000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
