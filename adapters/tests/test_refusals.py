"""What every adapter refuses: tokens from elsewhere, and keys that are none. Each language is put to each sentence."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.tests.relay import Relay
from adapters.tests.session_service import SessionService
from adapters.tests.sites import Site, each_kind
from adapters.tests.visitor import COOKIE, Answer, Visitor
from tests.servers.waiting import wait_until
from tests.service.backend import COMMAND, Backend, make_key

UNKNOWN = f"sj1-{'0' * 32}-{'f' * 64}"


@pytest.fixture(scope="module")
def admin(service: SessionService) -> str:
    """A key of scope `admin` alone."""
    return make_key(service.keys, "admin")


@pytest.fixture
def secrets(site: Site, service: SessionService, admin: str) -> Iterator[set[str]]:
    """What no log may tell: all keys, and the tokens of every visitor. Only their public ids may be there."""
    secrets = {service.key, admin}
    yield secrets
    told = site.told() + service.process.output()
    assert "/v1/" in told
    assert not [secret for secret in secrets if secret in told or secret[-64:] in told]


@pytest.fixture
def visitor(site: Site, relay: Relay, secrets: set[str]) -> Visitor:
    """A new one."""
    relay.forget()
    return Visitor(site.port, seen=secrets)


def held(visitor: Visitor) -> str:
    """The token that its browser has."""
    assert visitor.token is not None
    return visitor.token


def assert_begins_anew(visitor: Visitor, backend: Backend, planted: str) -> None:
    """What `planted` is for is nobody's session; the visitor gets one of its own, under a token of its own."""
    visitor.token = planted
    (facts,) = visitor.do(["facts"]).results
    assert facts["user_id"] is None
    assert not facts["id"] or facts["end_reason"]  # Python tells which session it was that ended
    assert visitor.do(["set", "mine", 1]).status == 200
    assert visitor.token is not None
    assert visitor.token[4:36] not in planted
    found = backend.open(visitor.token)["session"]
    assert (found["user_id"], found["data"]) == (None, {"mine": 1})


# Tokens


@pytest.mark.parametrize(
    "planted",
    [
        UNKNOWN[:-1],
        UNKNOWN + "0",
        UNKNOWN.upper(),
        UNKNOWN.replace("f", "F"),
        "sj1-" + "0" * 97,
        "sj2" + UNKNOWN[3:],
        "%73" + UNKNOWN[1:],
        f'"{UNKNOWN}"',
        "0" * 32,
        "../../../../etc/passwd",
        "s:" + "a" * 32 + ".sig",
        '{"token":1}',
        "x" * 4000,
    ],
)
def test_what_is_no_token_is_not_even_asked_for(visitor: Visitor, relay: Relay, planted: str) -> None:
    visitor.token = planted
    (facts,) = visitor.do(["facts"]).results

    assert (facts["id"] or None, facts["user_id"], facts["end_reason"]) == (None, None, None)
    assert relay.paths == []
    assert visitor.do(["set", "a", 1]).status == 200
    assert len(visitor.token) == 101
    assert visitor.token[4:36] not in planted


def test_an_unknown_token_is_never_adopted(visitor: Visitor, backend: Backend, relay: Relay) -> None:
    assert_begins_anew(visitor, backend, UNKNOWN)

    assert relay.paths == ["/v1/open"] * 2 + ["/v1/commit"]
    assert backend.open(UNKNOWN)["status"] == "none"


def test_an_id_that_is_known_opens_nothing_and_harms_nobody(visitor: Visitor, backend: Backend) -> None:
    ada, bob = backend.log_in("ada", a=1), backend.log_in("bob", b=1)
    visitor.seen.update((ada, bob))
    for planted in (ada[:37] + "0" * 64, ada[:37] + bob[37:], ada[4:36]):
        assert_begins_anew(visitor.copy(), backend, planted)

    assert backend.open(ada)["session"]["data"] == {"a": 1}
    assert backend.open(bob)["session"]["data"] == {"b": 1}


