/* admin/show_info.c: the process as a whole, by the names HAProxy uses. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin/cleared.h"
#include "admin/command.h"
#include "base/log.h"
#include "observe/counters.h"
#include "tls/kernel.h"

struct info {
	struct output *out;
	bool json;
	bool has_some;
};

static void
key(struct info *i, const char *name)
{
	if (i->json) {
		output_text(i->out, i->has_some ? "," : "{");
		output_json(i->out, name);
		output_text(i->out, ":");
	} else {
		output_text(i->out, name);
		output_text(i->out, ": ");
	}
	i->has_some = true;
}

static void
text(struct info *i, const char *name, const char *value)
{
	key(i, name);
	if (i->json) {
		output_json(i->out, value);
		return;
	}
	output_text(i->out, value);
	output_text(i->out, "\n");
}

static void
number(struct info *i, const char *name, uint64_t value)
{
	key(i, name);
	output_number(i->out, value);
	if (!i->json)
		output_text(i->out, "\n");
}

static void
show_process(struct info *i, const struct admin_source *s)
{
	uint64_t up_s = mono_diff_us(s->now, segment_started(s->segment)) / 1000000;
	struct rlimit limit = {.rlim_cur = 0};
	char uptime[64];
	char host[256];

	snprintf(uptime, sizeof(uptime), "%" PRIu64 "d %" PRIu64 "h%02" PRIu64 "m%02" PRIu64 "s",
		 up_s / 86400, up_s / 3600 % 24, up_s / 60 % 60, up_s % 60);
	if (gethostname(host, sizeof(host)) != 0)
		snprintf(host, sizeof(host), "?");
	host[sizeof(host) - 1] = '\0';
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		limit.rlim_cur = 0;
	text(i, "Name", PACKAGE_NAME);
	text(i, "Version", PACKAGE_VERSION);
	text(i, "Release_date", TG_RELEASE_DATE);
	number(i, "Nbthread", s->conf->workers);
	number(i, "Nbproc", 1);
	number(i, "Process_num", 1);
	number(i, "Pid", (uint64_t)getppid());
	text(i, "Uptime", uptime);
	number(i, "Uptime_sec", up_s);
	number(i, "Start_time_sec", wall_read().us / 1000000 - up_s);
	number(i, "Ulimit-n", limit.rlim_cur);
	number(i, "Maxconn", source_limit(s, 0));
	text(i, "node", host);
	text(i, "Log_level", log_level_str(log_level()));
}

static uint64_t
sum_listeners(const struct admin_source *s, unsigned counter)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->conf->n_listeners; i++)
		sum += cleared_sum(s, source_listener_slot(s, i), counter);
	return sum;
}

static uint64_t
sum_rates(const struct admin_source *s, enum slot_rate_kind kind)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->conf->n_listeners; i++)
		sum += s->rates[source_listener_slot(s, i)].per_s[kind];
	return sum;
}

static uint64_t
sum_waiting(const struct admin_source *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->conf->n_services; i++)
		sum += source_gauge(&segment_shared(s->segment, source_service_slot(s, i))->queued);
	return sum;
}

static void
show_traffic(struct info *i, const struct admin_source *s)
{
	uint64_t dropped = 0;

	for (unsigned w = 0; w < segment_workers(s->segment); w++)
		dropped += ring_dropped(segment_ring(s->segment, w));
	number(i, "CurrConns", source_in_flight(s, 0));
	number(i, "CumConns", sum_listeners(s, TG_L_CONNECTIONS));
	number(i, "CumReq", sum_listeners(s, TG_L_STREAMS));
	number(i, "ConnRate", sum_rates(s, TG_RATE_CONNECTIONS));
	number(i, "ReqRate", sum_rates(s, TG_RATE_STREAMS));
	number(i, "TotalBytesOut", sum_listeners(s, TG_L_BYTES_OUT));
	number(i, "Maxpipes", source_gauge(&segment_shared(s->segment, 0)->pipes_max));
	number(i, "PipesUsed", source_gauge(&segment_shared(s->segment, 0)->pipes));
	number(i, "Tasks", source_in_flight(s, 0));
	number(i, "Run_queue", sum_waiting(s));
	number(i, "DroppedLogs", dropped);
}

static void
show_reloads(struct info *i, const struct admin_source *s)
{
	const struct segment_shared *shared = segment_shared(s->segment, 0);
	uint64_t us = source_gauge(&shared->reloaded_us);

	number(i, "Config_reloads", source_gauge(&shared->reloads));
	number(i, "Config_reloads_failed", source_gauge(&shared->reloads_failed));
	number(i, "Config_reload_ok", source_gauge(&shared->reload_is_bad) == 0);
	number(i, "Config_time_sec", (us != 0 ? us : s->started.us) / 1000000);
}

static void
show_hangs(struct info *i, const struct admin_source *s)
{
	const struct segment_shared *shared = segment_shared(s->segment, 0);

	number(i, "Hangs_proxy", source_gauge(&shared->hangs_proxy));
	number(i, "Hangs_keeper", source_gauge(&shared->hangs_keeper));
}

static void
show_objects(struct info *i, const struct admin_source *s)
{
	uint64_t backends = 0;
	uint64_t up = 0;

	for (size_t k = 0; k < s->conf->n_services; k++) {
		for (size_t j = 0; j < s->conf->services[k].n_backends; j++) {
			const struct health_status *h =
				health_status(s->health, (unsigned)k, (unsigned)j);

			backends++;
			up += h->state == TG_HEALTH_UP;
		}
	}
	number(i, "Listeners", s->conf->n_listeners);
	number(i, "Services", s->conf->n_services);
	number(i, "Backends", backends);
	number(i, "Backends_up", up);
}

/* What there is; records are sealed by the proxy. */
static void
show_kernel_tls(struct info *i)
{
	number(i, "Ktls_kernel", tls_kernel_offers());
	number(i, "Ktls_library", tls_library_offers_kernel());
	number(i, "Ktls_used", 0);
}

static void
run(const struct command *c, struct command_call *call)
{
	const struct admin_source *s = call->source;
	struct output *out = call->out;
	struct info i = {.out = out, .json = call->json};

	if (!command_has_none(c, call))
		return;
	show_process(&i, s);
	show_traffic(&i, s);
	show_objects(&i, s);
	show_reloads(&i, s);
	show_hangs(&i, s);
	show_kernel_tls(&i);
	if (i.json)
		output_text(out, "}\n");
}

const struct command command_show_info = {
	.name = "show info",
	.usage = "",
	.help = "the process as a whole",
	.run = run,
};
