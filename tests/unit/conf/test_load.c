/* conf/load.c and conf/source.c: files, includes, error pages, the way through a descriptor. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/conf/texts.h"

static char folder[] = "/tmp/tidegate-test-XXXXXX";

static const char *
path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void
write_bytes(const char *name, const char *bytes, size_t n)
{
	FILE *out = fopen(path_of(name), "w");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	assert_int_equal(fclose(out), 0);
}

static void
write_text(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text));
}

/* The errors of the file, without the folder before each; the caller frees. */
static char *
errors_of(const char *name)
{
	struct conf_errors errors;
	struct conf *conf;
	char *all;
	char *text;
	char *at;
	size_t n = strlen(folder) + 1;

	assert_int_equal(conf_load_file(path_of(name), &conf, &errors), -TG_EINVAL);
	all = errors_text(&errors);
	conf_errors_fini(&errors);
	text = strdup(all);
	free(all);
	assert_non_null(text);
	while ((at = strstr(text, folder)) != NULL)
		memmove(at, at + n, strlen(at + n) + 1);
	return text;
}

static void
assert_errors(const char *name, const char *want)
{
	char *got = errors_of(name);

	assert_string_equal(got, want);
	free(got);
}

static struct conf *
load(const char *name)
{
	struct conf_errors errors;
	struct conf *conf = NULL;

	if (conf_load_file(path_of(name), &conf, &errors) < 0)
		fail_msg("%s", errors_text(&errors));
	return conf;
}

static void
files_that_cannot_be_read(void **state)
{
	(void)state;
	assert_errors("none.conf", "none.conf: cannot read: No such file or directory");
	assert_int_equal(mkdir(path_of("dir.conf"), 0700), 0);
	assert_errors("dir.conf", "dir.conf: cannot read: not a regular file");
	assert_int_equal(mkfifo(path_of("fifo.conf"), 0600), 0);
	assert_errors("fifo.conf", "fifo.conf: cannot read: not a regular file");
	write_bytes("zero.conf", "a = 1;\nb\0c", 10);
	assert_errors("zero.conf", "zero.conf:2: a zero byte is not text");
}

/* Also where it was named by a relative path, and in our other processes. */
static void
the_file_is_known(void **state)
{
	char here[4096];
	struct conf *conf;
	struct conf *again;
	struct conf_errors errors;
	struct err err;
	int fd;

	(void)state;
	write_text("main.conf", TOP(""));
	conf = load("main.conf");
	assert_string_equal(conf->origin, path_of("main.conf"));
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &again, &err), 0);
	close(fd);
	assert_string_equal(again->origin, path_of("main.conf"));
	conf_unref(again);
	conf_unref(conf);
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(conf_load_file("main.conf", &conf, &errors), 0);
	assert_int_equal(chdir(here), 0);
	assert_string_equal(conf->origin, path_of("main.conf"));
	conf_unref(conf);
}

static void
includes_are_relative_to_the_main_file(void **state)
{
	struct conf *conf;

	(void)state;
	assert_int_equal(mkdir(path_of("sub"), 0700), 0);
	write_text("main.conf", "workers = 1;\n"
				"@include \"sub/services.conf\"\n"
				"  @include\t\"sub/listeners.conf\" user = \"root\";\n");
	write_text("sub/services.conf", "services = (\n@include \"sub/one.conf\"\n);");
	write_text("sub/one.conf", "{ name = \"s\"; } # no newline at the end");
	write_text("sub/listeners.conf", "listeners = ( { name = \"l\"; bind = \"*:1\"; } );\n");
	conf = load("main.conf");
	assert_string_equal(conf->user, "root");
	assert_string_equal(conf->services[0].name, "s");
	conf_unref(conf);
}

