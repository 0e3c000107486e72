/* A configuration as the dice say: each seed has another one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

/* In a wide service these have a weight: the last stands in the second word of bits. */
#define WIDE_EVERY 11u
#define WIDE_FIRST 1u

static unsigned
between(struct sim *sim, unsigned least, unsigned most)
{
	return least + sim_below(sim, most - least + 1);
}

static void
write_limits(struct sim *sim, FILE *out)
{
	static const unsigned queues[] = {0, 1, 3, 10, 30, 100};

	/* One of four has no limits: no queue, no room. */
	if (sim_one_in(sim, 4))
		return;
	fprintf(out, "max_connections_per_backend = %u; queue = %u; agent = { port = 9; }; ",
		between(sim, 1, 6), queues[sim_below(sim, 6)]);
}

static void
write_retry(struct sim *sim, FILE *out)
{
	fprintf(out, "retry = { attempts = %u; budget = 0.%u; backoff = \"%ums\"; ",
		between(sim, 0, 4), between(sim, 0, 4),
		sim_one_in(sim, 3) ? 0 : between(sim, 1, 50));
	if (sim_one_in(sim, 2))
		fprintf(out, "on = ( \"connect\", \"empty-response\", \"response-timeout\", "
			     "\"503\" ); ");
	fprintf(out, "}; ");
}

static void
write_outlier(struct sim *sim, FILE *out)
{
	static const char *const compared[] = {"", "success_rate = 1.0; ", "latency = 1.5; "};
	static const unsigned ejected[] = {0, 1, 30, 50, 70, 100};

	if (sim_one_in(sim, 4))
		return;
	fprintf(out,
		"outlier = { consecutive = %u; connects = %u; %srequests = 4; "
		"interval = \"%ums\"; base_ejection = \"%ums\"; connect_ejection = \"%ums\"; "
		"max_ejected = %u; }; ",
		between(sim, 0, 6), between(sim, 0, 4), compared[sim_below(sim, 3)],
		between(sim, 200, 2000), between(sim, 100, 2000), between(sim, 100, 1000),
		ejected[sim_below(sim, 6)]);
}

static void
write_times(struct sim *sim, FILE *out)
{
	fprintf(out,
		"slow_start = \"%ums\"; timeouts = { connect = \"%ums\"; response = \"%ums\"; "
		"queue = \"%ums\"; total = \"%ums\"; }; ",
		sim_one_in(sim, 3) ? 0 : between(sim, 500, 5000), between(sim, 10, 100),
		between(sim, 50, 400), between(sim, 20, 600),
		sim_one_in(sim, 2) ? 0 : between(sim, 300, 1500));
}

static unsigned
throw_weight(struct sim *sim, unsigned i, bool is_even)
{
	if (sim->is_wide && i % WIDE_EVERY != WIDE_FIRST)
		return 0;
	return is_even || sim_one_in(sim, 2) ? 1 : between(sim, 0, 20);
}

static const char *
throw_tier(struct sim *sim)
{
	if (!sim_one_in(sim, 4))
		return "";
	return sim_one_in(sim, 3) ? "tier = 3; " : "backup = true; ";
}

static void
write_backends(struct sim *sim, FILE *out)
{
	bool is_even = sim_one_in(sim, 2);
	unsigned i;

	fprintf(out, "backends = ( ");
	for (i = 0; i < sim->n_backends; i++)
		fprintf(out, "%s{ name = \"b%u\"; address = \"127.0.0.1:%u\"; weight = %u; %s}",
			i > 0 ? ", " : "", i, 100 + i, throw_weight(sim, i, is_even),
			throw_tier(sim));
	fprintf(out, " ); ");
}

static void
write_text(struct sim *sim, const char *balance, FILE *out)
{
	fprintf(out,
		"workers = %u; listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; mode = "
		"\"tcp\"; service = \"a\"; } ); services = ( { name = \"a\"; balance = \"%s\"; "
		"health = { type = \"tcp\"; fail_open = %u; }; ",
		sim->n_workers, balance, sim_one_in(sim, 2) ? 0 : between(sim, 10, 70));
	write_limits(sim, out);
	write_retry(sim, out);
	write_outlier(sim, out);
	write_times(sim, out);
	write_backends(sim, out);
	fprintf(out, "} );");
}

static int
load(struct sim *sim, const char *text)
{
	struct conf_errors errors = {.n = 0};

	if (conf_load_text(text, strlen(text), "sim", &sim->conf, &errors) != 0) {
		fprintf(stderr, "# %s\n# %s\n", text, errors.n > 0 ? errors.list[0].text : "?");
		conf_errors_fini(&errors);
		return -1;
	}
	sim->service = &sim->conf->services[0];
	return 0;
}

int
sim_configure(struct sim *sim, const char *balance)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	int rc = -1;

	if (out == NULL)
		return -1;
	sim->n_workers = between(sim, 2, SIM_WORKERS);
	sim->is_quiet = sim_one_in(sim, 4);
	sim->is_wide = sim_one_in(sim, 8);
	if (sim->is_wide)
		sim->n_backends = SIM_BACKENDS;
	else
		sim->n_backends = sim_one_in(sim, 3) ? 2 : between(sim, 3, 9);
	write_text(sim, balance, out);
	if (fclose(out) == 0)
		rc = load(sim, text);
	free(text);
	return rc;
}
