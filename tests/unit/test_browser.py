"""The browser endpoints, decided purely: what is asked, what is refused, what is answered."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, get_args

import msgspec
import pytest

from sojourn import Client, ConfigurationError, EndReason, Policy, Session
from sojourn.browser import Answer, Ask, BrowserOptions, Request, answer, perform, perform_async, plan
from sojourn.browser.endpoints import MAX_BODY
from sojourn.browser.openapi import openapi
from sojourn.browser.state import ListedSession, State, listed, state_of
from sojourn.core.info import info
from sojourn.core.record import Record
from sojourn.core.user_key import keyed
from sojourn.manager import AsyncSessionManager, device_label
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.testing.records import HOUR, MINUTE, NOW, make_record
from tests.unit.clock import Clock
from tests.unit.site import Site, token_for

OPTIONS = BrowserOptions({"theme", "cart", "name"}, {"theme", "cart"})
JSON = "application/json"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)


def none() -> Session:
    """Nobody's session."""
    return Session(None, NOW, Client())


def active(user_id: str | None = None, **fields: Any) -> Session:
    """A live session."""
    record = make_record(user_id, **fields)
    return Session(record, NOW, Client(), token_for(record), True)


def over(reason: EndReason = "revoked", user_id: str | None = "ada") -> Session:
    """A session that ended."""
    return Session(make_record(user_id), NOW, Client(), None, True, reason)


def ask(session: Session, method: str, path: str, body: Any = None, content_type: str = JSON) -> Ask | Answer:
    """What a request comes to; `body` is JSON, or bytes as they are."""
    raw = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    return plan(Request(method, path, content_type, raw, streams=True), session, OPTIONS)


def refused(found: Ask | Answer) -> tuple[int, str]:
    """The status and the code of a problem."""
    assert isinstance(found, Answer)
    assert ("content-type", "application/problem+json") in found.headers
    problem = msgspec.json.decode(found.body)
    assert problem["status"] == found.status
    return found.status, problem["type"].removeprefix("urn:sojourn:problem:")


# Paths and methods


@pytest.mark.parametrize(
    "path", ["/nothing", "/start/now", "/sessions/", "start", "//start", "/sessions/xyz", "/Start"]
)
def test_a_path_that_is_no_endpoint_is_not_found(path: str) -> None:
    expected = (405, "method-not-allowed") if path == "/sessions/" else (404, "not-found")

    assert refused(ask(active("ada"), "PUT", path)) == expected


@pytest.mark.parametrize("path", ["/sessions/{id}", "/sessions/" + "0" * 31, "/sessions/" + "A" * 32, "/sessions/x\n"])
def test_what_is_no_id_never_ends_a_session_of_anybody(path: str) -> None:
    """Not even the path as a template spells it, which must not be taken for the list."""
    assert refused(ask(active("ada"), "DELETE", path)) == (404, "not-found")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("", "GET, HEAD, PATCH"),
        ("/", "GET, HEAD, PATCH"),
        ("/start", "POST"),
        ("/touch", "POST"),
        ("/logout", "POST"),
        ("/sessions", "GET, HEAD, DELETE"),
        ("/sessions/" + "0" * 32, "DELETE"),
        ("/client.js", "GET, HEAD"),
        ("/step-up.js", "GET, HEAD"),
        ("/bound.js", "GET, HEAD"),
        ("/live.js", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/events", "GET, HEAD"),
    ],
)
def test_another_method_is_refused_with_the_ones_there_are(path: str, allowed: str) -> None:
    for method in {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "get"} - set(allowed.split(", ")):
        found = ask(active("ada"), method, path)

        assert refused(found) == (405, "method-not-allowed")
        assert isinstance(found, Answer)
        assert ("allow", allowed) in found.headers


def test_a_stream_is_asked_for_passively_and_refused_where_there_can_be_none() -> None:
    session = active("ada")

    assert (ask(session, "GET", "/events"), session.passive) == (Ask("events"), True)
    found = plan(Request("GET", "/events", "", b""), active("ada"), OPTIONS)
    assert refused(found) == (501, "no-events")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["", "/"])
def test_the_state_is_asked_for_passively(method: str, path: str) -> None:
    session = active("ada")

    assert ask(session, method, path) == Ask("nothing")
    assert session.passive
    assert not session._values
    assert session._wish is None


