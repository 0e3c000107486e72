#include "provider/call.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/container.h"
#include "provider/call_files.h"
#include "provider/libcurl.h"

#define CONNECT_MS  10000L /* as others have it for a handshake: net/http of Go, which the docker client is made with */
#define HEADERS_MAX (64u << 10)
#define FIRST_BYTES 4096u

/* One socket that libcurl waits for. */
struct socket {
	struct deferred deferred;
	struct watch reading;
	struct watch writing;
	struct caller *caller;
	curl_socket_t fd;
};

struct call {
	TAILQ_ENTRY(call) link;
	struct caller *caller;
	CURL *easy;
	struct curl_slist *headers;
	struct call_files *files; /* of its connection; NULL: without, or libcurl is to say why not */
	void (*piece)(void *user, const char *bytes, size_t n);
	void (*ended)(void *user, const struct call_end *end);
	void *user;
	size_t answer_max;
	const char *field_name; /* NULL: none */
	char field[TG_CALL_FIELD];
	size_t headers_n;
	char *bytes; /* of the answer; of a stream: not told yet */
	size_t n;
	size_t room;
	int rc; /* why we ended it; 0: we did not */
	bool is_apart;
	bool is_running;
	bool has_ended;
	CURLcode result; /* has_ended */
	char error[CURL_ERROR_SIZE];
};

TAILQ_HEAD(call_list, call);

struct caller {
	struct loop *loop;
	struct libcurl lib;
	CURLM *multi;
	char *url; /* "http://host:port" */
	char *socket;
	char *ca;
	char *certificate;
	char *key;
	struct call_files *files; /* as of the last call; NULL: none, or they could not be read */
	struct curl_slist *resolve; /* the host's address */
	unsigned running_max;
	unsigned n_running;
	unsigned n_apart; /* not among these */
	unsigned n_waiting;
	struct call_list waiting;
	struct call_list running;
	struct timer timer;
	struct watch soon;
	int soon_fd;
	bool is_due; /* libcurl wants to be called in the next turn */
};

static void pump(struct caller *c);

/*** libcurl's sockets and time ***/

static void
act(struct caller *c, curl_socket_t fd, int what)
{
	int n;

	c->lib.multi_socket_action(c->multi, fd, what, &n);
	pump(c);
}

static void
on_readable(struct watch *w, unsigned what)
{
	struct socket *s = TG_CONTAINER(w, struct socket, reading);

	(void)what;
	act(s->caller, s->fd, CURL_CSELECT_IN);
}

static void
on_writable(struct watch *w, unsigned what)
{
	struct socket *s = TG_CONTAINER(w, struct socket, writing);

	(void)what;
	act(s->caller, s->fd, CURL_CSELECT_OUT);
}

static void
free_socket(struct deferred *d)
{
	free(TG_CONTAINER(d, struct socket, deferred));
}

static struct socket *
find_socket(struct caller *c, curl_socket_t fd, struct socket *known)
{
	struct socket *s = known != NULL ? known : calloc(1, sizeof(*s));

	if (s == NULL || known != NULL)
		return s;
	s->caller = c;
	s->fd = fd;
	c->lib.multi_assign(c->multi, fd, s);
	return s;
}

static bool
want(struct loop *loop, struct watch *w, bool is_wanted, curl_socket_t fd, watch_cb *cb,
     int (*start)(struct loop *loop, struct watch *w, int fd, watch_cb *cb))
{
	if (is_wanted == (w->cb != NULL))
		return true;
	if (is_wanted)
		return start(loop, w, fd, cb) == 0;
	watch_stop(loop, w);
	return true;
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
	struct caller *c = user;
	struct socket *s = what != CURL_POLL_REMOVE ? find_socket(c, fd, known) : known;
	bool reads = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
	bool writes = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;

	(void)easy;
	if (s == NULL)
		return what == CURL_POLL_REMOVE ? 0 : -1;
	if (!want(c->loop, &s->reading, reads, fd, on_readable, watch_start_level) ||
	    !want(c->loop, &s->writing, writes, fd, on_writable, watch_start_level_write))
		return -1;
	if (what == CURL_POLL_REMOVE) {
		c->lib.multi_assign(c->multi, fd, NULL);
		loop_defer(c->loop, &s->deferred, free_socket);
	}
	return 0;
}

