"""The scripts that Redis runs: each write judged and made in one step, in one slot.

They are what sojourn.core.apply is for stores that judge in Python, word for word where it can be; StoreContract holds
both to the same. A session is the array that blob.py writes.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

__all__ = [
    "BAR",
    "CAP",
    "COMMIT",
    "CREATE",
    "DROP",
    "END",
    "END_ALL",
    "ERASE",
    "LIST",
    "REPLACE",
    "SWEEP",
    "Script",
]


class Script(NamedTuple):
    """A script's text, and the name under which Redis knows it once it has seen it."""

    text: str
    sha: str


_SHARED = """
local CREATED, SEEN, ABSOLUTE, IDLE, VERSION, ENDED, REASON, USER, SECRETS, DATA = 1, 2, 3, 4, 5, 6, 7, 8, 9, 11
local MOST = 9007199254740991

local function load(key)
  local raw = redis.call('GET', key)
  if raw then return cmsgpack.unpack(raw), raw end
end

-- When it runs out, counted from its making.
local function runs_out(s, seen) return math.min((seen or s[SEEN]) + s[IDLE], s[ABSOLUTE]) end

local function is_live(s, now) return s[REASON] == '' and runs_out(s) > now - s[CREATED] end

-- What comes before the colon of the user is the realm; without a colon there is no user, and no index.
local function has_user(s) return string.find(s[USER], ':', 1, true) end

local function realm_of(s) return string.match(s[USER], '^[^:]*') end

local function index_of(key, s) return string.sub(key, 1, 8) .. s[USER] end

-- The instants before which nothing that is created may have begun: for all, and for one user. Each slot has its own.
local function barred(tag, who, began, spared)
  local all = redis.call('GET', tag .. '!' .. string.match(who, '^[^:]*'))
  if all and began < tonumber(all) then return true end
  if spared or not string.find(who, ':', 1, true) then return false end
  local one = redis.call('GET', tag .. '!' .. who)
  return one and began < tonumber(one)
end

local function bar(key, now)
  local before = redis.call('GET', key)
  if not before or tonumber(before) < now then redis.call('SET', key, now, 'PX', 34560000000) end
end

local function finish(key, s, now, reason, keep)
  local at = runs_out(s)
  if at <= now - s[CREATED] then
    s[REASON] = s[SEEN] + s[IDLE] < s[ABSOLUTE] and 'idle_timeout' or 'absolute_timeout'
  else
    at, s[REASON] = now - s[CREATED], reason
  end
  s[ENDED], s[DATA] = at, {}
  redis.call('SET', key, cmsgpack.pack(s), 'PX', keep)
  if has_user(s) then redis.call('ZREM', index_of(key, s), string.sub(key, 9)) end
end

-- The live sessions of an index, oldest first. One that ended or is gone leaves it; one that only ran out stays while
-- its row does, for another machine's clock may still be behind.
local function live_of(index, now)
  local live, tag = {}, string.sub(index, 1, 8)
  for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local s, raw = load(tag .. member)
    if not s or s[REASON] ~= '' then
      redis.call('ZREM', index, member)
    elseif is_live(s, now) then
      live[#live + 1] = {member = member, s = s, raw = raw}
    end
  end
  return live
end

local function end_oldest(index, live, spared, over, now, keep)
  local ended, tag = {}, string.sub(index, 1, 8)
  for _, each in ipairs(live) do
    if #ended >= over then break end
    if each.member ~= spared then
      finish(tag .. each.member, each.s, now, 'limit', keep)
      ended[#ended + 1] = each.member
    end
  end
  return ended
end
"""


def _script(text: str) -> Script:
    whole = _SHARED + text
    return Script(whole, hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest())


# KEYS: the new session, and the one that it ends if that is in the same slot.
# ARGV: its blob, now, its TTL, keep, user (as in the blob), most ('' for no cap), '1' to end the oldest, reason and
# version ('' for any) of what it ends, and when that began which leads to it.
CREATE = _script("""
local key, old = KEYS[1], KEYS[2]
local now, ttl, keep = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if redis.call('EXISTS', key) == 1 then return 'exists' end
local leaves, raw
if old then
  leaves, raw = load(old)
  if not leaves or not is_live(leaves, now) or (ARGV[9] ~= '' and leaves[VERSION] ~= tonumber(ARGV[9])) then
    return {raw or false}
  end
end
local user, tag = ARGV[5], string.sub(key, 1, 8)
local named = string.find(user, ':', 1, true)
if barred(tag, user, tonumber(ARGV[10]), leaves and named and leaves[USER] == user) then return 'barred' end
local ended = {}
if named then
  local index = tag .. user
  if ARGV[6] ~= '' then
    local spared = old and string.sub(old, 9)
    local live, count = live_of(index, now), 1 - tonumber(ARGV[6])
    for _, each in ipairs(live) do
      if each.member ~= spared then count = count + 1 end
    end
    if count > 0 and ARGV[7] ~= '1' then return 'limit' end
    ended = end_oldest(index, live, spared, count, now, keep)
  end
  redis.call('ZADD', index, cmsgpack.unpack(ARGV[1])[CREATED], string.sub(key, 9))
  redis.call('PEXPIRE', index, ttl, 'NX')
  redis.call('PEXPIRE', index, ttl, 'GT')
end
if leaves then finish(old, leaves, now, ARGV[8], keep) end
redis.call('SET', key, ARGV[1], 'PX', ttl)
return {ended}
""")

