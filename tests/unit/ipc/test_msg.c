#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "ipc/msg.h"

static void
every_type_is_described(void **state)
{
	(void)state;
	for (uint32_t type = MSG_CONF; type < MSG_TYPE_COUNT; type++) {
		if (type > MSG_PONG && type < MSG_ASK)
			continue; /* kept for our own processes */
		assert_true(msg_payload_size(type) >= 0);
		assert_true((size_t)msg_payload_size(type) <= sizeof(union msg_payload));
		assert_string_not_equal(msg_type_str(type), "?");
	}
}

static void
unknown_types_are_refused(void **state)
{
	static const uint32_t unknown[] = {0, MSG_ASK - 1, MSG_TYPE_COUNT, UINT32_MAX};
	union msg_payload u;

	(void)state;
	memset(&u, 0, sizeof(u));
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		assert_int_equal(msg_payload_size(unknown[i]), -1);
		assert_false(msg_has_fd(unknown[i]));
		assert_false(msg_is_sane(unknown[i], &u));
		assert_string_equal(msg_type_str(unknown[i]), "?");
	}
}

static void
types_with_descriptor(void **state)
{
	(void)state;
	assert_true(msg_has_fd(MSG_CONF));
	assert_true(msg_has_fd(MSG_LISTEN));
	assert_true(msg_has_fd(MSG_ADMIN));
	assert_true(msg_has_fd(MSG_LOG_FILE));
	assert_false(msg_has_fd(MSG_START));
	assert_false(msg_has_fd(MSG_BACKEND));
}

static void
a_note_is_one_line(void **state)
{
	union msg_payload u;

	(void)state;
	memset(&u, 0, sizeof(u));
	assert_false(msg_is_sane(MSG_NOTE, &u));
	memcpy(u.note.line, "a b\n", 4);
	u.note.n = 4;
	assert_true(msg_is_sane(MSG_NOTE, &u));
	u.note.n = 3;
	assert_false(msg_is_sane(MSG_NOTE, &u));
	u.note.n = TG_NOTE_BYTES + 1;
	assert_false(msg_is_sane(MSG_NOTE, &u));
	memset(u.note.line, 'a', sizeof(u.note.line));
	u.note.n = TG_NOTE_BYTES;
	assert_false(msg_is_sane(MSG_NOTE, &u));
	u.note.line[TG_NOTE_BYTES - 1] = '\n';
	assert_true(msg_is_sane(MSG_NOTE, &u));
}

static void
refusals_end(void **state)
{
	union msg_payload u;

	(void)state;
	memset(&u, 0, sizeof(u));
	assert_true(msg_is_sane(MSG_REFUSE, &u));
	u.refuse.until_us = UINT64_MAX;
	assert_true(msg_is_sane(MSG_REFUSE, &u));
	u.refuse.reserved++;
	assert_false(msg_is_sane(MSG_REFUSE, &u));
}

static union msg_payload
good_backend(void)
{
	union msg_payload u;

	memset(&u, 0, sizeof(u));
	u.backend.health = TG_HEALTH_UP;
	u.backend.has_addr = 1;
	u.backend.addr.len = sizeof(struct sockaddr_in);
	u.backend.addr.u.in.sin_family = AF_INET;
	return u;
}

static void
backend_fields_are_checked(void **state)
{
	union msg_payload u = good_backend();

	(void)state;
	assert_true(msg_is_sane(MSG_BACKEND, &u));
	u.backend.health = TG_BACKEND_HEALTH_COUNT;
	assert_false(msg_is_sane(MSG_BACKEND, &u));
	u = good_backend();
	u.backend.has_addr = 2;
	assert_false(msg_is_sane(MSG_BACKEND, &u));
}

static void
records_are_checked(void **state)
{
	union msg_payload u = good_backend();

	(void)state;
	u.backend.record = (struct backend_record){.weight = TG_RECORD_WEIGHT_MAX, .is_backup = 1};
	assert_true(msg_is_sane(MSG_BACKEND, &u));
	u.backend.record.weight++;
	assert_false(msg_is_sane(MSG_BACKEND, &u));
	u.backend.record = (struct backend_record){.is_backup = 2};
	assert_false(msg_is_sane(MSG_BACKEND, &u));
}

static void
orders_are_checked(void **state)
{
	static const struct backend_order wrong[] = {
		{.told = TG_ORDER_ALL + 1},
		{.told = UINT32_MAX},
		{.weight = TG_ORDER_WEIGHT_MAX + 1},
		{.weight_permille = TG_ORDER_WEIGHT_PERMILLE_MAX + 1},
		{.weight_permille = TG_ORDER_AS_CONF},
		{.limit = TG_ORDER_LIMIT_MAX + 1},
		{.admin = TG_BACKEND_ADMIN_COUNT},
		{.is_down = 2},
	};
	static const struct backend_order good[] = {
		{.told = TG_ORDER_ALL, .weight = TG_ORDER_WEIGHT_MAX,
		 .weight_permille = TG_ORDER_WEIGHT_PERMILLE_MAX, .limit = TG_ORDER_LIMIT_MAX,
		 .admin = TG_ADMIN_MAINT, .is_down = 1},
		{.weight = TG_ORDER_AS_CONF, .limit = TG_ORDER_AS_CONF},
	};
	union msg_payload u = good_backend();

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		u.backend.order = wrong[i];
		assert_false(msg_is_sane(MSG_BACKEND, &u));
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		u.backend.order = good[i];
		assert_true(msg_is_sane(MSG_BACKEND, &u));
	}
}

