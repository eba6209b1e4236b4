"""Who did what: each event that changes something says it, and the address that it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from sojourn import AsyncSessionManager, Policy, SessionManager
from sojourn.core.errors import ConfigurationError
from sojourn.core.events import CleanedUp, Ended, Event, LoggedIn, Merged, RevokedAll, TokenReused, UnknownToken
from sojourn.core.record import Client
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.testing.records import NOW
from tests.unit.blocking import Blocking
from tests.unit.clock import Clock

HOUR = 3_600_000
ADA = Client("192.0.2.1", "Firefox")


class Site:
    """A manager of either kind, and its events."""

    def __init__(self, kind: str) -> None:
        self.kind, self.store, self.clock = kind, MemoryStore(), Clock()
        self.events: list[Event] = []
        self.manager = self.make()

    def make(self, policy: Policy | None = None) -> SessionManager:
        """A manager over the same store."""
        if self.kind == "threads":
            return SessionManager(self.store, policy, clock=self.clock, on_event=self.events.append)
        store = AsyncMemoryStore(self.store)
        made = AsyncSessionManager(store, policy, clock=self.clock, on_event=self.events.append)
        return cast(SessionManager, Blocking(made))

    def log_in(self, user: str = "ada", **login: Any) -> str:
        """The token of a user who logged in from ADA's browser."""
        session = self.manager.anonymous(ADA)
        session.login(user, **login)
        token = self.manager.commit(session).token
        assert token is not None
        return token.reveal()

    def told(self) -> list[tuple[str, str | None, str]]:
        """What was told since this was asked last: the kind of event, who, and from where."""
        found = [(type(event).__name__, event.by, event.address) for event in self.events]
        self.events.clear()
        return found


@pytest.fixture(params=["threads", "event loop"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """One with threads, one with an event loop."""
    site = Site(request.param)
    yield site
    site.manager.close()


def id_of(token: str) -> str:
    """The public part."""
    return token[4:36]


def test_the_user_logs_in_steps_up_and_logs_out_from_an_address(site: Site) -> None:
    token = site.log_in(level="aal1", methods=("pwd",))
    assert site.told() == [("SessionCreated", "user", "192.0.2.1"), ("LoggedIn", "user", "192.0.2.1")]

    session = site.manager.open(token, ADA)
    session.login("ada", level="aal2", methods=("pwd", "otp"))
    site.manager.commit(session)
    step_up = next(event for event in site.events if isinstance(event, LoggedIn))
    assert (step_up.level, step_up.methods, step_up.replaced) == ("aal2", ("pwd", "otp"), id_of(token))

    site.events.clear()
    session.logout()
    site.manager.commit(session)
    assert site.told() == [("Ended", "user", "192.0.2.1")]


def test_of_an_address_no_more_is_told_than_the_policy_keeps(site: Site) -> None:
    site.manager = site.make(Policy(keep_client="network"))
    token = site.log_in()
    site.manager.revoke(id_of(token), address="198.51.100.7")

    assert [address for _, _, address in site.told()] == ["192.0.2.0/24", "192.0.2.0/24", "198.51.100.0/24"]


def test_nobody_but_the_policy_ends_what_ran_out_or_was_stolen(site: Site) -> None:
    tokens = [site.log_in() for _ in range(2)]
    site.events.clear()
    stolen = tokens[0][:-32] + "0" * 32
    site.manager.open(stolen, Client("203.0.113.9"))
    assert site.told() == [("TokenReused", "policy", "203.0.113.9"), ("Ended", "policy", "203.0.113.9")]

    site.clock.forward(13 * HOUR)
    assert not site.manager.revoke(id_of(tokens[1]), by="user", address="203.0.113.9")
    assert site.told() == [("Ended", "policy", "203.0.113.9")]


def test_who_is_refused_did_nothing_and_came_from_somewhere(site: Site) -> None:
    site.manager.open("nothing", ADA)

    assert site.told() == [("UnknownToken", None, "192.0.2.1")]


@pytest.mark.parametrize(
    "by",
    [
        "user",
        "application",
        "application:billing",
        f"session:{'0' * 32}",
        "key:1a2b3c4d",
        "cli:ada",
        "cli:AD\\Ada B",
    ],
)
def test_who_revokes_is_told_of(site: Site, by: str) -> None:
    token = site.log_in()
    site.events.clear()

    assert site.manager.revoke(id_of(token), by=by, address="198.51.100.7")
    assert site.told() == [("Ended", by, "198.51.100.7")]


@pytest.mark.parametrize("by", ["", "ada", "policy", "cleanup", "session:1", "key:", "cli:a\nb", "cli:\ud800", 7])
def test_a_name_that_is_nobodys_or_ours_alone_is_refused_and_nothing_ends(site: Site, by: Any) -> None:
    token = site.log_in()

    calls: list[Callable[[], object]] = [
        lambda: site.manager.revoke(id_of(token), by=by),
        lambda: site.manager.revoke_all("ada", by=by),
        lambda: site.manager.revoke_everything(by=by),
        lambda: site.manager.erase("ada", by=by),
    ]
    for call in calls:
        with pytest.raises(ConfigurationError, match="by="):
            call()
    assert site.manager.open(token).user_id == "ada"


def test_an_end_of_many_tells_of_each_and_that_it_was_all(site: Site) -> None:
    site.log_in()
    site.log_in("bob")
    site.events.clear()

    assert site.manager.revoke_everything(by="cli:ada") == 2
    *ends, last = site.events
    assert [(type(end), end.by) for end in ends] == [(Ended, "cli:ada")] * 2
    assert last == RevokedAll(at=NOW, ended=2, by="cli:ada")

    site.events.clear()
    assert site.manager.erase("ada", by="cli:ada") == 1
    # What began before can be made no more, though there was nothing to end.
    assert site.events == [RevokedAll(at=NOW, user_id="ada", ended=0, by="cli:ada")]


def test_the_clean_up_tells_how_much_it_deleted_and_nothing_where_that_is_nothing(site: Site) -> None:
    site.log_in()
    site.events.clear()
    site.manager.delete_expired()
    assert site.events == []

    at = site.clock.forward(48 * HOUR)
    assert site.manager.delete_expired() == 1
    assert site.events == [CleanedUp(at=at, deleted=1, by="cleanup")]


def test_an_event_names_nobody_where_nobody_changed_anything() -> None:
    assert Merged(at=NOW, keys=("a",)).by is None
    assert UnknownToken(at=NOW, cause="malformed").by is None
    assert TokenReused(at=NOW).address == ""
