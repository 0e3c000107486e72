#include "provider/docker_node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/compare.h"
#include "conf/docker_url.h"
#include "provider/provider_priv.h"

/* What this was written for; daemons speak older ones down to their oldest. */
#define MINOR_OLDEST 24u
#define MINOR_WANTED 44u

#define LINE_MAX_BYTES (64u << 10)
#define PING_MS      10000u
#define AGAIN_MS     500u
#define AGAIN_MAX_MS 15000u
#define SCAN_MS      1000u /* from up to the look for containers of nobody */

struct docker_hub {
	struct loop *loop;
	struct resolver *resolver;
	LIST_HEAD(, docker_node) nodes;
};

struct docker_node {
	LIST_ENTRY(docker_node) link;
	struct docker_hub *hub;
	LIST_HEAD(, docker_user) users;
	/* As configured: */
	char *name;
	char *docker;
	char *ca;
	char *certificate;
	char *key;
	char *address;
	struct endpoint at;
	struct resolver_watch watch; /* of a name */
	struct addr found;           /* its address; len 0: none yet */

	struct caller *caller; /* NULL: its address is not known yet */
	struct addr called;    /* where that is */
	enum docker_node_state state;
	unsigned minor;
	struct docker_info info;
	char why[TG_INSTANCE_WHY];
	struct call *asking; /* version, info or ping */
	struct call *events;
	char *line;          /* of events, begun */
	size_t line_n;
	bool line_is_long;   /* what follows belongs to one that is too long */
	struct timer timer;  /* the next try, or the next ping */
	uint64_t again_ms;
	struct timer scan;
	struct call *scanning;
	const struct docker_user *scanned; /* whose owner; NULL: none */
};

static void ask(struct docker_node *n, enum docker_verb verb,
		void (*ended)(void *user, const struct call_end *end));
static void go_down(struct docker_node *n, const char *why);

/*** What it is ***/

enum docker_node_state
docker_node_state(const struct docker_node *n)
{
	return n->state;
}

const char *
docker_node_name(const struct docker_node *n)
{
	return n->name;
}

const char *
docker_node_why(const struct docker_node *n)
{
	return n->why;
}

const struct docker_info *
docker_node_info(const struct docker_node *n)
{
	return &n->info;
}

bool
docker_node_is_here(const struct docker_node *n)
{
	return n->at.kind == TG_ENDPOINT_ADDR && n->at.addr.u.sa.sa_family == AF_UNIX;
}

bool
docker_node_address(const struct docker_node *n, struct ip *ret)
{
	const char *text = n->address != NULL	     ? n->address
			   : docker_node_is_here(n) ? "127.0.0.1"
						     : NULL;

	if (text != NULL)
		return ip_parse(text, strlen(text), ret) == 0;
	return n->found.len != 0 && addr_ip(&n->found, ret);
}

unsigned
docker_node_version(const struct docker_node *n)
{
	return n->minor;
}

/*** Requests ***/

/* Whatever its state is. */
static int
order_call(struct docker_node *n, const struct docker_order *o, struct call **ret)
{
	char path[TG_DOCKER_PATH];
	struct call_order order;

	if (!docker_verb_order(o, n->minor, path, sizeof(path), &order))
		return -TG_ELIMIT;
	return call_start(n->caller, &order, ret);
}

int
docker_node_call(struct docker_node *n, const struct docker_order *order, struct call **ret)
{
	return n->state == DOCKER_NODE_UP ? order_call(n, order, ret) : -TG_EAGAIN;
}

/*** Events ***/

static struct docker_user *
next_of(struct docker_user *u, const struct docker_event *e)
{
	for (; u != NULL; u = LIST_NEXT(u, link)) {
		if (strcmp(u->service, e->service) == 0 && strcmp(u->owner, e->owner) == 0)
			return u;
	}
	return NULL;
}

