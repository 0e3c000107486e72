/* autoscale/scaler_look.c: nodes and places for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/placement_priv.h"
#include "base/log.h"

#define WARN_MS 1000u /* daemons are looked at that often */

static const struct scaled *
placed_service(const struct scaler *s, unsigned service)
{
	const struct scaled *one = service < s->n_services ? s->services[service] : NULL;

	return placement_is_of(one) && one->scheduler != NULL ? one : NULL;
}

/*** Nodes ***/

static uint32_t
count_backends(const struct placement *p, uint32_t node)
{
	const uint32_t *counts = &p->counts[(size_t)node * p->cluster.n_groups];
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->cluster.n_groups; i++)
		n += counts[i];
	return n;
}

/* Whether it has one. */
static bool
note_of(const struct scaler *s, size_t node, char ret[TG_NODE_NOTE])
{
	struct provider_node told = {.why = NULL};

	ret[0] = '\0';
	return placement_ask_node(s, s->conf->nodes[node].name, &told) &&
	       placement_node_note(&s->conf->nodes[node], &told, ret);
}

/* Services for whose backends room is kept there. */
static void
print_kept(const struct placement *p, uint32_t node, char *ret, size_t size)
{
	uint32_t n_groups = p->cluster.n_groups;
	uint32_t group = board_reserved(p->board, node, 0);
	size_t used = 0;

	ret[0] = '\0';
	for (; group < n_groups && used < size; group = board_reserved(p->board, node, group + 1))
		used += (size_t)snprintf(ret + used, size - used, "%s%s", used > 0 ? ", " : "",
					 p->groups[group].service);
}

static uint32_t
count_orphans(const struct scaler *s, const char *node)
{
	struct provider_node at = {.why = NULL};

	return placement_ask_node(s, node, &at) ? at.orphans : 0;
}

struct departing {
	const char *node;
	uint32_t n;
};

static void
count_departing(void *user, const struct fleet_member *m)
{
	struct departing *d = user;

	d->n += m->is_leaving && strcmp(m->node, d->node) == 0;
}

/* False: all of it is gone. What one of them cannot ask counts. */
static bool
ask_departing(const struct scaler *s, const char *name, struct provider_node *ret)
{
	bool is_any = false;

	for (size_t i = 0; i < s->n_services && ret->why == NULL; i++)
		is_any |= placement_is_of(s->services[i]) &&
			  provider_left_node(s->services[i]->state->source->provider, name, ret);
	return is_any;
}

static void
tell_departing(const struct scaler *s, void (*told)(void *user, const struct scaler_node *node),
	       void *user)
{
	static const struct conf_labels no_labels;

	for (size_t i = 0; i < s->conf->n_left_nodes; i++) {
		struct departing d = {.node = s->conf->left_nodes[i].name};
		struct provider_node at = {.why = NULL};
		const struct scaled *scaled;
		struct scaler_node node = {.name = d.node,
					   .is_departing = true,
					   .labels = &no_labels,
					   .kept_for = "",
					   .note = ""};

		if (!ask_departing(s, d.node, &at))
			continue;
		TAILQ_FOREACH(scaled, &s->all, link)
			fleet_walk(scaled->state->fleet, count_departing, &d);
		node.backends = d.n;
		node.closed = at.why;
		node.orphans = at.orphans;
		told(user, &node);
	}
}

