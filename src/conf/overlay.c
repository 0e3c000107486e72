#include "conf/overlay.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "conf/box_priv.h"
#include "conf/reader_priv.h"
#include "conf/report_priv.h"
#include "conf/schema_priv.h"
#include "conf/source_priv.h"
#include "conf/valid_priv.h"

#define TEXT_MAX    16384u
#define TEXT_SOURCE "backend"

/* A service under change: backends that are gone have no name until the draft is finished. */
struct draft_service {
	size_t live; /* backends that are not gone */
	size_t room;
	size_t deleted_room;
};

/* Names of backends and entries, by hash; `text` NULL: free; GONE: was taken. */
struct draft_name {
	const char *text;
	unsigned service;
};

struct conf_draft {
	struct conf_box *box;
	struct conf *base;
	struct draft_service *services; /* by index */
	struct draft_name *names;
	size_t n_names;    /* taken or gone */
	size_t names_size; /* a power of two; 0: not made yet */
};

static const char gone[] = "";

static int
no_memory(struct err *err)
{
	return err_set(err, TG_ENOMEM, "no memory");
}

/*** Copies ***/

static void *
dup_array(struct arena *arena, const void *from, size_t n, size_t room, size_t size)
{
	void *to = arena_alloc(arena, room, size);

	if (to && n > 0)
		memcpy(to, from, n * size);
	return to;
}

static bool
dup_text(struct arena *arena, char **text)
{
	if (*text)
		*text = arena_copy(arena, *text, strlen(*text));
	return *text != NULL;
}

/* Of what may not be there. */
static bool
dup_was(struct arena *arena, char **was)
{
	return !*was || dup_text(arena, was);
}

static bool
dup_note(struct arena *arena, struct conf_note *note)
{
	note->who = arena_copy(arena, note->who, strlen(note->who));
	note->why = arena_copy(arena, note->why, strlen(note->why));
	return note->who && note->why;
}

/* What was added has no text in the file's memory. */
static bool
dup_added(struct arena *arena, struct conf_backend *backends, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct conf_backend *b = &backends[i];

		if (!b->added.who)
			continue;
		if (!dup_text(arena, &b->name) || !dup_text(arena, &b->entry_name) ||
		    !dup_text(arena, &b->address_text) || !dup_note(arena, &b->added) ||
		    !dup_was(arena, &b->added_was))
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
	    !dup_added(arena, service->backends, service->n_backends))
		return false;
	for (size_t i = 0; i < service->n_deleted; i++) {
		if (!dup_text(arena, &service->deleted[i].name) ||
		    !dup_was(arena, &service->deleted[i].was) ||
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
	return true;
}

static bool
dup_conf(struct conf_box *box, const struct conf *from)
{
	struct conf *conf = &box->conf;

	memcpy(conf, from, sizeof(*conf));
	atomic_init(&conf->refs, 1);
	conf->services = dup_array(&box->arena, from->services, from->n_services, from->n_services,
				   sizeof(from->services[0]));
	conf->listeners = dup_array(&box->arena, from->listeners, from->n_listeners,
				    from->n_listeners, sizeof(from->listeners[0]));
	if (!conf->services || !conf->listeners)
		return false;
	for (size_t i = 0; i < conf->n_services; i++) {
		if (!dup_service(&box->arena, &conf->services[i]))
			return false;
	}
	for (size_t i = 0; i < conf->n_listeners; i++) {
		if (!dup_listener(&box->arena, &conf->listeners[i], conf->services))
			return false;
	}
	return true;
}

/*** Drafts ***/

void
conf_draft_drop(struct conf_draft *d)
{
	if (!d)
		return;
	if (d->box)
		conf_unref(&d->box->conf);
	conf_unref(d->base);
	free(d->services);
	free(d->names);
	free(d);
}

int
conf_draft_open(struct conf *base, struct conf_draft **ret)
{
	struct conf *file = conf_box_of(base)->file ? conf_box_of(base)->file : base;
	struct conf_draft *d = calloc(1, sizeof(*d));

	if (!d)
		return -TG_ENOMEM;
	d->base = conf_ref(base);
	d->box = conf_box_new();
	d->services = calloc(base->n_services + 1, sizeof(d->services[0]));
	if (!d->box || !d->services || !dup_conf(d->box, base)) {
		conf_draft_drop(d);
		return -TG_ENOMEM;
	}
	d->box->file = conf_ref(file);
	for (size_t i = 0; i < base->n_services; i++) {
		d->services[i] = (struct draft_service){
			.live = base->services[i].n_backends,
			.room = room_for(base->services[i].n_backends),
			.deleted_room = base->services[i].n_deleted,
		};
	}
	*ret = d;
	return 0;
}

static struct conf_service *
find_service(struct conf_draft *d, const char *name)
{
	struct conf *conf = &d->box->conf;

	for (size_t i = 0; i < conf->n_services; i++) {
		if (strcmp(conf->services[i].name, name) == 0)
			return &conf->services[i];
	}
	return NULL;
}

static int
no_service(const char *name, struct err *err)
{
	return err_set(err, TG_ENOENT, "no such service \"%.128s\"", name);
}

/*** Names ***/

static struct draft_name *
find_name(const struct conf_draft *d, unsigned service, const char *text)
{
	size_t at = hash_bytes(text, strlen(text), service) & (d->names_size - 1);

	while (d->names[at].text && (d->names[at].service != service || d->names[at].text == gone ||
				     strcmp(d->names[at].text, text) != 0))
		at = (at + 1) & (d->names_size - 1);
	return &d->names[at];
}

static bool put_name(struct conf_draft *d, unsigned service, const char *text);

static bool
put_names(struct conf_draft *d, unsigned service, const struct conf_backend *b)
{
	return (b->slots == 1 || b->slot > 0 || put_name(d, service, b->entry_name)) &&
	       put_name(d, service, b->name);
}

/* All names there are, into a table of this size. */
static bool
make_names(struct conf_draft *d, size_t size)
{
	struct conf *conf = &d->box->conf;

	free(d->names);
	d->n_names = 0;
	d->names_size = size;
	d->names = calloc(size, sizeof(d->names[0]));
	if (!d->names) {
		d->names_size = 0;
		return false;
	}
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct conf_service *service = &conf->services[i];

		for (size_t k = 0; k < service->n_backends; k++) {
			if (service->backends[k].name &&
			    !put_names(d, (unsigned)i, &service->backends[k]))
				return false;
		}
	}
	return true;
}

