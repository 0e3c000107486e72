/* sim/options_priv.h: the table of options. */
#ifndef TG_SIM_OPTIONS_PRIV_H
#define TG_SIM_OPTIONS_PRIV_H

#include "sim/options.h"

enum option_group {
	OPTION_WORK = 0,
	OPTION_LOAD = 1,
	OPTION_SERVICE = 2,
	OPTION_COST = 3,
	OPTION_OUTPUT = 4,
	OPTION_GROUP_COUNT
};

struct option_row {
	const char *name;     /* NULL ends the table */
	const char *argument; /* NULL: none */
	const char *preset;   /* NULL: none */
	int (*take)(const struct option_row *row, struct options *o, const char *text, struct err *err);
	enum option_group group;
	const char *help;
};

extern const struct option_row option_rows[];

#endif
