/*
 * conf/twice_priv.h: keys written twice in one group.
 *
 * libconfig refuses the second one without its name and reads no further. With
 * the second one renamed it reads on, and the other errors are found too.
 */
#ifndef TG_CONF_TWICE_PRIV_H
#define TG_CONF_TWICE_PRIV_H

struct conf_report;
struct conf_source;

/* How the new names begin; libconfig takes them and no table has them. */
#define TG_CONF_TWICE_PREFIX "*twice-"

/*
 * Reports every key given again, with its path and the line of the first, and
 * returns the text with those renamed, lines unchanged; the caller frees. NULL:
 * there is none, or no memory, which is reported.
 */
char *conf_twice_rename(const struct conf_source *source, struct conf_report *report);

#endif
