#include "steer/steer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steer/steer_priv.h"

static struct steer_entry **
find(const struct steer *s, unsigned service, unsigned backend)
{
	assert(service < s->conf->n_services);
	assert(backend < s->conf->services[service].n_backends);
	return &s->table.entries[s->table.first[service] + backend];
}

int
steer_table_init(struct steer_table *t, const struct conf *conf)
{
	size_t n = 0;

	t->first = calloc(conf->n_services + 1, sizeof(t->first[0]));
	for (size_t i = 0; t->first != NULL && i < conf->n_services; i++) {
		t->first[i] = n;
		n += conf->services[i].n_backends;
	}
	t->n = n;
	t->entries = calloc(n + 1, sizeof(struct steer_entry *));
	return t->first != NULL && t->entries != NULL ? 0 : -TG_ENOMEM;
}

void
steer_table_fini(struct steer_table *t)
{
	for (size_t i = 0; t->entries != NULL && i < t->n; i++)
		free(t->entries[i]);
	free(t->entries);
	free(t->first);
}

struct steer *
steer_new(const struct conf *conf, steer_change_cb *change, void *user)
{
	struct steer *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->conf = conf;
	s->change = change;
	s->user = user;
	s->limits = steer_limits_new(conf);
	s->scales = steer_scales_new(conf);
	if (steer_table_init(&s->table, conf) < 0 || s->limits == NULL || s->scales == NULL) {
		steer_free(s);
		return NULL;
	}
	return s;
}

void
steer_free(struct steer *s)
{
	if (s == NULL)
		return;
	steer_table_fini(&s->table);
	steer_limits_free(s->limits);
	steer_scales_free(s->scales);
	free(s);
}

struct steer_limits *
steer_limits(const struct steer *s)
{
	return s->limits;
}

struct steer_scales *
steer_scales(const struct steer *s)
{
	return s->scales;
}

const struct conf *
steer_conf(const struct steer *s)
{
	return s->conf;
}

const struct steer_entry *
steer_get(const struct steer *s, unsigned service, unsigned backend)
{
	static const struct steer_entry nothing;
	const struct steer_entry *entry = *find(s, service, backend);

	return entry != NULL ? entry : &nothing;
}

bool
steer_find(struct steer *s, const char *service, const char *backend, struct steer_target *ret)
{
	const struct conf_service *group = conf_find_service(s->conf, service);

	for (size_t i = 0; group != NULL && i < group->n_backends; i++) {
		if (strcmp(group->backends[i].name, backend) != 0)
			continue;
		*ret = (struct steer_target){
			.steer = s, .service = group->index, .backend = (unsigned)i};
		return true;
	}
	return false;
}

/* properties */

static const struct word {
	const char *word;
	const char *allowed;
} words[TG_STEER_PROPERTY_COUNT] = {
#define STEER_WORD(id, word, allowed) [TG_STEER_##id] = {word, allowed},
	TG_STEER_PROPERTIES(STEER_WORD)
#undef STEER_WORD
};

const char *
steer_property_str(enum steer_property property)
{
	return property < TG_STEER_PROPERTY_COUNT ? words[property].word : "?";
}

bool
steer_property_find(const char *word, enum steer_property *ret)
{
	for (unsigned i = 0; i < TG_STEER_PROPERTY_COUNT; i++) {
		if (strcmp(words[i].word, word) == 0) {
			*ret = (enum steer_property)i;
			return true;
		}
	}
	return false;
}

/* Decimal, up to `max`, and then `end`. */
static bool
parse_number(const char *text, uint32_t max, const char *end, uint32_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long n = strtoul(text, NULL, 10);

	if (digits == 0 || digits > 9 || n > max || strcmp(text + digits, end) != 0)
		return false;
	*ret = (uint32_t)n;
	return true;
}

static bool
take_state(struct steer_entry *e, const char *value)
{
	for (unsigned i = 0; i < TG_BACKEND_ADMIN_COUNT; i++) {
		if (strcmp(value, steer_admin_str((enum backend_admin)i)) == 0) {
			e->order.told |= TG_ORDER_ADMIN;
			e->order.admin = i;
			return true;
		}
	}
	return false;
}

