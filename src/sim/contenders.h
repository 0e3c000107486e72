/*
 * sim/contenders.h: what is compared: modules of the daemon and the rules of other systems, each at a row of targets.
 */
#ifndef TG_SIM_CONTENDERS_H
#define TG_SIM_CONTENDERS_H

#include <stdbool.h>

#include "tidegate/module.h"

/* Of the load. Those who are told of each step are not among "all": they need long steps. */
enum knowledge {
	KNOWS_ALL = 0,  /* sim/optimum.h */
	KNOWS_STEP = 1, /* sim/informed.h, at once and with a clock */
	KNOWS_LATE = 2, /* the same, late and without */
};

struct contender {
	const char *name;    /* NULL ends the table */
	const char *module;  /* NULL: none */
	const char *presets; /* of its keys, with blanks between them; NULL: none */
	const char *key;     /* which of its keys says what is aimed at; NULL: none */
	const char *const *values; /* of that, NULL at the end */
	bool is_per_slot;    /* values are of a backend's slots, and the key wants requests */
	bool is_ours;        /* the simulator's, and not the daemon's */
	enum knowledge knows; /* of what is no module */
	const char *help;
};

extern const struct contender contenders[];
/* Presets of a module that is run alone; NULL: none. */
const char *contender_presets(const char *module);

/* The rules of other systems as modules; NULL at the end. */
extern const struct tg_module *const baselines[];

#endif
