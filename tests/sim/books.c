/* What streams hold, who waits and what retries are left; compared with what is really there. */
#include <string.h>

#include "base/container.h"
#include "fake/turn.h"
#include "sim/sim.h"

static struct sim *watched;

bool
sim_is_even(const struct sim *sim)
{
	unsigned i;

	for (i = 0; i < sim->n_workers; i++) {
		if (sim_service(&sim->workers[i])->view != sim->newest)
			return false;
	}
	return true;
}

bool
sim_is_tried(const struct sim_stream *s, uint32_t backend)
{
	unsigned i;

	for (i = 0; i < s->n_tried; i++) {
		if (s->tried[i] == backend)
			return true;
	}
	return false;
}

static struct sim_worker *
worker_of(const struct sim_stream *s)
{
	return &s->sim->workers[s->worker];
}

static bool
has_untried(const struct sim_stream *s, const struct view *view)
{
	uint32_t i;

	for (i = 0; i < view->n; i++) {
		if (!sim_is_tried(s, view->entries[i].backend))
			return true;
	}
	return false;
}

/* A backup beside those that serve that this stream may have; SIM_NONE: there is none. */
static uint32_t
find_spare(const struct sim_stream *s, const struct view *view, bool with_suspects)
{
	uint32_t i;

	for (i = view->n; i < view->tier_end[TG_TIER_MAX]; i++) {
		uint32_t backend = view->entries[i].backend;

		if (!sim_is_tried(s, backend) && sim_has_room(view, i) &&
		    (with_suspects || !sim_is_suspect(s->sim, backend)))
			return backend;
	}
	return SIM_NONE;
}

/* Full or not. */
static bool
has_spare(const struct sim_stream *s, const struct view *view)
{
	uint32_t i;

	for (i = view->n; i < view->tier_end[TG_TIER_MAX]; i++) {
		if (!sim_is_tried(s, view->entries[i].backend))
			return true;
	}
	return false;
}

/* For whoever may have it. */
static bool
has_free_spare(const struct view *view)
{
	uint32_t i;

	for (i = view->n; i < view->tier_end[TG_TIER_MAX]; i++) {
		if (sim_has_room(view, i))
			return true;
	}
	return false;
}

/* All tries it may have were connects that failed, but for the one it has now. */
static bool
is_at_its_end(const struct sim_stream *s)
{
	return s->n_free == TG_RETRY_MAX;
}

/* All that serve have failed it, or are suspects; no other of a lower tier could be had. */
static void
check_spare(const struct sim_stream *s, const struct view *view, uint32_t spare)
{
	uint32_t backend = view->entries[spare].backend;
	uint32_t i;

	if (s->n_tried == 0)
		sim_break(s->sim, s->id, backend, "is a backup, and first");
	for (i = 0; i < view->n; i++) {
		uint32_t other = view->entries[i].backend;

		if (!sim_is_tried(s, other) && !sim_is_suspect(s->sim, other) && !is_at_its_end(s))
			sim_break(s->sim, s->id, backend, "is a backup, and %u was not tried",
				  other);
	}
	for (i = view->n; s->sim->service->backends[view->entries[i].backend].tier <
			  s->sim->service->backends[backend].tier;
	     i++) {
		uint32_t other = view->entries[i].backend;

		if (!sim_is_tried(s, other) && sim_has_room(view, i) &&
		    !sim_is_suspect(s->sim, other))
			sim_break(s->sim, s->id, backend, "is of a higher tier than %u", other);
	}
	s->sim->n_spare++;
}

static uint32_t
entry_of(const struct view *view, uint32_t backend)
{
	return view->entry_of[backend] != TG_VIEW_NONE ? view->entry_of[backend]
						       : view->spare_of[backend];
}

/* By the view of each worker. Where one sees less room than another, it may hide it from all. */
static bool
is_free(const struct sim *sim, uint32_t backend)
{
	unsigned i;

	for (i = 0; i < sim->n_workers; i++) {
		const struct view *view = sim_service(&sim->workers[i])->view;
		uint32_t entry = view->entry_of[backend];

		if (entry == TG_VIEW_NONE || !sim_has_room(view, entry))
			return false;
	}
	return true;
}

/* A backend that this stream, or NULL: any, must find with the newest view, or one that is taken over
 * just now; SIM_NONE: there is none. */
