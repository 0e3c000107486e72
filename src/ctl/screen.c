#include "ctl/screen.h"

#include <curses.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ESCAPE_WAIT_MS 25

struct screen {
	SCREEN *terminal;
	attr_t styles[TG_STYLE_COUNT];
};

/* Colours where there are some and nobody asked for none (no-color.org). */
static void
choose_styles(struct screen *s)
{
	const char *none = getenv("NO_COLOR");

	s->styles[TG_STYLE_BOLD] = A_BOLD;
	s->styles[TG_STYLE_REVERSE] = A_REVERSE;
	s->styles[TG_STYLE_BAD] = A_BOLD;
	if ((none != NULL && *none != '\0') || !has_colors() || start_color() == ERR)
		return;
	if (use_default_colors() == ERR)
		return;
	init_pair(1, COLOR_GREEN, -1);
	init_pair(2, COLOR_RED, -1);
	init_pair(3, COLOR_YELLOW, -1);
	s->styles[TG_STYLE_GOOD] = (attr_t)COLOR_PAIR(1);
	s->styles[TG_STYLE_BAD] = (attr_t)COLOR_PAIR(2) | A_BOLD;
	s->styles[TG_STYLE_ODD] = (attr_t)COLOR_PAIR(3);
}

static bool
can_place_cursor(void)
{
	const char *sequence = tigetstr("cup");

	return sequence != NULL && sequence != (const char *)-1;
}

int
screen_open(struct screen **ret, struct err *err)
{
	const char *name = getenv("TERM");
	struct screen *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(err, TG_ENOMEM, "no memory for the screen");
	s->terminal = newterm(NULL, stdout, stdin);
	if (s->terminal == NULL) {
		free(s);
		return err_set(err, TG_EIO, "a terminal \"%.64s\" is not known",
			       name != NULL ? name : "");
	}
	if (!can_place_cursor()) {
		screen_close(s);
		return err_set(err, TG_EIO, "a terminal \"%.64s\" has no places for text",
			       name != NULL ? name : "");
	}
	cbreak();
	noecho();
	nonl();
	intrflush(stdscr, FALSE);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_WAIT_MS);
	(void)curs_set(0);
	choose_styles(s);
	*ret = s;
	return 0;
}

void
screen_close(struct screen *s)
{
	if (s == NULL)
		return;
	endwin();
	delscreen(s->terminal);
	free(s);
}

unsigned
screen_width(const struct screen *s)
{
	(void)s;
	return getmaxx(stdscr) > 0 ? (unsigned)getmaxx(stdscr) : 0;
}

unsigned
screen_height(const struct screen *s)
{
	(void)s;
	return getmaxy(stdscr) > 0 ? (unsigned)getmaxy(stdscr) : 0;
}

void
screen_resize(struct screen *s)
{
	struct winsize size;

	(void)s;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
		resizeterm(size.ws_row, size.ws_col);
}

void
screen_suspend(struct screen *s)
{
	(void)s;
	endwin();
}

void
screen_resume(struct screen *s)
{
	screen_resize(s);
	clearok(curscr, TRUE);
	refresh();
}

void
screen_redraw(struct screen *s)
{
	(void)s;
	clearok(curscr, TRUE);
}

int
screen_key(struct screen *s)
{
	static const struct {
		int curses;
		enum screen_key key;
	} keys[] = {
		{KEY_UP, TG_KEY_UP},         {KEY_DOWN, TG_KEY_DOWN},
		{KEY_LEFT, TG_KEY_LEFT},     {KEY_RIGHT, TG_KEY_RIGHT},
		{KEY_PPAGE, TG_KEY_PAGE_UP}, {KEY_NPAGE, TG_KEY_PAGE_DOWN},
		{KEY_HOME, TG_KEY_HOME},     {KEY_END, TG_KEY_END},
		{KEY_ENTER, TG_KEY_ENTER},   {'\r', TG_KEY_ENTER},
		{'\n', TG_KEY_ENTER},        {KEY_BACKSPACE, TG_KEY_BACKSPACE},
		{'\b', TG_KEY_BACKSPACE},    {0x7f, TG_KEY_BACKSPACE},
		{0x1b, TG_KEY_ESCAPE},
	};
	int typed = getch();

	(void)s;
	if (typed == ERR)
		return TG_KEY_NONE;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].curses == typed)
			return (int)keys[i].key;
	}
	return typed < 256 ? typed : (int)TG_KEY_OTHER;
}

void
screen_begin(struct screen *s)
{
	(void)s;
	erase();
}

void
screen_end(struct screen *s)
{
	(void)s;
	refresh();
}

void
screen_put(struct screen *s, unsigned y, unsigned x, const char *text, enum screen_style style)
{
	if (y >= screen_height(s) || x >= screen_width(s))
		return;
	(void)attrset((int)s->styles[style]);
	(void)mvaddstr((int)y, (int)x, text);
	(void)attrset((int)A_NORMAL);
}
