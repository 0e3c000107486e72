/* Files of time zones: refused in words, or a zone whose clock can be asked at any time and back. */
#include <stdlib.h>
#include <string.h>

#include "base/zone.h"
#include "fuzz/fuzz.h"

static void
must(bool is_true)
{
	if (!is_true)
		abort();
}

static void
ask(const struct zone *zone, int64_t at)
{
	struct zone_date d = zone_date(zone, at);
	int64_t back;

	must(d.month >= 1 && d.month <= 12 && d.day >= 1 && d.day <= 31);
	must(d.hour < 24 && d.minute < 60 && d.weekday < 7);
	back = zone_time(zone, &d);
	/* Twice or jumped over: not far away all the same. */
	must(llabs((long long)(back - at)) <= 4 * 86400);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct err err = {.text = ""};
	struct zone *zone;

	if (zone_parse(input, len, &zone, &err) < 0) {
		must(err.text[0] != '\0');
		return 0;
	}
	for (int64_t at = -4000000000; at < 9000000000; at += 97654321)
		ask(zone, at);
	zone_free(zone);
	return 0;
}
