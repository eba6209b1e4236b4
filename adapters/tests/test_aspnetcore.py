"""The ASP.NET Core adapter: HttpContext.Session on the session service, under Kestrel."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adapters.tests.aspnetcore_site import DOTNETS, ROOT, Dotnet, Site
from adapters.tests.relay import Relay
from adapters.tests.session_service import SessionService
from adapters.tests.visitor import COOKIE, Answer, Visitor
from tests.servers.waiting import wait_until
from tests.service.backend import Backend

pytestmark = pytest.mark.skipif(not DOTNETS, reason="scripts/dotnet has fetched no SDK")


@pytest.fixture(scope="module", params=DOTNETS, ids=lambda dotnet: dotnet.name)
def dotnet(request: pytest.FixtureRequest) -> Dotnet:
    found: Dotnet = request.param
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, dotnet: Dotnet) -> Iterator[SessionService]:
    """One for each .NET: its users have sessions in number."""
    policy = {"max_sessions": 3, "on_limit": "refuse"}
    with SessionService(tmp_path_factory.mktemp("service"), policy) as service:
        yield service


@pytest.fixture(scope="module")
def relay(service: SessionService) -> Iterator[Relay]:
    """Between the site and the service: it counts."""
    with Relay(service.port) as relay:
        yield relay


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, dotnet: Dotnet, service: SessionService, relay: Relay
) -> Iterator[Site]:
    environment = {"SOJOURN_SERVICE": relay.url, "SOJOURN_KEY": service.key}
    with Site(tmp_path_factory.mktemp("site"), dotnet, "tests", environment) as site:
        yield site


@pytest.fixture
def visitor(site: Site, relay: Relay, service: SessionService) -> Iterator[Visitor]:
    """A new visitor. Whatever happens to it, no log tells a token or the key."""
    visitor = site.visitor()
    relay.delay = 0
    relay.forget()
    yield visitor
    told = site.process.output() + service.process.output()
    assert "dbug" in told
    assert not [token for token in visitor.seen if token in told or token[37:] in told]
    assert service.key not in told


@pytest.fixture
def backend(service: SessionService) -> Iterator[Backend]:
    """A back end in another language."""
    with Backend(service.port, service.key) as backend:
        yield backend


def known(backend: Backend, visitor: Visitor) -> Any:
    """The visitor's session, as another back end knows it."""
    assert visitor.token is not None
    return backend.open(visitor.token)


def test_its_own_tests_pass(dotnet: Dotnet, service: SessionService) -> None:
    environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
    done = dotnet.run(dotnet.build("tests"), "vectors", str(ROOT / "tests" / "vectors"), environment=environment)

    assert done.returncode == 0, done.stdout + done.stderr


# Reading and writing


def test_a_visitor_is_counted(visitor: Visitor, relay: Relay) -> None:
    assert [visitor.do(["increment", "visits"]).results[0] for _ in range(3)] == [1, 2, 3]
    assert relay.paths == ["/v1/commit"] + ["/v1/open", "/v1/commit"] * 2
    assert relay.connections <= 2


def test_the_cookie_is_as_the_service_spells_it(visitor: Visitor) -> None:
    answer = visitor.do(["set", "a", 1])

    assert answer.cookies == [f"{COOKIE}={visitor.token}; Path=/; Secure; HttpOnly; SameSite=Lax"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get_all("vary") == ["Cookie"]


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("private, No-Store", "private, No-Store"),
        ("private, max-age=0", "no-store"),
        ("public, x-no-store", "no-store"),
    ],
)
def test_cache_control_that_says_no_store_itself_stays_as_it_is(
    visitor: Visitor, said: str, told: str, is_before: bool
) -> None:
    steps: list[list[Any]] = [["header", "Cache-Control", said], ["set", "a", 1], ["commit"]]
    answer = visitor.do(*steps) if is_before else visitor.do(*steps[1:], steps[0])

    assert answer.headers.get_all("cache-control") == [told]


def test_what_changes_nothing_writes_nothing(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["set", "list", [1, 2]], ["set_string", "text", "a"], ["set_int", "number", 5])
    relay.forget()
    answer = visitor.do(
        ["set", "list", [1, 2]], ["set_string", "text", "a"], ["set_int", "number", 5], ["keys"], ["remove", "none"]
    )

    assert relay.paths == ["/v1/open"]
    assert answer.cookies == []
    assert answer.headers["vary"] == "Cookie"


def test_who_has_no_session_and_needs_none_costs_nothing(visitor: Visitor, relay: Relay) -> None:
    answer = visitor.do()

    assert relay.paths == []
    assert answer.headers["vary"] is None
    assert answer.cookies == []