int
scaler_nodes(const struct scaler *s, void (*told)(void *user, const struct scaler_node *node),
	     void *user)
{
	struct placement *p = placement_new(s, false);

	if (p == NULL)
		return -TG_ENOMEM;
	placement_reserve_down_to(p, s, INT64_MIN);
	for (uint32_t i = 0; i < p->cluster.n_nodes; i++) {
		const struct tg_node *n = &p->nodes[i];
		char note[TG_NODE_NOTE];
		char kept[TG_NODE_NOTE];
		struct scaler_node node = {
			.name = n->name,
			.closed = n->closed,
			.cpu_milli = n->cpu_milli,
			.free_cpu_milli = n->free_cpu_milli,
			.memory_bytes = n->memory_bytes,
			.free_memory_bytes = n->free_memory_bytes,
			.backends = count_backends(p, i),
			.orphans = count_orphans(s, n->name),
			.labels = &s->conf->nodes[i].labels,
			.note = note,
			.kept_for = kept,
		};

		(void)note_of(s, i, note);
		print_kept(p, i, kept, sizeof(kept));
		told(user, &node);
	}
	tell_departing(s, told, user);
	placement_free(p);
	return 0;
}

/*** What is told of them in the log ***/

struct node_warning {
	char note[TG_NODE_NOTE]; /* as it was told; "": nothing is */
};

/* What is not known, as its daemon was not asked yet, changes nothing. */
static void
warn_node(struct scaler *s, size_t node)
{
	const struct conf_node *conf = &s->conf->nodes[node];
	char *warned = s->warned[node].note;
	struct provider_node told = {.why = NULL};
	char note[TG_NODE_NOTE];

	if (!placement_ask_node(s, conf->name, &told) || (told.cpu_permille == 0 && told.memory == 0))
		return;
	if (placement_node_note(conf, &told, note) && strcmp(note, warned) != 0)
		log_write(TG_LOG_WARN, "node has less than is configured", "node=%s reason=%s",
			  conf->name, note);
	snprintf(warned, TG_NODE_NOTE, "%s", note);
}

void
scaler_warn_nodes(struct scaler *s, struct mono now)
{
	if (now.us < s->warn_due.us)
		return;
	s->warn_due = mono_add_ms(now, WARN_MS);
	if (s->warned == NULL)
		s->warned = calloc(s->conf->n_nodes + 1, sizeof(*s->warned));
	for (size_t i = 0; i < s->conf->n_nodes && s->warned != NULL; i++)
		warn_node(s, i);
}

static const struct node_warning *
find_warning(const struct scaler *s, const char *node)
{
	for (size_t i = 0; i < s->conf->n_nodes; i++) {
		if (strcmp(s->conf->nodes[i].name, node) == 0)
			return &s->warned[i];
	}
	return NULL;
}

void
scaler_keep_warned(struct scaler *s, const struct conf *next)
{
	struct node_warning *kept = calloc(next->n_nodes + 1, sizeof(*kept));

	for (size_t i = 0; i < next->n_nodes && kept != NULL && s->warned != NULL; i++) {
		const struct node_warning *was = find_warning(s, next->nodes[i].name);

		if (was != NULL)
			kept[i] = *was;
	}
	free(s->warned);
	s->warned = kept;
}

/*** The next one ***/

bool
scaler_has_nodes(const struct scaler *s, unsigned service)
{
	return placed_service(s, service) != NULL;
}

static void
tell_verdicts(const struct scaler *s, const struct placement *p, uint32_t group,
	      const struct sched_verdict *verdicts,
	      void (*told)(void *user, const struct scaler_verdict *verdict), void *user)
{
	for (uint32_t i = 0; i < p->cluster.n_nodes; i++) {
		char text[256];
		struct scaler_verdict verdict = {
			.node = p->nodes[i].name,
			.text = text,
			.orphans = count_orphans(s, p->nodes[i].name),
		};

		sched_verdict_text(p->board, group, i, &verdicts[i], text, sizeof(text));
		told(user, &verdict);
	}
}

