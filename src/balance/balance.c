#include "balance/balance.h"

#include <stddef.h>

static const struct balance_ops *const algorithms[] = {
	&balance_round_robin,
	&balance_least_conn,
};

const struct balance_ops *
balance_find(enum conf_balance id)
{
	size_t i;

	for (i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		if (algorithms[i]->id == id)
			return algorithms[i];
	}
	return NULL;
}