def test_text_and_integers_are_what_other_languages_read(visitor: Visitor, backend: Backend) -> None:
    visitor.do(["set_string", "name", "Zoë 🌱"], ["set_string", "empty", ""], ["set_int", "five", 5])
    visitor.do(["set_int", "less", -70000], ["set_bytes", "bytes", base64.b64encode(b"\xff\x00\xfe").decode()])

    data = known(backend, visitor)["session"]["data"]
    assert data == {"name": "Zoë 🌱", "empty": "", "five": 5, "less": -70000, "bytes": {"$bytes": "/wD+"}}
    got = visitor.do(["get_string", "name"], ["get_string", "empty"], ["get_int", "five"], ["get_int", "less"])
    assert got.results == ["Zoë 🌱", "", 5, -70000]
    assert visitor.do(["get_bytes", "bytes"], ["get_string", "none"], ["get_int", "none"]).results == [
        "/wD+",
        None,
        None,
    ]


@pytest.mark.parametrize("number", [0, -1, 2**31 - 1, -(2**31), 1_785_358_964, 0x61626364])
def test_an_integer_comes_back_as_it_was(visitor: Visitor, number: int) -> None:
    visitor.do(["set_int", "n", number])

    assert visitor.do(["get_int", "n"]).results == [number]


def test_what_other_languages_keep_is_read(visitor: Visitor, backend: Backend) -> None:
    kept = {"count": 7, "name": "Ann", "cart": [1, 2], "flag": True, "none": None, "price": 1.5, "big": 2**40}
    visitor.token = backend.commit(changes={key: {"value": value} for key, value in kept.items()})["token"]

    assert visitor.do(["get_int", "count"], ["get_string", "name"]).results == [7, "Ann"]
    assert visitor.do(*(["get_string", key] for key in ("cart", "flag", "none", "price", "big"))).results == [
        "[1,2]",
        "true",
        None,
        "1.5",
        str(2**40),
    ]
    assert visitor.do(["get_list", "cart"], ["get_number", "count"], ["get", "none"]).results == [[1, 2], 7, None]
    (refused,) = visitor.do(["try", ["get_number", "name"]]).results
    assert refused["code"] == "invalid-operation"
    assert "Ann" not in refused["message"]


def test_what_was_read_and_is_set_again_keeps_its_kind(visitor: Visitor, backend: Backend, relay: Relay) -> None:
    visitor.token = backend.commit(changes={"cart": {"value": [1, 2]}, "n": {"value": 1.0}})["token"]
    visitor.do(["set_string", "cart", "[1,2]"], ["set", "n", 1])

    assert known(backend, visitor)["session"]["data"] == {"cart": [1, 2], "n": 1.0}
    assert relay.paths == ["/v1/open"]


def test_an_empty_list_is_an_empty_anything_and_numbered_members_a_dictionary(
    visitor: Visitor, backend: Backend
) -> None:
    """As PHP keeps them."""
    kept = {"cart": [], "answers": [5, 6], "map": {"17": 1}}
    visitor.token = backend.commit(changes={key: {"value": value} for key, value in kept.items()})["token"]

    steps = [
        ["get_map", "cart"],
        ["get_cart", "cart"],
        ["get_map", "answers"],
        ["get_map", "map"],
        ["get_list", "cart"],
    ]
    assert visitor.do(*steps).results == [{}, 7, {"0": 5, "1": 6}, {"17": 1}, []]
    (refused,) = visitor.do(["try", ["get_cart", "answers"]]).results
    assert refused["code"] == "invalid-operation"


def test_typed_values_are_spelled_as_other_languages_do(visitor: Visitor, backend: Backend) -> None:
    visitor.do(["cart", "cart"], ["set", "x", {"a": [None, True, 1.5]}], ["set", "ключ", "ø"])

    data = known(backend, visitor)["session"]["data"]
    assert data == {"cart": {"productName": "tea", "amount": 2}, "x": {"a": [None, True, 1.5]}, "ключ": "ø"}


def test_values_are_removed(visitor: Visitor) -> None:
    visitor.do(["set", "a", 1], ["set", "b", 2], ["set", "c", 3])
    assert visitor.do(["remove", "a"], ["keys"]).results[1] == ["b", "c"]
    assert visitor.do(["keys"], ["clear"]).results[0] == ["b", "c"]
    assert visitor.do(["keys"]).results == [[]]


def test_what_no_session_can_hold_is_refused_where_it_is_set(visitor: Visitor) -> None:
    (refused,) = visitor.do(["try", ["set", "n", 2**60]]).results

    assert refused["code"] == "invalid-data"
    assert str(2**60) not in refused["message"]


def test_a_change_counts_as_soon_as_it_is_committed(visitor: Visitor, relay: Relay, backend: Backend) -> None:
    answer = visitor.do(["set", "a", 1], ["commit"], ["set", "b", 2], ["commit"], ["commit"], ["facts"])

    assert relay.paths == ["/v1/commit"] * 2
    assert answer.results[-1]["id"] == known(backend, visitor)["session"]["id"]
    assert visitor.do(["keys"]).results == [["a", "b"]]


def test_a_visitor_without_a_session_has_an_id_that_is_nobody_elses(visitor: Visitor, site: Site) -> None:
    ids = visitor.do(["id"], ["id"], ["set", "a", 1], ["id"], ["commit"], ["id"], ["facts"]).results
    other = site.visitor().do(["id"]).results[0]

    assert ids[0] == ids[1] == ids[3] != other
    assert ids[0].startswith("new-")
    assert ids[5] == ids[6]["id"] == visitor.do(["id"]).results[0]


