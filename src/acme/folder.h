/*
 * acme/folder.h: the tokens that a program leaves in its folder.
 */
#ifndef TG_ACME_FOLDER_H
#define TG_ACME_FOLDER_H

#include "base/challenge.h"

/* Files in .well-known/acme-challenge below it whose name is a token and whose text is an answer to that; no link is
 * followed, nothing is waited for. How many, at most `max`; none where there is no such folder. */
size_t folder_read(const char *path, struct challenge *ret, size_t max);

#endif
