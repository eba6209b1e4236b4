"""DBSC: a browser's own key, what it signs, and what is made of it without a store."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from starlette.applications import Starlette

from sojourn import AsyncSessionManager, CookieOptions, Event, Policy, ProofRefused, SessionManager, StoreUnavailable
from sojourn.asgi import SessionMiddleware
from sojourn.core.binding import Presented
from sojourn.core.commit import is_upkeep
from sojourn.core.dbsc import Asking, Cookies, Shown, Told, good_until, name, refreshed, registered, skipped_for, tell
from sojourn.core.errors import ConfigurationError, InvalidData, SojournError
from sojourn.core.place import Place
from sojourn.core.problem import invalid_data, problem_of
from sojourn.core.proof import Asked
from sojourn.core.session import Session
from sojourn.core.store import Applied, Commit, Refused
from sojourn.core.transport import Transport
from sojourn.events import Ended, KeyRegistered, RefreshSkipped, Rotated, UnprovedToken
from sojourn.exchange import Wiring
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from tests.keys import Key, device_proof

VECTORS, DEVICES = (
    json.loads((Path(__file__).parents[1] / "vectors" / f"{name}.json").read_text("utf-8"))
    for name in ("proofs", "devices")
)
NOW: int = VECTORS["now"]
NONCE_KEY = bytes.fromhex(VECTORS["nonce_key"])
DEVICE = VECTORS["device"]
PLACE = Place(DEVICE["origin"], DEVICE["path"], CookieOptions())
MINUTE = 60_000


def asking(action: str, proof: str | None, of: str = "", place: Place = PLACE) -> Asking:
    found = place.asking(f"{DEVICE['path']}/dbsc/{action}", proof, of)
    assert found is not None
    return found


def judge(vector: dict[str, Any]) -> str | None:
    """What the proof is refused with, or ends the session as; None where it is good."""
    asked, key = asking(vector["action"], vector["proof"]), DEVICE["registered"][vector["registered"]]
    try:
        if vector["action"] == "register":
            assert registered(asked, NONCE_KEY, NOW) == key
            return None
        return None if refreshed(asked, key, NONCE_KEY, NOW, os.urandom)[0] else "token_reuse"
    except ProofRefused as error:
        return error.flaw


@pytest.mark.parametrize("vector", DEVICE["proofs"], ids=lambda vector: f"{vector['action']}: {vector['why']}")
def test_a_proof_is_taken_or_refused_with_the_code_of_what_is_wrong(vector: dict[str, Any]) -> None:
    assert judge(vector) == vector["problem"]


@pytest.mark.parametrize("case", DEVICES["shown"], ids=lambda case: case["why"])
def test_what_a_back_end_hands_on_is_all_that_could_be_a_bound_cookie(case: dict[str, Any]) -> None:
    place = Place(DEVICE["origin"], DEVICE["path"], CookieOptions(name=case.get("cookie", "__Host-session")))
    handed = case["device"] or {"cookies": ""}  # a script's proof is none of the browser's own key
    mine = tell(NONCE_KEY, NOW, os.urandom)
    lengths = len(mine.of), len(mine.cookie.partition(".")[2])
    parts = {cookie: cookie.partition("=") for cookie in place.find(case["headers"].get("cookie", ""))}
    alike = [it for it, (of, _, value) in parts.items() if (len(of), len(value.partition(".")[2])) == lengths]

    assert place.find(handed["cookies"]) == alike
    skipped = case["headers"].get("secure-session-skipped")
    assert skipped_for(handed.get("skipped")) == skipped_for(skipped)


@pytest.mark.parametrize("case", DEVICES["refused"], ids=lambda case: case["why"])
def test_what_a_browser_is_told_whose_key_is_not_proved(case: dict[str, Any]) -> None:
    error = ProofRefused(case["code"])
    Transport(public_origin=DEVICE["origin"]).note_unproved(error, case["headers"].get, "/")
    problem = problem_of(error)
    assert problem is not None
    told = {
        name: value for name, value in problem.headers() if name not in dict(invalid_data(InvalidData("")).headers())
    }

    if case["told"] == "forget":
        assert told == {"set-cookie": CookieOptions().clear()}
    else:
        assert told == ({"refresh": "0"} if case["told"] == "again" else {})


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,90}"))
def test_whatever_is_sent_is_refused_and_nothing_else_happens(text: str) -> None:
    for action in ("register", "refresh"):
        found = judge({"action": action, "proof": text, "registered": "ES256"})
        assert found is not None
        assert found.startswith("proof-")


@given(st.text(max_size=60))
def test_no_bound_cookie_is_taken_that_was_not_made_of_the_key(text: str) -> None:
    for nonce_key in (NONCE_KEY.hex(), ""):
        for cookie in (text, f"{name(bytes.fromhex(nonce_key))}={text}"):
            assert good_until(cookie, nonce_key) == 0


def test_where_there_is_no_key_nobody_makes_a_bound_cookie_of_none() -> None:
    """A session that was made when none was bound has none, and its record is read all the same."""
    forged = tell(b"", NOW, os.urandom)

    assert good_until(f"{forged.of}={forged.cookie}", "") == 0


def test_a_bound_cookie_is_good_for_twelve_minutes_of_its_own_session_and_each_challenge_is_another() -> None:
    one, other = (tell(NONCE_KEY, NOW, os.urandom, PLACE) for _ in range(2))

    assert one.challenge != other.challenge
    assert good_until(f"{one.of}={one.cookie}", NONCE_KEY.hex()) == NOW // 1000 * 1000 + 12 * MINUTE
    for of in (one.of, name(b"another")):
        assert good_until(f"{of}={one.cookie}", b"another".hex()) == 0
    assert name(NONCE_KEY) != name(b"another")


def test_what_the_browser_compares_is_what_it_is_given() -> None:
    """Where they differ, Chromium asks for a new one before every request."""
    told = tell(NONCE_KEY, NOW, os.urandom, PLACE)
    [credential] = json.loads(told.instruction)["credentials"]
    line = dict(PLACE.headers(told))["set-cookie"]

    assert line == f"{credential['name']}={told.cookie}; Max-Age=600; {credential['attributes']}"
    assert PLACE.clear(NONCE_KEY.hex()) == f"{credential['name']}=; Max-Age=0; {credential['attributes']}"
    shown = line.partition(";")[0]
    for header in (shown, f"a=b; {shown}; c", f"a={shown}; {shown}", f"a;{shown}"):
        assert PLACE.find(header) == [f"{told.of}={told.cookie}"]
    for header in (f"x{shown}", f"a={shown}", f"{shown}{shown}", shown.replace("=", "x=")):
        assert PLACE.find(header) == []


@pytest.mark.parametrize("cookie", ["__Host-shop", "__Secure-shop", "shop"])
def test_the_bound_cookie_is_the_hosts_own_whatever_the_session_s_is_named(cookie: str) -> None:
    place = Place("https://a.test", "/session", CookieOptions(name=cookie))

    assert place.clear("00").startswith("__Host-shop-")


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ('quota_exceeded;session_identifier="x"', "quota_exceeded"),
        ("unreachable", "unreachable"),
        ("server_error;x", "server_error"),
        ("server_errors", None),
        ("", None),
    ],
)
def test_what_the_browser_says_of_a_refresh_is_one_of_three_words(said: str, cause: str | None) -> None:
    assert skipped_for(said) == cause


def test_a_quoted_header_is_taken_as_a_bare_one() -> None:
    asked = asking("refresh", '"a.b.c"', '"x"')
    assert (asked.proof, asked.of) == ("a.b.c", "x")
    assert PLACE.asking("/elsewhere", None, None) is None


@pytest.mark.parametrize(
    ("origin", "cookie", "is_there"),
    [
        ("https://a.test", CookieOptions(), True),
        ("http://a.test", CookieOptions(), False),
        ("https://a.test", CookieOptions(insecure_http=True), False),
        ("https://a.test", CookieOptions(name="__Secure-a", domain="a.test"), False),
        ("https://a.test", CookieOptions(same_site="none", partitioned=True), False),
    ],
)
def test_a_key_may_be_registered_for_a_secure_cookie_of_one_host_on_https(
    origin: str, cookie: CookieOptions, is_there: bool
) -> None:
    assert (Transport(cookie, public_origin=origin).place is not None) == is_there


@pytest.mark.parametrize("path", ["session", "/session/", '/a"b'])
def test_a_place_of_the_endpoints_that_is_none_is_told(path: str) -> None:
    with pytest.raises(ConfigurationError, match="endpoints_path"):
        Transport(public_origin="https://a.test", endpoints_path=path)


class World:
    """A manager, its store, a browser's key, and what was told."""

    def __init__(self, binding: Any = "prefer") -> None:
        self.now = NOW
        self.store, self.key, self.told = MemoryStore(), Key(), list[Event]()
        self.manager = self.with_policy(binding)

    def with_policy(self, binding: Any) -> SessionManager:
        policy = Policy(binding=binding, max_sessions=None)
        return SessionManager(self.store, policy, clock=lambda: self.now, on_event=self.told.append)

    def log_in(self, user: str | None = "ada") -> tuple[str, Told | None]:
        session = self.manager.anonymous()
        session._offers = True
        if user is None:
            session.start()
        else:
            session.login(user)
        token = self.manager.commit(session).token
        assert token is not None
        return token.reveal(), session._told

    def open(self, token: str, shown: Any = None) -> Session:
        session = self.manager.open(token, presented=shown)
        session._offers = True
        return session

    def register(self, token: str, told: Told | None, key: Key | None = None) -> Session:
        assert told is not None
        proof = device_proof(key or self.key, told.challenge, register=True)
        session = self.open(token, asking("register", proof))
        self.manager.commit(session)
        return session

    def bound(self) -> tuple[str, Told]:
        """A bound session's token, and what its browser was told."""
        token, offered = self.log_in()
        told = self.register(token, offered)._told
        assert told is not None
        return token, told

    def refresh(self, told: Told, key: Key | None = None) -> Asking:
        return asking("refresh", device_proof(key or self.key, told.challenge, register=False), told.of)

    def events(self, *kinds: type[Event]) -> list[Event]:
        return [event for event in self.told if isinstance(event, kinds)]


