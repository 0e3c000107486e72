/*
 * scale: the backends of many services, up to a million, through the proxy's registry and balancers in one process: what it
 * costs to make that state, to take over what a check has found (the view of its service made anew), and to pick, as processor
 * time against their number.
 *
 *	scale [--most N] [--each N] [--balance ALGORITHM] [--updates N] [--picks N] [--svg FILE]
 *
 * --most: backends at most, a million; rows are 100 and ten times as many each. --each: backends of a service, 1000.
 * --balance: one algorithm (round-robin). --svg: draws it too.
 *
 * A service is what the configuration makes of one with defaults; the others are like it. A pick goes to a service by chance,
 * as its request would, and its stream ends before the next begins. "bytes": of memory that is in use, for each
 * backend: registry, views, balancers, and its numbers in the segment.
 */
#include <arpa/inet.h>
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/registry.h"
#include "base/hash.h"
#include "proc/slots.h"

#define ROWS_MAX 8

static struct {
	uint32_t most;
	uint32_t each;
	const char *balance;
	uint32_t updates;
	uint32_t picks;
	const char *svg;
} options = {1000000, 1000, "round-robin", 1000, 1000000, NULL};

struct row {
	uint32_t n;
	double make_us;   /* a backend */
	double update_us; /* one of a check */
	double pick_ns;
	double bytes;
};

struct world {
	struct conf *conf;          /* as it is read, but for its services */
	struct conf_service *model; /* what is read: one service with one backend */
	struct segment *segment;
	struct registry *registry;
	struct view **views;       /* by service */
	struct balance **balances; /* of the one worker */
};

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double
memory_in_use(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	double all;
	double resident;

	if (f == NULL || fscanf(f, "%lf %lf", &all, &resident) != 2)
		err(1, "/proc/self/statm");
	fclose(f);
	return resident * (double)sysconf(_SC_PAGESIZE);
}

static void *
room(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		errx(1, "no memory");
	return p;
}

static char *
name(const char *kind, uint32_t i)
{
	char *text;

	if (asprintf(&text, "%s-%u", kind, i) < 0)
		errx(1, "no memory");
	return text;
}

/* the configuration */

static struct conf *
read_conf(void)
{
	struct conf_errors errors = {.n = 0};
	struct conf *conf;
	char text[512];

	snprintf(
		text, sizeof(text),
		"workers = 1; listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"s\"; } ); "
		"services = ( { name = \"s\"; balance = \"%s\"; backends = ( \"127.0.0.1:1\" ); } );",
		options.balance);
	if (conf_load_text(text, strlen(text), "scale", &conf, &errors) != 0)
		errx(1, "%s", errors.n > 0 ? errors.list[0].text : "no configuration");
	return conf;
}

static void
fill_service(struct conf_service *s, const struct conf_service *model, uint32_t index, uint32_t n)
{
	*s = *model;
	s->index = index;
	s->name = name("service", index);
	s->n_backends = n;
	s->backends = room(n, sizeof(s->backends[0]));
	for (uint32_t i = 0; i < n; i++) {
		s->backends[i] = model->backends[0];
		s->backends[i].index = i;
		s->backends[i].name = name("backend", i);
	}
}

/* As slots_create() gives them: behind "tidegate", listeners and services. */
static void
number_slots(struct conf *conf)
{
	uint32_t at = 1 + (uint32_t)conf->n_listeners;

	for (size_t i = 0; i < conf->n_services; i++)
		conf->services[i].segment_slot = at++;
	for (size_t i = 0; i < conf->n_services; i++)
		for (size_t k = 0; k < conf->services[i].n_backends; k++)
			conf->services[i].backends[k].segment_slot = at++;
}

static void
fill_conf(struct world *w, uint32_t n)
{
	uint32_t each = n < options.each ? n : options.each;

	w->conf = read_conf();
	w->model = w->conf->services;
	w->conf->n_services = n / each;
	w->conf->services = room(w->conf->n_services, sizeof(w->conf->services[0]));
	for (uint32_t i = 0; i < w->conf->n_services; i++)
		fill_service(&w->conf->services[i], w->model, i, each);
	number_slots(w->conf);
}

