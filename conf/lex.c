/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds what libconfig 1.5 takes silently for something else, or explains badly.
 *
 * libconfig parses the file; this scanner only looks for its traps before that. Without a
 * word it cuts 5000000000 to 705032704, ends the file at a NUL byte, a string at "\x00",
 * and a comment that is never closed with the file; it joins two strings when a comma is
 * missing between them, so that deny_params = [ "A" "B" ] would deny AB; a string that is
 * not closed goes on over the next lines until some other string begins. An @include
 * would bring in lines that this scanner has not seen; pools can be spread over files by
 * include_dir. For the rest of the mistakes that people make (10s without quotes, on for
 * true, a dot in a name, a bracket that is never closed) libconfig says "syntax error",
 * often for a later line.
 *
 * Every fault here keeps the text from libconfig, whose complaint would follow from it.
 */
#include "conf/lex.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/diag.h"
#include "conf/text.h"

enum {
	DEPTH_MAX = 32, /* of brackets; the options need 5 */
	COMPLAINTS_MAX =
		20, /* after that the file is something else than a configuration */
};

enum token {
	TOKEN_END,
	TOKEN_NAME,
	TOKEN_NUMBER,
	TOKEN_STRING,
	TOKEN_EQUALS,
	TOKEN_COMMA,
	TOKEN_OPEN,  /* ( [ { */
	TOKEN_CLOSE, /* ) ] } */
	TOKEN_OTHER,
};

struct bracket {
	char open;
	unsigned line;
};

struct lexer {
	const struct conf_text *text;
	struct conf_diags *diags;
	const char *p, *end; /* what is left */
	unsigned line;
	const char *token; /* the latest token */
	size_t n_token;
	unsigned n_complaints;
	struct bracket brackets[DEPTH_MAX];
	size_t n_brackets;
};

static void lexer_complain(struct lexer *lexer, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void lexer_complain(struct lexer *lexer, unsigned line, const char *format, ...)
{
	char sentence[300];
	va_list list;

	va_start(list, format);
	vsnprintf(sentence, sizeof(sentence), format, list);
	va_end(list);
	conf_text_complain(lexer->text, lexer->diags, line, "%s", sentence);
	lexer->n_complaints++;
}

static bool lexer_is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '*';
}

static bool lexer_begins_with(const struct lexer *lexer, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(lexer->end - lexer->p) >= n && memcmp(lexer->p, word, n) == 0;
}

static void lexer_skip_line(struct lexer *lexer)
{
	while (lexer->p < lexer->end && *lexer->p != '\n')
		lexer->p++;
}

static void lexer_skip_comment(struct lexer *lexer)
{
	unsigned line = lexer->line;

	for (lexer->p += 2; lexer->p < lexer->end; lexer->p++) {
		if (lexer_begins_with(lexer, "*/")) {
			lexer->p += 2;
			return;
		}
		if (*lexer->p == '\n')
			lexer->line++;
	}
	lexer_complain(lexer, line,
		       "the comment that begins here is never closed with */");
}

/* Blanks and comments. */
static void lexer_skip(struct lexer *lexer)
{
	while (lexer->p < lexer->end) {
		if (*lexer->p == '#' || lexer_begins_with(lexer, "//")) {
			lexer_skip_line(lexer);
		} else if (lexer_begins_with(lexer, "/*")) {
			lexer_skip_comment(lexer);
		} else if (strchr(" \t\r\f\n", *lexer->p) && *lexer->p) {
			if (*lexer->p == '\n')
				lexer->line++;
			lexer->p++;
		} else {
			return;
		}
	}
}

static void lexer_read_string(struct lexer *lexer)
{
	lexer->p++;
	while (lexer->p < lexer->end && *lexer->p != '\n') {
		if (*lexer->p == '"') {
			lexer->p++;
			return;
		}
		if (*lexer->p == 0 || lexer_begins_with(lexer, "\\x00") ||
		    lexer_begins_with(lexer, "\\X00"))
			lexer_complain(lexer, lexer->line,
				       "the string contains a NUL character");
		/* behind a backslash, a quote does not end the string */
		if (*lexer->p == '\\' && lexer->p + 1 < lexer->end && lexer->p[1] != '\n')
			lexer->p++;
		lexer->p++;
	}
	lexer_complain(lexer, lexer->line,
		       "the string is not closed: a \" is missing on this line");
}