def flaw_of(world: World, token: str, shown: Any = None) -> ProofRefused:
    with pytest.raises(ProofRefused) as raised:
        world.open(token, shown)
    return raised.value


def test_the_record_tells_what_kind_of_key_a_session_is_bound_to() -> None:
    world = World()
    token, _ = world.log_in()
    before = world.store.get(token[4:36])
    bound, _ = world.bound()
    after = world.store.get(bound[4:36])

    assert before is not None
    assert after is not None
    assert (before.bound, after.bound) == (None, "hardware")
    [event] = world.events(KeyRegistered)
    assert (event.id, event.user_id) == (bound[4:36], "ada")
    assert world.events(Rotated) == []


def test_a_bound_session_opens_with_its_bound_cookie_and_for_no_script() -> None:
    world = World()
    token, told = world.bound()

    assert world.open(token, Cookies([f"{told.of}={told.cookie}"])).user_id == "ada"
    script = Presented(Key().proof("GET", "https://a.test/"), True, Asked("GET", "https://a.test", "/"))
    for shown in (None, Cookies(), Cookies([f"x={told.cookie}"]), script):
        assert flaw_of(world, token, shown).flaw == "proof-required"
    assert len(world.events(UnprovedToken)) == 4
    assert world.events(Ended) == []


def test_what_a_browser_could_not_renew_is_told_as_its_own_event() -> None:
    world = World()
    token, told = world.bound()

    assert flaw_of(world, token, Cookies((), "quota_exceeded")).flaw == "proof-required"
    assert world.open(token, Cookies([f"{told.of}={told.cookie}"], "unreachable")).user_id == "ada"
    causes = [event.cause for event in world.events(RefreshSkipped) if isinstance(event, RefreshSkipped)]
    assert causes == ["quota_exceeded", "unreachable"]
    assert world.events(UnprovedToken) == []


