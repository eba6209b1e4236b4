"""Cross-site requests and sockets are refused by default (R43, R44; ASVS 3.5.1–3.5.3, 4.4.2): the table, for real."""

from __future__ import annotations

import pytest
from starlette.websockets import WebSocketDisconnect

from sojourn import ConfigurationError
from sojourn.asgi import BrowserEndpoints, SessionMiddleware
from tests.security.conftest import MakeSite
from tests.security.site import Site, cookie, log_in, user_of


@pytest.fixture
def kind() -> str:
    """One store will do: it has no say here."""
    return "memory"


SELF, SIBLING, EVIL = "https://app.test", "https://cdn.app.test", "https://evil.test"

# Sec-Fetch-Site, Origin, and whether an unsafe request goes through.
TABLE = [
    ("same-origin", SELF, True),
    ("same-origin", None, True),
    ("none", None, True),
    (None, SELF, True),
    (None, None, True),  # no browser
    ("cross-site", EVIL, False),
    ("cross-site", None, False),
    ("cross-site", SELF, False),
    ("cross-site", "null", False),
    ("same-site", SIBLING, False),
    ("same-site", None, False),
    ("Same-Origin", None, False),
    ("same-origin, cross-site", None, False),
    ("anything", SELF, False),
    ("", SELF, False),
    (None, EVIL, False),
    (None, "null", False),
    (None, "", False),
    (None, SIBLING, False),
    (None, "https://app.test.evil.test", False),
    (None, "https://evil.test/app.test", False),
    (None, "https://app.test:8443", False),
    (None, "https://app.test@evil.test", False),
    (None, "https://evilapp.test", False),
    (None, "app.test", False),
    (None, "file://app.test", False),
    (None, "chrome-extension://app.test", False),
]


def headers(site: str | None, origin: str | None) -> dict[str, str]:
    named = {"sec-fetch-site": site, "origin": origin}
    return {name: value for name, value in named.items() if value is not None}


@pytest.mark.parametrize(("fetch_site", "origin", "goes_through"), TABLE)
async def test_an_unsafe_request_goes_through_only_from_our_own_pages(
    site: Site, fetch_site: str | None, origin: str | None, goes_through: bool
) -> None:
    browser = site.browser()
    token = await log_in(browser)
    sent = headers(fetch_site, origin)

    for method, path in (("POST", "/put"), ("PUT", "/put"), ("PATCH", "/session/"), ("DELETE", "/session/sessions")):
        answer = await browser.request(method, path, json={}, headers=sent)
        assert (answer.status_code != 403) is goes_through
        if not goes_through:
            assert answer.json()["type"] == "urn:sojourn:problem:cross-origin"
    logout = await browser.post("/session/logout", headers=sent)
    assert (logout.status_code == 200) is goes_through
    assert (await user_of(site, token) is None) is goes_through


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_link_from_another_site_works(site: Site, method: str) -> None:
    answer = await site.browser().request(method, "/me", headers=headers("cross-site", EVIL))

    assert answer.status_code in (200, 405)


@pytest.mark.parametrize("method", ["TRACE", "QUERY", "PURGE", "GETX"])
async def test_a_method_that_is_not_known_to_be_safe_is_not(site: Site, method: str) -> None:
    answer = await site.browser().request(method, "/me", headers=headers("cross-site", EVIL))

    assert answer.status_code == 403


async def test_a_log_in_from_another_site_is_refused(site: Site) -> None:
    answer = await site.browser().post("/login", json={"user": "eve"}, headers=headers("cross-site", EVIL))

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert await site.rows() == 0


