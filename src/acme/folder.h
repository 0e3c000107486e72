/*
 * acme/folder.h: the tokens that a program leaves in its folder.
 */
#ifndef TG_ACME_FOLDER_H
#define TG_ACME_FOLDER_H

#include "base/challenge.h"

/* Files in .well-known/acme-challenge below it whose name is a token and whose text is an answer to that; no link is
 * followed, nothing is waited for. How many, at most `max`. *ret_error: errno where a folder cannot be read; 0 where that of
 * the tokens is not there yet. */
size_t folder_read(const char *path, struct challenge *ret, size_t max, int *ret_error);

#endif
