"""Tokens that scripts hold, over PHP: what is its servers' and its sessions' own. test_bearer.py has the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.tests.php_site import Kind, Php
from adapters.tests.relay import Relay
from adapters.tests.session_service import SessionService
from adapters.tests.test_bearer import BEARER, FACTS, ORIGIN, Script, code, environment, log_in, show
from adapters.tests.visitor import COOKIE, Visitor
from tests.keys import Key
from tests.service.backend import Backend

AGAIN: list[list[Any]] = [["session_write_close"], ["start"]]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionService]:
    with SessionService(tmp_path_factory.mktemp("service"), {"binding": "prefer"}) as service:
        yield service


# One worker, so that each request meets the connection that the one before has left.
@pytest.fixture(scope="module", params=["built-in", "apache"])
def php(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, service: SessionService, relay: Relay
) -> Iterator[Php]:
    kind: Kind = request.param
    with Php(tmp_path_factory.mktemp("php"), kind, environment(relay.url, service.key), workers=1) as php:
        yield php


@pytest.fixture
def script(php: Php, relay: Relay) -> Iterator[Script]:
    """Of somebody who is logged in. Whatever happens to it, no log tells its token."""
    script = log_in(php.port)
    relay.forget()
    yield script
    assert script.token is None or script.token[37:] not in php.told()


def test_authorization_is_found_whichever_server_hands_the_request_on(script: Script) -> None:
    assert script.user() == "ada"
    stolen = show(script.port, Authorization=f"Bearer {script.token}")

    assert code(stolen) == "proof-required"
    assert stolen.headers["sojourn-token"] == "none"
    cookies_only = {"scriptReadableTokens": False, "publicOrigin": None}
    headers = {"Authorization": f"Bearer {script.token}"}
    refused = Visitor(script.port).do(*FACTS, headers=headers, options=cookies_only)
    assert (refused.status, refused.code, refused.cookies) == (400, "bearer-not-enabled", [])


def test_the_bare_handler_answers_a_refusal_with_nothing_but_an_error(script: Script, php: Php) -> None:
    answer = Visitor(script.port).do(*FACTS, headers={"Authorization": f"Bearer {script.token}"}, bare=True)

    assert answer.status == 500
    assert "Uncaught Sojourn\\ProofRefused: " in php.told()
    assert script.user() == "ada"


def test_a_proxy_may_send_the_whole_url(script: Script) -> None:
    answer = Visitor(script.port).send(
        "GET", "http://inner.example:8080/notes/1?a=1", None, script.headers("GET", "/notes/1")
    )
    assert answer.results[0]["user_id"] == "ada"


def test_a_proof_is_not_sent_twice_to_the_service(script: Script, relay: Relay) -> None:
    assert script.user() == "ada"
    relay.forget()
    relay.hang_up_once = True
    lost = script.do(*FACTS)

    assert (lost.status, lost.code) == (503, "store-unavailable")
    assert (relay.paths, relay.connections) == (["/v1/open"], 0), "a connection that was kept"
    assert script.user() == "ada"


@pytest.mark.parametrize("bare", [False, True])
def test_what_is_loaded_changed_and_loaded_anew_in_one_request_takes_one_proof(script: Script, bare: bool) -> None:
    steps: list[list[Any]] = [["set", "a", 1], *AGAIN, ["session_regenerate_id"], *AGAIN, ["login", "eve"], *AGAIN]
    before = script.token
    answer = script.do(*steps, ["increment", "n"], ["session_write_close"], bare=bare)

    assert answer.status == 200
    assert script.token not in (None, before)
    assert answer.headers.get_all("sojourn-token") == [script.token]
    assert "no-store" in answer.headers["cache-control"]
    assert script.user() == "eve"


def test_no_cache_keeps_an_answer_with_a_token_whatever_the_application_said(script: Script) -> None:
    answer = script.do(["login", "eve"], ["header", "Cache-Control: public, max-age=60"], ["header", "Vary: Cookie"])

    assert answer.headers["sojourn-token"] == script.token
    assert answer.headers["cache-control"] == "no-store"
    assert ",".join(answer.headers.get_all("vary") or []).replace(" ", "") == "Cookie,Authorization"


@pytest.mark.parametrize("bare", [False, True])
def test_a_browser_whose_clock_is_wrong_learns_the_time_though_its_log_in_is_caught(php: Php, bare: bool) -> None:
    key = Key()

    def ask(at: int) -> Any:
        headers = {**BEARER, "DPoP": key.proof("POST", f"{ORIGIN}/", iat=at)}
        steps: list[list[Any]] = [["login", "ada"], ["catch", ["session_write_close"]]]
        return Visitor(php.port).do(*steps, headers=headers, bare=bare)

    refused = ask(int(time.time()) - 3600)
    assert refused.results[1].startswith("Sojourn\\ProofRefused: ")
    assert refused.headers["www-authenticate"] == 'DPoP error="use_dpop_nonce", algs="ES256"'
    assert (refused.headers["sojourn-token"], refused.cookies) == (None, [])
    assert "no-store" in refused.headers["cache-control"]
    told = int(refused.headers["dpop-nonce"].partition("-")[0])
    assert ask(told).headers["sojourn-token"].startswith("sj1-")


def test_a_bound_sessions_token_among_several_cookies_hinders_no_other(
    script: Script, relay: Relay, service: SessionService
) -> None:
    with Backend(service.port, service.key) as backend:
        others = backend.log_in("eve")
    for tokens in ([script.token, others], [others, script.token]):
        cookie = "; ".join(f"{COOKIE}={token}" for token in tokens)
        assert show(script.port, Cookie=cookie).results[0]["user_id"] == "eve"
    assert script.user() == "ada"


@pytest.mark.parametrize("bare", [False, True])
def test_nothing_that_php_prints_of_it_tells_a_token_or_a_proof(script: Script, bare: bool) -> None:
    headers = script.headers()
    assert script.token is not None
    body = Visitor(script.port).do(["dump"], headers=headers, bare=bare).body

    assert "Sojourn" in body
    assert script.token[37:] not in body
    assert headers["DPoP"][-40:] not in body
