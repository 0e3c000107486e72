#include "observe/access.h"

#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "observe/reason.h"

#define NAME_MAX_BYTES 127u

/* A line being written. Once `full` nothing more is added and the line is void. */
struct line {
	char *at;
	size_t left;
	enum conf_access format;
	bool full;
};

struct text {
	const char *s;
	size_t n;
};

static void
put(struct line *l, const char *s, size_t n)
{
	if (l->full || n > l->left) {
		l->full = true;
		return;
	}
	memcpy(l->at, s, n);
	l->at += n;
	l->left -= n;
}

static void
put_literal(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

static void
put_number(struct line *l, uint64_t value)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	put(l, digits + i, sizeof(digits) - i);
}

/* Foreign bytes. Six is the longest escape of one byte, two are the quotes. */
static void
put_escaped(struct line *l, const char *s, size_t n)
{
	size_t moved;

	if (l->full || l->left < 6 * n + 2) {
		l->full = true;
		return;
	}
	if (l->format == TG_ACCESS_JSON) {
		*l->at++ = '"';
		l->left--;
		moved = log_json_escape(l->at, l->left - 1, s, n);
		l->at[moved] = '"';
		moved++;
	} else if (n == 1 && *s == '-') {
		moved = 3;
		memcpy(l->at, "\"-\"", moved);
	} else {
		moved = log_text_escape(l->at, l->left, s, n);
	}
	l->at += moved;
	l->left -= moved;
}

static void
key(struct line *l, const char *name)
{
	if (l->format == TG_ACCESS_JSON) {
		put_literal(l, ",\"");
		put_literal(l, name);
		put_literal(l, "\":");
	} else {
		put_literal(l, " ");
		put_literal(l, name);
		put_literal(l, "=");
	}
}

static void
field_unset(struct line *l, const char *name)
{
	key(l, name);
	put_literal(l, l->format == TG_ACCESS_JSON ? "null" : "-");
}

static void
field_string(struct line *l, const char *name, const char *s, size_t n)
{
	if (n == 0) {
		field_unset(l, name);
		return;
	}
	key(l, name);
	put_escaped(l, s, n);
}

static void
field_name(struct line *l, const char *name, const char *s)
{
	field_string(l, name, s, s != NULL ? strnlen(s, NAME_MAX_BYTES) : 0);
}

static void
field_number(struct line *l, const char *name, uint64_t value)
{
	key(l, name);
	put_number(l, value);
}

static void
field_micros(struct line *l, const char *name, uint32_t us)
{
	if (us == TG_ACCESS_UNSET)
		field_unset(l, name);
	else
		field_number(l, name, us);
}

static void
field_time(struct line *l, struct wall end)
{
	char text[32];
	size_t n = log_time(text, sizeof(text), end);

	if (l->format == TG_ACCESS_JSON) {
		put_literal(l, "{\"time\":\"");
		put(l, text, n);
		put_literal(l, "\"");
	} else {
		put(l, text, n);
	}
}

static void
field_client(struct line *l, const struct access_record *r)
{
	static const struct ip none;
	char text[TG_ADDR_STRLEN];
	bool v4 = ip_is_v4(&r->client_ip);
	size_t n = ip_format(&r->client_ip, text, sizeof(text));

	if (memcmp(&r->client_ip, &none, sizeof(none)) == 0) {
		field_name(l, "client", "unix");
		return;
	}
	key(l, "client");
	if (l->format == TG_ACCESS_JSON)
		put_literal(l, "\"");
	put_literal(l, v4 ? "" : "[");
	put(l, text, n);
	put_literal(l, v4 ? ":" : "]:");
	put_number(l, r->client_port);
	if (l->format == TG_ACCESS_JSON)
		put_literal(l, "\"");
}

const char *
access_choice_str(unsigned choice)
{
	static const char *const words[TG_CHOICE_COUNT] = {
		[TG_CHOICE_NONE] = "-",        [TG_CHOICE_BALANCE] = "balance",
		[TG_CHOICE_SPILL] = "spill",   [TG_CHOICE_QUEUE] = "queue",
		[TG_CHOICE_STICKY] = "sticky", [TG_CHOICE_BACKUP] = "backup",
	};

	return choice < TG_CHOICE_COUNT ? words[choice] : "?";
}

static const char *const denials[TG_DENIED_COUNT] = {
	[TG_DENIED_NOT] = NULL,
	[TG_DENIED_METHOD] = "not-idempotent",
	[TG_DENIED_BODY] = "unrepeatable-body",
	[TG_DENIED_CAUSE] = "not-configured",
	[TG_DENIED_INTERIM] = "interim-answer",
	[TG_DENIED_ATTEMPTS] = "attempts",
	[TG_DENIED_BUDGET] = "budget",
};

/* In the order of the record. */
enum { TEXT_METHOD, TEXT_ID, TEXT_HOST, TEXT_PATH, TEXT_CIPHER, TEXT_SNI, TEXT_SUBJECT, TEXT_COUNT };

