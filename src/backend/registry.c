#include <stdlib.h>
#include <string.h>

#include "backend/ramp.h"
#include "backend/registry_priv.h"
#include "base/log.h"
#include "tls/trust.h"

/* making and freeing */

static void
state_free(struct service_state *s)
{
	if (s == NULL)
		return;
	eject_fini(s);
	view_unref(s->told[0]);
	view_unref(s->told[1]);
	service_shared_unref(s->shared);
	free(s->backends);
	free((uint32_t *)(uintptr_t)s->kept.was);
	free((uint32_t *)(uintptr_t)s->kept.gone);
	free(s);
}

/* `service` is one of `conf`, which gets a reference. NULL: no memory. */
static struct service_state *
state_new(const struct registry *r, struct conf *conf, const struct conf_service *service)
{
	struct service_state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->conf = service;
	s->shared = service_shared_new(conf, service, r->segment, r->held, r->trust);
	s->backends = calloc(service->n_backends + 1, sizeof(s->backends[0]));
	if (s->shared == NULL || s->backends == NULL || eject_init(s) != 0) {
		state_free(s);
		return NULL;
	}
	if (s->shared->outlier != NULL && r->loop != NULL)
		outlier_watch(s->shared->outlier, r->loop, r->alarm, r->arg);
	return s;
}

/* All of its slots are where it is. */
static void
settle_in(struct registry *r, struct service_state *s)
{
	size_t i;

	for (i = 0; i < s->conf->n_backends; i++) {
		r->places[s->conf->backends[i].segment_slot] =
			(struct place){.service = s, .backend = (uint32_t)i};
		r->n_checking += s->backends[i].serving.health == TG_HEALTH_CHECKING;
	}
}

struct registry *
registry_new(struct conf *conf, struct segment *segment)
{
	struct registry *r = calloc(1, sizeof(*r));
	size_t i;

	if (r == NULL)
		return NULL;
	r->segment = segment;
	r->services = calloc(conf->n_services + 1, sizeof(struct service_state *));
	r->places = calloc(segment_slots(segment), sizeof(r->places[0]));
	r->held = calloc(1, sizeof(*r->held));
	r->trust = calloc(1, sizeof(*r->trust));
	if (r->services == NULL || r->places == NULL || r->held == NULL || r->trust == NULL)
		goto fail;
	for (i = 0; i < conf->n_services; i++) {
		r->services[i] = state_new(r, conf, &conf->services[i]);
		if (r->services[i] == NULL)
			goto fail;
		r->n_services++;
		settle_in(r, r->services[i]);
	}
	return r;
fail:
	registry_free(r);
	return NULL;
}

void
registry_free(struct registry *r)
{
	size_t i;

	if (r == NULL)
		return;
	for (i = 0; i < r->n_services; i++)
		state_free(r->services[i]);
	free(r->services);
	free(r->places);
	free(r->held);
	if (r->trust != NULL)
		trust_cache_fini(r->trust);
	free(r->trust);
	free(r);
}

static bool
has_limit(const struct backend_order *order)
{
	return (order->told & TG_ORDER_LIMIT) != 0 && order->limit != 0 &&
	       order->limit != TG_ORDER_AS_CONF;
}

/* A limit may be ordered where none is configured. Without memory for it it is left out. */
static void
take_limit(struct service_state *s, struct backend_order *order)
{
	if (has_limit(order) && service_shared_add_limits(s->shared) != 0) {
		log_write(TG_LOG_ERROR, "no memory for a limit that is ordered", "svc=%s",
			  s->conf->name);
		order->told &= ~TG_ORDER_LIMIT;
	}
}

