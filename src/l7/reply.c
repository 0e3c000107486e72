/* Answers of our own: errors, in a few words, as the service's page, or as gRPC has them; and OPTIONS that go no
 * further. */
#include <stdio.h>
#include <string.h>

#include "http/grpc.h"
#include "http2/session.h"
#include "l7/stream_priv.h"

#define LAST_CHUNK "0\r\n"
#define ALLOWED_METHODS "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"

static const struct conf_error_page *
find_page(const struct stream *s, unsigned status)
{
	size_t i;

	for (i = 0; s->service != NULL && i < s->service->conf->n_error_pages; i++) {
		if (s->service->conf->error_pages[i].status == status)
			return &s->service->conf->error_pages[i];
	}
	return NULL;
}

void
answer_unsend(struct stream *s)
{
	struct stream_answer *ans = &s->ans;

	if (ans->has_head && ans->head != NULL)
		ans->head->w = ans->final_at;
	if (ans->head != NULL && buf_len(ans->head) == 0)
		buf_put(&s->worker->bufs, &ans->head);
	buf_put(&s->worker->bufs, &ans->in);
	store_free_answer(s);
	ans->ready = 0;
	ans->has_head = false;
	ans->is_buffered = false;
	ans->is_held = false;
}

/* Behind interim answers that are not yet sent. False: no memory. */
static bool
make_room(struct stream *s, size_t n)
{
	struct stream_answer *ans = &s->ans;
	struct buf_pool *bufs = &s->worker->bufs;

	if (ans->head == NULL)
		ans->head = buf_get(bufs, buf_size_for(n));
	if (ans->head == NULL)
		return false;
	return n <= buf_room(ans->head) || buf_grow(bufs, &ans->head) == 0;
}

struct body {
	const void *bytes;
	size_t n;
	const char *type;
};

/* The page of the service, or a few words in `text`; for what is no error nothing. */
static struct body
make_body(const struct stream *s, unsigned status, char *text, size_t size)
{
	static const char format[] = "<html><head><title>%u %s</title></head>"
				     "<body><h1>%u %s</h1></body></html>\n";
	const struct conf_error_page *page = find_page(s, status);
	const char *phrase = http_status_phrase(status);
	int n;

	if (s->challenge != NULL) {
		n = snprintf(text, size, "%s.%s", s->challenge->token, s->challenge->thumbprint);
		return (struct body){text, (size_t)n, "application/octet-stream"};
	}
	if (page != NULL)
		return (struct body){page->body, page->body_len, "text/html"};
	if (status < 400)
		return (struct body){"", 0, NULL};
	n = snprintf(text, size, format, status, phrase, status, phrase);
	return (struct body){text, (size_t)n, "text/html"};
}

static const char *
connection_line(const struct stream *s)
{
	if (s->ans.close_front)
		return "Connection: close\r\n";
	return s->req.minor == 0 ? "Connection: keep-alive\r\n" : "";
}

/* Of what is refused until a start is tried again, what is left of that time. */
static unsigned
retry_after_s(const struct stream *s)
{
	if (s->reply_reason != TG_END_HOLD_REFUSED)
		return 1;
	return view_refusal_s(s->service->view, loop_now(s->worker->loop));
}

#define ADVICE_SIZE 80

/* RFC 9110 9.3.7, 10.2.3, 15.5.6: what may be done instead. */
static const char *
advice(const struct stream *s, unsigned status, char buf[ADVICE_SIZE])
{
	if (status == 503) {
		snprintf(buf, ADVICE_SIZE, "Retry-After: %u\r\n", retry_after_s(s));
		return buf;
	}
	return (status == 200 && s->challenge == NULL) || status == 405 ? "Allow: " ALLOWED_METHODS "\r\n" : "";
}

/* An answer that is its trailers. The phrases have no byte that grpc-message would need to escape. */
static int
format_grpc(const struct stream *s, unsigned status, char *head, size_t size)
{
	struct slice date = stream_date(s);
	enum grpc_status code = grpc_status_of(status);

	/* Nothing of it was sent, and in time it may be. */
	if (end_reason_is_no_connection(s->reply_reason))
		code = GRPC_UNAVAILABLE;
	return snprintf(head, size,
			"HTTP/1.1 200 OK\r\nDate: %.*s\r\nContent-Type: application/grpc\r\n"
			"grpc-status: %u\r\ngrpc-message: %s\r\nContent-Length: 0\r\n%s\r\n",
			(int)date.n, date.p, code, http_status_phrase(status), connection_line(s));
}

