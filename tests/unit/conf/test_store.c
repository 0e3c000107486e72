/* conf/store_url.c and conf/schema_store.c: where redis is, and that nobody is told its password. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/compare.h"
#include "conf/store_url.h"
#include "unit/conf/texts.h"

#define REDIS(url) TOP("store = { type = \"redis\"; url = \"" url "\"; };")

static void
urls_say_where_and_who(void **state)
{
	static const struct {
		const char *text;
		const char *at; /* NULL: a name */
		const char *host;
		uint16_t port;
		const char *user;
		const char *password;
		unsigned database;
	} good[] = {
		{"redis://127.0.0.1", "127.0.0.1:6379", "", 0, "", "", 0},
		{"redis://127.0.0.1/", "127.0.0.1:6379", "", 0, "", "", 0},
		{"redis://127.0.0.1:7000/12", "127.0.0.1:7000", "", 0, "", "", 12},
		{"redis://[::1]", "[::1]:6379", "", 0, "", "", 0},
		{"redis://[::1]:7000/65535", "[::1]:7000", "", 0, "", "", 65535},
		{"redis://cache.example.org", NULL, "cache.example.org", 6379, "", "", 0},
		{"redis://:pw@cache:7000", NULL, "cache", 7000, "", "pw", 0},
		{"redis://tide:p%40s%2fs%25@127.0.0.1", "127.0.0.1:6379", "", 0, "tide", "p@s/s%",
		 0},
		{"redis://tide:a:b@c@127.0.0.1", "127.0.0.1:6379", "", 0, "tide", "a:b@c", 0},
		{"redis+unix:///run/redis.sock", "unix:/run/redis.sock", "", 0, "", "", 0},
		{"redis+unix://u:p@/run/r@x:y.sock?db=3", "unix:/run/r@x:y.sock", "", 0, "u", "p",
		 3},
	};
	char at[TG_ADDR_STRLEN];
	struct store_url url;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (store_url_parse(good[i].text, &url, &err) < 0)
			fail_msg("%s: %s", good[i].text, err.text);
		if (good[i].at != NULL) {
			assert_int_equal(url.hosts[0].kind, TG_ENDPOINT_ADDR);
			assert_string_equal(addr_format(&url.hosts[0].addr, at, sizeof(at)), good[i].at);
		} else {
			assert_int_equal(url.hosts[0].kind, TG_ENDPOINT_NAME);
			assert_string_equal(url.hosts[0].host, good[i].host);
			assert_int_equal(url.hosts[0].port, good[i].port);
		}
		assert_string_equal(url.user, good[i].user);
		assert_string_equal(url.password, good[i].password);
		assert_int_equal(url.database, good[i].database);
	}
}

static void
sentinels_are_several(void **state)
{
	struct store_url url;
	struct err err;

	(void)state;
	assert_int_equal(store_url_parse("redis+sentinel://u:p@10.0.0.1,s2.example.org:7000,[::1]/my%20master/3", &url,
					 &err),
			 0);
	assert_int_equal(url.n_hosts, 3);
	assert_int_equal(addr_port(&url.hosts[0].addr), 26379);
	assert_string_equal(url.hosts[1].host, "s2.example.org");
	assert_int_equal(url.hosts[1].port, 7000);
	assert_int_equal(addr_port(&url.hosts[2].addr), 26379);
	assert_string_equal(url.master, "my master");
	assert_string_equal(url.user, "u");
	assert_int_equal(url.database, 3);
	assert_false(url.is_tls);
	assert_int_equal(store_url_parse("redis://10.0.0.1", &url, &err), 0);
	assert_string_equal(url.master, "");
}

static void
nodes_of_a_cluster_are_several(void **state)
{
	struct store_url url;
	struct err err;

	(void)state;
	assert_int_equal(store_url_parse("redis+cluster://u:p@10.0.0.1,n2.example.org:7000,[::1]/0", &url, &err), 0);
	assert_true(url.is_cluster);
	assert_int_equal(url.n_hosts, 3);
	assert_int_equal(addr_port(&url.hosts[0].addr), 6379);
	assert_string_equal(url.hosts[1].host, "n2.example.org");
	assert_int_equal(url.hosts[1].port, 7000);
	assert_string_equal(url.master, "");
	assert_string_equal(url.password, "p");
	assert_int_equal(store_url_parse("redis+cluster://10.0.0.1/", &url, &err), 0);
	assert_int_equal(store_url_parse("redis://10.0.0.1", &url, &err), 0);
	assert_false(url.is_cluster);
}

