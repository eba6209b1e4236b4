"""/v1/verify, which a proxy asks whose a request is: what it is told, when, and what a visitor cannot bring about."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from sojourn import AsyncSessionManager, Policy
from sojourn.asgi import SessionMiddleware
from sojourn.asgi.types import App
from sojourn.core.async_store import AsyncStore
from sojourn.core.store import Applied, Commit, End, Refused
from sojourn.service.application import Service
from sojourn.service.edge import PLAIN, Edge, header_value
from sojourn.service.keyring import Keyring
from sojourn.stores.memory import AsyncMemoryStore
from tests.keys import Key, device_proof

ORIGIN = "https://app.example.com"
COOKIE = "__Host-session"
PASSIVELY = "/v1/verify-passive"
MINUTE = 60_000


async def log_in(request: Request) -> JSONResponse:
    who: Any = await request.json()
    request.session.login(who["user"], level=who.get("level"))  # type: ignore[attr-defined]
    return JSONResponse({})


async def log_out(request: Request) -> JSONResponse:
    request.session.logout()  # type: ignore[attr-defined]
    return JSONResponse({})


async def keep(request: Request) -> JSONResponse:
    request.session["theme"] = "dark"
    return JSONResponse({})


async def show(request: Request) -> JSONResponse:
    return JSONResponse({"user": request.session.user_id})  # type: ignore[attr-defined]


ROUTES = [
    Route("/login", log_in, methods=["POST"]),
    Route("/logout", log_out, methods=["POST"]),
    Route("/keep", keep, methods=["POST"]),
    Route("/session/dbsc/register", show, methods=["POST"]),
    Route("/", show),
]


class World:
    """A service, and an application whose sessions it verifies, with one clock; and a browser's cookies."""

    def __init__(self, keys: Path, key: str, policy: Policy, store: AsyncStore | None, options: dict[str, Any]) -> None:
        self.now = 1_800_000_000_000
        store = store or AsyncMemoryStore()
        self.manager = manager = AsyncSessionManager(store, policy, clock=lambda: self.now)
        sessions: Callable[[App], App] = lambda app: SessionMiddleware(app, manager, **options)  # noqa: E731
        self.key = key
        ring = Keyring(keys)
        can_verify = policy.binding == "off" or "public_origin" in options
        edge = Edge(ring, sessions if can_verify else None, options.get("trusted_origins", ()))
        self._service = TestClient(Service(store, manager, ring, edge=edge), base_url="https://service")
        self.site = TestClient(sessions(Starlette(routes=ROUTES)), base_url=ORIGIN) if can_verify else None

    def log_in(self, user: str = "ada", **more: Any) -> str:
        assert self.site is not None
        assert self.site.post("/login", json={"user": user, **more}).status_code == 200
        return str(self.site.cookies[COOKIE])

    def verify(
        self,
        token: str | None = None,
        *,
        asked: tuple[str, str] = ("GET", "/"),
        place: str = "/v1/verify",
        headers: dict[str, str | None] | None = None,
    ) -> Any:
        """The answer to a proxy; `headers` are the visitor's, or what the proxy sends instead."""
        sent = {
            "Sojourn-Key": self.key,
            "X-Forwarded-Method": asked[0],
            "X-Forwarded-Uri": asked[1],
            "X-Forwarded-Host": ORIGIN.removeprefix("https://"),
            "Cookie": f"{COOKIE}={token}" if token else None,
            **(headers or {}),
        }
        return self._service.get(place, headers={k: v for k, v in sent.items() if v is not None})

    def ask_as_envoy(self, method: str, uri: str, place: str = "/v1/verify", **headers: str) -> Any:
        """The answer to Envoy, which asks by the visitor's own method, path and query."""
        told = {"Sojourn-Key": self.key, "Host": ORIGIN.removeprefix("https://"), **headers}
        return self._service.request(method, place + uri, headers=told)


class Worlds:
    def __init__(self, keys: Path, key: str) -> None:
        self._keys, self._key = keys, key

    def __call__(self, policy: Policy | None = None, store: AsyncStore | None = None, **options: Any) -> World:
        return World(self._keys, self._key, policy or Policy(), store, options)


@pytest.fixture
def worlds(keys: Path, keys_by_scope: dict[str, str]) -> Worlds:
    return Worlds(keys, keys_by_scope["verify"])


@pytest.fixture
def world(worlds: Worlds) -> World:
    return worlds()


PAGE = (Path(__file__).parents[2] / "docs" / "edge.md").read_text("utf-8")


def code(answer: Any) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["type"]).removeprefix("urn:sojourn:problem:")


# Who it is


