# Compiler and linker flags: which ones this toolchain takes, and the switches
# that choose them. Everything lands in TG_CFLAGS, TG_CPPFLAGS and TG_LDFLAGS;
# the user's CFLAGS, CPPFLAGS and LDFLAGS are left alone.

# TG_REQUIRE_C11
# --------------
AC_DEFUN([TG_REQUIRE_C11], [
TG_TRY_FLAG([-std=gnu11], [TG_CFLAGS=-std=gnu11],
	[AC_MSG_ERROR([the C compiler does not accept C11])])
# A product and a sum in one step are rounded once, and not on every machine: decisions made again would differ.
TG_TRY_FLAG([-ffp-contract=off], [TG_CFLAGS="$TG_CFLAGS -ffp-contract=off"])
AC_CACHE_CHECK([for C11 atomics], [tg_cv_c11_atomics],
	[AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <stdatomic.h>]],
		[[atomic_int i = 0; return atomic_fetch_add(&i, 1);]])],
		[tg_cv_c11_atomics=yes], [tg_cv_c11_atomics=no])])
AS_IF([test "$tg_cv_c11_atomics" = no],
	[AC_MSG_ERROR([the C compiler has no <stdatomic.h>])])
tg_compiler=`$CC --version 2>/dev/null | sed -n 1p`
tg_compiler="$CC${tg_compiler:+ ($tg_compiler)}"
tg_host=`uname -s -m`
tg_prefix=$prefix
AS_IF([test "x$tg_prefix" = xNONE], [tg_prefix=$ac_default_prefix])
])

# TG_TRY_FLAG(FLAG, IF-ACCEPTED, [IF-NOT], [HOW = compile|link])
# --------------------------------------------------------------
# FLAG may be a shell expression. -Werror makes clang refuse what it would
# otherwise only warn of as unknown.
AC_DEFUN([TG_TRY_FLAG], [
AC_MSG_CHECKING([whether $CC takes $1])
tg_save_CFLAGS=$CFLAGS
tg_save_LDFLAGS=$LDFLAGS
CFLAGS="$CFLAGS $1 -Werror"
m4_if([$4], [link],
	[LDFLAGS="$LDFLAGS $1"
	AC_LINK_IFELSE([AC_LANG_PROGRAM()], [tg_ok=yes], [tg_ok=no])],
	[AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [tg_ok=yes], [tg_ok=no])])
CFLAGS=$tg_save_CFLAGS
LDFLAGS=$tg_save_LDFLAGS
AC_MSG_RESULT([$tg_ok])
AS_IF([test $tg_ok = yes], [$2], [$3])
])

# TG_ENABLE_WARNINGS
# ------------------
AC_DEFUN([TG_ENABLE_WARNINGS], [
AC_ARG_ENABLE([werror],
	[AS_HELP_STRING([--enable-werror], [make every compiler warning an error])],
	[], [enable_werror=no])
for tg_flag in \
	-Wall \
	-Wextra \
	-Wshadow \
	-Wstrict-prototypes \
	-Wmissing-prototypes \
	-Wold-style-definition \
	-Wpointer-arith \
	-Wwrite-strings \
	-Wundef \
	-Wformat=2 \
	-Wvla \
	-Wimplicit-fallthrough \
	-Wnull-dereference
do
	TG_TRY_FLAG([$tg_flag], [TG_CFLAGS="$TG_CFLAGS $tg_flag"])
done
tg_werror=no
AS_IF([test "x$enable_werror" = xyes],
	[TG_CFLAGS="$TG_CFLAGS -Werror"
	tg_werror=yes])
AC_SUBST([TG_CFLAGS])
AC_SUBST([TG_CPPFLAGS])
AC_SUBST([TG_LDFLAGS])
])

# TG_NO_PIE
# ---------
# At one place in memory. A sanitizer notes each check it makes, with addresses: megabytes of them, which
# every start of a program that may lie anywhere would have to write anew.
AC_DEFUN([TG_NO_PIE], [
TG_TRY_FLAG([-fno-pie -no-pie], [
	TG_CFLAGS="$TG_CFLAGS -fno-pie"
	TG_LDFLAGS="$TG_LDFLAGS -no-pie"], [], [link])
])

