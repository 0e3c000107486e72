/* conf/docker_url.c and conf/schema_node.c: where backends can be started, and what is wrong with where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/compare.h"
#include "conf/docker_url.h"
#include "unit/conf/texts.h"

#define NODES(x) TOP("nodes = ( " x " );")
#define UNIX     "docker = \"unix:///run/docker.sock\"; "
#define FAR      "docker = \"tcp://192.0.2.7\"; "
#define TLS      "tls = { ca = \"/c/ca.pem\"; certificate = \"/c/cert.pem\"; key = \"/c/key.pem\"; }; "
#define AT       "1: nodes[0]."

static void
urls_say_where(void **state)
{
	static const struct {
		const char *text;
		bool has_tls;
		const char *at; /* NULL: a name */
		const char *host;
		uint16_t port;
	} good[] = {
		{TG_DOCKER_SOCKET, false, "unix:/var/run/docker.sock", "", 0},
		{"unix:///run/d:x.sock", false, "unix:/run/d:x.sock", "", 0},
		{"tcp://192.0.2.7", true, "192.0.2.7:2376", "", 0},
		{"tcp://192.0.2.7", false, "192.0.2.7:2375", "", 0},
		{"tcp://192.0.2.7:7", true, "192.0.2.7:7", "", 0},
		{"tcp://[2001:db8::1]", true, "[2001:db8::1]:2376", "", 0},
		{"tcp://[2001:db8::1]:7", true, "[2001:db8::1]:7", "", 0},
		{"tcp://host-a.example.org", true, NULL, "host-a.example.org", 2376},
		{"tcp://host-a:7", false, NULL, "host-a", 7},
	};
	char at[TG_ADDR_STRLEN];
	struct endpoint e;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (docker_url_parse(good[i].text, good[i].has_tls, &e, &err) < 0)
			fail_msg("%s: %s", good[i].text, err.text);
		if (good[i].at != NULL) {
			assert_int_equal(e.kind, TG_ENDPOINT_ADDR);
			assert_string_equal(addr_format(&e.addr, at, sizeof(at)), good[i].at);
		} else {
			assert_int_equal(e.kind, TG_ENDPOINT_NAME);
			assert_string_equal(e.host, good[i].host);
			assert_int_equal(e.port, good[i].port);
		}
	}
}

static const struct {
	const char *text;
	const char *want;
} refused[] = {
	{NODES("{ docker = \"unix:///s\"; }"), AT "name: missing"},
	{NODES("{ name = \"a\"; }"), AT "docker: missing"},
	{NODES("{ name = \"a b\"; " UNIX "}"),
	 AT "name: bad name \"a b\"; allowed: letters, digits and _ . : -"},
	{NODES("{ name = \"a\"; " UNIX "}, { name = \"a\"; docker = \"unix:///s\"; }"),
	 "1: nodes[1].name: already the name of nodes[0]"},
	{NODES("{ name = \"a\"; " UNIX "}, { name = \"b\"; " UNIX "}"),
	 "1: nodes[1].docker: already the docker of nodes[0]"},
	{NODES("{ name = \"a\"; docker = \"/run/docker.sock\"; }"),
	 AT "docker: not the address of a Docker daemon; allowed: \"unix:///path\", "
	    "\"tcp://host:port\""},
	{NODES("{ name = \"a\"; docker = \"http://127.0.0.1:2375\"; }"),
	 AT "docker: not the address of a Docker daemon; allowed: \"unix:///path\", "
	    "\"tcp://host:port\""},
	{NODES("{ name = \"a\"; docker = \"unix://run/docker.sock\"; }"),
	 AT "docker: not the absolute path of a socket; allowed: \"unix:///path\", "
	    "\"tcp://host:port\""},
	{NODES("{ name = \"a\"; docker = \"tcp://\"; }"),
	 AT "docker: not a host and a port behind tcp://; allowed: \"unix:///path\", "
	    "\"tcp://host:port\""},
	{NODES("{ name = \"a\"; docker = \"tcp://192.0.2.7:2376/v1.41\"; }"),
	 AT "docker: not a host and a port behind tcp://; allowed: \"unix:///path\", "
	    "\"tcp://host:port\""},
	{NODES("{ name = \"a\"; docker = \"tcp://srv:_docker._tcp.example.org\"; }"),
	 AT "docker: SRV records are not looked up for a daemon; allowed: \"unix:///path\", "
	    "\"tcp://host:port\""},
	{NODES("{ name = \"a\"; " FAR "}"),
	 AT "docker: \"tcp://192.0.2.7\" without tls: whoever can reach that port is root there; "
	    "allowed: tls = { ca; certificate; key; }, or insecure = true"},
	{NODES("{ name = \"a\"; " FAR "tls = { }; }"),
	 AT "docker: \"tcp://192.0.2.7\" without tls: whoever can reach that port is root there; "
	    "allowed: tls = { ca; certificate; key; }, or insecure = true"},
	{NODES("{ name = \"a\"; " UNIX TLS "}"), AT "tls: only allowed with docker = \"tcp://...\""},
	{NODES("{ name = \"a\"; " FAR "tls = { ca = \"/c/ca.pem\"; key = \"/c/key.pem\"; }; }"),
	 AT "tls.certificate: missing; tls needs ca, certificate and key"},
	{NODES("{ name = \"a\"; " FAR "tls = { ca = \"ca.pem\"; certificate = \"/c\"; key = \"/k\"; }; }"),
	 AT "tls.ca: \"ca.pem\" is not the absolute path of a file"},
	{NODES("{ name = \"a\"; " UNIX "labels = { zone = 1; }; }"),
	 AT "labels.zone: an integer where a string is wanted"},
	{NODES("{ name = \"a\"; " UNIX "address = \"10.0.0.1:80\"; }"),
	 AT "address: bad address \"10.0.0.1:80\"; allowed: one of this machine without a port, as "
	    "\"127.0.0.1\" or \"::1\""},
	{NODES("{ name = \"a\"; " UNIX "zone = \"a\"; }"), AT "zone: unknown key"},
};

