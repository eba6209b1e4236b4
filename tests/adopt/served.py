"""A site for real servers: its old sessions were starsessions', in the Redis that OLD_REDIS names."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from starlette.applications import Starlette

from sojourn import AsyncSessionManager, CookieOptions, open_async_store
from sojourn.adopt import Adoption, StarsessionsRedis
from sojourn.asgi import SessionMiddleware
from tests.adopt.site import ROUTES

app = Starlette(routes=ROUTES)
app.add_middleware(
    SessionMiddleware,
    manager=AsyncSessionManager(open_async_store(os.environ["SOJOURN_STORE"])),
    cookie=CookieOptions(insecure_http=True, name="new"),
    adopt=Adoption(
        StarsessionsRedis(os.environ["OLD_REDIS"], user_key="user"), until=datetime.now(UTC) + timedelta(days=30)
    ),
)
