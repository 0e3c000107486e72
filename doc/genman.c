/* Writes tidegate.conf(5) to the file named, or to standard output. */
#include <stdio.h>

#include "autoscale/builtin.h"
#include "conf/conf.h"
#include "module/module.h"
#include "sched/builtin.h"

int
main(int argc, char **argv)
{
	FILE *out = argc > 1 ? fopen(argv[1], "w") : stdout;

	if (!out) {
		perror(argv[1]);
		return 1;
	}
	modules_add_builtin(autoscale_builtin);
	modules_add_builtin(sched_builtin);
	conf_set_modules(&module_conf);
	conf_print_manual(out);
	if (fclose(out) != 0) {
		perror(argc > 1 ? argv[1] : "standard output");
		return 1;
	}
	return 0;
}
