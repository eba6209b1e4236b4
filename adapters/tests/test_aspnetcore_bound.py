"""What handlers of ASP.NET Core see where a session is bound to a script's key; the rest is in test_bearer.py."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from adapters.tests.aspnetcore_site import DOTNETS, Site
from adapters.tests.session_service import SessionService
from adapters.tests.test_bearer import BEARER, ORIGIN, code, environment, log_in
from tests.keys import Key

pytestmark = pytest.mark.skipif(not DOTNETS, reason="scripts/dotnet has fetched no SDK")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionService]:
    with SessionService(tmp_path_factory.mktemp("service"), {"binding": "prefer"}) as service:
        yield service


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, service: SessionService) -> Iterator[Site]:
    given = environment(service.url, service.key)
    with Site(tmp_path_factory.mktemp("site"), DOTNETS[-1], "tests", given) as site:
        yield site


@pytest.mark.parametrize("is_caught", [False, True], ids=["refused", "caught"])
def test_a_browser_whose_clock_is_wrong_learns_the_time_whoever_answers_its_log_in(site: Site, is_caught: bool) -> None:
    key, login = Key(), ["login", "ada"]
    step = ["try", login] if is_caught else login

    def headers(at: int) -> dict[str, str]:
        return {**BEARER, "DPoP": key.proof("POST", f"{ORIGIN}/", iat=at)}

    refused = site.visitor().do(step, headers=headers(int(time.time()) - 3600))
    if is_caught:
        assert refused.results[0]["code"] == "proof-time"
    else:
        assert (refused.status, refused.code) == (401, "proof-time")
    assert refused.headers["www-authenticate"] == 'DPoP error="use_dpop_nonce", algs="ES256"'
    assert refused.headers["cache-control"] == "no-store"
    assert refused.headers["sojourn-token"] is None
    told = int(refused.headers["dpop-nonce"].partition("-")[0])
    answer = site.visitor().do(step, headers=headers(told))

    assert (answer.status, answer.headers["sojourn-token"][:4]) == (200, "sj1-")


@pytest.mark.parametrize(
    "target", ["/notes/%31?a=%2f", "http://inner.example:8080/notes/1", "http://inner.example/notes/1?a=1"]
)
def test_a_proof_is_for_the_path_that_the_browser_asked_for_however_it_comes(site: Site, target: str) -> None:
    script = log_in(site.port)

    assert site.visitor().send("GET", target, None, script.headers("GET", "/notes/1")).results[0]["user_id"] == "ada"
    assert code(site.visitor().send("GET", target, None, script.headers("GET", "/1"))) == "proof-url"
