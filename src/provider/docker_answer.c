#include "provider/docker_answer.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "provider/provider_priv.h"

#define SHOWN    64
#define FRAME    8u /* bytes before each piece of a log: stream, three of nothing, length */
#define MINOR_MAX 999u
/* Of a list: each becomes an object of ours, of up to some 250 bytes, whatever it says. */
#define VALUES_MAX 524288u

/*** JSON ***/

/* NULL: `err`. */
static json_t *
load(const char *text, size_t n, const char *what, struct err *err)
{
	json_error_t wrong;
	json_t *root = json_loadb(text, n, JSON_ALLOW_NUL, &wrong);
	char shown[SHOWN] = "";

	if (root != NULL && json_is_object(root))
		return root;
	if (root == NULL)
		provider_quote(shown, sizeof(shown), wrong.text, strlen(wrong.text));
	json_decref(root);
	(void)err_set(err, TG_EPROTO, "%s: not a JSON object%s%s", what, shown[0] ? ": " : "",
		      shown);
	return NULL;
}

/* "": there is none, or it has a NUL inside. */
static const char *
text_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);

	return text != NULL && strlen(text) == json_string_length(value) ? text : "";
}

/* 0: there is none, or it is negative. */
static uint64_t
number_of(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? (uint64_t)n : 0;
}

/* False: `text` does not fit, or has something that is not printed; *ret is "" then. */
static bool
take_text(char *ret, size_t size, const char *text)
{
	size_t n = strlen(text);

	ret[0] = '\0';
	if (n >= size)
		return false;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	}
	memcpy(ret, text, n + 1);
	return true;
}

static bool
take_id(char ret[TG_DOCKER_ID], const char *text)
{
	size_t n = strlen(text);

	ret[0] = '\0';
	if (n < 12 || n >= TG_DOCKER_ID || strspn(text, "0123456789abcdef") != n)
		return false;
	memcpy(ret, text, n + 1);
	return true;
}

static bool
take_name(char ret[TG_INSTANCE_NAME], const char *text)
{
	ret[0] = '\0';
	return provider_name_is_good(text) && take_text(ret, TG_INSTANCE_NAME, text);
}

/*** The daemon ***/

unsigned
docker_parse_api(const char *text)
{
	unsigned minor = 0;

	if (strncmp(text, "1.", 2) != 0 || !isdigit((unsigned char)text[2]))
		return 0;
	for (text += 2; isdigit((unsigned char)*text) && minor <= MINOR_MAX; text++)
		minor = minor * 10 + (unsigned)(*text - '0');
	return *text == '\0' && minor <= MINOR_MAX ? minor : 0;
}

int
docker_parse_version(const char *text, size_t n, struct docker_version *ret, struct err *err)
{
	json_t *root = load(text, n, "version", err);
	struct docker_version version;

	if (root == NULL)
		return -TG_EPROTO;
	version.newest = docker_parse_api(text_of(root, "ApiVersion"));
	version.oldest = docker_parse_api(text_of(root, "MinAPIVersion"));
	json_decref(root);
	if (version.newest == 0)
		return err_set(err, TG_EPROTO, "version: no ApiVersion 1.x");
	*ret = version;
	return 0;
}

/* podman 4 has no LoggingDriver in its answer; what it can write to tells that it is one. */
static enum docker_log
log_of(const json_t *root)
{
	const char *driver = text_of(root, "LoggingDriver");
	const json_t *known = json_object_get(json_object_get(root, "Plugins"), "Log");
	const json_t *one;
	size_t i;

	if (strcmp(driver, "json-file") == 0)
		return DOCKER_LOG_JSON_FILE;
	if (driver[0] != '\0' && strcmp(driver, "k8s-file") != 0)
		return DOCKER_LOG_OTHER;
	json_array_foreach(known, i, one) {
		if (json_is_string(one) && strcmp(json_string_value(one), "k8s-file") == 0)
			return DOCKER_LOG_PODMAN;
	}
	return DOCKER_LOG_OTHER;
}

