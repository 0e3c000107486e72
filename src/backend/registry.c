#include <stdlib.h>

#include "backend/ramp.h"
#include "backend/registry_priv.h"
#include "base/log.h"

static bool
has_limits(const struct conf_service *conf)
{
	size_t i;

	for (i = 0; i < conf->n_backends; i++) {
		if (conf_backend_limit(conf, &conf->backends[i]) != 0)
			return true;
	}
	return false;
}

/* Only a service with limits pays for them, from when it has some. They stay: workers may look. */
static int
make_limits(struct registry *r, size_t i)
{
	const struct conf_service *conf = r->conf->services + i;
	struct service_shared *shared = &r->shared[i];
	uint32_t slot = 1 + (uint32_t)(r->conf->n_listeners + i);

	if (shared->room == NULL)
		shared->room = room_new((uint32_t)conf->n_backends);
	if (shared->queue == NULL)
		shared->queue = queue_new(conf->queue, segment_shared(r->segment, slot));
	return shared->room != NULL && shared->queue != NULL ? 0 : -TG_ENOMEM;
}

static int
init_service(struct registry *r, size_t i, struct segment *segment, uint32_t *slot)
{
	struct service_state *s = &r->services[i];
	size_t b;

	s->conf = &r->conf->services[i];
	s->ops = balance_find(s->conf->balance);
	s->backends = calloc(s->conf->n_backends + 1, sizeof(s->backends[0]));
	s->loads = calloc(s->conf->n_backends + 1, sizeof(struct segment_shared *));
	if (s->backends == NULL || s->loads == NULL)
		return -TG_ENOMEM;
	s->first_slot = *slot;
	for (b = 0; b < s->conf->n_backends; b++)
		s->loads[b] = segment_shared(segment, (*slot)++);
	r->n_checking += s->conf->n_backends;
	r->shared[i].balance = s->ops->shared_new(s->conf, s->loads);
	r->shared[i].floor = calloc(1, sizeof(*r->shared[i].floor));
	if (r->shared[i].balance == NULL || r->shared[i].floor == NULL)
		return -TG_ENOMEM;
	if (eject_init(s, &r->shared[i]) != 0)
		return -TG_ENOMEM;
	return has_limits(s->conf) ? make_limits(r, i) : 0;
}