static uint32_t
find_free(const struct sim *sim, const struct sim_stream *s, const struct view *view)
{
	uint32_t i;

	if (view != sim->newest && !sim->is_fresh)
		return SIM_NONE;
	for (i = 0; i < view->n; i++) {
		const struct view_entry *e = &view->entries[i];

		if (s != NULL && sim_is_tried(s, e->backend))
			continue;
		if (sim->is_fresh ? sim_has_room(view, i) : is_free(sim, e->backend))
			return e->backend;
	}
	return SIM_NONE;
}

/* The stream has this place now, by the view of this worker. */
static void
check_place(const struct sim_stream *s, struct sim_worker *w, uint32_t backend,
	    const struct addr *addr)
{
	const struct view *view = sim_service(w)->view;
	const struct view_entry *e;
	uint32_t entry;
	uint32_t limit;
	int64_t n;

	if (backend >= s->sim->n_backends || entry_of(view, backend) == TG_VIEW_NONE) {
		sim_break(s->sim, s->id, backend, "not in the view it was taken from");
		return;
	}
	entry = entry_of(view, backend);
	e = &view->entries[entry];
	n = atomic_load(&e->load->in_flight);
	limit = view_limit(view, entry);
	if (n < 1 || (limit != 0 && n > (int64_t)limit))
		sim_break(s->sim, s->id, backend, "%lld in flight of %u", (long long)n, limit);
	if (!addr_equal(&view->addrs[entry], addr))
		sim_break(s->sim, s->id, backend, "not the address of the view");
}

/* the queue, as queue.h says it is */

static bool
is_overloaded(const struct sim_line *line, struct mono now)
{
	const struct sim_stream *first = TAILQ_FIRST(line);

	return first != NULL && 2 * now.us > first->due.us + first->phase.us;
}

/* Of those that this offer has not passed over. */
static struct sim_stream *
next_in_line(const struct sim_queue *q)
{
	struct sim_stream *found = NULL;
	struct sim_stream *s;
	unsigned i;

	for (i = 0; i < TG_PRIORITY_COUNT && found == NULL; i++) {
		TAILQ_FOREACH (s, &q->spares[i], link) {
			if (s->passed_over == q->offers || q->now.us >= s->due.us || q->has_no_spare)
				continue;
			if (found == NULL || q->are_spares_overloaded[i])
				found = s;
		}
		if (found != NULL || q->is_for_spares)
			continue;
		TAILQ_FOREACH (s, &q->classes[i], link) {
			if (s->passed_over == q->offers || q->now.us >= s->due.us)
				continue;
			if (found == NULL || q->is_overloaded[i])
				found = s;
		}
	}
	return found;
}

/* Who came first of both lines. */
static struct sim_stream *
first_of(struct sim_stream *other, struct sim_stream *spare)
{
	if (other == NULL || spare == NULL)
		return other != NULL ? other : spare;
	return spare->phase.us < other->phase.us ? spare : other;
}

static struct sim_stream *
find_victim(struct sim_queue *q, enum conf_priority priority, struct mono now)
{
	struct sim_line *others = &q->classes[priority];
	struct sim_line *spares = &q->spares[priority];
	unsigned i;

	for (i = TG_PRIORITY_COUNT; i > (unsigned)priority + 1; i--) {
		struct sim_stream *victim = first_of(TAILQ_FIRST(&q->classes[i - 1]),
						     TAILQ_FIRST(&q->spares[i - 1]));

		if (victim != NULL)
			return victim;
	}
	return first_of(is_overloaded(others, now) ? TAILQ_FIRST(others) : NULL,
			is_overloaded(spares, now) ? TAILQ_FIRST(spares) : NULL);
}

static struct sim_line *
line_of(struct sim_stream *s)
{
	struct sim_queue *q = &s->sim->queue;

	return s->awaits_spare ? &q->spares[s->priority] : &q->classes[s->priority];
}

static void
leave_line(struct sim_stream *s)
{
	struct sim_queue *q = &s->sim->queue;

	TAILQ_REMOVE(line_of(s), s, link);
	s->is_in_line = false;
	q->n--;
	q->n_spare -= s->awaits_spare;
}

