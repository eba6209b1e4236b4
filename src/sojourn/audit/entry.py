"""Entry: one thing that happened, as the trail tells it: an object of texts, numbers and lists. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from sojourn.core import events
from sojourn.core.errors import ConfigurationError

__all__ = ["Entry", "entry_of", "made_entry", "spell_time", "spelled"]

Entry = Mapping[str, Any]

# Of the others some are nobody's doing, and anybody could fill a disk with the rest: with unknown tokens, say.
_TOLD = (
    *(events.LoggedIn, events.Adopted, events.Ended, events.RevokedAll, events.KeyRegistered, events.CleanedUp),
    *(events.TokenReused, events.RotationStalled, events.UnprovedToken),
)
_OURS = frozenset({"n", "prev", "hash", "time", "what", "session_id", "user_id", "by", "address"})

_secret = re.compile(r"(sj1-[0-9a-f]{32}|sjk1-[0-9a-f]{8})-[0-9a-f]{64}").sub
_words = re.compile(r"(?<!^)(?=[A-Z])").sub
_is_name = re.compile("[a-z][a-z0-9_]{0,63}").fullmatch


def entry_of(event: events.Event, through: str = "") -> Entry | None:
    """What the trail tells of an event; None where it tells nothing. `through` is the id of the API key that asked."""
    is_binding = isinstance(event, events.SessionCreated) and event.bound is not None
    if not is_binding and not isinstance(event, _TOLD):
        return None
    members = msgspec.structs.asdict(event)
    at, id = members.pop("at"), members.pop("id")
    what = _words("_", type(event).__name__).lower()
    key = f"key:{through}" if through else None
    return _entry(what, at, {"session_id": id, **members, "through": key})


def made_entry(what: str, at: int, by: str, address: str, user_id: str | None, more: Mapping[str, Any]) -> Entry:
    """What is told besides the events. Raises ConfigurationError for a `what` or a member that is no name, or ours."""
    for name in (what, *more):
        if not _is_name(name) or name in _OURS:
            raise ConfigurationError(f"{name!r} names nothing in an audit trail: use a-z, 0-9, _, and no name of ours.")
    return _entry(what, at, {"by": by, "address": address, "user_id": user_id, **more})


def spell_time(at: int) -> str:
    """Unix milliseconds as RFC 3339 has them, in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def spelled(value: object) -> str:
    """A member of an entry, to be read."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_bracketed(each)}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _bracketed(value: object) -> str:
    return f"({spelled(value)})" if isinstance(value, Mapping) else spelled(value)


def _entry(what: str, at: int, members: Mapping[str, Any]) -> Entry:
    told = {name: _hidden(msgspec.to_builtins(value)) for name, value in members.items()}
    kept = {name: value for name, value in told.items() if value not in (None, "", [])}
    return {"time": spell_time(at), "what": what, **kept}


def _hidden(value: Any) -> Any:
    """The same without the secret of a token or an API key, wherever somebody put one: for a user's id, say."""
    if isinstance(value, str):
        return _secret(r"\1-hidden", value)
    if isinstance(value, (list, tuple)):
        return [_hidden(each) for each in value]
    if isinstance(value, dict):
        return {_hidden(str(name)): _hidden(each) for name, each in value.items()}
    return value
