"""What is called good was tried on an application that still does what it did."""

from __future__ import annotations

from random import Random

from sojourn.doctor.app_checks import APP_CHECKS
from sojourn.torture.app import AppRaceContext

from .cart import Handler, serve_cart


def ask_for_patience(handler: Handler) -> bool:
    """A page, with status 200, in the place of each read."""
    if handler.command == "GET":
        handler.answer("Too many log-ins. Are you a person?")
    return handler.command == "GET"


def test_a_page_that_shows_nobody_anything_makes_nothing_good() -> None:
    with serve_cart() as cart:
        cart.spoil = ask_for_patience
        context = AppRaceContext(cart.application, Random(1), 1, print)
        severities = {check.name: check.findings(context)[0].severity for check in APP_CHECKS}

    assert set(severities.values()) == {"broken off", "not tried"}
    assert severities["log-out"] == severities["fixation"] == severities["CSRF"] == "broken off"
