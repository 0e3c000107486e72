/*
 * hook/webhook.c: an event is the body of a POST, signed where there is a secret.
 *
 * The signature is as Stripe and GitHub have it (docs.stripe.com/webhooks/signature): the time is signed too, so
 * that who has heard one request cannot send it again later; each try has a signature of its own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "conf/hook_url.h"
#include "hook/hook_priv.h"
#include "provider/call.h"
#include "tls/mac.h"

#define ANSWER_MAX (64u << 10)
#define HEADER_MAX 160u
#define ADDRESSES_MAX 8u /* of a name; each try goes to the next of them */

struct web {
	struct hook *hook;
	struct hook_url url; /* of `text` */
	char *text;          /* owned: the configuration may go before the hook does */
	const char *slash;   /* "/", where the URL has none; else "" */
	struct resolver_watch watch; /* of a name */
	struct addr known[ADDRESSES_MAX];
	size_t n_known;              /* 0: not known yet */
	struct addr at;              /* of `caller` */
	char why[TG_HOOK_WHY];       /* its name is not found; "": nothing is known to be wrong */
	struct caller *caller;       /* NULL: not called yet, or it is elsewhere now */
	struct call *call;           /* NULL: none is under way */
	const struct delivery *next; /* waits for the address; NULL: none does */
};

/*** The request ***/

/* 408 and 429 ask for it. */
static bool
may_retry(const struct call_end *end)
{
	return end->rc < 0 || end->status == 408 || end->status == 429 || end->status >= 500;
}

static void
on_ended(void *user, const struct call_end *end)
{
	struct web *web = user;
	char why[TG_HOOK_WHY];

	web->call = NULL;
	if (end->rc < 0)
		snprintf(why, sizeof(why), "%s", end->why);
	else
		snprintf(why, sizeof(why), "status %u", end->status);
	hook_ended(web->hook, end->rc == 0 && end->status / 100 == 2, may_retry(end), why);
}

/* "": nothing is signed. -TG_ENOMEM, -TG_EIO. */
static int
sign(const struct conf_hook *conf, const struct delivery *d, char *ret, size_t size)
{
	uint64_t now = wall_read().us / 1000000;
	char code[TG_MAC_HEX_LEN + 1];
	char *text;
	int n;
	int rc;

	ret[0] = '\0';
	if (conf->secret == NULL)
		return 0;
	n = asprintf(&text, "%" PRIu64 ".%s", now, d->body);
	if (n < 0)
		return -TG_ENOMEM;
	rc = mac_hex(conf->secret, strlen(conf->secret), text, (size_t)n, code);
	free(text);
	if (rc == 0)
		snprintf(ret, size, "Tidegate-Signature: t=%" PRIu64 ",v1=%s", now, code);
	return rc;
}

/* The address of this try, with the connection of the one before where it is the same. NULL: no memory. */
static struct caller *
make_caller(struct web *web)
{
	const struct addr *at = &web->known[web->hook->tries % web->n_known];
	struct call_place place = {
		.host = web->url.host,
		.at = *at,
		.is_secure = web->url.is_secure,
		.ca = web->hook->conf->ca,
		.running_max = 1,
	};

	if (web->caller != NULL && addr_equal(at, &web->at))
		return web->caller;
	caller_free(web->caller);
	web->at = *at;
	web->caller = caller_new(web->hook->all->loop, &place);
	return web->caller;
}

static int
post(struct web *web, const struct delivery *d, char *why)
{
	const struct conf_hook *conf = web->hook->conf;
	char header[HEADER_MAX];
	char path[2100];
	struct call_order order = {
		.method = "POST",
		.path = path,
		.body = d->body,
		.timeout_ms = conf->timeout_ms,
		.answer_max = ANSWER_MAX,
		.ended = on_ended,
		.user = web,
	};
	int rc = sign(conf, d, header, sizeof(header));

	snprintf(path, sizeof(path), "%s%s", web->slash, web->url.path);
	order.header = header[0] != '\0' ? header : NULL;
	if (rc == 0)
		rc = make_caller(web) != NULL ? call_start(web->caller, &order, &web->call)
					      : -TG_ENOMEM;
	if (rc < 0)
		snprintf(why, TG_HOOK_WHY, "%s", rc == -TG_EIO ? "cannot sign it" : "no memory");
	return rc;
}

