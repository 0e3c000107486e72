#include "admin/status.h"

#include "admin/exposition.h"
#include "admin/processes.h"
#include "admin/ready.h"
#include "admin/tally.h"
#include "base/log.h"
#include "observe/counters.h"

enum status_part {
	PART_HEAD = 0,
	PART_PROCESSES = 1,
	PART_LISTENERS = 2,
	PART_SERVICES = 3,
	PART_END = 4,
	PART_COUNT
};

static void
key(struct output *out, const char *before, const char *name)
{
	output_text(out, before);
	output_json(out, name);
	output_text(out, ":");
}

static void
text(struct output *out, const char *before, const char *name, const char *value)
{
	key(out, before, name);
	output_json(out, value);
}

static void
number(struct output *out, const char *before, const char *name, uint64_t value)
{
	key(out, before, name);
	output_number(out, value);
}

static void
seconds(struct output *out, const char *before, const char *name, uint64_t us)
{
	key(out, before, name);
	output_seconds(out, us);
}

static void
boolean(struct output *out, const char *before, const char *name, bool value)
{
	key(out, before, name);
	output_text(out, value ? "true" : "false");
}

static bool
is_ready(const struct admin_source *s)
{
	struct output reasons;
	bool ready;

	output_init(&reasons, 65536);
	ready = ready_is_ready(s, TG_READY_ANY, 0, &reasons);
	output_fini(&reasons);
	return ready;
}

static void
write_store(const struct store *store, struct output *out)
{
	key(out, ",\n", "store");
	text(out, "{", "kind", store_kind(store));
	boolean(out, ",", "well", store_is_well(store));
	text(out, ",", "why", store_why(store));
	output_text(out, "}");
}

static void
write_head(const struct admin_source *s, struct output *out)
{
	char started[32];

	started[log_time(started, sizeof(started), s->started)] = '\0';
	text(out, "{", "version", PACKAGE_VERSION);
	text(out, ",\n", "started", started);
	seconds(out, ",\n", "uptime_seconds", mono_diff_us(s->now, segment_started(s->segment)));
	boolean(out, ",\n", "ready", is_ready(s));
	number(out, ",\n", "workers", segment_workers(s->segment));
	number(out, ",\n", "open_connections", source_in_flight(s, 0));
	if (s->store != NULL)
		write_store(s->store, out);
	key(out, ",\n", "processes");
	output_text(out, "[");
}

static const char *
first_of(size_t i)
{
	return i == 0 ? "\n{" : ",\n{";
}

/* One that is not there now has no numbers. */
static void
write_process(const struct admin_source *s, size_t i, struct output *out)
{
	struct process_usage usage;

	text(out, first_of(i), "role", process_role_str((enum process_role)i));
	if (process_usage_read((enum process_role)i, s->booted, &usage)) {
		number(out, ",", "pid", (uint64_t)usage.pid);
		seconds(out, ",", "cpu_seconds", usage.cpu_us);
		number(out, ",", "memory_bytes", usage.resident_bytes);
	}
	output_text(out, "}");
}

static void
write_listener(const struct admin_source *s, size_t i, struct output *out)
{
	const struct conf_listener *conf = &s->conf->listeners[i];
	uint32_t slot = source_listener_slot(s, i);
	const struct slot_rate *rate = &s->rates[slot];

	text(out, first_of(i), "name", conf->name);
	text(out, ",", "address", conf->bind_text);
	text(out, ",", "mode", conf->mode == TG_MODE_TCP ? "tcp" : "http");
	number(out, ",", "open_connections", source_in_flight(s, slot));
	number(out, ",", "connections_per_second", rate->per_s[TG_RATE_CONNECTIONS]);
	number(out, ",", "streams_per_second", rate->per_s[TG_RATE_STREAMS]);
	number(out, ",", "streams", segment_sum(s->segment, slot, TG_L_STREAMS));
	output_text(out, "}");
}

static void
write_backends(const struct tally *tally, size_t n, struct output *out)
{
	key(out, ",", "backends");
	number(out, "{", "total", n);
	number(out, ",", "usable", tally->usable);
	for (unsigned i = 0; i < TG_CONDITION_COUNT; i++)
		number(out, ",", backend_condition_str(i), tally->conditions[i]);
	output_text(out, "}");
}

static void
write_scaled(const struct admin_source *s, size_t i, struct output *out)
{
	struct scaler_status st;

	if (s->scaler == NULL || !scaler_status(s->scaler, (unsigned)i, &st))
		return;
	key(out, ",", "autoscale");
	text(out, "{", "mode", scaler_mode_str(st.mode));
	if (st.has_manual)
		number(out, ",", "manual", st.manual);
	number(out, ",", "desired", st.desired);
	number(out, ",", "proposed", st.proposed);
	number(out, ",", "min", st.min);
	number(out, ",", "max", st.max);
	number(out, ",", "ready", st.counts.ready);
	number(out, ",", "pending", st.counts.pending);
	number(out, ",", "down", st.counts.down);
	number(out, ",", "draining", st.counts.draining);
	number(out, ",", "failures", st.failures.in_row);
	output_text(out, "}");
}

static void
write_service(const struct admin_source *s, size_t i, struct output *out)
{
	const struct conf_service *conf = &s->conf->services[i];
	struct tally tally = tally_service(s, i);
	uint32_t slot = source_service_slot(s, i);

	text(out, first_of(i), "name", conf->name);
	boolean(out, ",", "usable", tally.usable > 0);
	write_backends(&tally, conf->n_backends, out);
	write_scaled(s, i, out);
	number(out, ",", "in_flight", tally.in_flight);
	number(out, ",", "queued", source_gauge(&segment_shared(s->segment, slot)->queued));
	number(out, ",", "held", source_gauge(&segment_shared(s->segment, slot)->held));
	number(out, ",", "held_max", source_gauge(&segment_shared(s->segment, slot)->held_max));
	number(out, ",", "streams_per_second", s->rates[slot].per_s[TG_RATE_STREAMS]);
	number(out, ",", "streams", segment_sum(s->segment, slot, TG_S_STREAMS));
	output_text(out, "}");
}

/* Ends a list and begins the next. */
static void
next_list(struct page_place *p, const char *between, struct output *out)
{
	output_text(out, between);
	p->part++;
	p->i = 0;
}

bool
status_step(struct page_place *p, const struct admin_source *s, struct output *out)
{
	switch ((enum status_part)p->part) {
	case PART_HEAD:
		write_head(s, out);
		p->part++;
		return true;
	case PART_PROCESSES:
		if (p->i < TG_PROCESS_ROLE_COUNT)
			write_process(s, p->i++, out);
		else
			next_list(p, "],\n\"listeners\":[", out);
		return true;
	case PART_LISTENERS:
		if (p->i < s->conf->n_listeners)
			write_listener(s, p->i++, out);
		else
			next_list(p, "],\n\"services\":[", out);
		return true;
	case PART_SERVICES:
		if (p->i < s->conf->n_services)
			write_service(s, p->i++, out);
		else
			next_list(p, "]}\n", out);
		return true;
	case PART_END:
	case PART_COUNT:
		break;
	}
	return false;
}
