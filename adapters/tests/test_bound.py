"""A session that is bound to a key: its token opens nothing in a cookie."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.tests.session_service import SessionService
from adapters.tests.sites import Site
from adapters.tests.visitor import Visitor
from tests.keys import Key
from tests.service.backend import Backend

ORIGIN = "https://app.example.com"
LOG_IN = {"type": "login", "user_id": "ada"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionService]:
    with SessionService(tmp_path_factory.mktemp("service"), {"binding": "prefer"}) as service:
        yield service


@pytest.mark.parametrize("step", [["facts"], ["set", "a", 1], ["login", "eve"], ["logout"]], ids=lambda step: step[0])
def test_it_is_refused_with_the_reason_and_nothing_ends(
    site: Site, visitor: Visitor, backend: Backend, step: list[object]
) -> None:
    key = Key()
    proof = key.proof("POST", f"{ORIGIN}/log-in")
    made = backend.commit(presented={"method": "POST", "url": f"{ORIGIN}/log-in", "proof": proof}, action=LOG_IN)
    visitor.token = token = made["token"]
    answer = visitor.do(step)

    assert (answer.status, answer.code) == (401, "proof-required")
    if (
        site.kind != "threads"
    ):  # where no headers are seen; elsewhere the cookie goes, as a browser without its key needs
        assert answer.headers["www-authenticate"] is None
        assert answer.cookies
        assert all("Max-Age=0" in line for line in answer.cookies)
    else:
        assert answer.headers["www-authenticate"] == 'DPoP error="invalid_dpop_proof", algs="ES256"'
        assert answer.cookies == []
    shown = {"method": "GET", "url": f"{ORIGIN}/", "dpop": True}
    good = key.proof("GET", f"{ORIGIN}/", token=token, nonce=made["nonce"])
    assert backend.open(token, presented={**shown, "proof": good})["session"]["user_id"] == "ada"
