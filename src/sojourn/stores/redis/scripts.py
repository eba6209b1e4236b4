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
    "REPLACE",
    "SWEEP",
    "TIDY",
]

# KEYS: the new session, and the one that it ends if that is in the same slot.
# ARGV: its blob, now, its TTL, keep, user (as in the blob), most ('' for no cap), '1' to end the oldest, reason and
# version ('' for any) of what it ends, when that began which leads to it, the slice, unreadable (see too_many), and '1'
# if this was asked before and the answer was lost: it may be made.
# Answers whom it ended for the cap, and 1 where CAP is to go on with that; 'many' if TIDY must come before.
CREATE = script("""
local key, old = KEYS[1], KEYS[2]
local now, ttl, keep, slice = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[11])
local new, there, raw = cmsgpack.unpack(ARGV[1]), load(key)
if raw then
  if ARGV[13] == '' or not there or there[SECRETS] ~= new[SECRETS] then return 'exists' end
  redis.call('SET', key, raw, 'KEEPTTL')
  return {{}, 1}
end
local leaves
if old then
  leaves, raw = load(old)
  if not leaves or not is_live(leaves, now) or (ARGV[9] ~= '' and leaves[VERSION] ~= tonumber(ARGV[9])) then
    return {raw or false}
  end
end
local user, tag = ARGV[5], string.sub(key, 1, 8)
local named = string.find(user, ':', 1, true)
if barred(tag, user, tonumber(ARGV[10]), leaves and named and leaves[USER] == user) then return 'barred' end
local ended, more = {}, 0
if named then
  local index, spared = tag .. user, old and string.sub(old, 9)
  if ARGV[6] ~= '' then
    local allowed = tonumber(ARGV[6]) - 1
    if spared and redis.call('ZSCORE', index, spared) then allowed = allowed + 1 end
    local over = too_many(index, allowed, now, keep, slice, ARGV[12])
    if not over then return 'many' end
    if over > 0 and ARGV[7] ~= '1' then return 'limit' end
    ended = end_oldest(index, over, spared, now, keep, slice)
    if over > slice then more = 1 end
  end
  -- So that what is over does not pile up without a cap, each new session has more looked at than itself.
  if redis.call('ZCARD', index) > slice then
    for _, member in ipairs(redis.call('ZRANDMEMBER', index, 3)) do settle(index, member, now, keep) end
  end
  redis.call('ZADD', index, new[CREATED], string.sub(key, 9))
  redis.call('PEXPIRE', index, ttl, 'NX')
  redis.call('PEXPIRE', index, ttl, 'GT')
end
if leaves then
  leaves[REPLACED_BY] = key
  finish(old, leaves, now, ARGV[8], keep)
end
redis.call('SET', key, ARGV[1], 'PX', ttl)
return {ended, more}
""")

# KEYS: the session before, in another slot than the new one. ARGV: now, keep, reason, version ('' for any), the new
# one's key: it stays in the row, so that who asks again, because the answer was lost, hears that it is done.
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

# KEYS: a user's index. ARGV: now, keep, most, the newest session's member, the slice, unreadable (see too_many).
# Answers whom it ended, of whom there may be more if they fill a slice; 'many' if TIDY must come before.
CAP = script("""
local now, keep, slice = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[5])
local over = too_many(KEYS[1], tonumber(ARGV[3]), now, keep, slice, ARGV[6])
if not over then return 'many' end
return end_oldest(KEYS[1], over, ARGV[4], now, keep, slice)
""")

# KEYS: a user's index. ARGV: now, keep, the slice, and the member behind which it begins; it begins anew where that has
# left meanwhile. Answers where it began, how many it looked at, how many of them stay, how many of these nobody can
# read, and the last that stays.
TIDY = script("""
local rank = redis.call('ZRANK', KEYS[1], ARGV[4])
local from, last, stay, unreadable = rank and rank + 1 or 0, rank and ARGV[4] or '', 0, 0
local members = redis.call('ZRANGE', KEYS[1], from, from + tonumber(ARGV[3]) - 1)
for _, member in ipairs(members) do
  local s, raw = settle(KEYS[1], member, tonumber(ARGV[1]), tonumber(ARGV[2]))
  if raw then stay, last = stay + 1, member end
  if raw and not s then unreadable = unreadable + 1 end
end
return {from, #members, stay, unreadable, last}
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
-- Activity alone: a replica, and the file, are not told all of the session again.
local old = ARGV[5] == '' and ARGV[7] == '' and cmsgpack.pack(s[SEEN])
s[SEEN] = seen
if ARGV[2] == '' then
  redis.call('SET', key, cmsgpack.pack(s), 'KEEPTTL')
else
  local ttl = left + tonumber(ARGV[4])
  local new, at = old and cmsgpack.pack(seen), old and 1 + #cmsgpack.pack(s[CREATED])
  if old and #old == #new and string.sub(raw, at + 1, at + #old) == old then
    redis.call('SETRANGE', key, at, new)
    redis.call('PEXPIRE', key, ttl)
  else
    redis.call('SET', key, cmsgpack.pack(s), 'PX', ttl)
  end
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

# KEYS: a user's index. ARGV: now, keep, reason, the member to spare, the slice, and '1' for all slices but the first:
# what took the place of the one that those before spared is spared then.
# Answers the member that it spared, how many others are left, and whom it ended. The last slice sees that nobody else
# is there, so that none gets away by a new id.
END_ALL = script("""
local index, now, keep, slice = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[5])
local ended, tag, spared = {}, string.sub(index, 1, 8), ARGV[4]
bar(bar_of(tag, string.sub(index, 9)), now)
local kept = spared ~= '' and load(tag .. spared)
while ARGV[6] == '1' and kept and kept[REPLACED_BY] and string.sub(kept[REPLACED_BY], 1, 8) == tag do
  spared = string.sub(kept[REPLACED_BY], 9)
  kept = load(tag .. spared)
end
if not kept or not is_live(kept, now) then spared = '' end
for _, member in ipairs(redis.call('ZRANGE', index, 0, slice - 1)) do
  if member ~= spared then
    local s, raw = load(tag .. member)
    if s and s[REASON] == '' then
      if is_live(s, now) then ended[#ended + 1] = member end
      finish(tag .. member, s, now, ARGV[3], keep)
    elseif raw and not s then
      redis.call('DEL', tag .. member)
      ended[#ended + 1] = member
    end
    redis.call('ZREM', index, member)
  end
end
local left = redis.call('ZCARD', index)
if redis.call('ZSCORE', index, spared) then left = left - 1 end
return {spared, left, ended}
""")

# KEYS: a partition's instant for all. ARGV: now.
BAR = script("""
bar(KEYS[1], tonumber(ARGV[1]))
return 1
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
