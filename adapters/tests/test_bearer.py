"""Tokens that scripts hold, and the keys that they are bound to. Each language that takes them is put to each sentence.

Python's middleware over the same service is one of these: what it says, the adapters say.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.tests.express_site import Express
from adapters.tests.php_site import Php
from adapters.tests.relay import Relay
from adapters.tests.remote_site import Asgi
from adapters.tests.session_service import SessionService
from adapters.tests.sites import aspnetcore, each_kind
from adapters.tests.test_problems import LOGS_IN
from adapters.tests.visitor import COOKIE, Answer, Visitor
from tests.keys import Key
from tests.server import run_server
from tests.service.backend import Backend, make_key

START: Mapping[str, Callable[[Path, Mapping[str, str]], Any]] = {
    "express": Express,
    "php": lambda folder, environment: Php(folder, "fpm", environment),
    "aspnetcore": aspnetcore,
    "asgi": Asgi,
}
EACH = [kind for kind in each_kind if kind.values[0] in START]
VECTORS = json.loads((Path(__file__).parents[2] / "tests" / "vectors" / "proofs.json").read_text("utf-8"))
ORIGIN: str = VECTORS["request"]["origin"]
BEARER = {"Sojourn-Transport": "bearer"}
FACTS = [["facts"]]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionService]:
    with SessionService(tmp_path_factory.mktemp("service"), {"binding": "prefer"}) as service:
        yield service


def environment(url: str, key: str) -> dict[str, str]:
    """Of a site that takes the tokens of scripts, and their keys."""
    return {"SOJOURN_SERVICE": url, "SOJOURN_KEY": key, "SITE_PUBLIC_ORIGIN": ORIGIN}


@pytest.fixture(scope="module", params=EACH)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def ports(
    kind: str, tmp_path_factory: pytest.TempPathFactory, service: SessionService, relay: Relay
) -> Iterator[list[int]]:
    """Two processes of one site, each on its port."""
    with ExitStack() as running:
        start, given = START[kind], environment(relay.url, service.key)
        folders = [tmp_path_factory.mktemp(kind) for _ in range(2)]
        yield [running.enter_context(start(folder, given)).port for folder in folders]


def code(answer: Answer) -> str:
    """The code with which it was refused."""
    assert answer.status == 401
    assert answer.cookies == []
    return answer.code


@dataclass
class Script:
    """A script that holds its token itself, and has a key unless it is told otherwise."""

    port: int
    key: Key | None
    token: str | None = None
    nonce: str | None = None

    def headers(self, method: str = "POST", path: str = "/", **claims: Any) -> dict[str, str]:
        """What it sends, once."""
        scheme = "Bearer" if self.key is None else "DPoP"
        sent = {**BEARER, **({} if self.token is None else {"Authorization": f"{scheme} {self.token}"})}
        if self.key is None:
            return sent
        said = {"token": self.token, "nonce": self.nonce, **claims}
        return {**sent, "DPoP": self.key.proof(method, ORIGIN + path, **said)}

    def do(self, *steps: Sequence[Any], **ask: Any) -> Answer:
        answer = Visitor(self.port).do(*steps, headers=self.headers(), **ask)
        self.nonce = answer.headers["dpop-nonce"] or self.nonce
        said = answer.headers["sojourn-token"]
        if said is not None:
            self.token = None if said == "none" else said
        assert answer.cookies == []
        return answer

    def user(self) -> str | None:
        """Who the site says it is."""
        user: str | None = self.do(*FACTS).results[0]["user_id"]
        return user


def log_in(port: int, user: str = "ada") -> Script:
    script = Script(port, Key())
    answer = script.do(["login", user])
    assert answer.status == 200
    assert "no-store" in answer.headers["cache-control"]  # PHP itself says more
    assert {name.strip() for name in answer.headers["vary"].split(",")} == {"Cookie", "Authorization"}
    assert script.token is not None
    assert script.nonce is not None
    return script


def show(port: int, **headers: str) -> Answer:
    return Visitor(port).do(*FACTS, headers=headers)


def test_who_has_the_key_goes_on_in_every_process(ports: list[int], service: SessionService) -> None:
    script = log_in(ports[0])
    assert script.do(["set", "a", 1]).status == 200
    script.port = ports[1]

    assert script.user() == "ada"
    assert script.do(["increment", "a"]).results == [2]


def test_a_token_that_was_copied_without_its_key_opens_nothing_and_its_owner_goes_on(ports: list[int]) -> None:
    script = log_in(ports[0])
    for headers in (
        {"Authorization": f"Bearer {script.token}"},
        {"Authorization": f"DPoP {script.token}"},
        {"Authorization": f"DPoP {script.token}", **BEARER},
    ):
        answer = show(ports[0], **headers)
        assert code(answer) == "proof-required"
        assert answer.headers["sojourn-token"] == "none"
        assert answer.headers["www-authenticate"] == 'DPoP error="invalid_dpop_proof", algs="ES256"'
    assert show(ports[0], Cookie=f"{COOKIE}={script.token}").code == "proof-required"
    good = {"DPoP": script.headers()["DPoP"], "Authorization": f"Bearer {script.token}"}
    assert code(show(ports[0], **good)) == "proof-required"

    assert script.user() == "ada"


def test_the_scheme_is_of_any_letters_and_spaces_follow_it(ports: list[int]) -> None:
    script, unbound = log_in(ports[0]), Script(ports[0], None)
    assert unbound.do(["login", "eve"]).status == 200
    for scheme in ("dpop", "DPOP  "):
        shown = {**script.headers(), "Authorization": f"{scheme} {script.token}"}
        assert show(ports[0], **shown).results[0]["user_id"] == "ada"
        assert show(ports[0], Authorization=shown["Authorization"]).code == "proof-required"
    for scheme in ("bearer", "BEARER  "):
        assert show(ports[0], Authorization=f"{scheme} {unbound.token}").results[0]["user_id"] == "eve"
        assert show(ports[0], Authorization=f"{scheme} {script.token}").code == "proof-required"


def test_who_has_another_key_is_refused_and_told_to_forget_the_token(ports: list[int]) -> None:
    script = log_in(ports[0])
    thief = Script(ports[0], Key(), script.token, script.nonce)
    answer = thief.do(*FACTS)

    assert code(answer) == "proof-other-key"
    assert thief.token is None
    assert script.user() == "ada"


def test_a_proof_that_was_used_is_refused_by_the_other_process(ports: list[int]) -> None:
    script = log_in(ports[0])
    headers = script.headers()

    assert show(ports[0], **headers).status == 200
    assert code(show(ports[1], **headers)) == "proof-replayed"
    assert script.user() == "ada"


def test_of_one_proof_that_comes_many_times_at_once_one_is_served(ports: list[int]) -> None:
    headers = log_in(ports[0]).headers()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda turn: show(ports[turn % 2], **headers), range(16)))

    assert Counter(answer.status for answer in answers) == {200: 1, 401: 15}
    assert {code(answer) for answer in answers if answer.status == 401} == {"proof-replayed"}


def test_parallel_requests_with_a_proof_each_are_all_served(ports: list[int]) -> None:
    script = log_in(ports[0])
    with ThreadPoolExecutor(10) as pool:
        ask = [(ports[turn % 2], script.headers()) for turn in range(50)]
        answers = list(pool.map(lambda one: Visitor(one[0]).do(["increment", "n"], headers=one[1]), ask))

    assert Counter(answer.status for answer in answers) == {200: 50}
    assert script.do(["increment", "n"]).results == [51]


def test_a_proof_is_not_sent_twice_where_its_answer_is_lost(kind: str, ports: list[int], relay: Relay) -> None:
    script = log_in(ports[0])
    assert script.user() == "ada"
    shown = [script.headers() for _ in range(16)]
    relay.forget()
    # So that they travel together, too.
    relay.delay, relay.lose_answers = 0.1, True
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda headers: show(ports[0], **headers), shown))
    relay.delay, relay.lose_answers = 0.0, False

    assert {(answer.status, answer.code) for answer in answers} == {(503, "store-unavailable")}
    assert relay.opens == len(shown)
    # A process of PHP serves one request at a time.
    assert ("/v1/batch" in relay.paths) is (kind != "php")
    assert script.user() == "ada"


def test_who_lacks_a_nonce_is_given_one_and_goes_on(ports: list[int]) -> None:
    script = log_in(ports[0])
    script.nonce = None
    answer = script.do(*FACTS)

    assert code(answer) == "proof-without-nonce"
    assert answer.headers["www-authenticate"] == 'DPoP error="use_dpop_nonce", algs="ES256"'
    assert answer.headers["sojourn-token"] is None
    assert script.nonce is not None
    assert script.user() == "ada"


def test_a_proof_is_for_the_public_origin_and_one_request(ports: list[int]) -> None:
    script = log_in(ports[0])
    for claims, flaw in (
        ({"htu": f"http://127.0.0.1:{ports[0]}/"}, "proof-url"),
        ({"htu": f"{ORIGIN}/notes/1"}, "proof-url"),
        ({"htm": "GET"}, "proof-method"),
    ):
        assert code(show(ports[0], **script.headers(**claims))) == flaw
    query = Visitor(ports[0]).send("GET", "/notes/1?page=2", None, script.headers("GET", "/notes/1"))
    assert query.results[0]["user_id"] == "ada"


def test_the_session_that_follows_is_bound_to_the_same_key(ports: list[int]) -> None:
    script = log_in(ports[0])
    for step in (["regenerate"], ["login", "eve"]):
        before = script.token
        assert script.do(step).status == 200
        assert script.token != before
        assert code(show(ports[0], Authorization=f"Bearer {script.token}")) == "proof-required"
    assert script.user() == "eve"


def test_several_writes_of_one_request_use_one_proof(ports: list[int]) -> None:
    script = log_in(ports[0])
    steps: list[list[Any]] = [
        ["set", "a", 1],
        ["regenerate"],
        ["increment", "a"],
        ["login", "eve"],
        ["increment", "a"],
        ["logout"],
    ]

    assert script.do(*steps).status == 200
    assert script.token is None


def test_an_end_is_told_and_the_same_script_begins_anew(ports: list[int]) -> None:
    script = log_in(ports[0])
    token = script.token
    assert script.do(["logout"]).status == 200
    assert script.token is None

    script.token = token
    facts = script.do(*FACTS).results[0]
    assert (facts["user_id"], facts["end_reason"]) == (None, "logout")
    assert script.do(["login", "ada"]).status == 200
    assert script.token not in (None, token)
    assert script.user() == "ada"


def test_a_log_in_with_a_proof_that_was_used_makes_no_session(ports: list[int]) -> None:
    script = Script(ports[0], Key())
    headers = script.headers()
    assert Visitor(ports[0]).do(["login", "zoe"], headers=headers).status == 200
    again = Visitor(ports[1]).do(["login", "zoe"], headers=headers)

    assert again.code == "proof-replayed"
    assert again.headers["sojourn-token"] is None


def test_a_script_without_a_key_has_a_session_as_ever(ports: list[int]) -> None:
    script = Script(ports[0], None)
    assert script.do(["login", "ada"]).status == 200
    assert script.user() == "ada"
    # Bound later, whoever has stolen its token could lock the owner out.
    late = Script(ports[0], Key(), script.token)
    assert late.do(["set", "a", 1]).status == 200
    assert script.do(["increment", "a"]).results == [2]


@pytest.fixture(scope="module")
def stricter(tmp_path_factory: pytest.TempPathFactory, service: SessionService) -> Iterator[SessionService]:
    """The next instance of the service, whose policy requires keys."""
    folder = tmp_path_factory.mktemp("stricter")
    with SessionService(folder, {"binding": "require"}, store=service) as stricter:
        yield stricter


def test_what_is_refused_after_a_log_in_that_was_committed_leaves_its_token(
    kind: str, ports: list[int], relay: Relay, service: SessionService, stricter: SessionService
) -> None:
    if kind not in LOGS_IN:
        return  # of one request there is one commit

    def roll_out() -> None:
        relay.port, relay.farewell = stricter.port, True

    script = Script(ports[0], None)
    assert script.do(["set", "a", 1]).status == 200
    before, relay.before_commit = script.token, roll_out
    answer = script.do(*LOGS_IN[kind], ["set", "b", 2])
    relay.port = service.port
    relay.close_connections()

    assert code(answer) == "proof-required"
    assert script.token not in (None, before)
    assert script.user() == "ada"


def test_cookies_go_on_working_beside_it_and_the_two_never_mix(ports: list[int]) -> None:
    visitor, script = Visitor(ports[0]), log_in(ports[0])
    visitor.do(["login", "eve"])

    assert visitor.facts()["user_id"] == "eve"
    assert visitor.do(*FACTS, headers=BEARER).results[0]["user_id"] is None
    shown = script.headers()
    del shown["Sojourn-Transport"]
    both = visitor.do(*FACTS, headers=shown)
    assert (both.status, both.code) == (400, "ambiguous-token")
    assert visitor.do(*FACTS, headers=script.headers()).results[0]["user_id"] == "ada"
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://other.example"}
    assert visitor.do(*FACTS, headers=foreign).code == "cross-origin"
    # Which no page of another site can send without a preflight.
    assert visitor.do(*FACTS, headers={**script.headers(), **foreign}).status == 200


def test_a_bound_token_among_several_cookies_hinders_no_other(ports: list[int], backend: Backend) -> None:
    bound, other = log_in(ports[0]).token, backend.log_in("eve")
    for tokens in ([bound, other], [other, bound]):
        cookies = "; ".join(f"{COOKIE}={token}" for token in tokens)
        assert show(ports[0], Cookie=cookies).results[0]["user_id"] == "eve"


@pytest.fixture(scope="module")
def vector_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    folder = tmp_path_factory.mktemp("vectors")
    file, keys = folder / "sessions.sqlite3", folder / "keys.json"
    key = make_key(keys, "sessions")
    command = [sys.executable, "-m", "tests.service.vector_service", str(file), str(keys), "{port}"]
    with run_server(command, folder / "service.log", path="/health", folder=Path(__file__).parents[2]) as server:
        yield f"http://127.0.0.1:{server.port}", key, file


@pytest.fixture(scope="module", params=EACH)
def vector_port(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    vector_service: tuple[str, str, Path],
) -> Iterator[int]:
    url, key, _ = vector_service
    with START[request.param](tmp_path_factory.mktemp(request.param), environment(url, key)) as site:
        yield site.port


@pytest.mark.parametrize("vector", VECTORS["proofs"], ids=lambda vector: vector["why"])
def test_a_proof_is_judged_as_the_vectors_have_it(
    vector_port: int, vector_service: tuple[str, str, Path], vector: dict[str, Any]
) -> None:
    with closing(sqlite3.connect(vector_service[2])) as connection, connection:
        connection.execute("DELETE FROM mark")  # they are all of one name
    headers = {"Authorization": f"DPoP {VECTORS['token']}", "DPoP": vector["proof"]}
    asked = VECTORS["request"]
    answer = Visitor(vector_port).send(asked["method"], asked["path"], None, headers)

    if vector["problem"] is None:
        assert answer.results[0]["user_id"] == "ada"
        # What is good for a short while only is followed by the next.
        if vector["why"] == "a nonce just in time":
            assert answer.headers["dpop-nonce"].startswith(f"{VECTORS['now'] // 1000}-")
            assert "no-store" in answer.headers["cache-control"]
        return
    assert code(answer) == vector["problem"]
    assert (answer.headers["dpop-nonce"] is not None) is (answer.problem.get("nonce") is not None)


@pytest.mark.parametrize("kind", EACH)
def test_a_renewed_token_is_bound_to_the_same_key_and_an_outage_refuses_none(kind: str, tmp_path: Path) -> None:
    policy = {"binding": "prefer", "touch_interval": 0, "rotate_interval": 0}
    with ExitStack() as running:
        service = running.enter_context(SessionService(tmp_path / "service", policy))
        site = running.enter_context(START[kind](tmp_path / "site", environment(service.url, service.key)))
        script = log_in(site.port)
        before = script.token
        for _ in range(3):
            assert script.user() == "ada"
        assert script.token != before
        assert code(show(site.port, Authorization=f"Bearer {script.token}")) == "proof-required"

        service.process.stop()
        answer = script.do(*FACTS)
        assert (answer.status, answer.code) == (503, "store-unavailable")
        service.process.start()
        service.wait_until_ready()
        assert script.user() == "ada"


@pytest.mark.parametrize("kind", EACH)
def test_where_tokens_are_cookies_a_script_s_are_refused(
    kind: str, tmp_path: Path, service: SessionService, backend: Backend
) -> None:
    token = backend.log_in("ada")
    with START[kind](tmp_path / "site", {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}) as site:
        for headers in ({"Authorization": f"Bearer {token}"}, BEARER):
            answer = show(site.port, **headers)
            assert (answer.status, answer.code) == (400, "bearer-not-enabled")
        # Another's is none of our business, as it is where nothing is bound.
        for other in ("Bearer eyJhbGciOi", f"DPoP {token}", "Basic c2o6MQ=="):
            assert Visitor(site.port, token).do(*FACTS, headers={"Authorization": other}).results[0]["user_id"] == "ada"
