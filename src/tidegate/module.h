/*
 * tidegate/module.h: what a module for tidegate is made of. Installed; needs nothing but this file.
 *
 * A module is a shared object that exports one function,
 *
 *	const struct tg_module *tidegate_module(const struct tg_host *host);
 *
 * which returns a descriptor that stays as it is for the life of the process, or NULL when it
 * cannot work with this host. Modules that are built in have the same descriptor.
 *
 * Autoscalers and schedulers are pure: all they may look at are their options and the snapshot they are
 * given, the clock included; the same two give the same answer, in the daemon, in a
 * simulation and in a replay of a decision that was recorded. They keep nothing
 * between calls: what an autoscaler proposed earlier is in the windows (TG_METRIC_PROPOSED).
 *
 * It runs in the keeper's only thread, which nothing may block: a proposal that takes more than 100 ms is
 * reported. A crash is that of the keeper, which is started again; traffic goes on.
 *
 * Versions: the major number changes when a module must be built anew; a higher minor one adds
 * members at the end of structures, whose `size` tells which are there. Read a member beyond those of minor 0
 * only when `size` covers it.
 */
#ifndef TIDEGATE_MODULE_H
#define TIDEGATE_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_MODULE_MAGIC UINT32_C(0x74674d6f)
#define TG_MODULE_MAJOR 1
#define TG_MODULE_MINOR 2 /* 0: autoscalers; 1: schedulers, and uses() of autoscalers; 2: outlooks and plans */
#define TG_MODULE_ENTRY "tidegate_module"

enum tg_module_kind {
	TG_MODULE_AUTOSCALER = 1, /* ops: struct tg_autoscaler */
	TG_MODULE_SCHEDULER = 2,  /* since minor 1; ops: struct tg_scheduler */
};

/*** Options: how a module is configured ***/

enum tg_option_type {
	TG_OPTION_NUMBER = 0,   /* 40, 0.7 */
	TG_OPTION_DURATION = 1, /* "30s"; in seconds for the module */
	TG_OPTION_BOOLEAN = 2,  /* true, false; 1 or 0 */
	TG_OPTION_WORD = 3,     /* one of `words`; its index */
	TG_OPTION_TYPE_COUNT
};

/* One key that a service may have for this module, in `autoscale` or `placement`. */
struct tg_option {
	const char *name;         /* lower case, digits and '_'; NULL ends the table */
	uint32_t type;            /* enum tg_option_type */
	const char *preset;       /* as it would be written; NULL: none, and is_set is false */
	double min;               /* numbers and durations (seconds): what is allowed */
	double max;
	const char *const *words; /* TG_OPTION_WORD: NULL at the end */
	const char *help;         /* one sentence, plain text */
};

/* By its place in the table. */
struct tg_value {
	double number;
	bool is_set; /* configured, or there is a preset */
};

/*** What is measured ***/

/* Of one service as a whole. NAN: not known. */
#define TG_METRICS(X)                                                                              \
	X(IN_FLIGHT, "in-flight", "requests or connections at backends now")                       \
	X(QUEUED, "queued", "that wait for a place, or for a backend to start, now")               \
	X(ARRIVALS, "arrivals", "begun, per second")                                               \
	X(COMPLETIONS, "completions", "ended, per second")                                         \
	X(ERRORS, "errors", "answered with 5xx, or not at all, per second")                        \
	X(SERVICE_TIME, "service-time", "mean of those that ended, seconds at a backend")          \
	X(SERVICE_P95, "service-p95", "95th percentile of the whole time, seconds")                \
	X(QUEUE_TIME, "queue-time", "mean wait of those that ended, seconds")                      \
	X(QUEUE_P95, "queue-p95", "95th percentile of those that waited, seconds")                 \
	X(CPU, "cpu", "mean over backends, of what each may use")                                  \
	X(MEMORY, "memory", "the same: the working set")                                           \
	X(READY, "ready", "backends that take requests now")                                       \
	X(DESIRED, "desired", "backends there should be, as last decided")                         \
	X(PROPOSED, "proposed", "backends this module proposed (raw); not known while it is unsure")

enum tg_metric {
#define TG_METRIC_ENUM(id, word, help) TG_METRIC_##id,
	TG_METRICS(TG_METRIC_ENUM)
#undef TG_METRIC_ENUM
	TG_METRIC_COUNT
};

/* Of the samples in a window, those where this was known. What came in quick succession counts as one sample; of
 * the values it had, none is missing in the figures below. */