def test_a_key_is_no_token_and_a_token_no_key(visitor: Visitor, site: Site, backend: Backend, relay: Relay) -> None:
    assert_begins_anew(visitor.copy(), backend, site.key)
    visitor.do(["login", "ada"])
    for word in (visitor.token, site.key):
        stranger = site.visitor()
        answer = stranger.do(["facts"], headers={"authorization": f"Bearer {word}"})
        if answer.status == 400:  # Python's middleware knows of tokens there, and says that it takes none
            assert answer.code == "bearer-not-enabled"
        else:
            assert (answer.results[0]["id"] or None, answer.results[0]["user_id"]) == (None, None)


def test_a_token_that_was_planted_opens_nothing_after_the_log_in(visitor: Visitor, backend: Backend) -> None:
    thief = visitor.copy()
    assert thief.do(["set", "planted", 1]).status == 200
    visitor.token = thief.token
    planted = held(visitor)
    assert visitor.do(["login", "ada"], ["set", "secret", 1]).status == 200

    assert held(visitor)[4:36] != planted[4:36]
    assert backend.open(planted)["end_reason"] == "replaced"
    (facts,) = thief.do(["facts"]).results
    assert (facts["user_id"], facts["end_reason"]) == (None, "replaced")
    # What the thief goes on to write is in a session of its own.
    assert thief.do(["set", "more", 1]).status == 200
    assert backend.open(held(thief))["session"]["data"] == {"more": 1}
    assert backend.open(held(visitor))["session"]["data"] == {"planted": 1, "secret": 1}


def test_of_a_planted_users_session_nothing_comes_along(visitor: Visitor, backend: Backend) -> None:
    eve = backend.log_in("eve", planted=1)
    visitor.token = eve
    assert visitor.do(["login", "ada"], ["set", "secret", 1]).status == 200

    found = backend.open(held(visitor))["session"]
    assert (found["user_id"], found["data"]) == ("ada", {"secret": 1})
    assert backend.open(eve)["status"] == "ended"


def test_two_log_ins_over_one_planted_token_are_two_sessions(visitor: Visitor, backend: Backend) -> None:
    visitor.do(["set", "planted", 1])
    visitors = [visitor.copy() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(each.do, ["login", f"user{n}"]) for n, each in enumerate(visitors)]
        assert [each.result().status for each in answers] == [200] * 8

    assert [backend.open(held(each))["session"]["user_id"] for each in visitors] == [f"user{n}" for n in range(8)]
    assert backend.open(held(visitor))["status"] == "ended"


@pytest.mark.parametrize("how", ["logout", "replaced", "revoked"])
def test_a_session_that_is_over_is_not_brought_back(
    visitor: Visitor, backend: Backend, service: SessionService, admin: str, how: str
) -> None:
    visitor.do(["set", "old", 1], ["login", "ada"])
    old = visitor.copy()
    if how == "revoked":
        with Backend(service.port, admin) as office:
            wait_until_known(office)
            assert office.request("DELETE", f"/v1/sessions/{held(old)[4:36]}").json == {"ended": 1}
    else:
        assert visitor.do(["logout" if how == "logout" else "regenerate"]).status == 200

    (facts,) = old.do(["facts"]).results
    assert (facts["user_id"], facts["end_reason"]) == (None, how)
    assert_begins_anew(old.copy(), backend, held(old))
    assert old.copy().do(["regenerate"]).status == 200
    assert old.copy().do(["logout"]).status == 200
    assert backend.open(held(old))["end_reason"] == how


def test_of_two_tokens_only_one_that_is_live_can_count(visitor: Visitor, site: Site, relay: Relay) -> None:
    visitor.do(["login", "ada"])
    relay.forget()
    for cookie in (f"{COOKIE}={visitor.token}; {COOKIE}={UNKNOWN}", f"{COOKIE}={UNKNOWN}; {COOKIE}={visitor.token}"):
        answer = Visitor(site.port).do(["facts"], headers={"cookie": cookie})
        # The one with threads has no integration: its own few lines go on as with no token.
        assert answer.results[0]["user_id"] == (None if site.kind == "threads" else "ada")
    # They are opened, one by one or together, and nothing is written.
    assert relay.commits == 0
    assert bool(relay.paths) == (site.kind != "threads")
    assert {*relay.paths} <= {"/v1/open", "/v1/batch"}