def test_a_challenge_signed_by_another_key_ends_the_session_and_is_told() -> None:
    world = World()
    token, told = world.bound()
    session = world.open(token, world.refresh(told, Key()))

    assert (session.end_reason, session._told) == ("token_reuse", None)
    [unproved] = world.events(UnprovedToken)
    assert isinstance(unproved, UnprovedToken)
    assert unproved.flaw == "proof-signature"
    [ended] = world.events(Ended)
    assert isinstance(ended, Ended)
    assert ended.reason == "token_reuse"


def test_a_proof_that_was_used_is_answered_with_a_challenge_and_is_no_news() -> None:
    world = World()
    token, told = world.bound()
    again = world.refresh(told)
    assert world.open(token, again).user_id == "ada"
    error = flaw_of(world, token, again)
    problem = problem_of(error)

    assert problem is not None
    assert (problem.status, error.flaw) == (403, "proof-replayed")
    assert dict(problem.headers())["secure-session-challenge"] == f'"{error.nonce}";id="{told.of}"'
    assert "www-authenticate" not in dict(problem.headers())
    assert world.events(UnprovedToken) == []
    assert len(world.store.marks("", 9)) == 1


def test_of_two_registrations_at_once_the_second_changes_nothing() -> None:
    """Both read the session before either wrote."""
    world = World()
    token, told = world.log_in()
    assert told is not None
    mine, theirs = (
        world.open(token, asking("register", device_proof(key, told.challenge, register=True)))
        for key in (world.key, Key())
    )
    world.manager.commit(mine)
    with pytest.raises(ProofRefused) as raised:
        world.manager.commit(theirs)

    assert raised.value.flaw == "proof-other-key"
    assert theirs._told is None
    record = world.store.get(token[4:36])
    assert record is not None
    assert record.secrets.key.startswith(f"ES256 {world.key.jwk['x']} ")


