/* Any bytes as the value of endpoint-load-metrics: what is told is in range, and never nothing. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "http/load_report.h"

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
check_figure(int32_t permille)
{
	must(permille == TG_LOAD_NOT_TOLD || (permille >= 0 && permille <= TG_LOAD_PERMILLE_MAX));
}

/* Space behind it changes nothing. */
static void
check_space(const char *value, size_t n, enum load_report_verdict verdict)
{
	char *longer = malloc(n + 1);
	struct load_report report;

	must(longer != NULL);
	memcpy(longer, value, n);
	longer[n] = ' ';
	must(load_report_parse((struct slice){longer, n + 1}, &report) == verdict);
	free(longer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	/* A copy of its own, so that a read past its end is seen. */
	char *value = malloc(len + (len == 0));
	enum load_report_verdict verdict;
	struct load_report report;

	must(value != NULL);
	memcpy(value, input, len);
	verdict = load_report_parse((struct slice){value, len}, &report);
	check_figure(report.cpu_permille);
	check_figure(report.memory_permille);
	must((verdict == LOAD_REPORT_TOLD) ==
	     (report.cpu_permille > 0 || report.memory_permille > 0));
	if (verdict != LOAD_REPORT_BAD)
		check_space(value, len, verdict);
	free(value);
	return 0;
}
