"""Adoption itself, whatever the layer: once, however requests race, fail and come again; and no longer than it may."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import httpx2
import pytest

from sojourn import ConfigurationError, CookieOptions, Policy, SessionManager, StoreUnavailable
from sojourn.adopt import Adoption, Layer, Old, StarletteCookie
from sojourn.adopt.plan import OldCookie
from sojourn.core.store import Applied, Create, Mark, Refused
from sojourn.remote import RemoteSessionManager
from sojourn.stores.memory import MemoryStore
from tests.adopt.site import COOKIE, DAY, MINUTE, NOBODY, SOON, Site

TODAY = datetime.now(UTC).date()
KEY = "a-good-key"
OLD = {"old": KEY}


class Shelf:
    """A layer that keeps sessions on a server: here, in a dict. Its faults are those of a network."""

    kind = "shelf"
    cookie = CookieOptions(name="old", path="/", domain=None)

    def __init__(self, **old: Any) -> None:
        self.kept = {KEY: Old(**{"data": {"cart": ["tea"]}, "user_id": "ada", **old})}
        self.reads = 0
        self.away = self.cannot_delete = False

    def verify(self, value: str, now: int) -> str | None:
        return value if value == KEY else None

    def read(self, key: str, now: int) -> Old | None:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("The old store did not answer.")
        return self.kept.get(key)

    def retire(self, key: str) -> None:
        if self.cannot_delete:
            raise StoreUnavailable("The old store did not answer.")
        self.kept.pop(key, None)


class FailingStore(MemoryStore):
    """Loses its connection before, or after, the write that is its `fails_at`th."""

    def __init__(self, fails_at: int, before: bool) -> None:
        super().__init__()
        self._countdown = fails_at
        self._before = before

    def create(self, create: Create) -> Applied | Refused:
        with self._cut():
            return super().create(create)

    def put_mark(self, mark: Mark) -> bool:
        with self._cut():
            return super().put_mark(mark)

    @contextmanager
    def _cut(self) -> Iterator[None]:
        self._countdown -= 1
        if self._countdown == 0 and self._before:
            raise StoreUnavailable("Cut off.")
        yield
        if self._countdown == 0:
            raise StoreUnavailable("Cut off.")


def test_a_layer_is_what_the_protocol_says() -> None:
    layer: Layer = Shelf()

    assert Adoption(layer, until=SOON).layers == (layer,)


# Once


def test_the_old_session_is_deleted_and_ours_goes_on() -> None:
    shelf = Shelf()
    site = Site(shelf)
    browser = site.browser(OLD)

    assert [browser.get("/me").json()["user"] for _ in range(3)] == ["ada"] * 3
    assert (shelf.kept, shelf.reads, site.users()) == ({}, 1, ["ada"])
    assert site.told() == ["SessionCreated", "Adopted", "Rotated"]


def test_a_replayed_cookie_gets_nothing_and_is_told_of() -> None:
    site = Site(Shelf())
    browser = site.browser(OLD)
    browser.get("/me")
    browser.get("/me")
    site.now += 61_000

    assert site.see(OLD) == {**NOBODY, "end_reason": "token_reuse"}
    assert site.told()[-2:] == ["TokenReused", "Ended"]
    assert browser.get("/me").json()["end_reason"] == "token_reuse"
    assert site.see(OLD)["user"] is None


def test_a_log_out_is_final_for_the_old_cookie_too() -> None:
    shelf = Shelf()
    shelf.cannot_delete = True
    site = Site(shelf)
    browser = site.browser(OLD)
    browser.get("/me")
    browser.post("/logout")

    assert site.see(OLD) == {**NOBODY, "end_reason": "logout"}
    site.now += 5 * DAY
    asyncio.run(site.manager.delete_expired())
    assert site.see(OLD) == NOBODY
    assert site.see(OLD) == NOBODY


def test_a_log_out_in_the_very_request_that_adopts_is_final() -> None:
    site = Site(Shelf())
    answer = site.browser(OLD).post("/logout")

    assert [value.partition("=")[0] for value in answer.headers.get_list("set-cookie")] == [COOKIE, "old"]
    assert all("Max-Age=0" in value for value in answer.headers.get_list("set-cookie"))
    assert site.see(OLD)["user"] is None
    assert site.users() == []


def test_another_log_in_ends_it_and_with_it_the_old_cookie() -> None:
    site = Site(Shelf())
    browser = site.browser(OLD)
    browser.post("/login")

    assert browser.get("/me").json()["user"] == "bob"
    assert site.see(OLD)["user"] is None
    assert site.users() == ["bob"]


def test_a_timed_out_session_is_not_adopted_again() -> None:
    shelf = Shelf()
    shelf.cannot_delete = True
    site = Site(shelf)
    site.see(OLD)
    site.now += 31 * MINUTE

    assert site.see(OLD) == {**NOBODY, "end_reason": "idle_timeout"}
    site.now += 2 * DAY
    asyncio.run(site.manager.delete_expired())
    assert site.see(OLD) == NOBODY


def test_an_old_cookie_that_the_mark_outlived_is_no_way_in_though_the_date_was_put_off() -> None:
    shelf = Shelf(ends_at=int(datetime.now(UTC).timestamp() * 1000) + 60 * DAY)
    shelf.cannot_delete = True
    site = Site(shelf, days=1)
    browser = site.browser(OLD)
    browser.get("/me")
    browser.post("/logout")
    site.now += 20 * DAY
    asyncio.run(site.manager.delete_expired())
    later = Adoption(shelf, until=datetime.now(UTC) + timedelta(days=40))

    found = asyncio.run(later.open_async(site.manager, f"old={KEY}".encode()))
    assert found is not None
    assert found.session.user_id is None


# Lost answers and failures


def test_until_ours_was_shown_the_old_cookie_is_good() -> None:
    """An answer that is lost, a process that dies, a page that failed: the browser comes again with what it has."""
    site = Site(Shelf())
    seen = []
    for _ in range(5):
        seen.append(site.see(OLD)["user"])
        site.now += 20 * MINUTE
    browser = site.browser(OLD)

    assert seen == ["ada"] * 5
    assert browser.get("/me").json()["user"] == "ada"
    assert list(browser.cookies) == [COOKIE]
    assert browser.get("/me").json()["data"] == {"cart": ["tea"]}
    assert site.users() == ["ada"]


def test_an_old_cookie_that_never_gives_way_to_ours_is_somebody_s_who_keeps_it() -> None:
    """A copy would be good for as long as the session, where the owner is away: after six answers it is noticed."""
    site = Site(Shelf())
    seen = []
    for _ in range(8):
        seen.append(site.see(OLD)["user"])
        site.now += 20 * MINUTE

    assert seen == ["ada"] * 6 + [None] * 2


def test_a_page_that_fails_still_hands_over_or_loses_nothing() -> None:
    site = Site(Shelf())
    browser = site.browser(OLD)

    assert browser.get("/fail").status_code == 500
    assert browser.get("/me").json()["user"] == "ada"
    site.now += 11_000
    assert browser.get("/me").json()["user"] == "ada"
    assert list(browser.cookies) == [COOKIE]


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_store_that_fails_in_between_loses_nobody(fails_at: int, before: bool) -> None:
    shelf = Shelf()
    manager = SessionManager(FailingStore(fails_at, before))
    adoption = Adoption(shelf, until=SOON)
    with pytest.raises(StoreUnavailable):
        adoption.open(manager, f"old={KEY}".encode())
    kept = dict(shelf.kept)
    again = adoption.open(manager, f"old={KEY}".encode())

    assert kept  # nothing is retired before ours is kept
    assert again is not None
    assert again.session.user_id == "ada"
    assert len(manager.list("ada")) == 1


def test_an_old_store_that_does_not_answer_is_an_outage_not_a_log_out() -> None:
    shelf = Shelf()
    shelf.away = True
    site = Site(shelf)
    browser = site.browser(OLD)
    answer = browser.get("/me")

    assert (answer.status_code, answer.json()["type"]) == (503, "urn:sojourn:problem:store-unavailable")
    shelf.away = False
    assert browser.get("/me").json()["user"] == "ada"


def test_with_a_token_of_ours_the_old_store_is_not_asked() -> None:
    shelf = Shelf()
    site = Site(shelf)
    browser = site.browser()
    browser.post("/login")
    shelf.away = True
    browser.cookies.set("old", KEY, domain="testserver.local", path="/")

    assert browser.get("/me").json()["user"] == "bob"
    assert shelf.reads == 0


# Races


def test_50_parallel_first_requests_leave_one_session_and_the_browser_signed_in() -> None:
    shelf = Shelf()
    site = Site(shelf)

    async def at_once() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(site.app)
        async with httpx2.AsyncClient(transport=transport, base_url="https://testserver") as client:
            return await asyncio.gather(
                *(client.post(f"/put/{n}", headers={"cookie": f"old={KEY}"}) for n in range(50))
            )

    answers = asyncio.run(at_once())
    handed = [value for answer in answers for value in answer.headers.get_list("set-cookie") if COOKIE in value]
    assert {answer.status_code for answer in answers} == {200}
    assert handed  # at least one answer carries ours, and none another session's
    assert site.users() == ["ada"]
    for value in handed:
        name, _, token = value.partition(";")[0].partition("=")
        after = site.see({name: token})
        assert (after["user"], len(after["data"])) == ("ada", 51)


def test_50_threads_that_adopt_at_once_make_one_session() -> None:
    shelf = Shelf()
    manager = SessionManager(MemoryStore())
    adoption = Adoption(shelf, until=SOON)
    together = threading.Barrier(50)

    def adopt(_: int) -> tuple[str | None, bool]:
        together.wait()
        found = adoption.open(manager, f"old={KEY}".encode())
        assert found is not None
        return found.session.user_id, found.reply.token is not None

    with ThreadPoolExecutor(50) as threads:
        results = list(threads.map(adopt, range(50)))

    assert [user for user, _ in results] == ["ada"] * 50
    assert sum(told for _, told in results) == 1
    assert len(manager.list("ada")) == 1


def test_a_late_request_of_the_same_page_is_still_served_after_ours_was_shown() -> None:
    site = Site(Shelf())
    browser = site.browser(OLD)
    browser.get("/me")
    browser.get("/me")
    site.now += 30_000
    late = site.browser(OLD).get("/me")

    assert late.json()["user"] == "ada"
    assert "set-cookie" not in late.headers  # nor may it overwrite the token that the browser has
    assert browser.get("/me").json()["user"] == "ada"


# What is taken


def test_an_adopted_session_is_no_recent_log_in() -> None:
    logged_in = int(datetime.now(UTC).timestamp() * 1000) - 3 * DAY

    assert Site(Shelf()).see(OLD)["authenticated_at"] == 0
    assert Site(Shelf(authenticated_at=logged_in)).see(OLD)["authenticated_at"] == logged_in


def test_it_lasts_no_longer_than_the_old_one_would_have_and_no_longer_than_the_policy_says() -> None:
    for left, expected in [(MINUTE, MINUTE), (90 * DAY, 12 * 60 * MINUTE), (None, 12 * 60 * MINUTE)]:
        before = int(datetime.now(UTC).timestamp() * 1000)
        site = Site(Shelf(ends_at=None if left is None else before + left))
        site.see(OLD)
        [record] = [record for record in site.kept.scan("", 9) if record.user_id]
        assert abs(record.absolute_expires_at - before - expected) < 5000


def test_remembered_ones_get_the_longer_timeouts_and_a_cookie_that_stays() -> None:
    site = Site(Shelf(), remember=True)
    answer = site.browser(OLD).get("/me")
    [record] = [record for record in site.kept.scan("", 9) if record.user_id]

    assert record.remember
    assert "Max-Age=2592000" in answer.headers.get_list("set-cookie")[0]


def test_a_session_of_nobody_keeps_its_data() -> None:
    site = Site(Shelf(user_id=None))

    assert site.see(OLD) == {**NOBODY, "data": {"cart": ["tea"]}}


@pytest.mark.parametrize("user_id", [None, True, 1.5, "", "x" * 256, ["ada"], {"id": 1}, b"ada", "\ud800"])
def test_what_is_no_user_id_is_nobody(user_id: object) -> None:
    site = Site(Shelf(user_id=user_id))

    assert site.see(OLD)["user"] is None
    assert Site(Shelf(user_id=user_id, data={})).see(OLD) == NOBODY


def test_a_session_that_is_too_large_is_left_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf(data={"big": "x" * 40_000})
    site = Site(shelf)

    assert site.see(OLD) == NOBODY
    assert KEY in shelf.kept
    assert "the policy's limit is 32768" in caplog.text


def test_keys_and_values_that_are_no_json_stay_behind_and_are_named(caplog: pytest.LogCaptureFixture) -> None:
    data = {
        1: "a",
        "\ud800": 1,
        "bytes": b"x",
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "pair": (1, ("a",)),
        "in": {2: 3},
    }
    site = Site(Shelf(data=data))

    assert site.see(OLD)["data"] == {"1": "a", "pair": [1, ["a"]], "in": {"2": 3}}
    assert "without what is no JSON: '\\ud800', 'bytes', 'at'" in caplog.text


def test_two_good_old_cookies_are_ambiguous() -> None:
    class Any2(Shelf):
        def verify(self, value: str, now: int) -> str | None:
            return value

    adoption = Adoption(Any2(), until=SOON)
    manager = SessionManager(MemoryStore())

    assert adoption.open(manager, f"old={KEY}; old=another".encode()) is None
    assert adoption.open(manager, f"old={KEY}; old={KEY}".encode()) is not None


def test_of_two_layers_the_one_whose_session_lives_counts() -> None:
    class Second(Shelf):
        kind = "second"
        cookie = CookieOptions(name="second")

    site = Site(Shelf(), Second(user_id="bob"))
    browser = site.browser(OLD)
    browser.get("/me")
    browser.post("/logout")

    assert site.see(OLD)["end_reason"] == "logout"
    assert site.see({**OLD, "second": KEY})["user"] == "bob"


def test_a_mark_opens_for_nobody_and_is_nobody_s() -> None:
    site = Site(Shelf())
    site.see(OLD)
    id = OldCookie("", Shelf.kind, KEY).id
    mark = site.kept.get_mark(id)
    [ours] = site.kept.scan("", 9)

    assert mark is not None
    assert (mark.session_id, site.kept.get(id)) == (ours.id, None)
    assert mark.ends_at >= site.now + 30 * DAY
    assert KEY not in repr(site.kept.scan("", 9))


def test_nothing_that_ends_sessions_touches_a_mark_before_its_time() -> None:
    """Without it the cookie of somebody who logged out would be good again, once the session's row is gone."""
    shelf = Shelf()
    shelf.cannot_delete = True
    site = Site(shelf)
    browser = site.browser(OLD)
    browser.get("/me")
    browser.post("/logout")
    id = OldCookie("", Shelf.kind, KEY).id

    assert asyncio.run(site.manager.revoke(id)) is False
    asyncio.run(site.manager.revoke_all("ada"))
    asyncio.run(site.manager.revoke_everything())
    asyncio.run(site.manager.erase("ada"))
    for _ in range(25):
        site.now += DAY
        asyncio.run(site.manager.delete_expired())
        assert site.see(OLD)["user"] is None