static void
what_is_wrong_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const char *text = refused[i].text;
		struct conf_errors errors;
		struct conf *conf;
		char *found;

		if (conf_load_text(text, strlen(text), "t", &conf, &errors) == 0)
			fail_msg("accepted: %s", text);
		found = errors_text(&errors);
		assert_string_equal(found, refused[i].want);
		free(found);
		conf_errors_fini(&errors);
	}
}

static struct conf *
load(const char *text)
{
	struct conf_errors errors;
	struct conf *conf = NULL;

	if (conf_load_text(text, strlen(text), "t", &conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	return conf;
}

static void
nodes_are_taken(void **state)
{
	struct conf *conf = load(NODES("{ name = \"a\"; " UNIX "cpu = 8.0; memory = \"32G\"; labels = { zone = "
				       "\"z\"; disk = \"\"; }; }, { name = \"b\"; " FAR TLS "}, "
				       "{ name = \"c\"; docker = \"tcp://localhost\"; }, "
				       "{ name = \"d\"; docker = \"tcp://[::1]:1\"; }, "
				       "{ name = \"e\"; docker = \"tcp://d\"; insecure = true; }"));
	const struct conf_node *a = conf_find_node(conf, "a");
	const struct conf_node *b = conf_find_node(conf, "b");

	(void)state;
	assert_int_equal(conf->n_nodes, 5);
	assert_string_equal(a->docker, "unix:///run/docker.sock");
	assert_int_equal(a->cpu_permille, 8000);
	assert_int_equal(a->memory, UINT64_C(32) << 30);
	assert_false(conf_node_has_tls(a));
	assert_int_equal(a->labels.n, 2);
	assert_string_equal(conf_node_label(a, "zone"), "z");
	assert_string_equal(conf_node_label(a, "disk"), "");
	assert_null(conf_node_label(a, "zon"));
	assert_true(conf_node_has_tls(b));
	assert_string_equal(b->tls.key, "/c/key.pem");
	assert_int_equal(b->labels.n, 0);
	assert_null(conf_find_node(conf, "f"));
	conf_unref(conf);
}

/* As `-t -v` shows it, and as the keeper gets it. */
static void
what_is_shown_reads_back(void **state)
{
	static const char text[] =
		NODES("{ name = \"a\"; " UNIX "cpu = 0.5; labels = { zone = \"z\"; }; }, "
		      "{ name = \"b\"; " FAR TLS "address = \"192.0.2.8\"; }");
	struct conf *conf = load(text);
	char *shown = conf_text(conf);
	struct conf *again = load(shown);
	char *shown_again = conf_text(again);
	struct conf *handed;
	struct err err;
	int fd;

	(void)state;
	assert_string_equal(shown, shown_again);
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &handed, &err), 0);
	assert_string_equal(conf_node_label(&handed->nodes[0], "zone"), "z");
	assert_string_equal(handed->nodes[1].tls.ca, "/c/ca.pem");
	assert_string_equal(handed->nodes[1].address, "192.0.2.8");
	close(fd);
	conf_unref(handed);
	conf_unref(again);
	conf_unref(conf);
	free(shown_again);
	free(shown);
}

static void
changes_are_told_node_by_node(void **state)
{
	struct conf *before = load(NODES("{ name = \"a\"; " UNIX "labels = { zone = \"z\"; }; }, "
					 "{ name = \"b\"; docker = \"unix:///b\"; }"));
	struct conf *after = load(NODES("{ name = \"c\"; docker = \"unix:///c\"; }, { name = \"a\"; " UNIX
					"cpu = 4.0; labels = { zone = \"y\"; ssd = \"1\"; }; }"));
	struct conf_changes changes;
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	assert_int_equal(conf_compare(before, after, out, &changes), 0);
	fclose(out);
	assert_string_equal(text, "node c: added\n"
				  "node a: changed: cpu 0.0 -> 4.0, labels.zone \"z\" -> \"y\", "
				  "labels.ssd none -> \"1\"\n"
				  "node b: removed\n");
	free(text);
	conf_unref(before);
	conf_unref(after);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_say_where),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(nodes_are_taken),
		cmocka_unit_test(what_is_shown_reads_back),
		cmocka_unit_test(changes_are_told_node_by_node),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
