/* conf/slots.c: one entry of backends to as many backends as it has slots, and back to text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/conf/texts.h"

static const struct {
	const char *text;
	const char *errors;
} refused[] = {
	{BACKENDS("{ address = \"h:1\"; slots = 0; }"),
	 "3: services[0].backends[0].slots: 0 is out of range; allowed: 1 to 1000"},
	{BACKENDS("{ address = \"h:1\"; slots = 1001; }"),
	 "3: services[0].backends[0].slots: 1001 is out of range; allowed: 1 to 1000"},
	{BACKENDS("{ address = \"10.0.0.1:1\"; slots = 2; }"),
	 "3: services[0].backends[0].slots: only allowed with a host name or \"srv:\""},
	{BACKENDS("{ name = \"u\"; address = \"unix:/x\"; slots = 1; }"),
	 "3: services[0].backends[0].slots: only allowed with a host name or \"srv:\""},
	{BACKENDS("{ address = \"srv:_http._tcp.a:80\"; }"),
	 "3: services[0].backends[0].address: \"srv:_http._tcp.a:80\" is not a service name; allowed: "
	 "\"srv:_service._tcp.domain\" without a port"},
	{BACKENDS("{ address = \"srv:_http._tcp.a\"; weight = 2; }"),
	 "3: services[0].backends[0].weight: only allowed without \"srv:\", where the records say it"},
	{BACKENDS("\"srv:_http._tcp.a\",\n{ name = \"srv:_http._tcp.a-16\"; address = \"h:2\"; }"),
	 "4: services[0].backends[1].name: already the name of slot 16 of backends[0]"},
	{BACKENDS("{ address = \"h\"; slots = 2; }"),
	 "3: services[0].backends[0].address: \"h\" has no port; allowed: \"host:port\""},
	{BACKENDS("{ name = \"x\"; address = \"h:1\"; slots = 3; },\n\"h:2\",\n"
		  "{ name = \"x-3\"; address = \"h:2\"; }"),
	 "5: services[0].backends[2].name: already the name of slot 3 of backends[0]"},
	{BACKENDS("{ name = \"x-1\"; address = \"h:1\"; },\n"
		  "{ name = \"x\"; address = \"h:2\"; slots = 2; }"),
	 "3: services[0].backends[0].name: already the name of slot 1 of backends[1]"},
	{BACKENDS("{ name = \"x\"; address = \"h:1\"; slots = 2; },\n\n"
		  "{ name = \"x\"; address = \"h:2\"; slots = 3; }"),
	 "5: services[0].backends[1].name: already the name of services[0].backends[0]"},
};

static void
what_is_refused(void **state)
{
	struct conf_errors errors;
	struct conf *conf;
	char *got;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const char *text = refused[i].text;

		assert_int_equal(conf_load_text(text, strlen(text), "t", &conf, &errors), -TG_EINVAL);
		got = errors_text(&errors);
		assert_string_equal(got, refused[i].errors);
		free(got);
		conf_errors_fini(&errors);
	}
}

static void
slots_are_backends(void **state)
{
	const char *text = BACKENDS("\"10.0.0.1:1\", { name = \"p\"; address = \"h:7\"; slots = 3; "
				    "weight = 5; }, { name = \"q\"; address = \"g:1\"; slots = 1; }");
	static const char *const names[] = {"10.0.0.1:1", "p-1", "p-2", "p-3", "q"};
	const struct conf_service *s;
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	assert_int_equal(conf_load_text(text, strlen(text), "t", &conf, &errors), 0);
	s = &conf->services[0];
	assert_int_equal(s->n_backends, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_string_equal(s->backends[i].name, names[i]);
		assert_int_equal(s->backends[i].index, i);
	}
	assert_int_equal(s->backends[0].slots, 1);
	assert_int_equal(s->backends[3].slots, 3);
	assert_int_equal(s->backends[3].slot, 2);
	assert_int_equal(s->backends[3].weight, 5);
	assert_int_equal(s->backends[3].endpoint.port, 7);
	assert_string_equal(s->backends[3].entry_name, "p");
	conf_unref(conf);
}

/* The names of slots have room in all tables, and a service has room for its slots. */
static void
slots_have_bounds(void **state)
{
	char text[4096];
	char name[256];
	struct conf_errors errors;
	struct conf *conf;
	int n;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[123] = '\0'; /* 123 and "-1000" are 128 */
	snprintf(text, sizeof(text),
		 BACKENDS("{ name = \"%s\"; address = \"h:1\"; slots = 1000; }"), name);
	assert_int_equal(conf_load_text(text, strlen(text), "t", &conf, &errors), -TG_EINVAL);
	assert_non_null(strstr(errors.list[0].text, "numbers of its slots longer than 127 bytes"));
	conf_errors_fini(&errors);
	name[122] = '\0';
	snprintf(text, sizeof(text),
		 BACKENDS("{ name = \"%s\"; address = \"h:1\"; slots = 1000; }"), name);
	assert_int_equal(conf_load_text(text, strlen(text), "t", &conf, &errors), 0);
	conf_unref(conf);
	n = snprintf(text, sizeof(text), "listeners = ( { name = \"l\"; bind = \"*:1\"; } ); "
					   "services = ( { name = \"s\"; backends = ( \"h:1\"");
	for (int i = 0; i < 10; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      ", { name = \"%d\"; address = \"h:1\"; slots = 1000; }", i);
	snprintf(text + n, sizeof(text) - (size_t)n, " ); } );");
	assert_int_equal(conf_load_text(text, strlen(text), "t", &conf, &errors), -TG_EINVAL);
	assert_non_null(strstr(errors.list[0].text, "backends: 10001 backends with all slots"));
	conf_errors_fini(&errors);
}

