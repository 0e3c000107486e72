#include "fake/turn.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

struct stop {
	struct loop_call call;
	struct loop *loop;
};

#define PRESET_S   20u
#define SECONDS_MAX 86400u

unsigned
fake_limit_ms(void)
{
	const char *text = getenv("TG_TEST_TIMEOUT");
	unsigned long seconds = text != NULL ? strtoul(text, NULL, 10) : 0;

	if (seconds == 0)
		seconds = PRESET_S;
	return (unsigned)(seconds < SECONDS_MAX ? seconds : SECONDS_MAX) * 1000;
}

void
fake_limit_start(void)
{
	alarm(fake_limit_ms() / 1000);
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
fake_turn_later(struct loop *loop)
{
	poll(NULL, 0, 1);
	fake_turn(loop);
}

void
fake_turn_until(struct loop *loop, const bool *done)
{
	while (!*done)
		fake_turn_later(loop);
}