int
docker_parse_info(const char *text, size_t n, struct docker_info *ret, struct err *err)
{
	json_t *root = load(text, n, "info", err);
	uint64_t cpus;

	if (root == NULL)
		return -TG_EPROTO;
	cpus = number_of(root, "NCPU");
	ret->cpu_permille = cpus <= UINT32_MAX / 1000 ? (uint32_t)cpus * 1000 : 0;
	ret->memory = number_of(root, "MemTotal");
	ret->log = log_of(root);
	(void)!take_text(ret->id, sizeof(ret->id), text_of(root, "ID"));
	(void)!take_text(ret->host, sizeof(ret->host), text_of(root, "Name"));
	(void)!take_text(ret->folder, sizeof(ret->folder), text_of(root, "DockerRootDir"));
	json_decref(root);
	return 0;
}

/*** Containers ***/

static enum docker_state
state_of(const char *text)
{
	static const struct {
		const char *text;
		enum docker_state state;
	} words[] = {
		{"created", DOCKER_CREATED},     {"configured", DOCKER_CREATED}, /* podman */
		{"initialized", DOCKER_CREATED}, {"removing", DOCKER_REMOVING},
		{"exited", DOCKER_EXITED},       {"dead", DOCKER_EXITED},
		{"stopped", DOCKER_EXITED},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i].text) == 0)
			return words[i].state;
	}
	return DOCKER_RUNNING;
}

static enum docker_health
health_of(const char *text)
{
	if (strcmp(text, "starting") == 0)
		return DOCKER_HEALTH_STARTING;
	if (strcmp(text, "healthy") == 0)
		return DOCKER_HEALTH_GOOD;
	return strcmp(text, "unhealthy") == 0 ? DOCKER_HEALTH_BAD : DOCKER_HEALTH_NONE;
}

/* "Up 3 seconds (healthy)": the list has it nowhere else. */
static enum docker_health
health_of_status(const char *text)
{
	if (strstr(text, "(health: starting)") != NULL)
		return DOCKER_HEALTH_STARTING;
	if (strstr(text, "(healthy)") != NULL)
		return DOCKER_HEALTH_GOOD;
	return strstr(text, "(unhealthy)") != NULL ? DOCKER_HEALTH_BAD : DOCKER_HEALTH_NONE;
}

static bool
take_listed(const json_t *item, const char *owner, struct docker_listed *ret)
{
	const json_t *labels = json_object_get(item, "Labels");

	if (strcmp(text_of(labels, TG_DOCKER_LABEL_OWNER), owner) != 0 || !take_id(ret->id, text_of(item, "Id")))
		return false;
	if (!take_name(ret->name, text_of(labels, TG_DOCKER_LABEL_BACKEND)))
		ret->name[0] = '\0';
	if (!take_text(ret->service, sizeof(ret->service), text_of(labels, TG_DOCKER_LABEL_SERVICE)))
		ret->service[0] = '\0';
	ret->state = state_of(text_of(item, "State"));
	ret->health = health_of_status(text_of(item, "Status"));
	return true;
}

static int
take_list(const json_t *root, const char *owner, struct docker_listed **ret, size_t *ret_n,
	  struct err *err)
{
	size_t n = json_array_size(root);
	struct docker_listed *list;
	size_t used = 0;

	if (!json_is_array(root))
		return err_set(err, TG_EPROTO, "list: not a JSON array");
	if (n > TG_DOCKER_CONTAINERS_MAX)
		return err_set(err, TG_EPROTO, "list: more than %u containers",
			       TG_DOCKER_CONTAINERS_MAX);
	list = calloc(n + 1, sizeof(list[0]));
	if (list == NULL)
		return err_no_memory(err);
	for (size_t i = 0; i < n; i++)
		used += take_listed(json_array_get(root, i), owner, &list[used]);
	*ret = list;
	*ret_n = used;
	return 0;
}

