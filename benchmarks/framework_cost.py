"""What a session layer adds to one request of a framework, in process, beside the framework's own sessions."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from time import perf_counter, process_time, time_ns
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from .flask_shop import FlaskShop
from .rounds import Rounds, Spread
from .tables import NONE, figure, table, with_quartiles

__all__ = [
    "CLOCK",
    "LIFE",
    "UNTIL_RENEWAL_MS",
    "USED",
    "Cost",
    "FrameworkCost",
    "Kind",
    "Lap",
    "Shop",
    "Size",
    "Timed",
    "measure",
    "report",
    "report_life",
]

Kind = Literal["read", "change", "read_small", "change_small", "first", "login", "logout", "renewal"]
USED: tuple[Kind, ...] = ("read", "change", "read_small", "change_small")
LIFE: tuple[Kind, ...] = ("first", "login", "logout", "renewal")
TITLES: dict[Kind, str] = {
    "read": "one key read, 12 keys",
    "change": "one key changed, 12 keys",
    "read_small": "one integer read, alone in its session",
    "change_small": "one integer changed, alone in its session",
    "first": "a first visit",
    "login": "a log-in",
    "logout": "a log-out",
    "renewal": "renewal is due",
}
# A first visit makes a session of one integer.
SMALL: Mapping[Kind, str] = {"read_small": "/visits", "change_small": "/change"}
# By default a secret is renewed after an hour.
UNTIL_RENEWAL_MS = 3_660_000


class _Clock:
    """Milliseconds, as a manager takes them; `ahead_ms` is set while sessions are due for renewal."""

    ahead_ms = 0

    def __call__(self) -> int:
        return time_ns() // 1_000_000 + self.ahead_ms


CLOCK = _Clock()


class Size(msgspec.Struct, frozen=True):
    """How many rounds, how many laps of each peer in each, and how many requests in a lap."""

    rounds: int
    laps: int
    requests: int


class Cost(msgspec.Struct, frozen=True):
    """One peer's request of one kind, in µs of processor. `share` is of what `own` adds, inside each round.

    `waited` are the µs until the answer is there, the disk's and a server's with them.
    """

    peer: str
    kind: Kind
    took: Spread
    added: Spread
    share: Spread | None
    waited: Spread | None = None


class FrameworkCost(msgspec.Struct, frozen=True):
    """All that this benchmark found; no costs without the framework. `own` is the framework's own session layer."""

    size: Size
    framework: str
    own: str
    costs: list[Cost] = []


class Lap(NamedTuple):
    """The µs of one request, from a run of them, one after another: of processors, and in all."""

    cpu: float
    wall: float


class Timed(Protocol):
    """One peer's application; `kinds` are the requests that it knows."""

    kinds: Sequence[Kind]

    def time(self, kind: Kind, requests: int) -> Lap:
        """One lap, of sessions that are made ready before."""


class Shop(FlaskShop):
    """A shop behind one peer's layer, and a browser that has a session there."""

    kinds: Sequence[Kind] = (*USED, *LIFE)
    _small_cookie = b""

    def time(self, kind: Kind, requests: int) -> Lap:
        """One lap, of sessions that are made ready before."""
        environs = self._environs(kind, requests)
        CLOCK.ahead_ms = UNTIL_RENEWAL_MS if kind == "renewal" else 0
        began, began_wall = process_time(), perf_counter()
        for environ in environs:
            self.call(environ)
        lap = Lap((process_time() - began) / requests * 1e6, (perf_counter() - began_wall) / requests * 1e6)
        CLOCK.ahead_ms = 0
        return lap

    def _environs(self, kind: Kind, requests: int) -> list[dict[str, Any]]:
        mine, environs = self._cookie, []
        for _ in range(requests):
            # Who comes for the first time shows nothing, and what ends or replaces a session needs one of its own.
            if kind in LIFE and mine:
                self._cookie = b""
                for path in {"first": (), "logout": ("/first", "/login")}.get(kind, ("/first",)):
                    self._cookie = self.cookie_after(path)
            elif kind in SMALL and mine:
                self._cookie = self._small_session()
            environs.append(self.environ(SMALL.get(kind, f"/{kind}")))
        self._cookie = mine
        return environs

    def _small_session(self) -> bytes:
        if not self._small_cookie:
            self._cookie = b""
            self._small_cookie = self.cookie_after("/first")
        return self._small_cookie

    def cookie_after(self, path: str) -> bytes:
        """Ask for a page whose answer sets the session's cookie: that one, name=value."""
        (headers,) = self.visit(path)
        cookies = [value.strip().partition(";")[0].encode() for name, value in headers if name == "Set-Cookie"]
        assert cookies, f"{path} sets no cookie"
        return cookies[-1]


