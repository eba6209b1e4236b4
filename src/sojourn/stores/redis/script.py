"""Script: a program that Redis runs, in one step and in one slot; and the functions that all of them have."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

__all__ = ["Script", "script"]


class Script(NamedTuple):
    """A script's text, and the name under which Redis knows it once it has seen it."""

    text: str
    sha: str


_SHARED = """
local CREATED, SEEN, ABSOLUTE, IDLE, VERSION, ENDED, REASON, USER, SECRETS, DATA = 1, 2, 3, 4, 5, 6, 7, 8, 9, 11
local REPLACED_BY = 12
local MOST = 9007199254740991

-- A session; nil, and what there is, where that is none of ours.
local function load(key)
  local raw = redis.call('GET', key)
  if not raw then return nil, nil end
  local ok, s = pcall(cmsgpack.unpack, raw)
  local whole = ok and type(s) == 'table' and type(s[DATA]) == 'table'
  if whole and type(s[REASON]) == 'string' and type(s[USER]) == 'string' then return s, raw end
  return nil, raw
end

-- When it runs out, counted from its making.
local function runs_out(s, seen) return math.min((seen or s[SEEN]) + s[IDLE], s[ABSOLUTE]) end

local function is_live(s, now) return s[REASON] == '' and runs_out(s) > now - s[CREATED] end

-- What comes before the colon of the user is the realm; without a colon there is no user, and no index.
local function has_user(s) return string.find(s[USER], ':', 1, true) end

local function realm_of(s) return string.match(s[USER], '^[^:]*') end

local function index_of(key, s) return string.sub(key, 1, 8) .. s[USER] end

-- The instants before which nothing that is created may have begun: for all, and for one user. Each slot has its own.
-- A user is named there as by hash_user, so that nobody is told who it is: its first digits are the partition.
local function bar_of(tag, who)
  local colon = string.find(who, ':', 1, true)
  local user = redis.sha1hex('sojourn user:' .. string.sub(who, colon + 1))
  return tag .. '!' .. string.sub(who, 1, colon) .. string.sub(user, 1, 29)
end

local function barred(tag, who, began, spared)
  local all = redis.call('GET', tag .. '!' .. string.match(who, '^[^:]*'))
  if all and began < tonumber(all) then return true end
  if spared or not string.find(who, ':', 1, true) then return false end
  local one = redis.call('GET', bar_of(tag, who))
  return one and began < tonumber(one)
end

local function bar(key, now)
  local before = tonumber(redis.call('GET', key) or 0)
  -- Written in any case: WAIT only counts what was.
  redis.call('SET', key, math.max(before, now), 'PX', 34560000000)
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

-- A member that is over leaves the index: it is gone, ended, or ran out unnoticed. That is an end, for it must be over
-- on a machine too whose clock is behind. The session and its blob if it is live; nil and what is there if nobody can
-- read that; else nil and nil.
local function settle(index, member, now, keep)
  local key = string.sub(index, 1, 8) .. member
  local s, raw = load(key)
  if raw and not s or s and is_live(s, now) then return s, raw end
  if s and s[REASON] == '' then finish(key, s, now, '', keep) end
  redis.call('ZREM', index, member)
  return nil, nil
end

-- How many live sessions an index has beyond `allowed`. Nil where it is longer than a slice and not tidy: `unreadable`,
-- which a walk by TIDY found in it, is ''.
local function too_many(index, allowed, now, keep, slice, unreadable)
  local size = redis.call('ZCARD', index)
  if size <= allowed then return 0 end
  if unreadable ~= '' then return size - tonumber(unreadable) - allowed end
  if size > slice then return nil end
  local live = 0
  for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    if settle(index, member, now, keep) then live = live + 1 end
  end
  return live - allowed
end

-- Ends the oldest `over` sessions of a tidy index, or a slice of them.
local function end_oldest(index, over, spared, now, keep, slice)
  local ended, tag = {}, string.sub(index, 1, 8)
  for _, member in ipairs(over > 0 and redis.call('ZRANGE', index, 0, slice) or {}) do
    if #ended >= math.min(over, slice) then break end
    local s = member ~= spared and load(tag .. member)
    if s and s[REASON] == '' then
      finish(tag .. member, s, now, 'limit', keep)
      ended[#ended + 1] = member
    end
  end
  return ended
end
"""


def script(text: str) -> Script:
    """The script of this text, after the functions that it may call."""
    whole = _SHARED + text
    return Script(whole, hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest())
