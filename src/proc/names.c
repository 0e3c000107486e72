#include "proc/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "net/address_set.h"
#include "net/resolver.h"

#define STEP_MS 50u /* while slots are left, or are not told of yet */

/* One entry of the configuration, with its slots. */
struct name_set {
	struct resolver_watch watch;
	struct names *names;
	const struct conf_service *service;
	const struct conf_backend *first; /* of its slots */
	struct address_set set;
	struct timer timer;
	bool has_told_vacant; /* slots that never had an address are down */
	bool is_failing;
	char why[TG_CHECK_TEXT_SIZE]; /* it is */
	unsigned n_refused;           /* as logged */
	unsigned n_beyond;
	bool is_silent;               /* of a configuration that is not in effect yet */
	bool is_taken;                /* into the next configuration, as it is */
	struct name_set *before;      /* silent: whose addresses it goes on with, or NULL */
};

/* In the order of one configuration. */
struct set_table {
	struct name_set **list;
	size_t n;
};

struct names_next {
	const struct conf_same *same;
	struct set_table table;
	struct resolver *resolver; /* NULL: that of `names` goes on */
};

struct names {
	struct loop *loop;
	struct health *health;
	const struct admin_source *source;
	const struct conf *conf;
	struct resolver *resolver;                    /* NULL: no backend has a name */
	struct address_fact facts[TG_CONF_SLOTS_MAX]; /* of one set, for one call */
	struct set_table table;
};

static struct addr
slot_addr(const struct name_set *s, unsigned slot)
{
	const struct address *a = &s->set.slots[slot].address;

	return ip_addr(&a->ip, a->port != 0 ? a->port : s->first->endpoint.port);
}

/* What is observed of its slots */

static const struct health_status *
slot_health(const struct name_set *s, unsigned slot)
{
	return health_status(s->names->health, s->service->index, s->first->index + slot);
}

static uint64_t
slot_in_flight(const struct name_set *s, unsigned slot)
{
	const struct admin_source *source = s->names->source;

	return source_in_flight(
		source, source_backend_slot(source, s->service->index, s->first->index + slot));
}

static const struct address_fact *
read_facts(const struct name_set *s)
{
	struct address_fact *facts = s->names->facts;

	for (unsigned i = 0; i < s->set.n_slots; i++) {
		const struct health_status *h = slot_health(s, i);

		facts[i].in_flight = slot_in_flight(s, i);
		facts[i].is_up = h->has_addr && h->next == NULL &&
				 h->verdict.state == TG_HEALTH_UP;
	}
	return facts;
}

/* Telling health */

/* It comes, or its record is another one. */
static void
slot_come(const struct name_set *s, unsigned slot)
{
	const struct address_slot *held = &s->set.slots[slot];
	const struct backend_record record = {
		.weight = held->address.weight,
		.is_backup = held->is_backup,
	};
	struct addr addr = slot_addr(s, slot);
	char text[TG_ADDR_STRLEN];

	log_write(TG_LOG_INFO, "name resolved", "svc=%s srv=%s name=%s addr=%s weight=%u backup=%d",
		  s->service->name, s->first[slot].name, s->first->endpoint.host,
		  addr_format(&addr, text, sizeof(text)),
		  record.weight != 0 ? record.weight : s->first->weight,
		  held->is_backup || s->first->backup);
	health_set_place(s->names->health, s->service->index, s->first->index + slot, &addr,
			 &record);
}

static void
slot_leave(const struct name_set *s, unsigned slot)
{
	struct addr addr = slot_addr(s, slot);
	char text[TG_ADDR_STRLEN];

	log_write(TG_LOG_INFO, "address left its name",
		  "svc=%s srv=%s name=%s addr=%s in_flight=%llu", s->service->name,
		  s->first[slot].name, s->first->endpoint.host,
		  addr_format(&addr, text, sizeof(text)),
		  (unsigned long long)slot_in_flight(s, slot));
	health_set_no_addr(s->names->health, s->service->index, s->first->index + slot,
			   "no address: the last one left the name");
}

static void
tell_changes(struct name_set *s)
{
	for (unsigned i = 0; i < s->set.n_slots; i++) {
		struct address_slot *slot = &s->set.slots[i];

		if (!slot->changed)
			continue;
		slot->changed = false;
		if (slot->state == TG_ADDRESS_HELD)
			slot_come(s, i);
		else
			slot_leave(s, i);
	}
}