def test_a_visitor_who_is_logged_in_is_told_by_headers_alone(world: World) -> None:
    token = world.log_in("ada@example.com", level="aal2")
    answer = world.verify(token)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["sojourn-user"] == "ada@example.com"
    assert answer.headers["sojourn-session"] == token[4:36]
    assert answer.headers["sojourn-level"] == "aal2"
    assert answer.headers["sojourn-authenticated"] == str(world.now)
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    told = {name for name in answer.headers if name.startswith("sojourn-")}
    assert told == {name.lower() for name in re.findall(r"^\| `(Sojourn-\w+)` \|", PAGE, re.MULTILINE)}


def test_every_header_is_always_there_so_that_none_of_the_visitor_s_own_stays(world: World) -> None:
    assert world.verify(world.log_in()).headers["sojourn-level"] == "none"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255))
def test_a_user_s_id_of_any_text_is_one_header_value_and_can_be_read_back(user_id: str) -> None:
    value = header_value(user_id)

    assert set(value) <= set(string.ascii_letters + string.digits + PLAIN + "%")
    assert unquote(value, errors="strict") == user_id


def test_the_page_says_what_of_a_user_s_id_stays_as_it_is() -> None:
    assert f"letters, digits and ``{PLAIN}`` as they are" in PAGE.replace("\\|", "|")


@pytest.mark.parametrize("user", ["ada\r\nSojourn-Level: aal3", "Zoë", "a,b", "100%", " ada "])
def test_a_user_s_id_makes_no_header_of_its_own(world: World, user: str) -> None:
    answer = world.verify(world.log_in(user))

    assert unquote(answer.headers["sojourn-user"]) == user
    assert answer.headers["sojourn-level"] == "none"


def test_nobody_is_let_through_who_is_not_logged_in(world: World) -> None:
    assert world.site is not None
    for token in (None, "x", f"sj1-{'0' * 32}-{'0' * 64}"):
        answer = world.verify(token)
        assert (answer.status_code, code(answer)) == (401, "login-required")
        assert "end_reason" not in answer.json()
    world.site.post("/keep")
    assert code(world.verify(world.site.cookies[COOKIE])) == "login-required"


def test_an_end_is_told_with_its_reason(world: World) -> None:
    assert world.site is not None
    token = world.log_in()
    world.site.post("/logout")
    answer = world.verify(token)

    assert (answer.status_code, code(answer), answer.json()["end_reason"]) == (401, "login-required", "logout")
    assert "set-cookie" not in answer.headers


class EndsFirst(AsyncMemoryStore):
    """Another request ends each session right before it is written to."""

    async def commit(self, commit: Commit) -> Applied | Refused:
        await self.end(End(commit.id, "revoked", commit.now, ""))
        return await super().commit(commit)


def test_an_end_between_the_read_and_the_write_of_one_request_is_no_yes(worlds: Worlds) -> None:
    world = worlds(store=EndsFirst())
    token = world.log_in()
    world.now += 5 * MINUTE
    answer = world.verify(token)

    assert (answer.status_code, answer.json()["end_reason"]) == (401, "revoked")


def test_of_two_live_sessions_in_one_request_none_counts(world: World) -> None:
    assert world.site is not None
    first = world.log_in()
    world.site.cookies.clear()
    second = world.log_in("bob")

    both = world.verify(headers={"Cookie": f"{COOKIE}={first}; {COOKIE}={second}"})
    assert code(both) == "login-required"
    world.site.post("/logout", headers={"Cookie": f"{COOKIE}={first}"})
    one = world.verify(headers={"Cookie": f"{COOKIE}={first}; {COOKIE}={second}"})
    assert one.headers["sojourn-user"] == "bob"


# How long it lasts


def test_what_is_verified_is_activity_unless_the_proxy_says_that_it_is_passive(world: World) -> None:
    token = world.log_in()
    for _ in range(5):
        world.now += 20 * MINUTE
        assert world.verify(token).status_code == 204
    world.now += 20 * MINUTE
    assert world.verify(token, place=PASSIVELY).status_code == 204
    world.now += 20 * MINUTE

    assert world.verify(token, place=PASSIVELY).json()["end_reason"] == "idle_timeout"


LONG = Policy(rotate_interval=600, absolute_timeout=86_400)


def test_a_browser_that_meets_nothing_else_for_many_intervals_is_not_signed_out(worlds: Worlds) -> None:
    world = worlds(LONG)
    assert world.site is not None
    token = world.log_in()
    for _ in range(23 * 12):
        world.now += 5 * MINUTE
        answer = world.verify(token)
        assert answer.status_code == 204
        assert "set-cookie" not in answer.headers

    # The application's next answer renews the secret, and what it brings is taken here too.
    assert world.site.get("/").json() == {"user": "ada"}
    renewed = world.site.cookies[COOKIE]
    assert renewed != token
    assert world.verify(renewed).status_code == 204
    # So a copy of the old one is noticed.
    world.now += 2 * MINUTE
    assert world.verify(token).json()["end_reason"] == "token_reuse"


