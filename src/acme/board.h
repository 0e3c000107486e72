/*
 * acme/board.h: what authorities that ask for tokens are answered, and who says so. The keeper's.
 *
 * One answer for a token: that which was said last. An operator's ends by itself.
 */
#ifndef TG_ACME_BOARD_H
#define TG_ACME_BOARD_H

#include "base/challenge.h"
#include "base/clock.h"
#include "base/err.h"

/* Who says it: an operator, other tidegates, or the folder of a run: TG_BOARD_FOLDER and more. */
#define TG_BOARD_OPERATOR 0u
#define TG_BOARD_OTHERS   1u
#define TG_BOARD_FOLDER   2u

#define TG_BOARD_OPERATOR_MS UINT64_C(3600000)

/* Zeroed: empty. Storage is the owner's. */
struct acme_board {
	size_t n;
	struct acme_answer {
		struct challenge one;
		unsigned from;
		struct mono until; /* of an operator */
	} list[TG_CHALLENGES_MAX];
};

/* -TG_ELIMIT: there are too many. */
TG_MUST_CHECK int board_set(struct acme_board *b, const struct challenge *one, struct mono now);
/* What an operator said. -TG_ENOENT. */
TG_MUST_CHECK int board_unset(struct acme_board *b, const char *token);
/* All that one says, at most; what finds no room is left out. True: it is not what it was. */
bool board_replace(struct acme_board *b, unsigned from, const struct challenge *list, size_t n);
/* True: something of an operator's is over. */
bool board_expire(struct acme_board *b, struct mono now);
/* What is told to others: all but what they say. At most `max`. */
size_t board_own(const struct acme_board *b, struct challenge *ret, size_t max);

#endif
