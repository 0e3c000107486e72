/* autoscale/placement.c: what schedulers are shown, made of configuration, providers and fleets. */
#include "autoscale/placement_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHUNNED "a start failed there within the last minute, others go first"
#define DOUBTED "a backend there is down and its daemon is being asked, others go first"

bool
placement_is_of(const struct scaled *s)
{
	return s != NULL && s->state != NULL && s->state->source->provider != NULL &&
	       provider_has_nodes(s->state->source->provider);
}

struct sched_by
placement_by(const struct scaled *s)
{
	return (struct sched_by){.module = s->scheduler, .values = s->scheduler_values};
}

int
placement_by_name(const char *scheduler, struct tg_value values[TG_OPTIONS_MAX],
		  struct sched_by *ret)
{
	const struct tg_module *module = module_find(TG_MODULE_SCHEDULER, scheduler);
	struct err err;
	size_t bad;

	if (module == NULL || module_values(module, NULL, 0, values, &bad, &err) < 0)
		return -TG_ENOENT;
	*ret = (struct sched_by){.module = module, .values = values};
	return 0;
}

/* Why others go first, if they fit; NULL: they do not. */
static const char *
why_not_first(const struct scaled *s, const char *node, int64_t now_ms)
{
	struct provider_node told = {.why = NULL};

	if (fleet_shuns(s->state->fleet, node, now_ms))
		return SHUNNED;
	return placement_ask_node(s->scaler, node, &told) && told.is_doubted ? DOUBTED : NULL;
}

bool
placement_shun(struct placement *p, const struct scaled *s, bool is_on)
{
	int64_t now_ms = scaler_now_ms(s->scaler);
	bool is_any = false;

	for (uint32_t i = 0; i < p->cluster.n_nodes; i++) {
		const char *why = why_not_first(s, p->nodes[i].name, now_ms);

		if (p->nodes[i].closed != NULL || why == NULL)
			continue;
		board_close(p->board, i, is_on ? why : NULL);
		is_any = true;
	}
	return is_any;
}

int32_t
placement_node(const struct placement *p, const char *name)
{
	for (uint32_t i = 0; i < p->cluster.n_nodes; i++) {
		if (strcmp(p->nodes[i].name, name) == 0)
			return (int32_t)i;
	}
	return TG_SCHED_NOWHERE;
}

/*** Nodes ***/

bool
placement_ask_node(const struct scaler *s, const char *name, struct provider_node *ret)
{
	bool is_known = false;

	for (size_t i = 0; i < s->n_services && ret->why == NULL; i++) {
		if (placement_is_of(s->services[i]) &&
		    provider_node(s->services[i]->state->source->provider, name, ret))
			is_known = true;
	}
	return is_known;
}

static double
mib(uint64_t bytes)
{
	return (double)bytes / (1024.0 * 1024.0);
}

bool
placement_node_note(const struct conf_node *conf, const struct provider_node *told,
		    char ret[TG_NODE_NOTE])
{
	bool has_cpu = told->cpu_permille != 0 && conf->cpu_permille > told->cpu_permille;
	bool has_memory = told->memory != 0 && conf->memory > told->memory;
	size_t n = 0;

	ret[0] = '\0';
	if (has_cpu)
		n = (size_t)snprintf(ret, TG_NODE_NOTE, "its configuration has %.5g cpus, its daemon %.5g%s",
				     conf->cpu_permille / 1000.0, told->cpu_permille / 1000.0,
				     has_memory ? "; " : "");
	if (has_memory)
		snprintf(ret + n, TG_NODE_NOTE - n,
			 "its configuration has %.0fM of memory, its daemon %.0fM: the smaller counts",
			 mib(conf->memory), mib(told->memory));
	return has_cpu || has_memory;
}

/* Processors that are not there make backends slow, and may be meant; of memory that is not there they die. */
static uint64_t
memory_of(const struct conf_node *conf, const struct provider_node *told)
{
	if (conf->memory == 0 || (told->memory != 0 && told->memory < conf->memory))
		return told->memory;
	return conf->memory;
}

static void
fill_node(const struct scaler *s, struct tg_node *node, const struct conf_node *conf)
{
	struct provider_node told = {.why = NULL};
	bool is_known = placement_ask_node(s, conf->name, &told);

	node->name = conf->name;
	node->cpu_milli = conf->cpu_permille != 0 ? conf->cpu_permille : told.cpu_permille;
	node->memory_bytes = (int64_t)memory_of(conf, &told);
	node->free_cpu_milli = node->cpu_milli;
	node->free_memory_bytes = node->memory_bytes;
	node->closed = is_known ? told.why : "no service has its backends on nodes";
}