static void
empty_conf(struct world *w)
{
	for (uint32_t i = 0; i < w->conf->n_services; i++) {
		struct conf_service *s = &w->conf->services[i];

		for (uint32_t k = 0; k < s->n_backends; k++)
			free(s->backends[k].name);
		free(s->backends);
		free(s->name);
	}
	free(w->conf->services);
	w->conf->services = w->model;
	w->conf->n_services = 1;
	conf_unref(w->conf);
}

/* the world */

static void
take_view(void *arg, struct view *view)
{
	struct world *w = arg;
	uint32_t i = view->conf->index;

	if (w->views[i] != NULL)
		view_unref(w->views[i]);
	w->views[i] = view;
	if (registry_shared(w->registry, i)->ops->update(w->balances[i], view) != 0)
		errx(1, "no memory");
}

static void
observe(struct world *w, uint32_t service, uint32_t backend, uint32_t health)
{
	struct msg_backend msg = {
		.backend = w->conf->services[service].backends[backend].segment_slot,
		.health = health,
		.has_addr = 1,
		.addr = {.len = sizeof(msg.addr.u.in)},
	};

	msg.addr.u.in.sin_family = AF_INET;
	msg.addr.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	msg.addr.u.in.sin_port = htons(1);
	if (registry_observe(w->registry, &msg) != 0)
		errx(1, "what was observed makes no sense");
}

static void
publish(struct world *w, uint64_t us)
{
	if (registry_publish(w->registry, (struct mono){us}, take_view, w) != 0)
		errx(1, "no memory");
}

static void
world_open(struct world *w, uint32_t n)
{
	struct err err;

	fill_conf(w, n);
	if (slots_create(w->conf, &w->segment, &err) != 0)
		errx(1, "%s", err.text);
	w->views = room(w->conf->n_services, sizeof(struct view *));
	w->balances = room(w->conf->n_services, sizeof(struct balance *));
	w->registry = registry_new(w->conf, w->segment);
	if (w->registry == NULL)
		errx(1, "no memory");
	for (uint32_t i = 0; i < w->conf->n_services; i++) {
		const struct service_shared *s = registry_shared(w->registry, i);

		w->balances[i] = s->ops->new (s->balance, 0, 1, i);
		if (w->balances[i] == NULL)
			errx(1, "no memory");
		for (uint32_t k = 0; k < w->conf->services[i].n_backends; k++)
			observe(w, i, k, TG_HEALTH_UP);
	}
	publish(w, 1);
}

static void
world_close(struct world *w)
{
	for (uint32_t i = 0; i < w->conf->n_services; i++) {
		registry_shared(w->registry, i)->ops->free(w->balances[i]);
		view_unref(w->views[i]);
	}
	registry_free(w->registry);
	segment_close(w->segment);
	free(w->views);
	free(w->balances);
	empty_conf(w);
}

/* what is measured */

static double
measure_updates(struct world *w)
{
	double began = now_us();

	for (uint32_t i = 0; i < options.updates; i++) {
		uint64_t hash = hash_number(i / 2);
		uint32_t service = hash_below(hash, (uint32_t)w->conf->n_services);
		uint32_t backend =
			hash_below(hash << 32, (uint32_t)w->conf->services[service].n_backends);

		observe(w, service, backend, i % 2 == 0 ? TG_HEALTH_DOWN : TG_HEALTH_UP);
		publish(w, 2 + i);
	}
	return (now_us() - began) / options.updates;
}

static double
measure_picks(struct world *w)
{
	double began = now_us();

	for (uint32_t i = 0; i < options.picks; i++) {
		uint64_t hash = hash_number(i);
		uint32_t service = hash_below(hash, (uint32_t)w->conf->n_services);
		const struct service_shared *s = registry_shared(w->registry, service);
		const struct view *view = w->views[service];
		struct balance_query query = {
			.key = hash,
			.suspects = s->suspects,
			.now = {10000000 + i * UINT64_C(10)},
		};
		struct balance_outcome outcome = {.latency_us = 1000, .now = query.now};
		uint32_t entry = s->ops->pick(w->balances[service], view, &query);

		if (entry == TG_VIEW_NONE)
			errx(1, "no backend is found");
		s->ops->release(w->balances[service], view, view->entries[entry].backend,
				view->entries[entry].load, &outcome);
	}
	return (now_us() - began) * 1000 / options.picks;
}

