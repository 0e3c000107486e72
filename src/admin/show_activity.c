/* admin/show_activity.c: what each worker does, in the layout of HAProxy: "name: total [ w1 w2 ]". */
#include <inttypes.h>

#include "admin/command.h"
#include "observe/counters.h"
#include "observe/histogram.h"

/* One line. */
struct activity {
	const char *name;
	uint64_t (*of)(const struct admin_source *s, unsigned worker, unsigned id);
	unsigned id;
	/* How that of all comes of the workers'. */
	enum { TOTAL_SUM, TOTAL_MEAN, TOTAL_MAX } total;
};

static uint64_t
own(const struct admin_source *s, unsigned worker, unsigned id)
{
	return segment_counter(s->segment, worker, 0, id);
}

static uint64_t
of_listeners(const struct admin_source *s, unsigned worker, unsigned id)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->conf->n_listeners; i++)
		sum += segment_counter(s->segment, worker, source_listener_slot(s, i), id);
	return sum;
}

static uint64_t
failures(const struct admin_source *s, unsigned worker, unsigned id)
{
	static const unsigned ids[] = {TG_W_BUFS_6,         TG_W_BUFS_7,
				       TG_W_BUFS_8,         TG_W_PIPE_FAILURES,
				       TG_W_SPOOL_FAILURES, TG_W_STREAM_FAILURES};
	uint64_t sum = 0;

	(void)id;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		sum += own(s, worker, ids[i]);
	return sum;
}

static uint64_t
dropped(const struct admin_source *s, unsigned worker, unsigned id)
{
	(void)id;
	return ring_dropped(segment_ring(s->segment, worker));
}

static struct histogram
lag_of(const struct admin_source *s, unsigned worker)
{
	return histogram_read(s->segment, worker, 0, TG_HISTOGRAM_LAG);
}

static uint64_t
ticks(const struct admin_source *s, unsigned worker, unsigned id)
{
	(void)id;
	return lag_of(s, worker).buckets[TG_SEGMENT_BUCKETS - 1];
}

static uint64_t
mean_lag(const struct admin_source *s, unsigned worker, unsigned id)
{
	struct histogram h = lag_of(s, worker);
	uint64_t n = h.buckets[TG_SEGMENT_BUCKETS - 1];

	(void)id;
	return n > 0 ? h.sum_us / n : 0;
}

/* The bound below which that many of a thousand are. */
static uint64_t
lag_bound(const struct admin_source *s, unsigned worker, unsigned permille)
{
	struct histogram h = lag_of(s, worker);
	uint64_t n = h.buckets[TG_SEGMENT_BUCKETS - 1];
	unsigned i = 0;

	if (n == 0)
		return 0;
	while (i + 2 < TG_SEGMENT_BUCKETS && h.buckets[i] * 1000 < n * permille)
		i++;
	return histogram_bounds_us[i];
}

static const struct activity activities[] = {
	{"accepting", own, TG_W_ACCEPTING, TOTAL_SUM},
	{"loops", own, TG_W_TURNS, TOTAL_SUM},
	{"yields", own, TG_W_YIELDS, TOTAL_SUM},
	{"calls", own, TG_W_CALLS, TOTAL_SUM},
	{"ticks", ticks, 0, TOTAL_SUM},
	{"avg_lag_us", mean_lag, 0, TOTAL_MEAN},
	{"p99_lag_us", lag_bound, 990, TOTAL_MAX},
	{"accepted", of_listeners, TG_L_CONNECTIONS, TOTAL_SUM},
	{"accept_pauses", of_listeners, TG_L_REFUSED, TOTAL_SUM},
	{"accept_errors", of_listeners, TG_L_ACCEPT_ERRORS, TOTAL_SUM},
	{"streams", of_listeners, TG_L_STREAMS, TOTAL_SUM},
	{"bytes_in", of_listeners, TG_L_BYTES_IN, TOTAL_SUM},
	{"bytes_out", of_listeners, TG_L_BYTES_OUT, TOTAL_SUM},
	{"idle_conns", own, TG_W_IDLE, TOTAL_SUM},
	{"pool_fail", failures, 0, TOTAL_SUM},
	{"logs_dropped", dropped, 0, TOTAL_SUM},
};

static uint64_t
total_of(const struct activity *a, const struct admin_source *s)
{
	unsigned workers = segment_workers(s->segment);
	uint64_t total = 0;

	for (unsigned i = 0; i < workers; i++) {
		uint64_t n = a->of(s, i, a->id);

		if (a->total == TOTAL_MAX)
			total = n > total ? n : total;
		else
			total += n;
	}
	return a->total == TOTAL_MEAN ? total / workers : total;
}

static void
print(const struct activity *a, struct command_call *call, const char *before)
{
	const struct admin_source *s = call->source;
	unsigned workers = segment_workers(s->segment);

	if (call->json)
		output_format(call->out, "%s\"%s\":{\"total\":%" PRIu64 ",\"workers\":[", before,
			      a->name, total_of(a, s));
	else
		output_format(call->out, "%s: %" PRIu64 " [", a->name, total_of(a, s));
	for (unsigned i = 0; i < workers; i++)
		output_format(call->out, "%s%" PRIu64,
			      !call->json ? " "
			      : i > 0     ? ","
					  : "",
			      a->of(s, i, a->id));
	output_text(call->out, call->json ? "]}" : " ]\n");
}

static void
run(const struct command *c, struct command_call *call)
{
	uint64_t now_us = call->source->wall.us;

	if (!command_has_none(c, call))
		return;
	output_format(call->out,
		      call->json ? "{\"date_now\":%" PRIu64 ".%06" PRIu64
				 : "date_now: %" PRIu64 ".%06" PRIu64 "\n",
		      now_us / 1000000, now_us % 1000000);
	for (size_t i = 0; i < sizeof(activities) / sizeof(activities[0]); i++)
		print(&activities[i], call, ",\n");
	if (call->json)
		output_text(call->out, "}\n");
}

const struct command command_show_activity = {
	.name = "show activity",
	.usage = "",
	.help = "what each worker does: turns of its loop, how late it is, what it accepted",
	.run = run,
};
