/* One exchange: started, driven, timed. */
#include <string.h>

#include "l7/stream_priv.h"
#include "tls/stream.h"

/* start */

static enum http_fault
check_limits(const struct stream *s, const struct http_head *head)
{
	uint64_t max = s->front->listener->conf->limits.body_bytes;

	if (max != 0 && head->body == HTTP_BODY_LENGTH && head->content_length > max)
		return HTTP_FAULT_BODY_LENGTH;
	return HTTP_FAULT_NONE;
}

struct slice
stream_target(const struct stream *s)
{
	return (struct slice){(const char *)s->req.head->bytes + s->req.target_at, s->req.target_n};
}

struct slice
stream_path(const struct stream *s)
{
	struct slice path = stream_target(s);
	const char *question = memchr(path.p, '?', path.n);

	if (question != NULL)
		path.n = (size_t)(question - path.p);
	return path;
}

static const struct conf_route *
find_route(const struct stream *s)
{
	const struct http_routes *routes = s->front->listener->routes;
	struct slice host = {(const char *)s->req.head->bytes + s->req.host_at, s->req.host_n};
	char name[256];

	host.n = http_routes_have_hosts(routes) ? http_host_name(host, name, sizeof(name)) : 0;
	host.p = name;
	return http_routes_find(routes, host, stream_path(s));
}

static void
read_request(struct stream *s, const struct http_head *head)
{
	const struct conf_limits *limits = &s->front->listener->conf->limits;
	struct stream_request *req = &s->req;

	req->is_head_method = slice_equal(head->method, SLICE("HEAD"));
	req->is_idempotent = http_method_is_idempotent(head->method);
	req->has_idempotency_key = head->has_idempotency_key;
	req->wants_upgrade = head->wants_upgrade;
	req->keep_alive = head->keep_alive;
	req->ends_here = head->has_max_forwards && head->max_forwards == 0;
	req->is_grpc = head->is_grpc;
	req->deadline_us = head->is_grpc ? head->grpc_timeout_us : 0;
	req->minor = head->minor;
	req->can_replay = true;
	http1_body_init(&req->body, head, limits->body_bytes, limits->chunk_extension_bytes,
			limits->head_bytes);
}

/* Before a backend is asked for, none can say that the body is wanted. */
static bool
is_expect_ours(const struct conf_service *conf)
{
	return conf->expect == TG_EXPECT_ANSWER || conf->buffer_request.memory_bytes != 0;
}

/* Who serves the request, and what of it says where the client belongs. */
static void
route(struct stream *s, const struct http_head *head)
{
	const struct conf_route *route = find_route(s);

	if (route == NULL)
		return;
	s->service = listener_service(s->front->listener, route->service);
	if (s->service == NULL)
		return;
	worker_service_use(s->service);
	s->priority = route->priority;
	if (s->req.has_idempotency_key && s->service->conf->retry.idempotency_key)
		s->req.is_idempotent = true;
	affinity_read(s, head);
}

/*
 * OPTIONS or TRACE that may go no further (RFC 9110 7.6.2). A TRACE would show all of its
 * request to whoever can make somebody else send one (RFC 9110 9.3.8): it is not reflected.
 */
static enum step
answer_here(struct stream *s)
{
	struct slice method = {(const char *)s->req.head->bytes, s->req.method_n};

	return stream_reply(s, slice_equal(method, SLICE("OPTIONS")) ? 200 : 405, TG_END_DONE);
}

bool
stream_is_early(const struct stream *s)
{
	return s->front->tls != NULL && s->front->tls->is_early;
}

/* What was recorded on its way may come again (RFC 8470 3): of more than a question its client is to be sure. The head
 * says whether there is a body, not what of it has come. */
static bool
is_too_early(const struct stream *s)
{
	struct slice method = {(const char *)s->req.head->bytes, s->req.method_n};

	return stream_is_early(s) && (!http_method_is_safe(method) ||
				      s->req.body.kind != HTTP_BODY_NONE || s->req.wants_upgrade);
}

/* The request is good. */
static enum step
serve(struct stream *s)
{
	enum step step;

	if (is_too_early(s))
		return stream_reply(s, 425, TG_END_TOO_EARLY);
	if (s->worker->challenges != NULL && challenge_takes(s, &step))
		return step;
	if (s->service == NULL)
		return stream_reply(s, 404, TG_END_NO_ROUTE);
	if (s->req.ends_here)
		return answer_here(s);
	if (s->req.expects_continue && is_expect_ours(s->service->conf))
		request_take_expect(s);
	tries_begin(s->service);
	if (s->service->conf->buffer_request.memory_bytes != 0)
		return store_request_begin(s);
	return attempt_begin(s);
}

