#include "http/message.h"

#include <string.h>
#include <strings.h>

#include "http/token.h"

bool
slice_equal(struct slice a, struct slice b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

bool
slice_equal_fold(struct slice a, struct slice lower)
{
	return a.n == lower.n && strncasecmp(a.p, lower.p, a.n) == 0;
}

const char *
http_fault_str(unsigned fault)
{
	static const char *const words[] = {
		[HTTP_FAULT_NONE] = "none",
		[HTTP_FAULT_SYNTAX] = "syntax",
		[HTTP_FAULT_URI_LENGTH] = "uri-length",
		[HTTP_FAULT_HEAD_LENGTH] = "head-length",
		[HTTP_FAULT_METHOD] = "method",
		[HTTP_FAULT_CODING] = "coding",
		[HTTP_FAULT_VERSION] = "version",
		[HTTP_FAULT_EXPECTATION] = "expectation",
		[HTTP_FAULT_BODY_LENGTH] = "body-length",
	};

	return fault < sizeof(words) / sizeof(words[0]) ? words[fault] : "?";
}

unsigned
http_fault_status(enum http_fault fault)
{
	switch (fault) {
	case HTTP_FAULT_NONE:
		return 200;
	case HTTP_FAULT_SYNTAX:
		return 400;
	case HTTP_FAULT_URI_LENGTH:
		return 414;
	case HTTP_FAULT_HEAD_LENGTH:
		return 431;
	case HTTP_FAULT_METHOD:
	case HTTP_FAULT_CODING:
		return 501;
	case HTTP_FAULT_VERSION:
		return 505;
	case HTTP_FAULT_EXPECTATION:
		return 417;
	case HTTP_FAULT_BODY_LENGTH:
		return 413;
	}
	return 500;
}

static bool
all_are(const char *p, size_t n, unsigned char_class)
{
	unsigned common = char_class;
	size_t i;

	for (i = 0; i < n; i++)
		common &= http_char_class[(unsigned char)p[i]];
	return common != 0;
}

bool
http_is_token(struct slice s)
{
	unsigned common = HTTP_CHAR_TCHAR;

	if (s.n == 0)
		return false;
	for (; s.n >= 4; s.n -= 4, s.p += 4)
		common &= http_char_class[(unsigned char)s.p[0]] &
			  http_char_class[(unsigned char)s.p[1]] &
			  http_char_class[(unsigned char)s.p[2]] &
			  http_char_class[(unsigned char)s.p[3]];
	return common != 0 && all_are(s.p, s.n, HTTP_CHAR_TCHAR);
}

static uint64_t
load_word(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static uint32_t
load_half(const char *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* Fewer than eight bytes in a word, some of them twice, with spaces where there are too few. */
static inline uint64_t
load_few(const char *p, size_t n)
{
	if (n >= 4)
		return (uint64_t)load_half(p) << 32 | load_half(p + n - 4);
	if (n == 0)
		return UINT64_C(0x2020202020202020);
	return UINT64_C(0x2020202020000000) | (uint64_t)(unsigned char)p[0] << 16 |
	       (uint64_t)(unsigned char)p[n / 2] << 8 | (unsigned char)p[n - 1];
}

#define ONES UINT64_C(0x0101010101010101)

/* Bit 7 of each of eight bytes says whether it is a control character, HTAB too; the others say nothing. */
static uint64_t
controls(uint64_t x)
{
	uint64_t low = x & 0x7f * ONES;

	/* Without a carry: below 0x20 no bit 7 comes of adding 0x60, and of 0x7f alone it comes of adding 1. */
	return (~(low + 0x60 * ONES) | (low + ONES)) & ~x;
}

bool
http_is_value(struct slice s)
{
	uint64_t found = 0;
	size_t i;

	if (s.n < 8) {
		found = controls(load_few(s.p, s.n));
	} else {
		for (i = 0; i + 8 < s.n; i += 8)
			found |= controls(load_word(s.p + i));
		found |= controls(load_word(s.p + s.n - 8));
	}
	/* HTAB may be there. */
	return (found & 0x80 * ONES) == 0 || all_are(s.p, s.n, HTTP_CHAR_VALUE);
}

struct known_field {
	struct slice name;
	enum http_field_id id;
};

/* By length, so that most names are told apart without a comparison. */
static const struct known_field known_fields[] = {
	{{"te", 2}, HTTP_FIELD_TE},
	{{"date", 4}, HTTP_FIELD_DATE},
	{{"host", 4}, HTTP_FIELD_HOST},
	{{"expect", 6}, HTTP_FIELD_EXPECT},
	{{"trailer", 7}, HTTP_FIELD_TRAILER},
	{{"upgrade", 7}, HTTP_FIELD_UPGRADE},
	{{"forwarded", 9}, HTTP_FIELD_FORWARDED},
	{{"connection", 10}, HTTP_FIELD_CONNECTION},
	{{"keep-alive", 10}, HTTP_FIELD_KEEP_ALIVE},
	{{"client-cert", 11}, HTTP_FIELD_CLIENT_CERT},
	{{"content-type", 12}, HTTP_FIELD_CONTENT_TYPE},
	{{"grpc-timeout", 12}, HTTP_FIELD_GRPC_TIMEOUT},
	{{"max-forwards", 12}, HTTP_FIELD_MAX_FORWARDS},
	{{"x-request-id", 12}, HTTP_FIELD_X_REQUEST_ID},
	{{"content-length", 14}, HTTP_FIELD_CONTENT_LENGTH},
	{{"http2-settings", 14}, HTTP_FIELD_HTTP2_SETTINGS},
	{{"idempotency-key", 15}, HTTP_FIELD_IDEMPOTENCY_KEY},
	{{"x-forwarded-for", 15}, HTTP_FIELD_X_FORWARDED_FOR},
	{{"x-forwarded-host", 16}, HTTP_FIELD_X_FORWARDED_HOST},
	{{"x-forwarded-port", 16}, HTTP_FIELD_X_FORWARDED_PORT},
	{{"proxy-connection", 16}, HTTP_FIELD_PROXY_CONNECTION},
	{{"transfer-encoding", 17}, HTTP_FIELD_TRANSFER_ENCODING},
	{{"x-forwarded-proto", 17}, HTTP_FIELD_X_FORWARDED_PROTO},
	{{"client-cert-chain", 17}, HTTP_FIELD_CLIENT_CERT},
	{{"endpoint-load-metrics", 21}, HTTP_FIELD_LOAD_REPORT},
	{{"endpoint-load-metrics-bin", 25}, HTTP_FIELD_LOAD_REPORT_BIN},
};

#define KNOWN_FIELDS (sizeof(known_fields) / sizeof(known_fields[0]))

/* In known_fields; 0, which is of another length, where there is none. */
static const uint8_t first_of_length[] = {
	[4] = 1,   [6] = 3,   [7] = 4,   [9] = 6,   [10] = 7,  [11] = 9,  [12] = 10,
	[14] = 14, [15] = 16, [16] = 18, [17] = 21, [21] = 24, [25] = 25,
};

#define LENGTHS (sizeof(first_of_length) / sizeof(first_of_length[0]))

/* Bit 6 tells letters of lower case from digits and the hyphen: those alone are folded. */
static bool
equal_fold_word(uint64_t x, uint64_t lower)
{
	return (x | (lower & UINT64_C(0x4040404040404040)) >> 1) == lower;
}

/* `p` has as many bytes as `lower`, which is of letters of lower case, digits and hyphens. */
static bool
begins_fold(const char *p, struct slice lower)
{
	size_t i;

	/* Most names differ in the first letter. */
	if ((p[0] | 0x20) != lower.p[0])
		return false;
	if (lower.n < 8)
		return equal_fold_word(load_few(p, lower.n), load_few(lower.p, lower.n));
	for (i = 0; i + 8 < lower.n; i += 8) {
		if (!equal_fold_word(load_word(p + i), load_word(lower.p + i)))
			return false;
	}
	return equal_fold_word(load_word(p + lower.n - 8), load_word(lower.p + lower.n - 8));
}

/* OTHER: none of those. */
static enum http_field_id
find_known(struct slice name)
{
	size_t i = name.n < LENGTHS ? first_of_length[name.n] : KNOWN_FIELDS;

	for (; i < KNOWN_FIELDS && known_fields[i].name.n == name.n; i++) {
		if (begins_fold(name.p, known_fields[i].name))
			return known_fields[i].id;
	}
	return HTTP_FIELD_OTHER;
}

static enum http_field_id
find_family(struct slice name)
{
	static const struct known_field families[] = {
		{{"x-forwarded-", 12}, HTTP_FIELD_X_FORWARDED_OTHER},
		{{"x-client-cert-", 14}, HTTP_FIELD_CLIENT_CERT},
	};
	size_t i;

	for (i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (name.n > families[i].name.n && begins_fold(name.p, families[i].name))
			return families[i].id;
	}
	return HTTP_FIELD_OTHER;
}

enum http_field_id
http_field_id(struct slice name)
{
	enum http_field_id id = find_known(name);

	return id != HTTP_FIELD_OTHER ? id : find_family(name);
}

bool
http_field_name(struct slice name, enum http_field_id *ret_id)
{
	enum http_field_id id = find_known(name);

	/* What is known to the letter is a token. */
	if (id == HTTP_FIELD_OTHER) {
		if (!http_is_token(name))
			return false;
		id = find_family(name);
	}
	*ret_id = id;
	return true;
}

bool
http_method_is_idempotent(struct slice method)
{
	static const struct slice idempotent[] = {
		{"GET", 3}, {"HEAD", 4}, {"PUT", 3}, {"DELETE", 6}, {"OPTIONS", 7}, {"TRACE", 5},
	};
	size_t i;

	for (i = 0; i < sizeof(idempotent) / sizeof(idempotent[0]); i++) {
		if (slice_equal(method, idempotent[i]))
			return true;
	}
	return false;
}

bool
http_method_is_safe(struct slice method)
{
	static const struct slice safe[] = {{"GET", 3}, {"HEAD", 4}, {"OPTIONS", 7}, {"TRACE", 5}};

	for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++) {
		if (slice_equal(method, safe[i]))
			return true;
	}
	return false;
}

static const struct {
	unsigned status;
	const char *phrase;
} phrases[] = {
	{100, "Continue"},
	{101, "Switching Protocols"},
	{103, "Early Hints"},
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{206, "Partial Content"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{303, "See Other"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{416, "Range Not Satisfiable"},
	{417, "Expectation Failed"},
	{422, "Unprocessable Content"},
	{425, "Too Early"},
	{426, "Upgrade Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
};

const char *
http_status_phrase(unsigned status)
{
	size_t i;

	for (i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return "";
}
