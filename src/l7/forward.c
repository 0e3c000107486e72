/*
 * Heads written anew: what was kept is copied in runs, what changed is written.
 *
 * Hop-by-hop fields are gone by http_head_interpret(); here come the request
 * line, Host, the forwarded fields, X-Request-Id and our own Connection.
 */
#include <endian.h>
#include <string.h>

#include "http/forwarded.h"
#include "http/grpc.h"
#include "l7/stream_priv.h"
#include "tls/stream.h"

/* Room beyond the received head: forwarded fields, request id, framing. */
#define HEAD_EXTRA     768u
#define REQUEST_ID_MAX 128u

/* Stands last, so that it can be taken back once the service is known. */
#define EXPECT_FIELD "Expect: 100-continue\r\n"

/* Appends to a buffer, which is told by writer_end(). */
struct writer {
	unsigned char *at;
	unsigned char *end; /* of the room */
	struct buf *buf;
	bool overflow;
};

static struct writer
writer_begin(struct buf *buf)
{
	return (struct writer){
		.at = buf->bytes + buf->w, .end = buf->bytes + buf->cap, .buf = buf};
}

/* Where the next piece stands. */
static uint32_t
writer_at(const struct writer *w)
{
	return (uint32_t)(w->at - w->buf->bytes);
}

/* False: there was no room for all of it. */
static bool
writer_end(const struct writer *w)
{
	w->buf->w = writer_at(w);
	return !w->overflow;
}

/* Here, so that a text whose length the compiler knows is a store or two: a head is put together of many. */
static inline void
put(struct writer *w, const void *p, size_t n)
{
	if (n > (size_t)(w->end - w->at)) {
		w->overflow = true;
		return;
	}
	if (n > 0)
		memcpy(w->at, p, n);
	w->at += n;
}

static void
put_slice(struct writer *w, struct slice s)
{
	put(w, s.p, s.n);
}

#define PUT_LITERAL(w, literal) put(w, literal, sizeof(literal) - 1)

static void
put_number(struct writer *w, unsigned v)
{
	char digits[10];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	put(w, digits + n, sizeof(digits) - n);
}

static void
put_field(struct writer *w, struct slice name, struct slice value)
{
	put_slice(w, name);
	PUT_LITERAL(w, ": ");
	put_slice(w, value);
	PUT_LITERAL(w, "\r\n");
}

/* Lines that stand next to each other go out in one piece. */
static void
put_kept(struct writer *w, const struct http_head *head)
{
	struct slice run = {NULL, 0};
	size_t i;

	for (i = 0; i < head->n_fields; i++) {
		const struct http_field *f = &head->fields[i];

		if (f->dropped)
			continue;
		if (run.p != NULL && run.p + run.n == f->line.p) {
			run.n += f->line.n;
			continue;
		}
		put(w, run.p != NULL ? run.p : "", run.n);
		run = f->line;
	}
	put(w, run.p != NULL ? run.p : "", run.n);
}

#define BIT(id) (1u << (id))
_Static_assert(HTTP_FIELD_COUNT <= 32, "a bit for each");

/* `ids`: BIT() of each. */
static void
drop_fields(struct http_head *head, uint32_t ids)
{
	size_t i;

	for (i = 0; i < head->n_fields; i++) {
		if ((BIT(head->fields[i].id) & ids) != 0)
			head->fields[i].dropped = true;
	}
}

/* forwarded fields */

struct forwarded {
	bool keep;      /* a trusted proxy's values stay */
	bool keep_list; /* of Forwarded too: it can be appended to */
	bool write;     /* ours are written */
	bool has_proto; /* of those kept */
	bool has_host;
	bool has_port;
};

static bool
is_on_unix(const struct front *f)
{
	return f->listener->conf->bind.addr.u.sa.sa_family == AF_UNIX &&
	       !origin_has_addrs(f->origin);
}

static bool
has_tls(const struct front *f)
{
	return f->tls != NULL || origin_has_tls(f->origin);
}