static void
send_news(struct sim_stream *s, bool is_granted, uint32_t backend)
{
	leave_line(s);
	s->news.is_on_way = true;
	s->news.is_granted = is_granted;
	s->news.backend = backend;
	s->news.turn = worker_of(s)->turns;
	sim_note(s->sim, is_granted ? "is granted" : "is shed", s->id, backend, 0);
}

/* What lease_wait() must say. */
static int
stand_in_line(struct sim_stream *s, struct mono now)
{
	struct sim_queue *q = &s->sim->queue;
	const struct view *view = sim_service(worker_of(s))->view;

	if (q->n >= s->sim->service->queue) {
		struct sim_stream *victim = find_victim(q, s->priority, now);

		if (victim == NULL)
			return -TG_ELIMIT;
		send_news(victim, false, SIM_NONE);
		s->sim->n_shed++;
	}
	s->awaits_spare = !has_untried(s, view) && has_spare(s, view);
	TAILQ_INSERT_TAIL(line_of(s), s, link);
	s->is_in_line = true;
	q->n++;
	q->n_spare += s->awaits_spare;
	return 0;
}

/* Places that are offered to those who wait */

struct offer {
	bool (*find)(void *arg, const struct balance_query *query, struct queue_news *ret);
	void *arg;
};

static void
granted(struct sim *sim, struct sim_stream *s, const struct queue_news *news)
{
	const struct view *view = sim_service(sim->acting)->view;
	uint32_t backend = news->backend - SIM_BACKEND_SLOT;

	check_place(s, sim->acting, backend, &news->addr);
	if (sim->is_broken)
		return;
	sim->backends[backend].in_flight++;
	if (sim_is_tried(s, backend) && (has_untried(s, view) || has_spare(s, view)))
		sim_break(sim, s->id, backend, "tried again beside one that was not");
	if (view->entry_of[backend] == TG_VIEW_NONE)
		check_spare(s, view, view->spare_of[backend]);
	s->news.addr = news->addr;
	send_news(s, true, backend);
}

/* A backend that this stream must find before it tries one twice. */
static uint32_t
find_untried(const struct sim *sim, const struct sim_stream *s, const struct view *view)
{
	return has_untried(s, view) ? find_free(sim, s, view) : find_spare(s, view, true);
}

/* What this stream waits for: one it has tried only where there is no other, full or not. */
static uint32_t
find_awaited(const struct sim *sim, const struct sim_stream *s, const struct view *view)
{
	if (!has_untried(s, view) && has_spare(s, view))
		return SIM_NONE; /* find_untried() has looked */
	return find_free(sim, has_untried(s, view) ? s : NULL, view);
}

static uint32_t
find_place_for(const struct sim *sim, const struct sim_stream *s, const struct view *view)
{
	uint32_t backend = find_untried(sim, s, view);

	return backend != SIM_NONE ? backend : find_awaited(sim, s, view);
}

static void
refused(struct sim *sim, struct sim_stream *s)
{
	const struct view *view = sim_service(sim->acting)->view;
	uint32_t backend = find_place_for(sim, s, view);

	s->passed_over = sim->queue.offers;
	sim->queue.is_for_spares |= s->n_tried == 0;
	sim->queue.has_no_spare |= s->awaits_spare && !has_untried(s, view) && !has_free_spare(view);
	if (backend != SIM_NONE)
		sim_break(sim, s->id, backend, "room that was not found");
}

static bool
watch_find(void *arg, const struct balance_query *query, struct queue_news *ret)
{
	const struct offer *offer = arg;
	struct sim *sim = watched;
	struct sim_stream *s = &sim->streams[query->key % SIM_STREAMS];
	bool found = offer->find(offer->arg, query, ret);

	sim_pick_other(sim, s, sim_service(sim->acting)->view);
	if (sim->is_broken)
		return found;
	if (s != next_in_line(&sim->queue))
		sim_break(sim, s->id, SIM_NONE, "offered a place out of its turn");
	else if (found)
		granted(sim, s, ret);
	else
		refused(sim, s);
	return found;
}

void __real_queue_grant(struct queue *queue, struct mono now,
			bool (*find)(void *arg, const struct balance_query *query,
				     struct queue_news *ret),
			void *arg);