/* At most, read as quickly as it can be; not fewer. */
static size_t
count_values(const char *text, size_t n)
{
	size_t values = 0;

	for (size_t i = 0; i < n; i++)
		values += text[i] == ',' || text[i] == '[' || text[i] == '{';
	return values;
}

int
docker_parse_list(const char *text, size_t n, const char *owner, struct docker_listed **ret,
		  size_t *ret_n, struct err *err)
{
	json_error_t wrong;
	json_t *root;
	int rc;

	if (count_values(text, n) > VALUES_MAX)
		return err_set(err, TG_EPROTO, "list: more than %u values", VALUES_MAX);
	root = json_loadb(text, n, JSON_ALLOW_NUL, &wrong);
	rc = take_list(root, owner, ret, ret_n, err);

	json_decref(root);
	return rc;
}

/* A decimal number of 16 bits; 0: something else. */
static uint16_t
port_of(const char *text)
{
	unsigned port = 0;

	if (*text == '\0')
		return 0;
	for (; isdigit((unsigned char)*text) && port <= UINT16_MAX; text++)
		port = port * 10 + (unsigned)(*text - '0');
	return *text == '\0' && port <= UINT16_MAX ? (uint16_t)port : 0;
}

static void
take_mark(const json_t *labels, struct docker_mark *ret)
{
	(void)take_text(ret->owner, sizeof(ret->owner), text_of(labels, TG_DOCKER_LABEL_OWNER));
	(void)take_text(ret->service, sizeof(ret->service),
			text_of(labels, TG_DOCKER_LABEL_SERVICE));
	(void)take_name(ret->name, text_of(labels, TG_DOCKER_LABEL_BACKEND));
	ret->port = port_of(text_of(labels, TG_DOCKER_LABEL_PORT));
	(void)take_text(ret->network, sizeof(ret->network),
			text_of(labels, TG_DOCKER_LABEL_NETWORK));
}

static void
take_published(const json_t *settings, struct docker_inspected *ret)
{
	const json_t *ports = json_object_get(settings, "Ports");
	char key[16];

	snprintf(key, sizeof(key), "%u/tcp", ret->mark.port);
	ret->published = port_of(
		text_of(json_array_get(json_object_get(ports, key), 0), "HostPort"));
}

static void
take_address(const json_t *settings, struct docker_inspected *ret)
{
	const json_t *network =
		json_object_get(json_object_get(settings, "Networks"), ret->mark.network);
	const char *text = text_of(network, "IPAddress");

	if (*text == '\0')
		text = text_of(network, "GlobalIPv6Address");
	ret->has_ip = ip_parse(text, strlen(text), &ret->ip) == 0 && ip_is_unicast(&ret->ip);
}

static int
take_inspected(const json_t *root, struct docker_inspected *ret, struct err *err)
{
	const json_t *state = json_object_get(root, "State");
	const json_t *settings = json_object_get(root, "NetworkSettings");
	const char *error = text_of(state, "Error");

	if (!take_id(ret->id, text_of(root, "Id")))
		return err_set(err, TG_EPROTO, "inspect: no Id");
	if (!json_is_object(state))
		return err_set(err, TG_EPROTO, "inspect: no State");
	take_mark(json_object_get(json_object_get(root, "Config"), "Labels"), &ret->mark);
	ret->state = state_of(text_of(state, "Status"));
	ret->health = health_of(text_of(json_object_get(state, "Health"), "Status"));
	ret->pid = json_integer_value(json_object_get(state, "Pid"));
	ret->exit_code = json_integer_value(json_object_get(state, "ExitCode"));
	ret->is_out_of_memory = json_is_true(json_object_get(state, "OOMKilled"));
	provider_quote(ret->error, sizeof(ret->error), error, strlen(error));
	if (ret->mark.network[0] == '\0')
		take_published(settings, ret);
	else
		take_address(settings, ret);
	return 0;
}