/* Where the client connected. */
static uint16_t
own_port(const struct front *f)
{
	return origin_has_addrs(f->origin) ? f->origin->header.to_port
					   : addr_port(&f->listener->conf->bind.addr);
}

static bool
is_trusted(const struct front *f)
{
	const struct conf_listener *conf = f->listener->conf;
	size_t i;

	for (i = 0; i < conf->n_trusted_proxies; i++) {
		if (prefix_has(&conf->trusted_proxies[i], &f->ip))
			return true;
	}
	return false;
}

/* What clients say of certificates is ours to say; a trusted proxy may where we have not looked ourselves. */
static bool
keeps_client_certificates(const struct front *f, const struct forwarded *plan)
{
	return plan->keep && !conf_asks_clients(f->listener->conf);
}

/* Drops what strangers say of themselves; marks what of a trusted proxy is kept as it is. */
static struct forwarded
plan_forwarded(const struct front *f, struct http_head *head)
{
	enum conf_forwarded mode = f->listener->conf->forwarded;
	struct forwarded plan = {.write = mode != TG_FORWARDED_OFF};
	size_t i;

	plan.keep = mode != TG_FORWARDED_REPLACE && is_trusted(f);
	plan.keep_list = plan.keep;
	for (i = 0; i < head->n_fields; i++) {
		struct http_field *field = &head->fields[i];

		if (field->id < HTTP_FIELD_FORWARDED || field->id > HTTP_FIELD_X_FORWARDED_OTHER)
			continue;
		if (!plan.keep) {
			field->dropped = true;
			continue;
		}
		if (field->dropped)
			continue;
		plan.has_proto |= field->id == HTTP_FIELD_X_FORWARDED_PROTO;
		plan.has_host |= field->id == HTTP_FIELD_X_FORWARDED_HOST;
		plan.has_port |= field->id == HTTP_FIELD_X_FORWARDED_PORT;
		/* An open quote would swallow what is appended. */
		if (field->id == HTTP_FIELD_FORWARDED)
			plan.keep_list &= http_forwarded_is_list(field->value);
		/* Lists are written anew, with the peer at the end. */
		if (plan.write &&
		    (field->id == HTTP_FIELD_FORWARDED || field->id == HTTP_FIELD_X_FORWARDED_FOR))
			field->dropped = true;
	}
	return plan;
}

/* Earlier values of a list field, each with ", " after it. */
static void
put_earlier(struct writer *w, const struct http_head *head, enum http_field_id id)
{
	size_t i;

	for (i = 0; i < head->n_fields; i++) {
		if (head->fields[i].id != id || head->fields[i].value.n == 0 ||
		    head->fields[i].nominated)
			continue;
		put_slice(w, head->fields[i].value);
		PUT_LITERAL(w, ", ");
	}
}

static void
put_forwarded_for(struct writer *w, const struct forwarded *plan, const struct http_head *head,
		  struct slice ip)
{
	PUT_LITERAL(w, "X-Forwarded-For: ");
	if (plan->keep)
		put_earlier(w, head, HTTP_FIELD_X_FORWARDED_FOR);
	put_slice(w, ip);
	PUT_LITERAL(w, "\r\n");
}

/* RFC 7239 4, 6: an IPv6 address is quoted, in brackets; so is a host with a port. */
static void
put_forwarded_element(struct writer *w, const struct forwarded *plan, const struct http_head *head,
		      const struct front *f, struct slice ip, struct slice host)
{
	PUT_LITERAL(w, "Forwarded: ");
	if (plan->keep_list)
		put_earlier(w, head, HTTP_FIELD_FORWARDED);
	if (ip_is_v4(&f->ip) || is_on_unix(f)) {
		PUT_LITERAL(w, "for=");
		put_slice(w, ip);
	} else {
		PUT_LITERAL(w, "for=\"[");
		put_slice(w, ip);
		PUT_LITERAL(w, "]\"");
	}
	if (host.n > 0) {
		PUT_LITERAL(w, ";host=\"");
		put_slice(w, host);
		PUT_LITERAL(w, "\"");
	}
	if (has_tls(f))
		PUT_LITERAL(w, ";proto=https\r\n");
	else
		PUT_LITERAL(w, ";proto=http\r\n");
}

