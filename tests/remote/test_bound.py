"""Sessions bound to a key, over a remote manager: the service judges the proofs that an application hands on."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import flask
import pytest
from starlette.testclient import TestClient

from sojourn import ConfigurationError, ProofRefused, SessionManager
from sojourn.asgi import SessionMiddleware
from sojourn.core.binding import Presented
from sojourn.core.proof import Asked
from sojourn.flask import init_app
from sojourn.remote import AsyncRemoteSessionManager, RemoteSessionManager
from tests.conftest import StartServer
from tests.keys import Key

from .service import KINDS, Service, command, make_key, manager_of, token_of

ORIGIN = "https://app.example.com"


@pytest.fixture(scope="module")
def binding(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Service:
    folder = tmp_path_factory.mktemp("binding")
    keys = folder / "keys.json"
    key = make_key(keys)
    return Service(start_server(command(folder, keys, 'binding = "prefer"'), path="/health"), keys, key)


def presented(key: Key, *, path: str = "/notes/é 1", by_dpop: bool = True, **claims: Any) -> Presented:
    proof = key.proof("GET", f"{ORIGIN}/notes/%C3%A9%201?page=2", **claims)
    return Presented(proof, by_dpop, Asked("GET", ORIGIN, path))


@pytest.fixture(params=KINDS)
def manager(request: pytest.FixtureRequest, binding: Service) -> Iterator[RemoteSessionManager]:
    with manager_of(request.param, binding.url, binding.key) as made:
        yield made


def log_in(manager: SessionManager, key: Key, user: str = "ada") -> tuple[str, str]:
    """A bound session's token, and its nonce."""
    session = manager.anonymous(presented=presented(key))
    session.login(user)
    token = token_of(manager.commit(session))
    assert session._proved is not None
    assert session._proved.nonce is not None
    return token, session._proved.nonce


def flaw(manager: SessionManager, token: str, shown: Presented | None) -> str:
    with pytest.raises(ProofRefused) as refused:
        manager.open(token, presented=shown)
    return refused.value.flaw


def test_who_has_the_key_opens_writes_and_leaves_and_the_token_alone_does_nothing(
    manager: RemoteSessionManager,
) -> None:
    key = Key()
    token, nonce = log_in(manager, key)
    session = manager.open(token, presented=presented(key, token=token, nonce=nonce))
    session["a"] = 1
    manager.commit(session)
    session["a"] = 2  # once more in the same request
    manager.commit(session)

    assert flaw(manager, token, None) == "proof-required"
    assert flaw(manager, token, presented(Key(), token=token, nonce=nonce)) == "proof-other-key"
    assert flaw(manager, token, presented(key, token=token, nonce=nonce, by_dpop=False)) == "proof-required"
    assert flaw(manager, token, presented(key, token=token, nonce=nonce, path="/elsewhere")) == "proof-url"
    session = manager.open(token, presented=presented(key, token=token, nonce=nonce))
    assert (session["a"], session.user_id) == (2, "ada")
    found = manager.get(token[4:36])
    assert found is not None
    assert found.bound == "browser"
    session.logout()
    assert manager.commit(session).clear
    assert manager.open(token, presented=presented(key)).end_reason == "logout"


def test_a_proof_is_good_once_to_open_and_once_to_begin(manager: RemoteSessionManager) -> None:
    key = Key()
    token, nonce = log_in(manager, key)
    once = presented(key, token=token, nonce=nonce)
    manager.open(token, presented=once)

    assert flaw(manager, token, once) == "proof-replayed"
    again = presented(key)
    first, second = manager.anonymous(presented=again), manager.anonymous(presented=again)
    first.login("ada")
    second.login("eve")
    manager.commit(first)
    with pytest.raises(ProofRefused, match="used before"):
        manager.commit(second)


def test_without_a_fresh_nonce_one_is_told(manager: RemoteSessionManager) -> None:
    key = Key()
    token, _ = log_in(manager, key)
    with pytest.raises(ProofRefused) as refused:
        manager.open(token, presented=presented(key, token=token))

    assert (refused.value.flaw, refused.value.nonce is None) == ("proof-without-nonce", False)
    nonce = refused.value.nonce
    assert manager.open(token, presented=presented(key, token=token, nonce=nonce)).user_id == "ada"


