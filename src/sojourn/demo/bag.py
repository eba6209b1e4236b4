"""The bag: a shopping cart in the session, for visitors with and without an account."""

from __future__ import annotations

import secrets
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sojourn.asgi import session_of

from .json_bodies import answer, read_form, refuse

__all__ = ["routes"]

MAX_THINGS = 40
MAX_STAMPS = 999


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    """Something to put into the bag."""

    thing: Literal["map", "lantern", "boots", "tea", "compass", "book"]


class Stamps(msgspec.Struct, forbid_unknown_fields=True):
    """One postage stamp more or less."""

    by: Literal[-1, 1]


async def add(request: Request) -> Response:
    """Put a thing into the bag: nothing to assign back, a nested change is found and kept."""
    form = await read_form(request, Thing)
    session = session_of(request)
    if len(session.get("cart", [])) >= MAX_THINGS:
        return refuse(409, f"The bag is full: {MAX_THINGS} things are enough for any journey.")
    session.setdefault("cart", []).append({"id": secrets.token_hex(4), "thing": form.thing})
    return answer(count=len(session["cart"]))


async def remove(request: Request) -> Response:
    """Take a thing out again; one that is gone already is no error."""
    session = session_of(request)
    if "cart" in session:
        session["cart"] = [entry for entry in session["cart"] if entry["id"] != request.path_params["id"]]
    return answer(count=len(session.get("cart", [])))


async def empty(request: Request) -> Response:
    """Take everything out."""
    session_of(request).pop("cart", None)
    return answer(count=0)


async def stamps(request: Request) -> Response:
    """Count stamps: parallel requests add up in the store."""
    form = await read_form(request, Stamps)
    session = session_of(request)
    if 0 <= session.get("stamps", 0) + form.by <= MAX_STAMPS:
        session.increment("stamps", form.by)
    return answer(stamps=session.get("stamps", 0))


routes = [
    Route("/demo/cart", add, methods=["POST"]),
    Route("/demo/cart", empty, methods=["DELETE"]),
    Route("/demo/cart/{id}", remove, methods=["DELETE"]),
    Route("/demo/stamps", stamps, methods=["POST"]),
]
