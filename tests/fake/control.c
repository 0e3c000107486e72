#include "fake/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/container.h"
#include "proc/slots.h"

#define DEADLINE_MS 10000u
#define LOOK_MS	    5u

static const char text[] =
	"workers = 2;\n"
	"listeners = (\n"
	"  { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"api\"; },\n"
	"  { name = \"pg\"; bind = \"127.0.0.1:5432\"; mode = \"tcp\"; service = \"db\";\n"
	"    max_connections = 7; } );\n"
	"services = (\n"
	"  { name = \"api\"; balance = \"least-conn\"; health = { type = \"http\"; };\n"
	"    backends = ( { name = \"b1\"; address = \"127.0.0.1:1\"; weight = 3; },\n"
	"                 { name = \"b2\"; address = \"[::1]:2\"; backup = true; } ); },\n"
	"  { name = \"db\"; health = { type = \"none\"; };\n"
	"    backends = ( { name = \"d1\"; address = \"unix:/run/d1\"; } ); } );\n";

static void
on_change(void *user, unsigned service, unsigned backend)
{
	struct control *c = user;

	(void)service;
	(void)backend;
	c->changes++;
}

static void
on_order(void *user, unsigned service, unsigned backend, enum steer_property property)
{
	(void)property;
	on_change(user, service, backend);
}

void
control_init(struct control *c, const char *top)
{
	struct conf_errors errors = {.list = NULL};
	struct err err = {.text = ""};
	char *all;

	*c = (struct control){.loop = loop_new()};
	assert_non_null(c->loop);
	assert_true(asprintf(&all, "%s%s", top, text) > 0);
	if (conf_load_text(all, strlen(all), "control", &c->conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	free(all);
	if (slots_create(c->conf, &c->segment, &err) < 0)
		fail_msg("%s", err.text);
	c->health = health_new(c->loop, c->conf, on_change, c);
	c->steer = steer_new(c->conf, on_order, c);
	assert_non_null(c->health);
	assert_non_null(c->steer);
}

void
control_fini(struct control *c)
{
	health_free(c->health);
	steer_free(c->steer);
	segment_close(c->segment);
	conf_unref(c->conf);
	loop_free(c->loop);
}

struct look {
	struct timer timer;
	struct control *control;
	bool (*done)(void *arg);
	void *arg;
	struct mono deadline;
	bool too_late;
};

static void
on_look(struct timer *t)
{
	struct look *l = TG_CONTAINER(t, struct look, timer);
	struct mono now = loop_now(l->control->loop);

	l->too_late = now.us >= l->deadline.us;
	if (l->too_late || l->done(l->arg))
		loop_stop(l->control->loop);
	else
		timer_set(l->control->loop, t, mono_add_ms(now, LOOK_MS));
}

bool
control_run(struct control *c, bool (*done)(void *arg), void *arg)
{
	struct look l = {.control = c, .done = done, .arg = arg};

	timer_init(&l.timer, on_look);
	l.deadline = mono_add_ms(loop_now_update(c->loop), DEADLINE_MS);
	timer_set(c->loop, &l.timer, loop_now(c->loop));
	loop_run(c->loop);
	timer_fini(&l.timer);
	return !l.too_late;
}
