/*
 * conf/suggest.c: "did you mean ...?"
 */
#include "conf/suggest.h"

#include <string.h>

#define WORD_MAX 40u

static unsigned
least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Edits from `a` to `b`: insert, remove, replace, swap neighbours (optimal string alignment). */
static unsigned
distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0];
	unsigned *last = rows[1];
	unsigned *row = rows[2];
	unsigned *spare;

	for (unsigned j = 0; j <= m; j++)
		last[j] = j;
	for (size_t i = 1; i <= n; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = least(last[j] + 1, row[j - 1] + 1,
				       last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[m];
}

void
conf_suggest_start(struct conf_suggest *s, const char *word)
{
	size_t n = strlen(word);

	s->word = word;
	s->best = NULL;
	/* A third of the letters may be wrong, two at least. */
	s->distance = n / 3 + 1 > 3 ? (unsigned)(n / 3 + 1) : 3;
	if (n <= 3)
		s->distance = 2;
}

void
conf_suggest_offer(struct conf_suggest *s, const char *known)
{
	size_t n = strlen(s->word);
	size_t m = strlen(known);
	unsigned edits;

	if (n > WORD_MAX || m > WORD_MAX || n == 0)
		return;
	edits = distance(s->word, n, known, m);
	if (edits < s->distance) {
		s->distance = edits;
		s->best = known;
	}
}
