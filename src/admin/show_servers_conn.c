/* admin/show_servers_conn.c: connections to each backend, in the format of HAProxy 2.6. */
#include <inttypes.h>

#include "admin/command.h"
#include "observe/counters.h"

struct server {
	const struct admin_source *s;
	const struct conf_service *service;
	size_t i_service;
	size_t i_backend;
	uint32_t slot;
};

static uint64_t
idle_of(const struct server *v, unsigned worker)
{
	return segment_counter(v->s->segment, worker, v->slot, TG_B_IDLE);
}

static void
print_head(struct output *out, unsigned workers)
{
	output_format(
		out,
		"# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est "
		"unsafe_nb safe_nb idle_lim idle_cur idle_per_thr[%u]\n",
		workers);
}

static void
print_text(struct output *out, const struct server *v)
{
	const struct health_status *h =
		health_status(v->s->health, (unsigned)v->i_service, (unsigned)v->i_backend);
	uint64_t idle = segment_sum(v->s->segment, v->slot, TG_B_IDLE);
	uint64_t most = source_in_flight_max(v->s, v->slot);
	unsigned workers = segment_workers(v->s->segment);
	char host[TG_ADDR_STRLEN];

	output_format(out, "%.128s/%.128s %" PRIu32 "/%zu %s %u - %" PRIu64 " ", v->service->name,
		      v->service->backends[v->i_backend].name,
		      source_service_id(v->s, v->i_service), v->i_backend + 1,
		      source_host(h, host, sizeof(host)), h->has_addr ? addr_port(&h->addr) : 0,
		      v->service->idle_lifetime_ms);
	output_format(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " 0 %" PRIu64 " %" PRIu64 " %" PRIu64,
		      source_in_flight(v->s, v->slot), most, most, idle,
		      (uint64_t)v->service->idle_connections * workers, idle);
	for (unsigned i = 0; i < workers; i++)
		output_format(out, " %" PRIu64, idle_of(v, i));
	output_text(out, "\n");
}

static void
print_json(struct output *out, const struct server *v)
{
	unsigned workers = segment_workers(v->s->segment);

	output_text(out, "{\"service\":");
	output_json(out, v->service->name);
	output_text(out, ",\"backend\":");
	output_json(out, v->service->backends[v->i_backend].name);
	output_format(out,
		      ",\"used\":%" PRIu64 ",\"used_max\":%" PRIu64 ",\"idle\":%" PRIu64
		      ",\"idle_limit\":%" PRIu64 ",\"idle_lifetime_ms\":%" PRIu64
		      ",\"idle_by_worker\":[",
		      source_in_flight(v->s, v->slot), source_in_flight_max(v->s, v->slot),
		      segment_sum(v->s->segment, v->slot, TG_B_IDLE),
		      (uint64_t)v->service->idle_connections * workers,
		      (uint64_t)v->service->idle_lifetime_ms);
	for (unsigned i = 0; i < workers; i++)
		output_format(out, "%s%" PRIu64, i > 0 ? "," : "", idle_of(v, i));
	output_text(out, "]}");
}

static void
run(const struct command *c, struct command_call *call)
{
	const struct admin_source *s = call->source;
	const char *comma = "[";
	size_t first = 0;
	size_t end = s->conf->n_services;

	if (call->n > 1) {
		command_fail_usage(c, call);
		return;
	}
	if (call->n == 1) {
		if (!command_find_service(call, call->arguments[0], &first))
			return;
		end = first + 1;
	}
	if (!call->json)
		print_head(call->out, segment_workers(s->segment));
	for (size_t i = first; i < end; i++) {
		for (size_t j = 0; j < s->conf->services[i].n_backends; j++) {
			struct server v = {.s = s,
					   .service = &s->conf->services[i],
					   .i_service = i,
					   .i_backend = j,
					   .slot = source_backend_slot(s, i, j)};

			if (!call->json) {
				print_text(call->out, &v);
				continue;
			}
			output_text(call->out, comma);
			print_json(call->out, &v);
			comma = ",\n";
		}
	}
	if (call->json)
		output_text(call->out, *comma == '[' ? "[]\n" : "]\n");
}

const struct command command_show_servers_conn = {
	.name = "show servers conn",
	.usage = "[SERVICE]",
	.help = "of each backend: connections in use and kept, by worker",
	.run = run,
};