struct registry *
registry_new(const struct conf *conf, struct segment *segment)
{
	/* After the global slot, the listeners' and the services'. */
	uint32_t slot = 1 + (uint32_t)(conf->n_listeners + conf->n_services);
	struct registry *r = calloc(1, sizeof(*r));
	size_t i;

	if (r == NULL)
		return NULL;
	r->conf = conf;
	r->segment = segment;
	r->services = calloc(conf->n_services + 1, sizeof(r->services[0]));
	r->shared = calloc(conf->n_services + 1, sizeof(r->shared[0]));
	if (r->services == NULL || r->shared == NULL)
		goto fail;
	for (i = 0; i < conf->n_services; i++) {
		if (init_service(r, i, segment, &slot) != 0)
			goto fail;
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
	for (i = 0; r->services != NULL && i < r->conf->n_services; i++) {
		if (r->services[i].ops != NULL && r->shared != NULL) {
			r->services[i].ops->shared_free(r->shared[i].balance);
			queue_free(r->shared[i].queue);
			room_free(r->shared[i].room);
			eject_fini(&r->services[i], &r->shared[i]);
			free(r->shared[i].floor);
		}
		free(r->services[i].backends);
		free(r->services[i].loads);
	}
	free(r->services);
	free(r->shared);
	free(r);
}

/* A limit may be ordered where none is configured. Without memory for it it is left out. */
static const struct backend_order *
take_limit(struct registry *r, const struct msg_backend *msg, struct backend_order *ret)
{
	bool is_new = (msg->order.told & TG_ORDER_LIMIT) != 0 && msg->order.limit != 0 &&
		      msg->order.limit != TG_ORDER_AS_CONF;

	*ret = msg->order;
	if (is_new && make_limits(r, msg->service) != 0) {
		log_write(TG_LOG_ERROR, "no memory for a limit that is ordered", "svc=%s",
			  r->conf->services[msg->service].name);
		ret->told &= ~TG_ORDER_LIMIT;
	}
	return ret;
}

int
registry_observe(struct registry *r, const struct msg_backend *msg)
{
	struct backend_order order;
	struct service_state *s;
	struct serving_state *b;

	if (msg->service >= r->conf->n_services || msg->health >= TG_BACKEND_HEALTH_COUNT ||
	    msg->backend >= r->conf->services[msg->service].n_backends)
		return -TG_EPROTO;
	s = &r->services[msg->service];
	b = &s->backends[msg->backend].serving;
	s->changed |= backend_order_merge(&b->order, take_limit(r, msg, &order));
	if (msg->health == TG_HEALTH_CHECKING && b->health != TG_HEALTH_CHECKING)
		return 0; /* a new keeper, or a new address: the last verdict holds until the next */
	if (b->health == TG_HEALTH_CHECKING && msg->health != TG_HEALTH_CHECKING)
		r->n_checking--;
	b->health = (enum backend_health)msg->health;
	b->has_addr = msg->has_addr != 0;
	b->record = msg->record;
	if (b->has_addr && !addr_equal(&s->backends[msg->backend].addr, &msg->addr)) {
		eject_forget(r, msg->service, msg->backend);
		s->backends[msg->backend].addr = msg->addr;
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
add_entry(struct view *view, const struct service_state *s, size_t i, struct mono now)
{
	const struct conf_backend *conf = &s->conf->backends[i];
	const struct backend_state *b = &s->backends[i];
	uint32_t permille = ramp_permille(b->ramp, s->conf->slow_start_ms, now);

	view->entry_of[i] = view->n;
	view->entries[view->n++] = (struct view_entry){
		.backend = (uint32_t)i,
		.weight = ramp_of(serving_weight(conf, &b->serving), permille),
		.limit = ramp_of(serving_limit(s->conf, conf, &b->serving.order), permille),
		.addr = b->addr,
		.load = s->loads[i],
	};
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

		if (has && !b->is_serving && is_ordinary && r->has_settled &&
		    s->conf->slow_start_ms != 0)
			b->ramp = now;
		if (!has)
			b->ramp = (struct mono){0};
		b->is_serving = has;
	}
}

static struct view *
make_view(const struct service_state *s, const struct serving *serving,
	  const struct service_shared *shared, struct mono now)
{
	struct view *view = view_new(s->conf, serving->n);
	size_t i;

	if (view == NULL)
		return NULL;
	view->is_backup = serving->tier > 0;
	/* One without the other has no use. */
	if (shared->queue != NULL) {
		view->room = shared->room;
		view->queue = shared->queue;
	}
	for (i = 0; i < s->conf->n_backends; i++) {
		if (serving_has(serving, &s->conf->backends[i], &s->backends[i].serving))
			add_entry(view, s, i, now);
	}
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

		atomic_store_explicit(&s->loads[i]->ramp_permille, permille < 1000 ? permille : 0,
				      memory_order_relaxed);
	}
}

/* NULL: no memory. */
static struct view *
build_view(struct registry *r, size_t i, struct mono now)
{
	struct service_state *s = &r->services[i];
	struct serving_count count = count_backends(s);
	struct serving serving = serving_decide(&count, s->conf->health.fail_open_percent);
	struct view *view;

	note_serving(r, s, &serving, now);
	view = make_view(s, &serving, &r->shared[i], now);
	if (view == NULL)
		return NULL;
	if (s->ops->prepare(r->shared[i].balance, view) != 0) {
		view_unref(view);
		return NULL;
	}
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

int
registry_publish(struct registry *r, struct mono now,
		 void (*publish)(void *arg, uint32_t service, struct view *view), void *arg)
{
	int rc = 0;
	size_t i;

	for (i = 0; i < r->conf->n_services; i++) {
		struct service_state *s = &r->services[i];
		struct view *view;

		eject_step(r, i, now);
		step_ramps(s, now);
		if (!s->changed)
			continue;
		view = build_view(r, i, now);
		if (view == NULL) {
			rc = -TG_ENOMEM;
			continue;
		}
		s->changed = false;
		set_next_ramp(s, now);
		publish(arg, (uint32_t)i, view);
	}
	r->has_settled |= registry_is_settled(r);
	return rc;
}

struct mono
registry_due(const struct registry *r)
{
	struct mono due = {0};
	size_t i;

	for (i = 0; i < r->conf->n_services; i++) {
		due = registry_earlier(due, r->services[i].next_ramp);
		due = registry_earlier(due, eject_due(&r->services[i]));
	}
	return due;
}

void
registry_watch(struct registry *r, struct loop *loop, void (*alarm)(void *arg), void *arg)
{
	size_t i;

	for (i = 0; i < r->conf->n_services; i++) {
		if (r->shared[i].outlier != NULL)
			outlier_watch(r->shared[i].outlier, loop, alarm, arg);
	}
}

const struct service_shared *
registry_shared(const struct registry *r)
{
	return r->shared;
}
