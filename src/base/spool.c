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
spool_new(uint64_t memory_max, uint64_t file_max)
{
	struct spool *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	SLIST_INIT(&s->chain);
	s->memory_max = memory_max;
	s->file_max = file_max;
	s->fd = -1;
	return s;
}

static void
put_first(struct spool *s, struct buf_pool *bufs)
{
	struct buf *b = SLIST_FIRST(&s->chain);

	SLIST_REMOVE_HEAD(&s->chain, link);
	s->memory_bytes -= b->cap;
	if (s->last == b)
		s->last = NULL;
	buf_put(bufs, &b);
}

void
spool_free(struct spool **spool, struct buf_pool *bufs, struct spool_files *files)
{
	struct spool *s = *spool;

	if (s == NULL)
		return;
	*spool = NULL;
	while (!SLIST_EMPTY(&s->chain))
		put_first(s, bufs);
	if (s->fd >= 0) {
		close(s->fd);
		files->n_open--;
	}
	free(s);
}

/*** memory ***/

/* A buffer that the ceiling allows, large ones only behind others. NULL: none, or no memory. */
static struct buf *
take_buf(const struct spool *s, struct buf_pool *bufs)
{
	uint64_t left = s->memory_max - s->memory_bytes;

	if (s->last != NULL && left >= TG_BUF_LARGE_BYTES)
		return buf_get(bufs, TG_BUF_LARGE);
	return left >= TG_BUF_SMALL_BYTES ? buf_get(bufs, TG_BUF_SMALL) : NULL;
}

static bool
add_buf(struct spool *s, struct buf_pool *bufs)
{
	struct buf *b = take_buf(s, bufs);

	if (b == NULL)
		return false;
	if (s->last != NULL)
		SLIST_INSERT_AFTER(s->last, b, link);
	else
		SLIST_INSERT_HEAD(&s->chain, b, link);
	s->last = b;
	s->memory_bytes += b->cap;
	return true;
}

size_t
spool_put(struct spool *s, struct buf_pool *bufs, const void *p, size_t n)
{
	const unsigned char *from = p;
	size_t took = 0;
	size_t part;

	if (s->file_w > 0)
		return 0;
	while (took < n) {
		if ((s->last == NULL || buf_room(s->last) == 0) && !add_buf(s, bufs))
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

static bool
open_file(struct spool *s, struct spool_files *files)
{
	errno = 0;
	if (files->n_open >= files->max)
		return false;
	s->fd = open(files->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);
	if (s->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		s->fd = open_and_unlink(files->folder);
	if (s->fd < 0)
		return false;
	files->n_open++;
	return true;
}

ssize_t
spool_spill(struct spool *s, struct spool_files *files, const void *p, size_t n)
{
	uint64_t left = s->file_max - s->file_w;
	ssize_t took;

	errno = 0;
	if (n > TG_SPOOL_STEP_BYTES)
		n = TG_SPOOL_STEP_BYTES;
	if (n > left)
		n = (size_t)left;
	if (n == 0 || (s->fd < 0 && !open_file(s, files)))
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
spool_drop(struct spool *s, struct buf_pool *bufs)
{
	while (!SLIST_EMPTY(&s->chain) && SLIST_FIRST(&s->chain) != s->at)
		put_first(s, bufs);
	if (s->file_w == 0 || s->file_r < s->file_w)
		return;
	s->file_r = s->file_w = 0;
	/* Only to give the room back early: the file goes with the spool. */
	(void)!ftruncate(s->fd, 0);
}
