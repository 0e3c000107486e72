/*
 * conf/suggest.h: "did you mean ...?"
 */
#ifndef TG_CONF_SUGGEST_H
#define TG_CONF_SUGGEST_H

/* The word nearest to `word`. Storage is the caller's; words outlive it. */
struct conf_suggest {
	const char *word;
	const char *best; /* NULL: none is near */
	unsigned distance;
};
void conf_suggest_start(struct conf_suggest *s, const char *word);
void conf_suggest_offer(struct conf_suggest *s, const char *known);

#endif
