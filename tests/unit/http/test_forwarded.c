#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "http/forwarded.h"

static const char *const lists[] = {
	/* RFC 7239 4 and 7.1 */
	"for=\"_gazonk\"",
	"For=\"[2001:db8:cafe::17]:4711\"",
	"for=192.0.2.60;proto=http;by=203.0.113.43",
	"for=192.0.2.43, for=198.51.100.17",
	"for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown",
	/* RFC 9110 5.6.1.2: elements may be empty; RFC 7239 4: so may pairs. */
	"",
	" \t",
	",",
	";",
	", ,for=a,, ;;for=b;,",
	"for=a ; by=b",
	/* inside quotes everything is the value's */
	"for=\"\"",
	"for=\"a,b;c=d\"",
	"for=\"\\\"\"",
	"for=\"\\\\\", by=b",
	"for=\"\xe4\t\"",
	"anything=else",
};

static const char *const broken[] = {
	"for=\"",
	"for=\"a",
	"for=\"a\\\"",
	"for=\"a\\",
	"for=a, for=\"b",
	"for=\"a\"b",
	"for=\"a\"\"b\"",
	"for=a\"",
	"for",
	"for=",
	"for=;by=b",
	"for=,for=b",
	"=a",
	"for==a",
	"for =a",
	"for= a",
	"for=a b",
	"for=a by=b",
	"for=192.0.2.1:80",
	"for=[::1]",
	"\"for\"=a",
	"for=a, \"",
	"192.0.2.1",
	"for=(a)",
	"for=\xe4",
	"for=\"\x01\"",
};

/* Each byte at the end of memory that is exactly as long: reading on is noticed. */
static bool
is_list(const char *text)
{
	size_t n = strlen(text);
	char *exact = malloc(n > 0 ? n : 1);
	bool is;

	assert_non_null(exact);
	memcpy(exact, text, n);
	is = http_forwarded_is_list((struct slice){exact, n});
	free(exact);
	return is;
}

static void
lists_are_told_from_what_is_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (!is_list(lists[i]))
			fail_msg("refused: %s", lists[i]);
	}
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		if (is_list(broken[i]))
			fail_msg("taken: %s", broken[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_told_from_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
