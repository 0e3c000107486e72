#include "store/redis_link.h"

#include <hiredis/async.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/container.h"
#include "base/hash.h"
#include "conf/store_url.h"
#include "store/redis_greeting.h"
#include "store/redis_guard.h"
#include "store/redis_hosts.h"
#include "store/redis_sentinel.h"
#include "store/redis_tls.h"

#define ANSWER_MAX        ((size_t)1 << 20)
#define WHY_SIZE          256u
/* Reads of 16 KiB that may have come before a deadline that is looked at late; and when it is: twice as late as
 * timers may be. */
#define LATE_LOOKS 256u
#define LATE_US    UINT64_C(128000)

enum link_state {
	LINK_WAITING = 0, /* for the next try, or for an address */
	LINK_ASKING = 1,  /* a sentinel, where redis is */
	LINK_GREETING = 2,
	LINK_READY = 3,
};

struct redis_link {
	struct loop *loop;
	const struct redis_link_ops *ops;
	void *user;
	struct store_url url;
	uint64_t timeout_ms;
	char shown[TG_ADDR_STRLEN + sizeof(((struct endpoint *)0)->host)]; /* where it is */
	struct redis_hosts hosts;
	bool has_master; /* a sentinel has told, since the last failure: */
	struct addr master;
	struct endpoint at;      /* where it was tried last */
	struct redis_tls *tls;   /* NULL: without */
	char *sentinel_password; /* NULL: they have none */
	enum link_state state;
	/* NULL: not connected. Its `data` is the link as long as it is ours. */
	redisAsyncContext *async;
	struct redis_guard guard;
	struct watch readable;
	struct watch writable;
	struct timer timer; /* the next try; the deadline */
	struct mono due;    /* the deadline */
	bool is_awaiting;   /* it counts */
	bool is_extended;   /* it has been put off once */
	bool is_broken;     /* something could not be sent */
	unsigned failures;  /* in a row */
	uint64_t dice;
};

/*** Failing ***/

static void
stop_watching(struct redis_link *l)
{
	watch_stop(l->loop, &l->readable);
	watch_stop(l->loop, &l->writable);
}

/* From now on hiredis tells us nothing of it. */
static redisAsyncContext *
detach(struct redis_link *l)
{
	redisAsyncContext *async = l->async;

	stop_watching(l);
	l->async = NULL;
	if (async == NULL)
		return NULL;
	async->data = NULL;
	async->ev.data = NULL;
	async->ev.addRead = NULL;
	async->ev.delRead = NULL;
	async->ev.addWrite = NULL;
	async->ev.delWrite = NULL;
	async->ev.cleanup = NULL;
	return async;
}

static uint64_t
retry_ms(struct redis_link *l)
{
	static const struct backoff retries = {
		.first_ms = 100, .max_ms = 2000, .jitter_percent = 50};

	l->dice = hash_number(l->dice + 1);
	return backoff_ms(&retries, l->failures++, l->dice);
}

static void
clean(char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < ' ' || *text > '~')
			*text = '?';
	}
}

/* What was connected is detached. */
static void
tell_down(struct redis_link *l, const char *reason)
{
	char why[WHY_SIZE];

	bool was_asking = l->state == LINK_ASKING;

	l->state = LINK_WAITING;
	l->has_master = false;
	l->is_awaiting = false;
	l->is_broken = false;
	l->guard.odd = NULL;
	l->guard.pending = 0;
	timer_set(l->loop, &l->timer, mono_add_ms(loop_now(l->loop), retry_ms(l)));
	snprintf(why, sizeof(why), "%s at %.100s: %s", was_asking ? "the sentinel" : "redis", l->shown,
		 reason);
	clean(why);
	l->ops->down(l->user, why);
}

