/* What is read from the answers of a daemon, and of what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <stdio.h>

#include <cmocka.h>

#include "ctl/snapshot.h"

#define INFO                                                                                       \
	"{\"Version\":\"1.2\",\"node\":\"n1\",\"Pid\":7,\"Uptime_sec\":60,\"CurrConns\":3,"        \
	"\"CumConns\":30,\"CumReq\":300}\n\n"
#define STAT                                                                                       \
	"[{\"pxname\":\"web\",\"svname\":\"FRONTEND\",\"scur\":3,\"req_tot\":300,\"stot\":30,"     \
	"\"bin\":1,\"bout\":2,\"end\":{}},\n"                                                      \
	"{\"pxname\":\"api\",\"svname\":\"b1\",\"scur\":2,\"stot\":200,\"status\":\"UP 2/3\","     \
	"\"econ\":1,\"eresp\":2,\"hrsp_2xx\":90,\"hrsp_5xx\":4,\"wretr\":5,\"mode\":\"http\"},\n"  \
	"{\"pxname\":\"api\",\"svname\":\"BACKEND\",\"qcur\":6,\"scur\":2,\"stot\":210,"           \
	"\"status\":\"UP\",\"hrsp_5xx\":9,\"econ\":100,\"mode\":\"http\","                         \
	"\"end\":{\"done\":200,\"answer-cut\":3,\"client-abort\":50}},\n"                          \
	"{\"pxname\":\"db\",\"svname\":\"BACKEND\",\"mode\":\"tcp\",\"status\":\"DOWN\","          \
	"\"end\":{\"done\":9,\"no-backend\":2,\"back-abort\":1,\"client-abort\":5}}]\n\n"
#define LATENCY                                                                                    \
	"{\"bounds_us\":[10,20],\"times\":["                                                       \
	"{\"object\":\"worker\",\"worker\":0,\"what\":\"lag\",\"count\":2,\"buckets\":[1,2,2]},"   \
	"{\"object\":\"worker\",\"worker\":1,\"what\":\"lag\",\"count\":3,\"buckets\":[0,0,3]},"   \
	"{\"object\":\"service\",\"service\":\"api\",\"what\":\"queue\",\"count\":1,"              \
	"\"sum_us\":15,\"buckets\":[0,1,1]},"                                                      \
	"{\"object\":\"service\",\"service\":\"new\",\"what\":\"queue\",\"count\":1},"             \
	"{\"object\":\"service\",\"service\":\"api\",\"what\":\"future\",\"count\":1},"            \
	"{\"object\":\"backend\",\"service\":\"api\",\"backend\":\"b1\",\"what\":\"response\","    \
	"\"count\":94,\"sum_us\":9400}]}\n\n"
#define SCALED                                                                                     \
	"[{\"service\":\"api\",\"ready\":2,\"desired\":5},{\"service\":\"new\"},7]\n\n"

static struct snapshot *
read_all(const char *bytes)
{
	struct snapshot *s = NULL;
	struct err err = {.text = ""};

	if (snapshot_parse(bytes, strlen(bytes), (struct mono){.us = 5}, &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

static void
all_of_it_is_read(void **state)
{
	struct snapshot *s = read_all(INFO STAT LATENCY SCALED);
	const struct object *o;

	(void)state;
	assert_int_equal(s->when.us, 5);
	assert_string_equal(s->version, "1.2");
	assert_string_equal(s->node, "n1");
	assert_int_equal(s->pid, 7);
	assert_int_equal(s->uptime_s, 60);
	assert_int_equal(s->connections, 3);
	assert_int_equal(s->connections_all, 30);
	assert_int_equal(s->requests, 300);
	assert_int_equal(s->n_objects, 4);
	o = snapshot_find(s, TG_OBJECT_LISTENER, "web", "");
	assert_non_null(o);
	assert_int_equal(o->streams, 300);
	assert_int_equal(o->bytes_out, 2);
	o = snapshot_find(s, TG_OBJECT_BACKEND, "api", "b1");
	assert_non_null(o);
	assert_string_equal(o->state, "UP 2/3");
	assert_true(o->is_up);
	assert_int_equal(o->errors, 7);
	assert_int_equal(o->retries, 5);
	assert_int_equal(o->answers, 94);
	assert_int_equal(o->answers_us, 9400);
	o = snapshot_find(s, TG_OBJECT_SERVICE, "api", "");
	assert_non_null(o);
	assert_int_equal(o->queued, 6);
	assert_int_equal(o->errors, 12);
	assert_non_null(o->times);
	assert_int_equal(o->times[TG_TIME_QUEUE].sum_us, 15);
	assert_int_equal(o->times[TG_TIME_QUEUE].buckets[1], 1);
	assert_int_equal(o->times[TG_TIME_TOTAL].count, 0);
	assert_true(o->is_scaled);
	assert_int_equal(o->scaled_ready, 2);
	assert_int_equal(o->scaled_desired, 5);
	o = snapshot_find(s, TG_OBJECT_SERVICE, "db", "");
	assert_non_null(o);
	assert_false(o->is_scaled);
	assert_false(o->is_up);
	assert_int_equal(o->errors, 3);
	assert_null(o->times);
	assert_null(snapshot_find(s, TG_OBJECT_SERVICE, "web", ""));
	assert_int_equal(s->n_buckets, 3);
	assert_true(s->bounds_us[2] == UINT64_MAX);
	assert_int_equal(s->lag.count, 5);
	assert_int_equal(s->lag.buckets[0], 1);
	assert_int_equal(s->lag.buckets[2], 5);
	snapshot_free(s);
	snapshot_free(NULL);
}

/* One of before `show latency` and `show autoscale`. */
static void
an_older_daemon_tells_less(void **state)
{
	struct snapshot *s = read_all(
		INFO STAT "{\"error\":\"unknown-command\",\"text\":\"no such command\"}\n\n"
			  "{\"error\":\"unknown-command\",\"text\":\"no such command\"}\n\n");

	(void)state;
	assert_int_equal(s->n_buckets, 0);
	assert_int_equal(s->n_objects, 4);
	snapshot_free(s);
}

