#include "provider/docker_node_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "provider/provider_priv.h"

/* What this was written for; daemons speak older ones down to their oldest. */
#define MINOR_OLDEST 24u
#define MINOR_WANTED 44u

#define PING_MS      10000u
#define DOUBT_MS     1000u
#define AGAIN_MS     500u
#define AGAIN_MAX_MS 15000u

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

unsigned
docker_node_orphans(const struct docker_node *n)
{
	return n->n_orphans;
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
	u = e.name[0] != '\0' ? next_of(LIST_FIRST(&n->users), &e) : NULL;
	if (u == NULL)
		docker_scan_event(n, e.owner);
	for (; u != NULL; u = next) {
		next = next_of(LIST_NEXT(u, link), &e);
		u->ops->event(u, &e);
	}
}

/* One that is too long is left out. */
static void
end_line(struct docker_node *n)
{
	if (n->line.is_long)
		log_write(TG_LOG_WARN, "an event is longer than can be", "node=%s", n->name);
	else if (n->line.n > 0)
		take_event(n, n->line.text, n->line.n);
}

static bool
is_too_much(const struct docker_node *n)
{
	return n->n_heard > TG_DOCKER_EVENTS_MAX || n->n_heard_bytes > TG_DOCKER_EVENT_BYTES_MAX;
}

/* The node is up still; what was not heard is found by looks at what it has. */
static void
stop_hearing(struct docker_node *n)
{
	call_cancel(n->events);
	n->events = NULL;
	if (!n->is_flooded)
		log_write(TG_LOG_WARN, "a node tells too many events, they are not heard for a while",
			  "node=%s max_per_second=%u max_bytes_per_second=%u", n->name,
			  TG_DOCKER_EVENTS_MAX, TG_DOCKER_EVENT_BYTES_MAX);
	n->is_flooded = true;
}

static void
count_bytes(struct docker_node *n, size_t bytes)
{
	struct mono now = loop_now(n->hub->loop);

	if (mono_diff_us(now, n->heard_since) >= 1000000) {
		n->heard_since = now;
		n->n_heard = 0;
		n->n_heard_bytes = 0;
	}
	n->n_heard_bytes += bytes;
}

