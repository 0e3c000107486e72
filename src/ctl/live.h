/*
 * ctl/live.h: a line that is asked again and again, its answers shown on a screen, or
 * printed where there is none. `tidectl top` and `tidectl watch` are made of it.
 *
 * On a screen, a daemon that is not there is asked again until it is: it may be
 * restarted or replaced. Without one, the first trouble is the end.
 */
#ifndef TG_CTL_LIVE_H
#define TG_CTL_LIVE_H

#include "ctl/client.h"
#include "ctl/screen.h"

#define TG_LIVE_INTERVAL_MIN_MS 100u
#define TG_LIVE_INTERVAL_MAX_MS 3600000u
#define TG_LIVE_ANSWER_MS       10000u
#define TG_LIVE_STATUS          256u

struct live;

struct live_ops {
	/* All answers to the line, valid during the call; what is to be printed, is printed here when
	 * there is no screen. It may end it, by live_end(). -TG_EPROTO: not an answer to this, said
	 * in `err` and asked again; other failures end it. */
	int (*on_answer)(struct live *l, const char *bytes, size_t n, struct err *err);
	/* Puts all but the last line. */
	void (*draw)(struct live *l);
	/* A key that has no meaning of its own here: q, Ctrl-C, space, p, +, -, Ctrl-L have. */
	void (*on_key)(struct live *l, int key);
	/* Whether all keys but Ctrl-C are text now, for on_key(). */
	bool (*is_typing)(const struct live *l);
	/* What the last line says unless there is trouble. */
	void (*status)(const struct live *l, char text[TG_LIVE_STATUS]);
};

/* Storage is the caller's; the first four are set before live_run(). */
struct live {
	const struct live_ops *ops;
	void *user;
	const char *line; /* with its newline */
	unsigned interval_ms;
	struct screen *screen; /* NULL: there is none */
	const char *path;
	struct client client;
	struct mono next; /* when it is asked again */
	bool is_asked;
	bool is_paused;
	bool is_dirty;
	bool is_over;
	int exit_status;
	int signal_fd;
	int signal;                   /* that ends it; 0 */
	char trouble[TG_LIVE_STATUS]; /* "": there is none */
	struct err last;              /* said on standard error at the end */
};

/* Until it ends: the exit status. By a signal that ends programs: does not return, but for SIGINT,
 * which is a way to quit. */
int live_run(struct live *l, const char *path, bool with_screen);
/* Ends it when the call that says so is over; `why` is printed then, unless NULL. */
void live_end(struct live *l, int exit_status, const char *why);

/* Whether standard input and output are a terminal. */
bool live_has_terminal(void);
/* Seconds with a fraction, of an option. False: it says so. */
bool live_parse_interval(const char *text, unsigned *ret_ms);

#endif
