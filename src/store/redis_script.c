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

/* In front of each: what is there may be of anybody who can write to redis. */
#define FOREIGN \
	"local odd = {}\n" \
	"local note = function(key, was, allowed)\n" \
	"  if #odd < 8 then table.insert(odd, {key = key, was = was, allowed = allowed}) end\n" \
	"end\n" \
	"local quote = function(text)\n" \
	"  local plain = string.gsub(string.sub(text, 1, 64), '[^ -~]', '?')\n" \
	"  return string.format('\"%s\"%s', plain, #text > 64 and ' and more' or '')\n" \
	"end\n" \
	/* Of another type it is no word of ours, and goes. */ \
	"local ask = function(name, key, ...)\n" \
	"  local answer = redis.pcall(name, key, ...)\n" \
	"  if type(answer) == 'table' and answer.err then\n" \
	"    if string.find(answer.err, 'WRONGTYPE', 1, true) then\n" \
	"      note(key, 'a value of another type', 'what doc/redis.md has for it')\n" \
	"      redis.call('DEL', key)\n" \
	"    end\n" \
	"    return redis.call(name, key, ...)\n" \
	"  end\n" \
	"  return answer\n" \
	"end\n" \
	"local whole = function(n) return string.format('%.0f', n) end\n" \
	"local number = function(text, most)\n" \
	"  local n = type(text) == 'string' and #text <= 16 and string.find(text, '^%d+$') and tonumber(text)\n" \
	"  return n and n <= most and n or nil\n" \
	"end\n" \
	/* Not of NaN, which is below nothing. */ \
	"local time_of = function(value)\n" \
	"  local n = tonumber(value)\n" \
	"  return n and n > -1e14 and n < 1e14 and n or nil\n" \
	"end\n" \
	/* JSON with a time; what is none goes. */ \
	"local read = function(key, name, text, most)\n" \
	"  local is_read, said = pcall(cjson.decode, #text <= most and text or '')\n" \
	"  if is_read and type(said) == 'table' and time_of(said.at) and pcall(cjson.encode, said) then\n" \
	"    said.at = time_of(said.at)\n" \
	"    return said\n" \
	"  end\n" \
	"  note(key, quote(name) .. ': ' .. quote(text), 'JSON with a time, of ' .. most .. ' bytes at most')\n" \
	"  redis.call('HDEL', key, name)\n" \
	"  return nil\n" \
	"end\n" \
	/* One of ours ends by itself; who may not ask for that is not told. */ \
	"local is_endless = function(key)\n" \
	"  local left = redis.pcall('PTTL', key)\n" \
	"  return type(left) == 'number' and (left == -1 or left > 120000)\n" \
	"end\n" \
	"local clock = redis.call('TIME')\n" \
	"local now = clock[1] * 1000 + math.floor(clock[2] / 1000)\n"