static void
put_forwarded(struct writer *w, const struct forwarded *plan, const struct http_head *head,
	      const struct front *f, struct slice host)
{
	char text[TG_ADDR_STRLEN];
	struct slice ip = {text, 0};

	if (!plan->write)
		return;
	/* A client on a unix socket has no address (RFC 7239 6.2). */
	if (is_on_unix(f))
		ip = SLICE("unknown");
	else
		ip.n = ip_format(&f->ip, text, sizeof(text));
	put_forwarded_for(w, plan, head, ip);
	put_forwarded_element(w, plan, head, f, ip, host);
	if (!plan->has_proto && has_tls(f))
		PUT_LITERAL(w, "X-Forwarded-Proto: https\r\n");
	else if (!plan->has_proto)
		PUT_LITERAL(w, "X-Forwarded-Proto: http\r\n");
	if (!plan->has_host && host.n > 0)
		put_field(w, SLICE("X-Forwarded-Host"), host);
	if (!plan->has_port && !is_on_unix(f)) {
		PUT_LITERAL(w, "X-Forwarded-Port: ");
		put_number(w, own_port(f));
		PUT_LITERAL(w, "\r\n");
	}
}

/* the client's certificate */

/* NULL: it has shown none, or backends are not told. */
static const struct tls_shown *
shown_by(const struct front *f)
{
	return f->tls != NULL && f->listener->conf->tls.client_headers ? f->tls->shown : NULL;
}

static size_t
shown_size(const struct tls_shown *shown)
{
	return shown != NULL ? shown->base64_n + strlen(shown->subject) + strlen(shown->serial) +
				       sizeof(shown->sha256)
			     : 0;
}

static struct slice
text_slice(const char *text)
{
	return (struct slice){text, strlen(text)};
}

/* RFC 9440 2.2: a byte sequence of RFC 8941. */
static void
put_shown(struct writer *w, const struct tls_shown *shown)
{
	if (shown == NULL)
		return;
	PUT_LITERAL(w, "Client-Cert: :");
	put(w, shown->base64, shown->base64_n);
	PUT_LITERAL(w, ":\r\n");
	put_field(w, SLICE("X-Client-Cert-Subject"), text_slice(shown->subject));
	put_field(w, SLICE("X-Client-Cert-Serial"), text_slice(shown->serial));
	put_field(w, SLICE("X-Client-Cert-Sha256"), text_slice(shown->sha256));
}

/* request id */

static bool
id_is_usable(struct slice id)
{
	return id.n > 0 && id.n <= REQUEST_ID_MAX && http_is_token(id);
}

/* The 16 digits of it, the lowest first: all at a time, a byte for each. */
static void
put_hex(char *out, uint64_t bits)
{
	const uint64_t ones = 0x0101010101010101u;
	int half;

	for (half = 0; half < 2; half++) {
		uint64_t x = bits >> (32 * half) & UINT32_MAX;
		uint64_t is_letter;

		x = (x | x << 16) & 0x0000ffff0000ffffu;
		x = (x | x << 8) & 0x00ff00ff00ff00ffu;
		x = (x | x << 4) & 15 * ones;
		is_letter = (x + 6 * ones) >> 4 & ones;
		x = htole64(x + '0' * ones + is_letter * ('a' - '0' - 10));
		memcpy(out + 8 * half, &x, sizeof(x));
	}
}

static void
put_request_id(struct writer *w, struct stream *s, const struct http_head *head)
{
	char made[32];
	struct slice id = head->request_id;

	if (!id_is_usable(id)) {
		put_hex(made, worker_random(s->worker));
		put_hex(made + 16, worker_random(s->worker));
		id = (struct slice){made, sizeof(made)};
	}
	PUT_LITERAL(w, "X-Request-Id: ");
	s->req.id_at = writer_at(w);
	s->req.id_n = (uint8_t)id.n;
	put_slice(w, id);
	PUT_LITERAL(w, "\r\n");
}

