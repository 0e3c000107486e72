#include "admin/stat.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/cleared.h"
#include "backend/ramp.h"
#include "backend/serving.h"
#include "backend/view.h"
#include "balance/balance.h"
#include "observe/counters.h"

/* Values of the column `type`. */
enum row_type {
	ROW_FRONTEND = 0,
	ROW_BACKEND = 1,
	ROW_SERVER = 2,
};

const char *
stat_column_str(enum stat_column column)
{
	static const char *const names[TG_STAT_COUNT] = {
#define COLUMN_NAME(id, name) [TG_STAT_##id] = name,
		TG_STAT_COLUMNS(COLUMN_NAME)
#undef COLUMN_NAME
	};

	return names[column];
}

static void
set_number(struct stat_row *r, enum stat_column column, uint64_t value)
{
	r->cells[column] = (struct stat_cell){.kind = TG_CELL_NUMBER, .number = value};
}

static void
set_text(struct stat_row *r, enum stat_column column, const char *text)
{
	r->cells[column] = (struct stat_cell){.kind = TG_CELL_TEXT, .text = text};
}

/* Which counter of a slot goes where. */
struct counted {
	enum stat_column column;
	unsigned counter;
};

static void
set_counted(struct stat_row *r, const struct admin_source *s, uint32_t slot,
	    const struct counted *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		set_number(r, list[i].column, cleared_sum(s, slot, list[i].counter));
}

#define SET_COUNTED(r, s, slot, list)                                                              \
	set_counted(r, s, slot, list, sizeof(list) / sizeof((list)[0]))

static void
begin_row(struct stat_row *r, const char *proxy, const char *server, enum row_type type, size_t iid,
	  size_t sid)
{
	memset(r, 0, sizeof(*r));
	set_text(r, TG_STAT_PXNAME, proxy);
	set_text(r, TG_STAT_SVNAME, server);
	set_number(r, TG_STAT_PID, 1);
	set_number(r, TG_STAT_IID, iid);
	set_number(r, TG_STAT_SID, sid);
	set_number(r, TG_STAT_TYPE, type);
	set_text(r, TG_STAT_SEPARATOR, "-");
}

static void
set_rate(struct stat_row *r, const struct slot_rate *rate, enum slot_rate_kind kind,
	 enum stat_column now, enum stat_column max)
{
	set_number(r, now, rate->per_s[kind]);
	set_number(r, max, rate->max_per_s[kind]);
}

static const char *
mode_word(const struct admin_source *s, size_t service)
{
	const struct conf_service *wanted = &s->conf->services[service];

	for (size_t i = 0; i < s->conf->n_listeners; i++) {
		const struct conf_listener *l = &s->conf->listeners[i];

		if (l->mode == TG_MODE_TCP && l->service == wanted)
			return "tcp";
	}
	return "http";
}