/* At most half full. */
static bool
put_name(struct conf_draft *d, unsigned service, const char *text)
{
	struct draft_name *name;

	if (d->n_names * 2 >= d->names_size)
		return make_names(d, d->names_size * 2) && put_name(d, service, text);
	name = find_name(d, service, text);
	if (!name->text) {
		*name = (struct draft_name){.text = text, .service = service};
		d->n_names++;
	}
	return true;
}

static bool
need_names(struct conf_draft *d)
{
	size_t size = 1024;

	if (d->names_size > 0)
		return true;
	for (size_t i = 0; i < d->box->conf.n_services; i++) {
		while (size < 4 * d->services[i].live)
			size *= 2;
	}
	return make_names(d, size);
}

static void
forget_name(struct conf_draft *d, unsigned service, const char *text)
{
	struct draft_name *name = d->names_size > 0 ? find_name(d, service, text) : NULL;

	if (name && name->text)
		name->text = gone;
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
		return no_memory(err);
	}
	if (conf_report_is_clean(&report))
		conf_read(source, false, arena, &report, &conf_schema_backend, ret, NULL);
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
	if (!find_name(d, service->index, name)->text)
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
	backends = dup_array(&d->box->arena, service->backends, service->n_backends, room,
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

	if (!conf_make_slots(&d->box->arena, entry, made))
		return no_memory(err);
	if (entry->slots > 1)
		rc = check_name(d, service, entry->entry_name, err);
	for (unsigned i = 0; rc == 0 && i < entry->slots; i++)
		rc = check_name(d, service, made[i].name, err);
	if (rc < 0)
		return rc;
	service->n_backends += entry->slots;
	d->services[service->index].live += entry->slots;
	for (unsigned i = 0; i < entry->slots; i++) {
		if (!put_names(d, service->index, &made[i]))
			return no_memory(err);
	}
	undelete(service, entry->entry_name);
	return 0;
}

static int
add_entry(struct conf_draft *d, struct conf_service *service, const struct conf_backend *entry,
	  struct err *err)
{
	int rc = check_entry(service, entry, err);

	if (rc == 0)
		rc = check_room(d, service, entry, err);
	if (rc == 0 &&
	    (!need_names(d) || !make_room(d, service, service->n_backends + entry->slots)))
		rc = no_memory(err);
	return rc == 0 ? append(d, service, entry, err) : rc;
}