/* The run that begins with a digit, sign or dot is a number of libconfig's (then true),
 * or something like 10s. Numbers that it would cut are complained about. */
static bool lexer_check_number(struct lexer *lexer)
{
	const char *digits = lexer->token + strspn(lexer->token, "+-");
	char number[32], *rest;
	long long n;

	if (lexer->n_token >= sizeof(number))
		goto big;
	memcpy(number, lexer->token, lexer->n_token);
	number[lexer->n_token] = 0;
	if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) {
		n = strtoll(number, &rest, 16);
	} else {
		strtod(number, &rest);
		if (!*rest && strpbrk(number, ".eE"))
			return true; /* a float: no option takes one */
		n = strtoll(number, &rest, 10);
	}
	if (strcmp(rest, "") != 0 && strcmp(rest, "L") != 0 && strcmp(rest, "LL") != 0)
		return false;
	if (n >= INT32_MIN && n <= INT32_MAX)
		return true;
big:
	lexer_complain(lexer, lexer->line, "the number is out of every option's range");
	return true;
}

static void lexer_read_number(struct lexer *lexer)
{
	bool has_sign = *lexer->p == '+' || *lexer->p == '-';

	lexer->p += has_sign;
	while (lexer->p < lexer->end &&
	       (lexer_is_name_byte(*lexer->p) || *lexer->p == '.' ||
		(*lexer->p == '+' && strchr("eE", lexer->p[-1]))))
		lexer->p++;
	lexer->n_token = (size_t)(lexer->p - lexer->token);
	if (!lexer_check_number(lexer))
		lexer_complain(
			lexer, lexer->line,
			"%.*s is not a number: what has a unit is written in quotes, "
			"such as \"10s\" or \"64k\"",
			(int)lexer->n_token, lexer->token);
}

static void lexer_read_name(struct lexer *lexer)
{
	while (lexer->p < lexer->end && lexer_is_name_byte(*lexer->p))
		lexer->p++;
	lexer->n_token = (size_t)(lexer->p - lexer->token);
	if (lexer->p < lexer->end && *lexer->p == '.') {
		lexer_complain(
			lexer, lexer->line,
			"a name cannot contain a dot: an option of a group is written "
			"%.*s = { ... }",
			(int)lexer->n_token, lexer->token);
		while (lexer->p < lexer->end &&
		       (lexer_is_name_byte(*lexer->p) || *lexer->p == '.'))
			lexer->p++;
	}
}

static void lexer_open(struct lexer *lexer)
{
	if (lexer->n_brackets == DEPTH_MAX) {
		lexer_complain(lexer, lexer->line, "brackets are nested too deeply");
		lexer->p = lexer->end;
		lexer->n_brackets = 0;
		return;
	}
	lexer->brackets[lexer->n_brackets++] = (struct bracket){
		.open = *lexer->token,
		.line = lexer->line,
	};
}

static void lexer_close(struct lexer *lexer)
{
	static const char pairs[] = "()[]{}";
	const struct bracket *bracket;

	if (lexer->n_brackets == 0) {
		lexer_complain(lexer, lexer->line, "the %c closes nothing",
			       *lexer->token);
		return;
	}
	bracket = &lexer->brackets[--lexer->n_brackets];
	if (strchr(pairs, bracket->open)[1] == *lexer->token)
		return;
	lexer_complain(lexer, lexer->line, "the %c does not close the %c of line %u",
		       *lexer->token, bracket->open, bracket->line);
	/* what follows would be complained about for the same mistake */
	lexer->p = lexer->end;
	lexer->n_brackets = 0;
}

static enum token lexer_read_other(struct lexer *lexer)
{
	char c = *lexer->p++;

	if (c && strchr("([{", c)) {
		lexer_open(lexer);
		return TOKEN_OPEN;
	}
	if (c && strchr(")]}", c)) {
		lexer_close(lexer);
		return TOKEN_CLOSE;
	}
	if (c == '=' || c == ':')
		return TOKEN_EQUALS;
	if (c == ',')
		return TOKEN_COMMA;
	if (c == 0)
		lexer_complain(lexer, lexer->line, "the file contains a NUL byte");
	if (c == '@') {
		lexer_complain(
			lexer, lexer->line,
			"other files cannot be included: put files with pools into "
			"include_dir");
		lexer_skip_line(lexer);
	}
	return TOKEN_OTHER;
}

