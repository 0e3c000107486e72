#include "admin/http_ask.h"

#include <string.h>

#include "http/target.h"

#define VALUE_MAX 255u

static const struct slice paths[TG_PAGE_COUNT] = {
	[TG_PAGE_METRICS] = {"/metrics", 8},
	[TG_PAGE_STATUS] = {"/status", 7},
	[TG_PAGE_HEALTH] = {"/healthz", 8},
	[TG_PAGE_READY] = {"/readyz", 7},
};

static bool
is_word(struct slice s, const char *word)
{
	return s.n == strlen(word) && memcmp(s.p, word, s.n) == 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A value with its escapes read; false: too long, or an escape is wrong. */
static bool
decode(struct slice value, char buf[VALUE_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];

		if (c == '%') {
			int high = i + 2 < value.n ? hex_digit(value.p[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(value.p[i + 2]) : -1;

			if (low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (n == VALUE_MAX || c == '\0')
			return false;
		buf[n++] = c;
	}
	buf[n] = '\0';
	return true;
}

static bool
take_backends(const char *value, struct http_ask *ask)
{
	if (strcmp(value, "0") == 0)
		ask->backends = TG_BACKENDS_NO;
	else if (strcmp(value, "1") == 0)
		ask->backends = TG_BACKENDS_YES;
	else if (strcmp(value, "times") == 0)
		ask->backends = TG_BACKENDS_TIMES;
	else
		return false;
	return true;
}

static bool
take_services(const char *value, struct http_ask *ask)
{
	if (strcmp(value, "any") == 0)
		ask->ready = TG_READY_ANY;
	else if (strcmp(value, "all") == 0)
		ask->ready = TG_READY_ALL;
	else
		return false;
	return true;
}

static unsigned
take_argument(const struct conf *conf, struct slice name, struct slice value, struct http_ask *ask,
	      const char **ret_why)
{
	char text[VALUE_MAX + 1];
	const struct conf_service *service;
	bool is_known = false;

	if (!decode(value, text)) {
		*ret_why = "a value is too long, or an escape in it is wrong";
		return 400;
	}
	if (ask->page == TG_PAGE_METRICS && is_word(name, "backends"))
		is_known = take_backends(text, ask);
	else if (ask->page == TG_PAGE_READY && is_word(name, "services"))
		is_known = take_services(text, ask);
	if (is_known)
		return 200;
	*ret_why =
		"known are /metrics?backends=0|1|times, /readyz?services=any|all, "
		"/readyz?service=NAME";
	if (ask->page != TG_PAGE_READY || !is_word(name, "service"))
		return 400;
	*ret_why = "there is no such service";
	service = conf_find_service(conf, text);
	if (service == NULL)
		return 404;
	ask->service = service->index;
	ask->ready = TG_READY_ONE;
	return 200;
}

/* "?name=value&name=value" */
static unsigned
take_query(const struct conf *conf, struct slice query, struct http_ask *ask, const char **ret_why)
{
	const char *at = query.p + (query.n > 0);
	const char *end = query.p + query.n;
	unsigned status = 200;

	while (at < end && status == 200) {
		const char *stop = memchr(at, '&', (size_t)(end - at));
		const char *equals;

		if (stop == NULL)
			stop = end;
		equals = memchr(at, '=', (size_t)(stop - at));
		if (equals == NULL)
			equals = stop;
		status = take_argument(conf, (struct slice){at, (size_t)(equals - at)},
				       (struct slice){equals + (equals < stop),
						      (size_t)(stop - equals) - (equals < stop)},
				       ask, ret_why);
		at = stop < end ? stop + 1 : end;
	}
	return status;
}

static bool
find_page(struct slice path, enum http_page *ret)
{
	for (int i = 0; i < TG_PAGE_COUNT; i++) {
		if (slice_equal(path, paths[i])) {
			*ret = (enum http_page)i;
			return true;
		}
	}
	return false;
}

unsigned
http_ask_read(const struct conf *conf, const struct http_head *head, struct http_ask *ret,
	      const char **ret_why)
{
	struct http_ask ask = {.is_head = is_word(head->method, "HEAD")};
	struct http_target target;
	enum http_fault fault = http_target_read(head->target, head->method, &target);
	unsigned status;

	if (fault != HTTP_FAULT_NONE) {
		*ret_why = "the target is not valid";
		return http_fault_status(fault);
	}
	if (!find_page(target.path, &ask.page)) {
		*ret_why = "pages are /metrics, /status, /healthz and /readyz";
		return 404;
	}
	if (!ask.is_head && !is_word(head->method, "GET")) {
		*ret_why = "methods are GET and HEAD";
		return 405;
	}
	if (head->body == HTTP_BODY_CHUNKED || head->content_length > 0) {
		*ret_why = "requests have no body here";
		return 400;
	}
	status = take_query(conf, target.query, &ask, ret_why);
	if (status == 200)
		*ret = ask;
	return status;
}
