"""Requests of other sites are refused before the handler runs; those of our own pages and of programs are not."""

from __future__ import annotations

import pytest

from tests.http.site import Site

FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.test"},
    {"Origin": "null"},
    {"Origin": "https://friend.test.evil.test"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "{origin}"},
]
OWN = [
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": "{origin}"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "{origin}"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://friend.test"},
]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/do/logout"), ("DELETE", "/do/logout"), ("POST", "/session/logout")]
)
def test_an_unsafe_request_from_another_site_is_refused(site: Site, method: str, path: str) -> None:
    browser = site.browser()
    browser.log_in("ada")
    for headers in FOREIGN:
        sent = {name: value.format(origin=site.origin) for name, value in headers.items()}
        answer = browser(method, path, headers=sent)
        assert (answer.status, answer.problem) == (403, "cross-origin"), headers
        assert answer.one("set-cookie") is None

    assert browser.show()["user"] == "ada"


def test_a_log_in_from_another_site_is_refused(site: Site) -> None:
    browser = site.browser(**{"Sec-Fetch-Site": "cross-site"})

    assert browser.post("/do/login", {"user": "eve"}).problem == "cross-origin"
    assert browser.token == ""


def test_our_own_pages_programs_and_trusted_origins_are_served(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    for n, headers in enumerate(OWN):
        sent = {name: value.format(origin=site.origin) for name, value in headers.items()}
        assert browser("POST", "/do/put", {"a": n}, sent).status == 200, headers
        assert browser.show()["data"] == {"a": n}


def test_a_link_from_another_site_works(site: Site) -> None:
    browser = site.browser(**{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"})

    assert [browser.get(path).status for path in ("/see/show", "/session/")] == [200, 200]


def test_a_connection_goes_on_after_a_refusal_whose_body_was_not_read(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")

    for _ in range(3):
        refused = browser.post("/do/put", {"x": "y" * 3000}, **{"Sec-Fetch-Site": "cross-site"})
        assert refused.problem == "cross-origin"
        assert browser.show()["user"] == "ada"