static void
on_events(void *user, const char *bytes, size_t n)
{
	struct docker_node *node = user;

	count_bytes(node, n);
	while (n > 0 && node->events != NULL) {
		size_t taken = docker_line_take(&node->line, bytes, n);

		node->n_heard += node->line.is_whole;
		if (is_too_much(node))
			stop_hearing(node);
		else if (node->line.is_whole)
			end_line(node);
		bytes += taken;
		n -= taken;
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
	docker_scan_cancel(n);
}

/* Told once, until it is up or there is another reason. */
static void
go_down(struct docker_node *n, const char *why)
{
	bool is_news = n->state != DOCKER_NODE_DOWN;

	end_calls(n);
	n->is_doubted = false;
	if (is_news || strcmp(n->why, why) != 0)
		log_write(TG_LOG_WARN, "node down", "node=%s docker=%s reason=%s", n->name,
			  n->docker, why);
	snprintf(n->why, sizeof(n->why), "%s", why);
	n->state = DOCKER_NODE_DOWN;
	try_later(n);
	if (is_news)
		tell_users(n);
}

/* False: no memory, and it is down. */
static bool
hear(struct docker_node *n)
{
	struct docker_order order = {
		.verb = DOCKER_EVENTS,
		.what = "",
		.piece = on_events,
		.ended = on_events_end,
		.user = n,
	};

	docker_line_clear(&n->line);
	if (order_call(n, &order, &n->events) == 0)
		return true;
	go_down(n, "no memory");
	return false;
}

static void
go_up(struct docker_node *n)
{
	if (!hear(n))
		return;
	n->again_ms = AGAIN_MS;
	n->why[0] = '\0';
	n->state = DOCKER_NODE_UP;
	log_write(TG_LOG_INFO, "node up", "node=%s docker=%s api=1.%u cpu=%u memory=%" PRIu64,
		  n->name, n->docker, n->minor, n->info.cpu_permille / 1000, n->info.memory);
	set_timer(n, PING_MS);
	docker_scan_later(n);
	tell_users(n);
}

/* Whether a request went well; else it is down. */
static bool
has_passed(struct docker_node *n, enum docker_verb verb, const struct call_end *end)
{
	char why[TG_INSTANCE_WHY];

	n->asking = NULL;
	n->is_doubted = false;
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

	if (!has_passed(n, DOCKER_PING, end))
		return;
	set_timer(n, PING_MS);
	if (n->events != NULL)
		n->is_flooded = false;
	else if (hear(n))
		tell_users(n); /* who look for what was not heard */
}

static bool
has_left(const struct docker_node *n)
{
	const struct docker_user *u;

	LIST_FOREACH(u, &n->users, link) {
		if (!u->is_leaving)
			return false;
	}
	return !LIST_EMPTY(&n->users);
}

/* Another node with that daemon. By host and folder too: a copied machine, and a second daemon of one, have the
 * original's identity. */
static const struct docker_node *
twin_of(const struct docker_node *n, const struct docker_info *info)
{
	const struct docker_node *other;

	LIST_FOREACH(other, &n->hub->nodes, link) {
		if (strcmp(other->name, n->name) != 0 && strcmp(other->docker, n->docker) != 0 &&
		    !has_left(other) && info->id[0] != '\0' &&
		    strcmp(other->info.id, info->id) == 0 &&
		    strcmp(other->info.host, info->host) == 0 &&
		    strcmp(other->info.folder, info->folder) == 0)
			return other;
	}
	return NULL;
}

/* The one that was there first has the daemon, for as long as it is there. */
static void
take_info(struct docker_node *n, const struct docker_info *info)
{
	const struct docker_node *twin = has_left(n) ? NULL : twin_of(n, info);
	char why[TG_INSTANCE_WHY];

	n->is_twin = twin != NULL;
	if (twin == NULL) {
		n->info = *info;
		go_up(n);
		return;
	}
	n->info = (struct docker_info){0};
	snprintf(why, sizeof(why), "the same daemon as node %s", twin->name);
	go_down(n, why);
}

static void ask_version(struct docker_node *n);

static void
on_info(void *user, const struct call_end *end)
{
	struct docker_node *n = user;
	struct docker_info info;
	struct err err;

	/* Too new for it, or too old. */
	if (end->rc == 0 && end->status == 400 && !n->knows_oldest) {
		n->asking = NULL;
		ask_version(n);
		return;
	}
	if (!has_passed(n, DOCKER_INFO, end))
		return;
	if (docker_parse_info(end->body, end->n, &info, &err) < 0)
		go_down(n, err.text);
	else
		take_info(n, &info);
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
speak(struct docker_node *n, const struct docker_version *version)
{
	struct err err;

	if (choose_version(version, &n->minor, &err) < 0)
		go_down(n, err.text);
	else
		ask(n, DOCKER_INFO, on_info);
}

static void
on_version(void *user, const struct call_end *end)
{
	struct docker_node *n = user;
	struct docker_version version;
	struct err err;

	if (!has_passed(n, DOCKER_VERSION, end))
		return;
	if (docker_parse_version(end->body, end->n, &version, &err) < 0)
		go_down(n, err.text);
	else
		speak(n, &version);
}

static void
ask_version(struct docker_node *n)
{
	n->minor = 0;
	n->knows_oldest = true;
	ask(n, DOCKER_VERSION, on_version);
}

static void
on_first_ping(void *user, const struct call_end *end)
{
	struct docker_node *n = user;
	struct docker_version version = {.newest = docker_parse_api(end->field)};

	if (!has_passed(n, DOCKER_PING, end))
		return;
	if (version.newest == 0)
		ask_version(n);
	else
		speak(n, &version);
}

static void
ask(struct docker_node *n, enum docker_verb verb, void (*ended)(void *user, const struct call_end *end))
{
	struct docker_order order = {.verb = verb, .what = "", .ended = ended, .user = n};

	if (order_call(n, &order, &n->asking) < 0)
		go_down(n, "no memory");
}

static bool
is_readable(struct docker_node *n, const char *path)
{
	struct err err;

	if (path == NULL || access(path, R_OK) == 0)
		return true;
	err_set_errno(&err, "%.256s", path);
	go_down(n, err.text);
	return false;
}

/* Where it is; false: not known, no memory, or a file of TLS cannot be read, which is told. */
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
	if (!is_readable(n, n->ca) || !is_readable(n, n->certificate) || !is_readable(n, n->key))
		return false;
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
		n->asked = loop_now(n->hub->loop);
		ask(n, DOCKER_PING, on_ping);
		return;
	}
	n->minor = 0;
	n->knows_oldest = false;
	ask(n, DOCKER_PING, on_first_ping);
}

/*** Its life ***/

void
docker_node_start(struct docker_node *n)
{
	n->again_ms = AGAIN_MS;
	timer_init(&n->timer, on_timer);
	docker_scan_start(n);
	set_timer(n, 0);
}

void
docker_node_stop(struct docker_node *n)
{
	end_calls(n);
	caller_free(n->caller);
	n->caller = NULL;
	timer_fini(&n->timer);
	docker_scan_stop(n);
}

void
docker_node_doubt(struct docker_node *n)
{
	struct mono now = loop_now(n->hub->loop);

	if (n->state != DOCKER_NODE_UP)
		return;
	if (n->asking != NULL) {
		n->is_doubted = true;
	} else if (mono_diff_us(now, n->asked) >= (int64_t)DOUBT_MS * 1000) {
		n->is_doubted = true;
		set_timer(n, 0);
	}
}

bool
docker_node_is_doubted(const struct docker_node *n)
{
	return n->is_doubted;
}

void
docker_node_found(struct docker_node *n, const struct addr *at)
{
	if (addr_equal(at, &n->found))
		return;
	n->found = *at;
	/* One that is up goes on where it is, until that fails. */
	if (n->state != DOCKER_NODE_UP)
		set_timer(n, 0);
}

void
docker_node_left(struct docker_hub *hub)
{
	struct docker_node *n;

	LIST_FOREACH(n, &hub->nodes, link) {
		if (n->is_twin)
			set_timer(n, 0);
	}
}
