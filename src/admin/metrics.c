#include "admin/metrics_priv.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "admin/processes.h"
#include "admin/tally.h"
#include "backend/view.h"
#include "net/proxy_header.h"
#include "observe/counters.h"
#include "http2/calm.h"
#include "tls/stream.h"

static struct segment_shared *
shared_of(const struct metric_site *site)
{
	return segment_shared(site->s->segment, site->slot);
}

/* of any slot */

static void
write_counter(const struct metric *m, const struct metric_site *site, struct output *out)
{
	exposition_number(out, &site->series, segment_sum(site->s->segment, site->slot, m->id));
}

static void
write_counted_seconds(const struct metric *m, const struct metric_site *site, struct output *out)
{
	exposition_seconds(out, &site->series, segment_sum(site->s->segment, site->slot, m->id));
}

static void
write_histogram(const struct metric *m, const struct metric_site *site, struct output *out)
{
	struct histogram h = histogram_sum(site->s->segment, site->slot, m->id);

	exposition_histogram(out, &site->series, &h);
}

static void
write_backend_histogram(const struct metric *m, const struct metric_site *site, struct output *out)
{
	struct histogram h = histogram_sum_backend(site->s->segment, site->slot, m->id);

	exposition_histogram(out, &site->series, &h);
}

/* Counters of one family share the order of their five status classes. */
static void
write_classes(const struct metric *m, const struct metric_site *site, struct output *out)
{
	static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};

	for (unsigned i = 0; i < 5; i++)
		exposition_labelled(out, &site->series, "code", classes[i],
				    segment_sum(site->s->segment, site->slot, m->id + i));
}

static void
write_handshakes_failed(const struct metric *m, const struct metric_site *site, struct output *out)
{
	for (unsigned i = TG_TLS_FAILURE_CLOSED; i < TG_TLS_FAILURE_COUNT; i++)
		exposition_labelled(out, &site->series, "reason", tls_failure_str(i),
				    segment_sum(site->s->segment, site->slot,
						m->id + i - TG_TLS_FAILURE_CLOSED));
}

/* The words of handshakes with clients, as far as they apply. */
static void
write_back_handshakes_failed(const struct metric *m, const struct metric_site *site,
			     struct output *out)
{
	static const enum tls_failure failures[] = {
		TG_TLS_FAILURE_CLOSED,   TG_TLS_FAILURE_TIMEOUT,     TG_TLS_FAILURE_NOT_TLS,
		TG_TLS_FAILURE_NO_MATCH, TG_TLS_FAILURE_CERTIFICATE, TG_TLS_FAILURE_ALERT,
		TG_TLS_FAILURE_PROTOCOL, TG_TLS_FAILURE_RESOURCE,
	};

	for (unsigned i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		exposition_labelled(out, &site->series, "reason", tls_failure_str(failures[i]),
				    segment_sum(site->s->segment, site->slot, m->id + i));
}

static void
write_proxy_faults(const struct metric *m, const struct metric_site *site, struct output *out)
{
	for (unsigned i = TG_PROXY_FAULT_UNTRUSTED; i < TG_PROXY_FAULT_COUNT; i++)
		exposition_labelled(out, &site->series, "reason", proxy_fault_str(i),
				    segment_sum(site->s->segment, site->slot,
						m->id + i - TG_PROXY_FAULT_UNTRUSTED));
}

static void
write_calms(const struct metric *m, const struct metric_site *site, struct output *out)
{
	for (unsigned i = 0; i < H2_CALM_COUNT; i++)
		exposition_labelled(out, &site->series, "reason", h2_calm_str(i),
				    segment_sum(site->s->segment, site->slot, m->id + i));
}

static void
write_reason(const struct metric_site *site, unsigned reason, bool even_none, struct output *out)
{
	uint64_t n = segment_sum(site->s->segment, site->slot, TG_COUNTER_OF_END(reason));

	if (n > 0 || even_none)
		exposition_labelled(out, &site->series, "reason", end_reason_str(reason), n);
}

static void
write_reasons(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	for (unsigned i = 0; i < TG_END_COUNT; i++)
		write_reason(site, i, true, out);
}

/* Of a backend few ever happen. */
static void
write_reasons_seen(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	for (unsigned i = 0; i < TG_END_COUNT; i++)
		write_reason(site, i, i == TG_END_DONE, out);
}

static void
write_in_flight(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, source_in_flight(site->s, site->slot));
}

/* all */

static void
write_build(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_labelled(out, &site->series, "version", PACKAGE_VERSION, 1);
}

static void
write_start(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_seconds(out, &site->series, site->s->started.us);
}

static void
write_n_workers(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, segment_workers(site->s->segment));
}

static void
write_n_backends(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, source_n_backends(site->s));
}

static void
write_proxy_up(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, source_has_proxy(site->s));
}

