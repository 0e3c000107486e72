#include "net/proxy_header.h"

#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"

/* 2.1 */
#define V1_BEGIN "PROXY "
#define V1_MAX   107u
/* 2.2 */
#define V2_FIXED   16u
#define V2_VERSION 0x20u
#define V2_LOCAL   0x00u
#define V2_PROXY   0x01u
#define V2_INET    12u
#define V2_INET6   36u
#define V2_UNIX    216u
#define TLV_FIXED  3u
#define SSL_FIXED  5u
#define CRC_BYTES  4u
#define CLIENT_SSL 0x01u

static const unsigned char signature[12] = {
	'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n',
};

enum tlv_type {
	TLV_ALPN = 0x01,
	TLV_AUTHORITY = 0x02,
	TLV_CRC32C = 0x03,
	TLV_ID = 0x05,
	TLV_SSL = 0x20,
	TLV_SSL_VERSION = 0x21,
	TLV_SSL_CN = 0x22,
	TLV_SSL_CIPHER = 0x23
};

const char *
proxy_fault_str(unsigned fault)
{
	static const char *const words[TG_PROXY_FAULT_COUNT] = {
#define PROXY_FAULT_WORD(id, word, help) [TG_PROXY_FAULT_##id] = word,
		TG_PROXY_FAULTS(PROXY_FAULT_WORD)
#undef PROXY_FAULT_WORD
	};

	return fault < TG_PROXY_FAULT_COUNT ? words[fault] : "?";
}

static size_t
read16(const unsigned char *p)
{
	return (size_t)p[0] << 8 | p[1];
}

static uint32_t
read32(const unsigned char *p)
{
	return (uint32_t)read16(p) << 16 | (uint32_t)read16(p + 2);
}

/*** version 1 ***/

/* What is left of a line. */
struct words {
	const char *p;
	size_t n;
};

/* The next word, and the one space that must stand before it. */
static bool
next_word(struct words *w, struct proxy_text *ret)
{
	const char *end;

	if (w->n == 0 || w->p[0] != ' ')
		return false;
	ret->p = w->p + 1;
	end = memchr(ret->p, ' ', w->n - 1);
	ret->n = end != NULL ? (size_t)(end - ret->p) : w->n - 1;
	w->n -= ret->n + 1;
	w->p += ret->n + 1;
	return ret->n > 0;
}

static bool
next_ip(struct words *w, bool is_v6, struct ip *ret)
{
	struct proxy_text text;

	if (!next_word(w, &text) || (memchr(text.p, ':', text.n) != NULL) != is_v6)
		return false;
	return ip_parse(text.p, text.n, ret) == 0;
}

/* Decimal, without zeros in front. */
static bool
next_port(struct words *w, uint16_t *ret)
{
	struct proxy_text text;
	unsigned port = 0;

	if (!next_word(w, &text) || text.n > 5 || (text.n > 1 && text.p[0] == '0'))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		port = port * 10 + (unsigned)(text.p[i] - '0');
	}
	*ret = (uint16_t)port;
	return port <= UINT16_MAX;
}

/* `w`: behind "PROXY", without its end. */
static bool
read_line(struct words w, struct proxy_header *ret)
{
	struct proxy_text family;
	bool is_v6;

	if (!next_word(&w, &family))
		return false;
	/* What may stand behind it is to be ignored (2.1). */
	if (family.n == 7 && memcmp(family.p, "UNKNOWN", 7) == 0)
		return true;
	if (family.n != 4 || memcmp(family.p, "TCP", 3) != 0)
		return false;
	is_v6 = family.p[3] == '6';
	if (!is_v6 && family.p[3] != '4')
		return false;
	ret->has_addrs = true;
	return next_ip(&w, is_v6, &ret->from) && next_ip(&w, is_v6, &ret->to) &&
	       next_port(&w, &ret->from_port) && next_port(&w, &ret->to_port) && w.n == 0;
}