static void
errors_name_the_included_file(void **state)
{
	(void)state;
	write_text("main.conf", "workers = -1;\n"
				"@include \"a.conf\"\n"
				"user = 1;\n"
				"@include \"a.conf.missing\"\n"
				"group = 1;\n");
	write_text("a.conf", "# one\nmax_connections = \"x\";\n\n");
	/* what cannot be read is told alone: the rest would follow from it */
	assert_errors("main.conf", "main.conf:4: @include \"a.conf.missing\": a.conf.missing: "
				   "No such file or directory");
	write_text("a.conf.missing", "\n\n\nshutdown_grace = 3;");
	write_text("b.conf", "");
	assert_errors("main.conf",
		      "main.conf:1: workers: -1 is out of range; allowed: 0 to 256\n"
		      "main.conf:1: listeners: missing\n"
		      "a.conf:2: max_connections: a string where an integer is wanted\n"
		      "main.conf:3: user: an integer where a string is wanted\n"
		      "a.conf.missing:4: shutdown_grace: an integer where a duration is wanted; "
		      "allowed: \"500ms\", \"1s\", \"2m\", \"1h\", \"1d\"\n"
		      "main.conf:5: group: an integer where a string is wanted");
}

static void
syntax_errors_name_the_included_file(void **state)
{
	(void)state;
	write_text("main.conf", "workers = 1;\n@include \"a.conf\"\n");
	write_text("a.conf", "\nuser = ;\n");
	assert_errors("main.conf", "a.conf:2: syntax error; look for a missing quote, comma or bracket "
				   "here or just before");
	write_text("a.conf", "\nworkers = 2;\n");
	assert_errors("main.conf", "main.conf:1: listeners: missing\n"
				   "a.conf:2: workers: given twice, first at main.conf:1");
	write_text("a.conf", "\n\nuser = \"");
	assert_errors("main.conf", "a.conf:3: the file ends inside a string");
	write_text("a.conf", "/*");
	assert_errors("main.conf", "a.conf:1: the file ends inside a comment");
}

static void
includes_in_strings_and_comments_are_text(void **state)
{
	struct conf *conf;

	(void)state;
	write_text("main.conf", "/*\n@include \"nothing\"\n*/\n"
				"# @include \"nothing\"\n"
				"log = { file = \"a\n@include b\"; };\n"
				"listeners = ( { name = \"l\"; bind = \"*:1\"; } );\n");
	assert_errors("main.conf", "main.conf:5: log.file: control characters in the name of a file");
	write_text("main.conf", "/*\n@include \"nothing\"\n*/\n"
				"# @include \"nothing\"\n"
				"log = { file = \"@include\" };\n"
				"listeners = ( { name = \"l\"; bind = \"*:1\"; } );\n");
	conf = load("main.conf");
	assert_string_equal(conf->log.file, "@include");
	conf_unref(conf);
}

static void
circles_of_includes_end(void **state)
{
	(void)state;
	write_text("main.conf", "@include \"a.conf\"\n");
	write_text("a.conf", "\n@include \"a.conf\"\n");
	assert_errors("main.conf",
		      "a.conf:2: @include \"a.conf\": too many levels of includes; allowed: 10");
}

static void
routes_are_sorted_into_match_order(void **state)
{
	static const char *const want[][2] = {
		{"a.org", "/x/y"},     {"a.org", "/x"},	     {"a.org", "/y"}, {"a.org", NULL},
		{"b.org", NULL},       {"*.b.a.org", "/x"}, {"*.a.org", "/long"}, {"*.a.org", NULL},
		{"*.x.org", "/longer"}, {NULL, "/z"},	     {NULL, NULL},
	};
	const struct conf_listener *l;
	struct conf *conf;

	(void)state;
	write_text("main.conf",
		   "services = ( { name = \"s\"; } );\n"
		   "listeners = ( { name = \"l\"; bind = \"*:1\"; routes = (\n"
		   "{ service = \"s\"; }, { path = \"/z\"; service = \"s\"; },\n"
		   "{ host = \"*.a.org\"; service = \"s\"; },\n"
		   "{ host = \"*.x.org\"; path = \"/longer\"; service = \"s\"; },\n"
		   "{ host = \"*.a.org\"; path = \"/long\"; service = \"s\"; },\n"
		   "{ host = \"*.b.a.org\"; path = \"/x\"; service = \"s\"; },\n"
		   "{ host = \"b.org\"; service = \"s\"; },\n"
		   "{ host = \"a.org\"; service = \"s\"; },\n"
		   "{ host = \"a.org\"; path = \"/y\"; service = \"s\"; },\n"
		   "{ host = \"a.org\"; path = \"/x\"; service = \"s\"; },\n"
		   "{ host = \"A.ORG\"; path = \"/x/y\"; service = \"s\"; } ); } );\n");
	conf = load("main.conf");
	l = &conf->listeners[0];
	assert_int_equal(l->n_routes, 11);
	for (size_t i = 0; i < l->n_routes; i++) {
		assert_string_equal(l->routes[i].host ? l->routes[i].host : "any",
				    want[i][0] ? want[i][0] : "any");
		assert_string_equal(l->routes[i].path ? l->routes[i].path : "any",
				    want[i][1] ? want[i][1] : "any");
		assert_ptr_equal(l->routes[i].service, &conf->services[0]);
	}
	conf_unref(conf);
}

