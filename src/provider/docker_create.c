#include "provider/docker_create.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "provider/mark.h"

#define CPU_PERIOD_US 100000u
#define TMPFS         "rw,noexec,nosuid,nodev,size=64m"

/* `text` with {port}, {name} and {service} replaced, memory of `arena`. */
static const char *
fill_in(struct arena *arena, const struct docker_plan *plan, const char *text)
{
	const struct mark_owner owner = {.service = plan->service->name};
	struct mark mark = {.addr.u.in.sin_family = AF_INET, .addr.len = sizeof(struct sockaddr_in)};

	addr_set_port(&mark.addr, plan->service->provider.port);
	snprintf(mark.name, sizeof(mark.name), "%s", plan->name);
	return mark_replace(arena, text, &owner, &mark);
}

/* Adds to an array, or fails as what it is made of does. */
static bool
append(json_t *array, json_t *value)
{
	return json_array_append_new(array, value) == 0;
}

static json_t *
texts(struct arena *arena, const struct docker_plan *plan, char *const *list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; array != NULL && i < n; i++) {
		const char *text = fill_in(arena, plan, list[i]);

		if (text != NULL && append(array, json_string(text)))
			continue;
		json_decref(array);
		return NULL;
	}
	return array;
}

static json_t *
plain_texts(char *const *list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; array != NULL && i < n; i++) {
		if (append(array, json_string(list[i])))
			continue;
		json_decref(array);
		return NULL;
	}
	return array;
}

static json_t *
environment(struct arena *arena, const struct docker_plan *plan)
{
	const struct conf_provider *conf = &plan->service->provider;
	json_t *array = texts(arena, plan, conf->environment, conf->n_environment);

	if (array != NULL &&
	    append(array, json_sprintf("TIDEGATE_SERVICE=%s", plan->service->name)) &&
	    append(array, json_sprintf("TIDEGATE_BACKEND=%s", plan->name)) &&
	    append(array, json_sprintf("TIDEGATE_PORT=%u", conf->port)))
		return array;
	json_decref(array);
	return NULL;
}

static json_t *
labels(const struct docker_plan *plan)
{
	const struct conf_provider *conf = &plan->service->provider;

	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:o*}", TG_DOCKER_LABEL_OWNER, plan->owner,
			 TG_DOCKER_LABEL_SERVICE, plan->service->name, TG_DOCKER_LABEL_BACKEND,
			 plan->name, TG_DOCKER_LABEL_PORT, json_sprintf("%u", conf->port),
			 TG_DOCKER_LABEL_NETWORK, conf->network != NULL ? conf->network : "",
			 TG_DOCKER_LABEL_EPOCH,
			 plan->epoch > 0 ? json_sprintf("%" PRIu64, plan->epoch) : NULL);
}

/* Any free port of that address. */
static json_t *
bindings(const struct docker_plan *plan, const char *port)
{
	char address[INET6_ADDRSTRLEN];

	if (!plan->is_published)
		return json_object();
	ip_format(&plan->address, address, sizeof(address));
	return json_pack("{s:[{s:s, s:s}]}", port, "HostIp", address, "HostPort", "");
}

static bool
set(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) == 0;
}

/* What holds it. Its memory is all it gets: no swap. */
static bool
set_limits(json_t *host, const struct conf_provider *conf)
{
	json_int_t memory = (json_int_t)conf->memory;
	json_int_t quota = (json_int_t)conf->cpu_permille * (CPU_PERIOD_US / 1000);

	return (conf->memory == 0 || (set(host, "Memory", json_integer(memory)) &&
				      set(host, "MemorySwap", json_integer(memory)))) &&
	       (conf->cpu_permille == 0 || (set(host, "CpuPeriod", json_integer(CPU_PERIOD_US)) &&
					    set(host, "CpuQuota", json_integer(quota)))) &&
	       (conf->pids == 0 || set(host, "PidsLimit", json_integer(conf->pids))) &&
	       (conf->open_files == 0 ||
		set(host, "Ulimits",
		    json_pack("[{s:s, s:I, s:I}]", "Name", "nofile", "Soft",
			      (json_int_t)conf->open_files, "Hard", (json_int_t)conf->open_files)));
}

