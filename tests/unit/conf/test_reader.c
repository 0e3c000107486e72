/*
 * conf/reader.c with the tables schema_*.c: what is refused, with every word
 * of the error; what is accepted, and what it becomes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/conf/texts.h"

struct refused {
	const char *text;
	const char *want; /* all errors, without the name of the file */
};

#define DURATIONS "\"500ms\", \"1s\", \"2m\", \"1h\", \"1d\""
#define SIZES "\"64K\", \"1M\", \"1G\", or bytes as an integer"
#define COMMAND "allowed: ( \"/path/of/program\", \"argument\", ... )"
#define STATUSES "400 403 404 405 408 413 414 417 429 431 500 501 502 503 504 505"

static const struct refused types[] = {
	{TOP("workers = \"2\";"), "1: workers: a string where an integer is wanted"},
	{TOP("workers = 2.0;"), "1: workers: a decimal number where an integer is wanted"},
	{TOP("workers = true;"), "1: workers: true or false where an integer is wanted"},
	{TOP("workers = { };"), "1: workers: a group { } where an integer is wanted"},
	{TOP("workers = ( 1 );"), "1: workers: a list ( ) where an integer is wanted"},
	{TOP("workers = [ 1 ];"), "1: workers: an array [ ] where an integer is wanted"},
	{TOP("user = 5;"), "1: user: an integer where a string is wanted"},
	{TOP("user = false;"), "1: user: true or false where a string is wanted"},
	{TOP("log = \"text\";"), "1: log: a string where a group { } is wanted"},
	{TOP("log = ( );"), "1: log: a list ( ) where a group { } is wanted"},
	{TOP("log = { format = 1; };"), "1: log.format: an integer where a string is wanted"},
	{TOP("log = { level = true; };"), "1: log.level: true or false where a string is wanted"},
	{TOP("admin = \"/x\";"), "1: admin: a string where a group { } is wanted"},
	{TOP("shutdown_grace = 30;"),
	 "1: shutdown_grace: an integer where a duration is wanted; allowed: " DURATIONS},
	{TOP("watchdog = \"500ms\";"),
	 "1: watchdog: 500ms is less than a busy machine may need; allowed: 0, or 1s to 1h"},
	{TOP("shutdown_grace = 1.5;"),
	 "1: shutdown_grace: a decimal number where a duration is wanted; allowed: " DURATIONS},
	{"listeners = { };\n", "1: listeners: a group { } where a list ( ) is wanted"},
	{"listeners = ( \"*:80\" );\n", "1: listeners[0]: a string where a group { } is wanted"},
	{"listeners = ( ( ) );\n", "1: listeners[0]: a list ( ) where a group { } is wanted"},
	{"listeners = [ 1 ];\n", "1: listeners[0]: an integer where a group { } is wanted"},
	{LISTENER("mode = 1;"), "2: listeners[0].mode: an integer where a string is wanted"},
	{LISTENER("service = 1;"),
	 "2: listeners[0].service: an integer where the name of a service as a string is wanted"},
	{LISTENER("trusted_proxies = \"::1\";"),
	 "2: listeners[0].trusted_proxies: a string where a list ( ) is wanted"},
	{LISTENER("trusted_proxies = ( 1 );"),
	 "2: listeners[0].trusted_proxies[0]: an integer where an address or prefix as a string is "
	 "wanted"},
	{LISTENER("trusted_proxies = ( \"::1\", { } );"),
	 "2: listeners[0].trusted_proxies[1]: a group { } where an address or prefix as a string is "
	 "wanted"},
	{LISTENER("routes = { };"), "2: listeners[0].routes: a group { } where a list ( ) is wanted"},
	{LISTENER("routes = ( \"/\" );"),
	 "2: listeners[0].routes[0]: a string where a group { } is wanted"},
	{TIMEOUTS("idle = 5;"),
	 "2: listeners[0].timeouts.idle: an integer where a duration is wanted; allowed: " DURATIONS},
	{LIMITS("head = 1.5;"),
	 "2: listeners[0].limits.head: a decimal number where a size is wanted; allowed: " SIZES},
	{LIMITS("headers = \"100\";"),
	 "2: listeners[0].limits.headers: a string where an integer is wanted"},
	{SERVICE("backends = \"10.0.0.1:80\";"), "3: services[0].backends: a string where a list ( ) is wanted"},
	{BACKENDS("( \"10.0.0.1:80\" )"), "3: services[0].backends[0]: a list ( ) where a group { } is wanted"},
	{BACKENDS("80"), "3: services[0].backends[0]: an integer where a string is wanted"},
	{BACKENDS("{ address = 80; }"), "3: services[0].backends[0].address: an integer where a string is wanted"},
	{BACKENDS("{ address = \"h:80\"; backup = 1; }"),
	 "3: services[0].backends[0].backup: an integer where true or false is wanted"},
	{BACKENDS("{ address = \"h:80\"; weight = \"1\"; }"),
	 "3: services[0].backends[0].weight: a string where an integer is wanted"},
	{HEALTH("interval = 2;"),
	 "3: services[0].health.interval: an integer where a duration is wanted; allowed: " DURATIONS},
	{SERVICE("error_pages = ( \"503.html\" );"),
	 "3: services[0].error_pages[0]: a string where a group { } is wanted"},
};

static const struct refused unknown[] = {
	{TOP("worker = 2;"), "1: worker: unknown key (did you mean \"workers\"?)"},
	{TOP("wrokers = 2;"), "1: wrokers: unknown key (did you mean \"workers\"?)"},
	{TOP("completely_else = 2;"), "1: completely_else: unknown key"},
	{TOP("log = { file_format = \"text\"; };"), "1: log.file_format: unknown key"},
	{TOP("log = { lvel = \"info\"; };"), "1: log.lvel: unknown key (did you mean \"level\"?)"},
	{TOP("state_file = \"x\";"), "1: state_file: \"x\" is not the absolute path of a file"},
	{TOP("state_file = \"/x/\";"), "1: state_file: \"/x/\" is not the absolute path of a file"},
	{TOP("admin = { sock = \"/x\"; };"), "1: admin.sock: unknown key (did you mean \"socket\"?)"},
	{LISTENER("servise = \"s\";"),
	 "2: listeners[0].servise: unknown key (did you mean \"service\"?)"},
	{TIMEOUTS("connect = \"1s\";"), "2: listeners[0].timeouts.connect: unknown key"},
	{LIMITS("header = 5;"),
	 "2: listeners[0].limits.header: unknown key (did you mean \"headers\"?)"},
	{ROUTES("{ hots = \"a\"; service = \"s\"; }"),
	 "2: listeners[0].routes[0].hots: unknown key (did you mean \"host\"?)"},
	{SERVICE("balanse = \"x\";"), "3: services[0].balanse: unknown key (did you mean \"balance\"?)"},
	{SERVICE("timeouts = { request_head = \"1s\"; };"), "3: services[0].timeouts.request_head: unknown key"},
	{BACKENDS("{ addres = \"h:80\"; }"),
	 "3: services[0].backends[0].address: missing\n"
	 "3: services[0].backends[0].addres: unknown key (did you mean \"address\"?)"},
	{SERVICE("error_pages = ( { status = 503; file = \"/dev/null\"; body_base64 = \"\"; } );"),
	 "3: services[0].error_pages[0].body_base64: unknown key\n"
	 "3: services[0].error_pages[0].file: /dev/null: not a regular file"},
	{HEALTH("intervall = \"1s\";"), "3: services[0].health.intervall: unknown key (did you mean \"interval\"?)"},
	{LISTENER("mode = \"htp\";"), "2: listeners[0].mode: unknown value \"htp\"; allowed: http, tcp "
				     "(did you mean \"http\"?)"},
	{LISTENER("mode = \"HTTP\";"),
	 "2: listeners[0].mode: unknown value \"HTTP\"; allowed: http, tcp"},
	{LISTENER("mode = \"\";"), "2: listeners[0].mode: unknown value \"\"; allowed: http, tcp"},
	{LISTENER("forwarded = \"on\";"), "2: listeners[0].forwarded: unknown value \"on\"; allowed: "
					 "append, replace, off"},
	{SERVICE("balance = \"lest-conn\";"),
	 "3: services[0].balance: unknown value \"lest-conn\"; allowed: round-robin, least-conn, "
	 "p2c, hash, ewma, first, random (did you mean \"least-conn\"?)"},
	{SERVICE("balance = \"leastconn\";"),
	 "3: services[0].balance: unknown value \"leastconn\"; allowed: round-robin, least-conn, "
	 "p2c, hash, ewma, first, random (did you mean \"least-conn\"?)"},
	{HEALTH("type = \"htpt\";"), "3: services[0].health.type: unknown value \"htpt\"; allowed: "
				   "none, tcp, http, exec, grpc (did you mean \"http\"?)"},
	{TOP("log = { level = \"warning\"; };"), "1: log.level: unknown value \"warning\"; allowed: "
						"error, warn, info, debug"},
	{TOP("log = { access = \"on\"; };"),
	 "1: log.access: unknown value \"on\"; allowed: off, text, json"},
	{TOP("log = { format = \"jsn\"; };"), "1: log.format: unknown value \"jsn\"; allowed: text, "
					     "json (did you mean \"json\"?)"},
	{LISTENER("service = \"x9\";"), "2: listeners[0].service: unknown service \"x9\""},
	{LISTENER("service = \"\";"), "2: listeners[0].service: unknown service \"\""},
	{SERVICE("} , { name = \"sites\"; } );\nlog = { };\nlisteners2 = ( {"),
	 "5: listeners2: unknown key (did you mean \"listeners\"?)"},
	{"listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"sites\"; } );\n"
	 "services = ( { name = \"other\"; }, { name = \"site\"; } );\n",
	 "1: listeners[0].service: unknown service \"sites\" (did you mean \"site\"?)"},
	{ROUTES("{ service = \"nobody\"; }"),
	 "2: listeners[0].routes[0].service: unknown service \"nobody\""},
};

