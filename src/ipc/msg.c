#include <stddef.h>
#include <string.h>

#include "base/log.h"
#include "ipc/msg.h"

/* One row per message type; everything the channel knows of it. */
static const struct msg_kind {
	const char *name;
	uint32_t size;
	bool has_fd;
} kinds[MSG_TYPE_COUNT] = {
	[MSG_CONF] = {"conf", 0, true},
	[MSG_SEGMENT] = {"segment", 0, true},
	[MSG_LISTEN] = {"listen", sizeof(struct msg_listen), true},
	[MSG_PEER] = {"peer", 0, true},
	[MSG_START] = {"start", 0, false},
	[MSG_READY] = {"ready", 0, false},
	[MSG_STOP] = {"stop", sizeof(struct msg_stop), false},
	[MSG_BACKEND] = {"backend", sizeof(struct msg_backend), false},
	[MSG_ADMIN] = {"admin", sizeof(struct msg_admin), true},
	[MSG_CUT] = {"cut", sizeof(struct msg_cut), false},
	[MSG_LOG_FILE] = {"log-file", 0, true},
	[MSG_ACCEPTING] = {"accepting", 0, false},
	[MSG_HOLD] = {"hold", 0, false},
	[MSG_HELD] = {"held", 0, true},
	[MSG_RESUME] = {"resume", 0, false},
	[MSG_PING] = {"ping", 0, false},
	[MSG_PONG] = {"pong", sizeof(struct msg_pong), false},
	[MSG_PREPARE] = {"prepare", 0, false},
	[MSG_PREPARED] = {"prepared", sizeof(struct msg_prepared), false},
	[MSG_COMMIT] = {"commit", 0, false},
	[MSG_COMMITTED] = {"committed", 0, false},
	[MSG_ABORT] = {"abort", 0, false},
	[MSG_RELOAD] = {"reload", sizeof(struct msg_reload), true},
	[MSG_EDIT] = {"edit", 0, true},
	[MSG_RELOADED] = {"reloaded", sizeof(struct msg_reloaded), true},
	[MSG_LOG_LEVEL] = {"log-level", sizeof(struct msg_log_level), false},
	[MSG_LIMIT] = {"limit", sizeof(struct msg_limit), false},
	[MSG_WANTED] = {"wanted", sizeof(struct msg_wanted), false},
	[MSG_REFUSE] = {"refuse", sizeof(struct msg_refuse), false},
	[MSG_CHALLENGE] = {"challenge", sizeof(struct msg_challenge), false},
	[MSG_QUESTION] = {"question", sizeof(struct msg_question), false},
	[MSG_SESSION] = {"session", sizeof(struct msg_session), false},
	[MSG_CAPTURE] = {"capture", sizeof(struct msg_capture), false},
	[MSG_ANSWERED] = {"answered", sizeof(struct msg_answered), false},
	[MSG_STATE] = {"state", 0, true},
	[MSG_TICKETS] = {"tickets", sizeof(struct msg_tickets), false},
	[MSG_SEALED] = {"sealed", sizeof(struct msg_sealed), false},
	[MSG_KEYS] = {"keys", 0, true},
	[MSG_SIGNER] = {"signer", sizeof(struct msg_signer), true},
	[MSG_LINE] = {"line", sizeof(struct msg_line), false},
	[MSG_NOTE] = {"note", sizeof(struct msg_note), false},
	[MSG_ASK] = {"ask", 0, false},
	[MSG_GIVE] = {"give", sizeof(struct msg_give), true},
	[MSG_GIVEN] = {"given", 0, false},
	[MSG_SERVING] = {"serving", 0, false},
	[MSG_YOURS] = {"yours", 0, false},
	[MSG_REFUSED] = {"refused", sizeof(struct msg_refused), false},
	[MSG_GIVE_SEGMENT] = {"give-segment", 0, true},
	[MSG_GIVE_STATE] = {"give-state", 0, true},
	[MSG_GIVE_SECRET] = {"give-secret", sizeof(struct msg_give_secret), false},
};

static const struct msg_kind *
kind_find(uint32_t type)
{
	if (type >= MSG_TYPE_COUNT || kinds[type].name == NULL)
		return NULL;
	return &kinds[type];
}

int
msg_payload_size(uint32_t type)
{
	const struct msg_kind *kind = kind_find(type);

	return kind != NULL ? (int)kind->size : -1;
}

bool
msg_has_fd(uint32_t type)
{
	const struct msg_kind *kind = kind_find(type);

	return kind != NULL && kind->has_fd;
}

const char *
msg_type_str(uint32_t type)
{
	const struct msg_kind *kind = kind_find(type);

	return kind != NULL ? kind->name : "?";
}

const char *
session_phase_str(unsigned phase)
{
	static const char *const words[TG_SESSION_PHASE_COUNT] = {
#define PHASE_WORD(id, word, help) [TG_PHASE_##id] = word,
		TG_SESSION_PHASES(PHASE_WORD)
#undef PHASE_WORD
	};

	return phase < TG_SESSION_PHASE_COUNT ? words[phase] : "?";
}

