#include "health/agent.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/hash.h"
#include "base/log.h"
#include "health/agent_reply.h"

#define REFUSED_WINDOW_S 60u

struct agent {
	struct pace pace;
	struct check check;
	struct check_target target;
	const struct conf_agent *conf;
	agent_change_cb *change;
	void *user;
	struct agent_status status;
	bool has_addr;
	uint64_t at; /* where it is, as a hash, or was by what is recalled; 0: nowhere yet */
	struct log_limit refused;
	/* The question under way. */
	size_t sent_n;
	size_t line_n;
	char line[TG_AGENT_LINE_MAX];
};

/* the kind of check: one line of an answer */

static struct agent *
agent_of_check(struct check *c)
{
	return TG_CONTAINER(c, struct agent, check);
}

/* What is left to send. 0 or -TG_EIO. */
static int
send_question(struct agent *a)
{
	const char *text = a->conf->send != NULL ? a->conf->send : "";
	size_t left = strlen(text) - a->sent_n;
	ssize_t n;

	while (left > 0) {
		n = conn_send(&a->check.conn, text + a->sent_n, left);
		if (n == -TG_EAGAIN)
			return 0;
		if (n < 0)
			return -TG_EIO;
		a->sent_n += (size_t)n;
		left -= (size_t)n;
	}
	return 0;
}

/* Cuts the line at its end. False: that is not here yet. */
static bool
find_end(struct agent *a)
{
	for (size_t i = 0; i < a->line_n; i++) {
		if (a->line[i] != '\r' && a->line[i] != '\n')
			continue;
		a->line_n = i;
		return true;
	}
	return false;
}

/* 0: more is needed; 1: the line is here; negative with the outcome filled. */
static int
receive_line(struct agent *a, struct check_outcome *ret)
{
	ssize_t n;

	for (;;) {
		if (find_end(a))
			return 1;
		if (a->line_n == sizeof(a->line)) {
			check_outcome_set(ret, TG_CHECK_L7_INVALID, "line longer than %u bytes",
					  TG_AGENT_LINE_MAX - 1);
			return -TG_EPROTO;
		}
		conn_recheck(&a->check.conn);
		n = conn_recv(&a->check.conn, a->line + a->line_n, sizeof(a->line) - a->line_n);
		if (n == -TG_EAGAIN)
			return 0;
		if (n == 0)
			return 1;
		if (n < 0) {
			check_outcome_set_errno(ret, TG_CHECK_L7_INVALID, errno);
			return -TG_EIO;
		}
		a->line_n += (size_t)n;
	}
}

static void
warn_refused(struct agent *a, const struct agent_reply *reply)
{
	const char *service = a->target.service->name;
	const char *backend = a->target.backend->name;
	struct check_outcome word;
	unsigned suppressed;

	if (reply->n_refused == 0 || !log_limit_pass_in(&a->refused, REFUSED_WINDOW_S, 1,
							loop_now(a->check.loop), &suppressed))
		return;
	check_outcome_set_said(&word, TG_CHECK_NONE, reply->refused, reply->refused_n, "");
	if (reply->allowed != NULL)
		log_write(TG_LOG_WARN, "the agent says a value that is not allowed, ignoring it",
			  "svc=%s srv=%s word=%s allowed=%s others=%u suppressed=%u", service,
			  backend, word.text, reply->allowed, reply->n_refused - 1, suppressed);
	else
		log_write(TG_LOG_WARN, "the agent says a word that is not known, ignoring it",
			  "svc=%s srv=%s word=%s others=%u suppressed=%u", service, backend,
			  word.text, reply->n_refused - 1, suppressed);
}

static void
take_load(struct agent *a, const struct load_report *load)
{
	if (load->cpu_permille == TG_LOAD_NOT_TOLD && load->memory_permille == TG_LOAD_NOT_TOLD)
		return;
	a->status.load = *load;
	a->status.load_at = loop_now(a->check.loop);
}

/* Takes what the line orders and tells. True: something is ordered that was not. */
static bool
take_line(struct agent *a, struct check_outcome *ret)
{
	struct agent_reply reply;

	agent_reply_parse(a->line, a->line_n, &reply);
	warn_refused(a, &reply);
	if (reply.n_refused == reply.n_words) {
		check_outcome_set_said(ret, TG_CHECK_L7_INVALID, a->line, a->line_n,
				       "empty answer");
		return false;
	}
	take_load(a, &reply.load);
	check_outcome_set_said(ret, reply.order.is_down ? TG_CHECK_L7_STATUS : TG_CHECK_L7_OK,
			       a->line, a->line_n, "");
	return backend_order_merge(&a->status.order, &reply.order);
}

