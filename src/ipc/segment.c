#include <assert.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/segment.h"

#define MAGIC          0x7467736567310a00ull /* "tgseg1\n" */
#define VERSION        16u
#define WORKERS_MAX    4096u
#define SLOTS_MAX      (1u << 24)
#define RING_BYTES_MAX ((size_t)1 << 30)
#define LOAD_PERMILLE_MAX 1000000 /* as http/load_report.h has it */
#define SEALS          (F_SEAL_SHRINK | F_SEAL_GROW)

/* First bytes of the segment. Written once by the creator. */
struct segment_header {
	uint64_t magic;
	uint32_t version;
	uint32_t workers;
	uint32_t slots;
	_Atomic uint32_t used; /* slots below this one have been named; a hint for readers */
	uint64_t ring_bytes;
	uint64_t total_bytes;
	uint64_t started_us; /* monotonic */
	_Atomic uint32_t is_over; /* segment_finish() was called */
	uint32_t reserved;
};

/* Where the parts are; a function of workers, slots and ring_bytes alone. */
struct layout {
	size_t entries;
	size_t loads;
	size_t shared;
	size_t common;
	size_t rare;
	size_t carried;
	size_t cleared;
	size_t histograms;
	size_t spreads;
	size_t carried_histograms;
	size_t rings;
	size_t ring_stride;
	size_t total;
};

/* Private to the process: nothing here can be changed by the other side of the mapping. */
struct segment {
	int fd;
	unsigned char *base;
	unsigned workers;
	unsigned slots;
	unsigned used; /* creator: slots below this one have been named */
	size_t ring_bytes;
	struct mono started;
	struct layout layout;
	struct ring rings[];
};

static size_t
align_to(size_t n, size_t align)
{
	return (n + align - 1) / align * align;
}

static bool
sizes_are_valid(uint64_t workers, uint64_t slots, uint64_t ring_bytes)
{
	return workers >= 1 && workers <= WORKERS_MAX && slots >= 1 && slots <= SLOTS_MAX &&
	       ring_bytes >= TG_RING_SIZE_MIN && ring_bytes <= RING_BYTES_MAX &&
	       (ring_bytes & (ring_bytes - 1)) == 0;
}

/* The bounds above keep every sum far from 64 bits. */
static struct layout
layout_of(unsigned workers, unsigned slots, size_t ring_bytes)
{
	struct layout l;

	l.entries = align_to(sizeof(struct segment_header), TG_CACHELINE);
	l.loads = align_to(l.entries + slots * sizeof(struct segment_entry), TG_CACHELINE);
	l.shared = l.loads + lone_bytes(slots, sizeof(struct segment_load));
	l.common = l.shared + slots * sizeof(struct segment_shared);
	l.rare = l.common + (size_t)workers * slots * sizeof(struct segment_common);
	l.carried = l.rare + (size_t)workers * slots * sizeof(struct segment_rare);
	l.cleared = l.carried + slots * sizeof(struct segment_numbers);
	l.histograms = l.cleared + slots * sizeof(struct segment_numbers);
	l.carried_histograms =
		l.histograms + (size_t)workers * slots * sizeof(struct segment_histograms);
	l.spreads = l.carried_histograms + slots * sizeof(struct segment_histograms);
	l.rings = l.spreads + (size_t)workers * slots * sizeof(struct segment_spread);
	l.ring_stride = align_to(ring_shared_bytes(ring_bytes), TG_CACHELINE);
	l.total = l.rings + workers * l.ring_stride;
	return l;
}

/* Maps `fd`, whose size is known to fit. */
static int
segment_map(int fd, unsigned workers, unsigned slots, size_t ring_bytes, struct segment **ret,
	    struct err *err)
{
	struct segment *seg = calloc(1, sizeof(*seg) + workers * sizeof(seg->rings[0]));
	unsigned i;

