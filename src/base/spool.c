#include "base/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0600

struct spool *
spool_new(struct spools *all, uint64_t memory_max, uint64_t file_max)
{
	struct spool *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->all = all;
	SLIST_INIT(&s->chain);
	s->memory_max = memory_max;
	s->file_max = file_max;
	s->fd = -1;
	return s;
}

static void
tell(const struct spools *all)
{
	if (all->gauges == NULL)
		return;
	gauge_set(&all->gauges[TG_SPOOL_GAUGE_BYTES], all->memory_bytes);
	gauge_set(&all->gauges[TG_SPOOL_GAUGE_FILES], all->n_files);
}

/* False, with its errno. */
static bool
refuse_file(const struct spools *all)
{
	if (all->gauges != NULL)
		gauge_add(&all->gauges[TG_SPOOL_GAUGE_FAILURES], 1);
	return false;
}

static void
put_first(struct spool *s)
{
	struct buf *b = SLIST_FIRST(&s->chain);

	SLIST_REMOVE_HEAD(&s->chain, link);
	s->memory_bytes -= b->cap;
	s->all->memory_bytes -= b->cap;
	tell(s->all);
	if (s->last == b)
		s->last = NULL;
	buf_put(s->all->bufs, &b);
}

void
spool_free(struct spool **spool)
{
	struct spool *s = *spool;

	if (s == NULL)
		return;
	*spool = NULL;
	while (!SLIST_EMPTY(&s->chain))
		put_first(s);
	if (s->fd >= 0) {
		close(s->fd);
		s->all->n_files--;
		tell(s->all);
	}
	free(s);
}

/*** memory ***/

/* A buffer that the ceilings allow, large ones only behind others. NULL: none, or no memory. */
static struct buf *
take_buf(const struct spool *s)
{
	struct buf_pool *bufs = s->all->bufs;
	uint64_t left = s->memory_max - s->memory_bytes;
	uint64_t all_left = s->all->memory_max - s->all->memory_bytes;

	if (left > all_left)
		left = all_left;
	if (s->last != NULL && left >= TG_BUF_LARGE_BYTES)
		return buf_get(bufs, TG_BUF_LARGE);
	return left >= TG_BUF_SMALL_BYTES ? buf_get(bufs, TG_BUF_SMALL) : NULL;
}

static bool
add_buf(struct spool *s)
{
	struct buf *b = take_buf(s);

	if (b == NULL)
		return false;
	if (s->last != NULL)
		SLIST_INSERT_AFTER(s->last, b, link);
	else
		SLIST_INSERT_HEAD(&s->chain, b, link);
	s->last = b;
	s->memory_bytes += b->cap;
	s->all->memory_bytes += b->cap;
	tell(s->all);
	return true;
}

size_t
spool_put(struct spool *s, const void *p, size_t n)
{
	const unsigned char *from = p;
	size_t took = 0;
	size_t part;

	if (s->file_w > 0)
		return 0;
	while (took < n) {
		if ((s->last == NULL || buf_room(s->last) == 0) && !add_buf(s))
			break;
		part = n - took < buf_room(s->last) ? n - took : buf_room(s->last);
		if (!buf_append(s->last, from + took, part))
			break;
		if (s->at == NULL) {
			s->at = s->last;
			s->at_read = buf_len(s->last) - (uint32_t)part;
		}
		took += part;
	}
	return took;
}

/*** file ***/

/* Where the file system has no O_TMPFILE. */
static int
open_and_unlink(const char *folder)
{
	char path[4096];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/tidegate-XXXXXX", folder) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

int
spool_open_file(const char *folder)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		fd = open_and_unlink(folder);
	return fd;
}

static bool
open_file(struct spool *s)
{
	struct spools *all = s->all;

	errno = 0;
	if (all->n_files >= all->files_max)
		return refuse_file(all);
	s->fd = spool_open_file(all->folder);
	if (s->fd < 0)
		return refuse_file(all);
	all->n_files++;
	tell(all);
	return true;
}

ssize_t
spool_spill(struct spool *s, const void *p, size_t n)
{
	uint64_t left = s->file_max - s->file_w;
	ssize_t took;

	errno = 0;
	if (n > TG_SPOOL_STEP_BYTES)
		n = TG_SPOOL_STEP_BYTES;
	if (n > left)
		n = (size_t)left;
	if (n == 0 || (s->fd < 0 && !open_file(s)))
		return 0;
	do {
		took = pwrite(s->fd, p, n, (off_t)s->file_w);
	} while (took < 0 && errno == EINTR);
	if (took <= 0)
		return -TG_EIO;
	s->file_w += (uint64_t)took;
	return took;
}

/*** reading ***/

bool
spool_next(const struct spool *s, struct spool_piece *ret)
{
	uint64_t left = s->file_w - s->file_r;

	if (s->at != NULL) {
		*ret = (struct spool_piece){
			.p = buf_data(s->at) + s->at_read,
			.fd = -1,
			.n = buf_len(s->at) - s->at_read,
		};
		return true;
	}
	*ret = (struct spool_piece){
		.fd = s->fd,
		.at = s->file_r,
		.n = left < TG_SPOOL_STEP_BYTES ? (size_t)left : TG_SPOOL_STEP_BYTES,
	};
	return left > 0;
}

void
spool_advance(struct spool *s, size_t n)
{
	if (s->at == NULL) {
		assert(n <= s->file_w - s->file_r);
		s->file_r += n;
		return;
	}
	assert(n <= buf_len(s->at) - s->at_read);
	s->at_read += (uint32_t)n;
	if (s->at_read < buf_len(s->at))
		return;
	s->at = SLIST_NEXT(s->at, link);
	s->at_read = 0;
}

void
spool_rewind(struct spool *s)
{
	s->at = SLIST_FIRST(&s->chain);
	s->at_read = 0;
	s->file_r = 0;
}

void
spool_drop(struct spool *s)
{
	while (!SLIST_EMPTY(&s->chain) && SLIST_FIRST(&s->chain) != s->at)
		put_first(s);
	if (s->file_w == 0 || s->file_r < s->file_w)
		return;
	s->file_r = s->file_w = 0;
	/* Only to give the room back early: the file goes with the spool. */
	(void)!ftruncate(s->fd, 0);
}
