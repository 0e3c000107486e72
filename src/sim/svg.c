/* sim/svg.c: cost over violations, drawn. */
#include <math.h>

#include "sim/report.h"

#define WIDTH  900.0
#define HEIGHT 560.0
#define LEFT   80.0
#define RIGHT  230.0 /* with the legend */
#define TOP    50.0
#define BOTTOM 70.0
#define LEAST  0.001 /* percent; what is below is drawn here */

static const char *const colours[] = {"#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7",
				      "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f", "#6a3d9a"};
#define N_COLOURS (sizeof(colours) / sizeof(colours[0]))

struct drawing {
	FILE *out;
	const struct trials *t;
	double least_hours;
	double most_hours;
	double decades; /* of percents, from LEAST on */
};

static double
x_of(const struct drawing *d, double percent)
{
	double p = percent > LEAST ? percent : LEAST;

	return LEFT + log10(p / LEAST) / d->decades * (WIDTH - LEFT - RIGHT);
}

static double
y_of(const struct drawing *d, double hours)
{
	return HEIGHT - BOTTOM -
	       log(hours / d->least_hours) / log(d->most_hours / d->least_hours) *
		       (HEIGHT - TOP - BOTTOM);
}

/* Nobody works for nothing, but at a load of nothing. */
static double
hours_of(const struct trial *trial)
{
	return fmax(trial->figures.replica_hours, 1e-6);
}

static void
measure(struct drawing *d)
{
	double worst = 1;

	d->least_hours = hours_of(&d->t->list[0]);
	for (size_t i = 0; i < d->t->n; i++) {
		d->least_hours = fmin(d->least_hours, hours_of(&d->t->list[i]));
		d->most_hours = fmax(d->most_hours, hours_of(&d->t->list[i]));
		worst = fmax(worst, d->t->list[i].figures.beyond_percent);
	}
	d->least_hours *= 0.98;
	d->most_hours *= 1.02;
	d->decades = ceil(log10(worst / LEAST));
}

