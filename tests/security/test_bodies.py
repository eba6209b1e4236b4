"""Hostile bodies get the documented problem, and nothing is written (R48; ASVS 3.5.2): never a traceback."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sojourn import ConfigurationError
from sojourn.browser.endpoints import MAX_BODY
from tests.security.conftest import MakeSite
from tests.security.site import Site, log_in

JSON = {"content-type": "application/json"}
DEEP = 30_000


def theme(value: bytes) -> bytes:
    return b'{"set":{"theme":' + value + b'},"data":{"theme":' + value + b"}}"


BODIES = {
    "not JSON": (b"theme=dark", 400, "invalid-body"),
    "cut short": (b'{"set":{"theme":', 400, "invalid-body"),
    "two documents": (b"{}{}", 400, "invalid-body"),
    "a byte order mark": (b"\xef\xbb\xbf{}", 400, "invalid-body"),
    "a list": (b"[]", 400, "invalid-body"),
    "null": (b"null", 400, "invalid-body"),
    "a string": (b'"x"', 400, "invalid-body"),
    "a number": (b"1", 400, "invalid-body"),
    "spaces": (b"  ", 400, "invalid-body"),
    "NUL": (b"\0", 400, "invalid-body"),
    "set is a list": (b'{"set":[],"data":[]}', 400, "invalid-body"),
    "set is null": (b'{"set":null,"data":null}', 400, "invalid-body"),
    "remove is a string": (b'{"remove":"theme"}', 400, "invalid-body"),
    "remove holds a list": (b'{"remove":[["theme"]]}', 400, "invalid-body"),
    "remove holds an object": (b'{"remove":[{}]}', 400, "invalid-body"),
    "not UTF-8": (theme(b'"\xff"'), 400, "invalid-body"),
    "a key that is not UTF-8": (b'{"set":{"\xff":1},"data":{"\xff":1}}', 400, "invalid-body"),
    "an overlong encoding": (theme(b'"\xc0\xaf"'), 400, "invalid-body"),
    "an encoded surrogate": (theme(b'"\xed\xa0\x80"'), 400, "invalid-body"),
    "a lone surrogate": (theme(b'"\\ud800"'), 400, "invalid-body"),
    "a surrogate and no other": (theme(b'"\\ud800x"'), 400, "invalid-body"),
    "a key with a surrogate": (b'{"set":{"\\udfff":1},"data":{"\\udfff":1}}', 400, "invalid-body"),
    "a raw new line": (theme(b'"\n"'), 400, "invalid-body"),
    "NaN": (theme(b"NaN"), 400, "invalid-body"),
    "Infinity": (theme(b"-Infinity"), 400, "invalid-body"),
    "a number out of range": (theme(b"1e400"), 400, "invalid-body"),
    "hexadecimal": (theme(b"0x10"), 400, "invalid-body"),
    "too deep for a parser": (theme(b"[" * DEEP), 400, "invalid-body"),
    "objects too deep": (theme(b'{"a":' * (DEEP // 6)), 400, "invalid-body"),
    "too deep for a session": (theme(b"[" * 40 + b"]" * 40), 422, "invalid-data"),
    "an integer beyond 2**53": (theme(b"9007199254740993"), 422, "invalid-data"),
    "an integer below -2**53": (theme(b"-9007199254740993"), 422, "invalid-data"),
    "an integer beyond 2**64": (theme(b"123456789012345678901234567890"), 422, "invalid-data"),
    "an integer of 1,000 digits": (theme(b"9" * 1000), 422, "invalid-data"),
    "a key of the server's": (b'{"set":{"role":"admin"},"data":{"role":"admin"}}', 403, "not-writable"),
    "the server's key in other letters": (b'{"set":{"Theme":1},"data":{"Theme":1}}', 403, "not-writable"),
    "removing the server's key": (b'{"remove":["role"]}', 403, "not-writable"),
    "a prototype": (b'{"set":{"__proto__":{}},"data":{"__proto__":{}}}', 403, "not-writable"),
    "an empty key": (b'{"set":{"":1},"data":{"":1}}', 403, "not-writable"),
    "a key with CRLF": (b'{"set":{"\\r\\nx: y":1},"data":{"\\r\\nx: y":1}}', 403, "not-writable"),
    "more than a session may hold": (b'{"set":{"theme":"' + b"x" * 33_000 + b'"}}', 413, "data-too-large"),
    "more than a body may hold": (theme(b'"' + b"x" * MAX_BODY + b'"'), 413, "body-too-large"),
    "a megabyte of nothing": (b" " * 1_000_000, 413, "body-too-large"),
}


@pytest.fixture
def kind() -> str:
    """One store will do, the real one."""
    return "sqlite"


@pytest.mark.parametrize(("body", "status", "code"), BODIES.values(), ids=BODIES.keys())
async def test_a_hostile_body_gets_its_problem_and_writes_nothing(
    site: Site, body: bytes, status: int, code: str
) -> None:
    browser = site.browser()
    await log_in(browser, role="user", theme="light")
    before = (await browser.get("/me")).json()
    if code == "data-too-large":
        requests = [("PATCH", "/session/")]
    elif b'"remove"' in body:
        requests = [("PATCH", "/session/"), ("POST", "/session/start")]
    else:
        requests = [("PATCH", "/session/"), ("POST", "/session/start"), ("POST", "/session/start/")]

    for method, path in requests:
        answer = await browser.request(method, path, content=body, headers=JSON)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == f"urn:sojourn:problem:{code}"
        assert answer.json()["status"] == status
        assert len(answer.content) < 2000

    assert (await browser.get("/me")).json() == before


@pytest.mark.parametrize(("body", "status", "code"), BODIES.values(), ids=BODIES.keys())
async def test_nor_does_it_start_a_session(site: Site, body: bytes, status: int, code: str) -> None:
    if b'"data"' not in body and status == 413 and code == "data-too-large":
        body = body.replace(b'"set"', b'"data"')

    answer = await site.browser().post("/session/start", content=body, headers=JSON)

    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:sojourn:problem:{code}")
    assert "set-cookie" not in answer.headers
    assert await site.rows() == 0


async def test_a_body_that_never_ends_is_not_read_to_its_end(site: Site) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100_000_000:
            sent += 16_384
            yield b"x" * 16_384

    answer = await site.browser().post("/session/start", content=endless(), headers=JSON)

    assert answer.status_code == 413
    assert sent < 4 * MAX_BODY


async def test_session_data_has_a_limit_that_a_browser_cannot_pass_step_by_step(site: Site) -> None:
    browser = site.browser()
    await log_in(browser)

    statuses = [(await browser.post("/put", json={f"k{n}": "x" * 1000})).status_code for n in range(40)]

    assert set(statuses[:32]) == {200}
    assert set(statuses[33:]) == {413}
    assert len(str((await browser.get("/me")).json()["data"])) < 33_500


async def test_a_huge_user_agent_is_cut(site: Site) -> None:
    browser = site.browser(**{"user-agent": "x" * 100_000})
    token = await log_in(browser)

    info = await site.manager.get(token[4:36])
    assert info is not None
    assert len(info.user_agent) == 256


@pytest.mark.parametrize("user", ["", "x" * 256, 7, None, ["ada"], True])
async def test_a_user_id_is_a_short_text(site: Site, user: object) -> None:
    with pytest.raises(ConfigurationError, match="user_id"):
        await site.browser().post("/login", json={"user": user})
    assert await site.rows() == 0


@pytest.mark.parametrize(
    "path",
    [
        "/session/sessions/..%2f..%2fetc%2fpasswd",
        "/session/sessions/" + "A" * 32,
        "/session/sessions/%00" + "a" * 31,
        "/session/sessions/' OR 1=1",
        "/session/sessions/" + "a" * 32 + "%0a",
        "/session/%2e%2e/me",
        "/session/nothing",
    ],
)
async def test_an_odd_path_is_not_found(site: Site, path: str) -> None:
    browser = site.browser()
    await log_in(browser)

    answer = await browser.delete(path)

    assert answer.status_code in (404, 405)


async def test_what_a_key_is_called_cannot_break_out_of_the_problem(make_site: MakeSite) -> None:
    site = make_site()
    browser = site.browser()

    key = '"},{"x\r\n<script>'
    answer = await browser.post("/session/start", json={"data": {key: 1}})

    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "keys"}
    assert answer.json()["keys"] == [key]
