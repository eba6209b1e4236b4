"""The handlers of the site that the security tests attack: what any application might do with a session."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, Request, WebSocket

from sojourn.fastapi import CurrentSession, LoggedIn, logged_in

router = APIRouter()


@router.post("/login")
async def login(request: Request, session: CurrentSession) -> dict[str, str]:
    body = await request.json()
    session.login(body["user"], remember=body.get("remember", False))
    session.update(body.get("data", {}))
    return {}


@router.post("/logout")
async def logout(session: CurrentSession) -> dict[str, str]:
    session.logout()
    return {}


@router.post("/regenerate")
async def regenerate(session: CurrentSession) -> dict[str, str]:
    session.regenerate()
    return {}


@router.post("/put")
async def put(request: Request, session: CurrentSession) -> dict[str, str]:
    session.update(await request.json())
    return {}


@router.post("/clear")
async def clear(session: CurrentSession) -> dict[str, str]:
    session.clear()
    return {}


@router.get("/me")
async def me(session: CurrentSession) -> dict[str, Any]:
    before = session.user_id
    await asyncio.sleep(0)
    assert session.user_id == before
    return {"user": session.user_id, "status": session.status, "data": dict(session)}


@router.get("/poll")
async def poll(session: CurrentSession) -> dict[str, Any]:
    session.passive = True
    return {"user": session.user_id}


@router.get("/public")
async def public() -> dict[str, str]:
    return {}


@router.get("/private")
async def private(session: LoggedIn) -> dict[str, str | None]:
    return {"user": session.user_id}


@router.post("/email", dependencies=[Depends(logged_in(within=300))])
async def change_email() -> dict[str, str]:
    return {}


@router.post("/password")
async def change_password(request: Request, session: LoggedIn) -> dict[str, int]:
    manager = request.app.state.site.manager
    ended = await manager.revoke_all(session.user_id, keep=session.id)
    session.regenerate()
    return {"ended": ended}


SLOW = ("write", "append", "increment", "rotate", "regenerate", "clear")


@router.post("/slow/{what}")
async def slow(what: str, request: Request, session: CurrentSession) -> dict[str, str]:
    session.get("cart")
    gate = request.app.state.site.gate
    gate.reached.set()
    await gate.go.wait()
    if what == "write":
        session["late"] = True
    elif what == "append":
        session.setdefault("cart", []).append("late")
    elif what == "increment":
        session.increment("n")
    elif what == "regenerate":
        session.regenerate()
    elif what == "clear":
        session.clear()
    return {}


@router.get("/access/{name}")
async def access(name: str, session: CurrentSession) -> dict[str, str]:
    ACCESSES[name](session)
    return {}


ACCESSES: dict[str, Any] = {
    "getitem": lambda session: session["cart"],
    "get": lambda session: session.get("nothing"),
    "in": lambda session: "cart" in session,
    "len": len,
    "iter": list,
    "keys": lambda session: list(session.keys()),
    "values": lambda session: list(session.values()),
    "items": lambda session: list(session.items()),
    "bool": bool,
    "eq": lambda session: session == {},
    "ne": lambda session: session != {},
    "pop": lambda session: session.pop("nothing", None),
    "popitem": lambda session: session.popitem(),
    "setdefault": lambda session: session.setdefault("cart", []),
    "update": lambda session: session.update(theme="dark"),
    "clear": lambda session: session.clear(),
    "delitem": lambda session: session.__delitem__("cart"),
    "increment": lambda session: session.increment("n"),
    "id": lambda session: session.id,
    "user_id": lambda session: session.user_id,
    "status": lambda session: session.status,
    "authenticated_at": lambda session: session.authenticated_at,
    "end_reason": lambda session: session.end_reason,
}


@router.websocket("/echo")
async def echo(socket: WebSocket, session: CurrentSession) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(f"{session.user_id}: {text}")


@router.websocket("/append")
async def append(socket: WebSocket, session: CurrentSession) -> None:
    await socket.accept()
    cart: list[str] = session["cart"]
    async for text in socket.iter_text():
        cart.append(text)
        await socket.send_text(text)


@router.websocket("/members")
async def members(socket: WebSocket, session: LoggedIn) -> None:
    await socket.accept()