void __wrap_queue_grant(struct queue *queue, struct mono now,
			bool (*find)(void *arg, const struct balance_query *query,
				     struct queue_news *ret),
			void *arg);

/* The linker sends calls of lease.c here. */
void
__wrap_queue_grant(struct queue *queue, struct mono now,
		   bool (*find)(void *arg, const struct balance_query *query,
				struct queue_news *ret),
		   void *arg)
{
	struct offer offer = {.find = find, .arg = arg};
	unsigned i;

	if (watched == NULL) {
		__real_queue_grant(queue, now, find, arg);
		return;
	}
	watched->queue.offers++;
	watched->queue.is_for_spares = false;
	watched->queue.has_no_spare = false;
	watched->queue.now = now;
	for (i = 0; i < TG_PRIORITY_COUNT; i++) {
		struct sim_queue *q = &watched->queue;

		q->is_overloaded[i] = is_overloaded(&q->classes[i], now);
		q->are_spares_overloaded[i] = is_overloaded(&q->spares[i], now);
	}
	__real_queue_grant(queue, now, watch_find, &offer);
}

void
sim_news_came(struct sim_stream *s, bool has_place)
{
	bool is_late = s->news.is_granted && sim_now(worker_of(s)).us >= s->due.us;

	if (is_late)
		s->sim->backends[s->news.backend].in_flight--;
	if (!s->news.is_on_way || (s->news.is_granted && !is_late) != has_place)
		sim_break(s->sim, s->id, SIM_NONE, "told what is not so");
	else if (has_place &&
		 (s->lease.backend != sim_service(worker_of(s))->backends[s->news.backend] ||
		  !addr_equal(&s->lease.addr, &s->news.addr)))
		sim_break(s->sim, s->id, s->news.backend, "told of another place");
	s->news.is_on_way = false;
}

static void
check_heard(struct sim *sim, const struct sim_worker *w)
{
	uint32_t i;

	for (i = 0; i < SIM_STREAMS; i++) {
		const struct sim_stream *s = &sim->streams[i];

		if (s->worker == w->worker.id && s->news.is_on_way && s->news.turn < w->turns)
			sim_break(sim, s->id, SIM_NONE, "news was lost");
	}
}

void
sim_turn(struct sim *sim, struct sim_worker *w)
{
	uint32_t i;

	for (i = 0; i < sim->n_backends; i++)
		sim->backends[i].in_flight -= w->ghosts[i];
	memset(w->ghosts, 0, sizeof(w->ghosts));
	w->turns++;
	sim->acting = w;
	fake_turn(w->worker.loop);
	check_heard(sim, w);
}

/* leases */

/* What lease_begin() must say, whatever the algorithm; 1: that is for the algorithm. */
static int
expect_begin(const struct sim_stream *s, const struct view *view)
{
	const struct sim_queue *q = &s->sim->queue;

	if (!has_untried(s, view))
		return has_spare(s, view) ? 1 : -TG_ENOENT;
	if (is_at_its_end(s) && find_spare(s, view, true) != SIM_NONE)
		return 1;
	return q->n > q->n_spare ? -TG_EAGAIN : 1;
}

static bool
may_have_preferred(const struct sim_stream *s, const struct view *view)
{
	uint32_t entry = TG_VIEW_NONE;

	if (s->preferred != TG_LEASE_ANY && !sim_is_tried(s, s->preferred))
		entry = view->entry_of[s->preferred];
	return entry != TG_VIEW_NONE && sim_has_room(view, entry);
}

static void
check_choice(struct sim_stream *s, struct sim_worker *w, bool may_have_preferred)
{
	const struct view *view = sim_service(w)->view;
	uint32_t backend = s->lease.backend->index;
	bool is_sticky = s->lease.choice == TG_CHOICE_STICKY;

	check_place(s, w, backend, &s->lease.addr);
	if (s->sim->is_broken)
		return;
	if (sim_is_tried(s, backend))
		sim_break(s->sim, s->id, backend, "tried twice");
	if (may_have_preferred != is_sticky || (is_sticky && backend != s->preferred))
		sim_break(s->sim, s->id, backend, "preferred is %u, choice %u", s->preferred,
			  (unsigned)s->lease.choice);
	s->sim->n_sticky += is_sticky;
	if ((view->entry_of[backend] == TG_VIEW_NONE) != (s->lease.choice == TG_CHOICE_BACKUP))
		sim_break(s->sim, s->id, backend, "choice %u", (unsigned)s->lease.choice);
	else if (view->entry_of[backend] == TG_VIEW_NONE)
		check_spare(s, view, view->spare_of[backend]);
	else if (is_at_its_end(s) && !is_sticky && find_spare(s, view, false) != SIM_NONE)
		sim_break(s->sim, s->id, backend, "is the last try, and no backup");
	else if (!is_sticky)
		sim_pick_check(s->sim, s, view, view->entry_of[backend]);
}