static enum token lexer_next(struct lexer *lexer)
{
	lexer_skip(lexer);
	lexer->token = lexer->p;
	if (lexer->p == lexer->end)
		return TOKEN_END;
	if (*lexer->p == '"') {
		lexer_read_string(lexer);
		return TOKEN_STRING;
	}
	if (*lexer->p && strchr("0123456789+-.", *lexer->p)) {
		lexer_read_number(lexer);
		return TOKEN_NUMBER;
	}
	if (lexer_is_name_byte(*lexer->p)) {
		lexer_read_name(lexer);
		return TOKEN_NAME;
	}
	return lexer_read_other(lexer);
}

/* Is the latest token this word, in any case? */
static bool lexer_is_word(const struct lexer *lexer, const char *word)
{
	return lexer->n_token == strlen(word) &&
	       strncasecmp(lexer->token, word, lexer->n_token) == 0;
}

/* A word where a value belongs. */
static void lexer_check_word(struct lexer *lexer)
{
	if (lexer_is_word(lexer, "true") || lexer_is_word(lexer, "false"))
		return;
	if (lexer_is_word(lexer, "on") || lexer_is_word(lexer, "yes"))
		lexer_complain(lexer, lexer->line, "write true, or \"on\" in quotes");
	else if (lexer_is_word(lexer, "off") || lexer_is_word(lexer, "no"))
		lexer_complain(lexer, lexer->line, "write false, or \"off\" in quotes");
	else
		lexer_complain(lexer, lexer->line, "%.*s must be in quotes",
			       (int)lexer->n_token, lexer->token);
}

/* Is what stands here an element, not an option? */
static bool lexer_is_in_list(const struct lexer *lexer)
{
	return lexer->n_brackets > 0 &&
	       lexer->brackets[lexer->n_brackets - 1].open != '{';
}

/* A string is a value. libconfig loses the memory of one that stands elsewhere. */
static void lexer_check_string(struct lexer *lexer, enum token before)
{
	if (before == TOKEN_EQUALS)
		return;
	if (lexer_is_in_list(lexer) && (before == TOKEN_OPEN || before == TOKEN_COMMA))
		return;
	if (before == TOKEN_STRING)
		lexer_complain(lexer, lexer->line,
			       "a comma or semicolon is missing before this string");
	else
		lexer_complain(lexer, lexer->line,
			       "this string belongs to no option: a = or a comma is "
			       "missing before it");
}

/* What is wrong with two tokens that follow each other? */
static void lexer_check_pair(struct lexer *lexer, enum token before, char byte_before,
			     enum token now)
{
	char byte = lexer->token < lexer->end ? *lexer->token : 0;

	if (now == TOKEN_STRING)
		lexer_check_string(lexer, before);
	else if (before == TOKEN_EQUALS && now == TOKEN_NAME)
		lexer_check_word(lexer);
	else if (byte_before == '}' && byte == '{')
		lexer_complain(lexer, lexer->line,
			       "a comma is missing between the groups, before this {");
	else if (before == TOKEN_COMMA && now == TOKEN_CLOSE && byte != '}')
		lexer_complain(lexer, lexer->line,
			       "there is a comma behind the last element, before this %c",
			       byte);
}

bool conf_lex_check(const struct conf_text *text, struct conf_diags *diags)
{
	struct lexer lexer = {
		.text = text,
		.diags = diags,
		.p = text->bytes,
		.end = text->bytes + text->n,
		.line = 1,
	};
	enum token before = TOKEN_OTHER, now;
	char byte_before = 0;

	if (lexer_begins_with(&lexer, "\xef\xbb\xbf")) {
		lexer_complain(&lexer, 1,
			       "the file begins with a byte order mark: save it "
			       "as UTF-8 without one");
		lexer.p += 3;
	}
	do {
		now = lexer_next(&lexer);
		lexer_check_pair(&lexer, before, byte_before, now);
		before = now;
		byte_before = lexer.token < lexer.end ? *lexer.token : 0;
	} while (now != TOKEN_END && lexer.n_complaints < COMPLAINTS_MAX);
	if (lexer.n_brackets > 0) {
		const struct bracket *bracket = &lexer.brackets[lexer.n_brackets - 1];

		lexer_complain(&lexer, bracket->line,
			       "the %c of this line is never closed", bracket->open);
	}
	return lexer.n_complaints == 0;
}
