#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake/turn.h"
#include "ipc/channel.h"
#include "proc/reconf.h"

/* A parent without processes: the test reads and says what children would. */
struct world {
	struct reconf reconf;
	struct supervisor supervisor;
	struct conf *conf;
	struct sockets sockets;
	struct slots slots;
	struct segment *segment;
	struct privileges privileges;
	int child[CHILD_ROLE_COUNT]; /* their ends */
	char folder[64];
	char path[128];
	unsigned port[3];
	unsigned changed;
	const char *why_not;
	bool is_starting;
	const char *why_no_others; /* processes */
	int replaced;
	const char *why_no_upgrade;
};

static struct world w;

static const char *
why_not(struct reconf *r)
{
	(void)r;
	return w.why_not;
}

static bool
is_starting(struct reconf *r)
{
	(void)r;
	return w.is_starting;
}

static void
on_changed(struct reconf *r)
{
	(void)r;
	w.changed++;
}

static int
replace(struct reconf *r, struct err *err)
{
	(void)r;
	w.replaced++;
	return w.why_no_others != NULL ? err_set(err, TG_ENOTSUP, "%s", w.why_no_others) : 0;
}

static int
upgrade(struct reconf *r, struct err *err)
{
	(void)r;
	return w.why_no_upgrade != NULL ? err_set(err, TG_EAGAIN, "%s", w.why_no_upgrade) : 0;
}

static void
on_begun(struct reconf *r)
{
	(void)r;
}

static void
on_ended(struct reconf *r, bool is_done)
{
	(void)r;
	(void)is_done;
}