int
docker_parse_inspect(const char *text, size_t n, struct docker_inspected *ret, struct err *err)
{
	json_t *root = load(text, n, "inspect", err);
	struct docker_inspected inspected = {.pid = 0};
	int rc;

	if (root == NULL)
		return -TG_EPROTO;
	rc = take_inspected(root, &inspected, err);
	json_decref(root);
	if (rc == 0)
		*ret = inspected;
	return rc;
}

int
docker_parse_created(const char *text, size_t n, char ret_id[TG_DOCKER_ID],
		     char ret_warning[TG_INSTANCE_WHY], struct err *err)
{
	json_t *root = load(text, n, "create", err);
	const char *warning;
	bool has_id;

	if (root == NULL)
		return -TG_EPROTO;
	warning = json_string_value(json_array_get(json_object_get(root, "Warnings"), 0));
	ret_warning[0] = '\0';
	if (warning != NULL)
		provider_quote(ret_warning, TG_INSTANCE_WHY, warning, strlen(warning));
	has_id = take_id(ret_id, text_of(root, "Id"));
	json_decref(root);
	return has_id ? 0 : err_set(err, TG_EPROTO, "create: no Id");
}

/*** Events ***/

static void
take_action(const char *action, struct docker_event *ret)
{
	static const char health[] = "health_status";

	if (strcmp(action, "die") == 0 || strcmp(action, "died") == 0) {
		ret->kind = DOCKER_EVENT_DIE;
	} else if (strcmp(action, "destroy") == 0 || strcmp(action, "remove") == 0) {
		ret->kind = DOCKER_EVENT_DESTROY;
	} else if (strncmp(action, health, sizeof(health) - 1) == 0) {
		action += sizeof(health) - 1;
		ret->kind = DOCKER_EVENT_HEALTH;
		ret->health = health_of(action + strspn(action, ": "));
	}
}

/* "137"; -1: something else. */
static int64_t
exit_code_of(const char *text)
{
	int64_t code = 0;

	if (*text == '\0' || strlen(text) > 10 || strspn(text, "0123456789") != strlen(text))
		return -1;
	for (; *text != '\0'; text++)
		code = code * 10 + (*text - '0');
	return code;
}

static int
take_event(const json_t *root, struct docker_event *ret, struct err *err)
{
	const json_t *actor = json_object_get(root, "Actor");
	const json_t *attributes = json_object_get(actor, "Attributes");
	const char *type = text_of(root, "Type");

	if (*type != '\0' && strcmp(type, "container") != 0)
		return 0;
	if (!take_id(ret->id, text_of(actor, "ID")) && !take_id(ret->id, text_of(root, "id")))
		return err_set(err, TG_EPROTO, "event: no id");
	take_action(*text_of(root, "Action") != '\0' ? text_of(root, "Action")
						     : text_of(root, "status"),
		    ret);
	ret->exit_code = exit_code_of(text_of(attributes, "exitCode"));
	if (ret->exit_code < 0)
		ret->exit_code = exit_code_of(text_of(attributes, "containerExitCode"));
	(void)take_text(ret->owner, sizeof(ret->owner), text_of(attributes, TG_DOCKER_LABEL_OWNER));
	(void)take_text(ret->service, sizeof(ret->service),
			text_of(attributes, TG_DOCKER_LABEL_SERVICE));
	(void)take_name(ret->name, text_of(attributes, TG_DOCKER_LABEL_BACKEND));
	return 0;
}

int
docker_parse_event(const char *text, size_t n, struct docker_event *ret, struct err *err)
{
	json_t *root = load(text, n, "event", err);
	struct docker_event event = {.exit_code = -1};
	int rc;

	if (root == NULL)
		return -TG_EPROTO;
	rc = take_event(root, &event, err);
	json_decref(root);
	if (rc == 0)
		*ret = event;
	return rc;
}

