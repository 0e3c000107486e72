/*
 * store/share.h: what instances of tidegate tell each other of a service, and who of them leads. No sockets.
 *
 * Each tells its part, and gets those of others in one exchange (redis_script.h); this makes the question and
 * reads the answer, which is foreign. doc/internals/store.md has the words and the rules.
 */
#ifndef TG_STORE_SHARE_H
#define TG_STORE_SHARE_H

#include "base/addr.h"
#include "store/store.h"

/* One share: a service of a store with others. */
struct share {
	LIST_ENTRY(share) link;
	char *service;
	bool is_gone;    /* nobody tells it any more; freed when it is neither pending nor under way */
	bool is_leaving; /* the next question is the last one */
	bool is_pending; /* a question is to go out */
	bool is_sent;    /* one is under way */
	bool is_first;   /* none was answered yet */
	bool is_told;    /* there is something to tell */
	struct mono led_until; /* by another, as was heard on the connection of this number: */
	unsigned led_on;
	unsigned first_on; /* the connection of the first answer */
	unsigned heard_on; /* and of the last */
	struct mono sent;
	struct mono told;
	struct store_telling telling; /* arrays are its own */
	struct store_shared heard;    /* the same */
};
LIST_HEAD(share_list, share);

/* Who asks. A value; text is the owner's. */
struct share_self {
	const char *instance;
	const char *run;
	uint64_t lease_ms;
	unsigned link; /* the number of the present connection */
	struct mono linked; /* when it was made */
};

struct share *share_new(const char *service); /* NULL: no memory */
void share_free(struct share *share);         /* NULL allowed */
/* What is told from now on. -TG_ENOMEM: as before. */
TG_MUST_CHECK int share_tell(struct share *share, const struct store_telling *telling,
			     struct mono now);
/* The argument of an exchange, the caller's to free(). NULL: no memory. */
char *share_question(const struct share *share, const struct share_self *self, struct mono now);
/* Of one that was sent at share->sent. -TG_EPROTO: it is none; -TG_ENOMEM; what was heard before stays. */
TG_MUST_CHECK int share_answer(struct share *share, const struct share_self *self,
			       const char *text, size_t n, struct mono now);

/* What others name is shown to people, in lines of words: without control characters. */
bool share_is_plain(const char *text);
/* An address that others tell; false: none, or a socket, which is of their machine. */
bool share_read_address(const char *text, struct addr *ret);

#endif
