/* The control thread of the proxy and, behind it, the keeper: what is observed, and what is ordered. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "fake/turn.h"
#include "sim/sim.h"

/* views reach workers through their loops, as in proc/worker.c */

struct view_call {
	struct loop_call call;
	struct sim *sim;
	struct worker *worker;
	struct view *view;
};

static void
on_view(struct loop_call *call)
{
	struct view_call *v = (struct view_call *)call;

	v->sim->is_fresh = true;
	worker_set_view(v->worker, v->view);
	v->sim->is_fresh = false;
	free(v);
}

static void
post_view(struct sim *sim, struct sim_worker *w, struct view *view)
{
	struct view_call *v = malloc(sizeof(*v));

	if (v == NULL)
		abort();
	v->sim = sim;
	v->worker = &w->worker;
	v->view = view_ref(view);
	loop_post(w->worker.loop, &v->call, on_view);
}

static void
on_publish(void *arg, struct view *view)
{
	struct sim *sim = arg;
	unsigned i;

	for (i = 0; i < sim->n_workers; i++)
		post_view(sim, &sim->workers[i], view);
	view_unref(sim->newest);
	sim->newest = view;
	sim->undisturbed = NULL;
	sim->is_owing = false;
	sim->newest_at = loop_now(sim->control);
	sim->n_views++;
	sim_note(sim, "view", SIM_NONE, SIM_NONE, view->n);
}

static void
publish(struct sim *sim)
{
	struct mono now = loop_now(sim->control);

	sim->is_alarmed = false;
	if (registry_publish(sim->registry, now, on_publish, sim) != 0)
		sim_break(sim, SIM_NONE, SIM_NONE, "no memory");
	sim_model_check(sim, now);
}

/* what the keeper tells */

/* "Checking" never replaces a verdict. */
static void
note_told(struct sim_backend *b, const struct msg_backend *msg)
{
	(void)backend_order_merge(&b->order, &msg->order);
	if (msg->health == TG_HEALTH_CHECKING && b->health != TG_HEALTH_CHECKING)
		return;
	if (b->health == TG_HEALTH_DOWN && msg->health == TG_HEALTH_UP)
		memset(b->past, 0, sizeof(b->past));
	b->health = (enum backend_health)msg->health;
	b->has_addr = msg->has_addr != 0;
	if (!b->has_addr || addr_equal(&b->addr, &msg->addr))
		return;
	/* Another machine: nothing is known of it. */
	b->addr = msg->addr;
	b->is_ejected = false;
	b->times = 0;
	b->until = b->ended = (struct mono){0};
	b->failures = b->unreached = 0;
	memset(b->past, 0, sizeof(b->past));
}

static struct addr
addr_of(unsigned port)
{
	struct addr a = {.len = sizeof(a.u.in)};

	a.u.in.sin_family = AF_INET;
	a.u.in.sin_port = htons((uint16_t)port);
	a.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

/* `msg` has the backend's index. */
static void
tell(struct sim *sim, struct msg_backend *msg)
{
	struct msg_backend told;

	if (msg->has_addr != 0)
		msg->addr = addr_of(100 + msg->backend + 100 * sim_below(sim, 2));
	told = *msg;
	told.backend += SIM_BACKEND_SLOT;
	if (registry_observe(sim->registry, &told) != 0)
		sim_break(sim, SIM_NONE, msg->backend, "the registry does not know it");
	note_told(&sim->backends[msg->backend], msg);
}

/* Mostly up: three of four. */
static uint32_t
throw_health(struct sim *sim)
{
	static const uint32_t healths[] = {TG_HEALTH_UP,   TG_HEALTH_UP,      TG_HEALTH_UP,
					   TG_HEALTH_UP,   TG_HEALTH_UP,      TG_HEALTH_UP,
					   TG_HEALTH_DOWN, TG_HEALTH_CHECKING};

	return healths[sim_below(sim, 8)];
}

static void
observe(struct sim *sim, uint32_t backend)
{
	struct msg_backend msg = {
		.backend = backend,
		.health = throw_health(sim),
		.has_addr = !sim_one_in(sim, 10),
	};

	sim_note(sim, "observed", SIM_NONE, backend, msg.health);
	tell(sim, &msg);
}

/* Limits only where the service has a queue for those who wait. */
static struct backend_order
throw_order(struct sim *sim)
{
	struct backend_order order = {
		.told = 1u << sim_below(sim, 4),
		.weight = sim_one_in(sim, 3) ? TG_ORDER_AS_CONF : sim_below(sim, 30),
		.weight_permille = sim_one_in(sim, 2) ? 1000 : sim_below(sim, 2001),
		.limit = sim_one_in(sim, 3) ? TG_ORDER_AS_CONF : sim_below(sim, 8),
		.admin = sim_one_in(sim, 3) ? sim_below(sim, TG_BACKEND_ADMIN_COUNT) : 0,
		.is_down = sim_one_in(sim, 4),
	};

	if (sim->service->agent.port == 0)
		order.told &= ~TG_ORDER_LIMIT;
	return order;
}

static void
give_order(struct sim *sim, uint32_t backend)
{
	struct sim_backend *b = &sim->backends[backend];
	struct msg_backend msg = {
		.backend = backend,
		.health = sim_one_in(sim, 3) ? TG_HEALTH_CHECKING : b->health,
		.has_addr = b->has_addr,
		.order = throw_order(sim),
	};

	sim_note(sim, "ordered", SIM_NONE, backend, msg.order.told);
	tell(sim, &msg);
}

/* Slow ones are noticed by comparison alone, which takes a while. */
static void
change_mode(struct sim *sim, uint32_t backend)
{
	static const enum sim_mode modes[] = {SIM_WELL, SIM_WELL,     SIM_WELL,   SIM_WELL,
					      SIM_SLOW, SIM_SLOW,     SIM_DIES,   SIM_HANGS,
					      SIM_SICK, SIM_SWALLOWS, SIM_REFUSES};

	sim->backends[backend].mode = modes[sim_below(sim, sizeof(modes) / sizeof(modes[0]))];
	sim_note(sim, "behaves", SIM_NONE, backend, sim->backends[backend].mode);
}

/* All of them at once: the network is cut, or there again. */
static void
cut(struct sim *sim)
{
	uint32_t health = sim_one_in(sim, 2) ? TG_HEALTH_UP : TG_HEALTH_DOWN;
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++) {
		struct msg_backend msg = {.backend = i, .health = health, .has_addr = 1};

		tell(sim, &msg);
	}
	sim_note(sim, "all observed", SIM_NONE, SIM_NONE, health);
}