static int
on_time(CURLM *multi, long ms, void *user)
{
	struct caller *c = user;

	(void)multi;
	c->is_due = ms == 0;
	if (ms == 0)
		watch_again(c->loop, &c->soon);
	if (ms > 0)
		timer_set(c->loop, &c->timer, mono_add_ms(loop_now(c->loop), (uint64_t)ms));
	else
		timer_clear(&c->timer);
	return 0;
}

static void
on_timer(struct timer *t)
{
	act(TG_CONTAINER(t, struct caller, timer), CURL_SOCKET_TIMEOUT, 0);
}

static void
on_soon(struct watch *w, unsigned what)
{
	struct caller *c = TG_CONTAINER(w, struct caller, soon);

	(void)what;
	if (c->is_due) {
		c->is_due = false;
		act(c, CURL_SOCKET_TIMEOUT, 0);
	} else {
		pump(c);
	}
}

/*** The answer ***/

static bool
make_room(struct call *call, size_t n)
{
	size_t room = call->room > 0 ? call->room : FIRST_BYTES;
	char *bytes;

	while (room < n + 1)
		room *= 2;
	if (room == call->room)
		return true;
	bytes = realloc(call->bytes, room);
	if (bytes == NULL)
		return false;
	call->bytes = bytes;
	call->room = room;
	return true;
}

static size_t
on_bytes(char *bytes, size_t size, size_t count, void *user)
{
	struct call *call = user;
	size_t n = size * count;

	if (n > call->answer_max - call->n)
		call->rc = -TG_ELIMIT;
	else if (!make_room(call, call->n + n))
		call->rc = -TG_ENOMEM;
	if (call->rc < 0)
		return 0;
	memcpy(call->bytes + call->n, bytes, n);
	call->n += n;
	return n;
}

/* A whole line, with its end. */
static void
take_field(struct call *call, const char *line, size_t n)
{
	size_t at = strlen(call->field_name);

	if (n <= at || line[at] != ':' || strncasecmp(line, call->field_name, at) != 0)
		return;
	for (at++; at < n && (line[at] == ' ' || line[at] == '\t');)
		at++;
	while (n > at && isspace((unsigned char)line[n - 1]))
		n--;
	call->field[0] = '\0';
	if (n - at >= sizeof(call->field))
		return;
	memcpy(call->field, line + at, n - at);
	call->field[n - at] = '\0';
}

static size_t
on_header(char *bytes, size_t size, size_t count, void *user)
{
	struct call *call = user;

	call->headers_n += size * count;
	if (call->field_name != NULL)
		take_field(call, bytes, size * count);
	if (call->headers_n <= HEADERS_MAX)
		return size * count;
	call->rc = -TG_ELIMIT;
	return 0;
}

/*** Requests ***/

static unsigned *
count_of(struct call *call)
{
	return call->is_apart ? &call->caller->n_apart : &call->caller->n_running;
}

static void
detach(struct call *call)
{
	struct caller *c = call->caller;

	if (!call->is_running) {
		TAILQ_REMOVE(&c->waiting, call, link);
		c->n_waiting--;
		return;
	}
	TAILQ_REMOVE(&c->running, call, link);
	*count_of(call) -= 1;
	c->lib.multi_remove_handle(c->multi, call->easy);
}

static void
free_call(struct call *call)
{
	if (call->easy != NULL)
		call->caller->lib.easy_cleanup(call->easy);
	call->caller->lib.slist_free_all(call->headers);
	call_files_drop(call->files);
	free(call->bytes);
	free(call);
}

static unsigned
status_of(const struct call *call)
{
	long status = 0;

	call->caller->lib.easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	return status > 0 ? (unsigned)status : 0;
}

static const char *
why_of(const struct call *call)
{
	if (call->rc == -TG_ENOMEM)
		return "no memory";
	if (call->rc == -TG_ELIMIT)
		return "its answer is too long";
	return call->error[0] != '\0' ? call->error : call->caller->lib.easy_strerror(call->result);
}

/* Its last words; it is freed. */
static void
finish(struct call *call)
{
	struct call_end end = {.body = "", .why = "", .field = call->field};

	if (call->result == CURLE_OK) {
		end.status = status_of(call);
		if (call->n > 0) {
			call->bytes[call->n] = '\0';
			end.body = call->bytes;
			end.n = call->n;
		}
	} else {
		end.rc = call->rc < 0 ? call->rc : -TG_EIO;
		end.why = why_of(call);
	}
	detach(call);
	call->ended(call->user, &end);
	free_call(call);
}

