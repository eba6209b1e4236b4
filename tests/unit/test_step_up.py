"""Step-up: what a log-in proved, when, and whether that is enough; and grants that are good for one step."""

from __future__ import annotations

from typing import Any

import pytest

from sojourn import ConfigurationError, LoginRequired, Policy, ReauthenticationRequired
from sojourn.core.step_up import GRANT, refuse_grants
from tests.unit.site import Site

MINUTE = 60_000


def logged_in(site: Site, **proof: Any) -> str:
    session = site.manager.anonymous()
    session.login("ada", **proof)
    token = site.manager.commit(session).token
    assert token is not None
    return token.reveal()


# What was proved


def test_what_a_log_in_proved_is_kept_with_the_session() -> None:
    site = Site()
    session = site.visit(logged_in(site, level="aal2", methods=("pwd", "otp")))

    assert (session.level, session.methods) == ("aal2", ("pwd", "otp"))
    assert session.require_login(level="aal1") == session.require_login(level="aal2") == "ada"
    with pytest.raises(ReauthenticationRequired, match="level aal3") as refused:
        session.require_login(level="aal3")
    assert (refused.value.level, refused.value.max_age, refused.value.action) == ("aal3", None, None)


def test_a_log_in_that_says_nothing_is_of_no_level() -> None:
    site = Site()
    session = site.visit(logged_in(site))

    assert (session.level, session.methods) == (None, ())
    with pytest.raises(ReauthenticationRequired):
        session.require_login(level="aal1")


def test_a_log_in_is_recent_for_so_many_seconds() -> None:
    site = Site()
    token = logged_in(site)
    site.clock.forward(5 * MINUTE)

    assert site.visit(token).require_login(within=300) == "ada"
    site.clock.forward(1)
    with pytest.raises(ReauthenticationRequired, match="in the last 300 seconds"):
        site.visit(token).require_login(within=300)
    assert site.visit(token).require_login() == "ada"


def test_a_log_in_of_this_request_counts_before_its_commit() -> None:
    site = Site()
    token = logged_in(site)
    site.clock.forward(5 * MINUTE)
    session = site.visit(token)
    session.login("ada", level="aal2", methods=["webauthn"])

    assert session.require_login(within=1, level="aal2") == "ada"
    assert session.methods == ("webauthn",)


def test_regenerating_proves_nothing_anew_and_loses_nothing() -> None:
    site = Site()
    token = logged_in(site, level="aal2", methods=("pwd", "otp"))
    site.clock.forward(5 * MINUTE)
    session = site.visit(token)
    session.regenerate()
    fresh = site.commit(session)

    assert fresh is not None
    again = site.visit(fresh)
    assert (again.level, again.methods) == ("aal2", ("pwd", "otp"))
    with pytest.raises(ReauthenticationRequired):
        again.require_login(within=299)


@pytest.mark.parametrize("begun", [False, True])
def test_where_nobody_is_logged_in_that_is_said(begun: bool) -> None:
    site = Site()
    session = site.visit(site.begin()) if begun else site.manager.anonymous()

    with pytest.raises(LoginRequired):
        session.require_login(within=1, level="aal1")


def test_who_was_signed_out_is_told_why() -> None:
    site = Site()
    token = logged_in(site)
    site.manager.revoke_all("ada")

    with pytest.raises(LoginRequired) as refused:
        site.visit(token).require_login()
    assert refused.value.reason == "revoked"


@pytest.mark.parametrize(
    "proof",
    [
        {"level": "aal4"},
        {"level": 2},
        {"methods": "pwd"},
        {"methods": ["pwd"] * 17},
        {"methods": ["two words"]},
        {"methods": [""]},
        {"methods": ["x" * 33]},
        {"keep": "cart"},
    ],
)
def test_what_no_log_in_can_be_is_refused_where_it_is_said(proof: dict[str, Any]) -> None:
    session = Site().manager.anonymous()

    with pytest.raises(ConfigurationError, match=r"session\.login\((level|methods|keep)="):
        session.login("ada", **proof)
    assert session.user_id is None


def test_an_unknown_level_cannot_be_asked_for() -> None:
    site = Site()

    with pytest.raises(ConfigurationError, match="require_login"):
        site.visit(logged_in(site)).require_login(level="high")  # type: ignore[arg-type]  # what is tried here


