/*
 * base/err.h: the ways a function fails.
 *
 * Fallible functions return 0 or a negative TG_E... code.  Where a person
 * reads the failure the last parameter is a struct err, filled only on
 * failure.
 */
#ifndef TG_BASE_ERR_H
#define TG_BASE_ERR_H

#define TG_MUST_CHECK        __attribute__((warn_unused_result))
#define TG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
/* Stays a call, so that the common way around it needs none of its registers. */
#define TG_RARE __attribute__((noinline, cold))

enum tg_errno {
	TG_OK = 0,
	TG_EAGAIN = 1,   /* not now; try after the next readiness event */
	TG_ENOMEM = 2,   /* no memory */
	TG_EINVAL = 3,   /* input is not valid */
	TG_ERANGE = 4,   /* input is out of its range */
	TG_ENOENT = 5,   /* named thing does not exist */
	TG_EEXIST = 6,   /* named thing exists already */
	TG_ELIMIT = 7,   /* a bound is reached */
	TG_EIO = 8,      /* the system refused; errno says more */
	TG_EPROTO = 9,   /* the other side broke the protocol */
	TG_ENOTSUP = 10, /* known, but not available in this version */
	TG_ERRNO_COUNT
};

/* One readable failure.  Storage is the caller's. */
struct err {
	char text[512];
};

/* Writes the text; returns `code` negated, so `return err_set(err, TG_EINVAL, ...)`.
 * `err` may be NULL. */
int err_set(struct err *err, enum tg_errno code, const char *fmt, ...) TG_PRINTF(3, 4);

/* "no memory": -TG_ENOMEM. `err` may be NULL. */
int err_no_memory(struct err *err);

/* The same as err_set(), with strerror(errno) appended after ": ". */
int err_set_errno(struct err *err, const char *fmt, ...) TG_PRINTF(2, 3);

#endif
