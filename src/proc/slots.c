#include "proc/slots.h"

/* Free slots beyond twice the configuration. */
#define HEADROOM 1024u

static size_t
count_objects(const struct conf *conf)
{
	size_t n = 1 + conf->n_listeners + conf->n_services;
	size_t i;

	for (i = 0; i < conf->n_services; i++)
		n += conf->services[i].n_backends;
	return n;
}

static int
name_backends(struct segment *seg, const struct conf_service *service, uint32_t service_slot)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc >= 0 && i < service->n_backends; i++)
		rc = segment_add(seg, TG_SLOT_BACKEND, service_slot, service->backends[i].name);
	return rc;
}

static int
name_objects(struct segment *seg, const struct conf *conf)
{
	uint32_t first_service = 1 + (uint32_t)conf->n_listeners;
	int rc = segment_add(seg, TG_SLOT_GLOBAL, TG_SEGMENT_NONE, "tidegate");
	size_t i;

	for (i = 0; rc >= 0 && i < conf->n_listeners; i++)
		rc = segment_add(seg, TG_SLOT_LISTENER, TG_SEGMENT_NONE, conf->listeners[i].name);
	for (i = 0; rc >= 0 && i < conf->n_services; i++)
		rc = segment_add(seg, TG_SLOT_SERVICE, TG_SEGMENT_NONE, conf->services[i].name);
	for (i = 0; rc >= 0 && i < conf->n_services; i++)
		rc = name_backends(seg, &conf->services[i], first_service + (uint32_t)i);
	return rc < 0 ? rc : 0;
}

int
slots_create(const struct conf *conf, struct segment **ret, struct err *err)
{
	size_t n = count_objects(conf) * 2 + HEADROOM;
	struct segment *seg;
	int rc;

	if (n > UINT32_MAX)
		return err_set(err, TG_ELIMIT, "too many backends to count");
	rc = segment_create(conf->workers, (unsigned)n, TG_ACCESS_RING_BYTES, &seg, err);
	if (rc < 0)
		return rc;
	rc = name_objects(seg, conf);
	if (rc < 0) {
		segment_close(seg);
		return err_set(err, TG_ELIMIT, "statistics segment: out of slots");
	}
	*ret = seg;
	return 0;
}
