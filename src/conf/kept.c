/*
 * conf/kept.c: services that are as they were, which a child keeps instead of being told all of them again.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/kept_priv.h"
#include "conf/tree_priv.h"

/* Most stand in the order of before: *at is where the next one is likely to be. */
static const struct conf_service *
find_near(const struct conf *conf, const char *name, size_t *at)
{
	const struct conf_service *found;

	if (*at < conf->n_services && strcmp(conf->services[*at].name, name) == 0)
		return &conf->services[(*at)++];
	found = conf_find_service(conf, name);
	if (found)
		*at = (size_t)found->index + 1;
	return found;
}

/* What it names of others would be those of before. */
static bool
names_others(const struct conf_service *service)
{
	return service->placement.n_affinity > 0 || service->placement.n_anti_affinity > 0;
}

int
conf_kept(const struct conf *present, const struct conf *next, bool **ret)
{
	bool *is_kept = calloc(next->n_services + 1, sizeof(*is_kept));
	size_t at = 0;

	if (!is_kept)
		return -TG_ENOMEM;
	for (size_t i = 0; i < next->n_services; i++) {
		const struct conf_service *service = &next->services[i];
		const struct conf_service *before = find_near(present, service->name, &at);

		is_kept[i] = before && !names_others(service) &&
			     conf_service_equal(before, service);
	}
	*ret = is_kept;
	return 0;
}

void
reader_keep(struct reader *r, const struct where *where, const char *name,
	    struct conf_service *ret)
{
	const struct conf_box *present = conf_box_of(r->present);
	const struct conf_service *service = find_near(r->present, name, &r->kept_at);

	if (!service) {
		reader_error_format(r, where, "no service \"%.128s\" that could be kept", name);
		return;
	}
	*ret = *service;
	r->box->parts[where->index] = conf_part_ref(present->parts[service->index]);
}
