#include "provider/libcurl.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>

#define OLDEST	    0x075500u /* as configure asks for */
#define OLDEST_TEXT "7.85"
#define NEEDED                                                                                     \
	"nodes with \"docker\" and hooks with \"url\" need " TG_CURL_SONAME ", version " OLDEST_TEXT   \
	" or later (Debian: package libcurl4, or libcurl4t64)"

/* POSIX: a function's address has room in a void pointer. */
static bool
find_function(void *object, const char *name, void *ret)
{
	*(void **)ret = dlsym(object, name);
	return *(void **)ret != NULL;
}

static bool
find_functions(struct libcurl *lib)
{
#define FIND(f) find_function(lib->object, "curl_" #f, &lib->f) &&
	return TG_LIBCURL_FUNCTIONS(FIND) true;
#undef FIND
}

static int
check_version(const struct libcurl *lib, struct err *err)
{
	const curl_version_info_data *is = lib->version_info(CURLVERSION_NOW);

	return is->version_num >= OLDEST
		       ? 0
		       : err_set(err, TG_ENOTSUP, NEEDED ": it is %.32s", is->version);
}

int
libcurl_open(struct libcurl *ret, struct err *err)
{
	int rc;

	/* Its libraries cannot be unloaded: some have handlers of the process's end. */
	ret->object = dlopen(TG_CURL_SONAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (ret->object == NULL || !find_functions(ret)) {
		rc = err_set(err, TG_ENOTSUP, NEEDED ": %.200s", dlerror());
		libcurl_close(ret);
		return rc;
	}
	rc = check_version(ret, err);
	if (rc == 0 && ret->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		rc = err_no_memory(err);
	if (rc < 0)
		libcurl_close(ret);
	return rc;
}

void
libcurl_close(struct libcurl *lib)
{
	if (lib->object != NULL)
		dlclose(lib->object);
	lib->object = NULL;
}
