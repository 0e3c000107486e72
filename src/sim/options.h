/*
 * sim/options.h: the command line of tidegate-sim. One table reads it, prints the help and writes the manual page.
 */
#ifndef TG_SIM_OPTIONS_H
#define TG_SIM_OPTIONS_H

#include <stdio.h>

#include "sim/policy.h"
#include "sim/scene.h"

struct options {
	const char *trace;    /* a file; NULL: none */
	const char *load;     /* one that is made; NULL: none */
	const char *module;   /* a name, or the path of a shared object; NULL: none */
	const char *settings[TG_POLICY_SETTINGS_MAX + 1]; /* key=value */
	size_t n_settings;
	const char *compare;  /* names separated by commas, or "all"; NULL: none */
	const char *replay;   /* a file; NULL: none */
	const char *decisions; /* the same */
	const char *svg;      /* the same */
	struct world_setup world;
	double share;
	double penalty;
	double per_switch;
	uint64_t notice_us;
	uint32_t min;
	uint32_t max;
	double scale;         /* requests per second at the peak; 0: as it is */
	uint64_t seconds;     /* of the load at most; 0: all of it */
	uint32_t jobs;        /* at a time; 0: one for each processor */
	bool is_json;
	bool is_quiet;
	bool is_help;
	bool is_version;
};

/* What is wrong names the option, what was given and what is allowed. -TG_EINVAL. */
TG_MUST_CHECK int options_parse(int argc, char **argv, struct options *ret, struct err *err);
void options_print_help(FILE *out);
/* tidegate-sim(1), with the modules that are known. */
void options_print_manual(FILE *out);

#endif
