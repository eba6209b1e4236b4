"""SessionInfo: what operators and users may see."""

from __future__ import annotations

import msgspec

from sojourn.core.info import info
from sojourn.testing.records import HOUR, MINUTE, NOW, make_record


def test_it_holds_everything_but_the_secrets() -> None:
    record = make_record("ada", data={"a": b'{"x":[1]}'}, version=3, remember=True)
    found = info(record, NOW)

    assert (found.id, found.user_id, found.version, found.remember) == (record.id, "ada", 3, True)
    assert (found.created_at, found.authenticated_at, found.seen_at) == (NOW, NOW, NOW)
    assert (found.expires_at, found.absolute_expires_at) == (NOW + 30 * MINUTE, NOW + 12 * HOUR)
    assert (found.ip, found.user_agent) == ("192.0.2.1", "Mozilla/5.0")
    assert found.data == {"a": {"x": [1]}}
    assert found.end_reason is None


def test_nothing_in_it_opens_a_session() -> None:
    record = make_record("ada")
    text = msgspec.json.encode(info(record, NOW)).decode()

    assert "secret" not in text
    assert record.secrets.current.hex() not in text
    assert record.secrets.current.hex() not in repr(info(record, NOW))


def test_it_says_at_once_that_a_session_ran_out_though_nobody_came() -> None:
    assert info(make_record("ada"), NOW + 30 * MINUTE).end_reason == "idle_timeout"
