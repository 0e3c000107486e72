#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proc/shared_tickets.h"
#include "tls/ticket_seal.h"

#define HOUR UINT64_C(3600000000)

/* Two parents whose store is this word. */
struct side {
	struct shared_tickets shared;
	struct ticket_seed seed;
	struct conf conf;
};

static struct side a;
static struct side b;
static char word[TG_MSG_SEALED];

static struct wall
at(uint64_t hour)
{
	return (struct wall){hour * HOUR + 5};
}

static void
open_side(struct side *s, const char *secret)
{
	memset(s, 0, sizeof(*s));
	s->conf.store.type = TG_STORE_REDIS;
	s->conf.store.session_secret = (char *)(uintptr_t)secret;
	assert_int_equal(ticket_seed_make(&s->seed, at(5000)), 0);
	assert_true(shared_tickets_set(&s->shared, &s->conf, &s->seed));
	assert_false(shared_tickets_set(&s->shared, &s->conf, &s->seed));
}

/* As the script of the store does. */
static void
agree(const struct side *s)
{
	const struct msg_sealed *m = &s->shared.sealed;

	if (word[0] == '\0' || strcmp(word, m->was) == 0)
		snprintf(word, sizeof(word), "%s", m->word);
}

/* Whether it took another seed over. */
static bool
hear(struct side *s, uint64_t hour)
{
	bool is_new = false;

	assert_true(shared_tickets_heard(&s->shared, &s->conf, word, at(hour), &s->seed, &is_new));
	return is_new;
}

static int
setup(void **state)
{
	(void)state;
	word[0] = '\0';
	open_side(&a, "a secret of more than thirty-two bytes");
	open_side(&b, "a secret of more than thirty-two bytes");
	return 0;
}

static void
the_first_word_is_taken_over_by_all(void **state)
{
	(void)state;
	assert_string_equal(a.shared.sealed.name, b.shared.sealed.name);
	agree(&a);
	assert_false(hear(&a, 5000));
	agree(&b);
	assert_false(ticket_seed_is_same(&a.seed, &b.seed));
	assert_true(hear(&b, 5000));
	assert_true(ticket_seed_is_same(&a.seed, &b.seed));
	assert_false(hear(&b, 5000));
}

static void
who_turns_first_turns_for_all(void **state)
{
	char before[TG_MSG_SEALED];

	(void)state;
	agree(&a);
	assert_false(hear(&a, 5000));
	assert_true(hear(&b, 5000));
	memcpy(before, word, sizeof(before));
	assert_false(shared_tickets_turned(&a.shared, &a.conf, &a.seed));
	for (int i = 0; i < 2; i++) {
		struct side *s = i == 0 ? &a : &b;

		assert_int_equal(ticket_seed_turn(&s->seed, at(5100)), 0);
		assert_true(shared_tickets_turned(&s->shared, &s->conf, &s->seed));
		agree(s);
	}
	assert_string_equal(word, a.shared.sealed.word);
	assert_string_not_equal(word, before);
	assert_false(hear(&b, 5100));
	/* A store that is emptied gets the same again. */
	word[0] = '\0';
	agree(&b);
	assert_false(hear(&a, 5100));
}

static void
what_others_have_sealed_is_ignored(void **state)
{
	struct side other;
	bool is_new = false;

	(void)state;
	open_side(&other, "another secret of more than thirty-two");
	assert_string_not_equal(other.shared.sealed.name, a.shared.sealed.name);
	agree(&other);
	assert_false(shared_tickets_heard(&a.shared, &a.conf, word, at(5000), &a.seed, &is_new));
	assert_false(
		shared_tickets_heard(&a.shared, &a.conf, "nonsense", at(5000), &a.seed, &is_new));
	/* Of a clock that is far ahead. */
	assert_int_equal(ticket_seal(&b.seed, b.conf.store.session_secret, word), 0);
	assert_false(shared_tickets_heard(&a.shared, &a.conf, word, at(4900), &a.seed, &is_new));
	assert_false(is_new);
}

static void
without_a_secret_nothing_is_shared(void **state)
{
	bool is_new = false;

	(void)state;
	agree(&b);
	a.conf.store.session_secret = NULL;
	assert_true(shared_tickets_set(&a.shared, &a.conf, &a.seed));
	assert_string_equal(a.shared.sealed.name, "");
	assert_false(shared_tickets_turned(&a.shared, &a.conf, &a.seed));
	assert_false(shared_tickets_heard(&a.shared, &a.conf, word, at(5000), &a.seed, &is_new));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_first_word_is_taken_over_by_all, setup),
		cmocka_unit_test_setup(who_turns_first_turns_for_all, setup),
		cmocka_unit_test_setup(what_others_have_sealed_is_ignored, setup),
		cmocka_unit_test_setup(without_a_secret_nothing_is_shared, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
