"""What Redis's servers say of the rights we have there, of their disk and of their clock."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .calls import Address, Steps
from .eviction import info_of, name_of
from .store import RedisStore
from .weaknesses import ask, settings_of

__all__ = ["Facts", "facts"]

Facts = tuple[str, Sequence[str] | None, Sequence[str] | None, float | None, float]
"""As sojourn.stores.server_facts has them."""

# What is asked of each, and how it is called. None of it is done.
BEYOND = {
    "FLUSHALL": "FLUSHALL",
    "CONFIG SET maxmemory 0": "CONFIG SET",
    "ACL SETUSER anybody": "ACL SETUSER",
    "SHUTDOWN": "SHUTDOWN",
    "KEYS *": "KEYS",
    "GET elsewhere": "keys other than sj:*",
}
_MAY = """
local may = {}
for _, command in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(command, '%S+') do words[#words + 1] = word end
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  if known and allowed then may[#may + 1] = command end
end
return may
"""


def facts(url: str, timeout: float) -> Sequence[Facts]:
    """Those of every primary."""
    store = RedisStore(url, timeout=timeout)
    try:
        return store._run(_facts(store._primaries()), long=True)
    finally:
        store.close()


def _facts(primaries: Sequence[Address]) -> Steps[Sequence[Facts]]:
    found: list[Facts] = []
    for address in primaries:
        may = yield from ask(address, "EVAL", _MAY, "0", *BEYOND)
        beyond = [BEYOND[each.decode()] for each in may] if isinstance(may, list) else None
        before = time.time()
        info = info_of((yield from ask(address, "INFO", "server", "persistence")))
        after = time.time()
        told = settings_of((yield from ask(address, "CONFIG", "GET", "appendfsync")))
        now = info.get("server_time_usec")
        ahead = None if now is None else int(now) / 1e6 - (before + after) / 2
        found.append((f"Redis at {name_of(address)}", beyond, _forgets(info, told), ahead, (after - before) / 2))
    return found


def _forgets(info: dict[str, str], told: dict[str, str]) -> list[str] | None:
    if "aof_enabled" not in info:
        return None
    if info["aof_enabled"] == "0":
        return ["appendonly no"]
    return ["appendfsync no"] if told.get("appendfsync") == "no" else []
