/* Any bytes as a token and its answer, and as the path of a request: what is taken is a token and no more, and says
 * itself again. */
#include <stdlib.h>
#include <string.h>

#include "base/challenge.h"
#include "fuzz/fuzz.h"

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
check(const char *token, size_t token_n, const char *answer, size_t n)
{
	char again[TG_CHALLENGE_ANSWER_MAX + 2];
	struct challenge c;
	struct challenge other;

	if (!challenge_read(token, token_n, answer, n, &c))
		return;
	must(challenge_is_sane(&c) && strlen(c.token) == token_n &&
	     strspn(c.token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
		     token_n);
	memcpy(again, c.token, token_n);
	again[token_n] = '.';
	memcpy(again + token_n + 1, c.thumbprint, TG_CHALLENGE_THUMBPRINT);
	must(challenge_read(c.token, token_n, again, token_n + 1 + TG_CHALLENGE_THUMBPRINT,
			    &other) &&
	     memcmp(&c, &other, sizeof(c)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	/* A copy of its own, so that a read past its end is seen. */
	char *text = malloc(len + (len == 0));
	const char *token;
	size_t token_n = len > 0 ? input[0] : 0;
	size_t n;

	must(text != NULL);
	if (len > 0)
		memcpy(text, input + 1, len - 1);
	if (len > 0 && token_n <= len - 1)
		check(text, token_n, text + token_n, len - 1 - token_n);
	token = len > 0 ? challenge_of_path(text, len - 1, &n) : NULL;
	if (token != NULL)
		must(challenge_is_token(token, n) && token + n == text + len - 1);
	free(text);
	return 0;
}