static void
tls_is_there_or_refused(void **state)
{
	struct store_url url;
	struct err err;

	(void)state;
	if (store_url_has_tls()) {
		assert_int_equal(store_url_parse("rediss://127.0.0.1", &url, &err), 0);
		assert_true(url.is_tls);
		return;
	}
	assert_int_equal(store_url_parse("rediss://127.0.0.1", &url, &err), -TG_EINVAL);
	assert_non_null(strstr(err.text, "TLS to redis is not available"));
}

static void
other_urls_are_refused(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} bad[] = {
		{"127.0.0.1:6379", "not the address of a store"},
		{"http://127.0.0.1", "not the address of a store"},
		{"redis+sentinel://", "no host"},
		{"redis+sentinel://a", "no name of the master"},
		{"redis+sentinel://a,,b/m", "no host"},
		{"redis+sentinel://a,b,c,d,e,f,g,h,i/m", "more than 8 hosts"},
		{"redis+sentinel://a/m/x", "bad database"},
		{"redis+sentinel://a/m?db=1", "bad text behind the master"},
		{"redis+sentinel://a/%zz", "master: a %"},
		{"redis+cluster://", "no host"},
		{"redis+cluster://a,b/1", "allowed: /0, a Redis Cluster has no other database"},
		{"redis+cluster://a,b,c,d,e,f,g,h,i", "more than 8 hosts"},
		{"redis://", "no host"},
		{"redis://:6379", "is not an IPv4 address or a host name"},
		{"redis:///3", "no host"},
		{"redis://user@host", "no password before @"},
		{"redis://user:@host", "no password before @"},
		{"redis://u:p%4@host", "password: a % that is not followed"},
		{"redis://u:p%@host", "password: a % that is not followed"},
		{"redis://u:p%zz@host", "password: a % that is not followed"},
		{"redis://u:%00@host", "password: a % that is not followed"},
		{"redis://host:0", "port"},
		{"redis://host:66000", "port"},
		{"redis://srv:_redis._tcp.example.org", "SRV"},
		{"redis://host/x", "bad database; allowed: 0 to 65535"},
		{"redis://host/-1", "bad database"},
		{"redis://host/65536", "bad database"},
		{"redis://host/99999999999999999999", "bad database"},
		{"redis://host?db=1", "bad text behind the host"},
		{"redis+unix://run/redis.sock", "not the absolute path"},
		{"redis+unix://", "not the absolute path"},
		{"redis+unix:///r.sock?x=1", "bad text behind the path"},
		{"redis+unix:///r.sock?db=", "bad database"},
	};
	struct store_url url = {.database = 77};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (store_url_parse(bad[i].text, &url, &err) != -TG_EINVAL)
			fail_msg("%s was accepted", bad[i].text);
		if (strstr(err.text, bad[i].want) == NULL)
			fail_msg("%s: %s", bad[i].text, err.text);
	}
	assert_int_equal(url.database, 77);
}

static void
long_parts_are_refused(void **state)
{
	char text[1200];
	char filler[1100];
	struct store_url url;
	struct err err;

	(void)state;
	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	snprintf(text, sizeof(text), "redis://%.*s:p@host", 127, filler);
	assert_int_equal(store_url_parse(text, &url, &err), 0);
	snprintf(text, sizeof(text), "redis://%.*s:p@host", 128, filler);
	assert_int_equal(store_url_parse(text, &url, &err), -TG_EINVAL);
	assert_string_equal(err.text, "user: longer than 127 bytes");
	snprintf(text, sizeof(text), "redis://:%.*s@host", 512, filler);
	assert_int_equal(store_url_parse(text, &url, &err), -TG_EINVAL);
	assert_string_equal(err.text, "password: longer than 511 bytes");
	snprintf(text, sizeof(text), "redis://%s", filler);
	assert_int_equal(store_url_parse(text, &url, &err), -TG_EINVAL);
	snprintf(text, sizeof(text), "redis+unix:///%s", filler);
	assert_int_equal(store_url_parse(text, &url, &err), -TG_EINVAL);
}

