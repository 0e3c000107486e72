/*
 * admin/events.h: the last lines of the logs of parent and keeper, for who asks and who listens.
 *
 * Each has a number, which counts from 1 and has no gaps.
 */
#ifndef TG_ADMIN_EVENTS_H
#define TG_ADMIN_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#define TG_EVENTS_KEPT 1000u

struct events;

/* A line came. It must not log. */
typedef void events_cb(void *user);

/* Owned by the caller. NULL: no memory. */
struct events *events_new(void);
void events_free(struct events *events); /* NULL allowed */
/* Copies the line; without memory it is lost, and its number with it. */
void events_add(struct events *events, const char *line, size_t n);
/* Told of each that is added; NULL: nobody is. */
void events_tell(struct events *events, events_cb *told, void *user);

/* The number of the next to come. */
uint64_t events_next(const struct events *events);
/* The line of this number, with its newline; NULL: not there any more, or yet. */
const char *events_line(const struct events *events, uint64_t number, size_t *ret_n);

#endif