static int
copy_note(struct arena *arena, const struct conf_note *from, struct conf_note *ret, struct err *err)
{
	*ret = *from;
	if (strlen(from->who) > TG_CONF_NOTE_MAX || strlen(from->why) > TG_CONF_NOTE_MAX)
		return err_set(err, TG_ELIMIT, "who and why have more than %u bytes",
			       TG_CONF_NOTE_MAX);
	return dup_note(arena, ret) ? 0 : no_memory(err);
}

static int
read_entry(struct conf_draft *d, const char *text, const struct conf_note *note,
	   struct conf_backend *ret, struct err *err)
{
	int rc;

	*ret = (struct conf_backend){.name = NULL};
	rc = read_text(&d->box->arena, text, ret, err);
	return rc == 0 ? copy_note(&d->box->arena, note, &ret->added, err) : rc;
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
	       const struct conf_note *note, const char **ret_name, struct err *err)
{
	struct conf_service *service = find_service(d, service_name);
	struct conf_backend entry;
	int rc;

	if (!service)
		return no_service(service_name, err);
	rc = read_entry(d, text, note, &entry, err);
	if (rc == 0) {
		entry.added_was = deleted_was(service, entry.entry_name);
		rc = add_entry(d, service, &entry, err);
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
		list = dup_array(&d->box->arena, list, service->n_deleted, room, sizeof(*list));
		if (!list)
			return -TG_ENOMEM;
		s->deleted_room = room;
		service->deleted = list;
	}
	list[service->n_deleted++] = *deleted;
	return 0;
}

static int
no_backend(const struct conf_service *service, const char *name, struct err *err)
{
	for (size_t i = 0; i < service->n_backends; i++) {
		const struct conf_backend *b = &service->backends[i];

		if (b->name && b->slots > 1 && strcmp(b->name, name) == 0)
			return err_set(err, TG_EINVAL,
				       "\"%s\" is one slot of several: \"%s\" can be deleted", name,
				       b->entry_name);
	}
	return err_set(err, TG_ENOENT, "service \"%s\" has no backend \"%.128s\"", service->name,
		       name);
}

/* Returns the first of the entry; NULL: there is none. */
static struct conf_backend *
find_entry(struct conf_service *service, const char *name)
{
	for (size_t i = 0; i < service->n_backends; i++) {
		struct conf_backend *b = &service->backends[i];

		if (b->name && strcmp(b->entry_name, name) == 0)
			return b;
	}
	return NULL;
}

/* The slots of an entry stand one behind the other. */
static void
remove_entry(struct conf_draft *d, struct conf_service *service, struct conf_backend *first)
{
	unsigned slots = first->slots;

	forget_name(d, service->index, first->entry_name);
	for (unsigned i = 0; i < slots; i++) {
		forget_name(d, service->index, first[i].name);
		first[i].name = NULL;
	}
	d->services[service->index].live -= slots;
}