static void
check_begin(struct sim_stream *s, struct sim_worker *w, int rc, int expected, bool has_preferred)
{
	struct sim *sim = s->sim;

	if ((expected < 1 && rc != expected) || (rc == 0) != (s->lease.backend != NULL)) {
		sim_break(sim, s->id, SIM_NONE, "begins with %d instead of %d", rc, expected);
	} else if (rc == 0) {
		sim->backends[s->lease.backend->index].in_flight++;
		check_choice(s, w, has_preferred);
	} else if (expected == 1) {
		uint32_t backend = find_untried(sim, s, sim_service(w)->view);

		if (rc != -TG_EAGAIN || has_preferred || backend != SIM_NONE)
			sim_break(sim, s->id, backend, "%d, but there is room", rc);
	}
}

int
sim_lease_begin(struct sim_stream *s)
{
	struct sim_worker *w = worker_of(s);
	const struct view *view = sim_service(w)->view;
	int expected = expect_begin(s, view);
	bool has_preferred = expected == 1 && may_have_preferred(s, view);
	uint32_t preferred =
		s->preferred != TG_LEASE_ANY ? s->preferred + SIM_BACKEND_SLOT : TG_LEASE_ANY;
	int rc = lease_begin(&s->lease, sim_service(w), &s->tries.query, preferred);

	if (rc != 0 || s->lease.choice == TG_CHOICE_BACKUP)
		sim_pick_other(s->sim, s, view);
	check_begin(s, w, rc, expected, has_preferred);
	return rc;
}

int
sim_lease_wait(struct sim_stream *s, void (*on_place)(struct lease *lease, bool has_place))
{
	struct worker_service *service = sim_service(worker_of(s));
	int expected = stand_in_line(s, sim_now(worker_of(s)));
	int rc;

	sim_note(s->sim, "waits", s->id, SIM_NONE, expected);
	rc = lease_wait(&s->lease, service, &s->tries.query, s->priority, on_place);
	if (rc != expected)
		sim_break(s->sim, s->id, SIM_NONE, "waits with %d instead of %d", rc, expected);
	s->sim->n_refused += rc != 0;
	return rc;
}

static void
give_back(struct sim_stream *s, const struct balance_outcome *outcome)
{
	struct sim_backend *b = &s->sim->backends[s->lease.backend->index];
	unsigned connects = s->sim->service->outlier.connects;
	bool was_long = connects != 0 && b->unreached >= connects;

	b->in_flight--;
	if (outcome->answered)
		b->suspected = (struct mono){0};
	else if (outcome->unreached)
		b->suspected = outcome->now;
	sim_pick_learn(s->sim, s->lease.backend->index, outcome);
	if (outcome->failed) {
		b->failures++;
		b->unreached = outcome->unreached ? b->unreached + 1 : 0;
		b->is_due |= b->unreached == connects && b->unreached > 0;
	} else if (outcome->answered) {
		b->failures = b->unreached = 0;
	}
	b->is_due |= was_long && b->unreached == 0;
}

void
sim_lease_end(struct sim_stream *s, const struct balance_outcome *outcome)
{
	struct sim_worker *w = worker_of(s);

	if (s->is_in_line)
		leave_line(s);
	if (s->news.is_on_way && s->news.is_granted)
		w->ghosts[s->news.backend]++;
	s->news.is_on_way = false;
	if (s->lease.backend != NULL)
		give_back(s, outcome);
	lease_end(&s->lease, outcome);
}

/* the budget of retries */

static uint64_t
second_of(struct sim_worker *w)
{
	return sim_now(w).us / 1000000;
}

