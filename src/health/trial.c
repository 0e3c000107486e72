#include "health/trial.h"

#include <stdlib.h>

#include "base/container.h"

struct trial {
	struct loop *loop;
	const struct check_ops *ops;
	struct check_target target;
	struct check check;
	struct pace pace;
	struct timer news; /* runs when there is something to tell */
	bool has_passed;
	bool has_failed;
	struct check_outcome first_failure;
	trial_cb *told;
	void *user;
	struct deferred deferred;
};

static void
tell(struct trial *t)
{
	timer_set(t->loop, &t->news, loop_now(t->loop));
}

static void
judge(struct trial *t, const struct check_outcome *outcome)
{
	if (check_result_is_pass(outcome->result)) {
		t->has_passed = true;
		pace_stop(&t->pace);
		tell(t);
		return;
	}
	if (!t->has_failed) {
		t->has_failed = true;
		t->first_failure = *outcome;
		tell(t);
	}
	pace_rest(&t->pace);
}

static void
on_done(struct check *c, const struct check_outcome *outcome)
{
	judge(TG_CONTAINER(c, struct trial, check), outcome);
}

static void
trial_begin(struct pace *pace)
{
	struct trial *t = TG_CONTAINER(pace, struct trial, pace);
	struct check_outcome outcome;

	int rc = check_start(&t->check, t->loop, t->ops, &t->target, on_done, &outcome);

	if (rc == -TG_ELIMIT)
		pace_rest(&t->pace);
	else if (rc != 0)
		judge(t, &outcome);
}

static void
trial_expire(struct pace *pace)
{
	struct trial *t = TG_CONTAINER(pace, struct trial, pace);
	struct check_outcome outcome;

	check_outcome_timeout(&t->check, &outcome);
	judge(t, &outcome);
}

static void
trial_stop(struct pace *pace)
{
	check_stop(&TG_CONTAINER(pace, struct trial, pace)->check);
}

static const struct pace_ops trial_pace = {
	.begin = trial_begin,
	.expire = trial_expire,
	.stop = trial_stop,
};

static void
on_news(struct timer *timer)
{
	struct trial *t = TG_CONTAINER(timer, struct trial, news);

	t->told(t->user, t->has_passed ? NULL : t->first_failure.text);
}

struct trial *
trial_start(struct lane_flow *flow, const struct pace_conf *pace, const struct check_ops *ops,
	    const struct check_target *target, trial_cb *told, void *user)
{
	struct trial *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->loop = flow->lane->loop;
	t->ops = ops;
	t->target = *target;
	t->target.kept = NULL;
	t->told = told;
	t->user = user;
	timer_init(&t->news, on_news);
	pace_init(&t->pace, flow, &trial_pace, pace);
	pace_start(&t->pace);
	return t;
}

void
trial_rebind(struct trial *t, const struct conf_service *service,
	     const struct conf_backend *backend)
{
	check_target_rebind(&t->target, service, backend);
}

static void
free_deferred(struct deferred *d)
{
	free(TG_CONTAINER(d, struct trial, deferred));
}

void
trial_free(struct trial *t)
{
	if (t == NULL)
		return;
	pace_fini(&t->pace);
	timer_fini(&t->news);
	loop_defer(t->loop, &t->deferred, free_deferred);
}
