/*
 * store/votes.h: what instances tell each other of what their checks find, as JSON. No sockets; pure.
 */
#ifndef TG_STORE_VOTES_H
#define TG_STORE_VOTES_H

#include "store/store.h"

/* {name: "up 10.0.0.7:8080"}, those that are down first, as many as TG_STORE_VOTES_BYTES hold; *ret_left_out: how many are not.
 * The caller's to json_decref(). NULL: no memory. */
struct json_t *votes_write(const struct store_vote *votes, size_t n, size_t *ret_left_out);
/* The answer of redis_script_votes, which is foreign: what is no vote is left out. -TG_EPROTO: it is none; -TG_ENOMEM: *ret is as before
 * then. Else what was there is freed. */
TG_MUST_CHECK int votes_read(const char *text, size_t n, struct mono now, struct store_votes *ret);
void votes_fini(struct store_votes *votes);

#endif