static const char exchange[] = FOREIGN
	"local q = cjson.decode(ARGV[1])\n"
	"local me = q.instance .. ' ' .. q.run\n"
	"local nobody = '- -'\n"
	"local lease = ask('GET', KEYS[1])\n"
	"local is_odd = #odd > 0\n"
	"local holder, epoch = nil, nil\n"
	"if lease then\n"
	"  local who, text = string.match(lease, '^(%S+ %S+) (%d+)$')\n"
	"  holder, epoch = who, number(text, 9007199254740991)\n"
	"  is_odd = not who or not epoch or #lease > 256 or is_endless(KEYS[1])\n"
	"  if is_odd then note(KEYS[1], quote(lease), 'instance, run and epoch, for the time of a lease') end\n"
	"end\n"
	/* The highest that is known to have led, whatever is written there. */
	"local known = math.max(q.epoch, epoch or 0, number(ask('HGET', KEYS[6], 'epoch'), 4503599627370496) or 0)\n"
	"local text = ask('GET', KEYS[2])\n"
	"local last = text and number(text, math.max(4503599627370496, known)) or 0\n"
	"if text and text ~= whole(last) then\n"
	"  note(KEYS[2], quote(text), 'a whole number to 4503599627370496')\n"
	"  redis.call('SET', KEYS[2], whole(known))\n"
	"  last = known\n"
	"end\n"
	/* Who led may count on its lease yet, and does not hear at once that it was written over, or lost with all else. */
	"if is_odd or (not lease and not text and known > 0) then\n"
	"  redis.call('SET', KEYS[2], whole(math.max(last, known)))\n"
	"  redis.call('SET', KEYS[1], nobody .. ' ' .. whole(math.max(last, known)), 'PX', whole(q.lease))\n"
	"  holder, epoch = nobody, nil\n"
	"end\n"
	"epoch = epoch or math.max(last, known)\n"
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
	"  epoch = math.max(last, known) + 1\n"
	"  redis.call('SET', KEYS[2], whole(epoch))\n"
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
	"  ask('ZADD', KEYS[3], whole(now), q.instance)\n"
	"else\n"
	"  redis.call('DEL', KEYS[4])\n"
	"  ask('ZREM', KEYS[3], q.instance)\n"
	"end\n"
	"redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', whole(now - q.lease))\n"
	"redis.call('ZREMRANGEBYSCORE', KEYS[3], whole(now + q.lease), '+inf')\n"
	"redis.call('PEXPIRE', KEYS[3], whole(q.lease))\n"
	"if holder == me and q.state and q.state.epoch == whole(epoch) then\n"
	"  for _, name in ipairs({'up', 'down', 'active'}) do\n"
	"    if q.ages[name] then q.state[name] = whole(now - q.ages[name]) end\n"
	"  end\n"
	"  put(KEYS[6], q.state, nil)\n"
	"  if q.fleet then put(KEYS[5], q.fleet, nil) end\n"
	"end\n"
	"local hash = function(key, most)\n"
	"  local all, is_any, size = {}, false, 0\n"
	"  if ask('HLEN', key) > 2048 then\n"
	"    note(key, 'more than 2048 fields', 'fewer')\n"
	"    redis.call('DEL', key)\n"
	"  end\n"
	"  local flat = redis.call('HGETALL', key)\n"
	"  for i = 1, #flat, 2 do\n"
	"    local name, value = flat[i], flat[i + 1]\n"
	"    if #name <= 128 and #value <= most and not string.find(name .. value, '[^ -~]') then\n"
	"      all[name], is_any, size = value, true, size + #name + #value\n"
	"    else\n"
	"      note(key, quote(name) .. ': ' .. quote(value), 'plain text of ' .. most .. ' bytes at most')\n"
	"      redis.pcall('HDEL', key, name)\n"
	"    end\n"
	"  end\n"
	"  return all, is_any, size\n"
	"end\n"
	"local a = {epoch = whole(epoch), mine = holder == me, parts = {}}\n"
	"a.leader = holder and holder ~= nobody and string.match(holder, '^%S+') or ''\n"
	"a.state = hash(KEYS[6], 64)\n"
	"a.ages = {}\n"
	"for _, name in ipairs({'up', 'down', 'active'}) do\n"
	"  local at = time_of(a.state[name])\n"
	"  if at then a.ages[name] = math.max(0, now - at) end\n"
	"end\n"
	"if a.state.epoch ~= q.known_epoch or a.state.version ~= q.known_version then\n"
	"  local before = #odd\n"
	"  a.fleet = hash(KEYS[5], 512)\n"
	/* Not that it is smaller: who leads is to write both again. */
	"  if #odd > before then\n"
	"    redis.call('DEL', KEYS[6])\n"
	"    a.state, a.ages, a.fleet = {}, {}, nil\n"
	"  end\n"
	"end\n"
	"local before = string.sub(KEYS[4], 1, -#q.instance - 1)\n"
	"local room = 700000\n"
	"for _, name in ipairs(redis.call('ZRANGE', KEYS[3], 0, 63)) do\n"
	"  if #name > 128 or string.find(name, '[^ -~]') then\n"
	"    note(KEYS[3], quote(name), 'the name of an instance')\n"
	"    redis.call('ZREM', KEYS[3], name)\n"
	"  elseif name ~= q.instance then\n"
	"    local part, is_there, size = hash(before .. name, 131072)\n"
	"    room = room - size\n"
	"    if is_there and room > 0 then a.parts[name] = part end\n"
	"  end\n"
	"end\n"
	"a.odd = odd\n"
	"return cjson.encode(a)\n";