# TG_ENABLE_SANITIZER
# -------------------
AC_DEFUN([TG_ENABLE_SANITIZER], [
AC_ARG_ENABLE([sanitizer],
	[AS_HELP_STRING([--enable-sanitizer=LIST],
		[build with compiler sanitizers: a list with commas of address, undefined, thread, leak, memory @<:@address,undefined@:>@])],
	[], [enable_sanitizer=no])
AS_CASE([$enable_sanitizer],
	[no], [],
	[yes], [enable_sanitizer=address,undefined])
tg_sanitizer=no
AS_IF([test "x$enable_sanitizer" != xno], [
	for tg_word in `AS_ECHO(["$enable_sanitizer"]) | tr , ' '`; do
		AS_CASE([$tg_word],
			[address|undefined|thread|leak|memory], [],
			[AC_MSG_ERROR([--enable-sanitizer: unknown sanitizer '$tg_word'; allowed: address undefined thread leak memory])])
	done
	AS_CASE([,$enable_sanitizer,],
		[*,address,*thread,*|*,thread,*address,*],
		[AC_MSG_ERROR([--enable-sanitizer: address and thread exclude each other])])
	TG_TRY_FLAG([-fsanitize=$enable_sanitizer], [],
		[AC_MSG_ERROR([--enable-sanitizer=$enable_sanitizer: $CC cannot link it (Debian, clang: libclang-rt-dev)])],
		[link])
	tg_sanitizer=$enable_sanitizer
	TG_CFLAGS="$TG_CFLAGS -fsanitize=$enable_sanitizer -fno-omit-frame-pointer"
	TG_LDFLAGS="$TG_LDFLAGS -fsanitize=$enable_sanitizer"
	TG_NO_PIE
	AS_CASE([,$enable_sanitizer,],
		[*,undefined,*], [TG_CFLAGS="$TG_CFLAGS -fno-sanitize-recover=undefined"])
	AC_DEFINE([TG_SANITIZED], [1], [Define to 1 when built with a compiler sanitizer.])
])
])

# TG_ENABLE_FUZZERS
# -----------------
# With libFuzzer (clang), every program under tests/fuzz is a fuzzer. Without,
# it is a program that replays the corpus; `make check` runs either over it.
AC_DEFUN([TG_ENABLE_FUZZERS], [
AC_ARG_ENABLE([fuzzers],
	[AS_HELP_STRING([--enable-fuzzers],
		[link the programs under tests/fuzz with libFuzzer (needs clang)])],
	[], [enable_fuzzers=no])
tg_fuzzers=no
AS_IF([test "x$enable_fuzzers" = xyes], [
	AC_MSG_CHECKING([for libFuzzer])
	tg_save_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -fsanitize=fuzzer"
	AC_LINK_IFELSE([AC_LANG_SOURCE([[
		#include <stddef.h>
		#include <stdint.h>
		int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
		int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) { return p && n ? 0 : 0; }
		]])], [tg_fuzzers=yes])
	CFLAGS=$tg_save_CFLAGS
	AC_MSG_RESULT([$tg_fuzzers])
	AS_IF([test $tg_fuzzers = no],
		[AC_MSG_ERROR([--enable-fuzzers: $CC has no libFuzzer; set CC=clang (Debian: clang, libclang-rt-dev)])])
	TG_CFLAGS="$TG_CFLAGS -fsanitize=fuzzer-no-link"
	TG_LDFLAGS="$TG_LDFLAGS -fsanitize=fuzzer-no-link"
	FUZZ_ENGINE=-fsanitize=fuzzer
])
AC_SUBST([FUZZ_ENGINE])
AM_CONDITIONAL([HAVE_LIBFUZZER], [test $tg_fuzzers = yes])
])

# TG_ENABLE_COVERAGE
# ------------------
AC_DEFUN([TG_ENABLE_COVERAGE], [
AC_ARG_ENABLE([coverage],
	[AS_HELP_STRING([--enable-coverage], [build for gcov; pair it with CFLAGS='-O0 -g'])],
	[], [enable_coverage=no])
tg_coverage=no
AS_IF([test "x$enable_coverage" = xyes], [
	TG_TRY_FLAG([--coverage],
		[tg_coverage=yes
		TG_CFLAGS="$TG_CFLAGS --coverage"
		TG_LDFLAGS="$TG_LDFLAGS --coverage"],
		[AC_MSG_ERROR([--enable-coverage: $CC cannot link --coverage])], [link])
])
AM_CONDITIONAL([HAVE_COVERAGE], [test $tg_coverage = yes])
])