static const struct refused later[] = {
	{LISTENER("tls = { };"), "2: listeners[0].tls.certificates: missing; without one there is no TLS"},
	{LISTENER("mode = \"udp\";"), "2: listeners[0].mode: \"udp\" is not available in this version; "
				     "allowed: http, tcp"},
	{ROUTES("{ method = \"GET\"; service = \"s\"; }"),
	 "2: listeners[0].routes[0].method: not available in this version"},
	{ROUTES("{ header = \"x\"; service = \"s\"; }"),
	 "2: listeners[0].routes[0].header: not available in this version"},
};

static const struct refused ranges[] = {
	{SERVICE("hash_on = \"path\";"), "3: services[0].hash_on: only allowed with balance = \"hash\""},
	{SERVICE("balance = \"hash\"; hash_on = \"header\";"),
	 "3: services[0].hash_on: bad value \"header\"; allowed: \"source\", \"path\", "
	 "\"header:NAME\", \"cookie:NAME\", \"query:NAME\""},
	{SERVICE("balance = \"hash\"; hash_on = \"cookie:a b\";"),
	 "3: services[0].hash_on: bad value \"cookie:a b\"; allowed: \"source\", \"path\", "
	 "\"header:NAME\", \"cookie:NAME\", \"query:NAME\""},
	{SERVICE("sticky = { cookie = \"a b\"; };"),
	 "3: services[0].sticky.cookie: bad name \"a b\"; allowed: letters, digits and "
	 "!#$%&'*+-.^_`|~"},
	{SERVICE("sticky = { cookie = \"a\"; secret = \"short\"; };"),
	 "3: services[0].sticky.secret: shorter than 16 bytes"},
	{SERVICE("sticky = { path = \"/\"; };"), "3: services[0].sticky.path: only allowed with cookie"},
	{SERVICE("sticky = { cookie = \"a\"; path = \"/; x\"; };"),
	 "3: services[0].sticky.path: bad value \"/; x\"; allowed: visible ASCII without \";\""},
	{SERVICE("sticky = { cookie = \"a\"; same_site = \"none\"; };"),
	 "3: services[0].sticky.same_site: clients take \"none\" only with secure = true"},
	{SERVICE("buffer_request = { memory = \"1K\"; };"),
	 "3: services[0].buffer_request.memory: is out of range; allowed: 0, or 16K to 64M"},
	{SERVICE("buffer_response = { memory = \"65M\"; };"),
	 "3: services[0].buffer_response.memory: 65M is out of range; allowed: 0 to 64M"},
	{SERVICE("buffer_request = { file = \"1M\"; };"),
	 "3: services[0].buffer_request.file: nothing is buffered without memory"},
	{SERVICE("retry = { attempts = 8; };"),
	 "3: services[0].retry.attempts: 8 is out of range; allowed: 0 to 7"},
	{SERVICE("retry = { budget = 10.5; };"),
	 "3: services[0].retry.budget: 10.5 is out of range; allowed: 0.0 to 10.0"},
	{SERVICE("retry = { budget = -0.1; };"),
	 "3: services[0].retry.budget: -0.1 is out of range; allowed: 0.0 to 10.0"},
	{SERVICE("retry = { budget = \"0.2\"; };"),
	 "3: services[0].retry.budget: a string where a decimal number is wanted"},
	{SERVICE("queue = 1.5;"), "3: services[0].queue: a decimal number where an integer is wanted"},
	{SERVICE("retry = { on = ( \"conect\" ); };"),
	 "3: services[0].retry.on[0]: unknown cause \"conect\"; allowed: \"connect\", "
	 "\"empty-response\", \"response-timeout\", a status \"400\" to \"599\""},
	{SERVICE("retry = { on = ( \"502\", \"399\" ); };"),
	 "3: services[0].retry.on[1]: unknown cause \"399\"; allowed: \"connect\", "
	 "\"empty-response\", \"response-timeout\", a status \"400\" to \"599\""},
	{SERVICE("retry = { on = ( \"50x\" ); };"),
	 "3: services[0].retry.on[0]: unknown cause \"50x\"; allowed: \"connect\", "
	 "\"empty-response\", \"response-timeout\", a status \"400\" to \"599\""},
	{SERVICE("timeouts = { queue = \"0\"; };"),
	 "3: services[0].timeouts.queue: 0 is out of range; allowed: 1ms to 1h"},
	{SERVICE("hold = { requests = 1000001; };"),
	 "3: services[0].hold.requests: 1000001 is out of range; allowed: 0 to 1000000"},
	{SERVICE("hold = { timeout = \"0\"; };"),
	 "3: services[0].hold.timeout: 0 is out of range; allowed: 1ms to 1h"},
	{LISTENER("priority = \"urgent\";"),
	 "2: listeners[0].priority: unknown value \"urgent\"; allowed: high, normal, low"},
	{TOP("workers = -1;"), "1: workers: -1 is out of range; allowed: 0 to 256"},
	{TOP("workers = 257;"), "1: workers: 257 is out of range; allowed: 0 to 256"},
	{TOP("workers = 0x101;"), "1: workers: 257 is out of range; allowed: 0 to 256"},
	{TOP("workers = 4294967298;"), "1: workers: 4294967298 is out of range; allowed: 0 to 256"},
	{TOP("workers = 9223372036854775807L;"),
	 "1: workers: 9223372036854775807 is out of range; allowed: 0 to 256"},
	{TOP("workers = 99999999999999999999;"), "1: the number 99999999999999999999 is too large"},
	{TOP("workers = 0x10000000000000001;"), "1: the number 0x10000000000000001 is too large"},
	{TOP("workers = 0x100000002;"), "1: workers: 4294967298 is out of range; allowed: 0 to 256"},
	{TOP("workers = -4294967298;"), "1: workers: -4294967298 is out of range; allowed: 0 to 256"},
	{TOP("workers = 4294967298 user = \"a b\";"),
	 "1: workers: 4294967298 is out of range; allowed: 0 to 256\n"
	 "1: user: \"a b\" cannot be a user or group"},
	{TOP("max_connections = 10000001;"),
	 "1: max_connections: 10000001 is out of range; allowed: 0 to 10000000"},
	{TOP("shutdown_grace = \"25h\";"),
	 "1: shutdown_grace: 25h is out of range; allowed: 0 to 1d"},
	{TOP("shutdown_grace = \"99999999999999999999h\";"),
	 "1: shutdown_grace: \"99999999999999999999h\" is too large"},
	{TOP("shutdown_grace = \"9999999999999999999d\";"),
	 "1: shutdown_grace: \"9999999999999999999d\" is too large"},
	{TOP("user = \"\";"), "1: user: must not be empty"},
	{LISTENER("backlog = 0;"), "2: listeners[0].backlog: 0 is out of range; allowed: 1 to 65535"},
	{LISTENER("backlog = 65536;"),
	 "2: listeners[0].backlog: 65536 is out of range; allowed: 1 to 65535"},
	{LISTENER("max_connections = -5;"),
	 "2: listeners[0].max_connections: -5 is out of range; allowed: 0 to 10000000"},
	{TIMEOUTS("request_head = \"0\";"),
	 "2: listeners[0].timeouts.request_head: 0 is out of range; allowed: 1ms to 1d"},
	{TIMEOUTS("keep_alive = \"0s\";"),
	 "2: listeners[0].timeouts.keep_alive: 0s is out of range; allowed: 1ms to 1d"},
	{TIMEOUTS("idle = \"31d\";"),
	 "2: listeners[0].timeouts.idle: 31d is out of range; allowed: 1ms to 30d"},
	{LIMITS("head = 1023;"),
	 "2: listeners[0].limits.head: 1023 is out of range; allowed: 1K to 64K"},
	{LIMITS("head = \"65K\";"),
	 "2: listeners[0].limits.head: 65K is out of range; allowed: 1K to 64K"},
	{LIMITS("headers = 0;"),
	 "2: listeners[0].limits.headers: 0 is out of range; allowed: 1 to 1000"},
	{LIMITS("uri = 10;"), "2: listeners[0].limits.uri: 10 is out of range; allowed: 64 to 64K"},
	{LIMITS("body = -1;"),
	 "2: listeners[0].limits.body: -1 is out of range; allowed: 0 to 1048576G"},
	{LIMITS("body = \"99999999999999999999G\";"),
	 "2: listeners[0].limits.body: \"99999999999999999999G\" is too large"},
	{LIMITS("chunk_extensions = \"1M\";"),
	 "2: listeners[0].limits.chunk_extensions: 1M is out of range; allowed: 0 to 16K"},
	{SERVICE("idle_connections = 10001;"),
	 "3: services[0].idle_connections: 10001 is out of range; allowed: 0 to 10000"},
	{SERVICE("timeouts = { connect = \"2h\"; };"),
	 "3: services[0].timeouts.connect: 2h is out of range; allowed: 1ms to 1h"},
	{BACKENDS("{ address = \"h:1\"; weight = 257; }"),
	 "3: services[0].backends[0].weight: 257 is out of range; allowed: 0 to 256"},
	{BACKENDS("{ address = \"h:1\"; weight = -1; }"),
	 "3: services[0].backends[0].weight: -1 is out of range; allowed: 0 to 256"},
	{HEALTH("interval = \"9ms\";"),
	 "3: services[0].health.interval: 9ms is out of range; allowed: 10ms to 1d"},
	{HEALTH("interval_down = \"25h\";"),
	 "3: services[0].health.interval_down: 25h is out of range; allowed: 10ms to 1d"},
	{HEALTH("rise = 0;"), "3: services[0].health.rise: 0 is out of range; allowed: 1 to 1000"},
	{HEALTH("fall = 1001;"),
	 "3: services[0].health.fall: 1001 is out of range; allowed: 1 to 1000"},
	{HEALTH("jitter = 101;"),
	 "3: services[0].health.jitter: 101 is out of range; allowed: 0 to 100"},
	{SERVICE("agent = { port = 65536; };"),
	 "3: services[0].agent.port: 65536 is out of range; allowed: 0 to 65535"},
	{HEALTH("fail_open = 101;"),
	 "3: services[0].health.fail_open: 101 is out of range; allowed: 0 to 100"},
	{HEALTH("port = 65536;"),
	 "3: services[0].health.port: 65536 is out of range; allowed: 0 to 65535"},
	{"listeners = ( );\nservices = ( );\n", "1: listeners: a list of 0; allowed: 1 to 256"},
};

