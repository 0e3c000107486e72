/* sim/options_print.c: the options for people: --help, and tidegate-sim(1). */
#include <ctype.h>
#include <string.h>

#include "module/module.h"
#include "sim/contenders.h"
#include "sim/options_priv.h"

#define HELP_INDENT 22
#define HELP_WIDTH  78

static const char *const group_titles[OPTION_GROUP_COUNT] = {
	[OPTION_WORK] = "What is run",
	[OPTION_LOAD] = "The load",
	[OPTION_SERVICE] = "The service",
	[OPTION_COST] = "The objective, and what things cost",
	[OPTION_OUTPUT] = "What comes out",
};

/*** Help ***/

/* Words in lines behind an indent. */
static void
print_wrapped(FILE *out, const char *text, size_t at)
{
	bool is_first = true;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (!is_first && at + 1 + n > HELP_WIDTH) {
			fprintf(out, "\n%*s", HELP_INDENT, "");
			at = HELP_INDENT;
		} else if (!is_first) {
			fputc(' ', out);
			at++;
		}
		fprintf(out, "%.*s", (int)n, text);
		is_first = false;
		at += n;
		text += n + strspn(text + n, " ");
	}
	fputc('\n', out);
}

static void
print_row(FILE *out, const struct option_row *row)
{
	char text[1024];
	int n = fprintf(out, "  --%s%s%s", row->name, row->argument != NULL ? " " : "",
			row->argument != NULL ? row->argument : "");

	if (n >= HELP_INDENT - 1)
		fprintf(out, "\n%*s", HELP_INDENT, "");
	else
		fprintf(out, "%*s", HELP_INDENT - n, "");
	snprintf(text, sizeof(text), "%s%s%s", row->help, row->preset != NULL ? " Default: " : "",
		 row->preset != NULL ? row->preset : "");
	print_wrapped(out, text, HELP_INDENT);
}

static const char usage[] =
	"usage: tidegate-sim --trace FILE | --load NAME [OPTION...]\n"
	"                    --module NAME [KEY=VALUE...] | --compare all\n"
	"       tidegate-sim --replay DECISIONS [--module NAME [KEY=VALUE...]]\n"
	"       tidegate-sim --version | --help\n";

/* Of the processor, at -O2; measured as doc/scaling-quality.md tells. */
static const char speed[] =
	"A request takes some 0.1 us of a processor and a decision 4 to 12 us, planner's the most. So four weeks with a decision "
	"a second take half a minute for planner, and 100 million requests 10 s more, of each module that is run; --compare "
	"runs as many at a time as there are processors. More than some 500 million requests of one module are not done in a "
	"minute: with --scale there are fewer of them, with --span less of the trace. On a terminal it is told each second how "
	"far it is, and how many requests there were.";

void
options_print_help(FILE *out)
{
	fputs(usage, out);
	for (unsigned g = 0; g < OPTION_GROUP_COUNT; g++) {
		fprintf(out, "\n%s:\n", group_titles[g]);
		for (const struct option_row *row = option_rows; row->name != NULL; row++) {
			if (row->group == g)
				print_row(out, row);
		}
	}
	fputs("\nLoads that are made:\n", out);
	for (size_t i = 0; workload_made_name(i) != NULL; i++) {
		int n = fprintf(out, "  %s", workload_made_name(i));

		fprintf(out, "%*s", n < HELP_INDENT ? HELP_INDENT - n : 1, "");
		print_wrapped(out, workload_made_help(i), HELP_INDENT);
	}
	fputs("\nModules that are compared:\n", out);
	for (size_t i = 0; contenders[i].name != NULL; i++) {
		int n = fprintf(out, "  %s", contenders[i].name);

		fprintf(out, "%*s", n < HELP_INDENT ? HELP_INDENT - n : 1, "");
		print_wrapped(out, contenders[i].help, HELP_INDENT);
	}
	fprintf(out, "\n%-*s", HELP_INDENT, "How long it takes:");
	print_wrapped(out, speed, HELP_INDENT);
}

/*** The manual page ***/

/* Text as mdoc takes it: a line that begins with a point would be a request. */
static void
print_plain(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
		if (*text == '.' && text[1] == ' ') {
			fputc('\n', out);
			text++;
		}
	}
	fputc('\n', out);
}

static void
print_manual_row(FILE *out, const struct option_row *row)
{
	fprintf(out, ".It Fl \\-%s", row->name);
	if (row->argument != NULL)
		fprintf(out, " Ar %s", row->argument);
	fputc('\n', out);
	print_plain(out, row->help);
	if (row->preset != NULL) {
		fputs("Default: ", out);
		print_plain(out, row->preset);
	}
}

static void
print_manual_options(FILE *out)
{
	fputs(".Sh OPTIONS\n", out);
	for (unsigned g = 0; g < OPTION_GROUP_COUNT; g++) {
		fprintf(out, ".Ss %s\n.Bl -tag -width Ds\n", group_titles[g]);
		for (const struct option_row *row = option_rows; row->name != NULL; row++) {
			if (row->group == g)
				print_manual_row(out, row);
		}
		fputs(".El\n", out);
	}
}

static void
print_manual_loads(FILE *out)
{
	fputs(".Sh LOADS\nEach has a step of a second, and its greatest rate is\n.Fl \\-scale .\n"
	      ".Bl -tag -width Ds\n",
	      out);
	for (size_t i = 0; workload_made_name(i) != NULL; i++) {
		fprintf(out, ".It Cm %s\n", workload_made_name(i));
		print_plain(out, workload_made_help(i));
	}
	fputs(".El\n", out);
}

