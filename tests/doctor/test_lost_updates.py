"""Lost updates: told where they are, and nowhere else, of writes that add, replace, or keep only the last few."""

from __future__ import annotations

import time
from random import Random

import pytest

from sojourn.doctor.app_checks import APP_CHECKS
from sojourn.torture.app import AppEndpoint, AppRaceContext

from .cart import Handler, serve_cart


def write_whole(handler: Handler) -> bool:
    """As a store does that writes a session back as it was read, with what changed."""
    if handler.command != "PUT" or handler.token not in handler.cart.sessions:
        return False
    session = dict(handler.cart.sessions[handler.token])
    time.sleep(0.05)
    _, key, session[key] = handler.path.split("/")
    handler.cart.sessions[handler.token] = session
    handler.answer({})
    return True


@pytest.mark.parametrize(
    ("keys", "is_whole", "severity"),
    [
        (["tea"], False, "not tried"),
        (["tea", "tea"], False, "not tried"),
        (["tea", "cup"], False, "good"),
        (["tea", "cup"], True, "medium"),
        (["last"], False, "cannot tell"),
    ],
)
def test_lost_updates_are_told_where_writes_that_keep_one_another_in_a_row_do_not_at_once(
    keys: list[str], is_whole: bool, severity: str
) -> None:
    (check,) = (check for check in APP_CHECKS if check.name == "lost updates")
    first, *others = (AppEndpoint("PUT", f"/{key}/{{n}}", "") for key in keys)
    with serve_cart() as cart:
        app = cart.application._replace(write=first, other_writes=tuple(others))
        if is_whole:
            cart.spoil = write_whole
        (finding,) = check.findings(AppRaceContext(app, Random(1), 1, print))

    assert finding.severity == severity
