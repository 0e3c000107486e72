#include "http2/calm.h"

#define MINUTE_US 60000000u
#define MINUTES   60u

static const char *const words[H2_CALM_COUNT] = {
#define CALM_WORD(id, word, help) [H2_CALM_##id] = (word),
	TG_H2_CALMS(CALM_WORD)
#undef CALM_WORD
};

const char *
h2_calm_str(unsigned calm)
{
	return calm < H2_CALM_COUNT ? words[calm] : "?";
}

void
h2_budget_begin(struct h2_budget *b, uint32_t most, struct mono now)
{
	*b = (struct h2_budget){.most = most,
				.left = most,
				.to_gain = (uint64_t)most * MINUTES,
				.filled = now};
}

void
h2_budget_give(struct h2_budget *b, uint32_t n)
{
	b->left = n < b->most - b->left ? b->left + n : b->most;
}

bool
h2_budget_take(struct h2_budget *b, struct mono now)
{
	uint64_t gained;

	if (b->left == 0) {
		gained = mono_diff_us(now, b->filled) * b->most / MINUTE_US;
		if (gained > b->most)
			gained = b->most;
		if (gained > b->to_gain)
			gained = b->to_gain;
		if (gained == 0)
			return false;
		b->to_gain -= gained;
		h2_budget_give(b, (uint32_t)gained);
		b->filled = now;
	}
	b->left--;
	return true;
}