void
stat_listener(const struct admin_source *s, size_t listener, struct stat_row *ret)
{
	static const struct counted counted[] = {
		{TG_STAT_STOT, TG_L_CONNECTIONS},    {TG_STAT_CONN_TOT, TG_L_CONNECTIONS},
		{TG_STAT_BIN, TG_L_BYTES_IN},        {TG_STAT_BOUT, TG_L_BYTES_OUT},
		{TG_STAT_EREQ, TG_L_BAD_REQUESTS},   {TG_STAT_REQ_TOT, TG_L_STREAMS},
		{TG_STAT_HRSP_1XX, TG_L_STATUS_1XX}, {TG_STAT_HRSP_2XX, TG_L_STATUS_2XX},
		{TG_STAT_HRSP_3XX, TG_L_STATUS_3XX}, {TG_STAT_HRSP_4XX, TG_L_STATUS_4XX},
		{TG_STAT_HRSP_5XX, TG_L_STATUS_5XX}, {TG_STAT_DCON, TG_L_REFUSED},
		{TG_STAT_H2_HEADERS_RCVD, TG_L_H2_HEADERS},
		{TG_STAT_H2_DATA_RCVD, TG_L_H2_DATA},
		{TG_STAT_H2_SETTINGS_RCVD, TG_L_H2_SETTINGS},
		{TG_STAT_H2_RST_STREAM_RCVD, TG_L_H2_RESETS_IN},
		{TG_STAT_H2_GOAWAY_RCVD, TG_L_H2_GOAWAYS_IN},
		{TG_STAT_H2_DETECTED_CONN_PROTOCOL_ERRORS, TG_L_H2_CONNECTION_ERRORS},
		{TG_STAT_H2_DETECTED_STRM_PROTOCOL_ERRORS, TG_L_H2_STREAM_ERRORS},
		{TG_STAT_H2_RST_STREAM_RESP, TG_L_H2_RESETS_OUT},
		{TG_STAT_H2_GOAWAY_RESP, TG_L_H2_GOAWAYS_OUT},
		{TG_STAT_H2_TOTAL_CONNECTIONS, TG_L_H2_CONNECTIONS},
	};
	const struct conf_listener *conf = &s->conf->listeners[listener];
	uint32_t slot = source_listener_slot(s, listener);
	const struct slot_rate *rate = &s->rates[slot];
	uint64_t limit = source_limit(s, slot);
	begin_row(ret, conf->name, "FRONTEND", ROW_FRONTEND, TG_SOURCE_FIRST_ID + listener, 0);
	SET_COUNTED(ret, s, slot, counted);
	set_number(ret, TG_STAT_SCUR, source_in_flight(s, slot));
	set_number(ret, TG_STAT_SMAX, source_in_flight_max(s, slot));
	set_number(ret, TG_STAT_H2_OPEN_CONNECTIONS,
		   source_gauge(&segment_shared(s->segment, slot)->h2_connections));
	if (limit != 0)
		set_number(ret, TG_STAT_SLIM, limit);
	set_number(ret, TG_STAT_DREQ, 0);
	set_number(ret, TG_STAT_DRESP, 0);
	set_number(ret, TG_STAT_HRSP_OTHER, 0);
	set_number(ret, TG_STAT_RATE_LIM, 0);
	set_rate(ret, rate, TG_RATE_CONNECTIONS, TG_STAT_RATE, TG_STAT_RATE_MAX);
	set_rate(ret, rate, TG_RATE_CONNECTIONS, TG_STAT_CONN_RATE, TG_STAT_CONN_RATE_MAX);
	set_rate(ret, rate, TG_RATE_STREAMS, TG_STAT_REQ_RATE, TG_STAT_REQ_RATE_MAX);
	set_text(ret, TG_STAT_STATUS, "OPEN");
	set_text(ret, TG_STAT_MODE, conf->mode == TG_MODE_TCP ? "tcp" : "http");
	set_text(ret, TG_STAT_ADDR, conf->bind_text);
}

/* As configured; a part counts as one. */
static uint64_t
whole_units(uint32_t weight)
{
	return (weight + TG_WEIGHT_SCALE - 1) / TG_WEIGHT_SCALE;
}

static uint64_t
shown_weight(const struct conf_backend *conf, const struct serving_state *state)
{
	return whole_units(serving_weight(conf, state));
}

uint64_t
stat_backend_weight(const struct admin_source *s, size_t service, size_t backend)
{
	struct serving_state state = source_serving_state(s, service, backend);

	return shown_weight(&s->conf->services[service].backends[backend], &state);
}

/* The word when an order decides, whatever the checks say; else NULL. */
static const char *
ordered_status(const struct backend_order *order, enum backend_health health)
{
	if ((order->told & TG_ORDER_ADMIN) != 0 && order->admin == TG_ADMIN_MAINT)
		return "MAINT";
	if (health != TG_HEALTH_UP)
		return NULL;
	if ((order->told & TG_ORDER_DOWN) != 0 && order->is_down != 0)
		return "DOWN (agent)";
	if ((order->told & TG_ORDER_ADMIN) != 0 && order->admin == TG_ADMIN_DRAIN)
		return "DRAIN";
	if ((order->told & TG_ORDER_WEIGHT) != 0 &&
	    (order->weight == 0 || order->weight_permille == 0))
		return "DRAIN";
	return NULL;
}

/* "UP", "UP 2/3" after one failure of three, "DOWN", "DOWN 1/2" after one pass of two: of its own checks, where these
 * say the same as what counts. */
