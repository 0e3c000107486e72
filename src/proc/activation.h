/*
 * proc/activation.h: sockets that the service manager opened for us.
 *
 * LISTEN_PID, LISTEN_FDS: sd_listen_fds(3). Nothing happens when built without
 * libsystemd or not started so.
 */
#ifndef TG_PROC_ACTIVATION_H
#define TG_PROC_ACTIVATION_H

#include "proc/inherited.h"

/* Adds them, once: the environment forgets them. What is no listening socket is closed, with a warning. */
void activation_take(struct inherited *in);

#endif
