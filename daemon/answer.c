/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers of our own: three templates, and what is put into them.
 *
 * Every body is a template whose {{words}} are replaced: our page, the operator's page,
 * the problem document and the plain text differ only in text and in how a value is
 * escaped. Rendering runs twice, first only to count, since Content-Length comes before
 * the body. No memory is taken: at overload this runs more often than anything else.
 */
#include "daemon/answer.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "daemon/macros.h"
#include "daemon/media.h"

enum {
	WORD_MAX_BYTES = 16, /* of a {{word}}; keeps a page full of braces linear */
	/* Above what the longest value and header can be, with the longest request id all
	 * in &quot; and &amp; (a test tries). */
	VALUE_MAX_BYTES = 512,
	HEADER_MAX_BYTES = 512,
};

static const char page_html[] =
	"<!doctype html>\n"
	"<html lang=\"en\">\n"
	"<head>\n"
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
	"<meta name=\"color-scheme\" content=\"light dark\">\n"
	"{{refresh}}"
	"<title>{{status}} {{title}}</title>\n"
	"<style>\n"
	"body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:18vh auto;"
	"padding:0 1.2rem;color:#222;background:#fafafa}\n"
	"h1{font-size:1.5rem}\n"
	"small{color:#666}\n"
	"@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}"
	"small{color:#999}}\n"
	"</style>\n"
	"</head>\n"
	"<body>\n"
	"<h1>{{title}}</h1>\n"
	"<p>{{sentence}}</p>\n"
	"{{again}}"
	"<p><small>{{status}} {{reason}} {{request_id}}</small></p>\n"
	"</body>\n"
	"</html>\n";

static const char page_json[] =
	"{\"type\":\"about:blank\",\"title\":\"{{title}}\",\"status\":{{status}},"
	"\"detail\":\"{{sentence}}\",\"reason\":\"{{reason}}\","
	"\"request_id\":\"{{request_id}}\"}\n";

static const char page_plain[] =
	"{{status}} {{title}}\n"
	"\n"
	"{{sentence}}\n"
	"{{again}}"
	"\n"
	"{{reason}} {{request_id}}\n";

/* Text that need not be NUL-terminated. */
struct answer_text {
	const char *bytes;
	size_t n;
};

#define ANSWER_TEXT(array) { (array), sizeof(array) - 1 }

static const struct {
	const char *content_type;
	struct answer_text page;
} answer_kinds[MEDIA_N_KINDS] = {
	[MEDIA_HTML] = { "text/html; charset=utf-8", ANSWER_TEXT(page_html) },
	[MEDIA_PLAIN] = { "text/plain; charset=utf-8", ANSWER_TEXT(page_plain) },
	[MEDIA_JSON] = { "application/problem+json", ANSWER_TEXT(page_json) },
};

/* Where the bytes go; without a buf they are only counted. n counts on behind the end, so
 * that it is what would be needed. */
struct answer_out {
	char *buf;
	size_t size, n;
};

struct answer {
	const struct answer_params *params;
	const struct health_reason_row *row;
	enum media_kind kind;
	struct answer_text page;
	unsigned retry_after_s; /* 0: none is given */
	bool reloads;           /* the page loads itself again */
};

static void out_put(struct answer_out *out, const char *bytes, size_t n)
{
	if (out->buf && out->n <= out->size && n <= out->size - out->n)
		memcpy(out->buf + out->n, bytes, n);
	out->n += n;
}

static void out_put_text(struct answer_out *out, const char *text)
{
	out_put(out, text, strlen(text));
}

static void out_put_number(struct answer_out *out, size_t number)
{
	char digits[24];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	out_put(out, digits + i, sizeof(digits) - i);
}

