#include "conf/overlay.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Memory that is out is no end of the program. */
#define HASH_NONFATAL_OOM              1
#define uthash_nonfatal_oom(name)      ((name)->text = NULL)
#define HASH_FUNCTION(s, len, hash)    HASH_FNV(s, len, hash) /* the default one warns in clang */
#include <uthash.h>

#include "conf/overlay_priv.h"
#include "conf/reader_priv.h"
#include "conf/report_priv.h"
#include "conf/schema_priv.h"
#include "conf/source_priv.h"
#include "conf/valid_priv.h"

#define TEXT_MAX    16384u
#define TEXT_SOURCE "backend"

/* So often names are looked for one by one: a table of thousands costs more than that. */
#define ASKED_MAX 6u

/* Of a backend or an entry. */
struct draft_name {
	const char *text;
	size_t at; /* its index, or that of the first of the entry */
	UT_hash_handle hh;
};

/* A service under change: backends that are gone have no name until the draft is finished. */
struct draft_service {
	bool is_open; /* its part is the draft's own */
	size_t live; /* backends that are not gone */
	size_t room;
	size_t deleted_room;
	struct draft_name *names; /* by text, of those that are not gone */
	bool has_names;
	unsigned asked; /* times that a name was looked for without */
};

/*** Copies ***/

static void *
dup_array(struct arena *arena, const void *from, size_t n, size_t room, size_t size)
{
	void *to = arena_alloc(arena, room, size);

	if (to && n > 0)
		memcpy(to, from, n * size);
	return to;
}

bool
draft_dup_text(struct arena *arena, char **text)
{
	if (*text)
		*text = arena_copy(arena, *text, strlen(*text));
	return *text != NULL;
}

bool
draft_dup_optional(struct arena *arena, char **text)
{
	return !*text || draft_dup_text(arena, text);
}

static bool
dup_note(struct arena *arena, struct conf_note *note)
{
	note->who = arena_copy(arena, note->who, strlen(note->who));
	note->why = arena_copy(arena, note->why, strlen(note->why));
	return note->who && note->why;
}

/* What was added has no text in the file's memory. */
bool
draft_dup_added(struct arena *arena, struct conf_backend *backends, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct conf_backend *b = &backends[i];

		if (!b->added.who)
			continue;
		if (!draft_dup_text(arena, &b->name) || !draft_dup_text(arena, &b->entry_name) ||
		    !draft_dup_text(arena, &b->address_text) ||
		    !draft_dup_optional(arena, &b->endpoint.host) || !dup_note(arena, &b->added) ||
		    !draft_dup_optional(arena, &b->added_was))
			return false;
	}
	return true;
}

/* Some more come next, most likely. */
static size_t
room_for(size_t n)
{
	return n + n / 8 + 16;
}

static bool
dup_service(struct arena *arena, struct conf_service *service)
{
	service->backends = dup_array(arena, service->backends, service->n_backends,
				      room_for(service->n_backends), sizeof(service->backends[0]));
	service->deleted = dup_array(arena, service->deleted, service->n_deleted,
				     service->n_deleted, sizeof(service->deleted[0]));
	if (!service->backends || !service->deleted ||
	    !draft_dup_added(arena, service->backends, service->n_backends))
		return false;
	for (size_t i = 0; i < service->n_backends; i++)
		service->backends[i].is_new = false;
	for (size_t i = 0; i < service->n_deleted; i++) {
		if (!draft_dup_text(arena, &service->deleted[i].name) ||
		    !draft_dup_optional(arena, &service->deleted[i].was) ||
		    !dup_note(arena, &service->deleted[i].note))
			return false;
	}
	return true;
}

static void
relink(const struct conf_service **service, struct conf_service *services)
{
	if (*service)
		*service = &services[(*service)->index];
}

static bool
dup_listener(struct arena *arena, struct conf_listener *l, struct conf_service *services)
{
	l->routes = dup_array(arena, l->routes, l->n_routes, l->n_routes, sizeof(l->routes[0]));
	if (!l->routes)
		return false;
	relink(&l->service, services);
	for (size_t i = 0; i < l->n_routes; i++)
		relink(&l->routes[i].service, services);
	relink(&l->plain_service, services);
	return true;
}

/* Services, with the arrays of `from`; nothing is taken from a draft that is not finished. */
static bool
share_services(struct conf_box *box, const struct conf_box *from,
	       const struct conf_service *services, size_t n)
{
	struct conf *conf = &box->conf;

	conf->n_services = 0;
	conf->services = dup_array(&box->arena, services, n, n, sizeof(services[0]));
	box->parts = calloc(n + 1, sizeof(struct conf_part *));
	if (!conf->services || !box->parts)
		return false;
	for (size_t i = 0; i < n; i++)
		box->parts[i] = conf_part_ref(from->parts[services[i].index]);
	conf->n_services = n;
	return true;
}

