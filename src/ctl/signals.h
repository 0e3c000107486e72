/*
 * ctl/signals.h: signals as something to read, while a screen is open. They interrupt
 * nothing; one that ends the program does so when the terminal is as it was.
 */
#ifndef TG_CTL_SIGNALS_H
#define TG_CTL_SIGNALS_H

/* A descriptor that is readable when one came; -1 with errno. Not to be closed. */
int signals_open(void);
/* The next one; 0: none. */
int signals_next(int fd);
/* Does to us what it does by default: stops, or ends. Comes back after a stop. */
void signals_take(int number);

#endif
