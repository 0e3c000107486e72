/*
 * Address text to values. What is accepted must read the same after being
 * written; a prefix must hold its own address.
 */
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "fuzz/fuzz.h"

static void
check_endpoint(const char *text, unsigned flags)
{
	char shown[TG_ADDR_STRLEN];
	struct endpoint again;
	struct endpoint e;
	struct err err = {.text = ""};

	if (endpoint_parse(text, flags, &e, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return;
	}
	if (e.kind == TG_ENDPOINT_SRV) {
		if (!(flags & TG_ENDPOINT_NAMES) || e.host[0] == '\0' || e.port != 0)
			abort();
		return;
	}
	if (e.kind == TG_ENDPOINT_NAME) {
		if (!(flags & TG_ENDPOINT_NAMES) || e.host[0] == '\0' || e.port == 0)
			abort();
		return;
	}
	addr_format(&e.addr, shown, sizeof(shown));
	if (endpoint_parse(shown, 0, &again, &err) < 0 || !addr_equal(&e.addr, &again.addr))
		abort();
}

static void
check_prefix(const char *text)
{
	struct prefix p;
	struct err err;

	if (prefix_parse(text, &p, &err) == 0 && (p.bits > 128 || !prefix_has(&p, &p.ip)))
		abort();
}

static void
check_ip(const char *text, size_t n)
{
	char shown[INET6_ADDRSTRLEN];
	struct ip again;
	struct ip ip;

	if (ip_parse(text, n, &ip) < 0)
		return;
	n = ip_format(&ip, shown, sizeof(shown));
	if (n == 0 || ip_parse(shown, n, &again) < 0 || memcmp(&ip, &again, sizeof(ip)) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	char *text = malloc(len + 1);

	if (!text)
		abort();
	if (len > 0)
		memcpy(text, input, len);
	text[len] = '\0';
	for (unsigned flags = 0; flags < 4; flags++)
		check_endpoint(text, flags);
	check_prefix(text);
	if (len > 0)
		check_ip((const char *)input, len);
	free(text);
	return 0;
}
