/* admin/show_latency.c: how long things took, by the histograms of workers and services. */
#include "admin/command.h"
#include "observe/counters.h"
#include "observe/histogram.h"

static const unsigned permilles[] = {500, 950, 990};

static const char *const service_words[TG_STREAM_HISTOGRAM_COUNT] = {
	[TG_HISTOGRAM_QUEUE] = "queue",
	[TG_HISTOGRAM_CONNECT] = "connect",
	[TG_HISTOGRAM_RESPONSE] = "response",
	[TG_HISTOGRAM_TOTAL] = "total",
};

struct printer {
	const struct admin_source *s;
	struct output *out;
	bool json;
	bool has_some;
};

/* What one line is of. */
struct subject {
	const char *kind;
	size_t worker;       /* when `service` is NULL */
	const char *service; /* or NULL */
	const char *backend; /* or NULL */
	const char *what;
};

static void
begin_text(struct output *out, const struct subject *subject)
{
	output_text(out, subject->kind);
	output_text(out, "/");
	if (subject->service == NULL)
		output_number(out, subject->worker);
	else
		output_text(out, subject->service);
	if (subject->backend != NULL) {
		output_text(out, "/");
		output_text(out, subject->backend);
	}
	output_text(out, " ");
	output_text(out, subject->what);
}

static void
begin_json(struct printer *p, const struct subject *subject)
{
	output_text(p->out, p->has_some ? ",\n{\"object\":" : "\n{\"object\":");
	p->has_some = true;
	output_json(p->out, subject->kind);
	if (subject->service == NULL) {
		output_text(p->out, ",\"worker\":");
		output_number(p->out, subject->worker);
	} else {
		output_text(p->out, ",\"service\":");
		output_json(p->out, subject->service);
	}
	if (subject->backend != NULL) {
		output_text(p->out, ",\"backend\":");
		output_json(p->out, subject->backend);
	}
	output_text(p->out, ",\"what\":");
	output_json(p->out, subject->what);
}

static void
print_times(struct printer *p, const struct subject *subject, uint64_t count, uint64_t sum_us)
{
	if (p->json) {
		begin_json(p, subject);
		output_text(p->out, ",\"count\":");
		output_number(p->out, count);
		output_text(p->out, ",\"sum_us\":");
		output_number(p->out, sum_us);
		return;
	}
	begin_text(p->out, subject);
	output_text(p->out, " ");
	output_number(p->out, count);
	output_text(p->out, " ");
	if (count > 0)
		output_number(p->out, sum_us / count);
	else
		output_text(p->out, "-");
}

static void
print_percentiles(struct output *out, const struct histogram *h)
{
	for (size_t i = 0; i < sizeof(permilles) / sizeof(permilles[0]); i++) {
		uint64_t us = histogram_percentile_us(histogram_bounds_us, h->buckets,
						      TG_SEGMENT_BUCKETS, permilles[i]);

		output_text(out, us == UINT64_MAX ? " >" : " ");
		if (h->buckets[TG_SEGMENT_BUCKETS - 1] == 0)
			output_text(out, "-");
		else if (us == UINT64_MAX)
			output_number(out, histogram_bounds_us[TG_SEGMENT_BUCKETS - 2]);
		else
			output_number(out, us);
	}
}

static void
print_histogram(struct printer *p, const struct subject *subject, const struct histogram *h)
{
	print_times(p, subject, h->buckets[TG_SEGMENT_BUCKETS - 1], h->sum_us);
	if (!p->json) {
		print_percentiles(p->out, h);
		output_text(p->out, "\n");
		return;
	}
	output_text(p->out, ",\"buckets\":");
	for (unsigned i = 0; i < TG_SEGMENT_BUCKETS; i++) {
		output_text(p->out, i == 0 ? "[" : ",");
		output_number(p->out, h->buckets[i]);
	}
	output_text(p->out, "]}");
}

static void
print_worker(struct printer *p, size_t worker)
{
	struct subject subject = {.kind = "worker", .worker = worker, .what = "lag"};
	struct histogram h = histogram_read(p->s->segment, (unsigned)worker, 0, TG_HISTOGRAM_LAG);

	print_histogram(p, &subject, &h);
}

/* What nobody used is not read: that would give it memory. */
static void
print_backend(struct printer *p, size_t service, size_t backend)
{
	const struct conf_service *conf = &p->s->conf->services[service];
	uint32_t slot = source_backend_slot(p->s, service, backend);
	struct subject subject = {.kind = "backend",
				  .service = conf->name,
				  .backend = conf->backends[backend].name,
				  .what = "response"};
	struct histogram h = histogram_sum_backend(p->s->segment, slot, TG_HISTOGRAM_RESPONSE);

	print_histogram(p, &subject, &h);
}

static void
print_service(struct printer *p, size_t service)
{
	const struct conf_service *conf = &p->s->conf->services[service];
	struct subject subject = {.kind = "service", .service = conf->name};

	for (unsigned i = 0; i < TG_STREAM_HISTOGRAM_COUNT; i++) {
		struct histogram h =
			histogram_sum(p->s->segment, source_service_slot(p->s, service), i);

		subject.what = service_words[i];
		print_histogram(p, &subject, &h);
	}
	for (size_t i = 0; i < conf->n_backends; i++)
		print_backend(p, service, i);
}

/* The last bound is none. */
static void
print_bounds(struct output *out)
{
	output_text(out, "{\"bounds_us\":");
	for (unsigned i = 0; i < TG_SEGMENT_BUCKETS - 1; i++) {
		output_text(out, i == 0 ? "[" : ",");
		output_number(out, histogram_bounds_us[i]);
	}
	output_text(out, "],\"times\":[");
}

static void
run(const struct command *c, struct command_call *call)
{
	const struct admin_source *s = call->source;
	struct printer p = {.s = s, .out = call->out, .json = call->json};
	size_t service = 0;

	if (call->n > 1) {
		command_fail_usage(c, call);
		return;
	}
	if (call->n == 1 && !command_find_service(call, call->arguments[0], &service))
		return;
	if (p.json)
		print_bounds(p.out);
	else
		output_text(p.out, "# object what count mean_us p50_us p95_us p99_us\n");
	if (call->n == 1) {
		print_service(&p, service);
	} else {
		for (size_t i = 0; i < segment_workers(s->segment); i++)
			print_worker(&p, i);
		for (size_t i = 0; i < s->conf->n_services; i++)
			print_service(&p, i);
	}
	if (p.json)
		output_text(p.out, "]}\n");
}

const struct command command_show_latency = {
	.name = "show latency",
	.usage = "[SERVICE]",
	.help = "how long streams took since the start, by service and backend; lag of workers",
	.run = run,
};
