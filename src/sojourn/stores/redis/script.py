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

-- The live sessions of an index, oldest first. One that ended or is gone leaves it; one that only ran out stays while
-- its row does, for another machine's clock may still be behind.
local function live_of(index, now)
  local live, tag = {}, string.sub(index, 1, 8)
  for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local s, raw = load(tag .. member)
    if not raw or s and s[REASON] ~= '' then
      redis.call('ZREM', index, member)
    elseif s and is_live(s, now) then
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


def script(text: str) -> Script:
    """The script of this text, after the functions that it may call."""
    whole = _SHARED + text
    return Script(whole, hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest())
