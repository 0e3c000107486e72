/*
 * fake/turn.h: a loop driven by hand, and one time limit for all waits.
 */
#ifndef TG_TESTS_FAKE_TURN_H
#define TG_TESTS_FAKE_TURN_H

#include <stdbool.h>

#include "loop/loop.h"

/* What any single wait may take: TG_TEST_TIMEOUT seconds (default 20). */
unsigned fake_limit_ms(void);
/* From now on this program has that long, then it is killed. */
void fake_limit_start(void);
/* Serves what is ready now and returns. */
void fake_turn(struct loop *loop);
/* The same for who waits for another process: leaves it the processor for a millisecond first. */
void fake_turn_later(struct loop *loop);
/* Turns until *done. */
void fake_turn_until(struct loop *loop, const bool *done);

#endif
