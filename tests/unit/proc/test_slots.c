#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "conf/overlay.h"
#include "proc/slots.h"
#include "fake/count.h"

static const char text[] =
	"workers = 2;\n"
	"listeners = (\n"
	"  { name = \"web\"; bind = \"127.0.0.1:8080\"; mode = \"http\"; service = \"a\"; },\n"
	"  { name = \"pg\"; bind = \"127.0.0.1:8081\"; mode = \"tcp\"; service = \"b\"; } );\n"
	"services = (\n"
	"  { name = \"a\"; backends = ( { name = \"x\"; address = \"127.0.0.1:1\"; },\n"
	"                               { name = \"y\"; address = \"127.0.0.1:2\"; } ); },\n"
	"  { name = \"b\"; backends = ( { name = \"x\"; address = \"127.0.0.1:3\"; } ); } );\n";

static void
everything_has_its_slot(void **state)
{
	static const struct {
		enum segment_kind kind;
		uint32_t parent;
		const char *name;
	} want[] = {
		{TG_SLOT_GLOBAL, TG_SEGMENT_NONE, "tidegate"},
		{TG_SLOT_LISTENER, TG_SEGMENT_NONE, "web"},
		{TG_SLOT_LISTENER, TG_SEGMENT_NONE, "pg"},
		{TG_SLOT_SERVICE, TG_SEGMENT_NONE, "a"},
		{TG_SLOT_SERVICE, TG_SEGMENT_NONE, "b"},
		{TG_SLOT_BACKEND, 3, "x"},
		{TG_SLOT_BACKEND, 3, "y"},
		{TG_SLOT_BACKEND, 4, "x"},
	};
	struct conf_errors errors = {0};
	struct conf *conf;
	struct segment *seg;
	struct err err = {""};

	(void)state;
	assert_int_equal(conf_load_text(text, strlen(text), "test", &conf, &errors), 0);
	assert_int_equal(slots_create(conf, &seg, &err), 0);
	assert_int_equal(segment_workers(seg), 2);
	assert_true(segment_slots(seg) >= 10000 + 8);
	for (uint32_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const struct segment_entry *entry = segment_entry(seg, i);

		assert_int_equal(entry->kind, want[i].kind);
		assert_int_equal(entry->parent, want[i].parent);
		assert_string_equal(entry->name, want[i].name);
	}
	assert_int_equal(segment_entry(seg, 8)->kind, TG_SLOT_FREE);
	segment_close(seg);
	conf_unref(conf);
	conf_errors_fini(&errors);
}

/* from one configuration to the next */

struct world {
	struct conf *conf;
	struct segment *seg;
	struct slots slots;
	struct mono now;
};

static struct conf *
load(const char *services)
{
	struct conf_errors errors = {0};
	struct conf *conf = NULL;
	char all[4096];

	snprintf(all, sizeof(all),
		 "workers = 2;\nlisteners = ( { name = \"web\"; bind = \"127.0.0.1:1\"; } );\n"
		 "services = ( %s );\n",
		 services);
	if (conf_load_text(all, strlen(all), "test", &conf, &errors) != 0)
		fail_msg("%s", errors.n > 0 ? errors.list[0].text : "?");
	return conf;
}

static void
begin(struct world *w, const char *services)
{
	struct err err = {""};

	*w = (struct world){.now = {.us = UINT64_C(1000000000)}};
	w->conf = load(services);
	assert_int_equal(slots_create(w->conf, &w->seg, &err), 0);
	assert_int_equal(slots_init(&w->slots, w->seg, w->conf), 0);
}

static void
end(struct world *w)
{
	slots_fini(&w->slots);
	segment_close(w->seg);
	conf_unref(w->conf);
}

/* The next configuration, with its slots. */
static void
go_on(struct world *w, const char *services)
{
	struct conf *next = load(services);
	struct err err = {""};

	if (slots_assign(&w->slots, next, w->now, &err) != 0)
		fail_msg("%s", err.text);
	slots_commit(&w->slots, w->now);
	conf_unref(w->conf);
	w->conf = next;
}

static uint32_t
slot_of(const struct world *w, const char *service, const char *backend)
{
	for (size_t i = 0; i < w->conf->n_services; i++) {
		const struct conf_service *s = &w->conf->services[i];

		if (strcmp(s->name, service) != 0)
			continue;
		for (size_t k = 0; k < s->n_backends; k++) {
			if (strcmp(s->backends[k].name, backend) == 0)
				return s->backends[k].segment_slot;
		}
	}
	return 0;
}

#define B(name)       "{ name = \"" name "\"; address = \"127.0.0.1:1\"; }"
#define POOL(name, n) "{ name = \"" name "\"; address = \"a.example:1\"; slots = " n "; }"
#define S(name, list) "{ name = \"" name "\"; backends = ( " list " ); }"

