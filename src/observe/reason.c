#include "observe/reason.h"

static const char *const words[TG_END_COUNT] = {
#define END_WORD(id, word, help) [TG_END_##id] = word,
	TG_END_REASONS(END_WORD)
#undef END_WORD
};

static const char *const helps[TG_END_COUNT] = {
#define END_HELP(id, word, help) [TG_END_##id] = help,
	TG_END_REASONS(END_HELP)
#undef END_HELP
};

const char *
end_reason_str(unsigned reason)
{
	return reason < TG_END_COUNT ? words[reason] : "?";
}

const char *
end_reason_help(unsigned reason)
{
	return reason < TG_END_COUNT ? helps[reason] : "?";
}

bool
end_reason_is_backends(enum end_reason reason)
{
	switch (reason) {
	case TG_END_CONNECT_FAILED:
	case TG_END_CONNECT_TIMEOUT:
	case TG_END_TLS_FAILED:
	case TG_END_EMPTY_ANSWER:
	case TG_END_BAD_ANSWER:
	case TG_END_ANSWER_CUT:
	case TG_END_RESPONSE_TIMEOUT:
	case TG_END_BACK_IDLE_TIMEOUT:
	case TG_END_BAD_STATUS:
		return true;
	case TG_END_DONE:
	case TG_END_BACK_ABORT: /* of a connection that was good: many protocols end so */
	case TG_END_CLIENT_ABORT:
	case TG_END_CLIENT_TIMEOUT:
	case TG_END_REQUEST_HEAD_TIMEOUT:
	case TG_END_REQUEST_BODY_TIMEOUT:
	case TG_END_BAD_REQUEST:
	case TG_END_REQUEST_LIMIT:
	case TG_END_NO_ROUTE:
	case TG_END_TOO_EARLY:
	case TG_END_NO_BACKEND:
	case TG_END_QUEUE_FULL:
	case TG_END_QUEUE_TIMEOUT:
	case TG_END_QUEUE_SHED:
	case TG_END_QUEUE_ABORT:
	case TG_END_HOLD_FULL:
	case TG_END_HOLD_TIMEOUT:
	case TG_END_HOLD_REFUSED:
	case TG_END_TUNNEL_TIMEOUT:
	case TG_END_TUNNEL_LIFETIME:
	case TG_END_TOTAL_TIMEOUT:
	case TG_END_DEADLINE:
	case TG_END_NO_RESOURCE:
	case TG_END_SHUTDOWN:
	case TG_END_ORDERED:
	case TG_END_COUNT:
		break;
	}
	return false;
}
