/* Any bytes as an answer of a Docker daemon: what is taken fits, and can be printed and asked for. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "provider/docker_answer.h"

static void
check_text(const char *text, size_t size)
{
	if (memchr(text, '\0', size) == NULL)
		abort();
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ')
			abort();
}

static void
check_id(const char *id)
{
	if (strlen(id) >= TG_DOCKER_ID || strspn(id, "0123456789abcdef") != strlen(id))
		abort();
}

static void
check_list(const char *text, size_t n)
{
	struct docker_listed *list;
	struct err err = {.text = ""};
	size_t count;

	if (docker_parse_list(text, n, "me", &list, &count, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return;
	}
	for (size_t i = 0; i < count; i++) {
		check_id(list[i].id);
		check_text(list[i].name, sizeof(list[i].name));
		check_text(list[i].service, sizeof(list[i].service));
		if (list[i].id[0] == '\0' || list[i].name[0] == '\0' ||
		    strchr(list[i].name, '/') != NULL)
			abort();
	}
	free(list);
}

static void
check_inspect(const char *text, size_t n)
{
	struct docker_inspected i;
	struct err err;

	if (docker_parse_inspect(text, n, &i, &err) < 0)
		return;
	check_id(i.id);
	check_text(i.mark.owner, sizeof(i.mark.owner));
	check_text(i.mark.network, sizeof(i.mark.network));
	check_text(i.error, sizeof(i.error));
	if (i.state >= DOCKER_STATE_COUNT || i.health >= DOCKER_HEALTH_COUNT ||
	    (i.has_ip && !ip_is_unicast(&i.ip)))
		abort();
}

static void
check_event(const char *text, size_t n)
{
	struct docker_event e;
	struct err err;

	if (docker_parse_event(text, n, &e, &err) < 0)
		return;
	check_id(e.id);
	check_text(e.name, sizeof(e.name));
	check_text(e.owner, sizeof(e.owner));
	if (e.kind >= DOCKER_EVENT_KIND_COUNT || e.exit_code < -1)
		abort();
}

static void
check_rest(const char *text, size_t n)
{
	char quoted[TG_INSTANCE_WHY] = "x: ";
	char id[TG_DOCKER_ID];
	struct docker_version version;
	struct docker_info info;
	struct docker_stats stats;
	struct docker_progress progress;
	struct err err;

	if (docker_parse_version(text, n, &version, &err) == 0 && version.newest == 0)
		abort();
	(void)!docker_parse_info(text, n, &info, &err);
	(void)!docker_parse_api(text);
	if (docker_parse_stats(text, n, &stats, &err) == 0 && stats.has_cpu && stats.read_us == 0)
		abort();
	if (docker_parse_progress(text, n, &progress, &err) == 0) {
		check_text(progress.layer, sizeof(progress.layer));
		check_text(progress.error, sizeof(progress.error));
	}
	docker_quote_error(quoted, sizeof(quoted), 500, text, n);
	check_text(quoted, sizeof(quoted));
	quoted[0] = '\0';
	docker_quote_log(quoted, sizeof(quoted), text, n);
	check_text(quoted, sizeof(quoted));
	if (docker_parse_created(text, n, id, quoted, &err) == 0) {
		check_id(id);
		check_text(quoted, sizeof(quoted));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	/* A copy of its own, so that a read past its NUL is seen. */
	char *text = malloc(len + 1);

	if (text == NULL)
		return 0;
	if (len > 0)
		memcpy(text, input, len);
	text[len] = '\0';
	check_list(text, len);
	check_inspect(text, len);
	check_event(text, len);
	check_rest(text, len);
	free(text);
	return 0;
}
