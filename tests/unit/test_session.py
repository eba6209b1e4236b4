"""Session: what a handler sees and asks for, before any commit."""

from __future__ import annotations

from typing import Any

import pytest

from sojourn import Client, ConfigurationError, InvalidData, Session, SessionCommitted
from sojourn.core.login import Login
from sojourn.core.outcome import become, end, go_on_alone, rebase
from sojourn.core.record import Record
from sojourn.testing.records import MINUTE, NOW, make_record
from tests.unit.site import token_for

CLIENT = Client("192.0.2.1", "Mozilla/5.0")


def opened(record: Record | None, end_reason: Any = None) -> Session:
    """The session of `record`, opened a minute after it was made."""
    return Session(record, NOW + MINUTE, CLIENT, token_for(record) if record else None, bool(record), end_reason)


def test_a_session_that_does_not_exist_yet_is_none_of_anything() -> None:
    session = opened(None)

    assert session.status == "none"
    assert (session.id, session.user_id, session.authenticated_at, session.end_reason) == (None, None, None, None)
    assert dict(session) == {}
    assert session._live is None
    assert repr(session) == "<Session new>"


def test_a_live_session_is_what_its_record_says() -> None:
    record = make_record("ada", data={"a": b"1"})
    session = opened(record)

    assert session.status == "active"
    assert (session.id, session.user_id, session.authenticated_at) == (record.id, "ada", NOW)
    assert session["a"] == 1
    assert session._record is record
    assert session._live is record
    assert session.opened_at == NOW + MINUTE
    assert repr(session) == f"<Session {record.id}>"


def test_an_ended_session_says_why_and_shows_nothing_more() -> None:
    record = make_record("ada", data={"a": b"1"})
    session = opened(record, "idle_timeout")

    assert session.status == "ended"
    assert session.end_reason == "idle_timeout"
    assert session.id == record.id
    assert (session.user_id, session.authenticated_at) == (None, None)
    assert dict(session) == {}
    assert session._live is None


@pytest.mark.parametrize("name", ["status", "end_reason", "id", "user_id", "authenticated_at"])
def test_looking_at_any_part_is_noticed(name: str) -> None:
    session = opened(make_record("ada"))
    assert not session._accessed

    getattr(session, name)
    assert session._accessed


def test_a_log_in_is_seen_at_once_and_asked_of_the_commit() -> None:
    session = opened(make_record())
    session.login("ada", remember=True)

    assert (session.user_id, session.authenticated_at) == ("ada", NOW + MINUTE)
    assert session._login == Login("ada", True)
    assert session._wish == "login"
    assert session._values or session._wish


def test_a_log_in_keeps_what_was_put_in_before_it() -> None:
    session = opened(make_record(data={"cart": b"[1]"}))
    session["theme"] = "dark"
    session.login("ada")

    assert dict(session) == {"cart": [1], "theme": "dark"}


def test_a_log_in_of_the_same_user_keeps_the_data() -> None:
    session = opened(make_record("ada", data={"cart": b"[1]"}))
    session.login("ada")

    assert dict(session) == {"cart": [1]}


def test_a_log_in_of_another_user_drops_the_data_of_the_one_before() -> None:
    session = opened(make_record("ada", data={"cart": b"[1]"}))
    session["secret"] = "ada's"
    session.login("eve")
    session["own"] = 1

    assert dict(session) == {"own": 1}


def test_a_second_log_in_of_another_user_in_one_request_drops_the_data_too() -> None:
    session = opened(make_record())
    session.login("ada")
    session["secret"] = "ada's"
    session.login("eve")

    assert dict(session) == {}
    assert session.user_id == "eve"


@pytest.mark.parametrize("user_id", ["", "a" * 256, 1, None, b"ada", ["ada"], "\ud800"])
def test_a_user_id_that_is_no_text_of_1_to_255_characters_is_refused(user_id: Any) -> None:
    session = opened(None)

    with pytest.raises(ConfigurationError, match=r"text of 1 to 255 characters: str\(user.id\)"):
        session.login(user_id)
    assert session._wish is None


@pytest.mark.parametrize("user_id", ["a", "a" * 255, "Zoë 🦊", " "])
def test_every_other_user_id_is_taken(user_id: str) -> None:
    session = opened(None)
    session.login(user_id)

    assert session.user_id == user_id


def test_a_log_out_leaves_an_empty_session_that_is_not_there() -> None:
    record = make_record("ada", data={"a": b"1"})
    session = opened(record)
    session["b"] = 2
    session.logout()

    assert session.status == "none"
    assert (session.id, session.user_id) == (None, None)
    assert dict(session) == {}
    assert session._leaving is record
    assert session._logged_out


def test_a_second_log_out_forgets_nothing() -> None:
    record = make_record("ada")
    session = opened(record)
    session.logout()
    session.logout()

    assert session._leaving is record


def test_a_log_out_takes_back_a_log_in_and_every_other_wish() -> None:
    session = opened(make_record())
    session.regenerate()
    session.start()
    session.login("ada")
    session.logout()

    assert session._wish is None
    assert session._login is None
    assert session.user_id is None


def test_a_log_out_of_an_ended_session_leaves_none() -> None:
    session = opened(make_record("ada"), "revoked")
    session.logout()

    assert session.status == "none"
    assert session._leaving is None


