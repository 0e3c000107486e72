/*
 * The main() of a fuzz target where there is no fuzzer: feeds every file named
 * as argument, and every file below every folder named, to the target once.
 * Prints TAP, one line per input, the name before the run: when an input kills
 * the process, the last line names it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"

#pragma weak LLVMFuzzerInitialize

static unsigned inputs;

static void
die(const char *what, const char *path)
{
	printf("Bail out! %s %s: %s\n", what, path, strerror(errno));
	exit(1);
}

/* The input in a block of exactly its size, so that a sanitizer sees one byte too far. */
static uint8_t *
read_input(const char *path, size_t len)
{
	uint8_t *input = malloc(len > 0 ? len : 1);
	FILE *f = fopen(path, "rb");

	if (input == NULL || f == NULL || fread(input, 1, len, f) != len)
		die("read", path);
	fclose(f);
	return input;
}

static void
replay_file(const char *path, size_t len)
{
	uint8_t *input = read_input(path, len);

	printf("# %s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(input, len);
	printf("ok %u - %s\n", ++inputs, path);
	free(input);
}

static void replay(const char *path);

static void
replay_dir(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);

	if (n < 0)
		die("list", path);
	for (int i = 0; i < n; i++) {
		char *sub;

		if (entries[i]->d_name[0] != '.') {
			if (asprintf(&sub, "%s/%s", path, entries[i]->d_name) < 0)
				die("name", path);
			replay(sub);
			free(sub);
		}
		free(entries[i]);
	}
	free(entries);
}

static void
replay(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		die("stat", path);
	if (S_ISDIR(st.st_mode))
		replay_dir(path);
	else
		replay_file(path, (size_t)st.st_size);
}

int
main(int argc, char **argv)
{
	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("1..%u\n", inputs);
	return 0;
}
