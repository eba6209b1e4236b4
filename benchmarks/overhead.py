"""Overhead: what a session layer adds to one request of a bare Starlette application, in process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Literal, get_args

import msgspec

from .call_counts import CallCounts, count_calls
from .peers import BARE, SIGNED_COOKIE, Peer, installed
from .request import App, new_scope, receive, send_nowhere
from .rounds import Rounds, Spread
from .shop import SESSION, SMALL_SESSION, open_shop
from .tables import NONE, figure, table, with_quartiles

__all__ = ["BIG", "SESSIONS", "SMALL", "Cost", "Kind", "Overhead", "Size", "measure", "report"]

Kind = Literal["untouched", "read", "change"]

TITLES: dict[Kind, str] = {
    "untouched": "Session left alone",
    "read": "One key read",
    "change": "One key changed",
}
SUMMED: dict[Kind, str] = {"read": "one read", "change": "one changed"}
BIG, SMALL = "12 keys", "one integer"
SESSIONS = {BIG: SESSION, SMALL: SMALL_SESSION}


class Size(msgspec.Struct, frozen=True):
    """How many rounds, how many laps of each peer in each, and how many requests in a lap."""

    rounds: int
    laps: int
    requests: int


class Cost(msgspec.Struct, frozen=True):
    """One peer's request of one kind, in µs, with a session of SESSIONS. What compares was taken inside each round."""

    peer: str
    kind: Kind
    took: Spread
    times_bare: Spread
    added: Spread
    of_signed_cookie: Spread | None
    session: str = BIG


class Overhead(msgspec.Struct, frozen=True):
    """All that this benchmark found."""

    size: Size
    costs: list[Cost]
    call_counts: list[CallCounts]

    @property
    def sessions(self) -> list[str]:
        """Those of SESSIONS that took part."""
        return list(dict.fromkeys(cost.session for cost in self.costs))


async def _time(app: App, cookie: bytes, kind: Kind, requests: int) -> float:
    """The µs of one request, from a run of them, one after another."""
    scopes = [new_scope(f"/{kind}", cookie) for _ in range(requests)]
    began = perf_counter()
    for scope in scopes:
        await app(scope, receive, send_nowhere)
    return (perf_counter() - began) / requests * 1e6


async def _costs(peers: Sequence[Peer], size: Size, folder: Path, session: str) -> list[Cost]:
    taken: dict[Kind, Rounds] = {kind: Rounds() for kind in get_args(Kind)}
    async with AsyncExitStack() as stack:
        shops = [(peer, *await open_shop(peer, folder, stack, session=SESSIONS[session])) for peer in peers]
        for round_ in range(size.rounds + 1):
            for kind, rounds in taken.items():
                laps: dict[str, list[float]] = {peer.name: [] for peer in peers}
                for _ in range(size.laps):
                    for peer, app, cookie in random.sample(shops, len(shops)):
                        laps[peer.name].append(await _time(app, cookie, kind, size.requests))
                # The first round warms caches up. The machine's other work only ever slows a lap.
                if round_:
                    rounds.add({peer: min(took) for peer, took in laps.items()})
    return [_cost(session, peer, kind, rounds) for kind, rounds in taken.items() for peer in peers]


def _cost(session: str, peer: Peer, kind: Kind, rounds: Rounds) -> Cost:
    return Cost(
        session=session,
        peer=peer.name,
        kind=kind,
        took=rounds.compare(float, peer.name),
        times_bare=rounds.compare(lambda mine, bare: mine / bare, peer.name, BARE.name),
        added=rounds.compare(lambda mine, bare: mine - bare, peer.name, BARE.name),
        of_signed_cookie=rounds.compare(
            lambda mine, bare, cookie: (mine - bare) / (cookie - bare), peer.name, BARE.name, SIGNED_COOKIE.name
        )
        if rounds.has(SIGNED_COOKIE.name)
        else None,
    )


def measure(size: Size) -> Overhead:
    """Take the rounds of all peers that are there, and count what one request does."""
    peers = installed()
    costs = []
    for session in SESSIONS:
        with TemporaryDirectory() as folder:
            costs += asyncio.run(_costs(peers, size, Path(folder), session))
    return Overhead(size, costs, [count_calls(peer) for peer in peers if peer is not BARE])


def report(found: Overhead) -> str:
    """The tables, in Markdown."""
    tables = [_costs_table(found, session, kind) for session in found.sessions for kind in get_args(Kind)]
    head = ["A request that reads one key", "store reads", "store writes", "Set-Cookie", "values decoded"]
    rows = [
        [
            counts.peer,
            str(counts.reads),
            str(counts.writes),
            str(counts.set_cookies),
            NONE if counts.decoded is None else f"{counts.decoded} of {len(SESSION)}",
        ]
        for counts in found.call_counts
    ]
    return "\n\n".join([*tables, table(head, rows)])


def summary(found: Overhead) -> str:
    """The shortest table that says it: what each adds, in µs, and beside the signed cookie, for both sessions."""
    rows: dict[str, list[str]] = {}
    for cost in found.costs:
        if cost.kind in SUMMED and cost.peer != BARE.name:
            ratio = f" ({cost.of_signed_cookie.median:.2f} ×)" if cost.of_signed_cookie else ""
            rows.setdefault(cost.peer, [cost.peer]).append(f"{figure(cost.added.median)} µs{ratio}")
    heads = [f"{session}: {word}" for session in found.sessions for word in SUMMED.values()]
    return table(["Added to a bare Starlette request", *heads], list(rows.values()))


def _costs_table(found: Overhead, session: str, kind: Kind) -> str:
    costs = [cost for cost in found.costs if (cost.session, cost.kind) == (session, kind)]
    rows = [
        [
            cost.peer,
            with_quartiles(cost.took),
            figure(cost.times_bare.median),
            with_quartiles(cost.added),
            with_quartiles(cost.of_signed_cookie),
        ]
        for cost in costs
        if cost.peer != BARE.name
    ]
    bare = next(cost.took for cost in costs if cost.peer == BARE.name)
    rows.insert(0, [BARE.name, with_quartiles(bare), "1", NONE, NONE])
    return table([f"{TITLES[kind]}, {session}", "µs", "× bare", "added µs", "added, × signed cookie"], rows)
