"""The Lua scripts of the Redis protocol backend; each is one atomic step over the keys of one thread.

The log is one hash: field `0`, `1`, ... for the entries, and beside them the head: `n` length, `o` last operation,
`t` token (fence counter, `-`, nonce; the nonce is empty when nobody holds the thread), `a` time of the last
commit in milliseconds, `x` milliseconds after which the thread expires; of a thread that was forked `i`, its
incarnation; of a fork `b`, its base, and `l`, its lineage. One hash, so that a commit is one HSET in the append-only
file. A hash without `n` is no thread: somebody holds it, or was killed as he made it. The lease is a key of its own,
because it expires: token, tab, holder.
"""

from __future__ import annotations

from satchel.memory.store import GRAIN

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

ACQUIRE = (
    _NOW
    + """
-- KEYS log, lease
-- ARGV nonce, ttl in ms, holder, token of a holder that is known to be dead (or empty), '1' to take an expired one
local head = redis.call('HMGET', KEYS[1], 't', 'n', 'a', 'x')
local held = redis.call('GET', KEYS[2])
local token, n = head[1] or '', head[2] or '0'
if held then
  local owner = string.match(held, '^[^\\t]*')
  if owner == token and string.match(token, '%-(.*)$') == ARGV[1] then return {'ok', token, n} end
  if owner ~= ARGV[4] then return {'busy', held, redis.call('PTTL', KEYS[2])} end
end
if head[4] and now >= head[3] + head[4] and ARGV[5] == '' then return {'over', '', '0'} end
if not head[2] then redis.call('DEL', KEYS[1]) end
token = string.format('%d-%s', tonumber(string.match(token, '^%d+') or '0') + 1, ARGV[1])
redis.call('HSET', KEYS[1], 't', token)
redis.call('SET', KEYS[2], token .. '\\t' .. ARGV[3], 'PX', ARGV[2])
return {'ok', token, n}
"""
)

RENEW = """
-- KEYS log, lease    ARGV token, ttl in ms, holder
if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then return 0 end
if redis.call('PEXPIRE', KEYS[2], ARGV[2]) == 0 then
  redis.call('SET', KEYS[2], ARGV[1] .. '\\t' .. ARGV[3], 'PX', ARGV[2])
end
return 1
"""

RELEASE = """
-- KEYS log, lease    ARGV token
if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
if redis.call('HEXISTS', KEYS[1], 'n') == 0 then return 1 + redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 't', string.match(ARGV[1], '^%d+') .. '-')
return 1
"""

APPEND = (
    _NOW
    + """
-- KEYS log    ARGV token, operation, operation before (or empty), expected length, entries
local head = redis.call('HMGET', KEYS[1], 't', 'o', 'n', 'a', 'x')
local n = head[3] or '0'
if head[1] ~= ARGV[1] then return {'lost', n, head[1] or ''} end
if head[2] == ARGV[2] then return {'ok', n} end
if n ~= ARGV[4] or (ARGV[3] ~= '' and head[2] ~= ARGV[3]) then return {'moved', n} end
local set = {}
for i = 5, #ARGV do
  set[#set + 1] = string.format('%d', n + i - 5)
  set[#set + 1] = ARGV[i]
end
n = string.format('%d', n + #ARGV - 4)
set[#set + 1] = 'n'
set[#set + 1] = n
set[#set + 1] = 'o'
set[#set + 1] = ARGV[2]
if not head[4] or head[5] or now >= head[4] + GRAIN then
  set[#set + 1] = 'a'
  set[#set + 1] = string.format('%d', now)
end
redis.call('HSET', KEYS[1], unpack(set))
return {'ok', n}
""".replace("GRAIN", str(GRAIN * 1000))
)

SETTLE = """
-- KEYS log    ARGV token
-- The write is what the connection's WAITAOF then waits for, whichever connection the writes before it came on, and
-- what a server refuses that could not write what came before.
if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 't', ARGV[1])
return 1
"""

