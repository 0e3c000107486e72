/*
 * admin/command.h: the commands of the control sockets.
 *
 * A command is one const struct command, listed in commands.c. A line holds
 * commands separated by ';'. Each answer ends with an empty line. A last word "json"
 * asks for the answer as JSON, of any command. An answer that failed is one line:
 * "error <code>: <text>", as JSON {"error":"<code>","text":"<text>"}.
 *
 * Behind the arguments of a command that orders something, "why" and the words after
 * it are kept with the order.
 */
#ifndef TG_ADMIN_COMMAND_H
#define TG_ADMIN_COMMAND_H

#include <stddef.h>

#include "admin/output.h"
#include "admin/source.h"

#define TG_ADMIN_ARGUMENTS_MAX 32u
#define TG_ADMIN_TIMEOUT_MAX_S 86400u
#define TG_ADMIN_WAIT_MAX_MS   3600000u
#define TG_ADMIN_LOOK_MS       20u
#define TG_ADMIN_RELOAD_MS     30000u /* the parent may take to answer */
#define TG_ADMIN_TURN_MS       10u    /* commands of one turn of the loop, of all clients; each has one at least */
#define TG_ADMIN_ASK_MS        30000u /* the proxy may, other questions before this one included */
#define TG_ADMIN_TARGET_SIZE   512u   /* "service/backend" */

#define TG_COMMAND_ERRORS(X)                                                   \
	X(UNKNOWN, "unknown-command", "no such command")                       \
	X(USAGE, "usage", "the command is used wrongly")                       \
	X(DENIED, "denied", "the rights of the socket do not allow it")        \
	X(NOT_FOUND, "not-found", "what is named does not exist")              \
	X(VALUE, "bad-value", "a value is not one that is allowed")            \
	X(CONFLICT, "conflict", "it is configured in a way that excludes this") \
	X(LIMIT, "limit", "a limit of the control socket is reached")          \
	X(REFUSED, "refused", "the configuration stays as it was; the lines say why") \
	X(TIMEOUT, "timeout", "what was waited for did not come in time")      \
	X(PROXY, "proxy", "the proxy did not answer")                          \
	X(UPGRADE, "upgrade", "a new tidegate is taking over: connect again")

enum command_error {
#define TG_COMMAND_ERROR_ENUM(id, word, help) TG_COMMAND_##id,
	TG_COMMAND_ERRORS(TG_COMMAND_ERROR_ENUM)
#undef TG_COMMAND_ERROR_ENUM
	TG_COMMAND_ERROR_COUNT
};

struct command;
struct command_call;

/* What a session waits for, before the rest of its line is run. A value. */
struct command_wait {
	/* NULL: nothing. Called now and then, when an answer came, and at last when it is late. True: it
	 * has written the answer; false: not yet, which is not for one that is late. */
	bool (*go_on)(struct command_call *call);
	bool is_paused; /* go_on is NULL, and there is a rest: for the next turn */
	struct mono until;
	bool is_looking; /* called every TG_ADMIN_LOOK_MS */
	bool is_late;	 /* `until` has passed */
	bool json;
	struct steer_note note;
	char *rest;	 /* of the line; NULL: that was all */
	size_t before;	 /* where this answer begins */
	bool is_answered; /* by the parent or the proxy: then what it said is set, during the call */
	/* of what the parent is asked: */
	uint32_t reload;       /* its number; 0: nothing is asked */
	const char *done;      /* said when it is done; NULL: what the parent says */
	bool is_done;
	const char *text;
	size_t text_n;
	/* of what the proxy is asked, which is session->asking: */
	const struct command *command; /* who reads the answers */
	uint64_t n_heard;              /* answers so far */
	enum asking_end why;
	uint32_t n_found; /* as the proxy says at the end */
	/* of a backend: */
	char target[TG_ADMIN_TARGET_SIZE];
};

/* Who speaks: one client of a control socket. */
struct command_session {
	enum conf_rights rights;
	char who[TG_STEER_WHO_SIZE];
	bool is_interactive; /* "prompt": stays for more lines */
	bool is_over;	     /* "quit" */
	uint64_t events_from; /* "events": the number of the next to send; 0: none are sent */
	unsigned timeout_s;  /* behind a prompt; 0: TG_ADMIN_PROMPT_MS */
	struct command_wait wait;
	struct asking asking; /* its callbacks are those of the server */
	/* Behind the line: the last command of it has it. NULL: there is none. */
	const char *payload;
	size_t payload_n;
};

/* One command of a line. Valid during the call. */
struct command_call {
	struct admin_source *source;
	struct command_session *session;
	struct output *out;
	bool json;
	struct steer_note note; /* who, when, why */
	size_t n_name; /* words of the name */
	size_t n;
	const char *const *arguments; /* the words after the name */
	const char *payload;          /* lines; NULL: there is none */
	size_t payload_n;
};

struct command {
	const char *name;  /* its words: "show stat" */
	const char *usage; /* its arguments: "[up]"; "" when it has none */
	const char *help;
	enum conf_rights rights; /* that it needs */
	bool takes_payload;      /* "<<" may stand behind it: admin/framing.h */
	/* Writes the answer, or calls command_fail(). Nothing written is a success: an empty answer, as
	 * JSON {"ok":true}. Must not wait; its session may, for what command_wait() says. */
	void (*run)(const struct command *c, struct command_call *call);
	/* Of one that asked (command_ask()): each answer, and the end of them when they all came. */
	void (*on_session)(const struct command *c, struct command_call *call,
			   const struct msg_session *m);
	void (*on_capture)(const struct command *c, struct command_call *call,
			   const struct msg_capture *m);
	void (*on_end)(const struct command *c, struct command_call *call, uint32_t n);
};

extern const struct command command_abort_cert;
extern const struct command command_abort_ssl_cert;
extern const struct command command_acme_run;
extern const struct command command_add_server;
extern const struct command command_autoscale;
extern const struct command command_clear_counters;
extern const struct command command_clear_counters_all;
extern const struct command command_commit_cert;
extern const struct command command_commit_ssl_cert;
extern const struct command command_del_acme_challenge;
extern const struct command command_del_server;
extern const struct command command_disable_health;
extern const struct command command_disable_server;
extern const struct command command_drain;
extern const struct command command_enable_health;
extern const struct command command_enable_server;
extern const struct command command_events;
extern const struct command command_explain;
extern const struct command command_get_weight;
extern const struct command command_help;
extern const struct command command_prompt;
extern const struct command command_quit;
extern const struct command command_reload;
extern const struct command command_reload_dry;
extern const struct command command_reload_dry_run;
extern const struct command command_save_config;
extern const struct command command_scale;
extern const struct command command_set_acme_challenge;
extern const struct command command_set_cert;
extern const struct command command_set_log_level;
extern const struct command command_set_maxconn_frontend;
extern const struct command command_set_maxconn_global;
extern const struct command command_set_maxconn_listener;
extern const struct command command_set_maxconn_server;
extern const struct command command_set_server;
extern const struct command command_set_ssl_cert;
extern const struct command command_set_timeout;
extern const struct command command_set_weight;
extern const struct command command_show_acme;
extern const struct command command_show_activity;
extern const struct command command_show_autoscale;
extern const struct command command_show_nodes;
extern const struct command command_show_placement;
extern const struct command command_plan;
extern const struct command command_show_store;
extern const struct command command_show_backend;
extern const struct command command_show_config;
extern const struct command command_show_decisions;
extern const struct command command_show_errors;
extern const struct command command_show_events;
extern const struct command command_show_cert;
extern const struct command command_show_hooks;
extern const struct command command_show_info;
extern const struct command command_show_latency;
extern const struct command command_show_pools;
extern const struct command command_show_reasons;
extern const struct command command_show_servers_conn;
extern const struct command command_show_servers_state;
extern const struct command command_show_sess;
extern const struct command command_show_stat;
extern const struct command command_show_state;
extern const struct command command_show_version;
extern const struct command command_shutdown;
extern const struct command command_shutdown_session;
extern const struct command command_shutdown_sessions;
extern const struct command command_undrain;
extern const struct command command_upgrade;
extern const struct command command_wait;

/* Sorted by name, NULL at the end. */
extern const struct command *const commands[];

/* The answer becomes this failure, whatever was written to it. */
void command_fail(struct command_call *call, enum command_error code, const char *fmt, ...)
	TG_PRINTF(3, 4);
/* The same, saying how `c` is used. */
void command_fail_usage(const struct command *c, struct command_call *call);
/* Whether there are no arguments; else fails. */
bool command_has_none(const struct command *c, struct command_call *call);
/* "service/backend"; else fails. */
bool command_find_backend(struct command_call *call, const char *text,
			  struct steer_target *ret);
/* The service of this name; else fails. */
bool command_find_service(struct command_call *call, const char *name, size_t *ret);
/* The same of one that is scaled. */
bool command_find_scaled(struct command_call *call, const char *name, size_t *ret);
/* The listener of this name; else fails. */
bool command_find_listener(struct command_call *call, const char *name, uint32_t *ret);
/* A decimal number up to `max`; else fails, naming `what`. */
bool command_number(struct command_call *call, const char *text, uint64_t max, const char *what,
		    uint64_t *ret);

/* The answer comes later: when `go_on` has written it, until then at the latest. What else is to be
 * known then is set in what is returned. */
struct command_wait *command_wait_for(struct command_call *call, uint64_t ms,
				      bool (*go_on)(struct command_call *call));

/* Orders it in the name of who speaks; else fails. */
void command_order(struct command_call *call, const struct steer_target *target,
		   enum steer_property property, const char *value);

/* The answer is this configuration, or that service of it, as text that reads back; before it `remarks`, where
 * there are some (NULL allowed). */
void command_print_conf(struct command_call *call, const struct output *remarks, const struct conf *conf,
			const struct conf_service *service);

/* {"when":..,"who":..,"why":..} */
void command_print_note(struct output *out, const struct conf_note *note);

/* The answer comes from the proxy: to on_session() or on_capture(), then on_end(). */
void command_ask(const struct command *c, struct command_call *call, enum question_kind kind,
		 uint64_t id);

/* Runs every command of a line, up to one that waits (session->wait.go_on), or behind which the turn is over
 * (is_paused): the line, which is taken apart in place, must last until then. Answers and their empty lines go to `out`. */
void command_run_line(struct admin_source *s, struct command_session *session, char *line,
		      struct output *out);
/* The session waits: whether that is over. Then the rest of its line is run. False: it waits, for this
 * or the next, or another turn. */
bool command_go_on(struct admin_source *s, struct command_session *session, struct output *out);
/* What the proxy answers, one by one; and that there is no more. command_go_on() is next when the
 * output is full, and behind the last. */
void command_hear_session(struct admin_source *s, struct command_session *session,
			  struct output *out, const struct msg_session *m);
void command_hear_capture(struct admin_source *s, struct command_session *session,
			  struct output *out, const struct msg_capture *m);
void command_hear_end(struct command_session *session, enum asking_end why, uint32_t n);
/* The proxy need not answer any more. Who waits and goes away calls this, too. */
void command_stop_asking(const struct admin_source *s, struct command_session *session);
/* One failure that no command led to, with its empty line. */
void command_refuse(struct output *out, enum command_error code, const char *text);

#endif
