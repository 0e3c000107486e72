/*
 * admin/door.h: a listening socket of the control plane.
 *
 * Accepts a few clients per turn; where descriptors or memory are short it
 * pauses instead of spinning.
 */
#ifndef TG_ADMIN_DOOR_H
#define TG_ADMIN_DOOR_H

#include "base/err.h"
#include "loop/loop.h"

struct door;
/* Takes `fd` over: non-blocking, close-on-exec. */
typedef void door_client_cb(struct door *door, int fd);

/* Storage is the caller's; door_open() to door_close(). */
struct door {
	struct loop *loop;
	int fd;
	struct watch watch;
	struct timer pause; /* runs while accepting is stopped */
	door_client_cb *client;
};

/* Takes over `fd`, listening, on failure too (closed). -TG_EIO. */
TG_MUST_CHECK int door_open(struct door *door, struct loop *loop, int fd, door_client_cb *client);
void door_close(struct door *door);
/* Leaves new clients waiting until door_resume(). */
void door_hold(struct door *door);
void door_resume(struct door *door);

#endif
