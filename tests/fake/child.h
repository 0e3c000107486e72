/*
 * fake/child.h: the test program plays proxy and keeper.
 *
 * child_spawn() executes the running program again, so a test whose main()
 * calls fake_child_run() first gets children that do as fake_child_set() said, one of
 *
 *	obey	 takes the start-up messages in order, is ready, answers, stops when told
 *	die	 ends with status 7 instead of being ready
 *	silent	 is never ready
 *	deaf	 is ready, does not stop nor answer
 *	stubborn the same, and SIGABRT does not end it
 *	lagging	 is ready, answers that its worker 3 is late, by one more each time
 *	chatty	 is ready; at SIGUSR1 says what a child has no right to say
 *	garbled	 is ready; at SIGUSR1 sends bytes that are no message
 *	hang-up	 is ready; at SIGUSR1 closes its channel and lives on
 */
#ifndef TG_TESTS_FAKE_CHILD_H
#define TG_TESTS_FAKE_CHILD_H

#include "proc/child.h"

/* Does not return when this process is a child. */
void fake_child_run(int argc, char **argv);
/* Chooses what the next children of this role do. */
void fake_child_set(enum child_role role, const char *behaviour);

#endif