static enum proxy_fault
parse_v1(const unsigned char *p, size_t n, struct proxy_header *ret, size_t *ret_n)
{
	const size_t begin = sizeof(V1_BEGIN) - 2;
	const unsigned char *end = memchr(p, '\n', n < V1_MAX ? n : V1_MAX);
	size_t line_n;

	if (end == NULL)
		return n < V1_MAX ? TG_PROXY_FAULT_NONE : TG_PROXY_FAULT_LENGTH;
	line_n = (size_t)(end - p);
	if (p[line_n - 1] != '\r')
		return TG_PROXY_FAULT_PROTOCOL;
	ret->version = 1;
	if (!read_line((struct words){(const char *)p + begin, line_n - 1 - begin}, ret))
		return TG_PROXY_FAULT_PROTOCOL;
	*ret_n = line_n + 1;
	return TG_PROXY_FAULT_NONE;
}

/*** version 2 ***/

struct tlv {
	unsigned type;
	const unsigned char *p;
	size_t n;
};

/* The next of the `*n` bytes at `*p`; false: they are over, or *ret_bad. */
static bool
next_tlv(const unsigned char **p, size_t *n, struct tlv *ret, bool *ret_bad)
{
	if (*n == 0)
		return false;
	if (*n < TLV_FIXED || read16(*p + 1) > *n - TLV_FIXED) {
		*ret_bad = true;
		return false;
	}
	*ret = (struct tlv){(*p)[0], *p + TLV_FIXED, read16(*p + 1)};
	*p = ret->p + ret->n;
	*n -= TLV_FIXED + ret->n;
	return true;
}

/* Of several the first one counts. */
static void
keep_text(struct proxy_text *text, const struct tlv *tlv)
{
	if (text->n == 0)
		*text = (struct proxy_text){(const char *)tlv->p, tlv->n};
}

/* 2.2.6 */
static bool
read_ssl(const struct tlv *ssl, struct proxy_header *ret)
{
	const unsigned char *p;
	bool is_bad = false;
	struct tlv sub;
	size_t n;

	if (ssl->n < SSL_FIXED)
		return false;
	p = ssl->p + SSL_FIXED;
	n = ssl->n - SSL_FIXED;
	if ((ssl->p[0] & CLIENT_SSL) == 0)
		return true;
	ret->has_tls = true;
	ret->is_verified = (ssl->p[0] & ~CLIENT_SSL) != 0 && read32(ssl->p + 1) == 0;
	while (next_tlv(&p, &n, &sub, &is_bad)) {
		if (sub.type == TLV_SSL_VERSION)
			keep_text(&ret->tls_version, &sub);
		else if (sub.type == TLV_SSL_CIPHER)
			keep_text(&ret->tls_cipher, &sub);
		else if (sub.type == TLV_SSL_CN)
			keep_text(&ret->tls_name, &sub);
	}
	return !is_bad;
}

/* 2.2.3: of the whole header, its own bytes taken for 0. */
static bool
checksum_holds(const unsigned char *header, size_t n, const unsigned char *stored)
{
	static const unsigned char zeros[CRC_BYTES];
	size_t before = (size_t)(stored - header);
	uint32_t crc = crc32c(0, header, before);

	crc = crc32c(crc, zeros, sizeof(zeros));
	crc = crc32c(crc, stored + CRC_BYTES, n - before - CRC_BYTES);
	return crc == read32(stored);
}

static bool
read_tlv(const struct tlv *tlv, struct proxy_header *ret)
{
	switch (tlv->type) {
	case TLV_ALPN:
		keep_text(&ret->alpn, tlv);
		return true;
	case TLV_AUTHORITY:
		keep_text(&ret->authority, tlv);
		return true;
	case TLV_ID:
		keep_text(&ret->id, tlv);
		return tlv->n <= TG_PROXY_ID_MAX;
	case TLV_SSL:
		return read_ssl(tlv, ret);
	default:
		return true;
	}
}

/* From `at` to the end of the header. */
static enum proxy_fault
read_tlvs(const unsigned char *header, size_t at, size_t header_n, struct proxy_header *ret)
{
	const unsigned char *p = header + at;
	size_t n = header_n - at;
	bool is_bad = false;
	struct tlv tlv;

	while (next_tlv(&p, &n, &tlv, &is_bad)) {
		if (tlv.type == TLV_CRC32C && tlv.n != CRC_BYTES)
			return TG_PROXY_FAULT_PROTOCOL;
		if (tlv.type == TLV_CRC32C && !checksum_holds(header, header_n, tlv.p))
			return TG_PROXY_FAULT_CHECKSUM;
		if (!read_tlv(&tlv, ret))
			return TG_PROXY_FAULT_PROTOCOL;
	}
	return is_bad ? TG_PROXY_FAULT_PROTOCOL : TG_PROXY_FAULT_NONE;
}