/* json-file has files in a row. podman has one, and its own driver, whatever that is: those that write none pass over it. */
static bool
set_log(json_t *host, const struct docker_plan *plan)
{
	const struct conf_provider *conf = &plan->service->provider;
	bool is_json_file = plan->log == DOCKER_LOG_JSON_FILE;
	json_t *files = NULL;

	if (plan->log == DOCKER_LOG_OTHER || conf->log_size == 0)
		return true;
	if (is_json_file)
		files = json_sprintf("%u", conf->log_files);
	return set(host, "LogConfig",
		   json_pack("{s:s, s:{s:o, s:o*}}", "Type",
			     is_json_file ? "json-file" : "", "Config", "max-size",
			     json_sprintf("%" PRIu64, conf->log_size), "max-file", files));
}

static bool
set_host_rest(json_t *host, const struct conf_provider *conf)
{
	return (conf->network == NULL || set(host, "NetworkMode", json_string(conf->network))) &&
	       (conf->runtime == NULL || set(host, "Runtime", json_string(conf->runtime))) &&
	       (!conf->is_read_only ||
		(set(host, "ReadonlyRootfs", json_true()) &&
		 set(host, "Tmpfs", json_pack("{s:s}", "/tmp", TMPFS)))) &&
	       (conf->n_capabilities == 0 ||
		set(host, "CapAdd", plain_texts(conf->capabilities, conf->n_capabilities))) &&
	       (conf->n_volumes == 0 ||
		set(host, "Binds", plain_texts(conf->volumes, conf->n_volumes)));
}

static json_t *
host_config(const struct docker_plan *plan, const char *port)
{
	const struct conf_provider *conf = &plan->service->provider;
	json_t *host = json_pack("{s:o, s:{s:s}, s:[s], s:[s]}", "PortBindings",
				 bindings(plan, port), "RestartPolicy", "Name", "no", "CapDrop",
				 "ALL", "SecurityOpt", "no-new-privileges");

	if (host != NULL && set_limits(host, conf) && set_log(host, plan) &&
	    set_host_rest(host, conf))
		return host;
	json_decref(host);
	return NULL;
}

static json_t *
make_body(struct arena *arena, const struct docker_plan *plan)
{
	const struct conf_provider *conf = &plan->service->provider;
	char port[16];
	json_t *root;

	snprintf(port, sizeof(port), "%u/tcp", conf->port);
	root = json_pack("{s:s, s:o, s:o, s:{s:{}}, s:o}", "Image", conf->image, "Env",
			 environment(arena, plan), "Labels", labels(plan), "ExposedPorts", port,
			 "HostConfig", host_config(plan, port));
	if (root != NULL &&
	    (conf->n_command == 0 ||
	     set(root, "Cmd", texts(arena, plan, conf->command, conf->n_command))) &&
	    (conf->user == NULL || set(root, "User", json_string(conf->user))))
		return root;
	json_decref(root);
	return NULL;
}

char *
docker_create_body(const struct docker_plan *plan)
{
	struct arena arena = {.blocks = NULL};
	json_t *root = make_body(&arena, plan);
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;

	json_decref(root);
	arena_fini(&arena);
	return text;
}

void
docker_container_name(const char *owner, const char *service, const char *name, char *ret,
		      size_t size)
{
	uint64_t hash = hash_bytes(owner, strlen(owner), 0);

	hash = hash_bytes(service, strlen(service), hash);
	snprintf(ret, size, "tidegate-%s-%s-%08x", service, name, (unsigned)(hash >> 32));
	for (; *ret != '\0'; ret++) {
		if (!isalnum((unsigned char)*ret) && strchr("-_.", *ret) == NULL)
			*ret = '_';
	}
}

bool
docker_image_parts(const char *image, char **ret, const char **ret_tag)
{
	char *copy = strdup(image);
	char *folder;
	char *mark;

	if (copy == NULL)
		return false;
	folder = strrchr(copy, '/');
	mark = strchr(copy, '@');
	if (mark == NULL)
		mark = strrchr(folder != NULL ? folder : copy, ':');
	if (mark != NULL)
		*mark = '\0';
	*ret = copy;
	*ret_tag = mark != NULL ? mark + 1 : "latest";
	return true;
}
