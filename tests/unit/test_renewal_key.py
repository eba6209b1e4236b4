"""Renewal keys: what a cookie's session takes for its renewal, and what it is without; no honest browser suffers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from sojourn import AsyncSessionManager, Event, Policy, ProofRefused, ReauthenticationRequired, Session, SessionManager
from sojourn.core.binding import Presented, Vouched, offer
from sojourn.core.cookie import CookieOptions
from sojourn.core.copy import plan_copy
from sojourn.core.dbsc import Asking, Cookies
from sojourn.core.place import Place
from sojourn.core.proof import Asked, make_nonce
from sojourn.core.proved import Device, Kept
from sojourn.core.record import RENEWAL_KEY, Client, Record
from sojourn.core.renewal_key import open_kept, prove_kept
from sojourn.core.store import Commit
from sojourn.core.token import parse
from sojourn.events import Ended, SessionCreated, UnprovedToken
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from tests.keys import Key, device_proof
from tests.unit.blocking import Blocking

ORIGIN = "https://app.example.com"
HERE = Asked("GET", ORIGIN, "/")
PLACE = Place(ORIGIN, "/session", CookieOptions())
INTERVAL = 3600_000
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "proofs.json").read_text("utf-8"))


class World:
    """A manager whose sessions take a key for their renewal, its store, an owner's key and token, and what was told."""

    def __init__(self, binding: Any = "prefer", kind: str = "threads", **policy: Any) -> None:
        self.now = 1_800_000_000_000
        self.store, self.key, self.told = MemoryStore(), Key(), list[Event]()
        rules, clock = Policy(**{"binding": binding, "idle_timeout": 12 * 3600, **policy}), lambda: self.now
        self.manager = SessionManager(self.store, rules, clock=clock, on_event=self.told.append)
        if kind == "event loop":
            manager = AsyncSessionManager(AsyncMemoryStore(self.store), rules, clock=clock, on_event=self.told.append)
            self.manager = cast(SessionManager, Blocking(manager))
        self.token = ""

    def proof(self, key: Key | None = None, **claims: Any) -> Cookies:
        """What a request shows that brings one."""
        said = {"iat": self.now // 1000, **claims}
        return Cookies((), None, (key or self.key).proof("GET", ORIGIN + "/", **said), HERE, True)

    def log_in(self, shown: Cookies | None = None, **login: Any) -> Record:
        session = self.manager.anonymous(presented=shown or self.proof())
        session.login("ada", **login)
        token = self.manager.commit(session).token
        assert token is not None
        self.token = token.reveal()
        return self.record

    @property
    def record(self) -> Record:
        found = self.store.get(self.token[4:36])
        assert found is not None
        return found

    def visit(self, shown: Cookies | None = None, token: str | None = None) -> tuple[Session, str | None]:
        """A request, and the new token that its answer brings; a browser that shows its cookie keeps it."""
        session = self.manager.open(token or self.token, presented=shown or Cookies())
        reply = self.manager.commit(session)
        renewed = reply.token.reveal() if reply.token else None
        if renewed is not None and token is None:
            self.token = renewed
        return session, renewed

    def nonce(self) -> str:
        """The one that the client is given when a proof is due."""
        session, _ = self.visit()
        assert session._kept is not None
        assert session._kept.wants is not None
        return session._kept.wants

    def prove(self) -> str | None:
        """As the client does when it is asked; the new token."""
        return self.visit(self.proof(nonce=self.nonce()))[1]

    def owes(self) -> bool:
        """Whether the owner's page is asked for a log-in of the last day."""
        session, _ = self.visit()
        if session.level == "aal2":
            session.require_login(within=86400, level="aal2")
            return False
        with pytest.raises(ReauthenticationRequired) as raised:
            session.require_login(within=86400)
        assert (session.level, raised.value.nonce is not None) == (None, True)
        return True

    def flaws(self) -> list[str]:
        return [event.flaw for event in self.told if isinstance(event, UnprovedToken)]


def refused(world: World, shown: Any, token: str = "") -> str:
    with pytest.raises(ProofRefused) as raised:
        world.manager.open(token or world.token, presented=shown)
    return raised.value.flaw


@pytest.mark.parametrize("kind", ["threads", "event loop"])
def test_a_log_in_in_a_cookie_that_brings_a_proof_is_bound_to_its_key_and_opens_without(kind: str) -> None:
    world = World(kind=kind)
    record = world.log_in()

    assert (record.bound, record.renewal_key, record.key_thumbprint) == ("browser", world.key.thumbprint, None)
    assert world.visit()[0].user_id == "ada"
    assert world.manager.open(world.token).user_id == "ada"
    assert [event.bound for event in world.told if isinstance(event, SessionCreated)] == ["browser"]
    assert [each.bound for each in world.manager.list("ada")] == ["browser"]
    assert world.manager.stats().bound == 1


@pytest.mark.parametrize("kind", ["threads", "event loop"])
def test_the_token_is_renewed_for_a_proof_of_this_key_with_a_nonce_of_this_session_once(kind: str) -> None:
    world = World(kind=kind)
    world.log_in()
    first = world.token
    assert world.visit(world.proof(nonce="not asked for"))[1] is None
    world.now += INTERVAL
    nonce = world.nonce()

    for shown in (Cookies(), world.proof(Key(), nonce=nonce)):
        session, renewed = world.visit(shown)
        assert (session.user_id, renewed) == ("ada", None)
    assert refused(world, world.proof()) == "proof-without-nonce"
    assert refused(world, world.proof(nonce=make_nonce(b"another session's", world.now))) == "proof-stale-nonce"
    good = world.proof(nonce=nonce)
    assert world.visit(good)[1] == world.token != first
    assert world.visit(world.proof(nonce=nonce), first)[1] is None
    # As if that answer had been lost.
    world.now += 20_000
    assert refused(world, good, first) == "proof-replayed"


def test_a_session_that_goes_without_a_proof_for_long_is_at_no_level_until_it_proves() -> None:
    world = World()
    world.log_in(level="aal2")
    world.now += 2 * INTERVAL - 1
    assert not world.owes()
    world.now += 1

    assert world.owes()
    session, _ = world.visit()
    assert session.require_login() == "ada"
    with pytest.raises(ReauthenticationRequired):
        session.require_login(level="aal1")
    proved, renewed = world.visit(world.proof(nonce=world.nonce()))
    assert (proved.level, proved.require_login(within=86400), renewed) == ("aal2", "ada", world.token)
    assert not world.owes()


def test_a_log_in_anew_is_at_its_level_whatever_was_owed() -> None:
    world = World()
    world.log_in(level="aal2")
    world.now += 2 * INTERVAL
    session = world.manager.open(world.token, presented=world.proof(Key()))
    session.login("ada", level="aal1")

    assert session.require_login(within=60, level="aal1") == "ada"
    world.manager.commit(session)
    assert session.level == "aal1"


def test_a_short_interval_gives_a_minute_of_credit() -> None:
    world = World(rotate_interval=0)
    world.log_in(level="aal2")
    world.now += 59_999
    assert not world.owes()
    world.now += 1
    assert world.owes()


def test_who_copied_the_cookie_is_left_behind_and_signs_nobody_out() -> None:
    world = World()
    world.log_in(level="aal2")
    loot, thief = world.token, Key()
    world.now += INTERVAL
    assert world.prove() is not None
    world.visit()
    world.now += 61_000

    session, _ = world.visit(world.proof(thief), loot)
    assert (session.status, session.user_id) == ("none", None)
    assert world.flaws() == ["proof-required"]
    assert world.visit()[0].user_id == "ada"
    assert not world.owes()
    assert [event for event in world.told if isinstance(event, Ended)] == []


def test_no_key_is_taken_into_a_live_session() -> None:
    world = World()
    before = world.log_in().secrets
    for wish in ("regenerate", "start"):
        session = world.manager.open(world.token, presented=world.proof(Key()))
        session["a"] = 1
        getattr(session, wish)()
        reply = world.manager.commit(session)
        world.token = reply.token.reveal() if reply.token else world.token
        assert world.record.secrets.key == before.key


def test_a_session_that_was_made_without_a_proof_takes_none_later_nor_before_its_log_in() -> None:
    world = World()
    session = world.manager.anonymous(presented=world.proof())
    session["a"] = 1
    token = world.manager.commit(session).token
    assert token is not None
    assert session._live is not None
    assert (session._live.bound, session._live.nonce_key) == (None, "")
    world.log_in(Cookies())

    session, _ = world.visit(world.proof())
    assert (session.user_id, world.record.bound) == ("ada", None)
    world.now += INTERVAL
    assert world.visit()[1] is not None


def test_a_new_id_is_no_proof() -> None:
    world = World()
    world.log_in(level="aal2")
    world.now += 2 * INTERVAL
    session = world.manager.open(world.token, presented=Cookies())
    session.regenerate()
    reply = world.manager.commit(session)
    assert reply.token is not None
    world.token = reply.token.reveal()

    assert world.owes()
    assert world.prove() is not None
    assert not world.owes()


def test_what_a_proof_brought_lasts_from_then_on_however_late_it_is_shown() -> None:
    world = World()
    world.log_in(level="aal2")
    world.now += INTERVAL
    world.prove()
    world.now += 2 * INTERVAL

    assert world.visit()[0].user_id == "ada"
    assert world.owes()


@pytest.mark.parametrize("pause", [7_000, 700_000])
def test_no_honest_browser_suffers_from_answers_that_are_lost(pause: int) -> None:
    """Of the renewals, all are: the client proves each time that it is asked to, and keeps its first token."""
    world = World()
    world.log_in(level="aal2")
    first = world.token
    for _ in range(11 * INTERVAL // pause):
        world.now += pause
        session, _ = world.visit(token=first)
        assert session._kept is not None
        if session._kept.wants is not None:
            session, _ = world.visit(world.proof(nonce=session._kept.wants), first)
        assert (session.user_id, session.level) == ("ada", "aal2")
    assert len(world.record.secrets.next) < 20


def test_tabs_that_prove_at_once_are_all_served_and_one_renews() -> None:
    world = World()
    world.log_in()
    world.now += INTERVAL
    nonce = world.nonce()
    tabs = [world.manager.open(world.token, presented=world.proof(nonce=nonce)) for _ in range(3)]

    assert [world.manager.commit(tab).token is not None for tab in tabs] == [True, False, False]
    assert len(world.record.secrets.next) == 1


def test_where_it_is_required_a_session_that_owes_a_proof_is_opened_for_one_alone() -> None:
    world = World("require")
    world.log_in()
    world.now += 2 * INTERVAL - 1
    assert world.visit()[0].user_id == "ada"
    world.now += 1

    with pytest.raises(ProofRefused) as raised:
        world.manager.open(world.token, presented=Cookies((), reads=True))
    assert (raised.value.flaw, raised.value.device) == ("proof-required", None)
    assert refused(world, None) == "proof-required"
    # A page that is loaded is to load the client, and a form may be a log-in's.
    for shown in (Cookies(), replace(world.proof(Key()), reads=False)):
        assert world.manager.open(world.token, presented=shown).status == "none"
    assert world.flaws() == ["proof-required", "proof-required"]
    assert refused(world, world.proof(Key())) == "proof-other-key"
    assert world.visit(world.proof(nonce=raised.value.nonce))[0].user_id == "ada"
    assert world.visit()[0].user_id == "ada"


def test_the_token_of_a_cookie_is_no_scripts() -> None:
    world = World()
    world.log_in()

    assert refused(world, Presented(None, False, HERE)) == "proof-required"
    assert refused(world, Presented(world.proof().proof, True, HERE)) == "proof-required"
    assert refused(world, Vouched(world.key.thumbprint)) == "proof-required"


def test_what_a_back_end_says_was_proved_renews_and_another_s_key_does_not() -> None:
    world = World()
    world.log_in()
    world.now += INTERVAL + 1
    owner = Vouched(world.key.thumbprint, Cookies())

    assert refused(world, Vouched(Key().thumbprint, Cookies())) == "proof-other-key"
    assert world.visit(owner)[1] is not None  # type: ignore[arg-type]


def test_a_clock_that_is_wrong_is_told_the_time() -> None:
    world = World()
    wrong = world.now // 1000 + 7200
    with pytest.raises(ProofRefused) as raised:
        world.manager.anonymous(presented=world.proof(iat=wrong))
    assert (raised.value.flaw, raised.value.nonce) == ("proof-time", str(world.now // 1000))
    world.log_in()
    world.now += INTERVAL
    with pytest.raises(ProofRefused) as raised:
        world.manager.open(world.token, presented=world.proof(nonce=world.nonce(), iat=wrong))
    assert str(raised.value.nonce).startswith(str(world.now // 1000))


@pytest.mark.parametrize("policy", [{"binding": "off"}, {"rotate_interval": None}])
def test_where_nothing_is_bound_or_renewed_no_key_is_kept(policy: dict[str, Any]) -> None:
    world = World(**policy)

    assert world.log_in().bound is None


def offered(world: World) -> tuple[Asking, Cookies]:
    """A log-in that brought a proof: what the browser that has a key of its own sends for it, and its bound cookie."""
    session = world.manager.anonymous(presented=world.proof())
    session._offers = True
    session.login("ada", level="aal2")
    token, told = world.manager.commit(session).token, session._told
    assert token is not None
    assert told is not None
    world.token = token.reveal()
    proof = device_proof(Key(), told.challenge, register=True)
    asking = Asking("register", proof, "", ORIGIN + "/session/dbsc/register", PLACE)
    return asking, Cookies([f"{told.of}={told.cookie}"])


def test_a_browser_that_registers_a_key_of_its_own_is_asked_for_that_alone() -> None:
    world = World()
    asking, bound = offered(world)

    world.visit(cast(Cookies, asking))
    assert world.record.bound == "hardware"
    assert refused(world, Cookies()) == "proof-required"
    assert world.visit(bound)[0].user_id == "ada"
    world.now += 600_000
    late = Asking("refresh", None, bound.bound[0].partition("=")[0], ORIGIN + "/session/dbsc/refresh", PLACE)
    assert refused(world, late) == "proof-required"


@pytest.mark.parametrize("first", ["renewal", "registration"])
@pytest.mark.parametrize("by", ["itself", "a service"])
def test_a_renewal_by_a_proof_and_a_registration_at_once_both_succeed(first: str, by: str) -> None:
    """A service has taken the proof when its back end commits, and opens the session anew for that."""
    world = World(rotate_interval=60)
    asking, bound = offered(world)
    world.now += 61_000
    signed = replace(world.proof(nonce=world.nonce()), bound=bound.bound)
    renewing, registering = (world.manager.open(world.token, presented=shown) for shown in (signed, asking))

    def renew() -> str | None:
        session = renewing
        if by == "a service":
            session = world.manager.open(world.token, presented=Vouched(world.key.thumbprint, bound))
        token = world.manager.commit(session).token
        return token.reveal() if token else None

    renewed = renew() if first == "renewal" else None
    world.manager.commit(registering)
    renewed = renewed or renew()

    assert world.record.bound == "hardware"
    assert renewed is not None
    for token in (renewed, world.token):
        assert world.visit(bound, token)[0].user_id == "ada"
        assert refused(world, Vouched(world.key.thumbprint, Cookies()), token) == "proof-required"


def test_a_refresh_of_the_session_before_does_a_session_no_harm() -> None:
    world = World("require")
    world.log_in()
    stale = Asking("refresh", None, "of another", ORIGIN + "/session/dbsc/refresh", PLACE)

    assert world.visit(cast(Cookies, stale))[0]._told is None
    assert world.visit()[0].user_id == "ada"


def test_a_copy_of_a_store_keeps_the_key_and_takes_the_browsers_own_for_it() -> None:
    world = World()
    script = world.log_in()
    hardware = replaced(script, "ES256 x y")
    for source, target in ((script, hardware), (hardware, script)):
        plan = plan_copy(source, target, world.now, 0)
        renewed = [write.secrets[1].key for write in plan.writes if isinstance(write, Commit) and write.secrets]
        assert renewed == (["ES256 x y"] if source is hardware else [])


def replaced(record: Record, key: str) -> Record:
    return replace(record, secrets=replace(record.secrets, key=key))


@pytest.mark.parametrize("vector", VECTORS["proofs"], ids=lambda vector: str(vector["why"]))
def test_a_proof_renews_or_is_refused_with_the_code_of_what_is_wrong(vector: dict[str, Any]) -> None:
    """As where it goes with each request, but that it is for no token, and that another key is one for a log-in."""
    world = World()
    kept = replaced(world.log_in(), RENEWAL_KEY + VECTORS["thumbprint"])
    secrets = replace(kept.secrets, rotated_at=VECTORS["now"] - INTERVAL)
    kept = replace(kept, nonce_key=VECTORS["nonce_key"], secrets=secrets)
    token, shown = parse(world.token), Cookies((), None, vector["proof"], Asked(**VECTORS["request"]), True)
    assert token is not None

    def renews() -> bool:
        return prove_kept(kept, token, shown, world.manager.policy, VECTORS["now"], os.urandom).renews

    if vector["problem"] in (None, "proof-token", "proof-other-key"):
        assert renews() == (vector["problem"] != "proof-other-key")
    else:
        with pytest.raises(ProofRefused) as raised:
            renews()
        assert raised.value.flaw == vector["problem"]


def test_what_the_browser_s_own_key_proves_opens_no_session_that_takes_a_script_s() -> None:
    world = World()
    record, token = world.log_in(), parse(world.token)
    assert token is not None

    with pytest.raises(ProofRefused, match="proof"):
        open_kept(record, token, Device(), "current", world.now, Client())
    assert not Kept().is_forged


def test_a_browser_that_has_registered_its_own_key_is_offered_none() -> None:
    world = World()
    record = world.log_in()
    bound = replace(record, secrets=replace(record.secrets, key="ES256 its-own"))

    assert offer(record, world.now, os.urandom) is not None
    assert offer(bound, world.now, os.urandom) is None
