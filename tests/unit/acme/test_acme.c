/* acme/: when one is due, what is answered, what a folder has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acme/board.h"
#include "acme/due.h"
#include "acme/folder.h"

#define DAY_US UINT64_C(86400000000)
#define TOKEN  "0123456789abcdefghijkl"
#define T43    "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT"
#define U43    "UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUU"

static uint64_t
due_days(unsigned before_days, bool is_there, bool has_names, unsigned life_days)
{
	const struct conf_acme conf = {.renew_before_ms = before_days * DAY_US / 1000};
	const struct acme_facts facts = {.is_there = is_there,
					 .has_names = has_names,
					 .from = {DAY_US},
					 .to = {(1 + life_days) * DAY_US}};
	const char *why = NULL;
	struct wall due = acme_due(&conf, &facts, &why);

	assert_non_null(why);
	return due.us / DAY_US;
}

static void
it_is_due_before_its_end(void **state)
{
	(void)state;
	assert_int_equal(due_days(30, true, true, 90), 61);
	assert_int_equal(due_days(10, true, true, 90), 81);
	/* One that lives for a week is not always due. */
	assert_int_equal(due_days(30, true, true, 6), 5);
	assert_int_equal(due_days(30, false, true, 90), 0);
	assert_int_equal(due_days(30, true, false, 90), 0);
}

static struct challenge
one(const char *token, const char *thumbprint)
{
	struct challenge c = {.token = ""};

	memcpy(c.token, token, strlen(token) + 1);
	memcpy(c.thumbprint, thumbprint, strlen(thumbprint) + 1);
	return c;
}

static void
each_says_its_own(void **state)
{
	struct acme_board *b = calloc(1, sizeof(*b));
	const struct challenge first = one(TOKEN, T43);
	const struct challenge both[] = {one(TOKEN "1", T43), one(TOKEN "2", T43)};
	const struct challenge other = one(TOKEN "1", U43);
	struct challenge own[TG_CHALLENGES_MAX];
	const struct mono now = {1};

	(void)state;
	assert_int_equal(board_set(b, &first, now), 0);
	assert_int_equal(board_set(b, &first, now), 0);
	assert_true(board_replace(b, TG_BOARD_FOLDER, both, 2));
	assert_false(board_replace(b, TG_BOARD_FOLDER, both, 2));
	assert_true(board_replace(b, TG_BOARD_OTHERS, both, 1));
	assert_int_equal(b->n, 4);
	assert_int_equal(board_own(b, own, TG_CHALLENGES_MAX), 3);
	/* The same token with another answer. */
	assert_true(board_replace(b, TG_BOARD_FOLDER, &other, 1));
	assert_int_equal(b->n, 3);
	assert_true(board_replace(b, TG_BOARD_FOLDER, NULL, 0));
	assert_int_equal(board_unset(b, TOKEN "1"), -TG_ENOENT);
	assert_false(board_expire(b, now));
	assert_true(board_expire(b, mono_add_ms(now, TG_BOARD_OPERATOR_MS)));
	assert_int_equal(b->n, 1);
	free(b);
}

static void
there_is_room_for_so_many(void **state)
{
	struct acme_board *b = calloc(1, sizeof(*b));
	struct challenge c = one(TOKEN, T43);

	(void)state;
	for (unsigned i = 0; i < TG_CHALLENGES_MAX; i++) {
		snprintf(c.token, sizeof(c.token), TOKEN "%u", i);
		assert_int_equal(board_set(b, &c, (struct mono){1}), 0);
	}
	c = one(TOKEN "x", T43);
	assert_int_equal(board_set(b, &c, (struct mono){1}), -TG_ELIMIT);
	assert_false(board_replace(b, TG_BOARD_OTHERS, &c, 1));
	free(b);
}

static void
put(const char *folder, const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s%s%s", folder, TG_CHALLENGE_PATH, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
drop(const char *folder, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s%s", folder, TG_CHALLENGE_PATH, name);
	unlink(path);
}

static void
a_folder_has_answers_and_more(void **state)
{
	static const char *const names[] = {TOKEN, TOKEN "l", TOKEN "2", TOKEN "p", "README"};
	char folder[] = "/tmp/test_acme.XXXXXX";
	struct challenge list[4];
	char path[256];
	int error = -1;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(folder_read("/no/such/folder", list, 4, &error), 0);
	assert_int_equal(error, ENOENT);
	assert_int_equal(folder_read("/dev/null", list, 4, &error), 0);
	assert_int_equal(error, ENOTDIR);
	assert_int_equal(folder_read(folder, list, 4, &error), 0);
	assert_int_equal(error, 0);
	snprintf(path, sizeof(path), "%s/.well-known", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/.well-known/acme-challenge", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	put(folder, TOKEN, TOKEN "." T43 "\n");
	put(folder, TOKEN "2", "root:x:0:0");
	put(folder, "README", "README." T43);
	snprintf(path, sizeof(path), "%s%s%s", folder, TG_CHALLENGE_PATH, TOKEN "l");
	assert_int_equal(symlink(TOKEN, path), 0);
	snprintf(path, sizeof(path), "%s%s%s", folder, TG_CHALLENGE_PATH, TOKEN "p");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(folder_read(folder, list, 4, &error), 1);
	assert_int_equal(error, 0);
	assert_string_equal(list[0].token, TOKEN);
	assert_string_equal(list[0].thumbprint, T43);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		drop(folder, names[i]);
	snprintf(path, sizeof(path), "%s/.well-known/acme-challenge", folder);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/.well-known", folder);
	rmdir(path);
	rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_due_before_its_end),
		cmocka_unit_test(each_says_its_own),
		cmocka_unit_test(there_is_room_for_so_many),
		cmocka_unit_test(a_folder_has_answers_and_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