static bool
take_weight(struct steer_entry *e, const char *value)
{
	uint32_t weight = TG_ORDER_AS_CONF;
	uint32_t percent = 100;

	if (!parse_number(value, TG_ORDER_WEIGHT_PERMILLE_MAX / 10, "%", &percent) &&
	    !parse_number(value, TG_ORDER_WEIGHT_MAX, "", &weight))
		return false;
	e->order.told |= TG_ORDER_WEIGHT;
	e->order.weight = weight;
	e->order.weight_permille = percent * 10;
	return true;
}

static bool
take_limit(struct steer_entry *e, const char *value)
{
	if (!parse_number(value, TG_ORDER_LIMIT_MAX, "", &e->order.limit))
		return false;
	e->order.told |= TG_ORDER_LIMIT;
	return true;
}

static bool
take_addr(struct steer_entry *e, const char *value)
{
	struct endpoint endpoint = {.kind = TG_ENDPOINT_ADDR};

	if (strcmp(value, "configured") != 0 && endpoint_parse(value, 0, &endpoint, NULL) < 0)
		return false;
	e->addr = endpoint.addr;
	return true;
}

static bool
take_check_port(struct steer_entry *e, const char *value)
{
	uint32_t port;

	if (!parse_number(value, UINT16_MAX, "", &port))
		return false;
	e->check_port = (uint16_t)port;
	return true;
}

static bool
take_checks(struct steer_entry *e, const char *value)
{
	e->is_unchecked = strcmp(value, "off") == 0;
	return e->is_unchecked || strcmp(value, "on") == 0;
}

static bool (*const takers[TG_STEER_PROPERTY_COUNT])(struct steer_entry *e, const char *value) = {
	[TG_STEER_STATE] = take_state,           [TG_STEER_WEIGHT] = take_weight,
	[TG_STEER_LIMIT] = take_limit,           [TG_STEER_ADDR] = take_addr,
	[TG_STEER_CHECK_PORT] = take_check_port, [TG_STEER_CHECKS] = take_checks,
};

static int
check(const struct steer_target *t, enum steer_property property, struct err *err)
{
	const struct conf_service *service = &t->steer->conf->services[t->service];
	const struct conf_backend *backend = &service->backends[t->backend];

	if (property == TG_STEER_ADDR && conf_backend_has_name(backend))
		return err_set(err, TG_EEXIST, "where \"%.128s\" is, its name says", backend->name);
	return 0;
}

/* NULL: no memory. */
static struct steer_entry *
need_entry(const struct steer_target *t)
{
	struct steer_entry **at = find(t->steer, t->service, t->backend);

	if (*at == NULL)
		*at = calloc(1, sizeof(**at));
	return *at;
}

int
steer_set(const struct steer_target *t, enum steer_property property, const char *value,
	  const struct steer_note *note, struct err *err)
{
	struct steer_entry *entry = need_entry(t);
	struct steer_entry before;
	struct steer_order *order;
	int rc = check(t, property, err);

	if (rc < 0)
		return rc;
	if (entry == NULL)
		return err_no_memory(err);
	before = *entry;
	order = &entry->orders[property];
	if (strlen(value) >= sizeof(order->value) || !takers[property](entry, value)) {
		*entry = before;
		return err_set(err, TG_EINVAL, "%s \"%.64s\" is not allowed; allowed: %s",
			       words[property].word, value, words[property].allowed);
	}
	order->note = *note;
	snprintf(order->value, sizeof(order->value), "%s", value);
	steer_configured(t->steer->conf, t->service, t->backend, property, order->was,
			 sizeof(order->was));
	t->steer->change(t->steer->user, t->service, t->backend, property);
	return 0;
}

void
steer_configured(const struct conf *conf, unsigned service, unsigned backend,
		 enum steer_property property, char *buf, size_t size)
{
	const struct conf_service *group = &conf->services[service];
	const struct conf_backend *b = &group->backends[backend];

