#include "http/forwarded.h"

#include "http/token.h"

static bool
next_is(const struct slice *s, char c)
{
	return s->n > 0 && s->p[0] == c;
}

static void
step(struct slice *s)
{
	s->p++;
	s->n--;
}

static void
skip_spaces(struct slice *s)
{
	while (next_is(s, ' ') || next_is(s, '\t'))
		step(s);
}

static bool
take_token(struct slice *s)
{
	size_t before = s->n;

	while (s->n > 0 && http_is_tchar((unsigned char)s->p[0]))
		step(s);
	return s->n < before;
}

/* RFC 9110 5.6.4. */
static bool
take_quoted(struct slice *s)
{
	step(s);
	while (s->n > 0 && !next_is(s, '"')) {
		if (next_is(s, '\\'))
			step(s);
		if (s->n == 0 || !http_is((unsigned char)s->p[0], HTTP_CHAR_VALUE))
			return false;
		step(s);
	}
	if (s->n == 0)
		return false;
	step(s);
	return true;
}

/* token "=" ( token / quoted-string ) */
static bool
take_pair(struct slice *s)
{
	if (!take_token(s) || !next_is(s, '='))
		return false;
	step(s);
	return next_is(s, '"') ? take_quoted(s) : take_token(s);
}

/* Between two of "," and ";" there may be a pair, and nothing else. */
bool
http_forwarded_is_list(struct slice value)
{
	for (;;) {
		skip_spaces(&value);
		if (value.n == 0)
			return true;
		if (!next_is(&value, ',') && !next_is(&value, ';') && !take_pair(&value))
			return false;
		skip_spaces(&value);
		if (value.n == 0)
			return true;
		if (!next_is(&value, ',') && !next_is(&value, ';'))
			return false;
		step(&value);
	}
}
