/* SPDX-License-Identifier: BSD-2-Clause */
/* Storing, comparing and printing the value of one row of the option tables. */
#include "conf/option.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "conf/address.h"
#include "conf/conf.h"
#include "conf/memory.h"
#include "conf/nearest.h"
#include "conf/option_text.h"
#include "conf/value.h"

const char *conf_option_local_name(const struct conf_option *option)
{
	const char *dot = strchr(option->name, '.');

	return dot ? dot + 1 : option->name;
}

bool conf_option_is_list(const struct conf_option *option)
{
	return option->type == CONF_ADDRESSES || option->type == CONF_NETWORKS ||
	       option->type == CONF_STRINGS;
}

const void *conf_option_of(const struct conf_option *option, const void *object)
{
	return (const char *)object + option->offset;
}

static void *option_at(const struct conf_option *option, void *object)
{
	return (char *)object + option->offset;
}

const void *conf_option_more_of(const struct conf_option *option, const void *object)
{
	return (const char *)object + option->offset_more;
}

static void *option_more_at(const struct conf_option *option, void *object)
{
	return (char *)object + option->offset_more;
}

uint64_t conf_option_number(const struct conf_option *option, const void *object)
{
	uint64_t wide;
	uint32_t narrow;
	bool truth;

	switch (option->width) {
	case sizeof(truth):
		memcpy(&truth, conf_option_of(option, object), sizeof(truth));
		return truth;
	case sizeof(narrow):
		memcpy(&narrow, conf_option_of(option, object), sizeof(narrow));
		return narrow;
	default:
		assert(option->width == sizeof(wide));
		memcpy(&wide, conf_option_of(option, object), sizeof(wide));
		return wide;
	}
}

static void option_store_number(const struct conf_option *option, void *object,
				uint64_t n)
{
	uint32_t narrow = (uint32_t)n;
	bool truth = n;

	switch (option->width) {
	case sizeof(truth):
		memcpy(option_at(option, object), &truth, sizeof(truth));
		break;
	case sizeof(narrow):
		memcpy(option_at(option, object), &narrow, sizeof(narrow));
		break;
	default:
		assert(option->width == sizeof(n));
		memcpy(option_at(option, object), &n, sizeof(n));
	}
}

/* --- texts -> numbers --- */

static int option_parse_word(const struct conf_option *option, const char *text,
			     uint64_t *ret, struct conf_why *ret_why)
{
	struct conf_nearest nearest;
	char expected[160];

	conf_nearest_init(&nearest, text);
	for (const struct conf_word *word = option->words; word->word; word++) {
		if (strcmp(word->word, text) == 0) {
			*ret = (uint64_t)word->value;
			return 0;
		}
		conf_nearest_offer(&nearest, word->word);
	}
	conf_option_describe(option, expected, sizeof(expected));
	return conf_why_set(ret_why, "expected %s, found \"%.80s\"%s%s%s", expected, text,
			    nearest.best ? "; did you mean \"" : "",
			    nearest.best ? nearest.best : "", nearest.best ? "\"?" : "");
}

static int option_check_range(const struct conf_option *option, const char *text,
			      uint64_t n, struct conf_why *ret_why)
{
	const char *zero = option->type == CONF_DURATION ? " or \"off\"" : " or 0";
	char min[CONF_NUMBER_TEXT_BYTES], max[CONF_NUMBER_TEXT_BYTES];

	if (n >= option->min && n <= option->max)
		return 0;
	if (n == 0 && option->flags & CONF_OPTION_ZERO)
		return 0;
	conf_option_print_number(option, option->min, min);
	conf_option_print_number(option, option->max, max);
	return conf_why_set(ret_why, "%.40s is out of range: from %s to %s%s", text, min,
			    max,
			    option->flags & CONF_OPTION_ZERO ? zero :
			    option->flags & CONF_OPTION_AUTO ? " or \"auto\"" :
							       "");
}

static int option_parse_range(const struct conf_option *option, const char *text,
			      uint64_t *ret, struct conf_why *ret_why)
{
	int64_t n;
	int r;

	*ret = 0;
	if (option->flags & CONF_OPTION_AUTO && strcmp(text, "auto") == 0)
		return 0;
	if (option->type == CONF_DURATION) {
		r = conf_value_duration(text, ret, ret_why);
	} else if (option->type == CONF_SIZE) {
		r = conf_value_size(text, ret, ret_why);
	} else {
		r = conf_value_integer(text, &n, ret_why);
		/* a negative number is above every maximum too */
		if (r == 0)
			*ret = (uint64_t)n;
	}
	if (r == 0)
		r = option_check_range(option, text, *ret, ret_why);
	return r;
}