def test_the_same_visit_to_an_application_whose_answers_are_lost_is_taken_for_a_thief_s(worlds: Worlds) -> None:
    world = worlds(LONG)
    assert world.site is not None
    token = world.log_in()
    seen = []
    for _ in range(12):
        world.now += 5 * MINUTE
        seen.append(world.site.get("/", headers={"Cookie": f"{COOKIE}={token}"}).json()["user"])

    assert (seen[0], seen[-1]) == ("ada", None)


# Other sites


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Sec-Fetch-Site": "cross-site"}, 204),
        ("POST", {"Sec-Fetch-Site": "same-origin"}, 204),
        ("POST", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("POST", {"Origin": ORIGIN}, 204),
        ("POST", {"Origin": "https://evil.example"}, 403),
        ("POST", {"Origin": "https://service"}, 403),
        ("POST", {"Origin": "https://trusted.example"}, 204),
        ("GET", {"Origin": "https://evil.example", "Sec-WebSocket-Key": "x"}, 403),
        ("GET", {"Origin": ORIGIN, "Sec-WebSocket-Key": "x"}, 204),
        ("GET", {"Origin": "https://trusted.example", "Sec-WebSocket-Key": "x"}, 204),
    ],
)
def test_what_another_site_s_page_sends_is_refused(
    worlds: Worlds, method: str, headers: dict[str, str | None], status: int
) -> None:
    world = worlds(trusted_origins=("https://trusted.example",))
    answer = world.verify(world.log_in(), asked=(method, "/"), headers=headers)

    assert answer.status_code == status
    assert status == 204 or code(answer) == "cross-origin"


# Envoy


def test_envoy_asks_by_the_visitor_s_own_method_path_and_query(world: World) -> None:
    token = world.log_in()
    cookie = f"{COOKIE}={token}"
    for uri in ("/", "/cart?a=1", "//v1/commit", "/%2e%2e/v1/commit"):
        answer = world.ask_as_envoy("POST", uri, Cookie=cookie)
        # It takes no other status for a yes.
        assert (answer.status_code, answer.content, answer.headers["sojourn-user"]) == (200, b"", "ada")
    assert code(world.ask_as_envoy("POST", "/", Cookie=cookie, Origin="https://evil.example")) == "cross-origin"
    # A visitor says nothing of his own request by headers.
    forged = {"X-Forwarded-Method": "GET", "Origin": "https://evil.example"}
    assert code(world.ask_as_envoy("POST", "/", Cookie=cookie, **forged)) == "cross-origin"
    for _ in range(3):
        world.now += 20 * MINUTE
        assert world.ask_as_envoy("GET", "/", Cookie=cookie).status_code == 200
    world.now += 20 * MINUTE
    assert world.ask_as_envoy("GET", "/", PASSIVELY, Cookie=cookie).status_code == 200
    world.now += 20 * MINUTE
    assert code(world.ask_as_envoy("GET", "/", Cookie=cookie)) == "login-required"
    assert code(world.ask_as_envoy("DELETE", "/")) == "login-required"


# The proxy


