#include "net/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_FUNCTION(s, len, hash) HASH_FNV(s, len, hash) /* the default one warns in clang */
#include <uthash.h>

#include "base/backoff.h"
#include "base/container.h"
#include "net/lookup_priv.h"

#define QUERY_TIMEOUT_MS 2000

/* A name that was not found. */
static const struct backoff retries = {.first_ms = 1000, .max_ms = 30000};
#define QUERY_TRIES      2
#define SRV_PREFIX       "srv:"
#define WHY_BYTES        384u /* a target of a service, and what is wrong */

struct name {
	UT_hash_handle hh; /* in resolver->names, by key */
	struct resolver *resolver;
	LIST_HEAD(, resolver_watch) watches;
	TAILQ_ENTRY(name) link; /* in the queue, or among those asked for */
	struct timer timer;     /* the next query */
	struct lookup *now;     /* NULL: not asked for */
	struct lookup *last;    /* that found something; NULL: none did */
	struct address *list;   /* what it found */
	size_t n;
	unsigned failures; /* in a row */
	char why[WHY_BYTES]; /* of the last failure */
	unsigned srv_max;  /* records used; 0: a host name */
	const char *host;  /* in key */
	char key[];        /* "srv:" before a service */
};

/* Of c-ares. */
struct channel {
	struct resolver *resolver;
	ares_channel ares;
	bool is_open;
	struct timer timer; /* its own timeouts */
};

/* A socket of c-ares, as long as c-ares wants it watched. */
struct socket_watch {
	LIST_ENTRY(socket_watch) link;
	struct channel *channel;
	int fd;
	bool reads;
	bool writes;
	struct watch read;
	struct watch write;
	struct deferred deferred;
};

struct resolver {
	struct loop *loop;
	struct channel answers;
	struct channel faults; /* see lookup_priv.h */
	struct name *names;
	TAILQ_HEAD(, name) queue;   /* their turn will come */
	TAILQ_HEAD(, name) running; /* with a `now` */
	unsigned n_running;
	LIST_HEAD(, socket_watch) sockets;
};

static void serve(struct resolver *r);

/* sockets and timeouts of c-ares */

