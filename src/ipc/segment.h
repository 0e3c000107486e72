/*
 * ipc/segment.h: the shared-memory segment where workers leave their numbers.
 *
 * One segment per run of the daemon, made by the parent as a memfd, mapped by
 * the proxy (written) and by the keeper (read, but for the tails of the rings).
 * It survives a crash of either. Layout, all offsets fixed at creation:
 *
 *	header | entries[slots] | loads[slots] | shared[slots] | common[workers][slots] |
 *	rare[workers][slots] | carried[slots] | cleared[slots] | histograms[workers][slots] |
 *	carried histograms[slots] | spreads[workers][slots] | rings[workers]
 *
 * A slot belongs to one object (listener, service or backend); the parent
 * names it before the children hear of it (proc/slots.h). Counters, histograms and spreads are written by
 * exactly one worker each with plain relaxed stores and summed by readers. What
 * must be exact across workers is in `loads` and in `shared`, on cache lines of its own. `carried` is
 * what processes before counted in a segment of theirs (proc/carry.h), the creator's to write: part of all
 * sums. `cleared` is
 * the keeper's alone: what the sums were when an operator cleared them. The
 * highest values in `shared` are written by many, and the keeper may set them back. Pages
 * nobody writes or reads take no memory: most slots have no histograms, and of carried and cleared none is read that
 * has nothing (`extras`).
 *
 * The proxy can write all of it at any time, so a reader trusts nothing in it:
 * sizes are kept privately after segment_attach(), a name in an entry may have
 * lost its NUL (compare with segment_find(), or take the name from the
 * configuration).
 */
#ifndef TG_IPC_SEGMENT_H
#define TG_IPC_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/lone.h"
#include "ipc/ring.h"

/* Counters per slot and worker; families in observe/counters.h must fit. */
#define TG_SEGMENT_COUNTERS 112
/* Histograms per slot and worker, and buckets of each; observe/histogram.h says which. */
#define TG_SEGMENT_HISTOGRAMS 4
#define TG_SEGMENT_BUCKETS    19
/* Buckets of a backend's times per worker; observe/spread.h says which. */
#define TG_SEGMENT_SPREAD     48
#define TG_SEGMENT_NAME     128
#define TG_SEGMENT_NONE     UINT32_MAX

enum segment_kind {
	TG_SLOT_FREE = 0,
	TG_SLOT_GLOBAL = 1,   /* slot 0, "tidegate" */
	TG_SLOT_LISTENER = 2, /* parent: TG_SEGMENT_NONE */
	TG_SLOT_SERVICE = 3,  /* parent: TG_SEGMENT_NONE */
	TG_SLOT_BACKEND = 4,  /* parent: its service's slot */
	TG_SLOT_KIND_COUNT
};

struct segment_entry {
	_Atomic uint32_t kind; /* written last when an entry is made */
	uint32_t parent;       /* slot, or TG_SEGMENT_NONE */
	char name[TG_SEGMENT_NAME];
};

/* Counters below this one, and TG_SEGMENT_COMMON_TOO, are those that each object in use has; of the others most are 0 for
 * ever, and their pages are not there. */
#define TG_SEGMENT_COMMON     22u
#define TG_SEGMENT_COMMON_TOO 72u

struct segment_common {
	_Alignas(TG_CACHELINE) _Atomic uint64_t n[TG_SEGMENT_COMMON + 1];
	_Atomic uint64_t has_rare; /* 1: of the others too */
};

struct segment_rare {
	_Alignas(TG_CACHELINE) _Atomic uint64_t n[TG_SEGMENT_COUNTERS - TG_SEGMENT_COMMON];
};

/* All of a slot, where many do not count. */
struct segment_numbers {
	_Alignas(TG_CACHELINE) _Atomic uint64_t n[TG_SEGMENT_COUNTERS];
};

/* Where one worker counts for one slot. A value. */
struct segment_counters {
	struct segment_common *common;
	struct segment_rare *rare;
};

struct segment_histogram {
	_Atomic uint64_t buckets[TG_SEGMENT_BUCKETS]; /* each without those before it */
	_Atomic uint64_t sum;
};

struct segment_histograms {
	_Alignas(TG_CACHELINE) struct segment_histogram h[TG_SEGMENT_HISTOGRAMS];
};

struct segment_spread {
	_Alignas(TG_CACHELINE) _Atomic uint32_t n[TG_SEGMENT_SPREAD];
};

/* What every pick of a backend looks at; by slot as base/lone.h has it. */
struct segment_load {
	/* Streams holding this object now; services: workers that have some of one that is gone. */
	_Alignas(16) _Atomic int64_t in_flight;
	_Atomic int64_t in_flight_max;
};

#define TG_EXTRA_CARRIED (1u << 0)
#define TG_EXTRA_CLEARED (1u << 1)

