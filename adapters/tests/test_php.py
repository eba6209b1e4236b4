"""The PHP adapter: $_SESSION on the session service, under PHP's own server and under PHP-FPM behind nginx."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from adapters.tests.php_site import PHP, Kind, Php, Turnstile
from adapters.tests.relay import Relay
from adapters.tests.session_service import SessionService
from adapters.tests.visitor import COOKIE, Visitor
from tests.servers.waiting import wait_until
from tests.service.backend import Backend

Steps = list[list[Any]]


# PHP's own server may hand a request to a worker that is busy while others are not. And what is slow is done once.
fpm_alone = pytest.mark.parametrize("php", ["fpm"], indirect=True)


@pytest.fixture(scope="module", params=["built-in", "fpm", "apache"])
def php(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, service: SessionService, relay: Relay
) -> Iterator[Php]:
    kind: Kind = request.param
    environment = {"SOJOURN_SERVICE": relay.url, "SOJOURN_KEY": service.key}
    with Php(tmp_path_factory.mktemp("php"), kind, environment) as php:
        yield php


@pytest.fixture
def visitor(php: Php, relay: Relay, service: SessionService) -> Iterator[Visitor]:
    """A new visitor. Whatever happens to it, no log tells a token or the key."""
    visitor = Visitor(php.port)
    relay.forget()
    yield visitor
    told = php.told() + service.process.output()
    assert not [token for token in visitor.seen if token in told or token[37:] in told]
    assert service.key not in told


@pytest.fixture
def backend(service: SessionService) -> Iterator[Backend]:
    """A back end in another language."""
    with Backend(service.port, service.key) as backend:
        yield backend


def test_its_own_tests_pass(service: SessionService) -> None:
    environment = {**os.environ, "SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
    command = ["php", str(PHP / "tests" / "run.php")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


def test_the_example_is_a_shop(tmp_path: Path, service: SessionService) -> None:
    environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
    with Php(tmp_path, "built-in", environment, app=PHP / "example" / "index.php") as php:
        visitor = Visitor(php.port)
        assert "<li>1 × tea</li>" in visitor.post(do="add", item="tea").body
        visitor.post(do="add", item="cup")
        assert "another password" in visitor.post(do="login", user="ada", password="hopper").body
        page = visitor.post(do="login", user="ada", password="lovelace").body
        assert "Welcome, ada." in page
        assert "<li>1 × tea</li>" in page
        assert "Welcome" not in visitor.send("GET", "/").body
        page = visitor.post(do="logout").body
        assert "See you soon." in page
        assert "tea</li>" not in page
        assert "PHP Warning" not in php.told()


def test_the_readme_links_to_nothing_outside_of_the_package() -> None:
    assert not re.search(r"\]\((?!https?://)[^)]*\)", (PHP / "README.md").read_text())


def test_the_readmes_first_program_runs(tmp_path: Path, service: SessionService) -> None:
    program = (PHP / "README.md").read_text().split("```php\n")[1].partition("```")[0]
    app = tmp_path / "index.php"
    app.write_text(program.replace("'vendor/autoload.php'", f"'{PHP}/autoload.php'"))
    environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
    with Php(tmp_path / "php", "built-in", environment, app=app) as php:
        visitor = Visitor(php.port)
        bodies = [visitor.send("GET", "/").body for _ in range(3)]

    assert bodies == [f"Visit {number}. You are not signed in." for number in (1, 2, 3)]


SYMFONY = Path("/usr/share/php/Symfony/Component/HttpFoundation/autoload.php")
SYMFONY_APP = """
use Symfony\\Component\\HttpFoundation\\Response;

