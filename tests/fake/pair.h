/*
 * fake/pair.h: two connected stream sockets, and what is done to them.
 */
#ifndef TG_TESTS_FAKE_PAIR_H
#define TG_TESTS_FAKE_PAIR_H

#include <stddef.h>

#include "base/addr.h"

/* Both ends non-blocking. A failure ends the program. */
void fake_pair_tcp(int ret[2]);
void fake_pair_unix(int ret[2]);

/* A listening TCP socket on a free port of 127.0.0.1, blocking; its address in *ret. */
int fake_listen(struct addr *ret);

/* Closes with a reset instead of an end. */
void fake_reset(int fd);
/* Writes all of it, waiting for room; a failure ends the program. */
void fake_write(int fd, const void *p, size_t n);
/* Waits until there is something to read, an end or an error. */
void fake_wait_readable(int fd);
/* Descriptors this process holds now. */
unsigned fake_count_fds(void);

#endif