struct segment_shared {
	/* services: streams waiting for a place, or held, now */
	_Alignas(TG_CACHELINE) _Atomic int64_t queued;
	_Atomic int64_t queued_max;
	_Atomic int64_t held; /* of these: until a backend is up */
	_Atomic int64_t held_max;
	_Atomic int64_t h2_connections; /* listeners: those that speak HTTP/2 now */
	_Atomic int64_t ejected;   /* backends: 1 while it is */
	_Atomic int64_t ejections; /* so far */
	/* Backends: of weight and limit, while it starts slowly; else 0. */
	_Atomic int64_t ramp_permille;
	/* Listeners, and slot 0 for all: connections at a time; 0: no limit of its own. */
	_Atomic int64_t limit;
	_Atomic int64_t handshake_due_ns; /* listeners with handshake_rate; base/throttle.h */
	_Atomic int64_t limit_max; /* slot 0: the most that files allow */
	/* Slot 0: pipes for bulk of all workers, in use and at most. */
	_Atomic int64_t pipes;
	_Atomic int64_t pipes_max;
	/* Slot 0, written by the parent: changes of the configuration while it runs, and when the
	 * last one was made, wall clock; 0: none yet. */
	_Atomic int64_t reloads;
	_Atomic int64_t reloads_failed;
	_Atomic int64_t reloaded_us;
	/* Slot 0, written by the keeper: 1 while the last one that was tried failed. */
	_Atomic int64_t reload_is_bad;
	/* Slot 0, written by the parent: times a child was ended because a loop of it did not turn. */
	_Atomic int64_t hangs_proxy;
	_Atomic int64_t hangs_keeper;
	/* Slot 0, written by the parent: 1 while the tidegate before may still have streams in flight. */
	_Atomic int64_t has_former;
	/* Slot 0, written by the keeper: that of the service whose autoscaler runs; 0: none. A hint. */
	_Atomic int64_t judged;
	/* Slot 0, written by the keeper for the one after it: when it saw a run of acme last, wall clock; 0: none is under way. */
	_Atomic int64_t acme_began_us;
	/* Backends: what it told last of its own load, in thousandths; -1: not told. segment_load_report() reads it. */
	_Atomic int64_t load_cpu_permille;
	_Atomic int64_t load_memory_permille;
	_Atomic int64_t load_us; /* when, monotonic; written last; 0: it told nothing yet */
	/* Backends, written by the keeper for the one after it: what its checks have counted, and of that what
	 * an operator cleared. */
	_Atomic int64_t checks_passed;
	_Atomic int64_t checks_failed;
	_Atomic int64_t downs;
	_Atomic int64_t down_us;
	_Atomic int64_t checks_failed_cleared;
	_Atomic int64_t downs_cleared;
	/* The same: what the agent ordered (struct backend_order), where that was, as a hash, and when it was last heard. */
	_Atomic int64_t agent_told; /* with admin from bit 8 on, and is_down from bit 16 on; written last; 0: nothing */
	_Atomic int64_t agent_weight;
	_Atomic int64_t agent_weight_permille;
	_Atomic int64_t agent_limit;
	_Atomic int64_t agent_at;
	_Atomic int64_t agent_heard_us;
	_Atomic uint64_t extras; /* TG_EXTRA_*: what else has numbers of this slot */
};

/* After a gauge became `n`: the line is this processor's already, and rarely written once more. */
static inline void
segment_note_max(_Atomic int64_t *gauge_max, int64_t n)
{
	int64_t max = atomic_load_explicit(gauge_max, memory_order_relaxed);

	while (n > max &&
	       !atomic_compare_exchange_weak_explicit(gauge_max, &max, n, memory_order_relaxed,
						      memory_order_relaxed))
		continue;
}

/* Any worker: a backend told its load, -1 what it did not tell. Of two at a time both are recent. */
static inline void
segment_tell_load(struct segment_shared *shared, int32_t cpu_permille, int32_t memory_permille,
		  struct mono now)
{
	atomic_store_explicit(&shared->load_cpu_permille, cpu_permille, memory_order_relaxed);
	atomic_store_explicit(&shared->load_memory_permille, memory_permille, memory_order_relaxed);
	atomic_store_explicit(&shared->load_us, (int64_t)now.us, memory_order_release);
}

static inline void
segment_note_in_flight(struct segment_load *load, int64_t n)
{
	segment_note_max(&load->in_flight_max, n);
}

struct segment;

/* Owned by the caller; segment_close() unmaps. `ring_bytes` is a power of two, per worker. All
 * zero but the header: no slot named. Fails with the reason in `err`. */
TG_MUST_CHECK int segment_create(unsigned workers, unsigned slots, size_t ring_bytes,
				 struct segment **ret, struct err *err);
