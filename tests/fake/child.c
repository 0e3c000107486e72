#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/child.h"
#include "ipc/channel.h"
#include "proc/proc.h"

#define WAIT_MS 20000

/* Exit statuses tell the test what went wrong. */
enum fake_status {
	FAKE_STOPPED = 0,
	FAKE_DIED = 7,
	FAKE_WRONG_MESSAGE = 8,
	FAKE_CHANNEL_CLOSED = 9
};

#define BEHAVIOUR_MAX 32

/* A file that test and child know by the test's pid: the proxy does not get its environment. */
static void
path_of(enum child_role role, pid_t test, char *buf, size_t size)
{
	const char *folder = getenv("TMPDIR");

	snprintf(buf, size, "%s/tidegate-fake-%s-%d", folder != NULL ? folder : "/tmp",
		 child_role_str(role), (int)test);
}

static void
forget_all(void)
{
	char path[4096];

	for (int i = 0; i < CHILD_ROLE_COUNT; i++) {
		path_of((enum child_role)i, getpid(), path, sizeof(path));
		(void)unlink(path);
	}
}

void
fake_child_set(enum child_role role, const char *behaviour)
{
	static bool is_registered;
	char path[4096];
	FILE *file;

	if (!is_registered && atexit(forget_all) != 0)
		abort();
	is_registered = true;
	path_of(role, getpid(), path, sizeof(path));
	file = fopen(path, "w");
	if (file == NULL || fputs(behaviour, file) < 0 || fclose(file) != 0)
		abort();
}

/* What the test wants of this child; "obey" where it does not say. */
static void
read_behaviour(enum child_role role, char buf[BEHAVIOUR_MAX])
{
	char path[4096];
	FILE *file;

	path_of(role, getppid(), path, sizeof(path));
	file = fopen(path, "r");
	if (file == NULL || fgets(buf, BEHAVIOUR_MAX, file) == NULL)
		snprintf(buf, BEHAVIOUR_MAX, "obey");
	if (file != NULL)
		fclose(file);
}

static enum msg_type
take(void)
{
	struct message m;

	if (channel_wait(TG_CHANNEL_FD, WAIT_MS, &m) != 1)
		_exit(FAKE_CHANNEL_CLOSED);
	if (m.fd >= 0)
		close(m.fd);
	return m.type;
}

static void
want(bool is_right)
{
	if (!is_right)
		_exit(FAKE_WRONG_MESSAGE);
}

/* CONF, SEGMENT, what the role gets, PEER, START. */
static void
take_equipment(enum child_role role)
{
	enum msg_type type;

	want(take() == MSG_CONF);
	want(take() == MSG_SEGMENT);
	want(role == CHILD_KEEPER || take() == MSG_TICKETS);
	type = take();
	while (role == CHILD_PROXY ? type == MSG_LISTEN : type == MSG_ADMIN || type == MSG_LOG_FILE)
		type = take();
	want(type == MSG_PEER);
	want(take() == MSG_START);
}

static void
say(enum msg_type type, const void *payload, size_t n)
{
	if (channel_send(TG_CHANNEL_FD, type, payload, n, -1) < 0)
		_exit(FAKE_CHANNEL_CLOSED);
}

static void
block_go(sigset_t *go)
{
	sigemptyset(go);
	sigaddset(go, SIGUSR1);
	sigprocmask(SIG_BLOCK, go, NULL);
}

static void
misbehave(const char *behaviour, const sigset_t *go)
{
	int signo;

	if (strcmp(behaviour, "obey") == 0 || strcmp(behaviour, "lagging") == 0)
		return;
	if (strcmp(behaviour, "stubborn") == 0)
		signal(SIGABRT, SIG_IGN);
	sigwait(go, &signo);
	if (strcmp(behaviour, "chatty") == 0)
		say(MSG_RESUME, NULL, 0);
	if (strcmp(behaviour, "garbled") == 0 && send(TG_CHANNEL_FD, "?", 1, 0) != 1)
		_exit(FAKE_CHANNEL_CLOSED);
	if (strcmp(behaviour, "hang-up") == 0)
		close(TG_CHANNEL_FD);
	for (;;)
		pause();
}

static void
answer_ping(bool lags)
{
	static uint32_t n_late;
	struct msg_pong m = {.n_late = lags ? n_late++ : 0, .loop = lags ? 3 : TG_PONG_CONTROL};

	say(MSG_PONG, &m, sizeof(m));
}

static void __attribute__((noreturn)) play(enum child_role role)
{
	char behaviour[BEHAVIOUR_MAX];
	sigset_t go;

	read_behaviour(role, behaviour);
	block_go(&go);
	take_equipment(role);
	if (strcmp(behaviour, "die") == 0)
		_exit(FAKE_DIED);
	if (strcmp(behaviour, "silent") != 0)
		say(MSG_READY, NULL, 0);
	misbehave(behaviour, &go);
	for (;;) {
		enum msg_type type = take();

		if (type == MSG_STOP)
			_exit(FAKE_STOPPED);
		if (type == MSG_PING)
			answer_ping(strcmp(behaviour, "lagging") == 0);
		else
			want(type == MSG_PEER);
	}
}

void
fake_child_run(int argc, char **argv)
{
	if (argc != 2)
		return;
	if (strcmp(argv[1], TG_ROLE_ARG "proxy") == 0)
		play(CHILD_PROXY);
	if (strcmp(argv[1], TG_ROLE_ARG "keeper") == 0)
		play(CHILD_KEEPER);
}
