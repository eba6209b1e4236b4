"""Binding: which sessions are bound to a key, what opens them, and where that cannot be had."""

from __future__ import annotations

from typing import Any, cast

import pytest

from sojourn import AsyncSessionManager, Client, Event, Policy, ProofRefused, SessionManager
from sojourn.core.binding import Presented, Vouched, require_binding
from sojourn.core.commit import NO_REPLY, plan_open
from sojourn.core.errors import ConfigurationError
from sojourn.core.proof import Asked
from sojourn.core.token import parse
from sojourn.core.transport import Transport
from sojourn.events import SessionCreated, UnprovedToken
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from tests.keys import Key
from tests.unit.blocking import Blocking

ORIGIN = "https://app.example.com"
HERE = Asked("GET", ORIGIN, "/")


class World:
    """A manager, its store, a key, and what was told."""

    def __init__(self, binding: Any = "prefer", kind: str = "threads") -> None:
        self.now, self.kind = 1_800_000_000_000, kind
        self.store, self.key, self.told = MemoryStore(), Key(), list[Event]()
        self.manager = self.with_policy(binding)

    def with_policy(self, binding: Any) -> SessionManager:
        policy, clock = Policy(binding=binding, max_sessions=None), lambda: self.now
        if self.kind == "threads":
            return SessionManager(self.store, policy, clock=clock, on_event=self.told.append)
        store = AsyncMemoryStore(self.store)
        manager = AsyncSessionManager(store, policy, clock=clock, on_event=self.told.append)
        return cast(SessionManager, Blocking(manager))

    def presented(self, key: Key | None = None, *, by_dpop: bool = True, **claims: Any) -> Presented:
        said = {"iat": self.now // 1000, **claims}
        return Presented((key or self.key).proof("GET", ORIGIN + "/", **said), by_dpop, HERE)

    def log_in(self, user: str = "ada", **claims: Any) -> tuple[str, str]:
        """A bound session's token, and its first nonce."""
        session = self.manager.anonymous(presented=self.presented(**claims))
        session.login(user)
        reply = self.manager.commit(session)
        assert reply.token is not None
        assert session._proved is not None
        assert session._proved.nonce is not None
        return reply.token.reveal(), session._proved.nonce

    def log_in_without_a_key(self) -> str:
        """The token of a session that is not bound."""
        session = self.manager.anonymous()
        session.login("ada")
        token = self.manager.commit(session).token
        assert token is not None
        return token.reveal()

    def flaws(self) -> list[str]:
        return [event.flaw for event in self.told if isinstance(event, UnprovedToken)]


def refused(
    world: World, token: str, presented: Presented | Vouched | None = None, by: SessionManager | None = None
) -> str:
    with pytest.raises(ProofRefused) as raised:
        (by or world.manager).open(token, presented=presented)
    return raised.value.flaw


def test_a_session_that_is_made_with_a_proof_opens_with_proofs_of_that_key_alone() -> None:
    world = World()
    token, nonce = world.log_in()

    assert world.manager.open(token, presented=world.presented(token=token, nonce=nonce)).user_id == "ada"
    assert refused(world, token) == "proof-required"
    assert refused(world, token, Presented(None, True, HERE)) == "proof-required"
    assert refused(world, token, world.presented(by_dpop=False, token=token, nonce=nonce)) == "proof-required"
    assert refused(world, token, world.presented(Key(), token=token, nonce=nonce)) == "proof-other-key"
    assert world.flaws() == ["proof-required"] * 3 + ["proof-other-key"]
    assert {event.user_id for event in world.told if isinstance(event, UnprovedToken)} == {"ada"}


@pytest.mark.parametrize("kind", ["threads", "event loop"])
def test_a_proof_is_good_once_also_for_making_a_session(kind: str) -> None:
    world = World(kind=kind)
    token, nonce = world.log_in(jti="first")
    used = world.presented(token=token, nonce=nonce)
    world.manager.open(token, presented=used)

    assert refused(world, token, used) == "proof-replayed"
    assert world.flaws() == ["proof-replayed"]
    with pytest.raises(ProofRefused, match="used before"):
        world.log_in("eve", jti="first")
    assert world.manager.list("eve") == []


def test_the_event_of_a_new_session_and_what_is_listed_say_whether_it_is_bound() -> None:
    world = World()
    world.log_in("ada")
    free = world.manager.anonymous()
    free.login("ada")
    world.manager.commit(free)

    assert [event.bound for event in world.told if isinstance(event, SessionCreated)] == ["browser", None]
    assert sorted(str(each.bound) for each in world.manager.list("ada")) == ["None", "browser"]
    assert (world.manager.stats().live, world.manager.stats().bound) == (2, 1)


def test_what_only_lacks_a_fresh_nonce_is_no_news() -> None:
    world = World()
    token, _ = world.log_in()

    assert refused(world, token, world.presented(token=token)) == "proof-without-nonce"
    assert world.flaws() == []


def test_a_session_that_was_made_without_a_proof_is_never_bound_later() -> None:
    world = World()
    token = world.log_in_without_a_key()
    again = world.manager.open(token, presented=world.presented())
    again["a"] = 1
    world.manager.commit(again)

    assert world.manager.open(token)["a"] == 1


def test_a_request_without_a_proof_opens_a_session_that_is_not_bound() -> None:
    world = World()
    token = world.log_in_without_a_key()

    assert world.manager.open(token, presented=Presented(None, False, HERE)).user_id == "ada"


def test_a_new_log_in_takes_the_key_of_its_own_request() -> None:
    world = World()
    token = world.log_in_without_a_key()
    again = world.manager.open(token, presented=world.presented())
    again.login("ada")
    bound = world.manager.commit(again).token
    assert bound is not None

    assert refused(world, bound.reveal()) == "proof-required"
    [record] = [each for each in world.store.scan("", 9) if each.ended_at is None]
    assert record.key_thumbprint == world.key.thumbprint


@pytest.mark.parametrize("kind", ["threads", "event loop"])
def test_a_dead_token_is_no_hindrance_and_a_strangers_tells_nothing(kind: str) -> None:
    world = World(kind=kind)
    token, _ = world.log_in()
    world.manager.revoke(token[4:36])

    assert world.manager.open(token).end_reason == "revoked"
    assert world.manager.open(token, presented=world.presented()).status == "ended"
    live, _ = world.log_in()
    made_up = live[:37] + "0" * 64
    assert world.manager.open(made_up).status == "none"
    assert world.manager.open("nonsense", presented=world.presented())._proved is not None
    assert world.flaws() == []


def test_whoever_has_no_key_ends_nothing_with_an_old_token() -> None:
    world = World()
    token, nonce = world.log_in()

    assert refused(world, token[:-32] + "0" * 32) == "proof-required"
    assert world.manager.open(token, presented=world.presented(token=token, nonce=nonce)).user_id == "ada"


def test_a_session_of_another_realm_is_none_here() -> None:
    world = World()
    token, _ = world.log_in()
    other = SessionManager(world.store, Policy(binding="prefer"), realm="shop", clock=lambda: world.now)

    assert other.open(token).status == "none"


def test_a_bound_session_stays_bound_where_the_policy_binds_none() -> None:
    world = World()
    token, _ = world.log_in()

    assert refused(world, token, by=world.with_policy("off")) == "proof-required"


def test_where_nothing_is_bound_a_proof_is_not_looked_at() -> None:
    world = World("off")
    session = world.manager.anonymous(presented=Presented("no proof", True, HERE))

    assert session._proved is None


def test_a_policy_that_requires_a_key_makes_and_opens_no_session_without() -> None:
    world = World()
    token = world.log_in_without_a_key()
    strict = world.with_policy("require")

    assert refused(world, token, by=strict) == "proof-required"
    session = strict.anonymous()
    session.login("ada")
    with pytest.raises(ProofRefused):
        strict.commit(session)
    assert strict.anonymous().status == "none"
    assert strict.open("0" * 101).status == "none"


def test_no_caller_of_the_core_opens_a_bound_session_unproved() -> None:
    world = World()
    token, _ = world.log_in()
    record, parsed = world.store.get(token[4:36]), parse(token)
    assert parsed is not None

    for_a_new_one = world.manager.anonymous(presented=world.presented(Key()))._proved
    for proved in (None, for_a_new_one):
        with pytest.raises(ProofRefused):
            plan_open(record, parsed, world.manager.policy, world.now, Client(), proved=proved)


def test_a_back_end_vouches_for_the_key_that_its_request_proved_and_for_no_other() -> None:
    world = World()
    token, _ = world.log_in("ada")
    opened = world.manager.open(token, presented=Vouched(world.key.thumbprint))
    assert (opened.user_id, opened._proved is not None) == ("ada", True)
    assert refused(world, token, Vouched(Key().thumbprint)) == "proof-other-key"

    again = world.manager.anonymous(presented=Vouched(world.key.thumbprint))
    again.login("ada")
    reply = world.manager.commit(again)
    assert reply.token is not None
    assert refused(world, reply.token.reveal()) == "proof-required"
    off = world.with_policy("off")
    assert off.anonymous(presented=Vouched(world.key.thumbprint))._proved is None


def test_the_notes_of_used_proofs_go_with_a_clean_up_after_twelve_minutes() -> None:
    world = World()
    token, nonce = world.log_in()
    for _ in range(5):
        world.manager.open(token, presented=world.presented(token=token, nonce=nonce))
    assert len(world.store.marks("", 99)) == 6
    world.now += 12 * 60_000 + 1
    world.manager.delete_expired()

    assert world.store.marks("", 99) == []
    assert world.manager.get(token[4:36]) is not None


def test_a_new_nonce_comes_before_the_one_in_use_runs_out() -> None:
    world = World()
    token, nonce = world.log_in()
    early = world.manager.open(token, presented=world.presented(token=token, nonce=nonce))
    world.now += 200_000
    late = world.manager.open(token, presented=world.presented(token=token, nonce=nonce))

    assert early._proved is not None
    assert late._proved is not None
    assert early._proved.nonce is None
    assert late._proved.nonce not in (None, nonce)
    answered = dict(Transport(public_origin=ORIGIN).answer(late, NO_REPLY, bearer=True))
    assert answered["dpop-nonce"] == late._proved.nonce
    assert answered["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("policy", "origin", "readable", "adopts", "cookies", "words"),
    [
        ("off", ORIGIN, True, False, True, "in vain"),
        ("prefer", None, True, False, False, "needs public_origin"),
        ("prefer", "http://localhost", False, False, False, "script_readable_tokens=True"),
        ("require", ORIGIN, True, True, True, "Adopted"),
    ],
)
def test_what_cannot_be_is_told_at_the_start(
    policy: Any, origin: str | None, readable: bool, adopts: bool, cookies: bool, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        require_binding(Policy(binding=policy), origin, readable, adopts, cookies)


def test_what_can_be_is_not() -> None:
    require_binding(Policy(binding="prefer"), ORIGIN, True, True, True)
    require_binding(Policy(binding="prefer"), ORIGIN, False, True, True)
    require_binding(Policy(binding="require"), ORIGIN, True, False, False)
