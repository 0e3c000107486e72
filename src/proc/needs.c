#include "proc/needs.h"

#include "base/container.h"
#include "ipc/channel.h"

void
needs_init(struct needs *n, struct loop *loop, struct registry *registry)
{
	n->loop = loop;
	n->registry = registry;
	n->peer = -1;
}

static void
stop_waiting(struct needs *n)
{
	if (n->is_waiting)
		watch_stop(n->loop, &n->write_watch);
	n->is_waiting = false;
}

void
needs_set_peer(struct needs *n, int fd)
{
	if (n->registry == NULL)
		return; /* not begun yet, or over */
	stop_waiting(n);
	n->peer = fd;
	registry_forget_wanted(n->registry);
	needs_tell(n);
}

void
needs_move(struct needs *n, struct loop *to)
{
	stop_waiting(n);
	n->loop = to;
	needs_tell(n);
}

static void
on_writable(struct watch *w, unsigned what)
{
	struct needs *n = TG_CONTAINER(w, struct needs, write_watch);

	(void)what;
	stop_waiting(n);
	needs_tell(n);
}

/* Without a watch for room it is tried again when something changes. */
static void
wait_for_room(struct needs *n)
{
	if (n->is_waiting)
		return;
	n->is_waiting =
		watch_start_level_write(n->loop, &n->write_watch, n->peer, on_writable) == 0;
}

static bool
tell(void *arg, uint32_t slot)
{
	struct needs *n = arg;
	struct msg_wanted m = {.service = slot};

	if (n->peer < 0)
		return false;
	if (!channel_has_room(n->peer)) {
		wait_for_room(n);
		return false;
	}
	/* One that cannot be told is gone: its own watch tells. */
	return channel_send(n->peer, MSG_WANTED, &m, sizeof(m), -1) == 0;
}

void
needs_tell(struct needs *n)
{
	registry_tell_wanted(n->registry, tell, n);
}