def test_the_same_registration_at_once_is_taken_twice() -> None:
    world = World()
    token, told = world.log_in()
    assert told is not None
    proof = device_proof(world.key, told.challenge, register=True)
    both = [world.open(token, asking("register", proof)) for _ in range(2)]
    for session in both:
        world.manager.commit(session)

    assert all(session._told is not None for session in both)
    assert len(world.events(KeyRegistered)) == 1


def test_a_registration_of_a_session_that_ended_meanwhile_gives_nothing() -> None:
    world = World()
    token, told = world.log_in()
    assert told is not None
    session = world.open(token, asking("register", device_proof(world.key, told.challenge, register=True)))
    world.manager.revoke(token[4:36])
    world.manager.commit(session)

    assert (session.end_reason, session._told) == ("revoked", None)


def test_thousands_of_registrations_without_a_challenge_of_ours_write_nothing_and_no_signature_is_verified() -> None:
    world, other = World(), Key()
    token, told = world.log_in()
    assert told is not None
    before = world.store.get(token[4:36])
    for number in range(100):
        # By a key that is not the one in it: whoever verified it would say so.
        proof = device_proof(other, f"{number}.{told.challenge}", register=True, header={"jwk": world.key.jwk})
        for _ in range(100):
            assert flaw_of(world, token, asking("register", proof)).flaw == "proof-stale-nonce"

    assert world.store.get(token[4:36]) == before
    assert world.register(token, told)._told is not None


def test_a_registration_is_no_upkeep_that_may_be_put_off() -> None:
    world = World()
    token, told = world.log_in()
    assert told is not None
    session = world.open(token, asking("register", device_proof(world.key, told.challenge, register=True)))

    class Down(MemoryStore):
        def commit(self, commit: Commit) -> Applied | Refused:
            assert not is_upkeep(commit)
            raise StoreUnavailable("away")

    world.manager._store = Down()
    with pytest.raises(StoreUnavailable):
        world.manager.commit(session)


