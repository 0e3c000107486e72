/* Orders of how many backends a service has: given, kept over a restart, carried over a reload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "steer/carry.h"
#include "steer/kept.h"
#include "steer/scales.h"

#define A 0u /* is scaled */
#define B 1u /* is not */

#define SCALED(keys)                                                                               \
	"{ name = \"a\"; autoscale = { module = \"target\"; metric = \"in-flight\"; target = 4; "  \
	"max = 8; " keys " }; provider = { type = \"process\"; command = (\"/bin/true\", "         \
	"\"{port}\"); }; }"
#define PLAIN "{ name = \"b\"; backends = ( \"127.0.0.1:1\" ); }"

struct fixture {
	struct conf *conf;
	struct steer *steer;
	struct steer_scales *scales;
	unsigned changes;
	unsigned service;
	enum steer_scale what;
	int log;
};

static const struct steer_note note = {.who = "uid 7", .why = "a sale"};

static void
on_backend(void *user, unsigned service, unsigned backend, enum steer_property property)
{
	(void)user;
	(void)service;
	(void)backend;
	(void)property;
}

static void
on_change(void *user, unsigned service, enum steer_scale what)
{
	struct fixture *f = user;

	f->changes++;
	f->service = service;
	f->what = what;
}

static struct conf *
load(const char *services)
{
	struct conf_errors errors = {.list = NULL};
	struct conf *conf;
	char *text;

	assert_true(asprintf(&text,
			     "listeners = ( { name = \"w\"; bind = \"127.0.0.1:1\"; } );\n"
			     "services = (%s);\n",
			     services) > 0);
	if (conf_load_text(text, strlen(text), "test", &conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	free(text);
	for (size_t i = 0; i < conf->n_services; i++)
		conf->services[i].segment_slot = 100u * (uint32_t)conf->services[i].name[0];
	return conf;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	f->log = memfd_create("log", MFD_CLOEXEC);
	log_init(f->log, TG_LOG_TEXT, TG_LOG_INFO, "keeper");
	f->conf = load(SCALED("") "," PLAIN);
	f->steer = steer_new(f->conf, on_backend, f);
	if (f->steer == NULL)
		return -1;
	f->scales = steer_scales(f->steer);
	steer_scales_watch(f->scales, on_change, f);
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	log_init(STDERR_FILENO, TG_LOG_TEXT, TG_LOG_INFO, "test");
	steer_free(f->steer);
	conf_unref(f->conf);
	close(f->log);
	free(f);
	return 0;
}

static void
order(struct fixture *f, enum steer_scale what, const char *value)
{
	struct err err;

	if (steer_scales_set(f->scales, A, what, value, &note, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(f->service, A);
	assert_int_equal(f->what, what);
}

static const char *
value_of(const struct fixture *f, enum steer_scale what)
{
	return steer_scales_get(f->scales, A, what)->value;
}

static void
assert_logged(struct fixture *f, const char *text)
{
	char all[4096];
	ssize_t n = pread(f->log, all, sizeof(all) - 1, 0);

	assert_true(n >= 0);
	all[n] = '\0';
	if (text == NULL)
		assert_int_equal(n, 0);
	else if (strstr(all, text) == NULL)
		fail_msg("not logged: %s\nbut: %s", text, all);
}

static void
nothing_is_ordered_at_first(void **state)
{
	struct fixture *f = *state;
	uint32_t n;

	assert_false(steer_scales_number(f->scales, A, &n));
	assert_int_equal(steer_scales_mode(f->scales, A), TG_STEER_RESUME);
	assert_false(steer_scales_differs(f->scales, A, TG_STEER_SCALE_NUMBER));
	assert_false(steer_scales_differs(f->scales, A, TG_STEER_SCALE_MODE));
}

static void
a_number_counts_until_it_is_auto(void **state)
{
	struct fixture *f = *state;
	uint32_t n;

	order(f, TG_STEER_SCALE_NUMBER, "007");
	assert_true(steer_scales_number(f->scales, A, &n));
	assert_int_equal(n, 7);
	assert_string_equal(value_of(f, TG_STEER_SCALE_NUMBER), "7");
	assert_true(steer_scales_differs(f->scales, A, TG_STEER_SCALE_NUMBER));
	order(f, TG_STEER_SCALE_NUMBER, "0");
	assert_true(steer_scales_number(f->scales, A, &n));
	assert_int_equal(n, 0);
	order(f, TG_STEER_SCALE_NUMBER, "auto");
	assert_false(steer_scales_number(f->scales, A, &n));
	assert_false(steer_scales_differs(f->scales, A, TG_STEER_SCALE_NUMBER));
	assert_int_equal(f->changes, 3);
}

static void
a_mode_counts_until_another_one_does(void **state)
{
	struct fixture *f = *state;

	order(f, TG_STEER_SCALE_MODE, "pause");
	assert_int_equal(steer_scales_mode(f->scales, A), TG_STEER_PAUSE);
	order(f, TG_STEER_SCALE_MODE, "dry-run");
	assert_int_equal(steer_scales_mode(f->scales, A), TG_STEER_DRY_RUN);
	assert_true(steer_scales_differs(f->scales, A, TG_STEER_SCALE_MODE));
	order(f, TG_STEER_SCALE_MODE, "resume");
	assert_int_equal(steer_scales_mode(f->scales, A), TG_STEER_RESUME);
	assert_false(steer_scales_differs(f->scales, A, TG_STEER_SCALE_MODE));
}

static void
what_is_not_allowed_is_refused(void **state)
{
	static const struct {
		enum steer_scale what;
		const char *value;
		const char *allowed;
	} cases[] = {
		{TG_STEER_SCALE_NUMBER, "", "allowed: 0 to 1024, or auto"},
		{TG_STEER_SCALE_NUMBER, "-1", "allowed: 0 to 1024, or auto"},
		{TG_STEER_SCALE_NUMBER, "1x", "allowed: 0 to 1024, or auto"},
		{TG_STEER_SCALE_NUMBER, "1025", "allowed: 0 to 1024, or auto"},
		{TG_STEER_SCALE_NUMBER, "99999999999999999999", "allowed: 0 to 1024, or auto"},
		{TG_STEER_SCALE_NUMBER, "pause", "allowed: 0 to 1024, or auto"},
		{TG_STEER_SCALE_MODE, "paused", "allowed: resume, pause or dry-run"},
		{TG_STEER_SCALE_MODE, "7", "allowed: resume, pause or dry-run"},
	};
	struct fixture *f = *state;
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(steer_scales_set(f->scales, A, cases[i].what, cases[i].value,
						  &note, &err),
				 -TG_EINVAL);
		assert_non_null(strstr(err.text, cases[i].allowed));
	}
	assert_int_equal(steer_scales_set(f->scales, B, TG_STEER_SCALE_NUMBER, "2", &note, &err),
			 -TG_EEXIST);
	assert_non_null(strstr(err.text, "service \"b\" is not scaled"));
	assert_int_equal(f->changes, 0);
}

/*** Over a restart ***/

static struct conf_state *
saved(struct fixture *f)
{
	struct conf_state *kept;
	struct err err;
	char *text;
	size_t size;

	assert_int_equal(steer_save(f->steer, false, &text, &size), 0);
	if (conf_state_load(text, size, &kept, &err) < 0)
		fail_msg("%s", err.text);
	free(text);
	return kept;
}

/* A new daemon with this configuration, and the state of the one before. */
static void
restart(struct fixture *f, struct conf *conf)
{
	struct conf_state *kept = saved(f);

	steer_free(f->steer);
	conf_unref(f->conf);
	f->conf = conf;
	f->steer = steer_new(conf, on_backend, f);
	assert_non_null(f->steer);
	f->scales = steer_scales(f->steer);
	steer_restore(f->steer, kept);
	conf_state_free(kept);
}

static void
orders_are_kept(void **state)
{
	struct fixture *f = *state;

	order(f, TG_STEER_SCALE_NUMBER, "5");
	order(f, TG_STEER_SCALE_MODE, "pause");
	restart(f, load(PLAIN "," SCALED("min = 1; interval = \"1s\"; cooldown_up = \"0\";")));
	f->scales = steer_scales(f->steer);
	assert_string_equal(steer_scales_get(f->scales, 1, TG_STEER_SCALE_NUMBER)->value, "5");
	assert_int_equal(steer_scales_mode(f->scales, 1), TG_STEER_PAUSE);
	assert_string_equal(steer_scales_get(f->scales, 1, TG_STEER_SCALE_MODE)->note.why,
			    "a sale");
	assert_logged(f, NULL);
}

static void
what_is_as_configured_is_not_kept(void **state)
{
	struct fixture *f = *state;
	struct conf_state *kept;

	order(f, TG_STEER_SCALE_NUMBER, "auto");
	order(f, TG_STEER_SCALE_MODE, "resume");
	kept = saved(f);
	assert_int_equal(kept->n_orders, 0);
	conf_state_free(kept);
}

static void
an_edited_configuration_has_the_last_word(void **state)
{
	static const char *const edited[] = {
		SCALED("min = 2;"),
		SCALED("dry_run = true;"),
		SCALED("cooldown_down = \"61s\";"),
		SCALED("tolerance = 0.3;"),
		SCALED("schedules = ( { start = \"0 7 * * *\"; end = \"0 8 * * *\"; min = 3; } );"),
	};

	for (size_t i = 0; i < sizeof(edited) / sizeof(edited[0]); i++) {
		struct fixture *f = *state;

		order(f, TG_STEER_SCALE_NUMBER, "5");
		restart(f, load(edited[i]));
		assert_string_equal(value_of(f, TG_STEER_SCALE_NUMBER), "");
		assert_logged(f, "svc=a set=scale value=5 who=\"uid 7\" reason=\"the configuration "
				 "was edited since, and counts\"");
		assert_int_equal(ftruncate(f->log, 0), 0);
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
}

static void
orders_that_fit_nothing_are_left_out(void **state)
{
	static char a[] = "a", gone[] = "gone", scale[] = "scale", bad[] = "bad", five[] = "5";
	static char nobody[] = "", was[64];
	struct fixture *f = *state;
	struct conf_state_order orders[] = {
		{.service = gone, .property = scale, .value = five, .was = was},
		{.service = a, .property = bad, .value = five, .was = was},
		{.service = a, .property = scale, .value = bad, .was = was},
	};
	struct conf_state kept = {.orders = orders, .n_orders = 3};

	steer_scales_configured(f->scales, A, TG_STEER_SCALE_NUMBER, was, sizeof(was));
	for (size_t i = 0; i < kept.n_orders; i++)
		orders[i].who = orders[i].why = nobody;
	steer_restore(f->steer, &kept);
	assert_int_equal(f->changes, 0);
	assert_logged(f, "reason=\"there is no such service any more\"");
	assert_logged(f, "reason=\"there is no such property\"");
	assert_logged(f, "scale \\\"bad\\\" is not allowed");
}

/* It is not an operator's, and its backend has gone as it was to. */
static void
a_drain_of_the_autoscaler_ends_without_a_word(void **state)
{
	static char a[] = "a", b[] = "auto-1", st[] = "state", drain[] = "drain", ready[] = "ready";
	static char who[] = TG_WHO_AUTOSCALE, why[] = "";
	struct fixture *f = *state;
	struct conf_state_order o = {.service = a,
				     .backend = b,
				     .property = st,
				     .value = drain,
				     .was = ready,
				     .who = who,
				     .why = why};
	struct conf_state kept = {.orders = &o, .n_orders = 1};

	steer_restore(f->steer, &kept);
	assert_logged(f, NULL);
}

/*** Over a reload ***/

static void
reload(struct fixture *f, struct conf *conf)
{
	struct conf_same *same = conf_same_new(f->conf, conf);
	struct steer_next *next;

	assert_non_null(same);
	f->changes = 0;
	assert_int_equal(steer_prepare(f->steer, same, &next), 0);
	steer_commit(f->steer, next);
	conf_same_free(same);
	conf_unref(f->conf);
	f->conf = conf;
	f->scales = steer_scales(f->steer);
	assert_int_equal(f->changes, 0);
}

static void
orders_stay_over_a_reload(void **state)
{
	struct fixture *f = *state;
	uint32_t n;

	order(f, TG_STEER_SCALE_NUMBER, "5");
	order(f, TG_STEER_SCALE_MODE, "dry-run");
	reload(f, load(PLAIN "," SCALED("step_up = 0;")));
	assert_true(steer_scales_number(f->scales, 1, &n));
	assert_int_equal(n, 5);
	assert_int_equal(steer_scales_mode(f->scales, 1), TG_STEER_DRY_RUN);
	assert_logged(f, NULL);
	/* Who hears of changes still does. */
	assert_int_equal(steer_scales_set(f->scales, 1, TG_STEER_SCALE_NUMBER, "6", &note, NULL),
			 0);
	assert_int_equal(f->changes, 1);
}

static void
an_edited_autoscale_ends_orders(void **state)
{
	struct fixture *f = *state;

	order(f, TG_STEER_SCALE_NUMBER, "5");
	order(f, TG_STEER_SCALE_MODE, "resume");
	reload(f, load(SCALED("min = 2;") "," PLAIN));
	assert_string_equal(value_of(f, TG_STEER_SCALE_NUMBER), "");
	assert_string_equal(value_of(f, TG_STEER_SCALE_MODE), "");
	assert_logged(f, "svc=a set=scale value=5 who=\"uid 7\" reason=\"the configuration was "
			 "edited since, and counts\"");
}

static void
orders_end_with_their_service(void **state)
{
	struct fixture *f = *state;

	order(f, TG_STEER_SCALE_MODE, "pause");
	reload(f, load(PLAIN));
	assert_logged(f, "svc=a set=autoscale value=pause who=\"uid 7\" reason=\"there is no such "
			 "service any more\"");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_is_ordered_at_first),
		CASE(a_number_counts_until_it_is_auto),
		CASE(a_mode_counts_until_another_one_does),
		CASE(what_is_not_allowed_is_refused),
		CASE(orders_are_kept),
		CASE(what_is_as_configured_is_not_kept),
		CASE(an_edited_configuration_has_the_last_word),
		CASE(orders_that_fit_nothing_are_left_out),
		CASE(a_drain_of_the_autoscaler_ends_without_a_word),
		CASE(orders_stay_over_a_reload),
		CASE(an_edited_autoscale_ends_orders),
		CASE(orders_end_with_their_service),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