# Ways in


def test_a_websocket_adopts_too_and_its_handshake_carries_the_cookie() -> None:
    site = Site(Shelf())
    browser = site.browser(OLD)
    with browser.websocket_connect("/socket") as socket:
        assert socket.receive_text() == "ada"
        headers: dict[bytes, bytes] = dict(socket.extra_headers or [])

    assert COOKIE.encode() in headers[b"set-cookie"] or b"old=" in headers[b"set-cookie"]
    assert site.users() == ["ada"]


def test_tokens_in_authorization_are_not_adopted_into() -> None:
    site = Site(Shelf(), script_readable_tokens=True)
    answer = site.browser(OLD).get("/me", headers={"Sojourn-Transport": "bearer"})

    assert answer.json()["user"] is None


def test_where_the_old_cookie_has_our_name_ours_counts() -> None:
    class Same(Shelf):
        cookie = CookieOptions(name="session")

    site = Site(Same(), cookie=CookieOptions(name="session", insecure_http=True))
    first = site.browser().get("/me", headers={"cookie": f"session={KEY}"})
    [ours_now] = first.headers.get_list("set-cookie")
    token = ours_now.partition(";")[0]

    assert token.startswith("session=sj1-")
    for both in (f"{token}; session={KEY}", f"session={KEY}; {token}", token):
        assert site.browser().get("/me", headers={"cookie": both}).json()["user"] == "ada"