static const struct refused units[] = {
	{TOP("shutdown_grace = \"30\";"),
	 "1: shutdown_grace: \"30\" has no unit; allowed: " DURATIONS},
	{TOP("shutdown_grace = \"30 s\";"),
	 "1: shutdown_grace: \"30 s\": unknown unit \" s\"; allowed: " DURATIONS},
	{TOP("shutdown_grace = \"30sec\";"),
	 "1: shutdown_grace: \"30sec\": unknown unit \"sec\"; allowed: " DURATIONS},
	{TOP("shutdown_grace = \"1.5s\";"),
	 "1: shutdown_grace: \"1.5s\": unknown unit \".5s\"; allowed: " DURATIONS},
	{TOP("shutdown_grace = \"-1s\";"),
	 "1: shutdown_grace: \"-1s\" does not begin with a number; allowed: " DURATIONS},
	{TOP("shutdown_grace = \"s\";"),
	 "1: shutdown_grace: \"s\" does not begin with a number; allowed: " DURATIONS},
	{TOP("shutdown_grace = \"\";"),
	 "1: shutdown_grace: \"\" does not begin with a number; allowed: " DURATIONS},
	{TOP("shutdown_grace = \"1S\";"),
	 "1: shutdown_grace: \"1S\": unknown unit \"S\"; allowed: " DURATIONS},
	{LIMITS("head = \"8k\";"),
	 "2: listeners[0].limits.head: \"8k\": unknown unit \"k\"; allowed: " SIZES},
	{LIMITS("head = \"8KB\";"),
	 "2: listeners[0].limits.head: \"8KB\": unknown unit \"KB\"; allowed: " SIZES},
	{LIMITS("head = \"\";"),
	 "2: listeners[0].limits.head: \"\" does not begin with a number; allowed: " SIZES},
};

static const struct refused doubles[] = {
	{"listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; },\n"
	 "{ name = \"l\"; bind = \"*:2\"; service = \"s\"; } );\nservices = ( { name = \"s\"; } );\n",
	 "2: listeners[1].name: already the name of listeners[0]"},
	{"listeners = ( { name = \"a\"; bind = \"*:1\"; service = \"s\"; },\n"
	 "{ name = \"b\"; bind = \"[::]:1\"; service = \"s\"; } );\nservices = ( { name = \"s\"; } );\n",
	 "2: listeners[1].bind: already the address of listeners[0]"},
	{SERVICE("}, {\nname = \"s\";"), "4: services[1].name: already the name of services[0]"},
	{SERVICE("}, { name = \"t\"; }, { name = \"s\"; }, {\nname = \"s\";"),
	 "3: services[2].name: already the name of services[0]\n"
	 "4: services[3].name: already the name of services[0]"},
	{BACKENDS("\"h:1\", \"g:1\",\n\"h:1\""),
	 "4: services[0].backends[2].name: already the name of services[0].backends[0]"},
	{BACKENDS("{ name = \"x\"; address = \"h:1\"; },\n{ name = \"x\"; address = \"h:2\"; }"),
	 "4: services[0].backends[1].name: already the name of services[0].backends[0]"},
	{ROUTES("{ host = \"a.b\"; service = \"s\"; },\n{ host = \"A.B.\"; path = \"/\"; service = "
		"\"s\"; }"),
	 "3: listeners[0].routes[1]: already the host, path and alpn of listeners[0].routes[0]"},
	{TOP("workers = 1; workers = 2;"), "1: workers: given twice, first at line 1"},
	{TOP("log = { };\nlog = { };"), "2: log: given twice, first at line 1"},
	{TOP("workers = 1; workers = 2; user = 5; workers:3;"),
	 "1: workers: given twice, first at line 1\n"
	 "1: workers: given twice, first at line 1\n"
	 "1: user: an integer where a string is wanted"},
	{TOP("workers = 1;\n/* workers = 2; */ # workers = 3;\n// workers = 4;\nworkers\n=\n0x5L;"),
	 "4: workers: given twice, first at line 1"},
	{TOP("user = \"a = {\\\" ; workers = 1; b = 1; b = 1\"; user = \"x\"; workers = -1;"),
	 "1: user: given twice, first at line 1\n"
	 "1: workers: -1 is out of range; allowed: 0 to 256\n"
	 "1: user: \"a = {\" ; workers = 1; b = 1; b = 1\" cannot be a user or group"},
	{SERVICE("backends = ( \"a:1\", { address = \"b:1\"; weight = 1;\nweight = 2; } ); },\n"
		 "{ name = \"t\"; health = { type = \"none\"; };\nhealth = { type = \"x\"; };"),
	 "4: services[0].backends[1].weight: given twice, first at line 3\n"
	 "6: services[1].health: given twice, first at line 5"},
	{TOP("nosuch = ( ( { a = 1; }, { a = 1; a = 2; } ) );"),
	 "1: nosuch[0][1].a: given twice, first at line 1\n1: nosuch: unknown key"},
	{TOP("workers = 1; workers = 2; user = ;"),
	 "1: workers: given twice, first at line 1\n"
	 "1: syntax error; look for a missing quote, comma or bracket here or just before"},
	/* the names they get are nobody's */
	{TOP("*twice-1 = 1;"), "1: *twice-1: unknown key"},
	/* an error is one line, whatever the value */
	{SERVICE("}, { name = \"bad\\n\\t\\x7f\";"),
	 "3: services[1].name: bad name \"bad\\n\\x09\\x7f\"; allowed: letters, digits and _ . : -"},
};