/* Two of one service are there while a reload replaces its provider. */
static void
take_event(struct docker_node *n, const char *line, size_t length)
{
	struct docker_event e;
	struct docker_user *u;
	struct docker_user *next;
	struct err err;

	if (docker_parse_event(line, length, &e, &err) < 0) {
		log_write(TG_LOG_DEBUG, "an event is left out", "node=%s reason=%s", n->name,
			  err.text);
		return;
	}
	for (u = next_of(LIST_FIRST(&n->users), &e); u != NULL; u = next) {
		next = next_of(LIST_NEXT(u, link), &e);
		u->ops->event(u, &e);
	}
}

static void
end_line(struct docker_node *n)
{
	if (!n->line_is_long && n->line_n > 0)
		take_event(n, n->line, n->line_n);
	if (n->line_is_long)
		log_write(TG_LOG_WARN, "an event is longer than can be", "node=%s", n->name);
	n->line_n = 0;
	n->line_is_long = false;
}

static void
add_to_line(struct docker_node *n, const char *bytes, size_t length)
{
	if (n->line_n + length >= LINE_MAX_BYTES) {
		n->line_is_long = true;
		return;
	}
	memcpy(n->line + n->line_n, bytes, length);
	n->line_n += length;
	n->line[n->line_n] = '\0';
}

static void
on_events(void *user, const char *bytes, size_t n)
{
	struct docker_node *node = user;

	while (n > 0 && node->events != NULL) {
		const char *end = memchr(bytes, '\n', n);
		size_t length = end != NULL ? (size_t)(end - bytes) : n;

		add_to_line(node, bytes, length);
		if (end != NULL)
			end_line(node);
		length += end != NULL;
		bytes += length;
		n -= length;
	}
}

static void
on_events_end(void *user, const struct call_end *end)
{
	struct docker_node *n = user;
	char why[TG_INSTANCE_WHY];

	n->events = NULL;
	if (end->rc == 0 && end->status == 200)
		snprintf(why, sizeof(why), "events: the daemon ended them");
	else
		docker_verb_describe(DOCKER_EVENTS, end, why, sizeof(why));
	go_down(n, why);
}

/*** Containers of nobody ***/

static bool
is_configured(const struct docker_node *n, const char *owner, const char *service)
{
	const struct docker_user *u;

	LIST_FOREACH(u, &n->users, link) {
		if (strcmp(u->owner, owner) == 0 && strcmp(u->service, service) == 0)
			return true;
	}
	return false;
}

static void
report_orphans(const struct docker_node *n, const char *owner, const struct docker_listed *list,
	       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!is_configured(n, owner, list[i].service))
			log_write(TG_LOG_WARN,
				  "a container is of a service that is not there, or has no provider",
				  "node=%s container=%.12s svc=%s srv=%s", n->name, list[i].id,
				  list[i].service, list[i].name);
	}
}

static const struct docker_user *
next_owner(const struct docker_node *n, const struct docker_user *after)
{
	const struct docker_user *u = after != NULL ? LIST_NEXT(after, link) : LIST_FIRST(&n->users);
	const struct docker_user *other;

	for (; u != NULL; u = LIST_NEXT(u, link)) {
		for (other = LIST_FIRST(&n->users); strcmp(other->owner, u->owner) != 0;)
			other = LIST_NEXT(other, link);
		if (other == u)
			return u;
	}
	return NULL;
}

static void scan_next(struct docker_node *n);

static void
on_scan(void *user, const struct call_end *end)
{
	struct docker_node *n = user;
	struct docker_listed *list;
	struct err err;
	size_t count;

	n->scanning = NULL;
	if (end->rc == 0 && end->status == 200 &&
	    docker_parse_list(end->body, end->n, &list, &count, &err) == 0) {
		report_orphans(n, n->scanned->owner, list, count);
		free(list);
	}
	n->scanned = next_owner(n, n->scanned);
	scan_next(n);
}

static void
scan_next(struct docker_node *n)
{
	struct docker_order order = {
		.verb = DOCKER_LIST, .what = "", .ended = on_scan, .user = n};

	if (n->scanned == NULL)
		return;
	order.owner = n->scanned->owner;
	if (docker_node_call(n, &order, &n->scanning) < 0)
		n->scanned = NULL;
}

