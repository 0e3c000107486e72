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