static void
take_results(struct caller *c)
{
	const CURLMsg *message;
	struct call *call;
	int n;

	while ((message = c->lib.multi_info_read(c->multi, &n)) != NULL) {
		if (message->msg != CURLMSG_DONE ||
		    c->lib.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call) != CURLE_OK)
			continue;
		call->has_ended = true;
		call->result = message->data.result;
	}
}

static bool
has_piece(const struct call *call)
{
	return call->piece != NULL && call->n > 0 && status_of(call) / 100 == 2;
}

static struct call *
find_told(const struct caller *c, bool is_end)
{
	struct call *call;

	TAILQ_FOREACH(call, &c->running, link) {
		if (is_end ? call->has_ended : has_piece(call))
			return call;
	}
	return NULL;
}

/* It may be cancelled meanwhile. */
static void
tell_piece(struct call *call)
{
	char *bytes = call->bytes;
	size_t n = call->n;

	call->bytes = NULL;
	call->n = 0;
	call->room = 0;
	call->piece(call->user, bytes, n);
	free(bytes);
}

static void
begin(struct call *call)
{
	struct caller *c = call->caller;

	TAILQ_REMOVE(&c->waiting, call, link);
	c->n_waiting--;
	call->is_running = true;
	*count_of(call) += 1;
	TAILQ_INSERT_TAIL(&c->running, call, link);
	if (c->lib.multi_add_handle(c->multi, call->easy) == CURLM_OK)
		return;
	call->rc = -TG_ENOMEM;
	call->result = CURLE_OUT_OF_MEMORY;
	call->has_ended = true;
}

static struct call *
find_next(const struct caller *c)
{
	struct call *call;

	TAILQ_FOREACH(call, &c->waiting, link) {
		if (call->is_apart ? c->n_apart < TG_CALLS_APART_MAX
				   : c->n_running < c->running_max)
			return call;
	}
	return NULL;
}

/* Tells what has come, and begins what can. Outside of libcurl: callbacks may start and cancel. */
static void
pump(struct caller *c)
{
	struct call *call;

	take_results(c);
	while ((call = find_told(c, false)) != NULL)
		tell_piece(call);
	while ((call = find_told(c, true)) != NULL)
		finish(call);
	while ((call = find_next(c)) != NULL)
		begin(call);
	if (find_told(c, true) != NULL)
		watch_again(c->loop, &c->soon);
}

static bool
set_body(struct call *call, const struct call_order *order)
{
	const struct libcurl *lib = &call->caller->lib;
	CURL *easy = call->easy;

	if (order->body == NULL)
		return lib->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, order->method) == CURLE_OK &&
		       (strcmp(order->method, "POST") != 0 ||
			(lib->easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
			 lib->easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L) == CURLE_OK &&
			 lib->easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, "") == CURLE_OK));
	return lib->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, order->method) == CURLE_OK &&
	       lib->easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(order->body)) ==
		       CURLE_OK &&
	       lib->easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, order->body) == CURLE_OK;
}

static bool
add_header(struct call *call, const char *line)
{
	struct curl_slist *list = call->caller->lib.slist_append(call->headers, line);

	if (list != NULL)
		call->headers = list;
	return list != NULL;
}

/* As of now. */
static void
take_files(struct call *call)
{
	struct caller *c = call->caller;
	const char *const paths[CALL_FILES] = {c->ca, c->certificate, c->key};

	if (c->ca == NULL && c->certificate == NULL && c->key == NULL)
		return;
	call->files = call_files_look(c->files, paths);
	if (call->files == c->files)
		return;
	call_files_drop(c->files);
	c->files = call->files != NULL ? call_files_look(call->files, paths) : NULL;
}

/* By name where they cannot be read: libcurl says so then. */
static CURLcode
set_file(const struct call *call, enum call_file which, const char *path, CURLoption name,
	 CURLoption blob)
{
	const struct libcurl *lib = &call->caller->lib;
	struct curl_blob b = {.flags = CURL_BLOB_NOCOPY};

	if (path == NULL)
		return CURLE_OK;
	if (call->files == NULL)
		return lib->easy_setopt(call->easy, name, path);
	b.data = (char *)(uintptr_t)call_files_text(call->files, which, &b.len);
	return lib->easy_setopt(call->easy, blob, &b);
}