static void
format_status(const struct conf_health_check *conf, const struct health_status *h, char *buf,
	      size_t size)
{
	unsigned run = h->state == h->verdict.state ? h->verdict.run : 0;

	switch (h->state) {
	case TG_HEALTH_UP:
		if (conf->type == TG_HEALTH_NONE)
			snprintf(buf, size, "no check");
		else if (run > 0)
			snprintf(buf, size, "UP %u/%u", conf->fall - run, conf->fall);
		else
			snprintf(buf, size, "UP");
		break;
	case TG_HEALTH_DOWN:
		if (run > 0)
			snprintf(buf, size, "DOWN %u/%u", run, conf->rise);
		else
			snprintf(buf, size, "DOWN");
		break;
	case TG_HEALTH_CHECKING:
	case TG_BACKEND_HEALTH_COUNT:
		snprintf(buf, size, "DOWN");
		break;
	}
}

static const char *
others_find(enum backend_health state)
{
	return state == TG_HEALTH_UP ? "other instances find it up" : "other instances find it down";
}

static void
set_health(struct stat_row *r, const struct admin_source *s, const struct conf_health_check *conf,
	   const struct health_status *h)
{
	format_status(conf, h, r->status, sizeof(r->status));
	set_text(r, TG_STAT_STATUS, r->status);
	set_number(r, TG_STAT_LASTCHG, mono_diff_us(s->now, h->since) / 1000000);
	set_text(r, TG_STAT_LAST_CHK, h->last.text);
	set_text(r, TG_STAT_CHECK_STATUS, check_result_str(h->last.result));
	set_text(r, TG_STAT_CHECK_DESC,
		 h->note != NULL                ? h->note
		 : h->state != h->verdict.state ? others_find(h->state)
						: check_result_help(h->last.result));
	if (h->has_addr)
		set_text(r, TG_STAT_ADDR, addr_format(&h->addr, r->addr, sizeof(r->addr)));
	if (conf->type == TG_HEALTH_NONE)
		return;
	set_number(r, TG_STAT_DOWNTIME, verdict_down_us(&h->verdict, s->now) / 1000000);
	set_number(r, TG_STAT_CHECK_RISE, conf->rise);
	set_number(r, TG_STAT_CHECK_FALL, conf->fall);
	set_number(r, TG_STAT_CHECK_HEALTH,
		   h->verdict.state == TG_HEALTH_UP ? conf->rise + conf->fall - 1 - h->verdict.run
						    : h->verdict.run);
	if (mono_is_set(h->last_end))
		set_number(r, TG_STAT_CHECK_DURATION, h->last_us / 1000);
	if (h->last.status != 0)
		set_number(r, TG_STAT_CHECK_CODE, h->last.status);
}

/* That of one that is silent: since when, and what holds of it meanwhile. */
static const char *
agent_desc(const struct admin_source *s, const struct agent_status *agent, char *buf, size_t size)
{
	char orders[TG_AGENT_ORDERS_SIZE];

	if (!agent_is_silent(agent))
		return check_result_help(agent->last.result);
	snprintf(buf, size, "no valid answer for %" PRIu64 "s, it ordered: %s",
		 mono_diff_us(s->now, agent->heard) / 1000000,
		 agent_orders_format(&agent->order, orders, sizeof(orders)));
	return buf;
}

/* Rise and fall are 1: what it says counts at once. */
static void
set_agent(struct stat_row *r, const struct admin_source *s, const struct agent_status *agent)
{
	bool is_down = agent->order.is_down != 0;

	set_text(r, TG_STAT_AGENT_STATUS, check_result_str(agent->last.result));
	set_text(r, TG_STAT_AGENT_DESC, agent_desc(s, agent, r->agent, sizeof(r->agent)));
	set_text(r, TG_STAT_LAST_AGT, agent->last.text);
	set_number(r, TG_STAT_AGENT_RISE, 1);
	set_number(r, TG_STAT_AGENT_FALL, 1);
	set_number(r, TG_STAT_AGENT_HEALTH, is_down ? 0 : 1);
	if (mono_is_set(agent->last_end))
		set_number(r, TG_STAT_AGENT_DURATION, agent->last_us / 1000);
	if (agent->last.result == TG_CHECK_L7_OK || agent->last.result == TG_CHECK_L7_STATUS)
		set_number(r, TG_STAT_AGENT_CODE, 0);
}

