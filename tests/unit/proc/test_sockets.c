#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake/pair.h"
#include "fake/turn.h"
#include "ipc/channel.h"
#include "proc/sockets.h"

static struct inherited nothing;

struct place {
	char folder[64];
	unsigned port;
	struct conf *conf;
};

static unsigned
free_port(void)
{
	struct addr a = {.len = sizeof(a.u.in)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.u.in.sin_family = AF_INET;
	a.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	close(fd);
	return addr_port(&a);
}

static int
setup(void **state)
{
	static struct place place;

	place = (struct place){.port = free_port()};
	snprintf(place.folder, sizeof(place.folder), "/tmp/test-sockets-XXXXXX");
	*state = &place;
	return mkdtemp(place.folder) != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	struct place *place = *state;

	conf_unref(place->conf);
	return rmdir(place->folder); /* fails when a file was left */
}

/* One TCP and one unix listener, `more` at the top level. */
static const struct conf *
load(struct place *place, const char *more)
{
	struct conf_errors errors = {0};
	char text[2048];
	int n = snprintf(
		text, sizeof(text),
		"workers = 3; %s\n"
		"services = ( { name = \"s\"; backends = ( \"127.0.0.1:1\" ); } );\n"
		"listeners = (\n"
		"  { name = \"tcp\"; bind = \"127.0.0.1:%u\"; mode = \"tcp\"; service = \"s\"; },\n"
		"  { name = \"unix\"; bind = \"unix:%s/front\"; mode = \"tcp\"; service = \"s\"; } "
		");\n",
		more, place->port, place->folder);

	conf_unref(place->conf);
	place->conf = NULL;
	if (conf_load_text(text, (size_t)n, "test", &place->conf, &errors) != 0)
		fail_msg("%s", errors.n > 0 ? errors.list[0].text : "no memory");
	conf_errors_fini(&errors);
	return place->conf;
}

static mode_t
mode_of(const struct place *place, const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", place->folder, name);
	return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void
workers_get_sockets_of_their_own(void **state)
{
	const struct privileges stay = {0};
	struct place *place = *state;
	struct sockets s;
	struct err err = {""};

	assert_int_equal(sockets_open(load(place, ""), &stay, &nothing, &s, &err), 0);
	assert_int_equal(s.listeners[0].n, 3);
	assert_int_equal(s.listeners[1].n, 1);
	for (unsigned worker = 1; worker < 3; worker++) {
		assert_true(s.listeners[0].fds[worker] >= 0);
		assert_int_not_equal(s.listeners[0].fds[worker], s.listeners[0].fds[0]);
	}
	assert_int_equal(s.n_controls, 0);
	assert_int_equal(s.log_fd, -1);
	assert_int_equal(mode_of(place, "front"), 0666);
	sockets_stop_listening(&s);
	assert_int_equal(s.listeners[0].n, 0);
	sockets_stop_listening(&s);
	sockets_close(&s);
	sockets_close(&s);
}

static void
address_in_use_is_named(void **state)
{
	const struct privileges stay = {0};
	struct place *place = *state;
	const struct conf *conf = load(place, "");
	struct sockets s;
	struct sockets second;
	struct err err = {""};
	char want[128];

	assert_int_equal(sockets_open(conf, &stay, &nothing, &s, &err), 0);
	assert_int_equal(sockets_open(conf, &stay, &nothing, &second, &err), -TG_EIO);
	snprintf(want, sizeof(want),
		 "listener \"tcp\": 127.0.0.1:%u: cannot bind: Address already in use",
		 place->port);
	assert_string_equal(err.text, want);
	assert_int_equal(mode_of(place, "front"), 0666); /* the first one's is still there */
	sockets_close(&s);
	assert_int_equal(sockets_open(conf, &stay, &nothing, &s, &err), 0);
	sockets_close(&s);
}

static void
http_port_is_shared_with_nobody(void **state)
{
	const struct privileges stay = {0};
	struct place *place = *state;
	struct addr at = {.len = sizeof(at.u.in)};
	int taken = fake_listen(&at);
	struct sockets s;
	struct err err = {""};
	char more[128];
	char want[128];

	snprintf(more, sizeof(more), "admin = { http = \"%u\"; };", addr_port(&at));
	assert_int_equal(sockets_open(load(place, more), &stay, &nothing, &s, &err), -TG_EIO);
	snprintf(want, sizeof(want), "admin.http: %u: cannot bind: Address already in use",
		 addr_port(&at));
	assert_string_equal(err.text, want);
	close(taken);
	assert_int_equal(sockets_open(place->conf, &stay, &nothing, &s, &err), 0);
	assert_int_equal(s.n_controls, 1);
	at.len = sizeof(at.u);
	assert_int_equal(getsockname(s.controls[0].fds[0], &at.u.sa, &at.len), 0);
	assert_int_equal(at.u.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	sockets_close(&s);
	/* One of our own listeners is as strange. */
	snprintf(more, sizeof(more), "admin = { http = \"127.0.0.1:%u\"; };", place->port);
	assert_int_equal(sockets_open(load(place, more), &stay, &nothing, &s, &err), -TG_EIO);
}

static void
http_may_be_on_all_addresses(void **state)
{
	const struct privileges stay = {0};
	struct place *place = *state;
	struct addr at = {.len = sizeof(at.u)};
	struct sockets s;
	char more[64];

	snprintf(more, sizeof(more), "admin = { http = \"*:%u\"; };", free_port());
	assert_int_equal(sockets_open(load(place, more), &stay, &nothing, &s, NULL), 0);
	assert_int_equal(getsockname(s.controls[0].fds[0], &at.u.sa, &at.len), 0);
	assert_true(at.u.sa.sa_family == AF_INET6 || at.u.in.sin_addr.s_addr == htonl(INADDR_ANY));
	sockets_close(&s);
}

static void
admin_socket_and_log_are_opened(void **state)
{
	const struct privileges stay = {0};
	struct place *place = *state;
	struct sockets s;
	struct err err = {""};
	char more[256];
	char path[128];

	snprintf(more, sizeof(more),
		 "admin = { socket = \"%s/admin\"; }; log = { file = \"%s/log\"; };", place->folder,
		 place->folder);
	assert_int_equal(sockets_open(load(place, more), &stay, &nothing, &s, &err), 0);
	assert_true(s.controls[0].fds[0] >= 0 && s.log_fd >= 0);
	assert_int_equal(mode_of(place, "admin"), 0660);
	assert_int_equal(write(s.log_fd, "one\n", 4), 4);
	sockets_close(&s);
	assert_int_equal(mode_of(place, "admin"), 0);
	assert_int_equal(sockets_open(place->conf, &stay, &nothing, &s, &err), 0);
	assert_int_equal(write(s.log_fd, "two\n", 4), 4);
	assert_int_equal(lseek(s.log_fd, 0, SEEK_END), 8); /* appended */
	sockets_close(&s);
	snprintf(path, sizeof(path), "%s/log", place->folder);
	assert_int_equal(unlink(path), 0);
}

/* Its reader may come later or never: nobody waits for it. */
static void
a_log_that_is_a_pipe_has_a_reader(void **state)
{
	const struct privileges stay = {0};
	struct place *place = *state;
	struct sockets s;
	struct sockets next;
	struct err err = {""};
	char more[256];
	char path[128];
	int reader;

	snprintf(path, sizeof(path), "%s/log", place->folder);
	snprintf(more, sizeof(more), "log = { file = \"%s\"; };", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	fake_limit_start(); /* it would wait for ever */
	assert_int_equal(sockets_open(load(place, more), &stay, &nothing, &s, &err), -TG_EIO);
	assert_non_null(strstr(err.text, "/log: nobody reads this pipe; start its reader first"));
	assert_int_equal(sockets_open(load(place, ""), &stay, &nothing, &s, &err), 0);
	load(place, more);
	assert_int_equal(sockets_try_next(&s, place->conf, &stay, &err), -TG_EIO);
	assert_non_null(strstr(err.text, "nobody reads this pipe"));
	assert_int_equal(sockets_open_next(&s, place->conf, &stay, &next, &err), -TG_EIO);
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(sockets_reopen_log(&s, place->conf, &err), 0);
	assert_int_equal(fcntl(s.log_fd, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND);
	assert_int_equal(write(s.log_fd, "one\n", 4), 4);
	close(reader);
	assert_int_equal(sockets_reopen_log(&s, place->conf, &err), -TG_EIO);
	assert_true(s.log_fd >= 0); /* the one before */
	alarm(0);
	sockets_close(&s);
	assert_int_equal(unlink(path), 0);
}

static void
failure_leaves_nothing_behind(void **state)
{
	const struct privileges stay = {0};
	struct place *place = *state;
	struct sockets s;
	struct err err = {""};

	load(place, "log = { file = \"/nonexistent/log\"; };");
	assert_int_equal(sockets_open(place->conf, &stay, &nothing, &s, &err), -TG_EIO);
	assert_non_null(strstr(err.text, "log.file: /nonexistent/log: cannot open: No such file"));
	assert_int_equal(mode_of(place, "front"), 0);
	load(place, "admin = { socket = \"/nonexistent/admin\"; };");
	assert_int_equal(sockets_open(place->conf, &stay, &nothing, &s, &err), -TG_EIO);
	assert_non_null(strstr(err.text, "admin.socket: /nonexistent/admin: cannot bind"));
	assert_int_equal(sockets_open(load(place, ""), &stay, &nothing, &s, &err),
			 0); /* port is free */
	sockets_close(&s);
}

static void
admin_socket_is_given_to_the_user(void **state)
{
	const struct privileges other = {.drop = true, .uid = 12345, .gid = 23456};
	struct place *place = *state;
	struct sockets s;
	struct stat st;
	struct err err = {""};
	char more[128];

	if (geteuid() != 0)
		skip(); /* needs root */
	snprintf(more, sizeof(more), "admin = { socket = \"%s/admin\"; };", place->folder);
	assert_int_equal(sockets_open(load(place, more), &other, &nothing, &s, &err), 0);
	assert_int_equal(stat(s.controls[0].file.addr.u.un.sun_path, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 23456);
	sockets_close(&s);
}

/* The sockets of `from`, as a new parent gets them. */
static void
inherit(const struct sockets *from, struct inherited *ret)
{
	struct err err = {""};
	struct message m;
	int end[2];

	assert_int_equal(channel_pair(end, NULL), 0);
	assert_int_equal(sockets_give(from, end[0]), 0);
	while (channel_receive(end[1], &m) == 1 && m.type == MSG_GIVE)
		assert_int_equal(inherited_add(ret, m.fd, &m.u.give, &err), 0);
	assert_int_equal(m.type, MSG_GIVEN);
	close(end[0]);
	close(end[1]);
}

static bool
is_same_socket(int a, int b)
{
	struct stat x;
	struct stat y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino;
}

static bool
listens(int fd)
{
	int value = 0;
	socklen_t n = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &n) == 0 && value != 0;
}

static void
open_heir(const struct conf *conf, struct inherited *in, struct sockets *ret)
{
	const struct privileges stay = {0};
	struct err err = {""};

	if (sockets_open(conf, &stay, in, ret, &err) != 0)
		fail_msg("%s", err.text);
}

static void
heir_has_the_same_sockets(void **state)
{
	const struct privileges us = {.uid = geteuid(), .gid = getegid()};
	struct place *place = *state;
	const struct conf *conf = load(place, "");
	struct inherited in = {.list = NULL};
	struct sockets old;
	struct sockets heir;

	open_heir(conf, &nothing, &old);
	inherit(&old, &in);
	open_heir(conf, &in, &heir);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(heir.listeners[i].n, old.listeners[i].n);
		for (size_t j = 0; j < old.listeners[i].n; j++)
			assert_true(
				is_same_socket(heir.listeners[i].fds[j], old.listeners[i].fds[j]));
	}
	sockets_close(&heir); /* it failed: the file is the old one's */
	assert_int_equal(mode_of(place, "front"), 0666);
	inherited_fini(&in);
	inherit(&old, &in);
	open_heir(conf, &in, &heir);
	sockets_disown(&old);
	sockets_own(&heir, &us);
	sockets_close(&old);
	assert_int_equal(mode_of(place, "front"), 0666);
	sockets_close(&heir);
	assert_int_equal(mode_of(place, "front"), 0);
	inherited_fini(&in);
}

/* More are bound beside and listen later; fewer workers have them all. */
static void
heir_with_other_workers_keeps_all(void **state)
{
	struct place *place = *state;
	const struct conf *conf = load(place, "");
	struct conf *other = conf_ref(place->conf);
	struct inherited in = {.list = NULL};
	struct sockets old;
	struct sockets heir;

	open_heir(conf, &nothing, &old);
	inherit(&old, &in);
	other->workers = 5;
	open_heir(other, &in, &heir);
	assert_int_equal(heir.listeners[0].n, 5);
	assert_true(listens(heir.listeners[0].fds[2]));
	assert_false(listens(heir.listeners[0].fds[3]));
	assert_int_equal(heir.listeners[1].n, 1);
	sockets_close(&heir);
	inherited_fini(&in);
	inherit(&old, &in);
	other->workers = 2;
	open_heir(other, &in, &heir);
	assert_int_equal(heir.listeners[0].n, 3);
	sockets_close(&heir);
	inherited_fini(&in);
	sockets_close(&old);
	conf_unref(other);
}

static void
files_nobody_took_are_removed(void **state)
{
	struct place *place = *state;
	struct inherited in = {.list = NULL};
	struct sockets old;

	open_heir(load(place, ""), &nothing, &old);
	inherit(&old, &in);
	inherited_close(&in);
	assert_int_equal(mode_of(place, "front"), 0666);
	inherited_remove_files(&in);
	assert_int_equal(mode_of(place, "front"), 0);
	inherited_fini(&in);
	sockets_close(&old);
}

static void
what_is_no_listening_socket_is_not_inherited(void **state)
{
	const struct msg_give plain = {.use = TG_GIVE_LISTENER};
	const struct msg_give wrong = {.use = TG_GIVE_LISTENER, .device = 1, .inode = 1};
	struct place *place = *state;
	struct inherited in = {.list = NULL};
	struct sockets old;
	struct err err = {""};
	int pair[2];

	assert_int_equal(inherited_add(&in, dup(0), &plain, &err), -TG_EINVAL);
	assert_int_equal(inherited_add(&in, socket(AF_INET, SOCK_DGRAM, 0), &plain, &err),
			 -TG_EINVAL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(inherited_add(&in, pair[0], &plain, &err), -TG_EINVAL);
	close(pair[1]);
	open_heir(load(place, ""), &nothing, &old);
	assert_int_equal(inherited_add(&in, dup(old.listeners[1].fds[0]), &wrong, &err),
			 -TG_EINVAL);
	assert_int_equal(inherited_add(&in, dup(old.listeners[0].fds[0]), &wrong, &err),
			 -TG_EINVAL);
	assert_int_equal(in.n, 0);
	inherited_fini(&in);
	sockets_close(&old);
}

/* A control socket's file admits fewer than a listener's: one does not become the other. */
static void
use_of_a_socket_stays(void **state)
{
	struct place *place = *state;
	struct inherited in = {.list = NULL};
	struct inherited_socket taken;
	struct sockets old;
	const struct addr *a;

	open_heir(load(place, ""), &nothing, &old);
	inherit(&old, &in);
	a = &place->conf->listeners[1].bind.addr;
	assert_false(inherited_take(&in, a, TG_LISTEN_AS_GIVEN, TG_GIVE_CONTROL, &taken));
	assert_true(inherited_take(&in, a, TG_LISTEN_AS_GIVEN, TG_GIVE_LISTENER, &taken));
	close(taken.fd);
	assert_false(inherited_take(&in, a, TG_LISTEN_AS_GIVEN, TG_GIVE_LISTENER, &taken));
	inherited_fini(&in);
	sockets_close(&old);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(workers_get_sockets_of_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(address_in_use_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(http_port_is_shared_with_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(http_may_be_on_all_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(admin_socket_and_log_are_opened, setup, teardown),
		cmocka_unit_test_setup_teardown(a_log_that_is_a_pipe_has_a_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(failure_leaves_nothing_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(admin_socket_is_given_to_the_user, setup, teardown),
		cmocka_unit_test_setup_teardown(heir_has_the_same_sockets, setup, teardown),
		cmocka_unit_test_setup_teardown(heir_with_other_workers_keeps_all, setup, teardown),
		cmocka_unit_test_setup_teardown(files_nobody_took_are_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_listening_socket_is_not_inherited, setup,
						teardown),
		cmocka_unit_test_setup_teardown(use_of_a_socket_stays, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