static bool
dup_conf(struct conf_box *box, const struct conf_box *from_box)
{
	const struct conf *from = &from_box->conf;
	struct conf *conf = &box->conf;

	memcpy(conf, from, sizeof(*conf));
	atomic_init(&conf->refs, 1);
	if (!share_services(box, from_box, from->services, from->n_services))
		return false;
	if (!draft_dup_left_nodes(&box->arena, conf))
		return false;
	box->certificates = conf_part_ref(from_box->certificates);
	conf->listeners = dup_array(&box->arena, from->listeners, from->n_listeners,
				    from->n_listeners, sizeof(from->listeners[0]));
	if (!conf->listeners)
		return false;
	for (size_t i = 0; i < conf->n_listeners; i++) {
		if (!dup_listener(&box->arena, &conf->listeners[i], conf->services))
			return false;
	}
	return true;
}

/* Whose arena it uses. */
static struct conf *
file_of(struct conf *conf)
{
	struct conf *file = conf_box_of(conf)->file;

	return file ? file : conf;
}

struct conf *
conf_service_share(struct conf *conf, const struct conf_service *service)
{
	struct conf_box *box = conf_box_new();

	if (!box)
		return NULL;
	if (!share_services(box, conf_box_of(conf), service, 1)) {
		conf_unref(&box->conf);
		return NULL;
	}
	box->conf.services[0].index = 0;
	box->certificates = conf_part_ref(conf_box_of(conf)->certificates);
	return &box->conf;
}

/*** Drafts ***/

void
conf_draft_drop(struct conf_draft *d)
{
	if (!d)
		return;
	for (size_t i = 0; d->services && i < d->base->n_services; i++)
		HASH_CLEAR(hh, d->services[i].names);
	if (d->box)
		conf_unref(&d->box->conf);
	conf_unref(d->base);
	free(d->services);
	free(d);
}

int
conf_draft_open(struct conf *base, struct conf_draft **ret)
{
	struct conf_draft *d = calloc(1, sizeof(*d));

	if (!d)
		return -TG_ENOMEM;
	d->base = conf_ref(base);
	d->box = conf_box_new();
	d->services = calloc(base->n_services + 1, sizeof(d->services[0]));
	if (!d->box || !d->services || !dup_conf(d->box, conf_box_of(base))) {
		conf_draft_drop(d);
		return -TG_ENOMEM;
	}
	d->box->file = conf_ref(file_of(base));
	*ret = d;
	return 0;
}

static int
no_service(const char *name, struct err *err)
{
	return err_set(err, TG_ENOENT, "no such service \"%.128s\"", name);
}

/* In arrays of its own from now on. */
static int
open_part(struct conf_draft *d, struct conf_service *service)
{
	struct draft_service *s = &d->services[service->index];
	struct conf_part *part = conf_part_new(d->box->parts[service->index]);
	struct conf_service mine = *service;

	if (!part || !dup_service(&part->arena, &mine)) {
		conf_part_unref(part);
		return -TG_ENOMEM;
	}
	conf_part_unref(d->box->parts[service->index]);
	d->box->parts[service->index] = part;
	*service = mine;
	*s = (struct draft_service){
		.is_open = true,
		.live = mine.n_backends,
		.room = room_for(mine.n_backends),
		.deleted_room = mine.n_deleted,
	};
	return 0;
}

int
draft_open_service(struct conf_draft *d, const char *name, struct conf_service **ret,
		   struct err *err)
{
	const struct conf_service *known = conf_find_service(&d->box->conf, name);
	struct conf_service *service;

	if (!known)
		return no_service(name, err);
	service = &d->box->conf.services[known->index];
	if (!d->services[known->index].is_open && open_part(d, service) < 0)
		return err_no_memory(err);
	*ret = service;
	return 0;
}

struct arena *
draft_arena(struct conf_draft *d, const struct conf_service *service)
{
	return &d->box->parts[service->index]->arena;
}

/*** Names ***/

static struct draft_name *
find_name(const struct conf_draft *d, unsigned service, const char *text)
{
	struct draft_name *name = NULL;

	HASH_FIND(hh, d->services[service].names, text, strlen(text), name);
	return name;
}