/* HAProxy's word for a server that is well and gets nothing new. */
static void
set_ejection(struct stat_row *r, const struct admin_source *s, uint32_t slot,
	     const struct health_status *h)
{
	const struct segment_shared *shared = segment_shared(s->segment, slot);

	set_number(r, TG_STAT_HANAFAIL, cleared_ejections(s, slot));
	if (source_gauge(&shared->ejected) != 0 && h->state == TG_HEALTH_UP)
		set_text(r, TG_STAT_STATUS, "NOLB");
}

static void
set_orders(struct stat_row *r, const struct admin_source *s, size_t service, size_t backend)
{
	const struct conf_service *group = &s->conf->services[service];
	const struct conf_backend *conf = &group->backends[backend];
	struct serving_state state = source_serving_state(s, service, backend);
	const struct agent_status *agent =
		health_agent_status(s->health, (unsigned)service, (unsigned)backend);
	uint32_t permille = source_ramp_permille(s, service, backend);
	uint32_t limit = ramp_of(serving_limit(group, conf, &state.order), permille);
	bool is_backup = serving_tier(conf, &state) > 0;
	const char *status = ordered_status(&state.order, state.health);

	set_number(r, TG_STAT_WEIGHT, whole_units(ramp_of(serving_weight(conf, &state), permille)));
	set_number(r, TG_STAT_UWEIGHT, shown_weight(conf, &state));
	set_number(r, TG_STAT_ACT, is_backup ? 0 : 1);
	set_number(r, TG_STAT_BCK, is_backup ? 1 : 0);
	if (limit != 0)
		set_number(r, TG_STAT_SLIM, limit);
	if (agent != NULL)
		set_agent(r, s, agent);
	if (status != NULL)
		set_text(r, TG_STAT_STATUS, status);
}

/* Mean milliseconds of a sum in microseconds. */
static void
set_mean(struct stat_row *r, const struct admin_source *s, uint32_t slot, enum stat_column column,
	 unsigned sum_counter, unsigned streams_counter)
{
	uint64_t streams = cleared_sum(s, slot, streams_counter);
	uint64_t sum_us = cleared_sum(s, slot, sum_counter);

	set_number(r, column, streams > 0 ? sum_us / streams / 1000 : 0);
}

void
stat_backend(const struct admin_source *s, size_t service, size_t backend, struct stat_row *ret)
{
	static const struct counted counted[] = {
		{TG_STAT_STOT, TG_B_STREAMS},        {TG_STAT_LBTOT, TG_B_STREAMS},
		{TG_STAT_BIN, TG_B_BYTES_IN},        {TG_STAT_BOUT, TG_B_BYTES_OUT},
		{TG_STAT_ECON, TG_B_CONNECT_ERRORS}, {TG_STAT_ERESP, TG_B_ANSWER_ERRORS},
		{TG_STAT_WRETR, TG_B_RETRIES},       {TG_STAT_CONNECT, TG_B_CONNECTS},
		{TG_STAT_WREDIS, TG_B_REDISPATCHES}, {TG_STAT_HRSP_1XX, TG_B_STATUS_1XX},
		{TG_STAT_HRSP_2XX, TG_B_STATUS_2XX}, {TG_STAT_HRSP_3XX, TG_B_STATUS_3XX},
		{TG_STAT_HRSP_4XX, TG_B_STATUS_4XX}, {TG_STAT_HRSP_5XX, TG_B_STATUS_5XX},
		{TG_STAT_REUSE, TG_B_REUSES},
		{TG_STAT_H2_TOTAL_CONNECTIONS, TG_B_H2_CONNECTIONS},
		{TG_STAT_H2_RST_STREAM_RCVD, TG_B_H2_RESETS_IN},
		{TG_STAT_H2_RST_STREAM_RESP, TG_B_H2_RESETS_OUT},
		{TG_STAT_H2_GOAWAY_RCVD, TG_B_H2_GOAWAYS_IN},
	};
	const struct conf_service *group = &s->conf->services[service];
	const struct conf_backend *conf = &group->backends[backend];
	uint32_t slot = source_backend_slot(s, service, backend);

	begin_row(ret, group->name, conf->name, ROW_SERVER, source_service_id(s, service),
		  backend + 1);
	SET_COUNTED(ret, s, slot, counted);
	set_health(ret, s, &group->health,
		   health_status(s->health, (unsigned)service, (unsigned)backend));
	if (group->health.type != TG_HEALTH_NONE) {
		set_number(ret, TG_STAT_CHKFAIL, cleared_failures(s, service, backend));
		set_number(ret, TG_STAT_CHKDOWN, cleared_downs(s, service, backend));
	}
	if (conf_has_outliers(group))
		set_ejection(ret, s, slot,
			     health_status(s->health, (unsigned)service, (unsigned)backend));
	/* Streams wait for the service, not for one of its backends. */
	set_number(ret, TG_STAT_QCUR, 0);
	set_number(ret, TG_STAT_QMAX, 0);
	set_number(ret, TG_STAT_SCUR, source_in_flight(s, slot));
	set_number(ret, TG_STAT_SMAX, source_in_flight_max(s, slot));
	set_number(ret, TG_STAT_DRESP, 0);
	set_number(ret, TG_STAT_HRSP_OTHER, 0);
	set_orders(ret, s, service, backend);
	set_number(ret, TG_STAT_USED_CONN_CUR, source_in_flight(s, slot));
	set_rate(ret, &s->rates[slot], TG_RATE_STREAMS, TG_STAT_RATE, TG_STAT_RATE_MAX);
	set_mean(ret, s, slot, TG_STAT_CTIME, TG_B_TIME_CONNECT_US, TG_B_CONNECTS);
	set_mean(ret, s, slot, TG_STAT_RTIME, TG_B_TIME_RESPONSE_US, TG_B_STREAMS);
	set_mean(ret, s, slot, TG_STAT_TTIME, TG_B_TIME_TOTAL_US, TG_B_STREAMS);
	set_text(ret, TG_STAT_MODE, mode_word(s, service));
}

