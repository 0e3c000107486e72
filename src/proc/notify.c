#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proc/notify.h"

#ifdef HAVE_SYSTEMD

#include <systemd/sd-daemon.h>

/* A manager that does not hear us is not our failure: its own time limit tells it. */
static void
say(const char *state)
{
	(void)sd_notify(0, state);
}

uint64_t
notify_watchdog_ms(void)
{
	uint64_t us = 0;

	return sd_watchdog_enabled(0, &us) > 0 ? us / 1000 : 0;
}

#else

uint64_t
notify_watchdog_ms(void)
{
	return 0;
}

static void
say(const char *state)
{
	(void)state;
}

#endif

/* `head` and a line of status. */
static void TG_PRINTF(2, 0) say_status(const char *head, const char *fmt, va_list ap)
{
	char state[512];
	size_t n = (size_t)snprintf(state, sizeof(state), "%sSTATUS=", head);

	vsnprintf(state + n, sizeof(state) - n, fmt, ap);
	say(state);
}

void
notify_ready(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_status("READY=1\n", fmt, ap);
	va_end(ap);
}

void
notify_reloading(const char *status)
{
	struct timespec now;
	char state[128];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=%s",
		 (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000,
		 status);
	say(state);
}

/* The manager takes the word of the main process alone for this. */
void
notify_replaced(pid_t successor)
{
	char state[64];

	snprintf(state, sizeof(state), "READY=1\nMAINPID=%d", (int)successor);
	say(state);
	unsetenv("NOTIFY_SOCKET");
}

void
notify_watchdog(void)
{
	say("WATCHDOG=1");
}

void
notify_stopping(void)
{
	say("STOPPING=1\nSTATUS=stopping");
}

void
notify_status(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_status("", fmt, ap);
	va_end(ap);
}