@pytest.mark.parametrize("missing", ["Sojourn-Key", "X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-Host"])
def test_a_proxy_that_is_not_set_up_is_told_so_and_lets_nobody_in(
    world: World, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    answer = world.verify(world.log_in(), headers={missing: None})

    assert (answer.status_code, code(answer)) == (500, "proxy-not-set-up")
    assert missing in answer.json()["detail"]
    assert missing in caplog.text


def test_a_key_for_something_else_or_nothing_is_none(world: World, keys_by_scope: dict[str, str]) -> None:
    token = world.log_in()
    for key in (keys_by_scope["sessions"], keys_by_scope["admin"], world.key[:-4] + "0000", f"Bearer {world.key}"):
        assert code(world.verify(token, headers={"Sojourn-Key": key})) == "proxy-not-set-up"
    # Nor is one in Authorization, which is the visitor's.
    bearer = {"Sojourn-Key": None, "Authorization": f"Bearer {world.key}"}
    assert code(world.verify(token, headers=bearer)) == "proxy-not-set-up"


def test_only_what_begins_with_the_path_is_the_edge_s(world: World) -> None:
    for place in ("/v1/verify-passiv", "/v1/verifyx", "/v1/verify-passive2/x"):
        assert code(world.verify(place=place)) == "not-found"
    # A query is the visitor's, where a proxy sends it on.
    assert world.verify(world.log_in(), place="/v1/verify?passive=1&x").status_code == 204


# Bound sessions


BOUND: dict[str, Any] = {"public_origin": ORIGIN, "script_readable_tokens": True}


def test_a_session_of_a_script_s_key_needs_its_proof_for_this_very_request(worlds: Worlds) -> None:
    world, mine = worlds(Policy(binding="prefer"), **BOUND), Key()
    assert world.site is not None
    now = world.now // 1000
    begun = world.site.post(
        "/login",
        json={"user": "ada"},
        headers={"Sojourn-Transport": "bearer", "DPoP": mine.proof("POST", f"{ORIGIN}/login", iat=now)},
    )
    token, nonce = begun.headers["sojourn-token"], begun.headers["dpop-nonce"]

    def shown(method: str = "GET", path: str = "/a b") -> dict[str, str | None]:
        proof = mine.proof(method, ORIGIN + path, token=token, nonce=nonce, iat=now)
        return {"Authorization": f"dpop {token}", "DPoP": proof}

    here = ("GET", "/a%20b?x=1")
    good = shown()
    assert world.verify(asked=here, headers=good).headers["sojourn-user"] == "ada"
    assert code(world.verify(asked=here, headers=good)) == "proof-replayed"
    assert code(world.verify(asked=here, headers=shown("POST"))) == "proof-method"
    assert code(world.verify(asked=here, headers=shown(path="/b"))) == "proof-url"
    for without in ({"Authorization": f"DPoP {token}"}, {"Authorization": f"Bearer {token}"}):
        answer = world.verify(asked=here, headers={**without})
        assert (answer.status_code, code(answer)) == (401, "proof-required")
    assert code(world.verify(token)) == "proof-required"
    in_envoy = {name: str(value) for name, value in shown("POST").items()}
    assert world.ask_as_envoy("POST", "/a%20b?x=1", **in_envoy).status_code == 200
    world.now += 4 * MINUTE
    now += 240
    # The next nonce comes with the answer, for the proxy to hand on.
    assert world.verify(asked=here, headers=shown()).headers["dpop-nonce"] != nonce


def test_a_proof_beside_a_cookie_is_the_applications_and_a_session_that_owes_one_has_no_level(worlds: Worlds) -> None:
    world, mine = worlds(Policy(binding="prefer", rotate_interval=60, idle_timeout=3600), public_origin=ORIGIN), Key()
    assert world.site is not None

    def proof(method: str, path: str, nonce: str | None = None) -> dict[str, str]:
        return {"DPoP": mine.proof(method, ORIGIN + path, nonce=nonce, iat=world.now // 1000)}

    world.site.post("/login", json={"user": "ada", "level": "aal2"}, headers=proof("POST", "/login"))
    token = world.site.cookies[COOKIE]
    assert world.verify(token).headers["sojourn-level"] == "aal2"
    world.now += 2 * MINUTE
    assert world.verify(token).headers["sojourn-level"] == "none"
    nonce = world.site.get("/", headers=proof("GET", "/")).headers["dpop-nonce"]
    signed = proof("GET", "/", nonce)

    answer = world.verify(headers={"Cookie": f"{COOKIE}={token}", **signed})
    assert (answer.status_code, answer.headers["sojourn-level"]) == (204, "none")
    assert world.site.get("/", headers=signed).status_code == 200
    assert world.site.cookies[COOKIE] != token
    assert world.verify(token).headers["sojourn-level"] == "aal2"


def test_a_session_of_a_browser_s_own_key_needs_the_cookie_that_it_renews(worlds: Worlds) -> None:
    world = worlds(Policy(binding="prefer"), public_origin=ORIGIN)
    assert world.site is not None
    offered = world.site.post("/login", json={"user": "ada"}).headers["secure-session-registration"]
    proof = device_proof(Key(), offered.split('challenge="')[1].rstrip('"'), register=True)
    cookies = dict(world.site.cookies.items())
    token = cookies[COOKIE]
    both = "; ".join(f"{name}={value}" for name, value in cookies.items())
    # Here no key is registered: the browser would not hear of it.
    register = {"Cookie": both, "Secure-Session-Response": proof}
    assert world.verify(asked=("POST", "/session/dbsc/register"), headers={**register}).status_code == 401
    assert world.verify(token).status_code == 204
    assert world.site.post("/session/dbsc/register", headers=register).status_code == 200

    assert world.verify(headers={"Cookie": both}).headers["sojourn-user"] == "ada"
    answer = world.verify(token)
    assert (answer.status_code, code(answer)) == (401, "proof-required")


def test_where_nothing_says_by_which_origin_to_verify_a_key_nobody_is_let_in(worlds: Worlds) -> None:
    answer = worlds(Policy(binding="prefer")).verify()

    assert (answer.status_code, code(answer)) == (500, "proxy-not-set-up")
    assert "public_origin" in answer.json()["detail"]
