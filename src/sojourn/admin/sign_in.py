"""Signing in: an operator's key, or a one-time link, for a short session; and out again."""

from __future__ import annotations

from .desk import Desk
from .markup import Child, element, prose
from .operators import Operator
from .page import MOUNT, REASONS, button, field, form, page, url
from .request import AdminAnswer, AdminRequest, redirect

__all__ = ["WRONG", "check_key", "show", "sign_in", "sign_out"]

WRONG = "That is no operator's key, or it was revoked. `sojourn keys list` shows which there are."
WAIT = "Too many wrong keys came from your address. Wait a minute, then try again."
USED = "This link was used, or is not the program's that runs now. Enter the key that it printed."


async def show(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """The form."""
    if request.operator is not None:
        return redirect(url(""))
    reason = request.session.end_reason
    notice = f"You were signed out: {REASONS[reason]}. Sign in again to go on." if reason else ""
    return _form(request, notice=notice)


async def sign_in(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """Judge what was filled in."""
    code = request.field("code")
    if code:
        if desk.throttle.refuses(request.address):
            return _form(request, mistake=WAIT, status=429)
        operator = desk.operators.redeem(code)
        if operator is None:
            desk.throttle.miss(request.address)
            return _form(request, mistake=USED, status=401, with_code=False)
    else:
        operator, mistake = check_key(desk, request)
        if operator is None:
            return _form(request, mistake=mistake, status=429 if mistake == WAIT else 401)
    request.session.login(operator.id)
    place = request.field("next")
    # Here alone: an address that somebody else made up leads nowhere.
    here = place == MOUNT or place.startswith((f"{MOUNT}/", f"{MOUNT}?"))
    return redirect(place if here and place.isascii() and "\\" not in place else url(""))


async def sign_out(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """End the operator's own session."""
    request.session.logout()
    return redirect(url("/sign-in"))


def check_key(desk: Desk, request: AdminRequest) -> tuple[Operator | None, str]:
    """Whose key was entered, at the log-in or once more for a grave step; or why not."""
    if desk.throttle.refuses(request.address):
        return None, WAIT
    operator = desk.operators.enter(request.field("key"))
    if operator is None:
        desk.throttle.miss(request.address)
    return operator, WRONG


def _form(
    request: AdminRequest, *, notice: str = "", mistake: str = "", status: int = 200, with_code: bool = True
) -> AdminAnswer:
    code = request.field("code") if with_code else ""
    kept = {"next": request.field("next"), "code": code}
    content: list[Child]
    if code:
        content = [element("p", "The link that you opened is good once, and for you alone."), button("Sign in")]
    else:
        content = [
            field(
                "Operator's key",
                "key",
                type="password",
                autocomplete="off",
                required=True,
                autofocus=True,
                hint="It begins with sjk1-. Who runs the service makes one by `sojourn keys make --scope operator`; "
                "`sojourn admin` prints its own.",
            ),
            button("Sign in"),
        ]
    said = element("p", prose(mistake), class_="mistake", role="alert") if mistake else None
    card = element(
        "section", element("h1", "Sign in"), said, form("/sign-in", *content, hidden=kept), class_="card narrow"
    )
    return AdminAnswer(page("Sign in", card, operator=None, notice=notice), status)
