#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/listen.h"

static const struct conf_tcp no_tcp;

/* A loopback address nobody listens on at this moment. */
static struct addr
free_addr(int family)
{
	struct addr a = {.len = sizeof(a.u.in)};
	int fd = socket(family, SOCK_STREAM, 0);

	a.u.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET6) {
		a.len = sizeof(a.u.in6);
		a.u.in6.sin6_addr = in6addr_loopback;
	} else {
		a.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	close(fd);
	return a;
}

static struct addr
any_v6(uint16_t port)
{
	struct addr a = {.len = sizeof(a.u.in6)};

	a.u.in6.sin6_family = AF_INET6;
	a.u.in6.sin6_port = htons(port);
	return a;
}

static int
can_connect(const struct addr *a)
{
	int fd = socket(a->u.sa.sa_family, SOCK_STREAM, 0);
	int rc = connect(fd, &a->u.sa, a->len);

	close(fd);
	return rc == 0;
}

static int
option(int fd, int level, int name)
{
	int value = -1;
	socklen_t n = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &n), 0);
	return value;
}

static void
workers_share_an_address(void **state)
{
	struct addr a = free_addr(AF_INET);
	int one;
	int two;

	(void)state;
	assert_int_equal(listen_probe(&a, TG_LISTEN_AS_GIVEN, NULL), 0);
	assert_int_equal(listen_open(&a, TG_LISTEN_AS_GIVEN, 10, &no_tcp, &one, NULL), 0);
	assert_int_equal(listen_open(&a, TG_LISTEN_AS_GIVEN, 10, &no_tcp, &two, NULL), 0);
	assert_true(can_connect(&a));
	assert_int_equal(option(one, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(fcntl(one, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(one, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	close(one);
	close(two);
}

static void
probe_sees_a_stranger_that_shares(void **state)
{
	struct addr a = free_addr(AF_INET);
	struct err err = {""};
	int stranger;

	(void)state;
	assert_int_equal(listen_open(&a, TG_LISTEN_AS_GIVEN, 10, &no_tcp, &stranger, NULL), 0);
	assert_int_equal(listen_probe(&a, TG_LISTEN_AS_GIVEN, &err), -TG_EIO);
	assert_string_equal(err.text, "cannot bind: Address already in use");
	close(stranger);
}

static void
foreign_address_is_an_error(void **state)
{
	struct addr a = free_addr(AF_INET);
	struct err err = {""};
	int fd = -7;

	(void)state;
	a.u.in.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1, RFC 5737 */
	assert_int_equal(listen_open(&a, TG_LISTEN_AS_GIVEN, 10, &no_tcp, &fd, &err), -TG_EIO);
	assert_int_equal(fd, -7);
	assert_non_null(strstr(err.text, "Cannot assign requested address"));
}

static void
wildcard_takes_both_families(void **state)
{
	struct addr v4 = free_addr(AF_INET);
	struct addr any = any_v6(addr_port(&v4));
	int fd;

	(void)state;
	assert_int_equal(listen_open(&any, TG_LISTEN_BOTH, 10, &no_tcp, &fd, NULL), 0);
	assert_true(can_connect(&v4));
	close(fd);
	assert_int_equal(listen_open(&any, TG_LISTEN_AS_GIVEN, 10, &no_tcp, &fd, NULL), 0);
	assert_false(can_connect(&v4));
	close(fd);
}

/* From now on this process lives on a machine without IPv6. */
static int
forbid_ipv6(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* In a child: 0 when all went well, else the number of the step. */
static int
serve_without_ipv6(const struct addr *v4)
{
	struct addr any = any_v6(addr_port(v4));
	int fd;

	if (forbid_ipv6() != 0)
		return 1;
	if (listen_open(&any, TG_LISTEN_AS_GIVEN, 10, &no_tcp, &fd, NULL) != -TG_EIO)
		return 2;
	if (listen_probe(&any, TG_LISTEN_BOTH, NULL) != 0)
		return 3;
	if (listen_open(&any, TG_LISTEN_BOTH, 10, &no_tcp, &fd, NULL) != 0)
		return 4;
	return can_connect(v4) ? 0 : 5;
}

static void
wildcard_falls_back_to_ipv4(void **state)
{
	struct addr v4 = free_addr(AF_INET);
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(serve_without_ipv6(&v4));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

struct unix_place {
	char folder[64];
	struct addr addr;
	const char *path;
};

static int
setup_unix(void **state)
{
	static struct unix_place place;

	snprintf(place.folder, sizeof(place.folder), "/tmp/test-listen-XXXXXX");
	if (mkdtemp(place.folder) == NULL)
		return -1;
	place.addr = (struct addr){.len = sizeof(place.addr.u.un)};
	place.addr.u.un.sun_family = AF_UNIX;
	place.path = place.addr.u.un.sun_path;
	snprintf(place.addr.u.un.sun_path, sizeof(place.addr.u.un.sun_path), "%s/socket",
		 place.folder);
	*state = &place;
	return 0;
}

static int
teardown_unix(void **state)
{
	struct unix_place *place = *state;

	unlink(place->path);
	return rmdir(place->folder);
}

static void
unix_socket_has_its_mode(void **state)
{
	struct unix_place *place = *state;
	struct stat st;
	mode_t mask = umask(0022);
	int fd;

	assert_int_equal(listen_open_unix(&place->addr, 10, 0660, &fd, NULL), 0);
	assert_int_equal(stat(place->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_true(can_connect(&place->addr));
	assert_int_equal(umask(mask), 0022);
	close(fd);
}

static void
stale_unix_socket_is_replaced(void **state)
{
	struct unix_place *place = *state;
	int fd;

	assert_int_equal(listen_open_unix(&place->addr, 10, 0666, &fd, NULL), 0);
	close(fd);
	assert_int_equal(listen_open_unix(&place->addr, 10, 0666, &fd, NULL), 0);
	assert_true(can_connect(&place->addr));
	close(fd);
}

static void
live_unix_socket_is_left_alone(void **state)
{
	struct unix_place *place = *state;
	struct err err = {""};
	int fd;
	int second;

	assert_int_equal(listen_open_unix(&place->addr, 10, 0666, &fd, NULL), 0);
	assert_int_equal(listen_open_unix(&place->addr, 10, 0666, &second, &err), -TG_EEXIST);
	assert_non_null(strstr(err.text, "Address already in use"));
	assert_true(can_connect(&place->addr));
	close(fd);
}

static void
other_files_are_left_alone(void **state)
{
	struct unix_place *place = *state;
	struct err err = {""};
	int fd = open(place->path, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(listen_open_unix(&place->addr, 10, 0666, &fd, &err), -TG_EEXIST);
	assert_non_null(strstr(err.text, "no socket"));
	assert_int_equal(access(place->path, F_OK), 0);
}

static void
only_the_own_file_is_removed(void **state)
{
	struct unix_place *place = *state;
	struct listen_file file;
	struct listen_file none = {.addr = {.len = 0}};
	char elsewhere[128];
	int fd;
	int second;

	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", place->folder);
	assert_int_equal(listen_open_unix(&place->addr, 10, 0666, &fd, NULL), 0);
	file = listen_file_of(&place->addr);
	assert_int_equal(rename(place->path, elsewhere), 0);
	assert_int_equal(listen_open_unix(&place->addr, 10, 0666, &second, NULL), 0);
	listen_file_remove(&file); /* another one's now */
	assert_int_equal(access(place->path, F_OK), 0);
	assert_int_equal(rename(elsewhere, place->path), 0);
	listen_file_remove(&none);
	listen_file_remove(&file);
	assert_int_equal(access(place->path, F_OK), -1);
	close(fd);
	close(second);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_share_an_address),
		cmocka_unit_test(probe_sees_a_stranger_that_shares),
		cmocka_unit_test(foreign_address_is_an_error),
		cmocka_unit_test(wildcard_takes_both_families),
		cmocka_unit_test(wildcard_falls_back_to_ipv4),
		cmocka_unit_test_setup_teardown(unix_socket_has_its_mode, setup_unix,
						teardown_unix),
		cmocka_unit_test_setup_teardown(stale_unix_socket_is_replaced, setup_unix,
						teardown_unix),
		cmocka_unit_test_setup_teardown(live_unix_socket_is_left_alone, setup_unix,
						teardown_unix),
		cmocka_unit_test_setup_teardown(other_files_are_left_alone, setup_unix,
						teardown_unix),
		cmocka_unit_test_setup_teardown(only_the_own_file_is_removed, setup_unix,
						teardown_unix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
