#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/pair.h"
#include "tls/kernel.h"

/* As a connection finds it, which may have it. */
static void
what_is_told_is_so(void **state)
{
	static const char name[] = "tls";
	int fds[2];
	bool is_taken;

	(void)state;
	fake_pair_tcp(fds);
	is_taken = setsockopt(fds[0], IPPROTO_TCP, TCP_ULP, name, sizeof(name)) == 0;
	assert_true(tls_kernel_offers() == is_taken);
	close(fds[0]);
	close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_told_is_so)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
