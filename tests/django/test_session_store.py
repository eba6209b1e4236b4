"""SessionStore: what Django's documentation says of each method and setting, in threads and awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.db.models import TextChoices
from django.test.utils import override_settings
from django.utils import timezone
from django.utils.safestring import mark_safe

import sojourn.manager
from sojourn import Policy
from sojourn.django import SessionStore, manager, process

NOW = 1_800_000_000_000


@pytest.fixture(autouse=True)
def store(project: Path) -> Iterator[None]:
    with override_settings(SOJOURN={"store": "memory:"}):
        yield


class Clock:
    """The manager's time, which a test moves."""

    def __init__(self) -> None:
        self.now = NOW
        manager().clock = self

    def __call__(self) -> int:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


def saved(**data: Any) -> SessionStore:
    session = SessionStore()
    session.update(data)
    session.save()
    return session


def again(session: SessionStore) -> SessionStore:
    """The same session, in the browser's next request."""
    return SessionStore(session.session_key)


# As a mapping


def test_a_new_session_is_empty_and_unmodified() -> None:
    session = SessionStore()

    assert session.is_empty()
    assert not session._accessed
    assert not session.modified
    assert session.session_key is None
    assert session.get("a") is None
    assert session._accessed
    assert not session.modified


def test_it_works_like_a_dictionary() -> None:
    session = saved(a=1, b=[2])
    other = again(session)
    other["c"] = "x"
    del other["a"]

    assert "c" in other
    assert other.has_key("b")
    assert not other.has_key("a")
    assert other.get("a", 5) == 5
    assert other.setdefault("b", 0) == [2]
    assert other.setdefault("d", {}) == {}
    assert other.pop("c") == "x"
    assert other.pop("c", None) is None
    assert sorted(other.keys()) == ["b", "d"]
    assert sorted(other.items()) == [("b", [2]), ("d", {})]
    assert list(other.values()) == [[2], {}]
    assert other.load() == {"a": 1, "b": [2]}  # as the store has it
    with pytest.raises(KeyError):
        other.pop("c")
    with pytest.raises(KeyError):
        del other["a"]
    with pytest.raises(KeyError):
        other["a"]


def test_a_pop_of_nothing_and_a_default_that_is_there_modify_nothing() -> None:
    session = again(saved(a=1))
    session.pop("b", None)
    session.setdefault("a", 2)

    assert session._accessed
    assert not session.modified