static void
write_log_dropped(const struct metric *m, const struct metric_site *site, struct output *out)
{
	uint64_t n = 0;

	(void)m;
	for (unsigned i = 0; i < segment_workers(site->s->segment); i++)
		n += ring_dropped(segment_ring(site->s->segment, i));
	exposition_number(out, &site->series, n);
}

static void
write_reloads(const struct metric *m, const struct metric_site *site, struct output *out)
{
	const struct segment_shared *shared = shared_of(site);

	(void)m;
	exposition_labelled(out, &site->series, "result", "done", source_gauge(&shared->reloads));
	exposition_labelled(out, &site->series, "result", "failed",
			    source_gauge(&shared->reloads_failed));
}

static void
write_reload_is_good(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, source_gauge(&shared_of(site)->reload_is_bad) == 0);
}

static void
write_reloaded(const struct metric *m, const struct metric_site *site, struct output *out)
{
	uint64_t us = source_gauge(&shared_of(site)->reloaded_us);

	(void)m;
	exposition_seconds(out, &site->series, us != 0 ? us : site->s->started.us);
}

/* processes */

static bool
usage_of(const struct metric_site *site, struct process_usage *ret)
{
	return process_usage_read((enum process_role)site->i, site->s->booted, ret);
}

static void
write_cpu(const struct metric *m, const struct metric_site *site, struct output *out)
{
	struct process_usage usage;

	(void)m;
	if (usage_of(site, &usage))
		exposition_seconds(out, &site->series, usage.cpu_us);
}

static void
write_resident(const struct metric *m, const struct metric_site *site, struct output *out)
{
	struct process_usage usage;

	(void)m;
	if (usage_of(site, &usage))
		exposition_number(out, &site->series, usage.resident_bytes);
}

static void
write_hangs(const struct metric *m, const struct metric_site *site, struct output *out)
{
	const struct segment_shared *shared = shared_of(site);

	(void)m;
	exposition_labelled(out, &site->series, "process", "proxy",
			    source_gauge(&shared->hangs_proxy));
	exposition_labelled(out, &site->series, "process", "keeper",
			    source_gauge(&shared->hangs_keeper));
}

static void
write_process_start(const struct metric *m, const struct metric_site *site, struct output *out)
{
	struct process_usage usage;

	(void)m;
	if (usage_of(site, &usage))
		exposition_seconds(out, &site->series, usage.started.us);
}

/* workers */

static void
write_worker_counter(const struct metric *m, const struct metric_site *site, struct output *out)
{
	exposition_number(out, &site->series,
			  segment_counter(site->s->segment, (unsigned)site->i, 0, m->id));
}

static void
write_worker_seconds(const struct metric *m, const struct metric_site *site, struct output *out)
{
	exposition_seconds(out, &site->series,
			   segment_counter(site->s->segment, (unsigned)site->i, 0, m->id));
}

static void
write_worker_histogram(const struct metric *m, const struct metric_site *site, struct output *out)
{
	struct histogram h = histogram_read(site->s->segment, (unsigned)site->i, 0, m->id);

	exposition_histogram(out, &site->series, &h);
}

/* services */

static void
write_queue(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, source_gauge(&shared_of(site)->queued));
}

static void
write_held(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, source_gauge(&shared_of(site)->held));
}

static void
write_conditions(const struct metric *m, const struct metric_site *site, struct output *out)
{
	struct tally tally = tally_service(site->s, site->i);

	(void)m;
	for (unsigned i = 0; i < TG_CONDITION_COUNT; i++)
		exposition_labelled(out, &site->series, "state", backend_condition_str(i),
				    tally.conditions[i]);
}

static void
write_usable(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, tally_service(site->s, site->i).usable);
}

static void
write_fail_open(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, tally_service(site->s, site->i).is_fail_open);
}

static void
write_h2_open(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, source_gauge(&shared_of(site)->h2_connections));
}

static void
write_service_in_flight(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, source_service_in_flight(site->s, site->i));
}

static void
write_service_ejections(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, tally_service(site->s, site->i).ejections);
}

/* backends */

static void
write_up(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series,
			  backend_condition(site->s, site->i, site->j) == TG_CONDITION_UP);
}

static void
write_ejected(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, source_gauge(&shared_of(site)->ejected) != 0);
}

static void
write_ejections(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(out, &site->series, source_gauge(&shared_of(site)->ejections));
}

static void
write_weight(const struct metric *m, const struct metric_site *site, struct output *out)
{
	const struct conf_service *service = &site->s->conf->services[site->i];
	struct serving_state state = source_serving_state(site->s, site->i, site->j);
	uint32_t weight = serving_weight(&service->backends[site->j], &state);

	(void)m;
	/* A decimal with up to six places, as seconds are. */
	exposition_seconds(out, &site->series, (uint64_t)weight * 1000000 / TG_WEIGHT_SCALE);
}

