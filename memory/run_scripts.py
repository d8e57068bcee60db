"""The Lua scripts behind `Runs`: each is one atomic step over the keys of one thread.

`runs` is a hash: field `thread` holds the thread's own text, `rest` how it stands, `now` the run that was begun and has
not ended; a run has a field of its id with what was asked, and beside it `ID s` status, `ID n` attempts, `ID c` the
action that was asked for, `ID d` when it is due, `ID u` when it changed, `ID e` its error, `ID r` that its events were
read, `ID f` the token that ended it. `q` lists the runs that wait or run, `all` every run, in order. `fence` is the
token of the turn (a counter, `-`, a nonce, empty when nobody has it), `hold` its lease, the only key beside the streams
that expires. Times come from the caller: some servers refuse to write after a script has asked for theirs.
"""

from __future__ import annotations

_RUN = """
local function at(run, field) return run .. ' ' .. field end
local FIELDS = {'s', 'n', 'c', 'd', 'u', 'e', 'r', 'f'}
local function drop(run)
  local names = {run}
  for _, field in ipairs(FIELDS) do names[#names + 1] = at(run, field) end
  redis.call('HDEL', KEYS[1], unpack(names))
end
local function leave(run)
  redis.call('LREM', KEYS[2], 1, run)
  if redis.call('HGET', KEYS[1], 'now') == run then redis.call('HDEL', KEYS[1], 'now') end
end
local function close(stream, status, keep)
  local id = redis.call('XADD', stream, '*', 'e', 'end', 'd', status)
  redis.call('PEXPIRE', stream, keep)
  return id
end
"""

ADMIT = (
    _RUN
    + """
-- KEYS runs, q, all, stream    ARGV run, doc, strategy, due, now, doc of a new thread (or empty), limit
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return {'ok'} end
if redis.call('EXISTS', KEYS[4]) == 1 then return {'over'} end
if redis.call('HEXISTS', KEYS[1], 'thread') == 0 then
  if ARGV[6] == '' then return {'absent'} end
  redis.call('HSET', KEYS[1], 'thread', ARGV[6])
end
local queue = redis.call('LRANGE', KEYS[2], 0, -1)
if ARGV[3] == 'reject' and #queue > 0 then return {'busy'} end
if #queue >= tonumber(ARGV[7]) then return {'full'} end
if ARGV[3] == 'interrupt' or ARGV[3] == 'rollback' then
  for _, run in ipairs(queue) do redis.call('HSET', KEYS[1], at(run, 'c'), ARGV[3]) end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], at(ARGV[1], 's'), 'pending', at(ARGV[1], 'd'), ARGV[4],
  at(ARGV[1], 'u'), ARGV[5])
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('RPUSH', KEYS[3], ARGV[1])
return {'ok', unpack(queue)}
"""
)

CLAIM = (
    _RUN
    + """
-- KEYS runs, q, fence, hold    ARGV nonce, ttl in ms, holder, token of a holder that is known to be dead, now
local held = redis.call('GET', KEYS[4])
local token = redis.call('GET', KEYS[3]) or ''
local again = false
if held then
  local owner = string.match(held, '^[^\\t]*')
  again = owner == token and string.match(token, '%-(.*)$') == ARGV[1]
  if not again and owner ~= ARGV[4] then return {'held', held, redis.call('PTTL', KEYS[4])} end
end
local soonest
local begun = redis.call('HGET', KEYS[1], 'now')
for _, run in ipairs(begun and {begun} or redis.call('LRANGE', KEYS[2], 0, -1)) do
  local due = tonumber(redis.call('HGET', KEYS[1], at(run, 'd')) or '0')
  local cancel = redis.call('HGET', KEYS[1], at(run, 'c')) or ''
  if begun or due <= tonumber(ARGV[5]) or cancel ~= '' then
    if not again then
      redis.call('HSET', KEYS[1], 'now', run)
      token = string.format('%d-%s', tonumber(string.match(token, '^%d+') or '0') + 1, ARGV[1])
      redis.call('SET', KEYS[3], token)
      redis.call('SET', KEYS[4], token .. '\\t' .. ARGV[3], 'PX', ARGV[2])
      redis.call('HINCRBY', KEYS[1], at(run, 'n'), 1)
      redis.call('HSET', KEYS[1], at(run, 's'), 'running', at(run, 'u'), ARGV[5])
    end
    return {'ok', token, run, redis.call('HGET', KEYS[1], at(run, 'n')), cancel, redis.call('HGET', KEYS[1], run) or ''}
  end
  if not soonest or due < soonest then soonest = due end
end
if held then redis.call('DEL', KEYS[4]) end
return {'none', soonest and string.format('%d', soonest) or ''}
"""
)

RENEW = """
-- KEYS runs, fence, hold    ARGV token, ttl in ms, holder, run
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return false end
if redis.call('PEXPIRE', KEYS[3], ARGV[2]) == 0 then
  redis.call('SET', KEYS[3], ARGV[1] .. '\\t' .. ARGV[3], 'PX', ARGV[2])
end
return redis.call('HGET', KEYS[1], ARGV[4] .. ' c') or ''
"""

