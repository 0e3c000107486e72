#include "admin/framing.h"

#include <stdlib.h>
#include <string.h>

void
framing_init(struct framing *f)
{
	f->n = 0;
	f->taken = 0;
	f->line = NULL;
	f->is_inside = false;
	f->is_given = false;
	output_init(&f->payload, TG_ADMIN_PAYLOAD_MAX);
}

/* The line with its payload was given out, or nobody wants it any more. */
static void
forget_payload(struct framing *f)
{
	free(f->line);
	f->line = NULL;
	f->is_inside = false;
	f->is_given = false;
	if (f->payload.bytes != NULL)
		explicit_bzero(f->payload.bytes, f->payload.n); /* it may have a key */
	output_fini(&f->payload);
	output_init(&f->payload, TG_ADMIN_PAYLOAD_MAX);
}

void
framing_fini(struct framing *f)
{
	forget_payload(f);
	output_fini(&f->payload);
}

static void
forget_taken(struct framing *f)
{
	if (f->is_given)
		forget_payload(f);
	if (f->taken == 0)
		return;
	f->n -= f->taken;
	memmove(f->bytes, f->bytes + f->taken, f->n);
	f->taken = 0;
}

char *
framing_room(struct framing *f, size_t *ret_n)
{
	forget_taken(f);
	*ret_n = TG_ADMIN_LINE_MAX - f->n;
	return f->bytes + f->n;
}

void
framing_add(struct framing *f, size_t n)
{
	f->n += n;
}

bool
framing_is_empty(const struct framing *f)
{
	return f->n == f->taken && (f->line == NULL || f->is_given);
}

/* No command has one: it is not to end the line. */
static void
mask_nuls(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\0')
			text[i] = '?';
	}
}

/* The last word, cut off its white space; NULL: there is none. */
static char *
last_word(char *text)
{
	size_t n = strlen(text);
	char *word;

	while (n > 0 && strchr(" \t\r", text[n - 1]) != NULL)
		n--;
	for (word = text + n; word > text && strchr(" \t\r;", word[-1]) == NULL; word--)
		continue;
	if (word == text + n)
		return NULL;
	text[n] = '\0';
	return word;
}

/* Takes the mark off the line. */
static enum framing_result
begin_payload(struct framing *f, const char *text)
{
	char *word;

	f->line = strdup(text);
	if (f->line == NULL)
		return FRAMING_NO_MEMORY;
	word = last_word(f->line);
	if (strlen(word + 2) > TG_ADMIN_MARK_MAX)
		return FRAMING_MARK_MAX;
	memcpy(f->mark, word + 2, strlen(word + 2) + 1);
	*word = '\0';
	return FRAMING_MORE;
}

static bool
has_payload(const char *text)
{
	const char *end = text + strlen(text);
	const char *at;

	while (end > text && strchr(" \t\r", end[-1]) != NULL)
		end--;
	for (at = end; at > text && strchr(" \t\r;", at[-1]) == NULL; at--)
		continue;
	return end - at >= 2 && at[0] == '<' && at[1] == '<';
}

/* The end of the line that begins at `taken`; NULL: it is not there yet. */
static char *
find_end(struct framing *f)
{
	return memchr(f->bytes + f->taken, '\n', f->n - f->taken);
}

static enum framing_result
next_line(struct framing *f, bool has_ended, struct framing_line *ret)
{
	char *text = f->bytes + f->taken;
	char *lf = find_end(f);
	size_t n = lf != NULL ? (size_t)(lf - text) : f->n - f->taken;

	if (lf == NULL && !has_ended)
		return n < TG_ADMIN_LINE_MAX ? FRAMING_MORE : FRAMING_LINE_MAX;
	f->taken += lf != NULL ? n + 1 : n;
	mask_nuls(text, n);
	text[n] = '\0';
	if (has_payload(text))
		return begin_payload(f, text);
	*ret = (struct framing_line){.text = text};
	return FRAMING_LINE;
}

static bool
is_mark(const struct framing *f, const char *text, size_t n)
{
	if (n > 0 && text[n - 1] == '\r')
		n--;
	return !f->is_inside && n == strlen(f->mark) && memcmp(text, f->mark, n) == 0;
}

/* Stores lines up to the mark. */
static enum framing_result
next_payload(struct framing *f, bool has_ended, struct framing_line *ret)
{
	char *lf;

	while ((lf = find_end(f)) != NULL) {
		char *text = f->bytes + f->taken;
		size_t n = (size_t)(lf - text);

		f->taken += n + 1;
		if (is_mark(f, text, n)) {
			f->is_given = true;
			*ret = (struct framing_line){.text = f->line,
						     .payload = f->payload.n > 0 ? f->payload.bytes
										 : "",
						     .payload_n = f->payload.n};
			return FRAMING_LINE;
		}
		output_add(&f->payload, text, n + 1);
		f->is_inside = false;
	}
	/* More than a mark may be: it need not wait for its end. */
	if (f->n - f->taken > TG_ADMIN_MARK_MAX + 1) {
		output_add(&f->payload, f->bytes + f->taken, f->n - f->taken);
		f->taken = f->n;
		f->is_inside = true;
	}
	if (f->payload.is_full)
		return FRAMING_PAYLOAD_MAX;
	return has_ended ? FRAMING_CUT : FRAMING_MORE;
}

enum framing_result
framing_next(struct framing *f, bool has_ended, struct framing_line *ret)
{
	enum framing_result result = FRAMING_MORE;

	forget_taken(f);
	if (f->line == NULL)
		result = next_line(f, has_ended, ret);
	if (result == FRAMING_MORE && f->line != NULL)
		result = next_payload(f, has_ended, ret);
	return result;
}
