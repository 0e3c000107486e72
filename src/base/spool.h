/*
 * base/spool.h: bytes that wait for somebody slow: in pooled buffers, then in a
 * file without a name.
 *
 * A queue. Bytes are added at its end and read at a cursor; what was read can be
 * read again from the start until spool_drop() lets it go. Memory holds what came
 * first: while the file holds anything, all that comes goes there.
 *
 * The disk may make the caller wait: nothing here touches more than
 * TG_SPOOL_STEP_BYTES of it in one call, and the caller counts its calls.
 */
#ifndef TG_BASE_SPOOL_H
#define TG_BASE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

#define TG_SPOOL_STEP_BYTES (64u * 1024u)

/* What the spools of one worker share. Outlives them. */
struct spools {
	struct buf_pool *bufs;
	uint64_t memory_bytes; /* capacity of the buffers they hold */
	uint64_t memory_max;
	const char *folder; /* of the files */
	unsigned n_files;
	unsigned files_max; /* descriptors they may have */
	_Atomic uint64_t *gauges; /* [TG_SPOOL_GAUGE_COUNT]; NULL: nobody asks */
};
enum spool_gauge {
	TG_SPOOL_GAUGE_BYTES = 0, /* memory_bytes */
	TG_SPOOL_GAUGE_FILES = 1,
	TG_SPOOL_GAUGE_FAILURES = 2, /* times a file was not to be had */
	TG_SPOOL_GAUGE_COUNT
};

/* Owned by whoever made it; freed by spool_free(). */
struct spool {
	struct spools *all;
	struct buf_list chain; /* oldest first */
	struct buf *last;      /* of the chain: takes what is added */
	struct buf *at;        /* of the chain: read next; NULL: memory is read through */
	uint32_t at_read;      /* of its bytes */
	uint64_t memory_bytes; /* capacity of the chain */
	uint64_t memory_max;
	uint64_t file_max;
	int fd;          /* -1: no file */
	uint64_t file_r; /* read next */
	uint64_t file_w; /* end */
};

/* What is read next: in memory, or of the file. */
struct spool_piece {
	const unsigned char *p; /* NULL: of the file */
	int fd;
	uint64_t at; /* in the file */
	size_t n;    /* of the file: TG_SPOOL_STEP_BYTES at most */
};

/* A file without a name in this folder, to read and write. -1, with errno. */
int spool_open_file(const char *folder);

/* Empty. `memory_max` counts the capacity of buffers; `file_max` 0: no file. NULL: no memory. */
struct spool *spool_new(struct spools *all, uint64_t memory_max, uint64_t file_max);
/* Clears the caller's pointer; NULL inside allowed. */
void spool_free(struct spool **spool);

/* Copies as much as memory may hold, of this spool and of all. 0: none, or the file has begun. */
size_t spool_put(struct spool *s, const void *p, size_t n);
/*
 * Writes to the file. >0: bytes taken, one step at most. 0: no more may go there, or
 * no file is to be had (errno, or 0 where a bound says so). -TG_EIO: the disk
 * refused (errno); what was added before is safe.
 */
ssize_t spool_spill(struct spool *s, const void *p, size_t n);

static inline bool
spool_has_unread(const struct spool *s)
{
	return s->at != NULL || s->file_r < s->file_w;
}

/* False: nothing is left to read. The piece is valid until bytes are added or dropped. */
bool spool_next(const struct spool *s, struct spool_piece *ret);
/* `n` bytes of the piece were taken. */
void spool_advance(struct spool *s, size_t n);
/* From the start again; nothing was dropped. */
void spool_rewind(struct spool *s);
/* Lets go of what was read; a file that was read through starts over, empty. */
void spool_drop(struct spool *s);

#endif
