"""The scripts that Redis runs: each write judged and made in one step, in one slot.

They are what sojourn.core.apply is for stores that judge in Python, word for word where it can be; StoreContract holds
both to the same. A session is the array that blob.py writes.
"""

from __future__ import annotations

from .script import script

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
]

# KEYS: the new session, and the one that it ends if that is in the same slot.
# ARGV: its blob, now, its TTL, keep, user (as in the blob), most ('' for no cap), '1' to end the oldest, reason and
# version ('' for any) of what it ends, and when that began which leads to it.
CREATE = script("""
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

# KEYS: the session before, in another slot than the new one. ARGV: now, keep, reason, version ('' for any), the new
# one's id: it stays in the row, so that who asks again, because the answer was lost, hears that it is done.
REPLACE = script("""
local s, raw = load(KEYS[1])
local now = tonumber(ARGV[1])
if s and s[REPLACED_BY] == ARGV[5] then
  redis.call('SET', KEYS[1], raw, 'KEEPTTL')
  return 1
end
if not s or not is_live(s, now) or (ARGV[4] ~= '' and s[VERSION] ~= tonumber(ARGV[4])) then return {raw or false} end
s[REPLACED_BY] = ARGV[5]
finish(KEYS[1], s, now, ARGV[3], tonumber(ARGV[2]))
return 1
""")

# KEYS: a session whose token nobody was given. ARGV: its user, as in the blob.
DROP = script("""
redis.call('DEL', KEYS[1])
redis.call('ZREM', string.sub(KEYS[1], 1, 8) .. ARGV[1], string.sub(KEYS[1], 9))
return 1
""")

# KEYS: a user's index. ARGV: now, keep, most, the newest session's member.
CAP = script("""
local now = tonumber(ARGV[1])
local live = live_of(KEYS[1], now)
return end_oldest(KEYS[1], live, ARGV[4], #live - tonumber(ARGV[3]), now, tonumber(ARGV[2]))
""")

# KEYS: the session. ARGV: now, seen_at ('' for no touch), max_bytes, keep, secrets as loaded ('' for no rotation) and
# to be, changes as msgpack {key: [base, value]} with false for none, increments as msgpack {key: by}.
COMMIT = script("""
local key = KEYS[1]
local s, raw = load(key)
if not s then return {raw or false} end
local now, seen = tonumber(ARGV[1]) - s[CREATED], s[SEEN]
-- Not beyond this commit's own time: a clock that was ahead would make the idle timeout come late.
if ARGV[2] ~= '' then seen = math.min(math.max(seen, tonumber(ARGV[2]) - s[CREATED]), now) end
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

# KEYS: the session. ARGV: now, keep, reason, the realm as in the blob's user. One that ended before is written once
# more as it is: WAIT only counts what was written over its own connection, and whoever ended it may have been told that
# no replica has it.
END = script("""
local s, raw = load(KEYS[1])
local now = tonumber(ARGV[1])
if not s then return raw or false end
if realm_of(s) ~= ARGV[4] then return false end
if s[REASON] ~= '' then
  redis.call('SET', KEYS[1], raw, 'KEEPTTL')
  return false
end
if (ARGV[3] == 'idle_timeout' or ARGV[3] == 'absolute_timeout') and is_live(s, now) then return false end
finish(KEYS[1], s, now, ARGV[3], tonumber(ARGV[2]))
return raw
""")

# KEYS: a user's index. ARGV: now, keep, reason, the member to spare.
END_ALL = script("""
local ended, now, tag = {}, tonumber(ARGV[1]), string.sub(KEYS[1], 1, 8)
bar(bar_of(tag, string.sub(KEYS[1], 9)), now)
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if member ~= ARGV[4] then
    local s, raw = load(tag .. member)
    if s and s[REASON] == '' then
      if is_live(s, now) then ended[#ended + 1] = member end
      finish(tag .. member, s, now, ARGV[3], tonumber(ARGV[2]))
    else
      redis.call('ZREM', KEYS[1], member)
      if raw and not s then
        redis.call('DEL', tag .. member)
        ended[#ended + 1] = member
      end
    end
  end
end
return ended
""")

# KEYS: a partition's instant for all. ARGV: now.
BAR = script("""
bar(KEYS[1], tonumber(ARGV[1]))
return 1
""")

# KEYS: a user's index. ARGV: now, and members of it.
LIST = script("""
local found, now, tag = {}, tonumber(ARGV[1]), string.sub(KEYS[1], 1, 8)
for n = 2, #ARGV do
  local s, raw = load(tag .. ARGV[n])
  if not raw or s and s[REASON] ~= '' then
    redis.call('ZREM', KEYS[1], ARGV[n])
  elseif not s or is_live(s, now) then
    found[#found + 1] = ARGV[n]
    found[#found + 1] = raw
  end
end
return found
""")

# KEYS: a session. ARGV: its user, as in the blob.
ERASE = script("""
local s = load(KEYS[1])
if not s or s[USER] ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', index_of(KEYS[1], s), string.sub(KEYS[1], 9))
return 1
""")

# KEYS: a session. ARGV: before. It may have been seen since the sweeper looked at it.
SWEEP = script("""
local s = load(KEYS[1])
if not s then return 0 end
local at = s[REASON] == '' and runs_out(s) or s[ENDED]
if at + s[CREATED] >= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
if has_user(s) then redis.call('ZREM', index_of(KEYS[1], s), string.sub(KEYS[1], 9)) end
return 1
""")
