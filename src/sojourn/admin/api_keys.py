"""API keys: those of back ends are shown, made and revoked. An operator's own is made at the command line alone."""

from __future__ import annotations

import asyncio
from typing import cast

from sojourn.core.errors import ConfigurationError
from sojourn.wire.api_key import KEY_SCOPES, KeyScope

from .desk import Desk
from .markup import Child, Markup, bdi, element, prose
from .operators import KeyDesk, KeyShown
from .page import button, field, form, link, moment, page, table, url
from .request import AdminAnswer, AdminRequest, redirect
from .sign_in import check_key

__all__ = ["ask", "keys", "make", "revoke"]

# Whoever finds the page open must not make a way in of their own.
SCOPES = tuple(scope for scope in KEY_SCOPES if scope != "operator")
HEAD = ("Name", "Id", "May", "Made", "New secret", "Used", "Revoke")
NO_FILE = "This program was not told where the API keys are. Start it with --keys FILE."


async def keys(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """The list, and the form for one more."""
    return await _page(desk, request)


async def make(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """Make one, and show it this once."""
    name = request.field("name")
    scopes = [cast(KeyScope, scope) for scope in SCOPES if scope in request.fields.get("scope", ())]
    if desk.keys is None:
        return await _page(desk, request)
    if not name or not scopes:
        return await _page(desk, request, "Give the key a name, and say what it may.", status=400)
    operator, mistake = check_key(desk, request)
    if operator is None or operator.id != request.by.id:
        return await _page(desk, request, mistake, status=401)
    try:
        text = await asyncio.to_thread(desk.keys.make, name, scopes)
    except ConfigurationError as error:
        return await _page(desk, request, str(error), status=400)
    desk.acts.note("api_key_made", request.by, request.address, key=text.split("-")[1], name=name)
    shown = element(
        "section",
        element("h2", "The new key"),
        element("p", "Keep it now: it is not shown again."),
        element("p", element("code", text, class_="secret")),
        class_="card",
    )
    return await _page(desk, request, shown=shown)


async def ask(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """The question before one is revoked."""
    key = await _found(desk, request.field("id"))
    if key is None:
        return redirect(url("/keys"))
    mine = "It is your own: you are signed out by it." if key.id == request.by.id else ""
    content = element(
        "section",
        element("h1", "Revoke the key ", bdi(key.name), "?"),
        element("p", f"Whoever shows the key {key.id} is refused within a second. {mine}"),
        form(
            "/keys/revoke",
            element("p", button("Revoke", kind="danger"), link("Cancel", url("/keys"), kind="quiet"), class_="actions"),
            hidden={"id": key.id},
        ),
        class_="card narrow",
    )
    return AdminAnswer(page("Revoke a key", content, operator=request.operator, here="/keys"))


async def revoke(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """Take one away."""
    if desk.keys is not None:
        key = await asyncio.to_thread(desk.keys.revoke, request.field("id"))
        request.session["notice"] = f"The key {key.name} is revoked." if key else "There is no such key any more."
        if key:
            desk.acts.note("api_key_revoked", request.by, request.address, key=key.id)
    return redirect(url("/keys"))


async def _found(desk: Desk, id: str) -> KeyShown | None:
    there = await asyncio.to_thread(desk.keys.list) if desk.keys else ()
    return next((key for key in there if key.id == id), None)


async def _page(
    desk: Desk, request: AdminRequest, mistake: str = "", *, shown: Markup | None = None, status: int = 200
) -> AdminAnswer:
    content: list[Child] = [element("h1", "API keys")]
    if desk.keys is None:
        content.append(element("p", NO_FILE))
    else:
        content += [shown, await _list(desk.keys, request.now), _form(request, mistake, done=shown is not None)]
    notice = request.session.pop("notice", "")
    return AdminAnswer(page("API keys", *content, operator=request.operator, here="/keys", notice=notice), status)


async def _list(desk: KeyDesk, now: int) -> Markup:
    rows: list[list[Child]] = [
        [
            bdi(key.name),
            element("code", key.id),
            ", ".join(key.scopes),
            moment(key.created_at, now),
            moment(key.rotated_at, now) if key.rotated_at else "–",
            moment(key.last_used_at, now) if key.last_used_at else "–",
            link(["Revoke…", element("span", " ", key.name, class_="unseen")], url("/keys/revoke", id=key.id)),
        ]
        for key in await asyncio.to_thread(desk.list)
    ]
    return element("section", table("API keys", HEAD, rows) if rows else element("p", "No keys."), class_="card")


def _form(request: AdminRequest, mistake: str, *, done: bool) -> Markup:
    name = "" if done else request.field("name")
    boxes = [
        element(
            "label",
            element("input", type="checkbox", name="scope", value=scope, checked=scope == "sessions"),
            f" {scope}",
            class_="check",
        )
        for scope in SCOPES
    ]
    return element(
        "section",
        element("h2", "Make a key"),
        element("p", mistake, class_="mistake", role="alert") if mistake else None,
        form(
            "/keys",
            field("Name", "name", value=name, required=True, maxlength=64, hint="Whose it is: web, shop-php."),
            element("fieldset", element("legend", "It may"), element("div", boxes, class_="checks")),
            field("Your key, once more", "key", type="password", autocomplete="off", required=True),
            button("Make the key"),
        ),
        element(
            "small", prose("A key for an operator is made at the command line: `sojourn keys make --scope operator`.")
        ),
        class_="card",
    )