static void
names_keep_their_slots(void **state)
{
	struct world w;
	uint32_t x;
	uint32_t y;
	uint32_t other_x;

	(void)state;
	begin(&w, S("a", B("x") "," B("y")) "," S("b", B("x")));
	x = slot_of(&w, "a", "x");
	y = slot_of(&w, "a", "y");
	other_x = slot_of(&w, "b", "x");
	go_on(&w, S("c", B("x")) "," S("b", B("new") "," B("x")) "," S("a", B("y") "," B("x")));
	assert_int_equal(slot_of(&w, "a", "x"), x);
	assert_int_equal(slot_of(&w, "a", "y"), y);
	assert_int_equal(slot_of(&w, "b", "x"), other_x);
	assert_int_not_equal(slot_of(&w, "c", "x"), 0);
	assert_string_equal(segment_entry(w.seg, slot_of(&w, "b", "new"))->name, "new");
	assert_int_equal(segment_entry(w.seg, slot_of(&w, "c", "x"))->parent,
			 w.conf->services[0].segment_slot);
	assert_int_equal(segment_find(w.seg, TG_SLOT_SERVICE, TG_SEGMENT_NONE, "c"),
			 w.conf->services[0].segment_slot);
	end(&w);
}

static void
what_was_given_up_rests(void **state)
{
	struct segment_load *load;
	struct world w;
	uint32_t y;

	(void)state;
	begin(&w, S("a", B("x") "," B("y")));
	y = slot_of(&w, "a", "y");
	load = segment_load(w.seg, y);
	load->in_flight = 1;
	load->in_flight_max = 7;
	count_in(w.seg, 1, y, 5, 9);
	count_in(w.seg, 1, y, TG_SEGMENT_COMMON + 1, 9);
	segment_set_cleared(w.seg, y, 5, 4);
	segment_carry(w.seg, y, 5, 2);
	segment_histograms(w.seg, 1, y)->h[1].sum = 3;
	go_on(&w, S("a", B("x")));
	w.now = mono_add_ms(w.now, 59999);
	go_on(&w, S("a", B("x") "," B("z1")));
	assert_int_not_equal(slot_of(&w, "a", "z1"), y);
	w.now = mono_add_ms(w.now, 1);
	go_on(&w, S("a", B("x") "," B("z1") "," B("z2")));
	assert_int_not_equal(slot_of(&w, "a", "z2"), y);
	load->in_flight = 0;
	assert_int_equal(segment_counter(w.seg, 1, y, 5), 9);
	go_on(&w, S("a", B("x") "," B("z1") "," B("z2") "," B("z3")));
	assert_int_equal(slot_of(&w, "a", "z3"), y);
	assert_string_equal(segment_entry(w.seg, y)->name, "z3");
	assert_int_equal(segment_counter(w.seg, 1, y, 5), 0);
	assert_int_equal(segment_counter(w.seg, 1, y, TG_SEGMENT_COMMON + 1), 0);
	count_in(w.seg, 1, y, TG_SEGMENT_COMMON + 2, 1);
	assert_int_equal(segment_counter(w.seg, 1, y, TG_SEGMENT_COMMON + 1), 0);
	assert_int_equal(segment_cleared(w.seg, y, 5), 0);
	assert_int_equal(segment_carried(w.seg, y, 5), 0);
	assert_int_equal(segment_histograms(w.seg, 1, y)->h[1].sum, 0);
	assert_int_equal(load->in_flight_max, 0);
	end(&w);
}

static void
who_comes_back_soon_gets_another(void **state)
{
	struct world w;
	uint32_t y;

	(void)state;
	begin(&w, S("a", B("x") "," B("y")));
	y = slot_of(&w, "a", "y");
	go_on(&w, S("a", B("x")));
	go_on(&w, S("a", B("x") "," B("y")));
	assert_int_not_equal(slot_of(&w, "a", "y"), y);
	end(&w);
}

static void
an_abort_leaves_nothing(void **state)
{
	struct world w;
	struct conf *next;
	struct err err;
	uint32_t y;
	uint32_t new_slot;

	(void)state;
	begin(&w, S("a", B("x") "," B("y")));
	y = slot_of(&w, "a", "y");
	next = load(S("a", B("x") "," B("z")));
	assert_int_equal(slots_assign(&w.slots, next, w.now, &err), 0);
	new_slot = next->services[0].backends[1].segment_slot;
	assert_int_equal(segment_entry(w.seg, new_slot)->kind, TG_SLOT_BACKEND);
	slots_abort(&w.slots);
	assert_int_equal(segment_entry(w.seg, new_slot)->kind, TG_SLOT_FREE);
	conf_unref(next);
	go_on(&w, S("a", B("z") "," B("y")));
	assert_int_equal(slot_of(&w, "a", "y"), y);
	assert_int_equal(slot_of(&w, "a", "z"), new_slot);
	end(&w);
}