static void
types_and_numbers_that_are_wrong_count_as_nothing(void **state)
{
	struct snapshot *s = read_all(
		"{\"Version\":\"1\",\"Pid\":\"7\",\"Uptime_sec\":-5,\"CumReq\":1.5,\"CumConns\":[]}\n\n"
		"[{\"pxname\":\"a\",\"svname\":\"BACKEND\",\"stot\":-1,\"scur\":null,\"status\":7,"
		"\"end\":[],\"mode\":{}},"
		"{\"pxname\":\"a\",\"svname\":\"BACKEND\",\"stot\":5}]\n\n"
		"{\"bounds_us\":[1],\"times\":[7,{\"object\":\"service\",\"service\":\"a\","
		"\"what\":\"total\",\"count\":-1,\"buckets\":[\"x\",-1,9,9,9]}]}\n\n"
		"[{\"service\":\"a\",\"ready\":-1,\"desired\":\"x\"},{\"service\":7}]\n\n");
	const struct object *o = snapshot_find(s, TG_OBJECT_SERVICE, "a", "");

	(void)state;
	assert_int_equal(s->pid + s->uptime_s + s->requests + s->connections_all, 0);
	assert_ptr_equal(o, &s->objects[0]);
	assert_int_equal(o->streams + o->in_flight + o->errors, 0);
	assert_string_equal(o->state, "");
	assert_int_equal(o->times[TG_TIME_TOTAL].count, 0);
	assert_int_equal(o->times[TG_TIME_TOTAL].buckets[1], 0);
	assert_int_equal(o->scaled_ready + o->scaled_desired, 0);
	snapshot_free(s);
}

static void
what_is_no_answer_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"\n",
		"HTTP/1.1 400 Bad Request\r\n\r\n",
		"Name: tidegate\n\n",
		INFO,
		INFO STAT,
		INFO STAT LATENCY,
		INFO STAT LATENCY "{}\n\n",
		INFO STAT "{\"bounds_us\":[1]",
		INFO "{}\n\n" LATENCY SCALED,
		INFO "[7]\n\n" LATENCY SCALED,
		INFO "[{\"pxname\":\"a\"}]\n\n" LATENCY SCALED,
		"[]\n\n" STAT LATENCY SCALED,
		"{\"Version\":1}\n\n" STAT LATENCY SCALED,
		INFO STAT "{}\n\n" SCALED,
		INFO STAT "{\"bounds_us\":[2,1]}\n\n" SCALED,
		INFO STAT "{\"bounds_us\":[0]}\n\n" SCALED,
		INFO STAT "{\"bounds_us\":[\"x\"]}\n\n" SCALED,
		"{\"Version\":\"\xff\"}\n\n" STAT LATENCY SCALED,
		"{\"Version\":\"a\\u0000b\"}\n\n" STAT LATENCY SCALED,
		"{\"Version\":\"1\",\"Pid\":99999999999999999999}\n\n" STAT LATENCY SCALED,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct snapshot *s = NULL;
		struct err err = {.text = ""};

		assert_int_equal(snapshot_parse(wrong[i], strlen(wrong[i]), mono_read(), &s, &err),
				 -TG_EPROTO);
		assert_null(s);
		assert_true(err.text[0] != '\0');
	}
}

static void
a_failure_is_told(void **state)
{
	static const char denied[] = "{\"error\":\"denied\",\"text\":\"not you\"}\n\n" STAT LATENCY;
	struct snapshot *s = NULL;
	struct err err;

	(void)state;
	assert_int_equal(snapshot_parse(denied, strlen(denied), mono_read(), &s, &err), -TG_EPROTO);
	assert_string_equal(err.text, "\"show info\": denied: not you");
}

/* Deep nests must not end in the depth of the stack. */
static void
depth_is_bounded(void **state)
{
	size_t n = 1 << 20;
	char *deep = malloc(n + 3);
	struct snapshot *s = NULL;

	(void)state;
	assert_non_null(deep);
	memset(deep, '[', n);
	memcpy(deep + n, "\n\n", 3);
	assert_int_equal(snapshot_parse(deep, n + 2, mono_read(), &s, NULL), -TG_EPROTO);
	free(deep);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_is_read),
		cmocka_unit_test(an_older_daemon_tells_less),
		cmocka_unit_test(types_and_numbers_that_are_wrong_count_as_nothing),
		cmocka_unit_test(what_is_no_answer_is_refused),
		cmocka_unit_test(a_failure_is_told),
		cmocka_unit_test(depth_is_bounded),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
