/*
 * conf/schema_back_http2.c: the rows of HTTP/2 to backends.
 */
#include "conf/schema_priv.h"

static const struct conf_field back_http2_fields[] = {
	TG_HTTP2_STREAMS("Requests on one connection at a time; fewer where the backend says so. When all "
			 "connections of a worker to a backend are full another one is made."),
	TG_HTTP2_WINDOW("Bytes of the body of one answer that a backend may send before the client has "
			"taken them."),
	TG_HTTP2_CONNECTION_WINDOW(
		"8M", "The same of all answers of one connection together: so much memory it fills when "
		      "clients take nothing. Where it is less than max_streams windows of one, clients "
		      "that take nothing can make others wait."),
	{.key = NULL},
};

const struct conf_schema conf_schema_back_http2 = {
	.title = "HTTP/2 to backends",
	.help = "A worker makes a connection to a backend when a request needs one and those there are are full; they "
		"stay as timeouts.keep_alive and idle_connections say. A backend that says that it goes (GOAWAY) "
		"gets no more requests on that connection; what it has not looked at is sent once more, of any method.",
	.fields = back_http2_fields,
};