# How long, and with what


def test_after_the_day_nothing_is_adopted_and_nothing_read() -> None:
    shelf = Shelf()
    site = Site(shelf, days=2)
    site.now += 2 * DAY + 1000

    assert site.see(OLD) == NOBODY
    assert shelf.reads == 0


def test_the_day_itself_is_in_it() -> None:
    manager = SessionManager(MemoryStore())

    assert Adoption(Shelf(), until=TODAY).open(manager, f"old={KEY}".encode()) is not None
    assert Adoption(Shelf(), until=TODAY - timedelta(days=1)).open(manager, f"old={KEY}".encode()) is None


def test_a_day_in_the_past_is_told_in_the_log_and_starts(caplog: pytest.LogCaptureFixture) -> None:
    Adoption(Shelf(), until=date(2020, 1, 1)).check(SessionManager(MemoryStore()))

    assert "adoption has ended" in caplog.text


def test_mistakes_are_told_at_the_start() -> None:
    manager = SessionManager(MemoryStore())
    shelf = Shelf()
    made: list[Any] = [
        lambda: Adoption(until=SOON),
        lambda: Adoption(shelf, until=cast(Any, "2027-01-01")),
        lambda: Adoption(shelf, until=datetime.now(UTC).replace(tzinfo=None)),
        lambda: Adoption(shelf, until=TODAY + timedelta(days=400)).check(manager),
        lambda: Adoption(shelf, until=SOON, remember=True).check(SessionManager(MemoryStore(), Policy(remember=None))),
        lambda: Adoption(shelf, until=SOON).check(RemoteSessionManager("http://127.0.0.1:9", "a" * 40)),
        lambda: StarletteCookie("", user_key=None),
    ]

    for make in made:
        with pytest.raises(ConfigurationError):
            make()


def test_an_old_cookie_under_our_own_name_is_taken_and_replaced() -> None:
    class Same(Shelf):
        cookie = CookieOptions(name="session")

    manager = SessionManager(MemoryStore())
    adoption = Adoption(Same(), until=SOON)
    found = adoption.open(manager, f"session={KEY}".encode())

    assert found is not None
    assert found.session.user_id == "ada"
    assert found.forget_header(CookieOptions(name="session")) is None
    assert found.forget_header(CookieOptions(name="session", domain="example.com")) is not None
    assert Adoption.ours([KEY, "sj1-x"]) == ["sj1-x"]
