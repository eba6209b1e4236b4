"""What a token opens, and what it never does. Over a store in memory."""

from __future__ import annotations

import asyncio
import os

import pytest

from sojourn import AsyncSessionManager, Policy
from sojourn.core.binding import Proved
from sojourn.core.codec import join
from sojourn.core.events import Ended, UnknownToken
from sojourn.core.record import Record
from sojourn.core.store import Stats
from sojourn.core.token import mint
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.testing.records import HOUR, MINUTE, NOW
from tests.unit.site import Site, id_of

# Opening


def test_an_unknown_token_is_never_adopted() -> None:
    site = Site()
    token = mint(None, os.urandom).reveal()
    session = site.visit(token)

    assert (session.status, session.id, session._presented) == ("none", None, True)
    assert site.events == [UnknownToken(at=NOW, id=id_of(token), cause="unknown")]
    session["a"] = 1
    fresh = site.commit(session)
    assert fresh is not None
    assert id_of(fresh) != id_of(token)
    assert site.store.get(id_of(token)) is None


def test_a_text_that_is_no_token_is_refused_without_a_read() -> None:
    site = Site()
    session = site.visit("../etc/passwd")

    assert session.status == "none"
    assert site.events == [UnknownToken(at=NOW, cause="malformed")]
    assert site.store.stats(NOW) == Stats(0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("over", [False, True], ids=["live", "ended"])
def test_a_wrong_secret_opens_nothing_tells_nothing_and_ends_nothing(over: bool) -> None:
    site = Site()
    token = site.begin("ada", a=1)
    if over:
        site.manager.revoke(id_of(token))
    before = site.record(token)
    site.events.clear()
    session = site.visit(token[:37] + ("0" if token[37] != "0" else "1") + token[38:])

    assert (session.status, session.id, session.end_reason, dict(session)) == ("none", None, None, {})
    assert site.events == [UnknownToken(at=NOW, id=id_of(token), cause="wrong_secret")]
    assert site.record(token) is before


def test_the_right_token_opens_the_session() -> None:
    site = Site()
    session = site.visit(site.begin("ada", a=1))

    assert (session.status, session.user_id, session["a"]) == ("active", "ada", 1)
    assert site.events == []


@pytest.mark.parametrize(
    ("policy", "wait", "reason"),
    [
        (Policy(), 30 * MINUTE, "idle_timeout"),
        (Policy(idle_timeout=1800, absolute_timeout=1800), 30 * MINUTE, "absolute_timeout"),
    ],
)
def test_a_time_out_is_noticed_written_down_and_told_once(policy: Policy, wait: int, reason: str) -> None:
    site = Site(policy)
    token = site.begin("ada", a=1)
    site.clock.forward(wait - 1)
    assert site.visit(token).status == "active"

    at = site.clock.forward(1)
    session = site.visit(token)
    assert (session.status, session.end_reason, dict(session)) == ("ended", reason, {})
    assert site.events == [Ended(at=at, id=id_of(token), user_id="ada", reason=reason, by="policy")]  # type: ignore[arg-type]
    record = site.record(token)
    assert (record.end_reason, record.ended_at, record.data) == (reason, at, {})

    site.clock.forward(HOUR)
    assert site.visit(token).end_reason == reason
    assert len(site.events) == 1


def test_a_revoked_session_says_why_on_every_visit_and_writes_nothing() -> None:
    site = Site()
    token = site.begin("ada")
    site.manager.revoke(id_of(token))
    before = site.record(token)

    assert site.visit(token).end_reason == "revoked"
    assert site.visit(token).end_reason == "revoked"
    assert site.record(token) is before


class AtHand(AsyncMemoryStore):
    """A store that has what it was asked for at hand, as a cache has."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, Record] = {}

    async def get(self, id: str) -> Record | None:
        found = await super().get(id)
        if found is not None:
            self._seen[id] = found
        return found

    def at_hand(self, id: str) -> Record | None:
        return self._seen.get(id)


def test_a_live_session_that_the_store_has_at_hand_is_opened_without_a_wait() -> None:
    async def visit() -> None:
        manager = AsyncSessionManager(AtHand(), clock=lambda: NOW)
        session = manager.anonymous()
        session.login("ada")
        session["theme"] = "dark"
        issued = (await manager.commit(session)).token
        assert issued is not None
        token = issued.reveal()

        assert manager.open_at_hand(token) is None, "it is not at hand yet"
        await manager.open(token)
        found = manager.open_at_hand(token)
        assert found is not None
        assert (found.user_id, join(found._encoded())) == ("ada", '{"theme":"dark"}')

        assert manager.open_at_hand("no token") is None
        assert manager.open_at_hand(token[:-1] + ("0" if token[-1] != "0" else "1")) is None
        await manager.revoke(id_of(token))
        await manager.open(token)
        assert manager.open_at_hand(token) is None, "it is over: to open it tells so"

    asyncio.run(visit())


def test_a_session_that_is_bound_to_a_key_is_not_opened_at_hand() -> None:
    async def visit() -> None:
        store = AtHand()
        manager = AsyncSessionManager(store, clock=lambda: NOW)
        session = manager.anonymous()
        session.login("ada")
        session._proved = Proved("thumbprint", "00", None, at_once=True)
        issued = (await manager.commit(session)).token
        assert issued is not None
        await store.get(issued.id)

        assert manager.open_at_hand(issued.reveal()) is None

    asyncio.run(visit())


def test_a_store_without_a_cache_has_nothing_at_hand() -> None:
    async def visit() -> None:
        manager = AsyncSessionManager(AsyncMemoryStore(), clock=lambda: NOW)
        session = manager.anonymous()
        session.start()
        issued = (await manager.commit(session)).token
        assert issued is not None
        assert manager.open_at_hand(issued.reveal()) is None

    asyncio.run(visit())