static struct tg_label *
fill_labels(struct tg_label *to, const struct conf_labels *from)
{
	for (size_t i = 0; i < from->n; i++)
		*to++ = (struct tg_label){from->list[i].key, from->list[i].text};
	return to;
}

/*** Groups ***/

static uint32_t *
fill_links(uint32_t *to, const struct conf_service *const *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*to++ = from[i]->index;
	return to;
}

static void
fill_needs(struct tg_group *group, const struct conf_service *conf)
{
	group->service = conf->name;
	group->cpu_milli = conf->provider.cpu_permille;
	group->memory_bytes = (int64_t)conf->provider.memory;
}

static void
fill_group(struct tg_group *group, const struct conf_service *conf, struct tg_label **labels,
	   uint32_t **links)
{
	const struct conf_placement *p = &conf->placement;

	fill_needs(group, conf);
	group->priority = (int32_t)p->priority;
	group->spread = p->spread;
	group->require = *labels;
	group->n_require = (uint32_t)p->require.n;
	*labels = fill_labels(*labels, &p->require);
	group->affinity = *links;
	group->n_affinity = (uint32_t)p->n_affinity;
	*links = fill_links(*links, p->affinity, p->n_affinity);
	group->anti_affinity = *links;
	group->n_anti_affinity = (uint32_t)p->n_anti_affinity;
	*links = fill_links(*links, p->anti_affinity, p->n_anti_affinity);
}

/*** What is there ***/

struct filling {
	struct placement *p;
	uint32_t group;
	bool is_settled;
};

/* It serves no more, and does not come back by itself. */
static bool
is_going(const struct fleet_member *m)
{
	return m->state >= TG_FLEET_DRAINING || m->is_unwanted;
}

static void
count_member(void *user, const struct fleet_member *m)
{
	struct filling *f = user;
	struct placement *p = f->p;
	const struct tg_group *group = &p->groups[f->group];
	int32_t node = m->has_node && !m->is_leaving ? placement_node(p, m->node) : TG_SCHED_NOWHERE;

	if (node == TG_SCHED_NOWHERE || (f->is_settled && is_going(m)))
		return;
	p->counts[(size_t)node * p->cluster.n_groups + f->group]++;
	if (is_going(m))
		p->leaving[(size_t)node * p->cluster.n_groups + f->group]++;
	p->nodes[node].free_cpu_milli -= group->cpu_milli;
	p->nodes[node].free_memory_bytes -= group->memory_bytes;
}

static void
count_fleet(struct placement *p, const struct scaled *s, uint32_t group, bool is_settled)
{
	struct filling f = {.p = p, .group = group, .is_settled = is_settled};

	if (s != NULL && s->state != NULL)
		fleet_walk(s->state->fleet, count_member, &f);
}

static void
fill(struct placement *p, const struct scaler *s, bool is_settled)
{
	const struct conf *conf = s->conf;
	struct tg_label *labels = p->labels;
	uint32_t *links = p->links;
	const struct scaled *gone;
	uint32_t group = (uint32_t)conf->n_services;

	for (size_t i = 0; i < conf->n_nodes; i++) {
		fill_node(s, &p->nodes[i], &conf->nodes[i]);
		p->nodes[i].labels = labels;
		p->nodes[i].n_labels = (uint32_t)conf->nodes[i].labels.n;
		labels = fill_labels(labels, &conf->nodes[i].labels);
	}
	for (size_t i = 0; i < conf->n_services; i++) {
		fill_group(&p->groups[i], &conf->services[i], &labels, &links);
		count_fleet(p, i < s->n_services ? s->services[i] : NULL, (uint32_t)i, is_settled);
	}
	TAILQ_FOREACH(gone, &s->all, link) {
		if (!gone->is_gone)
			continue;
		fill_needs(&p->groups[group], gone->conf);
		count_fleet(p, gone, group++, is_settled);
	}
}

static size_t
count_gone(const struct scaler *s)
{
	const struct scaled *gone;
	size_t n = 0;

	TAILQ_FOREACH(gone, &s->all, link)
		n += gone->is_gone;
	return n;
}

