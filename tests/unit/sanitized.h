/*
 * How long loops are where a sanitizer watches: each turn is ten times as dear there, and shows no more
 * after the first thousands. A build without one runs them in full.
 */
#ifndef TG_TESTS_UNIT_SANITIZED_H
#define TG_TESTS_UNIT_SANITIZED_H

/*
 * TURNS(n) of something that chance has no part in. DRAWS(n) by chance, and CHANCE(off) for how far
 * from what is expected they may be: of a 16th of them, that is four times as much. SIZES(n, few) of
 * something that is built small to large by one rule.
 */
#ifdef TG_SANITIZED
#define TURNS(n)      ((n) / 5)
#define DRAWS(n)      ((n) / 16)
#define CHANCE(off)   ((off) * 4)
#define SIZES(n, few) (few)
#else
#define TURNS(n)      (n)
#define DRAWS(n)      (n)
#define CHANCE(off)   (off)
#define SIZES(n, few) (n)
#endif

#endif