static const char board[] = FOREIGN
	"local q = cjson.decode(ARGV[1])\n"
	"local most = 90000000000000\n"
	"local read_order = function(name, text)\n"
	"  local order = read(KEYS[1], name, text, 8192)\n"
	"  if order and type(order.number) == 'number' and order.number >= 0 and order.number <= most then return order end\n"
	"  if order then\n"
	"    note(KEYS[1], quote(name) .. ': ' .. quote(text), 'an order with its number')\n"
	"    redis.call('HDEL', KEYS[1], name)\n"
	"  end\n"
	"  return nil\n"
	"end\n"
	"local text = ask('GET', KEYS[2])\n"
	"local number = number(text, most)\n"
	"if not number and (text or ask('HLEN', KEYS[1]) > 0) then\n"
	"  local flat = ask('HGETALL', KEYS[1])\n"
	"  number = 0\n"
	"  for i = 1, #flat, 2 do\n"
	"    local order = read_order(flat[i], flat[i + 1])\n"
	"    number = math.max(number, order and order.number or 0)\n"
	"  end\n"
	"  if text then note(KEYS[2], quote(text), 'a whole number to 90000000000000') end\n"
	"  redis.call('SET', KEYS[2], whole(number))\n"
	"end\n"
	"number = number or 0\n"
	/* It came back empty: what is newer is not known. */
	"local known = q.known <= number and q.known or 0\n"
	"for _, order in ipairs(q.orders) do\n"
	"  local was = ask('HGET', KEYS[1], order.key)\n"
	"  local at = math.min(now, order.at)\n"
	"  local old = was and read_order(order.key, was)\n"
	"  local is_seen = old and (old.origin == q.instance or old.number <= math.min(order.known, known))\n"
	"  if is_seen or not old or old.at <= at then\n"
	"    if is_seen then at = math.max(at, old.at) end\n"
	"    if not old and redis.call('HLEN', KEYS[1]) >= 4096 then\n"
	"      return redis.error_reply('LIMIT there are 4096 orders')\n"
	"    end\n"
	"    number = redis.call('INCR', KEYS[2])\n"
	"    redis.call('HSET', KEYS[1], order.key, cjson.encode({number = number, at = at,\n"
	"      origin = q.instance, value = order.value, was = order.was, who = order.who, why = order.why}))\n"
	"  end\n"
	"end\n"
	"if known == number and #odd == 0 then return string.format('{\"number\":%.0f,\"now\":%.0f}', number, now) end\n"
	"local flat, all = ask('HGETALL', KEYS[1]), {}\n"
	"for i = 1, #flat, 2 do\n"
	"  local order = read_order(flat[i], flat[i + 1])\n"
	"  if order and order.number > known then\n"
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
	"return cjson.encode({number = last, now = now, orders = told, odd = odd})\n";

