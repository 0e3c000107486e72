/* The Date of answers: written once a second, so that none costs a clock. */
#include "l7/stream_priv.h"

#define SECOND_US 1000000u

struct slice
stream_date(const struct stream *s)
{
	struct l7_date *date = &l7_of(s->worker)->date;
	struct mono now = stream_now(s);

	if (now.us >= date->until.us) {
		struct wall wall = wall_read();

		http_date_write(wall, date->text);
		date->until.us = now.us + SECOND_US - wall.us % SECOND_US;
	}
	return (struct slice){date->text, sizeof(date->text)};
}
