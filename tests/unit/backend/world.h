/* A configuration, the segment that counts for it, and the registry, as the proxy has them. */
#ifndef TG_TESTS_UNIT_BACKEND_WORLD_H
#define TG_TESTS_UNIT_BACKEND_WORLD_H

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "backend/registry.h"
#include "proc/slots.h"

/* The services come from the test; one listener, as there must be one. */
#define WORLD(services)                                                                            \
	"workers = 2; listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; mode = \"tcp\"; "      \
	"service = \"a\"; } ); services = ( " services " );"

struct world {
	struct conf *conf;
	struct segment *segment;
	struct registry *registry;
};

static inline void
world_close(struct world *w)
{
	registry_free(w->registry);
	segment_close(w->segment);
	conf_unref(w->conf);
	*w = (struct world){.conf = NULL};
}

/* 0, or -1 with the reason on standard error. */
static inline int
world_open(struct world *w, const char *text)
{
	struct conf_errors errors = {.n = 0};
	struct err err = {""};

	*w = (struct world){.conf = NULL};
	if (conf_load_text(text, strlen(text), "test", &w->conf, &errors) != 0) {
		fprintf(stderr, "%s\n", errors.n > 0 ? errors.list[0].text : "no configuration");
		conf_errors_fini(&errors);
		return -1;
	}
	if (slots_create(w->conf, &w->segment, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		world_close(w);
		return -1;
	}
	w->registry = registry_new(w->conf, w->segment);
	return w->registry != NULL ? 0 : -1;
}

static inline struct addr
world_addr(uint16_t port)
{
	struct addr a = {.len = sizeof(a.u.in)};

	a.u.in.sin_family = AF_INET;
	a.u.in.sin_port = htons(port);
	a.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

/* Of a backend, by places in the configuration. */
static inline uint32_t
world_slot(const struct world *w, uint32_t service, uint32_t backend)
{
	return w->conf->services[service].backends[backend].segment_slot;
}

/* The place of the view's service in the configuration. */
static inline uint32_t
world_service_of(const struct world *w, const struct view *view)
{
	uint32_t i = 0;

	while (w->conf->services[i].segment_slot != view->conf->segment_slot)
		i++;
	return i;
}

/* With services and with listeners that do nothing, as proc/worker.c makes it. 0, or an error. */
static inline int
world_open_worker(const struct world *w, struct worker *worker, unsigned id,
		  const struct front_ops *ops)
{
	int rc = worker_init(worker, id, w->conf, w->segment);
	size_t i;

	for (i = 0; rc == 0 && i < w->conf->n_listeners; i++) {
		const struct conf_listener *conf = &w->conf->listeners[i];
		struct worker_listener *l = worker_listener_new(worker, conf, ops, NULL);

		if (l == NULL)
			return -TG_ENOMEM;
		TAILQ_INSERT_TAIL(&worker->listeners, l, link);
		atomic_store(&l->shared->limit, (int64_t)conf->max_connections);
	}
	for (i = 0; rc == 0 && i < registry_n_services(w->registry); i++) {
		struct worker_service *s =
			worker_service_new(worker, registry_shared(w->registry, i), NULL);

		if (s == NULL)
			return -TG_ENOMEM;
		worker_service_free(worker_service_set(worker, s));
	}
	return rc;
}

static inline struct worker_service *
world_service(const struct world *w, const struct worker *worker, uint32_t service)
{
	return worker->services[w->conf->services[service].segment_slot];
}

static inline struct worker_listener *
world_listener(const struct world *w, const struct worker *worker, uint32_t listener)
{
	return worker_listener_find(worker, w->conf->listeners[listener].segment_slot);
}

/* What the keeper says of one backend; it is at 127.0.0.1:port, port 0: it has no address. */
static inline int
world_observe(struct world *w, uint32_t service, uint32_t backend, uint32_t health, uint16_t port)
{
	struct msg_backend msg = {
		.backend = world_slot(w, service, backend),
		.health = health,
		.has_addr = port != 0,
	};

	if (port != 0)
		msg.addr = world_addr(port);
	return registry_observe(w->registry, &msg);
}

#endif