static const struct refused missing[] = {
	{"", "1: listeners: missing"},
	{"# nothing\n", "1: listeners: missing"},
	{"services = ( { } );\n", "1: listeners: missing\n1: services[0].name: missing"},
	{"listeners = (\n{ } );\n", "2: listeners[0].name: missing\n2: listeners[0].bind: missing"},
	{"listeners = (\n{ name = \"l\"; } );\n", "2: listeners[0].bind: missing"},
	{LISTENER("mode = \"tcp\";"),
	 "1: listeners[0].service: missing; required with mode = \"tcp\" without "
	 "routes"},
	{ROUTES("\n{ host = \"x\"; }"), "3: listeners[0].routes[0].service: missing"},
	{BACKENDS("{ name = \"x\"; }"), "3: services[0].backends[0].address: missing"},
	{SERVICE("error_pages = ( { file = \"/nowhere\"; } );"),
	 "3: services[0].error_pages[0].status: missing\n"
	 "3: services[0].error_pages[0].file: /nowhere: No such file or directory"},
	{SERVICE("error_pages = ( { status = 503; } );"),
	 "3: services[0].error_pages[0].file: missing"},
};

static const struct refused addresses[] = {
	{"listeners = ( { name = \"l\"; bind = \"80\"; } );\n",
	 "1: listeners[0].bind: \"80\" has no port; allowed: \"host:port\""},
	{"listeners = ( { name = \"l\"; bind = \"localhost:80\"; } );\n",
	 "1: listeners[0].bind: \"localhost\" is a host name; allowed here: a numeric address"},
	{"listeners = ( { name = \"l\"; bind = \"*:0\"; } );\n",
	 "1: listeners[0].bind: bad port \"0\"; allowed: 1 to 65535"},
	{"listeners = ( { name = \"l\"; bind = \"::1:80\"; } );\n",
	 "1: listeners[0].bind: \"::1\" is not an IPv4 address; IPv6 is written \"[::1]:port\""},
	{"listeners = ( { name = \"l\"; bind = \"unix:x.sock\"; } );\n",
	 "1: listeners[0].bind: \"unix:x.sock\" is not an absolute path; allowed: \"unix:/path\""},
	{BACKENDS("\"10.0.0.1\""),
	 "3: services[0].backends[0]: \"10.0.0.1\" has no port; allowed: \"host:port\""},
	{BACKENDS("\"10.0.0.256:80\""),
	 "3: services[0].backends[0]: \"10.0.0.256\" is not an IPv4 address or a host name"},
	{BACKENDS("\"*:80\""),
	 "3: services[0].backends[0]: \"*\" is not an IPv4 address or a host name"},
	{BACKENDS("\"[::1:80\""),
	 "3: services[0].backends[0]: \"[::1:80\" has no \"]\"; allowed: \"[::1]:port\""},
	{BACKENDS("{ address = \"http://x:80\"; }"),
	 "3: services[0].backends[0].address: \"http://x\" is not an IPv4 address or a host name; "
	 "IPv6 is written \"[::1]:port\""},
	{BACKENDS("{ address = \"\"; }"),
	 "3: services[0].backends[0].address: must not be empty"},
	{BACKENDS("\"unix:/a b\""),
	 "3: services[0].backends[0].name: missing; required as the address cannot be a name"},
	{LISTENER("trusted_proxies = ( \"10.0.0.0/8\", \"10.0.0.1/8\" );"),
	 "2: listeners[0].trusted_proxies[1]: \"10.0.0.1/8\" has bits set behind the prefix"},
	{LISTENER("trusted_proxies = [ \"10.0.0.0/33\" ];"),
	 "2: listeners[0].trusted_proxies[0]: \"10.0.0.0/33\" has a bad prefix length; allowed: 0 to "
	 "32"},
	{TOP("resolver = { servers = ( \"ns.example.org\" ); };"),
	 "1: resolver.servers[0]: \"ns.example.org\" has no port; allowed: \"host:port\""},
	{TOP("resolver = { servers = ( \"127.0.0.1\", \"unix:/x\" ); };"),
	 "1: resolver.servers[1]: \"unix:/x\" is a file; allowed: address, or address:port"},
	{LISTENER("trusted_proxies = [ \"proxy\" ];"),
	 "2: listeners[0].trusted_proxies[0]: \"proxy\" is not an address or prefix; allowed: "
	 "\"10.0.0.0/8\", \"192.0.2.1\", \"fd00::/8\""},
};

#define BAD_HOST(x)                                                                         \
	"2: listeners[0].routes[0].host: bad host \"" x "\"; allowed: \"www.example.org\", "  \
	"\"*.example.org\", \"192.0.2.1\", \"[::1]\", all without a port"
#define BAD_STATUSES(x)                                                                      \
	"3: services[0].health.expect: bad statuses \"" x "\"; allowed: numbers from 100 to 599 " \
	"as \"200\", \"200,204\", \"200-399\""

