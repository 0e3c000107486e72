#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proc/notify.h"

#ifdef HAVE_SYSTEMD

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <linux/sockios.h>

static int manager = -1; /* its socket; -1: not opened, or there is none */

static void
leave_manager(void)
{
	if (manager >= 0)
		close(manager);
	manager = -1;
}

static void
find_manager(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *name = getenv("NOTIFY_SOCKET");
	size_t n = name != NULL ? strlen(name) : 0;

	if (n < 2 || n >= sizeof(to.sun_path) || (name[0] != '/' && name[0] != '@'))
		return;
	memcpy(to.sun_path, name, n);
	if (name[0] == '@')
		to.sun_path[0] = '\0'; /* of no file system */
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (manager >= 0 &&
	    connect(manager, (const struct sockaddr *)&to,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		leave_manager();
}

static bool
send_state(const char *state)
{
	return manager >= 0 && send(manager, state, strlen(state), MSG_NOSIGNAL) >= 0;
}

/* A manager that does not hear us is not our failure: its own time limit tells it. One that reads nothing does not stop
 * us, as it would in sd_notify(3). One that has another socket by now hears us there. */
static void
say(const char *state)
{
	if (send_state(state) || (manager >= 0 && errno == EAGAIN))
		return;
	leave_manager();
	find_manager();
	(void)send_state(state);
}

/* It has not read the last word yet. */
static bool
is_unheard(void)
{
	int n = 0;

	return manager >= 0 && ioctl(manager, SIOCOUTQ, &n) == 0 && n > 0;
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

static void
leave_manager(void)
{
}

static bool
is_unheard(void)
{
	return false;
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
	leave_manager();
	unsetenv("NOTIFY_SOCKET");
}

void
notify_watchdog(void)
{
	if (!is_unheard()) /* what matters finds room */
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