int
registry_observe(struct registry *r, const struct msg_backend *msg)
{
	struct backend_order order = msg->order;
	struct service_state *s;
	struct backend_state *b;

	if (msg->backend >= segment_slots(r->segment) || msg->health >= TG_BACKEND_HEALTH_COUNT)
		return -TG_EPROTO;
	s = r->places[msg->backend].service;
	if (s == NULL)
		return 0; /* it is gone, and the keeper does not know yet */
	b = &s->backends[r->places[msg->backend].backend];
	take_limit(s, &order);
	s->changed |= backend_order_merge(&b->serving.order, &order);
	if (msg->health == TG_HEALTH_CHECKING && b->serving.health != TG_HEALTH_CHECKING)
		return 0; /* a new keeper, or a new address: the last verdict holds until the next */
	if (b->serving.health == TG_HEALTH_CHECKING && msg->health != TG_HEALTH_CHECKING)
		r->n_checking--;
	if (b->serving.health == TG_HEALTH_DOWN && msg->health == TG_HEALTH_UP)
		eject_forget_history(s, r->places[msg->backend].backend);
	b->serving.health = (enum backend_health)msg->health;
	b->serving.has_addr = msg->has_addr != 0;
	b->serving.record = msg->record;
	if (b->serving.has_addr && !addr_equal(&b->addr, &msg->addr)) {
		eject_forget(s, r->places[msg->backend].backend);
		b->addr = msg->addr;
		b->is_told = false;
	}
	s->changed = true;
	return 0;
}

bool
registry_is_settled(const struct registry *r)
{
	return r->n_checking == 0;
}

static void
set_entry(struct view *view, uint32_t entry, const struct service_state *s, size_t i,
	  struct mono now)
{
	const struct conf_backend *conf = &s->conf->backends[i];
	const struct backend_state *b = &s->backends[i];
	uint32_t permille = ramp_permille(b->ramp, s->conf->slow_start_ms, now);

	view->addrs[entry] = b->addr;
	view_set_limit(view, entry,
		       ramp_of(serving_limit(s->conf, conf, &b->serving.order), permille));
	view->entries[entry] = (struct view_entry){
		.load = s->shared->loads[i],
		.backend = (uint32_t)i,
		.weight = ramp_of(serving_weight(conf, &b->serving), permille),
	};
}

static void
add_entry(struct view *view, const struct service_state *s, size_t i, struct mono now)
{
	view->entry_of[i] = view->n;
	set_entry(view, view->n++, s, i, now);
}

static struct serving_count
count_backends(const struct service_state *s)
{
	struct serving_count count = {.wanted = 0};
	size_t i;

	for (i = 0; i < s->conf->n_backends; i++)
		serving_count_add(&count, &s->conf->backends[i], &s->backends[i].serving);
	return count;
}

/* Who was away, and came for what it is itself, begins slowly. */
static void
note_serving(struct registry *r, struct service_state *s, const struct serving *serving,
	     struct mono now)
{
	bool is_ordinary = serving->tier == 0 && !serving->is_fail_open && !serving->has_ejected;
	size_t i;

	for (i = 0; i < s->conf->n_backends; i++) {
		struct backend_state *b = &s->backends[i];
		bool has = serving_has(serving, &s->conf->backends[i], &b->serving);
		bool is_spare;

		if (has && !b->is_serving && is_ordinary && r->has_settled &&
		    s->conf->slow_start_ms != 0)
			b->ramp = now;
		if (!has)
			b->ramp = (struct mono){0};
		is_spare = serving_is_spare(serving, &s->conf->backends[i], &b->serving);
		b->is_told = b->is_told && (b->is_serving || b->is_spare) == (has || is_spare);
		b->is_serving = has;
		b->is_spare = is_spare;
	}
}

static uint32_t
count_spares(const struct service_state *s)
{
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < s->conf->n_backends; i++)
		n += s->backends[i].is_spare;
	return n;
}

