/* A whole keeper, in a process of its own, whose parent is played here. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake/turn.h"
#include "ipc/channel.h"
#include "proc/proc.h"
#include "proc/slots.h"


struct fixture {
	char folder[64];
	struct conf *conf; /* in effect */
	struct segment *segment;
	uint16_t port; /* where backends listen */
	int backend_fd;
	int channel;
	int log; /* what the keeper logs */
	pid_t keeper;
};

TG_PRINTF(1, 2)
static char *
format(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	assert_true(vasprintf(&text, fmt, ap) > 0);
	va_end(ap);
	return text;
}

static struct conf *
load(const struct fixture *f, const char *top, const char *services)
{
	struct conf_errors errors = {.list = NULL};
	struct conf *conf;
	char *text = format("%s\nlisteners = ( { name = \"web\"; bind = \"127.0.0.1:1\"; "
			    "service = \"api\"; } );\nservices = (%s);\n",
			    top, services);

	(void)f;
	if (conf_load_text(text, strlen(text), "test", &conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	free(text);
	return conf;
}

/* What is new is named in the segment. */
static void
assign_slots(const struct fixture *f, struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listeners; i++)
		conf->listeners[i].segment_slot = segment_find(
			f->segment, TG_SLOT_LISTENER, TG_SEGMENT_NONE, conf->listeners[i].name);
	for (size_t i = 0; i < conf->n_services; i++) {
		struct conf_service *s = &conf->services[i];

		s->segment_slot =
			segment_find(f->segment, TG_SLOT_SERVICE, TG_SEGMENT_NONE, s->name);
		if (s->segment_slot == TG_SEGMENT_NONE)
			s->segment_slot = (uint32_t)segment_add(f->segment, TG_SLOT_SERVICE,
								TG_SEGMENT_NONE, s->name);
		for (size_t j = 0; j < s->n_backends; j++) {
			struct conf_backend *b = &s->backends[j];

			b->segment_slot =
				segment_find(f->segment, TG_SLOT_BACKEND, s->segment_slot, b->name);
			if (b->segment_slot == TG_SEGMENT_NONE)
				b->segment_slot = (uint32_t)segment_add(f->segment, TG_SLOT_BACKEND,
									s->segment_slot, b->name);
		}
	}
}

static int
listen_at(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void
tell(struct fixture *f, uint32_t type, const void *payload, size_t n, int fd)
{
	assert_int_equal(channel_send(f->channel, type, payload, n, fd), 0);
	if (fd >= 0)
		close(fd);
}

static void
tell_conf(struct fixture *f, const struct conf *conf)
{
	struct err err;
	int fd;

	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	tell(f, MSG_CONF, NULL, 0, fd);
}

static void
tell_control(struct fixture *f, uint32_t i, const char *name)
{
	struct msg_admin m = {.control = i};
	char *path = format("%s/%s", f->folder, name);

	tell(f, MSG_ADMIN, &m, sizeof(m), listen_at(path));
	free(path);
}

/* What is ordered comes in between, for a keeper after this one. */
static struct message
hear(struct fixture *f, uint32_t type)
{
	struct message m;

	while (channel_wait(f->channel, fake_limit_ms(), &m) == 1 && m.type == MSG_STATE)
		close(m.fd);
	assert_int_equal(m.type, type);
	return m;
}

/* The answer, for free(); NULL: nobody lets us in. */
static char *
ask(struct fixture *f, const char *name, const char *line)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *answer = calloc(1, 65536);
	size_t n = 0;
	ssize_t got;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", f->folder, name);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		close(fd);
		free(answer);
		return NULL;
	}
	assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
	while ((got = recv(fd, answer + n, 65535 - n, 0)) > 0)
		n += (size_t)got;
	close(fd);
	return answer;
}

static bool
says(struct fixture *f, const char *name, const char *line, const char *wanted)
{
	char *answer = ask(f, name, line);
	bool found = answer != NULL && strstr(answer, wanted) != NULL;

	free(answer);
	return found;
}

static void
wait_until_says(struct fixture *f, const char *name, const char *line, const char *wanted)
{
	for (unsigned i = 0; i < fake_limit_ms() / 20; i++) {
		if (says(f, name, line, wanted))
			return;
		usleep(20000);
	}
	fail_msg("%s: no \"%s\": %s", line, wanted, ask(f, name, line));
}

