"""Recent proof, in each framework's manner: a log-in that is too old is asked for again, and the request sent again."""

from __future__ import annotations

from tests.http.site import Site

# As the sites have it.
RECENT = 300


def guarded(site: Site) -> str:
    """The path of a handler that asks for a recent log-in; under Django by the session alone."""
    return "/do/prove" if site.kind.framework.startswith("django") else "/proved"


def test_who_is_not_logged_in_is_told_to_log_in(site: Site) -> None:
    answer = site.browser().post(guarded(site))

    assert (answer.status, answer.problem) == (401, "login-required")


def test_a_log_in_that_is_too_old_is_asked_for_again_and_the_request_can_be_sent_again(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada", cart=["tea"])
    assert browser.post(guarded(site)).status == 200
    site.pass_seconds(RECENT + 1)
    asked = browser.post(guarded(site))

    assert (asked.status, asked.problem) == (401, "reauthentication-required")
    assert asked.json()["max_age"] == RECENT
    assert browser.show()["user"] == "ada"
    browser.act("login", {"user": "ada"})
    assert browser.post(guarded(site)).status == 200
    assert browser.show()["data"] == {"cart": ["tea"]}
