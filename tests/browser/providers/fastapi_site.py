"""FastAPI with Authlib: as docs/security.md has it."""

from __future__ import annotations

import os
from urllib.parse import urlencode

from authlib.integrations.starlette_client import OAuth, OAuthError  # type: ignore[import-untyped]
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from sojourn import AsyncSessionManager, open_async_store
from sojourn.asgi import SessionMiddleware
from sojourn.fastapi import CurrentSession

PROVIDER = os.environ["SITE_PROVIDER"]

oauth = OAuth()
provider = oauth.register(
    "provider",
    client_id="shop",
    client_secret="s",
    server_metadata_url=f"{PROVIDER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile"},
)

app = FastAPI()


@app.get("/")
async def show(session: CurrentSession) -> dict[str, object]:
    return {"user": session.user_id, "cart": session.get("cart", []), "userinfo": session.get("user")}


@app.get("/add")
async def add(session: CurrentSession) -> str:
    session["cart"] = ["tea"]
    return "added"


@app.get("/enter")
async def enter(request: Request) -> Response:
    answer: Response = await provider.authorize_redirect(request, str(request.url_for("back")))
    return answer


@app.post("/back")
async def posted_back(request: Request) -> Response:
    return RedirectResponse(
        "/back?" + urlencode([(name, str(value)) for name, value in (await request.form()).items()]), 303
    )


@app.get("/back")
async def back(request: Request, session: CurrentSession) -> Response:
    try:
        token = await provider.authorize_access_token(request)
    except OAuthError as error:
        return PlainTextResponse(str(error), 403)
    session.login(token["userinfo"]["sub"])
    session["user"] = token["userinfo"]  # as Authlib's own examples do
    return RedirectResponse("/")


manager = AsyncSessionManager(open_async_store(os.environ["SITE_STORE"]))
app.add_middleware(SessionMiddleware, manager=manager, cross_site_paths={"/back"})
