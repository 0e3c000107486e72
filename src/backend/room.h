/*
 * backend/room.h: which backends of a limited service have room for one more
 * stream: one bit each, so that the next one is found without asking all.
 *
 * The truth is a backend's in-flight number; a bit is a hint that follows it.
 * A bit may say "room" where there is none (taking fails, look on); a backend with room
 * has its bit set as soon as every thread has left room_take() and room_give().
 * Any thread may call anything here. Owned by the registry; outlives its views.
 */
#ifndef TG_BACKEND_ROOM_H
#define TG_BACKEND_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/segment.h"

struct room;

#define TG_ROOM_NONE UINT32_MAX

/* For backends 0 to n-1, no bit set. NULL: no memory. */
struct room *room_new(uint32_t n);
void room_free(struct room *room); /* NULL allowed */

/* The backend may be used, with room as far as is known. Each worker that takes over a view: the bit may
 * still follow the limit of the view before. */
void room_open(struct room *room, uint32_t backend);
/* It is in no view any more. Control thread. */
void room_close(struct room *room, uint32_t backend);

/* The first backend at or after `from` whose bit is set, or TG_ROOM_NONE. Costs a look at n/4096
 * words at most. */
uint32_t room_next(const struct room *room, uint32_t from);

/*
 * Takes one of `limit` places of the backend (0: as many as there are); false:
 * none is free. `room` may be NULL when there is no limit.
 */
bool room_take(struct room *room, uint32_t backend, struct segment_load *load, uint32_t limit);
/* Gives one back. The next room_take() anywhere sees it. */
void room_give(struct room *room, uint32_t backend, struct segment_load *load);

#endif