static const char votes[] = FOREIGN
	"local q = cjson.decode(ARGV[1])\n"
	"if q.backends then\n"
	"  ask('HSET', KEYS[1], q.instance, cjson.encode({at = now, backends = q.backends}))\n"
	"else\n"
	"  ask('HDEL', KEYS[1], q.instance)\n"
	"end\n"
	"local flat, others, n = redis.call('HGETALL', KEYS[1]), {}, 0\n"
	"for i = 1, #flat, 2 do\n"
	"  local said = read(KEYS[1], flat[i], flat[i + 1], 65536)\n"
	"  if said and (said.at <= now - q.lease or said.at > now + q.lease) then\n"
	"    redis.call('HDEL', KEYS[1], flat[i])\n"
	"  elseif said and flat[i] ~= q.instance and n < 63 then\n"
	"    others[flat[i]] = {age = math.max(0, now - said.at), backends = said.backends}\n"
	"    n = n + 1\n"
	"  end\n"
	"end\n"
	"redis.call('PEXPIRE', KEYS[1], whole(q.lease))\n"
	"return cjson.encode({others = others, odd = odd})\n";

static const char word[] = FOREIGN
	"local own, was = string.match(ARGV[1], '^(%S+) ?(%S*)$')\n"
	"local word = ask('GET', KEYS[1])\n"
	"if not word or (was ~= '' and word == was) or #word > 127 or string.find(word, '[^!-~]') then\n"
	"  redis.call('SET', KEYS[1], own)\n"
	"  word = own\n"
	"end\n"
	"redis.call('PEXPIRE', KEYS[1], 172800000)\n"
	"return word\n";

static const char claims[] = FOREIGN
	"local q = cjson.decode(ARGV[1])\n"
	"local me = q.instance .. ' ' .. q.run\n"
	"local nobody = '- -'\n"
	"local a = {claims = {}, others = {}}\n"
	"for name, wanted in pairs(q.claims) do\n"
	"  local key = KEYS[1] .. name\n"
	"  local before = #odd\n"
	"  local holder = ask('GET', key)\n"
	"  local is_odd = #odd > before\n"
	"  if holder and holder ~= nobody and\n"
	"      (#holder > 256 or not string.find(holder, '^%S+ %S+$') or is_endless(key)) then\n"
	"    note(key, quote(holder), 'instance and run, for the time of a claim')\n"
	"    is_odd = true\n"
	"  end\n"
	/* Who had it may be at it yet. */
	"  if is_odd then\n"
	"    redis.call('SET', key, nobody, 'PX', whole(q.lease))\n"
	"    holder = nobody\n"
	"  end\n"
	"  local ended = q.ended[name]\n"
	"  if ended then\n"
	"    ask('HSET', KEYS[2], name, cjson.encode({at = now, by = q.instance, done = ended.done,\n"
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
	"  local claim = {holder = holder and holder ~= nobody and string.match(holder, '^%S+') or '',\n"
	"    mine = holder == me}\n"
	"  local text = ask('HGET', KEYS[2], name)\n"
	"  local said = text and read(KEYS[2], name, text, 1024)\n"
	"  if said and now - said.at < 86400000 then\n"
	"    claim.last = {by = said.by, age = math.max(0, now - said.at), done = said.done, mark = said.mark,\n"
	"      wait = said.wait}\n"
	"  end\n"
	"  a.claims[name] = claim\n"
	"end\n"
	"redis.call('PEXPIRE', KEYS[2], 86400000)\n"
	"if #q.challenges > 0 then\n"
	"  ask('HSET', KEYS[3], q.instance, cjson.encode({at = now, list = q.challenges}))\n"
	"else\n"
	"  ask('HDEL', KEYS[3], q.instance)\n"
	"end\n"
	"local flat, n = redis.call('HGETALL', KEYS[3]), 0\n"
	"for i = 1, #flat, 2 do\n"
	"  local said = read(KEYS[3], flat[i], flat[i + 1], 65536)\n"
	"  if said and (said.at <= now - q.lease or said.at > now + q.lease) then\n"
	"    redis.call('HDEL', KEYS[3], flat[i])\n"
	"  elseif said and flat[i] ~= q.instance and n < 63 then\n"
	"    a.others[flat[i]] = said.list\n"
	"    n = n + 1\n"
	"  end\n"
	"end\n"
	"redis.call('PEXPIRE', KEYS[3], whole(q.lease))\n"
	"a.odd = odd\n"
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