struct tg_figure {
	uint32_t n;   /* how many; 0: the rest is NAN */
	double first; /* the oldest */
	double last;  /* the newest */
	double mean;  /* each by the time since the one before it */
	double min;
	double max;
};

/* The past up to now, as far as `span_ms` reaches. */
struct tg_window {
	uint32_t span_ms;
	uint32_t covered_ms; /* from its oldest sample to now; less than span_ms after a start */
	uint32_t n;          /* samples */
	struct tg_figure metrics[TG_METRIC_COUNT];
};

enum tg_backend_state {
	TG_BACKEND_PENDING = 0,  /* asked for */
	TG_BACKEND_STARTING = 1, /* it runs, as its provider says */
	TG_BACKEND_CHECKING = 2, /* its first check is awaited */
	TG_BACKEND_READY = 3,
	TG_BACKEND_DOWN = 4,     /* checks fail */
	TG_BACKEND_DRAINING = 5, /* no new work; it stops when what it has is done */
	TG_BACKEND_STOPPING = 6,
	TG_BACKEND_STATE_COUNT
};

struct tg_backend {
	const char *name;
	uint32_t state;   /* enum tg_backend_state */
	int64_t since_ms; /* on the clock of now_ms */
	double in_flight; /* NAN: not known, as the others */
	double cpu;       /* of what it may use */
	double memory;
};

/*** What the host learns of a service over hours and days (since minor 2) ***/

/* One figure that is estimated. `error` is its standard error; NAN: not known. */
struct tg_estimate {
	double value;
	double error;
	double n; /* observations behind it, older ones for less; 0: none, and value is NAN */
};

/* Ways to see one load, in arrivals per second. Each is right for another kind of load. */
#define TG_SIGNALS(X)                                                                              \
	X(NOW, "now", "the mean of as many seconds as agree with the last ones")                   \
	X(MEAN_1, "mean-1m", "the greater one of now and the mean of a minute")                    \
	X(MEAN_3, "mean-3m", "the same of three minutes")                                          \
	X(MEAN_10, "mean-10m", "the same of ten minutes")                                          \
	X(MEAN_30, "mean-30m", "the same of half an hour")                                         \
	X(PEAK_1, "peak-1m", "the greatest that now was in a minute")                              \
	X(PEAK_3, "peak-3m", "the same in three minutes")                                          \
	X(PEAK_10, "peak-10m", "the same in ten minutes")                                          \
	X(PEAK_30, "peak-30m", "the same in half an hour")

enum tg_signal {
#define TG_SIGNAL_ENUM(id, word, help) TG_SIGNAL_##id,
	TG_SIGNALS(TG_SIGNAL_ENUM)
#undef TG_SIGNAL_ENUM
	TG_SIGNAL_COUNT
};

#define TG_RATIOS 32 /* classes of a ratio, see tg_history */

/* As of now. Recorded with a decision. */
struct tg_outlook {
	uint32_t size;
	uint32_t reserved;
	double signals[TG_SIGNAL_COUNT]; /* NAN: not known */
	struct tg_estimate start_s;      /* from asked for to ready */
	struct tg_estimate service_s;    /* a request at a backend */
	struct tg_estimate forecast;     /* arrivals per second when a backend would be ready that is started now;
	                                  * error: how far such forecasts were off lately */
};

/* What followed on what was seen: of each signal, how often the load was so many times as much a horizon later. */
struct tg_history {
	uint32_t size;
	uint32_t reserved;
	double horizon_s;                           /* the start delay, and what passes until it is noticed */
	double n;                                   /* observations, older ones for less */
	double ratios[TG_RATIOS];                   /* of each class, its middle; rising */
	double demand[TG_SIGNAL_COUNT][TG_RATIOS];  /* shares of requests: arrivals now to the signal then; sum 1 */
	double change[TG_SIGNAL_COUNT][TG_RATIOS];  /* shares of time: the signal now to the signal then; sum 1 */
	double size_of[TG_SIGNAL_COUNT];            /* the signal's mean, of that of the load */
};

#define TG_PLAN_NUMBERS_MAX 96

/* What a module has worked out beforehand, see tg_autoscaler.plan(). It follows from the numbers alone. */
struct tg_plan {
	uint32_t size;
	uint32_t n;
	const double *numbers; /* recorded with a decision: its table can be made again */
	const void *table;
	size_t table_bytes;
};

