#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "proc/signing.h"

/* A signer that runs, at the other end of a channel. */
static struct signing signing;
static struct conf *conf;
static int signer = -1;

static int
setup(void **state)
{
	static const char text[] = "key_isolation = true; "
				   "listeners = ({ name = \"l\"; bind = \"127.0.0.1:1\"; service = \"s\"; }); "
				   "services = ({ name = \"s\"; backends = (\"127.0.0.1:2\"); });";
	struct conf_errors errors;
	struct err err;
	int ends[2];

	(void)state;
	if (conf_load_text(text, strlen(text), "test", &conf, &errors) < 0 ||
	    channel_pair(ends, &err) < 0)
		return -1;
	signing = (struct signing){.conf = &conf};
	signing_init(&signing);
	signing.channel = ends[0];
	signer = ends[1];
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(signing.channel);
	close(signer);
	conf_unref(signing.next);
	conf_unref(conf);
	return 0;
}

static void
say(enum msg_type type, const void *payload, size_t n)
{
	assert_int_equal(channel_send(signer, type, payload, n, -1), 0);
}

/* It stood still for some questions, and is about to answer the first of these when keys are changed. */
static void
who_answers_meanwhile_is_alive(void **state)
{
	static const struct msg_pong pong = {.loop = TG_PONG_CONTROL};
	static const struct msg_prepared prepared = {.is_ready = 1};
	struct err err = {""};

	(void)state;
	signing.n_unheard = 3;
	say(MSG_PONG, &pong, sizeof(pong));
	say(MSG_PREPARED, &prepared, sizeof(prepared));
	assert_int_equal(signing_change(&signing, conf, &err), 0);
	assert_int_equal(signing.n_unheard, 0);
}

static void
what_it_refuses_is_told(void **state)
{
	struct msg_prepared prepared = {.is_ready = 0, .reason = "no such key"};
	struct err err = {""};

	(void)state;
	say(MSG_PREPARED, &prepared, sizeof(prepared));
	assert_int_equal(signing_change(&signing, conf, &err), -TG_EINVAL);
	assert_string_equal(err.text, "the signer: no such key");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_answers_meanwhile_is_alive, setup, teardown),
		cmocka_unit_test_setup_teardown(what_it_refuses_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
