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
};

struct names {
	struct loop *loop;
	struct health *health;
	const struct admin_source *source;
	struct resolver *resolver;
	struct address_fact facts[TG_CONF_SLOTS_MAX]; /* of one set, for one call */
	size_t n;
	struct name_set list[];
};

static struct addr
make_addr(const struct ip *ip, uint16_t port)
{
	struct addr a = {.len = 0};

	if (ip_is_v4(ip)) {
		a.len = sizeof(a.u.in);
		a.u.in.sin_family = AF_INET;
		a.u.in.sin_port = htons(port);
		memcpy(&a.u.in.sin_addr, ip->b + 12, 4);
	} else {
		a.len = sizeof(a.u.in6);
		a.u.in6.sin6_family = AF_INET6;
		a.u.in6.sin6_port = htons(port);
		memcpy(&a.u.in6.sin6_addr, ip->b, 16);
	}
	return a;
}

static struct addr
slot_addr(const struct name_set *s, unsigned slot)
{
	const struct address *a = &s->set.slots[slot].address;

	return make_addr(&a->ip, a->port != 0 ? a->port : s->first->endpoint.port);
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
		facts[i].is_up = h->has_addr && h->next.len == 0 &&
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

static void
on_failed(struct name_set *s, const struct resolver_news *news)
{
	char kept[64];
	char why[160];

	log_write(TG_LOG_WARN, "name does not resolve, trying again",
		  "svc=%s srv=%s name=%s keeps=%s reason=%s", s->service->name,
		  s->first->entry_name, s->first->endpoint.host,
		  format_kept(s, news->n, kept, sizeof(kept)), news->why);
	if (news->n == 0) {
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

static int
start_resolver(struct names *names, struct loop *loop, const struct conf *conf, struct err *err)
{
	char *servers;
	int rc = format_servers(conf, &servers);

	if (rc < 0)
		return err_set(err, TG_ENOMEM, "no memory");
	rc = resolver_new(loop, servers, &names->resolver, err);
	free(servers);
	return rc;
}

static int
watch_set(struct names *names, const struct conf_service *service, const struct conf_backend *first)
{
	struct name_set *s = &names->list[names->n++];

	s->names = names;
	s->service = service;
	s->first = first;
	timer_init(&s->timer, on_timer);
	if (address_set_init(&s->set, first->slots) < 0)
		return -TG_ENOMEM;
	if (first->endpoint.kind == TG_ENDPOINT_SRV)
		return resolver_watch_start_srv(names->resolver, &s->watch, first->endpoint.host,
						first->slots, on_news);
	return resolver_watch_start(names->resolver, &s->watch, first->endpoint.host, on_news);
}

/* The first of the slots of an entry that has a name. */
static bool
is_set(const struct conf_backend *backend)
{
	return conf_backend_has_name(backend) && backend->slot == 0;
}

static int
watch_names(struct names *names, const struct conf *conf)
{
	int rc = 0;

	for (size_t i = 0; i < conf->n_services; i++) {
		const struct conf_service *service = &conf->services[i];

		for (size_t j = 0; j < service->n_backends && rc == 0; j++) {
			if (is_set(&service->backends[j]))
				rc = watch_set(names, service, &service->backends[j]);
		}
	}
	return rc;
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

int
names_start(struct loop *loop, const struct conf *conf, struct health *health,
	    const struct admin_source *source, struct names **ret, struct err *err)
{
	size_t n = count_sets(conf);
	struct names *names;
	int rc;

	*ret = NULL;
	if (n == 0)
		return 0;
	names = calloc(1, sizeof(*names) + n * sizeof(names->list[0]));
	if (names == NULL)
		return err_set(err, TG_ENOMEM, "no memory");
	names->loop = loop;
	names->health = health;
	names->source = source;
	rc = start_resolver(names, loop, conf, err);
	if (rc == 0 && watch_names(names, conf) < 0)
		rc = err_set(err, TG_ENOMEM, "no memory");
	if (rc < 0) {
		names_free(names);
		return rc;
	}
	*ret = names;
	return 0;
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
	if (!h->has_addr || h->next.len != 0 || h->verdict.state != TG_HEALTH_UP)
		return;
	for (size_t i = 0; i < names->n; i++) {
		const struct name_set *s = &names->list[i];

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
	for (size_t i = 0; i < names->n; i++) {
		timer_fini(&names->list[i].timer);
		address_set_fini(&names->list[i].set);
	}
	free(names);
}
