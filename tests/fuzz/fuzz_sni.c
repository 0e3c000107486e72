/* Any bytes as the body of extension server_name: a name that is told is a host name, and says itself again. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "tls/sni.h"

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
check_again(const char *name)
{
	unsigned char body[TG_SNI_MAX + 5];
	size_t n = strlen(name);
	char again[TG_SNI_MAX + 1];

	must(n > 0 && n <= TG_SNI_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == n);
	must(name[0] != '.' && name[n - 1] != '.' && strstr(name, "..") == NULL);
	body[0] = (unsigned char)((n + 3) >> 8);
	body[1] = (unsigned char)(n + 3);
	body[2] = 0;
	body[3] = (unsigned char)(n >> 8);
	body[4] = (unsigned char)n;
	memcpy(body + 5, name, n);
	must(sni_parse(body, n + 5, again) == 0 && strcmp(name, again) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	/* A copy of its own, so that a read past its end is seen. */
	unsigned char *body = malloc(len + (len == 0));
	char name[TG_SNI_MAX + 1] = "untouched";
	int rc;

	must(body != NULL);
	memcpy(body, input, len);
	rc = sni_parse(body, len, name);
	must(rc == 0 || rc == -TG_EPROTO || rc == -TG_EINVAL);
	if (rc == 0)
		check_again(name);
	else
		must(strcmp(name, "untouched") == 0);
	free(body);
	return 0;
}