static void
end_scan(struct docker_node *n)
{
	call_cancel(n->scanning);
	n->scanning = NULL;
	n->scanned = NULL;
}

static void
on_scan_due(struct timer *t)
{
	struct docker_node *n = TG_CONTAINER(t, struct docker_node, scan);

	end_scan(n);
	n->scanned = next_owner(n, NULL);
	scan_next(n);
}

/* Whoever is about to join does so first. */
static void
scan_later(struct docker_node *n)
{
	struct loop *loop = n->hub->loop;

	timer_set(loop, &n->scan, mono_add_ms(loop_now(loop), SCAN_MS));
}

/*** Up and down ***/

static void
tell_users(struct docker_node *n)
{
	struct docker_user *u;
	struct docker_user *next;

	for (u = LIST_FIRST(&n->users); u != NULL; u = next) {
		next = LIST_NEXT(u, link);
		u->ops->turned(u);
	}
}

static void
set_timer(struct docker_node *n, uint64_t ms)
{
	struct loop *loop = n->hub->loop;

	timer_set(loop, &n->timer, mono_add_ms(loop_now(loop), ms));
}

static void
try_later(struct docker_node *n)
{
	set_timer(n, n->again_ms);
	n->again_ms = n->again_ms * 2 < AGAIN_MAX_MS ? n->again_ms * 2 : AGAIN_MAX_MS;
}

static void
end_calls(struct docker_node *n)
{
	call_cancel(n->asking);
	n->asking = NULL;
	call_cancel(n->events);
	n->events = NULL;
	end_scan(n);
	timer_clear(&n->scan);
}

/* Told once, until it is up or there is another reason. */
static void
go_down(struct docker_node *n, const char *why)
{
	bool is_news = n->state != DOCKER_NODE_DOWN;

	end_calls(n);
	if (is_news || strcmp(n->why, why) != 0)
		log_write(TG_LOG_WARN, "node down", "node=%s docker=%s reason=%s", n->name,
			  n->docker, why);
	snprintf(n->why, sizeof(n->why), "%s", why);
	n->state = DOCKER_NODE_DOWN;
	try_later(n);
	if (is_news)
		tell_users(n);
}

static void
go_up(struct docker_node *n)
{
	struct docker_order order = {
		.verb = DOCKER_EVENTS,
		.what = "",
		.piece = on_events,
		.ended = on_events_end,
		.user = n,
	};

	n->line_n = 0;
	n->line_is_long = false;
	if (order_call(n, &order, &n->events) < 0) {
		go_down(n, "no memory");
		return;
	}
	n->again_ms = AGAIN_MS;
	n->why[0] = '\0';
	n->state = DOCKER_NODE_UP;
	log_write(TG_LOG_INFO, "node up", "node=%s docker=%s api=1.%u cpu=%u memory=%" PRIu64,
		  n->name, n->docker, n->minor, n->info.cpu_permille / 1000, n->info.memory);
	set_timer(n, PING_MS);
	scan_later(n);
	tell_users(n);
}

/* Whether a request went well; else it is down. */
static bool
has_passed(struct docker_node *n, enum docker_verb verb, const struct call_end *end)
{
	char why[TG_INSTANCE_WHY];

	n->asking = NULL;
	if (end->rc == 0 && end->status == 200)
		return true;
	docker_verb_describe(verb, end, why, sizeof(why));
	go_down(n, why);
	return false;
}

static void
on_ping(void *user, const struct call_end *end)
{
	struct docker_node *n = user;

	if (has_passed(n, DOCKER_PING, end))
		set_timer(n, PING_MS);
}

static void
on_info(void *user, const struct call_end *end)
{
	struct docker_node *n = user;
	struct err err;

	if (!has_passed(n, DOCKER_INFO, end))
		return;
	if (docker_parse_info(end->body, end->n, &n->info, &err) < 0)
		go_down(n, err.text);
	else
		go_up(n);
}