/* The strings of a record from the `n` bytes at `base`, or false when it lies about them. */
static bool
record_strings(const struct access_record *r, const char *base, size_t n,
	       struct text ret[TEXT_COUNT])
{
	const size_t lens[TEXT_COUNT] = {r->method_len, r->request_id_len, r->host_len,
					 r->path_len,	r->cipher_len,	   r->sni_len,
				       r->subject_len};
	size_t at = 0;

	if (r->path_len > TG_ACCESS_PATH_MAX)
		return false;
	for (int i = 0; i < TEXT_COUNT; i++) {
		if (lens[i] > n - at)
			return false;
		ret[i] = (struct text){.s = base + at, .n = lens[i]};
		at += lens[i];
	}
	return true;
}

/* The same of what a PROXY header told, behind these: the rest of `base` from `at` on. */
static bool
record_proxy(const struct access_record *r, const char *base, size_t n,
	     const struct text strings[TEXT_COUNT], struct text ret[TG_ACCESS_PROXY_COUNT])
{
	const char *lens = strings[TEXT_SNI].s + strings[TEXT_SNI].n;
	size_t left = n - (size_t)(lens - base);
	const char *at = lens + TG_ACCESS_PROXY_COUNT;

	if (r->has_proxy == 0)
		return true;
	if (left < TG_ACCESS_PROXY_COUNT)
		return false;
	left -= TG_ACCESS_PROXY_COUNT;
	for (unsigned i = 0; i < TG_ACCESS_PROXY_COUNT; i++) {
		ret[i] = (struct text){.s = at, .n = (unsigned char)lens[i]};
		if (ret[i].n > left)
			return false;
		at += ret[i].n;
		left -= ret[i].n;
	}
	return true;
}

static bool
is_backend_of(const struct slot_names *names, uint32_t backend, uint32_t service)
{
	return slot_names_service(names, backend) == service;
}

/* True when every slot of the record names what it should. */
static bool
record_is_sane(const struct slot_names *names, const struct access_record *r)
{
	if (slot_names_get(names, r->listener, TG_SLOT_LISTENER) == NULL ||
	    r->mode >= TG_MODE_COUNT || r->reason >= TG_END_COUNT ||
	    r->n_failed > TG_ACCESS_TRIES_MAX || r->choice >= TG_CHOICE_COUNT ||
	    r->denied >= TG_DENIED_COUNT ||
	    (r->n_failed > 0 && r->service == TG_ACCESS_NONE))
		return false;
	if (r->service == TG_ACCESS_NONE)
		return r->backend == TG_ACCESS_NONE;
	if (slot_names_get(names, r->service, TG_SLOT_SERVICE) == NULL)
		return false;
	return r->backend == TG_ACCESS_NONE || is_backend_of(names, r->backend, r->service);
}

static void
fields_objects(struct line *l, const struct slot_names *names, const struct access_record *r)
{
	field_client(l, r);
	field_name(l, "listener", slot_names_get(names, r->listener, TG_SLOT_LISTENER));
	field_name(l, "service", slot_names_get(names, r->service, TG_SLOT_SERVICE));
	field_name(l, "backend", slot_names_get(names, r->backend, TG_SLOT_BACKEND));
}

static const char *
version_text(uint8_t version)
{
	switch (version) {
	case 10:
		return "1.0";
	case 11:
		return "1.1";
	case 20:
		return "2.0";
	default:
		return NULL;
	}
}

static void
fields_http(struct line *l, const struct access_record *r, const struct text strings[TEXT_COUNT])
{
	size_t host_n = strings[TEXT_HOST].n;

	if (host_n > TG_ACCESS_HOST_MAX)
		host_n = TG_ACCESS_HOST_MAX;
	field_string(l, "method", strings[TEXT_METHOD].s, strings[TEXT_METHOD].n);
	field_string(l, "host", strings[TEXT_HOST].s, host_n);
	field_string(l, "path", strings[TEXT_PATH].s, strings[TEXT_PATH].n);
	field_name(l, "version", version_text(r->http_version));
	if (r->status == 0)
		field_unset(l, "status");
	else
		field_number(l, "status", r->status);
}

static const char *
tls_text(uint8_t version)
{
	switch (version) {
	case 12:
		return "1.2";
	case 13:
		return "1.3";
	default:
		return NULL;
	}
}

static void
fields_tls(struct line *l, const struct access_record *r, const struct text strings[TEXT_COUNT])
{
	if (r->tls_version == 0 && strings[TEXT_SNI].n > 0)
		field_string(l, "sni", strings[TEXT_SNI].s, strings[TEXT_SNI].n);
	if (r->tls_version != 0) {
		field_name(l, "tls", tls_text(r->tls_version));
		field_string(l, "cipher", strings[TEXT_CIPHER].s, strings[TEXT_CIPHER].n);
		field_string(l, "sni", strings[TEXT_SNI].s, strings[TEXT_SNI].n);
	}
	if (strings[TEXT_SUBJECT].n > 0)
		field_string(l, "client_cert", strings[TEXT_SUBJECT].s, strings[TEXT_SUBJECT].n);
	if (r->back_tls != 0)
		field_name(l, "back_tls", tls_text(r->back_tls));
}