static void
read_inet(const unsigned char *p, struct proxy_header *ret)
{
	struct addr a = {.len = sizeof(a.u.in)};

	a.u.in.sin_family = AF_INET;
	memcpy(&a.u.in.sin_addr, p, 4);
	(void)addr_ip(&a, &ret->from);
	memcpy(&a.u.in.sin_addr, p + 4, 4);
	(void)addr_ip(&a, &ret->to);
	ret->from_port = (uint16_t)read16(p + 8);
	ret->to_port = (uint16_t)read16(p + 10);
}

static void
read_inet6(const unsigned char *p, struct proxy_header *ret)
{
	memcpy(ret->from.b, p, 16);
	memcpy(ret->to.b, p + 16, 16);
	ret->from_port = (uint16_t)read16(p + 32);
	ret->to_port = (uint16_t)read16(p + 34);
}

/*
 * What a client of this connection cannot have, datagrams or a unix socket, is as good as not known (2.2); of
 * AF_UNSPEC nobody knows how long its addresses are, and what is behind them.
 */
static enum proxy_fault
read_block(const unsigned char *header, size_t header_n, struct proxy_header *ret)
{
	static const uint8_t addrs_n[] = {0, V2_INET, V2_INET6, V2_UNIX};
	unsigned family = header[13] >> 4;
	unsigned protocol = header[13] & 0x0f;

	if (family > 3 || protocol > 2)
		return TG_PROXY_FAULT_PROTOCOL;
	if (family == 0 || protocol == 0)
		return TG_PROXY_FAULT_NONE;
	if (header_n - V2_FIXED < addrs_n[family])
		return TG_PROXY_FAULT_PROTOCOL;
	ret->has_addrs = protocol == 1 && family != 3;
	if (ret->has_addrs && family == 1)
		read_inet(header + V2_FIXED, ret);
	else if (ret->has_addrs)
		read_inet6(header + V2_FIXED, ret);
	return read_tlvs(header, V2_FIXED + addrs_n[family], header_n, ret);
}

static enum proxy_fault
parse_v2(const unsigned char *p, size_t n, struct proxy_header *ret, size_t *ret_n)
{
	enum proxy_fault fault = TG_PROXY_FAULT_NONE;
	size_t header_n;

	if (n > 12 && (p[12] & 0xf0) != V2_VERSION)
		return TG_PROXY_FAULT_PROTOCOL;
	if (n > 12 && (p[12] & 0x0f) > V2_PROXY)
		return TG_PROXY_FAULT_PROTOCOL;
	if (n < V2_FIXED)
		return TG_PROXY_FAULT_NONE;
	header_n = V2_FIXED + read16(p + 14);
	if (header_n > TG_PROXY_HEADER_MAX)
		return TG_PROXY_FAULT_LENGTH;
	if (n < header_n)
		return TG_PROXY_FAULT_NONE;
	ret->version = 2;
	ret->is_local = (p[12] & 0x0f) == V2_LOCAL;
	if (!ret->is_local)
		fault = read_block(p, header_n, ret);
	if (fault == TG_PROXY_FAULT_NONE)
		*ret_n = header_n;
	return fault;
}

static bool
begins(const unsigned char *p, size_t n, const void *with, size_t with_n)
{
	return memcmp(p, with, n < with_n ? n : with_n) == 0;
}

enum proxy_fault
proxy_header_parse(const unsigned char *p, size_t n, struct proxy_header *ret, size_t *ret_n)
{
	*ret_n = 0;
	*ret = (struct proxy_header){.version = 0};
	if (n == 0)
		return TG_PROXY_FAULT_NONE;
	if (begins(p, n, signature, sizeof(signature)))
		return parse_v2(p, n, ret, ret_n);
	if (begins(p, n, V1_BEGIN, sizeof(V1_BEGIN) - 1))
		return parse_v1(p, n, ret, ret_n);
	return TG_PROXY_FAULT_MISSING;
}

/*** writing ***/

/* Room is checked by who adds: TG_PROXY_WRITTEN_MAX holds all that is bounded by TG_PROXY_TEXT_MAX. */
static size_t
put16(unsigned char *p, size_t value)
{
	p[0] = (unsigned char)(value >> 8);
	p[1] = (unsigned char)value;
	return 2;
}