/* The one we know, or as near to it as the daemon goes. */
static int
choose_version(const struct docker_version *v, unsigned *ret, struct err *err)
{
	unsigned minor = MINOR_WANTED;

	if (v->newest < MINOR_OLDEST)
		return err_set(err, TG_ENOTSUP,
			       "the daemon is too old: API 1.%u; needed: 1.%u or later", v->newest,
			       MINOR_OLDEST);
	if (minor > v->newest)
		minor = v->newest;
	*ret = minor > v->oldest ? minor : v->oldest;
	return 0;
}

static void
on_version(void *user, const struct call_end *end)
{
	struct docker_node *n = user;
	struct docker_version version;
	struct err err;

	if (!has_passed(n, DOCKER_VERSION, end))
		return;
	if (docker_parse_version(end->body, end->n, &version, &err) < 0 ||
	    choose_version(&version, &n->minor, &err) < 0)
		go_down(n, err.text);
	else
		ask(n, DOCKER_INFO, on_info);
}

static void
ask(struct docker_node *n, enum docker_verb verb, void (*ended)(void *user, const struct call_end *end))
{
	struct docker_order order = {.verb = verb, .what = "", .ended = ended, .user = n};

	if (order_call(n, &order, &n->asking) < 0)
		go_down(n, "no memory");
}

/* Where it is; false: not known, or no memory, which is told. */
static bool
open_caller(struct docker_node *n)
{
	char path[sizeof(n->at.addr.u.un.sun_path)];
	struct call_place place = {
		.at = n->found,
		.host = n->at.host,
		.ca = n->ca,
		.certificate = n->certificate,
		.key = n->key,
		.running_max = TG_DOCKER_RUNNING_MAX,
	};
	char host[TG_ADDR_STRLEN];
	struct ip ip;

	if (n->caller != NULL && (n->state == DOCKER_NODE_UP || addr_equal(&n->called, &n->found)))
		return true;
	/* It is down: nobody has a request there. */
	caller_free(n->caller);
	n->caller = NULL;
	if (docker_node_is_here(n)) {
		snprintf(path, sizeof(path), "%s", n->at.addr.u.un.sun_path);
		place.socket = path;
		place.host = "docker";
	} else if (n->found.len == 0) {
		go_down(n, "its host name has no address yet");
		return false;
	} else if (n->at.kind == TG_ENDPOINT_ADDR && addr_ip(&n->found, &ip)) {
		ip_format(&ip, host, sizeof(host));
		place.host = host;
	}
	n->called = n->found;
	n->caller = caller_new(n->hub->loop, &place);
	if (n->caller == NULL)
		go_down(n, "no memory or descriptors");
	return n->caller != NULL;
}

static void
on_timer(struct timer *t)
{
	struct docker_node *n = TG_CONTAINER(t, struct docker_node, timer);

	if (n->asking != NULL || !open_caller(n))
		return;
	if (n->state == DOCKER_NODE_UP) {
		ask(n, DOCKER_PING, on_ping);
		return;
	}
	n->minor = 0;
	ask(n, DOCKER_VERSION, on_version);
}

/*** Names ***/

static void
on_name(struct resolver_watch *w, const struct resolver_news *news)
{
	struct docker_node *n = TG_CONTAINER(w, struct docker_node, watch);
	struct addr found;

	if (news->n == 0)
		return;
	found = ip_addr(&news->list[0].ip, n->at.port);
	if (addr_equal(&found, &n->found))
		return;
	n->found = found;
	/* One that is up goes on where it is, until that fails. */
	if (n->state != DOCKER_NODE_UP)
		set_timer(n, 0);
}

/*** Joining ***/

static struct docker_node *
find(const struct docker_hub *hub, const struct conf_node *c)
{
	struct docker_node *n;

	LIST_FOREACH(n, &hub->nodes, link) {
		if (strcmp(n->name, c->name) == 0 && strcmp(n->docker, c->docker) == 0 &&
		    conf_is_equal_text(n->ca, c->tls.ca) &&
		    conf_is_equal_text(n->certificate, c->tls.certificate) &&
		    conf_is_equal_text(n->key, c->tls.key) && conf_is_equal_text(n->address, c->address))
			return n;
	}
	return NULL;
}