static int option_parse_number(const struct conf_option *option, const char *text,
			       uint64_t *ret, struct conf_why *ret_why)
{
	int mode, r;

	switch (option->type) {
	case CONF_BOOL:
		*ret = strcmp(text, "true") == 0;
		return 0;
	case CONF_ENUM:
		return option_parse_word(option, text, ret, ret_why);
	case CONF_MODE:
		mode = -1;
		r = *text ? conf_value_mode(text, &mode, ret_why) : 0;
		*ret = (uint64_t)mode;
		return r;
	default:
		return option_parse_range(option, text, ret, ret_why);
	}
}

/* --- texts -> what lives in memory --- */

static int option_check_string(const struct conf_option *option, const char *text,
			       struct conf_why *ret_why)
{
	int r = 0;

	if (!*text && option->flags & CONF_OPTION_FILLED)
		return conf_why_set(ret_why, "must not be empty");
	if (*text && option->type == CONF_PATH)
		r = conf_value_path(text, ret_why);
	if (r == 0 && *text && option->check)
		r = option->check(text, ret_why);
	return r;
}

static int option_set_string(const struct conf_option *option, struct conf_memory *memory,
			     void *object, const char *text, struct conf_why *ret_why)
{
	char *copy;
	int r;

	r = option_check_string(option, text, ret_why);
	if (r != 0)
		return r;
	copy = conf_memory_copy(memory, text);
	if (!copy)
		return -ENOMEM;
	memcpy(option_at(option, object), &copy, sizeof(copy));
	return 0;
}

static int option_keep_address(const struct conf_option *option,
			       struct conf_memory *memory, const char *text,
			       struct conf_address *ret, struct conf_why *ret_why)
{
	char buffer[CONF_ADDRESS_TEXT_BYTES] = "";
	struct conf_address address = { .text = buffer, .name = buffer };
	char expected[160];
	int r;

	if (*text) {
		r = conf_address_parse(text, buffer, &address, ret_why);
		if (r != 0)
			return r;
		if (!(option->kinds & 1u << address.kind)) {
			conf_option_describe(option, expected, sizeof(expected));
			return conf_why_set(ret_why,
					    "\"%.120s\" cannot be used here: "
					    "expected %s",
					    text, expected);
		}
	}
	*ret = address;
	ret->text = conf_memory_copy(memory, buffer);
	if (!ret->text)
		return -ENOMEM;
	ret->name = ret->text + (address.name - buffer);
	return 0;
}

static int option_set_address(const struct conf_option *option,
			      struct conf_memory *memory, void *object, const char *text,
			      struct conf_why *ret_why)
{
	struct conf_address address;
	int r;

	r = option_keep_address(option, memory, text, &address, ret_why);
	if (r == 0)
		memcpy(option_at(option, object), &address, sizeof(address));
	return r;
}

static int option_set_sink(const struct conf_option *option, struct conf_memory *memory,
			   void *object, const char *text, struct conf_why *ret_why)
{
	uint64_t value = CONF_SINK_FILE;
	char *file;
	int r;

	if (*text != '/') {
		r = option_parse_word(option, text, &value, ret_why);
		if (r != 0)
			return r;
	}
	file = conf_memory_copy(memory, value == CONF_SINK_FILE ? text : "");
	if (!file)
		return -ENOMEM;
	option_store_number(option, object, value);
	memcpy(option_more_at(option, object), &file, sizeof(file));
	return 0;
}

static int option_set_one(const struct conf_option *option, struct conf_memory *memory,
			  void *object, const char *text, struct conf_why *ret_why)
{
	uint64_t n = 0;
	int r;

	switch (option->type) {
	case CONF_STRING:
	case CONF_PATH:
		return option_set_string(option, memory, object, text, ret_why);
	case CONF_ADDRESS:
		return option_set_address(option, memory, object, text, ret_why);
	case CONF_SINK:
		return option_set_sink(option, memory, object, text, ret_why);
	default:
		r = option_parse_number(option, text, &n, ret_why);
		if (r == 0)
			option_store_number(option, object, n);
		return r;
	}
}

/* Reads one element of a list into `element`, which has the type's size. */
static int option_read_element(const struct conf_option *option,
			       struct conf_memory *memory, const char *text,
			       void *element, struct conf_why *ret_why)
{
	char *copy;

	if (!*text)
		return conf_why_set(ret_why, "must not be empty");
	if (conf_value_text(text, ret_why) != 0)
		return CONF_VALUE_BAD;
	if (option->type == CONF_ADDRESSES)
		return option_keep_address(option, memory, text, element, ret_why);
	if (option->type == CONF_NETWORKS)
		return conf_network_parse(text, element, ret_why);
	if (option->check && option->check(text, ret_why) != 0)
		return CONF_VALUE_BAD;
	copy = conf_memory_copy(memory, text);
	memcpy(element, &copy, sizeof(copy));
	return copy ? 0 : -ENOMEM;
}

static size_t option_element_bytes(const struct conf_option *option)
{
	switch (option->type) {
	case CONF_ADDRESSES:
		return sizeof(struct conf_address);
	case CONF_NETWORKS:
		return sizeof(struct conf_network);
	default:
		return sizeof(char *);
	}
}

