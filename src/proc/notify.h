/*
 * proc/notify.h: the service manager hears how we are; the door to libsystemd.
 *
 * Nothing happens when built without libsystemd or not started by systemd.
 */
#ifndef TG_PROC_NOTIFY_H
#define TG_PROC_NOTIFY_H

#include "base/err.h"

/* Serving. `status` is one line for people. */
void notify_ready(const char *status);
void notify_stopping(void);
void notify_status(const char *fmt, ...) TG_PRINTF(1, 2);

#endif
