/*
 * http/message.h: one HTTP message head, whatever version carried it.
 *
 * Everything points into the bytes it was parsed from: valid as long as those
 * are, never terminated. Terms are those of RFC 9110.
 */
#ifndef TG_HTTP_MESSAGE_H
#define TG_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes somebody else owns. */
struct slice {
	const char *p;
	size_t n;
};

#define SLICE(literal) ((struct slice){.p = (literal), .n = sizeof(literal) - 1})

bool slice_equal(struct slice a, struct slice b);
/* ASCII case folded; `lower` is given in lower case. */
bool slice_equal_fold(struct slice a, struct slice lower);

/* Fields the proxy itself acts on. */
enum http_field_id {
	HTTP_FIELD_OTHER = 0,
	HTTP_FIELD_HOST,
	HTTP_FIELD_CONTENT_LENGTH,
	HTTP_FIELD_TRANSFER_ENCODING,
	HTTP_FIELD_CONNECTION,
	HTTP_FIELD_KEEP_ALIVE,
	HTTP_FIELD_PROXY_CONNECTION,
	HTTP_FIELD_TE,
	HTTP_FIELD_TRAILER,
	HTTP_FIELD_UPGRADE,
	HTTP_FIELD_EXPECT,
	HTTP_FIELD_HTTP2_SETTINGS,
	HTTP_FIELD_FORWARDED,
	HTTP_FIELD_X_FORWARDED_FOR,
	HTTP_FIELD_X_FORWARDED_PROTO,
	HTTP_FIELD_X_FORWARDED_HOST,
	HTTP_FIELD_X_FORWARDED_PORT,
	HTTP_FIELD_X_FORWARDED_OTHER, /* any other X-Forwarded-... */
	HTTP_FIELD_CLIENT_CERT, /* Client-Cert, Client-Cert-Chain (RFC 9440), X-Client-Cert-... */
	HTTP_FIELD_X_REQUEST_ID,
	HTTP_FIELD_IDEMPOTENCY_KEY,
	HTTP_FIELD_MAX_FORWARDS,
	HTTP_FIELD_DATE,
	HTTP_FIELD_CONTENT_TYPE,
	HTTP_FIELD_GRPC_TIMEOUT,
	HTTP_FIELD_LOAD_REPORT,     /* http/load_report.h */
	HTTP_FIELD_LOAD_REPORT_BIN, /* the same, not read */
	HTTP_FIELD_COUNT
};

struct http_field {
	struct slice line; /* name to CRLF inclusive, as received */
	struct slice name;
	struct slice value; /* without surrounding white space */
	enum http_field_id id;
	bool dropped;   /* not forwarded */
	bool nominated; /* by Connection: it says nothing to anybody beyond us */
};

enum http_body_kind {
	HTTP_BODY_NONE = 0,
	HTTP_BODY_LENGTH = 1,
	HTTP_BODY_CHUNKED = 2,
	HTTP_BODY_UNTIL_CLOSE = 3 /* answers only */
};

/* Field names that Connection may nominate in one message; more are refused. */
#define HTTP_NOMINATED_MAX 16
/* `minor` before a version was read. */
#define HTTP_MINOR_UNKNOWN UINT8_MAX
/* Nobody counts further (RFC 9110 7.6.2): 9 digits. */
#define TG_MAX_FORWARDS 999999999u

struct http_head {
	bool is_answer;
	uint8_t minor;       /* HTTP/1.minor, or HTTP_MINOR_UNKNOWN */
	uint16_t status;     /* answers */
	struct slice method; /* requests */
	struct slice target; /* requests: as received */
	struct slice reason; /* answers */
	struct http_field *fields;
	size_t n_fields;
	/* Read from the fields by http_head_interpret(). */
	enum http_body_kind body;
	uint64_t content_length;
	bool has_content_length;
	bool keep_alive;    /* the sender lets the connection live */
	bool wants_upgrade; /* Connection names "upgrade" and an Upgrade field names a protocol */
	bool expects_continue;
	bool has_idempotency_key; /* that is not empty */
	bool has_load_report; /* answers: a field of either name, which is not dropped for that */
	bool has_max_forwards; /* TRACE and OPTIONS; of others it says nothing */
	uint32_t max_forwards; /* as received; at most TG_MAX_FORWARDS */
	bool is_grpc;	       /* requests: by its Content-Type */
	uint64_t grpc_timeout_us; /* with is_grpc: how long its client waits; 0: it does not say */
	struct slice host;    /* requests: the Host value; n 0: none */
	struct slice upgrade; /* value of Upgrade */
	struct slice request_id;
	uint32_t nominated[HTTP_NOMINATED_MAX]; /* hashes of the names Connection nominates */
	uint8_t n_nominated;
};

/* What is wrong with a message: which answer it earns. */
enum http_fault {
	HTTP_FAULT_NONE = 0,
	HTTP_FAULT_SYNTAX = 1,      /* 400 */
	HTTP_FAULT_URI_LENGTH = 2,  /* 414 */
	HTTP_FAULT_HEAD_LENGTH = 3, /* 431 */
	HTTP_FAULT_METHOD = 4,      /* 501 */
	HTTP_FAULT_CODING = 5,      /* 501 */
	HTTP_FAULT_VERSION = 6,     /* 505 */
	HTTP_FAULT_EXPECTATION = 7, /* 417 */
	HTTP_FAULT_BODY_LENGTH = 8  /* 413 */
};
unsigned http_fault_status(enum http_fault fault);
/* "syntax", "uri-length", ...; "?" outside the enum. */
const char *http_fault_str(unsigned fault);

/* FNV-1a over the name in lower case: start with HTTP_NAME_HASH, give each byte. */
#define HTTP_NAME_HASH 2166136261u
static inline uint32_t
http_name_hash(uint32_t hash, unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		c |= 0x20;
	return (hash ^ c) * 16777619u;
}

/* Which field this name is; the name's case does not matter. */
enum http_field_id http_field_id(struct slice name);
/* The same of what may be none: false where it is no token. */
bool http_field_name(struct slice name, enum http_field_id *ret_id);
/* RFC 9110 5.6.2. */
bool http_is_token(struct slice s);
/* All bytes are HTTP_CHAR_VALUE, see token.h; none is a value too. */
bool http_is_value(struct slice s);

/*
 * Checks and reads the fields the proxy acts on (RFC 9112 section 3, 6, 9;
 * strict: what is ambiguous is refused), marks hop-by-hop fields (RFC 9110
 * 7.6.1), those named by Connection, and request names with an underscore as
 * dropped. `to_head` tells that an answer is to a HEAD request.
 */
enum http_fault http_head_interpret(struct http_head *head, bool to_head);

/* May be repeated without harm (RFC 9110 9.2.2). */
bool http_method_is_idempotent(struct slice method);
/* Asks for nothing but an answer (RFC 9110 9.2.1). */
bool http_method_is_safe(struct slice method);
/* The standard phrase; "" when unknown. */
const char *http_status_phrase(unsigned status);

#endif
