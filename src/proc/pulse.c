#include "proc/pulse.h"

bool
pulse_tick(struct pulse *p, bool has_room)
{
	if (p->is_asked || !has_room) {
		p->n_missed++;
		return false;
	}
	p->is_asked = true;
	p->n_missed = 0;
	return true;
}

bool
pulse_answer(struct pulse *p, const struct msg_pong *m)
{
	if (!p->is_asked)
		return false;
	p->is_asked = false;
	p->n_missed = 0;
	p->told = *m;
	if (m->n_late < p->n_forgiven)
		p->n_forgiven = 0; /* it has turned since */
	return true;
}

void
pulse_forgive(struct pulse *p)
{
	p->n_missed = 0;
	p->n_forgiven = p->told.n_late;
}

bool
pulse_is_good(const struct pulse *p)
{
	return !p->is_asked && p->n_missed == 0 && p->told.n_late == 0;
}

/* While control is silent, what it told of the workers is old. */
unsigned
pulse_missed(const struct pulse *p, uint32_t *ret_loop)
{
	*ret_loop = p->n_missed > 0 ? TG_PONG_CONTROL : p->told.loop;
	return p->n_missed > 0 ? p->n_missed : p->told.n_late - p->n_forgiven;
}
