"""A head that a connection has sent before is not parsed again: nobody can tell but by the clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from sojourn import AsyncSessionManager
from sojourn.core.store import Applied, Commit, Refused
from sojourn.service.application import Service
from sojourn.service.bounded_protocol import BoundedProtocol
from sojourn.service.keyring import Keyring
from sojourn.stores.memory import AsyncMemoryStore

STREAMS = 40
NOW = 1_800_000_000_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Forgetful(BoundedProtocol):
    """It parses whatever comes."""

    def _answer_known(self, data: bytes) -> bool:
        return False


class Mindful(BoundedProtocol):
    """It counts what it does not parse."""

    spared = 0

    def _answer_known(self, data: bytes) -> bool:
        is_answered = super()._answer_known(data)
        Mindful.spared += is_answered
        return is_answered


class Wire(asyncio.Transport):
    """What a server's connection is given: it keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closing = b"", False

    def write(self, data: Any) -> None:
        if not self.closing:
            self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def get_write_buffer_size(self) -> int:
        return 0


class Waiting(AsyncMemoryStore):
    """A store that says it never waits, and does every other time."""

    commits = 0

    async def commit(self, commit: Commit) -> Applied | Refused:
        self.commits += 1
        if self.commits % 2:
            await asyncio.sleep(0)
        return await super().commit(commit)


