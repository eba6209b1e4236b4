"""The remote managers, over a real service: what a session does here, it does there."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sojourn.core.commit import NO_REPLY, nothing_due
from sojourn.core.errors import (
    ConfigurationError,
    DataTooLarge,
    InvalidData,
    SessionConflict,
    SessionEnded,
    SessionLimitReached,
)
from sojourn.core.record import Client
from sojourn.core.session import Session
from sojourn.remote import AsyncRemoteSessionManager, RemoteSessionManager

from .service import Service, begin, change, manager_of, token_of

UNKNOWN = f"sj1-{'0' * 32}-{'0' * 64}"


def user() -> str:
    """A user that no other test knows."""
    return f"user-{secrets.token_hex(4)}"


# What a request costs


def test_a_request_without_a_token_asks_nothing(manager: RemoteSessionManager, service: Service) -> None:
    before = len(service.asked())
    session = manager.anonymous()

    assert manager.commit(session) is NO_REPLY
    assert session.status == "none"
    assert len(service.asked()) == before


def test_a_request_that_only_reads_asks_once(manager: RemoteSessionManager, service: Service) -> None:
    token = begin(manager, cart=[1], name="ada")
    before = len(service.asked())
    session = manager.open(token)

    assert dict(session) == {"cart": [1], "name": "ada"}
    assert manager.commit(session) is NO_REPLY
    assert len(service.asked()) == before + 1


def test_what_is_due_is_committed_though_nothing_changed(strict_manager: RemoteSessionManager, strict: Service) -> None:
    token = begin(strict_manager)
    session = strict_manager.open(token)
    seen = session._record and session._record.seen_at
    before = len(strict.asked())

    assert not nothing_due(session, strict_manager.policy)
    reply = strict_manager.commit(session)
    assert token_of(reply)[:36] == token[:36]  # the same session, its secret renewed
    assert token_of(reply) != token
    assert session._record
    assert seen
    assert session._record.seen_at >= seen
    assert strict_manager.commit(session) is NO_REPLY
    assert len(strict.asked()) == before + 1


def test_a_passive_request_commits_nothing_that_is_due(strict_manager: RemoteSessionManager, strict: Service) -> None:
    token = begin(strict_manager)
    session = strict_manager.open(token)
    session.passive = True
    before = len(strict.asked())

    assert strict_manager.commit(session) is NO_REPLY
    assert len(strict.asked()) == before


def test_to_start_what_is_there_costs_nothing(manager: RemoteSessionManager, service: Service) -> None:
    session = manager.open(begin(manager))
    before = len(service.asked())
    session.start()

    assert manager.commit(session) is NO_REPLY
    assert len(service.asked()) == before


# Sessions


def test_an_unknown_token_is_never_adopted(manager: RemoteSessionManager) -> None:
    session = manager.open(UNKNOWN)
    assert (session.status, session.id, session.end_reason) == ("none", None, None)
    session["a"] = 1
    token = token_of(manager.commit(session))

    assert token[:36] != UNKNOWN[:36]
    assert manager.open(UNKNOWN).status == "none"
    assert dict(manager.open(token)) == {"a": 1}


def test_a_session_says_who_and_since_when(manager: RemoteSessionManager) -> None:
    name = user()
    session = manager.open(begin(manager, name, a=1))
    record = session._record

    assert (session.status, session.user_id, record and record.version) == ("active", name, 1)
    assert record
    assert record.created_at <= session.opened_at <= manager.clock() + 1000
    assert record.absolute_expires_at == record.created_at + 12 * 3_600_000
    assert (record.idle_timeout, record.remember) == (1_800_000, False)
    assert session.authenticated_at == record.created_at


def test_what_is_set_changed_in_place_and_removed_is_kept(manager: RemoteSessionManager) -> None:
    token = begin(manager, cart=["tea"], old=1, nested={"a": {"b": [1]}})
    session = manager.open(token)
    session["cart"].append("cup")
    session["nested"]["a"]["b"].append(2)
    session["new"] = None
    del session["old"]
    manager.commit(session)

    assert dict(manager.open(token)) == {"cart": ["tea", "cup"], "nested": {"a": {"b": [1, 2]}}, "new": None}


def test_a_second_commit_writes_what_came_after_the_first(manager: RemoteSessionManager) -> None:
    session = manager.anonymous()
    cart = session["cart"] = ["tea"]
    session.increment("n")
    token = token_of(manager.commit(session))
    cart.append("cup")
    session.increment("n", 2)
    assert manager.commit(session) is NO_REPLY
    assert manager.commit(session) is NO_REPLY

    assert dict(session) == dict(manager.open(token)) == {"cart": ["tea", "cup"], "n": 3}


def test_a_log_in_gives_a_new_id_and_keeps_the_data(manager: RemoteSessionManager) -> None:
    planted = begin(manager, cart=["tea"], n=1)
    name = user()
    session = manager.open(planted)
    session["theme"] = "dark"
    session.increment("n", 4)
    session.login(name, remember=True)
    reply = manager.commit(session)
    token = token_of(reply)

    assert reply.max_age
    assert 29 * 86400 < reply.max_age <= 30 * 86400
    assert token[:36] != planted[:36]
    assert (session.id, session.user_id) == (token[4:36], name)
    assert dict(manager.open(token)) == {"cart": ["tea"], "n": 5, "theme": "dark"}
    over = manager.open(planted)
    assert (over.status, over.end_reason, over.id, dict(over)) == ("ended", "replaced", planted[4:36], {})


def test_a_double_log_in_keeps_the_data_twice(manager: RemoteSessionManager) -> None:
    planted = begin(manager, cart=["tea"], n=1)
    name = user()
    sessions = [manager.open(planted) for _ in range(2)]
    tokens = []
    for session in sessions:
        session.increment("n")
        session.login(name)
        tokens.append(token_of(manager.commit(session)))

    assert [dict(manager.open(token)) for token in tokens] == [{"cart": ["tea"], "n": 2}] * 2


def test_a_log_in_of_somebody_else_takes_no_data_along(manager: RemoteSessionManager) -> None:
    token = begin(manager, user(), cart=["tea"], theme="dark")
    session = manager.open(token)
    session.login(user())
    session["theme"] = "light"
    other = token_of(manager.commit(session))

    assert dict(session) == dict(manager.open(other)) == {"theme": "light"}


def test_a_log_out_ends_the_session_and_clears_the_cookie(manager: RemoteSessionManager) -> None:
    token = begin(manager, user(), cart=["tea"])
    session = manager.open(token)
    session.logout()
    reply = manager.commit(session)

    assert (reply.clear, reply.token) == (True, None)
    assert (session.status, session.end_reason, dict(session)) == ("ended", "logout", {})
    assert manager.open(token).end_reason == "logout"
    assert manager.commit(session) is NO_REPLY


def test_what_is_set_after_a_log_out_starts_a_new_session(manager: RemoteSessionManager) -> None:
    token = begin(manager, user(), cart=["tea"], notice="old")
    session = manager.open(token)
    session.logout()
    session["notice"] = "Bye"
    session.increment("n")
    new = token_of(manager.commit(session))

    assert manager.open(token).end_reason == "logout"
    opened = manager.open(new)
    assert (dict(opened), opened.user_id) == ({"notice": "Bye", "n": 1}, None)


@pytest.mark.parametrize("then", ["login", "start"])
def test_a_log_out_and_a_log_in_in_one_request_are_both_done(manager: RemoteSessionManager, then: str) -> None:
    first, second = user(), user()
    token = begin(manager, first, cart=["tea"])
    session = manager.open(token)
    session.logout()
    if then == "login":
        session.login(second)
    else:
        session.start()
    new = token_of(manager.commit(session))
    opened = manager.open(new)

    assert manager.open(token).end_reason == "logout"
    assert (opened.status, opened.user_id, dict(opened)) == ("active", second if then == "login" else None, {})


@pytest.mark.parametrize("token", ["", UNKNOWN])
def test_a_log_out_without_a_session_clears_the_cookie_alone(
    manager: RemoteSessionManager, service: Service, token: str
) -> None:
    session = manager.open(token)
    before = len(service.asked())
    session.logout()

    assert manager.commit(session).clear
    assert len(service.asked()) == before
    assert manager.commit(session) is NO_REPLY


def test_a_regenerated_session_is_the_same_under_a_new_id(manager: RemoteSessionManager) -> None:
    name = user()
    token = begin(manager, name, cart=["tea"])
    session = manager.open(token)
    session.regenerate()
    session["a"] = 1
    new = token_of(manager.commit(session))
    opened = manager.open(new)

    assert manager.open(token).end_reason == "replaced"
    assert (dict(opened), opened.user_id, opened.id) == ({"cart": ["tea"], "a": 1}, name, session.id)


def test_what_the_browser_told_is_kept_with_a_new_session(manager: RemoteSessionManager) -> None:
    name = user()
    session = manager.anonymous(Client("192.0.2.7", "Firefox"))
    session.login(name)
    manager.commit(session)
    [listed] = manager.list(name)

    assert (listed.ip, listed.user_agent, listed.id, listed.user_id) == ("192.0.2.7", "Firefox", session.id, name)
    assert listed.absolute_expires_at - listed.created_at == 12 * 3_600_000
    assert listed == manager.get(listed.id)


# Many at once


def test_parallel_changes_are_merged(manager: RemoteSessionManager) -> None:
    token = begin(manager, cart=["tea"], same=1)
    slow = manager.open(token)
    change(manager, token, cart=["tea", "cup"], other=1, same=2)
    slow["cart"].append("jug")
    slow["mine"] = 1
    slow["same"] = 3
    slow.increment("n")
    held = slow["cart"]
    manager.commit(slow)

    expected = {"cart": ["tea", "cup", "jug"], "other": 1, "mine": 1, "same": 3, "n": 1}
    assert dict(slow) == dict(manager.open(token)) == expected
    assert held == ["tea", "jug"]


@pytest.mark.parametrize("kind", ["threads", "loop"])
def test_fifty_writers_of_two_managers_lose_nothing(service: Service, kind: str) -> None:
    with manager_of(kind, service.url, service.key) as one, manager_of("threads", service.url, service.key) as other:
        token = begin(one)

        def write(number: int) -> None:
            manager = one if number % 2 and kind == "threads" else other
            session = manager.open(token)
            session[f"key-{number}"] = number
            session.increment("sum")
            manager.commit(session)

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(write, range(50)))

        assert dict(one.open(token)) == {"sum": 50, **{f"key-{number}": number for number in range(50)}}


def test_a_slow_request_does_not_bring_a_session_back_after_a_log_out(manager: RemoteSessionManager) -> None:
    token = begin(manager, user())
    slow, leaves = manager.open(token), manager.open(token)
    leaves.logout()
    manager.commit(leaves)
    slow["a"] = 1
    with pytest.raises(SessionEnded) as ended:
        manager.commit(slow)

    assert ended.value.reason == "logout"
    assert (slow.status, slow.end_reason, dict(slow)) == ("ended", "logout", {})
    assert manager.open(token).status == "ended"


def test_an_ended_session_that_is_written_to_begins_a_new_one(manager: RemoteSessionManager) -> None:
    token = begin(manager, user(), secret=1)
    manager.revoke(token[4:36])
    session = manager.open(token)
    assert session.end_reason == "revoked"
    session["a"] = 1
    new = manager.open(token_of(manager.commit(session)))

    assert (new.status, new.user_id, dict(new)) == ("active", None, {"a": 1})


# A user's sessions


def test_a_user_s_sessions_are_listed_and_revoked(manager: RemoteSessionManager) -> None:
    name = f"{user()}/ä ?#%"
    tokens = [begin(manager, name) for _ in range(4)]
    ids = [token[4:36] for token in tokens]

    assert {session.id for session in manager.list(name)} == set(ids)
    assert (manager.revoke(ids[0]), manager.revoke(ids[0]), manager.revoke("0" * 32), manager.revoke("../x")) == (
        True,
        False,
        False,
        False,
    )
    assert manager.revoke_all(name, keep=ids[1]) == 2
    assert [manager.open(token).status for token in tokens] == ["ended", "active", "ended", "ended"]
    assert manager.revoke_all(name) == 1
    assert manager.list(name) == []


def test_every_end_by_the_service_is_revoked(manager: RemoteSessionManager) -> None:
    with pytest.raises(ConfigurationError, match="revoked"):
        manager.revoke("0" * 32, "logout")
    with pytest.raises(ConfigurationError, match="revoked"):
        manager.revoke_all("ada", reason="limit")


def test_upkeep_is_the_service_s(manager: RemoteSessionManager) -> None:
    assert manager.delete_expired() == 0
    for method in (manager.scan, manager.stats):
        with pytest.raises(ConfigurationError, match="where the service runs"):
            method()


# Refusals


def test_a_refused_log_in_leaves_the_session_as_it_was(strict_manager: RemoteSessionManager) -> None:
    name = user()
    begin(strict_manager, name)
    session = strict_manager.anonymous()
    session.login(name)
    with pytest.raises(SessionLimitReached) as refused:
        strict_manager.commit(session)

    assert (refused.value.limit, session.status, session.user_id) == (1, "none", None)
    assert strict_manager.commit(session) is NO_REPLY


def test_a_log_out_holds_where_the_log_in_after_it_is_refused(strict_manager: RemoteSessionManager) -> None:
    full = user()
    begin(strict_manager, full)
    token = begin(strict_manager, user())
    session = strict_manager.open(token)
    session.logout()
    session.login(full)
    with pytest.raises(SessionLimitReached):
        strict_manager.commit(session)

    assert (session.status, session.user_id) == ("none", None)
    assert strict_manager.open(token).end_reason == "logout"
    assert strict_manager.commit(session) is NO_REPLY


KEYS = ("a", "it's", "a, b", 'say "hi"', "\\", "ключ 🦊", "")


def test_a_conflict_tells_its_keys_as_they_are(strict_manager: RemoteSessionManager) -> None:
    data: dict[str, Any] = dict.fromkeys([*KEYS, "other"], 1)
    token = begin(strict_manager, **data)
    slow = strict_manager.open(token)
    change(strict_manager, token, **dict.fromkeys(KEYS, 2))
    slow.update(dict.fromkeys([*KEYS, "other"], 3))
    with pytest.raises(SessionConflict) as conflict:
        strict_manager.commit(slow)

    assert conflict.value.keys == KEYS
    assert dict(strict_manager.open(token)) == {**dict.fromkeys(KEYS, 2), "other": 1}


@pytest.mark.parametrize("length", [3000, 300_000])
def test_too_much_data_is_refused_with_its_size(strict_manager: RemoteSessionManager, length: int) -> None:
    session = strict_manager.open(begin(strict_manager, a=1))
    session["a"] = "x" * length
    with pytest.raises(DataTooLarge) as refused:
        strict_manager.commit(session)

    assert refused.value.size >= length > refused.value.limit > 0
    assert session["a"] == 1


BAD: list[Any] = [{1}, float("nan"), 2**64, "\ud800", b"x", {(1, 2): 3}]


@pytest.mark.parametrize("value", BAD, ids=lambda value: type(value).__name__)
def test_what_json_cannot_hold_is_refused_here(manager: RemoteSessionManager, service: Service, value: Any) -> None:
    session = manager.anonymous()
    session["a"] = value
    before = len(service.asked())
    with pytest.raises(InvalidData, match="'a'"):
        manager.commit(session)

    assert len(service.asked()) == before
    assert dict(session) == {}


def test_what_the_service_refuses_as_data_is_invalid_data(strict_manager: RemoteSessionManager) -> None:
    session = strict_manager.anonymous()
    session.login(user(), remember=True)
    with pytest.raises(InvalidData, match="remember"):
        strict_manager.commit(session)


def test_a_session_of_another_manager_is_refused(manager: RemoteSessionManager) -> None:
    with pytest.raises(ConfigurationError, match="another manager"):
        manager.commit(Session(None, 0, Client()))


def test_no_token_and_no_key_is_in_what_is_printed(manager: RemoteSessionManager, service: Service) -> None:
    token = begin(manager)
    session = manager.open(token)
    secret = token[37:]

    for shown in (repr(session), repr(session.token), repr(manager), repr(vars(session))):  # type: ignore[attr-defined]
        assert secret not in shown
        assert service.key not in shown
    assert secret not in service.server.output()


# While a commit is under way


def test_what_is_set_while_the_service_is_asked_is_written_too(service: Service) -> None:
    async def run() -> dict[str, Any]:
        manager = AsyncRemoteSessionManager(service.url, service.key)
        try:
            session = manager.anonymous()
            session["a"] = 1
            token = token_of(await manager.commit(session))
            session = await manager.open(token)
            session["b"] = 2
            session.increment("n", 3)
            commit = asyncio.create_task(manager.commit(session))
            await asyncio.sleep(0)  # by now the request is made, and its answer on the way
            session["b"], session["c"] = [2], 3
            session.increment("n", 4)
            await commit
            await manager.commit(session)
            return dict(await manager.open(token))
        finally:
            await manager.close()

    assert asyncio.run(run()) == {"a": 1, "b": [2], "c": 3, "n": 7}
