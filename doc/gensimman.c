/* Writes tidegate-sim(1) to the file named, or to standard output. */
#include <stdio.h>

#include "module/module.h"
#include "sim/contenders.h"
#include "sim/options.h"

int
main(int argc, char **argv)
{
	FILE *out = argc > 1 ? fopen(argv[1], "w") : stdout;

	if (out == NULL) {
		perror(argv[1]);
		return 1;
	}
	modules_add_builtin(baselines);
	options_print_manual(out);
	if (fclose(out) != 0) {
		perror(argc > 1 ? argv[1] : "standard output");
		return 1;
	}
	return 0;
}