static bool
make_room(struct placement *p, const struct scaler *s)
{
	const struct conf *conf = s->conf;
	size_t n_groups = conf->n_services + count_gone(s);
	size_t n_labels = 0;
	size_t n_links = 0;

	for (size_t i = 0; i < conf->n_nodes; i++)
		n_labels += conf->nodes[i].labels.n;
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct conf_placement *of = &conf->services[i].placement;

		n_labels += of->require.n;
		n_links += of->n_affinity + of->n_anti_affinity;
	}
	p->nodes = calloc(conf->n_nodes + 1, sizeof(*p->nodes));
	p->groups = calloc(n_groups + 1, sizeof(*p->groups));
	p->labels = calloc(n_labels + 1, sizeof(*p->labels));
	p->links = calloc(n_links + 1, sizeof(*p->links));
	p->counts = calloc(conf->n_nodes * n_groups + 1, sizeof(*p->counts));
	p->leaving = calloc(conf->n_nodes * n_groups + 1, sizeof(*p->leaving));
	p->cluster = (struct tg_cluster){
		.size = sizeof(p->cluster),
		.n_nodes = (uint32_t)conf->n_nodes,
		.n_groups = (uint32_t)n_groups,
		.nodes = p->nodes,
		.groups = p->groups,
		.counts = p->counts,
	};
	return p->nodes != NULL && p->groups != NULL && p->labels != NULL && p->links != NULL &&
	       p->counts != NULL && p->leaving != NULL;
}

static void
tell_leaving(struct placement *p)
{
	uint32_t n_groups = p->cluster.n_groups;

	for (size_t i = 0; i < (size_t)p->cluster.n_nodes * n_groups; i++) {
		for (uint32_t n = p->leaving[i]; n > 0; n--)
			board_leave(p->board, (uint32_t)(i % n_groups), (uint32_t)(i / n_groups));
	}
}

struct placement *
placement_new(const struct scaler *s, bool is_settled)
{
	struct placement *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->reserved = INT64_MAX;
	if (make_room(p, s)) {
		fill(p, s, is_settled);
		p->board = board_new(&p->cluster);
	}
	if (p->board != NULL) {
		tell_leaving(p);
		return p;
	}
	placement_free(p);
	return NULL;
}

void
placement_free(struct placement *p)
{
	if (p == NULL)
		return;
	board_free(p->board);
	free(p->nodes);
	free(p->groups);
	free(p->labels);
	free(p->links);
	free(p->counts);
	free(p->leaving);
	free(p);
}

/*** What is to come ***/

struct reserving {
	struct placement *p;
	uint32_t group;
	bool is_on;
};

static void
reserve_member(void *user, const struct fleet_member *m)
{
	const struct reserving *r = user;
	int32_t node = placement_nominated(r->p, m);

	if (node == TG_SCHED_NOWHERE)
		return;
	if (r->is_on)
		board_reserve(r->p->board, r->group, (uint32_t)node);
	else
		board_release(r->p->board, r->group, (uint32_t)node);
}

int32_t
placement_nominated(const struct placement *p, const struct fleet_member *m)
{
	return m->state == TG_FLEET_PENDING && !m->has_node && m->nominated[0] != '\0'
		       ? placement_node(p, m->nominated)
		       : TG_SCHED_NOWHERE;
}

void
placement_reserve(struct placement *p, const struct scaled *s, bool is_on)
{
	struct reserving r = {.p = p, .group = s->conf->index, .is_on = is_on};

	fleet_walk(s->state->fleet, reserve_member, &r);
}

static void
reserve_node(void *user, const char *name)
{
	const struct reserving *r = user;
	int32_t node = placement_node(r->p, name);

	if (node != TG_SCHED_NOWHERE)
		board_reserve(r->p->board, r->group, (uint32_t)node);
}

void
placement_reserve_down_to(struct placement *p, const struct scaler *s, int64_t priority)
{
	for (size_t i = 0; i < s->n_services; i++) {
		const struct scaled *one = s->services[i];
		struct reserving r = {.p = p, .group = (uint32_t)i};
		int64_t is = p->groups[i].priority;

		if (one == NULL || one->state == NULL)
			continue;
		if (is >= priority && is < p->reserved)
			placement_reserve(p, one, true);
		if (is > priority && is <= p->reserved)
			fleet_failed_on(one->state->fleet, reserve_node, &r);
	}
	p->reserved = priority;
}

/*** Words ***/

void
placement_why(const struct placement *p, uint32_t group, const struct sched_verdict *verdicts,
	      char *ret, size_t size)
{
	uint32_t n = p->cluster.n_nodes;
	size_t used = (size_t)snprintf(ret, size, "fits on none of %u nodes", n);

	for (uint32_t i = 0; i < n && used < size; i++) {
		char text[192];

		sched_verdict_text(p->board, group, i, &verdicts[i], text, sizeof(text));
		used += (size_t)snprintf(ret + used, size - used, "%s %s: %s", i > 0 ? ";" : ":",
					 p->nodes[i].name, text);
	}
}
