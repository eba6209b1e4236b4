"""Events and errors: plain values that hold no token."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from sojourn import events
from sojourn.core import errors
from sojourn.core.events import Ended, Event, Merged, UnknownToken
from sojourn.testing.records import NOW


@pytest.mark.parametrize("name", [name for name in events.__all__ if name != "Event"])
def test_every_event_is_one_and_says_when_and_of_which_session(name: str) -> None:
    kind = getattr(events, name)
    more: dict[str, dict[str, Any]] = {
        "CleanedUp": {"deleted": 1},
        "Ended": {"reason": "logout"},
        "Merged": {"keys": ("a",)},
        "RefreshSkipped": {"cause": "quota_exceeded"},
        "RevokedAll": {"ended": 2},
        "UnknownToken": {"cause": "unknown"},
        "UnprovedToken": {"flaw": "proof-required"},
    }
    event = kind(at=NOW, id="0" * 32, user_id="ada", **more.get(name, {}))

    assert isinstance(event, Event)
    assert (event.at, event.id, event.user_id) == (NOW, "0" * 32, "ada")
    assert b"token" not in msgspec.json.encode(event)
    with pytest.raises(AttributeError):
        event.at = 0  # type: ignore[misc]  # what is tried here


def test_events_are_values() -> None:
    assert Ended(at=NOW, id="a", reason="limit") == Ended(at=NOW, id="a", reason="limit")
    assert Merged(at=NOW, keys=("a",)).conflicts == ()
    assert UnknownToken(at=NOW, cause="malformed").id is None


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name not in ("EndReason", "SojournError")])
def test_every_error_is_ours(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.SojournError)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.DataTooLarge(40_000, 32_768), ["40,000 bytes", "limit of 32,768", "Nothing was written"]),
        (errors.SessionEnded("logout"), ["(logout)", "not kept"]),
        (errors.SessionEnded(None), ["The session ended while"]),
        (errors.SessionConflict(("a", "b")), ["changed 'a', 'b' at the same time", "Nothing was written"]),
        (errors.SessionLimitReached(3), ["already has 3 sessions"]),
        (errors.LoginRequired("idle_timeout"), ["logged in", "ended: idle_timeout"]),
        (errors.LoginRequired(), ["logged in."]),
        (errors.ReauthenticationRequired(300), ["in the last 300 seconds"]),
        (errors.SessionExists(), ["exists already", "Nothing was written"]),
    ],
)
def test_a_message_says_what_happened_and_what_to_do(error: errors.SojournError, words: list[str]) -> None:
    assert all(word in str(error) for word in words)


def test_the_tree_in_the_errors_page_names_every_error() -> None:
    page = errors.__doc__ or ""

    assert all(name in page for name in errors.__all__ if name != "EndReason")
    assert len(get_args(errors.EndReason)) == 7
