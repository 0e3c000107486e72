/* ctl/top.c: `tidectl top`: services and backends with their rates, as they are now. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/live.h"
#include "ctl/page.h"

#define INTERVAL_MS   1000u
#define SNAPSHOTS_MAX 1000000000ul
/* Lower screens show one line of head. */
#define FULL_HEIGHT 9u

static const char usage[] =
	"[-1b] [-f FILTER] [-i SECONDS] [-n COUNT] [-o SORT] [-w VIEW]\n"
	"\n"
	"  -1, --once              print one snapshot, as -n 1\n"
	"  -b, --batch             print snapshots, also when there is a terminal\n"
	"  -f, --filter FILTER     services whose name has this in it; =NAME: that one\n"
	"  -i, --interval SECONDS  between snapshots; default 1\n"
	"  -n, --count COUNT       end after so many snapshots, which are printed\n"
	"  -o, --sort SORT         name, rate, in-flight, queue, latency or errors;\n"
	"                          default rate\n"
	"  -w, --view VIEW         tree, services or backends; default tree\n"
	"\n"
	"On a terminal, ? lists the keys.";

struct top {
	struct live live;
	struct table_order order;
	struct snapshot *now;
	struct snapshot *before;
	struct table table;
	unsigned long count; /* snapshots to print; 0: no end */
	unsigned long printed;
	size_t first;    /* row at the top of the screen */
	size_t selected; /* row */
	bool is_held;    /* the selected object stays selected wherever it goes */
	bool is_typing;  /* a filter */
	bool shows_help;
	unsigned help_first; /* line of it at the top */
};

/* rows */

/* On failure there are none. */
static void
build(struct top *t)
{
	if (t->now == NULL)
		return;
	if (table_build(&t->table, t->now, t->before, &t->order) < 0)
		live_end(&t->live, EXIT_FAILED, "no memory for the table");
}

static void
clamp(struct top *t)
{
	if (t->selected >= t->table.n)
		t->selected = t->table.n > 0 ? t->table.n - 1 : 0;
}

/* In the table that is there, before another takes its place. */
static const struct object *
selected_object(const struct top *t)
{
	return t->selected < t->table.n ? t->table.rows[t->selected].object : NULL;
}

/* As other rows, or others in their order; the snapshot of `held` is still there. */
static void
rebuild(struct top *t, const struct object *held)
{
	build(t);
	if (held != NULL && t->is_held) {
		size_t at = table_find(&t->table, held->kind, held->service, held->backend);

		if (at < t->table.n)
			t->selected = at;
	}
	clamp(t);
}

/* printing */

static void
print(struct top *t)
{
	struct page p = page_fit(&t->table, &t->order, 0);
	char line[TG_PAGE_LINE];

	for (unsigned i = 0; i < TG_PAGE_HEADS; i++) {
		/* These are not cut to the width of the rows. */
		struct page wide = {.width = TG_PAGE_WIDTH_MAX};

		page_head(&wide, &t->table, t->now, &t->order, wall_read(), i, line);
		page_trim(line);
		puts(line);
	}
	page_titles(&p, line);
	page_trim(line);
	puts(line);
	for (size_t i = 0; i < t->table.n; i++) {
		page_row(&p, &t->table.rows[i], line);
		page_trim(line);
		puts(line);
	}
	putchar('\n');
	t->printed++;
	if (fflush(stdout) != 0)
		live_end(&t->live, EXIT_FAILED, "cannot write");
	if (t->printed == t->count)
		live_end(&t->live, EXIT_OK, NULL);
}

static int
on_answer(struct live *l, const char *bytes, size_t n, struct err *err)
{
	struct top *t = l->user;
	struct snapshot *taken;
	struct snapshot *oldest = t->before;
	const struct object *held = selected_object(t);
	int rc = snapshot_parse(bytes, n, l->client.first, &taken, err);

	if (rc < 0)
		return rc;
	t->before = t->now;
	t->now = taken;
	rebuild(t, held);
	snapshot_free(oldest);
	/* Rates need two of them. */
	if (l->screen == NULL && t->before != NULL && !l->is_over)
		print(t);
	return 0;
}

/* drawing */

static unsigned
head_lines(unsigned height)
{
	return height >= FULL_HEIGHT ? TG_PAGE_HEADS : 1;
}

/* Lines for rows. */
static size_t
room(const struct top *t)
{
	unsigned height = screen_height(t->live.screen);
	unsigned used = head_lines(height) + 2;

	return height > used ? height - used : 1;
}