def test_a_session_begins_with_nothing_in_it(visitor: Visitor) -> None:
    assert visitor.do(["facts"]).results[0]["id"] == ""
    assert len(visitor.do(["start"], ["facts"]).results[1]["id"]) == 32
    assert visitor.token


# Nothing is lost


def test_fifty_parallel_writes_are_all_kept(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["set", "list", []])

    def write(number: int) -> int:
        steps: list[list[Any]] = [["set", f"k{number}", number], ["increment", "sum"], ["append", "list", number]]
        return visitor.copy().do(*steps).status

    with ThreadPoolExecutor(50) as threads:
        assert set(threads.map(write, range(50))) == {200}

    keys, total, kept = visitor.do(["keys"], ["get", "sum"], ["get_list", "list"]).results
    assert set(keys) == {*(f"k{number}" for number in range(50)), "list", "sum"}
    assert total == 50
    assert sorted(kept) == list(range(50))


def test_a_slow_request_after_a_logout_is_refused(visitor: Visitor, site: Site, backend: Backend) -> None:
    visitor.do(["login", "ann"], ["set", "a", 1])
    other = visitor.copy()
    with ThreadPoolExecutor(1) as thread:
        slow = thread.submit(other.do, ["wait", "logout"], ["set", "a", 2], ["header", "ETag", "x"])
        site.get("/arrived/logout")
        visitor.do(["logout"])
        site.get("/release/logout")
        refused = slow.result()

    assert (refused.status, refused.code, refused.problem["end_reason"]) == (401, "session-ended", "logout")
    assert refused.headers["etag"] is None
    assert refused.headers["vary"] == "Cookie"
    assert backend.open(other.token or "")["status"] == "ended"
    assert other.do(["facts"]).results[0]["end_reason"] == "logout"


