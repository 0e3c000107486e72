#include "backend/capture.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backend/worker.h"
#include "base/clock.h"

/* Whose values nobody is to read here. */
static const char *const secrets[] = {"authorization", "proxy-authorization", "cookie",
				      "set-cookie",    "authentication-info", "x-api-key",
				      "x-auth-token"};

/* Any line that begins so, however it goes on: it need not be a good one. */
static bool
is_secret(const char *line, size_t n)
{
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		size_t len = strlen(secrets[i]);

		while (n > 0 && (*line == ' ' || *line == '\t')) {
			line++;
			n--;
		}
		if (n > len && strncasecmp(line, secrets[i], len) == 0 &&
		    strchr(": \t", line[len]) != NULL)
			return true;
	}
	return false;
}

/* Behind the colon, or the name where there is none. */
static void
blank(char *line, size_t n)
{
	char *colon = memchr(line, ':', n);
	size_t at = colon != NULL ? (size_t)(colon - line) + 1 : strcspn(line, " \t");

	for (; at < n; at++) {
		if (line[at] != ' ' && line[at] != '\r')
			line[at] = '*';
	}
}

/* A line that is folded belongs to the one before. */
static void
blank_secrets(char *bytes, size_t n)
{
	bool was_secret = false;
	size_t at = 0;

	while (at < n) {
		char *line = bytes + at;
		char *lf = memchr(line, '\n', n - at);
		size_t len = lf != NULL ? (size_t)(lf - line) : n - at;
		bool is_folded = len > 0 && (*line == ' ' || *line == '\t');

		if (was_secret && is_folded) {
			for (size_t i = 0; i < len; i++)
				line[i] = line[i] == '\r' ? '\r' : '*';
		} else {
			was_secret = is_secret(line, len);
			if (was_secret)
				blank(line, len);
		}
		at += len + 1;
	}
}

void
capture_set(struct capture **place, const struct msg_capture *what, const char *data, size_t n)
{
	struct msg_capture *m;

	if (*place == NULL)
		*place = malloc(sizeof(**place));
	if (*place == NULL)
		return;
	m = &(*place)->m;
	*m = *what;
	m->when_us = wall_read().us;
	m->total = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
	m->n = m->total < TG_CAPTURE_BYTES ? m->total : TG_CAPTURE_BYTES;
	if (m->position > m->total)
		m->position = m->total;
	if (m->n > 0)
		memcpy(m->bytes, data, m->n);
	blank_secrets(m->bytes, m->n);
}

void
capture_free(struct capture **place)
{
	free(*place);
	*place = NULL;
}

static void
settle(const struct worker *w, struct msg_capture *m)
{
	if (worker_listener_find(w, m->listener) == NULL)
		m->listener = TG_SESSION_NONE;
	if (m->backend != TG_SESSION_NONE && w->backends[m->backend] == NULL)
		m->backend = TG_SESSION_NONE;
}

void
captures_settle(struct worker *w)
{
	uint32_t slot;

	for (slot = 0; slot < segment_slots(w->segment); slot++) {
		struct worker_service *s = w->services[slot];

		if (s != NULL && s->capture != NULL)
			settle(w, &s->capture->m);
	}
}
