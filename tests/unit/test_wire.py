"""The wire: what a back end asks goes over as the service reads it, and what it answers comes back as it was."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sojourn.core.info import info
from sojourn.core.merge import MISSING
from sojourn.core.record import Client
from sojourn.testing.records import NOW, make_record
from sojourn.wire.answers import FoundSession
from sojourn.wire.http import session_path, user_path
from sojourn.wire.problems import API_KEY_CODES, BODY_TOO_LARGE, wrong_scope
from sojourn.wire.requests import (
    ClientFacts,
    CommitRequest,
    KeyChange,
    LoginAction,
    LogoutAction,
    OpenRequest,
    RegenerateAction,
    StartAction,
)

encode = msgspec.json.encode


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (OpenRequest(token="t"), b'{"token":"t"}'),
        (OpenRequest(token="t", opened_at=0), b'{"token":"t","opened_at":0}'),
        (CommitRequest(), b"{}"),
        (CommitRequest(client=ClientFacts(ip="")), b'{"client":{"ip":""}}'),
        (CommitRequest(action=StartAction()), b'{"action":{"type":"start"}}'),
        (CommitRequest(action=LogoutAction()), b'{"action":{"type":"logout"}}'),
        (CommitRequest(action=RegenerateAction()), b'{"action":{"type":"regenerate"}}'),
        (CommitRequest(action=LoginAction(user_id="ada")), b'{"action":{"type":"login","user_id":"ada"}}'),
        (
            CommitRequest(action=LoginAction(user_id="ada", level="aal2", methods=("pwd", "otp"), keep=("cart",))),
            b'{"action":{"type":"login","user_id":"ada","level":"aal2","methods":["pwd","otp"],"keep":["cart"]}}',
        ),
        (CommitRequest(used=("_grant:pay",)), b'{"used":["_grant:pay"]}'),
        (CommitRequest(changes={"it's": KeyChange()}), b'{"changes":{"it\'s":{}}}'),
        (CommitRequest(changes={"a": KeyChange(base=1)}), b'{"changes":{"a":{"base":1}}}'),
        (CommitRequest(changes={"a": KeyChange(value=None)}), b'{"changes":{"a":{"value":null}}}'),
        (CommitRequest(increments={"n": -1}, passive=True), b'{"passive":true,"increments":{"n":-1}}'),
    ],
)
def test_what_is_not_asked_is_not_sent_and_read_as_what_it_was(asked: Any, sent: bytes) -> None:
    assert encode(asked) == sent
    assert msgspec.json.decode(sent, type=type(asked)) == asked


def test_what_is_not_there_is_not_null() -> None:
    change = msgspec.json.decode(b'{"base":null}', type=KeyChange)

    assert change.base is None
    assert change.value is MISSING


@pytest.mark.parametrize(
    "parts",
    [
        {"client": Client()},
        {"client": Client("192.0.2.7", "Firefox"), "device": "Firefox on Linux", "level": "aal2", "methods": ("pwd",)},
    ],
)
def test_what_is_told_of_a_session_comes_back_but_for_its_data(parts: dict[str, Any]) -> None:
    one = info(msgspec.structs.replace(make_record(data={"a": b"1"}, user_id="ada"), **parts), NOW)
    found = msgspec.json.decode(encode(FoundSession.of(one)), type=FoundSession)

    assert found.info() == msgspec.structs.replace(one, data={})


def test_whatever_a_user_is_called_their_path_is_one() -> None:
    assert user_path("a/b?c#ü") == "/v1/users/a%2Fb%3Fc%23%C3%BC/sessions"
    assert user_path("ada", keep="0" * 32) == f"/v1/users/ada/sessions?keep={'0' * 32}"
    assert session_path("0" * 32) == f"/v1/sessions/{'0' * 32}"


def test_the_codes_are_those_of_the_problems() -> None:
    assert wrong_scope("0123abcd", "admin").code in API_KEY_CODES
    assert BODY_TOO_LARGE == "body-too-large"
