/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Media types: reads an Accept header, as far as three kinds need it.
 *
 * Each kind is judged by the most specific range that names it (RFC 9110, 12.5.1), so
 * HTML with q=0 beside a wildcard is everything but HTML. Between kinds that are liked as
 * much, one that was named beats one that a wildcard let in, then the one named first,
 * then the one that we like more. What is no media range is passed over.
 */
#include "daemon/media.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Text that need not be NUL-terminated. */
struct media_text {
	const char *bytes;
	size_t n;
};

/* How much a client likes one kind, by the most specific range that names it. */
struct media_liking {
	unsigned specificity; /* 3: by name, 2: type / *, 1: any; 0: not named */
	unsigned q_milli;
	size_t position;      /* of the range in the list */
};

/* A media range, "text/html", without its parameters. */
struct media_range {
	struct media_text type, subtype;
	unsigned q_milli;
};

static bool text_is(struct media_text text, const char *word)
{
	return text.n == strlen(word) && strncasecmp(text.bytes, word, text.n) == 0;
}

static bool text_ends(struct media_text text, const char *end)
{
	size_t n = strlen(end);

	return text.n >= n && strncasecmp(text.bytes + text.n - n, end, n) == 0;
}

static struct media_text text_trim(struct media_text text)
{
	while (text.n > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t')) {
		text.bytes++;
		text.n--;
	}
	while (text.n > 0 &&
	       (text.bytes[text.n - 1] == ' ' || text.bytes[text.n - 1] == '\t'))
		text.n--;
	return text;
}

/* Takes what stands before the next separator that is not inside a quoted string,
 * trimmed, and the separator. False: nothing is left. */
static bool text_split(struct media_text *rest, char separator, struct media_text *ret)
{
	bool quoted = false;
	size_t i;

	if (rest->n == 0)
		return false;
	for (i = 0; i < rest->n && (quoted || rest->bytes[i] != separator); i++) {
		if (rest->bytes[i] == '"')
			quoted = !quoted;
		else if (quoted && rest->bytes[i] == '\\' && i + 1 < rest->n)
			i++;
	}
	*ret = text_trim((struct media_text){ rest->bytes, i });
	i += i < rest->n;
	rest->bytes += i;
	rest->n -= i;
	return true;
}

/* RFC 9110, 12.4.2: 0 or 1 and at most three digits behind a point. */
static bool media_weight(struct media_text text, unsigned *ret_milli)
{
	unsigned milli = 0, unit = 100;

	if (text.n < 1 || text.n > 5 || (text.bytes[0] != '0' && text.bytes[0] != '1'))
		return false;
	if (text.n > 1 && text.bytes[1] != '.')
		return false;
	for (size_t i = 2; i < text.n; i++, unit /= 10) {
		if (!isdigit((unsigned char)text.bytes[i]))
			return false;
		milli += unit * (unsigned)(text.bytes[i] - '0');
	}
	milli += text.bytes[0] == '1' ? 1000 : 0;
	*ret_milli = milli;
	return milli <= 1000;
}

/* One element of the list. False: it is not a media range. */
static bool media_parse(struct media_text element, struct media_range *ret)
{
	struct media_text part, name;

	if (!text_split(&element, ';', &part) || !text_split(&part, '/', &ret->type))
		return false;
	ret->subtype = text_trim(part);
	ret->q_milli = 1000;
	while (text_split(&element, ';', &part))
		if (text_split(&part, '=', &name) && text_is(name, "q") &&
		    !media_weight(text_trim(part), &ret->q_milli))
			return false;
	return ret->type.n > 0 && ret->subtype.n > 0;
}

static bool media_names(const struct media_range *range, enum media_kind kind)
{
	bool is_text = text_is(range->type, "text");
	bool is_application = text_is(range->type, "application");

	switch (kind) {
	case MEDIA_HTML:
		return (is_text && text_is(range->subtype, "html")) ||
		       (is_application && text_is(range->subtype, "xhtml+xml"));
	case MEDIA_PLAIN:
		return is_text && text_is(range->subtype, "plain");
	default:
		/* Who reads some JSON reads ours: the status says that it is a fault. */
		return is_application && (text_is(range->subtype, "json") ||
					  text_ends(range->subtype, "+json"));
	}
}

static unsigned media_specificity(const struct media_range *range, enum media_kind kind)
{
	if (media_names(range, kind))
		return 3;
	if (!text_is(range->subtype, "*"))
		return 0;
	if (text_is(range->type, "*"))
		return 1;
	return text_is(range->type, kind == MEDIA_JSON ? "application" : "text") ? 2 : 0;
}

static void media_note(struct media_liking *liking, const struct media_range *range,
		       enum media_kind kind, size_t position)
{
	unsigned specificity = media_specificity(range, kind);

	if (specificity < liking->specificity || specificity == 0)
		return;
	if (specificity == liking->specificity && range->q_milli <= liking->q_milli)
		return;
	*liking = (struct media_liking){ specificity, range->q_milli, position };
}

/* Liked more, or as much but by a better name, or named first. */
static bool media_is_better(const struct media_liking *a, const struct media_liking *b)
{
	if (a->q_milli != b->q_milli)
		return a->q_milli > b->q_milli;
	if (a->specificity != b->specificity)
		return a->specificity > b->specificity;
	return a->position < b->position;
}

enum media_kind media_choose(const char *accept, size_t n)
{
	struct media_text rest = { accept, n };
	struct media_liking likings[MEDIA_N_KINDS] = { { 0 } };
	enum media_kind best = MEDIA_HTML;
	struct media_text element;
	struct media_range range;
	size_t position = 0;

	if (n > MEDIA_ACCEPT_MAX_BYTES)
		rest.n = MEDIA_ACCEPT_MAX_BYTES;
	while (text_split(&rest, ',', &element)) {
		if (!media_parse(element, &range))
			continue;
		position++;
		for (enum media_kind kind = 0; kind < MEDIA_N_KINDS; kind++)
			media_note(&likings[kind], &range, kind, position);
	}
	if (position == 0)
		return MEDIA_HTML;
	for (enum media_kind kind = 0; kind < MEDIA_N_KINDS; kind++)
		if (media_is_better(&likings[kind], &likings[best]))
			best = kind;
	return likings[best].q_milli ? best : MEDIA_PLAIN;
}