/* All limits at once: many wait, then there is room in many places. */
static void
squeeze(struct sim *sim)
{
	uint32_t limit = sim_one_in(sim, 2) ? 1 : TG_ORDER_AS_CONF;
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++) {
		struct msg_backend msg = {
			.backend = i,
			.health = TG_HEALTH_UP,
			.has_addr = 1,
			.order = {.told = TG_ORDER_LIMIT, .limit = limit},
		};

		tell(sim, &msg);
	}
	sim_note(sim, "all limits ordered", SIM_NONE, SIM_NONE, limit);
}

/* True: the registry was told something. */
static bool
change(struct sim *sim)
{
	uint32_t backend = sim_any_backend(sim);

	if (sim_one_in(sim, 64)) {
		cut(sim);
		return true;
	}
	if (sim->service->agent.port != 0 && sim_one_in(sim, 32)) {
		squeeze(sim);
		return true;
	}
	switch (sim_below(sim, 8)) {
	case 0:
	case 1:
		observe(sim, backend);
		return true;
	case 2:
		give_order(sim, backend);
		return true;
	case 3:
		change_mode(sim, backend);
		return false;
	default:
		return false;
	}
}

/* turns */

/* The loop has turned: who failed too often in a row was heard of. */
static void
check_alarm(struct sim *sim)
{
	unsigned consecutive = sim->service->outlier.consecutive;
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++) {
		struct sim_backend *b = &sim->backends[i];

		if (consecutive != 0 && b->failures >= consecutive && !sim->is_alarmed)
			sim_break(sim, SIM_NONE, i, "%u failures in a row and no alarm",
				  b->failures);
		if (b->is_due && !sim->is_alarmed)
			sim_break(sim, SIM_NONE, i, "%u connects failed in a row, or did, and no alarm",
				  b->unreached);
		b->is_due = false;
	}
}

/* What is due must be known to the registry. */
static void
check_due(struct sim *sim, struct mono now)
{
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++) {
		if (sim->backends[i].is_ejected && now.us >= sim->backends[i].until.us)
			sim_break(sim, SIM_NONE, i, "its ejection does not end");
	}
	if (mono_is_set(sim->next_compare) && now.us >= sim->next_compare.us)
		sim_break(sim, SIM_NONE, SIM_NONE, "backends are not compared");
}

static void
turn(struct sim *sim, bool may_change)
{
	struct mono due;
	bool is_told;

	sim->acting = NULL;
	fake_turn(sim->control);
	check_alarm(sim);
	is_told = may_change && change(sim);
	due = registry_due(sim->registry);
	if (is_told || sim->is_alarmed || (mono_is_set(due) && loop_now(sim->control).us >= due.us))
		publish(sim);
	check_due(sim, loop_now(sim->control));
}

void
sim_control_step(struct sim *sim)
{
	turn(sim, !sim->is_quiet || sim_one_in(sim, 40));
}

void
sim_control_turn(struct sim *sim)
{
	turn(sim, false);
}

/* the end */

void
sim_control_heal(struct sim *sim)
{
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++) {
		struct msg_backend msg = {
			.backend = i,
			.health = TG_HEALTH_UP,
			.has_addr = 1,
			.order = {.told = TG_ORDER_ALL,
				  .weight = TG_ORDER_AS_CONF,
				  .weight_permille = 1000,
				  .limit = TG_ORDER_AS_CONF},
		};

		sim->backends[i].mode = SIM_WELL;
		tell(sim, &msg);
	}
	sim->acting = NULL;
	publish(sim);
}

static void
check_whole(struct sim *sim, uint32_t i)
{
	const struct conf_backend *conf = &sim->service->backends[i];
	uint32_t entry = sim->newest->entry_of[i];

	if (entry != TG_VIEW_NONE &&
	    sim->newest->entries[entry].weight != conf->weight * TG_WEIGHT_SCALE)
		sim_break(sim, SIM_NONE, i, "rests at weight %u of %u",
			  sim->newest->entries[entry].weight, conf->weight * TG_WEIGHT_SCALE);
	if (entry == TG_VIEW_NONE && !conf->backup && conf->weight != 0)
		sim_break(sim, SIM_NONE, i, "does not serve at rest");
}

void
sim_control_check_rest(struct sim *sim)
{
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++) {
		check_whole(sim, i);
		if (atomic_load(&sim->backends[i].shared->ejected) != 0)
			sim_break(sim, SIM_NONE, i, "is ejected at rest");
	}
}