static unsigned
slot_of(struct sim_budget *b, uint64_t second)
{
	unsigned i = second % SIM_SECONDS;

	if (b->second[i] != second) {
		b->second[i] = second;
		b->requests[i] = 0;
		b->retries[i] = 0;
	}
	return i;
}

void
sim_deposit(struct sim_worker *w)
{
	w->budget.requests[slot_of(&w->budget, second_of(w))]++;
}

static uint64_t
sum(const struct sim_budget *b, const uint64_t numbers[SIM_SECONDS], uint64_t second)
{
	uint64_t all = 0;
	unsigned i;

	for (i = 0; i < SIM_SECONDS; i++)
		all += b->second[i] + 10 > second ? numbers[i] : 0;
	return all;
}

/* Whose it is: a share of the worker's requests of ten seconds; beyond that, ten a second of all
 * workers. NULL: nobody's. */
static struct sim_budget *
find_budget(struct sim *sim, struct sim_budget *own, uint64_t second)
{
	uint64_t permille = sim->service->retry.budget_permille;

	if ((sum(own, own->retries, second) + 1) * 1000 <=
	    sum(own, own->requests, second) * permille)
		return own;
	return sum(&sim->floor, sim->floor.retries, second) < 100 ? &sim->floor : NULL;
}

static bool
is_cause(const struct conf_retry *conf, unsigned cause)
{
	size_t i;

	for (i = 0; i < conf->n_on; i++) {
		if (conf->on[i] == cause)
			return true;
	}
	return false;
}

static bool
is_wanted(const struct sim_stream *s, unsigned cause)
{
	const struct conf_retry *conf = &s->sim->service->retry;

	return s->attempts - s->n_free <= conf->attempts && s->attempts <= TG_RETRY_MAX &&
	       is_cause(conf, cause);
}

static void
check_try(struct sim_stream *s, bool is_allowed, bool expected)
{
	if (is_allowed != expected)
		sim_break(s->sim, s->id, s->lease.backend->index, "try %u is %s", s->attempts,
			  is_allowed ? "allowed" : "not allowed");
	s->sim->n_retries += is_allowed;
}

bool
sim_tries_again(struct sim_stream *s, unsigned cause)
{
	struct sim_worker *w = worker_of(s);
	uint64_t second = second_of(w);
	struct sim_budget *budget = find_budget(s->sim, &w->budget, second);
	bool wanted = is_wanted(s, cause);
	bool is_allowed = tries_again(&s->tries, sim_service(w), cause);

	check_try(s, is_allowed, wanted && budget != NULL);
	if (is_allowed && budget != NULL)
		budget->retries[slot_of(budget, second)]++;
	s->sim->n_denied += wanted && !is_allowed;
	return is_allowed;
}

/* In this worker's view; by books of what the stream tried. */
static bool
has_other(const struct sim_stream *s, enum end_reason reason)
{
	const struct view *view = sim_service(worker_of(s))->view;
	uint32_t i;

	for (i = 0; i < view->tier_end[TG_TIER_MAX] && !s->starts_over; i++) {
		uint32_t backend = view->entries[i].backend;

		if (backend != s->lease.backend->index && !sim_is_tried(s, backend) &&
		    (reason == TG_END_CONNECT_FAILED || !sim_is_suspect(s->sim, backend)))
			return true;
	}
	return false;
}

bool
sim_tries_connect_again(struct sim_stream *s, enum end_reason reason)
{
	const struct conf_retry *conf = &s->sim->service->retry;
	bool is_free = conf->attempts > 0 && s->attempts <= TG_RETRY_MAX &&
		       is_cause(conf, TG_CAUSE_CONNECT) && has_other(s, reason);
	bool expected = is_free || is_wanted(s, TG_CAUSE_CONNECT);
	bool is_allowed =
		tries_connect_again(&s->tries, sim_service(worker_of(s)), s->lease.backend, reason);

	check_try(s, is_allowed, expected);
	s->n_free += is_free;
	return is_allowed;
}

/* after each step */

static void
count_places(const struct sim *sim, int64_t places[SIM_BACKENDS])
{
	uint32_t i;
	uint32_t b;

	for (i = 0; i < SIM_STREAMS; i++) {
		const struct sim_stream *s = &sim->streams[i];

		if (s->lease.backend != NULL)
			places[s->lease.backend->index]++;
		else if (s->news.is_on_way && s->news.is_granted)
			places[s->news.backend]++;
	}
	for (i = 0; i < sim->n_workers; i++) {
		for (b = 0; b < sim->n_backends; b++)
			places[b] += sim->workers[i].ghosts[b];
	}
}