def test_regenerate_is_asked_for_only_where_there_is_a_session() -> None:
    none, ended, live = opened(None), opened(make_record(), "logout"), opened(make_record())
    for session in (none, ended, live):
        session.regenerate()

    assert (none._wish, ended._wish, live._wish) == (None, None, "regenerate")
    assert live._values or live._wish


def test_a_log_in_makes_regenerate_needless_in_either_order() -> None:
    before, after = opened(make_record()), opened(make_record())
    before.regenerate()
    before.login("ada")
    after.login("ada")
    after.regenerate()

    assert before._wish == after._wish == "login"


def test_start_asks_for_a_session_with_nothing_in_it() -> None:
    session = opened(None)
    assert session._wish is None

    session.start()
    assert session._wish == "start"
    assert session._values or session._wish


def test_a_session_that_was_only_read_is_untouched() -> None:
    session = opened(make_record(data={"a": b"1"}))
    assert session["a"] == 1

    assert not session._values
    assert session._wish is None


CHANGES = {
    "login": lambda session: session.login("ada"),
    "logout": lambda session: session.logout(),
    "regenerate": lambda session: session.regenerate(),
    "start": lambda session: session.start(),
    "set": lambda session: session.update(a=1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_after_the_response_began_nothing_can_be_asked_for(change: Any) -> None:
    session = opened(make_record())
    session._sealed = True

    with pytest.raises(SessionCommitted):
        change(session)
    assert session._wish is None
    assert not session._logged_out


def test_what_a_commit_wrote_is_the_session_from_there_on() -> None:
    session = opened(make_record())
    session["a"] = 1
    session.login("ada")
    record = make_record("ada", data={"a": b"1"})
    become(session, record, token_for(record), record.data, {})

    assert (session.status, session.id, session.user_id) == ("active", record.id, "ada")
    assert session._wish is None
    assert session._changes() == {}
    assert session._token is not None
    assert session._token.hash == record.secrets.current


def test_a_reload_puts_the_changes_on_top_and_notes_what_was_merged() -> None:
    record = make_record(data={"a": b"[1]", "b": b"1", "c": b"1"})
    session = opened(record)
    session["a"].append(2)
    session["b"] = 2
    newer = make_record(id=record.id, version=2, data={"a": b"[1,3]", "b": b"3", "c": b"4"})
    rebase(session, newer)

    assert dict(session) == {"a": [1, 3, 2], "b": 2, "c": 4}
    assert session._merged == {"a": False, "b": True}
    rebase(session, make_record(id=record.id, version=3, data={"a": b"[1,3]", "b": b"3", "c": b"5"}))
    assert session._merged == {"a": False, "b": True}
    assert session._live is not newer


@pytest.mark.parametrize(
    ("reason", "kept"), [("replaced", {"a": 1, "b": 2, "c": 3}), ("revoked", {"b": 2}), (None, {"b": 2})]
)
def test_a_session_left_behind_takes_its_data_along_only_after_a_double_log_in(
    reason: Any, kept: dict[str, int]
) -> None:
    session = opened(make_record(data={"a": b"1", "b": b"1", "c": b"3", "d": b"4"}))
    session["b"] = 2
    del session["d"]
    go_on_alone(session, reason)

    assert dict(session) == kept
    assert session._live is None


def test_what_was_counted_here_is_not_lost_with_the_session_left_behind() -> None:
    session = opened(make_record(data={"n": b"5"}))
    session.increment("n", 2)
    session.increment("new")
    go_on_alone(session, "revoked")

    assert dict(session) == {"n": 2, "new": 1}


@pytest.mark.parametrize(("reason", "status"), [("revoked", "ended"), (None, "none")])
def test_a_session_that_ended_meanwhile_says_so_where_it_is_known(reason: Any, status: str) -> None:
    session = opened(make_record("ada", data={"a": b"1"}))
    session["b"] = 1
    session.login("ada")
    end(session, reason)

    assert (session.status, session.end_reason) == (status, reason)
    assert session._wish is None
    assert dict(session) == {}
    assert (session.id is None) is (reason is None)


def test_a_session_can_stand_where_a_dict_stood() -> None:
    session = opened(make_record(data={"a": b"1", "b": b"[2]"}))

    assert session.copy() == {"a": 1, "b": [2]}
    assert type(session.copy()) is dict
    assert list(reversed(session)) == ["b", "a"]
    assert session | {"a": 3} == {"a": 3, "b": [2]}
    assert {"a": 3, "c": 4} | session == {"a": 1, "c": 4, "b": [2]}
    with pytest.raises(TypeError):
        session | [1]  # type: ignore[operator]
    with pytest.raises(TypeError):
        [1] | session  # type: ignore[operator]
    assert session._changes() == {}

    mine = session
    mine |= {"c": 5}
    assert mine is session
    assert session["c"] == 5
    assert [session.popitem() for _ in range(3)] == [("c", 5), ("b", [2]), ("a", 1)]
    with pytest.raises(KeyError):
        session.popitem()


def test_a_value_that_json_cannot_hold_is_the_commits_to_refuse() -> None:
    session = opened(None)
    session["a"] = object()

    with pytest.raises(InvalidData, match=r"session\['a'\]"):
        session._changes()