struct tg_snapshot {
	uint32_t size;
	uint32_t reserved;
	int64_t now_ms; /* a clock that never goes back; its zero means nothing */
	const char *service;
	uint32_t ready;
	uint32_t pending;     /* asked for, starting, checking: they count as capacity to come */
	uint32_t draining;
	uint32_t desired;     /* as last decided */
	uint32_t min;         /* in effect now, schedules included */
	uint32_t max;
	uint32_t concurrency; /* requests a backend gets at a time; 0: no limit */
	uint32_t n_backends;
	const struct tg_backend *backends;
	double start_s;       /* mean time from asked for to ready, of the last starts; NAN: none yet */
	uint32_t n_windows;
	uint32_t reserved2;
	const struct tg_window *windows; /* in the order tg_autoscaler.windows() gave */
	/* Since minor 2; of modules that have plans, NULL of others: */
	const struct tg_outlook *outlook;
	const struct tg_plan *plan; /* the last one; NULL: none yet */
};

#define TG_REASON_SIZE 192

struct tg_proposal {
	uint32_t desired;            /* before min, max and all guards of the host */
	bool has_raw;                /* false: raw is desired */
	uint32_t raw;                /* what the figures ask for, before the module looked at what it proposed
	                              * earlier: this is TG_METRIC_PROPOSED of later windows */
	bool is_unsure;              /* what it needs is not known: the host does not shrink the service */
	double load;                 /* what is used, of what its rule allows: 1 is just enough. The host removes k
	                              * of n only while load < 1 - k/n. NAN: it has no such figure */
	char reason[TG_REASON_SIZE]; /* one line of ASCII for people: figures and what follows */
};

#define TG_WINDOWS_MAX 8
#define TG_OPTIONS_MAX 64

struct tg_autoscaler {
	uint32_t size;
	uint32_t reserved;
	/* Options that do not go together: false, with one line in `reason`. Each alone is checked
	 * by the host. NULL: all do. */
	bool (*check)(const struct tg_value *options, char *reason, size_t size);
	/* Spans of the windows it looks at, in milliseconds, none of them 0; how many, TG_WINDOWS_MAX at
	 * most. */
	uint32_t (*windows)(const struct tg_value *options, uint32_t *ret_spans_ms);
	/* `ret` is zeroed. */
	void (*propose)(const struct tg_value *options, const struct tg_snapshot *snapshot,
			struct tg_proposal *ret);
	/* Since minor 1: whether it looks at this metric (enum tg_metric). People are told where one it looks
	 * at is not known, and why. NULL: it does not say. */
	bool (*uses)(const struct tg_value *options, uint32_t metric);
	/*
	 * Since minor 2: a plan, for what takes too long to be worked out at each decision. All of these, or none.
	 *
	 * plan_numbers(): whether another plan than `snapshot->plan` is wanted, and what it follows from: at most
	 * TG_PLAN_NUMBERS_MAX numbers, all finite; 0: what there is will do. In the keeper's thread, like propose(), and
	 * not at each decision. plan_bytes(): how large the table of these is, 64 MiB at most; 0: they make
	 * no sense. plan(): makes it; `ret` is zeroed. It is called in a process of its own, which is ended
	 * after ten seconds, and looks at the numbers alone: the same ones make the same table, anywhere.
	 */
	uint32_t (*plan_numbers)(const struct tg_value *options, const struct tg_snapshot *snapshot,
				 const struct tg_history *history, double *ret);
	size_t (*plan_bytes)(const double *numbers, uint32_t n);
	void (*plan)(const double *numbers, uint32_t n, void *ret);
	/* The plan for people, in lines of ASCII, as `line` is called with them. NULL: it shows nothing. */
	void (*plan_show)(const struct tg_value *options, const struct tg_snapshot *snapshot,
			  void (*line)(void *user, const char *text), void *user);
};

/*** Schedulers: on which node a backend goes (since minor 1) ***/

/* Processor time is in thousandths of a core, memory in bytes. */

struct tg_label {
	const char *key;
	const char *value;
};

struct tg_node {
	const char *name;
	int64_t cpu_milli;         /* capacity; 0: not known, and never too little */
	int64_t memory_bytes;      /* the same */
	int64_t free_cpu_milli;    /* capacity less what all that is there was promised; may be below 0 */
	int64_t free_memory_bytes; /* the same */
	const struct tg_label *labels;
	uint32_t n_labels;
	uint32_t reserved;
	const char *closed;        /* why nothing new goes there; NULL: it does */
};