/* the client's deadline */

static void
put_deadline(struct writer *w, struct stream *s)
{
	static const char blanks[GRPC_TIMEOUT_ROOM + 1] = "         ";

	if (s->req.deadline_us == 0)
		return;
	PUT_LITERAL(w, "grpc-timeout: ");
	s->req.timeout_at = writer_at(w);
	put_slice(w, (struct slice){blanks, GRPC_TIMEOUT_ROOM});
	PUT_LITERAL(w, "\r\n");
}

void
forward_deadline(struct stream *s)
{
	uint64_t gone = mono_diff_us(stream_now(s), s->begin);
	uint64_t all = s->req.deadline_us;

	if (s->req.timeout_at != 0)
		grpc_timeout_write(all > gone ? all - gone : 0,
				   (char *)s->req.head->bytes + s->req.timeout_at);
}

/* request */

static bool
put_request_line(struct writer *w, struct stream *s, const struct http_head *head,
		 const struct http_target *target)
{
	size_t path_n = 0;
	size_t n;

	put_slice(w, head->method);
	PUT_LITERAL(w, " ");
	s->req.method_n = (uint16_t)head->method.n;
	if (w->overflow || head->target.n + 1 > (size_t)(w->end - w->at))
		return false;
	n = http_target_write(target, (char *)w->at, &path_n);
	if (n == 0)
		return false;
	s->req.target_at = (uint16_t)writer_at(w);
	s->req.target_n = (uint32_t)n;
	w->at += n;
	PUT_LITERAL(w, " HTTP/1.1\r\n");
	return true;
}

/* Where the client connected to: it named nothing else. */
static void
put_local_host(struct writer *w, const struct front *f)
{
	char text[TG_ADDR_STRLEN];
	struct addr addr = {.len = sizeof(addr.u)};
	struct ip ip;

	if (getsockname(f->conn.fd, &addr.u.sa, &addr.len) != 0 || !addr_ip(&addr, &ip)) {
		PUT_LITERAL(w, "localhost");
		return;
	}
	addr_format(&addr, text, sizeof(text));
	put_slice(w, (struct slice){text, strlen(text)});
}

/*
 * Host stands first (RFC 9110 7.2); absolute form overrules it; HTTP/1.0 may have none, where many
 * servers refuse an HTTP/1.1 request whose Host is empty.
 */
static void
put_host(struct writer *w, struct stream *s, struct http_head *head,
	 const struct http_target *target)
{
	struct slice host = target->form == HTTP_TARGET_ABSOLUTE ? target->authority : head->host;

	PUT_LITERAL(w, "Host: ");
	s->req.host_at = writer_at(w);
	s->req.host_n = (uint16_t)host.n;
	put_slice(w, host);
	if (host.n == 0)
		put_local_host(w, s->front);
	PUT_LITERAL(w, "\r\n");
}

static void
put_upgrade(struct writer *w, struct stream *s, const struct http_head *head)
{
	PUT_LITERAL(w, "Connection: upgrade\r\nUpgrade: ");
	s->req.upgrade_at = writer_at(w);
	s->req.upgrade_n = (uint16_t)head->upgrade.n;
	put_slice(w, head->upgrade);
	PUT_LITERAL(w, "\r\n");
}

/* RFC 9110 7.6.2. At 0 nothing of this is sent. */
static void
put_max_forwards(struct writer *w, const struct http_head *head)
{
	size_t i;

	for (i = 0; i < head->n_fields; i++) {
		if (head->fields[i].id == HTTP_FIELD_MAX_FORWARDS && head->fields[i].nominated)
			return;
	}
	PUT_LITERAL(w, "Max-Forwards: ");
	put_number(w, head->max_forwards > 0 ? head->max_forwards - 1 : 0);
	PUT_LITERAL(w, "\r\n");
}

/* No more than this is written: what is kept, and what is added. Earlier forwarded values stand in
 * the lines counted; the host is written three times. */