static void
write_check_failures(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	exposition_number(
		out, &site->series,
		health_status(site->s->health, (unsigned)site->i, (unsigned)site->j)->failures);
}

/* id: whether those that find it up. Only where others are to count. */
static void
write_votes(const struct metric *m, const struct metric_site *site, struct output *out)
{
	const struct quorum *others =
		&health_status(site->s->health, (unsigned)site->i, (unsigned)site->j)->others;

	if (site->s->conf->services[site->i].health.share != TG_SHARE_OFF)
		exposition_number(out, &site->series, m->id != 0 ? others->n_up : others->n_down);
}

/* the store */

static void
write_store_up(const struct metric *m, const struct metric_site *site, struct output *out)
{
	(void)m;
	if (site->s->store != NULL)
		exposition_number(out, &site->series, store_is_well(site->s->store));
}

/* id: where in struct store_counts. */
static uint64_t
store_count(const struct metric *m, const struct metric_site *site)
{
	struct store_counts counts = store_counts(site->s->store);
	uint64_t n;

	memcpy(&n, (const char *)&counts + m->id, sizeof(n));
	return n;
}

static void
write_store_count(const struct metric *m, const struct metric_site *site, struct output *out)
{
	if (site->s->store != NULL)
		exposition_number(out, &site->series, store_count(m, site));
}

static void
write_store_seconds(const struct metric *m, const struct metric_site *site, struct output *out)
{
	if (site->s->store != NULL)
		exposition_seconds(out, &site->series, store_count(m, site));
}

/* The table: what is there. */

#define OF_STATUS(member) offsetof(struct scaler_status, member)
#define OF_SAMPLE(member) offsetof(struct backend_sample, member)
#define OF_STORE(member)  offsetof(struct store_counts, member)

#define ROW(scope_, type_, name_, write_, id_, help_)                                              \
	{                                                                                          \
		.name = "tidegate_" name_, .type = TG_METRIC_##type_,                              \
		.scope = TG_METRIC_OF_##scope_, .help = help_, .write = write_, .id = id_,         \
	}