static void
arm_timer(struct channel *c)
{
	struct loop *loop = c->resolver->loop;
	struct timeval tv;

	if (ares_timeout(c->ares, NULL, &tv) == NULL) {
		timer_clear(&c->timer);
		return;
	}
	timer_set(loop, &c->timer,
		  mono_add_ms(loop_now(loop),
			      (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1));
}

static void
process(struct channel *c, int read_fd, int write_fd)
{
	ares_process_fd(c->ares, read_fd, write_fd);
	serve(c->resolver);
}

static void
on_timer(struct timer *t)
{
	process(TG_CONTAINER(t, struct channel, timer), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void
on_readable(struct watch *w, unsigned what)
{
	struct socket_watch *s = TG_CONTAINER(w, struct socket_watch, read);

	(void)what;
	process(s->channel, s->fd, ARES_SOCKET_BAD);
}

static void
on_writable(struct watch *w, unsigned what)
{
	struct socket_watch *s = TG_CONTAINER(w, struct socket_watch, write);

	(void)what;
	process(s->channel, ARES_SOCKET_BAD, s->fd);
}

static void
socket_watch_free(struct deferred *d)
{
	free(TG_CONTAINER(d, struct socket_watch, deferred));
}

static void
socket_watch_set(struct socket_watch *s, bool reads, bool writes)
{
	struct loop *loop = s->channel->resolver->loop;

	if (!reads)
		watch_stop(loop, &s->read);
	else if (!s->reads)
		reads = watch_start_level(loop, &s->read, s->fd, on_readable) == 0;
	if (!writes)
		watch_stop(loop, &s->write);
	else if (!s->writes)
		writes = watch_start_level_write(loop, &s->write, s->fd, on_writable) == 0;
	s->reads = reads;
	s->writes = writes;
	if (reads || writes)
		return;
	LIST_REMOVE(s, link);
	loop_defer(loop, &s->deferred, socket_watch_free);
}

/* A socket that cannot be watched for want of memory: its query ends by its timeout. */
static void
on_socket_state(void *arg, ares_socket_t fd, int reads, int writes)
{
	struct channel *c = arg;
	struct socket_watch *s;

	LIST_FOREACH (s, &c->resolver->sockets, link) {
		if (s->fd == fd)
			break;
	}
	if (s == NULL && !reads && !writes)
		return;
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return;
		s->channel = c;
		s->fd = fd;
		LIST_INSERT_HEAD(&c->resolver->sockets, s, link);
	}
	socket_watch_set(s, reads != 0, writes != 0);
}

/* answers */

static struct resolver_news
news_of(const struct name *name, enum resolver_event event)
{
	return (struct resolver_news){
		.event = event,
		.list = name->list,
		.n = name->n,
		.n_refused = name->last != NULL ? name->last->n_refused : 0,
		.n_left_out = name->last != NULL ? name->last->n_left_out : 0,
		.why = event == RESOLVER_FAILED ? name->why : NULL,
	};
}

static void
tell(struct name *name, enum resolver_event event)
{
	struct resolver_news news = news_of(name, event);
	struct resolver_watch *w;

	LIST_FOREACH (w, &name->watches, link)
		w->cb(w, &news);
}

static void
ask_again_in(struct name *name, uint64_t ms)
{
	struct loop *loop = name->resolver->loop;

	timer_set(loop, &name->timer, mono_add_ms(loop_now(loop), ms));
}

/* `host`: of a service, the target that failed; NULL: the name itself. */
static void
name_failed(struct name *name, const char *host, const char *why)
{
	/* A target ends with a dot: no domain is searched for it. */
	if (host != NULL)
		snprintf(name->why, sizeof(name->why), "its target %.*s: %s", (int)strlen(host) - 1, host, why);
	else
		snprintf(name->why, sizeof(name->why), "%s", why);
	ask_again_in(name, backoff_ms(&retries, name->failures, 0));
	name->failures++;
	if (name->failures == 1)
		tell(name, RESOLVER_FAILED);
}

static void
name_recovered(struct name *name)
{
	name->failures = 0;
	tell(name, RESOLVER_RECOVERED);
}

static unsigned
bounded_ttl_s(unsigned ttl_s)
{
	if (ttl_s > TG_RESOLVER_TTL_MAX_S)
		return TG_RESOLVER_TTL_MAX_S;
	return ttl_s < TG_RESOLVER_TTL_MIN_S ? TG_RESOLVER_TTL_MIN_S : ttl_s;
}

static bool
is_same_answer(const struct name *name, const struct lookup *l, const struct address *list,
	       size_t n)
{
	if (name->last == NULL || name->last->n_refused != l->n_refused ||
	    name->last->n_left_out != l->n_left_out || name->n != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!address_equal(&name->list[i], &list[i]))
			return false;
	}
	return true;
}

/* Takes both. */
static void
name_found(struct name *name, struct lookup *l, struct address *list, size_t n)
{
	bool is_new = !is_same_answer(name, l, list, n);

	l->last = NULL;
	lookup_free(name->last);
	free(name->list);
	name->last = l;
	name->list = list;
	name->n = n;
	if (l->why == NULL) {
		ask_again_in(name, (uint64_t)bounded_ttl_s(l->ttl_s) * 1000);
		if (name->failures > 0)
			name_recovered(name);
	}
	if (is_new)
		tell(name, RESOLVER_FOUND);
	if (l->why != NULL)
		name_failed(name, l->why_host, l->why);
}

/* queries */

static void
name_free(struct name *name)
{
	timer_fini(&name->timer);
	lookup_free(name->now);
	lookup_free(name->last);
	free(name->list);
	free(name);
}

/* Nobody watches it any more, and it is not asked for. */
static void
name_forget(struct name *name)
{
	HASH_DEL(name->resolver->names, name);
	name_free(name);
}

static void
finish(struct name *name)
{
	struct resolver *r = name->resolver;
	struct lookup *l = name->now;
	struct address *list = NULL;
	size_t n = 0;

	TAILQ_REMOVE(&r->running, name, link);
	r->n_running--;
	name->now = NULL;
	if (LIST_EMPTY(&name->watches)) {
		lookup_free(l);
		name_forget(name);
		return;
	}
	if (l->has_found && lookup_take(l, &list, &n) == 0) {
		name_found(name, l, list, n);
	} else {
		name_failed(name, l->has_found ? NULL : l->why_host, l->has_found ? "no memory" : l->why);
		lookup_free(l);
	}
}

static void
begin(struct name *name)
{
	struct resolver *r = name->resolver;
	const struct lookup_channels channels = {r->answers.ares, r->faults.ares};

	TAILQ_REMOVE(&r->queue, name, link);
	name->now = lookup_new(&channels, name->host, name->srv_max, name->last);
	if (name->now == NULL) {
		name_failed(name, NULL, "no memory");
		return;
	}
	TAILQ_INSERT_TAIL(&r->running, name, link);
	r->n_running++;
	if (lookup_step(name->now))
		finish(name);
}

/* Goes on with all that is under way, and begins more as far as the bound allows. Never from
 * inside c-ares. */
static void
serve(struct resolver *r)
{
	struct name *name;
	struct name *next;

	for (name = TAILQ_FIRST(&r->running); name != NULL; name = next) {
		next = TAILQ_NEXT(name, link);
		if (lookup_step(name->now))
			finish(name);
	}
	while (r->n_running < TG_RESOLVER_RUNNING_MAX && (name = TAILQ_FIRST(&r->queue)) != NULL)
		begin(name);
	arm_timer(&r->answers);
	arm_timer(&r->faults);
}

static void
enqueue(struct name *name)
{
	TAILQ_INSERT_TAIL(&name->resolver->queue, name, link);
	serve(name->resolver);
}

static void
on_name_timer(struct timer *t)
{
	enqueue(TG_CONTAINER(t, struct name, timer));
}

static struct name *
name_new(struct resolver *r, const char *key, bool is_srv)
{
	size_t n = strlen(key);
	struct name *name = calloc(1, sizeof(*name) + n + 1);

	if (name == NULL)
		return NULL;
	name->resolver = r;
	memcpy(name->key, key, n + 1);
	name->host = is_srv ? name->key + sizeof(SRV_PREFIX) - 1 : name->key;
	LIST_INIT(&name->watches);
	timer_init(&name->timer, on_name_timer);
	HASH_ADD_STR(r->names, key, name);
	return name;
}

/* A name known already says what it knows, as news to this watch alone. */
static void
tell_known(const struct name *name, struct resolver_watch *w)
{
	struct resolver_news found = news_of(name, RESOLVER_FOUND);
	struct resolver_news failed = news_of(name, RESOLVER_FAILED);

	if (name->n > 0)
		w->cb(w, &found);
	if (name->failures > 0)
		w->cb(w, &failed);
}

static int
watch_name(struct resolver *r, struct resolver_watch *w, const char *key, unsigned srv_max,
	   resolver_cb *cb)
{
	struct name *name;

	w->cb = cb;
	HASH_FIND_STR(r->names, key, name);
	if (name != NULL) {
		if (srv_max > name->srv_max)
			name->srv_max = srv_max;
		w->name = name;
		LIST_INSERT_HEAD(&name->watches, w, link);
		tell_known(name, w);
		return 0;
	}
	name = name_new(r, key, srv_max > 0);
	if (name == NULL) {
		w->cb = NULL;
		return -TG_ENOMEM;
	}
	name->srv_max = srv_max;
	w->name = name;
	LIST_INSERT_HEAD(&name->watches, w, link);
	enqueue(name);
	return 0;
}

int
resolver_watch_start(struct resolver *r, struct resolver_watch *w, const char *host,
		     resolver_cb *cb)
{
	return watch_name(r, w, host, 0, cb);
}

/* No host name has a colon. */
int
resolver_watch_start_srv(struct resolver *r, struct resolver_watch *w, const char *host,
			 unsigned max, resolver_cb *cb)
{
	size_t size = sizeof(SRV_PREFIX) + strlen(host);
	char *key = malloc(size);
	int rc;

	if (key == NULL)
		return -TG_ENOMEM;
	snprintf(key, size, SRV_PREFIX "%s", host);
	rc = watch_name(r, w, key, max, cb);
	free(key);
	return rc;
}

void
resolver_watch_tell(struct resolver_watch *w)
{
	tell_known(w->name, w);
}

/* In the queue: it waits neither for its time nor for an answer. */
static bool
is_queued(const struct name *name)
{
	const struct name *other;

	TAILQ_FOREACH (other, &name->resolver->queue, link) {
		if (other == name)
			return true;
	}
	return false;
}

void
resolver_watch_stop(struct resolver_watch *w)
{
	struct name *name = w->name;

	if (w->cb == NULL)
		return;
	w->cb = NULL;
	LIST_REMOVE(w, link);
	/* c-ares still writes into what is asked for. */
	if (!LIST_EMPTY(&name->watches) || name->now != NULL)
		return;
	if (is_queued(name))
		TAILQ_REMOVE(&name->resolver->queue, name, link);
	name_forget(name);
}

/* life */

/* A name is asked for when its answers have aged. The cache of c-ares 1.31 and later would answer from
 * memory then, for an hour where an answer was empty. */
static int
leave_out_cache(struct ares_options *options)
{
#ifdef ARES_OPT_QUERY_CACHE
	options->qcache_max_ttl = 0;
	return ARES_OPT_QUERY_CACHE;
#else
	(void)options;
	return 0;
#endif
}

static int
channel_open(struct channel *c, struct resolver *r, int flags, const char *servers, struct err *err)
{
	struct ares_options options = {
		.flags = flags,
		.timeout = QUERY_TIMEOUT_MS,
		.tries = QUERY_TRIES,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = c,
	};
	int optmask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
		      (flags != 0 ? ARES_OPT_FLAGS : 0) | leave_out_cache(&options);
	int rc = ares_library_init(ARES_LIB_INIT_ALL);

	c->resolver = r;
	if (rc != ARES_SUCCESS)
		return err_set(err, TG_ENOMEM, "resolver: %s", ares_strerror(rc));
	rc = ares_init_options(&c->ares, &options, optmask);
	if (rc != ARES_SUCCESS) {
		ares_library_cleanup();
		return err_set(err, TG_ENOMEM, "resolver: %s", ares_strerror(rc));
	}
	c->is_open = true;
	if (servers == NULL)
		return 0;
	rc = ares_set_servers_ports_csv(c->ares, servers);
	if (rc != ARES_SUCCESS)
		return err_set(err, TG_EINVAL, "resolver: servers \"%s\": %s", servers,
			       ares_strerror(rc));
	return 0;
}

/* What is asked for hears of it. */
static void
channel_close(struct channel *c)
{
	if (c->is_open) {
		ares_destroy(c->ares);
		ares_library_cleanup();
	}
	timer_fini(&c->timer);
}

int
resolver_new(struct loop *loop, const char *servers, struct resolver **ret, struct err *err)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return err_set(err, TG_ENOMEM, "resolver: no memory");
	r->loop = loop;
	TAILQ_INIT(&r->queue);
	TAILQ_INIT(&r->running);
	LIST_INIT(&r->sockets);
	timer_init(&r->answers.timer, on_timer);
	timer_init(&r->faults.timer, on_timer);
	rc = channel_open(&r->answers, r, 0, servers, err);
	if (rc == 0)
		rc = channel_open(&r->faults, r, ARES_FLAG_NOCHECKRESP, servers, err);
	if (rc < 0) {
		resolver_free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

void
resolver_free(struct resolver *r)
{
	struct name *name;
	struct name *next;

	if (r == NULL)
		return;
	channel_close(&r->answers);
	channel_close(&r->faults);
	HASH_ITER (hh, r->names, name, next) {
		HASH_DEL(r->names, name);
		name_free(name);
	}
	free(r);
}
