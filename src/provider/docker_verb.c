#include "provider/docker_verb.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "provider/docker_answer.h"
#include "provider/provider_priv.h"

#define ANSWER_SMALL (256u << 10)
#define ANSWER_LARGE (16u << 20)

struct verb {
	const char *name;
	const char *method;
	const char *path; /* behind the version */
	uint64_t timeout_ms;
	size_t answer_max;
};

static const struct verb verbs[DOCKER_VERB_COUNT] = {
	[DOCKER_VERSION] = {"version", "GET", "/version", 5000, ANSWER_SMALL},
	[DOCKER_INFO] = {"info", "GET", "/info", 10000, ANSWER_SMALL},
	[DOCKER_PING] = {"ping", "GET", "/_ping", 5000, ANSWER_SMALL},
	[DOCKER_EVENTS] = {"events", "GET", "/events", 0, ANSWER_LARGE},
	[DOCKER_LIST] = {"list", "GET", "/containers/json", 30000, ANSWER_LARGE},
	[DOCKER_INSPECT] = {"inspect", "GET", "/containers/%s/json", 10000, ANSWER_SMALL},
	[DOCKER_CREATE] = {"create", "POST", "/containers/create", 30000, ANSWER_SMALL},
	[DOCKER_START] = {"start", "POST", "/containers/%s/start", 30000, ANSWER_SMALL},
	[DOCKER_STOP] = {"stop", "POST", "/containers/%s/stop", 10000, ANSWER_SMALL},
	[DOCKER_REMOVE] = {"remove", "DELETE", "/containers/%s", 30000, ANSWER_SMALL},
	[DOCKER_STATS] = {"stats", "GET", "/containers/%s/stats", 5000, ANSWER_SMALL},
	[DOCKER_LOGS] = {"logs", "GET", "/containers/%s/logs", 5000, ANSWER_SMALL},
	[DOCKER_PULL] = {"pull", "POST", "/images/create", 0, ANSWER_SMALL},
};

const char *
docker_verb_str(unsigned verb)
{
	return verb < DOCKER_VERB_COUNT ? verbs[verb].name : "?";
}

/* {"label":["owner=...","service=..."]}, escaped. */
static bool
add_filter(char *ret, size_t size, const struct docker_order *o)
{
	char text[2 * TG_PROVIDER_RUN_MAX];
	int n;

	if (o->service != NULL)
		n = snprintf(text, sizeof(text),
			     "{\"label\":[\"" TG_DOCKER_LABEL_OWNER "=%s\",\"" TG_DOCKER_LABEL_SERVICE
			     "=%s\"]}",
			     o->owner, o->service);
	else
		n = snprintf(text, sizeof(text), "{\"label\":[\"" TG_DOCKER_LABEL_OWNER "=%s\"]}",
			     o->owner);
	return n > 0 && (size_t)n < sizeof(text) && call_escape(ret, size, text);
}

static bool
add_text(char *ret, size_t size, const char *text)
{
	size_t n = strlen(ret);

	return (size_t)snprintf(ret + n, size - n, "%s", text) < size - n;
}

static bool
add_query(char *ret, size_t size, unsigned minor, const struct docker_order *o)
{
	char text[64];

	switch (o->verb) {
	case DOCKER_EVENTS:
		return add_text(ret, size, "?filters=") &&
		       call_escape(ret, size, "{\"type\":[\"container\"],\"label\":[\"" TG_DOCKER_LABEL_OWNER "\"]}");
	case DOCKER_LIST:
		return add_text(ret, size, "?all=1&filters=") && add_filter(ret, size, o);
	case DOCKER_CREATE:
		return add_text(ret, size, "?name=") && call_escape(ret, size, o->what);
	case DOCKER_STOP:
		snprintf(text, sizeof(text), "?t=%" PRIu64, (o->grace_ms + 999) / 1000);
		return add_text(ret, size, text);
	case DOCKER_REMOVE:
		return add_text(ret, size, "?force=1&v=1");
	case DOCKER_STATS:
		return add_text(ret, size, minor >= 41 ? "?stream=0&one-shot=1" : "?stream=0");
	case DOCKER_LOGS:
		return add_text(ret, size, "?stdout=1&stderr=1&tail=1");
	case DOCKER_PULL:
		return add_text(ret, size, "?fromImage=") && call_escape(ret, size, o->what) &&
		       add_text(ret, size, "&tag=") && call_escape(ret, size, o->tag);
	case DOCKER_VERSION:
	case DOCKER_INFO:
	case DOCKER_PING:
	case DOCKER_INSPECT:
	case DOCKER_START:
	case DOCKER_VERB_COUNT:
		break;
	}
	return true;
}

static bool
make_path(char *ret, size_t size, unsigned minor, const struct docker_order *o)
{
	const char *path = verbs[o->verb].path;
	const char *gap = strstr(path, "%s");
	size_t n = gap != NULL ? (size_t)(gap - path) : strlen(path);
	size_t begun;

	ret[0] = '\0';
	if (minor > 0 && snprintf(ret, size, "/v1.%u", minor) < 0)
		return false;
	begun = strlen(ret);
	if (begun + n >= size)
		return false;
	memcpy(ret + begun, path, n);
	ret[begun + n] = '\0';
	if (gap != NULL && (!call_escape(ret, size, o->what) || !add_text(ret, size, gap + 2)))
		return false;
	return add_query(ret, size, minor, o);
}

bool
docker_verb_order(const struct docker_order *o, unsigned minor, char *path, size_t size,
		  struct call_order *ret)
{
	const struct verb *v = &verbs[o->verb];

	*ret = (struct call_order){
		.method = v->method,
		.path = path,
		.body = o->body,
		.header = o->header,
		.field = o->verb == DOCKER_PING ? "API-Version" : NULL,
		.timeout_ms = (o->timeout_ms > 0 ? o->timeout_ms : v->timeout_ms) + o->grace_ms,
		.answer_max = v->answer_max,
		.is_apart = o->piece != NULL || o->verb == DOCKER_STOP,
		.piece = o->piece,
		.ended = o->ended,
		.user = o->user,
	};
	return make_path(path, size, minor, o);
}

void
docker_verb_describe(enum docker_verb verb, const struct call_end *end, char *ret, size_t size)
{
	snprintf(ret, size, "%s: ", docker_verb_str(verb));
	if (end->rc < 0)
		provider_quote(ret, size, end->why, strlen(end->why));
	else
		docker_quote_error(ret, size, end->status, end->body, end->n);
}
