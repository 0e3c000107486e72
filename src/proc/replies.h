/*
 * proc/replies.h: what came of orders of the keeper, on its way back.
 *
 * It never waits for the keeper, which may be waiting for it with orders: what finds no room in the channel waits
 * here. There are at most as many as orders without an answer, which who takes them bounds.
 */
#ifndef TG_PROC_REPLIES_H
#define TG_PROC_REPLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"
#include "proc/supervisor.h"

struct reply;

/* Storage is the caller's; replies_init() to replies_fini(). */
struct replies {
	struct loop *loop;
	struct supervisor *supervisor;
	struct reply *list;
	size_t n;
	struct timer timer;
};

void replies_init(struct replies *all, struct loop *loop, struct supervisor *supervisor);
void replies_fini(struct replies *all); /* zeroed is allowed */

/* `caller` 0: nobody waits for what nobody ordered, but the keeper shows it. Without memory it is lost, which is
 * logged. */
void replies_add(struct replies *all, uint32_t caller, bool is_done, const char *text);
void replies_format(struct replies *all, uint32_t caller, bool is_done, const char *fmt, ...)
	TG_PRINTF(4, 5);
/* Who waited for them is gone. */
void replies_drop(struct replies *all);

#endif
