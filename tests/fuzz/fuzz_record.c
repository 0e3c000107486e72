/*
 * Records of decisions, from anybody: refused in words, or an input that any module can be asked with, and
 * that is the same after it was written again.
 */
#include <stdlib.h>
#include <string.h>

#include "autoscale/builtin.h"
#include "autoscale/record.h"
#include "fuzz/fuzz.h"

static void
must(bool is_true)
{
	if (!is_true)
		abort();
}

static void
start(void)
{
	static bool is_started;

	if (!is_started)
		modules_add_builtin(autoscale_builtin);
	is_started = true;
}

static void
check_decision(const struct decide_input *in, const struct decision *d)
{
	if (!in->state.has_manual && in->snapshot.min <= in->snapshot.max)
		must(d->desired >= in->snapshot.min && d->desired <= in->snapshot.max);
	must(memchr(d->proposal.reason, '\0', sizeof(d->proposal.reason)) != NULL);
}

static void
check_same_again(const struct decide_input *in, const struct decision *d)
{
	char *text = record_text(in, d, 1, (struct wall){.us = 1});
	struct decide_input again;
	struct record *r;
	struct decision second;
	struct err err;

	must(text != NULL);
	if (record_read(text, strlen(text), &r, &err) < 0)
		abort();
	again = record_input(r);
	decide(&again, &second);
	must(second.desired == d->desired && second.n_changes == d->n_changes);
	must(strcmp(second.proposal.reason, d->proposal.reason) == 0);
	record_free(r);
	free(text);
}

static void
ask_others(struct decide_input in)
{
	for (size_t i = 0; autoscale_builtin[i] != NULL; i++) {
		const struct conf_setting cpu = {.key = (char *)(uintptr_t)"cpu",
						 .type = TG_SETTING_NUMBER,
						 .number = 0.5};
		struct tg_value values[TG_OPTIONS_MAX];
		struct decision d;
		struct err err;
		size_t bad;

		in.module = autoscale_builtin[i];
		in.values = values;
		if (module_values(in.module, &cpu, in.module == &autoscale_target, values, &bad,
				  &err) < 0)
			abort();
		/* Thousands of millions of places are no matter here. */
		if (in.snapshot.max > 1000)
			in.snapshot.max = 1000;
		if (in.snapshot.desired > 1000)
			in.snapshot.desired = 1000;
		decide(&in, &d);
		check_decision(&in, &d);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct err err = {.text = ""};
	struct decide_input in;
	struct decision d;
	struct record *r;

	start();
	free(record_explain((const char *)input, len));
	if (record_read((const char *)input, len, &r, &err) < 0) {
		must(err.text[0] != '\0');
		return 0;
	}
	in = record_input(r);
	decide(&in, &d);
	check_decision(&in, &d);
	/* What would be larger than what is read was not written by us. */
	if (len < TG_RECORD_MAX / 2)
		check_same_again(&in, &d);
	ask_others(in);
	record_free(r);
	return 0;
}
