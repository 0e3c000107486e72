/*
 * proc/keeper_state.c: what outlives a keeper: orders, and what its checks have counted and agents have ordered.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/reload_order.h"
#include "proc/keeper_priv.h"
#include "steer/kept.h"

/*** Orders ***/

static int
save_state(const struct keeper *k, int *ret_fd, struct err *err)
{
	char *text;
	size_t n;
	int rc = steer_save(k->steer, true, &text, &n);

	if (rc < 0)
		return err_no_memory(err);
	rc = reload_text_save_fd(text, n, ret_fd, err);
	free(text);
	return rc;
}

/* Without a file the parent has it, for the next keeper. */
static void
tell_parent(struct keeper *k)
{
	struct err err;
	int fd;

	if (save_state(k, &fd, &err) < 0) {
		log_write(TG_LOG_WARN, "what is ordered is not kept for another keeper",
			  "reason=%s", err.text);
		return;
	}
	if (channel_send(k->channel, MSG_STATE, NULL, 0, fd) < 0)
		loop_stop(k->loop);
	close(fd);
}

void
keeper_save(struct keeper *k)
{
	char *text;
	size_t n;

	k->has_unsaved = false;
	timer_clear(&k->save);
	if (k->state_file == NULL)
		tell_parent(k);
	else if (steer_save(k->steer, false, &text, &n) == 0)
		state_file_write(k->state_file, text, n);
	else
		log_write(TG_LOG_ERROR, "no memory to save the state", NULL);
}

void
keeper_save_soon(struct keeper *k)
{
	k->has_unsaved = true;
	timer_set(k->loop, &k->save, loop_now(k->loop));
}

/* *ret is NULL when there is none. */
static int
read_state(const struct keeper *k, struct conf_state **ret, struct err *err)
{
	*ret = NULL;
	if (k->state_fd >= 0)
		return state_load_fd(k->state_fd, ret, err);
	return k->conf->state_file != NULL ? state_file_read(k->conf->state_file, ret, err) : 0;
}

/* What is no good in it never stops a start. */
int
keeper_restore(struct keeper *k)
{
	struct conf_state *state;
	struct err err;
	int rc = read_state(k, &state, &err);

	if (rc < 0)
		log_write(TG_LOG_ERROR, "state is not restored", "reason=%s", err.text);
	rc = k->conf->state_file != NULL ? state_file_start(k->conf->state_file, &k->state_file)
					 : 0;
	if (rc == 0 && state != NULL) {
		k->is_restoring = true;
		steer_restore(k->steer, state);
		k->is_restoring = false;
	}
	if (rc == 0 && k->state_fd >= 0)
		keeper_save_soon(k);
	conf_state_free(state);
	return rc;
}

/*** Checks ***/

typedef void backend_fn(const struct keeper *k, unsigned service, unsigned backend,
			struct segment_shared *shared);

static void
each_backend(const struct keeper *k, backend_fn *fn)
{
	for (size_t i = 0; i < k->conf->n_services; i++) {
		const struct conf_service *s = &k->conf->services[i];

		for (size_t j = 0; j < s->n_backends; j++)
			fn(k, (unsigned)i, (unsigned)j,
			   segment_shared(k->segment, s->backends[j].segment_slot));
	}
}

static void
set(_Atomic int64_t *to, uint64_t n)
{
	atomic_store_explicit(to, (int64_t)n, memory_order_relaxed);
}

static void
note_health(const struct keeper *k, unsigned service, unsigned backend,
	    struct segment_shared *shared)
{
	const struct health_status *h = health_status(k->health, service, backend);

	set(&shared->checks_passed, h->passes);
	set(&shared->checks_failed, h->failures);
	set(&shared->downs, h->verdict.downs);
	set(&shared->down_us, verdict_down_us(&h->verdict, loop_now(k->loop)));
}