/* Behind the entries, tier by tier. */
static void
add_spares(struct view *view, const struct service_state *s, uint32_t n_spares, struct mono now)
{
	uint32_t end = view->n;
	unsigned tier;
	size_t i;

	for (tier = 0; tier <= TG_TIER_MAX; tier++) {
		for (i = 0; end < view->n + n_spares && i < s->conf->n_backends; i++) {
			const struct backend_state *b = &s->backends[i];

			if (!b->is_spare ||
			    serving_tier(&s->conf->backends[i], &b->serving) != tier)
				continue;
			view->spare_of[i] = end;
			set_entry(view, end++, s, i, now);
		}
		view->tier_end[tier] = end;
	}
}

static struct view *
make_view(const struct service_state *s, const struct serving *serving, struct mono now)
{
	const struct service_shared *shared = s->shared;
	uint32_t n_spares = count_spares(s);
	struct view *view = view_new(s->conf, serving->n + n_spares);
	size_t i;

	if (view == NULL)
		return NULL;
	view->is_backup = serving->tier > 0;
	/* Room has no use without a queue. */
	view->queue = shared->queue;
	if (shared->queue != NULL)
		view->room = shared->room;
	view->refused_until = s->refused_until;
	for (i = 0; i < s->conf->n_backends; i++) {
		if (serving_has(serving, &s->conf->backends[i], &s->backends[i].serving))
			add_entry(view, s, i, now);
		if (!s->backends[i].is_told)
			view->moved[view->n_moved++] = (uint32_t)i;
	}
	add_spares(view, s, n_spares, now);
	return view;
}

static void
log_threshold(const struct service_state *s, const struct serving_count *count,
	      enum log_level level, const char *what)
{
	log_write(level, what, "svc=%s up=%u ejected=%u of=%u", s->conf->name, count->up,
		  count->ejected, count->wanted);
}

/* A change is said once: what is used that was not, or else what is used no more. */
static void
note_threshold(struct service_state *s, const struct serving_count *count,
	       const struct serving *serving)
{
	bool was_open = s->served.is_fail_open;
	bool was_short = s->served.is_short;

	s->served = *serving;
	if (serving->is_fail_open && !was_open)
		log_threshold(s, count, TG_LOG_WARN, "too few backends are up, using all of them");
	else if (serving->is_short && !was_short)
		log_threshold(s, count, TG_LOG_WARN,
			      "too few backends are well, using those ejected too");
	else if (was_open && !serving->is_fail_open)
		log_threshold(s, count, TG_LOG_INFO, "no longer using all backends");
	else if (was_short && !serving->is_short && !serving->is_fail_open)
		log_threshold(s, count, TG_LOG_INFO, "no longer using ejected backends");
}

/* Nobody need look at who is not in the view. Workers open those that are, when they take it over. */
static void
close_rooms(const struct view *view)
{
	size_t i;

	for (i = 0; view->room != NULL && i < view->conf->n_backends; i++) {
		if (view->entry_of[i] == TG_VIEW_NONE)
			room_close(view->room, (uint32_t)i);
	}
}

/* For those who show it. */
static void
tell_ramps(const struct service_state *s, struct mono now)
{
	uint64_t whole_ms = s->conf->slow_start_ms;
	size_t i;

	for (i = 0; whole_ms != 0 && i < s->conf->n_backends; i++) {
		uint32_t permille = ramp_permille(s->backends[i].ramp, whole_ms, now);

		atomic_store_explicit(&service_backend_shared(s->shared, i)->ramp_permille,
				      permille < 1000 ? permille : 0, memory_order_relaxed);
	}
}

/* Whoever has all views up to this one knows. */
static void
note_told(struct service_state *s, struct view *view)
{
	uint32_t i;

	view_unref(s->told[1]);
	s->told[1] = s->told[0];
	s->told[0] = view_ref(view);
	view->number = ++s->n_views;
	for (i = 0; i < view->n_moved; i++)
		s->backends[view->moved[i]].is_told = true;
}