static const struct refused texts[] = {
	{"listeners = ( { name = \"a b\"; bind = \"*:1\"; } );\n",
	 "1: listeners[0].name: bad name \"a b\"; allowed: letters, digits and _ . : -"},
	{"listeners = ( { name = \"a/b\"; bind = \"*:1\"; } );\n",
	 "1: listeners[0].name: bad name \"a/b\"; allowed: letters, digits and _ . : -"},
	{BACKENDS("{ name = \"a b\"; address = \"h:1\"; }"),
	 "3: services[0].backends[0].name: bad name \"a b\"; allowed: letters, digits and _ . : - / "
	 "[ ]"},
	{TOP("user = \"-x\";"), "1: user: \"-x\" cannot be a user or group"},
	{TOP("group = \"a:b\";"), "1: group: \"a:b\" cannot be a user or group"},
	{TOP("admin = { socket = \"a\\nb\"; };"),
	 "1: admin.socket: control characters in the name of a file"},
	{TOP("admin = { http = \"70000\"; };"),
	 "1: admin.http: bad port \"70000\"; allowed: 1 to 65535"},
	{TOP("admin = { http = \"localhost:9100\"; };"),
	 "1: admin.http: \"localhost\" is a host name; allowed here: a numeric address"},
	{ROUTES("{ host = \"*\"; service = \"s\"; }"),
	 "2: listeners[0].routes[0].host: \"*\" is no host; leave the key out for any host"},
	{ROUTES("{ host = \"a:80\"; service = \"s\"; }"), BAD_HOST("a:80")},
	{ROUTES("{ host = \"a*.b\"; service = \"s\"; }"), BAD_HOST("a*.b")},
	{ROUTES("{ host = \"*.*.b\"; service = \"s\"; }"), BAD_HOST("*.*.b")},
	{ROUTES("{ host = \"a..b\"; service = \"s\"; }"), BAD_HOST("a..b")},
	{ROUTES("{ host = \"[::1]:80\"; service = \"s\"; }"), BAD_HOST("[::1]:80")},
	{ROUTES("{ path = \"v1\"; service = \"s\"; }"),
	 "2: listeners[0].routes[0].path: \"v1\" does not begin with \"/\""},
	{ROUTES("{ path = \"/a?b\"; service = \"s\"; }"),
	 "2: listeners[0].routes[0].path: \"/a?b\" can never match: a query or fragment is no part of "
	 "the path"},
	{ROUTES("{ path = \"/%41\"; service = \"s\"; }"),
	 "2: listeners[0].routes[0].path: \"/%41\" can never match: letters, digits and -._~ are "
	 "unescaped before routes are looked up"},
	{ROUTES("{ path = \"/a%7E\"; service = \"s\"; }"),
	 "2: listeners[0].routes[0].path: \"/a%7E\" can never match: letters, digits and -._~ are "
	 "unescaped before routes are looked up"},
	{ROUTES("{ path = \"/a/../b\"; service = \"s\"; }"),
	 "2: listeners[0].routes[0].path: \"/a/../b\" can never match: segments . and .. are resolved "
	 "before routes are looked up"},
	{ROUTES("{ path = \"/a%2f\"; service = \"s\"; }"),
	 "2: listeners[0].routes[0].path: \"/a%2f\" can never match: % is followed by two digits of "
	 "0-9 and A-F"},
	{ROUTES("{ path = \"/a b\"; service = \"s\"; }"),
	 "2: listeners[0].routes[0].path: a path is made of visible ASCII; others are written %XX"},
	{HEALTH("type = \"http\"; path = \"healthz\";"),
	 "3: services[0].health.path: bad path \"healthz\"; allowed: \"/\" followed by visible ASCII "
	 "without \"#\""},
	{HEALTH("type = \"http\"; method = \"G T\";"),
	 "3: services[0].health.method: bad method \"G T\"; allowed: a token as \"GET\" or \"HEAD\""},
	{HEALTH("type = \"http\"; host = \"a\\r\\nb\";"),
	 "3: services[0].health.host: bad host \"a\\x0d\\nb\"; allowed: \"name\" or \"name:port\""},
	{HEALTH("type = \"http\"; expect = \"2xx\";"), BAD_STATUSES("2xx")},
	{HEALTH("type = \"http\"; expect = \"399-200\";"), BAD_STATUSES("399-200")},
	{HEALTH("type = \"http\"; expect = \"200,\";"), BAD_STATUSES("200,")},
	{HEALTH("type = \"http\"; expect = \"099\";"), BAD_STATUSES("099")},
	{SERVICE("error_pages = ( { status = 418; file = \"/nowhere\"; } );"),
	 "3: services[0].error_pages[0].status: no page for 418; allowed: " STATUSES "\n"
	 "3: services[0].error_pages[0].file: /nowhere: No such file or directory"},
	{SERVICE("error_pages = ( { status = 503; file = \"503.html\"; } );"),
	 "3: services[0].error_pages[0].file: a relative name is not allowed here"},
	{SERVICE("error_pages = ( { status = 503; file = \"/proc\"; } );"),
	 "3: services[0].error_pages[0].file: /proc: not a regular file"},
};

static const struct refused mixed[] = {
	{LISTENER("mode = \"tcp\"; service = \"s\"; limits = { head = \"8K\"; };"),
	 "2: listeners[0].limits: only allowed with mode = \"http\""},
	{LISTENER("mode = \"tcp\"; service = \"s\"; timeouts = { request_head = \"1s\"; };"),
	 "2: listeners[0].timeouts.request_head: only allowed with mode = \"http\""},
	{LISTENER("mode = \"tcp\"; service = \"s\"; forwarded = \"off\";"),
	 "2: listeners[0].forwarded: only allowed with mode = \"http\""},
	{HEALTH("type = \"tcp\"; path = \"/\";"),
	 "3: services[0].health.path: only allowed with type = \"http\""},
	{HEALTH("command = ( \"/bin/true\" );"),
	 "3: services[0].health.command: only allowed with type = \"exec\""},
	{HEALTH("type = \"exec\"; path = \"/\"; command = ( \"/bin/true\" );"),
	 "3: services[0].health.path: only allowed with type = \"http\""},
	{HEALTH("type = \"exec\";"), "3: services[0].health.command: missing; required with type = "
				   "\"exec\"; " COMMAND},
	{HEALTH("type = \"exec\"; command = ( );"), "3: services[0].health.command: a list of 0; "
						  "allowed: 1 to 64"},
	{HEALTH("type = \"exec\"; command = ( \"check\" );"),
	 "3: services[0].health.command: \"check\" is not an absolute path; " COMMAND},
	{HEALTH("type = \"exec\"; command = ( \"/bin/check\", 5 );"),
	 "3: services[0].health.command[1]: an integer where a string is wanted"},
	{HEALTH("type = \"exec\"; command = \"/bin/check\";"),
	 "3: services[0].health.command: a string where a list ( ) is wanted"},
	{HEALTH("expect = \"200\";"),
	 "3: services[0].health.expect: only allowed with type = \"http\""},
	{SERVICE("hash_bound = 1.5;"),
	 "3: services[0].hash_bound: only allowed with balance = \"hash\""},
	{SERVICE("balance = \"ewma\"; hash_bound = 1.5;"),
	 "3: services[0].hash_bound: only allowed with balance = \"hash\""},
	{SERVICE("balance = \"least-conn\"; ewma_decay = \"1s\";"),
	 "3: services[0].ewma_decay: only allowed with balance = \"ewma\""},
	{SERVICE("balance = \"hash\"; hash_bound = 0.999;"),
	 "3: services[0].hash_bound: less than the fair share; allowed: 0 or 1.0 to 100.0"},
	{SERVICE("balance = \"hash\"; hash_bound = 100.001;"),
	 "3: services[0].hash_bound: 100.001 is out of range; allowed: 0.0 to 100.0"},
	{SERVICE("balance = \"ewma\"; ewma_decay = \"0\";"),
	 "3: services[0].ewma_decay: 0 is out of range; allowed: 1ms to 1h"},
	{SERVICE("health = { port = 81; }; backends = ( \"h:1\", \"unix:/x\" );"),
	 "3: services[0].health: a port to check, but backends[1] has none"},
	{SERVICE("agent = { port = 81; }; backends = ( \"h:1\", \"unix:/x\" );"),
	 "3: services[0].agent: a port to ask, but backends[1] has none"},
};

static const struct refused syntax[] = {
	{TOP("workers = ;"), "1: syntax error; look for a missing quote, comma or bracket here or just "
			     "before"},
	{"listeners = (\n", "2: syntax error; look for a missing quote, comma or bracket here or just "
			    "before"},
	{"listeners = ( { } { } );\n", "1: syntax error; look for a missing quote, comma or bracket "
				       "here or just before"},
	{"x = \"abc\n", "2: the file ends inside a string"},
	{"/* x\n\n", "3: the file ends inside a comment"},
	{"a = [ 1, \"x\" ];\n", NULL}, /* libconfig's own words */
	{"x = \"a\\x00b\";\n", "1: \\x00 in a string: strings cannot hold a zero byte"},
	{"a = ((((((((((((((((((1))))))))))))))))));\n", "1: nested too deeply; allowed: 16 levels"},
	{"@include \"x.conf\"\n", "1: @include \"x.conf\": a relative name is not allowed here"},
	{"\n@include \"/nowhere/x.conf\"\n",
	 "2: @include \"/nowhere/x.conf\": /nowhere/x.conf: No such file or directory"},
	{"@include \"/proc\"\n", "1: @include \"/proc\": /proc: not a regular file"},
	{"@include \"/dev/zero\"\n", "1: @include \"/dev/zero\": /dev/zero: not a regular file"},
	{"@include \"x\n", "1: @include: the name does not end on its line or is too long"},
	{"a = 1; @include \"x\"\n", "1: syntax error; look for a missing quote, comma or bracket here "
				    "or just before"},
};

static const struct refused variables[] = {
	{TOP("user = \"${TG_TEST_UNSET}\";"), "1: user: environment variable TG_TEST_UNSET is not set; "
					     "give a default with ${TG_TEST_UNSET:-...}"},
	{TOP("user = \"${\";"), "1: user: bad variable \"${\"; allowed: ${NAME}, ${NAME:-default}, and "
			       "$${ for a plain ${"},
	{TOP("user = \"${}\";"), "1: user: bad variable \"${}\"; allowed: ${NAME}, ${NAME:-default}, "
				"and $${ for a plain ${"},
	{TOP("user = \"${1X}\";"), "1: user: bad variable \"${1X}\"; allowed: ${NAME}, "
				  "${NAME:-default}, and $${ for a plain ${"},
	{BACKENDS("\"${TG_TEST_UNSET}:80\""),
	 "3: services[0].backends[0]: environment variable TG_TEST_UNSET is not set; give a default "
	 "with ${TG_TEST_UNSET:-...}"},
	{BACKENDS("\"${TG_TEST_UNSET:-1.2.3}:80\""),
	 "3: services[0].backends[0]: \"1.2.3\" is not an IPv4 address or a host name"},
	{LISTENER("mode = \"${TG_TEST_VALUE}\";"),
	 "2: listeners[0].mode: unknown value \"some value\"; allowed: http, tcp"},
};