def test_only_a_log_in_is_offered_a_key_and_only_its_answer() -> None:
    world = World()
    token, told = world.log_in()
    nobody, nothing = world.log_in(None)
    world.now += 1
    session = world.open(token, Cookies())
    session.regenerate()
    world.manager.commit(session)

    assert told is not None
    assert told.instruction == b""
    assert nothing is None
    assert session._told is None
    record = world.store.get(nobody[4:36])
    assert record is not None
    assert record.nonce_key == ""


def test_a_new_id_after_the_log_in_in_one_request_keeps_what_was_offered() -> None:
    world = World()
    session = world.manager.anonymous()
    session._offers = True
    session.login("ada")
    world.manager.commit(session)
    world.now += 1
    session.regenerate()
    token = world.manager.commit(session).token
    assert token is not None

    assert world.register(token.reveal(), session._told).user_id == "ada"


def test_a_log_out_in_the_request_of_the_log_in_leaves_nothing_to_tell() -> None:
    world = World()
    session = world.manager.anonymous()
    session._offers = True
    session.login("ada")
    world.manager.commit(session)
    session.logout()
    world.manager.commit(session)

    assert session._told is None


def test_a_session_that_was_made_before_is_not_bound() -> None:
    world = World()
    session = world.manager.anonymous()
    session.login("ada")
    token = world.manager.commit(session).token
    assert token is not None
    for action in ("register", "refresh"):
        opened = world.open(token.reveal(), asking(action, device_proof(world.key, "x", register=True)))
        assert (opened.user_id, opened._told) == ("ada", None)


def test_a_refresh_of_the_log_in_before_is_refused_without_an_alarm() -> None:
    world = World()
    token, told = world.bound()
    _, other = world.bound()

    assert flaw_of(world, token, world.refresh(told._replace(of=other.of))).flaw == "proof-required"
    assert world.events(UnprovedToken) == []


def test_a_policy_that_requires_a_key_holds_who_is_logged_in_to_the_bound_cookie_from_the_log_in_on() -> None:
    world = World("require")
    token, told = world.log_in()
    assert told is not None

    assert flaw_of(world, token).flaw == "proof-required"
    assert flaw_of(world, token, Cookies()).flaw == "proof-required"
    assert flaw_of(world, token, asking("refresh", None)).flaw == "proof-required"
    assert world.open(token, Cookies([f"{told.of}={told.cookie}"])).user_id == "ada"
    world.now += 13 * MINUTE
    assert flaw_of(world, token, Cookies([f"{told.of}={told.cookie}"])).flaw == "proof-required"
    world.now = NOW
    after = world.register(token, told)._told
    assert after is not None
    assert world.open(token, Cookies([f"{after.of}={after.cookie}"])).user_id == "ada"


def test_a_policy_that_requires_a_key_lets_a_browser_begin_that_has_not_logged_in() -> None:
    world = World("require")
    token, _ = world.log_in(None)

    assert world.open(token, Cookies()).status == "active"
    assert flaw_of(world, token).flaw == "proof-required"
    session = world.manager.anonymous()
    session.start()
    with pytest.raises(SojournError):
        world.manager.commit(session)


def test_where_nothing_is_bound_any_more_a_bound_session_is_refused() -> None:
    world = World()
    token, told = world.bound()
    off = world.with_policy("off")

    with pytest.raises(ProofRefused):
        off.open(token)
    assert off.open(token, presented=Cookies([f"{told.of}={told.cookie}"])).user_id == "ada"