CHANGES: dict[str, Callable[[SessionStore], Any]] = {
    "set": lambda session: session.__setitem__("a", 1),
    "update": lambda session: session.update({"a": 1}),
    "pop": lambda session: session.pop("kept"),
    "del": lambda session: session.__delitem__("kept"),
    "clear": lambda session: session.clear(),
    "cycle_key": lambda session: session.cycle_key(),
    "flush": lambda session: session.flush(),
    "set_expiry": lambda session: session.set_expiry(60),
    "append": lambda session: session["list"].append(1),
    "deep": lambda session: session["tree"]["branch"].update(leaf=1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_modifies_a_nested_one_too(change: Callable[[SessionStore], None]) -> None:
    session = again(saved(kept=True, list=[], tree={"branch": {}}))
    change(session)

    assert session.modified


def test_a_look_at_a_list_modifies_nothing() -> None:
    session = again(saved(list=[1]))

    assert session["list"] == [1]
    assert not session.modified


def test_the_test_cookie_works() -> None:
    session = SessionStore()
    assert not session.test_cookie_worked()
    session.set_test_cookie()
    assert session.test_cookie_worked()
    session.delete_test_cookie()
    assert not session.test_cookie_worked()


def test_encode_and_decode_are_django_s() -> None:
    session = SessionStore()

    assert session.decode(session.encode({"a": [1]})) == {"a": [1]}
    assert session.decode("nonsense") == {}


class Colour(TextChoices):
    RED = "red"


def test_what_django_s_json_would_write_is_written() -> None:
    session = saved(text=mark_safe("x"), choice=Colour.RED, pair=(1, (2, "y")), deep={"a": [Colour.RED]})

    assert again(session).load() == {"text": "x", "choice": "red", "pair": [1, [2, "y"]], "deep": {"a": ["red"]}}


def test_a_key_that_is_no_text_is_kept_as_django_s_json_would_write_it() -> None:
    session = saved(deep={0: "bar", None: 1})
    session[0] = "foo"  # type: ignore[index]
    session.save()

    assert again(session).load() == {"0": "foo", "deep": {"0": "bar", "null": 1}}


# Saved, found, ended


def test_a_saved_session_is_found_by_its_key() -> None:
    session = saved(a=1)

    assert session.session_key
    assert session.exists(session.session_key)
    assert again(session)["a"] == 1
    assert not again(session).is_empty()


def test_an_empty_session_is_made_by_save_and_by_create() -> None:
    one, other = SessionStore(), SessionStore()
    one.save()
    other.create()

    assert one.exists(one.session_key or "")
    assert other.exists(other.session_key or "")
    assert other.modified


def test_a_key_that_nobody_issued_is_not_taken() -> None:
    for key in ("", "1", "x" * 40, "sj1-" + "0" * 32 + "-" + "0" * 64):
        session = SessionStore(key)
        assert session.load() == {}
        assert session.session_key is None
        session["a"] = 1
        session.save()
        assert session.session_key != key


def test_save_must_create_refuses_a_session_that_is_there() -> None:
    session = saved(a=1)

    with pytest.raises(CreateError):
        session.save(must_create=True)


def test_a_session_that_ended_cannot_be_saved() -> None:
    session = saved(a=1)
    slow = again(session)
    slow["a"] = 2
    session.flush()

    with pytest.raises(UpdateError, match="logout"):
        slow.save()
    assert again(slow).load() == {}


def test_flush_ends_the_session_and_what_follows_is_another() -> None:
    session = again(saved(a=1))
    key = session.session_key or ""
    session.flush()

    assert session.session_key is None
    assert session.is_empty()
    assert not session.exists(key)
    session["b"] = 2
    session.save()
    assert session.session_key != key
    assert again(session).load() == {"b": 2}


def test_cycle_key_keeps_the_data_under_another_key() -> None:
    session = again(saved(a=1))
    key = session.session_key or ""
    session.cycle_key()
    session["b"] = 2

    assert session.session_key != key
    assert not session.exists(key)
    session.save()
    assert again(session).load() == {"a": 1, "b": 2}


def test_cycle_key_makes_a_session_where_there_is_none() -> None:
    session = SessionStore()
    session.cycle_key()

    assert session.exists(session.session_key or "")


def test_clear_empties_the_session_and_keeps_it() -> None:
    session = again(saved(a=1))
    session.clear()
    assert not session.is_empty()
    session.save()

    assert again(session).load() == {}
    assert again(session).exists(session.session_key or "")


def test_delete_ends_this_session_or_another() -> None:
    one, other = saved(a=1), saved(b=2)
    one.delete(other.session_key)
    assert not one.exists(other.session_key or "")
    one.delete()
    assert not one.exists(one.session_key or "")
    with pytest.raises(UpdateError, match="deleted"):
        one.save()
    SessionStore().delete()


def test_parallel_requests_lose_nothing() -> None:
    session = saved(cart=[])
    requests = [again(session) for _ in range(50)]
    for number, request in enumerate(requests):
        request["cart"].append(number)
        request[f"k{number}"] = number
    for request in requests:
        request.save()

    assert len(again(session)["cart"]) == 50
    assert len(again(session).keys()) == 51


# Who is logged in


def test_a_user_who_is_put_into_the_data_is_logged_in() -> None:
    session = saved(theme="dark")
    before = session.session_key
    session["_auth_user_id"] = 7
    session.save()

    assert session.session_key != before
    assert [found.user_id for found in manager().list("7")] == ["7"]
    assert again(session)["theme"] == "dark"


@pytest.mark.parametrize(
    "leave", [SessionStore.clear, lambda session: session.pop("_auth_user_id")], ids=["all", "key"]
)
def test_a_user_who_is_taken_out_of_the_data_is_logged_out(leave: Callable[[SessionStore], None]) -> None:
    session = saved(_auth_user_id="7", theme="dark")
    before = session.session_key or ""
    other = again(session)
    leave(other)
    other.save()

    assert manager().list("7") == []
    assert not other.exists(before)
    assert other.exists(other.session_key or "")
    assert "_auth_user_id" not in again(other)


def test_another_user_in_the_data_gets_a_session_of_their_own() -> None:
    session = saved(_auth_user_id="7")
    session["_auth_user_id"] = "8"
    session["kept"] = 1
    session.save()

    assert manager().list("7") == []
    assert len(manager().list("8")) == 1
    assert again(session).load() == {"_auth_user_id": "8", "kept": 1}


# Expiry


def test_a_session_lasts_as_long_as_session_cookie_age_says() -> None:
    clock = Clock()
    session = saved(a=1)
    assert session.get_expiry_age() == settings.SESSION_COOKIE_AGE == 14 * 86400
    assert session.get_session_cookie_age() == settings.SESSION_COOKIE_AGE
    clock.pass_seconds(14 * 86400 - 1)
    assert again(session).load() == {"a": 1}
    clock.pass_seconds(1)
    assert again(session).load() == {}


def test_a_policy_says_how_long_a_session_lasts() -> None:
    with override_settings(SOJOURN={"store": "memory:", "policy": Policy(idle_timeout=600)}):
        clock = Clock()
        session = saved(a=1)
        assert session.get_expiry_age() == 600
        clock.pass_seconds(600)
        assert again(session).load() == {}


def test_set_expiry_in_seconds_counts_from_the_last_activity() -> None:
    clock = Clock()
    session = saved(a=1)
    session.set_expiry(100)
    session.save()
    assert session.get_expiry_age() == 100
    assert not session.get_expire_at_browser_close()
    for _ in range(5):
        clock.pass_seconds(80)
        lazy = again(session)
        assert lazy["a"] == 1
        assert lazy.modified
        lazy.save()
    clock.pass_seconds(100)
    assert again(session).load() == {}
    assert [found.end_reason for found in manager().scan()] == ["revoked"]


def test_set_expiry_to_a_moment_holds_whatever_happens() -> None:
    clock = Clock()
    clock.now = int(timezone.now().timestamp() * 1000)
    for moment in (timedelta(seconds=100), timezone.now() + timedelta(seconds=100)):
        session = saved(a=1)
        session.set_expiry(moment)
        session.save()
        assert session.get_expiry_age() in (99, 100)
        assert abs((session.get_expiry_date() - timezone.now()).total_seconds() - 100) < 2
        clock.pass_seconds(60)
        again(session).save()
        clock.pass_seconds(60)
        assert again(session).load() == {}


def test_set_expiry_to_none_goes_back_to_the_settings() -> None:
    session = saved(a=1)
    session.set_expiry(5)
    session.set_expiry(None)

    assert session.get_expiry_age() == settings.SESSION_COOKIE_AGE
    assert "_session_expiry" not in session


def test_set_expiry_to_0_is_until_the_browser_closes() -> None:
    session = saved(a=1)
    assert not session.get_expire_at_browser_close()
    session.set_expiry(0)
    assert session.get_expire_at_browser_close()
    assert session.get_expiry_age() == settings.SESSION_COOKIE_AGE
    session.set_expiry(None)
    with override_settings(SESSION_EXPIRE_AT_BROWSER_CLOSE=True):
        assert session.get_expire_at_browser_close()
        session.set_expiry(100)
        assert not session.get_expire_at_browser_close()


def test_a_session_in_the_past_is_over() -> None:
    session = SessionStore()
    session["a"] = 1
    session.set_expiry(-1)
    session.save()

    assert again(session).load() == {}


@pytest.mark.parametrize(
    ("asked", "idle", "absolute"),
    [
        (60, 60, 30 * 86400),
        (30 * 86400, 30 * 86400, 30 * 86400),
        (365 * 86400, 30 * 86400, 30 * 86400),
        (timedelta(hours=1), 3600, 3600),
    ],
)
def test_what_is_asked_for_at_the_beginning_is_the_session_s_own_limit(asked: Any, idle: int, absolute: int) -> None:
    session = SessionStore()
    session["a"] = 1
    session.set_expiry(asked)
    session.save()
    (found,) = manager().scan()

    assert abs(found.idle_timeout / 1000 - idle) < 2
    assert abs((found.absolute_expires_at - found.created_at) / 1000 - absolute) < 2


def test_get_expiry_takes_django_s_arguments() -> None:
    session = SessionStore()
    now = timezone.now()

    assert session.get_expiry_age(modification=now, expiry=now + timedelta(seconds=9)) == 9
    assert session.get_expiry_age(expiry=7) == 7
    assert session.get_expiry_date(modification=now, expiry=7) == now + timedelta(seconds=7)


def test_clear_expired_deletes_what_is_over_for_a_day() -> None:
    clock = Clock()
    session = saved(a=1)
    session.flush()
    saved(b=1)
    clock.pass_seconds(86401)
    SessionStore.clear_expired()

    assert [found.data for found in manager().scan()] == [{"b": 1}]


# Awaited


def awaited(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that is a coroutine, on asyncio."""

    def run() -> None:
        asyncio.run(test())

    run.__name__, run.__module__ = test.__name__, test.__module__
    return run


needs_async = pytest.mark.skipif(not hasattr(SessionStore, "aget"), reason="Django has them from 5.1 on")


@needs_async
@awaited
async def test_each_method_can_be_awaited() -> None:
    session = SessionStore()
    await session.aset("a", 1)
    await session.aupdate({"b": [2]})
    await session.asave()
    other = again(session)

    assert await other.aload() == {"a": 1, "b": [2]}
    assert await other.aget("a") == 1
    assert await other.aget("c", 3) == 3
    assert await other.ahas_key("b")
    assert await other.asetdefault("c", 4) == 4
    assert await other.apop("c") == 4
    assert await other.apop("c", None) is None
    assert sorted(await other.akeys()) == ["a", "b"]
    assert list(await other.avalues()) == [1, [2]]
    assert list(await other.aitems()) == [("a", 1), ("b", [2])]
    await other.aset_test_cookie()
    assert await other.atest_cookie_worked()
    await other.adelete_test_cookie()
    (await other.aget("b", [])).append(3)
    assert other.modified
    await other.asave()
    assert (await again(session).aload())["b"] == [2, 3]
    assert await other.aexists(session.session_key or "")


@needs_async
@awaited
async def test_keys_are_cycled_and_sessions_ended_awaited_too() -> None:
    session = SessionStore()
    await session.acreate()
    key = session.session_key or ""
    await session.aset("a", 1)
    await session.acycle_key()
    await session.asave()
    assert session.session_key != key
    assert not await session.aexists(key)
    assert await again(session).aload() == {"a": 1}
    other = again(session)
    await other.aset("a", 2)
    await session.aflush()
    with pytest.raises(UpdateError):
        await other.asave()
    await session.acreate()
    await session.adelete()
    assert not await session.aexists(session.session_key or "")
    await SessionStore.aclear_expired()


@needs_async
@awaited
async def test_expiry_can_be_awaited() -> None:
    session = SessionStore()
    await session.aset_expiry(100)
    assert await session.aget_expiry_age() == 100
    assert not await session.aget_expire_at_browser_close()
    assert (await session.aget_expiry_date() - timezone.now()).total_seconds() <= 100
    await session.aset_expiry(None)
    assert await session.aget_expiry_age() == settings.SESSION_COOKIE_AGE


def test_the_clock_of_these_tests_is_the_manager_s() -> None:
    assert manager().clock is sojourn.manager.milliseconds


@pytest.mark.parametrize(
    ("changed", "is_there"),
    [
        ({"SESSION_COOKIE_NAME": "__Host-session", "SESSION_COOKIE_SECURE": True}, True),
        ({"SESSION_COOKIE_NAME": "a", "SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_PATH": "/shop"}, True),
        ({"SESSION_COOKIE_NAME": "a", "SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_DOMAIN": ".a.test"}, False),
        ({"SESSION_COOKIE_NAME": "a", "SESSION_COOKIE_SECURE": False}, False),
    ],
)
def test_a_browser_binds_a_cookie_that_django_makes_secure_and_one_hosts(
    changed: dict[str, Any], is_there: bool
) -> None:
    bound = {
        "store": "memory:",
        "policy": Policy(binding="prefer"),
        "script_readable_tokens": True,
        "public_origin": "https://a.test",
    }
    with override_settings(SOJOURN=bound, **changed):
        assert (process.wiring().transport.place is not None) == is_there