static void
check_refused(const struct refused *cases, size_t n)
{
	struct conf_errors errors;
	struct conf *conf;
	char *got;

	for (size_t i = 0; i < n; i++) {
		if (conf_load_text(cases[i].text, strlen(cases[i].text), "t", &conf, &errors) == 0)
			fail_msg("accepted: %s", cases[i].text);
		got = errors_text(&errors);
		if (cases[i].want && strcmp(got, cases[i].want) != 0)
			fail_msg("%s\n--- says\n%s\n--- not\n%s", cases[i].text, got, cases[i].want);
		assert_true(errors.n > 0);
		free(got);
		conf_errors_fini(&errors);
	}
}

#define REFUSED(table)                                                     \
	static void table##_are_refused(void **state)                      \
	{                                                                  \
		(void)state;                                               \
		check_refused(table, sizeof(table) / sizeof((table)[0])); \
	}

REFUSED(types)
REFUSED(unknown)
REFUSED(later)
REFUSED(ranges)
REFUSED(units)
REFUSED(doubles)
REFUSED(missing)
REFUSED(addresses)
REFUSED(texts)
REFUSED(mixed)
REFUSED(syntax)
REFUSED(variables)

struct accepted {
	const char *text;
	const char *want; /* somewhere in conf_print(), without indentation */
};

static const struct accepted accepted[] = {
	{TOP("workers = 3;"), "workers = 3;"},
	{TOP("workers = 256;"), "workers = 256;"},
	{TOP("workers = 0x10;"), "workers = 16;"},
	{TOP("user = \"nobody\"; group = \"nogroup\";"), "user = \"nobody\";\ngroup = \"nogroup\";"},
	{TOP("log = { format = \"json\"; level = \"debug\"; access = \"off\"; file = \"/x\"; };"),
	 "log = {\nformat = \"json\";\nlevel = \"debug\";\naccess = \"off\";\nfile = \"/x\";\n};"},
	{TOP("admin = { socket = \"/run/x\"; };"), "admin = {\nsocket = \"/run/x\";\nsockets = ( );\n};"},
	{TOP("admin = { http = \"9100\"; };"), "admin = {\nsockets = ( );\nhttp = \"9100\";\n};"},
	{TOP("resolver = { servers = ( ); };"), "resolver = {\nservers = ( );\n};"},
	{TOP("resolver = { servers = ( \"127.0.0.1:5353\", \"192.0.2.1\", \"::1\", \"[::1]:54\" ); };"),
	 "servers = ( \"127.0.0.1:5353\", \"192.0.2.1:53\", \"[::1]:53\", \"[::1]:54\" );"},
	{TOP("max_connections = 9000;"), "max_connections = 9000;"},
	{TOP("shutdown_grace = \"0\";"), "shutdown_grace = \"0\";"},
	{TOP("shutdown_grace = \"90000ms\";"), "shutdown_grace = \"90s\";"},
	{TOP("shutdown_grace = \"24h\";"), "shutdown_grace = \"1d\";"},
	{TOP("shutdown_grace = \"${TG_TEST_UNSET:-5}s\";"), "shutdown_grace = \"5s\";"},
	{TOP("log = { file = \"${TG_TEST_VALUE}\"; };"), "file = \"some value\";"},
	{TOP("log = { file = \"$${X} $ $$ $$${Y\"; };"), "file = \"$${X} $ $$ $$${Y\";"},
	{TOP("log = { file = \"a\\\"b\\\\c\" \"d\"; };"), "file = \"a\\\"b\\\\cd\";"},
	{TOP("log = { file = \"\xc3\xa4\"; };"), "file = \"\xc3\xa4\";"},
	{LISTENER("mode = \"tcp\"; service = \"s\";"),
	 "mode = \"tcp\";\nmax_connections = 0;\nbacklog = 4096;\nbuffer = \"512K\";\n"
	 "tcp_keepalive = \"0\";\ntcp_user_timeout = \"0\";\naccept_proxy = false;\n"
	 "timeouts = {\nidle = \"1h\";\ntls_handshake = \"10s\";\nproxy_header = \"5s\";\n};\ntls = {\ncertificates = ( );\n};\nroutes = ( );\n"
	 "service = \"s\";\npriority = \"normal\";"},
	{LISTENER("service = \"s\";"), "idle = \"1m\";"},
	{LISTENER("mode = \"tcp\"; service = \"s\"; timeouts = { idle = \"5s\"; };"),
	 "idle = \"5s\";"},
	{LISTENER("trusted_proxies = ( );"), "trusted_proxies = ( );"},
	{LISTENER("trusted_proxies = [ \"10.0.0.0/8\", \"::1\", \"fd00::/8\", \"0.0.0.0/0\", \"::/0\" "
		  "];"),
	 "trusted_proxies = ( \"10.0.0.0/8\", \"::1/128\", \"fd00::/8\", \"0.0.0.0/0\", \"::/0\" );"},
	{LISTENER("forwarded = \"replace\";"), "forwarded = \"replace\";"},
	{LIMITS("head = 2048; uri = \"4K\"; body = 0; headers = 7;"),
	 "limits = {\nhead = \"2K\";\nheaders = 7;\nuri = \"4K\";\nbody = \"0\";\n"
	 "chunk_extensions = \"256\";\n};"},
	{LIMITS("body = \"16G\";"), "body = \"16G\";"},
	{LIMITS("body = 5000000000;"), "body = \"5000000000\";"},
	{ROUTES("{ host = \"[::1]\"; path = \"/a%2F~\"; service = \"s\"; }"),
	 "{ host = \"[::1]\"; path = \"/a%2F~\"; service = \"s\"; priority = \"normal\"; }\n"},
	{ROUTES("{ path = \"/a\"; service = \"s\"; priority = \"high\"; }"), "priority = \"high\"; }"},
	{LISTENER("service = \"s\"; priority = \"low\";"), "priority = \"low\";"},
	{SERVICE("balance = \"hash\";"), "hash_on = \"source\";"},
	{SERVICE("outlier = { consecutive = 5; success_rate = 1.9; latency = 3; };"),
	 "outlier = {\nconsecutive = 5;\nconnects = 3;\nsuccess_rate = 1.9;\nlatency = 3.0;\n"
	 "requests = 100;\ninterval = \"10s\";\nbase_ejection = \"30s\";\n"
	 "connect_ejection = \"1s\";\nmax_ejected = 50;\n};"},
	{SERVICE("slow_start = \"30s\";"), "slow_start = \"30s\";"},
	{SERVICE(""), "hold = {\nrequests = 0;\ntimeout = \"30s\";\n};"},
	{SERVICE("hold = { requests = 7; timeout = \"1m\"; };"),
	 "hold = {\nrequests = 7;\ntimeout = \"1m\";\n};"},
	{SERVICE("balance = \"hash\"; hash_on = \"header:X-User\";"), "hash_on = \"header:X-User\";"},
	{SERVICE("max_connections_per_backend = 64; queue = 0;"),
	 "max_connections_per_backend = 64;\nqueue = 0;"},
	{SERVICE(""), "retry = {\nattempts = 2;\non = ( \"connect\", \"empty-response\", "
		      "\"response-timeout\" );\nbudget = 0.2;\nbackoff = \"50ms\";\n"
		      "idempotency_key = false;\n};"},
	{SERVICE("retry = { attempts = 0; on = ( ); budget = 0; backoff = \"0\"; };"),
	 "attempts = 0;\non = ( );\nbudget = 0.0;\nbackoff = \"0\";"},
	{SERVICE("retry = { on = [ \"503\", \"429\", \"connect\" ]; budget = 0.125; };"),
	 "on = ( \"503\", \"429\", \"connect\" );\nbudget = 0.125;"},
	{SERVICE("retry = { budget = 10.0; };"), "budget = 10.0;"},
	{SERVICE("timeouts = { queue = \"250ms\"; };"), "queue = \"250ms\";"},
	{SERVICE("timeouts = { tunnel_max = \"8h\"; };"), "tunnel_max = \"8h\";"},
	{SERVICE("expect = \"answer\"; tcp_keepalive = \"60s\";"),
	 "expect = \"answer\";\ntcp_keepalive = \"1m\";\ntcp_user_timeout = \"0\";"},
	{LISTENER("service = \"s\"; tcp_user_timeout = \"1500ms\";"),
	 "tcp_keepalive = \"0\";\ntcp_user_timeout = \"1500ms\";"},
	{SERVICE("buffer_request = { memory = \"64K\"; file = \"1G\"; };"),
	 "buffer_request = {\nmemory = \"64K\";\nfile = \"1G\";\n};"},
	{SERVICE("buffer_response = { memory = \"64K\"; hold = \"0\"; };"),
	 "buffer_response = {\nmemory = \"64K\";\nfile = \"0\";\nhold = \"0\";\n};"},
	{TOP("buffer_folder = \"/x\";"), "buffer_folder = \"/x\";"},
	{TOP("buffer_memory = \"64M\";"), "buffer_memory = \"64M\";"},
	{ROUTES("{ host = \"*.EXAMPLE.org.\"; service = \"s\"; }"), "host = \"*.example.org\";"},
	{SERVICE("balance = \"least-conn\";"), "balance = \"least-conn\";\nhealth"},
	{SERVICE("balance = \"p2c\";"), "balance = \"p2c\";\nhealth"},
	{SERVICE("balance = \"first\";"), "balance = \"first\";\nhealth"},
	{SERVICE("balance = \"random\";"), "balance = \"random\";\nhealth"},
	{SERVICE("balance = \"hash\";"), "balance = \"hash\";\nhash_on = \"source\";\nhash_bound = 1.25;\nhealth"},
	{SERVICE("balance = \"hash\"; hash_bound = 0;"), "hash_bound = 0.0;"},
	{SERVICE("balance = \"hash\"; hash_bound = 1;"), "hash_bound = 1.0;"},
	{SERVICE("hash_bound = 2.5; balance = \"hash\";"), "hash_bound = 2.5;"},
	{SERVICE("balance = \"ewma\";"), "balance = \"ewma\";\newma_decay = \"10s\";\nhealth"},
	{SERVICE("balance = \"ewma\"; ewma_decay = \"500ms\";"), "ewma_decay = \"500ms\";"},
	{SERVICE("backends = ( );"), "backends = ( );"},
	{SERVICE("backends = [ \"h:1\", \"g:2\" ];"),
	 "{ name = \"h:1\"; address = \"h:1\"; slots = 1; weight = 1; backup = false; tier = 0; "
	 "max_connections = 0; },\n{ name = \"g:2\"; address = \"g:2\";"},
	{BACKENDS("\"unix:/run/x.sock\""), "name = \"unix:/run/x.sock\";"},
	{BACKENDS("{ name = \"b\"; address = \"Host.Example:1\"; weight = 0; backup = true; }"),
	 "{ name = \"b\"; address = \"Host.Example:1\"; slots = 1; weight = 0; backup = true; "
	 "tier = 1; max_connections = 0; }"},
	{BACKENDS("{ address = \"h:1\"; tier = 3; }"), "backup = true; tier = 3;"},
	{BACKENDS("{ address = \"h:1\"; max_connections = 7; }"), "max_connections = 7; }"},
	{BACKENDS("{ name = \"a\"; address = \"h:1\"; }, { name = \"b\"; address = \"h:1\"; }"),
	 "name = \"b\"; address = \"h:1\";"},
	{SERVICE(""), "health = {\ntype = \"tcp\";\ninterval = \"2s\";\ninterval_fast = \"2s\";\n"
		      "interval_down = \"250ms\";\ntimeout = \"1s\";\nrise = 2;\n"
		      "fall = 3;\njitter = 10;\nport = 0;\nkeep = false;\nplain = false;\nfail_open = 0;\nshare = \"off\";\n};"},
	{HEALTH("interval = \"8s\";"), "interval_fast = \"8s\";\ninterval_down = \"1s\";"},
	{HEALTH("interval_fast = \"1s\"; interval_down = \"30s\";"),
	 "interval_fast = \"1s\";\ninterval_down = \"30s\";"},
	{HEALTH("type = \"none\";"), "type = \"none\";"},
	{HEALTH("type = \"http\"; body = \"o\\\"k\\n\"; host = \"h:1\"; port = 81;"),
	 "method = \"GET\";\npath = \"/\";\nhost = \"h:1\";\nexpect = \"200-399\";\n"
	 "body = \"o\\\"k\\x0a\";\nport = 81;"},
	{HEALTH("type = \"http\"; expect = \"200, 204,300-399\"; path = \"/x?y=z\";"),
	 "path = \"/x?y=z\";\nexpect = \"200, 204,300-399\";"},
	{HEALTH("type = \"exec\"; command = ( \"/bin/check\", \"\", \"a b\" );"),
	 "command = ( \"/bin/check\", \"\", \"a b\" );"},
	{SERVICE("agent = { port = 81; send = \"hi\\n\"; };"),
	 "agent = {\nport = 81;\ninterval = \"2s\";\ntimeout = \"1s\";\nsend = \"hi\\x0a\";\nlapse = \"0\";\n};"},
	{SERVICE("timeouts = { total = \"1m\"; keep_alive = \"5s\"; };"),
	 "timeouts = {\nconnect = \"1s\";\nresponse = \"1m\";\nidle = \"1m\";\ntunnel = \"1h\";\ntunnel_max = \"0\";\n"
	 "total = \"1m\";\nkeep_alive = \"5s\";\nqueue = \"5s\";\n};\nretry = {"},
	{TOP("// c\n/* { ( \" */ # \"\n"), "workers = "},
	/* a service nobody uses, a listener without anybody */
	{"listeners = ( { name = \"l\"; bind = \"*:1\"; } );\nservices = ( { name = \"s\"; } );\n",
	 "routes = ( );\npriority = \"normal\";\n}\n);"},
	{"listeners = ( { name = \"l\"; bind = \"*:1\"; } );\n", "services = ( );"},
};