/* clang-format off */
const struct metric metrics[] = {
	ROW(ALL, GAUGE, "build_info", write_build, 0, "The version that runs, as a label; always 1."),
	ROW(ALL, GAUGE, "start_time_seconds", write_start, 0, "When tidegate was started, in seconds since 1970."),
	ROW(ALL, GAUGE, "workers", write_n_workers, 0, "Worker threads."),
	ROW(ALL, GAUGE, "backends", write_n_backends, 0, "Backends of all services, slots without an address included."),
	ROW(ALL, GAUGE, "proxy_up", write_proxy_up, 0, "1 while the keeper is connected to the proxy, else 0."),
	ROW(ALL, GAUGE, "open_connections", write_in_flight, 0, "Client connections over all listeners."),
	ROW(ALL, COUNTER, "access_log_dropped_total", write_log_dropped, 0, "Access log records that found no room."),
	ROW(ALL, COUNTER, "config_reloads_total", write_reloads, 0, "Changes of the configuration while tidegate runs, by what came of them."),
	ROW(ALL, GAUGE, "config_last_reload_successful", write_reload_is_good, 0, "0 while the last reload of the file has failed, else 1."),
	ROW(ALL, GAUGE, "config_last_reload_timestamp_seconds", write_reloaded, 0, "When the configuration was last read or changed with success, in seconds since 1970."),

	ROW(ALL, GAUGE, "store_up", write_store_up, 0, "1 while the store of samples is well, else 0: no service is made smaller then."),
	ROW(ALL, COUNTER, "store_flushes_total", write_store_count, OF_STORE(flushes), "Times that samples and decisions were written to the store."),
	ROW(ALL, COUNTER, "store_failures_total", write_store_count, OF_STORE(failures), "Operations of the store that were refused, late or cut."),
	ROW(ALL, COUNTER, "store_dropped_total", write_store_count, OF_STORE(dropped), "Records for the store that found no room."),
	ROW(ALL, COUNTER, "store_connects_total", write_store_count, OF_STORE(connects), "Connections made to the store."),
	ROW(ALL, COUNTER, "store_exchanges_total", write_store_count, OF_STORE(exchanges), "Times another word of other instances came, service by service."),
	ROW(ALL, COUNTER, "store_takeovers_total", write_store_count, OF_STORE(takeovers), "Times this instance came to lead a service."),
	ROW(ALL, GAUGE, "store_last_flush_seconds", write_store_seconds, OF_STORE(last_us), "How long the store took for what was written last."),

	ROW(ALL, GAUGE, "certificate_not_after_timestamp_seconds", metrics_write_certificates, TG_METRIC_CERTIFICATE_END, "When a certificate of a listener ends, or that of a service which its backends are shown, in seconds since 1970."),
	ROW(ALL, GAUGE, "certificate_ocsp_next_update_timestamp_seconds", metrics_write_certificates, TG_METRIC_OCSP_END, "Until when the OCSP response of a certificate is good, in seconds since 1970; no line where clients get none."),
	ROW(ALL, GAUGE, "authorities_not_after_timestamp_seconds", metrics_write_certificates, TG_METRIC_AUTHORITIES_END, "When the first of the authorities in a file (client_ca, ca) ends that has not, in seconds since 1970."),
	ROW(ALL, GAUGE, "crl_next_update_timestamp_seconds", metrics_write_certificates, TG_METRIC_REVOKED_END, "When the first of the lists in a file (client_crl, crl) is to be renewed, in seconds since 1970; no line where none says so."),

	ROW(ALL, COUNTER, "acme_runs_total", metrics_write_acme, TG_METRIC_ACME_RUNS, "Runs of the command that gets a certificate by ACME, by what came of them: done or failed."),
	ROW(ALL, GAUGE, "acme_next_run_timestamp_seconds", metrics_write_acme, TG_METRIC_ACME_NEXT, "When the command of a certificate by ACME is run next, in seconds since 1970; 0: it is due, or runs."),

	ROW(ALL, COUNTER, "hook_events_total", metrics_write_hooks, TG_METRIC_HOOK_EVENTS, "Events for each hook, by what came of them: sent, failed (given up) or dropped (no room)."),
	ROW(ALL, COUNTER, "hook_retries_total", metrics_write_hooks, TG_METRIC_HOOK_RETRIES, "Tries after the first to tell a hook."),
	ROW(ALL, GAUGE, "hook_waiting_events", metrics_write_hooks, TG_METRIC_HOOK_WAITING, "Events that are under way to a hook, or wait."),

	ROW(ALL, GAUGE, "node_open", metrics_write_nodes, TG_METRIC_NODE_OPEN, "1 while backends can be started on the node, else 0: its daemon is down, or no service uses it."),
	ROW(ALL, GAUGE, "node_backends", metrics_write_nodes, TG_METRIC_NODE_BACKENDS, "Backends on the node, those on their way to it or from it included."),
	ROW(ALL, GAUGE, "node_cpu_cores", metrics_write_nodes, TG_METRIC_NODE_CPU, "Processors of the node, as configured or as its daemon tells."),
	ROW(ALL, GAUGE, "node_cpu_free_cores", metrics_write_nodes, TG_METRIC_NODE_CPU_FREE, "Of these, what no backend there was promised."),
	ROW(ALL, GAUGE, "node_memory_bytes", metrics_write_nodes, TG_METRIC_NODE_MEMORY, "Memory of the node, as configured or as its daemon tells."),
	ROW(ALL, GAUGE, "node_memory_free_bytes", metrics_write_nodes, TG_METRIC_NODE_MEMORY_FREE, "Of this, what no backend there was promised."),

	ROW(ALL, COUNTER, "process_hangs_total", write_hangs, 0, "Times the process was ended and started again because a loop of it did not turn."),
	ROW(PROCESS, COUNTER, "process_cpu_seconds_total", write_cpu, 0, "Processor time, user and system."),
	ROW(PROCESS, GAUGE, "process_resident_memory_bytes", write_resident, 0, "Memory that is resident, the shared statistics included."),
	ROW(PROCESS, GAUGE, "process_start_time_seconds", write_process_start, 0, "When the process was started, in seconds since 1970: it moves when the process is replaced."),

	ROW(WORKER, GAUGE, "worker_accepting", write_worker_counter, TG_W_ACCEPTING, "1 while the worker accepts clients, else 0."),
	ROW(WORKER, COUNTER, "worker_signatures_total", write_worker_counter, TG_W_SIGNED, "Signatures of TLS handshakes by the process that keeps the keys: key_isolation."),
	ROW(WORKER, COUNTER, "worker_signature_failures_total", write_worker_counter, TG_W_SIGN_FAILED, "Signatures that were not to be had of it: it is down, has not the key, or did not answer in time."),
	ROW(WORKER, COUNTER, "worker_signature_wait_seconds_total", write_worker_seconds, TG_W_SIGN_WAIT_US, "Time the worker has waited for signatures."),
	ROW(WORKER, HISTOGRAM, "worker_loop_lag_seconds", write_worker_histogram, TG_HISTOGRAM_LAG, "How late the timers of the worker's loop were served; up to 5 ms are the clock's."),

	ROW(LISTENER, GAUGE, "listener_open_connections", write_in_flight, 0, "Client connections."),
	ROW(LISTENER, COUNTER, "listener_connections_total", write_counter, TG_L_CONNECTIONS, "Connections accepted."),
	ROW(LISTENER, COUNTER, "listener_accept_pauses_total", write_counter, TG_L_REFUSED, "Times accepting paused because a limit was reached."),
	ROW(LISTENER, COUNTER, "listener_accept_errors_total", write_counter, TG_L_ACCEPT_ERRORS, "Failures of accept(): descriptors or memory."),
	ROW(LISTENER, COUNTER, "listener_streams_total", write_counter, TG_L_STREAMS, "Requests, or in mode tcp connections, begun."),
	ROW(LISTENER, COUNTER, "listener_responses_total", write_classes, TG_L_STATUS_1XX, "Answers by class of their status."),
	ROW(LISTENER, COUNTER, "listener_ends_total", write_reasons, 0, "Streams ended, by reason."),
	ROW(LISTENER, COUNTER, "listener_received_bytes_total", write_counter, TG_L_BYTES_IN, "Bytes from clients."),
	ROW(LISTENER, COUNTER, "listener_sent_bytes_total", write_counter, TG_L_BYTES_OUT, "Bytes to clients."),
	ROW(LISTENER, COUNTER, "listener_tls_handshakes_total", write_counter, TG_L_TLS_HANDSHAKES, "TLS handshakes that succeeded."),
	ROW(LISTENER, COUNTER, "listener_tls_resumed_total", write_counter, TG_L_TLS_RESUMED, "TLS handshakes of these that resumed a session by its ticket."),
	ROW(LISTENER, COUNTER, "listener_acme_challenges_total", write_counter, TG_L_CHALLENGES, "Tokens of ACME that authorities asked for and got."),
	ROW(LISTENER, COUNTER, "listener_tls_throttles_total", write_counter, TG_L_TLS_THROTTLED, "Times accepting paused because handshake_rate was reached; clients wait."),
	ROW(LISTENER, COUNTER, "listener_tls_stapled_total", write_counter, TG_L_TLS_STAPLED, "TLS handshakes of these in which the client got an OCSP response."),
	ROW(LISTENER, COUNTER, "listener_tls_early_total", write_counter, TG_L_TLS_EARLY, "TLS handshakes of these with data before their end (0-RTT) that was taken: early_data."),
	ROW(LISTENER, COUNTER, "listener_tls_failures_total", write_handshakes_failed, TG_L_TLS_FAILED_CLOSED, "TLS handshakes that failed, by reason."),
	ROW(LISTENER, COUNTER, "listener_tls_routed_total", write_counter, TG_L_TLS_ROUTED, "Connections routed by their ClientHello, which was passed on."),
	ROW(LISTENER, COUNTER, "listener_proxy_headers_total", write_counter, TG_L_PROXY_HEADERS, "Connections with a PROXY header."),
	ROW(LISTENER, COUNTER, "listener_proxy_failures_total", write_proxy_faults, TG_L_PROXY_UNTRUSTED, "Connections closed for want of a PROXY header, by reason."),
	ROW(LISTENER, GAUGE, "listener_h2_open_connections", write_h2_open, 0, "Client connections that speak HTTP/2."),
	ROW(LISTENER, COUNTER, "listener_h2_connections_total", write_counter, TG_L_H2_CONNECTIONS, "Connections that spoke HTTP/2."),
	ROW(LISTENER, COUNTER, "listener_h2_resets_received_total", write_counter, TG_L_H2_RESETS_IN, "HTTP/2: requests that clients reset."),
	ROW(LISTENER, COUNTER, "listener_h2_resets_sent_total", write_counter, TG_L_H2_RESETS_OUT, "HTTP/2: requests that were reset."),
	ROW(LISTENER, COUNTER, "listener_h2_goaways_received_total", write_counter, TG_L_H2_GOAWAYS_IN, "HTTP/2: GOAWAY frames of clients."),
	ROW(LISTENER, COUNTER, "listener_h2_goaways_sent_total", write_counter, TG_L_H2_GOAWAYS_OUT, "HTTP/2: GOAWAY frames to clients."),
	ROW(LISTENER, COUNTER, "listener_h2_connection_errors_total", write_counter, TG_L_H2_CONNECTION_ERRORS, "HTTP/2: connections ended, as the client broke the protocol."),
	ROW(LISTENER, COUNTER, "listener_h2_stream_errors_total", write_counter, TG_L_H2_STREAM_ERRORS, "HTTP/2: requests reset, as the client broke the protocol."),
	ROW(LISTENER, COUNTER, "listener_h2_stalled_total", write_counter, TG_L_H2_STALLED, "HTTP/2: answers whose rest the client did not take in time."),
	ROW(LISTENER, COUNTER, "listener_h2_calmed_total", write_calms, TG_L_H2_CALM_RESETS, "HTTP/2: connections ended with ENHANCE_YOUR_CALM, by reason."),
	ROW(LISTENER, HISTOGRAM, "listener_duration_seconds", write_histogram, TG_HISTOGRAM_TOTAL, "From the first byte of a request, or in mode tcp from accepting, to the end of the stream; also of those that no service got."),

	ROW(SERVICE, GAUGE, "service_in_flight", write_service_in_flight, 0, "Streams on the backends of the service."),
	ROW(SERVICE, GAUGE, "service_queue_length", write_queue, 0, "Streams that wait for a place at a backend, or are held."),
	ROW(SERVICE, GAUGE, "service_held", write_held, 0, "Streams that are held until a backend is up."),
	ROW(SERVICE, GAUGE, "service_backends", write_conditions, 0, "Backends by state; each is in exactly one."),
	ROW(SERVICE, GAUGE, "service_usable_backends", write_usable, 0, "Backends that get streams now: also backups, and all of them when the service fails open."),
	ROW(SERVICE, GAUGE, "service_fail_open", write_fail_open, 0, "1 while too few backends are up and all are used, else 0."),
	ROW(SERVICE, COUNTER, "service_streams_total", write_counter, TG_S_STREAMS, "Streams routed to the service."),
	ROW(SERVICE, COUNTER, "service_responses_total", write_classes, TG_S_STATUS_1XX, "Answers by class of their status."),
	ROW(SERVICE, COUNTER, "service_ends_total", write_reasons, 0, "Streams ended, by reason."),
	ROW(SERVICE, COUNTER, "service_received_bytes_total", write_counter, TG_S_BYTES_IN, "Bytes from clients."),
	ROW(SERVICE, COUNTER, "service_sent_bytes_total", write_counter, TG_S_BYTES_OUT, "Bytes to clients."),
	ROW(SERVICE, COUNTER, "service_queued_total", write_counter, TG_S_QUEUED, "Streams that waited for a place at a backend, or were held."),
	ROW(SERVICE, COUNTER, "service_held_total", write_counter, TG_S_HELD, "Streams that were held until a backend was up."),
	ROW(SERVICE, COUNTER, "service_retries_total", write_counter, TG_S_RETRIES, "Tries after the first."),
	ROW(SERVICE, COUNTER, "service_retries_denied_total", write_counter, TG_S_RETRIES_DENIED, "Tries the budget did not allow."),
	ROW(SERVICE, COUNTER, "service_ejections_total", write_service_ejections, 0, "Times a backend was ejected."),
	ROW(SERVICE, HISTOGRAM, "service_queue_seconds", write_histogram, TG_HISTOGRAM_QUEUE, "Waiting for places, for a backend to be up and in pauses between tries; only streams that waited."),
	ROW(SERVICE, HISTOGRAM, "service_connect_seconds", write_histogram, TG_HISTOGRAM_CONNECT, "Connecting to a backend; only connections that were made."),
	ROW(SERVICE, HISTOGRAM, "service_response_head_seconds", write_histogram, TG_HISTOGRAM_RESPONSE, "From the request sent to the head of the backend's answer."),
	ROW(SERVICE, HISTOGRAM, "service_duration_seconds", write_histogram, TG_HISTOGRAM_TOTAL, "From the first byte of a request, or in mode tcp from accepting, to the end of the stream."),

	ROW(SERVICE, GAUGE, "autoscale_desired_backends", metrics_write_scaled_32, OF_STATUS(desired), "Backends that the provider of the service is to have running."),
	ROW(SERVICE, GAUGE, "autoscale_proposed_backends", metrics_write_scaled_32, OF_STATUS(proposed), "Backends that the autoscaler proposed last, before guards."),
	ROW(SERVICE, GAUGE, "autoscale_min_backends", metrics_write_scaled_32, OF_STATUS(min), "The fewest backends in effect, schedules included."),
	ROW(SERVICE, GAUGE, "autoscale_max_backends", metrics_write_scaled_32, OF_STATUS(max), "The most backends in effect."),
	ROW(SERVICE, GAUGE, "autoscale_backends", metrics_write_scaled_backends, 0, "Backends that the provider started, by state; each is in exactly one."),
	ROW(SERVICE, GAUGE, "autoscale_mode", metrics_write_scaled_mode, 0, "1 for the mode that the autoscaler is in, 0 for the others."),
	ROW(SERVICE, GAUGE, "autoscale_manual", metrics_write_scaled_manual, 0, "1 while an operator's number of backends counts, else 0."),
	ROW(SERVICE, GAUGE, "autoscale_failing_starts", metrics_write_scaled_32, OF_STATUS(failures), "Starts of backends that failed one after the other, until now."),
	ROW(SERVICE, GAUGE, "autoscale_leads", metrics_write_scaled_leads, 0, "1 while this instance decides for the service, else 0."),
	ROW(SERVICE, GAUGE, "autoscale_epoch", metrics_write_scaled_64, OF_STATUS(epoch), "Of who leads the service, where several instances share it; else 0."),
	ROW(SERVICE, GAUGE, "autoscale_other_instances", metrics_write_scaled_64, OF_STATUS(others), "Other instances that share the service and live."),
	ROW(SERVICE, COUNTER, "autoscale_decisions_total", metrics_write_scaled_64, OF_STATUS(decisions), "Decisions that were recorded: another number, or another reason for it."),
	ROW(SERVICE, COUNTER, "autoscale_guarded_total", metrics_write_scaled_guards, 0, "Times a guard changed the number that was proposed."),
	ROW(SERVICE, COUNTER, "autoscale_changes_total", metrics_write_scaled_changes, 0, "Times the number of backends wanted was made larger or smaller."),
	ROW(SERVICE, COUNTER, "autoscale_starts_total", metrics_write_scaled_starts, 0, "Backends started, by what came of it."),
	ROW(SERVICE, HISTOGRAM, "autoscale_cold_start_seconds", metrics_write_cold_starts, 0, "From asking for a backend to its first passed check."),

	ROW(BACKEND, GAUGE, "backend_up", write_up, 0, "1 while the backend is in state up, else 0."),
	ROW(BACKEND, GAUGE, "backend_ejected", write_ejected, 0, "1 while the backend is ejected, else 0."),
	ROW(BACKEND, GAUGE, "backend_weight", write_weight, 0, "Weight in effect."),
	ROW(BACKEND, GAUGE, "backend_in_flight", write_in_flight, 0, "Streams on the backend."),
	ROW(BACKEND, GAUGE, "backend_cpu_ratio", metrics_write_share, OF_SAMPLE(cpu), "Processors it uses, of what it may use; of services that are scaled, where it is known."),
	ROW(BACKEND, GAUGE, "backend_memory_ratio", metrics_write_share, OF_SAMPLE(memory), "The same of memory: its working set."),
	ROW(BACKEND, GAUGE, "backend_service_seconds", metrics_write_service_times, 0, "Time at the backend of what it answered in the last interval of the autoscaler."),
	ROW(BACKEND, COUNTER, "backend_streams_total", write_counter, TG_B_STREAMS, "Streams given to the backend."),
	ROW(BACKEND, COUNTER, "backend_responses_total", write_classes, TG_B_STATUS_1XX, "Answers by class of their status."),
	ROW(BACKEND, COUNTER, "backend_ends_total", write_reasons_seen, 0, "Tries ended, by reason; reasons that never occurred are left out, but for done."),
	ROW(BACKEND, COUNTER, "backend_sent_bytes_total", write_counter, TG_B_BYTES_IN, "Bytes to the backend."),
	ROW(BACKEND, COUNTER, "backend_received_bytes_total", write_counter, TG_B_BYTES_OUT, "Bytes from the backend."),
	ROW(BACKEND, COUNTER, "backend_connects_total", write_counter, TG_B_CONNECTS, "Connections made."),
	ROW(BACKEND, COUNTER, "backend_tls_handshakes_total", write_counter, TG_B_TLS_HANDSHAKES, "TLS handshakes that succeeded."),
	ROW(BACKEND, COUNTER, "backend_tls_resumed_total", write_counter, TG_B_TLS_RESUMED, "TLS handshakes of these that resumed a session."),
	ROW(BACKEND, COUNTER, "backend_tls_failures_total", write_back_handshakes_failed, TG_B_TLS_FAILED_CLOSED, "TLS handshakes that failed, by reason."),
	ROW(BACKEND, COUNTER, "backend_h2_connections_total", write_counter, TG_B_H2_CONNECTIONS, "Connections over which the backend spoke HTTP/2."),
	ROW(BACKEND, COUNTER, "backend_h2_resets_received_total", write_counter, TG_B_H2_RESETS_IN, "HTTP/2: requests that the backend reset."),
	ROW(BACKEND, COUNTER, "backend_h2_resets_sent_total", write_counter, TG_B_H2_RESETS_OUT, "HTTP/2: requests that were reset at the backend."),
	ROW(BACKEND, COUNTER, "backend_h2_goaways_received_total", write_counter, TG_B_H2_GOAWAYS_IN, "HTTP/2: GOAWAY frames of the backend."),
	ROW(BACKEND, COUNTER, "backend_connect_errors_total", write_counter, TG_B_CONNECT_ERRORS, "Connects refused or timed out."),
	ROW(BACKEND, COUNTER, "backend_answer_errors_total", write_counter, TG_B_ANSWER_ERRORS, "Answers missing, cut or not valid."),
	ROW(BACKEND, COUNTER, "backend_bad_load_reports_total", write_counter, TG_B_BAD_LOAD_REPORTS, "Load reports in answers (endpoint-load-metrics) that could not be read."),
	ROW(BACKEND, COUNTER, "backend_suspected_total", write_counter, TG_B_SUSPECTED, "Times it took no connection, and retries left it out for a second and `timeouts.connect`."),
	ROW(BACKEND, COUNTER, "backend_retries_total", write_counter, TG_B_RETRIES, "Tries that left the backend for another go."),
	ROW(BACKEND, COUNTER, "backend_ejections_total", write_ejections, 0, "Times the backend was ejected."),
	ROW(BACKEND, COUNTER, "backend_check_failures_total", write_check_failures, 0, "Health checks that failed."),
	ROW(BACKEND, GAUGE, "backend_others_up", write_votes, 1, "Other instances whose checks find the backend up, where health.share has them count."),
	ROW(BACKEND, GAUGE, "backend_others_down", write_votes, 0, "Other instances whose checks find the backend down, where health.share has them count."),
	ROW(BACKEND, COUNTER, "backend_response_head_seconds_total", write_counted_seconds, TG_B_TIME_RESPONSE_US, "Time to the heads of answers, summed up."),
	ROW(BACKEND, HISTOGRAM, "backend_connect_seconds", write_backend_histogram, TG_HISTOGRAM_CONNECT, "Connecting to the backend; only connections that were made."),
	ROW(BACKEND, HISTOGRAM, "backend_response_head_seconds", write_backend_histogram, TG_HISTOGRAM_RESPONSE, "From the request sent to the head of the backend's answer."),
	ROW(BACKEND, HISTOGRAM, "backend_duration_seconds", write_backend_histogram, TG_HISTOGRAM_TOTAL, "From when a stream was given to the backend to its end there; only tries that were answered, or in mode tcp connected."),
	{.name = NULL},
};
/* clang-format on */

