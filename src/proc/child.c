#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "ipc/channel.h"
#include "loop/fork.h"
#include "proc/child.h"
#include "proc/proc.h"
#include "proc/signing.h"
#include "proc/spawn.h"

static const char *const role_names[CHILD_KIND_COUNT] = {
	[CHILD_PROXY] = "proxy",
	[CHILD_KEEPER] = "keeper",
	[CHILD_SIGNER] = "signer",
};

static const char *const role_arguments[CHILD_KIND_COUNT] = {
	[CHILD_PROXY] = TG_ROLE_ARG "proxy",
	[CHILD_KEEPER] = TG_ROLE_ARG "keeper",
	[CHILD_SIGNER] = TG_ROLE_ARG "signer",
};

_Static_assert(TG_MSG_TICKET_SECRET == TG_TICKET_SEED_BYTES, "a seed fits its message");

const char *
child_role_str(enum child_role role)
{
	return role_names[role];
}

void
child_log_death(enum child_role role, pid_t pid, int status)
{
	const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

	if (WIFSIGNALED(status))
		log_write(TG_LOG_ERROR, "child died", "child=%s pid=%d signal=%s core=%d",
			  role_names[role], (int)pid, name != NULL ? name : "?",
			  WCOREDUMP(status) ? 1 : 0);
	else
		log_write(TG_LOG_ERROR, "child died", "child=%s pid=%d status=%d", role_names[role],
			  (int)pid, WEXITSTATUS(status));
}

int
child_open_program(int *ret_fd, struct err *err)
{
	int low = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	int fd;

	if (low < 0)
		return err_set_errno(err, "cannot open our own program");
	fd = fcntl(low, F_DUPFD_CLOEXEC, TG_SPAWN_HIGH_FD);
	if (fd < 0)
		err_set_errno(err, "cannot open our own program");
	close(low);
	if (fd < 0)
		return -TG_EIO;
	*ret_fd = fd;
	return 0;
}

struct role_spawn {
	struct spawn spawn; /* first */
	enum child_role role;
	int program_fd;
	const struct privileges *privileges;
};

/* In the child: 0 null, 1 null or as it was, 2 as it was, 3 the channel, all else closed by exec. */
static int
arrange_descriptors(const struct role_spawn *r)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0)
		return -1;
	if (r->role != CHILD_KEEPER && dup2(null_fd, STDOUT_FILENO) < 0)
		return -1;
	return spawn_arrange_channel(&r->spawn);
}

static void
arrange_signals(void)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ};
	sigset_t none;
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What the C library, the loader and sanitizers look at, and where files are buffered. Anything else may be a
 * secret: passwords come into a configuration as ${NAME}. */
static bool
is_for_all(const char *variable)
{
	static const char *const known[] = {"PATH=", "TZ=", "TZDIR=", "TMPDIR=", "LANG=", "LC_",
					    "LD_", "MALLOC_", "GLIBC_TUNABLES=", "GCOV_",
					    "LLVM_PROFILE_FILE="};
	static const char sanitizer[] = "SAN_OPTIONS=";
	const char *end = strchr(variable, '=');

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strncmp(variable, known[i], strlen(known[i])) == 0)
			return true;
	}
	return end != NULL && end - variable + 1 >= (ptrdiff_t)strlen(sanitizer) &&
	       strncmp(end + 1 - strlen(sanitizer), sanitizer, strlen(sanitizer)) == 0;
}

static void
forget_environment(void)
{
	size_t n = 0;

	for (size_t i = 0; environ[i] != NULL; i++) {
		if (is_for_all(environ[i]))
			environ[n++] = environ[i];
	}
	environ[n] = NULL;
}

/* Who signs needs no group beside that of its user. */
static int
prepare_privileges(const struct role_spawn *r)
{
	struct privileges p = *r->privileges;

	if (r->role == CHILD_SIGNER)
		p.n_groups = 0;
	return privileges_prepare(&p, r->role == CHILD_KEEPER);
}

