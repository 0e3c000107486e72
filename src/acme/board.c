#include "acme/board.h"

#include <string.h>

static struct acme_answer *
find(struct acme_board *b, const char *token, unsigned from)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->list[i].from == from && strcmp(b->list[i].one.token, token) == 0)
			return &b->list[i];
	}
	return NULL;
}

static void
drop(struct acme_board *b, struct acme_answer *a)
{
	*a = b->list[--b->n];
}

int
board_set(struct acme_board *b, const struct challenge *one, struct mono now)
{
	struct acme_answer *a = find(b, one->token, TG_BOARD_OPERATOR);

	if (a == NULL && b->n == TG_CHALLENGES_MAX)
		return -TG_ELIMIT;
	if (a == NULL)
		a = &b->list[b->n++];
	*a = (struct acme_answer){.one = *one,
				  .from = TG_BOARD_OPERATOR,
				  .until = mono_add_ms(now, TG_BOARD_OPERATOR_MS)};
	return 0;
}

int
board_unset(struct acme_board *b, const char *token)
{
	struct acme_answer *a = find(b, token, TG_BOARD_OPERATOR);

	if (a == NULL)
		return -TG_ENOENT;
	drop(b, a);
	return 0;
}

static bool
is_in(const struct challenge *list, size_t n, const struct challenge *one)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].token, one->token) == 0 &&
		    strcmp(list[i].thumbprint, one->thumbprint) == 0)
			return true;
	}
	return false;
}

bool
board_replace(struct acme_board *b, unsigned from, const struct challenge *list, size_t n)
{
	bool is_changed = false;

	for (size_t i = b->n; i-- > 0;) {
		if (b->list[i].from != from || is_in(list, n, &b->list[i].one))
			continue;
		drop(b, &b->list[i]);
		is_changed = true;
	}
	for (size_t i = 0; i < n && b->n < TG_CHALLENGES_MAX; i++) {
		if (find(b, list[i].token, from) != NULL)
			continue;
		b->list[b->n++] = (struct acme_answer){.one = list[i], .from = from};
		is_changed = true;
	}
	return is_changed;
}

bool
board_expire(struct acme_board *b, struct mono now)
{
	bool is_changed = false;

	for (size_t i = b->n; i-- > 0;) {
		if (b->list[i].from != TG_BOARD_OPERATOR || now.us < b->list[i].until.us)
			continue;
		drop(b, &b->list[i]);
		is_changed = true;
	}
	return is_changed;
}

size_t
board_own(const struct acme_board *b, struct challenge *ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n && n < max; i++) {
		if (b->list[i].from != TG_BOARD_OTHERS)
			ret[n++] = b->list[i].one;
	}
	return n;
}
