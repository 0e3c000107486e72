#include <stdarg.h>
#include <stdio.h>

#include "proc/notify.h"

#ifdef HAVE_SYSTEMD

#include <systemd/sd-daemon.h>

/* A manager that does not hear us is not our failure: its own time limit tells it. */
static void
say(const char *state)
{
	(void)sd_notify(0, state);
}

#else

static void
say(const char *state)
{
	(void)state;
}

#endif

void
notify_ready(const char *status)
{
	char state[256];

	snprintf(state, sizeof(state), "READY=1\nSTATUS=%s", status);
	say(state);
}

void
notify_stopping(void)
{
	say("STOPPING=1\nSTATUS=stopping");
}

void
notify_status(const char *fmt, ...)
{
	char state[256] = "STATUS=";
	size_t n = sizeof("STATUS=") - 1;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(state + n, sizeof(state) - n, fmt, ap);
	va_end(ap);
	say(state);
}
