/*
 * provider/docker_create.h: what a container is made of, as the Engine API wants it. Pure.
 *
 * Hardened: no new privileges, no capabilities but those configured, a bound of processes and of what is kept of its output,
 * no restart by the daemon, and cpu and memory as configured, without swap.
 */
#ifndef TG_PROVIDER_DOCKER_CREATE_H
#define TG_PROVIDER_DOCKER_CREATE_H

#include "base/addr.h"
#include "conf/conf.h"
#include "provider/docker_answer.h"
#include "provider/provider.h"

#define TG_DOCKER_NAME 256u /* bytes of a container's name */

struct docker_plan {
	const struct conf_service *service;
	const char *owner;
	const char *name;  /* of the backend */
	uint64_t epoch;    /* whose start it is (provider_set_epoch()); 0: of nobody */
	enum docker_log log; /* where its daemon writes what it says */
	bool is_published; /* its port, at: */
	struct ip address; /* of the node */
};

/* The body of create, the caller's to free(). NULL: no memory. */
char *docker_create_body(const struct docker_plan *plan);
/* "tidegate-SERVICE-NAME-xxxxxxxx": on a node there may be others of that service and name, of other owners. */
void docker_container_name(const char *owner, const char *service, const char *name, char *ret,
			   size_t size);
/* An image's reference, to what is pulled of it: "acme/api:7" to "acme/api" and "7". *ret is the caller's to
 * free(), and *ret_tag is in it. False: no memory. */
TG_MUST_CHECK bool docker_image_parts(const char *image, char **ret, const char **ret_tag);

#endif
