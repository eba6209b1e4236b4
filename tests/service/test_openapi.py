"""The OpenAPI description against the running service: schemathesis sends what it allows, and what it does not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    ignored_auth,
    missing_required_header,
    negative_data_rejection,
    positive_data_acceptance,
)

from sojourn.core.problem import problem_schema
from sojourn.service.openapi import openapi
from sojourn.wire import answers, requests
from sojourn.wire.http import BATCH, LINES, VERIFY, VERIFY_PASSIVELY
from tests.server import Server
from tests.service.backend import Backend

schema = schemathesis.openapi.from_dict(openapi())
FROM_A_PROXY = {"x-forwarded-method": "GET", "x-forwarded-uri": "/", "x-forwarded-host": "app.example.com"}


@schemathesis.serializer(LINES)
def lines(context: Any, value: Any) -> bytes:
    """A batch is text already."""
    return str(value).encode()


@pytest.mark.parametrize("whose", ["generated", "live"])
@schema.parametrize()
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_service_is_as_described(case: Any, whose: str, service: Server, key: str) -> None:
    with Backend(service.port, key) as backend:
        token = backend.log_in("ada", cart=[1])
    if whose == "live" and isinstance(case.body, dict) and isinstance(case.body.get("token"), str):
        case.body["token"] = token
    response = case.call(
        base_url=service.url, headers={"authorization": f"Bearer {key}", **FROM_A_PROXY, "sojourn-key": key}
    )
    # Its own check of authentication does not know of this header: test_wire.py has one.
    # And no schema says how deep a value may be, how large a sum, or that 1.0 is no integer here.
    beyond = response.status_code == 422 or b"got `float`" in response.content
    excluded = [ignored_auth, positive_data_acceptance] if beyond else [ignored_auth]
    if case.operation.path == BATCH:
        # Of lines the schema says nothing; what is wrong with one is answered in a line.
        excluded += [negative_data_rejection, positive_data_acceptance]
    if case.operation.path in (VERIFY, VERIFY_PASSIVELY) and response.status_code == 500:
        # Without its key: a proxy would show a 4xx to visitors, as if it were theirs.
        assert "sojourn-key" not in {name.lower() for name in response.request.headers}
        excluded += [not_a_server_error, missing_required_header]
    case.validate_response(response, excluded_checks=excluded)


def test_every_endpoint_is_described_and_every_description_is_served(backend: Backend) -> None:
    described = backend.request("GET", "/v1/openapi.json", headers={"authorization": None}).json

    assert described == openapi()
    for path, item in described["paths"].items():
        for method in item.keys() - {"parameters"}:
            place = path.replace("{id}", "0" * 32).replace("{user_id}", "nobody")
            answer = backend.request(method.upper(), place, {"token": "x"} if method == "post" else None)
            assert str(answer.status) in item[method]["responses"]
            assert answer.status not in (404, 405)
            assert backend.request("PUT", place).status == 405


SCHEMAS = openapi()["components"]["schemas"]
DESCRIBED: list[tuple[Any, type[msgspec.Struct]]] = [
    (SCHEMAS["Open"], requests.OpenRequest),
    (SCHEMAS["Client"], requests.ClientFacts),
    (SCHEMAS["PresentedKey"], requests.PresentedKey),
    (SCHEMAS["ShownDevice"], requests.ShownDevice),
    (SCHEMAS["SignedRequest"], requests.SignedRequest),
    (SCHEMAS["Change"], requests.KeyChange),
    (SCHEMAS["Commit"], requests.CommitRequest),
    (SCHEMAS["Session"], answers.SessionState),
    (SCHEMAS["Opened"], answers.Opened),
    (SCHEMAS["Committed"], answers.Committed),
    (SCHEMAS["ToldDevice"], answers.ToldDevice),
    (SCHEMAS["Sessions"], answers.ListedSessions),
    (SCHEMAS["Found"], answers.Found),
    (SCHEMAS["Found"]["properties"]["session"]["oneOf"][1], answers.FoundSession),
    (SCHEMAS["Ended"], answers.EndedCount),
    (SCHEMAS["SeenEnd"], answers.SeenEnd),
    (SCHEMAS["Configuration"], answers.Configuration),
    (SCHEMAS["Configuration"]["properties"]["cookie"], answers.CookieShape),
]


@pytest.mark.parametrize(("described", "kind"), DESCRIBED, ids=lambda given: getattr(given, "__name__", ""))
def test_every_member_of_the_wire_is_described(described: Any, kind: type[msgspec.Struct]) -> None:
    assert set(described["properties"]) == set(kind.__struct_fields__)
    assert set(described["required"]) == {field.name for field in msgspec.structs.fields(kind) if field.required}


def test_every_type_of_the_wire_is_described() -> None:
    told = {kind.__name__ for _, kind in DESCRIBED} | {"SessionFacts"}
    actions = {name for name in requests.__all__ if name.endswith("Action")}

    assert told | actions == {*answers.__all__, *requests.__all__}
    assert len(SCHEMAS["Action"]["oneOf"]) == 1 + len(actions)
    assert SCHEMAS["Sessions"]["properties"]["sessions"]["items"] in SCHEMAS["Found"]["properties"]["session"]["oneOf"]
    assert SCHEMAS["Problem"] == problem_schema()