static void
fields_proxy(struct line *l, const struct access_record *r,
	     const struct text texts[TG_ACCESS_PROXY_COUNT])
{
	static const char *const names[TG_ACCESS_PROXY_COUNT] = {
		"proxy",     "proxy_authority", "proxy_alpn", "proxy_id",
		"proxy_tls", "proxy_cipher",	"proxy_name",
	};

	for (unsigned i = 0; r->has_proxy != 0 && i < TG_ACCESS_PROXY_COUNT; i++)
		if (texts[i].n > 0)
			field_string(l, names[i], texts[i].s, texts[i].n);
}

static void
put_try(struct line *l, const char *backend, const char *reason)
{
	if (l->format != TG_ACCESS_JSON) {
		put_escaped(l, backend, strnlen(backend, NAME_MAX_BYTES));
		put_literal(l, ":");
		put_literal(l, reason);
		return;
	}
	put_literal(l, "{\"backend\":");
	put_escaped(l, backend, strnlen(backend, NAME_MAX_BYTES));
	put_literal(l, ",\"reason\":\"");
	put_literal(l, reason);
	put_literal(l, "\"}");
}

static void
field_failed(struct line *l, const struct slot_names *names, const struct access_record *r,
	     const struct access_try *failed)
{
	bool json = l->format == TG_ACCESS_JSON;

	if (r->n_failed == 0 && !json) {
		field_unset(l, "failed");
		return;
	}
	key(l, "failed");
	put_literal(l, json ? "[" : "");
	for (unsigned i = 0; i < r->n_failed; i++) {
		put_literal(l, i > 0 ? "," : "");
		put_try(l, slot_names_get(names, failed[i].backend, TG_SLOT_BACKEND),
			end_reason_str(failed[i].reason));
	}
	put_literal(l, json ? "]" : "");
}

/* Reads them once, from the front of the `n` bytes at `strings`; false when they lie. */
static bool
record_tries(const struct slot_names *names, const struct access_record *r, const char *strings,
	     size_t n, struct access_try ret[TG_ACCESS_TRIES_MAX])
{
	if (r->n_failed * sizeof(ret[0]) > n)
		return false;
	memcpy(ret, strings, r->n_failed * sizeof(ret[0]));
	for (unsigned i = 0; i < r->n_failed; i++) {
		if (!is_backend_of(names, ret[i].backend, r->service) ||
		    ret[i].reason >= TG_END_COUNT)
			return false;
	}
	return true;
}

static void
fields_numbers(struct line *l, const struct slot_names *names, const struct access_record *r,
	       const struct access_try *failed)
{
	field_number(l, "bytes_in", r->bytes_in);
	field_number(l, "bytes_out", r->bytes_out);
	field_number(l, "retries", r->tries);
	field_failed(l, names, r, failed);
	if (r->denied != TG_DENIED_NOT)
		field_name(l, "no_retry", denials[r->denied]);
	if (r->choice == TG_CHOICE_NONE)
		field_unset(l, "choice");
	else
		field_name(l, "choice", access_choice_str(r->choice));
	field_micros(l, "queue_us", r->queue_us);
	field_micros(l, "connect_us", r->connect_us);
	if (r->mode == TG_MODE_HTTP)
		field_micros(l, "response_us", r->response_us);
	field_micros(l, "total_us", r->total_us);
	field_name(l, "end", end_reason_str(r->reason));
}

size_t
access_render(const struct slot_names *names, enum conf_access format,
	      const struct access_record *record, size_t n, char *buf, size_t size)
{
	struct line l = {.at = buf, .left = size, .format = format};
	struct access_try failed[TG_ACCESS_TRIES_MAX];
	struct access_record head;
	struct text strings[TEXT_COUNT];
	struct text proxy[TG_ACCESS_PROXY_COUNT];
	size_t tries_n;

	if (n < offsetof(struct access_record, strings))
		return 0;
	/* One reading: the ring is shared memory and could change between two. */
	memcpy(&head, record, offsetof(struct access_record, strings));
	n -= offsetof(struct access_record, strings);
	if (!record_is_sane(names, &head) || !record_tries(names, &head, record->strings, n, failed))
		return 0;
	tries_n = head.n_failed * sizeof(failed[0]);
	if (!record_strings(&head, record->strings + tries_n, n - tries_n, strings) ||
	    !record_proxy(&head, record->strings + tries_n, n - tries_n, strings, proxy))
		return 0;
	field_time(&l, head.end);
	fields_objects(&l, names, &head);
	if (head.mode == TG_MODE_HTTP)
		fields_http(&l, &head, strings);
	fields_tls(&l, &head, strings);
	fields_proxy(&l, &head, proxy);
	fields_numbers(&l, names, &head, failed);
	if (head.mode == TG_MODE_HTTP || strings[TEXT_ID].n > 0)
		field_string(&l, "id", strings[TEXT_ID].s, strings[TEXT_ID].n);
	put_literal(&l, format == TG_ACCESS_JSON ? "}\n" : "\n");
	return l.full ? 0 : size - l.left;
}
