# Libraries that need more than one PKG_CHECK_MODULES line.

# TG_PKG_VERSION(NAME, MODULE): tg_NAME_version = what pkg-config says
# --------------------------------------------------------------------
AC_DEFUN([TG_PKG_VERSION], [tg_$1_version=`$PKG_CONFIG --modversion "$2"`])

# TG_LIB_ATOMIC: 64-bit atomics need libatomic on some 32-bit machines
# --------------------------------------------------------------------
AC_DEFUN([TG_LIB_ATOMIC], [
AC_MSG_CHECKING([for the library of 64-bit atomics])
tg_save_LIBS=$LIBS
tg_atomic=missing
for tg_lib in '' -latomic; do
	LIBS="$tg_save_LIBS $tg_lib"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[
		#include <stdatomic.h>
		#include <stdint.h>
		static _Atomic uint64_t n;
		]], [[return (int)atomic_fetch_add(&n, 1);]])],
		[tg_atomic=${tg_lib:-none needed}
		break])
done
AC_MSG_RESULT([$tg_atomic])
AS_IF([test "x$tg_atomic" = xmissing], [AC_MSG_ERROR([no 64-bit atomics])])
])

# TG_LIB_LLHTTP
# -------------
# Debian 13 has libllhttp with a pkg-config file. Debian 12 has only the
# generated C sources, installed by node-llhttp; they are compiled into our
# build directory from where the system keeps them. Nothing is copied into
# the tree or the tarball.
#
# Sets LLHTTP_CFLAGS, LLHTTP_LIBS or LLHTTP_SRCDIR, and tg_llhttp for people.
AC_DEFUN([TG_LIB_LLHTTP], [
AC_ARG_WITH([llhttp-source],
	[AS_HELP_STRING([--with-llhttp-source=DIR],
		[compile llhttp from the C sources (api.c http.c llhttp.c) in DIR])],
	[], [with_llhttp_source=auto])
tg_llhttp=
AS_CASE([$with_llhttp_source],
	[yes], [with_llhttp_source=/usr/share/llhttp],
	[auto], [
		PKG_CHECK_MODULES([LLHTTP], [libllhttp >= 8.1],
			[TG_PKG_VERSION([llhttp], [libllhttp])
			tg_llhttp="library $tg_llhttp_version"],
			[with_llhttp_source=/usr/share/llhttp])],
	[no], [
		PKG_CHECK_MODULES([LLHTTP], [libllhttp >= 8.1],
			[TG_PKG_VERSION([llhttp], [libllhttp])
			tg_llhttp="library $tg_llhttp_version"],
			[AC_MSG_ERROR([libllhttp >= 8.1 is missing (Debian 13: libllhttp-dev)])])])
AS_IF([test -z "$tg_llhttp"], [
	AC_MSG_CHECKING([for the sources of llhttp])
	LLHTTP_SRCDIR=
	for tg_dir in "$with_llhttp_source" "$with_llhttp_source/src"; do
		AS_IF([test -r "$tg_dir/api.c" && test -r "$tg_dir/http.c" && test -r "$tg_dir/llhttp.c"],
			[LLHTTP_SRCDIR=$tg_dir
			break])
	done
	tg_incdir=
	for tg_dir in "$LLHTTP_SRCDIR" "$with_llhttp_source/include" \
		"$with_llhttp_source/../include/llhttp" "$with_llhttp_source/../include"
	do
		AS_IF([test -r "$tg_dir/llhttp.h"],
			[tg_incdir=`cd "$tg_dir" && pwd`
			break])
	done
	AS_IF([test -z "$LLHTTP_SRCDIR" || test -z "$tg_incdir"],
		[AC_MSG_RESULT([no])
		AC_MSG_ERROR([llhttp is missing: no libllhttp by pkg-config and no sources in $with_llhttp_source (Debian 13: libllhttp-dev; Debian 12: node-llhttp)])])
	LLHTTP_SRCDIR=`cd "$LLHTTP_SRCDIR" && pwd`
	AC_MSG_RESULT([$LLHTTP_SRCDIR])
	LLHTTP_CFLAGS="-I$tg_incdir"
	LLHTTP_LIBS=
	tg_llhttp_version=`sed -n 's/^@%:@define LLHTTP_VERSION_@<:@A-Z@:>@* @<:@ 	@:>@*//p' "$tg_incdir/llhttp.h" | tr '\n' . | sed 's/\.$//'`
	tg_llhttp="source $tg_llhttp_version ($LLHTTP_SRCDIR)"
])
tg_save_CPPFLAGS=$CPPFLAGS
CPPFLAGS="$CPPFLAGS $LLHTTP_CFLAGS"
AC_CHECK_HEADER([llhttp.h], [], [AC_MSG_ERROR([llhttp.h cannot be compiled])])
CPPFLAGS=$tg_save_CPPFLAGS
AC_SUBST([LLHTTP_SRCDIR])
AM_CONDITIONAL([LLHTTP_FROM_SOURCE], [test -n "$LLHTTP_SRCDIR"])
])