@pytest.mark.parametrize(
    ("path", "headers", "told"),
    [
        ("/", {}, "set-cookie"),
        ("/", {"sec-fetch-site": "same-origin"}, "set-cookie"),
        ("/", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, "set-cookie"),
        ("/", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, "refresh"),
        ("/", {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"}, "refresh"),
        ("/", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, None),
        ("/", {"secure-session-skipped": "unreachable"}, None),
        ("/session/dbsc/refresh", {}, None),
    ],
)
def test_a_browser_is_told_to_forget_a_token_only_where_it_could_have_shown_a_bound_cookie(
    path: str, headers: dict[str, str], told: str | None
) -> None:
    transport, error = Transport(public_origin="https://a.test"), ProofRefused("proof-required")
    transport.note_unproved(error, headers.get, path)
    problem = problem_of(error)

    assert problem is not None
    names = {"set-cookie", "refresh", "www-authenticate", "sojourn-token"}
    assert names & dict(problem.headers()).keys() == ({told} if told else set())


def test_a_script_that_is_to_sign_anew_keeps_its_cookie() -> None:
    transport, error = Transport(public_origin="https://a.test"), ProofRefused("proof-required", "a nonce")
    transport.note_unproved(error, {"sec-fetch-site": "same-origin"}.get, "/session/")
    problem = problem_of(error)

    assert problem is not None
    told = dict(problem.headers())
    assert (problem.status, told["dpop-nonce"], told.get("set-cookie")) == (401, "a nonce", None)


@pytest.mark.parametrize(("flaw", "headers"), [("proof-malformed", {"dpop": "x"}), ("proof-other-key", {})])
def test_a_cookie_is_forgotten_for_no_other_flaw(flaw: Any, headers: dict[str, str]) -> None:
    error = ProofRefused(flaw)
    Transport(public_origin="https://a.test").note_unproved(error, headers.get, "/")

    assert error.told == ()


def test_a_script_that_has_lost_its_key_is_told_to_forget_the_token() -> None:
    error = ProofRefused("proof-other-key")
    Transport(public_origin="https://a.test").note_unproved(error, {"dpop": "x"}.get, "/session/")

    assert error.told == (("set-cookie", CookieOptions().clear()), ("sojourn-token", "none"))


def test_what_a_request_shows_is_looked_at_where_sessions_are_bound_alone() -> None:
    headers = {"dpop": "x", "authorization": "DPoP sj1-", "cookie": "__Host-session-abcdefghijkl=1"}
    none, plain, https = (Transport(public_origin=origin) for origin in (None, "http://a.test", "https://a.test"))

    assert none.presented(headers.get, False, "GET", "/") is None
    for transport, bound in ((plain, ()), (https, ["abcdefghijkl=1"])):
        asked = Asked("GET", str(transport.public_origin), "/")
        assert transport.presented(headers.get, False, "GET", "/") == Cookies(bound, None, "x", asked, True)
    assert isinstance(https.presented(headers.get, False, "POST", "/session/dbsc/refresh"), Asking)
    assert isinstance(https.presented(headers.get, False, "GET", "/session/dbsc/refresh"), Cookies)
    assert isinstance(plain.presented(headers.get, True, "GET", "/"), Presented)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("path", ["/", "/session/dbsc/refresh"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cookie": "__Host-session-abcdefghijkl=1; a=b; __Host-session-ABCDEFGHIJKL=2"},
        {"cookie": "__Host-session-abcdefghijkl=é", "sec-fetch-dest": "empty"},
        {"cookie": "__Host-session-abcdefghijkl=1", "sec-fetch-dest": "document"},
        {"dpop": "x", "sec-fetch-dest": "document"},
        {"secure-session-skipped": "unreachable"},
        {"secure-session-response": "x", "sec-secure-session-id": "abcdefghijkl"},
    ],
)
def test_integrations_look_at_what_most_requests_show_with_the_same_eyes(
    method: str, path: str, headers: dict[str, str]
) -> None:
    policy, origin = Policy(binding="prefer"), "https://a.test"
    threads = Wiring(SessionManager(MemoryStore(), policy), public_origin=origin)
    loop = SessionMiddleware(Starlette(), AsyncSessionManager(AsyncMemoryStore(), policy), public_origin=origin)
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    encoded = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    shown = threads.transport.presented(headers.get, False, method, path)

    for mine in (
        threads._presented({**environ, "REQUEST_METHOD": method, "PATH_INFO": path}, False),
        loop._presented({"method": method, "path": path}, encoded, False),
    ):
        assert _without_place(mine) == _without_place(shown)


def _without_place(shown: Shown | None) -> Shown | None:
    return replace(shown, place=PLACE) if isinstance(shown, Asking) else shown