static void
several_slots_stand_in_a_row(void **state)
{
	struct world w;
	uint32_t first;
	uint32_t moved;

	(void)state;
	begin(&w, S("a", POOL("p", "3") "," B("x")));
	first = slot_of(&w, "a", "p-1");
	assert_int_equal(slot_of(&w, "a", "p-3"), first + 2);
	go_on(&w, S("a", B("x") "," POOL("p", "2")));
	assert_int_equal(slot_of(&w, "a", "p-1"), first);
	/* The third rests: no room to grow, so all move. */
	go_on(&w, S("a", B("x") "," POOL("p", "4")));
	moved = slot_of(&w, "a", "p-1");
	assert_true(moved > first + 2);
	assert_int_equal(slot_of(&w, "a", "p-4"), moved + 3);
	/* Behind it nobody is. */
	go_on(&w, S("a", B("x") "," POOL("p", "6")));
	assert_int_equal(slot_of(&w, "a", "p-1"), moved);
	assert_int_equal(slot_of(&w, "a", "p-6"), moved + 5);
	end(&w);
}

static void
there_is_an_end_to_it(void **state)
{
	static const char *const names[] = {"x", "y"};
	struct err err = {""};
	struct conf *next;
	struct world w;
	unsigned rounds = 0;
	int rc = 0;

	(void)state;
	begin(&w, S("a", POOL("x", "1000")));
	while (rc == 0 && rounds < 100) {
		char text_of_pool[128];

		snprintf(text_of_pool, sizeof(text_of_pool),
			 "{ name = \"a\"; backends = ( { name = \"%s\"; address = \"a.b:1\"; "
			 "slots = 1000; } ); }",
			 names[++rounds % 2]);
		next = load(text_of_pool);
		rc = slots_assign(&w.slots, next, w.now, &err);
		if (rc == 0)
			slots_commit(&w.slots, w.now);
		conf_unref(next);
	}
	assert_int_equal(rc, -TG_ELIMIT);
	assert_int_equal(rounds, 13);
	assert_string_equal(err.text,
			    "no room for \"y\", which needs 1000 of the 13030 slots of the "
			    "statistics segment; 12000 are of what was removed and may "
			    "still be in use");
	w.now = mono_add_ms(w.now, 60000);
	go_on(&w, S("a", POOL("y", "1000")));
	end(&w);
}

/* A draft over the configuration in use, with `add` in service a and without `gone`, where they are given. */
static void
edit(struct world *w, const char *gone, const char *add)
{
	static const struct conf_note note = {.who = "me", .why = ""};
	struct conf_draft *d = NULL;
	struct conf *next;
	const char *name;
	struct err err = {""};

	assert_int_equal(conf_draft_open(w->conf, &d), 0);
	if (gone != NULL)
		assert_int_equal(conf_draft_delete(d, "a", gone, &note, &err), 0);
	if (add != NULL)
		assert_int_equal(conf_draft_add(d, "a", add, &note, 0, &name, &err), 0);
	next = conf_draft_finish(d);
	if (slots_extend(&w->slots, next, w->now, &err) != 0)
		fail_msg("%s", err.text);
	slots_commit(&w->slots, w->now);
	conf_unref(w->conf);
	w->conf = next;
}

static void
an_edit_gives_slots_as_a_file_does(void **state)
{
	struct world w;
	uint32_t x;
	uint32_t y;
	uint32_t pool;

	(void)state;
	begin(&w, S("a", B("x") "," B("y")) "," S("b", B("x")));
	x = slot_of(&w, "a", "x");
	y = slot_of(&w, "a", "y");
	edit(&w, NULL, "name = \"p\"; address = \"a.example:1\"; slots = 3;");
	pool = slot_of(&w, "a", "p-1");
	assert_true(pool > slot_of(&w, "b", "x"));
	assert_int_equal(slot_of(&w, "a", "p-3"), pool + 2);
	assert_string_equal(segment_entry(w.seg, pool + 1)->name, "p-2");
	assert_int_equal(slot_of(&w, "a", "x"), x);
	/* Under the same name it is the same, whatever else it is. */
	edit(&w, "x", "name = \"x\"; address = \"127.0.0.1:9\";");
	assert_int_equal(slot_of(&w, "a", "x"), x);
	assert_int_equal(slot_of(&w, "a", "y"), y);
	edit(&w, "p", "name = \"p\"; address = \"a.example:1\"; slots = 4;");
	assert_int_equal(slot_of(&w, "a", "p-1"), pool);
	assert_int_equal(slot_of(&w, "a", "p-4"), pool + 3);
	/* What is given up rests. */
	edit(&w, "y", "name = \"z\"; address = \"127.0.0.1:9\";");
	assert_int_equal(slot_of(&w, "a", "z"), pool + 4);
	w.now.us += TG_SLOTS_REST_S * UINT64_C(1000000);
	edit(&w, NULL, "name = \"y\"; address = \"127.0.0.1:9\";");
	assert_int_equal(slot_of(&w, "a", "y"), y);
	end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_has_its_slot),
		cmocka_unit_test(names_keep_their_slots),
		cmocka_unit_test(what_was_given_up_rests),
		cmocka_unit_test(who_comes_back_soon_gets_another),
		cmocka_unit_test(an_abort_leaves_nothing),
		cmocka_unit_test(several_slots_stand_in_a_row),
		cmocka_unit_test(there_is_an_end_to_it),
		cmocka_unit_test(an_edit_gives_slots_as_a_file_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
