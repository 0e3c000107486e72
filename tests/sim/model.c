/* What the registry must make of what it was told: who serves, with what weight, who is ejected. */
#include <math.h>
#include <string.h>

#include "sim/sim.h"

/* who may serve */

static bool
is_wanted(const struct sim *sim, uint32_t i)
{
	const struct backend_order *o = &sim->backends[i].order;
	uint64_t weight = sim->service->backends[i].weight;

	if ((o->told & TG_ORDER_WEIGHT) != 0) {
		if (o->weight != TG_ORDER_AS_CONF)
			weight = o->weight;
		weight *= o->weight_permille;
	}
	return weight > 0 && !((o->told & TG_ORDER_ADMIN) != 0 && o->admin != TG_ADMIN_READY) &&
	       !((o->told & TG_ORDER_DOWN) != 0 && o->is_down != 0);
}

struct tally {
	unsigned wanted;
	unsigned checking;
	unsigned located;
	unsigned up;
	unsigned fit; /* up, and not ejected */
	unsigned backups[TG_TIER_MAX + 1]; /* by tier */
};

static bool
is_up(const struct sim_backend *b)
{
	return b->has_addr && b->health == TG_HEALTH_UP;
}

static void
tally_one(const struct sim *sim, uint32_t i, struct tally *t)
{
	const struct sim_backend *b = &sim->backends[i];

	if (!is_wanted(sim, i))
		return;
	if (sim->service->backends[i].backup) {
		t->backups[sim->service->backends[i].tier] += is_up(b);
		return;
	}
	t->wanted++;
	t->checking += b->health == TG_HEALTH_CHECKING;
	t->located += b->has_addr;
	t->up += is_up(b);
	t->fit += is_up(b) && !b->is_ejected;
}

static bool
is_below(const struct sim *sim, const struct tally *t, unsigned n)
{
	return n * 100 < t->wanted * sim->service->health.fail_open_percent && t->checking == 0;
}

enum rule { RULE_FIT, RULE_UP, RULE_OPEN, RULE_BACKUP };

struct verdict {
	enum rule rule;
	unsigned tier;
};

static struct verdict
find_verdict(const struct sim *sim)
{
	struct tally t = {.wanted = 0};
	unsigned tier = 1;
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++)
		tally_one(sim, i, &t);
	while (tier < TG_TIER_MAX && t.backups[tier] == 0)
		tier++;
	if (t.fit == 0 && t.backups[tier] > 0)
		return (struct verdict){.rule = RULE_BACKUP, .tier = tier};
	if (is_below(sim, &t, t.up) && t.located > 0)
		return (struct verdict){.rule = RULE_OPEN};
	if (t.fit > 0 && !is_below(sim, &t, t.fit))
		return (struct verdict){.rule = RULE_FIT};
	return (struct verdict){.rule = RULE_UP};
}

static bool
must_serve(const struct sim *sim, uint32_t i, const struct verdict *verdict)
{
	const struct sim_backend *b = &sim->backends[i];

	if (!is_wanted(sim, i) || sim->service->backends[i].tier != verdict->tier)
		return false;
	switch (verdict->rule) {
	case RULE_FIT:
		return is_up(b) && !b->is_ejected;
	case RULE_OPEN:
		return b->has_addr;
	case RULE_UP:
	case RULE_BACKUP:
		break;
	}
	return is_up(b);
}

/* For who was failed by all that serve. */
static bool
must_be_spare(const struct sim *sim, uint32_t i, const struct verdict *verdict)
{
	const struct sim_backend *b = &sim->backends[i];

	return is_wanted(sim, i) && sim->service->backends[i].tier > verdict->tier && is_up(b) &&
	       !b->is_ejected;
}

/* with what */

static uint64_t
whole_weight(const struct sim *sim, uint32_t i)
{
	const struct backend_order *o = &sim->backends[i].order;
	double weight = sim->service->backends[i].weight;

	if ((o->told & TG_ORDER_WEIGHT) != 0) {
		if (o->weight != TG_ORDER_AS_CONF)
			weight = o->weight;
		weight = weight * o->weight_permille / 1000;
	}
	weight = floor(weight * TG_WEIGHT_SCALE + 1e-9);
	return (uint64_t)fmin(fmax(weight, 1), TG_WEIGHT_MAX);
}

static uint64_t
whole_limit(const struct sim *sim, uint32_t i)
{
	const struct backend_order *o = &sim->backends[i].order;

	if ((o->told & TG_ORDER_LIMIT) != 0 && o->limit != TG_ORDER_AS_CONF)
		return o->limit;
	return conf_backend_limit(sim->service, &sim->service->backends[i]);
}

