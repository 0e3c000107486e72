/*
 * health/http.c: a backend passes when its answer to one request has an
 * expected status and, when asked for, the substring in its body.
 */
#include <stdio.h>
#include <string.h>

#include "health/ask.h"

/* 0, or -TG_ELIMIT when the configured texts are too long. */
static int
format_request(struct ask *a, const struct check_target *target)
{
	char host[512];
	int n;

	ask_host(target, host, sizeof(host));
	n = snprintf(a->request, sizeof(a->request),
		     "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: tidegate/%s health\r\n"
		     "Accept: */*\r\nConnection: close\r\n\r\n",
		     target->conf->method, target->conf->path, host, PACKAGE_VERSION);
	if (n < 0 || (size_t)n >= sizeof(a->request))
		return -TG_ELIMIT;
	a->request_n = (size_t)n;
	return 0;
}

static bool
is_expected(const struct conf_health_check *conf, unsigned status)
{
	for (size_t i = 0; i < conf->n_expect_ranges; i++) {
		if (status >= conf->expect_ranges[i][0] && status <= conf->expect_ranges[i][1])
			return true;
	}
	return false;
}

/* The whole answer is here. */
static void
judge(struct check *c, const struct answer *a, struct check_outcome *ret)
{
	const struct conf_health_check *conf = c->target->conf;

	if (!is_expected(conf, a->status))
		check_outcome_set(ret, TG_CHECK_L7_STATUS, "status %u", (unsigned)a->status);
	else if (conf->body != NULL && !a->found)
		check_outcome_set(ret, TG_CHECK_L7_INVALID, "body does not match");
	else
		check_outcome_set(ret, TG_CHECK_L7_OK, "status %u", (unsigned)a->status);
	ret->status = a->status;
}

static int
copy_needle(struct ask *a, const char *body)
{
	if (body == NULL)
		return 0;
	a->needle = strdup(body);
	return a->needle != NULL ? 0 : -TG_ENOMEM;
}

static int
http_start(struct check *c, struct check_outcome *ret)
{
	struct ask *a = ask_new(c, ret);
	int rc;

	if (a == NULL)
		return -TG_ENOMEM;
	a->judge = judge;
	rc = copy_needle(a, c->target->conf->body);
	answer_init(&a->answer, strcmp(c->target->conf->method, "HEAD") == 0, a->needle);
	if (rc < 0) {
		check_outcome_set(ret, TG_CHECK_SOCKET, "no memory");
		return rc;
	}
	rc = format_request(a, c->target);
	if (rc < 0) {
		check_outcome_set(ret, TG_CHECK_SOCKET, "path or host is too long");
		return rc;
	}
	return ask_start(a, ret);
}

const struct check_ops check_http = {
	.name = "http",
	.start = http_start,
	.stop = ask_stop,
};