async def test_a_trusted_origin_is_trusted_by_scheme_host_and_port(make_site: MakeSite) -> None:
    site = make_site(trusted_origins=["https://www.example.com"])

    for origin, status in {
        "https://www.example.com": 200,
        "http://www.example.com": 403,
        "https://www.example.com:8443": 403,
        "https://example.com": 403,
        "https://www.example.com.evil.test": 403,
        "https://a.www.example.com": 403,
        "HTTPS://WWW.EXAMPLE.COM": 403,
    }.items():
        for fetch_site in ("cross-site", None):
            answer = await site.browser().post("/put", json={}, headers=headers(fetch_site, origin))
            assert answer.status_code == status


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "example.com", "https://example.com/", "https://Example.com", "https://", "//example.com", ""],
)
def test_a_trusted_origin_that_no_browser_sends_is_refused_at_start(site: Site, origin: str) -> None:
    with pytest.raises(ConfigurationError, match="trusted_origins"):
        SessionMiddleware(site.app, site.manager, trusted_origins=[origin])


async def test_cors_for_another_origin_does_not_switch_the_check_off(make_site: MakeSite) -> None:
    site = make_site(cors=EVIL)
    token = await log_in(site.browser())

    answer = await site.browser().post(
        "/put", json={"a": 1}, headers=[*cookie(token), (b"origin", EVIL.encode()), (b"sec-fetch-site", b"cross-site")]
    )

    assert answer.status_code == 403


async def test_a_bearer_request_is_not_let_past_the_check_with_a_cookie(make_site: MakeSite) -> None:
    site = make_site(script_readable_tokens=True, cors=EVIL)
    token = await log_in(site.browser())
    sent = [*cookie(token), (b"origin", EVIL.encode()), (b"sojourn-transport", b"bearer")]

    await site.browser().post("/put", json={"stolen": 1}, headers=sent)
    await site.browser().post("/logout", headers=sent)

    answer = await site.browser().get("/me", headers=cookie(token))
    assert answer.json() == {"user": "ada", "status": "active", "data": {}}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "json"]
)
async def test_what_a_form_can_send_without_a_preflight_is_refused(site: Site, content_type: str) -> None:
    browser = site.browser()
    await log_in(browser)

    for method, path in (("PATCH", "/session/"), ("POST", "/session/start"), ("POST", "/session/logout")):
        answer = await browser.request(
            method, path, content=b'{"set":{"theme":"x"}}', headers={"content-type": content_type}
        )
        assert (answer.status_code, answer.json()["type"]) == (415, "urn:sojourn:problem:unsupported-media-type")
    assert (await browser.get("/session/")).json()["data"] == {}


async def test_the_endpoints_do_not_work_outside_the_middleware(site: Site) -> None:
    """Where nothing checks the origin, nothing may be done: the order of the two cannot be got wrong unnoticed."""
    endpoints = BrowserEndpoints()
    scope = {"type": "http", "method": "POST", "path": "/logout", "headers": []}

    with pytest.raises(ConfigurationError, match="SessionMiddleware"):
        await endpoints(scope, None, None)  # it comes to neither


SOCKET_TABLE = [
    (SELF, True),
    (None, True),
    (EVIL, False),
    ("null", False),
    ("", False),
    (SIBLING, False),
    ("https://app.test.evil.test", False),
    ("https://app.test:8443", False),
]


@pytest.mark.parametrize(("origin", "goes_through"), SOCKET_TABLE)
def test_a_websocket_is_opened_only_by_our_own_pages(site: Site, origin: str | None, goes_through: bool) -> None:
    with site.socket_client() as client:
        client.post("/login", json={"user": "ada"})
        sent = headers(None, origin)
        if goes_through:
            with client.websocket_connect("wss://app.test/echo", headers=sent) as socket:
                socket.send_text("hello")
                assert socket.receive_text() == "ada: hello"
            return
        with (
            pytest.raises(WebSocketDisconnect) as closed,
            client.websocket_connect("wss://app.test/echo", headers=sent),
        ):
            pass
        assert closed.value.code == 1008


def test_a_trusted_origin_may_open_a_websocket(make_site: MakeSite) -> None:
    site = make_site(trusted_origins=[SIBLING])
    with (
        site.socket_client() as client,
        client.websocket_connect("wss://app.test/echo", headers={"origin": SIBLING}) as socket,
    ):
        socket.send_text("hello")
        assert socket.receive_text() == "None: hello"
