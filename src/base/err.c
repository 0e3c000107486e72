/*
 * base/err.c: writing a readable failure.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
err_set(struct err *err, enum tg_errno code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return -(int)code;
}

int
err_set_errno(struct err *err, const char *fmt, ...)
{
	int saved = errno;
	char reason[128];
	size_t n;
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
		n = strlen(err->text);
		snprintf(err->text + n, sizeof(err->text) - n, ": %s",
			 strerror_r(saved, reason, sizeof(reason)));
	}
	errno = saved;
	return -TG_EIO;
}

int
err_no_memory(struct err *err)
{
	return err_set(err, TG_ENOMEM, "no memory");
}
