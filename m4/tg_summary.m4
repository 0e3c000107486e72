# One text, shown when configure ends and compiled in as TG_BUILD_SUMMARY.

AC_DEFUN([TG_SUMMARY_BEGIN], [
tg_nl='
'
tg_summary="$PACKAGE_NAME"])

# TG_SUMMARY(LABEL, VALUE)
AC_DEFUN([TG_SUMMARY], [
tg_label=`printf '%-12s' "$1"`
tg_summary="$tg_summary$tg_nl  $tg_label $2"])

AC_DEFUN([TG_SUMMARY_END], [
tg_summary_c=`AS_ECHO(["$tg_summary"]) | sed -e 's/@<:@\\\\"@:>@/\\\\&/g' -e 's/$/\\\\n/' | tr -d '\n'`
AC_DEFINE_UNQUOTED([TG_BUILD_SUMMARY], ["$tg_summary_c"],
	[How this program was configured: lines of text, each ended by a newline.])
])