int
scaler_next_place(const struct scaler *s, unsigned service,
		  void (*told)(void *user, const struct scaler_verdict *verdict), void *user,
		  char ret_node[TG_NODE_NAME])
{
	struct placement *p = placement_new(s, false);
	struct sched_verdict *verdicts;
	struct sched_by by;
	bool is_any_shunned;
	int32_t node;

	verdicts = p != NULL ? calloc(p->cluster.n_nodes + 1, sizeof(*verdicts)) : NULL;
	if (verdicts == NULL) {
		placement_free(p);
		return -TG_ENOMEM;
	}
	by = placement_by(placed_service(s, service));
	placement_reserve_down_to(p, s, p->groups[service].priority);
	placement_reserve(p, placed_service(s, service), false);
	is_any_shunned = placement_shun(p, placed_service(s, service), true);
	node = sched_place(p->board, &by, service, verdicts);
	if (node < 0 && is_any_shunned) {
		(void)placement_shun(p, placed_service(s, service), false);
		node = sched_place(p->board, &by, service, verdicts);
	}
	snprintf(ret_node, TG_NODE_NAME, "%s", node >= 0 ? p->nodes[node].name : "");
	tell_verdicts(s, p, service, verdicts, told, user);
	free(verdicts);
	placement_free(p);
	return 0;
}

/*** Plans ***/

/* The i-th member of a service on a node. */
struct finding {
	const char *node;
	uint32_t left;
	const char *name;
};

static void
find_member(void *user, const struct fleet_member *m)
{
	struct finding *f = user;

	if (f->name != NULL || !m->has_node || m->is_leaving || m->state >= TG_FLEET_DRAINING ||
	    strcmp(m->node, f->node) != 0)
		return;
	if (f->left == 0)
		f->name = m->name;
	else
		f->left--;
}

static const char *
moved_backend(const struct scaler *s, const struct placement *p, const struct sched_plan *plan,
	      uint32_t i)
{
	const struct sched_move *m = &plan->moves[i];
	struct finding f = {.node = p->nodes[m->from].name};

	for (uint32_t k = 0; k < i; k++)
		f.left += plan->moves[k].group == m->group && plan->moves[k].from == m->from;
	if (m->group < s->n_services && s->services[m->group] != NULL)
		fleet_walk(s->services[m->group]->state->fleet, find_member, &f);
	return f.name != NULL ? f.name : "-";
}

static int
plan_on(const struct scaler *s, struct placement *p, const struct sched_by *by,
	void (*told)(void *user, const struct scaler_move *move), void *user,
	struct scaler_plan *ret)
{
	struct sched_plan plan;
	int r = sched_plan(p->board, by, &plan);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < plan.n_moves; i++) {
		const struct sched_move *m = &plan.moves[i];
		struct scaler_move move = {
			.service = p->groups[m->group].service,
			.backend = moved_backend(s, p, &plan, i),
			.from = p->nodes[m->from].name,
			.to = p->nodes[m->to].name,
			.why = m->is_spread ? "spread" : "room",
		};

		told(user, &move);
	}
	*ret = (struct scaler_plan){.used = plan.used, .used_after = plan.used_after};
	sched_plan_fini(&plan);
	return 0;
}

/* Where room is kept nothing else is moved to, nor what is there away. */
static void
leave_kept(struct placement *p, const struct scaler *s)
{
	placement_reserve_down_to(p, s, INT64_MIN);
	for (uint32_t i = 0; i < p->cluster.n_nodes; i++) {
		if (p->nodes[i].closed == NULL &&
		    board_reserved(p->board, i, 0) < p->cluster.n_groups)
			board_close(p->board, i, "room there is kept");
	}
}

int
scaler_plan(const struct scaler *s, const char *scheduler,
	    void (*told)(void *user, const struct scaler_move *move), void *user,
	    struct scaler_plan *ret)
{
	struct tg_value values[TG_OPTIONS_MAX];
	struct placement *p;
	struct sched_by by;
	int r = placement_by_name(scheduler, values, &by);

	if (r < 0)
		return r;
	p = placement_new(s, true);
	if (p != NULL)
		leave_kept(p, s);
	r = p != NULL ? plan_on(s, p, &by, told, user, ret) : -TG_ENOMEM;
	placement_free(p);
	return r;
}
