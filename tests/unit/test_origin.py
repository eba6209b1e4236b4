"""CSRF: the whole table of what a browser says of where a request came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sojourn import ConfigurationError
from sojourn.core.origin import exempt, is_cross_origin, is_foreign_handshake, trusted
from sojourn.core.transport import CROSS_ORIGIN, Transport

HOST = "app.example.com"
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get", ""]
SITES = ["same-origin", "none", "same-site", "cross-site", "sideways", "", "Same-Origin", None]
ORIGINS = {
    "same": "https://app.example.com",
    "other": "https://evil.example",
    "sibling": "https://api.example.com",
    "null": "null",
    "absent": None,
    "trusted": "https://partner.example",
}
TRUSTED = trusted(["https://partner.example"])


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("method", METHODS)
def test_the_table(method: str, site: str | None, origin: str) -> None:
    if method in ("GET", "HEAD", "OPTIONS") or origin == "trusted":
        refused = False
    elif site is not None:
        refused = site not in ("same-origin", "none")
    else:
        refused = origin not in ("same", "absent")
    found = is_cross_origin(method, site=site, origin=ORIGINS[origin], host=HOST, trusted_origins=TRUSTED)

    assert found is refused


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("https://a.com", "a.com", True),
        ("http://a.com", "a.com", True),
        ("https://a.com", "A.com", True),
        ("https://a.com:8443", "a.com:8443", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("https://a.com", "a.com:443", True),
        ("http://a.com", "a.com:80", True),
        ("https://a.com:443", "a.com", True),
        ("https://a.com", "a.com:80", False),
        ("http://a.com", "a.com:443", False),
        ("https://:443", "", False),
        ("https://a.com:8443", "a.com", False),
        ("https://a.com", "a.com:8443", False),
        ("https://a.com", "b.a.com", False),
        ("https://b.a.com", "a.com", False),
        ("https://a.com.evil.com", "a.com", False),
        ("https://a.com@evil.com", "a.com", False),
        ("https://evil.com#a.com", "a.com", False),
        ("https://a.com/", "a.com", False),
        ("https://a.com", None, False),
        ("https://a.com", "", False),
        ("null", "null", False),
        ("", "", False),
        ("a.com", "a.com", False),
        ("//a.com", "a.com", False),
        ("file://a.com", "a.com", False),
        ("chrome-extension://a", "a", False),
        ("https://a.com https://b.com", "a.com", False),
    ],
)
def test_without_fetch_metadata_the_origin_must_be_the_host(origin: str, host: str | None, same: bool) -> None:
    refused = is_cross_origin("POST", site=None, origin=origin, host=host, trusted_origins=())
    foreign = is_foreign_handshake(origin=origin, host=host, trusted_origins=())

    assert refused is not same
    assert foreign is not same


@pytest.mark.parametrize(
    ("origin", "foreign"),
    [("same", False), ("absent", False), ("trusted", False), ("other", True), ("sibling", True), ("null", True)],
)
def test_a_handshake_is_judged_by_its_origin_alone(origin: str, foreign: bool) -> None:
    assert is_foreign_handshake(origin=ORIGINS[origin], host=HOST, trusted_origins=TRUSTED) is foreign


@pytest.mark.parametrize(
    "origin",
    ["https://a.com", "http://localhost:3000", "https://a.com:8443", "http://[::1]:8000", "https://xn--exmple-cua.com"],
)
def test_an_origin_as_a_browser_spells_it_is_trusted(origin: str) -> None:
    assert trusted([origin]) == {origin}


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "*",
        "a.com",
        "//a.com",
        "https://",
        "https:a.com",
        "https://a.com/",
        "https://a.com/path",
        "https://a.com?x",
        "https://a.com#x",
        "HTTPS://a.com",
        "https://A.com",
        " https://a.com",
        "https://a.com\n",
        "https://*.a.com",
        "https://user@a.com",
        "https://a.com:443",
        "http://a.com:80",
        "https://a.com:",
        "https://a.com:99999",
        "https://exämple.com",
        "https://[::1",
        "https://a b.com",
        "wss://a.com",
        "file://",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_at_start(origin: str) -> None:
    with pytest.raises(ConfigurationError, match=r"trusted_origins has .*: write it like 'https://"):
        trusted([origin])


def test_one_text_is_no_list_of_origins() -> None:
    with pytest.raises(ConfigurationError, match="give a list of origins"):
        trusted("https://a.com")


def test_no_origins_are_none() -> None:
    found: Any = trusted(())

    assert found == frozenset()


ORIGIN_CASES = json.loads((Path(__file__).parents[1] / "vectors" / "origins.json").read_text("utf-8"))


@pytest.mark.parametrize("case", ORIGIN_CASES["cases"], ids=lambda case: case["why"])
def test_the_vectors_of_every_language(case: dict[str, Any]) -> None:
    header = case["headers"].get
    trust = trusted(ORIGIN_CASES["trusted"])
    asked = {"origin": header("origin"), "host": header("host"), "trusted_origins": trust}
    refused = (
        is_foreign_handshake(**asked)
        if case.get("handshake")
        else is_cross_origin(case["method"], site=header("sec-fetch-site"), **asked)
    )

    assert refused is not case["allowed"]


def test_an_origin_of_an_app_in_a_shell_may_be_trusted() -> None:
    shells = ["capacitor://localhost", "tauri://localhost", "chrome-extension://abcdefghijklmnop", "ionic://localhost"]
    for origin in shells:
        asked = {"site": "cross-site", "origin": origin, "host": "shop.example"}
        assert is_cross_origin("POST", **asked, trusted_origins=())
        assert not is_cross_origin("POST", **asked, trusted_origins=trusted(shells))
        # And none is ours for having our name.
        assert is_cross_origin("POST", site=None, origin=origin, host=origin.partition("://")[2], trusted_origins=())


def test_only_this_path_is_open_to_other_sites() -> None:
    transport = Transport(cross_site_paths={"/auth/callback"})
    header = {"sec-fetch-site": "cross-site", "origin": "https://idp.example", "host": "shop.example"}.get

    assert transport.refusal("POST", header, False, "/auth/callback") is None
    for path in ("/auth/callback/", "/auth", "/auth/callback/x", "/Auth/callback", "//auth/callback", "/"):
        assert transport.refusal("POST", header, False, path) is CROSS_ORIGIN, path


def test_a_page_that_hides_its_origin_is_told_what_to_do() -> None:
    refused = Transport().refusal("POST", {"origin": "null", "host": "shop.example"}.get, False, "/")

    assert refused is not None
    assert "Referrer-Policy: same-origin" in refused.detail


@pytest.mark.parametrize("paths", ["/auth", [""], ["auth"], ["/a?x"], ["/a#x"], ["/a/*"], ["/"], ["/a b"], ["/ä"]])
def test_what_is_no_path_is_refused(paths: Any) -> None:
    with pytest.raises(ConfigurationError, match="cross_site_paths"):
        exempt(paths)
