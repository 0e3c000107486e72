#include "proc/outlive.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* One that nobody else sends. */
#define PARENT_DIED SIGPWR

static volatile sig_atomic_t limit;

/* Whatever the loop does then, a hung one too. */
static void
on_parent_died(int signo)
{
	(void)signo;
	alarm((unsigned)limit);
}

int
outlive_parent(unsigned limit_s)
{
	struct sigaction action;

	limit = (sig_atomic_t)limit_s;
	memset(&action, 0, sizeof(action));
	action.sa_handler = on_parent_died;
	action.sa_flags = SA_RESTART;
	if (sigaction(PARENT_DIED, &action, NULL) < 0 || signal(SIGALRM, SIG_DFL) == SIG_ERR ||
	    prctl(PR_SET_PDEATHSIG, PARENT_DIED, 0, 0, 0) < 0)
		return -TG_EIO;
	return 0;
}
