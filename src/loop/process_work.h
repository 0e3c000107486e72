/*
 * loop/process_work.h: for a function of ours that runs in a process of its own (struct process_order.work), and whose
 * answer is what it writes to standard output.
 */
#ifndef TG_LOOP_PROCESS_WORK_H
#define TG_LOOP_PROCESS_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Bounds this process: so much of a processor and two seconds, and no core file. From here on standard output goes nowhere,
 * as libraries may talk; what it returns is where the answer goes. -1: it could not. */
TG_MUST_CHECK int process_work_begin(uint32_t deadline_ms);
/* All of it. */
TG_MUST_CHECK bool process_work_write(int fd, const void *bytes, size_t n);

#endif