static bool
has_logged(const struct fixture *f, const char *wanted)
{
	static char text[262144];
	ssize_t n = pread(f->log, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return strstr(text, wanted) != NULL;
}

static char *
top_of(const struct fixture *f)
{
	return format("state_file = \"%s/state\"; log = { file = \"%s/access\"; };"
		      "admin = { socket = \"%s/a\"; };",
		      f->folder, f->folder, f->folder);
}

static char *
api_of(const struct fixture *f, const char *more)
{
	return format(
		"{ name = \"api\"; health = { type = \"tcp\"; interval = \"50ms\"; };"
		" backends = ( { name = \"b1\"; address = \"127.0.0.1:%u\"; weight = 3; }%s ); }",
		f->port, more);
}

static void
run_keeper(struct fixture *f, int channel)
{
	f->keeper = fork();
	assert_true(f->keeper >= 0);
	if (f->keeper > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(f->log, STDERR_FILENO);
	close(f->channel);
	exit(keeper_main(channel));
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(in);
	struct err err;
	int fd[2];
	char *top;
	char *api;

	if (f == NULL)
		return -1;
	*state = f;
	snprintf(f->folder, sizeof(f->folder), "/tmp/tg-keeper-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->log = open(f->folder, O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	assert_true(f->log >= 0);
	f->backend_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->backend_fd, (struct sockaddr *)&in, n), 0);
	assert_int_equal(listen(f->backend_fd, 64), 0);
	assert_int_equal(getsockname(f->backend_fd, (struct sockaddr *)&in, &n), 0);
	f->port = ntohs(in.sin_port);
	top = top_of(f);
	api = api_of(f, "");
	f->conf = load(f, top, api);
	assert_int_equal(slots_create(f->conf, &f->segment, &err), 0);
	assert_int_equal(channel_pair(fd, NULL), 0);
	f->channel = fd[0];
	run_keeper(f, fd[1]);
	close(fd[1]);
	tell_conf(f, f->conf);
	tell(f, MSG_SEGMENT, NULL, 0, dup(segment_fd(f->segment)));
	tell_control(f, 0, "a");
	tell(f, MSG_LOG_FILE, NULL, 0, open("/dev/null", O_WRONLY | O_CLOEXEC));
	tell(f, MSG_START, NULL, 0, -1);
	hear(f, MSG_READY);
	wait_until_says(f, "a", "show servers state\n", "b1");
	free(top);
	free(api);
	return 0;
}

static void
remove_file(const struct fixture *f, const char *name)
{
	char *path = format("%s/%s", f->folder, name);

	unlink(path);
	free(path);
}

static int
teardown(void **state)
{
	static const char *const names[] = {"a", "b", "state", "state.new", "other", "access"};
	struct fixture *f = *state;
	int status;

	/* It may have ended by itself. */
	(void)!channel_send(f->channel, MSG_STOP, &(struct msg_stop){.grace_ms = 0},
			    sizeof(struct msg_stop), -1);
	assert_int_equal(waitpid(f->keeper, &status, 0), f->keeper);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		static char text[65536];
		ssize_t n = pread(f->log, text, sizeof(text) - 1, 0);

		fail_msg("status %d: %.*s", status, (int)(n > 0 ? n : 0), text);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		remove_file(f, names[i]);
	rmdir(f->folder);
	close(f->channel);
	close(f->log);
	close(f->backend_fd);
	segment_close(f->segment);
	conf_unref(f->conf);
	free(f);
	return 0;
}

static struct msg_prepared
prepare(struct fixture *f)
{
	tell(f, MSG_PREPARE, NULL, 0, -1);
	return hear(f, MSG_PREPARED).u.prepared;
}

static void
finish_commit(struct fixture *f, struct conf *conf)
{
	tell(f, MSG_COMMIT, NULL, 0, -1);
	hear(f, MSG_COMMITTED);
	conf_unref(f->conf);
	f->conf = conf;
}

static void
commit(struct fixture *f, struct conf *conf)
{
	struct msg_prepared prepared = prepare(f);

	if (!prepared.is_ready)
		fail_msg("%s", prepared.reason);
	finish_commit(f, conf);
}

/* With other services, and nothing else. */
static struct conf *
offer(struct fixture *f, const char *services)
{
	char *top = top_of(f);
	struct conf *conf = load(f, top, services);

	free(top);
	assign_slots(f, conf);
	tell_conf(f, conf);
	return conf;
}

static void
backends_come_and_go_and_orders_stay(void **state)
{
	struct fixture *f = *state;
	char *more = format(", { name = \"b2\"; address = \"127.0.0.1:%u\"; }", f->port);
	char *api = api_of(f, more);
	char *turned = format("{ name = \"new\"; backends = ( { name = \"n1\"; address = "
			      "\"127.0.0.1:%u\"; } ); }, %s",
			      f->port, api);

	wait_until_says(f, "a", "show stat\n", "UP");
	free(ask(f, "a", "set server api/b1 state drain why night\n"));
	commit(f, offer(f, turned));
	wait_until_says(f, "a", "show state diff\n", "api/b1 state drain");
	assert_true(says(f, "a", "show servers state\n", "b2"));
	assert_true(says(f, "a", "show servers state\n", "n1"));
	assert_false(has_logged(f, "order ends"));
	/* Only what changed is said: b1 did not come up again. */
	wait_until_says(f, "a", "show events\n", "srv=n1");
	commit(f, offer(f, "{ name = \"api\"; backends = ( { name = \"b3\"; address = "
			   "\"127.0.0.1:1\"; } ); }"));
	assert_true(says(f, "a", "show servers state\n", "b3"));
	assert_false(says(f, "a", "show servers state\n", "n1"));
	assert_true(has_logged(f, "order ends with the reload"));
	free(turned);
	free(api);
	free(more);
}

static void
what_is_aborted_or_cannot_be_leaves_everything(void **state)
{
	struct fixture *f = *state;
	char *api = api_of(f, ", { name = \"b2\"; address = \"127.0.0.1:1\"; }");
	struct msg_prepared prepared;
	char *top;
	struct conf *conf;

	conf_unref(offer(f, api));
	assert_true(prepare(f).is_ready);
	tell(f, MSG_ABORT, NULL, 0, -1);
	assert_false(says(f, "a", "show servers state\n", "b2"));
	/* A control socket that nobody has opened. */
	top = format("admin = { socket = \"%s/b\"; };", f->folder);
	conf = load(f, top, api);
	assign_slots(f, conf);
	tell_conf(f, conf);
	prepared = prepare(f);
	assert_false(prepared.is_ready);
	assert_non_null(strstr(prepared.reason, "no socket for"));
	tell(f, MSG_ABORT, NULL, 0, -1);
	assert_true(says(f, "a", "show servers state\n", "b1"));
	/* A slot that is not one. */
	conf->services[0].segment_slot = 4000000;
	tell_conf(f, conf);
	prepared = prepare(f);
	assert_false(prepared.is_ready);
	conf_unref(conf);
	commit(f, offer(f, api));
	assert_true(says(f, "a", "show servers state\n", "b2"));
	free(top);
	free(api);
}

static void
control_sockets_come_stay_and_go(void **state)
{
	struct fixture *f = *state;
	char *api = api_of(f, "");
	char *both =
		format("admin = { socket = \"%s/b\"; sockets = ( { bind = \"unix:%s/a\"; rights = "
		       "\"viewer\"; } ); };",
		       f->folder, f->folder);
	char *one = format("admin = { socket = \"%s/b\"; };", f->folder);
	struct conf *conf = load(f, both, api);

	assign_slots(f, conf);
	tell_conf(f, conf);
	tell_control(f, 0, "b");
	commit(f, conf);
	assert_true(says(f, "b", "show servers state\n", "b1"));
	assert_true(says(f, "a", "show servers state\n", "b1"));
	assert_true(says(f, "a", "set server api/b1 state drain\n", "error denied"));
	assert_false(says(f, "b", "set server api/b1 state drain\n", "error"));
	conf = load(f, one, api);
	assign_slots(f, conf);
	tell_conf(f, conf);
	commit(f, conf);
	assert_null(ask(f, "a", "show stat\n"));
	assert_true(says(f, "b", "show servers state\n", "b1"));
	free(one);
	free(both);
	free(api);
}

/* Whether HTTP is spoken there. */
static bool
is_metrics_port(uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	static const char question[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	char answer[1024];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n = 0;

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0 &&
	    send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL) > 0)
		n = recv(fd, answer, sizeof(answer) - 1, 0);
	close(fd);
	answer[n > 0 ? n : 0] = '\0';
	return strstr(answer, "HTTP/1.1 ") != NULL;
}