@pytest.mark.parametrize(
    "steps",
    [
        [["write", "a word"], ["write", "another"]],
        [["length", 6], ["write", "a word"]],
        [["redirect", "/elsewhere"]],
        [["status", 204]],
        [["commit"]],
    ],
    ids=["streamed", "with a length", "redirect", "no content", "committed"],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_refusal_takes_the_place_of_any_answer(
    visitor: Visitor, site: Site, steps: list[list[Any]], method: str, encoding: str
) -> None:
    visitor.do(["set", "a", 1])
    name = f"{method}-{encoding}-{json.dumps(steps).encode().hex()}"
    other = visitor.copy()
    with ThreadPoolExecutor(1) as thread:
        late: list[list[Any]] = [["wait", name], ["header", "Content-Type", "text/plain"], ["set", "a", 2], *steps]
        slow = thread.submit(other.do, *late, method=method, headers={"accept-encoding": encoding, "x-compress": "1"})
        site.get(f"/arrived/{name}")
        visitor.do(["logout"])
        site.get(f"/release/{name}")
        refused = slow.result()

    assert (refused.status, refused.headers["location"]) == (401, None)
    assert refused.code == "session-ended"


def test_commits_of_one_request_go_one_after_another(visitor: Visitor, relay: Relay) -> None:
    relay.delay = 0.1
    visitor.do(["increment", "n"], ["set", "a", 1], ["commit_thrice"])
    assert visitor.do(["get", "n"], ["keys"]).results == [1, ["a", "n"]]


def test_what_is_changed_during_a_commit_is_kept(visitor: Visitor, relay: Relay, backend: Backend) -> None:
    visitor.do(["set", "a", 1], ["set", "gone", 1], ["increment", "n"])
    relay.delay = 0.1
    steps: list[list[Any]] = [["increment", "n"], ["set", "a", 2], ["commit_and", ["set", "b", 1]], ["get", "b"]]
    steps += [
        ["increment", "n"],
        ["commit_and", ["increment", "n", 5]],
        ["set", "c", 1],
        ["commit_and", ["remove", "gone"]],
    ]
    steps += [["set", "a", 3], ["commit_and", ["set", "a", 4]], ["get", "a"]]
    results = visitor.do(*steps).results

    assert (results[3], results[-1]) == (1, 4)
    assert known(backend, visitor)["session"]["data"] == {"a": 4, "b": 1, "c": 1, "n": 8}


def test_a_cancelled_commit_is_not_begun_or_goes_on_and_counts_once(visitor: Visitor, relay: Relay) -> None:
    results = visitor.do(["increment", "n"], ["commit_for", 0], ["get", "n"]).results
    assert results[1:] == ["cancelled", 1]
    assert relay.paths == ["/v1/commit"], "at the end of the request"
    relay.delay = 1
    results = visitor.do(["increment", "n"], ["set", "a", 1], ["commit_for", 0.1], ["increment", "n"]).results
    assert results[2:] == ["cancelled", 3]
    relay.delay = 0
    assert visitor.do(["commit_for", 20], ["get", "n"], ["keys"]).results == ["committed", 3, ["a", "n"]]


def test_a_commit_that_failed_after_it_was_cancelled_is_told(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["set", "a", 1])
    relay.delay = 0.5
    answer = visitor.do(["set", "large", "x" * 40_000], ["commit_for", 0.1])
    assert (answer.status, answer.code) == (413, "data-too-large")
    assert visitor.do(["keys"]).results == [["a"]]


# Who it is


def test_a_login_is_a_new_session_with_the_data_of_the_old(visitor: Visitor, backend: Backend, relay: Relay) -> None:
    visitor.do(["set", "cart", [1]])
    planted, before = visitor.token, visitor.do(["facts"]).results[0]
    relay.forget()
    answer = visitor.do(["set", "b", 2], ["login", "ann"], ["facts"], ["keys"])

    facts, keys = answer.results[2:]
    assert relay.paths == ["/v1/open", "/v1/commit"]
    assert (facts["user_id"], facts["authenticated"], keys) == ("ann", True, ["b", "cart"])
    assert facts["id"] != before["id"]
    assert backend.open(planted or "")["end_reason"] == "replaced"
    assert known(backend, visitor)["session"]["data"] == {"cart": [1], "b": 2}


def test_another_user_gets_none_of_it(visitor: Visitor) -> None:
    visitor.do(["login", "bob"], ["set", "secret", 1])

    assert visitor.do(["login", "eve"], ["set", "own", 1], ["keys"]).results[2] == ["own"]
    assert visitor.do(["keys"], ["facts"]).results[0] == ["own"]


def test_a_double_login_keeps_the_data(visitor: Visitor, site: Site) -> None:
    visitor.do(["set", "cart", [1]], ["set", "n", 1])
    other = visitor.copy()
    with ThreadPoolExecutor(1) as thread:
        second = thread.submit(other.do, ["wait", "double"], ["set", "own", 1], ["increment", "n"], ["login", "cat"])
        site.get("/arrived/double")
        visitor.do(["login", "cat"])
        site.get("/release/double")
        assert second.result().status == 200

    assert other.do(["get_list", "cart"], ["get", "n"], ["get", "own"]).results == [[1], 2, 1]
    assert visitor.do(["facts"]).results[0]["user_id"] == "cat"


def test_to_be_remembered_is_a_cookie_that_stays(visitor: Visitor) -> None:
    assert "Max-Age=" in visitor.do(["login", "dan", True]).cookies[0]


def test_a_login_too_many_says_so(visitor: Visitor, site: Site) -> None:
    assert [site.visitor().do(["login", "fay"]).status for _ in range(3)] == [200] * 3

    refused = visitor.do(["login", "fay"])
    assert (refused.status, refused.code) == (409, "session-limit")
    caught = visitor.do(["try", ["login", "fay"]], ["set", "a", 1]).results[0]
    assert (caught["code"], caught["status"], caught["limit"]) == ("session-limit", 409, 3)
    assert visitor.do(["keys"]).results == [["a"]]


def test_regenerate_is_the_same_session_under_a_new_token(visitor: Visitor, backend: Backend) -> None:
    visitor.do(["login", "gus"], ["set", "a", 1])
    old, before = visitor.token, visitor.do(["facts"]).results[0]
    after = visitor.do(["regenerate"], ["set", "b", 2], ["facts"]).results[2]

    assert visitor.token != old
    assert (after["user_id"], after["id"] != before["id"]) == ("gus", True)
    assert visitor.do(["keys"]).results == [["a", "b"]]
    assert backend.open(old or "")["end_reason"] == "replaced"


def test_a_logout_ends_the_session_and_takes_the_cookie(visitor: Visitor, backend: Backend, relay: Relay) -> None:
    visitor.do(["login", "hal"], ["set", "a", 1])
    token = visitor.token or ""
    relay.forget()
    answer = visitor.do(["logout"], ["facts"], ["keys"])

    assert relay.paths == ["/v1/open", "/v1/commit"]
    assert answer.cookies == [f"{COOKIE}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"]
    assert (answer.results[1]["user_id"], answer.results[2]) == (None, [])
    assert backend.open(token)["end_reason"] == "logout"


def test_what_is_set_after_a_logout_begins_a_new_session(visitor: Visitor) -> None:
    visitor.do(["login", "ida"], ["set", "a", 1])
    answer = visitor.do(["logout"], ["set", "b", 2])

    assert len(answer.cookies) == 1
    assert visitor.do(["keys"], ["facts"]).results[0] == ["b"]


def test_an_outage_does_not_hide_a_logout(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["login", "joe"])
    relay.forget()
    relay.answer_instead = None
    visitor.do(["set", "a", 1])
    token = visitor.token
    relay.hang_up_after_request = True
    try:
        assert visitor.do(["try", ["logout"]]).code == "store-unavailable"
    finally:
        relay.hang_up_after_request = False
    assert visitor.token == token


# Tokens


@pytest.mark.parametrize(
    ("token", "asked"),
    [
        ("sj1-" + "0" * 32 + "-" + "0" * 64, ["/v1/open"]),
        ("sj1-" + "0" * 32 + "-" + "0" * 63, []),
        ("x", []),
        ("sj1-" + "A" * 32 + "-" + "0" * 64, []),
        ("%73j1-" + "0" * 32 + "-" + "0" * 64, []),
    ],
)
def test_a_foreign_token_is_never_adopted(visitor: Visitor, relay: Relay, token: str, asked: list[str]) -> None:
    visitor.token = token

    assert visitor.do(["facts"], ["keys"]).results[1] == []
    assert relay.paths == asked
    visitor.do(["set", "a", 1])
    assert (visitor.token or "")[4:36] != token[4:36]


CLEARED = [
    f"{COOKIE}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax",
    f"{COOKIE}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
]


def test_of_two_cookies_the_one_that_opens_a_session_counts(visitor: Visitor, backend: Backend) -> None:
    visitor.do(["set", "a", 1])
    ended = backend.log_in("ada")
    backend.commit(token=ended, action={"type": "logout"})
    for other in ("x", f"sj1-{'0' * 32}-{'f' * 64}", ended):
        for cookie in (f"{COOKIE}={other}; {COOKIE}={visitor.token}", f"{COOKIE}={visitor.token}; {COOKIE}={other}"):
            answer = visitor.copy().do(["keys"], headers={"cookie": cookie})
            assert (answer.results, answer.cookies) == ([["a"]], [])
    dead = {"cookie": f"{COOKIE}=sj1-{'0' * 32}-{'f' * 64}; {COOKIE}={ended}"}
    assert visitor.copy().do(["facts"], headers=dead).results[0]["end_reason"] == "logout"


def test_of_two_live_sessions_none_counts_and_both_cookies_go(visitor: Visitor, backend: Backend) -> None:
    tokens = [backend.log_in("two-ada", a=1), backend.log_in("two-bob", b=1)]
    visitor.seen.update(tokens)
    cookie = {"cookie": "; ".join(f"{COOKIE}={token}" for token in tokens)}
    answer = visitor.do(["keys"], ["facts"], headers=cookie)

    assert (answer.results[0], answer.results[1]["user_id"]) == ([], None)
    assert answer.cookies == CLEARED
    assert answer.headers["cache-control"] == "no-store"
    assert [backend.open(token)["status"] for token in tokens] == ["active"] * 2, "nobody was signed out elsewhere"
    assert visitor.do(["set", "c", 1], headers=cookie).cookies[:-1] == CLEARED
    assert visitor.do(["keys"]).results == [["c"]]


@pytest.mark.parametrize("how", ["login", "logout"])
def test_of_two_live_sessions_a_log_in_or_out_ends_both(visitor: Visitor, backend: Backend, how: str) -> None:
    tokens = [backend.log_in(f"{how}-ada", a=1), backend.log_in(f"{how}-bob", b=1)]
    visitor.seen.update(tokens)
    cookie = {"cookie": "; ".join(f"{COOKIE}={token}" for token in tokens)}
    answer = visitor.do([how, "two-cyd"] if how == "login" else [how], headers=cookie)

    assert answer.cookies[:2] == CLEARED
    assert [backend.open(token)["end_reason"] for token in tokens] == ["logout"] * 2
    left = "; ".join(f"{COOKIE}={token}" for token in [*tokens, visitor.token] if token)  # if none could be cleared
    facts = Visitor(visitor.port).do(["facts"], headers={"cookie": left}).results[0]
    assert facts["user_id"] == ("two-cyd" if how == "login" else None)


def test_of_two_secrets_of_one_session_the_newer_counts(
    tmp_path_factory: pytest.TempPathFactory, dotnet: Dotnet
) -> None:
    policy = {"rotate_interval": 0, "rotate_grace": 0.1}
    with (
        SessionService(tmp_path_factory.mktemp("renewing"), policy) as service,
        Site(
            tmp_path_factory.mktemp("site"),
            dotnet,
            "tests",
            {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key},
        ) as site,
    ):
        visitor = site.visitor()
        visitor.do(["login", "ada"])
        before = visitor.token or ""
        for _ in range(3):
            visitor.do(["increment", "n"])
        time.sleep(0.2)
        both = {"cookie": f"{COOKIE}={before}; {COOKIE}={visitor.token}"}
        planted = {"cookie": f"{COOKIE}={visitor.token}; {COOKIE}={before[:37]}{'0' * 64}"}
        for cookie in (both, planted):
            facts = visitor.do(["facts"], headers=cookie).results[0]
            assert facts["user_id"] == "ada", "shown, the old one ends the session"


def test_a_heap_of_cookies_costs_nobody_anything(visitor: Visitor, relay: Relay) -> None:
    heap = "; ".join(f"{COOKIE}=sj1-{number:032x}-{'f' * 64}" for number in range(20))
    answer = visitor.do(["keys"], headers={"cookie": heap})

    assert (answer.results, answer.cookies, relay.paths) == ([[]], CLEARED, [])


def test_activity_is_written_where_it_is_due(tmp_path_factory: pytest.TempPathFactory, dotnet: Dotnet) -> None:
    with (
        SessionService(tmp_path_factory.mktemp("due"), {"touch_interval": 0}) as service,
        Relay(service.port) as relay,
        Site(
            tmp_path_factory.mktemp("site"), dotnet, "tests", {"SOJOURN_SERVICE": relay.url, "SOJOURN_KEY": service.key}
        ) as site,
    ):
        visitor = site.visitor()
        visitor.do(["set", "a", 1])
        relay.forget()
        visitor.do(["write", "read only"])
        assert relay.paths == ["/v1/open", "/v1/commit"]
        relay.forget()
        visitor.do(["keys"], headers={"x-poll": "1"})
        assert relay.paths == ["/v1/open"]


def test_a_renewed_token_is_the_browsers_alone(tmp_path_factory: pytest.TempPathFactory, dotnet: Dotnet) -> None:
    with (
        SessionService(tmp_path_factory.mktemp("renewing"), {"rotate_interval": 0}) as service,
        Relay(service.port) as relay,
        Site(
            tmp_path_factory.mktemp("site"), dotnet, "tests", {"SOJOURN_SERVICE": relay.url, "SOJOURN_KEY": service.key}
        ) as site,
    ):
        visitor = site.visitor()
        visitor.do(["login", "ada"], ["set", "list", []])
        relay.forget()
        shown = set()

        def ask(tab: Visitor) -> int:
            return tab.do(["append", "list", 1], ["increment", "n"], ["commit"], ["increment", "n"]).status

        for _ in range(5):
            shown.add(visitor.token)
            tabs = [visitor.copy() for _ in range(10)]
            with ThreadPoolExecutor(10) as threads:
                assert set(threads.map(ask, tabs)) == {200}
            renewed = [tab.token for tab in tabs if tab.token != visitor.token]
            assert {(token or "")[:36] for token in renewed} == {(visitor.token or "")[:36]}
            visitor.token = renewed[-1]  # of several cookies, a browser keeps one

        assert relay.tokens == shown, "a renewed secret is the browser's to show first"
        facts, total, kept = visitor.do(["facts"], ["get", "n"], ["get_list", "list"]).results
        assert (facts["user_id"], total, len(kept)) == ("ada", 100, 50)


def test_a_request_that_was_at_work_while_its_token_was_renewed_is_no_thief(
    tmp_path_factory: pytest.TempPathFactory,
    dotnet: Dotnet,
) -> None:
    """However often it writes."""
    policy = {"rotate_interval": 0, "rotate_grace": 0.5}
    with (
        SessionService(tmp_path_factory.mktemp("renewing"), policy) as service,
        Site(
            tmp_path_factory.mktemp("site"),
            dotnet,
            "tests",
            {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key},
        ) as site,
        ThreadPoolExecutor(1) as thread,
    ):
        visitor = site.visitor()
        visitor.do(["login", "ada"])
        steps: list[list[Any]] = [
            ["wait", "slow"],
            ["set", "a", 1],
            ["commit"],
            ["set", "b", 2],
            ["commit"],
            ["set", "c", 3],
        ]
        slow = thread.submit(visitor.copy().do, *steps)
        site.get("/arrived/slow")
        for _ in range(3):
            visitor.do(["increment", "n"])
        time.sleep(0.7)
        site.get("/release/slow")
        assert slow.result().status == 200

        facts, keys = visitor.do(["facts"], ["keys"]).results
        assert (facts["user_id"], set(keys)) == ("ada", {"n", "a", "b", "c"})


# Other sites' pages

FOREIGN: list[dict[str, str]] = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": "https://sub.example.com"},
    {"origin": "https://evil.example.com"},
    {"origin": "null"},
    {"origin": "tauri://localhost"},
    {"host": "shop.example:80", "origin": "https://shop.example"},
    {"host": "shop.example:443", "origin": "http://shop.example"},
    {"host": "shop.example", "origin": "https://shop.example:8443"},
    {"host": "shop.example:8443", "origin": "https://shop.example"},
]
OWN: list[dict[str, str]] = [
    {},
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
    {"sec-fetch-site": "cross-site", "origin": "https://trusted.example.com"},
    {"origin": "capacitor://localhost"},
    {"host": "shop.example:443", "origin": "https://shop.example"},
    {"host": "shop.example:80", "origin": "http://shop.example"},
    {"host": "SHOP.example", "origin": "https://shop.example"},
    {"host": "shop.example:8443", "origin": "https://shop.example:8443"},
    {"host": "[::1]:443", "origin": "https://[::1]"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_an_unsafe_request_of_another_site_is_refused(visitor: Visitor, relay: Relay, headers: dict[str, str]) -> None:
    refused = visitor.do(["set", "a", 1], headers=headers)

    assert (refused.status, refused.code) == (403, "cross-origin")
    advice = "Referrer-Policy: same-origin" if headers.get("origin") == "null" else "TrustedOrigins"
    assert advice in refused.problem["detail"]
    assert relay.paths == []
    assert visitor.do(["keys"], method="GET", headers=headers).status == 200


@pytest.mark.parametrize("headers", OWN)
def test_an_unsafe_request_of_ones_own_is_let_in(visitor: Visitor, headers: dict[str, str]) -> None:
    assert visitor.do(["set", "a", 1], headers=headers).status == 200


def test_a_path_may_be_open_to_other_sites_and_no_other_path_is(visitor: Visitor) -> None:
    content = json.dumps({"do": [["set", "a", 1]]})
    foreign = {"sec-fetch-site": "cross-site", "origin": "https://login.example"}
    opened = ["/auth/callback", "/auth/callback?x=1"]
    closed = ["/", "/auth/callback/", "/auth/callbacks", "/auth", "//auth/callback", "/AUTH/callback"]
    statuses = {path: visitor.copy().send("POST", path, content, foreign).status for path in [*opened, *closed]}
    assert statuses == {**dict.fromkeys(opened, 200), **dict.fromkeys(closed, 403)}


def test_ones_own_origin_is_ones_own(visitor: Visitor) -> None:
    origin = f"http://127.0.0.1:{visitor.port}"

    assert visitor.do(["set", "a", 1], headers={"origin": origin}).status == 200
    assert visitor.do(["keys"], headers={"origin": origin, "upgrade": "websocket"}, method="GET").status == 200
    foreign = {"origin": "https://evil.example.com", "sec-fetch-site": "same-origin", "upgrade": "websocket"}
    assert visitor.do(["keys"], headers=foreign, method="GET").status == 403


# The service is away


def check_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.code) == (503, "store-unavailable")
    assert answer.headers["retry-after"] == "2"
    assert answer.cookies == []
    assert answer.took < 20, "two seconds, once"


def test_a_service_that_is_slow_is_a_503_in_time(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["set", "a", 1])
    relay.delay = 2.5
    check_unavailable(visitor.do(["keys"]))
    check_unavailable(Visitor(visitor.port).do(["set", "a", 1]))
    assert Visitor(visitor.port).do(["facts"]).status == 200


def test_a_service_that_is_away_is_a_503_and_never_nobody(
    visitor: Visitor, service: SessionService, relay: Relay
) -> None:
    visitor.do(["login", "kim"])
    service.process.kill()
    try:
        check_unavailable(visitor.do(["facts"]))
        check_unavailable(answer := visitor.copy().do(["keys"], method="GET"))
        assert answer.headers["vary"] == "Cookie"
    finally:
        service.process.start()
        service.wait_until_ready()
        relay.close_connections()
    assert visitor.do(["facts"]).results[0]["user_id"] == "kim"


def test_a_service_that_hangs_up_is_asked_again_to_open_but_not_to_commit(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["set", "a", 1])
    relay.close_connections()
    assert visitor.do(["keys"]).results == [["a"]]
    relay.forget()
    relay.hang_up_after_request = True
    try:
        check_unavailable(Visitor(visitor.port).do(["set", "a", 1]))
    finally:
        relay.hang_up_after_request = False
    assert relay.paths == ["/v1/commit"]


def test_what_is_no_service_is_a_mistake_or_an_outage(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["set", "a", 1])
    try:
        relay.answer_instead = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\n<b>"
        check_unavailable(visitor.do(["keys"]))
        relay.answer_instead = b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n<b>"
        assert visitor.do(["keys"]).status == 500
    finally:
        relay.answer_instead = None
        relay.close_connections()


# The answer


def test_a_change_after_the_first_byte_is_written_at_the_end_of_the_request(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["set", "a", 1])
    relay.forget()
    answer = visitor.do(
        ["set", "a", 2], ["write", "begun "], ["set", "a", 3], ["increment", "n"], ["try", ["login", "lea"]]
    )

    assert (answer.status, answer.body) == (200, "begun ")
    assert relay.paths == ["/v1/open", "/v1/commit", "/v1/commit"]
    data, facts = visitor.do(["get", "a"], ["facts"]).results
    assert (data, facts["user_id"]) == (3, None)
    relay.forget()
    visitor.do(["write", "begun "], ["set", "b", 1], ["commit"], ["write", "more"], ["set", "b", 2], ["write", "end"])
    assert relay.paths == ["/v1/open", "/v1/commit", "/v1/commit"]
    assert visitor.do(["get", "b"]).results == [2]


def test_after_the_first_byte_no_session_begins(visitor: Visitor, site: Site) -> None:
    before = site.process.output().count("Begin, log in or regenerate before the first byte")
    with pytest.raises(http.client.IncompleteRead):  # the handler's exception breaks the answer off
        visitor.do(["write", "begun "], ["set", "a", 3])
    told = "Begin, log in or regenerate before the first byte"
    wait_until(lambda: site.process.output().count(told) > before, "the mistake in the log")


def test_what_cannot_be_kept_after_the_first_byte_is_in_the_log(visitor: Visitor, site: Site) -> None:
    visitor.do(["set", "a", 1])
    assert visitor.do(["write", "begun "], ["set", "large", "x" * 40_000]).status == 200
    told = "What was changed after the answer's first byte was not kept: "
    wait_until(lambda: told in site.process.output(), "the loss in the log")
    assert visitor.do(["keys"]).results == [["a"]]


def test_a_session_can_be_left_after_the_first_byte(visitor: Visitor) -> None:
    visitor.do(["login", "mia"])
    visitor.do(["write", "bye"], ["logout"])

    assert visitor.do(["facts"]).results[0]["end_reason"] == "logout"


def test_a_failing_request_keeps_no_change(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["set", "a", 1])
    relay.forget()
    answer = visitor.do(["set", "b", 1], ["increment", "n"], ["throw"])

    assert (answer.status, answer.body) == (500, "error, 3 keys")
    assert relay.paths == ["/v1/open"]
    assert visitor.do(["keys"]).results == [["a"]]


@pytest.mark.parametrize("status", [500, 503])
def test_an_answer_of_500_or_more_keeps_no_change(visitor: Visitor, relay: Relay, status: int) -> None:
    answer = visitor.do(["set", "a", 1], ["commit"], ["set", "b", 1], ["status", status], ["write", "sorry"])

    assert (answer.status, answer.body) == (status, "sorry")
    assert relay.paths == ["/v1/commit"]
    assert visitor.do(["keys"]).results == [["a"]]
    visitor.do(["set", "c", 1], ["status", 404], ["write", "no"])
    assert visitor.do(["keys"]).results == [["a", "c"]]


def test_what_is_set_as_the_answer_starts_is_kept(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["on_starting", "flash"], ["redirect", "/"])

    assert relay.paths == ["/v1/commit"]
    assert visitor.do(["on_starting", "more"], ["write", "text"]).body == "text"
    assert visitor.do(["keys"]).results == [["flash", "more"]]


def test_a_compressed_answer_is_whole(visitor: Visitor) -> None:
    steps: list[list[Any]] = [["set", "a", 1], ["header", "Content-Type", "text/plain"], ["write", "word " * 1000]]
    answer = visitor.do(*steps, headers={"accept-encoding": "gzip", "x-compress": "1"})

    assert answer.headers["content-encoding"] == "gzip"
    assert {name.strip() for line in answer.headers.get_all("vary") or [] for name in line.split(",")} == {
        "Accept-Encoding",
        "Cookie",
    }


# The set-up


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"SOJOURN_KEY": ""}, "there is none"),
        ({"SOJOURN_KEY": "sj1-" + "0" * 32 + "-" + "0" * 64}, "this is a session's token"),
        ({"SOJOURN_SERVICE": "localhost:8100"}, "give the service's address"),
        ({"SOJOURN_SERVICE": "http://10.0.0.5:8100"}, "options.Service: http://10.0.0.5:8100 is another machine"),
    ],
)
def test_a_wrong_setting_is_told_at_the_start(
    dotnet: Dotnet, service: SessionService, environment: dict[str, str], said: str
) -> None:
    right = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
    done = dotnet.run(dotnet.build("tests"), "serve", "http://127.0.0.1:0", environment=right | environment)

    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    assert "0" * 64 not in done.stdout + done.stderr