/* An address another process wrote: its length must fit its family. */
static bool
addr_is_sane(const struct addr *a)
{
	switch (a->u.sa.sa_family) {
	case AF_INET:
		return a->len == sizeof(a->u.in);
	case AF_INET6:
		return a->len == sizeof(a->u.in6);
	case AF_UNIX:
		return a->len > offsetof(struct sockaddr_un, sun_path) &&
		       a->len <= sizeof(a->u.un) &&
		       memchr(a->u.un.sun_path, '\0', sizeof(a->u.un.sun_path)) != NULL;
	default:
		return false;
	}
}

bool
backend_order_is_sane(const struct backend_order *o)
{
	return (o->told & ~TG_ORDER_ALL) == 0 &&
	       (o->weight <= TG_ORDER_WEIGHT_MAX || o->weight == TG_ORDER_AS_CONF) &&
	       o->weight_permille <= TG_ORDER_WEIGHT_PERMILLE_MAX &&
	       (o->limit <= TG_ORDER_LIMIT_MAX || o->limit == TG_ORDER_AS_CONF) &&
	       o->admin < TG_BACKEND_ADMIN_COUNT && o->is_down <= 1;
}

bool
backend_order_merge(struct backend_order *order, const struct backend_order *news)
{
	struct backend_order before = *order;

	order->told |= news->told;
	if ((news->told & TG_ORDER_WEIGHT) != 0) {
		order->weight = news->weight;
		order->weight_permille = news->weight_permille;
	}
	if ((news->told & TG_ORDER_LIMIT) != 0)
		order->limit = news->limit;
	if ((news->told & TG_ORDER_ADMIN) != 0)
		order->admin = news->admin;
	if ((news->told & TG_ORDER_DOWN) != 0)
		order->is_down = news->is_down;
	return memcmp(order, &before, sizeof(before)) != 0;
}

static bool
backend_is_sane(const union msg_payload *u)
{
	if (u->backend.health >= TG_BACKEND_HEALTH_COUNT || u->backend.has_addr > 1 ||
	    !backend_order_is_sane(&u->backend.order) || u->backend.record.weight > TG_RECORD_WEIGHT_MAX ||
	    u->backend.record.is_backup > 1)
		return false;
	return u->backend.has_addr == 0 || addr_is_sane(&u->backend.addr);
}

static bool
note_is_sane(const struct msg_note *note)
{
	return note->n > 0 && note->n <= TG_NOTE_BYTES &&
	       memchr(note->line, '\n', TG_NOTE_BYTES) == note->line + note->n - 1;
}

static bool
has_end(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool
sealed_is_sane(const struct msg_sealed *m)
{
	return has_end(m->name, sizeof(m->name)) && has_end(m->was, sizeof(m->was)) &&
	       has_end(m->word, sizeof(m->word));
}

static bool
msg_challenge_is_sane(const struct msg_challenge *m)
{
	if (m->n > TG_CHALLENGES_MAX || m->is_awaited > 1 || m->reserved != 0)
		return false;
	return m->n == 0 ? m->at == 0 : m->at < m->n && challenge_is_sane(&m->one);
}

bool
msg_is_sane(uint32_t type, const union msg_payload *u)
{
	switch (type) {
	case MSG_BACKEND:
		return backend_is_sane(u);
	case MSG_SEALED:
		return sealed_is_sane(&u->sealed);
	case MSG_CHALLENGE:
		return msg_challenge_is_sane(&u->challenge);
	case MSG_GIVE:
		return u->give.use < TG_GIVE_USE_COUNT && u->give.reserved == 0;
	case MSG_GIVE_SECRET:
		return has_end(u->give_secret.service, sizeof(u->give_secret.service)) &&
		       has_end(u->give_secret.secret, sizeof(u->give_secret.secret));
	case MSG_QUESTION:
		return u->question.kind < TG_QUESTION_KIND_COUNT;
	case MSG_SESSION:
		return u->session.phase < TG_SESSION_PHASE_COUNT &&
		       u->session.request_n <= TG_SESSION_REQUEST &&
		       u->session.client_port <= UINT16_MAX && u->session.reserved == 0;
	case MSG_CAPTURE:
		return u->capture.n <= TG_CAPTURE_BYTES && u->capture.n <= u->capture.total &&
		       u->capture.position <= u->capture.total &&
		       u->capture.client_port <= UINT16_MAX;
	case MSG_LIMIT:
		return u->limit.n <= TG_LIMIT_MAX;
	case MSG_REFUSE:
		return u->refuse.reserved == 0;
	case MSG_LOG_LEVEL:
		return u->log_level.level < TG_LOG_LEVEL_COUNT && u->log_level.reserved == 0;
	case MSG_REFUSED:
		return memchr(u->refused.reason, '\0', sizeof(u->refused.reason)) != NULL;
	case MSG_PREPARED:
		return u->prepared.is_ready <= 1 &&
		       memchr(u->prepared.reason, '\0', sizeof(u->prepared.reason)) != NULL;
	case MSG_NOTE:
		return note_is_sane(&u->note);
	case MSG_RELOADED:
		return u->reloaded.is_done <= 1;
	default:
		return kind_find(type) != NULL;
	}
}
