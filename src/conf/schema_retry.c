/*
 * conf/schema_retry.c: the rows of retries.
 */
#include "conf/schema_priv.h"

static const struct conf_field retry_fields[] = {
	{
		.key = "attempts",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_retry, attempts),
		.preset = "2",
		.max = TG_RETRY_MAX,
		.help = "Tries after the first, on another backend where there is one: of those that serve, then of "
			"the backups (tier). A connect that is "
			"refused at once is not counted while a backend is left that this request has not "
			"tried: of many that died together it may meet several. Nor is one that had no answer within "
			"timeouts.connect, while a backend is left to which no connect of any request has failed within "
			"that time and the second before. Seven tries after "
			"the first in all. 0: none.",
	},
	{
		.key = "on",
		TG_LIST(conf_retry, on, n_on),
		.element_kind = &conf_kind_cause,
		.max = 203,
		.preset_note = "connect, empty-response and response-timeout",
		.help = "What is tried again: \\(dqconnect\\(dq, when no connection could be made; "
			"\\(dqempty-response\\(dq, when the backend closed before the head of an answer was whole; "
			"\\(dqresponse-timeout\\(dq, when no answer began in time; and statuses from "
			"\\(dq400\\(dq to \\(dq599\\(dq. All but the first, for idempotent requests only, "
			"unless the backend provably got no byte of the request. TCP connections "
			"know \\(dqconnect\\(dq alone.",
	},
	{
		.key = "budget",
		.kind = &conf_kind_ratio,
		TG_MEMBER(conf_retry, budget_permille),
		.preset = "0.2",
		.max = 10000,
		.help = "Tries after the first, as a share of the requests of the last ten seconds. "
			"Ten a second are allowed on top, by all workers together. Failed connects are not counted: nothing "
			"was asked of a backend by them.",
	},
	{
		.key = "backoff",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_retry, backoff_ms),
		.preset = "50ms",
		.max = 60 * TG_SECOND,
		.help = "Pause before a backend is tried again that failed this request, when "
			"no other is left; twice as long each time that happens to it, give or take "
			"a quarter.",
	},
	{
		.key = "idempotency_key",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_retry, idempotency_key),
		.preset = "false",
		.help = "Whether a request with an Idempotency-Key field that is not empty counts as "
			"idempotent.",
	},
	{.key = NULL},
};

static bool
retry_preset(struct conf_check *check, struct conf_retry *retry)
{
	retry->on = arena_alloc(conf_check_arena(check), TG_CAUSE_COUNT, sizeof(retry->on[0]));
	if (!retry->on) {
		conf_check_no_memory(check);
		return false;
	}
	for (uint16_t cause = 0; cause < TG_CAUSE_COUNT; cause++)
		retry->on[cause] = cause;
	retry->n_on = TG_CAUSE_COUNT;
	return true;
}

static void
retry_check(struct conf_check *check, void *object)
{
	struct conf_retry *retry = object;

	if (!conf_check_given(check, "on") && !retry_preset(check, retry))
		return;
	for (size_t i = 0; i < retry->n_on; i++) {
		unsigned bit = retry->on[i] - TG_CAUSE_STATUS_MIN;

		if (retry->on[i] < TG_CAUSE_COUNT)
			retry->on_causes |= 1u << retry->on[i];
		else
			retry->on_statuses[bit / 64] |= UINT64_C(1) << bit % 64;
	}
}

const struct conf_schema conf_schema_retry = {
	.title = "Retries",
	.help = "A request is tried again as long as no byte of an answer went to the client. What was sent of its "
		"body must be here still: without buffer_request that is up to 80K, chunk lines counted, or 16K where the "
		"buffer of the listener is less than 80K; of a longer one nothing is kept. A connect that failed is tried again "
		"with any body. The access log has the backends that failed and why (failed=), who chose the last one "
		"(choice=), and where one failed and no other was tried, the reason (no_retry=): "
		"not-idempotent; unrepeatable-body, as not all of it is here any more; interim-answer, as one has gone to the client; not-configured, by on; attempts "
		"and budget, used up. An answer that is malformed (bad-answer), or cut behind its head (answer-cut), is never asked for again.",
	.fields = retry_fields,
	.check = retry_check,
};