static void
drop_tabs(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text != '\t')
			*to++ = *text;
	}
	*to = '\0';
}

static void
good_texts_are_accepted_and_print_the_same_again(void **state)
{
	struct conf_errors errors;
	struct conf *conf;
	struct conf *again;
	char *text;
	char *second;

	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		const struct accepted *c = &accepted[i];

		if (conf_load_text(c->text, strlen(c->text), "t", &conf, &errors) < 0)
			fail_msg("%s\n--- says\n%s", c->text, errors_text(&errors));
		text = conf_text(conf);
		if (conf_load_text(text, strlen(text), "t", &again, &errors) < 0)
			fail_msg("%s\n--- says\n%s", text, errors_text(&errors));
		second = conf_text(again);
		assert_string_equal(text, second);
		drop_tabs(text);
		if (c->want && !strstr(text, c->want))
			fail_msg("no %s\n--- in\n%s", c->want, text);
		conf_unref(conf);
		conf_unref(again);
		free(text);
		free(second);
	}
}

static void
defaults_are_those_of_the_contract(void **state)
{
	const char *text = SERVICE("backends = ( \"10.0.0.1:80\" );");
	const struct conf_listener *l;
	const struct conf_service *s;
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	assert_int_equal(conf_load_text(text, strlen(text), "t", &conf, &errors), 0);
	l = &conf->listeners[0];
	s = &conf->services[0];
	assert_in_range(conf->workers, 1, 256);
	assert_null(conf->user);
	assert_null(conf->log.file);
	assert_null(conf->admin.socket);
	assert_null(conf->admin.http);
	assert_int_equal(conf->admin.n_controls, 0);
	assert_int_equal(conf->log.level, TG_LOG_INFO);
	assert_int_equal(conf->log.access, TG_ACCESS_TEXT);
	assert_int_equal(conf->shutdown_grace_ms, 30000);
	assert_int_equal(l->backlog, 4096);
	assert_int_equal(l->buffer_bytes, 524288);
	assert_int_equal(l->mode, TG_MODE_HTTP);
	assert_int_equal(l->forwarded, TG_FORWARDED_APPEND);
	assert_int_equal(l->bind.kind, TG_ENDPOINT_ADDR);
	assert_int_equal(addr_port(&l->bind.addr), 1);
	assert_int_equal(l->limits.head_bytes, 32768);
	assert_int_equal(l->limits.headers, 100);
	assert_int_equal(l->limits.uri_bytes, 8192);
	assert_int_equal(l->limits.body_bytes, 1048576);
	assert_int_equal(l->limits.chunk_extension_bytes, 256);
	assert_int_equal(l->timeouts.request_head_ms, 10000);
	assert_int_equal(l->timeouts.request_body_ms, 60000);
	assert_int_equal(l->timeouts.keep_alive_ms, 75000);
	assert_int_equal(l->timeouts.idle_ms, 60000);
	assert_ptr_equal(l->service, s);
	assert_int_equal(s->balance, TG_BALANCE_ROUND_ROBIN);
	assert_int_equal(s->hash_bound_permille, 1250);
	assert_int_equal(s->ewma_decay_ms, 10000);
	assert_int_equal(s->idle_connections, 1024);
	assert_int_equal(s->idle_lifetime_ms, 30000);
	assert_int_equal(s->timeouts.connect_ms, 1000);
	assert_int_equal(s->timeouts.response_ms, 60000);
	assert_int_equal(s->timeouts.idle_ms, 60000);
	assert_int_equal(s->timeouts.tunnel_ms, 3600000);
	assert_int_equal(s->timeouts.total_ms, 0);
	assert_int_equal(s->timeouts.tunnel_max_ms, 0);
	assert_int_equal(s->expect, TG_EXPECT_FORWARD);
	assert_int_equal(s->tcp.keepalive_ms | s->tcp.user_timeout_ms, 0);
	assert_int_equal(l->tcp.keepalive_ms | l->tcp.user_timeout_ms, 0);
	assert_int_equal(s->buffer_request.memory_bytes | s->buffer_request.file_bytes, 0);
	assert_int_equal(s->buffer_response.memory_bytes | s->buffer_response.file_bytes, 0);
	assert_int_equal(s->buffer_response.hold_ms, 1000);
	assert_int_equal(conf->buffer_folder[0], '/');
	assert_int_equal(conf->buffer_memory, 256 << 20);
	assert_int_equal(s->health.type, TG_HEALTH_TCP);
	assert_int_equal(s->health.interval_ms, 2000);
	assert_int_equal(s->health.interval_fast_ms, 2000);
	assert_int_equal(s->health.interval_down_ms, 250);
	assert_int_equal(s->health.n_expect_ranges, 1);
	assert_int_equal(s->health.expect_ranges[0][0], 200);
	assert_int_equal(s->health.expect_ranges[0][1], 399);
	assert_int_equal(s->backends[0].weight, 1);
	assert_false(s->backends[0].backup);
	assert_string_equal(s->backends[0].name, "10.0.0.1:80");
	conf_unref(conf);
}

