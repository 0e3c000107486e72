#include "net/resolver.h"

#include <ares.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_FUNCTION(s, len, hash) HASH_FNV(s, len, hash) /* the default one warns in clang */
#include <uthash.h>

#include "base/container.h"

#define QUERY_TIMEOUT_MS 2000
#define QUERY_TRIES      2

struct name {
	UT_hash_handle hh; /* in resolver->names, by host */
	struct resolver *resolver;
	LIST_HEAD(, resolver_watch) watches;
	TAILQ_ENTRY(name) queue; /* while it waits for its turn */
	struct timer timer;      /* the next query */
	bool has_ip;
	struct ip ip;
	unsigned failures; /* in a row */
	const char *why;   /* of the last failure */
	char host[];
};

/* A socket of c-ares, as long as c-ares wants it watched. */
struct socket_watch {
	LIST_ENTRY(socket_watch) link;
	struct resolver *resolver;
	int fd;
	bool reads;
	bool writes;
	struct watch read;
	struct watch write;
	struct deferred deferred;
};

struct resolver {
	struct loop *loop;
	ares_channel channel;
	bool has_channel;
	bool is_ending;
	struct name *names;
	TAILQ_HEAD(, name) queue;
	unsigned n_running;
	struct timer timer; /* c-ares' own timeouts */
	LIST_HEAD(, socket_watch) sockets;
};

static void serve_queue(struct resolver *r);

/* sockets and timeouts of c-ares */

