/*
 * proc/questions.h: the keeper's side of questions to the proxy: one at a time, others wait
 * their turn. What the proxy says is checked, and none of it is waited for.
 */
#ifndef TG_PROC_QUESTIONS_H
#define TG_PROC_QUESTIONS_H

#include "admin/asking.h"
#include "loop/loop.h"

struct questions;

/* Puts a question to the proxy, or takes it back by none other: false: there is no proxy. */
typedef bool questions_send_cb(void *user, const struct msg_question *question);

/* Owned by the caller; `loop` outlives it. `n_slots`: of the segment. NULL: no memory. */
struct questions *questions_new(struct loop *loop, uint32_t n_slots, questions_send_cb *send,
				void *user);
void questions_free(struct questions *q); /* NULL allowed; nobody may ask any more */

/* Its answers come from the loop, later. */
void questions_ask(struct questions *q, struct asking *asking);
/* It is the asker's again. Idempotent. */
void questions_cancel(struct questions *q, struct asking *asking);

/* The proxy said this. -TG_EPROTO: it is no answer, or too many of them. */
TG_MUST_CHECK int questions_hear(struct questions *q, enum msg_type type,
				 const union msg_payload *u);
/* The proxy is gone. */
void questions_lose(struct questions *q);

#endif