/* A tenth at first, then evenly more, in thousandths. */
static uint64_t
share_of(const struct sim *sim, const struct sim_backend *b, struct mono now)
{
	uint64_t whole_us = sim->service->slow_start_ms * 1000;
	uint64_t gone_us = now.us - b->since.us;

	if (!mono_is_set(b->since) || gone_us >= whole_us)
		return 1000;
	return 100 + 900 * gone_us / whole_us;
}

static uint64_t
part_of(uint64_t whole, uint64_t permille)
{
	uint64_t part = whole * permille / 1000;

	return part == 0 && whole > 0 ? 1 : part;
}

static void
check_entry(struct sim *sim, uint32_t i, const struct view *view, uint32_t entry)
{
	const struct view_entry *e = &view->entries[entry];
	const struct sim_backend *b = &sim->backends[i];
	uint64_t permille = share_of(sim, b, sim->newest_at);
	uint64_t weight = part_of(whole_weight(sim, i), permille);
	uint64_t limit = part_of(whole_limit(sim, i), permille);

	if (e->backend != i || e->load != b->load ||
	    !addr_equal(&view->addrs[entry], &b->addr))
		sim_break(sim, SIM_NONE, i, "is another one in the view");
	if (e->weight != weight)
		sim_break(sim, SIM_NONE, i, "weight %u instead of %llu", e->weight,
			  (unsigned long long)weight);
	if (view_limit(view, entry) != limit)
		sim_break(sim, SIM_NONE, i, "limit %u instead of %llu", view_limit(view, entry),
			  (unsigned long long)limit);
}

/* A ramp goes up in steps that are not too long. */
static void
check_ramp(struct sim *sim, uint32_t i, struct mono now)
{
	uint64_t step_ms = sim->service->slow_start_ms / 20;

	if (step_ms < 100)
		step_ms = 100;
	if (share_of(sim, &sim->backends[i], sim->newest_at) < 1000 &&
	    mono_diff_us(now, sim->newest_at) >= step_ms * 1000)
		sim_break(sim, SIM_NONE, i, "its ramp stands still");
}

static void
check_backend(struct sim *sim, uint32_t i, struct mono now)
{
	const struct view *view = sim->newest;
	uint32_t entry = view->entry_of[i];
	uint32_t spare = view->spare_of[i];

	if ((spare != TG_VIEW_NONE) != sim->backends[i].is_spare)
		sim_break(sim, SIM_NONE, i,
			  spare != TG_VIEW_NONE ? "is spare and should not be" : "should be spare");
	else if (spare != TG_VIEW_NONE)
		check_entry(sim, i, view, spare);
	if ((entry != TG_VIEW_NONE) != sim->backends[i].is_serving)
		sim_break(sim, SIM_NONE, i,
			  entry != TG_VIEW_NONE ? "serves and should not" : "should serve");
	else if (entry != TG_VIEW_NONE)
		check_entry(sim, i, view, entry);
	check_ramp(sim, i, now);
}

/* Who was away and came for what it is itself begins slowly; not at the start. */
static void
note_serving(struct sim *sim, struct mono now)
{
	struct verdict verdict = find_verdict(sim);
	bool is_slow =
		verdict.rule == RULE_FIT && sim->has_settled && sim->service->slow_start_ms != 0;
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++) {
		struct sim_backend *b = &sim->backends[i];
		bool serves = must_serve(sim, i, &verdict);

		if (serves && !b->is_serving && is_slow)
			b->since = now;
		if (!serves)
			b->since = (struct mono){0};
		b->is_serving = serves;
		b->is_spare = must_be_spare(sim, i, &verdict);
	}
}

static void
note_settled(struct sim *sim)
{
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++) {
		if (sim->backends[i].health == TG_HEALTH_CHECKING)
			return;
	}
	sim->has_settled = true;
}

/* who is ejected */

static unsigned
most_ejected(const struct sim *sim)
{
	unsigned percent = sim->service->outlier.max_ejected_percent;
	unsigned most = sim->n_backends * percent / 100;

	return most == 0 && percent > 0 ? 1 : most;
}

/* It is not compared with what it was. */
static void
forget(struct sim_backend *b)
{
	memset(b->past, 0, sizeof(b->past));
}

static void
eject(struct sim *sim, uint32_t i, uint64_t base_ms, struct mono now)
{
	struct sim_backend *b = &sim->backends[i];

	if (mono_is_set(b->ended) && now.us > b->ended.us + 10 * base_ms * 1000)
		b->times = 0;
	b->times += b->times < 10;
	b->is_ejected = true;
	forget(b);
	b->until = mono_add_ms(now, base_ms * b->times);
	sim->n_ejected++;
	sim_note(sim, "is ejected", SIM_NONE, i, b->times);
}