static void
scroll_to_selected(struct top *t)
{
	size_t lines = room(t);

	if (t->selected < t->first)
		t->first = t->selected;
	if (t->selected >= t->first + lines)
		t->first = t->selected - lines + 1;
	if (t->first + lines > t->table.n)
		t->first = t->table.n > lines ? t->table.n - lines : 0;
}

static enum screen_style
style_of(const struct table_row *row)
{
	const char *state = row->object->state;

	if (strncmp(state, "DOWN", 4) == 0)
		return TG_STYLE_BAD;
	if (row->n_up < row->n_backends)
		return TG_STYLE_ODD;
	return strcmp(state, "UP") == 0 || strcmp(state, "no check") == 0 ? TG_STYLE_GOOD
									  : TG_STYLE_ODD;
}

/* The state once more, in its colour. */
static void
draw_state(struct top *t, const struct page *p, unsigned y, const struct table_row *row)
{
	char line[TG_PAGE_LINE];
	char state[TG_PAGE_LINE];
	struct text_cell cells[TG_PAGE_WIDTH_MAX];
	size_t n = 0;
	unsigned at;
	unsigned width;

	if (!page_state(p, &at, &width))
		return;
	page_row(p, row, line);
	text_cells(line, strlen(line), at, width, cells);
	for (unsigned i = 0; i < width; i++) {
		memcpy(state + n, cells[i].bytes, cells[i].n);
		n += cells[i].n;
	}
	state[n] = '\0';
	screen_put(t->live.screen, y, at, state, style_of(row));
}

static void
draw_rows(struct top *t, const struct page *p, unsigned y)
{
	size_t lines = room(t);
	char line[TG_PAGE_LINE];

	for (size_t i = t->first; i < t->table.n && i < t->first + lines; i++, y++) {
		const struct table_row *row = &t->table.rows[i];
		bool is_bold =
			row->object->kind == TG_OBJECT_SERVICE && t->order.view == TG_VIEW_TREE;

		page_row(p, row, line);
		screen_put(t->live.screen, y, 0, line,
			   i == t->selected ? TG_STYLE_REVERSE
			   : is_bold        ? TG_STYLE_BOLD
					    : TG_STYLE_PLAIN);
		if (i != t->selected)
			draw_state(t, p, y, row);
	}
}

static const char *const help_keys[] = {
	"q Ctrl-C     quit",
	"space p      pause, go on",
	"+ -          longer, shorter interval",
	"up down pgup pgdn home end",
	"             move; home lets go of what is selected",
	"enter        only the service selected",
	"/            filter services by name; =name: that one",
	"esc          all services",
	"v            tree, services, backends",
	"t            times of: total, response, connect, queue",
	"R            the other way round",
};

#define N_HELP_KEYS  (sizeof(help_keys) / sizeof(help_keys[0]))
#define N_HELP_LINES (N_HELP_KEYS + TG_SORT_COUNT)

static void
help_line(size_t i, char text[TG_LIVE_STATUS])
{
	enum table_sort sort = (enum table_sort)(i - N_HELP_KEYS);

	if (i < N_HELP_KEYS)
		snprintf(text, TG_LIVE_STATUS, "%s", help_keys[i]);
	else
		snprintf(text, TG_LIVE_STATUS, "%c            by %s", table_sort_key(sort),
			 table_sort_help(sort));
}

/* Lines of help beside its title and the last line. */
static unsigned
help_room(const struct top *t)
{
	unsigned height = screen_height(t->live.screen);

	return height > 2 ? height - 2 : 1;
}

static void
draw_help(struct top *t, const struct page *p)
{
	char text[TG_LIVE_STATUS];
	char line[TG_PAGE_LINE];
	unsigned y = 1;

	text_fit(line, "Keys of tidectl top", p->width, TG_TEXT_LEFT);
	screen_put(t->live.screen, 0, 0, line, TG_STYLE_REVERSE);
	for (size_t i = t->help_first; i < N_HELP_LINES && y <= help_room(t); i++) {
		help_line(i, text);
		text_fit(line, text, p->width, TG_TEXT_LEFT);
		screen_put(t->live.screen, y++, 0, line, TG_STYLE_PLAIN);
	}
}

static unsigned
width_of(const struct live *l)
{
	unsigned width = screen_width(l->screen);

	return width < TG_PAGE_WIDTH_MAX ? width : TG_PAGE_WIDTH_MAX;
}

