#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake/pair.h"
#include "proc/sockets.h"

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

	assert_int_equal(sockets_open(load(place, ""), &stay, &s, &err), 0);
	for (unsigned worker = 1; worker < 3; worker++) {
		assert_true(sockets_listener_fd(&s, 0, worker) >= 0);
		assert_int_not_equal(sockets_listener_fd(&s, 0, worker),
				     sockets_listener_fd(&s, 0, 0));
		assert_int_equal(sockets_listener_fd(&s, 1, worker), sockets_listener_fd(&s, 1, 0));
	}
	assert_int_equal(s.n_controls, 0);
	assert_int_equal(s.log_fd, -1);
	assert_int_equal(mode_of(place, "front"), 0666);
	sockets_stop_listening(&s);
	assert_int_equal(sockets_listener_fd(&s, 0, 2), -1);
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

	assert_int_equal(sockets_open(conf, &stay, &s, &err), 0);
	assert_int_equal(sockets_open(conf, &stay, &second, &err), -TG_EIO);
	snprintf(want, sizeof(want),
		 "listener \"tcp\": 127.0.0.1:%u: cannot bind: Address already in use",
		 place->port);
	assert_string_equal(err.text, want);
	assert_int_equal(mode_of(place, "front"), 0666); /* the first one's is still there */
	sockets_close(&s);
	assert_int_equal(sockets_open(conf, &stay, &s, &err), 0);
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
	assert_int_equal(sockets_open(load(place, more), &stay, &s, &err), -TG_EIO);
	snprintf(want, sizeof(want), "admin.http: %u: cannot bind: Address already in use",
		 addr_port(&at));
	assert_string_equal(err.text, want);
	close(taken);
	assert_int_equal(sockets_open(place->conf, &stay, &s, &err), 0);
	assert_int_equal(s.n_controls, 1);
	at.len = sizeof(at.u);
	assert_int_equal(getsockname(s.controls[0].fd, &at.u.sa, &at.len), 0);
	assert_int_equal(at.u.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	sockets_close(&s);
	/* One of our own listeners is as strange. */
	snprintf(more, sizeof(more), "admin = { http = \"127.0.0.1:%u\"; };", place->port);
	assert_int_equal(sockets_open(load(place, more), &stay, &s, &err), -TG_EIO);
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
	assert_int_equal(sockets_open(load(place, more), &stay, &s, NULL), 0);
	assert_int_equal(getsockname(s.controls[0].fd, &at.u.sa, &at.len), 0);
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
	assert_int_equal(sockets_open(load(place, more), &stay, &s, &err), 0);
	assert_true(s.controls[0].fd >= 0 && s.log_fd >= 0);
	assert_int_equal(mode_of(place, "admin"), 0660);
	assert_int_equal(write(s.log_fd, "one\n", 4), 4);
	sockets_close(&s);
	assert_int_equal(mode_of(place, "admin"), 0);
	assert_int_equal(sockets_open(place->conf, &stay, &s, &err), 0);
	assert_int_equal(write(s.log_fd, "two\n", 4), 4);
	assert_int_equal(lseek(s.log_fd, 0, SEEK_END), 8); /* appended */
	sockets_close(&s);
	snprintf(path, sizeof(path), "%s/log", place->folder);
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
	assert_int_equal(sockets_open(place->conf, &stay, &s, &err), -TG_EIO);
	assert_non_null(strstr(err.text, "log.file: /nonexistent/log: cannot open: No such file"));
	assert_int_equal(mode_of(place, "front"), 0);
	load(place, "admin = { socket = \"/nonexistent/admin\"; };");
	assert_int_equal(sockets_open(place->conf, &stay, &s, &err), -TG_EIO);
	assert_non_null(strstr(err.text, "admin.socket: /nonexistent/admin: cannot bind"));
	assert_int_equal(sockets_open(load(place, ""), &stay, &s, &err), 0); /* port is free */
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
	assert_int_equal(sockets_open(load(place, more), &other, &s, &err), 0);
	assert_int_equal(stat(s.controls[0].file.addr.u.un.sun_path, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 23456);
	sockets_close(&s);
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
		cmocka_unit_test_setup_teardown(failure_leaves_nothing_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(admin_socket_is_given_to_the_user, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