static size_t
put_tlv(unsigned char *p, enum tlv_type type, struct proxy_text text, size_t max)
{
	if (text.n == 0 || text.n > max)
		return 0;
	p[0] = (unsigned char)type;
	(void)put16(p + 1, text.n);
	memcpy(p + TLV_FIXED, text.p, text.n);
	return TLV_FIXED + text.n;
}

static size_t
put_ssl(unsigned char *p, const struct proxy_header *h)
{
	size_t n = TLV_FIXED;

	if (!h->has_tls)
		return 0;
	p[0] = TLV_SSL;
	p[n++] = CLIENT_SSL;
	memset(p + n, 0, 4);
	/* As if none was shown: who has shown one, and when, is not known here. */
	p[n + 3] = 1;
	n += 4;
	n += put_tlv(p + n, TLV_SSL_VERSION, h->tls_version, TG_PROXY_TEXT_MAX / 4);
	n += put_tlv(p + n, TLV_SSL_CIPHER, h->tls_cipher, TG_PROXY_TEXT_MAX / 4);
	(void)put16(p + 1, n - TLV_FIXED);
	return n;
}

static bool
is_inet(const struct proxy_header *h)
{
	return ip_is_v4(&h->from) && ip_is_v4(&h->to);
}

static size_t
put_addrs(unsigned char *p, const struct proxy_header *h)
{
	size_t skip = is_inet(h) ? 12 : 0;
	size_t ip_n = sizeof(h->from.b) - skip;

	memcpy(p, h->from.b + skip, ip_n);
	memcpy(p + ip_n, h->to.b + skip, ip_n);
	(void)put16(p + 2 * ip_n, h->from_port);
	(void)put16(p + 2 * ip_n + 2, h->to_port);
	return 2 * ip_n + 4;
}

static size_t
write_v2(const struct proxy_header *h, unsigned char *to)
{
	size_t n = V2_FIXED;

	memcpy(to, signature, sizeof(signature));
	to[12] = V2_VERSION | (h->is_local ? V2_LOCAL : V2_PROXY);
	to[13] = 0;
	if (!h->is_local && h->has_addrs) {
		to[13] = is_inet(h) ? 0x11 : 0x21;
		n += put_addrs(to + n, h);
		n += put_tlv(to + n, TLV_ALPN, h->alpn, TG_PROXY_TEXT_MAX);
		n += put_tlv(to + n, TLV_AUTHORITY, h->authority, TG_PROXY_TEXT_MAX);
		n += put_tlv(to + n, TLV_ID, h->id, TG_PROXY_ID_MAX);
		n += put_ssl(to + n, h);
	}
	(void)put16(to + 14, n - V2_FIXED);
	return n;
}

/* Where one of the two is IPv4 and the other is not, both are written as IPv6. */
static void
format_ip(const struct ip *ip, bool is_v6, char buf[TG_ADDR_STRLEN])
{
	if (!is_v6 || !ip_is_v4(ip))
		(void)ip_format(ip, buf, TG_ADDR_STRLEN);
	else
		snprintf(buf, TG_ADDR_STRLEN, "::ffff:%u.%u.%u.%u", ip->b[12], ip->b[13], ip->b[14],
			 ip->b[15]);
}

static size_t
write_v1(const struct proxy_header *h, unsigned char *to)
{
	bool is_v6 = !is_inet(h);
	char from_ip[TG_ADDR_STRLEN];
	char to_ip[TG_ADDR_STRLEN];
	int n;

	if (h->is_local || !h->has_addrs)
		return (size_t)snprintf((char *)to, TG_PROXY_WRITTEN_MAX, "PROXY UNKNOWN\r\n");
	format_ip(&h->from, is_v6, from_ip);
	format_ip(&h->to, is_v6, to_ip);
	n = snprintf((char *)to, TG_PROXY_WRITTEN_MAX, "PROXY %s %s %s %u %u\r\n",
		     is_v6 ? "TCP6" : "TCP4", from_ip, to_ip, h->from_port, h->to_port);
	return (size_t)n;
}

size_t
proxy_header_write(const struct proxy_header *h, unsigned char to[TG_PROXY_WRITTEN_MAX])
{
	return h->version == 1 ? write_v1(h, to) : write_v2(h, to);
}