/*** Usage ***/

/* "2026-11-26T16:00:00.123456789Z", whatever offset is behind it: two of one daemon have the same. 0: no time. */
static uint64_t
time_of(const char *text)
{
	struct tm tm = {.tm_isdst = 0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	uint64_t us = 0;
	uint64_t unit = 100000;
	time_t seconds;

	if (rest == NULL || tm.tm_year < 70)
		return 0;
	seconds = timegm(&tm);
	for (rest += *rest == '.'; isdigit((unsigned char)*rest); rest++) {
		us += (uint64_t)(*rest - '0') * unit;
		unit /= 10;
	}
	return seconds > 0 ? (uint64_t)seconds * 1000000 + us : 0;
}

static void
take_memory(const json_t *memory, struct docker_stats *ret)
{
	const json_t *stats = json_object_get(memory, "stats");
	const char *key = json_object_get(stats, "total_inactive_file") != NULL /* version 1 */
				  ? "total_inactive_file"
				  : "inactive_file";
	uint64_t usage = number_of(memory, "usage");
	uint64_t inactive = number_of(stats, key);

	ret->has_memory = usage > 0;
	ret->memory = usage > inactive ? usage - inactive : 0;
}

int
docker_parse_stats(const char *text, size_t n, struct docker_stats *ret, struct err *err)
{
	json_t *root = load(text, n, "stats", err);
	const json_t *cpu;

	if (root == NULL)
		return -TG_EPROTO;
	*ret = (struct docker_stats){.read_us = time_of(text_of(root, "read"))};
	cpu = json_object_get(json_object_get(root, "cpu_stats"), "cpu_usage");
	ret->cpu_us = number_of(cpu, "total_usage") / 1000;
	ret->has_cpu = ret->read_us > 0 && ret->cpu_us > 0;
	take_memory(json_object_get(root, "memory_stats"), ret);
	json_decref(root);
	return 0;
}

/*** Pulls, errors, logs ***/

int
docker_parse_progress(const char *text, size_t n, struct docker_progress *ret, struct err *err)
{
	json_t *root = load(text, n, "pull", err);
	const json_t *detail;
	const char *error;

	if (root == NULL)
		return -TG_EPROTO;
	*ret = (struct docker_progress){.current = 0};
	error = text_of(root, "error");
	provider_quote(ret->error, sizeof(ret->error), error, strlen(error));
	(void)take_text(ret->layer, sizeof(ret->layer), text_of(root, "id"));
	(void)take_text(ret->status, sizeof(ret->status), text_of(root, "status"));
	detail = json_object_get(root, "progressDetail");
	ret->current = number_of(detail, "current");
	ret->total = number_of(detail, "total");
	json_decref(root);
	return 0;
}

void
docker_quote_error(char *ret, size_t size, unsigned status, const char *text, size_t n)
{
	json_t *root = load(text, n, "error", NULL);
	const char *message = text_of(root, "message");

	if (*message != '\0')
		provider_quote(ret, size, message, strlen(message));
	else
		snprintf(ret + strlen(ret), size - strlen(ret), "status %u", status);
	json_decref(root);
}

static bool
is_framed(const char *bytes, size_t n)
{
	return n >= FRAME && (unsigned char)bytes[0] <= 2 && bytes[1] == 0 && bytes[2] == 0 &&
	       bytes[3] == 0;
}

void
docker_quote_log(char *ret, size_t size, const char *bytes, size_t n)
{
	size_t begin = is_framed(bytes, n) ? FRAME : 0;

	/* The last line: what is behind the last end of one that is not the end of all. */
	while (n > begin && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r'))
		n--;
	for (size_t i = begin; i < n; i++) {
		if (bytes[i] == '\n')
			begin = i + 1;
	}
	if (begin > 0 && begin < n && is_framed(bytes + begin, n - begin))
		begin += FRAME;
	provider_quote(ret, size, bytes + begin, n - begin);
}
