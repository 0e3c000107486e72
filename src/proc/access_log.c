#include "proc/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "observe/access.h"
#include "proc/thread.h"

#define INTERVAL_MS    50
#define LINE_MAX_BYTES 49152u /* access_render() never needs more */
#define BATCH_BYTES    (8u * LINE_MAX_BYTES)

struct access_log {
	struct segment *seg;
	int fd;      /* the thread's */
	int stop_fd; /* eventfd: readable when the thread is to end */
	pthread_t thread;
	char *batch; /* the thread's */
	size_t n;
	size_t lines;          /* in the batch */
	uint64_t dropped_seen; /* access_log_watch()'s */
	uint64_t unwritten_seen;
	uint64_t invalid_seen;
	struct {
		pthread_mutex_t lock;
		struct slot_names *names; /* under it, as is: */
		enum conf_access format;
		_Atomic uint64_t unwritten; /* lines the output refused */
		_Atomic uint64_t invalid;   /* records that made no sense */
		_Atomic int error;          /* errno of the last refusal */
		_Atomic int next_fd;        /* to go on with; -1: none */
	} shared;
};

/* Sleeps up to `timeout_ms`, or until the output takes bytes again; true when told to stop. */
static bool
wait_for(const struct access_log *log, bool output, int timeout_ms)
{
	struct pollfd p[2] = {
		{.fd = log->stop_fd, .events = POLLIN},
		{.fd = output ? log->fd : -1, .events = POLLOUT},
	};

	return poll(p, 2, timeout_ms) > 0 && (p[0].revents & POLLIN) != 0;
}

static void
take_next_fd(struct access_log *log)
{
	int fd = atomic_exchange(&log->shared.next_fd, -1);

	if (fd < 0)
		return;
	close(log->fd);
	log->fd = fd;
}

/* The whole batch, however long it takes. Refused: counted and forgotten. */
static void
write_batch(struct access_log *log)
{
	size_t at = 0;

	take_next_fd(log);
	while (at < log->n) {
		ssize_t n = write(log->fd, log->batch + at, log->n - at);

		if (n >= 0) {
			at += (size_t)n;
		} else if (errno == EAGAIN) {
			wait_for(log, true, INTERVAL_MS);
		} else if (errno != EINTR) {
			atomic_store(&log->shared.error, errno);
			atomic_fetch_add(&log->shared.unwritten, log->lines);
			break;
		}
	}
	log->n = 0;
	log->lines = 0;
}

static void
add_record(struct access_log *log, const void *record, uint32_t record_n)
{
	size_t n;

	if (BATCH_BYTES - log->n < LINE_MAX_BYTES)
		write_batch(log);
	pthread_mutex_lock(&log->shared.lock);
	n = access_render(log->shared.names, log->shared.format, record, record_n,
			  log->batch + log->n, LINE_MAX_BYTES);
	pthread_mutex_unlock(&log->shared.lock);
	if (n == 0)
		atomic_fetch_add(&log->shared.invalid, 1);
	else
		log->lines++;
	log->n += n;
}

/* Everything that was in the rings when it began, about. Returns the number of records. */
static size_t
drain(struct access_log *log)
{
	size_t records = 0;

	for (unsigned i = 0; i < segment_workers(log->seg); i++) {
		struct ring *ring = segment_ring(log->seg, i);
		const void *record;
		uint32_t n;

		while ((record = ring_peek(ring, &n)) != NULL) {
			add_record(log, record, n);
			ring_next(ring);
			records++;
		}
	}
	write_batch(log);
	return records;
}

static void *
run(void *arg)
{
	struct access_log *log = arg;

	while (!wait_for(log, false, INTERVAL_MS))
		drain(log);
	/* The writers are gone: once more is all there is. */
	drain(log);
	return NULL;
}

static void
access_log_free(struct access_log *log)
{
	int next = atomic_load(&log->shared.next_fd);

	if (log->fd >= 0)
		close(log->fd);
	if (next >= 0)
		close(next);
	if (log->stop_fd >= 0)
		close(log->stop_fd);
	pthread_mutex_destroy(&log->shared.lock);
	slot_names_free(log->shared.names);
	free(log->batch);
	free(log);
}

int
access_log_start(const struct conf *conf, struct segment *seg, int fd, struct access_log **ret)
{
	struct access_log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return -TG_ENOMEM;
	pthread_mutex_init(&log->shared.lock, NULL);
	log->shared.format = conf->log.access;
	log->shared.names = slot_names_new(segment_slots(seg));
	log->seg = seg;
	log->fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	atomic_store(&log->shared.next_fd, -1);
	log->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	log->batch = malloc(BATCH_BYTES);
	if (log->fd < 0 || log->stop_fd < 0 || log->batch == NULL || log->shared.names == NULL ||
	    slot_names_read(log->shared.names, seg) != 0 ||
	    slot_names_set(log->shared.names, conf) != 0 ||
	    pthread_create(&log->thread, NULL, run, log) != 0) {
		access_log_free(log);
		return -TG_ENOMEM;
	}
	*ret = log;
	return 0;
}

int
access_log_learn(struct access_log *log, const struct conf *conf)
{
	int rc;

	pthread_mutex_lock(&log->shared.lock);
	rc = slot_names_set(log->shared.names, conf);
	pthread_mutex_unlock(&log->shared.lock);
	return rc;
}

int
access_log_reload(struct access_log *log, const struct conf *conf)
{
	int rc;

	pthread_mutex_lock(&log->shared.lock);
	rc = slot_names_set(log->shared.names, conf);
	if (rc == 0)
		log->shared.format = conf->log.access;
	pthread_mutex_unlock(&log->shared.lock);
	return rc;
}

void
access_log_reopen(struct access_log *log, int fd)
{
	if (log != NULL)
		fd = atomic_exchange(&log->shared.next_fd, fd);
	if (fd >= 0)
		close(fd);
}

void
access_log_watch(struct access_log *log)
{
	uint64_t dropped = 0;
	uint64_t unwritten;
	uint64_t invalid;

	if (log == NULL)
		return;
	for (unsigned i = 0; i < segment_workers(log->seg); i++)
		dropped += ring_dropped(segment_ring(log->seg, i));
	if (dropped != log->dropped_seen)
		log_write(TG_LOG_WARN, "access log is too slow, records dropped", "n=%" PRIu64,
			  dropped - log->dropped_seen);
	log->dropped_seen = dropped;
	unwritten = atomic_load(&log->shared.unwritten);
	if (unwritten != log->unwritten_seen)
		log_write(TG_LOG_ERROR, "access log cannot be written, lines lost",
			  "n=%" PRIu64 " reason=%s", unwritten - log->unwritten_seen,
			  strerror(atomic_load(&log->shared.error)));
	log->unwritten_seen = unwritten;
	invalid = atomic_load(&log->shared.invalid);
	if (invalid != log->invalid_seen)
		log_write(TG_LOG_ERROR, "access log records made no sense", "n=%" PRIu64,
			  invalid - log->invalid_seen);
	log->invalid_seen = invalid;
}

bool
access_log_stop(struct access_log *log, unsigned timeout_ms)
{
	uint64_t one = 1;

	if (log == NULL)
		return true;
	if (write(log->stop_fd, &one, sizeof(one)) != (ssize_t)sizeof(one) ||
	    !thread_join(log->thread, timeout_ms))
		return false;
	access_log_watch(log);
	access_log_free(log);
	return true;
}
