/* Any bytes as the line of a backend's agent: what they order must be fit to be told the proxy. */
#include <stdlib.h>
#include <string.h>

#include "backend/serving.h"
#include "backend/view.h"
#include "fuzz/fuzz.h"
#include "health/agent_reply.h"

static void
check_order(const struct backend_order *order)
{
	static const struct conf_backend conf = {.weight = 1};
	union msg_payload u;

	memset(&u, 0, sizeof(u));
	u.backend.order = *order;
	if (!msg_is_sane(MSG_BACKEND, &u))
		abort();
	if (serving_weight(&conf, &(struct serving_state){.order = *order}) > TG_WEIGHT_MAX)
		abort();
}

static bool
is_figure(int32_t permille)
{
	return permille == TG_LOAD_NOT_TOLD || (permille >= 0 && permille <= TG_LOAD_PERMILLE_MAX);
}

/* As a report, which nobody takes for one of a backend that is idle. */
static void
check_load(const struct load_report *load)
{
	if (!is_figure(load->cpu_permille) || !is_figure(load->memory_permille) ||
	    (load->cpu_permille <= 0 && load->memory_permille <= 0 &&
	     load->cpu_permille + load->memory_permille != 2 * TG_LOAD_NOT_TOLD))
		abort();
}

/* Said again it changes nothing. */
static void
check_again(const char *line, size_t n, const struct agent_reply *first)
{
	struct backend_order order = first->order;
	struct agent_reply again;

	agent_reply_parse(line, n, &again);
	if (backend_order_merge(&order, &again.order))
		abort();
}

/* In words that order the same. */
static void
check_format(const struct backend_order *order)
{
	struct backend_order known = TG_ORDER_NOTHING;
	char text[TG_AGENT_ORDERS_SIZE];
	struct backend_order again = known;
	struct agent_reply reply;

	backend_order_merge(&known, order);
	agent_orders_format(order, text, sizeof(text));
	agent_reply_parse(text, strlen(text), &reply);
	backend_order_merge(&again, &reply.order);
	if (backend_order_merge(&known, &again))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	/* A copy of its own, so that a read past its end is seen. */
	char *line = malloc(len + (len == 0));
	struct agent_reply reply;

	if (line == NULL)
		return 0;
	memcpy(line, input, len);
	agent_reply_parse(line, len, &reply);
	check_order(&reply.order);
	check_load(&reply.load);
	check_again(line, len, &reply);
	check_format(&reply.order);
	if (reply.n_refused > reply.n_words || (reply.n_refused > 0) != (reply.refused != NULL))
		abort();
	if (reply.refused != NULL && (reply.refused < line || reply.refused_n == 0 ||
				      reply.refused + reply.refused_n > line + len))
		abort();
	free(line);
	return 0;
}