/* What a service is made of, by the health of its backends. */
struct members {
	struct serving_count count;
	unsigned active; /* up and wanted, no backup */
	unsigned backup; /* up and wanted */
	uint64_t weight; /* of these */
	uint64_t check_failures;
};

static void
count_member(const struct admin_source *s, size_t service, size_t backend, struct members *m)
{
	const struct conf_backend *conf = &s->conf->services[service].backends[backend];
	struct serving_state state = source_serving_state(s, service, backend);

	m->check_failures += cleared_failures(s, service, backend);
	serving_count_add(&m->count, conf, &state);
	if (state.health != TG_HEALTH_UP || !serving_is_wanted(conf, &state))
		return;
	if (serving_tier(conf, &state) > 0)
		m->backup++;
	else
		m->active++;
	m->weight += shown_weight(conf, &state);
}

/* What is counted of backends alone. */
static void
set_sums(struct stat_row *r, const struct admin_source *s, size_t service)
{
	static const struct counted counted[] = {
		{TG_STAT_ECON, TG_B_CONNECT_ERRORS},
		{TG_STAT_ERESP, TG_B_ANSWER_ERRORS},
		{TG_STAT_CONNECT, TG_B_CONNECTS},
		{TG_STAT_REUSE, TG_B_REUSES},
		{TG_STAT_H2_TOTAL_CONNECTIONS, TG_B_H2_CONNECTIONS},
		{TG_STAT_H2_RST_STREAM_RCVD, TG_B_H2_RESETS_IN},
		{TG_STAT_H2_RST_STREAM_RESP, TG_B_H2_RESETS_OUT},
		{TG_STAT_H2_GOAWAY_RCVD, TG_B_H2_GOAWAYS_IN},
	};

	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
		uint64_t sum = 0;

		for (size_t b = 0; b < s->conf->services[service].n_backends; b++)
			sum += cleared_sum(s, source_backend_slot(s, service, b),
					   counted[i].counter);
		set_number(r, counted[i].column, sum);
	}
}

static void
set_members(struct stat_row *r, const struct admin_source *s, size_t service)
{
	const struct conf_service *conf = &s->conf->services[service];
	struct members m = {.active = 0};
	struct serving serving;

	for (size_t i = 0; i < conf->n_backends; i++)
		count_member(s, service, i, &m);
	set_number(r, TG_STAT_ACT, m.active);
	set_number(r, TG_STAT_BCK, m.backup);
	set_number(r, TG_STAT_WEIGHT, m.weight);
	set_number(r, TG_STAT_UWEIGHT, m.weight);
	set_number(r, TG_STAT_CHKFAIL, m.check_failures);
	serving = serving_decide(&m.count, conf->health.fail_open_percent);
	set_text(r, TG_STAT_STATUS, serving.n > 0 ? "UP" : "DOWN");
	if (serving.is_fail_open)
		set_text(r, TG_STAT_CHECK_DESC, "fail-open: too few backends are up, all are used");
	else if (serving.is_short)
		set_text(r, TG_STAT_CHECK_DESC,
			 "fail-open: too few backends are well, those ejected are used too");
}

