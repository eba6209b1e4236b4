"""Office: the pages for operators in this process, over a store of the test's own, and who visits them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sojourn import AsyncSessionManager, Policy
from sojourn.admin.admin_pages import POLICY, AdminPages
from sojourn.admin.desk import Desk
from sojourn.admin.operators import REALM
from sojourn.asgi.types import App, Message
from sojourn.audit import AuditFile
from sojourn.core.record import Client
from sojourn.service.keyring import Keyring
from sojourn.service.keys import changing_keys, make_key
from sojourn.service.operators import KeyFile, KeyOperators
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.wire.api_key import KeyScope

NOW = 1_800_000_000_000


class Office:
    """The pages, the sessions that they show, the keys, and one clock for all of them."""

    def __init__(self, keys: Path) -> None:
        self.now = NOW
        self.path = keys
        self.key = self.add_key("ada", "operator")
        self.store = AsyncMemoryStore()
        self.trail = keys.parent / "audit.jsonl"
        trail = AuditFile(self.trail, clock=self.clock)
        self.manager = AsyncSessionManager(self.store, clock=self.clock, on_event=trail)
        keyring = Keyring(keys, self.clock)
        file = KeyFile(keys, self.clock)
        self.desk = Desk(self.store, self.manager, KeyOperators(keyring), policy=Policy(), keys=file, trail=trail)
        self.pages = AdminPages(self.desk, AsyncSessionManager(self.store, POLICY, realm=REALM, clock=self.clock))

    def clock(self) -> int:
        return self.now

    def told(self) -> list[dict[str, Any]]:
        """What is in the audit trail."""
        return [json.loads(line) for line in self.trail.read_text("utf-8").splitlines()]

    def add_key(self, name: str, *scopes: KeyScope) -> str:
        with changing_keys(self.path) as there:
            key, text = make_key(name, scopes, self.now, os.urandom)
            there.append(key)
        return text

    async def log_in(self, user: str | None, client: Client = Client("203.0.113.7", "Mozilla")) -> tuple[str, str]:
        """A session of the application's; its id, and the token that no page may show."""
        session = self.manager.anonymous(client)
        session["secret note"] = "sesame"
        if user is not None:
            session.login(user)
        reply = await self.manager.commit(session)
        assert session.id is not None
        assert reply.token is not None
        return session.id, reply.token.reveal()

    async def enter(self) -> Visitor:
        """An operator who has signed in."""
        visitor = Visitor(self.pages)
        answer = await visitor.post("/admin/sign-in", key=self.key)
        assert answer.status == 303, answer.text
        return visitor


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def place(self) -> str:
        """Where a redirect leads."""
        return self.headers["location"]

    @property
    def words(self) -> str:
        """What a person reads: the text without its elements."""
        return re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", "", self.text)))


@dataclass
class Visitor:
    """A browser's half: it keeps cookies, and says where a request comes from."""

    pages: App
    cookies: dict[str, str] = field(default_factory=dict)
    address: str = "192.0.2.1"

    async def get(self, path: str, **query: str) -> Answer:
        return await self.ask("GET", path, query=query)

    async def post(self, path: str, site: str = "same-origin", **fields: str) -> Answer:
        return await self.ask("POST", path, fields=fields, site=site)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        site: str = "same-origin",
        host: str = "localhost:8100",
    ) -> Answer:
        path, _, told = path.partition("?")
        headers = {
            "host": host,
            "sec-fetch-site": site,
            "cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()),
        }
        if fields is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": urlencode(fields or {}).encode()}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode("utf-8", "replace"),
            "query_string": told.encode() or urlencode(query or {}).encode(),
            "scheme": "https",
            "client": (self.address, 5000),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items() if value],
        }
        await self.pages(scope, receive, send)
        told_back = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        name, _, rest = told_back.get("set-cookie", "").partition("=")
        if name:
            self.cookies[name] = rest.partition(";")[0]
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return Answer(sent[0]["status"], told_back, body.decode())