#define PAGES(x) \
	"listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; } );\n" \
	"services = ( { name = \"s\"; error_pages = (\n" x "\n); } );\n"

static void
error_pages_are_read_beside_the_file_that_names_them(void **state)
{
	struct conf *conf;

	(void)state;
	write_text("main.conf", "@include \"sub/pages.conf\"\n");
	write_text("sub/pages.conf", PAGES("{ status = 503; file = \"503.html\"; },\n"
					   "{ status = 404; file = \"empty.html\"; }"));
	write_bytes("sub/503.html", "sorry\0\xff\n", 8);
	write_text("sub/empty.html", "");
	conf = load("main.conf");
	assert_int_equal(conf->services[0].error_pages[0].status, 503);
	assert_int_equal(conf->services[0].error_pages[0].body_len, 8);
	assert_memory_equal(conf->services[0].error_pages[0].body, "sorry\0\xff\n", 8);
	assert_string_equal(conf->services[0].error_pages[0].path, "503.html");
	assert_int_equal(conf->services[0].error_pages[1].body_len, 0);
	assert_non_null(conf->services[0].error_pages[1].body);
	conf_unref(conf);
}

static void
error_pages_have_a_bound(void **state)
{
	char *large = calloc(1, 65537);
	struct conf *conf;

	(void)state;
	assert_non_null(large);
	memset(large, 'x', 65537);
	write_text("main.conf", PAGES("{ status = 503; file = \"large.html\"; }"));
	write_bytes("large.html", large, 65536);
	conf = load("main.conf");
	assert_int_equal(conf->services[0].error_pages[0].body_len, 65536);
	conf_unref(conf);
	write_bytes("large.html", large, 65537);
	free(large);
	assert_errors("main.conf",
		      "main.conf:3: services[0].error_pages[0].file: large.html: larger than 65536 "
		      "bytes");
	write_text("main.conf", PAGES("{ status = 503; file = \"a\"; },\n{ status = 503; file = "
				      "\"b\"; }"));
	write_text("a", "a");
	write_text("b", "b");
	assert_errors("main.conf",
		      "main.conf:4: services[0].error_pages[1].status: already the status of "
		      "services[0].error_pages[0]");
}

static void
a_descriptor_gives_the_same_again(void **state)
{
	static const char *const lengths[] = {"", "1", "12", "123", "1234", "12345"};
	struct conf *conf;
	struct conf *again;
	struct err err;
	char *first;
	char *second;
	int fd;

	(void)state;
	write_text("main.conf", "log = { file = \"/x/$${HOME} \\\"\\\\\"; };\n"
		   PAGES("{ status = 503; file = \"body\"; }"));
	for (size_t i = 0; i < 6; i++) {
		write_text("body", lengths[i]);
		conf = load("main.conf");
		assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
		assert_int_equal(conf_load_fd(fd, &again, &err), 0);
		first = conf_text(conf);
		second = conf_text(again);
		assert_string_equal(first, second);
		free(first);
		free(second);
		assert_string_equal(again->log.file, "/x/${HOME} \"\\");
		assert_int_equal(again->services[0].error_pages[0].body_len, i);
		assert_string_equal(again->services[0].error_pages[0].body, lengths[i]);
		conf_unref(again);
		/* the second reader begins at the beginning, too */
		assert_int_equal(conf_load_fd(fd, &again, &err), 0);
		conf_unref(again);
		conf_unref(conf);
		close(fd);
	}
}