static void
print_option(FILE *out, const struct tg_option *o)
{
	fprintf(out, ".It Cm %s\n", o->name);
	print_plain(out, o->help);
	if (o->preset != NULL) {
		fputs("Default: ", out);
		print_plain(out, o->preset);
	}
}

static void
print_module(FILE *out, const struct contender *c)
{
	const struct tg_module *module =
		c->is_ours ? module_find(TG_MODULE_AUTOSCALER, c->module) : NULL;

	fprintf(out, ".It Cm %s\n", c->name);
	print_plain(out, c->help);
	if (c->key != NULL) {
		fprintf(out, "Compared at\n.Cm %s\n=\n", c->key);
		for (size_t i = 0; c->values[i] != NULL; i++)
			fprintf(out, "%s%s", i > 0 ? ", " : "", c->values[i]);
		fputs(".\n", out);
	}
	if (c->presets != NULL) {
		fputs("It has\n.Cm ", out);
		print_plain(out, c->presets);
		fputs("where nothing else is given.\n", out);
	}
	if (module == NULL || module->options == NULL)
		return;
	fputs("Its keys:\n.Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < module_n_options(module); i++)
		print_option(out, &module->options[i]);
	fputs(".El\n", out);
}

static void
print_manual_modules(FILE *out)
{
	fputs(".Sh MODULES\nThose of the daemon have the keys that\n.Xr tidegate.conf 5\nlists.\n"
	      "The others are the published rules of other systems, for comparison; the daemon does not have them.\n"
	      ".Bl -tag -width Ds\n",
	      out);
	for (size_t i = 0; contenders[i].name != NULL; i++)
		print_module(out, &contenders[i]);
	fputs(".El\n", out);
}

static const char manual_begin[] =
	".Dd November 26, 2026\n.Dt TIDEGATE-SIM 1\n.Os\n.Sh NAME\n.Nm tidegate-sim\n"
	".Nd how well an autoscaler scales, measured in virtual time\n"
	".Sh SYNOPSIS\n.Nm\n.Fl \\-trace Ar file | Fl \\-load Ar name\n.Op Ar option ...\n"
	".Fl \\-module Ar name\n.Op Ar key=value ...\n"
	".Nm\n.Fl \\-trace Ar file | Fl \\-load Ar name\n.Op Ar option ...\n.Fl \\-compare Ar list\n"
	".Nm\n.Fl \\-replay Ar decisions\n.Op Fl \\-module Ar name Ar key=value ...\n"
	".Nm\n.Fl \\-version | Fl \\-help\n"
	".Sh DESCRIPTION\n.Nm\nruns an autoscaler of\n.Xr tidegate 8\n"
	"against a load in virtual time, request by request: the same module, with the same windows and the same "
	"guards as in the daemon.\n"
	"Requests come at random at the rate of the load; each takes a slot of the least loaded backend, or waits in one queue; "
	"a backend is ready a start delay after it was asked for, and one that goes finishes what it has.\n"
	"The processor of a backend is as busy as its slots are, and its memory is in use to the same share.\n";

static const char manual_end[] =
	".Sh FIGURES\n.Bl -tag -width Ds\n"
	".It beyond\nRequests that waited longer than the objective, or were refused, in percent.\n"
	".It hours\nHours of backends, from asked for to gone.\n"
	".It theta_U, theta_O\nHow much was missing, and was too much, in percent of what was needed, over all time.\n"
	".It tau_U, tau_O\nThe time in which something was missing, or was too much, in percent.\n"
	".It upsilon\nMinutes in which what was there and what was needed did not go the same way, in percent.\n"
	".It turns\nHow often the number went up after down, or down after up.\n"
	".It cost\nHours, with what requests beyond the objective and switching cost, in hours of a backend.\n"
	".It regret\nCost beyond that of the optimum, in percent.\n.El\n"
	".Pp\nThe elasticity metrics are those of N. R. Herbst, S. Kounev and R. Reussner,\n"
	".Dq Elasticity in Cloud Computing: What \\&It Is, and What \\&It Is Not\n(ICAC 2013), as SPEC RG has them.\n"
	"What is needed is the fewest backends with which an M/M/n queue holds the objective at the rate of the step.\n"
	".Sh EXIT STATUS\n0: it ran; of\n.Fl \\-replay :\nall decisions are the same.\n"
	"1: it failed, or a decision is another one.\n2: the command line is wrong.\n"
	".Sh EXAMPLES\n.Bd -literal\n"
	"tidegate-sim --trace day.csv --scale 500 --module target in_flight=7\n"
	"tidegate-sim --load flash --compare all --svg flash.svg\n"
	"tidectl show decisions api json > api.decisions\n"
	"tidegate-sim --replay api.decisions --module staffing wait=0.02\n.Ed\n"
	".Sh SEE ALSO\n.Xr tidectl 1 ,\n.Xr tidegate.conf 5 ,\n.Xr tidegate 8\n";

void
options_print_manual(FILE *out)
{
	fputs(manual_begin, out);
	print_manual_options(out);
	print_manual_loads(out);
	print_manual_modules(out);
	fputs(".Sh HOW LONG IT TAKES\n", out);
	print_plain(out, speed);
	fputs(manual_end, out);
}
