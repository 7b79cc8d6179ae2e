/* SPDX-License-Identifier: BSD-2-Clause */
/* The value of an option, and what the option takes, as text. */
#include "conf/option_text.h"

#include <inttypes.h>
#include <string.h>

#include "conf/address.h"
#include "conf/conf.h"

static const struct {
	const char *word;
	const char *expected; /* "": made of the option's words or kinds */
} type_texts[] = {
	[CONF_BOOL] = { "bool", "true or false, without quotes" },
	[CONF_INTEGER] = { "integer", "a whole number, without quotes" },
	[CONF_DURATION] = { "duration",
			    "a time in quotes, such as \"10s\", \"500ms\" or \"2m\"" },
	[CONF_SIZE] = { "size", "a size in quotes, such as \"64k\", \"10m\" or \"10g\"" },
	[CONF_MODE] = { "mode", "a file mode in quotes, such as \"0660\"" },
	[CONF_ENUM] = { "enum", "" },
	[CONF_STRING] = { "string", "a string in quotes" },
	[CONF_PATH] = { "path", "an absolute path in quotes" },
	[CONF_ADDRESS] = { "address", "" },
	[CONF_SINK] = { "sink", "" },
	[CONF_ADDRESSES] = { "addresses", "" },
	[CONF_NETWORKS] = { "networks",
			    "a list of networks, such as [ \"10.0.0.0/8\" ]" },
	[CONF_STRINGS] = { "strings", "a list of strings, such as [ \"one\", \"two\" ]" },
};

/* How each kind of address is written, for the kinds that an option takes. */
static const char *const kind_texts[] = {
	[CONF_ADDRESS_NONE] = NULL,
	[CONF_ADDRESS_UNIX] = "\"/path\"",
	[CONF_ADDRESS_ABSTRACT] = "\"@name\"",
	[CONF_ADDRESS_IPV4] = "\"1.2.3.4:9000\"",
	[CONF_ADDRESS_IPV6] = "\"[::1]:9000\"",
	[CONF_ADDRESS_SYSTEMD] = "\"systemd:NAME\"",
};

#define N_ITEMS(array) (sizeof(array) / sizeof((array)[0]))

const char *conf_type_word(enum conf_type type)
{
	return type_texts[type].word;
}

/* --- phrases --- */

static void phrase_add(char *buffer, size_t n_bytes, const char *text)
{
	size_t n = strlen(buffer);

	snprintf(buffer + n, n_bytes - n, "%s", text);
}

static void phrase_add_words(char *buffer, size_t n_bytes, const struct conf_word *words)
{
	for (const struct conf_word *word = words; word->word; word++) {
		if (word != words)
			phrase_add(buffer, n_bytes, word[1].word ? ", " : " or ");
		phrase_add(buffer, n_bytes, "\"");
		phrase_add(buffer, n_bytes, word->word);
		phrase_add(buffer, n_bytes, "\"");
	}
}

static void phrase_add_kinds(char *buffer, size_t n_bytes, unsigned kinds)
{
	for (unsigned i = 0; i < N_ITEMS(kind_texts); i++) {
		if (!(kinds & 1u << i))
			continue;
		phrase_add(buffer, n_bytes, kind_texts[i]);
		kinds &= ~(1u << i);
		if (kinds)
			phrase_add(buffer, n_bytes, kinds & (kinds - 1) ? ", " : " or ");
	}
}

void conf_option_describe(const struct conf_option *option, char *buffer, size_t n_bytes)
{
	snprintf(buffer, n_bytes, "%s", type_texts[option->type].expected);
	switch (option->type) {
	case CONF_ENUM:
		phrase_add_words(buffer, n_bytes, option->words);
		break;
	case CONF_SINK:
		phrase_add_words(buffer, n_bytes, option->words);
		phrase_add(buffer, n_bytes, " or the absolute path of a file");
		break;
	case CONF_ADDRESS:
		phrase_add(buffer, n_bytes, "one address such as ");
		phrase_add_kinds(buffer, n_bytes, option->kinds);
		break;
	case CONF_ADDRESSES:
		phrase_add(buffer, n_bytes, "an address or a list of addresses such as ");
		phrase_add_kinds(buffer, n_bytes, option->kinds);
		break;
	default:
		break;
	}
	if (option->flags & CONF_OPTION_AUTO)
		phrase_add(buffer, n_bytes, ", or \"auto\"");
}

