"""EventStream: what `GET /events` sends, as Server-Sent Events (HTML, section 9.2), decided without I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import msgspec
from msgspec.structs import replace

from sojourn.core.problem import NOSNIFF
from sojourn.core.record import Client
from sojourn.core.session import Session
from sojourn.core.sighting import Sighting

from .state import State, state_of

__all__ = ["HEADERS", "EventStream"]

# Proxies cut off what is silent for long, most of them after a minute.
HEARTBEAT = 15.0
# How long before its end a session is said to be about to end, in milliseconds: the browser client's own default.
WARNING = 60_000
# A server that is started anew is asked by all at once: they come back spread over so many milliseconds.
SPREAD = 3000

HEADERS = (
    ("content-type", "text/event-stream"),
    ("cache-control", "no-store"),
    # nginx, and who does as it does, would hold events back.
    ("x-accel-buffering", "no"),
    NOSNIFF,
)


class EventStream:
    """One browser's stream. Its methods return what is to be sent, b"" for nothing; `over` once that was all.

    `last_event_id` is what the browser shows of a stream that broke off: what it has already is not sent again.
    """

    def __init__(self, readable: Collection[str], last_event_id: str) -> None:
        self.over = False
        self._readable = readable
        self._sent = last_event_id
        self._expires_at: float = 0
        self._warned_of: float = 0

    def begin(self, session: Session, now: int, random: bytes) -> bytes:
        """The state as the request found it. `random` is 2 bytes."""
        retry = 1000 + int.from_bytes(random) % SPREAD
        return b"retry: %d\n\n" % retry + self._tell(session, now)

    def look(self, seen: Sighting, now: int) -> bytes:
        """Somebody wrote to the session, or it is over."""
        reason = seen.reason if seen.is_over else None
        return self._tell(Session(seen.record, now, Client(), end_reason=reason), now)

    def beat(self, now: int) -> bytes:
        """Nothing happened for a `pause`."""
        return self._warn(now) or b":\n\n"

    def pause(self, now: int) -> float:
        """Seconds after which `beat` is due, unless something happens before."""
        until_warning = self._expires_at - WARNING - now
        return min(HEARTBEAT, until_warning / 1000) if until_warning > 0 else HEARTBEAT

    def _tell(self, session: Session, now: int) -> bytes:
        state = state_of(session, self._readable, now)
        self._expires_at = state.expires_at or 0
        self.over = state.status != "active"
        # What the browser cannot read may have been written: that is no news to it.
        tag = _tag(replace(state, now=0, version=None))
        told = b"" if tag == self._sent else _event(b"state", state, tag)
        self._sent = tag
        return told + self._warn(now)

    def _warn(self, now: int) -> bytes:
        if self.over or self._warned_of == self._expires_at or now < self._expires_at - WARNING:
            return b""
        self._warned_of = self._expires_at
        left = max(0, int(self._expires_at - now))
        return b'event: expiring\ndata: {"milliseconds_left":%d}\n\n' % left


def _tag(state: State) -> str:
    return hashlib.sha256(msgspec.json.encode(state)).hexdigest()[:16]


def _event(name: bytes, state: State, tag: str) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (name, tag.encode(), msgspec.json.encode(state))
