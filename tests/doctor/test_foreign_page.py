"""What foreign pages may do: of a write by PUT, and of a read."""

from __future__ import annotations

from random import Random

import pytest

from sojourn.doctor.app_checks import APP_CHECKS
from sojourn.torture.app import AppRaceContext

from .cart import serve_cart

LEAVE = {"Access-Control-Allow-Credentials": "true", "Access-Control-Allow-Methods": "GET, PUT"}


@pytest.mark.parametrize(
    ("headers", "severity"),
    [
        ({}, "good"),
        ({"Access-Control-Allow-Origin": "*"} | LEAVE, "good"),  # a browser takes no * where cookies come along
        ({"Access-Control-Allow-Origin": "https://elsewhere.example"}, "good"),
        ({"Access-Control-Allow-Origin": "https://elsewhere.example"} | LEAVE, "low"),
    ],
)
def test_leave_for_any_origin_is_told_and_no_other(headers: dict[str, str], severity: str) -> None:
    checks = [check for check in APP_CHECKS if check.name in ("CSRF", "CORS")]
    with serve_cart() as cart:
        cart.headers = lambda handler: headers
        context = AppRaceContext(cart.application, Random(1), 1, print)
        found = [finding for check in checks for finding in check.findings(context)]

    assert [(each.check, each.severity) for each in found] == [("CSRF", severity), ("CORS", severity)]
