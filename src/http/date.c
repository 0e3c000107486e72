#include "http/date.h"

#include <string.h>
#include <time.h>

static void
put_digits(char *to, unsigned n, unsigned v)
{
	while (n-- > 0) {
		to[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

void
http_date_write(struct wall t, char to[HTTP_DATE_LEN])
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t seconds = (time_t)(t.us / 1000000u);
	struct tm tm = {.tm_mday = 1};

	(void)!gmtime_r(&seconds, &tm);
	memcpy(to, "Sun, 06 Nov 1994 08:49:37 GMT", HTTP_DATE_LEN);
	memcpy(to, days + 3 * tm.tm_wday, 3);
	put_digits(to + 5, 2, (unsigned)tm.tm_mday);
	memcpy(to + 8, months + 3 * tm.tm_mon, 3);
	put_digits(to + 12, 4, (unsigned)tm.tm_year + 1900);
	put_digits(to + 17, 2, (unsigned)tm.tm_hour);
	put_digits(to + 20, 2, (unsigned)tm.tm_min);
	put_digits(to + 23, 2, (unsigned)tm.tm_sec);
}