def measure(
    size: Size, framework: str, shops: Sequence[tuple[str, Timed]], kinds: Sequence[Kind] = (*USED, *LIFE)
) -> FrameworkCost:
    """Take the rounds of all shops: first the one without sessions, then the one with the framework's own."""
    taken: dict[Kind, tuple[Rounds, Rounds]] = {kind: (Rounds(), Rounds()) for kind in kinds}
    for round_ in range(size.rounds + 1):
        for kind, (cpu, wall) in taken.items():
            part = [(name, shop) for name, shop in shops if kind in shop.kinds]
            laps: dict[str, list[Lap]] = {name: [] for name, _ in part}
            for _ in range(size.laps):
                for name, shop in random.sample(part, len(part)):
                    laps[name].append(shop.time(kind, size.requests))
            # The first round warms caches up. The machine's other work only ever slows a lap.
            if round_:
                cpu.add({name: min(lap.cpu for lap in took) for name, took in laps.items()})
                wall.add({name: min(lap.wall for lap in took) for name, took in laps.items()})
    bare, own = shops[0][0], shops[1][0]
    costs = [
        _cost(name, kind, *rounds, bare, own)
        for kind, rounds in taken.items()
        for name, shop in shops
        if kind in shop.kinds
    ]
    return FrameworkCost(size, framework, own, costs)


def _cost(peer: str, kind: Kind, cpu: Rounds, wall: Rounds, bare: str, own: str) -> Cost:
    return Cost(
        peer=peer,
        kind=kind,
        took=cpu.compare(float, peer),
        added=cpu.compare(lambda mine, bare: mine - bare, peer, bare),
        share=cpu.compare(lambda mine, bare, own: (mine - bare) / (own - bare), peer, bare, own)
        if cpu.has(own)
        else None,
        waited=wall.compare(float, peer),
    )


def report(found: FrameworkCost) -> str:
    """The tables, in Markdown."""
    if not found.costs:
        return f"{found.framework} is not installed."
    return "\n\n".join([*[_table(found, kind) for kind in USED], *report_life(found)])


def _table(found: FrameworkCost, kind: Kind) -> str:
    rows = []
    for place, cost in enumerate(cost for cost in found.costs if cost.kind == kind):
        compared = [with_quartiles(cost.added), _times(cost.share)] if place else [NONE, NONE]
        rows.append([cost.peer, with_quartiles(cost.took), *compared])
    return table([f"{found.framework}: {TITLES[kind]}", "µs", "added µs", f"added, × {found.own}"], rows)


def _times(share: Spread | None) -> str:
    return figure(share.median if share else None)


def _added(cost: Cost | None) -> str:
    if cost is None:
        return NONE
    return figure(cost.added.median) + (f" ({_times(cost.share)} ×)" if cost.share else "")


def report_life(found: FrameworkCost) -> list[str]:
    """Two tables of how sessions begin, change hands and end: what each adds, and how long it takes in all."""
    costs = {(cost.peer, cost.kind): cost for cost in found.costs if cost.kind in LIFE}
    if not costs:
        return []
    peers = list(dict.fromkeys(peer for peer, _ in costs))
    added, waited = [], []
    for place, peer in enumerate(peers):
        mine = [costs.get((peer, kind)) for kind in LIFE]
        if place:
            added.append([peer, *map(_added, mine)])
        waited.append([peer, *[figure(cost.waited.median) if cost and cost.waited else NONE for cost in mine]])
    heads = [TITLES[kind] for kind in LIFE]
    return [
        table([f"{found.framework}: added µs of processor (× {found.own})", *heads], added),
        table([f"{found.framework}: µs until the answer", *heads], waited),
    ]
