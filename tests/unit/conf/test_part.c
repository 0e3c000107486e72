/* conf/part.c: whether a service is as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "conf/print_priv.h"
#include "unit/conf/texts.h"

#define BACKEND(x) "backends = ( { name = \"b\"; address = \"h.example:1\"; " x " } ); "
#define STICKY(x)  "sticky = { cookie = \"c\"; " x " }; "
#define PAGE(body) "error_pages = ( { status = 503; file = \"f\"; body_base64 = \"" body "\"; } ); "
#define SCALE(x)   "autoscale = { module = \"m\"; dry_run = true; max = 9; " x "}; "
#define SECRET     "secret = \"0123456789abcdef0123456789abcdef\"; "

/* Each two differ. */
static const char *const services[] = {
	"",
	"segment_slot = 77; ",
	"balance = \"least-conn\"; ",
	"balance = \"hash\"; hash_on = \"source\"; ",
	"balance = \"hash\"; hash_on = \"header:x\"; ",
	"balance = \"hash\"; hash_on = \"header:y\"; ",
	"balance = \"hash\"; hash_on = \"source\"; hash_bound = 2.0; ",
	"balance = \"ewma\"; ",
	"balance = \"ewma\"; ewma_decay = \"11s\"; ",
	"health = { type = \"http\"; }; ",
	"health = { type = \"http\"; path = \"/x\"; }; ",
	"health = { type = \"http\"; expect = \"200\"; }; ",
	"health = { type = \"http\"; host = \"h\"; }; ",
	"health = { type = \"http\"; body = \"ok\"; }; ",
	"health = { type = \"exec\"; command = ( \"/bin/true\" ); }; ",
	"health = { type = \"exec\"; command = ( \"/bin/true\", \"x\" ); }; ",
	"health = { interval = \"17s\"; }; ",
	"health = { fail_open = 7; }; ",
	"health = { plain = true; }; ",
	"tls = { }; ",
	"tls = { verify = \"chain\"; }; ",
	"tls = { name = \"x\"; }; ",
	"agent = { port = 7; }; ",
	"agent = { port = 7; send = \"x\\n\"; }; ",
	"timeouts = { connect = \"7s\"; }; ",
	"timeouts = { queue = \"7s\"; }; ",
	"timeouts = { keep_alive = \"7s\"; }; ",
	"retry = { attempts = 1; }; ",
	"retry = { on = ( \"connect\" ); }; ",
	"retry = { on = ( \"connect\", \"503\" ); }; ",
	"retry = { budget = 7; }; ",
	"retry = { idempotency_key = true; }; ",
	"outlier = { consecutive = 7; }; ",
	"outlier = { success_rate = 1.9; }; ",
	"slow_start = \"7s\"; ",
	"hold = { requests = 7; }; ",
	"hold = { timeout = \"7s\"; }; ",
	"provider = { type = \"process\"; command = ( \"/b\", \"{port}\" ); }; ",
	"provider = { type = \"process\"; command = ( \"/b\", \"{port}\" ); memory = \"7M\"; }; ",
	"provider = { type = \"exec\"; list = ( \"/l\" ); start = ( \"/s\" ); stop = ( \"/e\" ); }; ",
	STICKY(SECRET),
	STICKY("secret = \"0123456789abcdef0123456789abcdeg\"; "),
	STICKY(SECRET "secure = true; "),
	STICKY(SECRET "domain = \"d.example\"; "),
	STICKY(SECRET "max_age = \"7s\"; "),
	"buffer_request = { memory = \"17K\"; }; ",
	"buffer_response = { memory = \"17K\"; }; ",
	"tcp_user_timeout = \"7s\"; ",
	"tcp_keepalive = \"7s\"; ",
	SCALE(""),
	"autoscale = { module = \"m\"; dry_run = true; max = 8; }; ",
	"autoscale = { module = \"n\"; dry_run = true; max = 9; }; ",
	SCALE("step_up = 7; "),
	SCALE("any = 7; "),
	SCALE("any = 8; "),
	SCALE("any = true; "),
	SCALE("any = \"7\"; "),
	SCALE("other = 7; "),
	SCALE("schedules = ( { start = \"0 7 * * *\"; end = \"0 8 * * *\"; min = 2; } ); "),
	SCALE("schedules = ( { start = \"0 7 * * *\"; end = \"0 9 * * *\"; min = 2; } ); "),
	"max_connections_per_backend = 7; ",
	"queue = 7; ",
	"idle_connections = 7; ",
	PAGE("c29ycnk="),
	PAGE("c29ycng="),
	"error_pages = ( { status = 502; file = \"f\"; body_base64 = \"c29ycnk=\"; } ); ",
	BACKEND(""),
	BACKEND("segment_slot = 78; "),
	BACKEND("weight = 7; "),
	BACKEND("weight = 0; "),
	BACKEND("tier = 1; "),
	BACKEND("tier = 2; "),
	BACKEND("slots = 2; "),
	BACKEND("max_connections = 7; "),
	"backends = ( { name = \"b\"; address = \"h.example:2\"; } ); ",
	"backends = ( { name = \"c\"; address = \"h.example:1\"; } ); ",
	"backends = ( { name = \"b\"; address = \"h.example:1\"; }, \"h:2\" ); ",
	"backends = ( \"h:2\", { name = \"b\"; address = \"h.example:1\"; } ); ",
};
#define N (sizeof(services) / sizeof(services[0]))