static void
agent_finish(struct agent *a, const struct check_outcome *outcome, bool is_changed)
{
	check_finish(&a->check, outcome);
	if (!is_changed)
		return;
	log_write(TG_LOG_INFO, "the agent gives orders", "svc=%s srv=%s said=%s",
		  a->target.service->name, a->target.backend->name, outcome->text);
	a->change(a->user);
}

static void
on_event(struct watch *w, unsigned what)
{
	struct agent *a = agent_of_check(check_of_watch(w));
	struct conn *conn = &a->check.conn;
	struct check_outcome outcome;
	int rc;

	conn_note(conn, what);
	rc = conn_connected(conn);
	if (rc == -TG_EAGAIN)
		return;
	if (rc < 0) {
		check_outcome_set_errno(&outcome, TG_CHECK_L4_REFUSED, errno);
		agent_finish(a, &outcome, false);
		return;
	}
	/* When it does not want the question, it may have answered all the same. */
	if (send_question(a) < 0)
		a->sent_n = strlen(a->conf->send);
	rc = receive_line(a, &outcome);
	if (rc < 0)
		agent_finish(a, &outcome, false);
	else if (rc == 1)
		agent_finish(a, &outcome, take_line(a, &outcome));
}

static int
question_start(struct check *c, struct check_outcome *ret)
{
	struct agent *a = agent_of_check(c);
	int rc;

	a->sent_n = 0;
	a->line_n = 0;
	rc = conn_connect(&c->conn, c->loop, &c->target->addr, on_event);
	if (rc < 0)
		check_outcome_set_errno(ret, TG_CHECK_L4_REFUSED, errno);
	return rc;
}

static void
question_stop(struct check *c)
{
	conn_close(&c->conn);
}

static const struct check_ops question = {
	.name = "agent",
	.start = question_start,
	.stop = question_stop,
};

/* at intervals */

static void
log_answers(const struct agent *a)
{
	if (agent_is_silent(&a->status))
		log_write(TG_LOG_INFO, "the agent answers again", "svc=%s srv=%s said=%s",
			  a->target.service->name, a->target.backend->name, a->status.last.text);
}

static void
log_silent(const struct agent *a, const char *what, const struct backend_order *order)
{
	char ordered[TG_AGENT_ORDERS_SIZE];

	log_write(TG_LOG_WARN, what, "svc=%s srv=%s reason=%s ordered=%s", a->target.service->name,
		  a->target.backend->name, a->status.last.text,
		  agent_orders_format(order, ordered, sizeof(ordered)));
}

static bool
is_lapsed(const struct agent *a, struct mono now)
{
	return a->conf->lapse_ms != 0 &&
	       mono_diff_us(now, a->status.heard) >= a->conf->lapse_ms * 1000;
}

/* Nothing is ordered, also to whom did not know what was. True: that is another order. */
static bool
take_back(struct agent *a)
{
	static const struct backend_order nothing = TG_ORDER_NOTHING;

	return backend_order_merge(&a->status.order, &nothing);
}

static void
agent_miss(struct agent *a, struct mono now)
{
	struct backend_order before = a->status.order;

	if (++a->status.misses == TG_AGENT_MISSES_MAX)
		log_silent(a, "no valid answer of the agent, what it ordered stays", &before);
	if (!is_lapsed(a, now) || !take_back(a))
		return;
	log_silent(a, "no valid answer of the agent, what it ordered is taken back", &before);
	a->change(a->user);
}

static void
agent_note(struct agent *a, const struct check_outcome *outcome)
{
	struct mono now = loop_now(a->pace.flow->lane->loop);

	a->status.last = *outcome;
	a->status.last_us = mono_diff_us(now, a->pace.begun);
	a->status.last_end = now;
	pace_rest(&a->pace);
	if (outcome->result != TG_CHECK_L7_OK && outcome->result != TG_CHECK_L7_STATUS) {
		agent_miss(a, now);
		return;
	}
	log_answers(a);
	a->status.heard = now;
	a->status.misses = 0;
}

static void
on_done(struct check *c, const struct check_outcome *outcome)
{
	agent_note(agent_of_check(c), outcome);
}

