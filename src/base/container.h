/*
 * base/container.h: from a member back to the struct it is in.
 */
#ifndef TG_BASE_CONTAINER_H
#define TG_BASE_CONTAINER_H

#include <stddef.h>

/* `type` whose `member` is at `ptr`: how callbacks find their object. */
#define TG_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
