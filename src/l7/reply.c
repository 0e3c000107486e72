/* Answers of our own: errors, in a few words or as the service's page. */
#include <stdio.h>
#include <string.h>

#include "l7/stream_priv.h"

#define RETRY_AFTER_SECONDS 1

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

static bool
write_reply(struct stream *s, unsigned status)
{
	static const char page_format[] = "<html><head><title>%u %s</title></head>"
					  "<body><h1>%u %s</h1></body></html>\n";
	const struct conf_error_page *page = find_page(s, status);
	const char *phrase = http_status_phrase(status);
	struct stream_answer *ans = &s->ans;
	char body[256];
	char head[512];
	size_t body_n;
	int n;

	n = snprintf(body, sizeof(body), page_format, status, phrase, status, phrase);
	body_n = page != NULL ? page->body_len : (size_t)n;
	n = snprintf(head, sizeof(head),
		     "HTTP/1.1 %u %s\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n"
		     "Cache-Control: no-store\r\n",
		     status, phrase, body_n);
	if (status == 503)
		n += snprintf(head + n, sizeof(head) - (size_t)n, "Retry-After: %d\r\n",
			      RETRY_AFTER_SECONDS);
	n += snprintf(head + n, sizeof(head) - (size_t)n, "%s\r\n",
		      ans->close_front    ? "Connection: close\r\n"
		      : s->req.minor == 0 ? "Connection: keep-alive\r\n"
					  : "");
	if (!make_room(s, (size_t)n + body_n))
		return false;
	ans->final_at = ans->head->w;
	if (!buf_append(ans->head, head, (size_t)n))
		return false;
	if (s->req.is_head_method)
		return true;
	return buf_append(ans->head, page != NULL ? page->body : body, body_n);
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
	if (!write_reply(s, status)) {
		ans->close_front = true;
		buf_put(&s->worker->bufs, &ans->head);
	}
	return STEP_MORE;
}
