#include "ctl/live.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/signals.h"
#include "ctl/text.h"

#define RETRY_MS 1000u
#define CTRL(c)  ((c)&0x1f)

static const unsigned intervals_ms[] = {100,  200,   500,   1000,  2000,
					5000, 10000, 30000, 60000, 300000};

bool
live_has_terminal(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

bool
live_parse_interval(const char *text, unsigned *ret_ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds * 1000 >= TG_LIVE_INTERVAL_MIN_MS) ||
	    !(seconds * 1000 <= TG_LIVE_INTERVAL_MAX_MS)) {
		fprintf(stderr, "tidectl: interval \"%.64s\" is not a number from 0.1 to 3600\n",
			text);
		return false;
	}
	*ret_ms = (unsigned)(seconds * 1000 + 0.5);
	return true;
}

void
live_end(struct live *l, int exit_status, const char *why)
{
	l->is_over = true;
	l->exit_status = exit_status;
	if (why != NULL)
		err_set(&l->last, TG_EIO, "%s", why);
}

/* asking */

static void
trouble(struct live *l, const char *what, const struct err *err, int exit_status)
{
	unsigned wait_ms = l->interval_ms < RETRY_MS ? l->interval_ms : RETRY_MS;

	l->is_asked = false;
	l->is_dirty = true;
	if (l->screen == NULL) {
		live_end(l, exit_status, err->text);
		return;
	}
	snprintf(l->trouble, sizeof(l->trouble), "%s, retrying: %.200s", what, err->text);
	l->next = mono_add_ms(mono_read(), wait_ms);
}

static void
ask(struct live *l)
{
	struct mono now = mono_read();
	struct err err;

	if (client_ask(&l->client, l->path, l->line, now, &err) < 0) {
		trouble(l, "not reachable", &err, EXIT_NO_CONNECTION);
		return;
	}
	l->is_asked = true;
	l->next = mono_add_ms(now, l->interval_ms);
}

static void
take_answer(struct live *l)
{
	struct err err = {.text = ""};
	int rc = client_read(&l->client, mono_read(), &err);

	if (rc == -TG_EAGAIN)
		return;
	l->is_asked = false;
	l->is_dirty = true;
	if (rc == -TG_EIO) {
		trouble(l, "not reachable", &err, EXIT_FAILED);
		return;
	}
	if (rc == 0)
		rc = l->ops->on_answer(l, l->client.bytes, l->client.n, &err);
	if (rc == 0)
		l->trouble[0] = '\0';
	else if (rc == -TG_EPROTO)
		trouble(l, "not understood", &err, EXIT_FAILED);
	else
		live_end(l, EXIT_FAILED, err.text);
}

static void
check_deadline(struct live *l, struct mono now)
{
	struct err err;

	if (mono_diff_us(now, l->client.began) / 1000 < TG_LIVE_ANSWER_MS)
		return;
	err_set(&err, TG_EIO, "no answer within %u s", TG_LIVE_ANSWER_MS / 1000);
	trouble(l, "not reachable", &err, EXIT_FAILED);
}

/* keys and signals */

static void
change_interval(struct live *l, bool is_longer)
{
	size_t n = sizeof(intervals_ms) / sizeof(intervals_ms[0]);
	unsigned ms = l->interval_ms;

	for (size_t i = 0; i < n; i++) {
		if (is_longer && intervals_ms[i] > l->interval_ms) {
			ms = intervals_ms[i];
			break;
		}
		if (!is_longer && intervals_ms[i] < l->interval_ms)
			ms = intervals_ms[i];
	}
	l->interval_ms = ms;
	if (!l->is_asked)
		l->next = mono_add_ms(l->client.began, ms);
}

static void
toggle_pause(struct live *l)
{
	l->is_paused = !l->is_paused;
	if (!l->is_paused)
		l->next = mono_read();
}

static void
take_key(struct live *l, int key)
{
	if (l->ops->is_typing(l)) {
		l->ops->on_key(l, key);
		return;
	}
	switch (key) {
	case 'q':
		live_end(l, EXIT_OK, NULL);
		break;
	case ' ':
	case 'p':
		toggle_pause(l);
		break;
	case '+':
	case '=':
		change_interval(l, true);
		break;
	case '-':
	case '_':
		change_interval(l, false);
		break;
	case CTRL('L'):
		screen_redraw(l->screen);
		break;
	default:
		l->ops->on_key(l, key);
		break;
	}
}

