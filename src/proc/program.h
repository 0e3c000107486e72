/*
 * proc/program.h: where our program is.
 */
#ifndef TG_PROC_PROGRAM_H
#define TG_PROC_PROGRAM_H

#include "base/err.h"

/*
 * The path this program was started by, absolute, for an upgrade to start what is there then: a
 * file put in its place, or what a symbolic link leads to by now. `argv0` is believed where it
 * leads to the program that runs; else its own path is taken. To be freed.
 */
TG_MUST_CHECK int program_find(const char *argv0, char **ret, struct err *err);

#endif