/* Service "s" has it, after one of another name. */
static struct conf *
load(const char *service)
{
	char text[2048];
	struct err err = {""};
	struct conf *conf;

	snprintf(text, sizeof(text),
		 "listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; } ); "
		 "services = ( { name = \"r\"; }, { name = \"s\"; %s} );",
		 service);
	if (conf_load_internal(text, strlen(text), &conf, &err) != 0)
		fail_msg("%s: %s", service, err.text);
	return conf;
}

static void
any_key_that_differs_is_seen(void **state)
{
	struct conf *all[N];

	(void)state;
	for (size_t i = 0; i < N; i++)
		all[i] = load(services[i]);
	for (size_t i = 0; i < N; i++) {
		for (size_t k = 0; k < N; k++) {
			/* Slots that are not given follow from the rest: keep them out of it. */
			bool is_equal =
				conf_service_equal(&all[i]->services[1], &all[k]->services[1]);

			if (is_equal != (i == k))
				fail_msg("%s against %s", services[i], services[k]);
		}
	}
	assert_false(conf_service_equal(&all[0]->services[0], &all[0]->services[1]));
	for (size_t i = 0; i < N; i++)
		conf_unref(all[i]);
}

/* Where it stands, what else there is and how it is written are none of its keys. */
static void
what_is_around_it_is_not_seen(void **state)
{
	static const char first[] =
		"workers = 1; listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; } ); "
		"services = ( { name = \"s\"; segment_slot = 9; queue = 1024; backends = ( "
		"{ address = \"h:1\"; segment_slot = 11; weight = 1; } ); }, { name = \"r\"; } );";
	static const char second[] =
		"workers = 2; listeners = ( { name = \"m\"; bind = \"*:2\"; service = \"r\"; } ); "
		"services = ( { name = \"r\"; queue = 9; }, { backends = ( { segment_slot = 11; "
		"address = \"h:1\"; name = \"h:1\"; } ); segment_slot = 9; name = \"s\"; } );";
	struct conf *a;
	struct conf *b;
	struct err err;

	(void)state;
	assert_int_equal(conf_load_internal(first, strlen(first), &a, &err), 0);
	assert_int_equal(conf_load_internal(second, strlen(second), &b, &err), 0);
	assert_true(conf_service_equal(&a->services[0], &b->services[1]));
	conf_unref(a);
	conf_unref(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_key_that_differs_is_seen),
		cmocka_unit_test(what_is_around_it_is_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