static void
take_keys(struct live *l)
{
	int key;

	while (!l->is_over && (key = screen_key(l->screen)) != TG_KEY_NONE) {
		take_key(l, key);
		l->is_dirty = true;
	}
}

static void
take_signal(struct live *l, int number)
{
	switch (number) {
	case SIGWINCH:
		screen_resize(l->screen);
		break;
	case SIGTSTP:
		screen_suspend(l->screen);
		signals_take(SIGTSTP);
		screen_resume(l->screen);
		break;
	case SIGCONT:
		screen_resume(l->screen);
		break;
	case SIGINT:
		live_end(l, EXIT_OK, NULL);
		break;
	default:
		l->signal = number;
		live_end(l, EXIT_FAILED, NULL);
		break;
	}
	l->is_dirty = true;
}

/* the loop */

static void
draw(struct live *l)
{
	unsigned width = screen_width(l->screen);
	char text[TG_LIVE_STATUS];
	char *line = malloc(TG_TEXT_BYTES(width));

	l->is_dirty = false;
	if (line == NULL)
		return;
	screen_begin(l->screen);
	l->ops->draw(l);
	if (l->trouble[0] != '\0')
		snprintf(text, sizeof(text), "%s", l->trouble);
	else
		l->ops->status(l, text);
	text_fit(line, text, width, TG_TEXT_LEFT);
	if (screen_height(l->screen) > 0)
		screen_put(l->screen, screen_height(l->screen) - 1, 0, line,
			   l->trouble[0] != '\0' ? TG_STYLE_BAD : TG_STYLE_PLAIN);
	screen_end(l->screen);
	free(line);
}

/* -1: for ever. */
static int
wait_ms(const struct live *l, struct mono now)
{
	struct mono until = l->next;

	if (l->is_asked)
		until = mono_add_ms(l->client.began, TG_LIVE_ANSWER_MS);
	else if (l->is_paused)
		return -1;
	return (int)((mono_diff_us(until, now) + 999) / 1000);
}

static void
turn(struct live *l)
{
	struct mono now = mono_read();
	struct pollfd fds[3] = {
		{.fd = l->is_asked ? l->client.fd : -1, .events = POLLIN},
		{.fd = l->screen != NULL ? STDIN_FILENO : -1, .events = POLLIN},
		{.fd = l->signal_fd, .events = POLLIN},
	};
	int number;

	if (!l->is_asked && !l->is_paused && now.us >= l->next.us) {
		ask(l);
		return;
	}
	if (l->screen != NULL && l->is_dirty)
		draw(l);
	if (poll(fds, 3, wait_ms(l, now)) < 0 && errno != EINTR) {
		live_end(l, EXIT_FAILED, strerror(errno));
		return;
	}
	if (fds[0].revents != 0)
		take_answer(l);
	else if (l->is_asked)
		check_deadline(l, mono_read());
	while (fds[2].revents != 0 && !l->is_over && (number = signals_next(l->signal_fd)) != 0)
		take_signal(l, number);
	if ((fds[1].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
		live_end(l, EXIT_FAILED, "the terminal is gone");
	else if (fds[1].revents != 0 && !l->is_over)
		take_keys(l);
}

/* A socket that is not there is said before the terminal changes. */
static int
start(struct live *l, bool with_screen)
{
	ask(l);
	if (l->is_over || !with_screen)
		return 0;
	l->signal_fd = signals_open();
	if (l->signal_fd < 0)
		return err_set_errno(&l->last, "no signals");
	return screen_open(&l->screen, &l->last);
}

int
live_run(struct live *l, const char *path, bool with_screen)
{
	l->path = path;
	l->signal_fd = -1;
	l->is_dirty = true;
	client_init(&l->client);
	if (start(l, with_screen) < 0)
		live_end(l, EXIT_FAILED, NULL);
	while (!l->is_over)
		turn(l);
	screen_close(l->screen);
	l->screen = NULL;
	client_close(&l->client);
	if (l->last.text[0] != '\0')
		fprintf(stderr, "tidectl: %s\n", l->last.text);
	if (l->signal != 0)
		signals_take(l->signal);
	if (l->exit_status == EXIT_OK && (fflush(stdout) != 0 || ferror(stdout))) {
		fprintf(stderr, "tidectl: cannot write: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	return l->exit_status;
}