def test_the_client_is_a_module_that_may_be_cached() -> None:
    found = ask(none(), "GET", "/client.js")

    assert isinstance(found, Answer)
    assert found.status == 200
    assert b"export" in found.body
    headers = dict(found.headers)
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert "max-age" in headers["cache-control"]


@pytest.mark.parametrize("path", ["/client.js", "/step-up.js", "/bound.js", "/live.js", "/openapi.json"])
def test_what_a_browser_has_already_is_not_sent_again(path: str) -> None:
    found = ask(none(), "GET", path)
    assert isinstance(found, Answer)
    etag = dict(found.headers)["etag"]

    for known in (etag, f'"other", {etag}', f"W/{etag}"):
        again = plan(Request("GET", path, "", b"", known), none(), OPTIONS)
        assert isinstance(again, Answer)
        assert (again.status, again.body) == (304, b"")
        assert dict(again.headers)["etag"] == etag
    fresh = plan(Request("GET", path, "", b"", '"other"'), none(), OPTIONS)
    assert fresh == found


def test_the_description_names_every_endpoint_and_no_other() -> None:
    found = ask(none(), "GET", "/openapi.json")
    assert isinstance(found, Answer)
    described = msgspec.json.decode(found.body)

    assert described == openapi()
    for path, operations in described["paths"].items():
        for method in operations:
            found = ask(active("ada"), method.upper(), path.removesuffix("/").replace("{id}", "0" * 32))
            assert not isinstance(found, Answer) or found.status == 200


def test_the_description_knows_every_member_of_the_state_and_every_end_reason() -> None:
    schemas = openapi()["components"]["schemas"]

    assert list(schemas["State"]["properties"]) == list(State.__struct_fields__)
    assert list(schemas["ListedSession"]["properties"]) == list(ListedSession.__struct_fields__)
    assert schemas["State"]["properties"]["end_reason"]["enum"] == [None, *get_args(EndReason)]
    assert schemas["Problem"]["properties"]["end_reason"]["enum"] == list(get_args(EndReason))


# Bodies


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "text/json", "json"])
def test_a_body_that_is_not_sent_as_json_is_refused(content_type: str) -> None:
    assert refused(ask(none(), "POST", "/start", {}, content_type)) == (415, "unsupported-media-type")


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON ; charset=utf-8"])
def test_json_may_be_spelled_as_http_allows(content_type: str) -> None:
    assert ask(none(), "POST", "/start", {}, content_type) == Ask("commit")


def test_no_body_needs_no_type() -> None:
    assert ask(none(), "POST", "/start", None, "") == Ask("commit")