/*** Its address ***/

/* Inside resolver_watch_start() nothing waits yet. */
static void
on_name(struct resolver_watch *w, const struct resolver_news *news)
{
	struct web *web = TG_CONTAINER(w, struct web, watch);
	const struct delivery *d = web->next;
	char why[TG_HOOK_WHY] = "";

	if (news->why != NULL)
		snprintf(web->why, sizeof(web->why), "cannot look up %.64s: %.70s", web->url.host,
			 news->why);
	if (news->n == 0)
		return;
	web->why[0] = '\0';
	web->n_known = news->n < ADDRESSES_MAX ? news->n : ADDRESSES_MAX;
	for (size_t i = 0; i < web->n_known; i++)
		web->known[i] = ip_addr(&news->list[i].ip, web->url.at.port);
	if (d == NULL)
		return;
	web->next = NULL;
	if (post(web, d, why) < 0)
		hook_ended(web->hook, false, true, why);
}

static int
find_address(struct hook *h, struct web *web, struct err *err)
{
	if (web->url.at.kind == TG_ENDPOINT_ADDR) {
		web->known[0] = web->url.at.addr;
		web->n_known = 1;
		return 0;
	}
	if (h->all->resolver == NULL)
		return err_set(err, TG_EINVAL, "hook \"%s\": its host cannot be looked up",
			       h->conf->name);
	return resolver_watch_start(h->all->resolver, &web->watch, web->url.host, on_name) < 0
		       ? err_no_memory(err)
		       : 0;
}

/*** Its life ***/

static int
web_open(struct hook *h, struct err *err)
{
	struct web *web = calloc(1, sizeof(*web));
	int rc;

	if (web == NULL)
		return err_no_memory(err);
	h->own = web;
	web->hook = h;
	rc = call_check(err);
	if (rc < 0)
		return rc;
	web->text = strdup(h->conf->url);
	if (web->text == NULL)
		return err_no_memory(err);
	rc = hook_url_parse(web->text, &web->url, err);
	if (rc < 0)
		return rc;
	web->slash = web->url.path[0] == '/' ? "" : "/";
	return find_address(h, web, err);
}

static void
web_close(struct hook *h)
{
	struct web *web = h->own;

	if (web == NULL)
		return;
	call_cancel(web->call);
	caller_free(web->caller);
	resolver_watch_stop(&web->watch);
	free(web->text);
	free(web);
}

static int
web_start(struct hook *h, const struct delivery *d, char *why)
{
	struct web *web = h->own;

	if (web->n_known > 0)
		return post(web, d, why);
	web->next = d;
	return 0;
}

static void
web_cancel(struct hook *h, char *why)
{
	struct web *web = h->own;

	if (web->next != NULL && web->why[0] != '\0')
		snprintf(why, TG_HOOK_WHY, "%s", web->why);
	web->next = NULL;
	call_cancel(web->call);
	web->call = NULL;
}

static void
web_target(const struct hook *h, char *ret, size_t size)
{
	const struct web *web = h->own;
	const char *v6 = strchr(web->url.host, ':');

	snprintf(ret, size, "%s://%s%s%s:%u", web->url.is_secure ? "https" : "http",
		 v6 != NULL ? "[" : "", web->url.host, v6 != NULL ? "]" : "",
		 web->url.at.kind == TG_ENDPOINT_ADDR ? (unsigned)addr_port(&web->url.at.addr)
						      : (unsigned)web->url.at.port);
}

const struct hook_way hook_web = {
	.name = "webhook",
	.open = web_open,
	.close = web_close,
	.start = web_start,
	.cancel = web_cancel,
	.target = web_target,
};
