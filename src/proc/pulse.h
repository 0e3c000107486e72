/*
 * proc/pulse.h: does every loop of a child still turn? Asked at an interval; pure.
 *
 * Time is counted in questions, not by a clock: when the parent or the whole machine stood still, nothing
 * was asked meanwhile, and no child is blamed for it.
 */
#ifndef TG_PROC_PULSE_H
#define TG_PROC_PULSE_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/msg.h"

/* Zeroed: of a child that was never asked. A value. */
struct pulse {
	bool is_asked;     /* a question waits for its answer */
	unsigned n_missed; /* intervals without an answer, or without room for a question */
	struct msg_pong told;
	unsigned n_forgiven; /* of told.n_late */
};

/* An interval is over. True: ask; never without room for it. */
bool pulse_tick(struct pulse *p, bool has_room);
/* False: it was not asked. */
bool pulse_answer(struct pulse *p, const struct msg_pong *m);
/* What takes long has a limit of its own: what was missed until now does not count. */
void pulse_forgive(struct pulse *p);
/* The last question is answered, and all loops have turned since the one before. */
bool pulse_is_good(const struct pulse *p);
/* For how many intervals a loop has not turned, and which: a worker's number, or TG_PONG_CONTROL. */
unsigned pulse_missed(const struct pulse *p, uint32_t *ret_loop);

#endif