static int option_set_list(const struct conf_option *option, struct conf_memory *memory,
			   void *object, const char *const *texts, size_t n_texts,
			   size_t *ret_bad, struct conf_why *ret_why)
{
	size_t n_bytes = option_element_bytes(option);
	char *array;
	int r;

	/* one element more: the NULL behind strings */
	array = conf_memory_take(memory, (n_texts + 1) * n_bytes);
	if (!array)
		return -ENOMEM;
	for (size_t i = 0; i < n_texts; i++) {
		*ret_bad = i;
		r = option_read_element(option, memory, texts[i], array + i * n_bytes,
					ret_why);
		if (r != 0)
			return r;
	}
	memcpy(option_at(option, object), &array, sizeof(array));
	if (option->type != CONF_STRINGS)
		memcpy(option_more_at(option, object), &n_texts, sizeof(n_texts));
	return 0;
}

int conf_option_set(const struct conf_option *option, struct conf_memory *memory,
		    void *object, const char *const *texts, size_t n_texts,
		    size_t *ret_bad, struct conf_why *ret_why)
{
	*ret_bad = 0;
	if (conf_option_is_list(option))
		return option_set_list(option, memory, object, texts, n_texts, ret_bad,
				       ret_why);
	assert(n_texts == 1);
	if (conf_value_text(texts[0], ret_why) != 0)
		return CONF_VALUE_BAD;
	return option_set_one(option, memory, object, texts[0], ret_why);
}

int conf_option_set_preset(const struct conf_option *option, struct conf_memory *memory,
			   void *object)
{
	bool is_nothing = conf_option_is_list(option) && !*option->preset;
	struct conf_option lenient = *option;
	struct conf_why why;
	size_t bad;
	int r;

	lenient.flags &= ~(unsigned)CONF_OPTION_FILLED;
	r = conf_option_set(&lenient, memory, object, &option->preset, is_nothing ? 0 : 1,
			    &bad, &why);
	assert(r <= 0); /* the test of the tables stores every default */
	return r;
}

/* --- comparing --- */

static bool option_has_equal_addresses(const struct conf_option *option, const void *a,
				       const void *b)
{
	struct conf_address *const *list_a = conf_option_of(option, a);
	struct conf_address *const *list_b = conf_option_of(option, b);
	const size_t *n_a = conf_option_more_of(option, a);
	const size_t *n_b = conf_option_more_of(option, b);

	if (*n_a != *n_b)
		return false;
	for (size_t i = 0; i < *n_a; i++)
		if (strcmp((*list_a)[i].text, (*list_b)[i].text) != 0)
			return false;
	return true;
}

static bool option_has_equal_networks(const struct conf_option *option, const void *a,
				      const void *b)
{
	struct conf_network *const *list_a = conf_option_of(option, a);
	struct conf_network *const *list_b = conf_option_of(option, b);
	const size_t *n_a = conf_option_more_of(option, a);
	const size_t *n_b = conf_option_more_of(option, b);

	if (*n_a != *n_b)
		return false;
	for (size_t i = 0; i < *n_a; i++) {
		const struct conf_network *x = &(*list_a)[i], *y = &(*list_b)[i];

		if (x->is_ipv6 != y->is_ipv6 || x->n_bits != y->n_bits ||
		    memcmp(x->ip, y->ip, sizeof(x->ip)) != 0)
			return false;
	}
	return true;
}

static bool option_has_equal_strings(const struct conf_option *option, const void *a,
				     const void *b)
{
	char *const *x = *(char *const *const *)conf_option_of(option, a);
	char *const *y = *(char *const *const *)conf_option_of(option, b);

	while (*x && *y && strcmp(*x, *y) == 0) {
		x++;
		y++;
	}
	return !*x && !*y;
}

static bool option_has_equal_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b) == 0;
}

bool conf_option_is_equal(const struct conf_option *option, const void *a, const void *b)
{
	const struct conf_address *x = conf_option_of(option, a);
	const struct conf_address *y = conf_option_of(option, b);

	switch (option->type) {
	case CONF_STRING:
	case CONF_PATH:
		return option_has_equal_text(x, y);
	case CONF_ADDRESS:
		return strcmp(x->text, y->text) == 0;
	case CONF_ADDRESSES:
		return option_has_equal_addresses(option, a, b);
	case CONF_NETWORKS:
		return option_has_equal_networks(option, a, b);
	case CONF_STRINGS:
		return option_has_equal_strings(option, a, b);
	case CONF_SINK:
		return conf_option_number(option, a) == conf_option_number(option, b) &&
		       option_has_equal_text(conf_option_more_of(option, a),
					     conf_option_more_of(option, b));
	default:
		return conf_option_number(option, a) == conf_option_number(option, b);
	}
}