static struct conf *
load(const char *text)
{
	struct conf_errors errors = {.list = NULL};
	struct conf *conf = NULL;

	if (conf_load_text(text, strlen(text), "t", &conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	return conf;
}

static void
refused(const char *text, const char *want)
{
	struct conf_errors errors = {.list = NULL};
	struct conf *conf = NULL;
	char *all;

	assert_true(conf_load_text(text, strlen(text), "t", &conf, &errors) < 0);
	all = errors_text(&errors);
	assert_string_equal(all, want);
	free(all);
	conf_errors_fini(&errors);
}

/* Between our own processes nobody is told of the store. */
static void
votes_need_a_store_that_others_see(void **state)
{
	static const char text[] = HEALTH("share = \"any\";");
	char path[] = "/tmp/tg-conf-XXXXXX";
	struct conf_errors errors = {.list = NULL};
	struct conf *conf = NULL;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_true(conf_load_file(path, &conf, &errors) < 0);
	assert_int_equal(errors.n, 1);
	assert_non_null(strstr(errors.list[0].text,
			       ": services[0].health: share: needs a store that others see too; allowed: \"off\", or "
			       "store = { type = \"redis\"; ... }"));
	conf_errors_fini(&errors);
	close(fd);
	unlink(path);
	conf = load("store = { type = \"redis\"; url = \"redis://h\"; };\n" HEALTH("share = \"majority\";"));
	assert_int_equal(conf->services[0].health.share, TG_SHARE_MAJORITY);
	conf_unref(conf);
	conf = load(HEALTH("share = \"any\";"));
	conf_unref(conf);
}

static void
memory_is_the_default(void **state)
{
	struct conf *conf = load(TOP(""));

	(void)state;
	assert_int_equal(conf->store.type, TG_STORE_MEMORY);
	assert_null(conf->store.url);
	conf_unref(conf);
}

static void
keys_are_checked(void **state)
{
	struct conf *conf = load(REDIS("redis://127.0.0.1"));

	(void)state;
	assert_int_equal(conf->store.type, TG_STORE_REDIS);
	assert_int_equal(conf->store.timeout_ms, 250);
	conf_unref(conf);
	refused(TOP("store = { type = \"redis\"; };"),
		"1: store.url: missing; allowed: \"redis://[user:password@]host[:port][/database]\", "
		"\"redis+unix:///path[?db=n]\", "
		"\"redis+sentinel://host[:port][,host...]/master[/database]\", "
		"\"redis+cluster://host[:port][,host...]\"");
	refused(TOP("store = { type = \"redis\"; url = \"redis://h\"; ca = \"/ca.pem\"; };"),
		"1: store.ca: not with redis://; allowed: with rediss://, by TLS");
	refused(TOP("store = { type = \"redis\"; url = \"redis://h\"; key = \"/k.pem\"; };"),
		"1: store.certificate: missing; certificate and key go together");
	refused(HEALTH("type = \"none\"; share = \"any\";"),
		"3: services[0].health.share: only allowed with another type than \"none\"");
	refused(TOP("store = { type = \"redis\"; url = \"redis://h\"; decisions = 9; };"),
		"1: store.decisions: 9 is out of range; allowed: 10 to 1000000");
	if (store_url_has_tls())
		refused(REDIS("rediss://h"),
			"1: store.ca: missing; rediss needs it: who signed the certificate of redis");
	refused(TOP("store = { url = \"redis://h\"; };"),
		"1: store.url: only allowed with type = \"redis\"");
	refused(TOP("store = { timeout = \"1s\"; };"),
		"1: store.timeout: only allowed with type = \"redis\"");
	refused(REDIS("redis://u:pass%word@h"),
		"1: store.url: password: a % that is not followed by two hexadecimal digits; write "
		"%25 for %");
	refused(TOP("store = { type = \"redis\"; url = \"redis://h\"; timeout = \"1ms\"; };"),
		"1: store.timeout: 1ms is out of range; allowed: 10ms to 10s");
}

static void
passwords_are_for_our_own_processes(void **state)
{
	struct conf *open = load(REDIS("redis://cache/1"));
	struct conf *secret = load(REDIS("redis://u:hidden@cache/1"));
	struct conf *again = NULL;
	struct err err;
	char *text = conf_text(open);
	int fd;

	(void)state;
	assert_non_null(strstr(text, "redis://cache/1"));
	free(text);
	text = conf_text(secret);
	assert_null(strstr(text, "hidden"));
	assert_null(strstr(text, "cache/1"));
	free(text);
	assert_int_equal(conf_save_fd(secret, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &again, &err), 0);
	assert_string_equal(again->store.url, "redis://u:hidden@cache/1");
	close(fd);
	conf_unref(again);
	conf_unref(secret);
	conf_unref(open);
}

/* What a memory file has; the caller's to free. */
static char *
text_of_fd(int fd)
{
	off_t n = lseek(fd, 0, SEEK_END);
	char *text = calloc(1, (size_t)n + 1);

	assert_non_null(text);
	assert_int_equal(pread(fd, text, (size_t)n, 0), n);
	return text;
}

static void
the_proxy_is_not_told_what_it_does_not_need(void **state)
{
	static const char text[] =
		"store = { type = \"redis\"; url = \"redis://:hidden@h\"; sentinel_password = \"hidden\"; };"
		"admin = { socket = \"/hidden.sock\"; };"
		"listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"s\"; } );"
		"services = ( { name = \"s\"; backends = ( \"127.0.0.1:2\" );"
		"  health = { type = \"exec\"; command = ( \"/bin/true\", \"hidden\" );"
		"             fail_open = 7; };"
		"  agent = { port = 1; send = \"hidden\"; };"
		"  sticky = { cookie = \"tg\"; secret = \"0123456789abcdef\"; };"
		"  autoscale = { module = \"m\"; max = 2; token = \"hidden\"; };"
		"  provider = { type = \"exec\"; environment = ( \"A=hidden\" );"
		"    list = ( \"/l\", \"hidden\" ); start = ( \"/l\" ); stop = ( \"/l\" ); }; } );";
	struct conf *conf = load(text);
	struct conf *told = NULL;
	const struct conf_service *s;
	struct err err = {""};
	char *proxys;
	int fd;

	(void)state;
	assert_int_equal(conf_save_proxy_fd(conf, &fd, &err), 0);
	proxys = text_of_fd(fd);
	assert_null(strstr(proxys, "hidden"));
	free(proxys);
	if (conf_load_fd(fd, &told, &err) != 0)
		fail_msg("%s", err.text);
	close(fd);
	assert_int_equal(told->store.type, TG_STORE_MEMORY);
	s = &told->services[0];
	assert_int_equal(s->provider.type, TG_PROVIDER_STATIC);
	assert_int_equal(s->agent.port, 0);
	assert_int_equal(s->autoscale.n_settings, 0);
	/* What it does need. */
	assert_int_equal(s->health.fail_open_percent, 7);
	assert_string_equal(s->autoscale.module, "m");
	assert_int_equal(s->hold.requests, conf->services[0].hold.requests);
	assert_int_equal(s->segment_slot, conf->services[0].segment_slot);
	assert_string_equal(s->sticky.secret, "0123456789abcdef");
	conf_unref(told);
	conf_unref(conf);
}

static void
changed(const char *before_text, const char *after_text, const char *want)
{
	struct conf *before = load(before_text);
	struct conf *after = load(after_text);
	struct conf_changes changes;
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	assert_int_equal(conf_compare(before, after, out, &changes), 0);
	fclose(out);
	assert_string_equal(text, want);
	free(text);
	conf_unref(before);
	conf_unref(after);
}

static void
changes_are_told_without_the_password(void **state)
{
	(void)state;
	changed(REDIS("redis://h/1"), REDIS("redis://h/1"), "nothing differs\n");
	changed(REDIS("redis://h/1"), REDIS("redis://h/2"),
		"global: changed: store.url \"redis://h/1\" -> \"redis://h/2\"\n");
	changed(REDIS("redis://h/1"), REDIS("redis://:pw@h/1"), "global: changed: store.url\n");
	changed(REDIS("redis://:pw@h/1"), REDIS("redis://h/1"), "global: changed: store.url\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_say_where_and_who),
		cmocka_unit_test(sentinels_are_several),
		cmocka_unit_test(nodes_of_a_cluster_are_several),
		cmocka_unit_test(tls_is_there_or_refused),
		cmocka_unit_test(other_urls_are_refused),
		cmocka_unit_test(long_parts_are_refused),
		cmocka_unit_test(memory_is_the_default),
		cmocka_unit_test(votes_need_a_store_that_others_see),
		cmocka_unit_test(keys_are_checked),
		cmocka_unit_test(passwords_are_for_our_own_processes),
		cmocka_unit_test(the_proxy_is_not_told_what_it_does_not_need),
		cmocka_unit_test(changes_are_told_without_the_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