/* As the file has it, by which an edit is known. The caller's to free(); NULL: no memory. */
static char *
text_of(const struct conf_backend *entry)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return NULL;
	conf_print_backend(entry, out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static int
remember_deleted(struct conf_draft *d, struct conf_service *service,
		 const struct conf_backend *first, const struct conf_note *note, struct err *err)
{
	struct conf_deleted deleted = {.name = first->entry_name};
	char *text = first->added.who ? strdup(first->added_was) : text_of(first);
	int rc = copy_note(&d->box->arena, note, &deleted.note, err);

	deleted.was = text;
	if (rc == 0 &&
	    (!dup_text(&d->box->arena, &deleted.name) || !dup_text(&d->box->arena, &deleted.was) ||
	     add_deleted(d, service, &deleted) < 0))
		rc = no_memory(err);
	free(text);
	return rc;
}

int
conf_draft_delete(struct conf_draft *d, const char *service_name, const char *backend,
		  const struct conf_note *note, struct err *err)
{
	struct conf_service *service = find_service(d, service_name);
	struct conf_backend *first = service ? find_entry(service, backend) : NULL;
	int rc = 0;

	if (!service)
		return no_service(service_name, err);
	if (!first)
		return no_backend(service, backend, err);
	if (!first->added.who || first->added_was)
		rc = remember_deleted(d, service, first, note, err);
	if (rc < 0)
		return rc;
	remove_entry(d, service, first);
	return 0;
}

/*** Over a file that was read anew ***/

struct hearer {
	conf_draft_told *told;
	void *user;
};

static void
tell(const struct hearer *hearer, const char *service, const char *backend, const char *what)
{
	if (hearer->told)
		hearer->told(hearer->user, service, backend, what);
}

/* -TG_ENOMEM, else 0: it was kept, or told. */
static int
judge(int rc, const struct err *err, const struct hearer *hearer, const char *service,
      const char *backend)
{
	if (rc == -TG_ENOMEM)
		return rc;
	if (rc < 0)
		tell(hearer, service, backend, err->text);
	return 0;
}

/* -TG_EEXIST: the file has another entry than it had. */
static int
check_unedited(const struct conf_backend *entry, const char *was, struct err *err)
{
	char *text = text_of(entry);
	bool is_same = text && strcmp(text, was) == 0;

	if (!text)
		return no_memory(err);
	free(text);
	return is_same ? 0
		       : err_set(err, TG_EEXIST,
				 "edited since in the configuration file, which counts");
}

/* The first of the entry that the file has under this name; NULL: none. */
static int
find_of_file(struct conf_draft *d, struct conf_service *service, const char *name,
	     struct conf_backend **ret, struct err *err)
{
	if (!need_names(d))
		return no_memory(err);
	*ret = NULL;
	if (find_name(d, service->index, name)->text)
		*ret = find_entry(service, name);
	if (*ret && (*ret)->added.who)
		*ret = NULL;
	return 0;
}

static int
check_added(const struct conf_backend *of_file, const char *was, struct err *err)
{
	struct err why;
	int rc;

	if (!was && !of_file)
		return 0;
	if (!was)
		return err_set(err, TG_EEXIST,
			       "added, and now in the configuration file, which counts");
	if (!of_file)
		return err_set(
			err, TG_EEXIST,
			"added, and taken out of the configuration file since, which counts");
	rc = check_unedited(of_file, was, &why);
	return rc == 0 ? 0 : err_set(err, (enum tg_errno) - rc, "added, and %s", why.text);
}

/* In the place of the file's own, which comes back where that cannot be. */
static int
replace(struct conf_draft *d, struct conf_service *service, struct conf_backend *of_file,
	const struct conf_backend *entry, struct err *err)
{
	struct conf_backend before = *of_file;
	struct err why;
	int rc;

	remove_entry(d, service, of_file);
	rc = add_entry(d, service, entry, err);
	if (rc < 0 && add_entry(d, service, &before, &why) < 0)
		return no_memory(err);
	return rc;
}

/* Once more, over what may be another file. */
static int
add_again(struct conf_draft *d, struct conf_service *service, const struct conf_backend *entry,
	  struct err *err)
{
	struct conf_backend *of_file;
	int rc = find_of_file(d, service, entry->entry_name, &of_file, err);

	if (rc == 0)
		rc = check_added(of_file, entry->added_was, err);
	if (rc < 0)
		return rc;
	return of_file ? replace(d, service, of_file, entry, err)
		       : add_entry(d, service, entry, err);
}

static int
carry_added(struct conf_draft *d, const struct conf_service *from, struct conf_service *to,
	    const struct hearer *hearer)
{
	struct err err;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < from->n_backends; i++) {
		struct conf_backend entry = from->backends[i];

		if (!entry.added.who || entry.slot > 0)
			continue;
		if (!dup_added(&d->box->arena, &entry, 1))
			return -TG_ENOMEM;
		entry.segment_slot = 0;
		rc = judge(add_again(d, to, &entry, &err), &err, hearer, from->name,
			   entry.entry_name);
	}
	return rc;
}

/* Once more, over what may be another file; `was` NULL: whatever it has. */
static int
delete_again(struct conf_draft *d, const char *service_name, const struct conf_deleted *deleted,
	     struct err *err)
{
	struct conf_service *service = find_service(d, service_name);
	struct conf_backend *first = service ? find_entry(service, deleted->name) : NULL;

	if (first && !first->added.who && deleted->was) {
		struct err why;
		int rc = check_unedited(first, deleted->was, &why);

		if (rc < 0)
			return err_set(err, (enum tg_errno) - rc, "deleted, and %s", why.text);
	}
	return conf_draft_delete(d, service_name, deleted->name, &deleted->note, err);
}

static int
carry_deleted(struct conf_draft *d, const struct conf_service *from, const struct hearer *hearer)
{
	struct err err;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < from->n_deleted; i++) {
		const struct conf_deleted *deleted = &from->deleted[i];

		rc = judge(delete_again(d, from->name, deleted, &err), &err, hearer, from->name,
			   deleted->name);
	}
	return rc;
}