static void
tell_vacant(struct name_set *s, const char *why)
{
	s->has_told_vacant = true;
	for (unsigned i = 0; i < s->set.n_slots; i++) {
		if (s->set.slots[i].state == TG_ADDRESS_FREE)
			health_set_no_addr(s->names->health, s->service->index, s->first->index + i,
					   why);
	}
}

static bool
is_checking(const struct name_set *s)
{
	for (unsigned i = 0; i < s->set.n_slots; i++) {
		if (s->set.slots[i].state == TG_ADDRESS_HELD &&
		    slot_health(s, i)->verdict.state == TG_HEALTH_CHECKING)
			return true;
	}
	return false;
}

/* In statistics, at each slot: the worst that can be said of the name. */
static void
tell_note(const struct name_set *s)
{
	char note[TG_CHECK_TEXT_SIZE] = "";

	if (s->is_failing)
		snprintf(note, sizeof(note), "name fails, addresses stay: %.60s", s->why);
	else if (s->n_beyond > 0)
		snprintf(note, sizeof(note), "name has %u addresses more than slots", s->n_beyond);
	else if (s->n_refused > 0)
		snprintf(note, sizeof(note), "name has %u addresses of no use", s->n_refused);
	for (unsigned i = 0; i < s->set.n_slots; i++)
		health_set_note(s->names->health, s->service->index, s->first->index + i, note);
}

/*
 * After a start slots without an address are told of last: the proxy may know a
 * keeper before this one, and other slots in which the same addresses are up.
 */
static void
go_on(struct name_set *s)
{
	struct loop *loop = s->names->loop;

	tell_changes(s);
	if (!s->has_told_vacant && !is_checking(s))
		tell_vacant(s, "no address: the name has no more");
	if (s->set.n_leaving > 0 || !s->has_told_vacant)
		timer_set(loop, &s->timer, mono_add_ms(loop_now(loop), STEP_MS));
}

static void
on_timer(struct timer *t)
{
	struct name_set *s = TG_CONTAINER(t, struct name_set, timer);

	address_set_step(&s->set, read_facts(s), loop_now(s->names->loop));
	go_on(s);
}

/* News */

/* Each once, when it begins, and in statistics as long as it lasts. */
static void
note_left_out(struct name_set *s, unsigned n_left_out, unsigned n_refused)
{
	unsigned n_beyond = s->set.n_slots > 1 ? s->set.n_beyond + n_left_out : 0;

	if (n_beyond > 0 && s->n_beyond == 0)
		log_write(TG_LOG_WARN, "name has more addresses than slots, leaving some out",
			  "svc=%s srv=%s name=%s slots=%u left_out=%u", s->service->name,
			  s->first->entry_name, s->first->endpoint.host, s->set.n_slots, n_beyond);
	if (n_refused > 0 && s->n_refused == 0)
		log_write(TG_LOG_WARN, "name has addresses of no use, ignoring them",
			  "svc=%s srv=%s name=%s refused=%u", s->service->name,
			  s->first->entry_name, s->first->endpoint.host, n_refused);
	s->n_beyond = n_beyond;
	s->n_refused = n_refused;
}

static void
on_found(struct name_set *s, const struct resolver_news *news)
{
	if (address_set_update(&s->set, news->list, news->n, read_facts(s),
			       loop_now(s->names->loop)) < 0) {
		log_write(TG_LOG_ERROR, "no memory for other addresses", "svc=%s srv=%s",
			  s->service->name, s->first->entry_name);
		return;
	}
	note_left_out(s, news->n_left_out, news->n_refused);
	tell_note(s);
	go_on(s);
}

/* The address that stays, or of several how many. */
static const char *
format_kept(const struct name_set *s, size_t n, char *buf, size_t size)
{
	if (n == 0)
		return "-";
	if (s->set.n_slots == 1)
		ip_format(&s->set.slots[0].address.ip, buf, size);
	else
		snprintf(buf, size, "%zu", n);
	return buf;
}

static unsigned
count_held(const struct name_set *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->set.n_slots; i++)
		n += s->set.slots[i].state == TG_ADDRESS_HELD;
	return n;
}

/* Of a configuration before, when its name has none yet. */
static bool
has_addr(const struct name_set *s)
{
	for (unsigned i = 0; i < s->set.n_slots; i++) {
		if (slot_health(s, i)->has_addr)
			return true;
	}
	return false;
}

