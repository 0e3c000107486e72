#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/privileges.h"

#define SOMEBODY "nobody"

static void
unknown_names_are_refused(void **state)
{
	struct privileges p;
	struct err err = {""};

	(void)state;
	assert_int_equal(privileges_resolve("no-such-user", NULL, &p, &err), -TG_ENOENT);
	assert_string_equal(err.text, "user = \"no-such-user\": no such user");
	assert_int_equal(privileges_resolve(NULL, "no-such-group", &p, &err), -TG_ENOENT);
	assert_string_equal(err.text, "group = \"no-such-group\": no such group");
}

static void
nothing_given_changes_nothing(void **state)
{
	struct privileges p;

	(void)state;
	assert_int_equal(privileges_resolve(NULL, NULL, &p, NULL), 0);
	assert_false(p.drop);
	assert_int_equal(privileges_are_root(&p), geteuid() == 0);
	privileges_fini(&p);
}

/* Runs `step` in a child; 0 when it found all well, else its number. */
static int
in_child(int (*step)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(step());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
resolve_as_nobody(void)
{
	const struct passwd *pw = getpwnam(SOMEBODY);
	struct privileges p;

	if (setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0)
		return 1;
	if (privileges_resolve("root", NULL, &p, NULL) != -TG_EINVAL)
		return 2;
	if (privileges_resolve(NULL, "root", &p, NULL) != -TG_EINVAL)
		return 3;
	if (privileges_resolve(SOMEBODY, NULL, &p, NULL) != 0 || p.drop || privileges_are_root(&p))
		return 4; /* what we are already is no error */
	return 0;
}

static int
drop_to_nobody(void)
{
	const struct passwd *pw = getpwnam(SOMEBODY);
	struct privileges p;
	uid_t uid[3];
	gid_t gid[3];
	gid_t groups[16];
	int death_signal = 0;
	int n;

	if (privileges_resolve(SOMEBODY, NULL, &p, NULL) != 0 || !p.drop)
		return 1;
	if (privileges_prepare(&p, false) != 0 || geteuid() != 0 ||
	    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0 || privileges_become() != 0)
		return 2;
	if (getresuid(&uid[0], &uid[1], &uid[2]) != 0 || getresgid(&gid[0], &gid[1], &gid[2]) != 0)
		return 3;
	for (int i = 0; i < 3; i++)
		if (uid[i] != pw->pw_uid || gid[i] != pw->pw_gid)
			return 4;
	n = getgroups(16, groups);
	if (n != 1 || groups[0] != pw->pw_gid)
		return 5;
	if (setuid(0) == 0 || setgid(0) == 0)
		return 6;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 7;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    prctl(PR_GET_PDEATHSIG, &death_signal) != 0 || death_signal != SIGKILL)
		return 8;
	privileges_fini(&p);
	return 0;
}

/* 0: as it should be for this role. */
static int
drop_with_secret(bool is_keeper)
{
	const struct group *gr = getgrnam("daemon");
	char path[] = "/tmp/tg-secret-XXXXXX";
	struct privileges p;
	gid_t groups[16];
	bool has_group = false;
	int fd = mkstemp(path);
	int n;

	if (fd < 0 || fchown(fd, 0, gr->gr_gid) != 0 || fchmod(fd, 0640) != 0)
		return 1;
	if (privileges_resolve(SOMEBODY, NULL, &p, NULL) != 0 || !privileges_lack_secret(&p, path) ||
	    privileges_add_secret(&p, path, NULL) != 0 || privileges_lack_secret(&p, path) ||
	    privileges_lack_secret(&p, "/no/such/file") ||
	    privileges_add_secret(&p, "/no/such/file", NULL) != 0 || p.n_secrets != 1)
		return 2;
	if (privileges_prepare(&p, is_keeper) != 0 || privileges_become() != 0)
		return 3;
	n = getgroups(16, groups);
	for (int i = 0; i < n; i++)
		has_group = has_group || groups[i] == gr->gr_gid;
	if (has_group != is_keeper || (open(path, O_RDONLY | O_CLOEXEC) >= 0) != is_keeper)
		return 4;
	privileges_fini(&p);
	return 0;
}

static int
drop_to_keeper(void)
{
	return drop_with_secret(true);
}

static int
drop_to_proxy(void)
{
	return drop_with_secret(false);
}

static void
the_keeper_alone_opens_what_is_secret(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip(); /* needs root to become others */
	assert_int_equal(in_child(drop_to_keeper), 0);
	assert_int_equal(in_child(drop_to_proxy), 0);
}

static int
drop_to_another_group(void)
{
	const struct group *gr = getgrnam("daemon");
	struct privileges p;

	if (privileges_resolve(SOMEBODY, "daemon", &p, NULL) != 0 || p.gid != gr->gr_gid)
		return 1;
	if (privileges_prepare(&p, false) != 0 || privileges_become() != 0 ||
	    getegid() != gr->gr_gid)
		return 2;
	privileges_fini(&p);
	return 0;
}

/* As a service manager does for a service that binds low ports without being root. */
static int
raise_ambient(int capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2];

	if (syscall(SYS_capget, &header, sets) != 0)
		return -1;
	sets[0].inheritable |= 1u << capability;
	if (syscall(SYS_capset, &header, sets) != 0)
		return -1;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
}

static int
drop_ambient(void)
{
	const struct privileges stay = {.drop = false};

	if (raise_ambient(CAP_NET_BIND_SERVICE) != 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_BIND_SERVICE, 0, 0) != 1)
		return 1;
	if (privileges_prepare(&stay, false) != 0)
		return 2;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_BIND_SERVICE, 0, 0) == 0 ? 0
											     : 3;
}

static void
ambient_capabilities_stay_with_the_parent(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip(); /* needs root to have a capability */
	assert_int_equal(in_child(drop_ambient), 0);
}

static void
others_cannot_become_somebody_else(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip(); /* needs root to play somebody else */
	assert_int_equal(in_child(resolve_as_nobody), 0);
}

static void
root_becomes_the_user_for_good(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip(); /* needs root */
	assert_int_equal(in_child(drop_to_nobody), 0);
	assert_int_equal(in_child(drop_to_another_group), 0);
}

static void
root_needs_a_user_with_the_group(void **state)
{
	struct privileges p;
	struct err err = {""};

	(void)state;
	if (geteuid() != 0)
		skip(); /* needs root */
	assert_int_equal(privileges_resolve(NULL, "daemon", &p, &err), -TG_EINVAL);
	assert_string_equal(err.text, "group = \"daemon\": needs a user too");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_names_are_refused),
		cmocka_unit_test(nothing_given_changes_nothing),
		cmocka_unit_test(others_cannot_become_somebody_else),
		cmocka_unit_test(root_becomes_the_user_for_good),
		cmocka_unit_test(the_keeper_alone_opens_what_is_secret),
		cmocka_unit_test(ambient_capabilities_stay_with_the_parent),
		cmocka_unit_test(root_needs_a_user_with_the_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