switch ($_GET['do'] ?? '') {
    case 'set': $session->set('cart', ['tea']); $session->getFlashBag()->add('notice', 'Added.'); break;
    case 'migrate': $session->migrate(true); break;
    case 'login': Session::login('ada'); break;
    case 'invalidate': $session->invalidate(); break;
    case 'logout': Session::logout(); break;
}
$notices = ($_GET['do'] ?? '') === 'set' ? null : $session->getFlashBag()->get('notice');
(new Response(json_encode([$session->get('cart'), $notices, Session::userId()])))->send();
"""


@pytest.mark.parametrize("kind", ["built-in", "fpm"])
def test_symfonys_sessions_work_on_it_as_the_readme_says(
    tmp_path: Path, service: SessionService, relay: Relay, kind: Kind
) -> None:
    readme = (PHP / "README.md").read_text()
    (recipe,) = [
        block for block in readme.split("```php\n") if "PhpBridgeSessionStorage" in block and "use " in block[:4]
    ]
    app = tmp_path / "index.php"
    requires = f"<?php\nrequire '{PHP}/autoload.php';\nrequire '{SYMFONY}';\n"
    app.write_text(requires + recipe.partition("```")[0] + SYMFONY_APP)
    environment = {"SOJOURN_SERVICE": relay.url, "SOJOURN_KEY": service.key}
    with Php(tmp_path / "php", kind, environment, app=app) as php:
        visitor = Visitor(php.port)

        def ask(do: str) -> Any:
            answer = visitor.send("GET", f"/?do={do}")
            assert not [cookie for cookie in answer.cookies if not cookie.startswith(COOKIE)]
            assert answer.status == 200, answer.body
            return json.loads(answer.body)

        ask("set")
        tokens = [visitor.token]
        assert ask("") == [["tea"], ["Added."], None]
        assert ask("login") == [["tea"], [], "ada"]
        tokens.append(visitor.token)
        relay.forget()
        assert ask("") == [["tea"], [], "ada"]
        assert relay.paths == ["/v1/open"], "who only reads writes nothing"
        assert ask("migrate") == [["tea"], [], "ada"]
        tokens.append(visitor.token)
        assert len(set(tokens)) == 3
        assert ask("invalidate") == [None, [], "ada"]
        assert ask("logout") == ask("") == [None, [], None]
        assert not re.search("PHP (Warning|Notice|Deprecated|Fatal)", php.told())


def test_phps_upload_progress_is_not_in_the_session_and_does_no_harm(visitor: Visitor) -> None:
    visitor.do(["set", "a", 1])
    parts = [("PHP_SESSION_UPLOAD_PROGRESS", "", "x"), ("file", '; filename="a.txt"', "b" * 10_000)]
    body = "".join(
        f'--sep\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{text}\r\n' for name, more, text in parts
    )
    ask = quote(json.dumps({"do": [["data"], ["set", "b", 2]]}))
    cookie = f"PHPSESSID={'a' * 26}; {COOKIE}={visitor.token}"  # of other PHP on this host
    headers = {"content-type": "multipart/form-data; boundary=sep", "cookie": cookie}
    answer = visitor.send("POST", f"/?ask={ask}", f"{body}--sep--\r\n", headers)

    assert answer.results[0] == {"a": 1}
    assert visitor.data() == {"a": 1, "b": 2}


def test_a_php_that_lets_nobody_set_a_handler_says_what_to_do(tmp_path: Path, service: SessionService) -> None:
    environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
    on = {"session.upload_progress.enabled": "1"}
    with Php(tmp_path, "fpm", environment, settings=on, statuses=(200, 500)) as php:
        if Visitor(php.port).do(["increment", "n"]).status != 200:  # some versions of PHP do not mind
            told = "Uncaught Sojourn\\ConfigurationError: session.upload_progress.enabled is on, and this PHP then lets"
            assert told in php.told()


# Reading and writing


def test_a_visitor_is_counted(visitor: Visitor, relay: Relay) -> None:
    assert [visitor.do(["increment", "visits"]).results[0] for _ in range(3)] == [1, 2, 3]
    assert relay.paths == ["/v1/commit"] + ["/v1/open", "/v1/commit"] * 2


def test_the_cookie_is_as_the_service_spells_it(visitor: Visitor) -> None:
    answer = visitor.do(["set", "a", 1])

    assert answer.cookies == [f"__Host-session={visitor.token}; Path=/; Secure; HttpOnly; SameSite=Lax"]
    assert answer.headers.get_all("cache-control") == ["no-store, no-cache, must-revalidate"]  # PHP's own
    assert answer.headers.get_all("vary") == ["Cookie"]
    assert visitor.do(["set", "a", 2]).cookies == []


def test_who_only_reads_costs_one_trip_and_no_cookie(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["set", "a", {"b": [1, {}]}])
    relay.forget()
    answer = visitor.do(["data"])

    assert relay.paths == ["/v1/open"]
    assert answer.cookies == []
    assert answer.headers["vary"] == "Cookie"


def test_a_visitor_without_data_costs_nothing(visitor: Visitor, relay: Relay) -> None:
    answer = visitor.do(["data"], ["facts"])

    assert relay.paths == []
    assert answer.cookies == []
    assert answer.results == [[], {"id": None, "user_id": None, "authenticated_at": None, "end_reason": None}]


def test_what_is_set_to_what_it_was_is_not_written(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["set", "a", {"b": 1}], ["set", "c", []])
    relay.forget()
    visitor.do(["put", "a", "b", 2], ["put", "a", "b", 1], ["set", "c", []])

    assert relay.paths == ["/v1/open"]


def test_changes_deep_inside_are_kept(visitor: Visitor) -> None:
    visitor.do(["set", "cart", {"tea": {"count": 1}, "list": [1]}])
    visitor.do(["put", "cart", "milk", {"count": 2}])
    visitor.do(["append", "log", "one"])
    visitor.do(["append", "log", "two"], ["unset", "nothing"])

    assert visitor.data() == {
        "cart": {"tea": {"count": 1}, "list": [1], "milk": {"count": 2}},
        "log": ["one", "two"],
    }
    visitor.do(["unset", "cart"])
    assert visitor.data() == {"log": ["one", "two"]}
    visitor.do(["empty"])
    assert visitor.data() == {}


def test_values_come_back_as_they_went(visitor: Visitor) -> None:
    values = {
        "whole": 2**53 - 1,
        "float": 1.0,
        "small": 0.1,
        "no": False,
        "null": None,
        "text": "é \U0001f6d2 \0 </script>",
        "list": [1, [2, []]],
        "17": "a number for a key",
    }
    visitor.do(*(["set", key, value] for key, value in values.items()))
    found = visitor.data()

    assert found == values
    assert {key: type(value) for key, value in found.items()} == {key: type(value) for key, value in values.items()}


def test_another_language_finds_its_objects_and_lists_as_it_left_them(visitor: Visitor, backend: Backend) -> None:
    data: dict[str, Any] = {"cart": {"items": {}, "seen": [], "by_id": {"0": "x", "1": "y"}, "n": 1}, "untouched": {}}
    visitor.token = backend.log_in("ada", **data)
    visitor.do(["put", "cart", "n", 2])

    data["cart"]["n"] = 2
    assert backend.open(visitor.token)["session"]["data"] == data


def test_shared_values_are_kept_as_two(visitor: Visitor) -> None:
    visitor.do(["share", "one", "two"])
    assert visitor.data() == {"one": ["shared"], "two": ["shared"]}


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("object", "['in'][0] holds an object of ArrayObject"),
        ("stdClass", "['in'][0] holds an object of stdClass. Use an array"),
        ("enum", "['in'][0] holds an object of Size. Use its ->value"),
        ("date", "Use its ->format(DATE_ATOM)"),
        ("resource", "['in'][0] holds a resource (stream)"),
        ("nan", "not finite"),
        ("binary", "text that is not UTF-8"),
        ("binary key", "text that is not UTF-8"),
        ("large", "an integer beyond"),
        ("circle", "more than 32 levels"),
        ("deep", "more than 32 levels"),
    ],
)
def test_what_json_cannot_hold_is_an_error_that_names_the_key(visitor: Visitor, what: str, told: str) -> None:
    visitor.do(["set", "kept", 1])
    answer = visitor.do(["set", "also", 1], ["catch", ["unfit", "wrong", what]], ["catch", ["session_write_close"]])
    assert answer.status == 200

    message = answer.results[2]
    assert message.startswith("Sojourn\\InvalidData: $_SESSION['wrong']") or "A key of $_SESSION['wrong']" in message
    assert told in message
    assert visitor.data() == {"kept": 1}


def test_unfit_data_at_the_end_of_a_request_is_a_500_in_the_log(visitor: Visitor, php: Php) -> None:
    answer = visitor.do(["print", "a page"], ["unfit", "wrong", "object"])

    assert (answer.status, answer.body) == (500, "")
    assert "Uncaught Sojourn\\InvalidData: $_SESSION['wrong']['in'][0] holds an object of ArrayObject" in php.told()
    assert visitor.do(["unfit", "wrong", "closure"]).status == 500
    assert visitor.token is None


def test_more_than_the_policy_allows_is_a_413(visitor: Visitor) -> None:
    visitor.do(["set", "a", 1])
    answer = visitor.do(["set", "large", "x" * 40_000], ["print", "a page"])

    assert (answer.status, answer.code) == (413, "data-too-large")
    assert visitor.data() == {"a": 1}


# Parallel requests


@fpm_alone
def test_fifty_parallel_writes_are_all_kept(visitor: Visitor) -> None:
    visitor.do(["set", "list", []], ["set", "map", {"a": 0}])

    def write(number: int) -> int:
        steps: Steps = [
            ["sleep", 0.2],
            ["set", f"key{number}", number],
            ["append", "list", number],
            ["increment", "count"],
        ]
        return visitor.copy().do(*steps, ["put", "map", f"k{number}", number]).status

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(write, range(50))) == {200}

    data = visitor.data()
    assert sum(f"key{number}" in data for number in range(50)) == 50
    assert sorted(data["list"]) == list(range(50))
    assert len(data["map"]) == 51
    assert data["count"] == 50


@fpm_alone
@pytest.mark.parametrize("numbers", [[17, 42], [0, 17], [17, 0], [0, 1], [1, 0], [2, 0, 1]])
@pytest.mark.parametrize("begun", [[], None, {"5": 1}])
def test_a_cart_by_product_number_keeps_what_parallel_requests_add(
    visitor: Visitor, tmp_path: Path, numbers: list[int], begun: Any
) -> None:
    visitor.do(["set", "other", 1], *([["set", "cart", begun]] if begun is not None else []))
    turnstiles = {number: Turnstile(tmp_path / str(number)) for number in numbers}
    with ThreadPoolExecutor(len(numbers)) as pool:
        late = []
        for number, turnstile in turnstiles.items():
            late.append(pool.submit(visitor.copy().do, ["put", "cart", number, 1], turnstile.step))
        for turnstile in turnstiles.values():
            turnstile.wait_for_arrival()
        for turnstile, answer in zip(turnstiles.values(), late, strict=True):
            turnstile.release()
            assert answer.result().status == 200

    cart = visitor.data()["cart"]
    found = dict(enumerate(cart)) if isinstance(cart, list) else {int(number): count for number, count in cart.items()}
    assert found == {**dict.fromkeys(numbers, 1), **({5: 1} if begun else {})}


@fpm_alone
def test_a_logout_is_final_for_a_slow_request(visitor: Visitor, backend: Backend, tmp_path: Path) -> None:
    visitor.do(["login", "ada"], ["set", "a", 1])
    token = visitor.token
    assert token is not None
    writing, reading = Turnstile(tmp_path / "writing"), Turnstile(tmp_path / "reading")
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(visitor.copy().do, ["set", "a", 2], ["print", "a page"], writing.step)
        reads = pool.submit(visitor.copy().do, ["data"], reading.step)
        writing.wait_for_arrival()
        reading.wait_for_arrival()
        assert visitor.do(["logout"]).status == 200
        writing.release()
        reading.release()
        refused = slow.result()

    assert (refused.status, refused.code, refused.problem["end_reason"]) == (401, "session-ended", "logout")
    assert refused.cookies == []
    assert reads.result().results[0] == {"a": 1}
    assert backend.open(token)["end_reason"] == "logout"


# Log-in, log-out, regenerate


def test_a_log_in_makes_a_new_token_and_carries_the_data(visitor: Visitor, backend: Backend, relay: Relay) -> None:
    visitor.do(["set", "cart", ["tea"]])
    before = visitor.token
    assert before is not None
    relay.forget()
    answer = visitor.do(["login", "ada", True], ["set", "name", "Ada"], ["facts"])

    assert relay.paths == ["/v1/open", "/v1/commit"]
    assert answer.results[2]["user_id"] == "ada"
    assert answer.results[2]["authenticated_at"] is not None
    assert "; Max-Age=2592000; " in answer.cookies[0]
    assert visitor.token != before
    assert visitor.facts()["user_id"] == "ada"
    assert visitor.data() == {"cart": ["tea"], "name": "Ada"}
    assert backend.open(before)["end_reason"] == "replaced"


@fpm_alone
def test_a_double_click_on_log_in_keeps_the_cart(visitor: Visitor, tmp_path: Path) -> None:
    visitor.do(["set", "cart", ["tea"]])
    slow, quick = visitor.copy(), visitor.copy()
    turnstile = Turnstile(tmp_path / "late")
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(slow.do, turnstile.step, ["login", "ada"])
        turnstile.wait_for_arrival()
        quick.do(["login", "ada"])
        turnstile.release()
        assert late.result().status == 200

    assert slow.data() == quick.data() == {"cart": ["tea"]}


def test_another_user_finds_nothing_of_the_one_before(visitor: Visitor) -> None:
    visitor.do(["login", "ada"], ["set", "secret", 1], ["set", "cart", ["tea"]])
    answer = visitor.do(["set", "cart", ["milk"]], ["login", "bob"], ["data"], ["set", "name", "Bob"])

    assert answer.results[2] == []
    assert visitor.data() == {"name": "Bob"}
    assert visitor.facts()["user_id"] == "bob"


def test_a_log_out_ends_the_session_and_clears_the_cookie(visitor: Visitor, backend: Backend) -> None:
    visitor.do(["login", "ada"], ["set", "a", 1])
    token = visitor.token
    assert token is not None
    answer = visitor.do(["logout"], ["data"], ["facts"])

    assert answer.results[1:] == [[], {"id": None, "user_id": None, "authenticated_at": None, "end_reason": None}]
    assert answer.cookies == ["__Host-session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"]
    assert backend.open(token)["end_reason"] == "logout"
    assert Visitor(visitor.port, token).facts()["end_reason"] == "logout"


def test_a_notice_after_a_log_out_begins_a_new_session(visitor: Visitor) -> None:
    visitor.do(["login", "ada"], ["set", "a", 1])
    visitor.do(["logout"], ["set", "notice", "See you soon."])

    assert visitor.token is not None
    assert (visitor.data(), visitor.facts()["user_id"]) == ({"notice": "See you soon."}, None)


def test_a_log_in_after_a_log_out_begins_anew(visitor: Visitor, backend: Backend) -> None:
    visitor.do(["login", "ada"], ["set", "a", 1])
    token = visitor.token
    assert token is not None
    answer = visitor.do(["logout"], ["set", "b", 2], ["login", "ada"], ["data"])

    assert answer.results[3] == {"b": 2}
    assert len(answer.cookies) == 1
    assert (visitor.data(), visitor.facts()["user_id"]) == ({"b": 2}, "ada")
    assert backend.open(token)["end_reason"] == "logout"


def test_session_destroy_is_a_log_out(visitor: Visitor, backend: Backend) -> None:
    visitor.do(["login", "ada"], ["set", "a", 1])
    token = visitor.token
    assert token is not None
    answer = visitor.do(["session_destroy"])

    assert "Max-Age=0" in answer.cookies[0]
    assert backend.open(token)["end_reason"] == "logout"
    assert visitor.data() == {}


def test_after_session_destroy_a_new_session_may_start(visitor: Visitor) -> None:
    visitor.do(["login", "ada"], ["set", "a", 1])
    answer = visitor.do(["session_destroy"], ["start"], ["data"], ["facts"], ["set", "b", 2])

    assert answer.results[2:4] == [[], {"id": None, "user_id": None, "authenticated_at": None, "end_reason": None}]
    assert len(answer.cookies) == 1
    assert (visitor.data(), visitor.facts()["user_id"]) == ({"b": 2}, None)


@pytest.mark.parametrize("delete_old", [True, False])
def test_session_regenerate_id_keeps_all_but_the_token(visitor: Visitor, relay: Relay, delete_old: bool) -> None:
    visitor.do(["login", "ada"], ["set", "a", 1])
    before, old = visitor.copy(), visitor.facts()
    relay.forget()
    steps: Steps = [
        ["set", "b", 2],
        ["session_id"],
        ["session_regenerate_id", delete_old],
        ["session_id"],
        ["set", "c", 3],
    ]
    answer = visitor.do(*steps, ["data"])

    assert relay.paths == ["/v1/open", "/v1/commit"]
    assert answer.results[2] is True
    assert answer.results[1] == old["id"] != answer.results[3]
    assert visitor.data() == answer.results[5] == {"a": 1, "b": 2, "c": 3}
    new = visitor.facts()
    assert (new["user_id"], new["authenticated_at"]) == (old["user_id"], old["authenticated_at"])
    assert new["id"] != old["id"]
    assert before.facts()["end_reason"] == "replaced"


def test_a_request_may_commit_and_start_again(visitor: Visitor, relay: Relay) -> None:
    steps: Steps = [["set", "a", 1], ["session_write_close"], ["start"], ["data"], ["set", "b", 2], ["login", "ada"]]
    answer = visitor.do(*steps, ["session_write_close"], ["start"], ["facts"], ["set", "c", 3])

    assert answer.results[3] == {"a": 1}
    assert answer.results[8]["user_id"] == "ada"
    assert relay.paths == ["/v1/commit", "/v1/open", "/v1/commit", "/v1/open", "/v1/commit"]
    assert len(answer.cookies) == 1
    assert visitor.data() == {"a": 1, "b": 2, "c": 3}


def test_a_session_that_begins_keeps_one_id_through_its_first_request(visitor: Visitor) -> None:
    again: Steps = [["session_write_close"], ["start"]]
    ids = [["session_id"], *again, ["session_id"], ["set", "a", 1], *again, ["session_id"], ["login", "ada"], *again]
    results = visitor.do(*ids, ["session_id"], ["facts"], ["session_regenerate_id"], ["session_id"]).results
    before, facts, after = [results[index] for index in (0, 3, 7, 11)], results[12], results[14]
    other = Visitor(visitor.port).do(["session_id"]).results[0]

    assert set(before) == {before[0]}
    assert before[0].startswith("new-")
    assert len({before[0], after, other}) == 3, "no two visitors have one id"
    assert visitor.do(["session_id"]).results[0] == visitor.facts()["id"] != facts["id"]


def test_session_reset_and_abort_drop_what_was_changed(visitor: Visitor) -> None:
    visitor.do(["set", "a", 1])

    assert visitor.do(["set", "a", 2], ["session_reset"], ["data"], ["set", "b", 1]).results[2] == {"a": 1}
    assert visitor.data() == {"a": 1, "b": 1}
    visitor.do(["set", "a", 3], ["login", "ada"], ["session_abort"])
    assert (visitor.data(), visitor.facts()["user_id"]) == ({"a": 1, "b": 1}, None)


def test_read_and_close_reads_and_writes_nothing(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["set", "a", 1])
    relay.forget()
    answer = visitor.do(["data"], ["set", "a", 2], ["catch", ["login", "ada"]], options={"readAndClose": True})

    assert answer.results[0] == {"a": 1}
    assert answer.results[2].startswith("Sojourn\\SessionCommitted: ")
    assert relay.paths == ["/v1/open"]
    assert visitor.data() == {"a": 1}


def test_a_count_that_was_set_before_is_a_change(visitor: Visitor) -> None:
    visitor.do(["set", "n", 5])
    assert visitor.do(["set", "n", 10], ["increment", "n", 2]).results[1] == 12
    assert visitor.do(["increment", "n", 2], ["increment", "n"], ["data"]).results[2] == {"n": 15}
    assert visitor.do(["increment", "n"], ["set", "n", 0], ["set", "text", "x"]).status == 200
    assert "needs integers" in visitor.do(["catch", ["increment", "text"]]).results[0]
    assert visitor.data() == {"n": 0, "text": "x"}


# Output


def test_a_session_may_begin_after_the_first_echo(visitor: Visitor) -> None:
    answer = visitor.do(["print", "x", 10_000], ["login", "ada"], tell=False)

    assert answer.body == "x" * 10_000
    assert visitor.facts()["user_id"] == "ada"


OUT: list[list[Any]] = [["print", "x", 2 << 20], ["flush"], ["call", "flush"], ["call", "ob_flush"], ["unbuffer"]]


@pytest.mark.parametrize("out", OUT, ids=lambda step: "-".join(map(str, step)))
def test_what_was_set_before_the_first_byte_left_is_kept(visitor: Visitor, out: list[Any]) -> None:
    visitor.do(["login", "ada"], ["set", "a", {"n": 1}], ["print", "page"], out, ["put", "a", "n", 2])
    assert visitor.data() == {"a": {"n": 2}}
    visitor.do(["increment", "b"], ["print", "page"], out, ["put", "a", "n", 3], ["print", "the end"], tell=False)

    assert visitor.facts()["user_id"] == "ada"
    assert visitor.data() == {"a": {"n": 3}, "b": 1}


@pytest.mark.parametrize("out", [[], *OUT], ids=lambda step: "-".join(map(str, step)))
def test_what_shutdown_functions_and_destructors_change_is_kept(visitor: Visitor, out: list[Any]) -> None:
    visitor.do(["set", "a", 1])
    steps: Steps = [["after", ["set", "shutdown", 1]], ["destruct", ["set", "destructor", 2]], ["increment", "n"]]
    visitor.do(*steps, *([["print", "page"], out] if out else []), ["put", "map", "n", 3], tell=False)

    assert visitor.data() == {"a": 1, "n": 1, "map": {"n": 3}, "shutdown": 1, "destructor": 2}


@pytest.mark.parametrize("out", OUT[:-1], ids=lambda step: "-".join(map(str, step)))
def test_a_problem_takes_the_place_of_a_page_that_is_flushed(visitor: Visitor, out: list[Any]) -> None:
    visitor.do(["set", "a", 1])
    steps: Steps = [["print", "a page"], ["set", "large", "x" * 40_000], ["header", "Content-Type: text/plain"]]
    answer = visitor.do(*steps, out, ["print", "the end"], tell=False)

    assert (answer.status, answer.code) == (413, "data-too-large")
    assert visitor.data() == {"a": 1}


@pytest.mark.parametrize("when", ["after", "destruct"])
def test_a_session_may_begin_when_the_page_is_done(visitor: Visitor, when: str) -> None:
    answer = visitor.do(["print", "page"], [when, ["login", "ada"]], [when, ["set", "a", 1]], tell=False)

    assert answer.body == "page"
    assert visitor.facts()["user_id"] == "ada"
    assert visitor.data() == {"a": 1}


@pytest.mark.parametrize("when", ["after", "destruct"])
@pytest.mark.parametrize("out", [[], ["call", "flush"], ["unbuffer"]])
def test_what_cannot_be_kept_at_the_very_end_is_in_the_log(
    visitor: Visitor, php: Php, when: str, out: list[Any]
) -> None:
    visitor.do(["set", "a", 1])
    before = php.told().count("InvalidData: $_SESSION['wrong']")
    visitor.do(["print", "page"], *([out] if out else []), [when, ["unfit", "wrong", "object"]], tell=False)

    wait_until(lambda: php.told().count("InvalidData: $_SESSION['wrong']") > before, "the mistake in the log")
    assert visitor.data() == {"a": 1}


def test_a_log_in_after_the_first_byte_left_is_refused(visitor: Visitor, php: Php) -> None:
    answer = visitor.do(["print", "x", 10_000], ["flush"], ["login", "ada"], tell=False)

    assert answer.body == "x" * 10_000
    assert visitor.token is None
    assert "Uncaught Sojourn\\SessionCommitted: The response has started" in php.told()


@fpm_alone
def test_a_problem_takes_the_place_of_a_page_in_parts(visitor: Visitor, tmp_path: Path) -> None:
    visitor.do(["set", "a", 1])
    turnstile = Turnstile(tmp_path / "page")
    with ThreadPoolExecutor(1) as pool:
        slow = visitor.copy()
        steps: Steps = [["header", "X-Page: 1"], ["header", "Content-Length: 6"], ["set", "a", 2], turnstile.step]
        late = pool.submit(slow.do, *steps, ["print", "a page"], ["flush"], ["print", "more"], tell=False)
        turnstile.wait_for_arrival()
        visitor.do(["logout"])
        turnstile.release()
        answer = late.result()

    assert (answer.status, answer.code) == (401, "session-ended")
    assert answer.headers["content-length"] in (None, str(len(answer.body)))


def test_the_page_is_not_cached_with_a_cookie_whatever_the_application_said(visitor: Visitor) -> None:
    headers = ["Cache-Control: public, max-age=3600", "Vary: Accept", "Set-Cookie: a=b"]
    answer = visitor.do(["set", "a", 1], ["session_write_close"], *(["header", header] for header in headers))

    assert answer.headers["cache-control"] == "no-store"
    assert ",".join(answer.headers.get_all("vary") or []).replace(" ", "") == "Accept,Cookie"  # Apache makes one of two
    # header() without `false` takes the place of every cookie before it.
    assert answer.cookies[0] == "a=b"
    assert visitor.data() == {"a": 1}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("private, No-Store", "private, No-Store"),
        ("private, max-age=0", "no-store"),
        ("public, x-no-store", "no-store"),
    ],
)
def test_cache_control_that_says_no_store_itself_stays_as_it_is(visitor: Visitor, said: str, told: str) -> None:
    answer = visitor.do(["set", "a", 1], ["header", f"Cache-Control: {said}"])

    assert answer.headers.get_all("cache-control") == [told]


def test_a_cache_that_keeps_to_headers_gives_nobody_anothers_page(tmp_path: Path, service: SessionService) -> None:
    public: Steps = [["header_remove", name] for name in ("Expires", "Pragma")]
    public += [["header", "Cache-Control: public, max-age=60"], ["call", "microtime", True]]
    environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
    with Php(tmp_path, "fpm", environment, caches=True) as php:
        visitors = [Visitor(php.port) for _ in range(3)]
        for visitor, user in zip(visitors, ("ada", "bob"), strict=False):
            visitor.do(["login", user])

        def ask(visitor: Visitor, *steps: list[Any]) -> list[Any]:
            return visitor.copy().do(*steps, method="GET").results

        for steps in ([["facts"]], [["facts"], *public]):
            for _ in range(2):
                users = [ask(visitor, *steps)[0]["user_id"] for visitor in visitors]
                assert users == ["ada", "bob", None]
        kept = [["session_write_close"], *public]
        assert ask(visitors[0], *kept) == ask(visitors[0], *kept), "the cache is at work"
        begun = [
            visitor.do(["increment", "n"], *public, method="GET") for visitor in (Visitor(php.port), Visitor(php.port))
        ]
        assert len({answer.cookies[0] for answer in begun}) == 2
        assert [answer.headers["cache-control"] for answer in begun] == ["no-store"] * 2


def test_an_exception_of_the_application_stays_its_own(visitor: Visitor, php: Php) -> None:
    answer = visitor.do(["set", "a", 1], ["throw"])

    assert answer.status == 500
    assert "Uncaught RuntimeException: of the application" in php.told()


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize(
    "fail",
    [
        ["throw"],
        ["call", "http_response_code", 500],
        ["call", "http_response_code", 503],
        ["call", "trigger_error", "fatal", 256],
        ["show a fatal error"],
    ],
    ids=lambda step: "-".join(map(str, step)),
)
def test_an_answer_of_500_or_more_keeps_no_change(
    visitor: Visitor, relay: Relay, backend: Backend, fail: list[Any], bare: bool
) -> None:
    visitor.do(["set", "a", 1])
    before = visitor.token
    relay.forget()
    answer = visitor.do(["set", "a", 2], ["increment", "n"], ["login", "ada"], fail, bare=bare)

    assert answer.cookies == []
    assert relay.paths == ["/v1/open"]
    assert visitor.token == before
    assert (visitor.data(), visitor.facts()["user_id"]) == ({"a": 1}, None)
    visitor.do(["logout"], fail, bare=bare)
    assert visitor.data() == {"a": 1}
    # What was written before by hand is.
    visitor.do(["set", "b", 1], ["session_write_close"], ["start"], ["set", "c", 1], fail, bare=bare)
    assert visitor.data() == {"a": 1, "b": 1}


@pytest.mark.parametrize("status", [404, 409, 422])
def test_any_other_answer_keeps_its_changes(visitor: Visitor, status: int) -> None:
    assert visitor.do(["set", "a", 1], ["call", "http_response_code", status]).status == status
    assert visitor.data() == {"a": 1}


def test_exit_commits(visitor: Visitor) -> None:
    visitor.do(["login", "ada"], ["header", "Location: /"], ["exit"])
    assert visitor.facts()["user_id"] == "ada"


# Whom it does not believe


@pytest.mark.parametrize("bare", [False, True])
def test_a_chosen_id_is_never_adopted(visitor: Visitor, bare: bool) -> None:
    chosen = [f"sj1-{'0' * 32}-{'1' * 64}", "0" * 32, "chosen", f"new-{'0' * 32}"]
    for value in chosen:
        visitor.token = value
        assert visitor.do(["set", "a", 1], ["session_id"], bare=bare).results[1] not in chosen
        assert visitor.token not in (*chosen, None)
        visitor.token = None
        assert visitor.do(["set", "a", 1], ["session_id"], bare=bare, id=value).results[1] not in chosen
        assert visitor.token not in (*chosen, None)


def test_the_public_id_opens_nothing(visitor: Visitor) -> None:
    visitor.do(["set", "a", 1])
    id = visitor.do(["session_id"]).results[0]
    stranger = Visitor(visitor.port)

    assert id == visitor.facts()["id"]
    assert stranger.data(id=id) == {}
    assert stranger.data(headers={"cookie": f"PHPSESSID={id}; __Host-session={id}"}) == {}


def test_a_token_that_is_no_token_is_not_sent_to_the_service(visitor: Visitor, relay: Relay) -> None:
    visitor.token = "sj1-" + "0" * 97
    assert visitor.data() == {}
    assert relay.paths == []


def test_of_two_cookies_the_one_that_opens_a_session_counts(visitor: Visitor, backend: Backend) -> None:
    visitor.do(["set", "a", 1])
    ended = backend.log_in("ada")
    backend.commit(token=ended, action={"type": "logout"})
    for other in ("x", f"sj1-{'0' * 32}-{'f' * 64}", ended, visitor.token):
        for cookie in (f"{COOKIE}={other}; {COOKIE}={visitor.token}", f"{COOKIE}={visitor.token}; {COOKIE}={other}"):
            answer = visitor.copy().do(["data"], headers={"cookie": cookie})
            assert answer.results[0] == {"a": 1}
            assert answer.cookies == []


def test_of_two_cookies_that_open_nothing_the_ended_one_says_why(visitor: Visitor, backend: Backend) -> None:
    ended = backend.log_in("ada")
    backend.commit(token=ended, action={"type": "logout"})
    cookie = f"{COOKIE}=sj1-{'0' * 32}-{'f' * 64}; {COOKIE}={ended}"
    assert visitor.facts(headers={"cookie": cookie})["end_reason"] == "logout"


CLEARED = [
    f"{COOKIE}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax",
    f"{COOKIE}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
]


@pytest.mark.parametrize("bare", [False, True])
def test_of_two_live_sessions_none_counts_and_both_cookies_go(visitor: Visitor, backend: Backend, bare: bool) -> None:
    tokens = [backend.log_in("ada", a=1), backend.log_in("bob", b=1)]
    visitor.seen.update(tokens)
    cookie = {"cookie": "; ".join(f"{COOKIE}={token}" for token in tokens)}
    answer = visitor.do(["data"], ["facts"], headers=cookie, bare=bare)

    assert answer.results[0] == []
    assert answer.results[1]["user_id"] is None
    assert answer.cookies == CLEARED
    assert "no-store" in answer.headers["cache-control"]
    assert [backend.open(token)["status"] for token in tokens] == ["active"] * 2, "nobody was signed out elsewhere"
    answer = visitor.do(["set", "c", 1], headers=cookie, bare=bare)
    assert answer.cookies[:-1] == CLEARED
    assert visitor.data() == {"c": 1}


@pytest.mark.parametrize("how", ["login", "logout"])
def test_of_two_live_sessions_a_log_in_or_out_ends_both(visitor: Visitor, backend: Backend, how: str) -> None:
    tokens = [backend.log_in("ada", a=1), backend.log_in("bob", b=1)]
    visitor.seen.update(tokens)
    cookie = {"cookie": "; ".join(f"{COOKIE}={token}" for token in tokens)}
    steps: Steps = [["set", "c", 1], ["session_write_close"], ["start"]] if how == "login" else []
    answer = visitor.do(*steps, [how, "ada"] if how == "login" else [how], headers=cookie)

    assert answer.cookies[:2] == CLEARED
    assert [backend.open(token)["end_reason"] for token in tokens] == ["logout"] * 2
    left = "; ".join(f"{COOKIE}={token}" for token in [*tokens, visitor.token] if token)  # if none could be cleared
    facts = Visitor(visitor.port).facts(headers={"cookie": left})
    assert facts["user_id"] == ("ada" if how == "login" else None)


def test_a_log_in_counts_though_a_cookie_of_before_cannot_be_cleared(visitor: Visitor) -> None:
    visitor.do(["set", "cart", ["tea"]])
    before = visitor.token
    answer = visitor.do(["login", "ada"])
    assert len(answer.cookies) == 1
    both = {"cookie": f"{COOKIE}={before}; {COOKIE}={visitor.token}"}
    assert visitor.copy().facts(headers=both)["user_id"] == "ada"
    answer = visitor.do(["login", "bob"], headers=both)
    assert answer.cookies[:-1] == CLEARED
    assert visitor.facts()["user_id"] == "bob"


def test_of_two_secrets_of_one_session_the_newer_counts(tmp_path: Path, visitor: Visitor) -> None:
    with SessionService(tmp_path / "renewing", {"rotate_interval": 0, "rotate_grace": 0.1}) as renewing:
        options = {"service": renewing.url, "key": renewing.key}
        visitor.do(["login", "ada"], options=options)
        before = visitor.token
        for _ in range(3):
            visitor.do(["increment", "n"], options=options)
        time.sleep(0.2)
        both = {"cookie": f"{COOKIE}={before}; {COOKIE}={visitor.token}"}
        planted = {"cookie": f"{COOKIE}={visitor.token}; {COOKIE}={str(before)[:37]}{'0' * 64}"}
        for cookie in (both, planted, {}):
            facts = visitor.facts(headers=cookie, options=options)
            assert facts["user_id"] == "ada", "shown, the old one ends the session"


def test_a_heap_of_cookies_costs_nobody_anything(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["set", "a", 1])
    relay.forget()
    heap = "; ".join(f"{COOKIE}=sj1-{number:032x}-{'f' * 64}" for number in range(20))
    answer = visitor.do(["data"], headers={"cookie": f"{heap}; {COOKIE}={visitor.token}"})

    assert answer.results[0] == []
    assert answer.cookies == CLEARED
    assert relay.paths == []


@pytest.mark.parametrize("name", ["..Host-session", "%5F%5FHost-session", "__Host[session", " __Host-session "])
def test_a_name_that_php_mangles_into_the_cookies_is_another(visitor: Visitor, name: str) -> None:
    visitor.do(["set", "a", 1])
    found = Visitor(visitor.port).data(headers={"cookie": f"{name}={visitor.token}"})
    assert found == ({"a": 1} if name.strip() == "__Host-session" else {})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://127.0.0.1:{port}"}, 200),
        ({"origin": "http://127.0.0.1"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "capacitor://localhost"}, 200),
        ({"origin": "tauri://localhost"}, 403),
        ({"origin": "chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai", "sec-fetch-site": "none"}, 200),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "https://app.example.com"}, 200),
        ({}, 200),
    ],
)
def test_another_sites_page_may_not_post(visitor: Visitor, headers: dict[str, str], status: int) -> None:
    sent = {name: value.replace("{port}", str(visitor.port)) for name, value in headers.items()}
    options = {"trustedOrigins": ["https://app.example.com", "capacitor://localhost"]}
    answer = visitor.do(["set", "a", 1], headers=sent, options=options)

    assert answer.status == status
    if status == 403:
        assert answer.code == "cross-origin"
        advice = "Referrer-Policy: same-origin" if headers.get("origin") == "null" else "trustedOrigins"
        assert advice in answer.problem["detail"]
        assert answer.cookies == []
        assert visitor.do(["data"], headers=sent, method="GET").status == 200


# Debian's nginx hands on no port of its own accord, and the tests' puts its own there.
@pytest.mark.parametrize("php", ["built-in", "apache"], indirect=True)
@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("shop.example:443", "https://shop.example", 200),
        ("shop.example:80", "http://shop.example", 200),
        ("shop.example", "https://shop.example", 200),
        ("SHOP.example:443", "https://shop.example", 200),
        ("[::1]:443", "https://[::1]", 200),
        ("shop.example:8443", "https://shop.example:8443", 200),
        ("shop.example:80", "https://shop.example", 403),
        ("shop.example:443", "http://shop.example", 403),
        ("shop.example:8443", "https://shop.example", 403),
        ("shop.example", "https://shop.example:8443", 403),
        ("shop.example", "http://shop.example:{port}", 403),  # another server's page, on the port behind the proxy
        ("evil.example:443", "https://shop.example", 403),
    ],
)
def test_an_origin_is_compared_with_the_host_as_urls_are(visitor: Visitor, host: str, origin: str, status: int) -> None:
    headers = {"host": host, "origin": origin.replace("{port}", str(visitor.port))}
    assert visitor.do(["set", "a", 1], headers=headers).status == status


def test_a_path_may_be_open_to_other_sites_and_no_other_path_is(visitor: Visitor) -> None:
    foreign = {"sec-fetch-site": "cross-site", "origin": "https://login.example"}
    content = json.dumps({"do": [["set", "a", 1]], "options": {"crossSitePaths": ["/auth/callback"]}})
    opened = ["/auth/callback", "/auth/callback?x=1"]
    closed = [
        "/",
        "/auth/callback/",
        "/auth/callbacks",
        "/auth",
        "//auth/callback",
        "/auth/%63allback",
        "/AUTH/callback",
    ]
    statuses = {path: visitor.copy().send("POST", path, content, foreign).status for path in [*opened, *closed]}
    assert statuses == {**dict.fromkeys(opened, 200), **dict.fromkeys(closed, 403)}


@pytest.mark.parametrize("bare", [False, True])
def test_a_process_that_serves_many_requests_keeps_them_apart(visitor: Visitor, bare: bool) -> None:
    bob = Visitor(visitor.port)
    bob.do(["login", "bob"], ["set", "b", 1])
    steps: Steps = [["login", "ada"], ["set", "a", 1], ["session_write_close"]]
    steps += [["next request", f"__Host-session={bob.token}"], ["catch", ["facts"]], ["start"], ["data"], ["facts"]]
    answer = visitor.do(*steps, bare=bare)

    assert answer.results[4].startswith("Sojourn\\ConfigurationError: Start the session before you ask")
    assert answer.results[6] == {"b": 1}
    assert answer.results[7]["user_id"] == "bob"
    assert answer.cookies == []


# The bare handler


def test_the_handler_works_without_the_facade(visitor: Visitor, relay: Relay) -> None:
    visitor.do(["increment", "n"], ["login", "ada"], bare=True)
    relay.forget()
    answer = visitor.do(["data"], ["facts"], bare=True)

    assert answer.results[0] == {"n": 1}
    assert answer.results[1]["user_id"] == "ada"
    assert relay.paths == ["/v1/open"]
    assert visitor.data() == {"n": 1}
    visitor.do(["session_destroy"], bare=True)
    assert visitor.data(bare=True) == {}


@pytest.mark.parametrize(
    ("ini", "told"),
    [
        ({}, "session.use_cookies must be 0"),
        ({"use_cookies": 0}, "session.use_strict_mode must be 1"),
        ({"use_cookies": 0, "use_strict_mode": 1}, "session.serialize_handler must be php_serialize"),
    ],
)
def test_settings_of_php_that_would_not_do_are_refused(visitor: Visitor, php: Php, ini: Any, told: str) -> None:
    assert visitor.do(bare=True, ini=ini or {"name": "other"}).status == 500
    assert f"Uncaught Sojourn\\ConfigurationError: {told}" in php.told()


def test_settings_of_php_may_be_spelled_as_in_php_ini(visitor: Visitor) -> None:
    ini = {
        "use_cookies": False,
        "use_only_cookies": "On",
        "use_strict_mode": "yes",
        "serialize_handler": "php_serialize",
    }
    visitor.do(["set", "a", 1], bare=True, ini=ini)
    assert visitor.data() == {"a": 1}


@pytest.mark.parametrize("lazy", [0, 1])
def test_what_is_lazily_written_is_written_and_what_is_not_changed_is_not(
    visitor: Visitor, relay: Relay, lazy: int
) -> None:
    ini = {"use_cookies": 0, "use_strict_mode": 1, "serialize_handler": "php_serialize", "lazy_write": lazy}
    visitor.do(["set", "a", 1], bare=True, ini=ini)
    assert visitor.do(["data"], bare=True, ini=ini).results == [{"a": 1}]
    visitor.do(["set", "a", 2], bare=True, ini=ini)

    assert relay.paths == ["/v1/commit", "/v1/open", "/v1/open", "/v1/commit"]


def test_an_unset_superglobal_is_an_error_and_no_loss(visitor: Visitor, php: Php) -> None:
    visitor.do(["set", "a", 1])
    assert visitor.do(["unset all"], ["set", "b", 2]).status == 500
    assert "Empty it with $_SESSION = [], never unset it" in php.told()
    assert visitor.data() == {"a": 1}


# Time


@fpm_alone
def test_idle_sessions_end_and_say_why(tmp_path: Path, visitor: Visitor) -> None:
    with SessionService(tmp_path / "short", {"idle_timeout": 600, "touch_interval": 0}) as short:
        options = {"service": short.url, "key": short.key}
        visitor.do(["login", "ada"], options=options)
        for _ in range(3):
            short.pass_seconds(400)
            assert visitor.facts(options={**options, "readAndClose": True})["user_id"] == "ada", "reading is activity"
        for end_reason in (None, "idle_timeout"):
            short.pass_seconds(400)
            assert visitor.facts(options={**options, "passive": True})["end_reason"] == end_reason, "polling is none"
        facts = visitor.facts(options=options)
        assert facts == {"id": None, "user_id": None, "authenticated_at": None, "end_reason": "idle_timeout"}
        visitor.do(["set", "new", 1], options=options)
        assert visitor.data(options=options) == {"new": 1}


@fpm_alone
def test_bursts_of_a_browser_whose_token_is_renewed_lose_nothing(tmp_path: Path, visitor: Visitor) -> None:
    with SessionService(tmp_path / "renewing", {"rotate_interval": 0}) as renewing, Relay(renewing.port) as relay:
        options = {"service": relay.url, "key": renewing.key}
        visitor.do(["login", "ada"], ["set", "list", []], options=options)
        relay.forget()
        shown = set()
        steps: Steps = [["append", "list", "x"], ["increment", "n"], ["session_write_close"], ["start"]]

        def ask(tab: Visitor) -> int:
            return tab.do(*steps, ["increment", "n"], options=options).status

        for _ in range(5):
            shown.add(visitor.token)
            tabs = [visitor.copy() for _ in range(10)]
            with ThreadPoolExecutor(10) as pool:
                assert set(pool.map(ask, tabs)) == {200}
            renewed = [tab.token for tab in tabs if tab.token != visitor.token]
            visitor.token = renewed[-1]  # of several cookies, a browser keeps one

        assert relay.tokens == shown, "a renewed secret is the browser's to show first"
        assert visitor.facts(options=options)["user_id"] == "ada"
        data = visitor.data(options=options)
        assert (data["n"], len(data["list"])) == (100, 50)


@fpm_alone
def test_a_request_that_was_at_work_while_its_token_was_renewed_is_no_thief(tmp_path: Path, visitor: Visitor) -> None:
    """However often it writes, or loads its session anew."""
    turnstile = Turnstile(tmp_path / "turnstile")
    with SessionService(tmp_path / "renewing", {"rotate_interval": 0, "rotate_grace": 0.5}) as renewing:
        options = {"service": renewing.url, "key": renewing.key}
        visitor.do(["login", "ada"], options=options)
        again: Steps = [["session_write_close"], ["start"]]
        steps: Steps = [turnstile.step, ["set", "a", 1], *again, ["set", "b", 2], *again, ["set", "c", 3]]
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(visitor.copy().do, *steps, options=options)
            turnstile.wait_for_arrival()
            for _ in range(3):
                visitor.do(["increment", "n"], options=options)
            time.sleep(0.7)
            turnstile.release()
            assert slow.result().status == 200

        assert visitor.facts(options=options)["user_id"] == "ada"
        assert visitor.data(options=options) == {"n": 3, "a": 1, "b": 2, "c": 3}


def test_a_renewed_token_reaches_the_browser(tmp_path: Path, visitor: Visitor) -> None:
    with SessionService(tmp_path / "renewing", {"rotate_interval": 0}) as renewing:
        options = {"service": renewing.url, "key": renewing.key}
        visitor.do(["set", "a", 1], options=options)
        first = visitor.token
        steps: Steps = [["set", "b", 2], ["session_write_close"], ["start"], ["set", "c", 3]]
        visitor.do(*steps, options=options)

        assert visitor.token is not None
        assert first is not None
        assert visitor.token != first
        assert visitor.token[:36] == first[:36]
        assert visitor.data(options=options) == {"a": 1, "b": 2, "c": 3}


# Secrets


@pytest.mark.parametrize("bare", [False, True])
def test_nothing_that_php_prints_of_it_tells_a_token(visitor: Visitor, service: SessionService, bare: bool) -> None:
    visitor.do(["login", "ada"], ["set", "a", 1])
    token = visitor.token
    assert token is not None
    steps: Steps = [["dump"], ["session_id"], ["session_write_close"], ["start"], ["session_id"], ["dump"]]
    body = visitor.do(*steps, bare=bare).body

    assert token[37:] not in body
    assert service.key not in body
    assert visitor.do(["warn"], ["unfit", "x", "object"], bare=bare).status in (200, 500)


def test_sixty_visitors_at_once_get_their_own_sessions(visitor: Visitor) -> None:
    def live(number: int) -> bool:
        mine = Visitor(visitor.port)
        mine.do(["login", f"user{number}"], ["set", "number", number])
        own = [mine.do(["data"], ["facts"]).results for _ in range(5)]
        visitor.seen.update(mine.seen)
        return all(data == {"number": number} and facts["user_id"] == f"user{number}" for data, facts in own)

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(live, range(60)))
    assert len(set(itertools.chain([visitor.token], visitor.seen))) == 61