static void
on_failed(struct name_set *s, const struct resolver_news *news)
{
	unsigned n_held = count_held(s);
	char kept[64];
	char why[160];

	log_write(TG_LOG_WARN, "name does not resolve, trying again",
		  "svc=%s srv=%s name=%s keeps=%s reason=%s", s->service->name,
		  s->first->entry_name, s->first->endpoint.host,
		  format_kept(s, n_held, kept, sizeof(kept)), news->why);
	if (n_held == 0 && !has_addr(s)) {
		snprintf(why, sizeof(why), "name does not resolve: %s", news->why);
		tell_vacant(s, why);
		s->has_told_vacant = false; /* for that reason */
		return;
	}
	s->is_failing = true;
	snprintf(s->why, sizeof(s->why), "%s", news->why);
	tell_note(s);
}

static void
on_recovered(struct name_set *s)
{
	log_write(TG_LOG_INFO, "name resolves again", "svc=%s srv=%s name=%s", s->service->name,
		  s->first->entry_name, s->first->endpoint.host);
	s->is_failing = false;
	tell_note(s);
}

static void
on_news(struct resolver_watch *w, const struct resolver_news *news)
{
	struct name_set *s = TG_CONTAINER(w, struct name_set, watch);

	if (s->is_silent)
		return;
	switch (news->event) {
	case RESOLVER_FOUND:
		on_found(s, news);
		break;
	case RESOLVER_FAILED:
		on_failed(s, news);
		break;
	case RESOLVER_RECOVERED:
		on_recovered(s);
		break;
	case RESOLVER_EVENT_COUNT:
		break;
	}
}

/* Start */

/* The configured name servers as c-ares wants them; NULL in *ret: the system's. */
static int
format_servers(const struct conf *conf, char **ret)
{
	char one[TG_ADDR_STRLEN];
	size_t size = conf->resolver.n_servers * (sizeof(one) + 1) + 1;
	size_t at = 0;
	char *text;

	*ret = NULL;
	if (conf->resolver.n_servers == 0)
		return 0;
	text = malloc(size);
	if (text == NULL)
		return -TG_ENOMEM;
	for (size_t i = 0; i < conf->resolver.n_servers; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s", i > 0 ? "," : "",
				       addr_format(&conf->resolver.servers[i], one, sizeof(one)));
	*ret = text;
	return 0;
}

int
names_start_resolver(struct loop *loop, const struct conf *conf, struct resolver **ret,
		     struct err *err)
{
	char *servers;
	int rc = format_servers(conf, &servers);

	if (rc < 0)
		return err_no_memory(err);
	rc = resolver_new(loop, servers, ret, err);
	free(servers);
	return rc;
}

static int
watch_set(struct name_set *s, struct resolver *resolver)
{
	const struct conf_endpoint *e = &s->first->endpoint;

	if (e->kind == TG_ENDPOINT_SRV)
		return resolver_watch_start_srv(resolver, &s->watch, e->host, s->first->slots,
						on_news);
	return resolver_watch_start(resolver, &s->watch, e->host, on_news);
}

/* NULL: no memory. */
static struct name_set *
set_new(struct names *names, const struct conf_service *service, const struct conf_backend *first)
{
	struct name_set *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->names = names;
	s->service = service;
	s->first = first;
	timer_init(&s->timer, on_timer);
	if (address_set_init(&s->set, first->slots) == 0)
		return s;
	free(s);
	return NULL;
}

/* Its watch is stopped, or its resolver gone. */
static void
set_free(struct name_set *s)
{
	if (s == NULL)
		return;
	timer_fini(&s->timer);
	address_set_fini(&s->set);
	free(s);
}

/* The first of the slots of an entry that has a name. */
static bool
is_set(const struct conf_backend *backend)
{
	return conf_backend_has_name(backend) && backend->slot == 0;
}

static size_t
count_sets(const struct conf *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->n_services; i++) {
		for (size_t j = 0; j < conf->services[i].n_backends; j++)
			n += is_set(&conf->services[i].backends[j]);
	}
	return n;
}

static int
table_init(struct set_table *t, const struct conf *conf)
{
	t->list = calloc(count_sets(conf) + 1, sizeof(t->list[0]));
	return t->list != NULL ? 0 : -TG_ENOMEM;
}