@pytest.mark.parametrize("leaves", [False, True])
def test_a_log_in_from_a_bound_session_makes_one_that_is_bound_to_the_same_key(
    manager: RemoteSessionManager, leaves: bool
) -> None:
    key = Key()
    token, nonce = log_in(manager, key)
    session = manager.open(token, presented=presented(key, token=token, nonce=nonce))
    if leaves:
        session.logout()
    session.login("ada")
    fresh = token_of(manager.commit(session))
    session["since"] = True
    manager.commit(session)

    assert fresh != token
    assert flaw(manager, fresh, None) == "proof-required"
    assert session._proved is not None
    opened = manager.open(fresh, presented=presented(key, token=fresh, nonce=session._proved.nonce))
    assert (opened.user_id, opened["since"]) == ("ada", True)


def test_a_commit_without_what_the_open_was_told_changes_nothing(manager: RemoteSessionManager) -> None:
    key = Key()
    token, nonce = log_in(manager, key)
    session = manager.open(token, presented=presented(key, token=token, nonce=nonce))
    session["a"] = 1
    session._proved = None
    with pytest.raises(ProofRefused):
        manager.commit(session)

    assert "a" not in manager.open(token, presented=presented(key, token=token, nonce=nonce))


def test_a_client_without_a_key_has_a_session_as_before(manager: RemoteSessionManager) -> None:
    shown = Presented(None, False, Asked("GET", ORIGIN, "/"))
    session = manager.anonymous(presented=shown)
    session.login("bob")
    token = token_of(manager.commit(session))

    assert manager.open(token, presented=shown).user_id == "bob"
    assert manager.open(token).user_id == "bob"


class Asker:
    """A client with a key that asks an application, whichever way that is called."""

    def __init__(self, ask: Any) -> None:
        self._ask, self.key, self.token, self.nonce = ask, Key(), "", ""

    def __call__(self, method: str, path: str) -> Any:
        proof = self.key.proof(method, ORIGIN + path, token=self.token or None, nonce=self.nonce or None)
        headers = {"Sojourn-Transport": "bearer", "DPoP": proof}
        if self.token:
            headers["Authorization"] = f"DPoP {self.token}"
        answer = self._ask(method, path, headers=headers)
        self.nonce = answer.headers.get("DPoP-Nonce", self.nonce)
        self.token = answer.headers.get("Sojourn-Token", self.token)
        return answer


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    session = scope["session"]
    if scope["path"] == "/login":
        session.login("ada")
    body = str(session.user_id).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def asker_of(framework: str, service: Service) -> tuple[Asker, Any]:
    options: dict[str, Any] = {"script_readable_tokens": True, "public_origin": ORIGIN}
    if framework == "asgi":
        there = AsyncRemoteSessionManager(service.url, service.key)
        client = TestClient(SessionMiddleware(asgi_app, there, **options))
        return Asker(client.request), lambda: asyncio.run(there.close())
    app = flask.Flask(__name__)
    app.secret_key = secrets.token_hex()
    manager = RemoteSessionManager(service.url, service.key)
    init_app(app, manager, **options)

    @app.route("/login", methods=["POST"])
    def login() -> str:
        flask.session.login("ada")  # type: ignore[attr-defined]
        return "ada"

    @app.route("/me")
    def me() -> str:
        return str(flask.session.user_id)  # type: ignore[attr-defined]

    def ask(method: str, path: str, headers: dict[str, str]) -> Any:
        return app.test_client().open(path, method=method, headers=headers)

    return Asker(ask), manager.close


@pytest.mark.parametrize("framework", ["asgi", "flask"])
def test_an_application_hands_proofs_on_and_tells_its_visitor_what_the_service_says(
    binding: Service, framework: str
) -> None:
    asker, close = asker_of(framework, binding)
    answer = asker("POST", "/login")
    assert answer.status_code == 200
    assert asker.token.startswith("sj1-")
    assert asker.nonce
    assert asker("GET", "/me").text == "ada"
    asker.nonce = ""
    refused = asker("GET", "/me")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'DPoP error="use_dpop_nonce", algs="ES256"'
    assert asker("GET", "/me").text == "ada"
    thief = Asker(asker._ask)
    thief.token, thief.nonce = asker.token, asker.nonce
    told = thief("GET", "/me")
    assert (told.status_code, thief.token) == (401, "none")
    assert asker("GET", "/me").text == "ada"
    close()


def test_keys_are_handed_on_for_readable_tokens_alone(binding: Service) -> None:
    manager = AsyncRemoteSessionManager(binding.url, binding.key)
    with pytest.raises(ConfigurationError, match="script_readable_tokens=True"):
        SessionMiddleware(asgi_app, manager, public_origin=ORIGIN)
    asyncio.run(manager.close())