static size_t
head_size(const struct http_head *head, const struct http_target *target)
{
	size_t n = HEAD_EXTRA + TG_ADDR_STRLEN + head->method.n + head->target.n +
		   3 * (target->authority.n + head->host.n);
	size_t i;

	for (i = 0; i < head->n_fields; i++)
		n += head->fields[i].line.n;
	return n;
}

static enum http_fault
check_host(const struct http_head *head)
{
	/* RFC 9112 3.2: no host is right only in HTTP/1.0. */
	if (head->host.n == 0)
		return head->minor == 0 ? HTTP_FAULT_NONE : HTTP_FAULT_SYNTAX;
	return http_host_is_valid(head->host) ? HTTP_FAULT_NONE : HTTP_FAULT_SYNTAX;
}

/* What is written anew, or says what is not the client's to say. */
static uint32_t
fields_replaced(const struct stream *s, const struct forwarded *plan)
{
	uint32_t ids = BIT(HTTP_FIELD_HOST) | BIT(HTTP_FIELD_EXPECT);

	if (s->req.deadline_us != 0)
		ids |= BIT(HTTP_FIELD_GRPC_TIMEOUT);
	if (!keeps_client_certificates(s->front, plan))
		ids |= BIT(HTTP_FIELD_CLIENT_CERT);
	return ids;
}

enum http_fault
forward_request(struct stream *s, struct http_head *head, const struct http_target *target)
{
	struct front *f = s->front;
	struct forwarded plan = plan_forwarded(f, head);
	struct writer w;
	enum http_fault fault = check_host(head);
	struct slice host;

	if (fault != HTTP_FAULT_NONE)
		return fault;
	s->req.head = buf_get(&s->worker->bufs,
			      buf_size_for(head_size(head, target) + shown_size(shown_by(f))));
	if (s->req.head == NULL)
		return HTTP_FAULT_HEAD_LENGTH;
	w = writer_begin(s->req.head);
	if (!put_request_line(&w, s, head, target))
		return w.overflow ? HTTP_FAULT_HEAD_LENGTH : HTTP_FAULT_SYNTAX;
	put_host(&w, s, head, target);
	drop_fields(head, fields_replaced(s, &plan));
	put_kept(&w, head);
	host = (struct slice){(const char *)w.buf->bytes + s->req.host_at, s->req.host_n};
	put_forwarded(&w, &plan, head, f, host);
	put_shown(&w, shown_by(f));
	if (stream_is_early(s))
		PUT_LITERAL(&w, "Early-Data: 1\r\n");
	put_request_id(&w, s, head);
	put_deadline(&w, s);
	if (head->body == HTTP_BODY_CHUNKED)
		PUT_LITERAL(&w, "Transfer-Encoding: chunked\r\n");
	if (head->has_max_forwards)
		put_max_forwards(&w, head);
	if (head->wants_upgrade)
		put_upgrade(&w, s, head);
	s->req.expects_continue = head->expects_continue;
	if (head->expects_continue)
		PUT_LITERAL(&w, EXPECT_FIELD);
	PUT_LITERAL(&w, "\r\n");
	return writer_end(&w) ? HTTP_FAULT_NONE : HTTP_FAULT_HEAD_LENGTH;
}

void
forward_drop_expect(struct stream *s)
{
	struct buf *head = s->req.head;

	head->w -= (uint32_t)(sizeof(EXPECT_FIELD "\r\n") - 1);
	memcpy(head->bytes + head->w, "\r\n", 2);
	head->w += 2;
}

void
forward_refused(struct stream *s, const struct http_head *head)
{
	struct stream_request *req = &s->req;
	size_t n = head->method.n + head->target.n;
	struct writer w;

	req->minor = head->minor;
	req->is_grpc = head->is_grpc;
	if (n == 0 || head->method.n > UINT8_MAX)
		return;
	buf_put(&s->worker->bufs, &req->head);
	req->head = buf_get(&s->worker->bufs, buf_size_for(n));
	if (req->head == NULL)
		return;
	w = writer_begin(req->head);
	put_slice(&w, head->method);
	put_slice(&w, head->target);
	(void)writer_end(&w);
	req->method_n = (uint16_t)head->method.n;
	req->target_at = (uint16_t)head->method.n;
	req->target_n = (uint32_t)head->target.n;
	req->host_n = 0;
	req->id_n = 0;
	req->is_head_method = slice_equal(head->method, SLICE("HEAD"));
}