/* Calls `add` for each entry that has a name, in order, until it fails. */
static int
for_each_entry(const struct conf *conf,
	       int (*add)(void *user, const struct conf_service *service,
			  const struct conf_backend *first),
	       void *user)
{
	int rc = 0;

	for (size_t i = 0; i < conf->n_services; i++) {
		const struct conf_service *service = &conf->services[i];

		for (size_t j = 0; j < service->n_backends && rc == 0; j++) {
			if (is_set(&service->backends[j]))
				rc = add(user, service, &service->backends[j]);
		}
	}
	return rc;
}

static int
start_set(void *user, const struct conf_service *service, const struct conf_backend *first)
{
	struct names *names = user;
	struct name_set *s = set_new(names, service, first);

	if (s == NULL)
		return -TG_ENOMEM;
	names->table.list[names->table.n++] = s;
	return watch_set(s, names->resolver);
}

int
names_start(struct loop *loop, const struct conf *conf, struct health *health,
	    const struct admin_source *source, struct names **ret, struct err *err)
{
	struct names *names = calloc(1, sizeof(*names));
	int rc = 0;

	if (names == NULL)
		return err_no_memory(err);
	*ret = names;
	names->loop = loop;
	names->conf = conf;
	names->health = health;
	names->source = source;
	if (table_init(&names->table, conf) < 0)
		return err_no_memory(err);
	if (count_sets(conf) > 0)
		rc = names_start_resolver(loop, conf, &names->resolver, err);
	if (rc == 0 && for_each_entry(conf, start_set, names) < 0)
		rc = err_no_memory(err);
	return rc;
}

static bool
has_slot(const struct name_set *s, unsigned service, unsigned backend)
{
	return s->service->index == service && backend >= s->first->index &&
	       backend - s->first->index < s->set.n_slots;
}

void
names_notice(struct names *names, unsigned service, unsigned backend)
{
	const struct health_status *h;

	if (names == NULL || !health_is_moving(names->health))
		return;
	h = health_status(names->health, service, backend);
	if (!h->has_addr || h->next != NULL || h->verdict.state != TG_HEALTH_UP)
		return;
	for (size_t i = 0; i < names->table.n; i++) {
		const struct name_set *s = names->table.list[i];

		for (unsigned k = 0; has_slot(s, service, backend) && k < s->set.n_slots; k++)
			health_move(names->health, service, s->first->index + k);
	}
}

void
names_free(struct names *names)
{
	if (names == NULL)
		return;
	resolver_free(names->resolver);
	for (size_t i = 0; i < names->table.n; i++)
		set_free(names->table.list[i]);
	free(names->table.list);
	free(names);
}

/* Reload */

bool
names_has_same_servers(const struct conf *a, const struct conf *b)
{
	if (a->resolver.n_servers != b->resolver.n_servers)
		return false;
	for (size_t i = 0; i < a->resolver.n_servers; i++) {
		if (!addr_equal(&a->resolver.servers[i], &b->resolver.servers[i]))
			return false;
	}
	return true;
}

static int
compare_places(const void *key, const void *element)
{
	const struct conf_place *place = key;
	const struct name_set *s = *(struct name_set *const *)element;

	if (place->service->index != s->service->index)
		return place->service->index < s->service->index ? -1 : 1;
	if (place->backend->index != s->first->index)
		return place->backend->index < s->first->index ? -1 : 1;
	return 0;
}

/* The set that began at this place of the configuration before; NULL: none did. */
static struct name_set *
find_set(const struct names *names, const struct conf_place *before)
{
	struct name_set **found;

	if (before->service == NULL)
		return NULL;
	found = bsearch(before, names->table.list, names->table.n, sizeof(names->table.list[0]),
			compare_places);
	return found != NULL ? *found : NULL;
}

static bool
is_same_name(const struct conf_backend *a, const struct conf_backend *b)
{
	return a->endpoint.kind == b->endpoint.kind &&
	       strcmp(a->endpoint.host, b->endpoint.host) == 0;
}

/* Every backend of it is one of the set before. */
static bool
has_same_slots(const struct names_next *next, const struct name_set *before,
	       const struct conf_service *service, const struct conf_backend *first)
{
	if (first->slots != before->first->slots)
		return false;
	for (unsigned i = 0; i < first->slots; i++) {
		struct conf_place was = conf_same_backend(next->same, service, &first[i]);

		if (was.backend != &before->first[i])
			return false;
	}
	return true;
}