# TG_LIB_NGHTTP2
# --------------
# A library that has limits of its own has these functions to lift them; the version does not say
# it, as distributions have added them to older ones. Sets NGHTTP2_CFLAGS, NGHTTP2_LIBS.
AC_DEFUN([TG_LIB_NGHTTP2], [
PKG_CHECK_MODULES([NGHTTP2], [libnghttp2 >= 1.52], [TG_PKG_VERSION([nghttp2], [libnghttp2])],
	[AC_MSG_ERROR([libnghttp2 >= 1.52 is missing (Debian: libnghttp2-dev)])])
tg_save_LIBS=$LIBS
LIBS="$NGHTTP2_LIBS $LIBS"
AC_CHECK_FUNCS([nghttp2_option_set_max_continuations nghttp2_option_set_stream_reset_rate_limit])
LIBS=$tg_save_LIBS
])

# TG_LIB_SYSTEMD
# --------------
AC_DEFUN([TG_LIB_SYSTEMD], [
AC_ARG_WITH([systemd],
	[AS_HELP_STRING([--with-systemd=auto|yes|no],
		[tell systemd when ready, reloading and stopping @<:@auto@:>@])],
	[], [with_systemd=auto])
tg_systemd=no
AS_CASE([$with_systemd],
	[no], [],
	[yes|auto], [
		PKG_CHECK_MODULES([SYSTEMD], [libsystemd],
			[TG_PKG_VERSION([systemd], [libsystemd])
			tg_systemd="yes ($tg_systemd_version)"
			AC_DEFINE([HAVE_SYSTEMD], [1], [Define to 1 to speak to systemd by libsystemd.])],
			[AS_IF([test "x$with_systemd" = xyes],
				[AC_MSG_ERROR([--with-systemd=yes, but libsystemd is missing (Debian: libsystemd-dev)])])])],
	[AC_MSG_ERROR([--with-systemd=$with_systemd: allowed are auto, yes and no])])
AM_CONDITIONAL([HAVE_SYSTEMD], [test "x$tg_systemd" != xno])
])

# TG_LIB_CURL
# -----------
# Its headers, and by which name the library is loaded when it is needed: what a program
# linked with it asks for. Sets CURL_CFLAGS, TG_CURL_SONAME, and tg_curl for people.
AC_DEFUN([TG_LIB_CURL], [
PKG_CHECK_MODULES([CURL], [libcurl >= 7.85], [TG_PKG_VERSION([curl], [libcurl])],
	[AC_MSG_ERROR([libcurl >= 7.85 is missing (Debian: libcurl4-openssl-dev)])])
AC_ARG_VAR([CURL_SONAME], [file name of the shared library of libcurl, where it is not found by linking])
AC_CHECK_TOOL([READELF], [readelf], [:])
AC_MSG_CHECKING([by which name libcurl is loaded])
AS_IF([test -z "$CURL_SONAME"], [
	tg_save_CFLAGS=$CFLAGS
	tg_save_LIBS=$LIBS
	CFLAGS="$CFLAGS $CURL_CFLAGS"
	LIBS="$LIBS $CURL_LIBS"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <curl/curl.h>]],
		[[return (int)curl_global_init(CURL_GLOBAL_DEFAULT);]])],
		[CURL_SONAME=`LC_ALL=C $READELF -d conftest$EXEEXT |
			sed -n 's/^.*(NEEDED).*@<:@@<:@@:>@\(libcurl@<:@^@:>@@:>@*\)@:>@.*$/\1/p'`])
	CFLAGS=$tg_save_CFLAGS
	LIBS=$tg_save_LIBS
])
AS_IF([test -z "$CURL_SONAME"], [
	AC_MSG_RESULT([unknown])
	AC_MSG_ERROR([no program can be linked with a shared libcurl, or readelf is missing (Debian: binutils); CURL_SONAME=NAME names the library])])
