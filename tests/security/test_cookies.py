"""Every cookie is as safe as browsers can make it, or the setting is refused (R40–R42; ASVS 3.3.1–3.3.5)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sojourn import ConfigurationError, CookieOptions
from tests.security.conftest import MakeSite
from tests.security.site import COOKIE, Site, log_in

TOKEN = f"sj1-{'a' * 32}-{'b' * 64}"


@pytest.fixture
def kind() -> str:
    return "memory"


def attributes(header: str) -> dict[str, str]:
    parts = [part.strip().partition("=") for part in header.split(";")[1:]]
    return {name.lower(): value for name, _, value in parts}


SETTINGS: dict[str, list[Any]] = {
    "name": ["__Host-session", "__Secure-s", "s", "__HOST-s", "__Host-Http-s", "x" * 100],
    "same_site": ["lax", "strict", "none", "None", ""],
    "path": ["/", "/app", "", "/a;b", "x", "/a b"],
    "domain": [None, "example.com", "com", "", ".example.com", "a;b.com", "EXAMPLE.com"],
    "partitioned": [False, True],
    "insecure_http": [False, True],
}


def test_every_setting_that_is_not_refused_makes_a_safe_cookie() -> None:
    allowed = 0
    for values in itertools.product(*SETTINGS.values()):
        settings = dict(zip(SETTINGS, values, strict=True))
        try:
            options = CookieOptions(**settings)
        except ConfigurationError:
            continue
        allowed += 1
        for header in (options.set(TOKEN, None), options.set(TOKEN, 2_592_000), options.clear()):
            name = header.partition("=")[0]
            found = attributes(header)
            assert "httponly" in found
            assert found["samesite"] in ("Lax", "Strict", "None")
            assert ("secure" in found) is not settings["insecure_http"]
            assert found["samesite"] != "None" or {"partitioned", "secure"} <= found.keys()
            if name.lower().startswith("__host-"):
                assert found["path"] == "/"
                assert {"domain", "secure"} & found.keys() == {"secure"}
            if name.lower().startswith("__secure-"):
                assert "secure" in found
            assert len(header) < 4096
            assert set(found) <= {"max-age", "path", "domain", "secure", "httponly", "samesite", "partitioned"}
    assert allowed > 50


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "__Host-s", "domain": "example.com"},
        {"name": "__Host-s", "path": "/app"},
        {"name": "__host-s", "insecure_http": True},
        {"name": "__Secure-s", "insecure_http": True},
        {"same_site": "none"},
        {"name": "a=b"},
        {"name": "a;b"},
        {"name": "a b"},
        {"name": "a\r\nb"},
        {"name": ""},
        {"path": "/; Domain=evil.test"},
        {"path": "/\r\nx: y"},
        {"domain": "example.com; Path=/"},
    ],
)
def test_a_setting_that_would_make_an_unsafe_cookie_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        CookieOptions(**settings)


async def test_the_cookie_is_host_bound_secure_http_only_and_lax_by_default(site: Site) -> None:
    answer = await site.browser().post("/login", json={"user": "ada"})

    header = answer.headers["set-cookie"]
    assert header.startswith(f"{COOKIE}=sj1-")
    assert header.partition(";")[2] == " Path=/; Secure; HttpOnly; SameSite=Lax"
    assert "sojourn" not in header.lower()


@pytest.mark.parametrize("forwarded", [{}, {"x-forwarded-proto": "http"}, {"forwarded": "proto=http"}])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_cookie_is_secure_whatever_the_request_says_it_came_by(
    site: Site, scheme: str, forwarded: dict[str, str]
) -> None:
    """As behind a proxy that ends TLS: the application sees plain HTTP."""
    answer = await site.browser(**forwarded).post(f"{scheme}://app.test/login", json={"user": "ada"})

    assert "secure" in attributes(answer.headers["set-cookie"])


async def test_a_session_is_not_remembered_by_the_browser_unless_asked(site: Site) -> None:
    for remember, max_age in ((False, None), (True, str(30 * 86400))):
        answer = await site.browser().post("/login", json={"user": "ada", "remember": remember})
        assert attributes(answer.headers["set-cookie"]).get("max-age") == max_age


async def test_the_token_is_in_no_answer_but_its_set_cookie(site: Site) -> None:
    browser = site.browser()
    token = await log_in(browser)

    for path in ("/me", "/session/", "/session/sessions", "/private"):
        answer = await browser.get(path)
        assert token[37:] not in answer.text
        assert "set-cookie" not in answer.headers
        assert "sojourn-token" not in answer.headers


async def test_an_insecure_cookie_has_to_be_asked_for_by_name(make_site: MakeSite) -> None:
    site = make_site(cookie=CookieOptions(insecure_http=True))

    answer = await site.browser().post("http://app.test/login", json={"user": "ada"})

    assert answer.headers["set-cookie"].startswith("session=sj1-")
    assert attributes(answer.headers["set-cookie"]) == {"path": "/", "httponly": "", "samesite": "Lax"}
