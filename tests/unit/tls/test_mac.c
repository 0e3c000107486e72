#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tls/mac.h"

/* RFC 4231, test cases 1, 2 and 6: the first 16 bytes, in base64url. */
static void
codes_are_those_of_the_rfc(void **state)
{
	unsigned char key[131];
	char text[TG_MAC_TEXT_LEN + 1];

	(void)state;
	memset(key, 0x0b, 20);
	assert_int_equal(mac_text(key, 20, "Hi There", 8, text), 0);
	assert_string_equal(text, "sDRMYdjbOFNcqK_OrwvxKw");
	assert_int_equal(mac_text("Jefe", 4, "what do ya want for nothing?", 28, text), 0);
	assert_string_equal(text, "W9zBRr9gdU5qBCQmCJV1xw");
	memset(key, 0xaa, 131);
	assert_int_equal(mac_text(key, 131,
				  "Test Using Larger Than Block-Size Key - Hash Key First", 54,
				  text),
			 0);
	assert_string_equal(text, "YOQxWR7gtn8Niiaqy_W3fw");
}

/* RFC 4231, test case 2, whole. */
static void
codes_in_hexadecimal_are_whole(void **state)
{
	char text[TG_MAC_HEX_LEN + 1];

	(void)state;
	assert_int_equal(mac_hex("Jefe", 4, "what do ya want for nothing?", 28, text), 0);
	assert_string_equal(text,
			    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

/* RFC 6455 1.3 */
static void
websockets_are_accepted_as_the_rfc_says(void **state)
{
	char text[TG_WEBSOCKET_ACCEPT_LEN + 1];
	char long_key[65];

	(void)state;
	assert_int_equal(mac_websocket("dGhlIHNhbXBsZSBub25jZQ==", 24, text), 0);
	assert_string_equal(text, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	memset(long_key, 'a', sizeof(long_key));
	assert_int_equal(mac_websocket(long_key, sizeof(long_key), text), -TG_EIO);
}

static void
random_bytes_differ(void **state)
{
	unsigned char a[32] = {0};
	unsigned char b[32] = {0};

	(void)state;
	assert_int_equal(mac_random(a, sizeof(a)), 0);
	assert_int_equal(mac_random(b, sizeof(b)), 0);
	assert_memory_not_equal(a, b, sizeof(a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_are_those_of_the_rfc),
		cmocka_unit_test(codes_in_hexadecimal_are_whole),
		cmocka_unit_test(websockets_are_accepted_as_the_rfc_says),
		cmocka_unit_test(random_bytes_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