static void
draw_text(const struct drawing *d, double x, double y, const char *anchor, const char *text)
{
	fprintf(d->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
	for (; *text != '\0'; text++) {
		if (*text == '<' || *text == '&')
			fputs(*text == '<' ? "&lt;" : "&amp;", d->out);
		else
			fputc(*text >= ' ' && *text <= '~' ? *text : '?', d->out);
	}
	fputs("</text>\n", d->out);
}

static void
draw_line(const struct drawing *d, double x1, double y1, double x2, double y2, const char *colour)
{
	fprintf(d->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1, y1,
		x2, y2, colour);
}

static void
draw_axes(const struct drawing *d)
{
	char text[64];
	double percent = LEAST;

	for (int i = 0; i <= (int)d->decades; i++, percent *= 10) {
		draw_line(d, x_of(d, percent), TOP, x_of(d, percent), HEIGHT - BOTTOM, "#ddd");
		snprintf(text, sizeof(text), i == 0 ? "%g or less" : "%g", percent);
		draw_text(d, x_of(d, percent), HEIGHT - BOTTOM + 18, "middle", text);
	}
	for (int i = 0; i <= 5; i++) {
		double hours = d->least_hours * pow(d->most_hours / d->least_hours, i / 5.0);

		draw_line(d, LEFT, y_of(d, hours), WIDTH - RIGHT, y_of(d, hours), "#ddd");
		snprintf(text, sizeof(text), "%.4g", hours);
		draw_text(d, LEFT - 8, y_of(d, hours) + 4, "end", text);
	}
	draw_text(d, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 22, "middle",
		  "requests beyond the objective, percent");
	draw_text(d, 12, TOP - 14, "start", "hours of backends");
}

static void
draw_title(const struct drawing *d)
{
	const struct scene *s = d->t->scene;
	char text[192];

	snprintf(text, sizeof(text), "%s, at most %.4g requests a second; start delay %.4g s, wait %.4g s",
		 s->load.name, workload_peak(&s->load), (double)s->world.start_us / 1e6,
		 (double)s->world.objective_us / 1e6);
	draw_text(d, LEFT + 120, TOP - 14, "start", text);
}

/* Of one contender, but for what it is compared with. */
static bool
is_of(const struct drawing *d, size_t i, const struct contender *c)
{
	return i != d->t->reference && d->t->list[i].of == c;
}

/* None of the same contender has both fewer beyond the objective and fewer hours. */
static bool
is_frontier(const struct drawing *d, size_t i)
{
	const struct figures *f = &d->t->list[i].figures;

	for (size_t k = 0; k < d->t->n; k++) {
		const struct figures *g = &d->t->list[k].figures;
		bool is_worse = g->beyond_percent > f->beyond_percent ||
				g->replica_hours > f->replica_hours;
		bool is_same = g->beyond_percent == f->beyond_percent &&
			       g->replica_hours == f->replica_hours;

		if (is_of(d, k, d->t->list[i].of) && !is_worse && !is_same)
			return false;
	}
	return true;
}

/* The next one on the frontier to the right of `last`, which is -1 at first; the number of trials: there is none. */
static size_t
next_on_frontier(const struct drawing *d, const struct contender *c, double last)
{
	size_t best = d->t->n;

	for (size_t i = 0; i < d->t->n; i++) {
		double percent = d->t->list[i].figures.beyond_percent;

		if (is_of(d, i, c) && is_frontier(d, i) && percent > last &&
		    (best == d->t->n || percent < d->t->list[best].figures.beyond_percent))
			best = i;
	}
	return best;
}

static void
draw_frontier(const struct drawing *d, const struct contender *c, const char *colour)
{
	size_t i = next_on_frontier(d, c, -1);

	fprintf(d->out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"", colour);
	for (; i < d->t->n; i = next_on_frontier(d, c, d->t->list[i].figures.beyond_percent))
		fprintf(d->out, "%.1f,%.1f ", x_of(d, d->t->list[i].figures.beyond_percent),
			y_of(d, hours_of(&d->t->list[i])));
	fputs("\"/>\n", d->out);
}

/* What is not on the frontier is hollow. */
static void
draw_point(const struct drawing *d, size_t i, const char *colour)
{
	const struct trial *trial = &d->t->list[i];

	fprintf(d->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" stroke=\"%s\" fill=\"%s\"><title>",
		x_of(d, trial->figures.beyond_percent), y_of(d, hours_of(trial)), colour,
		is_frontier(d, i) ? colour : "#fff");
	for (const char *text = trial->target; *text != '\0'; text++)
		fputc(*text > '&' && *text != '<' && *text <= '~' ? *text : ' ', d->out);
	fprintf(d->out, ": %.4f %%, %.2f hours</title></circle>\n", trial->figures.beyond_percent,
		trial->figures.replica_hours);
}

static void
draw_contender(const struct drawing *d, const struct contender *c, const char *name, size_t number)
{
	const char *colour = colours[number % N_COLOURS];
	double y = TOP + 20.0 * (double)number;

	draw_frontier(d, c, colour);
	for (size_t i = 0; i < d->t->n; i++) {
		if (is_of(d, i, c))
			draw_point(d, i, colour);
	}
	draw_line(d, WIDTH - RIGHT + 20, y, WIDTH - RIGHT + 44, y, colour);
	draw_text(d, WIDTH - RIGHT + 50, y + 4, "start", name);
}

void
report_svg(FILE *out, const struct trials *t)
{
	struct drawing d = {.out = out, .t = t};
	size_t number = 0;

	measure(&d);
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		WIDTH, HEIGHT);
	draw_axes(&d);
	draw_title(&d);
	for (size_t i = 0; i < t->n; i++) {
		const struct trial *trial = &t->list[i];

		if (i != t->reference && (i == 1 || trial->of == NULL || trial->of != t->list[i - 1].of))
			draw_contender(&d, trial->of, trial->name, number++);
	}
	fputs("</svg>\n", out);
}