struct preparation {
	struct names *names;
	struct names_next *next;
};

static int
prepare_set(void *user, const struct conf_service *service, const struct conf_backend *first)
{
	const struct preparation *p = user;
	struct names_next *next = p->next;
	struct resolver *resolver = next->resolver != NULL ? next->resolver : p->names->resolver;
	struct conf_place was = conf_same_backend(next->same, service, first);
	struct name_set *before = find_set(p->names, &was);
	struct name_set *s;

	if (before != NULL && !is_same_name(before->first, first))
		before = NULL;
	if (before != NULL && next->resolver == NULL &&
	    before->first->endpoint.port == first->endpoint.port &&
	    has_same_slots(next, before, service, first)) {
		next->table.list[next->table.n++] = before;
		return 0;
	}
	s = set_new(p->names, service, first);
	if (s == NULL)
		return -TG_ENOMEM;
	s->is_silent = true;
	s->before = before;
	next->table.list[next->table.n++] = s;
	return watch_set(s, resolver);
}

int
names_prepare(struct names *names, const struct conf_same *same, struct names_next **ret,
	      struct err *err)
{
	struct names_next *next = calloc(1, sizeof(*next));
	struct preparation p = {.names = names, .next = next};
	int rc = 0;

	if (next == NULL)
		return err_no_memory(err);
	next->same = same;
	if (table_init(&next->table, same->next) < 0)
		rc = err_no_memory(err);
	else if (count_sets(same->next) > 0 &&
		 (names->resolver == NULL || !names_has_same_servers(names->conf, same->next)))
		rc = names_start_resolver(names->loop, same->next, &next->resolver, err);
	if (rc == 0 && for_each_entry(same->next, prepare_set, &p) < 0)
		rc = err_no_memory(err);
	if (rc < 0) {
		names_drop(next);
		return rc;
	}
	*ret = next;
	return 0;
}

void
names_drop(struct names_next *next)
{
	if (next == NULL)
		return;
	for (size_t i = 0; next->table.list != NULL && i < next->table.n; i++) {
		struct name_set *s = next->table.list[i];

		if (!s->is_silent)
			continue;
		resolver_watch_stop(&s->watch);
		set_free(s);
	}
	resolver_free(next->resolver);
	free(next->table.list);
	free(next);
}

/* Addresses stay where they are until its name says something else. */
static void
set_adopt(struct name_set *s)
{
	const struct name_set *before = s->before;
	bool has_other_port;

	s->before = NULL;
	if (before == NULL)
		return;
	has_other_port = before->first->endpoint.port != s->first->endpoint.port;
	address_set_adopt(&s->set, &before->set);
	s->has_told_vacant = before->has_told_vacant && before->set.n_slots >= s->set.n_slots;
	for (unsigned i = 0; has_other_port && i < s->set.n_slots; i++) {
		if (s->set.slots[i].state == TG_ADDRESS_HELD)
			s->set.slots[i].changed = true;
	}
}

static void
drop_untaken(struct set_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct name_set *s = t->list[i];

		if (s->is_taken) {
			s->is_taken = false;
			continue;
		}
		resolver_watch_stop(&s->watch);
		set_free(s);
	}
	free(t->list);
}

static int
rebind_set(void *user, const struct conf_service *service, const struct conf_backend *first)
{
	struct name_set ***at = user;
	struct name_set *s = *(*at)++;

	s->is_taken = !s->is_silent;
	if (s->is_silent)
		set_adopt(s);
	s->service = service;
	s->first = first;
	return 0;
}

void
names_commit(struct names *names, struct names_next *next)
{
	const struct conf *conf = next->same->next;
	struct set_table before = names->table;
	struct resolver *resolver = names->resolver;
	struct name_set **at = next->table.list;

	names->table = next->table;
	names->conf = conf;
	(void)for_each_entry(conf, rebind_set, &at);
	drop_untaken(&before);
	if (next->resolver != NULL || names->table.n == 0) {
		names->resolver = next->resolver;
		resolver_free(resolver);
	}
	free(next);
}

void
names_settle(struct names *names)
{
	for (size_t i = 0; i < names->table.n; i++) {
		struct name_set *s = names->table.list[i];

		if (!s->is_silent)
			continue;
		s->is_silent = false;
		resolver_watch_tell(&s->watch);
		if (count_held(s) > 0 || s->set.n_leaving > 0)
			go_on(s);
	}
}