static void
check_places(struct sim *sim)
{
	int64_t places[SIM_BACKENDS] = {0};
	uint32_t i;

	count_places(sim, places);
	for (i = 0; i < sim->n_backends; i++) {
		const struct sim_backend *b = &sim->backends[i];
		int64_t n = atomic_load(&b->load->in_flight);

		if (n != b->in_flight || n != places[i])
			sim_break(sim, SIM_NONE, i, "%lld in flight, %lld by the books, %lld held",
				  (long long)n, (long long)b->in_flight, (long long)places[i]);
	}
}

/* Who took the newest view over has served those who wait; before that, nobody need have. */
static bool
is_newest_known(const struct sim *sim)
{
	unsigned i;

	for (i = 0; i < sim->n_workers; i++) {
		if (sim_service(&sim->workers[i])->view == sim->newest)
			return true;
	}
	return false;
}

/* A worker whose view has one that was not tried waits for that, until it takes a newer view. */
static bool
has_untried_by_some(const struct sim *sim, const struct sim_stream *s)
{
	unsigned i;

	for (i = 0; i < sim->n_workers; i++) {
		if (has_untried(s, sim_service(&sim->workers[i])->view))
			return true;
	}
	return false;
}

static bool
has_spare_by_some(const struct sim *sim, const struct sim_stream *s)
{
	unsigned i;

	for (i = 0; i < sim->n_workers; i++) {
		if (has_spare(s, sim_service(&sim->workers[i])->view))
			return true;
	}
	return false;
}

static bool
is_free_spare(const struct sim *sim, uint32_t backend)
{
	unsigned i;

	for (i = 0; i < sim->n_workers; i++) {
		const struct view *view = sim_service(&sim->workers[i])->view;
		uint32_t entry = view->spare_of[backend];

		if (entry == TG_VIEW_NONE || !sim_has_room(view, entry))
			return false;
	}
	return true;
}

/* What it should have by now; SIM_NONE: it waits with reason. */
static uint32_t
find_missed(const struct sim *sim, const struct sim_stream *s)
{
	const struct view *view = sim->newest;
	uint32_t i;

	if (has_untried_by_some(sim, s) || !has_spare_by_some(sim, s))
		return find_free(sim, has_untried_by_some(sim, s) ? s : NULL, view);
	for (i = view->n; i < view->tier_end[TG_TIER_MAX] && s->awaits_spare; i++) {
		uint32_t backend = view->entries[i].backend;

		if (!sim_is_tried(s, backend) && is_free_spare(sim, backend))
			return backend;
	}
	return SIM_NONE;
}

static void
check_line(struct sim *sim, const struct sim_line *line)
{
	const struct sim_stream *s;

	TAILQ_FOREACH (s, line, link) {
		uint32_t backend = find_missed(sim, s);

		if (backend != SIM_NONE && sim->us < s->due.us)
			sim_break(sim, s->id, backend, "waits beside a free backend");
	}
}

static void
check_queue(struct sim *sim)
{
	unsigned i;
	int64_t n = atomic_load(&sim->gauges->queued);

	if (n != (int64_t)sim->queue.n || n > (int64_t)sim->service->queue)
		sim_break(sim, SIM_NONE, SIM_NONE, "%lld wait, %u by the books, %u may",
			  (long long)n, sim->queue.n, sim->service->queue);
	if (n == 0 || !is_newest_known(sim))
		return;
	for (i = 0; i < TG_PRIORITY_COUNT; i++) {
		check_line(sim, &sim->queue.classes[i]);
		check_line(sim, &sim->queue.spares[i]);
	}
}

void
sim_books_check(struct sim *sim)
{
	check_places(sim);
	check_queue(sim);
}

void
sim_books_open(struct sim *sim)
{
	unsigned i;

	watched = sim;
	for (i = 0; sim != NULL && i < TG_PRIORITY_COUNT; i++) {
		TAILQ_INIT(&sim->queue.classes[i]);
		TAILQ_INIT(&sim->queue.spares[i]);
	}
}