/* Of the backend at this index. */
static bool
put_name(struct conf_draft *d, unsigned service, const char *text, size_t at)
{
	struct draft_name *name;

	if (find_name(d, service, text))
		return true;
	name = arena_alloc(&d->box->arena, 1, sizeof(*name));
	if (!name)
		return false;
	name->text = text;
	name->at = at;
	HASH_ADD_KEYPTR(hh, d->services[service].names, name->text, strlen(name->text), name);
	return name->text != NULL;
}

static bool
put_names(struct conf_draft *d, const struct conf_service *service, size_t at)
{
	const struct conf_backend *b = &service->backends[at];

	return (b->slots == 1 || b->slot > 0 ||
		put_name(d, service->index, b->entry_name, at)) &&
	       put_name(d, service->index, b->name, at);
}

/* With a table from the time on when it costs less than looking so often. False: no memory. */
static bool
need_names(struct conf_draft *d, const struct conf_service *service, unsigned times)
{
	struct draft_service *s = &d->services[service->index];

	s->asked += times;
	if (s->has_names || s->asked <= ASKED_MAX)
		return true;
	for (size_t i = 0; i < service->n_backends; i++) {
		if (service->backends[i].name && !put_names(d, service, i))
			return false;
	}
	s->has_names = true;
	return true;
}

/* The name of an entry is that of its only slot, or of none. */
static bool
has_either_name(const struct conf_backend *b, const char *name)
{
	return b->name && (strcmp(b->name, name) == 0 ||
			   (b->slots > 1 && b->slot == 0 && strcmp(b->entry_name, name) == 0));
}

/* That which has this name, or whose entry has. NULL: there is none. */
static struct conf_backend *
find_either(const struct conf_draft *d, const struct conf_service *service, const char *name)
{
	if (d->services[service->index].has_names) {
		const struct draft_name *known = find_name(d, service->index, name);

		return known ? &service->backends[known->at] : NULL;
	}
	for (size_t i = 0; i < service->n_backends; i++) {
		if (has_either_name(&service->backends[i], name))
			return &service->backends[i];
	}
	return NULL;
}

int
draft_find_entry(struct conf_draft *d, const struct conf_service *service, const char *name,
		 struct conf_backend **ret)
{
	struct conf_backend *b;

	if (!need_names(d, service, 1))
		return -TG_ENOMEM;
	b = find_either(d, service, name);
	*ret = b && strcmp(b->entry_name, name) == 0 ? b : NULL;
	return 0;
}

static void
forget_name(struct conf_draft *d, unsigned service, const char *text)
{
	struct draft_name *name = find_name(d, service, text);

	if (name)
		HASH_DEL(d->services[service].names, name);
}

/*** Adding ***/

/* Without the place, which is in a line that the operator sees. */
static int
fail_text(struct conf_report *report, const struct conf_source *source, struct err *err)
{
	struct conf_errors errors = {.n = 0};
	const char *text;
	const char *behind;

	conf_report_finish(report, source, &errors);
	text = errors.n > 0 ? errors.list[0].text : "no memory";
	behind = strncmp(text, TEXT_SOURCE ":", sizeof(TEXT_SOURCE)) == 0 ? strstr(text, ": ")
									  : NULL;
	err_set(err, TG_EINVAL, "%.400s", behind ? behind + 2 : text);
	conf_errors_fini(&errors);
	return -TG_EINVAL;
}

/* The rows of one backend are the whole text: no bracket in it can end more than it began. */
static int
read_text(struct arena *arena, const char *text, struct conf_backend *ret, struct err *err)
{
	struct conf_report report = {.n = 0};
	struct conf_source *source;
	int rc = 0;

	if (strstr(text, "@include") || strstr(text, "${"))
		return err_set(err, TG_EINVAL, "@include and variables are not allowed here");
	if (conf_source_memory(text, strlen(text), TEXT_MAX, TEXT_SOURCE, &report, &source) < 0) {
		conf_report_fini(&report);
		return err_no_memory(err);
	}
	if (conf_report_is_clean(&report))
		conf_read(source, false, arena, &report, &conf_schema_backend, ret, NULL,
			  NULL);
	if (!conf_report_is_clean(&report))
		rc = fail_text(&report, source, err);
	conf_source_close(source);
	return rc;
}

static int
check_room(const struct conf_draft *d, const struct conf_service *service,
	   const struct conf_backend *entry, struct err *err)
{
	size_t n = d->services[service->index].live + entry->slots;

	if (n > TG_CONF_BACKENDS_MAX)
		return err_set(err, TG_ELIMIT,
			       "service \"%s\" would have %zu backends; allowed: %u", service->name,
			       n, TG_CONF_BACKENDS_MAX);
	return 0;
}

