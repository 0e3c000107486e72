/* provider/docker_pull.c: a node fetches the image, for all containers there that wait for it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "provider/docker_auth.h"
#include "provider/docker_line.h"
#include "provider/docker_priv.h"

#define LINE_MAX_BYTES (16u << 10)
#define LAYERS_MAX     128u
#define TELL_MS        5000u

struct layer {
	char name[32];
	uint64_t current;
	uint64_t total;
	bool is_done;
};

struct pull {
	struct place *place;
	struct call *call;
	struct docker_line line;
	struct layer layers[LAYERS_MAX];
	unsigned n_layers;
	struct mono told;
	char error[TG_INSTANCE_WHY]; /* "": none */
};

static void
pull_free(struct pull *pull)
{
	docker_line_fini(&pull->line);
	free(pull);
}

static void
log_pull(const struct pull *pull, enum log_level level, const char *message, const char *reason)
{
	uint64_t current = 0;
	uint64_t total = 0;
	unsigned n_done = 0;

	for (unsigned i = 0; i < pull->n_layers; i++) {
		n_done += pull->layers[i].is_done;
		current += pull->layers[i].current;
		total += pull->layers[i].total;
	}
	log_write(level, message,
		  "svc=%s node=%s image=%s layers=%u layers_all=%u bytes=%" PRIu64
		  " bytes_all=%" PRIu64 " reason=%s",
		  pull->place->all->provider->service->name,
		  docker_node_name(pull->place->user.node), pull->place->all->provider->conf->image,
		  n_done, pull->n_layers, current, total, reason);
}

/* NULL: more than are told. */
static struct layer *
find_layer(struct pull *pull, const char *name)
{
	struct layer *layer;

	for (unsigned i = 0; i < pull->n_layers; i++) {
		if (strcmp(pull->layers[i].name, name) == 0)
			return &pull->layers[i];
	}
	if (pull->n_layers == LAYERS_MAX)
		return NULL;
	layer = &pull->layers[pull->n_layers++];
	snprintf(layer->name, sizeof(layer->name), "%s", name);
	return layer;
}

/* The first line of a pull has the tag as its layer. */
static void
take_progress(struct pull *pull, const struct docker_progress *p)
{
	struct layer *layer;

	if (p->error[0] != '\0')
		memcpy(pull->error, p->error, sizeof(pull->error));
	if (p->layer[0] == '\0' || strncmp(p->status, "Pulling from", 12) == 0)
		return;
	layer = find_layer(pull, p->layer);
	if (layer == NULL)
		return;
	if (strcmp(p->status, "Downloading") == 0 && p->total > 0) {
		layer->current = p->current;
		layer->total = p->total;
	}
	if (strcmp(p->status, "Pull complete") != 0 && strcmp(p->status, "Already exists") != 0)
		return;
	layer->is_done = true;
	layer->current = layer->total;
}

static void
end_line(struct pull *pull)
{
	struct docker_progress progress;

	if (!pull->line.is_long && pull->line.n > 0 &&
	    docker_parse_progress(pull->line.text, pull->line.n, &progress, NULL) == 0)
		take_progress(pull, &progress);
}

static void
on_piece(void *user, const char *bytes, size_t n)
{
	struct pull *pull = user;
	struct mono now = loop_now(pull->place->all->provider->loop);

	while (n > 0) {
		size_t taken = docker_line_take(&pull->line, bytes, n);

		if (pull->line.is_whole)
			end_line(pull);
		bytes += taken;
		n -= taken;
	}
	if (mono_diff_us(now, pull->told) < TELL_MS * UINT64_C(1000))
		return;
	pull->told = now;
	log_pull(pull, TG_LOG_INFO, "pulling an image", "");
}

/* All who waited; `why` NULL: it is there. */
static void
tell_all(struct place *place, const char *why)
{
	struct docker_container *c;
	struct docker_container *next;

	HASH_ITER(hh, place->all->containers, c, next) {
		if (c->place == place && c->step == STEP_PULLING)
			docker_container_pulled(c, why);
	}
}

static void
on_pulled(void *user, const struct call_end *end)
{
	struct pull *pull = user;
	struct place *place = pull->place;
	char why[TG_INSTANCE_WHY] = "pull: ";
	bool has_failed = true;

	pull->call = NULL;
	if (!pull->line.is_whole)
		end_line(pull);
	if (end->rc < 0)
		provider_quote(why, sizeof(why), end->why, strlen(end->why));
	else if (end->status != 200)
		docker_quote_error(why, sizeof(why), end->status, end->body, end->n);
	else if (pull->error[0] != '\0')
		provider_quote(why, sizeof(why), pull->error, strlen(pull->error));
	else
		has_failed = false;
	log_pull(pull, has_failed ? TG_LOG_WARN : TG_LOG_INFO,
		 has_failed ? "image not pulled" : "image pulled", has_failed ? why : "");
	place->pull = NULL;
	pull_free(pull);
	tell_all(place, has_failed ? why : NULL);
}

static int
ask(struct pull *pull, const char *header, struct err *err)
{
	const struct conf_provider *conf = pull->place->all->provider->conf;
	struct docker_order order = {
		.verb = DOCKER_PULL,
		.timeout_ms = conf->pull_timeout_ms,
		.piece = on_piece,
		.ended = on_pulled,
		.user = pull,
	};
	char *image;
	int rc;

	if (!docker_image_parts(conf->image, &image, &order.tag))
		return err_no_memory(err);
	order.what = image;
	order.header = header;
	rc = docker_node_call(pull->place->user.node, &order, &pull->call);
	free(image);
	return rc == 0 ? 0 : err_set(err, (enum tg_errno)-rc, "no room for its request");
}

/* Credentials are those of now. */
static int
begin(struct pull *pull, struct err *err)
{
	const struct conf_provider *conf = pull->place->all->provider->conf;
	char *header = NULL;
	int rc = 0;

	if (conf->registry_credentials != NULL)
		rc = docker_auth_read(conf->registry_credentials, conf->image, &header, err);
	if (rc == 0)
		rc = ask(pull, header, err);
	docker_auth_free(header);
	return rc;
}

int
docker_pull(struct place *place, struct err *err)
{
	struct pull *pull;
	int rc;

	if (place->pull != NULL)
		return 0;
	pull = calloc(1, sizeof(*pull));
	if (pull == NULL)
		return err_no_memory(err);
	pull->place = place;
	rc = docker_line_init(&pull->line, LINE_MAX_BYTES) ? begin(pull, err) : err_no_memory(err);
	if (rc < 0) {
		pull_free(pull);
		return rc;
	}
	place->pull = pull;
	pull->told = loop_now(place->all->provider->loop);
	log_pull(pull, TG_LOG_INFO, "pulling an image", "");
	return 0;
}

void
docker_pull_cancel(struct place *place)
{
	if (place->pull == NULL)
		return;
	call_cancel(place->pull->call);
	pull_free(place->pull);
	place->pull = NULL;
}