static unsigned
free_port(void)
{
	struct addr a = {.len = sizeof(a.u.in)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.u.in.sin_family = AF_INET;
	a.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	close(fd);
	return addr_port(&a);
}

static bool
answers(unsigned port)
{
	struct addr a = {.len = sizeof(a.u.in)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool is_open;

	a.u.in.sin_family = AF_INET;
	a.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.u.in.sin_port = htons((uint16_t)port);
	is_open = connect(fd, &a.u.sa, a.len) == 0;
	close(fd);
	return is_open;
}

/* The file, with `fmt` in the place of listeners, and `top` at the top level. */
static void
write_file(const char *top, const char *listeners, const char *backends)
{
	FILE *out = fopen(w.path, "w");

	assert_non_null(out);
	fprintf(out,
		"%s\nlisteners = ( %s );\n"
		"services = ( { name = \"api\"; sticky = { cookie = \"c\"; };\n"
		"  backends = ( %s ); } );\n",
		top, listeners, backends);
	assert_int_equal(fclose(out), 0);
}

static const char *
listener(const char *name, unsigned port)
{
	static char text[4][256];
	static unsigned turn;
	char *at = text[turn++ % 4];

	snprintf(at, sizeof(text[0]),
		 "{ name = \"%s\"; bind = \"127.0.0.1:%u\"; service = \"api\"; }", name, port);
	return at;
}

static const char *
two(const char *a, const char *b)
{
	static char text[1024];

	snprintf(text, sizeof(text), "%s, %s", a, b);
	return text;
}

#define B1 "{ name = \"b1\"; address = \"127.0.0.1:1\"; }"
#define B2 "{ name = \"b2\"; address = \"127.0.0.1:2\"; }"

static void
make_child(enum child_role role)
{
	struct child *c = &w.supervisor.children[role];
	int pair[2];

	assert_int_equal(channel_pair(pair, NULL), 0);
	c->state = CHILD_UP;
	c->channel = pair[0];
	w.child[role] = pair[1];
}

static int
setup(void **state)
{
	const char *listeners;
	struct conf_errors errors = {0};
	struct inherited nothing = {0};
	struct err err = {""};
	struct conf *conf;

	(void)state;
	w = (struct world){.conf = NULL};
	for (int i = 0; i < 3; i++)
		w.port[i] = free_port();
	snprintf(w.folder, sizeof(w.folder), "/tmp/test-reconf-XXXXXX");
	assert_non_null(mkdtemp(w.folder));
	snprintf(w.path, sizeof(w.path), "%s/conf", w.folder);
	listeners = listener("web", w.port[0]);
	write_file("workers = 2;", listeners, B1);
	assert_int_equal(conf_load_file(w.path, &conf, &errors), 0);
	w.conf = conf;
	assert_int_equal(sockets_open(w.conf, &w.privileges, &nothing, &w.sockets, &err), 0);
	assert_int_equal(slots_create(w.conf, &w.segment, &err), 0);
	assert_int_equal(slots_init(&w.slots, w.segment, w.conf), 0);
	w.supervisor.loop = loop_new();
	supervisor_init(&w.supervisor);
	make_child(CHILD_PROXY);
	make_child(CHILD_KEEPER);
	w.reconf = (struct reconf){
		.loop = w.supervisor.loop,
		.supervisor = &w.supervisor,
		.now = {.conf = &w.conf,
			.sockets = &w.sockets,
			.slots = &w.slots,
			.privileges = &w.privileges},
		.segment = w.segment,
		.conf_path = w.path,
		.timeout_ms = 10000,
		.why_not = why_not,
		.is_starting = is_starting,
		.replace = replace,
		.upgrade = upgrade,
		.on_changed = on_changed,
		.on_begun = on_begun,
		.on_ended = on_ended,
	};
	reconf_init(&w.reconf);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	reconf_fini(&w.reconf);
	supervisor_fini(&w.supervisor);
	loop_free(w.supervisor.loop);
	slots_fini(&w.slots);
	segment_close(w.segment);
	sockets_close(&w.sockets);
	conf_unref(w.conf);
	for (int i = 0; i < CHILD_ROLE_COUNT; i++)
		close(w.child[i]);
	unlink(w.path);
	return rmdir(w.folder); /* fails when a socket file was left */
}

/* What a child has got since the last time: "conf listen listen prepare". Answers are left. */
static void
got(enum child_role role, const char *want)
{
	struct message m;
	char all[512] = "";
	size_t n = 0;

	while (channel_receive(w.child[role], &m) == 1) {
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", n > 0 ? " " : "",
				      msg_type_str(m.type));
		if (m.fd >= 0)
			close(m.fd);
	}
	assert_string_equal(all, want);
}

/* The next message of the keeper is this answer. */
static void
answered(uint32_t order, bool is_done, const char *want)
{
	struct message m;
	struct err err;
	char *text;
	size_t n;
	int rc = channel_receive(w.child[CHILD_KEEPER], &m);

	while (rc == -TG_EAGAIN && w.reconf.replies.n > 0) {
		fake_turn(w.supervisor.loop);
		rc = channel_receive(w.child[CHILD_KEEPER], &m);
	}
	assert_int_equal(rc, 1);
	assert_int_equal(m.type, MSG_RELOADED);
	assert_int_equal(reload_text_load_fd(m.fd, TG_RELOAD_TEXT_MAX, &text, &n, &err), 0);
	assert_string_equal(text, want);
	if (m.u.reloaded.order != order || m.u.reloaded.is_done != is_done)
		fail_msg("%u, done %u: %s", m.u.reloaded.order, m.u.reloaded.is_done, text);
	assert_int_equal(m.u.reloaded.is_done, is_done);
	free(text);
	close(m.fd);
}

static void
say(enum child_role role, enum msg_type type)
{
	struct message m = {.type = type, .fd = -1, .u.prepared = {.is_ready = 1}};

	assert_true(reconf_on_message(&w.reconf, role, &m));
}

static void
refuse(enum child_role role, const char *why)
{
	struct message m = {.type = MSG_PREPARED, .fd = -1};

	snprintf(m.u.prepared.reason, sizeof(m.u.prepared.reason), "%s", why);
	assert_true(reconf_on_message(&w.reconf, role, &m));
}

static void
order(uint32_t id, enum reload_what what, const char *backend, const char *text)
{
	struct reload_order o = {.what = what,
				 .when_us = 5,
				 .who = "me",
				 .why = "so",
				 .service = "api",
				 .backend = backend,
				 .text = text};
	struct message m = {.type = MSG_RELOAD, .u.reload = {.order = id}};
	struct err err;

	assert_int_equal(reload_order_save_fd(&o, &m.fd, &err), 0);
	assert_true(reconf_on_message(&w.reconf, CHILD_KEEPER, &m));
	close(m.fd);
}

static void
both_prepared(void)
{
	say(CHILD_PROXY, MSG_PREPARED);
	say(CHILD_KEEPER, MSG_PREPARED);
}

static void
both_committed(void)
{
	got(CHILD_PROXY, "commit");
	say(CHILD_PROXY, MSG_COMMITTED);
	got(CHILD_KEEPER, "commit");
	say(CHILD_KEEPER, MSG_COMMITTED);
}

static void
die(enum child_role role)
{
	struct child *c = &w.supervisor.children[role];

	if (c->channel >= 0)
		close(c->channel);
	c->channel = -1;
	c->state = CHILD_DOWN;
	reconf_on_death(&w.reconf, role);
	close(w.child[role]);
	make_child(role);
}

static void
a_listener_moves(void **state)
{
	char *secret = strdup(w.conf->services[0].sticky.secret);
	uint32_t slot = w.conf->listeners[0].segment_slot;
	char want[256];
	struct segment_shared *shared = segment_shared(w.segment, 0);

	(void)state;
	write_file("workers = 2;", two(listener("web", w.port[1]), listener("new", w.port[2])), B1);
	reconf_read_file(&w.reconf);
	got(CHILD_PROXY, "conf listen listen listen listen prepare");
	got(CHILD_KEEPER, "conf prepare");
	assert_false(answers(w.port[1])); /* bound, no more */
	both_prepared();
	assert_true(answers(w.port[1]));
	assert_true(answers(w.port[2]));
	assert_ptr_equal(w.supervisor.equipment.conf, w.conf);
	both_committed();
	assert_false(answers(w.port[0]));
	snprintf(want, sizeof(want),
		 "listener web: changed: bind \"127.0.0.1:%u\" -> \"127.0.0.1:%u\"\n"
		 "listener new: added\n",
		 w.port[0], w.port[1]);
	answered(0, true, want);
	assert_int_equal(w.conf->n_listeners, 2);
	assert_int_equal(w.conf->listeners[0].segment_slot, slot);
	assert_string_equal(w.conf->services[0].sticky.secret, secret);
	assert_int_equal(w.changed, 1);
	assert_int_equal(shared->reloads, 1);
	assert_int_equal(shared->reloads_failed, 0);
	assert_true(shared->reloaded_us > 0);
	free(secret);
}

static void
what_stays_is_not_told(void **state)
{
	(void)state;
	write_file("workers = 2;", two(listener("web", w.port[0]), listener("new", w.port[1])), B2);
	order(7, RELOAD_FILE, "", "");
	got(CHILD_PROXY, "conf listen listen prepare");
	got(CHILD_KEEPER, "conf prepare");
	both_prepared();
	assert_true(answers(w.port[0]));
	both_committed();
	answered(7, true,
		 "listener new: added\nservice api backend b2: added\n"
		 "service api backend b1: removed\n");
	/* Renamed: the same sockets, for another object. */
	write_file("workers = 2;", two(listener("other", w.port[0]), listener("new", w.port[1])),
		   B2);
	order(8, RELOAD_FILE, "", "");
	got(CHILD_PROXY, "conf listen listen prepare");
	both_prepared();
	got(CHILD_KEEPER, "conf prepare");
	both_committed();
	assert_true(answers(w.port[0]));
	answered(8, true, "listener other: added\nlistener web: removed\n");
	order(9, RELOAD_FILE, "", "");
	got(CHILD_PROXY, "conf prepare");
	got(CHILD_KEEPER, "conf prepare");
	both_prepared();
	both_committed();
	answered(9, true, "nothing differs\n");
}

static void
a_file_that_is_wrong_changes_nothing(void **state)
{
	struct conf *before = w.conf;
	char want[512];

	(void)state;
	write_file("workers = 2; x = 1;", listener("web", w.port[1]), "{ name = \"b\"; }");
	order(3, RELOAD_FILE, "", "");
	got(CHILD_PROXY, "");
	snprintf(want, sizeof(want),
		 "%s:1: x: unknown key\n%s:4: services[0].backends[0].address: missing\n"
		 "the configuration file cannot be used\n",
		 w.path, w.path);
	answered(3, false, want);
	assert_ptr_equal(w.conf, before);
	assert_int_equal(segment_shared(w.segment, 0)->reloads_failed, 1);
}

#define BY_OTHERS                           \
	"global: changed: workers 2 -> 3\n" \
	"service api backend b2: added\n"   \
	"service api backend b1: removed\n" \
	"by new processes: workers 2 -> 3\n"

static void
other_processes_take_over_what_ours_cannot(void **state)
{
	struct conf *before = w.conf;

	(void)state;
	write_file("workers = 3;", listener("web", w.port[0]), B2);
	order(3, RELOAD_COMPARE, "", "");
	answered(3, true, BY_OTHERS);
	assert_int_equal(w.replaced, 0);
	order(4, RELOAD_FILE, "", "");
	assert_int_equal(w.replaced, 1);
	assert_true(reconf_is_replacing(&w.reconf));
	assert_true(reconf_keeps_log_level(&w.reconf));
	got(CHILD_PROXY, "");
	order(5, RELOAD_FILE, "", "");
	answered(5, false, "a reload is under way\n");
	order(6, RELOAD_COMPARE, "", "");
	answered(6, false, "a reload is under way\n");
	assert_false(reconf_replaced(&w.reconf, NULL));
	answered(4, true, BY_OTHERS);
	assert_int_equal(segment_shared(w.segment, 0)->reloads, 1);
	assert_ptr_equal(w.conf, before);
}

static void
other_processes_that_fail_change_nothing(void **state)
{
	struct conf *before = w.conf;

	(void)state;
	write_file("workers = 3;", listener("web", w.port[0]), B1);
	w.why_no_others = "it is process 1";
	order(3, RELOAD_FILE, "", "");
	answered(3, false, "it is process 1\n");
	assert_false(reconf_is_replacing(&w.reconf));
	w.why_no_others = NULL;
	write_file("workers = 3; log = { level = \"debug\"; };", listener("web", w.port[0]), B1);
	order(4, RELOAD_FILE, "", "");
	assert_false(reconf_keeps_log_level(&w.reconf));
	assert_false(reconf_replaced(&w.reconf, "they do not serve"));
	answered(4, false, "they do not serve\n");
	assert_int_equal(segment_shared(w.segment, 0)->reloads_failed, 2);
	assert_ptr_equal(w.conf, before);
}

static void
who_orders_an_upgrade_hears_what_came_of_it(void **state)
{
	(void)state;
	w.why_no_upgrade = "a reload is under way";
	order(3, RELOAD_UPGRADE, "", "");
	answered(3, false, "a reload is under way\n");
	w.why_no_upgrade = NULL;
	order(4, RELOAD_UPGRADE, "", "");
	got(CHILD_KEEPER, "");
	reconf_upgraded(&w.reconf, "they do not serve");
	answered(4, false, "they do not serve\n");
	order(5, RELOAD_UPGRADE, "", "");
	reconf_upgraded(&w.reconf, NULL);
	answered(5, true, "");
	/* One by a signal, and one whose keeper has died: nobody waits. */
	reconf_upgraded(&w.reconf, NULL);
	got(CHILD_KEEPER, "");
	order(6, RELOAD_UPGRADE, "", "");
	reconf_on_death(&w.reconf, CHILD_KEEPER);
	reconf_upgraded(&w.reconf, NULL);
	got(CHILD_KEEPER, "");
}

static void
a_signal_meanwhile_is_theirs_or_done_after(void **state)
{
	(void)state;
	write_file("workers = 3;", listener("web", w.port[0]), B1);
	reconf_read_file(&w.reconf);
	reconf_read_file(&w.reconf);
	assert_int_equal(w.replaced, 1);
	assert_true(reconf_replaced(&w.reconf, NULL));
	answered(0, true, "global: changed: workers 2 -> 3\nby new processes: workers 2 -> 3\n");
	reconf_read_file(&w.reconf);
	reconf_read_file(&w.reconf);
	write_file("workers = 2;", listener("web", w.port[0]), B1);
	assert_false(reconf_replaced(&w.reconf, "they do not serve"));
	answered(0, false, "they do not serve\n");
	got(CHILD_PROXY, "conf prepare");
	both_prepared();
	got(CHILD_KEEPER, "conf prepare");
	both_committed();
	answered(0, true, "nothing differs\n");
}

static void
an_address_in_use_is_refused(void **state)
{
	struct sockets other;
	struct inherited nothing = {0};
	struct conf *conf;
	struct conf_errors errors = {0};
	struct err err = {""};
	char want[256];

	(void)state;
	write_file("workers = 2;", listener("web", w.port[1]), B1);
	assert_int_equal(conf_load_file(w.path, &conf, &errors), 0);
	assert_int_equal(sockets_open(conf, &w.privileges, &nothing, &other, &err), 0);
	order(3, RELOAD_FILE, "", "");
	snprintf(want, sizeof(want),
		 "listener \"web\": 127.0.0.1:%u: cannot bind: Address already in use\n",
		 w.port[1]);
	answered(3, false, want);
	order(4, RELOAD_COMPARE, "", "");
	answered(4, false, want);
	got(CHILD_PROXY, "");
	sockets_close(&other);
	conf_unref(conf);
}

/* The folder of the test can be removed at its end: no file of it is left. */
static void
a_dry_run_opens_what_a_reload_would_and_leaves_nothing(void **state)
{
	char top[256];
	char bind[256];
	char want[512];
	struct stat st;

	(void)state;
	snprintf(bind, sizeof(bind),
		 "{ name = \"file\"; bind = \"unix:%s/web.sock\"; service = \"api\"; }", w.folder);
	snprintf(top, sizeof(top), "workers = 2; log = { file = \"%s/access.log\"; };", w.folder);
	write_file(top, two(listener("web", w.port[0]), bind), B1);
	order(1, RELOAD_COMPARE, "", "");
	snprintf(want, sizeof(want),
		 "global: changed: log.file none -> \"%s/access.log\"\nlistener file: added\n",
		 w.folder);
	answered(1, true, want);
	snprintf(want, sizeof(want), "%s/web.sock", w.folder);
	assert_int_equal(lstat(want, &st), -1);
	assert_true(answers(w.port[0]));
	snprintf(top, sizeof(top), "workers = 2; log = { file = \"%s/none/access.log\"; };",
		 w.folder);
	write_file(top, two(listener("web", w.port[0]), bind), B1);
	snprintf(want, sizeof(want),
		 "log.file: %s/none/access.log: cannot open: No such file or directory\n",
		 w.folder);
	for (uint32_t i = 2; i < 4; i++) {
		order(i, i == 2 ? RELOAD_COMPARE : RELOAD_FILE, "", "");
		answered(i, false, want);
	}
	write_file("workers = 2;", listener("web", w.port[1]), B1);
	order(5, RELOAD_FILE, "", "");
	got(CHILD_KEEPER, "conf prepare");
	order(6, RELOAD_COMPARE, "", "");
	answered(6, false, "a reload is under way\n");
}

static void
a_refusal_leaves_everything_as_it_was(void **state)
{
	struct conf *before = w.conf;

	(void)state;
	for (int role = 0; role < CHILD_ROLE_COUNT; role++) {
		write_file("workers = 2;", listener("web", w.port[1]), B1 "," B2);
		order(3, RELOAD_FILE, "", "");
		got(CHILD_PROXY, "conf listen listen prepare");
		got(CHILD_KEEPER, "conf prepare");
		say(role == CHILD_PROXY ? CHILD_KEEPER : CHILD_PROXY, MSG_PREPARED);
		refuse((enum child_role)role, "it is too late");
		got(CHILD_PROXY, "abort");
		{
			struct message m;

			assert_int_equal(channel_receive(w.child[CHILD_KEEPER], &m), 1);
			assert_int_equal(m.type, MSG_ABORT);
		}
		answered(3, false,
			 role == CHILD_PROXY ? "the proxy refuses: it is too late\n"
					     : "the keeper refuses: it is too late\n");
		assert_ptr_equal(w.conf, before);
		assert_true(answers(w.port[0]));
		assert_int_equal(
			listen_probe(
				&(struct addr){.len = sizeof(struct sockaddr_in),
					       .u.in = {.sin_family = AF_INET,
							.sin_port = htons((uint16_t)w.port[1]),
							.sin_addr.s_addr = htonl(INADDR_LOOPBACK)}},
				TG_LISTEN_AS_GIVEN, NULL),
			0);
		assert_int_equal(segment_find(w.segment, TG_SLOT_BACKEND,
					      w.conf->services[0].segment_slot, "b2"),
				 TG_SEGMENT_NONE);
	}
	assert_int_equal(w.changed, 0);
}

static void
deaths_before_and_after_the_decision(void **state)
{
	struct conf *before = w.conf;

	(void)state;
	write_file("workers = 2;", listener("web", w.port[1]), B1);
	order(3, RELOAD_FILE, "", "");
	die(CHILD_PROXY);
	assert_ptr_equal(w.conf, before);
	say(CHILD_KEEPER, MSG_PREPARED);
	got(CHILD_KEEPER, "conf prepare abort reloaded");
	order(4, RELOAD_FILE, "", "");
	both_prepared();
	assert_ptr_not_equal(w.conf, before);
	die(CHILD_PROXY);
	got(CHILD_KEEPER, "conf prepare commit");
	say(CHILD_KEEPER, MSG_COMMITTED);
	assert_false(answers(w.port[0]));
	got(CHILD_KEEPER, "reloaded");
	/* With the keeper go those who wait for an answer of it. */
	order(5, RELOAD_FILE, "", "");
	order(6, RELOAD_ADD, "", "name = \"b9\"; address = \"127.0.0.1:9\";");
	both_prepared();
	die(CHILD_KEEPER);
	say(CHILD_PROXY, MSG_COMMITTED);
	assert_false(reconf_is_busy(&w.reconf));
	answered(0, true, "nothing differs\n");
	assert_int_equal(w.conf->services[0].n_backends, 1);
}

static void
orders_go_together(void **state)
{
	char text[128];

	(void)state;
	order(1, RELOAD_ADD, "", "name = \"b9\"; address = \"127.0.0.1:9\";");
	got(CHILD_PROXY, "edit prepare");
	got(CHILD_KEEPER, "edit prepare");
	order(2, RELOAD_ADD, "", "name = \"b10\"; address = \"127.0.0.1:9\";");
	order(3, RELOAD_ADD, "", "name = \"b9\"; address = \"127.0.0.1:9\";");
	order(4, RELOAD_DELETE, "b1", "");
	order(5, RELOAD_DELETE, "b7", "");
	order(6, RELOAD_FILE, "", "");
	answered(6, false, "a reload is under way\n");
	both_prepared();
	both_committed();
	answered(1, true, "service api backend b9: added\n");
	answered(3, false, "service \"api\" has a backend \"b9\"\n");
	answered(5, false, "service \"api\" has no backend \"b7\"\n");
	got(CHILD_PROXY, "edit prepare");
	got(CHILD_KEEPER, "edit prepare");
	both_prepared();
	both_committed();
	answered(2, true, "service api backend b10: added\n");
	answered(4, true, "service api backend b1: removed\n");
	assert_int_equal(w.conf->services[0].n_backends, 2);
	assert_string_equal(w.conf->services[0].backends[0].added.who, "me");
	assert_int_equal(w.conf->services[0].n_deleted, 1);
	assert_false(reconf_is_busy(&w.reconf));
	/* The file is read anew: what was ordered lies over it. */
	write_file("workers = 2;", listener("web", w.port[0]), B1 "," B2);
	order(7, RELOAD_COMPARE, "", "");
	answered(7, true, "service api backend b2: added\n");
	assert_false(reconf_is_busy(&w.reconf));
	order(8, RELOAD_FILE, "", "");
	got(CHILD_KEEPER, "conf prepare");
	both_prepared();
	got(CHILD_PROXY, "conf prepare commit");
	say(CHILD_PROXY, MSG_COMMITTED);
	got(CHILD_KEEPER, "commit");
	for (uint32_t i = 0; i < TG_RECONF_QUEUE; i++) {
		snprintf(text, sizeof(text), "name = \"n%u\"; address = \"127.0.0.1:9\";", i);
		order(100 + i, RELOAD_ADD, "", text);
	}
	order(9, RELOAD_ADD, "", "name = \"one\"; address = \"127.0.0.1:9\";");
	answered(9, false, "too many orders wait\n");
	say(CHILD_KEEPER, MSG_COMMITTED);
	answered(8, true, "service api backend b2: added\n");
	got(CHILD_KEEPER, "edit prepare");
	got(CHILD_PROXY, "edit prepare");
	both_prepared();
	both_committed();
	for (uint32_t i = 0; i < TG_RECONF_QUEUE; i++) {
		snprintf(text, sizeof(text), "service api backend n%u: added\n", i);
		answered(100 + i, true, text);
	}
	assert_int_equal(w.conf->services[0].n_backends, 3 + TG_RECONF_QUEUE);
}

static void
nothing_is_done_at_the_wrong_time(void **state)
{
	(void)state;
	w.why_not = "an upgrade is under way";
	order(1, RELOAD_FILE, "", "");
	answered(1, false, "an upgrade is under way\n");
	order(2, RELOAD_ADD, "", "name = \"b9\"; address = \"127.0.0.1:9\";");
	answered(2, false, "an upgrade is under way\n");
	reconf_read_file(&w.reconf);
	got(CHILD_PROXY, "");
	w.why_not = NULL;
	w.supervisor.children[CHILD_PROXY].state = CHILD_DOWN;
	order(3, RELOAD_FILE, "", "");
	answered(3, false, "the proxy is being started again\n");
	w.supervisor.children[CHILD_PROXY].state = CHILD_UP;
	order(4, RELOAD_ADD, "", "name = \"b9\"; address = \"127.0.0.1:9\";");
	order(5, RELOAD_ADD, "", "name = \"b8\"; address = \"127.0.0.1:9\";");
	got(CHILD_KEEPER, "edit prepare");
	reconf_stop(&w.reconf, "it is stopping");
	got(CHILD_PROXY, "edit prepare abort");
	both_prepared();
	got(CHILD_KEEPER, "abort reloaded reloaded");
	assert_int_equal(w.conf->services[0].n_backends, 1);
}

static void
what_comes_while_it_starts_is_done_then(void **state)
{
	(void)state;
	w.is_starting = true;
	w.why_not = "it is starting";
	order(1, RELOAD_FILE, "", "");
	answered(1, false, "it is starting\n");
	order(2, RELOAD_ADD, "", "name = \"b9\"; address = \"127.0.0.1:9\";");
	got(CHILD_KEEPER, "");
	w.is_starting = false;
	w.why_not = NULL;
	/* Nor is it refused while the proxy is being started again. */
	w.supervisor.children[CHILD_PROXY].state = CHILD_DOWN;
	reconf_go_on(&w.reconf);
	order(3, RELOAD_ADD, "", "name = \"b8\"; address = \"127.0.0.1:9\";");
	got(CHILD_KEEPER, "");
	w.supervisor.children[CHILD_PROXY].state = CHILD_UP;
	reconf_go_on(&w.reconf);
	got(CHILD_KEEPER, "edit prepare");
	got(CHILD_PROXY, "edit prepare");
	both_prepared();
	both_committed();
	answered(2, true, "service api backend b9: added\n");
	answered(3, true, "service api backend b8: added\n");
	/* But not for ever. */
	w.is_starting = true;
	order(4, RELOAD_ADD, "", "name = \"b7\"; address = \"127.0.0.1:9\";");
	reconf_stop(&w.reconf, "it is stopping");
	got(CHILD_KEEPER, "reloaded");
}

static void
a_hangup_meanwhile_is_not_lost(void **state)
{
	(void)state;
	reconf_read_file(&w.reconf);
	reconf_read_file(&w.reconf);
	reconf_read_file(&w.reconf);
	got(CHILD_PROXY, "conf prepare");
	got(CHILD_KEEPER, "conf prepare");
	both_prepared();
	both_committed();
	answered(0, true, "nothing differs\n");
	got(CHILD_PROXY, "conf prepare");
	got(CHILD_KEEPER, "conf prepare");
	both_prepared();
	both_committed();
	answered(0, true, "nothing differs\n");
	assert_false(reconf_is_busy(&w.reconf));
}

static void
controls_and_socket_files_come_and_go(void **state)
{
	char top[256];
	char file[96];
	char front[256];

	(void)state;
	snprintf(top, sizeof(top), "workers = 2; admin = { socket = \"%s/ctl\"; };", w.folder);
	snprintf(front, sizeof(front),
		 "{ name = \"unix\"; bind = \"unix:%s/front\"; service = \"api\"; }", w.folder);
	write_file(top, two(listener("web", w.port[0]), front), B1);
	order(1, RELOAD_FILE, "", "");
	got(CHILD_PROXY, "conf listen listen prepare"); /* one socket, both workers */
	got(CHILD_KEEPER, "conf admin prepare");
	both_prepared();
	both_committed();
	got(CHILD_KEEPER, "reloaded");
	order(2, RELOAD_FILE, "", "");
	got(CHILD_PROXY, "conf prepare");
	got(CHILD_KEEPER, "conf prepare");
	refuse(CHILD_PROXY, "no");
	say(CHILD_KEEPER, MSG_PREPARED);
	got(CHILD_KEEPER, "abort reloaded");
	got(CHILD_PROXY, "abort");
	snprintf(file, sizeof(file), "%s/front", w.folder);
	assert_int_equal(access(file, F_OK), 0);
	snprintf(top, sizeof(top), "workers = 2; log = { file = \"%s/log\"; };", w.folder);
	write_file(top, listener("web", w.port[0]), B1);
	order(3, RELOAD_FILE, "", "");
	got(CHILD_PROXY, "conf prepare");
	got(CHILD_KEEPER, "conf log-file prepare");
	both_prepared();
	assert_int_equal(access(file, F_OK), 0);
	both_committed();
	assert_int_equal(access(file, F_OK), -1);
	snprintf(file, sizeof(file), "%s/ctl", w.folder);
	assert_int_equal(access(file, F_OK), -1);
	snprintf(file, sizeof(file), "%s/log", w.folder);
	assert_int_equal(unlink(file), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_listener_moves),
		TEST(what_stays_is_not_told),
		TEST(a_file_that_is_wrong_changes_nothing),
		TEST(other_processes_take_over_what_ours_cannot),
		TEST(other_processes_that_fail_change_nothing),
		TEST(who_orders_an_upgrade_hears_what_came_of_it),
		TEST(a_signal_meanwhile_is_theirs_or_done_after),
		TEST(an_address_in_use_is_refused),
		TEST(a_dry_run_opens_what_a_reload_would_and_leaves_nothing),
		TEST(a_refusal_leaves_everything_as_it_was),
		TEST(deaths_before_and_after_the_decision),
		TEST(orders_go_together),
		TEST(nothing_is_done_at_the_wrong_time),
		TEST(what_comes_while_it_starts_is_done_then),
		TEST(a_hangup_meanwhile_is_not_lost),
		TEST(controls_and_socket_files_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
