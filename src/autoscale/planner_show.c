/*
 * autoscale/planner_show.c: a plan for people: what it follows from, what it keeps at each load, and the table.
 *
 * The three numbers of each load are those of autoscale/plan.h.
 */
#include "autoscale/planner_show.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "autoscale/outlook.h"
#include "base/err.h"

#define LINE     256u
#define COLUMNS  12u /* loads of a table */
#define ROWS     16u /* numbers of backends */
#define DRAWN    60u /* characters */

struct showing {
	const struct plan_setup *setup;
	const void *table;
	void (*line)(void *user, const char *text);
	void *user;
	char text[LINE]; /* of the line that is made */
	size_t n;
};

static void add(struct showing *w, const char *fmt, ...) TG_PRINTF(2, 3);

static void
add(struct showing *w, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->text + w->n, sizeof(w->text) - w->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		w->n = w->n + (size_t)n < sizeof(w->text) ? w->n + (size_t)n : sizeof(w->text) - 1;
}

static void
end(struct showing *w)
{
	w->text[w->n] = '\0';
	w->line(w->user, w->text);
	w->n = 0;
	w->text[0] = '\0';
}

/*** What it follows from ***/

static void
show_estimate(struct showing *w, const char *what, const struct tg_estimate *e, double used)
{
	add(w, "  %s: ", what);
	if (e->n <= 0)
		add(w, "not measured yet");
	else if (isnan(e->error))
		add(w, "%.4g s, measured once", e->value);
	else
		add(w, "%.4g s +- %.2g (standard error, of %.0f)", e->value, e->error, e->n);
	add(w, "; in the plan: %.4g s", used);
	end(w);
}

static double
sum_of(const struct showing *w, double low, double high)
{
	double sum = 0;

	for (unsigned c = 0; c < TG_RATIOS; c++) {
		if (w->setup->ratios[c] >= low && w->setup->ratios[c] < high)
			sum += w->setup->demand[c];
	}
	return 100 * sum;
}

static void
show_setup(struct showing *w, const struct tg_snapshot *s)
{
	const struct plan_setup *p = w->setup;
	const struct tg_outlook *o = s->outlook;

	add(w, "%s: plan of 0 to %.0f backends of %.0f requests at a time, %u loads up to %.4g backends used to the full",
	    s->service, p->backends, p->slots, TG_PLAN_BINS, p->load_max);
	end(w);
	show_estimate(w, "start delay", &o->start_s, p->step_s);
	show_estimate(w, "service time", &o->service_s, p->service_s);
	add(w, "  requests a backend serves: %.4g per second", p->slots / p->service_s);
	end(w);
	add(w, "  a request that waits longer than %.4g s costs as the place of %.4g requests; a change: %.4g s of a backend",
	    p->objective_s, p->penalty, p->switch_s);
	end(w);
	add(w, "  load: %s; %.4g s later it is below 0.9 of that in %.1f %%, to 1.1 in %.1f %%, to 1.5 in %.1f %%, above in %.1f %%",
	    tg_signal_str((unsigned)p->signal), p->step_s, sum_of(w, 0, 0.9), sum_of(w, 0.9, 1.1),
	    sum_of(w, 1.1, 1.5), sum_of(w, 1.5, INFINITY));
	end(w);
	if (o->forecast.n > 0 && !isnan(o->forecast.value))
		add(w, "  forecast: %.4g requests per second, lately off by %.0f %%", o->forecast.value,
		    isnan(o->forecast.error) ? 100.0 : 100 * o->forecast.error);
	else
		add(w, "  forecast: none yet");
	end(w);
}

/*** The three numbers ***/

static uint32_t
answer(const struct showing *w, double running, double pending, double load)
{
	const struct plan_state state = {.running = running, .pending = pending, .load = load};

	return plan_answer(w->setup, w->table, &state);
}

static void
show_band(struct showing *w, double load)
{
	const struct plan_state state = {.load = load};
	struct plan_band band = plan_band(w->setup, w->table, &state);
	double scale = w->setup->backends > DRAWN ? DRAWN / w->setup->backends : 1;

	add(w, "  %9.4g %6.0f %6.0f %6.0f  ", load, band.start, band.wait, band.stop);
	for (uint32_t i = 0; i <= w->setup->backends * scale; i++) {
		double n = floor(i / scale);

		add(w, "%c", n < band.start ? '+' : n <= band.wait ? '=' : n <= band.stop ? '~' : '-');
	}
	end(w);
}

static void
show_bands(struct showing *w)
{
	add(w, "       load  start   wait   stop  from 0 backends on: + some are started, = all stay, ~ running ones stay, "
	       "- some are stopped");
	end(w);
	for (unsigned bin = 0; bin < TG_PLAN_BINS; bin += 3)
		show_band(w, plan_load(w->setup, bin));
}

/*** The table ***/

static double
column_load(const struct showing *w, unsigned i)
{
	return plan_load(w->setup, (i + 1) * (TG_PLAN_BINS - 1) / COLUMNS);
}

static void
show_table(struct showing *w, double pending)
{
	double rows = w->setup->backends < ROWS ? w->setup->backends : ROWS;

	add(w, "  %g pending; how many there are to be in all:", pending);
	end(w);
	add(w, "  running \\ load");
	for (unsigned i = 0; i < COLUMNS; i++)
		add(w, " %7.3g", column_load(w, i));
	end(w);
	for (double i = 0; i <= rows; i++) {
		double running = floor(i * w->setup->backends / rows);

		add(w, "  %14.0f", running);
		for (unsigned k = 0; k < COLUMNS; k++)
			add(w, " %7u", answer(w, running, pending, column_load(w, k)));
		end(w);
	}
}

void
planner_show(const struct tg_value *values, const struct tg_snapshot *s,
	     void (*line)(void *user, const char *text), void *user)
{
	struct showing w = {.line = line, .user = user};
	struct plan_setup setup;
	struct planner_seen seen;

	if (!planner_read(s, &setup))
		return;
	w.setup = &setup;
	w.table = s->plan->table;
	seen = planner_see(values, s, (unsigned)setup.signal, (uint32_t)setup.slots);
	show_setup(&w, s);
	show_bands(&w);
	show_table(&w, 0);
	show_table(&w, floor(setup.backends / 10) + 1);
	show_table(&w, floor(setup.backends / 3) + 1);
	add(&w, "  now: load %.4g%s, %u running, %u pending: %u", seen.load,
	    seen.is_forecast ? " by forecast" : "", s->ready, s->pending,
	    answer(&w, s->ready, s->pending, seen.load));
	end(&w);
}
