#include "sim/report.h"

#include <inttypes.h>
#include <math.h>

/*** A table ***/

static void
print_scene(FILE *out, const struct scene *s, uint64_t requests)
{
	double hours = (double)workload_us(&s->load) / 3.6e9;

	fprintf(out,
		"%s: %.1f hours, %" PRIu64 " requests, at most %.6g a second; seed %" PRIu64 "\n"
		"backends of %u slots, %.6g s each, ready after %.6g s; at most %.4g %% wait %.6g s: up to %u\n\n",
		s->load.name, hours, requests, workload_peak(&s->load), s->world.seed, s->world.slots,
		(double)s->world.service_us / 1e6, (double)s->world.start_us / 1e6, s->share * 100,
		(double)s->world.objective_us / 1e6, s->most);
}

static void
print_line(FILE *out, const struct trial *t)
{
	const struct figures *f = &t->figures;

	fprintf(out, "%-16s %-22s %8.4f %9.2f %8.3f %8.2f %6.2f %6.2f %6.2f %6u %9.2f %8.2f\n", t->name,
		t->target, f->beyond_percent, f->replica_hours, f->elasticity.theta_u,
		f->elasticity.theta_o, f->elasticity.tau_u, f->elasticity.tau_o, f->elasticity.upsilon,
		f->reversals, f->cost, f->regret_percent);
}

void
report_text(FILE *out, const struct trials *t)
{
	print_scene(out, t->scene, t->list[0].figures.requests);
	fprintf(out, "%-16s %-22s %8s %9s %8s %8s %6s %6s %6s %6s %9s %8s\n", "module", "target",
		"beyond%", "hours", "theta_U", "theta_O", "tau_U", "tau_O", "upsil.", "turns", "cost",
		"regret%");
	for (size_t i = 0; i < t->n; i++)
		print_line(out, &t->list[i]);
}

/*** JSON: names and settings are printable, what they are quoted for is little ***/

static void
print_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if (*text >= ' ' && *text != 0x7f)
			fputc(*text, out);
		else
			fprintf(out, "\\u%04x", (unsigned char)*text);
	}
	fputc('"', out);
}

static void
print_number(FILE *out, const char *name, double value)
{
	if (isfinite(value))
		fprintf(out, ", \"%s\": %.6f", name, value);
	else
		fprintf(out, ", \"%s\": null", name);
}

static void
print_trial(FILE *out, const struct trial *t)
{
	const struct figures *f = &t->figures;

	fputs("  {\"module\": ", out);
	print_string(out, t->name);
	fputs(", \"target\": ", out);
	print_string(out, t->target);
	fprintf(out, ", \"requests\": %" PRIu64 ", \"beyond\": %" PRIu64 ", \"refused\": %" PRIu64, f->requests,
		f->beyond, f->refused);
	print_number(out, "beyond_percent", f->beyond_percent);
	print_number(out, "replica_hours", f->replica_hours);
	print_number(out, "theta_u", f->elasticity.theta_u);
	print_number(out, "theta_o", f->elasticity.theta_o);
	print_number(out, "tau_u", f->elasticity.tau_u);
	print_number(out, "tau_o", f->elasticity.tau_o);
	print_number(out, "upsilon", f->elasticity.upsilon);
	fprintf(out, ", \"changes\": %u, \"reversals\": %u", f->changes, f->reversals);
	print_number(out, "cost", f->cost);
	print_number(out, "regret_percent", f->regret_percent);
	fputc('}', out);
}

void
report_json(FILE *out, const struct trials *t)
{
	const struct scene *s = t->scene;

	fputs("{\"load\": ", out);
	print_string(out, s->load.name);
	fprintf(out, ", \"seed\": %" PRIu64 ", \"seconds\": %" PRIu64, s->world.seed,
		workload_us(&s->load) / 1000000);
	print_number(out, "peak", workload_peak(&s->load));
	fprintf(out, ", \"slots\": %u", s->world.slots);
	print_number(out, "service_s", (double)s->world.service_us / 1e6);
	print_number(out, "start_delay_s", (double)s->world.start_us / 1e6);
	print_number(out, "wait_s", (double)s->world.objective_us / 1e6);
	print_number(out, "share", s->share);
	print_number(out, "penalty", s->penalty);
	fprintf(out, ", \"most_needed\": %u, \"runs\": [\n", s->most);
	for (size_t i = 0; i < t->n; i++) {
		print_trial(out, &t->list[i]);
		fputs(i + 1 < t->n ? ",\n" : "\n", out);
	}
	fputs("]}\n", out);
}