static bool
copy(char **ret, const char *text)
{
	if (text == NULL)
		return true;
	*ret = strdup(text);
	return *ret != NULL;
}

static void
node_free(struct docker_node *n)
{
	if (n == NULL)
		return;
	end_calls(n);
	caller_free(n->caller);
	resolver_watch_stop(&n->watch);
	timer_fini(&n->timer);
	timer_fini(&n->scan);
	free(n->name);
	free(n->docker);
	free(n->ca);
	free(n->certificate);
	free(n->key);
	free(n->address);
	free(n->line);
	free(n);
}

static int
check_file(const char *path, struct err *err)
{
	if (path == NULL || access(path, R_OK) == 0)
		return 0;
	err_set_errno(err, "%.256s", path);
	return -TG_EINVAL;
}

static int
find_address(struct docker_node *n, struct err *err)
{
	if (n->at.kind == TG_ENDPOINT_ADDR) {
		n->found = n->at.addr;
		return 0;
	}
	if (n->hub->resolver == NULL)
		return err_set(err, TG_EINVAL, "node \"%s\": its host name cannot be looked up",
			       n->name);
	return resolver_watch_start(n->hub->resolver, &n->watch, n->at.host, on_name) < 0
		       ? err_no_memory(err)
		       : 0;
}

static int
node_new(struct docker_hub *hub, const struct conf_node *c, struct docker_node **ret,
	 struct err *err)
{
	struct docker_node *n = calloc(1, sizeof(*n));
	int rc;

	if (n == NULL)
		return err_no_memory(err);
	n->hub = hub;
	n->again_ms = AGAIN_MS;
	timer_init(&n->timer, on_timer);
	timer_init(&n->scan, on_scan_due);
	n->line = malloc(LINE_MAX_BYTES);
	if (n->line == NULL || !copy(&n->name, c->name) || !copy(&n->docker, c->docker) ||
	    !copy(&n->ca, c->tls.ca) || !copy(&n->certificate, c->tls.certificate) ||
	    !copy(&n->key, c->tls.key) || !copy(&n->address, c->address)) {
		node_free(n);
		return err_no_memory(err);
	}
	rc = docker_url_parse(n->docker, n->ca != NULL, &n->at, err);
	if (rc == 0)
		rc = call_check(err);
	if (rc == 0)
		rc = check_file(n->ca, err);
	if (rc == 0)
		rc = check_file(n->certificate, err);
	if (rc == 0)
		rc = check_file(n->key, err);
	if (rc == 0)
		rc = find_address(n, err);
	if (rc < 0) {
		node_free(n);
		return rc;
	}
	LIST_INSERT_HEAD(&hub->nodes, n, link);
	set_timer(n, 0);
	*ret = n;
	return 0;
}

int
docker_user_join(struct docker_hub *hub, const struct conf_node *conf, struct docker_user *u,
		 struct err *err)
{
	struct docker_node *n = find(hub, conf);
	int rc = n != NULL ? 0 : node_new(hub, conf, &n, err);

	if (rc < 0)
		return rc;
	u->node = n;
	LIST_INSERT_HEAD(&n->users, u, link);
	return 0;
}

void
docker_user_leave(struct docker_user *u)
{
	struct docker_node *n = u->node;

	if (n == NULL)
		return;
	end_scan(n);
	LIST_REMOVE(u, link);
	u->node = NULL;
	if (LIST_EMPTY(&n->users)) {
		LIST_REMOVE(n, link);
		node_free(n);
	} else if (n->state == DOCKER_NODE_UP) {
		scan_later(n);
	}
}

/*** The hub ***/

struct docker_hub *
docker_hub_new(struct loop *loop, struct resolver *resolver)
{
	struct docker_hub *hub = calloc(1, sizeof(*hub));

	if (hub == NULL)
		return NULL;
	hub->loop = loop;
	hub->resolver = resolver;
	LIST_INIT(&hub->nodes);
	return hub;
}

void
docker_hub_free(struct docker_hub *hub)
{
	free(hub);
}