def test_a_unix_socket_will_do_from_net_5_on(tmp_path: Path, dotnet: Dotnet) -> None:
    with SessionService(tmp_path / "service", unix=True) as service:
        environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
        if dotnet.version < (5, 0):
            done = dotnet.run(dotnet.build("tests"), "serve", "http://127.0.0.1:0", environment=environment)
            assert done.returncode != 0
            assert "needs .NET 5 or later" in done.stdout + done.stderr
            return
        (tmp_path / "site").mkdir()
        with Site(tmp_path / "site", dotnet, "tests", environment) as site:
            visitor = site.visitor()
            assert [visitor.do(["increment", "n"]).results[0] for _ in range(5)] == [1, 2, 3, 4, 5]


def test_the_example_is_a_shop(
    tmp_path_factory: pytest.TempPathFactory, dotnet: Dotnet, service: SessionService
) -> None:
    environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
    with Site(tmp_path_factory.mktemp("shop"), dotnet, "example", environment, []) as shop:
        cookie = ""

        def ask(method: str, path: str) -> Any:
            nonlocal cookie
            connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=30)
            connection.request(method, path, headers={"cookie": cookie} if cookie else {})
            response = connection.getresponse()
            body = response.read()
            connection.close()
            assert response.status == 200, body
            cookie = (response.headers["set-cookie"] or cookie).partition(";")[0]
            return json.loads(body) if body else None

        assert ask("GET", "/") == {"visits": 1, "user": None, "cart": [], "ended": None}
        assert ask("POST", "/cart?item=tea") == ["tea"]
        assert ask("POST", "/login?user=ann") == {"visits": 2, "user": "ann", "cart": ["tea"], "ended": None}
        left = cookie
        ask("POST", "/logout")
        cookie = left
        assert ask("GET", "/") == {"visits": 1, "user": None, "cart": [], "ended": "logout"}
