/* ctl/watch.c: `tidectl watch`: a command again and again, with what changed marked. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/changes.h"
#include "ctl/ctl.h"
#include "ctl/live.h"

#define INTERVAL_MS 2000u

static const char usage[] = "[-i SECONDS] COMMAND...\n"
			    "\n"
			    "  -i, --interval SECONDS  between answers; default 2";

struct watch {
	struct live live;
	char line[TG_CTL_LINE_MAX];
	char command[TG_CTL_LINE_MAX]; /* the same, without its newline */
	struct wall answered;
	struct lines now;
	struct lines before;
	bool has_before;
	size_t first;  /* line at the top of the screen */
	unsigned left; /* column at its left */
};

static void
format_time(struct wall wall, char *out, size_t size)
{
	time_t seconds = (time_t)(wall.us / 1000000);
	struct tm tm;

	if (localtime_r(&seconds, &tm) == NULL ||
	    strftime(out, size, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(out, size, "?");
}

/* answers */

/* False: one has failed, and it is over. The text of the failure is one line. */
static bool
check(struct watch *w, const char *bytes, size_t n)
{
	struct answer answer;
	char text[512];
	size_t at = 0;

	while (answer_next(bytes, n, &at, &answer)) {
		if (!answer_has_failed(&answer))
			continue;
		snprintf(text, sizeof(text), "%.*s",
			 (int)(answer.n < sizeof(text) ? answer.n - 1 : sizeof(text) - 1),
			 answer.bytes);
		live_end(&w->live, EXIT_FAILED, text);
		return false;
	}
	return true;
}

/* Without the empty line that ends them. */
static void
print(struct watch *w, const char *bytes, size_t n)
{
	char now[32];

	format_time(w->answered, now, sizeof(now));
	printf("# %s %s\n", now, w->command);
	fwrite(bytes, 1, n - 1, stdout);
	putchar('\n');
	if (fflush(stdout) != 0)
		live_end(&w->live, EXIT_FAILED, "cannot write");
}

static int
on_answer(struct live *l, const char *bytes, size_t n, struct err *err)
{
	struct watch *w = l->user;
	struct answer answer;
	size_t at = 0;
	struct lines oldest = w->before;

	while (answer_next(bytes, n, &at, &answer))
		continue;
	if (n == 0 || at != n)
		return err_set(err, TG_EPROTO, "the answer is cut");
	if (!check(w, bytes, n))
		return 0;
	w->answered = wall_read();
	if (l->screen == NULL) {
		print(w, bytes, n);
		return 0;
	}
	w->has_before = w->now.bytes != NULL;
	w->before = w->now;
	w->now = oldest;
	if (lines_set(&w->now, bytes, n - 1) < 0)
		return err_set(err, TG_ENOMEM, "no memory for the answer");
	return 0;
}

/* drawing */

static unsigned
width_of(const struct live *l)
{
	unsigned width = screen_width(l->screen);

	return width < TG_CHANGES_WIDTH_MAX ? width : TG_CHANGES_WIDTH_MAX;
}

/* Lines for the answer. */
static size_t
room(const struct watch *w)
{
	unsigned height = screen_height(w->live.screen);

	return height > 3 ? height - 3 : 1;
}

/* Cells from `at` on that changed alike, as one text; where the next begins. */
static unsigned
put_run(struct watch *w, unsigned y, unsigned at, unsigned width, const struct text_cell *cells,
	const bool *changed)
{
	char text[TG_TEXT_BYTES(TG_CHANGES_WIDTH_MAX)];
	unsigned end = at;
	size_t n = 0;

	for (; end < width && changed[end] == changed[at]; end++) {
		memcpy(text + n, cells[end].bytes, cells[end].n);
		n += cells[end].n;
	}
	text[n] = '\0';
	screen_put(w->live.screen, y, at, text, changed[at] ? TG_STYLE_REVERSE : TG_STYLE_PLAIN);
	return end;
}

static void
draw_line(struct watch *w, unsigned y, size_t i)
{
	unsigned width = width_of(&w->live);
	struct text_cell cells[TG_CHANGES_WIDTH_MAX];
	bool changed[TG_CHANGES_WIDTH_MAX];

	changes_line(&w->now, w->has_before ? &w->before : NULL, i, w->left, width, cells, changed);
	for (unsigned at = 0; at < width;)
		at = put_run(w, y, at, width, cells, changed);
}

static void
draw_head(struct watch *w)
{
	unsigned width = width_of(&w->live);
	char line[TG_TEXT_BYTES(TG_CHANGES_WIDTH_MAX)];
	char now[32];
	unsigned right = 0;

	if (w->answered.us != 0) {
		format_time(w->answered, now, sizeof(now));
		right = (unsigned)strlen(now) + 1;
	}
	if (right >= width)
		right = 0;
	text_fit(line, w->command, width - right, TG_TEXT_LEFT);
	screen_put(w->live.screen, 0, 0, line, TG_STYLE_BOLD);
	if (right > 0)
		screen_put(w->live.screen, 0, width - right + 1, now, TG_STYLE_PLAIN);
}

static void
clamp(struct watch *w)
{
	size_t lines = room(w);

	if (w->first + lines > w->now.n)
		w->first = w->now.n > lines ? w->now.n - lines : 0;
}

static void
draw(struct live *l)
{
	struct watch *w = l->user;
	size_t lines = room(w);
	unsigned y = 2;

	draw_head(w);
	clamp(w);
	for (size_t i = w->first; i < w->now.n && i < w->first + lines; i++)
		draw_line(w, y++, i);
}

static void
status(const struct live *l, char text[TG_LIVE_STATUS])
{
	const struct watch *w = l->user;
	size_t last = w->first + room(w);

	if (w->answered.us == 0)
		snprintf(text, TG_LIVE_STATUS, "asking...");
	else
		snprintf(text, TG_LIVE_STATUS, "%s%zu-%zu of %zu  every %g s  arrows move  q quit",
			 l->is_paused ? "PAUSED  " : "", w->now.n > 0 ? w->first + 1 : 0,
			 last < w->now.n ? last : w->now.n, w->now.n, l->interval_ms / 1000.0);
}

/* keys */

static void
on_key(struct live *l, int key)
{
	struct watch *w = l->user;
	size_t lines = room(w);
	unsigned columns = width_of(l) / 2;

	switch (key) {
	case TG_KEY_UP:
		w->first -= w->first > 0;
		break;
	case TG_KEY_DOWN:
		w->first++;
		break;
	case TG_KEY_PAGE_UP:
		w->first -= w->first < lines ? w->first : lines;
		break;
	case TG_KEY_PAGE_DOWN:
		w->first += lines;
		break;
	case TG_KEY_HOME:
		w->first = 0;
		w->left = 0;
		break;
	case TG_KEY_END:
		w->first = w->now.n;
		break;
	case TG_KEY_LEFT:
		w->left -= w->left < columns ? w->left : columns;
		break;
	case TG_KEY_RIGHT:
		if (w->left < 65536)
			w->left += columns;
		break;
	default:
		break;
	}
	clamp(w);
}

static bool
is_typing(const struct live *l)
{
	(void)l;
	return false;
}

static const struct live_ops ops = {
	.on_answer = on_answer,
	.draw = draw,
	.on_key = on_key,
	.is_typing = is_typing,
	.status = status,
};

static int
run(const char *path, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"help", no_argument, NULL, 'h'},
		{"interval", required_argument, NULL, 'i'},
		{NULL, 0, NULL, 0},
	};
	static struct watch w;
	int exit_status;
	int c;

	w.live = (struct live){.ops = &ops, .user = &w, .line = w.line, .interval_ms = INTERVAL_MS};
	optind = 0; /* getopt has read those before the command */
	while ((c = getopt_long(argc, argv, "+hi:", long_options, NULL)) != -1) {
		if (c == 'h')
			return ctl_usage(&ctl_watch, EXIT_OK);
		if (c != 'i' || !live_parse_interval(optarg, &w.live.interval_ms))
			return ctl_usage(&ctl_watch, EXIT_USAGE);
	}
	if (optind == argc)
		return ctl_usage(&ctl_watch, EXIT_USAGE);
	if (ctl_join(argc - optind, argv + optind, w.line) < 0) {
		fputs("tidectl: the command is too long or not one line\n", stderr);
		return EXIT_USAGE;
	}
	if (strncmp(w.line, "events", 6) == 0 && strcspn(w.line + 6, " ;\n") == 0) {
		fputs("tidectl: \"events\" has no end to wait for; it needs no watch\n", stderr);
		return EXIT_USAGE;
	}
	snprintf(w.command, sizeof(w.command), "%.*s", (int)strlen(w.line) - 1, w.line);
	exit_status = live_run(&w.live, path, live_has_terminal());
	lines_fini(&w.now);
	lines_fini(&w.before);
	return exit_status;
}

const struct ctl_command ctl_watch = {
	.name = "watch",
	.usage = usage,
	.help = "a command again and again, with what changed marked",
	.options = "-h --help",
	.valued = "-i --interval",
	.takes_command = 1,
	.run = run,
};