static void
orders_merge_by_what_is_told(void **state)
{
	struct backend_order order = {.told = TG_ORDER_LIMIT, .limit = 3};
	struct backend_order news = {.told = TG_ORDER_ADMIN, .admin = TG_ADMIN_DRAIN, .limit = 9};

	(void)state;
	assert_true(backend_order_merge(&order, &news));
	assert_int_equal(order.told, TG_ORDER_LIMIT | TG_ORDER_ADMIN);
	assert_int_equal(order.limit, 3);
	assert_int_equal(order.admin, TG_ADMIN_DRAIN);
	assert_false(backend_order_merge(&order, &news));
}

static void
backend_addresses_are_checked(void **state)
{
	union msg_payload u = good_backend();

	(void)state;
	u.backend.addr.len = 1000000;
	assert_false(msg_is_sane(MSG_BACKEND, &u));
	u.backend.has_addr = 0; /* then nobody looks */
	assert_true(msg_is_sane(MSG_BACKEND, &u));
	u = good_backend();
	u.backend.addr.u.sa.sa_family = AF_PACKET;
	assert_false(msg_is_sane(MSG_BACKEND, &u));
	u.backend.addr.u.sa.sa_family = AF_INET6;
	assert_false(msg_is_sane(MSG_BACKEND, &u));
	u.backend.addr.len = sizeof(struct sockaddr_in6);
	assert_true(msg_is_sane(MSG_BACKEND, &u));
	u.backend.addr.u.sa.sa_family = AF_UNIX;
	u.backend.addr.len = sizeof(struct sockaddr_un);
	memset(u.backend.addr.u.un.sun_path, 'x', sizeof(u.backend.addr.u.un.sun_path));
	assert_false(msg_is_sane(MSG_BACKEND, &u));
	u.backend.addr.u.un.sun_path[9] = '\0';
	assert_true(msg_is_sane(MSG_BACKEND, &u));
}

static void
log_levels_are_checked(void **state)
{
	union msg_payload u = {.log_level = {.level = TG_LOG_DEBUG}};

	(void)state;
	assert_true(msg_is_sane(MSG_LOG_LEVEL, &u));
	u.log_level.level = TG_LOG_LEVEL_COUNT;
	assert_false(msg_is_sane(MSG_LOG_LEVEL, &u));
	u.log_level = (struct msg_log_level){.reserved = 1};
	assert_false(msg_is_sane(MSG_LOG_LEVEL, &u));
}

static void
answers_are_checked(void **state)
{
	union msg_payload u = {
		.session = {.phase = TG_PHASE_LINGER, .request_n = TG_SESSION_REQUEST}};

	(void)state;
	assert_true(msg_is_sane(MSG_SESSION, &u));
	u.session.request_n++;
	assert_false(msg_is_sane(MSG_SESSION, &u));
	u.session = (struct msg_session){.phase = TG_SESSION_PHASE_COUNT};
	assert_false(msg_is_sane(MSG_SESSION, &u));
	u.session = (struct msg_session){.client_port = UINT16_MAX + 1};
	assert_false(msg_is_sane(MSG_SESSION, &u));
	u.capture = (struct msg_capture){.n = TG_CAPTURE_BYTES, .total = 5000, .position = 5000};
	assert_true(msg_is_sane(MSG_CAPTURE, &u));
	u.capture.n++;
	assert_false(msg_is_sane(MSG_CAPTURE, &u));
	u.capture = (struct msg_capture){.n = 2, .total = 1};
	assert_false(msg_is_sane(MSG_CAPTURE, &u));
	u.capture = (struct msg_capture){.total = 1, .position = 2};
	assert_false(msg_is_sane(MSG_CAPTURE, &u));
	u.question = (struct msg_question){.kind = TG_QUESTION_KIND_COUNT};
	assert_false(msg_is_sane(MSG_QUESTION, &u));
	u.limit = (struct msg_limit){.n = TG_LIMIT_MAX + 1};
	assert_false(msg_is_sane(MSG_LIMIT, &u));
	for (unsigned i = 0; i < TG_SESSION_PHASE_COUNT; i++)
		assert_true(session_phase_str(i)[0] != '?');
	assert_string_equal(session_phase_str(TG_SESSION_PHASE_COUNT), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_described),
		cmocka_unit_test(unknown_types_are_refused),
		cmocka_unit_test(a_note_is_one_line),
		cmocka_unit_test(refusals_end),
		cmocka_unit_test(types_with_descriptor),
		cmocka_unit_test(backend_fields_are_checked),
		cmocka_unit_test(records_are_checked),
		cmocka_unit_test(orders_are_checked),
		cmocka_unit_test(orders_merge_by_what_is_told),
		cmocka_unit_test(backend_addresses_are_checked),
		cmocka_unit_test(log_levels_are_checked),
		cmocka_unit_test(answers_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
