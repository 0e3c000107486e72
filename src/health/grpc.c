/*
 * health/grpc.c: a backend passes when it says of itself, or of one of its services, that it is SERVING
 * (grpc.health.v1.Health).
 */
#include <stdio.h>
#include <string.h>

#include "health/ask.h"
#include "health/grpc_reply.h"

/* 0, or -TG_ELIMIT when the configured texts are too long. */
static int
format_request(struct ask *a, const struct check_target *target)
{
	const char *service = target->conf->service != NULL ? target->conf->service : "";
	unsigned char message[TG_GRPC_REQUEST_MAX];
	size_t message_n = grpc_health_request(service, message);
	char host[512];
	int n;

	ask_host(target, host, sizeof(host));
	n = snprintf(a->request, sizeof(a->request),
		     "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nHost: %s\r\n"
		     "User-Agent: tidegate/%s health\r\nContent-Type: application/grpc\r\n"
		     "Content-Length: %zu\r\n\r\n",
		     host, PACKAGE_VERSION, message_n);
	if (n < 0 || (size_t)n + message_n > sizeof(a->request))
		return -TG_ELIMIT;
	memcpy(a->request + n, message, message_n);
	a->request_n = (size_t)n + message_n;
	return 0;
}

static void
judge(struct check *c, const struct answer *a, struct check_outcome *ret)
{
	uint64_t serving;

	(void)c;
	if (a->status != 200)
		check_outcome_set(ret, TG_CHECK_L7_STATUS, "status %u", (unsigned)a->status);
	else if (a->grpc_status != 0)
		check_outcome_set(ret, TG_CHECK_L7_STATUS, "grpc-status %d", a->grpc_status);
	else if (grpc_health_parse(a->body, a->body_n, &serving) < 0)
		check_outcome_set(ret, TG_CHECK_L7_INVALID, "no answer of grpc.health.v1.Health");
	else if (serving != GRPC_SERVING)
		check_outcome_set(ret, TG_CHECK_L7_STATUS, "%s", grpc_serving_str(serving));
	else
		check_outcome_set(ret, TG_CHECK_L7_OK, "SERVING");
	ret->status = a->status;
}

static int
grpc_start(struct check *c, struct check_outcome *ret)
{
	struct ask *a = ask_new(c, ret);

	if (a == NULL)
		return -TG_ENOMEM;
	a->judge = judge;
	answer_init(&a->answer, false, NULL);
	a->answer.keeps_body = true;
	if (format_request(a, c->target) < 0) {
		check_outcome_set(ret, TG_CHECK_SOCKET, "host is too long");
		return -TG_EINVAL;
	}
	return ask_start(a, ret);
}

const struct check_ops check_grpc = {
	.name = "grpc",
	.start = grpc_start,
	.stop = ask_stop,
};