static void
tell_http(struct fixture *f, uint32_t i, int fd)
{
	struct msg_admin m = {.control = i};

	tell(f, MSG_ADMIN, &m, sizeof(m), fd);
}

static int
listen_on_port(uint16_t *ret)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, n), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
	*ret = ntohs(in.sin_port);
	return fd;
}

static void
go_over_to_http(struct fixture *f, const char *api, uint16_t port, int fd)
{
	char *top =
		format("admin = { socket = \"%s/a\"; http = \"127.0.0.1:%u\"; };", f->folder, port);
	struct conf *conf = load(f, top, api);

	assign_slots(f, conf);
	tell_conf(f, conf);
	if (fd >= 0)
		tell_http(f, 1, fd);
	commit(f, conf);
	free(top);
}

static void
the_http_port_comes_stays_moves_and_goes(void **state)
{
	struct fixture *f = *state;
	char *api = api_of(f, "");
	uint16_t first;
	uint16_t second;
	int fd = listen_on_port(&first);
	struct conf *conf;

	go_over_to_http(f, api, first, fd);
	assert_true(is_metrics_port(first));
	go_over_to_http(f, api, first, -1);
	assert_true(is_metrics_port(first));
	fd = listen_on_port(&second);
	go_over_to_http(f, api, second, fd);
	assert_true(is_metrics_port(second));
	assert_false(is_metrics_port(first));
	conf = offer(f, api);
	tell(f, MSG_LOG_FILE, NULL, 0, open("/dev/null", O_WRONLY | O_CLOEXEC));
	commit(f, conf);
	assert_false(is_metrics_port(second));
	free(api);
}