/* NULL: no memory. */
static struct view *
build_view(struct registry *r, struct service_state *s, struct mono now)
{
	struct serving_count count = count_backends(s);
	struct serving serving = serving_decide(&count, s->conf->health.fail_open_percent);
	struct view *view;

	note_serving(r, s, &serving, now);
	view = make_view(s, &serving, now);
	if (view == NULL)
		return NULL;
	if (s->shared->ops->prepare(s->shared->balance, view) != 0) {
		view_unref(view);
		return NULL;
	}
	note_told(s, view);
	close_rooms(view);
	tell_ramps(s, now);
	note_threshold(s, &count, &serving);
	return view;
}

/* Backends on a ramp have more by now. */
static void
step_ramps(struct service_state *s, struct mono now)
{
	uint64_t whole_ms = s->conf->slow_start_ms;
	size_t i;

	if (mono_is_set(s->next_ramp) && now.us >= s->next_ramp.us)
		s->changed = true;
	if (!s->changed)
		return;
	s->next_ramp = (struct mono){0};
	for (i = 0; whole_ms != 0 && i < s->conf->n_backends; i++) {
		struct backend_state *b = &s->backends[i];

		if (ramp_permille(b->ramp, whole_ms, now) == 1000)
			b->ramp = (struct mono){0};
	}
}

static void
set_next_ramp(struct service_state *s, struct mono now)
{
	size_t i;

	for (i = 0; s->conf->slow_start_ms != 0 && i < s->conf->n_backends; i++) {
		if (mono_is_set(s->backends[i].ramp))
			s->next_ramp = mono_add_ms(now, ramp_step_ms(s->conf->slow_start_ms));
	}
}

/* The view of a service that has changed; NULL: it has not, or there is no memory, which fails. */
static int
renew_view(struct registry *r, struct service_state *s, struct mono now, struct view **ret)
{
	*ret = NULL;
	eject_step(r, s, now);
	step_ramps(s, now);
	if (!s->changed)
		return 0;
	*ret = build_view(r, s, now);
	if (*ret == NULL)
		return -TG_ENOMEM;
	s->changed = false;
	set_next_ramp(s, now);
	return 0;
}

int
registry_publish(struct registry *r, struct mono now, void (*publish)(void *arg, struct view *view),
		 void *arg)
{
	int rc = 0;
	size_t i;

	for (i = 0; i < r->n_services; i++) {
		struct view *view;

		if (renew_view(r, r->services[i], now, &view) != 0)
			rc = -TG_ENOMEM;
		if (view != NULL)
			publish(arg, view);
	}
	r->has_settled |= registry_is_settled(r);
	return rc;
}

struct mono
registry_due(const struct registry *r)
{
	struct mono due = {0};
	size_t i;

	for (i = 0; i < r->n_services; i++) {
		due = registry_earlier(due, r->services[i]->next_ramp);
		due = registry_earlier(due, eject_due(r->services[i]));
	}
	return due;
}

void
registry_watch(struct registry *r, struct loop *loop, void (*alarm)(void *arg), void *arg)
{
	size_t i;

	r->loop = loop;
	r->alarm = alarm;
	r->arg = arg;
	alarm_watch(r->held, loop, alarm, arg);
	for (i = 0; i < r->n_services; i++) {
		struct outlier *outlier = r->services[i]->shared->outlier;

		if (outlier != NULL)
			outlier_watch(outlier, loop, alarm, arg);
	}
}

size_t
registry_n_services(const struct registry *r)
{
	return r->n_services;
}

struct service_shared *
registry_shared(const struct registry *r, size_t service)
{
	return r->services[service]->shared;
}

/* reload */

struct registry_next {
	struct service_state **services;
	size_t n_services;
	bool *owned; /* by service: nobody else has it */
};

static struct service_state *
find_service(const struct registry *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->n_services; i++) {
		if (strcmp(r->services[i]->conf->name, name) == 0)
			return r->services[i];
	}
	return NULL;
}

