"""Contention: 32 requests under way that all write to one session, beside the same writes spread over 256 sessions.

And 64 that all change one value of it: what cannot be merged must come one after the other.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .network_peers import NETWORK_PEERS, at, new_server
from .one_key import OneKey, one_key_rounds, report_one_key
from .peers import unwrapped
from .request import App, ask, cookie_of
from .rounds import Spread, spread
from .servers import start_servers
from .tables import table, with_quartiles

__all__ = ["SESSIONS", "WRITERS", "Contended", "Contention", "Size", "measure", "report"]

WRITERS = 32
SESSIONS = 256


class Size(msgspec.Struct, frozen=True):
    """How many rounds, and how many writes in each, into one session and into 256."""

    rounds: int
    writes: int


class Contended(msgspec.Struct, frozen=True):
    """One peer's writes a second, and the share of them that the same writer's next request still found."""

    peer: str
    one_session: Spread
    many_sessions: Spread
    ratio: Spread
    kept_in_one: float
    kept_in_many: float


class Contention(msgspec.Struct, frozen=True):
    """All that this benchmark found."""

    size: Size
    peers: list[Contended]
    one_key: list[OneKey] = []


class _Found(NamedTuple):
    writes: int
    kept: int
    per_second: float


async def _begin(request: Request) -> Response:
    # As many keys in every session: reading it costs the same.
    request.session.update({f"writer{n}": 0 for n in range(WRITERS)})
    return Response()


async def _write(request: Request) -> Response:
    key = "writer" + request.path_params["writer"]
    found = request.session[key]
    request.session[key] = int(request.path_params["n"])
    return Response(str(found))


ROUTES = [Route("/begin", _begin), Route("/write/{writer}/{n}", _write)]


async def _writer(app: App, writer: int, cookies: Sequence[bytes], writes: int) -> int:
    """Write a key of its own, into each session in turn; how many writes were still there at the next."""
    kept, last = 0, [0] * len(cookies)
    for n in range(1, writes + len(cookies) + 1):
        session = n % len(cookies)
        answer = await ask(app, f"/write/{writer}/{n}", cookies[session])
        assert answer.status == 200, answer
        kept += last[session] > 0 and int(answer.body) == last[session]
        last[session] = n
    return kept


async def _writers(app: App, sessions: int, writes: int) -> _Found:
    """So many writes by 32 writers, in fresh sessions; each goes on until its last ones are checked too."""
    cookies: list[bytes] = []
    while len(cookies) < sessions:
        begun = await asyncio.gather(*[ask(app, "/begin") for _ in range(min(WRITERS, sessions))])
        cookies += [cookie_of(answer) or b"" for answer in begun]
    shares = [cookies if sessions == 1 else cookies[writer::WRITERS] for writer in range(WRITERS)]
    each = writes // WRITERS
    began = perf_counter()
    kept = await asyncio.gather(*[_writer(app, writer, share, each) for writer, share in enumerate(shares)])
    made = sum(each + len(share) for share in shares)
    return _Found(each * WRITERS, sum(kept), made / (perf_counter() - began))


async def _rounds(size: Size, folder: Path) -> dict[str, list[tuple[_Found, _Found]]]:
    """Of each peer and round, what was found with one session and with many."""
    found: dict[str, list[tuple[_Found, _Found]]] = {name: [] for name in NETWORK_PEERS}
    async with AsyncExitStack() as stack:
        servers = stack.enter_context(start_servers())
        apps = {}
        for name in NETWORK_PEERS:
            middleware = await stack.enter_async_context(at(name, new_server(name, servers)).build(folder, unwrapped))
            apps[name] = Starlette(routes=ROUTES, middleware=middleware)
        for round_ in range(size.rounds + 1):
            for name, app in random.sample(list(apps.items()), len(apps)):
                both = await _writers(app, 1, size.writes), await _writers(app, SESSIONS, size.writes)
                # The first round warms caches up.
                if round_:
                    found[name].append(both)
    return found


def _contended(peer: str, rounds: Sequence[tuple[_Found, _Found]]) -> Contended:
    return Contended(
        peer=peer,
        one_session=spread([one.per_second for one, _ in rounds]),
        many_sessions=spread([many.per_second for _, many in rounds]),
        ratio=spread([one.per_second / many.per_second for one, many in rounds]),
        kept_in_one=sum(one.kept for one, _ in rounds) / sum(one.writes for one, _ in rounds),
        kept_in_many=sum(many.kept for _, many in rounds) / sum(many.writes for _, many in rounds),
    )


def measure(size: Size) -> Contention:
    """Let them write."""
    with TemporaryDirectory() as folder:
        found = asyncio.run(_rounds(size, Path(folder)))
        one_key = asyncio.run(one_key_rounds(size.rounds, Path(folder)))
    return Contention(size, [_contended(peer, rounds) for peer, rounds in found.items()], one_key)


def report(found: Contention) -> str:
    """The tables, in Markdown."""
    return f"{_report_writers(found)}\n\n{report_one_key(found.one_key)}"


def _report_writers(found: Contention) -> str:
    rows = [
        [
            each.peer,
            with_quartiles(each.one_session),
            with_quartiles(each.many_sessions),
            with_quartiles(each.ratio),
            f"{each.kept_in_one:.1%}",
        ]
        for each in found.peers
    ]
    head = [
        f"{WRITERS} writers, writes a second",
        "into one session",
        f"into {SESSIONS} sessions",
        "ratio",
        "kept in one",
    ]
    return table(head, rows)
