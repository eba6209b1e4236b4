"""The PHP adapter where the service is away, slow, or not what it should be: a clear answer in time, and no mix-up."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.tests.php_site import WORKERS, Php, Turnstile
from adapters.tests.relay import Relay
from adapters.tests.session_service import SessionService
from adapters.tests.visitor import Visitor
from tests.servers.waiting import wait_until
from tests.service.backend import make_key

TIMEOUT = 2.0
MARGIN = 16.0  # for a busy machine


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionService]:
    with SessionService(tmp_path_factory.mktemp("service"), {"max_bytes": 8 << 20}) as service:
        yield service


@pytest.fixture(scope="module")
def php(tmp_path_factory: pytest.TempPathFactory, service: SessionService) -> Iterator[Php]:
    environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
    with Php(tmp_path_factory.mktemp("php"), "fpm", environment) as php:
        yield php


@pytest.fixture
def relay(service: SessionService) -> Iterator[Relay]:
    with Relay(service.port) as relay:
        yield relay


@pytest.fixture
def visitor(php: Php, service: SessionService) -> Iterator[Visitor]:
    """A visitor who is logged in. Whatever happens, no log tells a token or the key."""
    visitor = Visitor(php.port)
    visitor.do(["login", "ada"], ["set", "a", 1])
    yield visitor
    told = php.told() + service.process.output()
    assert not [token for token in visitor.seen if token in told or token[37:] in told]
    assert service.key not in told


def assert_unavailable(visitor: Visitor, within: float = MARGIN, **options: object) -> None:
    answer = visitor.do(["print", "a page"], ["set", "b", 2], options=options)
    assert (answer.status, answer.code) == (503, "store-unavailable")
    assert answer.headers["retry-after"] == "2"
    assert answer.cookies == []
    assert answer.took < within


# Away


def test_a_service_that_is_away_is_a_503_and_comes_back(visitor: Visitor, php: Php, service: SessionService) -> None:
    service.process.kill()
    try:
        assert_unavailable(visitor)
        assert "Sojourn: The session service at tcp://127.0.0.1:" in php.told()
        assert "could not be reached: Connection refused." in php.told()
        # Without a token there is nothing to ask for.
        stranger = Visitor(php.port)
        assert stranger.data() == {}
        assert_unavailable(stranger)
    finally:
        service.process.start()
        service.wait_until_ready()
    assert visitor.data() == {"a": 1}


def test_a_service_that_is_paused_is_a_503_in_time(visitor: Visitor, service: SessionService) -> None:
    service.process.pause()
    try:
        assert_unavailable(visitor, TIMEOUT + MARGIN)
        assert_unavailable(visitor, 0.3 + MARGIN, timeout=0.3)
    finally:
        service.process.resume()
    assert visitor.data() == {"a": 1}


def test_it_is_away_by_the_end_of_the_request(visitor: Visitor, service: SessionService, tmp_path: Path) -> None:
    turnstile = Turnstile(tmp_path / "late")
    with ThreadPoolExecutor(1) as pool:
        steps: list[list[str | int]] = [
            ["set", "b", 2],
            [*turnstile.step],
            ["header", "X-Page: 1"],
            ["print", "a page"],
        ]
        late = pool.submit(visitor.do, *steps)
        turnstile.wait_for_arrival()
        service.process.kill()
        turnstile.release()
        try:
            answer = late.result()
        finally:
            service.process.start()
            service.wait_until_ready()

    assert (answer.status, answer.code) == (503, "store-unavailable")
    assert "a page" not in answer.body
    assert visitor.data() == {"a": 1}


def test_who_catches_it_does_not_find_an_anonymous_visitor(visitor: Visitor, service: SessionService) -> None:
    service.process.kill()
    try:
        results = visitor.do(["catch", ["facts"]], ["catch", ["login", "eve"]], catch=True).results
    finally:
        service.process.start()
        service.wait_until_ready()

    assert results[0].startswith("Sojourn\\ServiceUnavailable: ")
    assert results[1].startswith("Sojourn\\SessionCommitted: ")


def test_nothing_that_was_acknowledged_is_lost_when_the_service_is_killed(
    visitor: Visitor, php: Php, service: SessionService
) -> None:
    enough = threading.Event()
    longest = 0.0
    answered: Counter[int] = Counter()

    def count() -> tuple[int, int]:
        nonlocal longest
        tried = acknowledged = 0
        mine = visitor.copy()
        while not enough.is_set():
            answer = mine.do(["increment", "count"])
            assert answer.status in (200, 503), answer.body
            tried, acknowledged = tried + 1, acknowledged + (answer.status == 200)
            answered[answer.status] += 1
            longest = max(longest, answer.took)
        return tried, acknowledged

    def wait_for_more(status: int, many: int) -> None:
        before = answered[status]
        wait_until(lambda: answered[status] >= before + many, f"answers of {status}")

    with ThreadPoolExecutor(6) as pool:
        counting = [pool.submit(count) for _ in range(6)]
        try:
            for _ in range(2):
                wait_for_more(200, 15)
                service.process.kill()
                wait_for_more(503, 1)
                service.process.start()
                service.wait_until_ready()
            wait_for_more(200, 15)
        finally:
            enough.set()
        done = [each.result() for each in counting]

    kept = visitor.data()["count"]
    assert sum(acknowledged for _, acknowledged in done) <= kept <= sum(tried for tried, _ in done)
    assert kept >= 45
    assert longest < 2 * TIMEOUT + MARGIN
    with ThreadPoolExecutor(2 * WORKERS) as pool:
        answers = [pool.submit(visitor.copy().do, ["sleep", 0.2], ["data"]) for _ in range(2 * WORKERS)]
        assert {each.result().status for each in answers} == {200}, "a worker is wedged"


# Connections


def test_connections_are_kept_from_request_to_request(visitor: Visitor, relay: Relay) -> None:
    for _ in range(60):
        assert visitor.do(["increment", "n"], options={"service": relay.url}).status == 200

    assert len(relay.paths) == 120
    assert relay.connections <= WORKERS


def test_a_kept_connection_that_the_service_closed_is_opened_anew(visitor: Visitor, relay: Relay) -> None:
    for _ in range(3):
        for _ in range(WORKERS):
            assert visitor.data(options={"service": relay.url})["a"] == 1
            assert visitor.do(["increment", "n"], options={"service": relay.url}).status == 200
        relay.close_connections()


def test_a_service_on_another_machine_is_asked_in_the_open_where_that_is_said(visitor: Visitor) -> None:
    options = {"service": "http://no-such-host.invalid:8100", "dangerouslyAllowPlainHttp": True}
    assert_unavailable(visitor, MARGIN, **options)


def test_a_unix_socket_will_do(tmp_path: Path, php: Php) -> None:
    with SessionService(tmp_path, unix=True) as service:
        options = {"service": service.url, "key": service.key}
        visitor = Visitor(php.port)
        for number in range(1, 30):
            assert visitor.do(["increment", "n"], options=options).results == [number]
        wait_until(lambda: service.process.output().count("/v1/commit 200") == 29, "29 commits in the log")


# Answers


@pytest.mark.parametrize("bare", [False, True])
def test_a_late_answer_is_not_taken_for_the_next_ones(
    visitor: Visitor, service: SessionService, relay: Relay, tmp_path: Path, bare: bool
) -> None:
    environment = {"SOJOURN_SERVICE": relay.url, "SOJOURN_KEY": service.key}
    with Php(tmp_path, "fpm", environment, workers=1) as php:
        bob = Visitor(php.port)
        bob.do(["login", "bob"])
        ada = Visitor(php.port, visitor.token)
        assert ada.facts()["user_id"] == "ada"
        relay.delay = 0.5
        assert_unavailable(ada, timeout=0.2)
        relay.delay = 0
        for _ in range(3):
            assert bob.facts(bare=bare)["user_id"] == "bob"
            time.sleep(0.2)


def test_an_answer_that_was_broken_off_is_not_taken_for_the_next_ones(
    visitor: Visitor, service: SessionService, relay: Relay, tmp_path: Path
) -> None:
    environment = {"SOJOURN_SERVICE": relay.url, "SOJOURN_KEY": service.key}
    with Php(tmp_path, "fpm", environment, workers=1) as php:
        bob = Visitor(php.port)
        bob.do(["login", "bob"])
        ada = Visitor(php.port, visitor.token)
        assert ada.do(["set", "large", "x" * (6 << 20)]).status == 200
        relay.forget()
        # PHP ends this request in the middle of the answer, and the worker lives on. The rest is still on its way.
        relay.delay = 0.05
        assert ada.do(memory="2M").status == 500
        assert "Allowed memory size" in php.told()
        assert bob.facts()["user_id"] == "bob"
        assert relay.connections == 1, "the connection in an unknown state was closed"
        assert bob.data() == {}


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next_ones(
    visitor: Visitor, service: SessionService, relay: Relay, tmp_path: Path
) -> None:
    environment = {"SOJOURN_SERVICE": relay.url, "SOJOURN_KEY": service.key}
    with Php(tmp_path, "built-in", environment, workers=1) as php:
        bob = Visitor(php.port)
        bob.do(["login", "bob"])
        ada = Visitor(php.port, visitor.token)
        relay.delay = 1.4
        assert ada.do(exit_after=1).body == ""
        assert relay.paths[-1] == "/v1/open"
        relay.delay = 0
        for _ in range(2):
            assert bob.facts()["user_id"] == "bob"
            time.sleep(0.6)


def test_a_connection_that_is_cut_before_the_answer_is_a_503(visitor: Visitor, relay: Relay) -> None:
    relay.hang_up_after_request = True
    assert_unavailable(visitor, service=relay.url)
    relay.hang_up_after_request = False
    assert visitor.data(options={"service": relay.url}) == {"a": 1}


def test_an_open_is_sent_again_where_a_kept_connection_breaks_under_it(
    visitor: Visitor, service: SessionService, relay: Relay, tmp_path: Path
) -> None:
    environment = {"SOJOURN_SERVICE": relay.url, "SOJOURN_KEY": service.key}
    with Php(tmp_path, "fpm", environment, workers=1) as php:
        visitor = Visitor(php.port, visitor.token)
        visitor.data()
        relay.forget()
        relay.hang_up_once = True
        assert visitor.data() == {"a": 1}
        assert relay.paths == ["/v1/open", "/v1/open"]


def test_a_commit_is_never_sent_twice(visitor: Visitor, relay: Relay) -> None:
    stranger = Visitor(visitor.port)
    for _ in range(2 * WORKERS):
        visitor.data(options={"service": relay.url})
    relay.forget()
    relay.hang_up_after_request = True
    assert_unavailable(stranger, service=relay.url)
    assert relay.paths == ["/v1/commit"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", 503),
        (b"HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n6;x=y\r\n<html>\r\n0\r\n\r\n", 503),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 500),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", 500),
        (b"HTTP/1.1 200 OK\r\n\r\n", 503),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 503),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", 503),
    ],
)
def test_what_answers_is_no_session_service(
    visitor: Visitor, php: Php, relay: Relay, answer: bytes, status: int
) -> None:
    relay.answer_instead = answer
    found = visitor.do(["data"], options={"service": relay.url, "timeout": 0.5})

    assert found.status == status
    assert found.took < 0.5 + MARGIN
    relay.answer_instead = None
    assert visitor.data(options={"service": relay.url}) == {"a": 1}


def test_an_answer_about_another_session_is_refused(visitor: Visitor, php: Php, relay: Relay) -> None:
    session = b'{"id":"%s","user_id":"eve","data":{}}' % (b"0" * 32)
    body = b'{"status":"active","end_reason":null,"session":%s,"now":1}' % session
    relay.answer_instead = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    assert_unavailable(visitor, service=relay.url)
    assert "answered for another session" in php.told()


# Keys


def test_a_wrong_key_is_the_developers_mistake(visitor: Visitor, php: Php, service: SessionService) -> None:
    admin = make_key(service.keys, "admin")
    unknown = f"sjk1-{'0' * 8}-{'0' * 64}"
    for key, told in [
        (unknown, "ConfigurationError: The session service refused what it was sent (api-key-refused): "),
        (admin, "ConfigurationError: The session service refused what it was sent (api-key-scope): "),
        (visitor.token, "ConfigurationError: key: give the service's API key, sjk1-… (this is a session's token)."),
        ("", "ConfigurationError: key: give the service's API key, sjk1-… (there is none)."),
    ]:
        answer = visitor.do(["print", "a page"], options={"key": key})
        assert (answer.status, answer.body) == (500, "")
        while told not in php.told() and key == admin:  # which the service may not have noticed yet
            visitor.do(options={"key": key})
        assert told in php.told()
        assert not key or key[14:] not in php.told()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"service": "127.0.0.1:8100"}, "service: give the service's address, such as 'http://127.0.0.1:8100'"),
        ({"service": "http://user:pass@host"}, "service: give the service's address"),
        ({"service": "http://10.0.0.5:8100"}, "service: http://10.0.0.5:8100 is another machine, and on http://"),
        ({"service": "http://127.0.0.1.example.com"}, "service: http://127.0.0.1.example.com is another machine"),
        ({"timeout": 0}, "timeout: give seconds"),
        ({"cookie": "a b"}, "cookie: letters, digits"),
        ({"trustedOrigins": ["example.com"]}, "trustedOrigins has 'example.com': write it like"),
        ({"trustedOrigins": ["https://example.com:443"]}, "trustedOrigins has 'https://example.com:443'"),
        ({"trustedOrigins": ["null"]}, "trustedOrigins has 'null'"),
        ({"crossSitePaths": ["/auth/*"]}, "crossSitePaths has '/auth/*': give whole paths, such as '/auth/callback'."),
        ({"crossSitePaths": ["auth"]}, "crossSitePaths has 'auth'"),
        ({"publicOrigin": "https://app.example.com"}, "publicOrigin is for tokens that scripts hold: give script"),
        (
            {"scriptReadableTokens": True, "publicOrigin": "https://app.example.com/"},
            "publicOrigin is 'https://app.example.com/': write it like 'https://app.example.com'.",
        ),
        (
            {"scriptReadableTokens": True, "publicOrigin": "capacitor://localhost"},
            "publicOrigin is 'capacitor://localh",
        ),
        ({"cookie": "other"}, "The service's cookie is __Host-session, but 'other' is read. Give cookie: '__Host-"),
    ],
)
def test_a_wrong_option_says_what_to_write(php: Php, options: dict[str, object], told: str) -> None:
    assert Visitor(php.port).do(["set", "a", 1], options=options).status == 500
    assert f"Uncaught Sojourn\\ConfigurationError: {told}" in php.told()
