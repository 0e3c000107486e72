#include "base/challenge.h"

#include <stdlib.h>
#include <string.h>

static bool
is_base64url(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '_'))
			return false;
	}
	return true;
}

bool
challenge_is_token(const char *text, size_t n)
{
	return n >= TG_CHALLENGE_TOKEN_MIN && n <= TG_CHALLENGE_TOKEN_MAX && is_base64url(text, n);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool
challenge_read(const char *token, size_t token_n, const char *answer, size_t n,
	       struct challenge *ret)
{
	const char *thumbprint = answer + token_n + 1;

	while (n > 0 && is_space(answer[n - 1]))
		n--;
	if (!challenge_is_token(token, token_n) || n != token_n + 1 + TG_CHALLENGE_THUMBPRINT ||
	    memcmp(answer, token, token_n) != 0 || answer[token_n] != '.' ||
	    !is_base64url(thumbprint, TG_CHALLENGE_THUMBPRINT))
		return false;
	*ret = (struct challenge){.token = ""};
	memcpy(ret->token, token, token_n);
	memcpy(ret->thumbprint, thumbprint, TG_CHALLENGE_THUMBPRINT);
	return true;
}

bool
challenge_is_sane(const struct challenge *c)
{
	return challenge_is_token(c->token, strnlen(c->token, sizeof(c->token))) &&
	       strnlen(c->thumbprint, sizeof(c->thumbprint)) == TG_CHALLENGE_THUMBPRINT &&
	       is_base64url(c->thumbprint, TG_CHALLENGE_THUMBPRINT);
}

const char *
challenge_of_path(const char *path, size_t n, size_t *ret_n)
{
	static const char before[] = TG_CHALLENGE_PATH;
	const size_t before_n = sizeof(before) - 1;

	if (n <= before_n || memcmp(path, before, before_n) != 0 ||
	    !challenge_is_token(path + before_n, n - before_n))
		return NULL;
	*ret_n = n - before_n;
	return path + before_n;
}

struct challenges *
challenges_new(size_t n)
{
	struct challenges *set = calloc(1, sizeof(*set) + n * sizeof(set->list[0]));

	if (set != NULL)
		atomic_init(&set->refs, 1);
	return set;
}

struct challenges *
challenges_ref(struct challenges *set)
{
	atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	return set;
}

void
challenges_unref(struct challenges *set)
{
	if (set != NULL && atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) == 1)
		free(set);
}

const struct challenge *
challenges_find(const struct challenges *set, const char *token, size_t n)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct challenge *c = &set->list[i];

		if (strncmp(c->token, token, n) == 0 && c->token[n] == '\0')
			return c;
	}
	return NULL;
}
