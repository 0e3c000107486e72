#include "base/crc32c.h"

/* The polynomial 0x1EDC6F41, its bits in reverse. */
#define POLYNOMIAL 0x82F63B78u

uint32_t
crc32c(uint32_t crc, const void *p, size_t n)
{
	const unsigned char *bytes = p;

	crc = ~crc;
	for (size_t i = 0; i < n; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (POLYNOMIAL & (0u - (crc & 1)));
	}
	return ~crc;
}