static struct row
measure(uint32_t n)
{
	struct world w = {.conf = NULL};
	struct row row = {.n = n};
	double before = memory_in_use();
	double began = now_us();

	world_open(&w, n);
	row.make_us = (now_us() - began) / n;
	row.update_us = measure_updates(&w);
	row.pick_ns = measure_picks(&w);
	row.bytes = (memory_in_use() - before) / n;
	world_close(&w);
	return row;
}

/* a picture */

static double
y_of(double value, double most)
{
	return 260 - value / most * 220;
}

static double
value_at(const struct row *row, size_t at)
{
	double value;

	memcpy(&value, (const char *)row + at, sizeof(value));
	return value;
}

static void
draw_line(FILE *f, const struct row *rows, int n, size_t at, const char *color, const char *what)
{
	double most = 0;
	double last = 0;

	for (int i = 0; i < n; i++) {
		double value = value_at(&rows[i], at);

		most = value > most ? value : most;
		last = value;
	}
	fprintf(f, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", color);
	for (int i = 0; i < n; i++)
		fprintf(f, "%d,%.1f ", 60 + i * 100, y_of(value_at(&rows[i], at), most));
	fprintf(f, "\"/>\n<text x=\"%d\" y=\"%.1f\" fill=\"%s\">%s, at most %.1f</text>\n",
		70 + (n - 1) * 100, y_of(last, most), color, what, most);
}

static void
draw(const struct row *rows, int n)
{
	FILE *f = fopen(options.svg, "w");

	if (f == NULL)
		err(1, "%s", options.svg);
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"300\" font-family=\"sans-serif\" "
		"font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
		300 + n * 100);
	for (int i = 0; i < n; i++)
		fprintf(f, "<text x=\"%d\" y=\"285\" text-anchor=\"middle\">%u</text>\n",
			60 + i * 100, rows[i].n);
	fprintf(f, "<line x1=\"60\" y1=\"260\" x2=\"%d\" y2=\"260\" stroke=\"black\"/>\n",
		60 + (n - 1) * 100);
	draw_line(f, rows, n, offsetof(struct row, pick_ns), "#1b6ca8", "ns per pick");
	draw_line(f, rows, n, offsetof(struct row, update_us), "#b8442e", "us per update");
	fprintf(f, "</svg>\n");
	if (fclose(f) != 0)
		err(1, "%s", options.svg);
}

static uint32_t
number(const char *text, unsigned long least, unsigned long most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end != '\0' || n < least || n > most)
		errx(2, "%s: allowed: %lu to %lu", text, least, most);
	return (uint32_t)n;
}

static void
read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"most", required_argument, NULL, 'm'},
		{"each", required_argument, NULL, 'e'},
		{"balance", required_argument, NULL, 'b'},
		{"updates", required_argument, NULL, 'u'},
		{"picks", required_argument, NULL, 'p'},
		{"svg", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'm')
			options.most = number(optarg, 100, 4000000);
		else if (c == 'e')
			options.each = number(optarg, 1, TG_CONF_BACKENDS_MAX);
		else if (c == 'b')
			options.balance = optarg;
		else if (c == 'u')
			options.updates = number(optarg, 2, 1000000);
		else if (c == 'p')
			options.picks = number(optarg, 1, 1000000000);
		else if (c == 's')
			options.svg = optarg;
		else
			errx(2,
			     "usage: scale [--most N] [--each N] [--balance ALGORITHM] [--updates N] "
			     "[--picks N] [--svg FILE]");
	}
}

int
main(int argc, char **argv)
{
	struct row rows[ROWS_MAX];
	int n = 0;

	read_options(argc, argv);
	printf("%9s %14s %12s %10s %12s\n", "backends", "us to make one", "us an update",
	       "ns a pick", "bytes each");
	for (uint32_t i = 100; i <= options.most && n < ROWS_MAX; i *= 10) {
		rows[n] = measure(i);
		printf("%9u %14.2f %12.1f %10.1f %12.0f\n", i, rows[n].make_us, rows[n].update_us,
		       rows[n].pick_ns, rows[n].bytes);
		fflush(stdout);
		n++;
	}
	if (options.svg != NULL)
		draw(rows, n);
	return 0;
}
