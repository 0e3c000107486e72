/* sim/options.c: the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/options.h"

static struct options o;
static struct err err;

static int
parse(const char *line)
{
	static char copy[512];
	static char name[] = "tidegate-sim";
	char *argv[32] = {name};
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *at = copy; *at != '\0'; argc++) {
		size_t n = strcspn(at, " ");

		argv[argc] = at;
		at += n;
		if (*at == ' ')
			*at++ = '\0';
	}
	return options_parse(argc, argv, &o, &err);
}

static void
the_line_of_the_manual(void **state)
{
	(void)state;
	assert_int_equal(parse("--trace day.csv --scale 500 --module target in_flight=7 max=20 --start-delay 2s "
			       "--service-time 200ms --slots 4 --objective wait=1s,share=0.05 --json --svg a.svg "
			       "--seed 9"),
			 0);
	assert_string_equal(o.trace, "day.csv");
	assert_true(o.scale == 500);
	assert_string_equal(o.module, "target");
	assert_int_equal(o.n_settings, 2);
	assert_string_equal(o.settings[0], "in_flight=7");
	assert_string_equal(o.settings[1], "max=20");
	assert_null(o.settings[2]);
	assert_true(o.world.start_us == 2000000 && o.world.service_us == 200000 && o.world.slots == 4);
	assert_true(o.world.objective_us == 1000000 && o.share == 0.05 && o.world.seed == 9);
	assert_true(o.is_json);
	assert_string_equal(o.svg, "a.svg");
	/* What is not there has its preset; a value may be behind '='. */
	assert_int_equal(parse("--load=flash --compare=all"), 0);
	assert_true(o.world.slots == 10 && o.world.service_us == 100000 && o.world.start_us == 15000000);
	assert_true(o.world.objective_us == 500000 && o.penalty == 100 && o.world.seed == 1);
	assert_true(o.notice_us == 4000000);
	assert_int_equal(parse("--trace day.csv --compare informed-late --notice 8s"), 0);
	assert_true(o.notice_us == 8000000);
	assert_int_equal(parse("--replay log.json --module staffing wait=0.1"), 0);
	assert_int_equal(parse("--help"), 0);
	assert_true(o.is_help);
	assert_int_equal(parse("--version"), 0);
}

static void
what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *line;
		const char *error;
	} rows[] = {
		{"", "a load is missing: --trace FILE or --load NAME"},
		{"--trace a --load flash --compare all", "--trace and --load exclude each other"},
		{"--load flash", "nothing to run: --module NAME or --compare all is missing"},
		{"--load flash a=1", "\"a=1\" is of no module: --module NAME is missing"},
		{"--load flash --modul x", "unknown option \"--modul\"; \"tidegate-sim --help\" lists them"},
		{"--load flash --module", "--module: a value is missing: NAME"},
		{"--json=1", "--json takes no value"},
		{"--load flash --module target stray",
		 "\"stray\" is not known; allowed: options, that begin with --, and key=value behind --module"},
		{"--load flash --module target -x",
		 "\"-x\" is not known; allowed: options, that begin with --, and key=value behind --module"},
		{"--slots 0", "--slots: \"0\" is not possible; allowed: a whole number from 1 to 10000"},
		{"--slots 4x", "--slots: \"4x\" is not possible; allowed: a whole number from 1 to 10000"},
		{"--seed -1", "--seed: \"-1\" is not possible; allowed: a whole number from 0 to 18446744073709551615"},
		{"--scale nan", "--scale: \"nan\" is not possible; allowed: a number from 0.001 to 1e+07"},
		{"--service fast", "--service: \"fast\" is not known; allowed: constant, exponential"},
		{"--start-delay 5", "--start-delay: \"5\" is not possible; allowed: a duration from 0ms to 86400s, as "
				    "500ms, 15s, 2m, 1h or 7d"},
		{"--notice 2m", "--notice: \"2m\" is not possible; allowed: a duration from 0ms to 60s, as 500ms, 15s, "
				"2m, 1h or 7d"},
		{"--objective p99=1s", "--objective: \"p99=1s\" is not known; allowed: wait=500ms, share=0.01, or both "
				       "with a comma between them"},
		{"--objective share=2", "--objective: \"2\" is not possible; allowed: a number from 1e-06 to 0.5"},
		{"--load flash --compare all --objective wait=9s",
		 "--objective: nobody waits longer than --queue-timeout; allowed: less"},
		{"--load flash --compare all --min 9 --max 3", "--min: 9 is more than --max 3"},
		{"--load flash --compare all --decisions f",
		 "--decisions are those of a module: --module NAME is missing"},
		{"--replay f --load flash", "--replay goes without --trace, --load and --compare"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse(rows[i].line), -TG_EINVAL);
		assert_string_equal(err.text, rows[i].error);
	}
}

static void
help_and_manual_have_all_of_them(void **state)
{
	static const char *const names[] = {"trace", "load", "scale", "module", "compare", "replay", "svg",
					    "start-delay", "service-time", "slots", "objective", "json"};
	char *texts[2] = {NULL, NULL};
	size_t n;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		FILE *out = open_memstream(&texts[i], &n);

		assert_non_null(out);
		if (i == 0)
			options_print_help(out);
		else
			options_print_manual(out);
		assert_int_equal(fclose(out), 0);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char option[64];

		snprintf(option, sizeof(option), "  --%s", names[i]);
		assert_non_null(strstr(texts[0], option));
		snprintf(option, sizeof(option), ".It Fl \\-%s", names[i]);
		assert_non_null(strstr(texts[1], option));
	}
	assert_non_null(strstr(texts[0], "on-off"));
	assert_non_null(strstr(texts[1], ".It Cm nomad-threshold"));
	free(texts[0]);
	free(texts[1]);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_of_the_manual),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(help_and_manual_have_all_of_them),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