DELETE = """
-- KEYS log, lease, cursor, fields, forks    ARGV token
if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then return 'lost' end
if redis.call('EXISTS', KEYS[5]) == 1 then return 'shared' end
local had = redis.call('HEXISTS', KEYS[1], 'n') + redis.call('EXISTS', KEYS[4])
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
return had > 0 and 'ok' or 'absent'
"""

HELD = """
-- KEYS log    ARGV token, then names and values
if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
"""

FINISH = (
    _NOW
    + """
-- KEYS log    ARGV token, then names and values: with them the hash becomes a thread
if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'a', string.format('%d', now), unpack(ARGV, 2))
return 1
"""
)

KEEP = (
    _NOW
    + """
-- KEYS log    ARGV milliseconds, or empty for ever; answers when it is due
if redis.call('HEXISTS', KEYS[1], 'n') == 0 then return false end
redis.call('HSET', KEYS[1], 'a', string.format('%d', now))
if ARGV[1] == '' then
  redis.call('HDEL', KEYS[1], 'x')
  return 0
end
redis.call('HSET', KEYS[1], 'x', ARGV[1])
return now + ARGV[1]
"""
)

IDENTIFY = """
-- KEYS log    ARGV nonce    Answers what stands in the head of a thread, which has an incarnation from now on
if redis.call('HEXISTS', KEYS[1], 'n') == 0 then return false end
redis.call('HSETNX', KEYS[1], 'i', ARGV[1])
return redis.call('HMGET', KEYS[1], 'n', 'i', 'b', 'x', 'o')
"""

REGISTER = """
-- KEYS log, forks    ARGV incarnation, length, fork
local head = redis.call('HMGET', KEYS[1], 'i', 'n')
if head[1] ~= ARGV[1] or not head[2] or tonumber(head[2]) < tonumber(ARGV[2]) then return 0 end
redis.call('SADD', KEYS[2], ARGV[3])
return 1
"""

HAND_OVER = """
-- KEYS log of the fork    ARGV base as it stands, base from now on (or empty: none), then positions and entries
if redis.call('HGET', KEYS[1], 'b') ~= ARGV[1] then return 0 end
if #ARGV > 2 then redis.call('HSET', KEYS[1], unpack(ARGV, 3)) end
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], 'b')
elseif ARGV[2] ~= ARGV[1] then redis.call('HSET', KEYS[1], 'b', ARGV[2]) end
return 1
"""

CHANGE = """
-- KEYS fields, fence    ARGV generation (* any), size (* any), the next generation, token of the turn (empty: none),
-- then four times a count and as many pairs (put, fresh, top, push), then the names to drop
local function less(a, b)  -- by bytes: the operator follows the server's locale
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end
local function get(name) return redis.call('HGET', KEYS[1], name) end
local g = get('g') or ''
if ARGV[4] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[4] then return {'lost', g} end
if ARGV[1] ~= '*' and ARGV[1] ~= g then return {'stale', g} end
if ARGV[2] ~= '*' and redis.call('HLEN', KEYS[1]) ~= tonumber(ARGV[2]) then return {'stale', g} end
local set, at = {}, 5
local function write(name, value)
  set[#set + 1] = name
  set[#set + 1] = value
end
local function pairs_of(take)
  local stop = at + 2 * tonumber(ARGV[at])
  for i = at + 1, stop, 2 do
    if take(ARGV[i], ARGV[i + 1]) then return true end
  end
  at = stop + 1
end
pairs_of(write)
if pairs_of(function (name, value)
  local old = get(name)
  if old and old ~= value then return true end
  if not old then write(name, value) end
end) then return {'taken', g} end
pairs_of(function (name, value)
  local old = get(name)
  if not old or less(old, value) then write(name, value) end
end)
local counts = {}
pairs_of(function (name, value)
  local n = counts[name] or get(name) or '0'
  write(name .. ' ' .. n, value)
  counts[name] = string.format('%d', n + 1)
end)
for name, n in pairs(counts) do write(name, n) end
if g == '' or at <= #ARGV then
  g = ARGV[3]
  write('g', g)
end
if #set > 0 then redis.call('HSET', KEYS[1], unpack(set)) end
if at <= #ARGV then redis.call('HDEL', KEYS[1], unpack(ARGV, at)) end
return {'done', g}
"""