AC_MSG_RESULT([$CURL_SONAME])
AC_DEFINE_UNQUOTED([TG_CURL_SONAME], ["$CURL_SONAME"], [The file name by which libcurl is loaded.])
tg_curl="$tg_curl_version, loaded when needed ($CURL_SONAME)"
])

# TG_LIB_CBC
# ----------
# Its header alone: the library is opened by the process that solves, so that no other carries it.
AC_DEFUN([TG_LIB_CBC], [
AC_ARG_WITH([cbc],
	[AS_HELP_STRING([--with-cbc=auto|yes|no],
		[scheduler optimal, an integer program for coinor-cbc @<:@auto@:>@])],
	[], [with_cbc=auto])
tg_cbc=no
AS_CASE([$with_cbc],
	[no], [],
	[yes|auto], [
		PKG_CHECK_MODULES([CBC], [cbc >= 2.10],
			[TG_PKG_VERSION([cbc], [cbc])
			tg_cbc="yes ($tg_cbc_version)"
			AC_DEFINE([HAVE_CBC], [1], [Define to 1 to have the scheduler optimal, by coinor-cbc.])],
			[AS_IF([test "x$with_cbc" = xyes],
				[AC_MSG_ERROR([--with-cbc=yes, but cbc >= 2.10 is missing (Debian: coinor-libcbc-dev)])])])],
	[AC_MSG_ERROR([--with-cbc=$with_cbc: allowed are auto, yes and no])])
AM_CONDITIONAL([HAVE_CBC], [test "x$tg_cbc" != xno])
])

# TG_LIB_REDIS_TLS
# ----------------
# hiredis 0.14 (Debian 12) has none.
AC_DEFUN([TG_LIB_REDIS_TLS], [
AC_ARG_WITH([redis-tls],
	[AS_HELP_STRING([--with-redis-tls=auto|yes|no],
		[TLS to redis, by hiredis_ssl and OpenSSL's libssl @<:@auto@:>@])],
	[], [with_redis_tls=auto])
tg_redis_tls=no
AS_CASE([$with_redis_tls],
	[no], [],
	[yes|auto], [
		PKG_CHECK_MODULES([REDIS_TLS], [hiredis_ssl >= 1.0 libssl >= 3.0],
			[tg_redis_tls=yes
			AC_DEFINE([TG_HAVE_REDIS_TLS], [1], [Define to 1 to have TLS to redis.])],
			[AS_IF([test "x$with_redis_tls" = xyes],
				[AC_MSG_ERROR([--with-redis-tls=yes, but hiredis_ssl >= 1.0 or libssl >= 3.0 is missing (Debian 13: libhiredis-dev, libssl-dev)])])])],
	[AC_MSG_ERROR([--with-redis-tls=$with_redis_tls: allowed are auto, yes and no])])
REDIS_TLS_CFLAGS=`AS_ECHO(["$REDIS_TLS_CFLAGS"]) | sed 's/-D_FILE_OFFSET_BITS=64//'`
AM_CONDITIONAL([HAVE_REDIS_TLS], [test "x$tg_redis_tls" = xyes])
])

# TG_LIB_CMOCKA: needed by `make check` only
# ------------------------------------------
AC_DEFUN([TG_LIB_CMOCKA], [
AC_ARG_ENABLE([unit-tests],
	[AS_HELP_STRING([--enable-unit-tests=auto|yes|no],
		[build the unit tests in `make check' (needs cmocka) @<:@auto@:>@])],
	[], [enable_unit_tests=auto])
tg_cmocka=no
AS_IF([test "x$enable_unit_tests" != xno], [
	PKG_CHECK_MODULES([CMOCKA], [cmocka >= 1.1.5],
		[TG_PKG_VERSION([cmocka], [cmocka])
		tg_cmocka="yes (cmocka $tg_cmocka_version)"],
		[tg_cmocka="no (cmocka >= 1.1.5 is missing; Debian: libcmocka-dev)"
		AS_IF([test "x$enable_unit_tests" = xyes],
			[AC_MSG_ERROR([--enable-unit-tests=yes, but cmocka >= 1.1.5 is missing (Debian: libcmocka-dev)])])])
])
AM_CONDITIONAL([HAVE_CMOCKA], [test -n "$CMOCKA_LIBS"])
])
