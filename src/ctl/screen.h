/*
 * ctl/screen.h: the whole terminal, as lines that are put on it. The door to ncurses.
 *
 * What is put outside of it is not shown; texts are clean, see text.h.
 */
#ifndef TG_CTL_SCREEN_H
#define TG_CTL_SCREEN_H

#include <stdbool.h>

#include "base/err.h"

enum screen_style {
	TG_STYLE_PLAIN = 0,
	TG_STYLE_BOLD = 1,
	TG_STYLE_REVERSE = 2,
	TG_STYLE_GOOD = 3,
	TG_STYLE_BAD = 4,
	TG_STYLE_ODD = 5,
	TG_STYLE_COUNT
};

/* Beside the bytes that are typed. */
enum screen_key {
	TG_KEY_NONE = -1,
	TG_KEY_UP = 0x1000,
	TG_KEY_DOWN,
	TG_KEY_LEFT,
	TG_KEY_RIGHT,
	TG_KEY_PAGE_UP,
	TG_KEY_PAGE_DOWN,
	TG_KEY_HOME,
	TG_KEY_END,
	TG_KEY_ENTER,
	TG_KEY_BACKSPACE,
	TG_KEY_ESCAPE,
	TG_KEY_OTHER,
};

struct screen;

/* Takes the terminal of standard input and output; one at a time. screen_close() gives it back as it
 * was. -TG_EIO, -TG_ENOMEM. */
TG_MUST_CHECK int screen_open(struct screen **ret, struct err *err);
void screen_close(struct screen *s); /* NULL allowed */

unsigned screen_width(const struct screen *s);
unsigned screen_height(const struct screen *s);
/* After SIGWINCH. */
void screen_resize(struct screen *s);
/* Gives the terminal back for a while, and takes it again. */
void screen_suspend(struct screen *s);
void screen_resume(struct screen *s);

/* Does not wait. */
int screen_key(struct screen *s);

/* What is put between these two is shown at once; all else is empty. */
void screen_begin(struct screen *s);
void screen_end(struct screen *s);
void screen_put(struct screen *s, unsigned y, unsigned x, const char *text,
		enum screen_style style);
/* Puts all anew, also what seems to be there. */
void screen_redraw(struct screen *s);

#endif
