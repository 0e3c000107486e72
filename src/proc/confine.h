/*
 * proc/confine.h: a process gives up what it will never ask of the kernel.
 */
#ifndef TG_PROC_CONFINE_H
#define TG_PROC_CONFINE_H

#include "base/err.h"

/* For the signer, once it has read what it needs of files, and before any other thread: from now on only its channels, its
 * memory, its threads, the clock and the log are left; all else fails with EPERM: no file is opened, no socket made, no program
 * run, no process signalled or looked into. For good, for all threads to come (seccomp(2)). -TG_EIO. A program built with a
 * sanitizer is left as it is: that asks for more. */
TG_MUST_CHECK int confine_signer(struct err *err);

#endif
