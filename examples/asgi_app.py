"""A plain ASGI application with log-in, a bag and a page that uses the browser client: no framework.

uvicorn --app-dir examples asgi_app:app       then open http://localhost:8000
"""

from __future__ import annotations

import json
import os
from hmac import compare_digest
from pathlib import Path
from typing import Any

from sojourn import AsyncSessionManager, LoginRequired, Policy, Session, open_async_store
from sojourn.asgi import BrowserEndpoints, SessionMiddleware, mount

PAGE = Path(__file__).with_name("browser.html").read_bytes()

manager = AsyncSessionManager(
    open_async_store(os.environ.get("SOJOURN_STORE", "sqlite:///sessions.sqlite3")),
    Policy(idle_timeout=15 * 60, absolute_timeout=8 * 3600, max_sessions=5),
)


async def shop(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await run_until_shutdown(receive, send)
        return
    session: Session = scope["session"]
    _, name, *rest = scope["path"].split("/")
    match scope["method"], name, rest:
        case "GET", "", []:
            await answer(send, PAGE, kind=b"text/html; charset=utf-8")
        case "POST", "login", []:
            form = json.loads(await read(receive))
            # Everybody's password is "sesame". Yours are hashed, in your database.
            if compare_digest(form["password"].encode(), b"sesame"):
                session.login(form["user"])
                await answer(send, b"{}")
            else:
                await answer(send, b'{"detail": "This name and password do not go together."}', status=403)
        case "POST", "bag", [item]:
            bag: list[str] = session.setdefault("bag", [])
            bag.append(item)
            await answer(send, json.dumps(bag).encode())
        case "GET", "account", []:
            if session.user_id is None:
                raise LoginRequired(session.end_reason)
            devices = len(await manager.list(session.user_id))
            await answer(send, json.dumps({"user": session.user_id, "devices": devices}).encode())
        case _:
            await answer(send, b"{}", status=404)


async def read(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def answer(send: Any, body: bytes, *, status: int = 200, kind: bytes = b"application/json") -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": body})


async def run_until_shutdown(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await manager.close()
    await send({"type": "lifespan.shutdown.complete"})


app = SessionMiddleware(mount(shop, "/session", BrowserEndpoints(writable={"theme"}, readable={"bag"})), manager)
