"""The races by their names: what each does is its function's docstring, what is lost in it stands here."""

from __future__ import annotations

from . import logins, logout, parallel_requests, revocations, slow_requests, storm
from .race import Race
from .race_context import RaceContext
from .user_index import index

__all__ = ["BROKEN_PROMISES", "RACES"]

BROKEN_PROMISES = "promises to a storm's clients were broken"

RACES: tuple[Race[RaceContext], ...] = (
    Race("keys", parallel_requests.keys, "changes are gone: another request's write went over them"),
    Race("appends", parallel_requests.appends, "changes are gone: another request's write went over them"),
    Race("increments", parallel_requests.increments, "changes are gone: another request's write went over them"),
    Race("slow-reader", slow_requests.reader, "sessions were live again after their end"),
    Race(
        "slow-writer",
        slow_requests.writer,
        "sessions were live again after their end, or a lost change was answered as kept",
    ),
    Race("slow-rotation", slow_requests.rotation, "sessions were live again after their end"),
    Race(
        "slow-regenerate", slow_requests.regenerate, "sessions were live again after their end, or had a live successor"
    ),
    Race("logout", logout.instant, "sessions were live after their log-out"),
    Race("cache", logout.window, "sessions were live in a process after their log-out, and after any cache's excuse"),
    Race("double-login", logins.double, "sessions had not one successor, or were live after it"),
    Race("fixation", logins.fixation, "planted or made-up tokens gained something, or a victim's session was touched"),
    Race("revoke-all", revocations.revoke_all, "what began before it is live, or what began after it is not"),
    Race("bar", revocations.bar, "what began before it is live, or what began after it is not"),
    Race("cap", logins.cap, "sessions were too many, too few, or ended for another reason than the limit"),
    Race("index", index, "times a session was in the list and not live, or live and not in the list"),
    Race("pause", storm.pause, BROKEN_PROMISES, is_storm=True),
    Race("kill", storm.kill, BROKEN_PROMISES, "processes", is_storm=True),
    Race("network", storm.network, BROKEN_PROMISES, "address", is_storm=True),
    Race("storm", storm.failover, BROKEN_PROMISES, "processes", is_storm=True),
)
