/*
 * sim/trials.h: runs of policies in one scene, several at a time, each in a world of its own.
 */
#ifndef TG_SIM_TRIALS_H
#define TG_SIM_TRIALS_H

#include "sim/contenders.h"
#include "sim/run.h"

#define TG_TRIALS_MAX 256u

/* One run. */
struct trial {
	const char *name;             /* of the contender, or the module */
	const struct contender *of;   /* NULL: of the module that was asked for */
	char target[96];              /* "key=value"; "": none */
	const char *settings[TG_POLICY_SETTINGS_MAX + 1];
	struct policy_spec spec;      /* without a module: the optimum */
	double penalty;               /* of the optimum */
	FILE *log;                    /* of decisions; NULL: none */
	struct figures figures;       /* when it is done */
	struct run_progress progress; /* while it is under way */
};

struct trials {
	const struct scene *scene;
	struct trial list[TG_TRIALS_MAX];
	size_t n;
	size_t reference; /* the optimum at the penalty of the scene */
};

/* The optimum, which all others are compared with. */
void trials_init(struct trials *t, const struct scene *scene);
/* A module with settings ("key=value", NULL at the end). -TG_ELIMIT. */
TG_MUST_CHECK int trials_add_module(struct trials *t, const char *module, const char *const *settings,
				    FILE *log, struct err *err);
/* A contender at all of its targets, by name; "all": all of them. -TG_ENOENT: allowed names are in `err`. */
TG_MUST_CHECK int trials_add(struct trials *t, const char *name, struct err *err);

/* All of them, `jobs` at a time; tells on standard error how far it is, with `is_telling`. Figures do not depend on
 * `jobs`. The first error ends all. */
TG_MUST_CHECK int trials_run(struct trials *t, uint32_t jobs, bool is_telling, struct err *err);

#endif