/* `is_kept` [n]: by index before. NULL: no memory. */
static uint32_t *
list_gone(const bool *is_kept, size_t n, size_t *ret_n)
{
	uint32_t *gone = calloc(n + 1, sizeof(gone[0]));
	size_t i;

	*ret_n = 0;
	for (i = 0; gone != NULL && i < n; i++) {
		if (!is_kept[i])
			gone[(*ret_n)++] = (uint32_t)i;
	}
	return gone;
}

/* Which of its backends its service has by now, and has then no more; `before` NULL: there is none. */
static int
note_kept(const struct registry *r, struct service_state *s, const struct service_state *before)
{
	size_t n_before = before != NULL ? before->conf->n_backends : 0;
	bool *is_kept = calloc(n_before + 1, sizeof(is_kept[0]));
	uint32_t *was = calloc(s->conf->n_backends + 1, sizeof(was[0]));
	size_t i;

	s->kept.was = was;
	for (i = 0; is_kept != NULL && was != NULL && i < s->conf->n_backends; i++) {
		const struct place *at = &r->places[s->conf->backends[i].segment_slot];
		bool is_there = before != NULL && at->service == before;

		was[i] = is_there ? at->backend : TG_VIEW_NONE;
		if (is_there)
			is_kept[at->backend] = true;
	}
	if (is_kept != NULL)
		s->kept.gone = list_gone(is_kept, n_before, &s->kept.n_gone);
	free(is_kept);
	return s->kept.was != NULL && s->kept.gone != NULL ? 0 : -TG_ENOMEM;
}

static bool
has_slots(const struct registry *r, const struct conf_service *service)
{
	uint32_t n = segment_slots(r->segment);
	size_t i;

	for (i = 0; i < service->n_backends; i++) {
		if (service->backends[i].segment_slot >= n)
			return false;
	}
	return service->segment_slot < n;
}

static bool
is_kept(const struct service_state *known, const struct conf_service *service,
	const bool *is_edited)
{
	return is_edited != NULL ? !is_edited[service->index]
				 : conf_service_equal(known->conf, service);
}

/* A service that stays as it is is the same one. */
static int
take_service(const struct registry *r, struct registry_next *next, struct conf *conf,
	     const struct conf_service *service, const bool *is_edited)
{
	struct service_state *known = find_service(r, service->name);
	struct conf *alone;

	if (known != NULL && is_kept(known, service, is_edited)) {
		next->services[next->n_services++] = known;
		return 0;
	}
	if (!has_slots(r, service))
		return -TG_EPROTO;
	alone = conf_service_share(conf, service);
	if (alone == NULL)
		return -TG_ENOMEM;
	next->services[next->n_services] = state_new(r, alone, &alone->services[0]);
	conf_unref(alone);
	if (next->services[next->n_services] == NULL)
		return -TG_ENOMEM;
	next->owned[next->n_services] = true;
	return note_kept(r, next->services[next->n_services++], known);
}

int
registry_prepare(const struct registry *r, struct conf *conf, const bool *is_edited,
		 struct registry_next **ret)
{
	struct registry_next *next = calloc(1, sizeof(*next));
	size_t n = r->n_services > conf->n_services ? r->n_services : conf->n_services;
	int rc = 0;
	size_t i;

	if (next == NULL)
		return -TG_ENOMEM;
	next->services = calloc(n + 1, sizeof(struct service_state *));
	next->owned = calloc(n + 1, sizeof(next->owned[0]));
	if (next->services == NULL || next->owned == NULL)
		rc = -TG_ENOMEM;
	for (i = 0; rc == 0 && i < conf->n_services; i++)
		rc = take_service(r, next, conf, &conf->services[i], is_edited);
	if (rc == 0)
		*ret = next;
	else
		registry_drop(next);
	return rc;
}

