/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/*
 * One text of the configuration file -> one value, or a sentence that says what is wrong.
 *
 * Pure functions that allocate nothing. Each returns 0 and the value, or CONF_VALUE_BAD
 * and a sentence in *ret_why; what they write to on CONF_VALUE_BAD is undefined. The
 * sentence names no option: the caller puts that before it.
 */

#include <stddef.h>
#include <stdint.h>

enum conf_value_result {
	CONF_VALUE_BAD = 1,
};

enum {
	CONF_TEXT_MAX = 4095,        /* bytes of one string of the file */
	CONF_NUMBER_TEXT_BYTES = 32, /* room for every number that is printed */
};

/* A sentence without its final stop. */
struct conf_why {
	char text[400];
};

/* Writes the sentence; always returns CONF_VALUE_BAD, for `return conf_why_set(...)`. */
int conf_why_set(struct conf_why *why, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What every string must be: no control character, at most CONF_TEXT_MAX bytes. */
int conf_value_text(const char *text, struct conf_why *ret_why);

/* Decimal digits only, with a sign when it is negative (a negative number is never in
 * range, but the sentence about it should be the one about ranges). */
int conf_value_integer(const char *text, int64_t *ret, struct conf_why *ret_why);
/* "10s" "500ms" "2m" "1h" "7d"; "0" and "off" are 0. */
int conf_value_duration(const char *text, uint64_t *ret_us, struct conf_why *ret_why);
/* "65536" "64k" "10m" "10g" "1t" (powers of 1024); "0" is 0. */
int conf_value_size(const char *text, uint64_t *ret_bytes, struct conf_why *ret_why);
/* "0660" or "660"; permission bits only. */
int conf_value_mode(const char *text, int *ret_mode, struct conf_why *ret_why);
/* Absolute. It need not exist. */
int conf_value_path(const char *text, struct conf_why *ret_why);

/* Forms of strings. */
int conf_value_pool_name(const char *text, struct conf_why *ret_why);
int conf_value_account(const char *text, struct conf_why *ret_why); /* user or group */
int conf_value_unit(const char *text, struct conf_why *ret_why);    /* NAME.service */
int conf_value_uri_path(const char *text, struct conf_why *ret_why); /* FPM's "/status" */
int conf_value_param(const char *text, struct conf_why *ret_why);   /* FastCGI name */
int conf_value_php_ini(const char *text, struct conf_why *ret_why); /* KEY=VALUE */
int conf_value_fpm_line(const char *text, struct conf_why *ret_why); /* KEY = VALUE */

/* The way back: text that the function above reads as the same value. */
void conf_value_print_duration(uint64_t us, char buffer[CONF_NUMBER_TEXT_BYTES]);
void conf_value_print_size(uint64_t bytes, char buffer[CONF_NUMBER_TEXT_BYTES]);