/* A unix socket has no other port to check or ask. */
static int
check_port(const struct conf_service *service, const struct conf_backend *entry, struct err *err)
{
	if (entry->endpoint.addr.u.sa.sa_family != AF_UNIX ||
	    (service->health.port == 0 && service->agent.port == 0))
		return 0;
	return err_set(err, TG_EINVAL,
		       "address: service \"%s\" checks or asks a port, and a unix socket has none",
		       service->name);
}

static int
check_name(const struct conf_draft *d, const struct conf_service *service, const char *name,
	   struct err *err)
{
	if (!find_either(d, service, name))
		return 0;
	return err_set(err, TG_EEXIST, "service \"%s\" has a backend \"%s\"", service->name, name);
}

static int
check_entry(const struct conf_service *service, const struct conf_backend *entry, struct err *err)
{
	int digits = snprintf(NULL, 0, "-%u", entry->slots);

	if (entry->slots > 1 &&
	    strlen(entry->entry_name) + (size_t)digits > TG_CONF_BACKEND_NAME_MAX)
		return err_set(err, TG_EINVAL,
			       "name: with the numbers of its slots longer than %u bytes",
			       TG_CONF_BACKEND_NAME_MAX);
	return check_port(service, entry, err);
}

static bool
make_room(struct conf_draft *d, struct conf_service *service, size_t n)
{
	struct draft_service *s = &d->services[service->index];
	size_t room = s->room * 2 > n ? s->room * 2 : n + 16;
	struct conf_backend *backends;

	if (n <= s->room)
		return true;
	backends = dup_array(draft_arena(d, service), service->backends, service->n_backends, room,
			     sizeof(*backends));
	if (!backends)
		return false;
	service->backends = backends;
	s->room = room;
	return true;
}

/* The order of the last one who had something to say of this name. */
static void
undelete(struct conf_service *service, const char *name)
{
	for (size_t i = 0; i < service->n_deleted; i++) {
		if (strcmp(service->deleted[i].name, name) != 0)
			continue;
		memmove(&service->deleted[i], &service->deleted[i + 1],
			(service->n_deleted - i - 1) * sizeof(service->deleted[0]));
		service->n_deleted--;
		return;
	}
}

/* `made` has room for the slots of the entry. */
static int
append(struct conf_draft *d, struct conf_service *service, const struct conf_backend *entry,
       struct err *err)
{
	struct conf_backend *made = &service->backends[service->n_backends];
	int rc = 0;

	if (!conf_make_slots(draft_arena(d, service), entry, made))
		return err_no_memory(err);
	for (unsigned i = 0; i < entry->slots; i++)
		made[i].is_new = true;
	if (entry->slots > 1)
		rc = check_name(d, service, entry->entry_name, err);
	for (unsigned i = 0; rc == 0 && i < entry->slots; i++)
		rc = check_name(d, service, made[i].name, err);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; d->services[service->index].has_names && i < entry->slots; i++) {
		if (!put_names(d, service, service->n_backends + i))
			return err_no_memory(err);
	}
	service->n_backends += entry->slots;
	d->services[service->index].live += entry->slots;
	undelete(service, entry->entry_name);
	return 0;
}

int
draft_add_entry(struct conf_draft *d, struct conf_service *service, const struct conf_backend *entry,
	  struct err *err)
{
	int rc = check_entry(service, entry, err);

	if (rc == 0)
		rc = check_room(d, service, entry, err);
	if (rc == 0 &&
	    (!need_names(d, service, entry->slots) ||
	     !make_room(d, service, service->n_backends + entry->slots)))
		rc = err_no_memory(err);
	return rc == 0 ? append(d, service, entry, err) : rc;
}

static int
copy_note(struct arena *arena, const struct conf_note *from, struct conf_note *ret, struct err *err)
{
	*ret = *from;
	if (strlen(from->who) > TG_CONF_NOTE_MAX || strlen(from->why) > TG_CONF_NOTE_MAX)
		return err_set(err, TG_ELIMIT, "who and why have more than %u bytes",
			       TG_CONF_NOTE_MAX);
	return dup_note(arena, ret) ? 0 : err_no_memory(err);
}

int
draft_read_entry(struct conf_draft *d, const struct conf_service *service, const char *text,
		 const struct conf_note *note, struct conf_backend *ret, struct err *err)
{
	struct arena *arena = draft_arena(d, service);
	int rc;

	*ret = (struct conf_backend){.name = NULL};
	rc = read_text(arena, text, ret, err);
	return rc == 0 ? copy_note(arena, note, &ret->added, err) : rc;
}