static void
draw(struct live *l)
{
	struct top *t = l->user;
	struct page p = page_fit(&t->table, &t->order, width_of(l));
	char line[TG_PAGE_LINE];
	unsigned y = 0;

	if (t->shows_help) {
		draw_help(t, &p);
		return;
	}
	if (t->now == NULL)
		return;
	p.width = width_of(l);
	for (; y < head_lines(screen_height(l->screen)); y++) {
		page_head(&p, &t->table, t->now, &t->order, wall_read(), y, line);
		screen_put(l->screen, y, 0, line, TG_STYLE_PLAIN);
	}
	page_titles(&p, line);
	screen_put(l->screen, y++, 0, line, TG_STYLE_REVERSE);
	scroll_to_selected(t);
	draw_rows(t, &p, y);
}

static void
status(const struct live *l, char text[TG_LIVE_STATUS])
{
	const struct top *t = l->user;

	if (t->is_typing)
		snprintf(text, TG_LIVE_STATUS, "filter: %s_", t->order.filter);
	else if (t->shows_help)
		snprintf(text, TG_LIVE_STATUS, "up, down: more; other keys go back");
	else if (t->now == NULL)
		snprintf(text, TG_LIVE_STATUS, "asking...");
	else
		snprintf(text, TG_LIVE_STATUS, "%s%zu-%zu of %zu  every %g s  ? keys  q quit",
			 l->is_paused ? "PAUSED  " : "", t->table.n > 0 ? t->first + 1 : 0,
			 t->first + room(t) < t->table.n ? t->first + room(t) : t->table.n,
			 t->table.n, l->interval_ms / 1000.0);
}

/* keys */

static void
move(struct top *t, long by)
{
	t->is_held = true;
	if (by < 0 && t->selected < (size_t)-by)
		t->selected = 0;
	else
		t->selected += (size_t)by;
	clamp(t);
}

static void
set_filter(struct top *t, const char *before, const char *text)
{
	const struct object *held = selected_object(t);
	char filter[TG_TABLE_FILTER];

	snprintf(filter, sizeof(filter), "%s%s", before, text);
	memcpy(t->order.filter, filter, sizeof(filter));
	t->first = 0;
	rebuild(t, held);
}

static void
select_service(struct top *t)
{
	const struct object *held = selected_object(t);

	if (held != NULL && t->order.filter[0] == '\0' &&
	    strlen(held->service) + 1 < TG_TABLE_FILTER)
		set_filter(t, "=", held->service);
	else
		set_filter(t, "", "");
}

/* True: the key is the filter's. */
static bool
type_filter(struct top *t, int key)
{
	size_t n = strlen(t->order.filter);
	char one[2] = {(char)key, '\0'};

	if (key == TG_KEY_ENTER) {
		t->is_typing = false;
	} else if (key == TG_KEY_ESCAPE) {
		t->is_typing = false;
		set_filter(t, "", "");
	} else if (key == TG_KEY_BACKSPACE) {
		char shorter[TG_TABLE_FILTER];

		snprintf(shorter, sizeof(shorter), "%.*s", n > 0 ? (int)n - 1 : 0, t->order.filter);
		set_filter(t, "", shorter);
	} else if (key > ' ' && key <= '~') {
		set_filter(t, t->order.filter, one);
	} else {
		return false;
	}
	return true;
}

/* Moves in the help where it is longer than the screen; others go back. */
static void
take_help_key(struct top *t, int key)
{
	unsigned last = N_HELP_LINES > help_room(t) ? (unsigned)N_HELP_LINES - help_room(t) : 0;

	if (key == TG_KEY_DOWN || key == TG_KEY_PAGE_DOWN)
		t->help_first += key == TG_KEY_DOWN ? 1 : help_room(t);
	else if (key == TG_KEY_UP)
		t->help_first -= t->help_first > 0;
	else if (key == TG_KEY_PAGE_UP)
		t->help_first = 0;
	else
		t->shows_help = false;
	if (t->help_first > last)
		t->help_first = last;
}

static bool
choose_sort(struct top *t, int key)
{
	for (unsigned i = 0; i < TG_SORT_COUNT; i++) {
		if (key != table_sort_key(i))
			continue;
		t->order.is_reversed = false;
		t->order.sort = (enum table_sort)i;
		return true;
	}
	return false;
}

/* True: the rows are others now. */
static bool
change_order(struct top *t, int key)
{
	switch (key) {
	case 'R':
		t->order.is_reversed = !t->order.is_reversed;
		return true;
	case 't':
		t->order.time = (t->order.time + 1) % TG_TIME_KIND_COUNT;
		return true;
	case 'v':
		t->order.view = (t->order.view + 1) % TG_VIEW_COUNT;
		return true;
	default:
		return choose_sort(t, key);
	}
}