/* Where there is no agent, nothing is written: of many backends that would take pages. */
static void
note_agent(const struct keeper *k, unsigned service, unsigned backend, struct segment_shared *shared)
{
	struct agent_kept kept;
	const struct backend_order *o = &kept.order;

	health_keep_agent(k->health, service, backend, &kept);
	if (o->told == 0 && source_gauge(&shared->agent_told) == 0)
		return;
	set(&shared->agent_weight, o->weight);
	set(&shared->agent_weight_permille, o->weight_permille);
	set(&shared->agent_limit, o->limit);
	set(&shared->agent_at, kept.at);
	set(&shared->agent_heard_us, kept.heard.us);
	set(&shared->agent_told, o->told | o->admin << 8 | o->is_down << 16);
}

void
keeper_note_agent(const struct keeper *k, unsigned service, unsigned backend)
{
	uint32_t slot = k->conf->services[service].backends[backend].segment_slot;

	note_agent(k, service, backend, segment_shared(k->segment, slot));
}

void
keeper_note_health(const struct keeper *k)
{
	each_backend(k, note_health);
	each_backend(k, note_agent);
}

static void
recall_health(const struct keeper *k, unsigned service, unsigned backend,
	      struct segment_shared *shared)
{
	const struct health_history history = {
		.passes = source_gauge(&shared->checks_passed),
		.failures = source_gauge(&shared->checks_failed),
		.downs = (unsigned)source_gauge(&shared->downs),
		.down_us = source_gauge(&shared->down_us),
	};

	health_recall(k->health, service, backend, &history);
}

/* All processes write there: what could not be ordered is not. */
static void
recall_agent(const struct keeper *k, unsigned service, unsigned backend, struct segment_shared *shared)
{
	uint64_t told = source_gauge(&shared->agent_told);
	const struct agent_kept kept = {
		.order = {.told = told & 0xff,
			  .weight = (uint32_t)source_gauge(&shared->agent_weight),
			  .weight_permille = (uint32_t)source_gauge(&shared->agent_weight_permille),
			  .limit = (uint32_t)source_gauge(&shared->agent_limit),
			  .admin = told >> 8 & 0xff,
			  .is_down = told >> 16 & 0xff},
		.heard = {(uint64_t)source_gauge(&shared->agent_heard_us)},
		.at = (uint64_t)source_gauge(&shared->agent_at),
	};

	if (kept.order.told != 0 && kept.at != 0 && kept.heard.us <= loop_now(k->loop).us &&
	    backend_order_is_sane(&kept.order))
		health_recall_agent(k->health, service, backend, &kept);
}

void
keeper_recall_health(const struct keeper *k)
{
	each_backend(k, recall_health);
	each_backend(k, recall_agent);
}

/*** Another keeper takes over ***/

/* From here on orders are for the new keeper, which gets those that were given. */
void
keeper_hold(struct keeper *k)
{
	struct err err;
	int fd;

	if (k->is_holding)
		return;
	if (k->has_unsaved)
		keeper_save(k);
	timer_clear(&k->save);
	if (!state_file_sync(k->state_file, LAST_WRITE_MS)) {
		log_write(TG_LOG_ERROR,
			  "state file does not take the last orders, not handing over", NULL);
		return;
	}
	if (save_state(k, &fd, &err) < 0) {
		log_write(TG_LOG_ERROR, "what is ordered cannot be handed over", "reason=%s",
			  err.text);
		return;
	}
	keeper_note_health(k);
	k->is_holding = true;
	acme_hold(k->acme, true);
	k->source.is_holding = true;
	scaler_hold(k->scaler, true);
	admin_server_hold(k->admin);
	http_server_hold(k->http);
	if (channel_send(k->channel, MSG_HELD, NULL, 0, fd) < 0)
		loop_stop(k->loop);
	close(fd);
}

void
keeper_resume(struct keeper *k)
{
	if (!k->is_holding)
		return;
	k->is_holding = false;
	acme_hold(k->acme, false);
	k->source.is_holding = false;
	scaler_hold(k->scaler, false);
	admin_server_resume(k->admin);
	http_server_resume(k->http);
}