static enum step
refuse(struct stream *s, enum http_fault fault)
{
	enum end_reason reason = TG_END_BAD_REQUEST;

	if (fault == HTTP_FAULT_BODY_LENGTH || fault == HTTP_FAULT_URI_LENGTH ||
	    fault == HTTP_FAULT_HEAD_LENGTH)
		reason = TG_END_REQUEST_LIMIT;
	s->req.keep_alive = false;
	return stream_reply(s, http_fault_status(fault), reason);
}

static enum step
begin(struct stream *s, struct http_head *head, size_t n)
{
	struct front *f = s->front;
	struct http_target target;
	enum http_fault fault;

	read_request(s, head);
	fault = http_target_read(head->target, head->method, &target);
	if (fault == HTTP_FAULT_NONE)
		fault = forward_request(s, head, &target);
	if (fault != HTTP_FAULT_NONE) {
		front_capture(f, fault, n);
		forward_refused(s, head);
	} else {
		route(s, head);
		fault = check_limits(s, head);
	}
	/* The head points into these bytes: from here on only the copy counts. */
	s->bytes_in = n;
	buf_consume(f->in, (uint32_t)n);
	if (buf_len(f->in) == 0)
		buf_put(&s->worker->bufs, &f->in);
	if (fault != HTTP_FAULT_NONE)
		return refuse(s, fault);
	if (!request_scan(s))
		return STEP_MORE;
	/* A reset may hide behind the bytes just read. */
	if (!s->req.body.done)
		conn_recheck(&f->conn);
	return serve(s);
}

void
stream_start(struct front *f, struct http_head *head, size_t n)
{
	struct stream *s = stream_get(f);

	if (s == NULL) {
		front_close(f, true);
		return;
	}
	if (begin(s, head, n) != STEP_GONE)
		stream_run(s);
}

void
stream_refuse(struct front *f, const struct http_head *head, unsigned status,
	      enum end_reason reason)
{
	struct stream *s = stream_get(f);

	if (s == NULL) {
		front_close(f, true);
		return;
	}
	s->bytes_in = f->in != NULL ? buf_len(f->in) : 0;
	forward_refused(s, head);
	if (stream_reply(s, status, reason) != STEP_GONE)
		stream_run(s);
}

void
stream_refuse_unanswered(struct front *f, const struct http_head *head, size_t n,
			 enum end_reason reason)
{
	struct stream *s = stream_get(f);

	if (s == NULL) {
		front_close(f, true);
		return;
	}
	s->bytes_in = n;
	forward_refused(s, head);
	(void)stream_end(s, reason, false);
}

/* time */

static uint64_t
bounded_add(struct mono since, uint64_t ms)
{
	return since.us + ms * 1000u;
}

/* A body that trickles is given up then. */
static uint64_t
body_due_us(const struct stream *s)
{
	uint64_t ms = s->front->listener->conf->timeouts.request_body_ms;

	return bounded_add(s->body_begin,
			   ms + http1_body_received(&s->req.body) * L7_BODY_MS_PER_BYTE);
}

struct due {
	uint64_t us;
	enum end_reason reason;
};

static void
due_at(struct due *due, uint64_t us, enum end_reason reason)
{
	if (us < due->us)
		*due = (struct due){us, reason};
}

/* A backend may wait inside its answer for more of the request, and has its time from the last of it. */
static struct mono
last_progress(const struct stream *s)
{
	return !s->req.is_abandoned && s->up_progress.us > s->down_progress.us ? s->up_progress
									       : s->down_progress;
}

/* The client's part of it. Who is answered already, or sends messages of gRPC, has something to say now and then: it
 * has time as long as either side speaks. */
static void
due_body(const struct stream *s, struct due *due)
{
	bool is_talk = s->ans.has_head || s->req.is_grpc;

	due_at(due,
	       bounded_add(is_talk ? last_progress(s) : s->up_progress,
			   s->front->listener->conf->timeouts.idle_ms),
	       TG_END_REQUEST_BODY_TIMEOUT);
	if (!is_talk)
		due_at(due, body_due_us(s), TG_END_REQUEST_BODY_TIMEOUT);
}

static void
due_request(const struct stream *s, struct due *due)
{
	const struct stream_request *req = &s->req;

	if (req->is_done || req->is_abandoned)
		return;
	if (req->head_sent < buf_len(req->head) || req->sent < req->ready ||
	    req->bulk.piped.n > 0 || (req->spool != NULL && spool_has_unread(req->spool))) {
		due_at(due, bounded_add(s->up_progress, s->service->conf->timeouts.idle_ms),
		       TG_END_BACK_IDLE_TIMEOUT);
		return;
	}
	if (request_awaits_word(s))
		due_at(due, bounded_add(s->up_progress, s->service->conf->timeouts.response_ms),
		       TG_END_RESPONSE_TIMEOUT);
	else
		due_body(s, due);
}