static void
take_move(struct top *t, int key)
{
	switch (key) {
	case TG_KEY_UP:
		move(t, -1);
		break;
	case TG_KEY_DOWN:
		move(t, 1);
		break;
	case TG_KEY_PAGE_UP:
		move(t, -(long)room(t));
		break;
	case TG_KEY_PAGE_DOWN:
		move(t, (long)room(t));
		break;
	case TG_KEY_END:
		move(t, (long)t->table.n);
		break;
	case TG_KEY_HOME:
		t->selected = 0;
		t->is_held = false;
		break;
	default:
		break;
	}
}

static void
on_key(struct live *l, int key)
{
	struct top *t = l->user;

	if (t->is_typing && type_filter(t, key))
		return;
	if (t->shows_help) {
		take_help_key(t, key);
		return;
	}
	switch (key) {
	case '?':
	case 'h':
		t->shows_help = true;
		t->help_first = 0;
		return;
	case '/':
		t->is_typing = true;
		set_filter(t, "", "");
		return;
	case TG_KEY_ENTER:
		select_service(t);
		return;
	case TG_KEY_ESCAPE:
		set_filter(t, "", "");
		return;
	default:
		break;
	}
	if (change_order(t, key))
		rebuild(t, selected_object(t));
	else
		take_move(t, key);
}

static bool
is_typing(const struct live *l)
{
	const struct top *t = l->user;

	return t->is_typing;
}

static const struct live_ops ops = {
	.on_answer = on_answer,
	.draw = draw,
	.on_key = on_key,
	.is_typing = is_typing,
	.status = status,
};

/* options */

static bool
parse_count(const char *text, unsigned long *ret)
{
	char *end;

	*ret = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && *ret > 0 && *ret <= SNAPSHOTS_MAX)
		return true;
	fprintf(stderr, "tidectl: count \"%.64s\" is not a number from 1 to %lu\n", text,
		SNAPSHOTS_MAX);
	return false;
}

static bool
parse_filter(struct top *t, const char *text)
{
	int n = snprintf(t->order.filter, sizeof(t->order.filter), "%s", text);

	if (n >= 0 && (size_t)n < sizeof(t->order.filter))
		return true;
	fprintf(stderr, "tidectl: a filter has at most %zu bytes\n", sizeof(t->order.filter) - 1);
	return false;
}

static bool
unknown_word(const char *what, const char *text)
{
	fprintf(stderr, "tidectl: no %s \"%.64s\"\n", what, text);
	return false;
}

static bool
take_option(struct top *t, int option, bool *ret_batch)
{
	switch (option) {
	case '1':
		t->count = 1;
		return true;
	case 'b':
		*ret_batch = true;
		return true;
	case 'f':
		return parse_filter(t, optarg);
	case 'i':
		return live_parse_interval(optarg, &t->live.interval_ms);
	case 'n':
		return parse_count(optarg, &t->count);
	case 'o':
		return table_sort_parse(optarg, &t->order.sort) || unknown_word("sort", optarg);
	case 'w':
		return table_view_parse(optarg, &t->order.view) || unknown_word("view", optarg);
	default:
		return false; /* getopt said why */
	}
}

static int
run(const char *path, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"once", no_argument, NULL, '1'},
		{"batch", no_argument, NULL, 'b'},
		{"filter", required_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{"interval", required_argument, NULL, 'i'},
		{"count", required_argument, NULL, 'n'},
		{"sort", required_argument, NULL, 'o'},
		{"view", required_argument, NULL, 'w'},
		{NULL, 0, NULL, 0},
	};
	struct top t = {
		.live = {.ops = &ops, .line = TG_SNAPSHOT_LINE, .interval_ms = INTERVAL_MS},
		.order = {.sort = TG_SORT_RATE},
	};
	bool is_batch = false;
	int status;
	int c;

	optind = 0; /* getopt has read those before the command */
	while ((c = getopt_long(argc, argv, "1bf:hi:n:o:w:", long_options, NULL)) != -1) {
		if (c == 'h')
			return ctl_usage(&ctl_top, EXIT_OK);
		if (!take_option(&t, c, &is_batch))
			return ctl_usage(&ctl_top, EXIT_USAGE);
	}
	if (optind != argc)
		return ctl_usage(&ctl_top, EXIT_USAGE);
	t.live.user = &t;
	status = live_run(&t.live, path, !is_batch && t.count == 0 && live_has_terminal());
	table_fini(&t.table);
	snapshot_free(t.before);
	snapshot_free(t.now);
	return status;
}

const struct ctl_command ctl_top = {
	.name = "top",
	.usage = usage,
	.help = "services and backends with their rates, as they are now",
	.options = "-1 -b -h --once --batch --help",
	.valued = "-f -i -n -o -w --filter --interval --count --sort --view",
	.run = run,
};
