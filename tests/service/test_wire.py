"""The wire, over HTTP: every endpoint, what each refuses, and whom."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.server import Server
from tests.service.backend import Backend

NOWHERE = f"sj1-{'0' * 32}-{'0' * 64}"
SESSION = {
    "id",
    "user_id",
    "data",
    "version",
    "created_at",
    "authenticated_at",
    "seen_at",
    "expires_at",
    "absolute_expires_at",
    "idle_timeout",
    "remember",
    "level",
    "methods",
    "bound",
    "follows",
}
BACK_END = [
    ("POST", "/v1/open", "sessions"),
    ("POST", "/v1/commit", "sessions"),
    ("GET", "/v1/config", "sessions"),
    ("GET", "/v1/users/ada/sessions", "admin"),
    ("DELETE", "/v1/users/ada/sessions", "admin"),
    ("GET", f"/v1/sessions/{'0' * 32}", "sessions"),
    ("DELETE", f"/v1/sessions/{'0' * 32}", "admin"),
]


# What is answered


def test_every_key_of_an_answer_is_always_there(backend: Backend) -> None:
    token = backend.log_in("ada", a=1)
    for opened in (backend.open(token), backend.open(NOWHERE)):
        assert set(opened) == {"status", "end_reason", "ended_at", "session", "commit_due", "proved", "nonce", "now"}
    assert set(backend.open(token)["session"]) == SESSION
    for committed in (backend.commit(token), backend.commit(None)):
        assert set(committed) == {
            "status",
            "end_reason",
            "session",
            "token",
            "max_age",
            "clear",
            "set_cookie",
            "merged",
            "proved",
            "nonce",
            "now",
        }


def test_data_comes_back_as_it_was_written(backend: Backend) -> None:
    data = {"text": 'Zoë 🦊 "\\/\n', "number": 1.5, "whole": 2**63 - 1, "nested": [{"a": [None, True]}], "ключ": {}}
    token = backend.log_in("ada", **data)

    assert backend.open(token)["session"]["data"] == data


def test_the_browser_is_kept_with_a_new_session(backend: Backend) -> None:
    client = {"ip": "192.0.2.7", "user_agent": "Mozilla/5.0 (Windows NT 10.0) Chrome/142.0.0.0" + " x" * 1000}
    backend.commit(action={"type": "login", "user_id": "client"}, client=client)

    listed = backend.request("GET", "/v1/users/client/sessions").json["sessions"]

    assert listed[0]["ip"] == "192.0.2.7"
    assert listed[0]["device"] == "Chrome on Windows"
    assert listed[0]["user_agent"] == client["user_agent"][:256]
    assert set(listed[0]) == SESSION - {"data", "follows"} | {"end_reason", "ip", "user_agent", "device"}


def test_the_configuration_is_told(backend: Backend) -> None:
    told = backend.request("GET", "/v1/config").json

    assert told["cookie"] == {
        "name": "__Host-session",
        "path": "/",
        "domain": None,
        "same_site": "lax",
        "secure": True,
        "partitioned": False,
    }
    assert (told["policy"]["idle_timeout"], told["policy"]["max_bytes"]) == (1800, 32768)


@pytest.mark.parametrize("user", ["ada lovelace", "a/b", "ünï", "..", "a?b#c", "x" * 255, "🦊" * 255])
def test_a_users_sessions_are_listed_and_ended(backend: Backend, user: str) -> None:
    path = f"/v1/users/{quote(user, safe='')}/sessions"
    tokens = [backend.log_in(user) for _ in range(3)]
    listed = backend.request("GET", path).json["sessions"]
    assert {session["id"] for session in listed} == {token[4:36] for token in tokens}

    ended = backend.request("DELETE", f"{path}?keep={tokens[0][4:36]}")
    assert ended.json == {"ended": 2}
    assert backend.open(tokens[0])["status"] == "active"
    assert backend.open(tokens[1])["end_reason"] == "revoked"

    assert backend.request("DELETE", path).json == {"ended": 1}
    assert backend.request("GET", path).json == {"sessions": []}


@pytest.mark.parametrize("query", ["keep=", "keep=x", f"keep={NOWHERE}", "kep=" + "0" * 32, f"keep={'0' * 32}&keep=1"])
def test_a_misspelled_keep_ends_nothing(backend: Backend, query: str) -> None:
    token = backend.log_in("keeper")
    answer = backend.request("DELETE", f"/v1/users/keeper/sessions?{query}")

    assert (answer.status, answer.code) == (400, "invalid-body")
    assert backend.open(token)["status"] == "active"


def test_one_session_is_ended_by_its_id(backend: Backend) -> None:
    token = backend.log_in("ada")
    path = f"/v1/sessions/{token[4:36]}"

    assert backend.request("DELETE", path).json == {"ended": 1}
    assert backend.request("DELETE", path).json == {"ended": 0}
    assert backend.open(token)["end_reason"] == "revoked"


def test_one_session_is_told_by_its_id_without_its_data(backend: Backend) -> None:
    token = backend.log_in("ada", secret="hunter2")
    path = f"/v1/sessions/{token[4:36]}"

    told = backend.request("GET", path).json["session"]
    assert (told["id"], told["user_id"], told["end_reason"]) == (token[4:36], "ada", None)
    assert set(told) == SESSION - {"data", "follows"} | {"end_reason", "ip", "user_agent", "device"}

    backend.commit(token, action={"type": "logout"})
    assert backend.request("GET", path).json["session"]["end_reason"] == "logout"
    assert backend.request("GET", f"/v1/sessions/{'0' * 32}").json == {"session": None}


def test_the_process_and_the_store_are_asked_without_a_key(backend: Backend) -> None:
    for path in ("/health", "/ready"):
        assert backend.request("GET", path, headers={"authorization": None}).status == 200
        assert backend.request("HEAD", path, headers={"authorization": None}).body == b""


def test_answers_are_kept_by_nobody_and_taken_for_what_they_are(backend: Backend) -> None:
    posts = [("POST", path) for path in ("/v1/open", "/v1/nothing", "/v1/commit", "/session/start", "/session/nothing")]
    gets = [("GET", path) for path in ("/health", "/ready", "/v1/config", "/v1/openapi.json", "/session/", "/v1/open")]
    for method, path in posts + gets:
        answer = backend.request(method, path, {"token": ""} if method == "POST" else None)
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["x-content-type-options"] == "nosniff", path
    for path in ("/session/client.js", "/session/openapi.json"):
        found = backend.request("GET", path)
        assert found.headers["x-content-type-options"] == "nosniff"
        again = backend.request("GET", path, headers={"if-none-match": found.headers["etag"]})
        assert (again.status, again.headers["x-content-type-options"]) == (304, "nosniff")


def test_the_browsers_endpoints_share_the_session(backend: Backend) -> None:
    token = backend.log_in("ada", theme="dark", secret=1)
    cookie = {"cookie": f"__Host-session={token}", "authorization": None}

    state = backend.request("GET", "/session/", headers=cookie).json
    assert (state["user_id"], state["data"]) == ("ada", {"theme": "dark"})

    backend.request("PATCH", "/session/", {"set": {"theme": "light"}}, cookie)
    assert backend.open(token)["session"]["data"] == {"theme": "light", "secret": 1}

    left = backend.request("POST", "/session/logout", headers=cookie)
    assert "Max-Age=0" in left.headers["set-cookie"]
    assert backend.open(token)["end_reason"] == "logout"


def test_the_browsers_endpoints_keep_other_sites_out(backend: Backend) -> None:
    headers = {"origin": "https://evil.example", "authorization": None}
    assert backend.request("POST", "/session/start", {}, headers).code == "cross-origin"


# What is refused


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "Input data was truncated"),
        (b"{", "Input data was truncated"),
        (b"\xff", "malformed"),
        (b"[]", "Expected `object`, got `array`"),
        (b"null", "Expected `object`, got `null`"),
        (b"{}", "missing required field `token`"),
        (b'{"token": null}', "Expected `str`, got `null`"),
        (b'{"token": 1}', "Expected `str`, got `int`"),
        (b'{"tokn": "x"}', "unknown field `tokn`"),
        (b'{"token": "x", "client": 1}', "$.client"),
        (b'{"token": "\xff"}', ""),
        (b'{"token": "' + b"x" * 10 + b'"} trailing', "trailing"),
        (b"[" * 100_000, "Expected `object`, got `array`"),
        (b'{"token": "x", "client": ' + b'{"ip":' * 20_000, "$.client.ip"),
    ],
)
def test_a_body_of_another_form_is_refused(backend: Backend, body: bytes, detail: str) -> None:
    answer = backend.request("POST", "/v1/open", body)

    assert (answer.status, answer.code) == (400, "invalid-body")
    assert detail in answer.json["detail"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"change": {}},
        {"changes": []},
        {"changes": {"a": 1}},
        {"changes": {"a": {"valu": 1}}},
        {"increments": {"a": 1.5}},
        {"increments": {"a": True}},
        {"action": "logout"},
        {"action": {"type": "log-out"}},
        {"action": {"type": "login"}},
        {"action": {"type": "login", "user_id": ""}},
        {"action": {"type": "login", "user_id": "x" * 256}},
        {"action": {"type": "logout", "user_id": "x"}},
        {"passive": 1},
        {"opened_at": "now"},
        {"opened_at": 1.5},
        {"token": 5},
    ],
)
def test_a_commit_of_another_form_changes_nothing(backend: Backend, wanted: dict[str, Any]) -> None:
    token = backend.log_in("ada", a=1)
    answer = backend.request("POST", "/v1/commit", {"token": token, "changes": {"a": {"value": 2}}, **wanted})

    assert (answer.status, answer.code) == (400, "invalid-body")
    assert backend.open(token)["session"]["data"] == {"a": 1}


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (b"9223372036854775808", 422),
        (b"[" * 33 + b"]" * 33, 422),
        (b'{"a":' * 900 + b"1" + b"}" * 900, 422),
        (b"[" * 50_000, 400),
        (b'"\\ud800"', 400),
        (b"1e999", 400),
        (b"NaN", 400),
    ],
    ids=["large", "deep", "deeper", "bottomless", "surrogate", "infinite", "nan"],
)
def test_what_no_session_can_hold_is_refused(backend: Backend, value: bytes, status: int) -> None:
    answer = backend.request("POST", "/v1/commit", b'{"changes": {"a": {"value": ' + value + b"}}}")

    assert (answer.status, answer.code) == (status, {422: "invalid-data", 400: "invalid-body"}[status])


def test_a_secret_that_is_in_the_wrong_place_is_not_repeated(backend: Backend) -> None:
    answer = backend.request("POST", "/v1/open", {NOWHERE: 1})

    assert answer.code == "invalid-body"
    assert NOWHERE not in answer.json["detail"]


def test_a_body_has_a_bound(backend: Backend) -> None:
    within = backend.request("POST", "/v1/open", b'{"token": "' + b"x" * 150_000 + b'"}')
    assert (within.status, within.json["status"]) == (200, "none")

    beyond = backend.request("POST", "/v1/open", b'{"token": "' + b"x" * 300_000 + b'"}')
    assert (beyond.status, beyond.code, beyond.json["limit"]) == (413, "body-too-large", 196_608)


def test_data_has_a_bound(backend: Backend) -> None:
    answer = backend.request("POST", "/v1/commit", {"changes": {"a": {"value": "x" * 33_000}}})
    assert (answer.status, answer.code) == (413, "data-too-large")
    assert (answer.json["size"], answer.json["limit"]) == (33_008, 32_768)


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_only_json_is_taken(backend: Backend, kind: str | None) -> None:
    answer = backend.request("POST", "/v1/open", {"token": "x"}, {"content-type": kind})
    assert (answer.status, answer.code) == (415, "unsupported-media-type")


def test_json_may_say_its_encoding(backend: Backend) -> None:
    kind = {"content-type": "Application/JSON; charset=utf-8"}
    assert backend.request("POST", "/v1/open", {"token": "x"}, kind).status == 200


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/opens", "/v1/open/", "/v1/users//sessions", "/v1/sessions/x", "/%ff"]
)
def test_an_unknown_path_is_not_found(backend: Backend, path: str) -> None:
    assert backend.request("GET", path).code == "not-found"


@pytest.mark.parametrize(("method", "path", "scope"), BACK_END)
def test_another_method_is_told_the_right_one(backend: Backend, method: str, path: str, scope: str) -> None:
    answer = backend.request("PUT", path)

    assert (answer.status, answer.code) == (405, "method-not-allowed")
    assert method in answer.headers["allow"]


# Who is refused


@pytest.mark.parametrize(("method", "path", "scope"), BACK_END)
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", f"Bearer {NOWHERE}", "Basic YTpi", f"Bearer sjk1-{'0' * 8}-{'G' * 64}", "token"],
)
def test_without_an_api_key_nothing_is_answered(
    backend: Backend, method: str, path: str, scope: str, authorization: str | None
) -> None:
    answer = backend.request(method, path, {"token": ""}, {"authorization": authorization})

    assert (answer.status, answer.code) == (401, "api-key-required")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_sessions_token_is_no_api_key(backend: Backend) -> None:
    token = backend.log_in("ada")
    answer = backend.request("POST", "/v1/open", {"token": token}, {"authorization": f"Bearer {token}"})

    assert (answer.status, answer.code) == (401, "api-key-required")


def test_an_api_key_opens_no_session(backend: Backend) -> None:
    assert backend.open(backend.key)["status"] == "none"
    assert backend.commit(backend.key)["status"] == "none"


def test_a_wrong_secret_and_an_unknown_id_are_refused_alike(backend: Backend) -> None:
    wrong, unknown = f"{backend.key[:-4]}0000", f"sjk1-{'0' * 8}-{backend.key[-64:]}"
    answers = [
        backend.request("POST", "/v1/open", {"token": ""}, {"authorization": f"Bearer {key}"})
        for key in (wrong, unknown)
    ]

    assert {(answer.status, answer.code) for answer in answers} == {(401, "api-key-refused")}
    assert answers[0].body == answers[1].body


@pytest.mark.parametrize(("method", "path", "scope"), BACK_END)
def test_a_key_is_for_its_scope_alone(
    service: Server, keys_by_scope: dict[str, str], method: str, path: str, scope: str
) -> None:
    others = []
    for other in keys_by_scope.keys() - {scope}:
        with Backend(service.port, keys_by_scope[other]) as backend:
            others.append(backend.request(method, path, {"token": ""}))
    with Backend(service.port, keys_by_scope[scope]) as backend:
        allowed = backend.request(method, path, {"token": ""})

    assert {(answer.status, answer.code) for answer in others} == {(403, "api-key-scope")}
    assert all(repr(scope) in answer.json["detail"] for answer in others)
    assert allowed.status in (200, 400)
