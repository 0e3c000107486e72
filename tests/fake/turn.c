#include "fake/turn.h"

#include <stdlib.h>
#include <unistd.h>

struct stop {
	struct loop_call call;
	struct loop *loop;
};

void
fake_limit_start(void)
{
	const char *text = getenv("TG_TEST_TIMEOUT");
	unsigned long seconds = text != NULL ? strtoul(text, NULL, 10) : 0;

	alarm(seconds > 0 ? (unsigned)seconds : 20);
}

static void
stop_now(struct loop_call *call)
{
	loop_stop(((struct stop *)call)->loop);
}

/* The call itself makes the loop wake up, so the turn cannot wait. */
void
fake_turn(struct loop *loop)
{
	struct stop stop = {.loop = loop};

	loop_post(loop, &stop.call, stop_now);
	loop_run(loop);
}

void
fake_turn_until(struct loop *loop, const bool *done)
{
	while (!*done)
		fake_turn(loop);
}
