"""The Lua scripts of the items; each is one atomic step over keys of one tenant, all of them declared.

- `names` is a sorted set of the paths, all with score 0, so that a path and what is below it are one range of bytes.
- `paths` is a sorted set of the same paths by when they came to be (microseconds, each later than the one before).
- `order` of a path is the same for its keys; the score of a key is also when its item was created.
- `items` of a path is a hash from key to `<updated in microseconds> <time to live in milliseconds> <value>`.
- `due` is a sorted set of the deadlines in milliseconds, over path, NUL, key; only items that expire stand in it.

Time is the server's. A script does nothing while anything is due: it says what, the caller removes it with `WRITE`,
whose keys must be declared, and asks again. So what has expired is gone from every answer and soon from the server.
"""

from __future__ import annotations

DUE = 400
"""Items that one answer names as due."""

_TIME = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function ms(plus) return string.format('%d', math.floor(now / 1000) + plus) end
local function late() return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ms(0), 'LIMIT', 0, DUE) end
""".replace("DUE", str(DUE))

_GATE = (
    _TIME
    + """
local gone = late()
if #gone > 0 then return {0, gone} end
"""
)

WRITE = (
    _TIME
    + r"""
-- KEYS due, names, paths, then items and order of each path
-- ARGV each path, then for each change: number of its path, what, key, value
-- (what: time to live, or '-' to remove, or '?' to remove if due), and last '1' to do nothing while anything is due
if ARGV[#ARGV] == '1' then
  local gone = late()
  if #gone > 0 then return {0, gone} end
end
local function following(key)
  local last = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]
  return string.format('%d', math.max(now, tonumber(last or '0') + 1))
end
local function drop(n, key, id)
  redis.call('HDEL', KEYS[2 * n + 2], key)
  redis.call('ZREM', KEYS[2 * n + 3], key)
  redis.call('ZREM', KEYS[1], id)
  if redis.call('EXISTS', KEYS[2 * n + 3]) == 0 then
    redis.call('ZREM', KEYS[2], ARGV[n])
    redis.call('ZREM', KEYS[3], ARGV[n])
  end
end
local function put(n, ttl, key, value, id, deadline)
  local order = KEYS[2 * n + 3]
  local created = redis.call('ZSCORE', order, key)
  if not created then
    if redis.call('EXISTS', order) == 0 then
      redis.call('ZADD', KEYS[2], 0, ARGV[n])
      redis.call('ZADD', KEYS[3], following(KEYS[3]), ARGV[n])
    end
    created = following(order)
    redis.call('ZADD', order, created, key)
  end
  local updated = string.format('%d', math.max(now, tonumber(created)))
  redis.call('HSET', KEYS[2 * n + 2], key, updated .. ' ' .. ttl .. ' ' .. value)
  if ttl ~= '0' then
    redis.call('ZADD', KEYS[1], ms(tonumber(ttl)), id)
  elseif deadline then
    redis.call('ZREM', KEYS[1], id)
  end
end
for i = (#KEYS - 3) / 2 + 1, #ARGV - 1, 4 do
  local n, what, key = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2]
  local id = ARGV[n] .. '\0' .. key
  local deadline = redis.call('ZSCORE', KEYS[1], id)
  if what == '-' or (deadline and tonumber(deadline) <= tonumber(ms(0))) then
    drop(n, key, id)
    deadline = false
  end
  if what ~= '-' and what ~= '?' then put(n, what, key, ARGV[i + 3], id, deadline) end
end
return {1, late()}
"""
)

GET = (
    _GATE
    + r"""
-- KEYS due, then items and order of each path
-- ARGV each path, then for each item: number of its path, key, '0' or '1' (refresh) or '2' (refresh, answer nothing)
local out = {}
for i = (#KEYS - 1) / 2 + 1, #ARGV, 3 do
  local n, key, mode = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2]
  local value = redis.call('HGET', KEYS[2 * n], key)
  local ttl = value and mode ~= '0' and string.match(value, '^%d+ (%d+) ') or '0'
  if ttl ~= '0' then redis.call('ZADD', KEYS[1], 'XX', ms(tonumber(ttl)), ARGV[n] .. '\0' .. key) end
  out[#out + 1] = value and mode ~= '2' and {key, redis.call('ZSCORE', KEYS[2 * n + 1], key), value}
end
return {1, out}
"""
)

PATHS = (
    _GATE
    + """
-- KEYS due, names, paths    ARGV least and greatest of the range, most
local names = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
local out = {}
for i, name in ipairs(names) do out[i] = {name, redis.call('ZSCORE', KEYS[3], name)} end
return {1, out}
"""
)

PAGE = (
    _GATE
    + """
-- KEYS due, then items and order of each path
-- ARGV least score in the first path, items to skip, items to give, bytes after which to stop
-- Answers the skips that are left, whether all was read, and for each item: number of its path, key, score, value
local skip, count, room = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local out = {}
for n = 1, (#KEYS - 1) / 2 do
  local order, least = KEYS[2 * n + 1], n == 1 and ARGV[1] or '-inf'
  local size = skip > 0 and redis.call('ZCOUNT', order, least, '+inf') or 1
  if size <= skip then
    skip = skip - size
  else
    local keys = redis.call('ZRANGEBYSCORE', order, least, '+inf', 'WITHSCORES', 'LIMIT', skip, count - #out)
    skip = 0
    for i = 1, #keys, 2 do
      local value = redis.call('HGET', KEYS[2 * n], keys[i])
      out[#out + 1] = {n, keys[i], keys[i + 1], value}
      room = room - (value and #value or 0)
      if #out >= count or room <= 0 then return {1, {skip, 0, out}} end
    end
  end
end
return {1, {skip, 1, out}}
"""
)