# Keys


def wait_until_known(backend: Backend) -> None:
    """A running service notices a new key within a second."""
    wait_until(lambda: backend.request("GET", "/v1/config").code != "api-key-refused", "a new key")


@contextmanager
def given(relay: Relay, key: str) -> Iterator[None]:
    relay.key_instead = key
    try:
        yield
    finally:
        relay.key_instead = None


def assert_our_mistake(answer: Answer, site: Site, code: str, before: int) -> None:
    """No visitor's fault, so nothing that signs it out; its cause is in the site's log, for who runs it."""
    assert answer.status == 500, answer.body
    if answer.headers["content-type"] == "application/problem+json":  # Express: it is too late for an error handler
        assert (site.kind, answer.code) == ("express", "session-not-kept")
    assert answer.cookies == []
    assert not [word for word in ("sjk1", "sj1-", "api-key", "127.0.0.1", "Sojourn") if word in answer.body]
    wait_until(lambda: site.told().count(f"({code})") > before, f"the mistake in the log of {site.kind}")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("a wrong secret", "api-key-refused"),
        ("an unknown one", "api-key-refused"),
        ("of scope admin", "api-key-scope"),
        ("a session's token", "api-key-required"),
        ("nothing", "api-key-required"),
    ],
)
def test_a_refused_key_is_our_mistake_and_signs_nobody_out(
    visitor: Visitor, site: Site, relay: Relay, service: SessionService, admin: str, kind: str, code: str
) -> None:
    visitor.do(["login", "ada"], ["set", "a", 1])
    token = held(visitor)
    with Backend(service.port, admin) as office:
        wait_until_known(office)
    keys = {
        "a wrong secret": service.key[:-1] + ("1" if service.key[-1] == "0" else "0"),
        "an unknown one": f"sjk1-{'0' * 8}-{'0' * 64}",
        "of scope admin": admin,
        "a session's token": token,
        "nothing": "",
    }
    visitor.seen.add(keys[kind])
    visitor.seen.discard("")
    with given(relay, keys[kind]):
        before = site.told().count(f"({code})")
        assert_our_mistake(visitor.do(["facts"]), site, code, before)
        before = site.told().count(f"({code})")
        assert_our_mistake(site.visitor().do(["set", "a", 1]), site, code, before)
        assert site.visitor().do(["facts"]).status == 200

    assert visitor.token == token
    assert visitor.do(["facts"]).results[0]["user_id"] == "ada"


def test_a_revoked_key_opens_nothing_from_then_on(visitor: Visitor, site: Site, service: SessionService) -> None:
    visitor.do(["login", "ada"])
    keys = service.keys.read_text()
    before = site.told().count("(api-key-refused)")
    answers: list[Any] = []

    def status() -> int:
        answers.append(visitor.do(["facts"]))
        return int(answers[-1].status)

    revoke = [*COMMAND, "keys", "revoke", "--keys", str(service.keys), service.key[5:13]]
    subprocess.run(revoke, capture_output=True, check=True)
    try:
        wait_until(lambda: status() != 200, "a revoked key")
        assert_our_mistake(answers[-1], site, "api-key-refused", before)
    finally:
        service.keys.write_text(keys)
    wait_until(lambda: status() == 200, "the key again")
    assert answers[-1].results[0]["user_id"] == "ada"


# PHP has no start: test_php_faults shows its first request.
@pytest.mark.parametrize("kind", [kind for kind in each_kind if "php" not in kind.values])
@pytest.mark.parametrize("key", ["", UNKNOWN, "sjk1-" + "0" * 8, "sjk1-00000000-" + "F" * 64])
def test_what_is_no_key_is_told_before_any_visitor_comes(
    service: SessionService, tmp_path: Path, kind: str, key: str
) -> None:
    with pytest.raises(RuntimeError) as refused, Site(kind, tmp_path, service.url, key):
        pass

    told = str(refused.value)
    assert "sojourn keys make" in told
    assert "0" * 64 not in told
    assert "F" * 64 not in told
    assert "f" * 64 not in told
