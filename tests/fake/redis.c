#include "fake/redis.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake/pair.h"

#define PROGRAM   "redis-server"
#define READY     "eady to accept connections"
#define TRIES     8u
#define SAID      8192u
#define WORDS_MAX 24u
/* Far beyond what a slow machine takes: a test says itself who fails. */
#define NODE_TIMEOUT_MS "60000"

bool
fake_redis_is_here(void)
{
	return access("/usr/bin/" PROGRAM, X_OK) == 0 ||
	       access("/usr/local/bin/" PROGRAM, X_OK) == 0;
}

static uint16_t
free_port(void)
{
	struct addr addr;
	int fd = fake_listen(&addr);

	close(fd);
	return addr_port(&addr);
}

static void
run(const struct fake_redis *r, int out)
{
	const char *cluster = r->is_node ? "yes" : "no";
	char port[8];
	char bus[8];

	snprintf(port, sizeof(port), "%u", r->port);
	snprintf(bus, sizeof(bus), "%u", r->is_node ? r->bus : 0);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execlp(PROGRAM, PROGRAM, "--port", port, "--bind", "127.0.0.1", "--unixsocket", r->path,
	       "--save", "", "--appendonly", "no", "--dir", r->folder, "--cluster-enabled", cluster,
	       "--cluster-port", bus, "--cluster-config-file", "nodes.conf", "--cluster-node-timeout",
	       NODE_TIMEOUT_MS, "--repl-diskless-sync-delay", "0", (char *)NULL);
	_exit(127);
}

/* False: it ended first. */
static bool
await_ready(const struct fake_redis *r)
{
	char said[SAID];
	size_t n = 0;
	ssize_t rc;

	while (n < sizeof(said) - 1) {
		rc = read(r->out, said + n, sizeof(said) - 1 - n);
		if (rc <= 0)
			return false;
		n += (size_t)rc;
		said[n] = '\0';
		if (strstr(said, READY) != NULL)
			return true;
	}
	return false;
}

static bool
try_start(struct fake_redis *r)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (r->pid == 0)
		run(r, ends[1]);
	close(ends[1]);
	r->out = ends[0];
	if (await_ready(r))
		return true;
	fake_redis_stop(r);
	return false;
}

void
fake_redis_start(struct fake_redis *r)
{
	bool is_kept = r->port != 0;

	if (r->folder[0] == '\0') {
		snprintf(r->folder, sizeof(r->folder), "/tmp/tg-redis-XXXXXX");
		assert_non_null(mkdtemp(r->folder));
		snprintf(r->path, sizeof(r->path), "%s/socket", r->folder);
	}
	for (unsigned i = 0; i < TRIES; i++) {
		if (!is_kept)
			r->port = free_port();
		if (!is_kept && r->is_node)
			r->bus = free_port();
		if (try_start(r))
			return;
	}
	fail_msg("%s does not start", PROGRAM);
}

void
fake_redis_stop(struct fake_redis *r)
{
	if (r->pid == 0)
		return;
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	close(r->out);
	r->pid = 0;
}

void
fake_redis_signal(const struct fake_redis *r, int signo)
{
	assert_int_equal(kill(r->pid, signo), 0);
}

static void
remove_config(const struct fake_redis *r)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/nodes.conf", r->folder);
	unlink(path);
}

void
fake_redis_fini(struct fake_redis *r)
{
	fake_redis_stop(r);
	if (r->folder[0] != '\0') {
		unlink(r->path);
		remove_config(r);
		rmdir(r->folder);
	}
	*r = (struct fake_redis){.pid = 0};
}

redisContext *
fake_redis_connect(const struct fake_redis *r)
{
	redisContext *c = redisConnectUnix(r->path);

	assert_non_null(c);
	assert_int_equal(c->err, 0);
	return c;
}

redisReply *
fake_redis_ask(redisContext *c, const char *command)
{
	const char *argv[WORDS_MAX];
	size_t sizes[WORDS_MAX];
	redisReply *reply;
	int n = 0;

	for (; *command != '\0' && n < (int)WORDS_MAX; command += *command == ' ') {
		argv[n] = command;
		sizes[n] = strcspn(command, " ");
		command += sizes[n++];
	}
	reply = redisCommandArgv(c, n, argv, sizes);
	assert_non_null(reply);
	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s", reply->str);
	return reply;
}

void
fake_redis_tell(redisContext *c, const char *command)
{
	freeReplyObject(fake_redis_ask(c, command));
}