	buf[0] = '\0';
	switch (property) {
	case TG_STEER_STATE:
		snprintf(buf, size, "ready");
		break;
	case TG_STEER_WEIGHT:
		snprintf(buf, size, "%u", b->weight);
		break;
	case TG_STEER_LIMIT:
		snprintf(buf, size, "%u", conf_backend_limit(group, b));
		break;
	case TG_STEER_ADDR:
		if (b->endpoint.kind == TG_ENDPOINT_ADDR)
			addr_format(&b->endpoint.addr, buf, size);
		break;
	case TG_STEER_CHECK_PORT:
		snprintf(buf, size, "%u", group->health.port);
		break;
	case TG_STEER_CHECKS:
		snprintf(buf, size, "on");
		break;
	case TG_STEER_PROPERTY_COUNT:
		break;
	}
}

bool
steer_is_as_configured(enum steer_property property, const char *value)
{
	switch (property) {
	case TG_STEER_WEIGHT:
		return strcmp(value, "100%") == 0;
	case TG_STEER_ADDR:
		return strcmp(value, "configured") == 0;
	case TG_STEER_CHECK_PORT:
		return strcmp(value, "0") == 0;
	default:
		return false;
	}
}

bool
steer_differs(const struct steer *s, unsigned service, unsigned backend,
	      enum steer_property property)
{
	const struct steer_order *order = &steer_get(s, service, backend)->orders[property];
	char configured[TG_STEER_VALUE_SIZE];

	if (order->value[0] == '\0' || steer_is_as_configured(property, order->value))
		return false;
	steer_configured(s->conf, service, backend, property, configured, sizeof(configured));
	return strcmp(configured, order->value) != 0;
}

void
steer_forget(struct steer_entry *e, enum steer_property property)
{
	e->orders[property] = (struct steer_order){.value = ""};
	switch (property) {
	case TG_STEER_STATE:
		e->order.admin = TG_ADMIN_READY;
		break;
	case TG_STEER_WEIGHT:
		e->order.weight = TG_ORDER_AS_CONF;
		e->order.weight_permille = 1000;
		break;
	case TG_STEER_LIMIT:
		e->order.limit = TG_ORDER_AS_CONF;
		break;
	case TG_STEER_ADDR:
		e->addr = (struct addr){.len = 0};
		break;
	case TG_STEER_CHECK_PORT:
		e->check_port = 0;
		break;
	case TG_STEER_CHECKS:
		e->is_unchecked = false;
		break;
	case TG_STEER_PROPERTY_COUNT:
		break;
	}
}

/* what comes of it */

static uint32_t
multiply_permille(uint32_t a, uint32_t b)
{
	uint64_t product = (uint64_t)a * b / 1000;

	return product > TG_ORDER_WEIGHT_PERMILLE_MAX ? TG_ORDER_WEIGHT_PERMILLE_MAX
						      : (uint32_t)product;
}

struct backend_order
steer_effective(const struct steer_entry *entry, const struct backend_order *agent)
{
	static const struct backend_order nothing;
	const struct backend_order *ours = &entry->order;
	struct backend_order order = agent != NULL ? *agent : nothing;

	if ((ours->told & TG_ORDER_WEIGHT) != 0) {
		bool has_two = (order.told & TG_ORDER_WEIGHT) != 0;

		order.weight_permille =
			has_two ? multiply_permille(ours->weight_permille, order.weight_permille)
				: ours->weight_permille;
		if (!has_two || ours->weight != TG_ORDER_AS_CONF)
			order.weight = ours->weight;
	}
	if ((ours->told & TG_ORDER_LIMIT) != 0 &&
	    (ours->limit != TG_ORDER_AS_CONF || (order.told & TG_ORDER_LIMIT) == 0))
		order.limit = ours->limit;
	if ((ours->told & TG_ORDER_ADMIN) != 0 &&
	    ((order.told & TG_ORDER_ADMIN) == 0 || ours->admin > order.admin))
		order.admin = ours->admin;
	order.told |= ours->told;
	return order;
}

const char *
steer_admin_str(enum backend_admin admin)
{
	static const char *const admin_words[TG_BACKEND_ADMIN_COUNT] = {
		[TG_ADMIN_READY] = "ready",
		[TG_ADMIN_DRAIN] = "drain",
		[TG_ADMIN_MAINT] = "maint",
	};

	return admin < TG_BACKEND_ADMIN_COUNT ? admin_words[admin] : "?";
}
