#include "proc/replies.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/reload_order.h"

/* The keeper's channel is full: tried again after this. */
#define AGAIN_MS 5u

struct reply {
	uint32_t order;
	bool is_done;
	char *text;
};

/* Of an answer that there is no memory for. */
static const char no_text[] = "no memory for the answer\n";

static bool
is_writable(int channel)
{
	struct pollfd p = {.fd = channel, .events = POLLOUT};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

static int
send_one(int channel, const struct reply *a)
{
	struct msg_reloaded m = {.order = a->order, .is_done = a->is_done};
	size_t n = strlen(a->text);
	struct err err;
	int fd;
	int rc;

	if (n > TG_RELOAD_TEXT_MAX)
		n = TG_RELOAD_TEXT_MAX;
	if (reload_text_save_fd(a->text, n, &fd, &err) < 0) {
		log_write(TG_LOG_ERROR, "an answer is lost", "reason=%s", err.text);
		return 0;
	}
	rc = channel_send(channel, MSG_RELOADED, &m, sizeof(m), fd);
	close(fd);
	return rc;
}

static void
drop(struct replies *all, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(all->list[i].text);
	all->n -= n;
	if (n > 0)
		memmove(all->list, all->list + n, all->n * sizeof(all->list[0]));
}

static void
send_all(struct replies *all)
{
	int channel = supervisor_channel(all->supervisor, CHILD_KEEPER);
	size_t n = 0;
	int rc = 0;

	timer_clear(&all->timer);
	while (rc == 0 && n < all->n && channel >= 0 && is_writable(channel))
		rc = send_one(channel, &all->list[n++]);
	drop(all, channel >= 0 ? n : all->n);
	if (rc < 0)
		supervisor_condemn(all->supervisor, CHILD_KEEPER, "it does not take messages");
	else if (all->n > 0)
		timer_set(all->loop, &all->timer, mono_add_ms(loop_now_update(all->loop), AGAIN_MS));
}

static void
on_timer(struct timer *t)
{
	send_all(TG_CONTAINER(t, struct replies, timer));
}

void
replies_add(struct replies *all, uint32_t caller, bool is_done, const char *text)
{
	struct reply *list = realloc(all->list, (all->n + 1) * sizeof(list[0]));
	char *copy = strdup(text);

	if (list != NULL)
		all->list = list;
	if (list == NULL || copy == NULL) {
		log_write(TG_LOG_ERROR, "an answer is lost", "reason=%s", "no memory");
		free(copy);
		return;
	}
	all->list[all->n++] = (struct reply){.order = caller, .is_done = is_done, .text = copy};
	send_all(all);
}

void
replies_format(struct replies *all, uint32_t caller, bool is_done, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	replies_add(all, caller, is_done, text != NULL ? text : no_text);
	free(text);
}

void
replies_drop(struct replies *all)
{
	drop(all, all->n);
}

void
replies_init(struct replies *all, struct loop *loop, struct supervisor *supervisor)
{
	*all = (struct replies){.loop = loop, .supervisor = supervisor};
	timer_init(&all->timer, on_timer);
}

void
replies_fini(struct replies *all)
{
	replies_drop(all);
	free(all->list);
	all->list = NULL;
	if (all->loop != NULL)
		timer_fini(&all->timer);
}
