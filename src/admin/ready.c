#include "admin/ready.h"

#include "admin/tally.h"
#include "observe/counters.h"

/* Services named in one answer. */
#define NAMED_MAX 32u

static bool
check_proxy(const struct admin_source *s, struct output *out)
{
	if (source_has_proxy(s))
		return true;
	output_text(out, "the proxy is not connected\n");
	return false;
}

static bool
check_workers(const struct admin_source *s, struct output *out)
{
	for (unsigned i = 0; i < segment_workers(s->segment); i++) {
		if (segment_counter(s->segment, i, 0, TG_W_ACCEPTING) != 0)
			continue;
		output_text(out, "not every worker accepts clients\n");
		return false;
	}
	return true;
}

static void
say_unusable(const struct admin_source *s, size_t service, struct output *out)
{
	output_text(out, "no usable backend: ");
	output_text(out, s->conf->services[service].name);
	output_text(out, "\n");
}

/* Nothing of it runs until somebody asks, who is held until it does. */
static bool
is_asleep(const struct admin_source *s, size_t service)
{
	struct scaler_status status;

	return s->scaler != NULL && s->conf->services[service].hold.requests > 0 &&
	       scaler_status(s->scaler, (unsigned)service, &status) && status.desired == 0 &&
	       status.mode == TG_SCALER_ON && !status.has_manual && status.failures.in_row == 0;
}

static bool
is_usable(const struct admin_source *s, size_t service)
{
	return tally_is_usable(s, service) || is_asleep(s, service);
}

/* The number of services that are not; the first of them are named. */
static size_t
count_unusable(const struct admin_source *s, struct output *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s->conf->n_services; i++) {
		if (!is_usable(s, i) && n++ < NAMED_MAX)
			say_unusable(s, i, out);
	}
	if (n > NAMED_MAX)
		output_format(out, "no usable backend: %zu more\n", n - NAMED_MAX);
	return n;
}

static bool
check_services(const struct admin_source *s, enum ready_wanted wanted, size_t service,
	       struct output *out)
{
	switch (wanted) {
	case TG_READY_ANY:
		return count_unusable(s, out) < s->conf->n_services || s->conf->n_services == 0;
	case TG_READY_ALL:
		return count_unusable(s, out) == 0;
	case TG_READY_ONE:
		break;
	}
	if (is_usable(s, service))
		return true;
	say_unusable(s, service, out);
	return false;
}

bool
ready_is_alive(const struct admin_source *s, struct output *out)
{
	if (!check_proxy(s, out))
		return false;
	output_text(out, "ok\n");
	return true;
}

bool
ready_is_ready(const struct admin_source *s, enum ready_wanted wanted, size_t service,
	       struct output *out)
{
	if (!check_proxy(s, out) || !check_workers(s, out) ||
	    !check_services(s, wanted, service, out))
		return false;
	output_text(out, "ok\n");
	return true;
}
