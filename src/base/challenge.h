/*
 * base/challenge.h: what an authority asks for to see whose a host name is, and what it is answered: HTTP-01 of ACME (RFC 8555
 * 8.3). Values, and sets of them that do not change.
 */
#ifndef TG_BASE_CHALLENGE_H
#define TG_BASE_CHALLENGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define TG_CHALLENGE_TOKEN_MIN  22u /* RFC 8555 8.3: 128 bits, in base64url */
#define TG_CHALLENGE_TOKEN_MAX  128u
#define TG_CHALLENGE_THUMBPRINT 43u  /* SHA-256 in base64url (RFC 7638) */
#define TG_CHALLENGES_MAX       256u /* of one set */
#define TG_CHALLENGE_PATH       "/.well-known/acme-challenge/"

/* The answer, the key authorization (RFC 8555 8.1), is `token`, a dot, and that of the account's key. */
struct challenge {
	char token[TG_CHALLENGE_TOKEN_MAX + 1];
	char thumbprint[TG_CHALLENGE_THUMBPRINT + 1];
};
#define TG_CHALLENGE_ANSWER_MAX (TG_CHALLENGE_TOKEN_MAX + 1 + TG_CHALLENGE_THUMBPRINT)

/* Letters, digits, '-' and '_', of a length that tokens have: no other can be asked for, or be the name of a file. */
bool challenge_is_token(const char *text, size_t n);
/* Of a key authorization, that of `token`. White space behind it is passed over. False: it is none. */
bool challenge_read(const char *token, size_t token_n, const char *answer, size_t n,
		    struct challenge *ret);
/* Whether both texts are what they must be. */
bool challenge_is_sane(const struct challenge *c);
/* The token at the end of a path in normal form, of *ret_n bytes; NULL: it is no such path. */
const char *challenge_of_path(const char *path, size_t n, size_t *ret_n);

/* Owned by who has a reference. */
struct challenges {
	_Atomic unsigned refs;
	bool is_awaited; /* there may be more in a moment: who asks for one that is not there may wait */
	size_t n;
	struct challenge list[];
};

/* Empty, with room for `n`; one reference. NULL: no memory. */
struct challenges *challenges_new(size_t n);
struct challenges *challenges_ref(struct challenges *set);
void challenges_unref(struct challenges *set); /* NULL allowed */
/* NULL: there is none. */
const struct challenge *challenges_find(const struct challenges *set, const char *token, size_t n);

#endif