static CURLcode
set_files(struct call *call)
{
	const struct caller *c = call->caller;
	CURLcode rc;

	take_files(call);
	rc = set_file(call, CALL_CA, c->ca, CURLOPT_CAINFO, CURLOPT_CAINFO_BLOB);
	if (rc == CURLE_OK)
		rc = set_file(call, CALL_CERTIFICATE, c->certificate, CURLOPT_SSLCERT,
			      CURLOPT_SSLCERT_BLOB);
	if (rc == CURLE_OK)
		rc = set_file(call, CALL_KEY, c->key, CURLOPT_SSLKEY, CURLOPT_SSLKEY_BLOB);
	return rc;
}

static bool
set_place(struct call *call)
{
	const struct caller *c = call->caller;
	const struct libcurl *lib = &c->lib;
	CURL *easy = call->easy;
	CURLcode rc = lib->easy_setopt(easy, CURLOPT_PROXY, "");

	if (rc == CURLE_OK && c->socket != NULL)
		rc = lib->easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	if (rc == CURLE_OK && c->resolve != NULL)
		rc = lib->easy_setopt(easy, CURLOPT_RESOLVE, c->resolve);
	if (rc == CURLE_OK)
		rc = set_files(call);
	if (rc == CURLE_OK && c->ca != NULL)
		rc = lib->easy_setopt(easy, CURLOPT_CAPATH, NULL);
	/* Else the library asks at the terminal, and this process stands still. */
	if (rc == CURLE_OK && c->key != NULL)
		rc = lib->easy_setopt(easy, CURLOPT_KEYPASSWD, "");
	if (rc == CURLE_OK)
		rc = lib->easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	return rc == CURLE_OK;
}

static bool
set_url(const struct call *call, const char *path)
{
	char *url;
	bool is_set;

	if (asprintf(&url, "%s%s", call->caller->url, path) < 0)
		return false;
	is_set = call->caller->lib.easy_setopt(call->easy, CURLOPT_URL, url) == CURLE_OK;
	free(url);
	return is_set;
}

static bool
set_callbacks(struct call *call)
{
	const struct libcurl *lib = &call->caller->lib;
	CURL *easy = call->easy;

	return lib->easy_setopt(easy, CURLOPT_PRIVATE, call) == CURLE_OK &&
	       lib->easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error) == CURLE_OK &&
	       lib->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK &&
	       lib->easy_setopt(easy, CURLOPT_WRITEDATA, call) == CURLE_OK &&
	       lib->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       lib->easy_setopt(easy, CURLOPT_HEADERDATA, call) == CURLE_OK;
}

static bool
set_rest(const struct call *call, uint64_t timeout_ms)
{
	const struct libcurl *lib = &call->caller->lib;
	CURL *easy = call->easy;

	return lib->easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK &&
	       lib->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       lib->easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
	       lib->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
		       CURLE_OK &&
	       lib->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) == CURLE_OK &&
	       lib->easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK;
}

static struct call *
call_new(struct caller *c, const struct call_order *order)
{
	struct call *call = calloc(1, sizeof(*call));

	if (call == NULL)
		return NULL;
	call->caller = c;
	call->piece = order->piece;
	call->ended = order->ended;
	call->user = order->user;
	call->answer_max = order->answer_max;
	call->field_name = order->field;
	call->is_apart = order->is_apart;
	call->easy = c->lib.easy_init();
	if (call->easy != NULL && set_url(call, order->path) && set_callbacks(call) &&
	    set_place(call) && set_body(call, order) && add_header(call, "Expect:") &&
	    add_header(call, "Content-Type: application/json") &&
	    (order->header == NULL || add_header(call, order->header)) &&
	    set_rest(call, order->timeout_ms))
		return call;
	free_call(call);
	return NULL;
}

int
call_start(struct caller *c, const struct call_order *order, struct call **ret)
{
	struct call *call;

	if (c->n_waiting >= TG_CALLS_WAITING_MAX)
		return -TG_ELIMIT;
	call = call_new(c, order);
	if (call == NULL)
		return -TG_ENOMEM;
	TAILQ_INSERT_TAIL(&c->waiting, call, link);
	c->n_waiting++;
	watch_again(c->loop, &c->soon);
	*ret = call;
	return 0;
}

