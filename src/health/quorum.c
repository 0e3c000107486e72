#include "health/quorum.h"

static enum backend_health
majority(enum backend_health own, const struct quorum *others)
{
	unsigned n_up = others->n_up + (own == TG_HEALTH_UP);
	unsigned n_down = others->n_down + (own == TG_HEALTH_DOWN);

	if (n_up == n_down)
		return own;
	return n_up > n_down ? TG_HEALTH_UP : TG_HEALTH_DOWN;
}

enum backend_health
quorum_state(enum conf_share share, enum backend_health own, const struct quorum *others)
{
	if (own == TG_HEALTH_CHECKING)
		return own;
	switch (share) {
	case TG_SHARE_ANY:
		return others->n_down > 0 ? TG_HEALTH_DOWN : own;
	case TG_SHARE_MAJORITY:
		return majority(own, others);
	case TG_SHARE_OFF:
	case TG_SHARE_COUNT:
		break;
	}
	return own;
}

const char *
quorum_share_str(unsigned share)
{
	static const char *const words[TG_SHARE_COUNT] = {
		[TG_SHARE_OFF] = "off", [TG_SHARE_ANY] = "any", [TG_SHARE_MAJORITY] = "majority"};

	return share < TG_SHARE_COUNT ? words[share] : "?";
}
