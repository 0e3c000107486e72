/* What runs, for an operator who asks; and what could not be read. */
#include <string.h>

#include "backend/capture.h"
#include "l7/h2_front_priv.h"

static enum session_phase
phase_of(const struct stream *s)
{
	switch (s->state) {
	case STREAM_CONNECT:
		return TG_PHASE_CONNECT;
	case STREAM_RELAY:
		return s->ans.has_head ? TG_PHASE_ANSWER : TG_PHASE_REQUEST;
	case STREAM_TUNNEL:
		return TG_PHASE_TUNNEL;
	case STREAM_REPLY:
		return TG_PHASE_REPLY;
	case STREAM_WAIT:
		return TG_PHASE_WAIT;
	case STREAM_STORE:
		return TG_PHASE_STORE;
	case STREAM_DELIVER:
		return TG_PHASE_DELIVER;
	case STREAM_STATE_COUNT:
		break;
	}
	return TG_PHASE_REQUEST;
}

static void
add(struct msg_session *m, const char *bytes, size_t n)
{
	size_t room = TG_SESSION_REQUEST - m->request_n;

	if (n > room)
		n = room;
	if (n > 0)
		memcpy(m->request + m->request_n, bytes, n);
	m->request_n += (uint32_t)n;
}

/* "GET example.org/path" */
static void
describe_request(const struct stream_request *req, struct msg_session *m)
{
	const char *text;

	if (req->head == NULL)
		return;
	text = (const char *)req->head->bytes;
	add(m, text, req->method_n);
	add(m, " ", 1);
	add(m, text + req->host_at, req->host_n);
	add(m, text + req->target_at, req->target_n);
}

static void
describe_stream(const struct stream *s, struct msg_session *m)
{
	m->phase = phase_of(s);
	m->request_us = mono_diff_us(stream_now(s), s->begin);
	m->bytes_in = s->bytes_in;
	m->bytes_out = s->bytes_out;
	if (s->state == STREAM_TUNNEL) {
		m->bytes_in += s->tunnel.up.bytes;
		m->bytes_out += s->tunnel.down.bytes;
	}
	m->tries = (uint32_t)s->tries.n;
	if (s->service != NULL)
		m->service = s->service->conf->segment_slot;
	if (s->lease.backend != NULL)
		m->backend = s->lease.backend->slot;
	if (s->back != NULL)
		m->carrier = back_carrier_id(s->back);
	describe_request(&s->req, m);
}

void
front_describe(const struct front_link *link, struct msg_session *m)
{
	const struct front *f = (const struct front *)link;

	m->client_ip = f->ip;
	m->client_port = f->port;
	m->over = f->over != NULL ? f->over->link.id : 0;
	switch ((enum front_state)f->state) {
	case FRONT_IDLE:
		m->phase = TG_PHASE_REST;
		break;
	case FRONT_HEAD:
		m->phase = TG_PHASE_HEAD;
		break;
	case FRONT_STREAM:
		describe_stream(f->stream, m);
		break;
	case FRONT_LINGER:
		m->phase = TG_PHASE_LINGER;
		break;
	}
}

void
front_capture_text(struct front *f, enum http_fault fault, struct slice text, size_t position)
{
	struct msg_capture m = {
		.listener = f->listener->conf->segment_slot,
		.service = TG_SESSION_NONE,
		.backend = TG_SESSION_NONE,
		.fault = (uint32_t)fault,
		.position = (uint32_t)position,
		.client_ip = f->ip,
		.client_port = f->port,
	};

	capture_set(&f->listener->capture, &m, text.p, text.n);
}

void
front_capture(struct front *f, enum http_fault fault, size_t position)
{
	if (f->in != NULL)
		front_capture_text(f, fault,
				   (struct slice){(const char *)buf_data(f->in), buf_len(f->in)},
				   position);
}

void
stream_capture(struct stream *s, enum http_fault fault, size_t position)
{
	struct msg_capture m = {
		.listener = s->front->listener->conf->segment_slot,
		.service = s->service->conf->segment_slot,
		.backend = s->lease.backend != NULL ? s->lease.backend->slot : TG_SESSION_NONE,
		.fault = (uint32_t)fault,
		.position = (uint32_t)position,
		.client_ip = s->front->ip,
		.client_port = s->front->port,
	};

	if (s->ans.in != NULL)
		capture_set(&s->service->capture, &m, (const char *)buf_data(s->ans.in),
			    buf_len(s->ans.in));
}
