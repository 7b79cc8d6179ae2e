/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Fuzz target: name-value pairs. What is read lies in the input, side by side; what is
 * put again is read as the same; what is framed holds the same pairs, none of them cut.
 */

#undef NDEBUG /* the asserts are the test */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/params.h"
#include "fcgi/record.h"

enum {
	FRAME_BYTES = 150000, /* the input is repeated up to this, for several records */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_put(const struct fcgi_param *param)
{
	size_t n = fcgi_params_pair_bytes(param->n_name, param->n_value);
	uint8_t *bytes = malloc(n);
	struct fcgi_params_iter iter;
	struct fcgi_param again;
	int r;

	assert(bytes != NULL && n <= param->n_encoded);
	r = (int)fcgi_params_put(bytes, param->name, param->n_name, param->value,
				 param->n_value);
	assert((size_t)r == n);
	fcgi_params_iter_init(&iter, bytes, n);
	r = fcgi_params_next(&iter, &again);
	assert(r == 0 && iter.position == n);
	assert(again.n_name == param->n_name && again.n_value == param->n_value);
	assert(memcmp(again.name, param->name, param->n_name) == 0);
	assert(memcmp(again.value, param->value, param->n_value) == 0);
	free(bytes);
}

/* Reads n bytes of pairs to their end; gives how many of them are well-formed pairs. */
static size_t check_pairs(const uint8_t *bytes, size_t n, int wanted)
{
	struct fcgi_params_iter iter;
	struct fcgi_param param;
	size_t at = 0;
	int r;

	fcgi_params_iter_init(&iter, bytes, n);
	while ((r = fcgi_params_next(&iter, &param)) == 0) {
		assert(param.encoded == bytes + at && param.n_encoded <= n - at);
		assert(param.n_name + param.n_value + 2 <= param.n_encoded);
		assert((const uint8_t *)param.value + param.n_value ==
		       param.encoded + param.n_encoded);
		assert(param.name + param.n_name == param.value);
		check_put(&param);
		at += param.n_encoded;
	}
	assert(wanted == 0 || r == wanted);
	assert((r == FCGI_PARAMS_END) == (at == n));
	assert(fcgi_params_next(&iter, &param) == r);
	return at;
}

/* Each record alone holds whole pairs; all of them are the n bytes of pairs. */
static void check_records(const uint8_t *framed, size_t n_framed, const uint8_t *pairs,
			  size_t n)
{
	struct fcgi_record record;
	size_t at = 0;

	while (n_framed > 0) {
		int r = fcgi_record_decode(framed, &record);

		assert(r == 0 && record.id == 0xabcd && record.n_padding == 0);
		framed += FCGI_RECORD_HEADER_BYTES;
		n_framed -= FCGI_RECORD_HEADER_BYTES;
		assert(record.n_content > 0 && record.n_content <= n_framed);
		assert(record.n_content <= n - at);
		assert(memcmp(framed, pairs + at, record.n_content) == 0);
		(void)check_pairs(framed, record.n_content, FCGI_PARAMS_END);
		framed += record.n_content;
		n_framed -= record.n_content;
		at += record.n_content;
	}
	assert(at == n);
}

static void check_frame(const uint8_t *pairs, size_t n)
{
	size_t n_framed = 0;
	uint8_t *framed;

	if (fcgi_params_framed_bytes(pairs, n, &n_framed) != 0)
		return;
	framed = malloc(n_framed + FCGI_RECORD_HEADER_BYTES);
	assert(framed != NULL);
	if (n > 0)
		memcpy(framed + FCGI_RECORD_HEADER_BYTES, pairs, n);
	assert(fcgi_params_frame(framed, n, 0xabcd) == n_framed);
	check_records(framed, n_framed, pairs, n);
	free(framed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	size_t n_pairs = check_pairs(data, n, 0), n_all = 0;
	uint8_t *all;

	check_frame(data, n);
	/* Long pairs only: the records are what this is about. */
	if (n_pairs < 1000)
		return 0;
	all = malloc(FRAME_BYTES);
	assert(all != NULL);
	for (; n_all + n_pairs <= FRAME_BYTES; n_all += n_pairs)
		memcpy(all + n_all, data, n_pairs);
	check_frame(all, n_all);
	free(all);
	return 0;
}
