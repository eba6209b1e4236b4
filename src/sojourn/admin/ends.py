"""Ends: what would be ended is shown and counted first; then, if the operator says so, it is ended."""

from __future__ import annotations

from .desk import Desk
from .markup import Child, Markup, bdi, element
from .page import button, field, form, link, page, short, url
from .request import AdminAnswer, AdminRequest, redirect
from .sign_in import check_key

__all__ = ["ask", "end"]

MOST_COUNTED = 1000


async def ask(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """The question."""
    return await _question(desk, request)


async def end(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """The deed. For everything the key is asked once more: who finds the page open can do less."""
    id, user, keep = (request.field(name) for name in ("id", "user", "keep"))
    if id:
        ended = await desk.acts.end(id, request.by, request.address)
        request.session["notice"] = "The session is ended." if ended else "The session was over already."
        place = url(f"/sessions/{id}") if _is_id(id) else url("/sessions")
    elif user:
        count = await desk.acts.end_all(user, keep or None, request.by, request.address)
        request.session["notice"] = f"{_count(count)} ended."
        place = url(f"/sessions/{keep}") if _is_id(keep) else url("/sessions", user=user)
    elif request.field("everything"):
        operator, mistake = check_key(desk, request)
        if operator is not None and operator.id != request.by.id:
            operator, mistake = None, "That is another operator's key. Enter your own."
        if operator is None:
            return await _question(desk, request, mistake)
        desk.acts.end_everything(operator, request.address)
        place = url("")
    else:
        return redirect(url("/sessions"))
    desk.census.forget()
    return redirect(place)


async def _question(desk: Desk, request: AdminRequest, mistake: str = "") -> AdminAnswer:
    id, user, keep = (request.field(name) for name in ("id", "user", "keep"))
    back = url(f"/sessions/{id}") if _is_id(id) else url("/sessions", user=user)
    box: Child = None
    if id:
        live = _is_id(id) and await _is_live(desk, id)
        question: Child = ["End the session ", element("code", short(id)), "?"]
        told = "It is live. Its browser is told: revoked." if live else "It is not live: nothing would be ended."
    elif user:
        question = ["End all ", "others " if keep else "", "of ", bdi(user), "?"]
        told = f"{await _counted(desk, user, keep)} would be ended, at one instant, on every server."
    elif request.field("everything"):
        question, back = ["End every session of everyone?"], url("")
        told = await _counted_all(desk)
        box = field("Your key, once more", "key", type="password", autocomplete="off", required=True)
    else:
        return redirect(url("/sessions"))
    kept = {name: request.field(name) for name in ("id", "user", "keep", "everything")}
    content = element(
        "section",
        element("h1", question),
        element("p", mistake, class_="mistake", role="alert") if mistake else None,
        element("p", told),
        _who(request),
        form(
            "/end",
            box,
            element("p", button("End", kind="danger"), link("Cancel", back, kind="quiet"), class_="actions"),
            hidden=kept,
        ),
        class_="card narrow",
    )
    return AdminAnswer(page("End sessions", content, operator=request.operator), 401 if mistake else 200)


def _who(request: AdminRequest) -> Markup:
    by = request.by
    return element("p", "It is logged as done by ", element("b", bdi(by.name)), f", key {by.id}.", class_="soft")


async def _is_live(desk: Desk, id: str) -> bool:
    session = await desk.manager.get(id)
    return session is not None and session.end_reason is None


async def _counted(desk: Desk, user: str, keep: str) -> str:
    found = await desk.store.list(user, desk.manager.clock(), desk.manager.realm, "", MOST_COUNTED + 1)
    count = sum(record.id != keep for record in found)
    return f"{_count(MOST_COUNTED)} or more" if count > MOST_COUNTED else _count(count)


async def _counted_all(desk: Desk) -> str:
    counts = await desk.census.look()
    seen = f"{_count(counts.live)} {'was' if counts.live == 1 else 'were'} live when they were last counted"
    so_far = "" if counts.is_whole else f", with {counts.share:.0%} of the store read"
    return f"{seen}{so_far}. Nothing that began before can go on; how far it is, the first page says."


def _is_id(text: str) -> bool:
    return len(text) == 32 and not text.strip("0123456789abcdef")


def _count(number: int) -> str:
    return f"{number:,} session{'' if number == 1 else 's'}"
