/*
 * provider/call_files.h: what a caller's files of TLS contain, read again when a file is another one.
 *
 * A connection that was made with other contents is not used again, nor is a session of it: libcurl compares them. By the
 * names of the files it would do neither, and keep authorities of one for a day.
 */
#ifndef TG_PROVIDER_CALL_FILES_H
#define TG_PROVIDER_CALL_FILES_H

#include <stddef.h>

#define TG_CALL_FILE_MAX (1u << 20) /* bytes */

enum call_file { CALL_CA = 0, CALL_CERTIFICATE = 1, CALL_KEY = 2, CALL_FILES = 3 };

struct call_files;

/* What is there now, for one more who has it: `known`, or read again. NULL: a file cannot be read, is empty or too long, or no
 * memory. Paths may be NULL: no such file. Blocks as a local file does. */
struct call_files *call_files_look(struct call_files *known, const char *const paths[CALL_FILES]);
/* One has it no more. NULL allowed. */
void call_files_drop(struct call_files *f);
/* Valid as long as somebody has it. NULL: no such file. */
const char *call_files_text(const struct call_files *f, enum call_file which, size_t *ret_n);

#endif
