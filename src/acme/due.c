#include "acme/due.h"

struct wall
acme_due(const struct conf_acme *conf, const struct acme_facts *facts, const char **ret_why)
{
	uint64_t before = conf->renew_before_ms * 1000;
	uint64_t third;

	if (!facts->is_there) {
		*ret_why = "there is no certificate yet";
		return (struct wall){0};
	}
	if (!facts->has_names) {
		*ret_why = "a name is not in the certificate";
		return (struct wall){0};
	}
	*ret_why = "the certificate ends soon";
	third = facts->to.us > facts->from.us ? (facts->to.us - facts->from.us) / 3 : 0;
	if (before > third)
		before = third;
	return (struct wall){facts->to.us > before ? facts->to.us - before : 0};
}
