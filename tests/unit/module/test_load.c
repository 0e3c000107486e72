/* module/load.c: shared objects, and all that is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "module/module.h"
#include "sched/sched.h"

#define SAMPLE  "tests/unit/module/sample.so"
#define NOTHING "tests/unit/module/nothing.so"
#define AIMD    "contrib/autoscaler/aimd.so"
#define HEADROOM "contrib/scheduler/headroom.so"

static char folder[64];

static uid_t user_now;

uid_t __wrap_geteuid(void);
uid_t
__wrap_geteuid(void)
{
	return user_now;
}

/*** Files ***/

static const char *
path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static const char *
put(const char *from, const char *name)
{
	const char *path = path_of(name);
	int in = open(from, O_RDONLY);
	int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	char buf[4096];
	ssize_t n;

	if (in < 0 || out < 0)
		fail_msg("%s is not built", from);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		assert_int_equal(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

static void
expect_refused(const char *path, int code, const char *why)
{
	struct err err = {.text = ""};

	assert_int_equal(module_load(path, &err), code);
	if (strstr(err.text, why) == NULL)
		fail_msg("got: %s\nnot: %s", err.text, why);
}

static int
make_folder(void **state)
{
	(void)state;
	user_now = getuid();
	unsetenv("TG_TEST_MODULE");
	snprintf(folder, sizeof(folder), "/tmp/tidegate-module-XXXXXX");
	return mkdtemp(folder) == NULL;
}

static int
remove_folder(void **state)
{
	static const char *const names[] = {"a.so", "b.so", "l.so", "in/a.so", "in"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		remove(path_of(names[i]));
	return rmdir(folder);
}

/*** What it is ***/

static const struct {
	const char *what;
	const char *why;
} broken[] = {
	{"null", "the module cannot work with interface 1.2"},
	{"magic", "magic is 0x00000001, and 0x74674d6f in a module for tidegate"},
	{"major", "made for interface 2.2, this is 1.2: build it anew with our tidegate/module.h"},
	{"minor", "made for interface 1.3, newer than 1.2 here: a newer tidegate is needed"},
	{"size", "bytes; struct tg_module has"},
	{"ops-size", "bytes; struct tg_autoscaler has"},
	{"propose", "propose() is missing"},
	{"windows", "windows() is missing"},
	{"ops", "no operations"},
	{"Bad Name", "\"Bad Name\" is no name; allowed: a letter, then lower case letters, digits and "
		     "'-'"},
};

static void
broken_modules_are_refused_in_words(void **state)
{
	const char *path = put(SAMPLE, "a.so");

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		setenv("TG_TEST_MODULE", broken[i].what, 1);
		expect_refused(path, -TG_EINVAL, broken[i].why);
	}
	assert_null(module_find(TG_MODULE_AUTOSCALER, "sample"));
}

static void
what_is_no_module_is_refused(void **state)
{
	FILE *out;

	(void)state;
	expect_refused(put(NOTHING, "a.so"), -TG_EINVAL,
		       "is no module: it has no function tidegate_module()");
	out = fopen(path_of("b.so"), "w");
	fputs("hello\n", out);
	fclose(out);
	chmod(path_of("b.so"), 0755);
	expect_refused(path_of("b.so"), -TG_EINVAL, "b.so");
	expect_refused("a.so", -TG_EINVAL, "\"a.so\" is no absolute path");
	expect_refused(path_of("none.so"), -TG_EIO, "No such file");
	expect_refused(folder, -TG_EINVAL, "is no regular file");
}

/*** Whose it is ***/

static void
files_that_others_may_write_are_refused(void **state)
{
	const char *path = put(SAMPLE, "a.so");

	(void)state;
	chmod(path, 0775);
	expect_refused(path, -TG_EINVAL, "its group may write file");
	chmod(path, 0757);
	expect_refused(path, -TG_EINVAL, "everybody may write file");
}

static void
folders_that_others_may_write_are_refused(void **state)
{
	(void)state;
	mkdir(path_of("in"), 0755);
	put(SAMPLE, "in/a.so");
	chmod(path_of("in"), 0775);
	expect_refused(path_of("in/a.so"), -TG_EINVAL, "its group may write folder");
	chmod(path_of("in"), 0777);
	expect_refused(path_of("in/a.so"), -TG_EINVAL, "everybody may write folder");
	chmod(path_of("in"), 0755);
	chmod(folder, 0777);
	expect_refused(path_of("in/a.so"), -TG_EINVAL, "everybody may write folder");
	/* A link is as good as the folder it is in. */
	chmod(folder, 0700);
	assert_int_equal(symlink("../a.so", path_of("in/l.so")), 0);
	put(SAMPLE, "a.so");
	chmod(path_of("in"), 0777);
	expect_refused(path_of("in/l.so"), -TG_EINVAL, "everybody may write folder");
	remove(path_of("in/l.so"));
}

static void
files_of_others_are_refused(void **state)
{
	const char *path = put(SAMPLE, "a.so");

	(void)state;
	/* Root's is good for everybody, so then it must be another's. */
	if (getuid() == 0)
		assert_int_equal(chown(path, 4711, 4711), 0);
	else
		user_now = getuid() + 1;
	expect_refused(path, -TG_EINVAL, "allowed: root and");
}

/*** Good ones ***/

static char heard[256];

static void
hear(void *user, const char *line, size_t n)
{
	(void)user;
	snprintf(heard, sizeof(heard), "%.*s", (int)n, line);
}

static void
good_one_is_loaded_once(void **state)
{
	struct tg_value values[TG_OPTIONS_MAX];
	const struct tg_module *module;
	struct tg_proposal proposal = {.desired = 0};
	struct tg_snapshot snapshot = {.size = sizeof(snapshot)};
	struct err err = {.text = ""};
	const char *path = put(SAMPLE, "a.so");
	size_t bad;

	(void)state;
	setenv("TG_TEST_MODULE", "log", 1);
	log_init(STDERR_FILENO, TG_LOG_TEXT, TG_LOG_ERROR, "test");
	log_listen(hear, NULL);
	if (module_load(path, &err) < 0)
		fail_msg("%s", err.text);
	log_listen(NULL, NULL);
	assert_non_null(strstr(heard, "text=hello"));
	module = module_find(TG_MODULE_AUTOSCALER, "sample");
	assert_non_null(module);
	assert_int_equal(module_values(module, NULL, 0, values, &bad, &err), 0);
	((const struct tg_autoscaler *)module->ops)->propose(values, &snapshot, &proposal);
	assert_int_equal(proposal.desired, 3);
	assert_int_equal(module_load(path, &err), 0);
	assert_ptr_equal(module_find(TG_MODULE_AUTOSCALER, "sample"), module);
	/* By another way, it is the same. */
	assert_int_equal(symlink("a.so", path_of("l.so")), 0);
	assert_int_equal(module_load(path_of("l.so"), &err), 0);
	/* Another file with the same name. */
	expect_refused(put(SAMPLE, "b.so"), -TG_EEXIST, "there is a module \"sample\" already");
	/* And another one in its place. */
	remove(path_of("a.so"));
	expect_refused(put(SAMPLE, "a.so"), -TG_EEXIST, "has changed since it was loaded");
}

static void
example_is_built_and_loaded(void **state)
{
	struct err err = {.text = ""};

	(void)state;
	if (module_load(put(AIMD, "b.so"), &err) < 0)
		fail_msg("%s", err.text);
	assert_non_null(module_find(TG_MODULE_AUTOSCALER, "aimd"));
}

/* And what it is told to keep free it does. */
static void
example_of_a_scheduler_is_built_and_places(void **state)
{
	struct tg_node nodes[] = {
		{.name = "a", .cpu_milli = 1000, .free_cpu_milli = 600},
		{.name = "b", .cpu_milli = 1000, .free_cpu_milli = 900},
	};
	struct tg_group group = {.service = "s", .cpu_milli = 300};
	const uint32_t counts[2] = {0};
	struct tg_cluster cluster = {.size = sizeof(cluster), .n_nodes = 2, .n_groups = 1,
				     .nodes = nodes, .groups = &group, .counts = counts};
	struct tg_value values[TG_OPTIONS_MAX];
	struct sched_verdict verdicts[2];
	struct err err = {.text = ""};
	struct sched_by by = {.values = values};
	struct board *b = board_new(&cluster);
	size_t bad;

	(void)state;
	if (module_load(put(HEADROOM, "b.so"), &err) < 0)
		fail_msg("%s", err.text);
	by.module = module_find(TG_MODULE_SCHEDULER, "headroom");
	assert_non_null(by.module);
	assert_int_equal(module_values(by.module, NULL, 0, values, &bad, &err), 0);
	assert_int_equal(sched_place(b, &by, 0, verdicts), 1);
	values[0].number = 0.5;
	assert_int_equal(sched_place(b, &by, 0, verdicts), 1);
	assert_int_equal(verdicts[0].refusal, TG_REFUSAL_DECLINED);
	values[0].number = 0.7;
	assert_int_equal(sched_place(b, &by, 0, verdicts), TG_SCHED_NOWHERE);
	board_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(broken_modules_are_refused_in_words, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(what_is_no_module_is_refused, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(files_that_others_may_write_are_refused,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(folders_that_others_may_write_are_refused,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(files_of_others_are_refused, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(good_one_is_loaded_once, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(example_is_built_and_loaded, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(example_of_a_scheduler_is_built_and_places,
						make_folder, remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