static enum spawn_step
become_role(const struct spawn *s, pid_t parent)
{
	const struct role_spawn *r = (const struct role_spawn *)(const void *)s;
	char name[] = "tidegate";
	char argument[32];
	char *argv[] = {name, argument, NULL};

	memcpy(argument, role_arguments[r->role], strlen(role_arguments[r->role]) + 1);
	arrange_signals();
	if (arrange_descriptors(r) < 0)
		return SPAWN_DESCRIPTORS;
	if (!process_die_with(parent))
		return SPAWN_DEATH_SIGNAL;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	unsetenv(TG_GENERATION);
	if (r->role != CHILD_KEEPER)
		forget_environment();
	if (prepare_privileges(r) < 0)
		return SPAWN_PRIVILEGES;
	fexecve(r->program_fd, argv, environ);
	return SPAWN_EXEC;
}

int
child_spawn(enum child_role role, int program_fd, const struct privileges *p, pid_t *ret_pid,
	    int *ret_channel, struct err *err)
{
	struct role_spawn r = {
		.spawn = {.name = role_names[role], .become = become_role},
		.role = role,
		.program_fd = program_fd,
		.privileges = p,
	};
	int channel[2];
	int rc = channel_pair(channel, err);

	if (rc < 0)
		return rc;
	r.spawn.channel = channel[1];
	rc = spawn(&r.spawn, ret_pid, err);
	close(channel[1]);
	if (rc == 0)
		*ret_channel = channel[0];
	else
		close(channel[0]);
	return rc;
}

int
child_send_log_level(int channel, enum log_level level)
{
	struct msg_log_level m = {.level = (uint32_t)level};

	return channel_send(channel, MSG_LOG_LEVEL, &m, sizeof(m), -1);
}

int
child_send_tickets(int channel, const struct ticket_seed *seed)
{
	struct msg_tickets m = {.hour = seed->hour};
	int rc;

	memcpy(m.secret, seed->secret, sizeof(m.secret));
	rc = channel_send(channel, MSG_TICKETS, &m, sizeof(m), -1);
	explicit_bzero(&m, sizeof(m));
	return rc;
}

static int
send_conf(enum child_role role, int channel, const struct conf *conf)
{
	struct err err;
	int fd;
	int rc = role == CHILD_PROXY ? conf_save_proxy_fd(conf, &fd, &err)
				     : conf_save_fd(conf, &fd, &err);

	if (rc < 0) {
		log_write(TG_LOG_ERROR, "no text of the configuration for a child", "reason=%s",
			  err.text);
		return rc;
	}
	rc = channel_send(channel, MSG_CONF, NULL, 0, fd);
	close(fd);
	return rc;
}

int
child_equip(enum child_role role, int channel, const struct child_equipment *e)
{
	int rc = send_conf(role, channel, e->conf);

	if (rc == 0)
		rc = channel_send(channel, MSG_SEGMENT, NULL, 0, segment_fd(e->segment));
	if (rc == 0 && role == CHILD_PROXY)
		rc = child_send_tickets(channel, e->tickets);
	if (rc == 0 && role == CHILD_PROXY)
		rc = sockets_equip_proxy(e->sockets, channel);
	if (rc == 0 && role == CHILD_PROXY && e->signing != NULL)
		rc = signing_connect(e->signing, channel);
	if (rc == 0 && role == CHILD_KEEPER && e->sealed != NULL && e->sealed->name[0] != '\0')
		rc = channel_send(channel, MSG_SEALED, e->sealed, sizeof(*e->sealed), -1);
	if (rc == 0 && role == CHILD_KEEPER)
		rc = sockets_equip_keeper(e->sockets, channel);
	if (rc == 0 && role == CHILD_KEEPER && e->state_fd >= 0)
		rc = channel_send(channel, MSG_STATE, NULL, 0, e->state_fd);
	if (rc == 0)
		rc = channel_send(channel, MSG_PEER, NULL, 0, e->peer_fd);
	if (rc == 0 && e->has_log_level)
		rc = child_send_log_level(channel, e->log_level);
	if (rc == 0)
		rc = channel_send(channel, MSG_START, NULL, 0, -1);
	return rc;
}