/* A configuration while another one is offered: the keeper ends, and the next one starts anew. */
static void
a_parent_that_breaks_the_protocol_is_left(void **state)
{
	struct fixture *f = *state;
	char *api = api_of(f, "");
	struct pollfd p = {.fd = f->channel, .events = POLLIN};

	conf_unref(offer(f, api));
	conf_unref(offer(f, api));
	assert_int_equal(poll(&p, 1, fake_limit_ms()), 1);
	assert_true((p.revents & POLLHUP) != 0);
	assert_true(has_logged(f, "it breaks the protocol"));
	free(api);
}

static bool
has_text(const struct fixture *f, const char *name, const char *wanted)
{
	char text[8192];
	char *path = format("%s/%s", f->folder, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	free(path);
	return strstr(text, wanted) != NULL;
}

/* The files of before may take their last lines still: that is refused, and asked again. */
static void
commit_files(struct fixture *f, const char *top, const char *services, bool has_log)
{
	struct conf *conf = load(f, top, services);
	struct msg_prepared prepared = {.is_ready = false};

	assign_slots(f, conf);
	for (unsigned i = 0; i < fake_limit_ms() / 20; i++) {
		tell_conf(f, conf);
		if (has_log)
			tell(f, MSG_LOG_FILE, NULL, 0, open("/dev/null", O_WRONLY | O_CLOEXEC));
		prepared = prepare(f);
		if (prepared.is_ready || strstr(prepared.reason, "of before does not take") == NULL)
			break;
		tell(f, MSG_ABORT, NULL, 0, -1);
		usleep(20000);
	}
	if (!prepared.is_ready)
		fail_msg("%s", prepared.reason);
	finish_commit(f, conf);
}

static void
wait_for_text(const struct fixture *f, const char *name, const char *wanted)
{
	for (unsigned i = 0; i < fake_limit_ms() / 20 && !has_text(f, name, wanted); i++)
		usleep(20000);
	assert_true(has_text(f, name, wanted));
}

static void
state_access_log_and_level_are_as_configured_anew(void **state)
{
	struct fixture *f = *state;
	char *api = api_of(f, "");
	char *off =
		format("state_file = \"%s/other\"; log = { access = \"off\"; level = \"debug\"; };"
		       "admin = { socket = \"%s/a\"; };",
		       f->folder, f->folder);
	char *on = top_of(f);

	free(ask(f, "a", "set server api/b1 weight 50%\n"));
	for (unsigned i = 0; i < 3; i++) {
		commit_files(f, off, api, false);
		commit_files(f, on, api, true);
	}
	wait_until_says(f, "a", "show state diff\n", "50%");
	wait_for_text(f, "other", "50%");
	wait_for_text(f, "state", "50%");
	commit_files(f, off, api, false);
	for (unsigned i = 0; i < fake_limit_ms() / 20 && !has_logged(f, "level=debug"); i++)
		usleep(20000);
	assert_true(has_logged(f, "level=debug"));
	free(on);
	free(off);
	free(api);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(backends_come_and_go_and_orders_stay),
		TEST(what_is_aborted_or_cannot_be_leaves_everything),
		TEST(control_sockets_come_stay_and_go),
		TEST(the_http_port_comes_stays_moves_and_goes),
		TEST(a_parent_that_breaks_the_protocol_is_left),
		TEST(state_access_log_and_level_are_as_configured_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
