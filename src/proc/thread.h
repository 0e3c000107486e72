/*
 * proc/thread.h: threads that write, and may hang in it.
 */
#ifndef TG_PROC_THREAD_H
#define TG_PROC_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Waits for its end. False: it did not come in time, and the thread goes on. */
bool thread_join(pthread_t thread, unsigned timeout_ms);

#endif
