/* proc/proxy_start.c: what the proxy is handed, and its threads. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/limits.h"
#include "proc/proxy_priv.h"

#define START_MS 10000
/* Client connections that a limit of open files should leave. */
#define CONNECTIONS_WANTED 256
/* What one thread does beside its clients takes a millisecond at most: up to so many backends of all
 * services, and bytes of the configuration's text. */
#define SHARED_BACKENDS_MAX 64u
#define SHARED_TEXT_MAX     8192

/* how many threads */

bool
proxy_is_long_text(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size > SHARED_TEXT_MAX;
}

bool
proxy_has_many_backends(const struct conf *conf)
{
	size_t n = 0;
	size_t i;

	for (i = 0; i < conf->n_services; i++)
		n += conf->services[i].n_backends;
	return n > SHARED_BACKENDS_MAX;
}

/* start */

static int
on_conf(struct proxy *p, int fd)
{
	struct err err;

	if (p->conf != NULL)
		return -TG_EPROTO;
	if (conf_load_fd(fd, &p->conf, &err) != 0) {
		log_write(TG_LOG_ERROR, "cannot read the configuration handed over", "reason=%s",
			  err.text);
		return -TG_EINVAL;
	}
	p->has_long_text = proxy_is_long_text(fd);
	log_init(STDERR_FILENO, p->conf->log.format, p->conf->log.level, "proxy");
	return 0;
}

static int
on_segment(struct proxy *p, int fd)
{
	struct err err;

	if (p->segment != NULL)
		return -TG_EPROTO;
	if (segment_attach(fd, &p->segment, &err) == 0)
		return 0;
	log_write(TG_LOG_ERROR, "cannot map the statistics segment", "reason=%s", err.text);
	return -TG_EIO;
}

int
proxy_take_tickets(struct proxy *p, const struct msg_tickets *m)
{
	struct ticket_seed seed = {.hour = m->hour};

	memcpy(seed.secret, m->secret, sizeof(seed.secret));
	if (p->tickets != NULL)
		tickets_change(p->tickets, &seed);
	else
		p->tickets = tickets_new(&seed);
	explicit_bzero(&seed, sizeof(seed));
	return p->tickets != NULL ? 0 : -TG_ENOMEM;
}

/* Keeps the descriptor. */
static int
on_listen(struct proxy *p, struct message *m)
{
	return p->conf != NULL ? handed_add(&p->sockets, p->conf->workers, m) : -TG_EPROTO;
}

int
proxy_take_line(struct proxy *p, struct message *m)
{
	unsigned worker = m->u.signer.worker;
	int fd = m->fd;
	int rc = p->conf != NULL && worker < p->conf->workers ? 0 : -TG_EPROTO;

	if (rc < 0)
		return rc;
	m->fd = -1;
	return worker < p->n_threads ? worker_thread_set_line(&p->threads[worker], fd)
				     : lines_put(&p->lines, p->conf->workers, worker, fd);
}

static int
give_line(void *arg, unsigned worker, int fd)
{
	const struct proxy *p = arg;

	return worker_thread_set_line(&p->threads[worker], fd);
}

/* In a worker. */
static void
on_line_lost(void *arg)
{
	struct proxy *p = arg;

	alarm_raise(&p->lost);
}

static int
on_start_message(struct proxy *p, struct message *m)
{
	switch (m->type) {
	case MSG_CONF:
		return on_conf(p, m->fd);
	case MSG_SEGMENT:
		return on_segment(p, m->fd);
	case MSG_TICKETS:
		return proxy_take_tickets(p, &m->u.tickets);
	case MSG_LISTEN:
		return on_listen(p, m);
	case MSG_SIGNER:
		return proxy_take_line(p, m);
	case MSG_PEER:
		proxy_set_peer(p, m->fd);
		m->fd = -1;
		return 0;
	case MSG_LOG_LEVEL:
		log_set_level((enum log_level)m->u.log_level.level);
		return 0;
	default:
		return -TG_EPROTO;
	}
}

int
proxy_receive_start(struct proxy *p)
{
	struct message m;
	int rc;

	for (;;) {
		rc = channel_wait(p->channel, START_MS, &m);
		if (rc != 1)
			return -TG_EPROTO;
		if (m.type == MSG_START)
			break;
		rc = on_start_message(p, &m);
		if (m.fd >= 0)
			close(m.fd);
		if (rc != 0)
			return rc;
	}
	return p->conf != NULL && p->segment != NULL && p->tickets != NULL ? 0 : -TG_EPROTO;
}

static int
give_socket(void *arg, const struct msg_listen *of, int fd)
{
	const struct proxy *p = arg;

	return worker_thread_add_socket(&p->threads[of->worker], of->listener, fd);
}

/* Each worker its sockets, and at least one for each listener. */
static int
hand_out_sockets(struct proxy *p)
{
	const struct worker_listener *l;
	unsigned w;
	int rc = handed_give(&p->sockets, give_socket, p);

	if (rc != 0)
		return rc;
	for (w = 0; w < p->n_threads; w++)
		TAILQ_FOREACH (l, &p->threads[w].worker.listeners, link)
			if (l->n_sockets == 0)
				return -TG_EPROTO;
	return 0;
}

/* Nothing else tells why clients wait: they are in the kernel's queue then. */
static void
warn_of_few_connections(const struct proxy *p)
{
	int64_t connections = p->threads[0].worker.max_connections;

	if (p->conf->max_connections == 0 && connections < CONNECTIONS_WANTED)
		log_write(TG_LOG_WARN,
			  "the limit of open files leaves few connections: raise it (ulimit -n, "
			  "LimitNOFILE)",
			  "limit=%lu connections=%lld", limits_descriptors(),
			  (long long)connections);
}

static int
make_contexts(struct proxy *p)
{
	struct err err;
	int rc = contexts_make(p->conf, p->tickets, &p->contexts, &err);

	if (rc < 0)
		log_write(TG_LOG_ERROR, "no TLS", "reason=%s", err.text);
	return rc;
}

int
proxy_start_threads(struct proxy *p)
{
	unsigned i;
	int rc = make_contexts(p);

	if (rc < 0)
		return rc;

	p->is_shared = p->conf->workers == 1 && !p->has_long_text && !proxy_has_many_backends(p->conf);
	p->threads = calloc(p->conf->workers, sizeof(p->threads[0]));
	if (p->threads == NULL)
		return -TG_ENOMEM;
	for (i = 0; i < p->conf->workers && rc == 0; i++) {
		rc = worker_thread_init(&p->threads[i], i, p->conf, p->segment, p->registry,
					p->contexts);
		p->threads[i].worker.clients = p->clients;
		sign_line_watch(&p->threads[i].worker.sign_line, on_line_lost, p);
		p->n_threads++;
	}
	if (rc == 0)
		rc = hand_out_sockets(p);
	if (rc == 0)
		rc = lines_give(&p->lines, give_line, p);
	if (rc == 0)
		warn_of_few_connections(p);
	for (i = 0; i < p->conf->workers && rc == 0 && !p->is_shared; i++)
		rc = worker_thread_start(&p->threads[i]);
	return rc;
}