RELEASE = """
-- KEYS runs, fence, hold    ARGV token, run
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[3])
redis.call('SET', KEYS[2], string.match(ARGV[1], '^%d+') .. '-')
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 then redis.call('HSET', KEYS[1], ARGV[2] .. ' s', 'pending') end
return 1
"""

FINISH = (
    _RUN
    + """
-- KEYS runs, q, fence, hold, all, stream    ARGV token, run, status, error, rest, drop, keep in ms, now,
--   then names and data of events
local there = redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  if redis.call('HGET', KEYS[1], at(ARGV[2], 'f')) == ARGV[1] then return {2} end
  return {(ARGV[6] ~= '' and not there) and 1 or 0}
end
local newest = redis.call('XREVRANGE', KEYS[6], '+', '-', 'COUNT', 1)[1]
local told = {1, newest and newest[1] or '0-0'}
for i = 9, #ARGV, 2 do told[#told + 1] = redis.call('XADD', KEYS[6], '*', 'e', ARGV[i], 'd', ARGV[i + 1]) end
leave(ARGV[2])
redis.call('DEL', KEYS[4])
redis.call('SET', KEYS[3], string.match(ARGV[1], '^%d+') .. '-')
if redis.call('HEXISTS', KEYS[1], 'thread') == 1 then redis.call('HSET', KEYS[1], 'rest', ARGV[5]) end
if ARGV[6] == 'thread' then
  redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[5])
elseif ARGV[6] == 'run' then
  drop(ARGV[2])
  redis.call('LREM', KEYS[5], 1, ARGV[2])
elseif there then
  redis.call('HSET', KEYS[1], at(ARGV[2], 's'), ARGV[3], at(ARGV[2], 'e'), ARGV[4], at(ARGV[2], 'u'), ARGV[8],
    at(ARGV[2], 'f'), ARGV[1])
end
told[#told + 1] = close(KEYS[6], ARGV[3], ARGV[7])
if redis.call('EXISTS', KEYS[2]) == 1 then told[1] = 2 end
return told
"""
)

APPEND = """
-- KEYS fence, stream    ARGV token, batch, most events, then names and data
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if newest and newest[2][5] == 'b' and newest[2][6] == ARGV[2] then return {1} end
local told = {1, newest and newest[1] or '0-0'}
for i = 4, #ARGV - 2, 2 do
  told[#told + 1] = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'e', ARGV[i], 'd', ARGV[i + 1])
end
told[#told + 1] = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'e', ARGV[#ARGV - 1], 'd', ARGV[#ARGV],
  'b', ARGV[2])
return told
"""

CANCEL = (
    _RUN
    + """
-- KEYS runs, q, all, stream    ARGV run, action, now, keep in ms
local status = redis.call('HGET', KEYS[1], at(ARGV[1], 's'))
if not status then return 'absent' end
if status == 'running' then
  redis.call('HSET', KEYS[1], at(ARGV[1], 'c'), ARGV[2])
  return 'asked'
end
if status ~= 'pending' then return 'ended' end
leave(ARGV[1])
if ARGV[2] == 'rollback' then
  drop(ARGV[1])
  redis.call('LREM', KEYS[3], 1, ARGV[1])
else
  redis.call('HSET', KEYS[1], at(ARGV[1], 's'), 'interrupted', at(ARGV[1], 'u'), ARGV[3])
end
close(KEYS[4], 'interrupted', ARGV[4])
return 'stopped'
"""
)

FORGET = (
    _RUN
    + """
-- KEYS runs, q, all, stream    ARGV run
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
drop(ARGV[1])
leave(ARGV[1])
redis.call('LREM', KEYS[3], 1, ARGV[1])
redis.call('UNLINK', KEYS[4])
return 1
"""
)

CREATE = "return redis.call('HSETNX', KEYS[1], 'thread', ARGV[1])"

REPLACE = """
-- KEYS runs    ARGV old, new
local kept = redis.call('HGET', KEYS[1], 'thread')
if kept == ARGV[2] then return 1 end
if kept ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'thread', ARGV[2])
return 1
"""

SETTLE = """
-- KEYS runs    ARGV rest
if redis.call('HEXISTS', KEYS[1], 'thread') == 1 then redis.call('HSET', KEYS[1], 'rest', ARGV[1]) end
return 1
"""

TAKEN = """
-- KEYS runs    ARGV run
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[1], ARGV[1] .. ' r', '1')
"""

IDLE = """
-- KEYS busy    ARGV moments (ms) and threads: take each off if nobody has named it since its moment
for i = 1, #ARGV, 2 do
  local named = redis.call('ZSCORE', KEYS[1], ARGV[i + 1])
  if named and tonumber(named) < tonumber(ARGV[i]) then redis.call('ZREM', KEYS[1], ARGV[i + 1]) end
end
return 1
"""
