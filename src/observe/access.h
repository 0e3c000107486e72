/*
 * observe/access.h: one record per stream, written binary by a worker into
 * its ring, rendered as text or JSON by the keeper.
 *
 * The record is fixed part, then strings back to back in the order of the
 * `*_len` fields, not terminated. Foreign bytes stay raw here; escaping is the
 * renderer's.
 */
#ifndef TG_OBSERVE_ACCESS_H
#define TG_OBSERVE_ACCESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "observe/names.h"

/* One try that failed. */
struct access_try {
	uint32_t backend; /* its slot */
	uint32_t reason;  /* enum end_reason */
};

/* Who chose the backend of the last try. */
enum access_choice {
	TG_CHOICE_NONE = 0,    /* nobody: there was none */
	TG_CHOICE_BALANCE = 1, /* the balancing algorithm, freely */
	TG_CHOICE_SPILL = 2,   /* the same, but those before it were full */
	TG_CHOICE_QUEUE = 3,   /* the one that became free for the next in the queue */
	TG_CHOICE_STICKY = 4,  /* the client's cookie */
	TG_CHOICE_BACKUP = 5,  /* all that serve had failed it: a backup beside them */
	TG_CHOICE_COUNT
};
/* The word in the log; "?" outside the enum. */
const char *access_choice_str(unsigned choice);

/* Why what had failed was not tried again. */
enum access_denial {
	TG_DENIED_NOT = 0,
	TG_DENIED_METHOD = 1,   /* it had been sent, and is not idempotent */
	TG_DENIED_BODY = 2,     /* it had been sent, and its body is not here any more, or not whole */
	TG_DENIED_CAUSE = 3,    /* retry.on has not this cause */
	TG_DENIED_ATTEMPTS = 4, /* all are used up */
	TG_DENIED_BUDGET = 5,   /* the service's is */
	TG_DENIED_INTERIM = 6,  /* an interim answer had gone to the client */
	TG_DENIED_COUNT
};

/* What a PROXY header told, in this order. */
enum access_proxy {
	TG_ACCESS_PROXY_PEER = 0, /* address of who sent it */
	TG_ACCESS_PROXY_AUTHORITY = 1,
	TG_ACCESS_PROXY_ALPN = 2,
	TG_ACCESS_PROXY_ID = 3,
	TG_ACCESS_PROXY_TLS = 4, /* version */
	TG_ACCESS_PROXY_CIPHER = 5,
	TG_ACCESS_PROXY_NAME = 6, /* of the client's certificate */
	TG_ACCESS_PROXY_COUNT
};

struct access_record {
	struct wall end;      /* when the stream ended */
	uint64_t bytes_in;    /* from the client */
	uint64_t bytes_out;   /* to the client */
	uint32_t queue_us;    /* waiting for a backend; TG_ACCESS_UNSET when not reached */
	uint32_t connect_us;  /* connect of the last try; 0 on a reused connection */
	uint32_t response_us; /* request sent to response head */
	uint32_t total_us;    /* first byte of the request (tcp: accept) to the end */
	struct ip client_ip;
	uint16_t client_port;
	uint16_t status;    /* 0: none sent, and mode tcp */
	uint32_t listener;  /* slots of the segment */
	uint32_t service;   /* TG_ACCESS_NONE: no route */
	uint32_t backend;   /* TG_ACCESS_NONE: none chosen */
	uint8_t tries;      /* tries after the first */
	uint8_t n_failed;   /* of struct access_try, in front of the strings */
	uint8_t choice;     /* enum access_choice */
	uint8_t denied;     /* enum access_denial */
	uint8_t reason;     /* enum end_reason */
	uint8_t mode;       /* enum conf_mode */
	uint8_t http_version; /* 10, 11, 20: 1.0, 1.1, 2.0; others: not known */
	uint8_t method_len;
	uint8_t request_id_len;
	uint16_t host_len;
	uint16_t path_len; /* target as forwarded, cut at TG_ACCESS_PATH_MAX */
	uint8_t tls_version; /* 12, 13: TLS 1.2, 1.3; 0: plain */
	uint8_t cipher_len;
	uint8_t sni_len;
	uint8_t subject_len; /* of the client's certificate */
	uint8_t back_tls; /* as tls_version, of the connection to the backend of the last try */
	uint8_t has_proxy; /* 1: there was a PROXY header */
	char strings[]; /* failed tries; then method, request_id, host, path, cipher, sni, subject; then, with has_proxy,
			 * the lengths of all of enum access_proxy, a byte each, and these */
};

#define TG_ACCESS_NONE      UINT32_MAX
#define TG_ACCESS_TRIES_MAX 8u
#define TG_ACCESS_UNSET     UINT32_MAX
#define TG_ACCESS_PATH_MAX  4096u

/* For the *_us fields: as much of it as fits. */
static inline uint32_t
access_us(uint64_t us)
{
	return us < TG_ACCESS_UNSET ? (uint32_t)us : TG_ACCESS_UNSET - 1;
}

/* For the *_us fields: from `from` to `to`, or TG_ACCESS_UNSET when either was not reached. */
static inline uint32_t
access_span_us(struct mono to, struct mono from)
{
	uint64_t us = mono_diff_us(to, from);

	if (!mono_is_set(to) || !mono_is_set(from))
		return TG_ACCESS_UNSET;
	return access_us(us);
}
#define TG_ACCESS_HOST_MAX 255u /* bytes of the host that are shown */

/*
 * Renders one record as one line with '\n'. `n` is the record's length as the
 * ring gave it; a record that lies about its lengths or slots gives 0. The
 * record may be in shared memory: its numbers are read once.
 * Returns the length written; `size` of 49152 is always enough; 0 when not.
 *
 * text: 2026-11-23T08:00:00.123456Z client=10.0.0.9:51234 listener=web service=api backend=b1
 *       method=GET host=api.example.org path=/v1/x version=1.1 status=200 bytes_in=120
 *       bytes_out=1523 retries=0 failed=- choice=balance queue_us=0 connect_us=0 response_us=812 total_us=903 end=done
 *       id=...
 * json: {"time":"...","client":"10.0.0.9:51234",...,"status":200,...}
 *
 * retries: how often it was sent again, on another backend or, a replay, on a fresh connection
 * where a kept one was stale. Tries that failed are told as failed=b1:connect-failed,b3:empty-answer, in JSON
 * as [{"backend":"b1","reason":"connect-failed"},...].
 *
 * A field that has no value is - in text (a value that is one dash is quoted) and null
 * in JSON. Mode tcp leaves out method, host,
 * path, version, status and response_us, and id but for that of a connection with send_proxy. A client of a unix socket is "unix". Of connections with TLS a line has
 * tls=1.3 cipher=TLS_AES_128_GCM_SHA256 sni=api.example.org in front of bytes_in; others do not; of those that are passed on by
 * their ClientHello it has the name in that: sni=. Of connections
 * with a PROXY header it has proxy=10.0.0.5:40123 there, the address of who sent that, and what else it told:
 * proxy_authority= proxy_alpn= proxy_id= proxy_tls= proxy_cipher= proxy_name=.
 * Behind sni stands client_cert="CN=somebody,O=example", cut at 255 bytes, where the client has shown a certificate.
 * Where the backend was reached by TLS a line has back_tls=1.3 there.
 */
size_t access_render(const struct slot_names *names, enum conf_access format,
		     const struct access_record *record, size_t n, char *buf, size_t size);

#endif
