/*
 * Any bytes as a trace: what is taken of it has as many steps as fit, and rates that may be; what is not taken
 * has an error of one line, and leaves nothing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "sim/workload.h"

static void
must(bool holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	/* A copy of its own, so that a read past its end is seen. */
	char *text = malloc(len + (len == 0));
	struct workload w = {.n = 0};
	struct err err = {.text = ""};

	must(text != NULL);
	memcpy(text, input, len);
	if (workload_parse(text, len, "t.csv", &w, &err) == 0) {
		must(w.n > 0 && w.n <= TG_WORKLOAD_STEPS_MAX);
		for (size_t i = 0; i < w.n; i++)
			must(w.rates[i] >= 0 && w.rates[i] <= TG_TRACE_RATE_MAX / 60 + 1);
		workload_scale(&w, 100);
		must(workload_peak(&w) <= 100.001);
	} else {
		must(strncmp(err.text, "t.csv:", 6) == 0 && strchr(err.text, '\n') == NULL);
		must(w.rates == NULL);
	}
	workload_fini(&w);
	free(text);
	return 0;
}