/* How a character must be written in this kind of text; NULL: as it is. */
static const char *answer_escape(enum media_kind kind, char c)
{
	if (c < 0x20 || c > 0x7e)
		return "?";
	if (kind == MEDIA_JSON)
		return c == '"' ? "\\\"" : c == '\\' ? "\\\\" : NULL;
	if (kind == MEDIA_PLAIN)
		return NULL;
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

static void out_put_escaped(struct answer_out *out, enum media_kind kind,
			    const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *escaped = answer_escape(kind, text[i]);

		if (escaped)
			out_put_text(out, escaped);
		else
			out_put(out, &text[i], 1);
	}
}

static const char *answer_title(unsigned status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 408:
		return "Request Timeout";
	case 413:
		return "Content Too Large";
	case 429:
		return "Too Many Requests";
	case 431:
		return "Request Header Fields Too Large";
	case 504:
		return "Gateway Timeout";
	default:
		return "Service Unavailable";
	}
}

static void answer_put_request_id(const struct answer *answer, struct answer_out *out,
				  enum media_kind kind)
{
	const char *id = answer->params->request_id;

	if (id)
		out_put_escaped(out, kind, id, strnlen(id, ANSWER_ID_MAX_BYTES));
}

/* The reason's sentence, as a sentence. */
static void answer_put_sentence(const struct answer *answer, struct answer_out *out)
{
	const char *sentence = answer->row->sentence;
	char first = (char)toupper((unsigned char)sentence[0]);

	out_put_escaped(out, answer->kind, &first, 1);
	out_put_escaped(out, answer->kind, sentence + 1, strlen(sentence + 1));
	out_put_text(out, ".");
}

static void answer_put_retry_after(const struct answer *answer, struct answer_out *out)
{
	if (answer->retry_after_s)
		out_put_number(out, answer->retry_after_s);
}

static void answer_put_refresh(const struct answer *answer, struct answer_out *out)
{
	if (!answer->reloads)
		return;
	out_put_text(out, "<meta http-equiv=\"refresh\" content=\"");
	out_put_number(out, answer->retry_after_s);
	out_put_text(out, "\">\n");
}

static void answer_put_again(const struct answer *answer, struct answer_out *out)
{
	bool is_html = answer->kind == MEDIA_HTML;

	if (!answer->retry_after_s)
		return;
	out_put_text(out, is_html ? "<p>" : "");
	out_put_text(out, answer->reloads ? "This page tries again by itself in "
					  : "Please try again in ");
	out_put_number(out, answer->retry_after_s);
	out_put_text(out, answer->retry_after_s == 1 ? " second." : " seconds.");
	out_put_text(out, is_html ? "</p>\n" : "\n");
}

/* Writes the value of a {{word}}; false: there is no such word. */
static bool answer_put_value(const struct answer *answer, struct answer_out *out,
			     struct answer_text word)
{
#define IS(name) (word.n == STRLEN(name) && memcmp(word.bytes, name, word.n) == 0)
	if (IS("status"))
		out_put_number(out, answer->row->status);
	else if (IS("title"))
		out_put_text(out, answer_title(answer->row->status));
	else if (IS("reason"))
		out_put_text(out, answer->row->word);
	else if (IS("sentence"))
		answer_put_sentence(answer, out);
	else if (IS("retry_after"))
		answer_put_retry_after(answer, out);
	else if (IS("request_id"))
		answer_put_request_id(answer, out, answer->kind);
	else if (IS("refresh"))
		answer_put_refresh(answer, out);
	else if (IS("again"))
		answer_put_again(answer, out);
	else
		return false;
	return true;
#undef IS
}

/* The {{word}} that begins here, without the braces; n = 0: there is none. */
static struct answer_text page_word(const char *open, const char *end)
{
	size_t n = MIN((size_t)(end - open), STRLEN("{{}}") + WORD_MAX_BYTES);
	const char *close = memmem(open, n, "}}", 2);

	if (!close)
		return (struct answer_text){ open, 0 };
	return (struct answer_text){ open + 2, (size_t)(close - open) - 2 };
}

