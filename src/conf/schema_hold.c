/*
 * conf/schema_hold.c: the rows of requests that are held until a backend is up.
 */
#include "conf/schema_priv.h"

#define REQUESTS_OF_SCALED 1024u

static const struct conf_field hold_fields[] = {
	{
		.key = "requests",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_service, hold.requests),
		.preset_note = "1024 with autoscale, else 0",
		.max = 1000000,
		.help = "Requests or TCP connections held at a time, all workers together. The next "
			"gets 503. 0: none is held, it is 503 at once.",
	},
	{
		.key = "timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_service, hold.timeout_ms),
		.preset = "30s",
		.min = 1,
		.max = TG_HOUR,
		.help = "How long each is held. Then 503.",
	},
	{.key = NULL},
};

/* What scales a service starts a backend for those who come first. */
static void
hold_check(struct conf_check *check, void *object)
{
	struct conf_service *service = object;

	if (!conf_check_given(check, "requests") && service->autoscale.module != NULL)
		service->hold.requests = REQUESTS_OF_SCALED;
}

const struct conf_schema conf_schema_hold = {
	.title = "Held requests",
	.help = "What comes while no backend is up waits for the first one that is, the oldest of "
		"the highest priority first. Of a body no more is read than fits into the buffer "
		"of its head.",
	.fields = hold_fields,
	.check = hold_check,
};
