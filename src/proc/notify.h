/*
 * proc/notify.h: the service manager hears how we are; the door to libsystemd.
 *
 * Nothing happens when built without libsystemd or not started by systemd. Nothing waits for it: the protocol of
 * sd_notify(3) is spoken to a socket path or an abstract name, without blocking.
 */
#ifndef TG_PROC_NOTIFY_H
#define TG_PROC_NOTIFY_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Serving. The text is one line for people. */
void notify_ready(const char *fmt, ...) TG_PRINTF(1, 2);
/* A new configuration or program is being started; notify_ready() or notify_replaced() follows.
 * `status` is one word or two for people. */
void notify_reloading(const char *status);
/* That process is the service from now on, and ready; nothing is said by us after this. */
void notify_replaced(pid_t successor);
void notify_stopping(void);
/* We are well. Said within every notify_watchdog_ms(), or the manager starts us anew. */
void notify_watchdog(void);
/* 0: it does not ask. */
uint64_t notify_watchdog_ms(void);
void notify_status(const char *fmt, ...) TG_PRINTF(1, 2);

#endif
