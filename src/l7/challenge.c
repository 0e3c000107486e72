/* l7/challenge.c: tokens of ACME HTTP-01. An authority asks any of several tidegates, as soon as the one that has ordered
 * the certificate says so: who asks for one that is not here yet waits a moment, while one may come. */
#include "l7/stream_priv.h"

#define LOOK_MS 50u
#define WAIT_MS 3000u

static bool
may_ask(const struct stream *s)
{
	struct slice method = {(const char *)s->req.head->bytes, s->req.method_n};

	return !s->req.is_grpc && (s->req.is_head_method || slice_equal(method, SLICE("GET")));
}

/* It is no service's. */
static void
leave_service(struct stream *s)
{
	if (s->service != NULL)
		worker_service_leave(s->service);
	s->service = NULL;
}

static enum step
answer(struct stream *s, const struct challenge *c)
{
	enum step step;

	leave_service(s);
	counter_add(&s->front->listener->counters, TG_L_CHALLENGES, 1);
	s->challenge = c;
	step = stream_reply(s, 200, TG_END_DONE);
	s->challenge = NULL;
	return step;
}

bool
challenge_takes(struct stream *s, enum step *ret)
{
	const struct challenges *set = s->worker->challenges;
	struct slice path = stream_path(s);
	const struct challenge *found;
	struct mono now = stream_now(s);
	const char *token;
	size_t n;

	token = challenge_of_path(path.p, path.n, &n);
	if (token == NULL || !may_ask(s))
		return false;
	found = challenges_find(set, token, n);
	if (found != NULL) {
		*ret = answer(s, found);
		return true;
	}
	if (!set->is_awaited || mono_diff_us(now, s->begin) > WAIT_MS * 1000)
		return false;
	s->state = STREAM_WAIT;
	s->awaits_challenge = true;
	s->phase = now;
	s->next_try = mono_add_ms(now, LOOK_MS);
	*ret = STEP_PARKED;
	return true;
}