# What comes along


def test_a_log_in_may_take_named_keys_alone_along() -> None:
    site = Site()
    session = site.visit(site.begin(cart=["tea"], draft="x", n=1))
    session["cart"].append("cup")
    session["more"] = 1
    session.increment("n")
    session.login("ada", keep={"cart", "n", "unknown"})
    session["greeting"] = "hello"
    fresh = site.commit(session)

    assert fresh is not None
    assert dict(site.visit(fresh)) == {"cart": ["tea", "cup"], "n": 2, "greeting": "hello"}


def test_what_another_request_added_meanwhile_comes_along_by_its_name_only() -> None:
    site = Site()
    token = site.begin(cart=["tea"], draft="x")
    slow, other = site.visit(token), site.visit(token)
    slow["cart"].append("cup")
    slow.login("ada", keep={"cart"})
    other["cart"].append("milk")
    other["draft"] = "y"
    site.commit(other)
    fresh = site.commit(slow)

    assert fresh is not None
    assert dict(site.visit(fresh)) == {"cart": ["tea", "milk", "cup"]}


# Grants


def test_a_grant_is_used_though_another_request_changed_the_session_meanwhile() -> None:
    site = Site()
    token = logged_in(site)
    first = site.visit(token)
    first.grant_once("transfer:42")
    first["n"] = 1
    site.commit(first)
    used, other = site.visit(token), site.visit(token)
    used.use_grant("transfer:42")
    used["n"] = 2
    other["m"] = 1
    other["n"] = 3
    site.commit(other)
    site.commit(used)

    assert dict(site.visit(token)) == {"n": 2, "m": 1}
    with pytest.raises(ReauthenticationRequired):
        site.visit(token).use_grant("transfer:42")


def test_a_grant_is_good_once() -> None:
    site = Site()
    token = logged_in(site)
    first = site.visit(token)
    first.grant_once("transfer:42")
    site.commit(first)
    second = site.visit(token)
    second.use_grant("transfer:42")
    site.commit(second)

    with pytest.raises(ReauthenticationRequired, match="'transfer:42'") as refused:
        site.visit(token).use_grant("transfer:42")
    assert refused.value.action == "transfer:42"


def test_a_grant_is_for_one_action_and_a_short_while() -> None:
    site = Site()
    token = logged_in(site)
    session = site.visit(token)
    session.grant_once("transfer:42", within=60)
    site.commit(session)

    with pytest.raises(ReauthenticationRequired):
        site.visit(token).use_grant("transfer:43")
    site.clock.forward(MINUTE)
    with pytest.raises(ReauthenticationRequired):
        site.visit(token).use_grant("transfer:42")


def test_of_two_requests_with_one_grant_one_commit_passes() -> None:
    site = Site()
    token = logged_in(site)
    session = site.visit(token)
    session.grant_once("transfer:42")
    site.commit(session)
    both = [site.visit(token), site.visit(token)]
    for each in both:
        each.use_grant("transfer:42")
    site.commit(both[0])

    with pytest.raises(ReauthenticationRequired, match="transfer:42"):
        site.commit(both[1])


def test_a_grant_ends_with_its_session() -> None:
    site = Site()
    token = logged_in(site)
    session = site.visit(token)
    session.grant_once("transfer:42")
    site.commit(session)
    used = site.visit(token)
    used.use_grant("transfer:42")
    session = site.visit(token)
    session.logout()
    site.commit(session)

    with pytest.raises(LoginRequired):
        site.visit(token).require_login()
    with pytest.raises(ReauthenticationRequired):
        site.visit(token).use_grant("transfer:42")


@pytest.mark.parametrize("action", ["", "x" * 256, 42])
def test_a_grant_is_for_something_with_a_name(action: Any) -> None:
    session = Site(Policy()).manager.anonymous()

    with pytest.raises(ConfigurationError):
        session.grant_once(action)


def test_no_browser_may_be_given_a_grant_to_write() -> None:
    with pytest.raises(ConfigurationError, match="one-time grants"):
        refuse_grants(["theme", f"{GRANT}transfer:42"])
    refuse_grants(["theme"])