static unsigned
end_ejections(struct sim *sim, struct mono now)
{
	unsigned left = 0;
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++) {
		struct sim_backend *b = &sim->backends[i];

		if (b->is_ejected && now.us >= b->until.us) {
			b->is_ejected = false;
			forget(b);
			b->unreached = 0;
			b->ended = now;
			sim_note(sim, "is ejected no more", SIM_NONE, i, 0);
		}
		left += b->is_ejected;
	}
	return left;
}

static unsigned
eject_failing(struct sim *sim, unsigned left, struct mono now)
{
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++) {
		struct sim_backend *b = &sim->backends[i];

		if (b->failures < sim->service->outlier.consecutive)
			continue;
		b->failures = 0;
		if (!b->is_ejected && left < most_ejected(sim)) {
			eject(sim, i, sim->service->outlier.base_ejection_ms, now);
			left++;
		}
	}
	return left;
}

static bool
nobody_is_reached(const struct sim *sim)
{
	bool is_one = false;
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++) {
		const struct sim_backend *b = &sim->backends[i];

		if (sim->service->backends[i].backup || !is_wanted(sim, i) || !is_up(b))
			continue;
		if (b->unreached < sim->service->outlier.connects)
			return false;
		is_one = true;
	}
	return is_one;
}

static unsigned
use_unreached(struct sim *sim, unsigned left, struct mono now)
{
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++) {
		struct sim_backend *b = &sim->backends[i];

		if (!b->is_ejected || b->unreached < sim->service->outlier.connects)
			continue;
		b->is_ejected = false;
		b->ended = now;
		sim_note(sim, "is used as nobody is reached", SIM_NONE, i, 0);
		left--;
	}
	return left;
}

static unsigned
eject_unreached(struct sim *sim, unsigned left, struct mono now)
{
	const struct conf_outlier *conf = &sim->service->outlier;
	uint32_t i;

	if (conf->connects != 0 && nobody_is_reached(sim))
		return use_unreached(sim, left, now);
	for (i = 0; conf->connects != 0 && i < sim->n_backends; i++) {
		struct sim_backend *b = &sim->backends[i];

		if (b->unreached >= conf->connects && !b->is_ejected && left < most_ejected(sim)) {
			eject(sim, i, conf->connect_ejection_ms, now);
			left++;
		}
	}
	return left;
}

static bool
is_compared(const struct sim *sim, const struct sim_backend *b)
{
	return b->window.requests > 0 && b->window.requests >= sim->service->outlier.requests;
}

/* How far success may deviate among others that fail so often: 3 points, or three times what
 * chance does. */
static double
least_deviation(double failed, double requests, const struct sim_backend *candidate)
{
	double fails = (failed + 1) / (requests + 2);
	double each = 1 / (double)candidate->window.requests + 1 / requests;

	return fmax(0.03, 3 * sqrt(fails * (1 - fails) * each));
}

/* Whether it has fewer successes than the others, so far as that is clear. */
static bool
is_worse(const struct sim *sim, const struct sim_backend *candidate)
{
	double factor = sim->service->outlier.success_rate_permille / 1000.0;
	double rates[SIM_BACKENDS];
	double mean = 0;
	double variance = 0;
	double failed = 0;
	double requests = 0;
	unsigned n = 0;
	unsigned i;

	for (i = 0; i < sim->n_backends; i++) {
		const struct sim_backend *b = &sim->backends[i];

		if (!is_compared(sim, b) || b == candidate)
			continue;
		rates[n] = 1 - (double)b->window.failed / (double)b->window.requests;
		mean += rates[n++];
		failed += (double)b->window.failed;
		requests += (double)b->window.requests;
	}
	if (n < 2 || factor <= 0 || !is_compared(sim, candidate))
		return false;
	mean /= n;
	for (i = 0; i < n; i++)
		variance += (rates[i] - mean) * (rates[i] - mean) / n;
	return 1 - (double)candidate->window.failed / (double)candidate->window.requests <
	       mean - 1e-6 -
		       factor * fmax(sqrt(variance), least_deviation(failed, requests, candidate));
}

static double
mean_us(const struct sim_backend *b)
{
	return (double)b->window.answers_us / (double)b->window.answers;
}