static void
agent_begin(struct pace *p)
{
	struct agent *a = TG_CONTAINER(p, struct agent, pace);
	struct loop *loop = p->flow->lane->loop;
	struct check_outcome outcome;

	if (check_start(&a->check, loop, &question, &a->target, on_done, &outcome) != 0)
		agent_note(a, &outcome);
}

static void
agent_expire(struct pace *p)
{
	struct agent *a = TG_CONTAINER(p, struct agent, pace);
	struct check_outcome outcome;

	check_outcome_timeout(&a->check, &outcome);
	agent_note(a, &outcome);
}

static void
agent_stop(struct pace *p)
{
	check_stop(&TG_CONTAINER(p, struct agent, pace)->check);
}

static const struct pace_ops agent_pace = {
	.begin = agent_begin,
	.expire = agent_expire,
	.stop = agent_stop,
};

struct agent *
agent_new(struct lane_flow *flow, const struct conf_service *service,
	  const struct conf_backend *backend, agent_change_cb *change, void *user)
{
	const struct pace_conf pace = {
		.interval_ms = {service->agent.interval_ms},
		.timeout_ms = service->agent.timeout_ms,
		.jitter_percent = service->health.jitter_percent,
	};
	struct agent *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	pace_init(&a->pace, flow, &agent_pace, &pace);
	a->target = (struct check_target){.service = service, .backend = backend};
	a->conf = &service->agent;
	a->change = change;
	a->user = user;
	check_outcome_set(&a->status.last, TG_CHECK_NONE, "not asked yet");
	return a;
}

void
agent_free(struct agent *a)
{
	if (a == NULL)
		return;
	pace_fini(&a->pace);
	free(a);
}

void
agent_rebind(struct agent *a, const struct conf_service *service,
	     const struct conf_backend *backend, void *user)
{
	a->target.service = service;
	a->target.backend = backend;
	a->conf = &service->agent;
	a->user = user;
}

void
agent_inherit(struct agent *a, const struct agent *before)
{
	a->status = before->status;
}

/* The same in every process; what a gauge can hold. */
static uint64_t
hash_of(const struct addr *addr)
{
	char text[TG_ADDR_STRLEN];

	addr_format(addr, text, sizeof(text));
	return hash_bytes(text, strlen(text), 0) >> 1 | 1;
}

void
agent_keep(const struct agent *a, struct agent_kept *ret)
{
	*ret = (struct agent_kept){.order = a->status.order, .heard = a->status.heard, .at = a->at};
}

void
agent_recall(struct agent *a, const struct agent_kept *kept)
{
	a->status.order = kept->order;
	a->status.heard = kept->heard;
	a->at = kept->at;
}

void
agent_set_addr(struct agent *a, const struct addr *addr)
{
	uint64_t at = hash_of(addr);
	bool is_recalled = !a->has_addr && a->at == at;
	bool moved = a->has_addr || (a->at != 0 && a->at != at);

	pace_stop(&a->pace);
	a->has_addr = true;
	a->at = at;
	a->target.addr = *addr;
	addr_set_port(&a->target.addr, a->conf->port);
	if (!is_recalled)
		a->status.heard = loop_now(a->pace.flow->lane->loop);
	a->status.misses = 0;
	if (moved)
		a->status.load_at = (struct mono){.us = 0};
	if (moved && take_back(a))
		a->change(a->user);
	pace_start(&a->pace);
}

void
agent_set_no_addr(struct agent *a)
{
	pace_stop(&a->pace);
}

bool
agent_has_addr(const struct agent *a)
{
	return a->has_addr;
}

static double
share_of(int32_t permille)
{
	return permille != TG_LOAD_NOT_TOLD ? (double)permille / 1000 : (double)NAN;
}

bool
agent_load(const struct agent *a, struct mono now, double *ret_cpu, double *ret_memory)
{
	const struct agent_status *s = &a->status;
	uint64_t stale_ms = TG_AGENT_LOAD_INTERVALS * a->conf->interval_ms + a->conf->timeout_ms;

	if (!mono_is_set(s->load_at) || mono_diff_us(now, s->load_at) / 1000 > stale_ms)
		return false;
	*ret_cpu = share_of(s->load.cpu_permille);
	*ret_memory = share_of(s->load.memory_permille);
	return true;
}

bool
agent_is_silent(const struct agent_status *s)
{
	return s->misses >= TG_AGENT_MISSES_MAX;
}

const struct agent_status *
agent_status(const struct agent *a)
{
	return &a->status;
}
