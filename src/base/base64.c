#include "base/base64.h"

#include <stdint.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(const void *bytes, size_t n, char *ret)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i += 3, ret += 4) {
		uint32_t bits = (uint32_t)p[i] << 16;

		bits |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
		bits |= i + 2 < n ? p[i + 2] : 0;
		for (unsigned k = 0; k < 4; k++)
			ret[k] = digits[bits >> (18 - 6 * k) & 63];
		if (i + 2 >= n)
			ret[3] = '=';
		if (i + 1 >= n)
			ret[2] = '=';
	}
	*ret = '\0';
}

int
base64_decode(const char *text, size_t n, unsigned char *ret, size_t *ret_n)
{
	uint32_t bits = 0;
	size_t used = 0;
	size_t pad = 0;

	if (n % 4 != 0)
		return -TG_EINVAL;
	while (pad < 2 && n > pad && text[n - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < n; i++) {
		const char *digit = i < n - pad ? memchr(digits, text[i], 64) : digits;

		if (digit == NULL)
			return -TG_EINVAL;
		bits = bits << 6 | (uint32_t)(digit - digits);
		if (i % 4 != 3)
			continue;
		ret[used++] = (unsigned char)(bits >> 16);
		ret[used++] = (unsigned char)(bits >> 8);
		ret[used++] = (unsigned char)bits;
	}
	*ret_n = used - pad;
	return 0;
}