BROKEN = {
    "cut off": b'{"data":',
    "not UTF-8": b'{"data":{"theme":"\xff"}}',
    "a lone surrogate": b'{"data":{"theme":"\\ud800"}}',
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "twice": b"{}{}",
    "nan": b'{"data":{"theme":NaN}}',
    "an endless number": b'{"data":{"theme":1e999}}',
    "too deep": b'{"data":{"theme":' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
    "values in a list": b'{"data":[]}',
    "null for values": b'{"data":null}',
    "removed as a text": b'{"remove":"theme"}',
    "removed numbers": b'{"remove":[1]}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_body_of_another_form_is_refused_and_nothing_noted(body: bytes) -> None:
    session = active()

    assert refused(ask(session, "POST", "/start", body)) == (400, "invalid-body")
    assert not session._values
    assert session._wish is None


def test_a_body_too_large_is_refused_before_it_is_read() -> None:
    fits = b"{" + b" " * (MAX_BODY - 2) + b"}"

    assert ask(none(), "POST", "/start", fits) == Ask("commit")
    assert refused(ask(none(), "POST", "/start", fits + b" ")) == (413, "body-too-large")


# Starting and writing


def test_a_start_makes_a_session_with_what_the_browser_may_write() -> None:
    session = none()

    assert ask(session, "POST", "/start", {"data": {"theme": "dark"}}) == Ask("commit")
    assert session._wish == "start"
    assert dict(session) == {"theme": "dark"}


def test_a_start_of_an_ended_session_asks_for_a_fresh_one() -> None:
    session = over()

    assert ask(session, "POST", "/start") == Ask("commit")
    assert session._wish == "start"


def test_a_patch_sets_and_removes() -> None:
    session = active(data={"theme": b'"dark"', "cart": b"[1]", "secret": b"1"})

    assert ask(session, "PATCH", "", {"set": {"theme": "light"}, "remove": ["cart", "cart"]}) == Ask("commit")
    assert dict(session) == {"theme": "light", "secret": 1}
    assert session._wish is None


@pytest.mark.parametrize(
    "body", [{"set": {"name": 1}}, {"remove": ["name"]}, {"set": {"theme": 1, "secret": 1}}, {"remove": [""]}]
)
def test_a_key_that_is_not_declared_writable_is_refused_and_nothing_noted(body: Any) -> None:
    session = active(data={"name": b'"Ada"'})

    assert refused(ask(session, "PATCH", "", body)) == (403, "not-writable")
    assert not session._values
    assert session._wish is None


@pytest.mark.parametrize("body", [{"set": {"user": {"id": "eve"}}}, {"remove": ["user"]}])
def test_no_browser_says_who_is_logged_in_whatever_was_declared(body: Any) -> None:
    session = active("ada")
    keyed(session, "user.id")
    options = BrowserOptions((), {"user"})
    answered = plan(Request("PATCH", "", JSON, msgspec.json.encode(body)), session, options)

    assert refused(answered) == (403, "not-writable")
    assert (session.user_id, session._changes()) == ("ada", {})


def test_a_refusal_holds_every_key_that_is_not_writable_and_names_a_few_in_words() -> None:
    keys = sorted(["it's", "a, b", *map(str, range(100))])
    found = ask(active(), "PATCH", "", {"set": dict.fromkeys(keys, 1), "remove": ["theme"]})

    assert isinstance(found, Answer)
    problem = msgspec.json.decode(found.body)
    assert problem["keys"] == keys
    assert len(problem["detail"]) < 150


@pytest.mark.parametrize("value", [2**63, [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]])
def test_a_value_that_a_session_cannot_keep_is_the_browsers_mistake(value: Any) -> None:
    session = active()

    assert refused(ask(session, "PATCH", "", {"set": {"theme": value}})) == (422, "invalid-data")
    assert not session._values
    assert session._wish is None


@pytest.mark.parametrize(("method", "path"), [("PATCH", ""), ("POST", "/touch"), ("DELETE", "/sessions")])
def test_what_needs_a_session_is_refused_without_one_and_told_why(method: str, path: str) -> None:
    assert refused(ask(none(), method, path)) == (401, "no-session")
    found = ask(over("idle_timeout"), method, path)

    assert refused(found) == (401, "session-ended")
    assert isinstance(found, Answer)
    assert msgspec.json.decode(found.body)["end_reason"] == "idle_timeout"


def test_a_touch_is_an_ordinary_active_request() -> None:
    session = active()

    assert ask(session, "POST", "/touch") == Ask("commit")
    assert not session.passive


@pytest.mark.parametrize("make", [none, active, over])
def test_a_log_out_is_always_possible(make: Any) -> None:
    session = make()

    assert ask(session, "POST", "/logout") == Ask("commit")
    assert session._logged_out


# My sessions


def test_the_list_is_for_who_is_logged_in() -> None:
    session = active("ada")

    assert ask(session, "GET", "/sessions") == Ask("list", "ada")
    assert session.passive
    for stranger in (none(), active(), over()):
        assert refused(ask(stranger, "GET", "/sessions")) == (401, "login-required")


def test_ending_is_for_who_is_logged_in() -> None:
    session, other = active("ada"), "0" * 32

    assert ask(session, "DELETE", "/sessions") == Ask("revoke_others", "ada", session.id or "")
    assert ask(session, "DELETE", f"/sessions/{other}") == Ask("revoke", "ada", other)
    for path in ("/sessions", f"/sessions/{other}"):
        assert refused(ask(active(), "DELETE", path)) == (401, "login-required")


def test_ending_elsewhere_is_for_who_logged_in_lately() -> None:
    later = NOW + 25 * MINUTE
    record = make_record("ada")
    old = Session(record, later, Client(), token_for(record), True)
    strict, loose = (BrowserOptions((), (), reauthenticate_within=within) for within in (60, None))

    for path in ("/sessions", f"/sessions/{'0' * 32}"):
        assert refused(plan(Request("DELETE", path, JSON, b""), old, strict)) == (401, "reauthentication-required")
        assert isinstance(plan(Request("DELETE", path, JSON, b""), old, loose), Ask)
    assert isinstance(plan(Request("DELETE", f"/sessions/{old.id}", JSON, b""), old, strict), Ask)


class Mine:
    """Two sessions of Ada's and one of Bob's, and what is carried out for the first."""

    def __init__(self, kind: str) -> None:
        self.site, self.kind = Site(), kind
        self.token, self.other, self.bobs = (self.site.begin(name) for name in ("ada", "ada", "bob"))
        self.session = self.site.visit(self.token)

    def perform(self, asked: Ask) -> Any:
        """Either way."""
        if self.kind == "threads":
            return perform(asked, self.session, self.site.manager)
        assert isinstance(self.site.store, MemoryStore)
        manager = AsyncSessionManager(AsyncMemoryStore(self.site.store), clock=self.site.clock)
        return asyncio.run(perform_async(asked, self.session, manager))

    def alive(self) -> list[bool]:
        """Which of the three live."""
        return [self.site.visit(token).status == "active" for token in (self.token, self.other, self.bobs)]


@pytest.fixture(params=["threads", "event loop"])
def mine(request: pytest.FixtureRequest) -> Mine:
    """For both managers."""
    return Mine(request.param)


def test_a_list_has_mine_and_nobody_elses(mine: Mine) -> None:
    found = mine.perform(Ask("list", "ada"))

    assert {session.id for session in found} == {mine.token[4:36], mine.other[4:36]}


def test_another_of_mine_can_be_ended(mine: Mine) -> None:
    assert mine.perform(Ask("revoke", "ada", mine.other[4:36])) == 1
    assert mine.alive() == [True, False, True]
    assert mine.perform(Ask("revoke", "ada", mine.other[4:36])) == 0


def test_of_any_number_of_mine_each_is_listed_and_can_be_ended(mine: Mine) -> None:
    mine.site.manager.policy = Policy(max_sessions=None)
    tokens = [mine.site.begin("ada") for _ in range(200)]

    assert len(mine.perform(Ask("list", "ada"))) == 202
    assert [mine.perform(Ask("revoke", "ada", token[4:36])) for token in tokens] == [1] * 200
    assert mine.alive() == [True, True, True]


def test_somebody_elses_is_never_ended(mine: Mine) -> None:
    assert mine.perform(Ask("revoke", "ada", mine.bobs[4:36])) == 0
    assert mine.alive() == [True, True, True]


def test_to_end_the_one_that_asks_is_a_log_out(mine: Mine) -> None:
    assert mine.perform(Ask("revoke", "ada", mine.token[4:36])) == 1
    assert mine.session._logged_out
    assert mine.site.manager.commit(mine.session).clear
    assert mine.alive() == [False, True, True]


def test_all_my_others_can_be_ended(mine: Mine) -> None:
    assert mine.perform(Ask("revoke_others", "ada", mine.token[4:36])) == 1
    assert mine.alive() == [True, False, True]


@pytest.mark.parametrize("action", ["nothing", "commit"])
def test_what_the_commit_does_is_not_done_twice(mine: Mine, action: Any) -> None:
    assert mine.perform(Ask(action)) == 0
    assert mine.alive() == [True, True, True]


# Answers


def body_of(found: Answer) -> Any:
    """The JSON of an answer of 200."""
    assert found.status == 200
    assert found.headers == (
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    )
    return msgspec.json.decode(found.body)


EMPTY = dict.fromkeys(State.__struct_fields__) | {"data": {}, "now": NOW + 5}


def test_the_state_of_nobody_has_every_member() -> None:
    found = body_of(answer(Ask("nothing"), none(), 0, OPTIONS, NOW + 5))

    assert found == EMPTY | {"status": "none"}


def test_the_state_of_a_live_session_has_what_is_readable_and_nothing_else() -> None:
    session = active("ada", data={"theme": b'"dark"', "name": b'"Ada"', "secret": b"1"}, version=4)
    found = body_of(answer(Ask("commit"), session, 0, OPTIONS, NOW + 5))

    assert found == {
        "status": "active",
        "id": session.id,
        "user_id": "ada",
        "created_at": NOW,
        "authenticated_at": NOW,
        "seen_at": NOW,
        "expires_at": NOW + 30 * MINUTE,
        "absolute_expires_at": NOW + 12 * HOUR,
        "idle_timeout": 30 * MINUTE,
        "version": 4,
        "bound": None,
        "data": {"theme": "dark", "name": "Ada"},
        "end_reason": None,
        "ended_at": None,
        "follows": None,
        "now": NOW + 5,
    }


def test_the_state_of_a_session_begun_with_an_ended_ones_token_still_says_why_that_ended() -> None:
    found = body_of(answer(Ask("nothing"), active(follows="idle_timeout"), 0, OPTIONS, NOW))

    assert (found["status"], found["end_reason"], found["follows"]) == ("active", None, "idle_timeout")


@pytest.mark.parametrize(
    ("fields", "now", "ended_at"),
    [
        ({"ended_at": NOW + 1, "end_reason": "revoked"}, NOW + 5, NOW + 1),
        ({}, NOW + 5, NOW + 5),
        ({}, NOW + HOUR, NOW + 30 * MINUTE),
    ],
)
def test_the_state_of_an_ended_session_says_why_and_when_and_shows_no_data(
    fields: dict[str, Any], now: int, ended_at: int
) -> None:
    record: Record = make_record("ada", data={"theme": b"1"}, **fields)
    session = Session(record, NOW, Client(), None, True, "revoked")
    found = body_of(answer(Ask("nothing"), session, 0, OPTIONS, now))

    assert found == EMPTY | {
        "status": "ended",
        "id": record.id,
        "end_reason": "revoked",
        "ended_at": ended_at,
        "now": now,
    }


def test_a_token_is_in_no_state() -> None:
    record = make_record("ada")
    session = Session(record, NOW, Client(), token_for(record), True)
    text = msgspec.json.encode(state_of(session, OPTIONS.readable, NOW))

    assert record.secrets.current.hex().encode() not in text
    assert b"sj1-" not in text


def test_a_list_marks_the_one_that_asks() -> None:
    session, other = active("ada"), make_record("ada")
    assert session._live is not None
    infos = [info(session._live, NOW), info(other, NOW)]
    found = body_of(answer(Ask("list", "ada"), session, infos, OPTIONS, NOW))

    assert [(one["id"], one["current"]) for one in found["sessions"]] == [(session.id, True), (other.id, False)]
    assert found["sessions"][1] == {
        "id": other.id,
        "current": False,
        "device": None,
        "ip": "192.0.2.1",
        "bound": None,
        "created_at": NOW,
        "authenticated_at": NOW,
        "seen_at": NOW,
        "expires_at": NOW + 30 * MINUTE,
    }


def test_how_many_were_ended_is_answered() -> None:
    assert body_of(answer(Ask("revoke", "ada", "0" * 32), active("ada"), 1, OPTIONS, NOW)) == {"ended": 1}
    assert body_of(answer(Ask("revoke_others", "ada", "0" * 32), active("ada"), 0, OPTIONS, NOW)) == {"ended": 0}


def test_one_that_is_not_mine_is_not_found() -> None:
    found = answer(Ask("revoke", "ada", "0" * 32), active("ada"), 0, OPTIONS, NOW)

    assert refused(found) == (404, "not-found")


# Options and devices


def test_what_a_browser_may_write_it_may_read() -> None:
    options = BrowserOptions({"name"}, {"theme"})

    assert options.readable == {"name", "theme"}
    assert options.writable == {"theme"}


@pytest.mark.parametrize("names", [{"readable": "theme", "writable": ()}, {"readable": (), "writable": "theme"}])
def test_one_text_is_no_set_of_keys(names: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="='theme': give a set of keys"):
        BrowserOptions(**names)


def test_without_ua_parser_there_are_no_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ua_parser", None)

    assert device_label(CHROME) == ""


@pytest.mark.parametrize(
    ("user_agent", "label"),
    [
        (CHROME, "Chrome on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("curl/8.5.0", "curl"),
        ("", ""),
        ("\0\r\n<script>", ""),
        ("x" * 10_000, ""),
    ],
)
def test_a_device_has_a_name_for_people(user_agent: str, label: str) -> None:
    assert device_label(user_agent) == label


def test_a_session_in_the_list_has_a_device_only_where_one_was_told() -> None:
    told = info(make_record("ada", client=Client("", CHROME), device="Chrome on Windows"), NOW)
    silent = info(make_record("ada", client=Client()), NOW)

    assert (listed(told, None).device, listed(told, None).ip) == ("Chrome on Windows", None)
    assert listed(silent, None).device is None


def test_the_clock_of_an_answer_is_the_servers() -> None:
    clock = Clock()
    clock.forward(7)

    assert state_of(none(), (), clock()).now == NOW + 7
