"""CSRF: the whole table of what a browser says of where a request came from."""

from __future__ import annotations

from typing import Any

import pytest

from sojourn import ConfigurationError
from sojourn.core.origin import is_cross_origin, is_foreign_handshake, trusted

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