	if (seg == NULL)
		return err_set(err, TG_ENOMEM, "statistics segment: no memory");
	seg->fd = -1;
	seg->workers = workers;
	seg->slots = slots;
	seg->ring_bytes = ring_bytes;
	seg->layout = layout_of(workers, slots, ring_bytes);
	seg->base = mmap(NULL, seg->layout.total, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (seg->base == MAP_FAILED) {
		free(seg);
		return err_set_errno(err, "statistics segment: cannot map");
	}
	for (i = 0; i < workers; i++) {
		void *at = seg->base + seg->layout.rings + i * seg->layout.ring_stride;

		if (ring_attach(&seg->rings[i], at, ring_bytes) < 0) {
			segment_close(seg);
			return err_set(err, TG_ENOMEM, "statistics segment: no memory");
		}
	}
	*ret = seg;
	return 0;
}

/* A zeroed memory file whose size is final, or negative. */
static int
create_fd(size_t total, struct err *err)
{
	int fd = memfd_create("tidegate-segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (fd < 0)
		return err_set_errno(err, "statistics segment: memfd_create");
	if (ftruncate(fd, (off_t)total) < 0 || fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0) {
		rc = err_set_errno(err, "statistics segment: %zu bytes", total);
		close(fd);
		return rc;
	}
	return fd;
}

int
segment_create(unsigned workers, unsigned slots, size_t ring_bytes, struct segment **ret,
	       struct err *err)
{
	struct segment_header header = {
		.magic = MAGIC,
		.version = VERSION,
		.workers = workers,
		.slots = slots,
		.ring_bytes = ring_bytes,
		.started_us = mono_read().us,
	};
	struct segment *seg;
	int fd;
	int rc;

	if (!sizes_are_valid(workers, slots, ring_bytes))
		return err_set(err, TG_ERANGE,
			       "statistics segment: cannot hold %u workers, %u slots, rings of %zu",
			       workers, slots, ring_bytes);
	header.total_bytes = layout_of(workers, slots, ring_bytes).total;
	fd = create_fd(header.total_bytes, err);
	if (fd < 0)
		return fd;
	rc = segment_map(fd, workers, slots, ring_bytes, &seg, err);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	seg->fd = fd;
	seg->started.us = header.started_us;
	memcpy(seg->base, &header, sizeof(header));
	*ret = seg;
	return 0;
}

static int
check_header(const struct segment_header *header, uint64_t size, struct err *err)
{
	if (header->magic != MAGIC || header->version != VERSION)
		return err_set(err, TG_EPROTO, "statistics segment: not one of this version");
	if (!sizes_are_valid(header->workers, header->slots, header->ring_bytes) ||
	    header->total_bytes != size ||
	    layout_of(header->workers, header->slots, (size_t)header->ring_bytes).total != size)
		return err_set(err, TG_EPROTO, "statistics segment: sizes contradict each other");
	return 0;
}

int
segment_attach(int fd, struct segment **ret, struct err *err)
{
	struct segment_header header;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	int rc;

	if (seals < 0 || (seals & SEALS) != SEALS)
		return err_set(err, TG_EPROTO, "statistics segment: not a sealed memory file");
	if (fstat(fd, &st) < 0)
		return err_set_errno(err, "statistics segment: fstat");
	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
		return err_set(err, TG_EPROTO, "statistics segment: too short");
	rc = check_header(&header, (uint64_t)st.st_size, err);
	if (rc < 0)
		return rc;
	rc = segment_map(fd, header.workers, header.slots, (size_t)header.ring_bytes, ret, err);
	if (rc == 0)
		(*ret)->started.us = header.started_us;
	return rc;
}

void
segment_close(struct segment *seg)
{
	unsigned i;

	if (seg == NULL)
		return;
	for (i = 0; i < seg->workers; i++)
		ring_detach(&seg->rings[i]);
	munmap(seg->base, seg->layout.total);
	if (seg->fd >= 0)
		close(seg->fd);
	free(seg);
}

int
segment_fd(const struct segment *seg)
{
	return seg->fd;
}

unsigned
segment_workers(const struct segment *seg)
{
	return seg->workers;
}

static struct segment_header *
header_of(const struct segment *seg)
{
	return (struct segment_header *)(void *)seg->base;
}

void
segment_finish(struct segment *seg)
{
	atomic_store_explicit(&header_of(seg)->is_over, 1, memory_order_release);
}

bool
segment_is_over(const struct segment *seg)
{
	return atomic_load_explicit(&header_of(seg)->is_over, memory_order_acquire) != 0;
}

struct mono
segment_started(const struct segment *seg)
{
	return seg->started;
}

unsigned
segment_slots(const struct segment *seg)
{
	return seg->slots;
}

/* FNV-1a, 64 bits. */
static uint64_t
hash_text(const char *text)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3ull;
	return h;
}

/* A name as it is stored: one that is too long keeps its beginning and a hash of all of it. */
static void
fit_name(char stored[TG_SEGMENT_NAME], const char *name)
{
	size_t n = strlen(name);

	memset(stored, 0, TG_SEGMENT_NAME);
	if (n < TG_SEGMENT_NAME)
		memcpy(stored, name, n);
	else
		snprintf(stored, TG_SEGMENT_NAME, "%.*s~%016llx", TG_SEGMENT_NAME - 18, name,
			 (unsigned long long)hash_text(name));
}

uint32_t
segment_used(const struct segment *seg)
{
	uint32_t used = atomic_load_explicit(&header_of(seg)->used, memory_order_acquire);

	return used < seg->slots ? used : seg->slots;
}

void
segment_name(struct segment *seg, uint32_t slot, enum segment_kind kind, uint32_t parent,
	     const char *name)
{
	struct segment_entry *entry = segment_entry(seg, slot);

	atomic_store_explicit(&entry->kind, TG_SLOT_FREE, memory_order_release);
	fit_name(entry->name, name);
	entry->parent = parent;
	atomic_store_explicit(&entry->kind, (uint32_t)kind, memory_order_release);
	if (slot >= seg->used) {
		seg->used = slot + 1;
		atomic_store_explicit(&header_of(seg)->used, slot + 1, memory_order_release);
	}
}

int
segment_add(struct segment *seg, enum segment_kind kind, uint32_t parent, const char *name)
{
	uint32_t slot = seg->used;

	if (slot >= seg->slots)
		return -TG_ELIMIT;
	segment_name(seg, slot, kind, parent, name);
	return (int)slot;
}

void
segment_free(struct segment *seg, uint32_t slot)
{
	atomic_store_explicit(&segment_entry(seg, slot)->kind, TG_SLOT_FREE, memory_order_release);
}

/* Its words are atomics of 64 bits, all of them. */
static void
clear_words(void *part, size_t size)
{
	_Atomic uint64_t *words = part;
	size_t i;

	for (i = 0; i < size / sizeof(*words); i++)
		atomic_store_explicit(&words[i], 0, memory_order_relaxed);
}

static void
clear_spread(struct segment_spread *s)
{
	for (unsigned i = 0; i < TG_SEGMENT_SPREAD; i++)
		atomic_store_explicit(&s->n[i], 0, memory_order_relaxed);
}

static struct segment_numbers *
extra_counters(struct segment *seg, uint32_t slot, unsigned kind)
{
	struct segment_numbers *list =
		(void *)(seg->base + (kind == TG_EXTRA_CARRIED ? seg->layout.carried
								: seg->layout.cleared));

	return &list[slot];
}

static void
clear_extra(struct segment *seg, uint32_t slot, unsigned kind)
{
	if ((atomic_load_explicit(&segment_shared(seg, slot)->extras, memory_order_relaxed) & kind) != 0)
		clear_words(extra_counters(seg, slot, kind), sizeof(struct segment_numbers));
}

static void
clear_counters(struct segment_counters c)
{
	if (atomic_load_explicit(&c.common->has_rare, memory_order_relaxed) != 0)
		clear_words(c.rare, sizeof(*c.rare));
	clear_words(c.common, sizeof(*c.common));
}

void
segment_clear(struct segment *seg, uint32_t slot)
{
	unsigned i;

	clear_extra(seg, slot, TG_EXTRA_CARRIED);
	clear_extra(seg, slot, TG_EXTRA_CLEARED);
	clear_words(segment_load(seg, slot), sizeof(struct segment_load));
	clear_words(segment_shared(seg, slot), sizeof(struct segment_shared));
	clear_words(segment_carried_histograms(seg, slot), sizeof(struct segment_histograms));
	for (i = 0; i < seg->workers; i++) {
		clear_counters(segment_counters(seg, i, slot));
		clear_words(segment_histograms(seg, i, slot), sizeof(struct segment_histograms));
		clear_spread(segment_spread(seg, i, slot));
	}
}

uint32_t
segment_find(const struct segment *seg, enum segment_kind kind, uint32_t parent, const char *name)
{
	const struct segment_entry *entries = (const void *)(seg->base + seg->layout.entries);
	char stored[TG_SEGMENT_NAME];
	uint32_t used = segment_used(seg);
	uint32_t i;

	fit_name(stored, name);
	for (i = 0; i < used; i++) {
		if (atomic_load_explicit(&entries[i].kind, memory_order_acquire) != (uint32_t)kind)
			continue;
		if (entries[i].parent == parent &&
		    strncmp(entries[i].name, stored, TG_SEGMENT_NAME) == 0)
			return i;
	}
	return TG_SEGMENT_NONE;
}

struct segment_entry *
segment_entry(struct segment *seg, uint32_t slot)
{
	struct segment_entry *entries = (void *)(seg->base + seg->layout.entries);

	assert(slot < seg->slots);
	return &entries[slot];
}

struct segment_load *
segment_load(struct segment *seg, uint32_t slot)
{
	assert(slot < seg->slots);
	return (void *)(seg->base + seg->layout.loads + lone_at(slot, sizeof(struct segment_load)));
}

struct segment_shared *
segment_shared(struct segment *seg, uint32_t slot)
{
	struct segment_shared *shared = (void *)(seg->base + seg->layout.shared);

	assert(slot < seg->slots);
	return &shared[slot];
}

struct segment_counters
segment_counters(struct segment *seg, unsigned worker, uint32_t slot)
{
	struct segment_common *common = (void *)(seg->base + seg->layout.common);
	struct segment_rare *rare = (void *)(seg->base + seg->layout.rare);
	size_t at = (size_t)worker * seg->slots + slot;

	assert(worker < seg->workers && slot < seg->slots);
	return (struct segment_counters){.common = &common[at], .rare = &rare[at]};
}

struct segment_histograms *
segment_carried_histograms(struct segment *seg, uint32_t slot)
{
	struct segment_histograms *carried = (void *)(seg->base + seg->layout.carried_histograms);

	assert(slot < seg->slots);
	return &carried[slot];
}

struct segment_histograms *
segment_histograms(struct segment *seg, unsigned worker, uint32_t slot)
{
	struct segment_histograms *histograms = (void *)(seg->base + seg->layout.histograms);

	assert(worker < seg->workers && slot < seg->slots);
	return &histograms[(size_t)worker * seg->slots + slot];
}

struct segment_spread *
segment_spread(struct segment *seg, unsigned worker, uint32_t slot)
{
	struct segment_spread *spreads = (void *)(seg->base + seg->layout.spreads);

	assert(worker < seg->workers && slot < seg->slots);
	return &spreads[(size_t)worker * seg->slots + slot];
}

struct ring *
segment_ring(struct segment *seg, unsigned worker)
{
	assert(worker < seg->workers);
	return &seg->rings[worker];
}

/* Its page is not touched where it has nothing. */
static uint64_t
extra(struct segment *seg, uint32_t slot, unsigned counter, unsigned kind)
{
	uint64_t extras = atomic_load_explicit(&segment_shared(seg, slot)->extras,
					       memory_order_relaxed);

	assert(counter < TG_SEGMENT_COUNTERS);
	return (extras & kind) == 0
		       ? 0
		       : atomic_load_explicit(&extra_counters(seg, slot, kind)->n[counter],
					      memory_order_relaxed);
}

static void
set_extra(struct segment *seg, uint32_t slot, unsigned counter, unsigned kind, uint64_t n)
{
	if (n == extra(seg, slot, counter, kind))
		return;
	atomic_store_explicit(&extra_counters(seg, slot, kind)->n[counter], n,
			      memory_order_relaxed);
	atomic_fetch_or_explicit(&segment_shared(seg, slot)->extras, kind, memory_order_relaxed);
}

uint64_t
segment_carried(struct segment *seg, uint32_t slot, unsigned counter)
{
	return extra(seg, slot, counter, TG_EXTRA_CARRIED);
}

void
segment_carry(struct segment *seg, uint32_t slot, unsigned counter, uint64_t n)
{
	set_extra(seg, slot, counter, TG_EXTRA_CARRIED, n);
}

uint64_t
segment_cleared(struct segment *seg, uint32_t slot, unsigned counter)
{
	return extra(seg, slot, counter, TG_EXTRA_CLEARED);
}

void
segment_set_cleared(struct segment *seg, uint32_t slot, unsigned counter, uint64_t n)
{
	set_extra(seg, slot, counter, TG_EXTRA_CLEARED, n);
}

/* What is not there is not touched: to read a page is to have it. */
uint64_t
segment_counter(struct segment *seg, unsigned worker, uint32_t slot, unsigned counter)
{
	struct segment_counters c = segment_counters(seg, worker, slot);

	assert(counter < TG_SEGMENT_COUNTERS);
	if (!counter_is_common(counter) &&
	    atomic_load_explicit(&c.common->has_rare, memory_order_relaxed) == 0)
		return 0;
	return atomic_load_explicit(counter_at(&c, counter), memory_order_relaxed);
}

uint64_t
segment_sum(struct segment *seg, uint32_t slot, unsigned counter)
{
	uint64_t sum = segment_carried(seg, slot, counter);
	unsigned i;

	for (i = 0; i < seg->workers; i++)
		sum += segment_counter(seg, i, slot, counter);
	return sum;
}

/* A number the proxy wrote, whoever that is. */
static double
share_of(const _Atomic int64_t *permille)
{
	int64_t n = atomic_load_explicit(permille, memory_order_relaxed);

	return n >= 0 && n <= LOAD_PERMILLE_MAX ? (double)n / 1000 : (double)NAN;
}

bool
segment_load_report(struct segment *seg, uint32_t slot, struct mono now, uint64_t stale_ms,
		    double *ret_cpu, double *ret_memory)
{
	const struct segment_shared *shared = segment_shared(seg, slot);
	int64_t at = atomic_load_explicit(&shared->load_us, memory_order_acquire);
	double cpu = share_of(&shared->load_cpu_permille);
	double memory = share_of(&shared->load_memory_permille);
	struct mono told = {.us = (uint64_t)at};

	/* Another process's clock may be a turn ahead of `now`, no more. */
	if (at <= 0 || mono_diff_us(now, told) / 1000 > stale_ms ||
	    mono_diff_us(told, now) / 1000 > stale_ms || (isnan(cpu) && isnan(memory)))
		return false;
	*ret_cpu = cpu;
	*ret_memory = memory;
	return true;
}

/* Untouched pages of the segment stay untouched. */
static void
reset_gauge(_Atomic int64_t *gauge)
{
	if (atomic_load_explicit(gauge, memory_order_relaxed) != 0)
		atomic_store_explicit(gauge, 0, memory_order_relaxed);
}

void
segment_reset_gauges(struct segment *seg)
{
	uint32_t used = segment_used(seg);
	uint32_t i;

	for (i = 0; i < used; i++) {
		struct segment_shared *shared = segment_shared(seg, i);

		reset_gauge(&segment_load(seg, i)->in_flight);
		reset_gauge(&shared->h2_connections);
		reset_gauge(&shared->queued);
		reset_gauge(&shared->held);
		reset_gauge(&shared->ejected);
		reset_gauge(&shared->pipes);
		reset_gauge(&shared->pipes_max);
	}
}