void
call_cancel(struct call *call)
{
	struct caller *c;

	if (call == NULL)
		return;
	c = call->caller;
	detach(call);
	free_call(call);
	watch_again(c->loop, &c->soon);
}

bool
call_escape(char *ret, size_t size, const char *text)
{
	size_t n = strlen(ret);

	for (; *text != '\0'; text++) {
		bool is_plain = isalnum((unsigned char)*text) || strchr("-._~", *text) != NULL;

		if (n + (is_plain ? 2 : 4) > size)
			return false;
		if (is_plain)
			ret[n++] = *text;
		else
			n += (size_t)snprintf(ret + n, size - n, "%%%02X", (unsigned char)*text);
	}
	ret[n] = '\0';
	return true;
}

/*** The caller ***/

int
call_check(struct err *err)
{
	struct libcurl lib = {.object = NULL};
	int rc = libcurl_open(&lib, err);

	if (rc == 0)
		libcurl_close(&lib);
	return rc;
}

static bool
copy_text(char **ret, const char *text)
{
	*ret = text != NULL ? strdup(text) : NULL;
	return (*ret != NULL) == (text != NULL);
}

/* A host that is an address itself is in its URL as one. */
static bool
set_host(struct caller *c, const struct call_place *place)
{
	const char *scheme = place->is_secure || place->ca != NULL ? "https" : "http";
	char at[TG_ADDR_STRLEN];
	char line[TG_ADDR_STRLEN + 300];
	const char *port;
	struct ip ip;

	if (place->socket != NULL)
		return asprintf(&c->url, "http://%s", place->host) >= 0;
	addr_format(&place->at, at, sizeof(at));
	if (ip_parse(place->host, strlen(place->host), &ip) == 0)
		return asprintf(&c->url, "%s://%s", scheme, at) >= 0;
	port = strrchr(at, ':') + 1;
	snprintf(line, sizeof(line), "%s:%s:%.*s", place->host, port, (int)(port - 1 - at), at);
	c->resolve = c->lib.slist_append(NULL, line);
	return c->resolve != NULL &&
	       asprintf(&c->url, "%s://%s:%s", scheme, place->host, port) >= 0;
}

static bool
open_multi(struct caller *c)
{
	c->multi = c->lib.multi_init();
	return c->multi != NULL &&
	       c->lib.multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
	       c->lib.multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c) == CURLM_OK &&
	       c->lib.multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_time) == CURLM_OK &&
	       c->lib.multi_setopt(c->multi, CURLMOPT_TIMERDATA, c) == CURLM_OK &&
	       c->lib.multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)c->running_max + 2) ==
		       CURLM_OK;
}

struct caller *
caller_new(struct loop *loop, const struct call_place *place)
{
	struct caller *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->loop = loop;
	c->running_max = place->running_max;
	c->soon_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	timer_init(&c->timer, on_timer);
	TAILQ_INIT(&c->waiting);
	TAILQ_INIT(&c->running);
	if (libcurl_open(&c->lib, NULL) == 0 && c->soon_fd >= 0 &&
	    watch_start_level(loop, &c->soon, c->soon_fd, on_soon) == 0 && set_host(c, place) &&
	    copy_text(&c->socket, place->socket) && copy_text(&c->ca, place->ca) &&
	    copy_text(&c->certificate, place->certificate) &&
	    copy_text(&c->key, place->key) && open_multi(c))
		return c;
	caller_free(c);
	return NULL;
}

static void
free_calls(struct call_list *list)
{
	struct call *call;

	while ((call = TAILQ_FIRST(list)) != NULL) {
		detach(call);
		free_call(call);
	}
}

void
caller_free(struct caller *c)
{
	if (c == NULL)
		return;
	free_calls(&c->waiting);
	free_calls(&c->running);
	if (c->multi != NULL)
		c->lib.multi_cleanup(c->multi);
	timer_fini(&c->timer);
	watch_stop(c->loop, &c->soon);
	if (c->soon_fd >= 0)
		close(c->soon_fd);
	if (c->resolve != NULL)
		c->lib.slist_free_all(c->resolve);
	call_files_drop(c->files);
	libcurl_close(&c->lib);
	free(c->url);
	free(c->socket);
	free(c->ca);
	free(c->certificate);
	free(c->key);
	free(c);
}
