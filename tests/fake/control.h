/*
 * fake/control.h: what the keeper's parts stand on, small and without
 * processes: a configuration, its segment, health without checks, a loop.
 *
 *	web	listener, mode http
 *	pg	listener, mode tcp
 *	api	service, http checks: b1, b2 (backup)
 *	db	service, not checked: d1
 */
#ifndef TG_TESTS_FAKE_CONTROL_H
#define TG_TESTS_FAKE_CONTROL_H

#include "conf/conf.h"
#include "health/health.h"
#include "ipc/segment.h"
#include "loop/loop.h"
#include "steer/steer.h"

#define CONTROL_WORKERS 2u

struct control {
	struct loop *loop;
	struct conf *conf;
	struct segment *segment;
	struct health *health;
	struct steer *steer;
	unsigned changes; /* health_change_cb or steer_change_cb was called */
};

/* Fails the test when something cannot be made. `top` is put in front of the text; may be "". */
void control_init(struct control *c, const char *top);
void control_fini(struct control *c);

/* Turns the loop until `done(arg)` or 10 s have passed; false: they have. */
bool control_run(struct control *c, bool (*done)(void *arg), void *arg);

#endif
