/*
 * base/crc32c.h: the checksum CRC-32C (RFC 4960 appendix B). Not for hash tables, nor against malice.
 */
#ifndef TG_BASE_CRC32C_H
#define TG_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* In pieces: `crc` is what the piece before gave, 0 for the first. A few hundred bytes at a time: it
 * takes them bit by bit. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

#endif