static void
things_know_their_index(void **state)
{
	const char *text = "listeners = ( { name = \"a\"; bind = \"*:1\"; }, { name = \"b\"; bind = "
			   "\"*:2\"; service = \"y\"; } );\n"
			   "services = ( { name = \"x\"; }, { name = \"y\"; backends = ( \"h:1\", "
			   "\"h:2\" ); } );\n";
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	assert_int_equal(conf_load_text(text, strlen(text), "t", &conf, &errors), 0);
	assert_int_equal(conf->listeners[1].index, 1);
	assert_int_equal(conf->services[1].index, 1);
	assert_int_equal(conf->services[1].backends[1].index, 1);
	assert_ptr_equal(conf->listeners[1].service, &conf->services[1]);
	assert_null(conf->listeners[0].service);
	conf_unref(conf);
}

static void
all_errors_come_in_file_order(void **state)
{
	const char *text = "services = ( { name = \"s\"; balance = \"x\"; } );\n"
			   "listeners = (\n"
			   "{ service = \"t\";\n"
			   "bind = \"1\"; } );\n"
			   "workers = -1;\n"
			   "nonsense = 1;\n";

	(void)state;
	check_refused(
		&(struct refused){text,
				  "1: services[0].balance: unknown value \"x\"; allowed: round-robin, "
				  "least-conn, p2c, hash, ewma, first, random\n"
				  "3: listeners[0].name: missing\n"
				  "3: listeners[0].service: unknown service \"t\" (did you mean \"s\"?)\n"
				  "4: listeners[0].bind: \"1\" has no port; allowed: \"host:port\"\n"
				  "5: workers: -1 is out of range; allowed: 0 to 256\n"
				  "6: nonsense: unknown key"},
		1);
}

/* `n` times `one`, between `before` and `after`. */
static char *
repeat(const char *before, const char *one, size_t n, const char *after)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs(before, out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s%s", i > 0 ? "," : "", one);
	fputs(after, out);
	fclose(out);
	return text;
}

static void
bounds_are_held(void **state)
{
	static const struct {
		const char *before, *one;
		size_t n;
		const char *after, *want;
	} cases[] = {
		{"listeners = (", "{ }", 257, ");", "1: listeners: a list of 257; allowed: 1 to 256"},
		{"listeners = ( { name = \"l\"; bind = \"*:1\"; routes = (", "{ }", 4097, "); } );",
		 "1: listeners[0].routes: a list of 4097; allowed: 0 to 4096"},
		{"listeners = ( { name = \"l\"; bind = \"*:1\"; } ); services = (", "{ }", 4097, ");",
		 "1: services: a list of 4097; allowed: 0 to 4096"},
		{SERVICE("backends = ("), "\"h:1\"", 10001, "); } );",
		 NULL},
		{"listeners = ( { name = \"l\"; bind = \"*:1\"; } ); services = ( { name = \"s\"; "
		 "backends = (", "\"h:1\"", 10001, "); } );",
		 "1: services[0].backends: a list of 10001; allowed: 0 to 10000"},
		{"listeners = ( { name = \"l\"; bind = \"*:1\"; } ); user = \"", "aaaaaaa", 200, "\";",
		 "1: user: longer than 64 bytes"},
		{"log = {", "a = 1", 1001, "};", "1: too many settings in one group; allowed: 1000"},
	};
	char *text;
	char *one;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text = repeat(cases[i].before, cases[i].one, cases[i].n, cases[i].after);
		check_refused(&(struct refused){text, cases[i].want}, 1);
		free(text);
	}
	one = repeat("", "0123456789abcde", 1 << 10, "");
	text = repeat("#", one, 1 << 10, "\n");
	check_refused(&(struct refused){text, "1: the configuration is larger than 16777216 bytes"}, 1);
	free(text);
	free(one);
}

static void
a_flood_of_errors_is_counted(void **state)
{
	char *text = repeat("listeners = ( { name = \"l\"; bind = \"*:1\"; routes = (\n", "{\n}", 1500,
			    "); } );");
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	assert_int_equal(conf_load_text(text, strlen(text), "t", &conf, &errors), -TG_EINVAL);
	assert_int_equal(errors.n, 1001);
	assert_string_equal(errors.list[0].text, "t:2: listeners[0].routes[0].service: missing");
	assert_string_equal(errors.list[1000].text, "t: 500 more errors");
	conf_errors_fini(&errors);
	free(text);
}

static int
set_environment(void **state)
{
	(void)state;
	unsetenv("TG_TEST_UNSET");
	return setenv("TG_TEST_VALUE", "some value", 1);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_are_refused),
		cmocka_unit_test(unknown_are_refused),
		cmocka_unit_test(later_are_refused),
		cmocka_unit_test(ranges_are_refused),
		cmocka_unit_test(units_are_refused),
		cmocka_unit_test(doubles_are_refused),
		cmocka_unit_test(missing_are_refused),
		cmocka_unit_test(addresses_are_refused),
		cmocka_unit_test(texts_are_refused),
		cmocka_unit_test(mixed_are_refused),
		cmocka_unit_test(syntax_are_refused),
		cmocka_unit_test(variables_are_refused),
		cmocka_unit_test(good_texts_are_accepted_and_print_the_same_again),
		cmocka_unit_test(defaults_are_those_of_the_contract),
		cmocka_unit_test(things_know_their_index),
		cmocka_unit_test(all_errors_come_in_file_order),
		cmocka_unit_test(bounds_are_held),
		cmocka_unit_test(a_flood_of_errors_is_counted),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_environment, NULL);
}