/* How many of those that are compared answer sooner than this, and how many there are. */
static unsigned
count_faster(const struct sim *sim, double us, unsigned *ret_n)
{
	unsigned faster = 0;
	unsigned n = 0;
	unsigned i;

	for (i = 0; i < sim->n_backends; i++) {
		const struct sim_backend *b = &sim->backends[i];

		if (!is_compared(sim, b) || b->window.answers == 0)
			continue;
		n++;
		faster += mean_us(b) < us;
	}
	*ret_n = n;
	return faster;
}

/* Later than a multiple of the median: of half of them, rounded up. */
static bool
is_slower(const struct sim *sim, const struct sim_backend *b)
{
	double factor = sim->service->outlier.latency_permille / 1000.0;
	unsigned n;
	unsigned faster;

	if (factor <= 0 || !is_compared(sim, b) || b->window.answers == 0)
		return false;
	faster = count_faster(sim, mean_us(b) / factor - 1e-6, &n);
	return n >= 3 && faster > (n - 1) / 2;
}

/* All of them over the newest interval, and so many more as it takes until there is enough of this one. */
static void
look_back(struct sim *sim, const struct sim_backend *candidate)
{
	unsigned n;
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++)
		sim->backends[i].window = (struct sim_figures){0};
	for (n = 0; n < SIM_INTERVALS && !is_compared(sim, candidate); n++) {
		for (i = 0; i < sim->n_backends; i++) {
			struct sim_figures *sum = &sim->backends[i].window;
			const struct sim_figures *more = &sim->backends[i].past[n];

			sum->requests += more->requests;
			sum->failed += more->failed;
			sum->answers += more->answers;
			sum->answers_us += more->answers_us;
		}
	}
}

static bool
is_bad(struct sim *sim, const struct sim_backend *b)
{
	look_back(sim, b);
	return is_worse(sim, b) || is_slower(sim, b);
}

/* In the order of the configuration, as long as there is room. */
static unsigned
eject_compared(struct sim *sim, unsigned left, struct mono now)
{
	bool bad[SIM_BACKENDS];
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++)
		bad[i] = is_bad(sim, &sim->backends[i]);
	for (i = 0; i < sim->n_backends; i++) {
		struct sim_backend *b = &sim->backends[i];
		bool is_ejected = atomic_load(&b->shared->ejected) != 0;

		if (b->is_ejected)
			continue;
		if (is_ejected) {
			if (!bad[i])
				sim_break(sim, SIM_NONE, i, "is no worse than the others");
			eject(sim, i, sim->service->outlier.base_ejection_ms, now);
			left++;
		} else if (bad[i] && left < most_ejected(sim)) {
			sim_break(sim, SIM_NONE, i, "is worse than the others and stays");
		}
	}
	return left;
}

static bool
is_comparing(const struct sim *sim)
{
	const struct conf_outlier *conf = &sim->service->outlier;

	return conf->latency_permille != 0 || conf->success_rate_permille != 0;
}

/* The first time there is nothing to compare with. */
static unsigned
compare(struct sim *sim, unsigned left, struct mono now)
{
	bool is_first = !mono_is_set(sim->next_compare);
	uint32_t i;

	if (!is_comparing(sim) || now.us < sim->next_compare.us)
		return left;
	sim->next_compare = mono_add_ms(now, sim->service->outlier.interval_ms);
	for (i = 0; i < sim->n_backends; i++) {
		struct sim_backend *b = &sim->backends[i];

		memmove(&b->past[1], &b->past[0], sizeof(b->past) - sizeof(b->past[0]));
		b->past[0] = b->figures;
		b->figures = (struct sim_figures){0};
		if (is_first)
			forget(b);
	}
	return eject_compared(sim, left, now);
}

static void
check_ejected(struct sim *sim, struct mono now)
{
	unsigned left = end_ejections(sim, now);
	uint32_t i;

	if (sim->service->outlier.consecutive != 0)
		left = eject_failing(sim, left, now);
	left = eject_unreached(sim, left, now);
	left = compare(sim, left, now);
	if (left > most_ejected(sim))
		sim_break(sim, SIM_NONE, SIM_NONE, "%u are ejected, %u may be", left,
			  most_ejected(sim));
	for (i = 0; i < sim->n_backends; i++) {
		const struct sim_backend *b = &sim->backends[i];

		if ((atomic_load(&b->shared->ejected) != 0) != b->is_ejected)
			sim_break(sim, SIM_NONE, i,
				  b->is_ejected ? "is not ejected" : "is ejected for no reason");
	}
}

void
sim_model_check(struct sim *sim, struct mono now)
{
	uint32_t i;

	if (conf_has_outliers(sim->service))
		check_ejected(sim, now);
	note_serving(sim, now);
	note_settled(sim);
	for (i = 0; i < sim->n_backends && !sim->is_broken; i++)
		check_backend(sim, i, now);
}
