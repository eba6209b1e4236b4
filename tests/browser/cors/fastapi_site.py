"""FastAPI: what is added last is outermost."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from sojourn import AsyncSessionManager, open_async_store
from sojourn.asgi import BrowserEndpoints, SessionMiddleware
from sojourn.fastapi import CurrentSession
from tests.browser.cors import place

app = FastAPI()


@app.post("/login")
async def login(session: CurrentSession) -> None:
    session.login("ada")


app.mount("/session", BrowserEndpoints(writable=place.WRITABLE))
app.add_middleware(SessionMiddleware, manager=AsyncSessionManager(open_async_store(place.STORE)), **place.OPTIONS)
app.add_middleware(
    CORSMiddleware,
    allow_origins=place.ALLOWED,
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=place.HEADERS,
    expose_headers=place.EXPOSED,
)
