"""tests/vectors/origins.json and limits.json, over HTTP: every language's site is put to each case."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from adapters.tests.php_site import Php
from adapters.tests.session_service import SessionService
from adapters.tests.sites import Site, each_kind
from adapters.tests.visitor import Answer, Visitor
from tests.service.backend import Backend

VECTORS = Path(__file__).parents[2] / "tests" / "vectors"
ORIGINS, LIMITS = (json.loads((VECTORS / f"{name}.json").read_text("utf-8")) for name in ("origins", "limits"))


def by_why(cases: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["why"])


def origin_cases() -> Iterator[Any]:
    """Each with a site of each language. WebSockets are not PHP's; under ASGI they are no HTTP: tests/asgi has them."""
    for kind in each_kind:
        (name,) = kind.values
        # A manager in threads sees no headers: a middleware or a framework refuses before it.
        for case in ORIGINS["cases"] if name != "threads" else ():
            if not case.get("handshake") or name in ("express", "aspnetcore"):
                yield pytest.param(name, case, id=f"{name}-{case['why']}", marks=kind.marks)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, service: SessionService) -> Iterator[Callable[[str], int]]:
    """The port of the site of a kind, started when it is first asked for."""
    with ExitStack() as running:

        @cache
        def started(kind: str) -> int:
            folder = tmp_path_factory.mktemp("site")
            if kind == "php":  # Debian's nginx does not hand the Host header on to PHP as it was sent
                environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
                return running.enter_context(Php(folder, "built-in", environment)).port
            return running.enter_context(Site(kind, folder, service.url, service.key)).port

        yield started


@pytest.fixture
def port(request: pytest.FixtureRequest, start: Callable[[str], int]) -> int:
    return start(request.param)


@pytest.mark.parametrize(("port", "case"), [*origin_cases()], indirect=["port"])
def test_a_request_of_another_site_is_told_by_its_headers(port: int, case: dict[str, Any]) -> None:
    more = {"connection": "upgrade", "upgrade": "websocket"} if case.get("handshake") else {}
    ask = {"do": [["facts"]], "options": {"trustedOrigins": ORIGINS["trusted"]}}
    content = None if case["method"] in ("GET", "HEAD") else json.dumps(ask)

    answer = Visitor(port).send(case["method"], "/", content, {**case["headers"], **more})

    assert (answer.status == 403) is not case["allowed"]
    if answer.status == 403:
        assert answer.code == "cross-origin"


def value_of(case: dict[str, Any]) -> Any:
    """What the key is set to."""
    value: Any = case.get("value")
    if "nested" in case:
        value = 1
        for _ in range(case["nested"]):
            value = [value]
    return "x" * case["letters"] if "letters" in case else value


@by_why(LIMITS["values"])
def test_a_session_holds_what_it_can(site: Site, visitor: Visitor, backend: Backend, case: dict[str, Any]) -> None:
    visitor.token = token = backend.commit(action={"type": "start"})["token"]
    value = value_of(case)

    answer = visitor.do(["set", "k", value])

    held = backend.open(token)["session"]["data"]
    if case.get("wide") and site.kind in ("php", "aspnetcore"):
        # They say that a key has more than 53 bits, whichever back end wrote it, so that all of them mean the same.
        assert held == {}
        assert is_refused(answer, "invalid-data")
    elif case["result"] == "kept":
        assert answer.status == 200
        assert json.dumps(held, sort_keys=True) == json.dumps({"k": value}, sort_keys=True)
    else:
        assert held == {}
        assert is_refused(answer, case["result"])


def is_refused(answer: Answer, code: str) -> bool:
    """What cannot be kept is a mistake of whoever wrote the application; what is too large may be a visitor's."""
    return answer.code == code if code == "data-too-large" else answer.status in (500, 422)


@pytest.mark.parametrize(
    "value", [2**60 + 1, -(2**63), {"deep": [2**63 - 1, 0.1234567890123456, "9223372036854776000"]}], ids=repr
)
def test_an_integer_of_64_bits_that_another_back_end_wrote_is_left_as_it_is(
    visitor: Visitor, backend: Backend, value: Any
) -> None:
    began = backend.commit(action={"type": "start"}, changes={"wide": {"base": None, "value": value}})
    visitor.token = token = began["token"]

    assert visitor.do(["set", "k", 1]).status == 200
    assert backend.open(token)["session"]["data"] == {"wide": value, "k": 1}
    assert visitor.do(["login", "ada"]).status == 200
    assert visitor.token is not None
    assert backend.open(visitor.token)["session"]["data"] == {"wide": value, "k": 1}
    assert visitor.do(["set", "wide", 1]).status == 200
    assert backend.open(visitor.token)["session"]["data"] == {"wide": 1, "k": 1}


@pytest.mark.parametrize("case", LIMITS["user_ids"], ids=lambda case: str(case["letters"]))
def test_a_user_has_an_id_of_1_to_255_letters(visitor: Visitor, backend: Backend, case: dict[str, Any]) -> None:
    user_id = "u" * case["letters"]

    answer = visitor.do(["login", user_id])

    assert (answer.status == 200) is case["kept"]
    assert (visitor.token is not None) is case["kept"]
    if visitor.token:
        assert backend.open(visitor.token)["session"]["user_id"] == user_id


def test_of_a_long_user_agent_the_beginning_is_kept(visitor: Visitor, backend: Backend) -> None:
    agent = "Mozilla/5.0 " + "x" * 3000

    assert visitor.do(["set", "a", 1], headers={"user-agent": agent}).status == 200
    assert visitor.token is not None
    found = backend.request("GET", f"/v1/sessions/{visitor.token[4:36]}").json["session"]
    assert found["user_agent"] == agent[: LIMITS["client"]["user_agent"]]