/* Maps what a descriptor from segment_fd() of another process refers to; checks magic,
 * version and size. The descriptor stays the caller's. */
TG_MUST_CHECK int segment_attach(int fd, struct segment **ret, struct err *err);
void segment_close(struct segment *seg);   /* NULL allowed */
int segment_fd(const struct segment *seg); /* of the creator; -1 after segment_attach() */

unsigned segment_workers(const struct segment *seg);
unsigned segment_slots(const struct segment *seg); /* capacity */
/* Slots that ever had a name: those behind were never touched, and shall stay so. */
uint32_t segment_used(const struct segment *seg);
/* When it was created: the start of this run of the daemon. */
struct mono segment_started(const struct segment *seg);

/* The creator only: nobody counts in it any more. */
void segment_finish(struct segment *seg);
bool segment_is_over(const struct segment *seg);

/* The creator only: name the next slot that never had a name. Returns its index or -TG_ELIMIT. */
int segment_add(struct segment *seg, enum segment_kind kind, uint32_t parent, const char *name);
/* The creator only, of a slot that nobody uses: name it, in place of what it was named. */
void segment_name(struct segment *seg, uint32_t slot, enum segment_kind kind, uint32_t parent,
		  const char *name);
/* The creator only, likewise: all its numbers become 0. */
void segment_clear(struct segment *seg, uint32_t slot);
/* The creator only, likewise: it has no name any more. */
void segment_free(struct segment *seg, uint32_t slot);
/* Slot by kind, parent and name, as long as it was given to segment_add() (a name too long for
 * an entry is stored with a hash); TG_SEGMENT_NONE when there is none. Linear. */
uint32_t segment_find(const struct segment *seg, enum segment_kind kind, uint32_t parent,
		      const char *name);

/* Parts of the segment; valid until segment_close(). Out of range is a bug and asserted. */
struct segment_entry *segment_entry(struct segment *seg, uint32_t slot);
struct segment_load *segment_load(struct segment *seg, uint32_t slot);
struct segment_shared *segment_shared(struct segment *seg, uint32_t slot);
struct segment_counters segment_counters(struct segment *seg, unsigned worker, uint32_t slot);
struct segment_histograms *segment_histograms(struct segment *seg, unsigned worker, uint32_t slot);
struct segment_spread *segment_spread(struct segment *seg, unsigned worker, uint32_t slot);
struct segment_histograms *segment_carried_histograms(struct segment *seg, uint32_t slot);
/* What those before have counted. */
uint64_t segment_carried(struct segment *seg, uint32_t slot, unsigned counter);
void segment_carry(struct segment *seg, uint32_t slot, unsigned counter, uint64_t n);
/* What is to be taken off the sums where people read them; 0: never cleared. */
uint64_t segment_cleared(struct segment *seg, uint32_t slot, unsigned counter);
void segment_set_cleared(struct segment *seg, uint32_t slot, unsigned counter, uint64_t n);
/* This process's handle of a worker's ring; one writer and one reader process at a time. */
struct ring *segment_ring(struct segment *seg, unsigned worker);

/* What one worker has counted. */
uint64_t segment_counter(struct segment *seg, unsigned worker, uint32_t slot, unsigned counter);
/* Sum of one counter over all workers, and those before. */
uint64_t segment_sum(struct segment *seg, uint32_t slot, unsigned counter);

/*
 * What the backend in this slot told last of its own load (http/load_report.h), as shares of what it may use: 0.3.
 * NAN: not told. False: it told nothing, or not within `stale_ms`: both are untouched.
 */
bool segment_load_report(struct segment *seg, uint32_t slot, struct mono now, uint64_t stale_ms,
			 double *ret_cpu, double *ret_memory);

/* Proxy, before its workers start: in-flight numbers of a run that died become 0. */
void segment_reset_gauges(struct segment *seg);

static inline bool
counter_is_common(unsigned id)
{
	return id < TG_SEGMENT_COMMON || id == TG_SEGMENT_COMMON_TOO;
}

/* To be written. Those of one sort, common or rare, stand side by side. */
static inline _Atomic uint64_t *
counter_at(const struct segment_counters *c, unsigned id)
{
	if (counter_is_common(id))
		return &c->common->n[id < TG_SEGMENT_COMMON ? id : TG_SEGMENT_COMMON];
	if (atomic_load_explicit(&c->common->has_rare, memory_order_relaxed) == 0)
		atomic_store_explicit(&c->common->has_rare, 1, memory_order_relaxed);
	return &c->rare->n[id - TG_SEGMENT_COMMON];
}

/* One writer per counter: no locked instruction. */
static inline void
counter_add(const struct segment_counters *c, unsigned id, uint64_t n)
{
	_Atomic uint64_t *counter = counter_at(c, id);

	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

#endif
