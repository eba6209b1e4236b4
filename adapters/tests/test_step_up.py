"""Recent proof and one-time grants: each language is put to each sentence, over a real service."""

from __future__ import annotations

from typing import Any

from adapters.tests.relay import Relay
from adapters.tests.visitor import Answer, Visitor
from tests.servers.waiting import wait_until
from tests.service.backend import Backend

GRANT = "_grant:transfer:42"


def session_of(visitor: Visitor, backend: Backend) -> Any:
    assert visitor.token is not None
    return backend.open(visitor.token)["session"]


def refused(answer: Answer, **held: Any) -> bool:
    """Whether it is the 401 that a page is to ask for a log-in at, with these members."""
    assert (answer.status, answer.code) == (401, "reauthentication-required")
    return bool(
        {name: answer.problem.get(name) for name in ("max_age", "level", "action", *held)}
        == {"max_age": None, "level": None, "action": None, **held}
    )


def test_what_a_log_in_proved_is_kept_for_every_back_end(visitor: Visitor, backend: Backend) -> None:
    visitor.do(["login", "ada", {"level": "aal2", "methods": ["pwd", "otp"]}])

    session = session_of(visitor, backend)
    assert (session["level"], session["methods"]) == ("aal2", ["pwd", "otp"])
    assert visitor.do(["proved"]).results == [{"level": "aal2", "methods": ["pwd", "otp"]}]


def test_what_another_back_end_says_was_proved_counts(visitor: Visitor, backend: Backend) -> None:
    login = {"type": "login", "user_id": "ada", "level": "aal3", "methods": ["hwk"]}
    visitor.token = backend.commit(action=login)["token"]

    assert visitor.do(["proved"]).results == [{"level": "aal3", "methods": ["hwk"]}]
    assert visitor.do(["require_login", {"level": "aal3", "within": 300}]).results == ["ada"]


def test_of_the_data_the_named_keys_alone_come_along(visitor: Visitor, backend: Backend) -> None:
    visitor.do(["set", "cart", ["tea"]], ["set", "draft", "secret"])
    visitor.do(["set", "late", 1], ["login", "ada", {"keep": ["cart"]}])
    assert session_of(visitor, backend)["data"] == {"cart": ["tea"]}

    visitor.do(["login", "ada", {"keep": []}])
    assert session_of(visitor, backend)["data"] == {}


def test_nobody_who_is_not_logged_in_gets_past(visitor: Visitor, backend: Backend) -> None:
    answer = visitor.do(["require_login", {}])
    assert (answer.status, answer.code) == (401, "login-required")

    visitor.token = backend.log_in("ada")
    backend.commit(visitor.token, action={"type": "logout"})
    answer = visitor.do(["require_login", {"within": 300}])
    assert (answer.status, answer.code, answer.problem.get("end_reason")) == (401, "login-required", "logout")


def test_a_log_in_that_is_old_or_low_is_refused_until_there_is_a_better_one(visitor: Visitor) -> None:
    visitor.do(["login", "ada", {"level": "aal1"}])
    asked = {"within": 0.001, "level": "aal2"}
    assert refused(visitor.do(["require_login", {"level": "aal2"}]), level="aal2")

    def is_old() -> bool:
        return visitor.do(["require_login", {"within": 0.001}]).status == 401

    wait_until(is_old, "a millisecond")
    assert refused(visitor.do(["require_login", {"within": 0.001}]), max_age=0.001)
    assert refused(visitor.do(["require_login", asked]), max_age=0.001, level="aal2")
    assert visitor.do(["require_login", {"within": 300, "level": "aal1"}]).results == ["ada"]
    assert (
        visitor.do(["login", "ada", {"level": "aal2"}], ["require_login", {**asked, "within": 60}]).results[1] == "ada"
    )


def test_a_grant_is_good_once(visitor: Visitor, backend: Backend) -> None:
    visitor.do(["login", "ada"])
    assert refused(visitor.do(["use_grant", "transfer:42"]), action="transfer:42")
    visitor.do(["grant", "transfer:42", 120])
    assert list(session_of(visitor, backend)["data"]) == [GRANT]
    assert refused(visitor.do(["use_grant", "transfer:43"]), action="transfer:43")

    assert visitor.do(["use_grant", "transfer:42"], ["set", "paid", 1]).status == 200
    assert session_of(visitor, backend)["data"] == {"paid": 1}
    assert refused(visitor.do(["use_grant", "transfer:42"]), action="transfer:42")


def test_a_grant_is_good_for_a_short_while(visitor: Visitor) -> None:
    visitor.do(["login", "ada"])
    visitor.do(["grant", "transfer:42", 0])

    assert refused(visitor.do(["use_grant", "transfer:42"]), action="transfer:42")


def test_of_two_requests_with_one_grant_the_second_gets_no_further(
    visitor: Visitor, relay: Relay, backend: Backend
) -> None:
    visitor.do(["login", "ada"])
    visitor.do(["grant", "transfer:42", 120])
    until = session_of(visitor, backend)["data"][GRANT]
    token = visitor.token

    def first() -> None:
        assert token is not None
        backend.commit(token, changes={GRANT: {"base": until}}, used=[GRANT])

    relay.before_commit = first
    answer = visitor.do(["use_grant", "transfer:42"], ["set", "paid", 1])

    assert refused(answer, action="transfer:42")
    assert session_of(visitor, backend)["data"] == {}


def test_a_grant_that_is_given_and_used_in_one_request_hinders_nothing(visitor: Visitor, backend: Backend) -> None:
    visitor.do(["login", "ada"])

    assert visitor.do(["grant", "transfer:42", 120], ["use_grant", "transfer:42"], ["set", "a", 1]).status == 200
    assert session_of(visitor, backend)["data"] == {"a": 1}