static void
arm_timer(struct resolver *r)
{
	struct timeval tv;

	if (ares_timeout(r->channel, NULL, &tv) == NULL) {
		timer_clear(&r->timer);
		return;
	}
	timer_set(r->loop, &r->timer,
		  mono_add_ms(loop_now(r->loop),
			      (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1));
}

static void
process(struct resolver *r, int read_fd, int write_fd)
{
	ares_process_fd(r->channel, read_fd, write_fd);
	serve_queue(r);
}

static void
on_timer(struct timer *t)
{
	struct resolver *r = TG_CONTAINER(t, struct resolver, timer);

	process(r, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void
on_readable(struct watch *w, unsigned what)
{
	struct socket_watch *s = TG_CONTAINER(w, struct socket_watch, read);

	(void)what;
	process(s->resolver, s->fd, ARES_SOCKET_BAD);
}

static void
on_writable(struct watch *w, unsigned what)
{
	struct socket_watch *s = TG_CONTAINER(w, struct socket_watch, write);

	(void)what;
	process(s->resolver, ARES_SOCKET_BAD, s->fd);
}

static void
socket_watch_free(struct deferred *d)
{
	free(TG_CONTAINER(d, struct socket_watch, deferred));
}

static void
socket_watch_set(struct socket_watch *s, bool reads, bool writes)
{
	struct loop *loop = s->resolver->loop;

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
	struct resolver *r = arg;
	struct socket_watch *s;

	LIST_FOREACH (s, &r->sockets, link) {
		if (s->fd == fd)
			break;
	}
	if (s == NULL && !reads && !writes)
		return;
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return;
		s->resolver = r;
		s->fd = fd;
		LIST_INSERT_HEAD(&r->sockets, s, link);
	}
	socket_watch_set(s, reads != 0, writes != 0);
}

/* answers */

static void
tell(struct name *name, enum resolver_event event)
{
	struct resolver_news news = {
		.event = event,
		.ip = name->has_ip ? &name->ip : NULL,
		.why = event == RESOLVER_FAILED ? name->why : NULL,
	};
	struct resolver_watch *w;

	LIST_FOREACH (w, &name->watches, link)
		w->cb(w, &news);
}

static bool
node_ip(const struct ares_addrinfo_node *node, struct ip *ret)
{
	struct addr a = {.len = node->ai_addrlen};

	if ((node->ai_family != AF_INET && node->ai_family != AF_INET6) ||
	    (size_t)node->ai_addrlen > sizeof(a.u))
		return false;
	memcpy(&a.u, node->ai_addr, node->ai_addrlen);
	return addr_ip(&a, ret);
}

static bool
ip_is_lower(const struct ip *a, const struct ip *b)
{
	if (ip_is_v4(a) != ip_is_v4(b))
		return ip_is_v4(a);
	return memcmp(a, b, sizeof(*a)) < 0;
}

/* The address to use from an answer, by the rule of the header; false when there is none. */
static bool
choose(const struct name *name, const struct ares_addrinfo *answer, struct ip *ret)
{
	bool found = false;
	struct ip ip;

	for (const struct ares_addrinfo_node *n = answer->nodes; n != NULL; n = n->ai_next) {
		if (!node_ip(n, &ip))
			continue;
		if (name->has_ip && memcmp(&ip, &name->ip, sizeof(ip)) == 0) {
			*ret = ip;
			return true;
		}
		if (!found || ip_is_lower(&ip, ret))
			*ret = ip;
		found = true;
	}
	return found;
}

/* Seconds the whole answer holds. */
static unsigned
answer_ttl_s(const struct ares_addrinfo *answer)
{
	unsigned ttl = TG_RESOLVER_TTL_MAX_S;

	for (const struct ares_addrinfo_node *n = answer->nodes; n != NULL; n = n->ai_next) {
		if (n->ai_ttl < (int)ttl)
			ttl = n->ai_ttl > 0 ? (unsigned)n->ai_ttl : 0;
	}
	for (const struct ares_addrinfo_cname *c = answer->cnames; c != NULL; c = c->next) {
		if (c->ttl < (int)ttl)
			ttl = c->ttl > 0 ? (unsigned)c->ttl : 0;
	}
	return ttl < TG_RESOLVER_TTL_MIN_S ? TG_RESOLVER_TTL_MIN_S : ttl;
}

static void
ask_again_in(struct name *name, unsigned seconds)
{
	struct loop *loop = name->resolver->loop;

	timer_set(loop, &name->timer, mono_add_ms(loop_now(loop), (uint64_t)seconds * 1000));
}

static void
name_failed(struct name *name, const char *why)
{
	unsigned wait_s = TG_RESOLVER_RETRY_MAX_S;

	name->why = why;
	if (name->failures < 5)
		wait_s = TG_RESOLVER_RETRY_MIN_S << name->failures;
	name->failures++;
	ask_again_in(name, wait_s);
	if (name->failures == 1)
		tell(name, RESOLVER_FAILED);
}

static void
name_found(struct name *name, const struct ip *ip, unsigned ttl_s)
{
	bool is_new = !name->has_ip || memcmp(ip, &name->ip, sizeof(*ip)) != 0;
	bool was_failing = name->failures > 0;

	name->has_ip = true;
	name->ip = *ip;
	name->failures = 0;
	ask_again_in(name, ttl_s);
	if (is_new)
		tell(name, RESOLVER_FOUND);
	else if (was_failing)
		tell(name, RESOLVER_RECOVERED);
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *answer)
{
	struct name *name = arg;
	struct resolver *r = name->resolver;
	struct ip ip;

	(void)timeouts;
	r->n_running--;
	if (!r->is_ending) {
		if (status != ARES_SUCCESS)
			name_failed(name, ares_strerror(status));
		else if (!choose(name, answer, &ip))
			name_failed(name, "no address in the answer");
		else
			name_found(name, &ip, answer_ttl_s(answer));
	}
	if (answer != NULL)
		ares_freeaddrinfo(answer);
}

/* queries */

/* May call on_answer() before it returns. */
static void
ask(struct name *name)
{
	static const struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};
	struct resolver *r = name->resolver;

	r->n_running++;
	ares_getaddrinfo(r->channel, name->host, NULL, &hints, on_answer, name);
}

/* Asks as far as the bound allows. Never from inside on_answer(). */
static void
serve_queue(struct resolver *r)
{
	struct name *name;

	while (r->n_running < TG_RESOLVER_RUNNING_MAX && (name = TAILQ_FIRST(&r->queue)) != NULL) {
		TAILQ_REMOVE(&r->queue, name, queue);
		ask(name);
	}
	arm_timer(r);
}

static void
enqueue(struct name *name)
{
	TAILQ_INSERT_TAIL(&name->resolver->queue, name, queue);
	serve_queue(name->resolver);
}

static void
on_name_timer(struct timer *t)
{
	enqueue(TG_CONTAINER(t, struct name, timer));
}

static struct name *
name_new(struct resolver *r, const char *host)
{
	size_t n = strlen(host);
	struct name *name = calloc(1, sizeof(*name) + n + 1);

	if (name == NULL)
		return NULL;
	name->resolver = r;
	memcpy(name->host, host, n + 1);
	LIST_INIT(&name->watches);
	timer_init(&name->timer, on_name_timer);
	HASH_ADD_STR(r->names, host, name);
	return name;
}

/* A name known already says what it knows, as news to this watch alone. */
static void
tell_known(struct name *name, struct resolver_watch *w)
{
	struct resolver_news news = {.ip = name->has_ip ? &name->ip : NULL};

	if (name->has_ip) {
		news.event = RESOLVER_FOUND;
		w->cb(w, &news);
	}
	if (name->failures > 0) {
		news.event = RESOLVER_FAILED;
		news.why = name->why;
		w->cb(w, &news);
	}
}

int
resolver_watch_start(struct resolver *r, struct resolver_watch *w, const char *host,
		     resolver_cb *cb)
{
	struct name *name;

	w->cb = cb;
	HASH_FIND_STR(r->names, host, name);
	if (name != NULL) {
		LIST_INSERT_HEAD(&name->watches, w, link);
		tell_known(name, w);
		return 0;
	}
	name = name_new(r, host);
	if (name == NULL)
		return -TG_ENOMEM;
	LIST_INSERT_HEAD(&name->watches, w, link);
	enqueue(name);
	return 0;
}

/* life */

static int
init_channel(struct resolver *r, const char *servers, struct err *err)
{
	struct ares_options options = {
		.timeout = QUERY_TIMEOUT_MS,
		.tries = QUERY_TRIES,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = r,
	};
	int rc = ares_library_init(ARES_LIB_INIT_ALL);

	if (rc != ARES_SUCCESS)
		return err_set(err, TG_ENOMEM, "resolver: %s", ares_strerror(rc));
	rc = ares_init_options(&r->channel, &options,
			       ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	if (rc != ARES_SUCCESS) {
		ares_library_cleanup();
		return err_set(err, TG_ENOMEM, "resolver: %s", ares_strerror(rc));
	}
	r->has_channel = true;
	if (servers == NULL)
		return 0;
	rc = ares_set_servers_ports_csv(r->channel, servers);
	if (rc != ARES_SUCCESS)
		return err_set(err, TG_EINVAL, "resolver: servers \"%s\": %s", servers,
			       ares_strerror(rc));
	return 0;
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
	LIST_INIT(&r->sockets);
	timer_init(&r->timer, on_timer);
	rc = init_channel(r, servers, err);
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
	r->is_ending = true;
	if (r->has_channel) {
		ares_destroy(r->channel);
		ares_library_cleanup();
	}
	HASH_ITER (hh, r->names, name, next) {
		HASH_DEL(r->names, name);
		timer_fini(&name->timer);
		free(name);
	}
	timer_fini(&r->timer);
	free(r);
}