# KEYS: the session before, in another slot than the new one. ARGV: now, keep, reason, version ('' for any).
REPLACE = _script("""
local s, raw = load(KEYS[1])
local now = tonumber(ARGV[1])
if not s or not is_live(s, now) or (ARGV[4] ~= '' and s[VERSION] ~= tonumber(ARGV[4])) then return {raw or false} end
finish(KEYS[1], s, now, ARGV[3], tonumber(ARGV[2]))
return 1
""")

# KEYS: a session whose token nobody was given. ARGV: its user, as in the blob.
DROP = _script("""
redis.call('DEL', KEYS[1])
redis.call('ZREM', string.sub(KEYS[1], 1, 8) .. ARGV[1], string.sub(KEYS[1], 9))
return 1
""")

# KEYS: a user's index. ARGV: now, keep, most, the newest session's member.
CAP = _script("""
local now = tonumber(ARGV[1])
local live = live_of(KEYS[1], now)
return end_oldest(KEYS[1], live, ARGV[4], #live - tonumber(ARGV[3]), now, tonumber(ARGV[2]))
""")

# KEYS: the session. ARGV: now, seen_at ('' for no touch), max_bytes, keep, secrets as loaded ('' for no rotation) and
# to be, changes as msgpack {key: [base, value]} with false for none, increments as msgpack {key: by}.
COMMIT = _script("""
local key = KEYS[1]
local s, raw = load(key)
if not s then return {false} end
local now, seen = tonumber(ARGV[1]) - s[CREATED], s[SEEN]
if ARGV[2] ~= '' then seen = math.max(seen, tonumber(ARGV[2]) - s[CREATED]) end
local left = runs_out(s, seen) - now
if s[REASON] ~= '' or left <= 0 then return {raw} end
if ARGV[5] ~= '' then
  if s[SECRETS] ~= ARGV[5] then return {raw} end
  s[SECRETS] = ARGV[6]
end
if ARGV[7] ~= '' then
  local data, before, after = s[DATA], 1, 1
  for k, v in pairs(data) do before = before + #k + #v + 4 end
  for k, change in pairs(cmsgpack.unpack(ARGV[7])) do
    if (data[k] or false) ~= change[1] then return {raw} end
    data[k] = change[2] or nil
  end
  for k, by in pairs(cmsgpack.unpack(ARGV[8])) do
    local counter = data[k] or '0'
    if not string.match(counter, '^-?%d+$') then return {raw} end
    local sum = tonumber(counter) + by
    if math.abs(sum) > MOST then return {raw} end
    data[k] = string.format('%.0f', sum)
  end
  for k, v in pairs(data) do after = after + #k + #v + 4 end
  if after == 1 then after = 2 end
  if after > tonumber(ARGV[3]) and after > before then return after end
  s[VERSION] = s[VERSION] + 1
end
s[SEEN] = seen
if ARGV[2] == '' then
  redis.call('SET', key, cmsgpack.pack(s), 'KEEPTTL')
else
  local ttl = left + tonumber(ARGV[4])
  redis.call('SET', key, cmsgpack.pack(s), 'PX', ttl)
  if has_user(s) then redis.call('PEXPIRE', index_of(key, s), ttl, 'GT') end
end
return {s[VERSION]}
""")

# KEYS: the session. ARGV: now, keep, reason, the realm as in the blob's user.
END = _script("""
local s, raw = load(KEYS[1])
local now = tonumber(ARGV[1])
if not s or s[REASON] ~= '' or realm_of(s) ~= ARGV[4] then return false end
if (ARGV[3] == 'idle_timeout' or ARGV[3] == 'absolute_timeout') and is_live(s, now) then return false end
finish(KEYS[1], s, now, ARGV[3], tonumber(ARGV[2]))
return raw
""")

# KEYS: a user's index. ARGV: now, keep, reason, the member to spare.
END_ALL = _script("""
local ended, now, tag = {}, tonumber(ARGV[1]), string.sub(KEYS[1], 1, 8)
bar(tag .. '!' .. string.sub(KEYS[1], 9), now)
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if member ~= ARGV[4] then
    local s = load(tag .. member)
    if s and s[REASON] == '' then
      if is_live(s, now) then ended[#ended + 1] = member end
      finish(tag .. member, s, now, ARGV[3], tonumber(ARGV[2]))
    else
      redis.call('ZREM', KEYS[1], member)
    end
  end
end
return ended
""")

# KEYS: a partition's instant for all. ARGV: now.
BAR = _script("""
bar(KEYS[1], tonumber(ARGV[1]))
return 1
""")

# KEYS: a user's index. ARGV: now, and members of it.
LIST = _script("""
local found, now, tag = {}, tonumber(ARGV[1]), string.sub(KEYS[1], 1, 8)
for n = 2, #ARGV do
  local s, raw = load(tag .. ARGV[n])
  if not s or s[REASON] ~= '' then
    redis.call('ZREM', KEYS[1], ARGV[n])
  elseif is_live(s, now) then
    found[#found + 1] = ARGV[n]
    found[#found + 1] = raw
  end
end
return found
""")

# KEYS: a session. ARGV: its user, as in the blob.
ERASE = _script("""
local s = load(KEYS[1])
if not s or s[USER] ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', index_of(KEYS[1], s), string.sub(KEYS[1], 9))
return 1
""")

# KEYS: a session. ARGV: before. It may have been seen since the sweeper looked at it.
SWEEP = _script("""
local s = load(KEYS[1])
if not s then return 0 end
local at = s[REASON] == '' and runs_out(s) or s[ENDED]
if at + s[CREATED] >= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
if has_user(s) then redis.call('ZREM', index_of(KEYS[1], s), string.sub(KEYS[1], 9)) end
return 1
""")