class Server:
    """A service's inside behind one connection."""

    def __init__(self, keys: Path, kind: type[BoundedProtocol], store: AsyncMemoryStore) -> None:
        self.store = store
        manager = AsyncSessionManager(store, clock=lambda: NOW, random=Random(1).randbytes)

        async def nowhere(*_: object) -> None: ...

        config = uvicorn.Config(
            Service(store, manager, Keyring(keys), edge=nowhere),
            http=kind,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        config.load()
        self.wire = Wire()
        self.protocol = kind(config=config, server_state=ServerState(), app_state={})
        self.protocol.connection_made(self.wire)

    async def take(self, *pieces: bytes) -> bytes:
        """What is answered to what comes in these pieces."""
        for piece in pieces:
            if not self.wire.closing:
                self.protocol.data_received(piece)
            await self.rest()
        return self.wire.written

    async def rest(self) -> None:
        """Until nothing is under way but what waits for more to come."""
        for _ in range(12):
            await asyncio.sleep(0)


class Twins:
    """Two services, of which one parses all that comes."""

    def __init__(self, keys: Path, kind: type[AsyncMemoryStore] = AsyncMemoryStore) -> None:
        self._both = [Server(keys, each, kind()) for each in (Mindful, Forgetful)]

    async def begin(self, key: str) -> str:
        """A session's token."""
        begin = _post("commit", {"action": {"type": "start"}}, key)
        tokens = {json.loads((await each.take(begin)).partition(b"\r\n\r\n")[2])["token"] for each in self._both}
        return str(tokens.pop())

    async def take(self, *pieces: bytes) -> int:
        """Both answer alike, and have the same then; how many requests the one did not parse."""
        before = Mindful.spared
        answers = [await each.take(*pieces) for each in self._both]
        assert answers[0] == answers[1], pieces
        assert len({each.wire.closing for each in self._both}) == 1, pieces
        one, other = [each.store._store._records for each in self._both]
        assert one == other, pieces
        for each in self._both:
            each.protocol.connection_lost(None)
        return Mindful.spared - before


@pytest.mark.parametrize("kind", [AsyncMemoryStore, Waiting])
async def test_whatever_comes_is_answered_as_if_all_were_parsed(
    keys: Path, key: str, kind: type[AsyncMemoryStore]
) -> None:
    chance, spared = Random(3), 0
    for _ in range(STREAMS):
        twins = Twins(keys, kind)
        token = await twins.begin(key)
        spared += await twins.take(*_pieces(chance, b"".join(_requests(chance, key, token))))

    assert spared


async def test_a_request_is_not_parsed_again(keys: Path, key: str) -> None:
    twins = Twins(keys)
    token = await twins.begin(key)

    assert await twins.take(*[_open(key, token + "x" * n) for n in (0, 1, 2)]) == 2


async def test_a_known_request_in_the_body_of_another_is_part_of_it(keys: Path, key: str) -> None:
    twins = Twins(keys)
    known = _open(key, await twins.begin(key))
    other = _post("open", {}, key, length=f"{len(known)}").removesuffix(b"{}")

    assert await twins.take(known, other, known) == 0


async def test_what_follows_the_rest_of_another_request_is_no_head(keys: Path, key: str) -> None:
    twins = Twins(keys)
    known = _open(key, await twins.begin(key))

    assert await twins.take(known[:-3], known[-3:] + known, known[-3:] + known) == 0


async def test_a_length_that_is_not_the_last_line_is_not_taken_from_elsewhere(keys: Path, key: str) -> None:
    twins = Twins(keys)
    token = await twins.begin(key)
    usual = len(_open(key, token).partition(b"\r\n\r\n")[2])
    spell = f"Content-Length: {usual}\r\nX-Length: "

    asked = [_post("open", {"token": token + end}, key, spell=spell) for end in ("", "x")]

    assert await twins.take(asked[0], asked[1], asked[0]) == 0


def _open(key: str, token: str) -> bytes:
    return _post("open", {"token": token}, key)


def _post(name: str, asked: Any, key: str, *lines: str, length: str = "%d", spell: str = "Content-Length: ") -> bytes:
    """A request as an adapter sends it, with more lines."""
    body = "".join(f"{json.dumps(each)}\n" for each in asked) if name == "batch" else json.dumps(asked)
    kind = "application/x-ndjson" if name == "batch" else "application/json"
    told = spell + (length % len(body) if "%" in length else length)
    head = [
        f"POST /v1/{name} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {key}",
        f"Content-Type: {kind}",
        *lines,
        told,
    ]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def _requests(chance: Random, key: str, token: str) -> Iterator[bytes]:
    """Nearly all of them plain, and now and then one that is not."""
    add = {"token": token, "status": "active", "increments": {"n": 1}}
    calls: list[tuple[str, Any]] = [
        ("open", {"token": token}),
        ("commit", add),
        ("commit", {**add, "increments": {"n": "much"}}),
        ("batch", [{"commit": add}, {"open": {"token": token}}]),
    ]
    odd = [
        {"length": "0%d"},
        {"length": "+%d"},
        {"length": "%d "},
        {"length": "3"},
        {"length": "99"},
        {"length": ""},
        {"spell": "content-length:"},
        {"spell": "X-Length: "},
        {"spell": "Content-Length: 1\r\nContent-Length: "},
        {"spell": "Transfer-Encoding: chunked\r\nContent-Length: "},
    ]
    lines = ["Connection: close", "Expect: 100-continue", "Upgrade: h2c", "Content-Type: text/plain", "X: \xff"]
    for _ in range(8):
        name, asked = chance.choice(calls)
        is_odd = chance.random()
        if is_odd < 0.06:
            yield _post(name, asked, key, **chance.choice(odd))
        elif is_odd < 0.12:
            yield _post(name, asked, key, chance.choice(lines))
        elif is_odd < 0.14:
            yield _post(name, asked, key.replace(key[-4:], "0000"))
        elif is_odd < 0.16:
            yield _post(name, asked, key, spell="Transfer-Encoding: chunked\r\nX: ").replace(
                b"\r\n\r\n", b"\r\n\r\n1\r\n"
            )
        elif is_odd < 0.18:
            yield chance.choice((b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n", b"\r\n\r\n"))
        else:
            yield _post(name, asked, key)


def _pieces(chance: Random, text: bytes) -> Iterator[bytes]:
    """As they were sent, but for some that come together, and some that come in two."""
    starts = [place for place in range(len(text)) if text.startswith((b"POST ", b"GET "), place)] or [0]
    cuts = {place for place in starts if chance.random() < 0.9}
    cuts |= {chance.randrange(len(text)) for _ in range(chance.choice((0, 0, 1, 2)))}
    before = 0
    for cut in sorted(cuts - {0}):
        yield text[before:cut]
        before = cut
    yield text[before:]