/* What -t -v shows and what our own processes get is the entry, once, and reads back as the same. */
static void
entries_are_shown_as_written(void **state)
{
	static const char *const lines[] = {
		"{ name = \"p\"; address = \"h:1\"; slots = 3; weight = 1; backup = false; "
		"tier = 0; max_connections = 0; },\n",
		"{ name = \"10.0.0.1:1\"; address = \"10.0.0.1:1\"; weight = 1;",
		"{ name = \"q\"; address = \"h:2\"; slots = 2; weight = 7;",
		"{ name = \"s\"; address = \"srv:_http._tcp.Example.org\"; slots = 16; backup = false; "
		"tier = 0; max_connections = 0; }\n",
	};
	const char *text = BACKENDS("{ name = \"p\"; address = \"h:1\"; slots = 3; }, \"10.0.0.1:1\", "
				    "{ name = \"q\"; address = \"h:2\"; slots = 2; weight = 7; }, "
				    "{ name = \"s\"; address = \"srv:_http._tcp.Example.org\"; }");
	struct conf_errors errors;
	struct conf *conf;
	struct conf *again;
	struct err err;
	char *first;
	char *second;
	int fd;

	(void)state;
	assert_int_equal(conf_load_text(text, strlen(text), "t", &conf, &errors), 0);
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	assert_int_equal(conf_load_fd(fd, &again, &err), 0);
	close(fd);
	first = conf_text(conf);
	second = conf_text(again);
	assert_string_equal(first, second);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (!strstr(first, lines[i]))
			fail_msg("no %s in\n%s", lines[i], first);
	}
	assert_null(strstr(first, "p-1"));
	assert_int_equal(again->services[0].n_backends, 22);
	assert_string_equal(again->services[0].backends[21].name, "s-16");
	assert_int_equal(again->services[0].backends[21].endpoint.kind, TG_ENDPOINT_SRV);
	assert_string_equal(again->services[0].backends[21].endpoint.host, "_http._tcp.example.org");
	assert_string_equal(again->services[0].backends[5].name, "q-2");
	free(first);
	free(second);
	conf_unref(conf);
	conf_unref(again);
}

static void
ten_thousand_backends_load(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	assert_non_null(out);
	fputs("listeners = ( { name = \"l\"; bind = \"*:1\"; } );\n"
	      "services = ( { name = \"s\"; backends = (",
	      out);
	for (unsigned i = 0; i < 10000; i++)
		fprintf(out, "%s\"10.%u.%u.%u:80\"", i ? "," : "", i >> 16, i >> 8 & 255, i & 255);
	fputs("); } );\n", out);
	fclose(out);
	assert_int_equal(conf_load_text(text, size, "t", &conf, &errors), 0);
	assert_int_equal(conf->services[0].n_backends, 10000);
	assert_string_equal(conf->services[0].backends[9999].name, "10.0.39.15:80");
	conf_unref(conf);
	free(text);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(slots_are_backends),
		cmocka_unit_test(slots_have_bounds),
		cmocka_unit_test(entries_are_shown_as_written),
		cmocka_unit_test(ten_thousand_backends_load),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