static void
due_answer(const struct stream *s, struct due *due)
{
	const struct conf_back_timeouts *back = &s->service->conf->timeouts;
	const struct stream_answer *ans = &s->ans;

	if (answer_is_unsent(ans) && !ans->is_held)
		due_at(due,
		       bounded_add(s->down_progress, s->front->listener->conf->timeouts.idle_ms),
		       TG_END_CLIENT_TIMEOUT);
	else if (ans->has_head)
		due_at(due, bounded_add(last_progress(s), back->idle_ms), TG_END_BACK_IDLE_TIMEOUT);
	else if (s->req.is_done || s->req.is_abandoned)
		due_at(due, bounded_add(s->sent, back->response_ms), TG_END_RESPONSE_TIMEOUT);
}

static void
due_tunnel(const struct stream *s, struct due *due)
{
	uint64_t max_ms = s->service->conf->timeouts.tunnel_max_ms;

	due_at(due, tunnel_due(&s->tunnel, stream_tunnel_idle_ms(s)).us, TG_END_TUNNEL_TIMEOUT);
	if (max_ms != 0)
		due_at(due, bounded_add(s->answered, max_ms), TG_END_TUNNEL_LIFETIME);
}

static struct due
next_due(const struct stream *s)
{
	struct due due = {UINT64_MAX, TG_END_TOTAL_TIMEOUT};

	if (s->service != NULL && s->service->conf->timeouts.total_ms != 0)
		due_at(&due, bounded_add(s->begin, s->service->conf->timeouts.total_ms),
		       TG_END_TOTAL_TIMEOUT);
	if (s->req.deadline_us != 0 && s->state != STREAM_REPLY)
		due_at(&due, s->begin.us + s->req.deadline_us, TG_END_DEADLINE);
	switch (s->state) {
	case STREAM_WAIT:
		due_at(&due,
		       mono_is_set(s->next_try) ? s->next_try.us : lease_due(&s->lease).us,
		       TG_END_QUEUE_TIMEOUT);
		break;
	case STREAM_STORE:
		due_body(s, &due);
		break;
	case STREAM_CONNECT:
		due_at(&due, bounded_add(s->phase, s->service->conf->timeouts.connect_ms),
		       TG_END_CONNECT_TIMEOUT);
		break;
	case STREAM_RELAY:
		due_request(s, &due);
		due_answer(s, &due);
		break;
	case STREAM_TUNNEL:
		due_tunnel(s, &due);
		break;
	case STREAM_REPLY:
	case STREAM_DELIVER:
		due_at(&due,
		       bounded_add(s->down_progress, s->front->listener->conf->timeouts.idle_ms),
		       TG_END_CLIENT_TIMEOUT);
		break;
	case STREAM_STATE_COUNT:
		break;
	}
	return due;
}

static uint64_t
quiet_check_at(const struct stream *s)
{
	bool waits =
		s->state == STREAM_CONNECT || s->state == STREAM_RELAY || s->state == STREAM_WAIT;

	return waits && s->req.body.done && !s->is_checked ? bounded_add(s->begin, L7_QUIET_MS)
							   : UINT64_MAX;
}

static void
arm(struct stream *s)
{
	struct due due = next_due(s);

	due_at(&due, quiet_check_at(s), TG_END_CLIENT_ABORT);
	if (s->ans.is_held)
		due_at(&due, s->ans.held_until.us, TG_END_DONE);
	timer_set(s->worker->loop, &s->front->timer, (struct mono){due.us});
}

/* Time is up: an answer of our own where none has begun. */
static enum step
time_out(struct stream *s, enum end_reason reason)
{
	bool can_reply =
		!s->ans.is_started && s->state != STREAM_TUNNEL && s->state != STREAM_REPLY;

	switch (reason) {
	case TG_END_TUNNEL_TIMEOUT:
		if (tunnel_on_time(&s->tunnel, stream_now(s), stream_tunnel_idle_ms(s)))
			return stream_end(s, reason, false);
		return STEP_MORE;
	case TG_END_CONNECT_TIMEOUT:
		back_timed_out(s->back);
		return attempt_failed(s, reason);
	case TG_END_QUEUE_TIMEOUT:
		if (!s->awaits_challenge)
			return attempt_wait_over(s);
		attempt_wait_end(s);
		s->awaits_challenge = false;
		return serve(s);
	case TG_END_REQUEST_BODY_TIMEOUT:
		s->req.keep_alive = false;
		return can_reply ? stream_reply(s, 408, reason) : stream_end(s, reason, false);
	case TG_END_RESPONSE_TIMEOUT:
		return attempt_timed_out(s);
	case TG_END_DEADLINE:
		return can_reply ? stream_reply(s, 504, reason)
				 : stream_reply_in_trailers(s, 504, reason);
	case TG_END_BACK_IDLE_TIMEOUT:
	case TG_END_TOTAL_TIMEOUT:
		if (s->back != NULL)
			counter_add(&s->back->home->counters, TG_B_ANSWER_ERRORS, 1);
		return can_reply ? stream_reply(s, 504, reason) : stream_end(s, reason, false);
	default:
		return stream_end(s, reason, false);
	}
}