/* places */

static void
add_label(struct metric_site *site, const char *name, const char *value)
{
	site->series.labels[site->series.n_labels++] = (struct label){name, value};
}

/* The object at this place of a metric; false: there is none. */
static bool
find_site(const struct metric *m, const struct page_place *p, struct metric_site *site)
{
	const struct conf *conf = site->s->conf;

	switch (m->scope) {
	case TG_METRIC_OF_ALL:
		return p->i == 0;
	case TG_METRIC_OF_PROCESS:
		if (p->i == TG_PROCESS_ROLE_COUNT)
			return false;
		add_label(site, "process", process_role_str((enum process_role)p->i));
		return true;
	case TG_METRIC_OF_WORKER:
		if (p->i == segment_workers(site->s->segment))
			return false;
		snprintf(site->number, sizeof(site->number), "%zu", p->i);
		add_label(site, "worker", site->number);
		return true;
	case TG_METRIC_OF_LISTENER:
		if (p->i == conf->n_listeners)
			return false;
		site->slot = source_listener_slot(site->s, p->i);
		add_label(site, "listener", conf->listeners[p->i].name);
		return true;
	case TG_METRIC_OF_SERVICE:
		if (p->i == conf->n_services)
			return false;
		site->slot = source_service_slot(site->s, p->i);
		add_label(site, "service", conf->services[p->i].name);
		return true;
	case TG_METRIC_OF_BACKEND:
		if (p->i == conf->n_services)
			return false;
		site->slot = source_backend_slot(site->s, p->i, p->j);
		add_label(site, "service", conf->services[p->i].name);
		add_label(site, "backend", conf->services[p->i].backends[p->j].name);
		return true;
	case TG_METRIC_SCOPE_COUNT:
		break;
	}
	return false;
}