/* --- values --- */

void conf_option_print_number(const struct conf_option *option, uint64_t n,
			      char buffer[CONF_NUMBER_TEXT_BYTES])
{
	if (option->type == CONF_DURATION)
		conf_value_print_duration(n, buffer);
	else if (option->type == CONF_SIZE)
		conf_value_print_size(n, buffer);
	else
		snprintf(buffer, CONF_NUMBER_TEXT_BYTES, "%" PRIu64, n);
}

void conf_string_print(const char *text, FILE *out)
{
	putc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', out);
		putc(*text, out);
	}
	putc('"', out);
}

static void option_print_quantity(const struct conf_option *option, const void *object,
				  FILE *out)
{
	uint64_t n = conf_option_number(option, object);
	char number[CONF_NUMBER_TEXT_BYTES];

	conf_option_print_number(option, n, number);
	if (n == 0 && option->flags & CONF_OPTION_AUTO)
		conf_string_print("auto", out);
	else if (option->type == CONF_INTEGER)
		fputs(number, out);
	else
		conf_string_print(number, out);
}

static void option_print_mode(const struct conf_option *option, const void *object,
			      FILE *out)
{
	int mode = (int)conf_option_number(option, object);

	if (mode < 0)
		fputs("\"\"", out);
	else
		fprintf(out, "\"%04o\"", (unsigned)mode);
}

/* The word of an enum or sink, or else the sink's file. */
static void option_print_word(const struct conf_option *option, const void *object,
			      FILE *out)
{
	uint64_t value = conf_option_number(option, object);

	for (const struct conf_word *word = option->words; word->word; word++) {
		if ((uint64_t)word->value == value) {
			conf_string_print(word->word, out);
			return;
		}
	}
	conf_string_print(*(char *const *)conf_option_more_of(option, object), out);
}

/* Element number i of a list; false behind the last. */
static bool option_print_element(const struct conf_option *option, const void *object,
				 size_t i, FILE *out)
{
	const void *array = *(void *const *)conf_option_of(option, object);
	char *const *strings = array;
	const struct conf_address *addresses = array;
	const struct conf_network *networks = array;
	char text[CONF_ADDRESS_TEXT_BYTES];

	if (option->type == CONF_STRINGS ?
		    !strings[i] :
		    i == *(const size_t *)conf_option_more_of(option, object))
		return false;
	fputs(i == 0 ? " " : ", ", out);
	if (option->type == CONF_STRINGS) {
		conf_string_print(strings[i], out);
	} else if (option->type == CONF_ADDRESSES) {
		conf_string_print(addresses[i].text, out);
	} else {
		conf_network_print(&networks[i], text);
		conf_string_print(text, out);
	}
	return true;
}

static void option_print_list(const struct conf_option *option, const void *object,
			      FILE *out)
{
	size_t i = 0;

	putc('[', out);
	while (option_print_element(option, object, i, out))
		i++;
	fputs(" ]", out);
}

void conf_option_print(const struct conf_option *option, const void *object, FILE *out)
{
	const struct conf_address *address = conf_option_of(option, object);

	switch (option->type) {
	case CONF_BOOL:
		fputs(conf_option_number(option, object) ? "true" : "false", out);
		break;
	case CONF_MODE:
		option_print_mode(option, object, out);
		break;
	case CONF_ENUM:
	case CONF_SINK:
		option_print_word(option, object, out);
		break;
	case CONF_STRING:
	case CONF_PATH:
		conf_string_print(*(char *const *)conf_option_of(option, object), out);
		break;
	case CONF_ADDRESS:
		conf_string_print(address->text, out);
		break;
	case CONF_ADDRESSES:
	case CONF_NETWORKS:
	case CONF_STRINGS:
		option_print_list(option, object, out);
		break;
	default:
		option_print_quantity(option, object, out);
	}
}
