/*
 * proc/guard.h: a process between the keeper and a program, which ends all that came of the program, whatever group or
 * session that made its own.
 */
#ifndef TG_PROC_GUARD_H
#define TG_PROC_GUARD_H

/*
 * In a process of its own, see process_order.is_guard: executes the program, argv[0] its path, with the descriptors 0 to 2
 * of this one. When it has ended, SIGTERM comes, or who forked this process ends, all that came of it is killed and waited
 * for. Returns its exit status; dies by the signal that it died by. 127: it could not be executed, standard error says why;
 * 126: there was no guard to be had.
 */
int guard_run(char *const *argv, char *const *envp);

#endif