/* Backends of one service: what each needs, and where it may be. */
struct tg_group {
	const char *service;
	int64_t cpu_milli;             /* of each; 0: none that is known */
	int64_t memory_bytes;          /* the same */
	int32_t priority;              /* higher is placed first */
	uint32_t n_require;
	const struct tg_label *require; /* a node must have them all */
	const uint32_t *affinity;      /* groups: a node must have one of each; of its own, when there is one */
	const uint32_t *anti_affinity; /* groups: a node must have none of any; holds from either side */
	uint32_t n_affinity;
	uint32_t n_anti_affinity;
	const char *spread;            /* key of a label: as many for each value, where there is room; NULL: none */
};

struct tg_cluster {
	uint32_t size;
	uint32_t reserved;
	uint32_t n_nodes;
	uint32_t n_groups;
	const struct tg_node *nodes;
	const struct tg_group *groups;
	/* [node * n_groups + group]: backends there, with those on their way to it and from it. */
	const uint32_t *counts;
};

/*
 * A list of backends to be placed: demands[i] is the group of the i-th. What put() and take() do is seen in
 * `cluster` at once. Of the host but `bound`; valid during the call.
 */
struct tg_packing {
	uint32_t size;
	uint32_t n;
	const uint32_t *demands;
	const struct tg_cluster *cluster;
	const int32_t *nodes; /* where each is; -1: nowhere yet */
	/* Whether the i-th could go there now: room, labels, affinity and all else. */
	bool (*fits)(const struct tg_packing *packing, uint32_t i, uint32_t node);
	/* Puts it there; false, and nothing is changed: it does not fit, or is somewhere. */
	bool (*put)(struct tg_packing *packing, uint32_t i, uint32_t node);
	void (*take)(struct tg_packing *packing, uint32_t i); /* it is nowhere again */
	double bound; /* the module's: nodes that must be in use at least when as many as can be are placed, those
	               * that are in use included; NAN, as preset: not known */
};

/*
 * The host alone says where a backend may be: room, labels required, affinity, anti-affinity, the values of
 * `spread` that have the fewest; and it does those of higher priority first. A module says which of these nodes is the
 * best. The node of a backend that is one too many is asked for the same way: the one goes whose node
 * would be the worst for it.
 */
struct tg_scheduler {
	uint32_t size;
	uint32_t reserved;
	/* As that of struct tg_autoscaler. NULL: all options go together. */
	bool (*check)(const struct tg_value *options, char *reason, size_t size);
	/* For each node with fits[node]: how good it is for one more of the group, more is better; of equals the
	 * first in order is taken. NAN: not there. Others are not looked at. */
	void (*score)(const struct tg_value *options, const struct tg_cluster *cluster,
		      uint32_t group, const bool *fits, double *ret_scores);
	/* Many of one priority, none with `spread`: as many as it can, on as few nodes as it can. The host places what it
	 * leaves by score(). NULL: all of them by score(), the largest first. */
	void (*pack)(const struct tg_value *options, struct tg_packing *packing);
	/* NULL, or 0: pack() takes less than 100 ms, and runs in the keeper. Else it runs in a process of its own, which
	 * is ended after so long: the host has placed all it can by score() before, and asks for what is left, and for
	 * plans. */
	uint32_t (*deadline_ms)(const struct tg_value *options);
};

/*** The module and its host ***/

struct tg_module {
	uint32_t magic; /* TG_MODULE_MAGIC */
	uint16_t major; /* TG_MODULE_MAJOR */
	uint16_t minor;
	uint32_t size; /* sizeof(struct tg_module) */
	uint32_t kind; /* enum tg_module_kind */
	const char *name; /* lower case, digits and '-'; as configured in `module` */
	const char *help; /* one sentence, plain text */
	const struct tg_option *options; /* NULL: none */
	const void *ops;
};

enum tg_host_level {
	TG_HOST_ERROR = 0,
	TG_HOST_WARN = 1,
	TG_HOST_INFO = 2,
	TG_HOST_DEBUG = 3,
};

struct tg_host {
	uint16_t major;
	uint16_t minor;
	uint32_t size;
	/* One line into the log of the keeper. */
	void (*log)(enum tg_host_level level, const char *text);
};

typedef const struct tg_module *tg_module_entry(const struct tg_host *host);

#ifdef __cplusplus
}
#endif

#endif