void
registry_drop(struct registry_next *next)
{
	size_t i;

	if (next == NULL)
		return;
	for (i = 0; i < next->n_services; i++) {
		if (next->owned[i])
			state_free(next->services[i]);
	}
	free(next->services);
	free(next->owned);
	free(next);
}

const struct backends_kept *
registry_next_kept(const struct registry_next *next, size_t service)
{
	return &next->services[service]->kept;
}

struct service_shared *
registry_next_shared(const struct registry_next *next, size_t service)
{
	return next->owned[service] ? next->services[service]->shared : NULL;
}

/* What is known of a backend is true of it whatever else of its service has changed. */
static void
inherit(const struct registry *r, struct service_state *s)
{
	const struct service_state *before = find_service(r, s->conf->name);
	size_t i;

	s->n_views = before != NULL ? before->n_views : 0;
	for (i = 0; i < s->conf->n_backends; i++) {
		const struct place *was = &r->places[s->conf->backends[i].segment_slot];

		if (was->service == NULL)
			continue;
		s->backends[i] = was->service->backends[was->backend];
		take_limit(s, &s->backends[i].serving.order);
		eject_inherit(s, i, was->service, was->backend);
		if (s->shared->ops->inherit != NULL && was->service->shared->ops == s->shared->ops)
			s->shared->ops->inherit(s->shared->balance, (uint32_t)i,
						was->service->shared->balance, was->backend);
	}
	s->changed = true;
}

/* The same of the service, of that name or none. */
static void
inherit_hold(struct service_state *s, const struct service_state *before)
{
	if (before == NULL)
		return;
	s->refused_until = before->refused_until;
	s->is_told = before->is_told;
}

static bool
has_up(const struct service_state *s)
{
	size_t i;

	for (i = 0; i < s->conf->n_backends; i++) {
		if (s->backends[i].serving.health == TG_HEALTH_UP)
			return true;
	}
	return false;
}

/*
 * Where nobody is up, backends that are new are taken for it until they have a verdict. Else a reload that
 * exchanges all of a service would cost the requests of that moment, where these are not held. Those
 * that an operator added wait for the order to serve.
 */
static void
presume(struct service_state *s)
{
	size_t i;

	if (has_up(s) || s->conf->hold.requests != 0)
		return;
	for (i = 0; i < s->conf->n_backends; i++) {
		const struct conf_backend *conf = &s->conf->backends[i];
		struct backend_state *b = &s->backends[i];

		if (s->kept.was[i] != TG_VIEW_NONE || conf_backend_has_name(conf) ||
		    conf->added.who != NULL)
			continue;
		b->serving.health = TG_HEALTH_UP;
		b->serving.has_addr = true;
		b->addr = conf->endpoint.addr;
	}
}

/* Swaps the two: those that are no more are left to `next`. */
static void
swap_services(struct registry *r, struct registry_next *next)
{
	struct service_state **before = r->services;
	size_t n_before = r->n_services;
	size_t i;
	size_t j;

	r->services = next->services;
	r->n_services = next->n_services;
	next->services = before;
	next->n_services = n_before;
	for (i = 0; i < n_before; i++) {
		for (j = 0; j < r->n_services && r->services[j] != before[i]; j++)
			continue;
		next->owned[i] = j == r->n_services;
	}
}

int
registry_commit(struct registry *r, struct registry_next *next, struct mono now,
		void (*publish)(void *arg, struct view *view), void *arg)
{
	size_t i;

	for (i = 0; i < next->n_services; i++) {
		if (!next->owned[i])
			continue;
		inherit(r, next->services[i]);
		inherit_hold(next->services[i], find_service(r, next->services[i]->conf->name));
		presume(next->services[i]);
	}
	swap_services(r, next);
	memset(r->places, 0, segment_slots(r->segment) * sizeof(r->places[0]));
	r->n_checking = 0;
	for (i = 0; i < r->n_services; i++)
		settle_in(r, r->services[i]);
	return registry_publish(r, now, publish, arg);
}