/* the machine */

static enum step
relay_exchange(struct stream *s)
{
	enum step step = request_step(s);

	if (step == STEP_PARKED && s->state == STREAM_RELAY)
		step = answer_step(s);
	return step;
}

static enum step
reply_step(struct stream *s)
{
	enum step step = answer_flush(s);

	if (step != STEP_MORE)
		return step == STEP_PARKED ? request_drop(s) : step;
	/* In an answer that has begun there was nothing to reply: it is cut. */
	return stream_end(s, s->reply_reason, !s->ans.has_head);
}

/* Its client has sent its end. That of a stream of HTTP/2 is the end of its request only. */
static bool
is_given_up(const struct stream *s)
{
	const struct conn *c = &s->front->conn;

	return stream_awaits_backend(s) && s->service->conf->abort_on_close != TG_ABORT_NEVER &&
	       (c->flags & CONN_VIRTUAL) == 0 && (c->flags & (CONN_HANGUP | CONN_ENDED)) != 0;
}

static enum step
wait_step(struct stream *s)
{
	return is_given_up(s) ? stream_end(s, TG_END_CLIENT_ABORT, false) : STEP_PARKED;
}

void
stream_run(struct stream *s)
{
	enum step step = STEP_MORE;

	s->rounds = L7_ROUNDS;
	s->disk_steps = L7_DISK_STEPS;
	while (step == STEP_MORE) {
		switch (s->state) {
		case STREAM_WAIT:
			step = wait_step(s);
			break;
		case STREAM_STORE:
			step = store_request_step(s);
			break;
		case STREAM_CONNECT:
			step = attempt_connect_step(s);
			break;
		case STREAM_RELAY:
			step = relay_exchange(s);
			break;
		case STREAM_TUNNEL:
			step = stream_tunnel_step(s);
			break;
		case STREAM_DELIVER:
			step = store_deliver_step(s);
			break;
		case STREAM_REPLY:
			step = reply_step(s);
			break;
		case STREAM_STATE_COUNT:
			return;
		}
	}
	if (step == STEP_PARKED)
		arm(s);
}

/*
 * Between the end of a request and the end of its answer the client has nothing
 * to say but the next request, its end, or that it is gone. One buffer of it is
 * read ahead, so that the last is noticed.
 */
static enum step
watch_client(struct stream *s)
{
	struct front *f = s->front;
	ssize_t n;

	/* The rest of the body waits in the kernel, but after a reset nobody waits for an answer. */
	if (s->state == STREAM_WAIT && conn_is_reset(&f->conn))
		return stream_end(s, TG_END_CLIENT_ABORT, false);
	if (!s->req.body.done || (f->conn.flags & CONN_READABLE) == 0)
		return STEP_PARKED;
	if (f->in == NULL)
		f->in = buf_get(&s->worker->bufs, TG_BUF_SMALL);
	if (f->in == NULL || buf_room(f->in) == 0)
		return STEP_PARKED;
	n = conn_recv(&f->conn, f->in->bytes + f->in->w, buf_room(f->in));
	if (n > 0)
		f->in->w += (uint32_t)n;
	else if (buf_len(f->in) == 0)
		buf_put(&s->worker->bufs, &f->in);
	return n == -TG_EIO ? stream_end(s, TG_END_CLIENT_ABORT, false) : STEP_PARKED;
}

/* A reset may hide behind the request: ask, once. */
static enum step
check_client(struct stream *s)
{
	s->is_checked = true;
	conn_recheck(&s->front->conn);
	return watch_client(s);
}

void
stream_cut(struct stream *s)
{
	if (attempt_cut(s) != STEP_GONE)
		stream_run(s);
}

bool
stream_is_late(const struct stream *s)
{
	return stream_now(s).us >= next_due(s).us;
}

void
stream_on_timer(struct stream *s)
{
	struct mono now = stream_now(s);
	struct due due;

	if (now.us >= quiet_check_at(s) && check_client(s) == STEP_GONE)
		return;
	due = next_due(s);
	if (s->ans.is_held && now.us >= s->ans.held_until.us) {
		store_release(s);
		stream_run(s);
	} else if (due.us > now.us) {
		arm(s);
	} else if (time_out(s, due.reason) != STEP_GONE) {
		stream_run(s);
	}
}

void
stream_on_front(struct stream *s)
{
	if (s->state != STREAM_TUNNEL && watch_client(s) == STEP_GONE)
		return;
	stream_run(s);
}

void
stream_on_back(struct back *b)
{
	stream_run(b->stream);
}