# TG_ENABLE_HARDENING
# -------------------
# On unless switched off; each flag only where the toolchain takes it. Fortify
# needs optimisation, and hides from the sanitizers what they should see; PIE
# is what TG_NO_PIE says of it.
AC_DEFUN([TG_ENABLE_HARDENING], [
AC_ARG_ENABLE([hardening],
	[AS_HELP_STRING([--disable-hardening],
		[no PIE, RELRO, stack protector, fortify or control-flow protection])],
	[], [enable_hardening=yes])
tg_hardening=no
AS_IF([test "x$enable_hardening" != xno], [
	tg_hardening=
	AS_IF([test $tg_sanitizer = no], [
		TG_TRY_FLAG([-fPIE -pie], [
			TG_CFLAGS="$TG_CFLAGS -fPIE"
			TG_LDFLAGS="$TG_LDFLAGS -pie"
			tg_hardening="$tg_hardening pie"], [], [link])])
	TG_TRY_FLAG([-Wl,-z,relro,-z,now], [
		TG_LDFLAGS="$TG_LDFLAGS -Wl,-z,relro,-z,now"
		tg_hardening="$tg_hardening relro now"], [], [link])
	for tg_flag in -fstack-protector-strong -fstack-clash-protection -fcf-protection; do
		TG_TRY_FLAG([$tg_flag], [
			TG_CFLAGS="$TG_CFLAGS $tg_flag"
			tg_hardening="$tg_hardening `AS_ECHO(["$tg_flag"]) | sed s/^-f//`"], [], [link])
	done
	AS_CASE([" $CPPFLAGS $CFLAGS $enable_sanitizer "],
		[*_FORTIFY_SOURCE*], [tg_hardening="$tg_hardening fortify(user)"],
		[*" no "], [
			AC_MSG_CHECKING([whether $CC optimises])
			AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
				#ifndef __OPTIMIZE__
				#error not optimising
				#endif
				]])],
				[AC_MSG_RESULT([yes])
				TG_CPPFLAGS="$TG_CPPFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"
				tg_hardening="$tg_hardening fortify"],
				[AC_MSG_RESULT([no, leaving out _FORTIFY_SOURCE])])])
	tg_hardening=`AS_ECHO(["$tg_hardening"]) | sed 's/^ //'`
])
])

# TG_TUNE
# -------
# The library fills and copies better than `rep stos` and `rep movs`, which gcc writes for pieces of one or two KiB of a size
# it knows: 1216 bytes are zeroed in 21 ns instead of 51, 264 in 8 instead of 29. All is bound at start (-z now), so that
# calls need no stubs.
AC_DEFUN([TG_TUNE], [
for tg_flag in -mstringop-strategy=libcall -fno-plt; do
	TG_TRY_FLAG([$tg_flag], [TG_CFLAGS="$TG_CFLAGS $tg_flag"])
done
])

# TG_ENABLE_LTO
# -------------
# The daemon alone is optimised as a whole: of each file both is kept, so that all else, the many test programs above all, links
# what is compiled already. What only becomes visible to warnings when all is inlined into one is mostly wrong.
AC_DEFUN([TG_ENABLE_LTO], [
AC_ARG_ENABLE([lto],
	[AS_HELP_STRING([--enable-lto],
		[optimise the daemon as a whole: some 6 % fewer instructions for a request, a minute more to build])],
	[], [enable_lto=no])
tg_lto=no
TG_LTO_LDFLAGS=
TG_NO_LTO_LDFLAGS=
AS_IF([test "x$enable_lto" != xno], [
	TG_TRY_FLAG([-flto=auto -ffat-lto-objects], [tg_lto=yes],
		[AC_MSG_ERROR([--enable-lto: $CC cannot optimise a program as a whole])], [link])
	TG_CFLAGS="$TG_CFLAGS -flto=auto -ffat-lto-objects"
	TG_LTO_LDFLAGS="-flto=auto -Wno-null-dereference -Wno-maybe-uninitialized"
	TG_NO_LTO_LDFLAGS=-fno-lto
])
AC_SUBST([TG_LTO_LDFLAGS])
AC_SUBST([TG_NO_LTO_LDFLAGS])
])