static void
the_descriptor_is_sealed(void **state)
{
	struct conf *conf;
	struct err err;
	int fd;

	(void)state;
	write_text("main.conf", "listeners = ( { name = \"l\"; bind = \"*:1\"; } );\n");
	conf = load("main.conf");
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	conf_unref(conf);
}

static void
descriptors_that_are_no_configuration(void **state)
{
	struct conf *conf;
	struct err err;
	int fd;

	(void)state;
	assert_true(conf_load_fd(-1, &conf, &err) < 0);
	write_text("bad", "workers = -1;\n");
	fd = open(path_of("bad"), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(conf_load_fd(fd, &conf, &err), -TG_EINVAL);
	assert_string_equal(err.text, "tidegate-conf:1: workers: -1 is out of range; allowed: 0 to 256");
	close(fd);
	write_text("bad", "services = ( { name = \"s\"; error_pages = ( { status = 503; file = "
			  "\"f\"; body_base64 = \"QUJ\"; } ); } );\n");
	fd = open(path_of("bad"), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(conf_load_fd(fd, &conf, &err), -TG_EINVAL);
	close(fd);
}

static void
references_are_counted(void **state)
{
	struct conf *conf;

	(void)state;
	write_text("main.conf", "listeners = ( { name = \"l\"; bind = \"*:1\"; } );\n");
	conf = load("main.conf");
	assert_ptr_equal(conf_ref(conf), conf);
	conf_unref(conf);
	assert_string_equal(conf->listeners[0].name, "l");
	conf_unref(conf);
	conf_unref(NULL);
}

/*** What this machine has ***/

#define SCALED(keys)                                                                               \
	"listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"s\"; } );\n"                \
	"services = ( { name = \"s\"; autoscale = { module = \"target\"; max = 2; };\n"               \
	"provider = { type = \"process\"; command = ( \"/bin/true\", \"{port}\" );\n" keys "}; } );\n"
#define AT_4 "x.conf:4: services[0].provider."

static const struct {
	const char *text;
	const char *want;
} foreign[] = {
	{SCALED("folder = \"/no/such\";"),
	 AT_4 "folder: \"/no/such\": No such file or directory; allowed: a folder of this machine, by "
	      "its absolute path"},
	{SCALED("folder = \"/bin/true\";"), AT_4 "folder: \"/bin/true\" is no folder; allowed: a folder "
						 "of this machine, by its absolute path"},
	{SCALED("address = \"192.0.2.7\";"),
	 AT_4 "address: \"192.0.2.7\" is no address of this machine; allowed: one that ip address "
	      "shows, as \"127.0.0.1\""},
};

static void
what_this_machine_has_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		write_text("x.conf", foreign[i].text);
		assert_errors("x.conf", foreign[i].want);
	}
	write_text("x.conf", SCALED("folder = \"/\"; address = \"127.0.0.9\";"));
	conf_unref(load("x.conf"));
}

/* Where nobody is root, nobody becomes anybody. */
static void
users_that_nobody_can_become(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_text("x.conf", SCALED("user = \"tg-nobody-here\";"));
	assert_errors("x.conf", AT_4 "user: no such user \"tg-nobody-here\" on this machine; allowed: "
				     "one that getent passwd knows");
	/* The one who starts backends is not root then. */
	write_text("x.conf", "user = \"daemon\"; " SCALED("user = \"bin\";"));
	assert_errors("x.conf", "x.conf:3: services[0].provider: user: \"bin\" is not whom tidegate runs "
				"as, \"daemon\"; allowed: the same, none, or another one without user "
				"at the top level");
	write_text("x.conf", "user = \"daemon\"; " SCALED("user = \"daemon\";"));
	conf_unref(load("x.conf"));
}

