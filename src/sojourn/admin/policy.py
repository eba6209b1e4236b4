"""The policy: each setting, where it comes from, and where it departs from NIST SP 800-63B-4."""

from __future__ import annotations

from sojourn.core.policy import Policy

from .desk import Desk
from .markup import Child, Markup, element, prose
from .nist import AALS, departures
from .page import page, table
from .policy_settings import departure_line, settings
from .request import AdminAnswer, AdminRequest

__all__ = ["policy"]

UNKNOWN = (
    "This program sees the store, and not the policy, which is the application's. `sojourn policy` states one; "
    "`sojourn serve --admin` shows its own here."
)


async def policy(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """The page."""
    content = element("p", prose(UNKNOWN)) if desk.policy is None else _stated(desk.policy)
    return AdminAnswer(page("Policy", element("h1", "Policy"), content, operator=request.operator, here="/policy"))


def _stated(policy: Policy) -> Markup:
    rows: list[list[Child]] = [
        [element("code", setting.name), setting.value, setting.source] for setting in settings(policy)
    ]
    cards = [element("section", table("Settings", ("Setting", "Value", "Source"), rows), class_="card")]
    for aal in AALS:
        found = [element("li", departure_line(departure)) for departure in departures(policy, aal)]
        cards.append(
            element(
                "section",
                element("h2", f"NIST SP 800-63B-4, AAL{aal}"),
                element("ul", found, class_="bullets") if found else element("p", "Within it."),
                class_="card",
            )
        )
    return element("div", cards)
