#include "admin/show_votes.h"

#include <inttypes.h>

/* Of one voter. */
struct tally {
	size_t n_up;
	size_t n_down;
	uint64_t age_ms;
	bool counts; /* it was heard within the lease, and finds one up */
};

/* NULL: nothing was heard. */
static const struct store_votes *
votes_of(const struct admin_source *s, const struct conf_service *service)
{
	const struct store_votes *votes =
		s->store != NULL ? store_votes(s->store, service->name) : NULL;

	return votes != NULL && votes->is_heard ? votes : NULL;
}

static uint64_t
heard_ms(const struct admin_source *s, const struct store_votes *votes)
{
	return mono_diff_us(s->now, votes->at) / 1000;
}

static struct tally
tally_of(const struct admin_source *s, const struct store_votes *votes,
	 const struct store_voter *voter)
{
	struct tally t = {.age_ms = voter->age_ms + heard_ms(s, votes)};

	for (size_t i = 0; i < voter->n_votes; i++) {
		t.n_up += voter->votes[i].is_up;
		t.n_down += !voter->votes[i].is_up;
	}
	t.counts = voter->has_up && t.age_ms < s->conf->store.lease_ms;
	return t;
}

/*** Of a backend ***/

static void
json_vote(struct output *out, const char *comma, const struct store_voter *voter, bool is_up)
{
	output_format(out, "%s{\"instance\":", comma);
	output_json(out, voter->instance);
	output_format(out, ",\"state\":\"%s\"}", is_up ? "up" : "down");
}

void
show_votes_backend_json(struct output *out, const struct admin_source *s,
			const struct conf_service *service, const struct conf_backend *backend,
			const struct health_status *h)
{
	const struct store_votes *votes = votes_of(s, service);
	const char *comma = "";

	output_format(out, ",\"own\":\"%s\",\"share\":\"%s\",\"votes\":[",
		      backend_health_str(h->verdict.state),
		      quorum_share_str(service->health.share));
	for (size_t i = 0; votes != NULL && h->has_addr && i < votes->n_voters; i++) {
		const struct store_vote *vote =
			store_voter_find(votes, &votes->voters[i], backend->name, &h->addr,
					 s->conf->store.lease_ms, s->now);

		if (vote == NULL)
			continue;
		json_vote(out, comma, &votes->voters[i], vote->is_up);
		comma = ",";
	}
	output_text(out, "]");
}

/*** Of services ***/

static bool
is_any_shared(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_services; i++) {
		if (conf->services[i].health.share != TG_SHARE_OFF)
			return true;
	}
	return false;
}

static void
text_service(struct output *out, const struct admin_source *s, const struct conf_service *service)
{
	const struct store_votes *votes = votes_of(s, service);
	const char *mode = quorum_share_str(service->health.share);

	if (votes == NULL || votes->n_voters == 0)
		output_format(out, "%s %s - - - - -\n", service->name, mode);
	for (size_t i = 0; votes != NULL && i < votes->n_voters; i++) {
		struct tally t = tally_of(s, votes, &votes->voters[i]);

		output_format(out, "%s %s ", service->name, mode);
		output_plain(out, votes->voters[i].instance);
		output_format(out, " %zu %zu %" PRIu64 " %s\n", t.n_up, t.n_down, t.age_ms,
			      t.counts ? "yes" : "no");
	}
}

void
show_votes_text(struct output *out, const struct admin_source *s)
{
	if (!is_any_shared(s->conf))
		return;
	output_text(out, "# service share voter up down age_ms counts\n");
	for (size_t i = 0; i < s->conf->n_services; i++) {
		if (s->conf->services[i].health.share != TG_SHARE_OFF)
			text_service(out, s, &s->conf->services[i]);
	}
}

static void
json_voters(struct output *out, const struct admin_source *s, const struct store_votes *votes)
{
	for (size_t i = 0; votes != NULL && i < votes->n_voters; i++) {
		struct tally t = tally_of(s, votes, &votes->voters[i]);

		output_text(out, i > 0 ? ",{\"instance\":" : "{\"instance\":");
		output_json(out, votes->voters[i].instance);
		output_format(out,
			      ",\"up\":%zu,\"down\":%zu,\"age_ms\":%" PRIu64 ",\"counts\":%s}",
			      t.n_up, t.n_down, t.age_ms, t.counts ? "true" : "false");
	}
}

void
show_votes_json(struct output *out, const struct admin_source *s)
{
	const char *comma = "";

	output_text(out, ",\"votes\":[");
	for (size_t i = 0; i < s->conf->n_services; i++) {
		const struct conf_service *service = &s->conf->services[i];
		const struct store_votes *votes = votes_of(s, service);

		if (service->health.share == TG_SHARE_OFF)
			continue;
		output_format(out, "%s{\"service\":", comma);
		output_json(out, service->name);
		output_format(out, ",\"share\":\"%s\",\"heard_ms\":",
			      quorum_share_str(service->health.share));
		if (votes != NULL)
			output_number(out, heard_ms(s, votes));
		else
			output_text(out, "null");
		output_text(out, ",\"voters\":[");
		json_voters(out, s, votes);
		output_text(out, "]}");
		comma = ",\n";
	}
	output_text(out, "]");
}