static void
assert_warned(const char *program, const char *why)
{
	struct conf_errors errors;
	struct conf *conf;
	struct err err;
	char text[1024];
	int fd;

	snprintf(text, sizeof(text),
		 "listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"s\"; } );\n"
		 "services = ( { name = \"s\"; health = { type = \"exec\"; command = ( \"%s\" ); }; } );\n",
		 program);
	write_text("x.conf", text);
	assert_int_equal(conf_load_file(path_of("x.conf"), &conf, &errors), 0);
	assert_int_equal(errors.n, why != NULL);
	if (why != NULL)
		assert_non_null(strstr(errors.list[0].text, why));
	conf_errors_fini(&errors);
	/* Of our own processes nobody asks. */
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	conf_unref(conf);
	assert_int_equal(conf_load_fd(fd, &conf, &err), 0);
	close(fd);
	conf_unref(conf);
}

/* It may come later: nobody else's service is to be without a front door for it. */
static void
a_program_that_is_missing_is_a_warning(void **state)
{
	(void)state;
	assert_warned("/no/such", "x.conf:2: warning: services[0].health.command: \"/no/such\": No such "
				  "file or directory; needed: a file that can be executed, until it "
				  "is there nothing is started");
	assert_warned("/etc/passwd", "Permission denied");
	assert_warned("/bin", "\"/bin\": not a program");
	assert_warned("/bin/true", NULL);
}

/* Root, who reads the file, can; the keeper is nobody by then. */
static void
a_key_that_the_keeper_cannot_read_is_a_warning(void **state)
{
	struct conf_errors errors;
	struct conf *conf;
	char key[64];
	char ca[64];
	char text[1024];

	(void)state;
	if (geteuid() != 0)
		skip();
	snprintf(key, sizeof(key), "%s/x.key", folder);
	snprintf(ca, sizeof(ca), "%s/x.ca", folder);
	write_text("x.key", "");
	write_text("x.ca", "");
	assert_int_equal(chmod(key, 0600), 0);
	assert_int_equal(chmod(ca, 0644), 0);
	snprintf(text, sizeof(text),
		 "user = \"nobody\";\n"
		 "nodes = ( { name = \"n\"; docker = \"tcp://127.0.0.1:1\"; tls = { ca = \"%s\"; "
		 "certificate = \"%s\"; key = \"%s\"; }; } );\n"
		 "listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"s\"; } );\n"
		 "services = ( { name = \"s\"; backends = ( \"127.0.0.1:2\" ); } );\n",
		 ca, ca, key);
	write_text("x.conf", text);
	assert_int_equal(conf_load_file(path_of("x.conf"), &conf, &errors), 0);
	conf_unref(conf);
	assert_int_equal(errors.n, 1);
	assert_non_null(strstr(errors.list[0].text, "x.conf:2: warning: nodes: "));
	assert_non_null(strstr(errors.list[0].text, "x.key\" cannot be read by user \"nobody\""));
	conf_errors_fini(&errors);
	assert_int_equal(unlink(key), 0);
	assert_int_equal(unlink(ca), 0);
}

/* The proxy makes the files, as nobody. */
static void
a_folder_the_user_cannot_write_to_is_a_warning(void **state)
{
	struct conf_errors errors;
	struct conf *conf;
	char text[1024];

	(void)state;
	if (geteuid() != 0)
		skip();
	for (mode_t mode = 0755; mode <= 0757; mode += 2) {
		assert_int_equal(chmod(folder, mode), 0);
		snprintf(text, sizeof(text),
			 "user = \"nobody\";\nbuffer_folder = \"%s\";\n"
			 "listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"s\"; } );\n"
			 "services = ( { name = \"s\"; buffer_request = { memory = \"16K\"; file = \"1M\"; }; "
			 "backends = ( \"127.0.0.1:2\" ); } );\n",
			 folder);
		write_text("x.conf", text);
		assert_int_equal(conf_load_file(path_of("x.conf"), &conf, &errors), 0);
		conf_unref(conf);
		assert_int_equal(errors.n, mode == 0755);
		if (errors.n > 0)
			assert_non_null(strstr(errors.list[0].text, "x.conf:2: warning: buffer_folder: "));
		conf_errors_fini(&errors);
	}
}