/* What the file has of a name that is free. NULL: nothing. */
static char *
deleted_was(const struct conf_service *service, const char *name)
{
	for (size_t i = 0; i < service->n_deleted; i++) {
		if (strcmp(service->deleted[i].name, name) == 0)
			return service->deleted[i].was;
	}
	return NULL;
}

int
conf_draft_add(struct conf_draft *d, const char *service_name, const char *text,
	       const struct conf_note *note, uint32_t slot, const char **ret_name, struct err *err)
{
	struct conf_service *service;
	struct conf_backend entry;
	int rc = draft_open_service(d, service_name, &service, err);

	if (rc == 0)
		rc = draft_read_entry(d, service, text, note, &entry, err);
	if (rc == 0) {
		entry.added_was = deleted_was(service, entry.entry_name);
		entry.segment_slot = slot;
		rc = draft_add_entry(d, service, &entry, err);
	}
	if (rc == 0)
		*ret_name = entry.entry_name;
	return rc;
}

/*** Deleting ***/

static int
add_deleted(struct conf_draft *d, struct conf_service *service, const struct conf_deleted *deleted)
{
	struct draft_service *s = &d->services[service->index];
	size_t room = s->deleted_room * 2 + 16;
	struct conf_deleted *list = service->deleted;

	if (service->n_deleted == s->deleted_room) {
		list = dup_array(draft_arena(d, service), list, service->n_deleted, room,
				 sizeof(*list));
		if (!list)
			return -TG_ENOMEM;
		s->deleted_room = room;
		service->deleted = list;
	}
	list[service->n_deleted++] = *deleted;
	return 0;
}

static int
no_backend(const struct conf_draft *d, const struct conf_service *service, const char *name,
	   struct err *err)
{
	const struct conf_backend *b = find_either(d, service, name);

	if (b)
		return err_set(err, TG_EINVAL,
			       "\"%s\" is one slot of several: \"%s\" can be deleted", name,
			       b->entry_name);
	return err_set(err, TG_ENOENT, "service \"%s\" has no backend \"%.128s\"", service->name,
		       name);
}

/* The slots of an entry stand one behind the other. */
void
draft_remove_entry(struct conf_draft *d, struct conf_service *service, struct conf_backend *first)
{
	unsigned slots = first->slots;

	forget_name(d, service->index, first->entry_name);
	for (unsigned i = 0; i < slots; i++) {
		forget_name(d, service->index, first[i].name);
		first[i].name = NULL;
	}
	d->services[service->index].live -= slots;
}

static int
remember_deleted(struct conf_draft *d, struct conf_service *service,
		 const struct conf_backend *first, const struct conf_note *note, struct err *err)
{
	struct arena *arena = draft_arena(d, service);
	struct conf_deleted deleted = {.name = first->entry_name};
	char *text = first->added.who ? strdup(first->added_was) : conf_backend_text(first);
	int rc = copy_note(arena, note, &deleted.note, err);

	deleted.was = text;
	if (rc == 0 &&
	    (!draft_dup_text(arena, &deleted.name) || !draft_dup_text(arena, &deleted.was) ||
	     add_deleted(d, service, &deleted) < 0))
		rc = err_no_memory(err);
	free(text);
	return rc;
}

int
conf_draft_delete(struct conf_draft *d, const char *service_name, const char *backend,
		  const struct conf_note *note, struct err *err)
{
	struct conf_service *service;
	struct conf_backend *first;
	int rc = draft_open_service(d, service_name, &service, err);

	if (rc < 0)
		return rc;
	if (draft_find_entry(d, service, backend, &first) < 0)
		return err_no_memory(err);
	if (!first)
		return no_backend(d, service, backend, err);
	if (!first->added.who || first->added_was)
		rc = remember_deleted(d, service, first, note, err);
	if (rc < 0)
		return rc;
	draft_remove_entry(d, service, first);
	return 0;
}

/*** The end ***/

static void
close_ranks(struct conf_service *service)
{
	size_t n = 0;

	for (size_t i = 0; i < service->n_backends; i++) {
		if (!service->backends[i].name)
			continue;
		if (n != i)
			service->backends[n] = service->backends[i];
		service->backends[n].index = (unsigned)n;
		n++;
	}
	service->n_backends = n;
}

struct conf *
conf_draft_finish(struct conf_draft *d)
{
	struct conf *conf = &d->box->conf;

	for (size_t i = 0; i < conf->n_services; i++) {
		if (d->services[i].is_open)
			close_ranks(&conf->services[i]);
	}
	d->box = NULL;
	conf_draft_drop(d);
	return conf;
}