int
conf_draft_carry(struct conf_draft *d, const struct conf *present, conf_draft_told *told,
		 void *user)
{
	struct hearer hearer = {.told = told, .user = user};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < present->n_services; i++) {
		const struct conf_service *from = &present->services[i];
		struct conf_service *to = find_service(d, from->name);

		if (!to && from->n_deleted > 0)
			tell(&hearer, from->name, from->deleted[0].name, "its service is gone");
		rc = to ? carry_deleted(d, from, &hearer) : 0;
		if (rc == 0 && to)
			rc = carry_added(d, from, to, &hearer);
	}
	return rc;
}

static bool
is_told(const char *was)
{
	return was && was[0] != '\0';
}

static int
apply_added(struct conf_draft *d, const struct conf_state_order *o, const char *text,
	    const struct conf_note *note, struct err *err)
{
	struct conf_service *service = find_service(d, o->service);
	struct conf_backend entry;
	int rc;

	if (!service)
		return no_service(o->service, err);
	rc = read_entry(d, text, note, &entry, err);
	if (rc < 0)
		return rc;
	entry.added_was = is_told(o->was) ? o->was : NULL;
	if (!dup_was(&d->box->arena, &entry.added_was))
		return no_memory(err);
	return add_again(d, service, &entry, err);
}

static int
apply_order(struct conf_draft *d, const struct conf_state_order *o, const struct hearer *hearer)
{
	struct conf_note note = {.who = o->who, .why = o->why, .when_us = o->when_us};
	struct conf_deleted deleted = {
		.name = o->backend, .was = is_told(o->was) ? o->was : NULL, .note = note};
	size_t n = sizeof(TG_CONF_OVERLAY_ADDED) - 1;
	struct err err;
	int rc;

	if (!o->service || !o->backend || strcmp(o->property, TG_CONF_OVERLAY_PROPERTY) != 0)
		return 0;
	if (strcmp(o->value, TG_CONF_OVERLAY_DELETED) == 0)
		rc = delete_again(d, o->service, &deleted, &err);
	else if (strncmp(o->value, TG_CONF_OVERLAY_ADDED, n) == 0)
		rc = apply_added(d, o, o->value + n, &note, &err);
	else
		rc = err_set(&err, TG_EINVAL, "neither added nor deleted");
	return judge(rc, &err, hearer, o->service, o->backend);
}

int
conf_draft_apply(struct conf_draft *d, const struct conf_state *state, conf_draft_told *told,
		 void *user)
{
	struct hearer hearer = {.told = told, .user = user};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < state->n_orders; i++)
		rc = apply_order(d, &state->orders[i], &hearer);
	return rc;
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

	for (size_t i = 0; i < conf->n_services; i++)
		close_ranks(&conf->services[i]);
	d->box = NULL;
	conf_draft_drop(d);
	return conf;
}

void
conf_number(struct conf *conf)
{
	uint32_t slot = 1;

	for (size_t i = 0; i < conf->n_listeners; i++)
		conf->listeners[i].segment_slot = slot++;
	for (size_t i = 0; i < conf->n_services; i++)
		conf->services[i].segment_slot = slot++;
	for (size_t i = 0; i < conf->n_services; i++) {
		for (size_t k = 0; k < conf->services[i].n_backends; k++)
			conf->services[i].backends[k].segment_slot = slot++;
	}
}

static const struct conf_service *
named(const struct conf *conf, const char *name, size_t hint)
{
	if (hint < conf->n_services && strcmp(conf->services[hint].name, name) == 0)
		return &conf->services[hint];
	for (size_t i = 0; i < conf->n_services; i++) {
		if (strcmp(conf->services[i].name, name) == 0)
			return &conf->services[i];
	}
	return NULL;
}

int
conf_keep_secrets(struct conf *conf, const struct conf *present)
{
	for (size_t i = 0; i < conf->n_services; i++) {
		struct conf_sticky *sticky = &conf->services[i].sticky;
		const struct conf_service *before = named(present, conf->services[i].name, i);

		if (!sticky->has_made_secret || !before || !before->sticky.has_made_secret)
			continue;
		sticky->secret = before->sticky.secret;
		if (!dup_text(&conf_box_of(conf)->arena, &sticky->secret))
			return -TG_ENOMEM;
	}
	return 0;
}