/* Warnings stand among the errors, and are none. */
/* `text`: what is said of the folder of tokens at `path`. */
static void
assert_challenges(const char *path, const char *text)
{
	struct conf_errors errors;
	struct conf *conf;
	char file[1024];
	bool is_told = false;

	snprintf(file, sizeof(file),
		 "%slisteners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; } );\n"
		 "services = ( { name = \"s\"; } );\n"
		 "acme = ( { name = \"a\"; names = ( \"a.example\" ); command = ( \"/bin/true\" );\n"
		 "challenges = \"%s\"; } );\n",
		 geteuid() == 0 ? "user = \"nobody\"; " : "", path);
	write_text("x.conf", file);
	assert_true(conf_load_file(path_of("x.conf"), &conf, &errors) < 0); /* no listener has it */
	for (size_t i = 0; i < errors.n; i++)
		is_told |= strstr(errors.list[i].text, "x.conf:4: warning: acme[0].challenges: ") &&
			   strstr(errors.list[i].text, text);
	if (!is_told)
		fail_msg("of %s it does not say %s", path, text);
	conf_errors_fini(&errors);
}

static void
a_folder_of_tokens_that_the_keeper_cannot_read_is_a_warning(void **state)
{
	char path[64];

	(void)state;
	assert_challenges("/no/such", "\"/no/such\": No such file or directory; needed: a folder");
	assert_challenges("/dev/null", "\"/dev/null\": Not a directory");
	snprintf(path, sizeof(path), "%s/tokens", folder);
	assert_int_equal(mkdir(path, 0600), 0);
	assert_challenges(path, "Permission denied");
	assert_int_equal(rmdir(path), 0);
}

static void
warnings_come_with_errors(void **state)
{
	(void)state;
	write_text("x.conf",
		   "listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"s\"; } );\n"
		   "services = ( { name = \"s\"; health = { type = \"exec\"; command = ( \"/no/such\" ); };\n"
		   "nothing = 1; } );\n");
	assert_errors("x.conf", "x.conf:2: warning: services[0].health.command: \"/no/such\": No such "
				"file or directory; needed: a file that can be executed, until it is "
				"there nothing is started\n"
				"x.conf:3: services[0].nothing: unknown key");
}

static int
setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int
teardown(void **state)
{
	static const char *const names[] = {
		"main.conf", "a.conf", "a.conf.missing", "b.conf", "fifo.conf", "zero.conf",
		"sub/services.conf", "sub/one.conf", "sub/listeners.conf", "sub/pages.conf",
		"sub/503.html", "sub/empty.html", "large.html", "a", "b", "body", "bad", "x.conf",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(names[i]));
	rmdir(path_of("dir.conf"));
	rmdir(path_of("sub"));
	return rmdir(folder);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(the_file_is_known),
		cmocka_unit_test(includes_are_relative_to_the_main_file),
		cmocka_unit_test(errors_name_the_included_file),
		cmocka_unit_test(syntax_errors_name_the_included_file),
		cmocka_unit_test(includes_in_strings_and_comments_are_text),
		cmocka_unit_test(circles_of_includes_end),
		cmocka_unit_test(routes_are_sorted_into_match_order),
		cmocka_unit_test(error_pages_are_read_beside_the_file_that_names_them),
		cmocka_unit_test(error_pages_have_a_bound),
		cmocka_unit_test(a_descriptor_gives_the_same_again),
		cmocka_unit_test(the_descriptor_is_sealed),
		cmocka_unit_test(descriptors_that_are_no_configuration),
		cmocka_unit_test(references_are_counted),
		cmocka_unit_test(what_this_machine_has_not),
		cmocka_unit_test(users_that_nobody_can_become),
		cmocka_unit_test(a_program_that_is_missing_is_a_warning),
		cmocka_unit_test(a_key_that_the_keeper_cannot_read_is_a_warning),
		cmocka_unit_test(a_folder_the_user_cannot_write_to_is_a_warning),
		cmocka_unit_test(a_folder_of_tokens_that_the_keeper_cannot_read_is_a_warning),
		cmocka_unit_test(warnings_come_with_errors),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