/* answer */

static void
put_status_line(struct writer *w, const struct http_head *head)
{
	const unsigned status = head->status;
	const char digits[4] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
				(char)('0' + status % 10), ' '};

	PUT_LITERAL(w, "HTTP/1.1 ");
	put(w, digits, sizeof(digits));
	put_slice(w, head->reason);
	PUT_LITERAL(w, "\r\n");
}

static void
put_answer_connection(struct writer *w, const struct stream *s, const struct http_head *head)
{
	if (head->status == 101 || (head->status == 426 && head->upgrade.n > 0)) {
		PUT_LITERAL(w, "Connection: upgrade");
		if (head->status != 101 && s->ans.close_front)
			PUT_LITERAL(w, ", close");
		PUT_LITERAL(w, "\r\n");
		put_field(w, SLICE("Upgrade"), head->upgrade);
	} else if (head->status >= 200 && s->ans.close_front) {
		PUT_LITERAL(w, "Connection: close\r\n");
	} else if (head->status >= 200 && s->req.minor == 0) {
		PUT_LITERAL(w, "Connection: keep-alive\r\n");
	}
}

static void
put_set_cookie(struct writer *w, const struct stream *s)
{
	char line[L7_SET_COOKIE_MAX];

	put(w, line, affinity_write(s, line));
}

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

static bool
answer_room(struct stream *s, size_t need)
{
	struct stream_answer *ans = &s->ans;
	struct buf_pool *bufs = &s->worker->bufs;

	if (ans->head == NULL)
		ans->head = buf_get(bufs, buf_size_for(need));
	if (ans->head == NULL)
		return false;
	if (need <= buf_room(ans->head))
		return true;
	return buf_grow(bufs, &ans->head) == 0 && need <= buf_room(ans->head);
}

bool
forward_continue(struct stream *s)
{
	return answer_room(s, sizeof(CONTINUE) - 1) &&
	       buf_append(s->ans.head, CONTINUE, sizeof(CONTINUE) - 1);
}

bool
forward_answer(struct stream *s, struct http_head *head)
{
	bool is_final = head->status >= 200 || head->status == 101;
	bool has_cookie = is_final && affinity_needs_cookie(s);
	size_t need = HEAD_EXTRA + head->reason.n + (has_cookie ? L7_SET_COOKIE_MAX : 0);
	struct writer w;
	bool has_date = false;
	size_t i;

	for (i = 0; i < head->n_fields; i++) {
		need += head->fields[i].line.n;
		has_date |= head->fields[i].id == HTTP_FIELD_DATE && !head->fields[i].dropped;
	}
	if (!answer_room(s, need))
		return false;
	w = writer_begin(s->ans.head);
	if (is_final)
		s->ans.final_at = writer_at(&w);
	/* RFC 9110 8.6: these have none. */
	if (head->status < 200 || head->status == 204)
		drop_fields(head, BIT(HTTP_FIELD_CONTENT_LENGTH));
	put_status_line(&w, head);
	put_kept(&w, head);
	if (!has_date && head->status >= 200)
		put_field(&w, SLICE("Date"), stream_date(s));
	if (head->status >= 200 && head->body != HTTP_BODY_NONE &&
	    ((head->body == HTTP_BODY_CHUNKED && s->ans.coding != CODING_UNCHUNK) ||
	     s->ans.coding == CODING_CHUNK))
		PUT_LITERAL(&w, "Transfer-Encoding: chunked\r\n");
	if (has_cookie)
		put_set_cookie(&w, s);
	put_answer_connection(&w, s, head);
	PUT_LITERAL(&w, "\r\n");
	return writer_end(&w);
}
