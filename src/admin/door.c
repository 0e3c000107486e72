#include "admin/door.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"

#define ACCEPT_PER_TURN 16u
#define PAUSE_MS        200u

static void on_connection(struct watch *w, unsigned what);

static void
on_pause_end(struct timer *t)
{
	struct door *d = TG_CONTAINER(t, struct door, pause);

	if (watch_start_level(d->loop, &d->watch, d->fd, on_connection) != 0)
		timer_set(d->loop, &d->pause, mono_add_ms(loop_now(d->loop), PAUSE_MS));
}

static void
on_connection(struct watch *w, unsigned what)
{
	struct door *d = TG_CONTAINER(w, struct door, watch);

	(void)what;
	for (unsigned i = 0; i < ACCEPT_PER_TURN; i++) {
		int fd = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			d->client(d, fd);
			continue;
		}
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		/* No descriptors or memory: trying at once would only spin. */
		watch_stop(d->loop, &d->watch);
		timer_set(d->loop, &d->pause, mono_add_ms(loop_now(d->loop), PAUSE_MS));
		return;
	}
}

int
door_open(struct door *d, struct loop *loop, int fd, door_client_cb *client)
{
	int flags = fcntl(fd, F_GETFL);

	*d = (struct door){.loop = loop, .fd = fd, .client = client};
	timer_init(&d->pause, on_pause_end);
	if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	    watch_start_level(loop, &d->watch, fd, on_connection) == 0)
		return 0;
	close(fd);
	return -TG_EIO;
}

void
door_close(struct door *d)
{
	watch_stop(d->loop, &d->watch);
	timer_fini(&d->pause);
	close(d->fd);
}

void
door_hold(struct door *d)
{
	watch_stop(d->loop, &d->watch);
	timer_clear(&d->pause);
}

void
door_resume(struct door *d)
{
	on_pause_end(&d->pause);
}