/* To the next object; services without backends have none. */
static void
skip_empty(const struct metric *m, const struct conf *conf, struct page_place *p)
{
	while (m->scope == TG_METRIC_OF_BACKEND && p->i < conf->n_services &&
	       p->j == conf->services[p->i].n_backends) {
		p->i++;
		p->j = 0;
	}
}

static void
advance(const struct metric *m, struct page_place *p)
{
	if (m->scope == TG_METRIC_OF_BACKEND)
		p->j++;
	else
		p->i++;
}

static void
next_part(struct page_place *p)
{
	p->part++;
	p->i = 0;
	p->j = 0;
	p->is_begun = false;
}

bool
metrics_have_backends(const struct admin_source *s)
{
	return source_n_backends(s) <= TG_METRICS_BACKENDS_MAX;
}

bool
metrics_have_times(const struct admin_source *s)
{
	return source_n_backends(s) <= TG_METRICS_TIMES_MAX;
}

static bool
is_left_out(const struct metric *m, const struct page_place *p)
{
	if (m->scope != TG_METRIC_OF_BACKEND)
		return false;
	return !p->with_backends || (m->type == TG_METRIC_HISTOGRAM && !p->with_times);
}

bool
metrics_step(struct page_place *p, const struct admin_source *s, struct output *out)
{
	const struct metric *m = &metrics[p->part];
	struct metric_site site = {.s = s, .i = p->i, .series = {.name = m->name}};

	if (m->name == NULL)
		return false;
	if (is_left_out(m, p)) {
		next_part(p);
		return true;
	}
	if (!p->is_begun)
		exposition_family(out, m->name, m->type, m->help);
	p->is_begun = true;
	skip_empty(m, s->conf, p);
	site.i = p->i;
	site.j = p->j;
	if (!find_site(m, p, &site)) {
		next_part(p);
		return true;
	}
	m->write(m, &site, out);
	advance(m, p);
	return true;
}