static void answer_put_body(const struct answer *answer, struct answer_out *out)
{
	const char *at = answer->page.bytes, *end = at + answer->page.n, *open;

	while ((open = memmem(at, (size_t)(end - at), "{{", 2))) {
		struct answer_text word = page_word(open, end);

		out_put(out, at, (size_t)(open - at));
		if (answer_put_value(answer, out, word)) {
			at = word.bytes + word.n + STRLEN("}}");
		} else {
			out_put(out, open, 1);
			at = open + 1;
		}
	}
	out_put(out, at, (size_t)(end - at));
}

static void answer_put_field(struct answer_out *out, const char *name, const char *value)
{
	out_put_text(out, name);
	out_put_text(out, ": ");
	out_put_text(out, value);
	out_put_text(out, "\r\n");
}

static void answer_put_header(const struct answer *answer, struct answer_out *out,
			      size_t n_body)
{
	out_put_text(out, "Status: ");
	out_put_number(out, answer->row->status);
	out_put_text(out, " ");
	out_put_text(out, answer_title(answer->row->status));
	out_put_text(out, "\r\nContent-Length: ");
	out_put_number(out, n_body);
	out_put_text(out, "\r\n");
	if (answer->retry_after_s) {
		out_put_text(out, "Retry-After: ");
		out_put_number(out, answer->retry_after_s);
		out_put_text(out, "\r\n");
	}
	answer_put_field(out, "Content-Type", answer_kinds[answer->kind].content_type);
	answer_put_field(out, "Cache-Control", "no-store");
	answer_put_field(out, "Vary", "Accept");
	answer_put_field(out, "X-Fpmgate-Reason", answer->row->word);
	if (answer->params->request_id && answer->params->request_id[0] != '\0') {
		out_put_text(out, "X-Fpmgate-Request-Id: ");
		answer_put_request_id(answer, out, MEDIA_PLAIN);
		out_put_text(out, "\r\n");
	}
	out_put_text(out, "\r\n");
}

static size_t answer_count_body(const struct answer *answer)
{
	struct answer_out nowhere = { 0 };

	answer_put_body(answer, &nowhere);
	return nowhere.n;
}

/* Chooses the page. Gives the length of its body. */
static size_t answer_choose_page(struct answer *answer, size_t size)
{
	const struct answer_params *params = answer->params;
	size_t n;

	if (answer->kind == MEDIA_HTML && params->page && params->n_page > 0) {
		answer->page = (struct answer_text){ params->page, params->n_page };
		n = answer_count_body(answer);
		/* Also for HEAD, which must promise what GET gets. */
		if (n + HEADER_MAX_BYTES <= size)
			return n;
	}
	answer->page = answer_kinds[answer->kind].page;
	return answer_count_body(answer);
}

int answer_render(const struct answer_params *params, char *buf, size_t size,
		  size_t *ret_n)
{
	struct answer answer = {
		.params = params,
		.row = health_reason_row(params->reason),
		.kind = media_choose(params->accept, params->n_accept),
	};
	struct answer_out out = { .buf = buf, .size = size };
	size_t n_body;

	if (answer.row->status == 0)
		return -EINVAL;
	if (answer.row->status == 503 || answer.row->status == 429)
		answer.retry_after_s = params->retry_after_s;
	/* HEAD: as long as GET's. */
	answer.reloads = answer.kind == MEDIA_HTML && answer.retry_after_s &&
			 (params->is_get || params->is_head);
	n_body = answer_choose_page(&answer, size);
	answer_put_header(&answer, &out, n_body);
	if (!params->is_head)
		answer_put_body(&answer, &out);
	if (out.n > out.size)
		return -ENOBUFS;
	*ret_n = out.n;
	return 0;
}

size_t answer_max_bytes(const char *page, size_t n_page)
{
	size_t max = n_page;

	for (size_t i = 0; i + 1 < n_page; i++)
		if (page[i] == '{' && page[i + 1] == '{')
			max += VALUE_MAX_BYTES;
	return MAX(max + HEADER_MAX_BYTES, (size_t)ANSWER_MAX_BYTES);
}
