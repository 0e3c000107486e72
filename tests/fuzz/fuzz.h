/* The two functions a fuzz target may define; the fuzzer or replay.c calls them. */
#ifndef TG_TESTS_FUZZ_FUZZ_H
#define TG_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Feed one input. Returns 0; a finding is a crash. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

/* Optional: once, before the first input. Returns 0. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

#endif