/* End reasons the client or the backend is to blame for. */
static void
set_aborts(struct stat_row *r, const struct admin_source *s, uint32_t slot)
{
	static const enum end_reason client[] = {TG_END_CLIENT_ABORT, TG_END_QUEUE_ABORT,
						 TG_END_CLIENT_TIMEOUT};
	static const enum end_reason backend[] = {TG_END_BACK_ABORT, TG_END_ANSWER_CUT};
	uint64_t n_client = 0;
	uint64_t n_backend = 0;

	for (size_t i = 0; i < sizeof(client) / sizeof(client[0]); i++)
		n_client += cleared_sum(s, slot, TG_COUNTER_OF_END(client[i]));
	for (size_t i = 0; i < sizeof(backend) / sizeof(backend[0]); i++)
		n_backend += cleared_sum(s, slot, TG_COUNTER_OF_END(backend[i]));
	set_number(r, TG_STAT_CLI_ABRT, n_client);
	set_number(r, TG_STAT_SRV_ABRT, n_backend);
}

void
stat_service(const struct admin_source *s, size_t service, struct stat_row *ret)
{
	static const struct counted counted[] = {
		{TG_STAT_STOT, TG_S_STREAMS},        {TG_STAT_LBTOT, TG_S_STREAMS},
		{TG_STAT_REQ_TOT, TG_S_STREAMS},     {TG_STAT_BIN, TG_S_BYTES_IN},
		{TG_STAT_BOUT, TG_S_BYTES_OUT},      {TG_STAT_WRETR, TG_S_RETRIES},
		{TG_STAT_WREDIS, TG_S_REDISPATCHES}, {TG_STAT_HRSP_1XX, TG_S_STATUS_1XX},
		{TG_STAT_HRSP_2XX, TG_S_STATUS_2XX}, {TG_STAT_HRSP_3XX, TG_S_STATUS_3XX},
		{TG_STAT_HRSP_4XX, TG_S_STATUS_4XX}, {TG_STAT_HRSP_5XX, TG_S_STATUS_5XX},
	};
	const struct conf_service *conf = &s->conf->services[service];
	uint32_t slot = source_service_slot(s, service);
	const struct segment_shared *shared = segment_shared(s->segment, slot);

	begin_row(ret, conf->name, "BACKEND", ROW_BACKEND, source_service_id(s, service), 0);
	SET_COUNTED(ret, s, slot, counted);
	set_members(ret, s, service);
	set_sums(ret, s, service);
	set_aborts(ret, s, slot);
	set_number(ret, TG_STAT_QCUR, source_gauge(&shared->queued));
	set_number(ret, TG_STAT_QMAX, source_gauge(&shared->queued_max));
	set_number(ret, TG_STAT_SCUR, source_service_in_flight(s, service));
	set_number(ret, TG_STAT_SMAX, source_service_in_flight_max(s, service));
	set_number(ret, TG_STAT_DREQ, 0);
	set_number(ret, TG_STAT_DRESP, 0);
	set_number(ret, TG_STAT_HRSP_OTHER, 0);
	set_rate(ret, &s->rates[slot], TG_RATE_STREAMS, TG_STAT_RATE, TG_STAT_RATE_MAX);
	set_mean(ret, s, slot, TG_STAT_QTIME, TG_S_TIME_QUEUE_US, TG_S_STREAMS);
	set_mean(ret, s, slot, TG_STAT_CTIME, TG_S_TIME_CONNECT_US, TG_S_STREAMS);
	set_mean(ret, s, slot, TG_STAT_RTIME, TG_S_TIME_RESPONSE_US, TG_S_STREAMS);
	set_mean(ret, s, slot, TG_STAT_TTIME, TG_S_TIME_TOTAL_US, TG_S_STREAMS);
	set_text(ret, TG_STAT_MODE, mode_word(s, service));
	set_text(ret, TG_STAT_ALGO, balance_find(conf->balance)->name);
}