static bool
write_grpc(struct stream *s, unsigned status)
{
	char head[512];
	int n = format_grpc(s, status, head, sizeof(head));

	if (!make_room(s, (size_t)n))
		return false;
	s->ans.final_at = s->ans.head->w;
	return buf_append(s->ans.head, head, (size_t)n);
}

static bool
is_between_pieces(const struct stream *s)
{
	const struct stream_answer *ans = &s->ans;

	return !answer_is_unsent(ans) &&
	       (ans->coding == CODING_PASS || ans->coding == CODING_STRIP) &&
	       ans->body.kind == HTTP_BODY_CHUNKED && ans->body.state == HTTP1_CHUNK_SIZE_FIRST;
}

/* Frames have an end anywhere, chunks between two of them. */
enum step
stream_reply_in_trailers(struct stream *s, unsigned status, enum end_reason reason)
{
	char text[128] = LAST_CHUNK;
	char *trailers = text + sizeof(LAST_CHUNK) - 1;
	size_t room = sizeof(text) - sizeof(LAST_CHUNK);
	size_t n = (size_t)snprintf(trailers, room, "grpc-status: %u\r\ngrpc-message: %s\r\n\r\n",
				    grpc_status_of(status), http_status_phrase(status));

	if (!s->req.is_grpc || s->state != STREAM_RELAY || !s->ans.has_head)
		return stream_end(s, reason, false);
	if (s->front->over != NULL && h2_stream_finish(&s->front->conn, trailers, n))
		return stream_end(s, reason, false);
	n += sizeof(LAST_CHUNK) - 1;
	if (!is_between_pieces(s) || !make_room(s, n) || !buf_append(s->ans.head, text, n))
		return stream_end(s, reason, false);
	stream_leave_backend(s, reason, LEAVE_CLOSE);
	s->state = STREAM_REPLY;
	s->reply_reason = reason;
	s->down_progress = stream_now(s);
	s->ans.close_front = true;
	return STEP_MORE;
}

static bool
write_reply(struct stream *s, unsigned status)
{
	struct stream_answer *ans = &s->ans;
	char text[256];
	char line[ADVICE_SIZE];
	struct body body = make_body(s, status, text, sizeof(text));
	struct slice date = stream_date(s);
	char head[512];
	int n;

	n = snprintf(head, sizeof(head),
		     "HTTP/1.1 %u %s\r\nDate: %.*s\r\n%s%s%sContent-Length: %zu\r\n"
		     "Cache-Control: no-store\r\n%s%s\r\n",
		     status, http_status_phrase(status), (int)date.n, date.p,
		     body.n > 0 ? "Content-Type: " : "", body.n > 0 ? body.type : "",
		     body.n > 0 ? "\r\n" : "", body.n, advice(s, status, line),
		     connection_line(s));
	if (!make_room(s, (size_t)n + body.n))
		return false;
	ans->final_at = ans->head->w;
	if (!buf_append(ans->head, head, (size_t)n))
		return false;
	return s->req.is_head_method || buf_append(ans->head, body.bytes, body.n);
}

enum step
stream_reply(struct stream *s, unsigned status, enum end_reason reason)
{
	struct stream_answer *ans = &s->ans;

	attempt_wait_end(s);
	stream_leave_backend(s, reason, LEAVE_CLOSE);
	s->state = STREAM_REPLY;
	s->reply_reason = reason;
	s->down_progress = stream_now(s);
	if (ans->is_started) {
		ans->close_front = true;
		buf_put(&s->worker->bufs, &ans->head);
		buf_put(&s->worker->bufs, &ans->in);
		store_free_answer(s);
		ans->ready = 0;
		return STEP_MORE;
	}
	answer_unsend(s);
	ans->status = (uint16_t)status;
	ans->close_front = !s->req.keep_alive || !s->req.body.done || s->front->draining;
	if (s->req.is_grpc ? !write_grpc(s, status) : !write_reply(s, status)) {
		ans->close_front = true;
		buf_put(&s->worker->bufs, &ans->head);
	}
	return STEP_MORE;
}
