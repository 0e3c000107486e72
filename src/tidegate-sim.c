/*
 * tidegate-sim: an autoscaler against a load in virtual time; or against others, or its own past.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "autoscale/builtin.h"
#include "conf/conf.h"
#include "module/module.h"
#include "sim/options.h"
#include "sim/replay.h"
#include "sim/report.h"

#define EXIT_OK      0
#define EXIT_FAILED  1
#define EXIT_USAGE   2
#define LOAD_SECONDS 86400u
#define LOAD_PEAK    1000

static int
fail(const struct err *err)
{
	fprintf(stderr, "tidegate-sim: %s\n", err->text);
	return EXIT_FAILED;
}

static void
note_last(void *user, const struct tg_module *module)
{
	const char **last = user;

	*last = module->name;
}

/* A path is a file to be loaded; what it brings comes last. */
static int
load_module(struct options *o, struct err *err)
{
	char *path;
	int rc;

	if (o->module == NULL || strchr(o->module, '/') == NULL)
		return 0;
	path = realpath(o->module, NULL);
	if (path == NULL)
		return err_set_errno(err, "--module: %s", o->module);
	rc = module_load(path, err);
	free(path);
	if (rc == 0)
		modules_walk(TG_MODULE_AUTOSCALER, note_last, &o->module);
	return rc;
}

/*** A scene and who plays in it ***/

/* A trace with holes is no reason to fail, and none to be silent. */
static void
warn_of_gaps(const struct options *o, const struct workload *w)
{
	if (w->missing > 0)
		fprintf(stderr,
			"tidegate-sim: %s: %zu of %zu minutes are left out, at most %zu in a row before line %zu: nothing "
			"comes in them\n",
			o->trace, w->missing, w->n, w->gap, w->gap_line);
}

static int
load_workload(const struct options *o, struct workload *ret, struct err *err)
{
	int rc = o->trace != NULL
			 ? workload_read(o->trace, ret, err)
			 : workload_make(o->load, o->world.seed, o->seconds > 0 ? o->seconds : LOAD_SECONDS,
					 ret, err);

	if (rc < 0)
		return rc;
	warn_of_gaps(o, ret);
	if (o->scale > 0 || o->trace == NULL)
		workload_scale(ret, o->scale > 0 ? o->scale : LOAD_PEAK);
	if (o->seconds > 0)
		workload_cut(ret, o->seconds);
	return 0;
}

static int
make_scene(const struct options *o, struct scene *ret, struct err *err)
{
	*ret = (struct scene){
		.world = o->world,
		.share = o->share,
		.penalty = o->penalty,
		.per_switch = o->per_switch,
		.notice_us = o->notice_us,
		.min = o->min,
		.max = o->max,
	};
	if (load_workload(o, &ret->load, err) < 0)
		return -TG_EINVAL;
	return scene_init(ret, err);
}

static int
add_contenders(struct trials *t, const char *list, struct err *err)
{
	int rc = 0;

	while (rc == 0 && list != NULL && *list != '\0') {
		size_t n = strcspn(list, ",");
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)n, list);
		rc = trials_add(t, name, err);
		list += n + (list[n] == ',');
	}
	return rc;
}

static uint32_t
jobs_of(const struct options *o)
{
	long n = o->jobs > 0 ? (long)o->jobs : sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 && n <= TG_TRIALS_MAX ? (uint32_t)n : 1;
}

static int
close_file(FILE *file, const char *path, struct err *err)
{
	bool is_bad = ferror(file) != 0;

	return fclose(file) != 0 || is_bad ? err_set_errno(err, "%s", path) : 0;
}

static int
draw(const struct options *o, const struct trials *t, struct err *err)
{
	FILE *svg;

	if (o->svg == NULL)
		return 0;
	svg = fopen(o->svg, "w");
	if (svg == NULL)
		return err_set_errno(err, "--svg: %s", o->svg);
	report_svg(svg, t);
	return close_file(svg, o->svg, err);
}

static int
run_trials(const struct options *o, struct trials *t, FILE *log, struct err *err)
{
	bool is_telling = !o->is_quiet && isatty(STDERR_FILENO);
	int rc = 0;

	if (o->module != NULL)
		rc = trials_add_module(t, o->module, o->settings, log, err);
	if (rc == 0)
		rc = add_contenders(t, o->compare, err);
	if (rc == 0)
		rc = trials_run(t, jobs_of(o), is_telling, err);
	if (rc < 0)
		return rc;
	if (o->is_json)
		report_json(stdout, t);
	else
		report_text(stdout, t);
	return draw(o, t, err);
}

static int
simulate(const struct options *o, struct err *err)
{
	struct trials *t = calloc(1, sizeof(*t));
	FILE *log = o->decisions != NULL ? fopen(o->decisions, "w") : NULL;
	struct scene scene = {.need = NULL};
	int rc;

	if (t == NULL)
		rc = err_no_memory(err);
	else if (o->decisions != NULL && log == NULL)
		rc = err_set_errno(err, "--decisions: %s", o->decisions);
	else
		rc = make_scene(o, &scene, err);
	if (rc == 0) {
		trials_init(t, &scene);
		rc = run_trials(o, t, log, err);
	}
	if (log != NULL && close_file(log, o->decisions, err) < 0)
		rc = -TG_EIO;
	scene_fini(&scene);
	free(t);
	return rc;
}

/*** What was decided ***/

static int
replay(const struct options *o, struct err *err)
{
	struct policy_spec spec = {
		.module = o->module,
		.settings = o->settings,
		.presets = o->module != NULL ? contender_presets(o->module) : NULL,
		.concurrency = o->world.slots,
		.min = o->min,
		.max = o->max,
	};
	struct replay_counts counts;
	struct policy *other = NULL;
	int rc = o->module != NULL ? policy_new(&spec, &other, err) : 0;

	if (rc == 0)
		rc = replay_file(o->replay, other, o->is_json, stdout, &counts, err);
	policy_free(other);
	if (rc < 0)
		return rc;
	if (!o->is_json)
		printf("%zu decisions: %zu the same, %zu other ones\n", counts.n, counts.same,
		       counts.different);
	if (counts.n == 0)
		return err_set(err, TG_EINVAL, "%s: no record of a decision", o->replay);
	return counts.different > 0 && o->module == NULL
		       ? err_set(err, TG_EINVAL, "%zu decisions are not what was recorded", counts.different)
		       : 0;
}

int
main(int argc, char **argv)
{
	struct options o;
	struct err err;
	int rc;

	modules_add_builtin(autoscale_builtin);
	modules_add_builtin(baselines);
	conf_set_modules(&module_conf);
	if (options_parse(argc, argv, &o, &err) < 0) {
		(void)fail(&err);
		return EXIT_USAGE;
	}
	if (o.is_help || o.is_version) {
		if (o.is_help)
			options_print_help(stdout);
		else
			puts("tidegate-sim " PACKAGE_VERSION);
		return EXIT_OK;
	}
	rc = load_module(&o, &err);
	if (rc == 0)
		rc = o.replay != NULL ? replay(&o, &err) : simulate(&o, &err);
	if (rc == 0 && fflush(stdout) != 0)
		rc = err_set_errno(&err, "standard output");
	return rc < 0 ? fail(&err) : EXIT_OK;
}
