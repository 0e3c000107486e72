/* A provider with a loop, and what it told. */
#ifndef TG_TESTS_UNIT_PROVIDER_WORLD_H
#define TG_TESTS_UNIT_PROVIDER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake/pair.h"
#include "fake/turn.h"
#include "provider/mark.h"
#include "provider/provider.h"

#define ANSWERS_MAX 64u
#define TEXT_MAX    1024u

struct told_answer {
	uint64_t token;
	int rc;
	char why[TG_INSTANCE_WHY];
	size_t n;
	struct instance instances[ANSWERS_MAX];
};

static struct {
	struct loop *loop;
	struct conf *conf;
	struct provider *provider;
	struct providers *providers;
	char run[64];
	char folder[64]; /* for files of a test */
	unsigned fds_before;
	struct told_answer answers[ANSWERS_MAX];
	unsigned n_answers;
	struct instance changes[ANSWERS_MAX];
	unsigned n_changes;
	bool is_in_verb;
} world;

static void
on_answered(void *user, const struct provider_answer *a)
{
	struct told_answer *t = &world.answers[world.n_answers];

	assert_ptr_equal(user, &world);
	assert_false(world.is_in_verb);
	assert_true(world.n_answers < ANSWERS_MAX);
	world.n_answers++;
	*t = (struct told_answer){.token = a->token, .rc = a->rc, .n = a->n_instances};
	snprintf(t->why, sizeof(t->why), "%s", a->why);
	assert_true(a->n_instances <= ANSWERS_MAX);
	if (a->n_instances > 0)
		memcpy(t->instances, a->instances, a->n_instances * sizeof(a->instances[0]));
}

static void
on_changed(void *user, const struct instance *i)
{
	assert_ptr_equal(user, &world);
	assert_false(world.is_in_verb);
	assert_true(world.n_changes < ANSWERS_MAX);
	world.changes[world.n_changes++] = *i;
}

static const struct provider_events world_events = {.answered = on_answered, .changed = on_changed};

static const struct told_answer no_answer = {.rc = -1000};
static const struct instance no_change = {.why = "(nothing was told)"};

/* The first answer of this token; no_answer: none yet. */
static inline const struct told_answer *
answer_of(uint64_t token)
{
	for (unsigned i = 0; i < world.n_answers; i++)
		if (world.answers[i].token == token)
			return &world.answers[i];
	return &no_answer;
}

static inline bool
has_answer(uint64_t token)
{
	return answer_of(token) != &no_answer;
}

static inline const struct told_answer *
await_answer(uint64_t token)
{
	while (!has_answer(token))
		fake_turn_later(world.loop);
	return answer_of(token);
}

/* The last change of this name to this state; no_change: none yet. */
static inline const struct instance *
change_of(const char *name, enum instance_state state)
{
	for (unsigned i = world.n_changes; i > 0; i--)
		if (strcmp(world.changes[i - 1].name, name) == 0 &&
		    world.changes[i - 1].state == state)
			return &world.changes[i - 1];
	return &no_change;
}

static inline bool
has_change(const char *name, enum instance_state state)
{
	return change_of(name, state) != &no_change;
}

static inline const struct instance *
await_change(const char *name, enum instance_state state)
{
	while (!has_change(name, state))
		fake_turn_later(world.loop);
	return change_of(name, state);
}

/* A configuration with this between { and } of its provider, and the test's folder for each @. */
static inline char *
world_text(const char *provider)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	fputs("listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; } );\n"
	      "services = ( { name = \"s\"; autoscale = { module = \"any\"; max = 9; }; provider = { ",
	      out);
	for (; *provider != '\0'; provider++) {
		if (*provider == '@')
			fputs(world.folder, out);
		else
			fputc(*provider, out);
	}
	fputs("}; } );\n", out);
	fclose(out);
	return text;
}

static inline void
world_open(const char *provider)
{
	char *text = world_text(provider);
	struct conf_errors errors;
	struct err err;

	if (conf_load_text(text, strlen(text), "t", &world.conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	free(text);
	if (provider_open(world.providers, world.conf, &world.conf->services[0], world.run, &world_events, &world,
			  &world.provider, &err) < 0)
		fail_msg("%s", err.text);
	assert_non_null(world.provider);
}

/* As a keeper that crashes and comes again, as far as that can be within one process. */
static inline void
world_reopen(void)
{
	struct err err;

	provider_close(world.provider);
	world.n_answers = 0;
	world.n_changes = 0;
	assert_int_equal(provider_open(world.providers, world.conf, &world.conf->services[0], world.run,
				       &world_events, &world, &world.provider, &err),
			 0);
}

static inline int
world_setup(void **state)
{
	(void)state;
	fake_limit_start();
	signal(SIGPIPE, SIG_IGN);
	memset(&world, 0, sizeof(world));
	world.fds_before = fake_count_fds();
	world.loop = loop_new();
	world.providers = providers_new(world.loop, NULL);
	snprintf(world.run, sizeof(world.run), "/test/%d.conf", (int)getpid());
	snprintf(world.folder, sizeof(world.folder), "/tmp/tg-provider-XXXXXX");
	return world.loop == NULL || mkdtemp(world.folder) == NULL || chmod(world.folder, 0755) != 0;
}

static inline void
count_marked(void *user, const struct mark *mark, pid_t pid, int pid_fd)
{
	(void)mark;
	(void)pid;
	(void)pid_fd;
	++*(unsigned *)user;
}

static inline unsigned
marked(void)
{
	const struct mark_owner owner = {
		.run = world.run, .service = "s", .uid = geteuid()};
	unsigned n = 0;

	assert_int_equal(mark_scan(&owner, count_marked, &n), 0);
	return n;
}

static inline void
world_end(void)
{
	provider_stop_all(world.provider, 0);
	while (provider_count(world.provider) > 0)
		fake_turn_later(world.loop);
}

/* No process, no zombie, no descriptor. */
static inline int
world_teardown(void **state)
{
	char command[128];

	(void)state;
	if (world.provider != NULL)
		world_end();
	while (marked() > 0)
		usleep(1000);
	provider_close(world.provider);
	providers_free(world.providers);
	conf_unref(world.conf);
	loop_free(world.loop);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(fake_count_fds(), world.fds_before);
	snprintf(command, sizeof(command), "rm -r %s", world.folder);
	return system(command) != 0;
}

static inline void
start(uint64_t token, const char *name)
{
	world.is_in_verb = true;
	assert_int_equal(provider_start(world.provider, token, name, ""), 0);
	world.is_in_verb = false;
}

static inline void
stop(uint64_t token, const char *name, uint64_t grace_ms)
{
	world.is_in_verb = true;
	assert_int_equal(provider_stop(world.provider, token, name, grace_ms), 0);
	world.is_in_verb = false;
}

static inline const struct told_answer *
list(uint64_t token)
{
	world.is_in_verb = true;
	assert_int_equal(provider_list(world.provider, token), 0);
	world.is_in_verb = false;
	return await_answer(token);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif
