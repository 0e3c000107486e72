#include "store/redis_script.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

bool
script_is_ready(const struct script *s, struct redis_batch *b)
{
	const char *argv[] = {s->kind->load.name, "LOAD", s->kind->text};

	if (s->sha[0] != '\0')
		return true;
	(void)batch_add(b, &s->kind->load, NULL, 3, argv, NULL);
	return false;
}

bool
script_run(const struct script *s, struct redis_batch *b, void *record, const char *const *keys,
	   unsigned n_keys, const char *argument)
{
	char count[16];
	const char *argv[4 + TG_SCRIPT_KEYS] = {s->kind->run.name, s->sha, count};

	snprintf(count, sizeof(count), "%u", n_keys);
	for (unsigned i = 0; i < n_keys; i++)
		argv[3 + i] = keys[i];
	argv[3 + n_keys] = argument;
	return batch_add(b, &s->kind->run, record, 4 + n_keys, argv, NULL);
}

bool
script_has_asked(const struct script_kind *kind, const struct batch_kind *of)
{
	return of == &kind->run || of == &kind->load;
}

bool
script_is_lost(struct script *s, const struct batch_item *item, const redisReply *reply)
{
	if (item->kind != &s->kind->run || strncmp(reply->str, "NOSCRIPT", 8) != 0)
		return false;
	s->sha[0] = '\0';
	return true;
}

bool
script_loaded(struct script *s, const redisReply *reply)
{
	if (reply->len != TG_SHA_SIZE - 1)
		return false;
	for (size_t i = 0; i < reply->len; i++) {
		if (!isxdigit((unsigned char)reply->str[i]))
			return false;
	}
	memcpy(s->sha, reply->str, TG_SHA_SIZE);
	return true;
}

/*** Texts ***/

static const char exchange[] =
	"local q = cjson.decode(ARGV[1])\n"
	"local time = redis.call('TIME')\n"
	"local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
	"local whole = function(n) return string.format('%.0f', n) end\n"
	"local me = q.instance .. ' ' .. q.run\n"
	"local lease = redis.call('GET', KEYS[1])\n"
	"local holder, epoch = nil, nil\n"
	"if lease then holder, epoch = string.match(lease, '^(%S+ %S+) (%d+)$') end\n"
	"epoch = tonumber(epoch or redis.call('GET', KEYS[2]) or 0)\n"
	/* The keeper before of the same tidegate is no other. */
	"if holder and holder ~= me and q.first and string.match(holder, '^%S+') == q.instance then\n"
	"  redis.call('DEL', KEYS[1])\n"
	"  holder = nil\n"
	"end\n"
	"if holder == me and not q.wants then\n"
	"  redis.call('DEL', KEYS[1])\n"
	"  holder = nil\n"
	"elseif holder == me then\n"
	"  redis.call('PEXPIRE', KEYS[1], whole(q.lease))\n"
	"elseif not holder and q.wants then\n"
	"  epoch = redis.call('INCR', KEYS[2])\n"
	"  if epoch <= q.epoch then\n"
	"    epoch = q.epoch + 1\n"
	"    redis.call('SET', KEYS[2], whole(epoch))\n"
	"  end\n"
	"  redis.call('DEL', KEYS[1])\n" /* what is there is no lease */
	"  redis.call('SET', KEYS[1], me .. ' ' .. whole(epoch), 'NX', 'PX', whole(q.lease))\n"
	"  holder = me\n"
	"end\n"
	/* Whatever is kept, replaces what was. */
	"local put = function(key, values, life)\n"
	"  redis.call('DEL', key)\n"
	"  local any = false\n"
	"  for name, value in pairs(values) do\n"
	"    redis.call('HSET', key, name, value)\n"
	"    any = true\n"
	"  end\n"
	"  if any and life then redis.call('PEXPIRE', key, whole(life)) end\n"
	"end\n"
	"if q.part then\n"
	"  q.part.at = whole(now)\n"
	"  put(KEYS[4], q.part, q.lease)\n"
	"  redis.call('ZADD', KEYS[3], whole(now), q.instance)\n"
	"else\n"
	"  redis.call('DEL', KEYS[4])\n"
	"  redis.call('ZREM', KEYS[3], q.instance)\n"
	"end\n"
	"redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', whole(now - q.lease))\n"
	"redis.call('PEXPIRE', KEYS[3], whole(q.lease))\n"
	"if holder == me and q.state and q.state.epoch == whole(epoch) then\n"
	"  for _, name in ipairs({'up', 'down', 'active'}) do\n"
	"    if q.ages[name] then q.state[name] = whole(now - q.ages[name]) end\n"
	"  end\n"
	"  put(KEYS[6], q.state, nil)\n"
	"  if q.fleet then put(KEYS[5], q.fleet, nil) end\n"
	"end\n"
	"local hash = function(key)\n"
	"  local flat, all = redis.call('HGETALL', key), {}\n"
	"  for i = 1, #flat, 2 do all[flat[i]] = flat[i + 1] end\n"
	"  return all, #flat > 0\n"
	"end\n"
	"local a = {epoch = whole(epoch), mine = holder == me, parts = {}}\n"
	"a.leader = holder and string.match(holder, '^%S+') or ''\n"
	"a.state = hash(KEYS[6])\n"
	"a.ages = {}\n"
	"for _, name in ipairs({'up', 'down', 'active'}) do\n"
	"  local at = tonumber(a.state[name])\n"
	"  if at then a.ages[name] = math.max(0, now - at) end\n"
	"end\n"
	"if a.state.epoch ~= q.known_epoch or a.state.version ~= q.known_version then\n"
	"  a.fleet = hash(KEYS[5])\n"
	"end\n"
	"local before = string.sub(KEYS[4], 1, -#q.instance - 1)\n"
	"for _, name in ipairs(redis.call('ZRANGE', KEYS[3], 0, 63)) do\n"
	"  if name ~= q.instance then\n"
	"    local part, is_there = hash(before .. name)\n"
	"    if is_there then a.parts[name] = part end\n"
	"  end\n"
	"end\n"
	"return cjson.encode(a)\n";

static const char board[] =
	"local q = cjson.decode(ARGV[1])\n"
	"local time = redis.call('TIME')\n"
	"local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
	"local number = tonumber(redis.call('GET', KEYS[2]) or 0)\n"
	/* It came back empty: what is newer is not known. */
	"local known = q.known <= number and q.known or 0\n"
	"for _, order in ipairs(q.orders) do\n"
	"  local was = redis.call('HGET', KEYS[1], order.key)\n"
	"  local at = math.min(now, order.at)\n"
	"  local old = was and cjson.decode(was)\n"
	"  local is_seen = old and (old.origin == q.instance or old.number <= math.min(order.known, known))\n"
	"  if is_seen or not old or old.at <= at then\n"
	"    if is_seen then at = math.max(at, old.at) end\n"
	"    if not was and redis.call('HLEN', KEYS[1]) >= 4096 then\n"
	"      return redis.error_reply('LIMIT there are 4096 orders')\n"
	"    end\n"
	"    number = redis.call('INCR', KEYS[2])\n"
	"    redis.call('HSET', KEYS[1], order.key, cjson.encode({number = number, at = at,\n"
	"      origin = q.instance, value = order.value, was = order.was, who = order.who, why = order.why}))\n"
	"  end\n"
	"end\n"
	"if known == number then return string.format('{\"number\":%.0f,\"now\":%.0f}', number, now) end\n"
	"local flat, all = redis.call('HGETALL', KEYS[1]), {}\n"
	"for i = 1, #flat, 2 do\n"
	"  local order = cjson.decode(flat[i + 1])\n"
	"  if order.number > known then\n"
	"    order.key = flat[i]\n"
	"    order.age = math.max(0, now - order.at)\n"
	"    order.at = nil\n"
	"    table.insert(all, order)\n"
	"  end\n"
	"end\n"
	"table.sort(all, function(a, b) return a.number < b.number end)\n"
	"local told, last = {}, number\n"
	"for i, order in ipairs(all) do\n"
	"  if i > 256 then last = all[i - 1].number break end\n"
	"  if order.origin ~= q.instance then table.insert(told, order) end\n"
	"end\n"
	"return cjson.encode({number = last, now = now, orders = told})\n";

static const char votes[] =
	"local q = cjson.decode(ARGV[1])\n"
	"local time = redis.call('TIME')\n"
	"local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
	"if q.backends then\n"
	"  redis.call('HSET', KEYS[1], q.instance, cjson.encode({at = now, backends = q.backends}))\n"
	"else\n"
	"  redis.call('HDEL', KEYS[1], q.instance)\n"
	"end\n"
	"local flat, others, n = redis.call('HGETALL', KEYS[1]), {}, 0\n"
	"for i = 1, #flat, 2 do\n"
	"  local is_read, said = pcall(cjson.decode, flat[i + 1])\n"
	"  local at = is_read and type(said) == 'table' and tonumber(said.at)\n"
	"  if not at or at <= now - q.lease or at > now + q.lease then\n"
	"    redis.call('HDEL', KEYS[1], flat[i])\n"
	"  elseif flat[i] ~= q.instance and n < 63 then\n"
	"    others[flat[i]] = {age = math.max(0, now - at), backends = said.backends}\n"
	"    n = n + 1\n"
	"  end\n"
	"end\n"
	"redis.call('PEXPIRE', KEYS[1], string.format('%.0f', q.lease))\n"
	"return cjson.encode({others = others})\n";

static const char word[] =
	"local own, was = string.match(ARGV[1], '^(%S+) ?(%S*)$')\n"
	"local word = redis.call('GET', KEYS[1])\n"
	"if not word or (was ~= '' and word == was) then\n"
	"  redis.call('SET', KEYS[1], own)\n"
	"  word = own\n"
	"end\n"
	"redis.call('PEXPIRE', KEYS[1], 172800000)\n"
	"return word\n";

static const char claims[] =
	"local q = cjson.decode(ARGV[1])\n"
	"local time = redis.call('TIME')\n"
	"local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
	"local whole = function(n) return string.format('%.0f', n) end\n"
	"local me = q.instance .. ' ' .. q.run\n"
	"local read = function(text)\n"
	"  local is_read, said = pcall(cjson.decode, text or '')\n"
	"  return is_read and type(said) == 'table' and tonumber(said.at) and said\n"
	"end\n"
	"local a = {claims = {}, others = {}}\n"
	"for name, wanted in pairs(q.claims) do\n"
	"  local key = KEYS[1] .. name\n"
	"  local holder = redis.call('GET', key)\n"
	"  local ended = q.ended[name]\n"
	"  if ended then\n"
	"    redis.call('HSET', KEYS[2], name, cjson.encode({at = now, by = q.instance, done = ended.done,\n"
	"      mark = ended.mark, wait = ended.wait}))\n"
	"  end\n"
	"  if wanted and not holder and redis.call('SET', key, me, 'NX', 'PX', whole(q.lease)) then\n"
	"    holder = me\n"
	"  elseif wanted and holder == me then\n"
	"    redis.call('PEXPIRE', key, whole(q.lease))\n"
	"  elseif holder == me then\n"
	"    redis.call('DEL', key)\n"
	"    holder = false\n"
	"  end\n"
	"  local claim = {holder = holder and string.match(holder, '^%S+') or '', mine = holder == me}\n"
	"  local said = read(redis.call('HGET', KEYS[2], name))\n"
	"  if said and now - said.at < 86400000 then\n"
	"    claim.last = {by = said.by, age = math.max(0, now - said.at), done = said.done, mark = said.mark,\n"
	"      wait = said.wait}\n"
	"  end\n"
	"  a.claims[name] = claim\n"
	"end\n"
	"redis.call('PEXPIRE', KEYS[2], 86400000)\n"
	"if #q.challenges > 0 then\n"
	"  redis.call('HSET', KEYS[3], q.instance, cjson.encode({at = now, list = q.challenges}))\n"
	"else\n"
	"  redis.call('HDEL', KEYS[3], q.instance)\n"
	"end\n"
	"local flat, n = redis.call('HGETALL', KEYS[3]), 0\n"
	"for i = 1, #flat, 2 do\n"
	"  local said = read(flat[i + 1])\n"
	"  if not said or said.at <= now - q.lease or said.at > now + q.lease then\n"
	"    redis.call('HDEL', KEYS[3], flat[i])\n"
	"  elseif flat[i] ~= q.instance and n < 63 then\n"
	"    a.others[flat[i]] = said.list\n"
	"    n = n + 1\n"
	"  end\n"
	"end\n"
	"redis.call('PEXPIRE', KEYS[3], whole(q.lease))\n"
	"return cjson.encode(a)\n";

#define SCRIPT(is)                                                                                 \
	{                                                                                          \
		.text = (is), .load = {.name = "SCRIPT", .answer = REDIS_REPLY_STRING},            \
		.run = {.name = "EVALSHA", .answer = REDIS_REPLY_STRING},                          \
	}

const struct script_kind redis_script_exchange = SCRIPT(exchange);
const struct script_kind redis_script_board = SCRIPT(board);
const struct script_kind redis_script_votes = SCRIPT(votes);
const struct script_kind redis_script_claims = SCRIPT(claims);
const struct script_kind redis_script_word = SCRIPT(word);