/* What was not delivered is not to be: who hears it late takes it for what is said now. */
static void
forget_unsent(const redisAsyncContext *async)
{
	static const struct linger none = {.l_onoff = 1, .l_linger = 0};

	(void)setsockopt(async->c.fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

void
redis_link_fail(struct redis_link *l, const char *reason)
{
	redisAsyncContext *async = detach(l);

	if (async != NULL) {
		forget_unsent(async);
		redisAsyncFree(async);
	}
	tell_down(l, reason);
}

/* hiredis is about to free it. */
static void
lost(struct redis_link *l)
{
	const char *untrusted = redis_tls_why(l->tls);
	char reason[WHY_SIZE];

	if (untrusted != NULL)
		snprintf(reason, sizeof(reason), "its certificate is refused: %s", untrusted);
	else
		snprintf(reason, sizeof(reason), "%s",
		 l->guard.odd != NULL                  ? l->guard.odd
		 : l->async->c.errstr[0] != '\0' ? l->async->c.errstr
						 : "the connection ended");
	(void)detach(l);
	tell_down(l, reason);
}

/*** hiredis on our loop ***/

static void
handle_read(struct redis_link *l)
{
	redisAsyncHandleRead(l->async);
	if (l->async != NULL && l->async->c.reader->len > ANSWER_MAX)
		redis_link_fail(l, "an answer longer than 1 MiB");
}

static void
on_readable(struct watch *w, unsigned what)
{
	(void)what;
	handle_read(TG_CONTAINER(w, struct redis_link, readable));
}

static void
on_writable(struct watch *w, unsigned what)
{
	(void)what;
	redisAsyncHandleWrite(TG_CONTAINER(w, struct redis_link, writable)->async);
}

/* Fails it in the next turn: not while hiredis is at work. */
static void
set_broken(struct redis_link *l)
{
	l->is_broken = true;
	timer_set(l->loop, &l->timer, loop_now(l->loop));
}

static void
add_read(void *user)
{
	struct redis_link *l = user;

	if (l->readable.cb == NULL &&
	    watch_start_level(l->loop, &l->readable, l->async->c.fd, on_readable) < 0)
		set_broken(l);
}

static void
del_read(void *user)
{
	struct redis_link *l = user;

	watch_stop(l->loop, &l->readable);
}

static void
add_write(void *user)
{
	struct redis_link *l = user;

	if (l->writable.cb == NULL &&
	    watch_start_level_write(l->loop, &l->writable, l->async->c.fd, on_writable) < 0)
		set_broken(l);
}

static void
del_write(void *user)
{
	struct redis_link *l = user;

	watch_stop(l->loop, &l->writable);
}

static void
cleanup(void *user)
{
	stop_watching(user);
}

static void
on_connect(const redisAsyncContext *async, int status)
{
	if (async->data != NULL && status != REDIS_OK)
		lost(async->data);
}

static void
on_disconnect(const redisAsyncContext *async, int status)
{
	(void)status;
	if (async->data != NULL)
		lost(async->data);
}

static void
attach(struct redis_link *l, redisAsyncContext *async)
{
	l->async = async;
	async->data = l;
	async->ev.data = l;
	async->ev.addRead = add_read;
	async->ev.delRead = del_read;
	async->ev.addWrite = add_write;
	async->ev.delWrite = del_write;
	async->ev.cleanup = cleanup;
	redis_guard_start(&l->guard, async->c.reader, l->state == LINK_ASKING);
	redisAsyncSetConnectCallback(async, on_connect);
	redisAsyncSetDisconnectCallback(async, on_disconnect);
}

/*** Greeting ***/

static void
refuse_greeting(struct redis_link *l, const struct greeting *g, const redisReply *reply)
{
	char reason[WHY_SIZE];

	greeting_refusal(g, reply, reason, sizeof(reason));
	redis_link_fail(l, reason);
}

static void
on_greeting(redisAsyncContext *async, void *answer, void *item)
{
	struct redis_link *l = async->data;
	const struct greeting *g = item;
	const redisReply *reply = answer;

	if (l == NULL)
		return;
	if (reply == NULL) {
		lost(l);
		return;
	}
	l->guard.pending--;
	if (!greeting_is_good(g, reply)) {
		refuse_greeting(l, g, reply);
	} else if (g == &greeting_ping) {
		l->state = LINK_READY;
		l->is_awaiting = false;
		timer_clear(&l->timer);
		l->ops->ready(l->user);
	}
}

static void
say(struct redis_link *l, const struct greeting *g, int argc, const char **argv)
{
	/* No callback may change it. */
	void *item = (void *)(uintptr_t)g;

	if (redisAsyncCommandArgv(l->async, on_greeting, item, argc, argv, NULL) == REDIS_OK)
		l->guard.pending++;
	else
		set_broken(l);
}

static void
greet(struct redis_link *l)
{
	char database[16];

	snprintf(database, sizeof(database), "%u", l->url.database);
	if (l->url.password[0] != '\0' && l->url.user[0] != '\0')
		say(l, &greeting_auth, 3, (const char *[]){"AUTH", l->url.user, l->url.password});
	else if (l->url.password[0] != '\0')
		say(l, &greeting_auth, 2, (const char *[]){"AUTH", l->url.password});
	if (l->url.database != 0)
		say(l, &greeting_select, 2, (const char *[]){"SELECT", database});
	say(l, &greeting_ping, 1, (const char *[]){"PING"});
}

/*** Asking a sentinel ***/

static void
refuse_master(struct redis_link *l, const redisReply *reply)
{
	char reason[WHY_SIZE];

	sentinel_refusal(reply, l->url.master, reason, sizeof(reason));
	redis_link_fail(l, reason);
}

static void
on_master(redisAsyncContext *async, void *answer, void *item)
{
	struct redis_link *l = async->data;
	const redisReply *reply = answer;

	(void)item;
	if (l == NULL)
		return;
	if (reply == NULL) {
		lost(l);
		return;
	}
	if (!sentinel_read(reply, &l->master)) {
		refuse_master(l, reply);
		return;
	}
	redisAsyncFree(detach(l));
	l->guard.pending = 0;
	l->state = LINK_WAITING;
	l->is_awaiting = false;
	l->has_master = true;
	timer_set(l->loop, &l->timer, loop_now(l->loop));
}

static void
ask_sentinel(struct redis_link *l)
{
	const char *argv[] = {"SENTINEL", "get-master-addr-by-name", l->url.master};

	if (l->sentinel_password != NULL)
		say(l, &greeting_auth, 2, (const char *[]){"AUTH", l->sentinel_password});
	if (redisAsyncCommandArgv(l->async, on_master, NULL, 3, argv, NULL) == REDIS_OK)
		l->guard.pending++;
	else
		set_broken(l);
}

/*** Connecting ***/

/* NULL: no memory. `name` is what its certificate is to have; "": its address. */
static redisAsyncContext *
begin(const struct redis_link *l, const struct addr *addr, const char *name)
{
	redisAsyncContext *async;
	char text[INET6_ADDRSTRLEN];
	struct ip ip;

	if (addr->u.sa.sa_family == AF_UNIX)
		return redisAsyncConnectUnix(addr->u.un.sun_path);
	(void)addr_ip(addr, &ip);
	ip_format(&ip, text, sizeof(text));
	async = redisAsyncConnect(text, addr_port(addr));
	if (async == NULL || async->err != 0 || l->tls == NULL ||
	    redis_tls_begin(l->tls, async, name[0] != '\0' ? name : text) || async->c.err != 0)
		return async;
	redisAsyncFree(async);
	return NULL;
}

static void
note_where(struct redis_link *l, const struct addr *addr, const char *name)
{
	l->at = (struct endpoint){.kind = TG_ENDPOINT_ADDR, .addr = *addr};
	if (name[0] != '\0') {
		l->at.kind = TG_ENDPOINT_NAME;
		l->at.port = addr_port(addr);
		snprintf(l->at.host, sizeof(l->at.host), "%s", name);
	}
	if (l->url.master[0] != '\0' || l->url.is_cluster)
		addr_format(addr, l->shown, sizeof(l->shown));
}

static void
try_connect(struct redis_link *l)
{
	bool must_ask = l->url.master[0] != '\0' && !l->has_master;
	const struct addr *addr = l->has_master ? &l->master : redis_hosts_next(&l->hosts);
	redisAsyncContext *async;
	char reason[WHY_SIZE];

	if (addr == NULL) {
		redis_link_fail(l, l->hosts.why);
		return;
	}
	note_where(l, addr, l->has_master ? "" : l->hosts.name);
	l->state = must_ask ? LINK_ASKING : LINK_GREETING;
	async = begin(l, addr, l->has_master ? "" : l->hosts.name);
	if (async == NULL || async->c.err != 0) {
		snprintf(reason, sizeof(reason), "%s", async != NULL ? async->c.errstr : "no memory");
		if (async != NULL)
			redisAsyncFree(async);
		redis_link_fail(l, reason);
		return;
	}
	redis_link_expect(l);
	attach(l, async);
	if (must_ask)
		ask_sentinel(l);
	else
		greet(l);
}

static void
too_late(struct redis_link *l)
{
	char reason[WHY_SIZE];

	/* It may have answered while this process was busy. */
	for (unsigned i = 0; i < LATE_LOOKS && l->is_awaiting; i++) {
		if (!redis_link_drive(l, 0))
			break;
	}
	if (!l->is_awaiting)
		return;
	/* So late, it was this process that had no time, perhaps not even to send. */
	if (!l->is_extended && mono_diff_us(mono_read(), l->due) > LATE_US) {
		redis_link_expect(l);
		l->is_extended = true;
		return;
	}
	snprintf(reason, sizeof(reason), "no %s within %llu ms",
		 l->state == LINK_READY ? "answer" : "connection",
		 (unsigned long long)l->timeout_ms);
	redis_link_fail(l, reason);
}

static void
on_timer(struct timer *t)
{
	struct redis_link *l = TG_CONTAINER(t, struct redis_link, timer);

	if (l->is_broken)
		redis_link_fail(l, "no memory");
	else if (l->state == LINK_WAITING)
		try_connect(l);
	else if (l->is_awaiting)
		too_late(l);
}

static void
on_found(void *user)
{
	struct redis_link *l = user;

	if (l->state == LINK_WAITING)
		timer_set(l->loop, &l->timer, loop_now(l->loop));
}

static int
find_hosts(struct redis_link *l, struct resolver *resolver, struct err *err)
{
	const struct endpoint *first = &l->url.hosts[0];

	if (first->kind == TG_ENDPOINT_ADDR)
		addr_format(&first->addr, l->shown, sizeof(l->shown));
	else
		snprintf(l->shown, sizeof(l->shown), "%s:%u", first->host, first->port);
	return redis_hosts_start(&l->hosts, &l->url, resolver, on_found, l, err);
}

/* NULL: no memory. */
static struct redis_link *
make(struct loop *loop, const struct redis_link_ops *ops, void *user)
{
	struct redis_link *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->loop = loop;
	l->ops = ops;
	l->user = user;
	l->dice = hash_number(mono_read().us ^ (uint64_t)getpid() << 40 ^ (uintptr_t)l);
	timer_init(&l->timer, on_timer);
	return l;
}

/* As far as it is made; it is closed where that has failed. */
static int
live(struct redis_link *l, int rc, struct redis_link **ret)
{
	if (rc < 0) {
		redis_link_close(l);
		return rc;
	}
	timer_set(l->loop, &l->timer, loop_now(l->loop));
	*ret = l;
	return 0;
}

int
redis_link_open(const struct conf_store *conf, struct loop *loop, struct resolver *resolver,
		const struct redis_link_ops *ops, void *user, struct redis_link **ret,
		struct err *err)
{
	struct redis_link *l = make(loop, ops, user);
	int rc;

	if (l == NULL)
		return err_no_memory(err);
	l->timeout_ms = conf->timeout_ms;
	rc = store_url_parse(conf->url, &l->url, err);
	if (rc == 0)
		rc = find_hosts(l, resolver, err);
	if (rc == 0 && l->url.is_tls)
		rc = redis_tls_new(conf, &l->tls, err);
	if (rc == 0 && conf->sentinel_password != NULL) {
		l->sentinel_password = strdup(conf->sentinel_password);
		rc = l->sentinel_password != NULL ? 0 : err_no_memory(err);
	}
	return live(l, rc, ret);
}

int
redis_link_open_beside(const struct redis_link *first, const struct endpoint *at,
		       const struct redis_link_ops *ops, void *user, struct redis_link **ret,
		       struct err *err)
{
	struct redis_link *l = make(first->loop, ops, user);
	int rc;

	if (l == NULL)
		return err_no_memory(err);
	l->timeout_ms = first->timeout_ms;
	l->url = first->url;
	l->url.hosts[0] = *at;
	l->url.n_hosts = 1;
	rc = find_hosts(l, first->hosts.resolver, err);
	if (rc == 0 && first->tls != NULL)
		rc = redis_tls_share(first->tls, &l->tls, err);
	return live(l, rc, ret);
}

void
redis_link_learn(struct redis_link *l, const struct endpoint *list, size_t n)
{
	redis_hosts_learn(&l->hosts, list, n);
}

const struct endpoint *
redis_link_where(const struct redis_link *l)
{
	return &l->at;
}

void
redis_link_close(struct redis_link *l)
{
	redisAsyncContext *async;

	if (l == NULL)
		return;
	async = detach(l);
	if (async != NULL)
		redisAsyncFree(async);
	redis_hosts_stop(&l->hosts);
	redis_tls_free(l->tls);
	if (l->sentinel_password != NULL)
		explicit_bzero(l->sentinel_password, strlen(l->sentinel_password));
	free(l->sentinel_password);
	timer_fini(&l->timer);
	explicit_bzero(&l->url, sizeof(l->url));
	free(l);
}

/*** Commands ***/

bool
redis_link_is_ready(const struct redis_link *l)
{
	return l->state == LINK_READY;
}

static void
on_answer(redisAsyncContext *async, void *answer, void *item)
{
	struct redis_link *l = async->data;

	if (l == NULL)
		return;
	if (answer == NULL) {
		lost(l);
		return;
	}
	l->guard.pending--;
	l->ops->answer(l->user, item, answer);
}

void
redis_link_send(struct redis_link *l, const char *command, size_t n, void *item)
{
	if (redisAsyncFormattedCommand(l->async, on_answer, item, command, n) == REDIS_OK)
		l->guard.pending++;
	else
		set_broken(l);
}

void
redis_link_expect(struct redis_link *l)
{
	l->is_awaiting = true;
	l->is_extended = false;
	l->due = mono_add_ms(mono_read(), l->timeout_ms);
	timer_set(l->loop, &l->timer, l->due);
}

void
redis_link_settle(struct redis_link *l)
{
	l->is_awaiting = false;
	l->failures = 0;
	if (!l->is_broken)
		timer_clear(&l->timer);
}

bool
redis_link_drive(struct redis_link *l, int timeout_ms)
{
	struct pollfd fd = {.events = POLLIN};

	if (l->async == NULL)
		return false;
	fd.fd = l->async->c.fd;
	if (l->writable.cb != NULL)
		fd.events |= POLLOUT;
	if (poll(&fd, 1, timeout_ms) <= 0)
		return false;
	if ((fd.revents & POLLOUT) != 0)
		redisAsyncHandleWrite(l->async);
	if (l->async != NULL && (fd.revents & ~POLLOUT) != 0)
		handle_read(l);
	return l->async != NULL;
}
