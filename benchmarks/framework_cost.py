"""What a session layer adds to one request of a framework, in process, beside the framework's own sessions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from time import perf_counter
from typing import Literal, get_args

import msgspec

from .flask_shop import FlaskShop
from .rounds import Rounds, Spread
from .tables import NONE, figure, table, with_quartiles

__all__ = ["Cost", "FrameworkCost", "Kind", "Shop", "Size", "measure", "report"]

Kind = Literal["read", "change"]
TITLES: dict[Kind, str] = {"read": "one key read", "change": "one key changed"}


class Size(msgspec.Struct, frozen=True):
    """How many rounds, how many laps of each peer in each, and how many requests in a lap."""

    rounds: int
    laps: int
    requests: int


class Cost(msgspec.Struct, frozen=True):
    """One peer's request of one kind, in µs. `share` is of what the framework's own adds, inside each round."""

    peer: str
    kind: Kind
    took: Spread
    added: Spread
    share: Spread


class FrameworkCost(msgspec.Struct, frozen=True):
    """All that this benchmark found; no costs without the framework. `own` is the framework's own session layer."""

    size: Size
    framework: str
    own: str
    costs: list[Cost] = []


class Shop(FlaskShop):
    """A shop behind one peer's layer, and a browser that has a session there."""

    def time(self, kind: Kind, requests: int) -> float:
        """The µs of one request, from a run of them, one after another."""
        environs = [self.environ(f"/{kind}") for _ in range(requests)]
        began = perf_counter()
        for environ in environs:
            self.call(environ)
        return (perf_counter() - began) / requests * 1e6


def measure(size: Size, framework: str, shops: Sequence[tuple[str, Shop]]) -> FrameworkCost:
    """Take the rounds of all shops: first the one without sessions, then the one with the framework's own."""
    taken: dict[Kind, Rounds] = {kind: Rounds() for kind in get_args(Kind)}
    names = [name for name, _ in shops]
    for round_ in range(size.rounds + 1):
        for kind, rounds in taken.items():
            laps: dict[str, list[float]] = {name: [] for name in names}
            for _ in range(size.laps):
                for name, shop in random.sample(shops, len(shops)):
                    laps[name].append(shop.time(kind, size.requests))
            # The first round warms caches up. The machine's other work only ever slows a lap.
            if round_:
                rounds.add({name: min(took) for name, took in laps.items()})
    bare, own = names[:2]
    costs = [_cost(name, kind, rounds, bare, own) for kind, rounds in taken.items() for name in names]
    return FrameworkCost(size, framework, own, costs)


def _cost(peer: str, kind: Kind, rounds: Rounds, bare: str, own: str) -> Cost:
    return Cost(
        peer=peer,
        kind=kind,
        took=rounds.compare(float, peer),
        added=rounds.compare(lambda mine, bare: mine - bare, peer, bare),
        share=rounds.compare(lambda mine, bare, own: (mine - bare) / (own - bare), peer, bare, own),
    )


def report(found: FrameworkCost) -> str:
    """The tables, in Markdown."""
    if not found.costs:
        return f"{found.framework} is not installed."
    return "\n\n".join(_table(found, kind) for kind in get_args(Kind))


def _table(found: FrameworkCost, kind: Kind) -> str:
    rows = []
    for place, cost in enumerate(cost for cost in found.costs if cost.kind == kind):
        compared = [with_quartiles(cost.added), figure(cost.share.median)] if place else [NONE, NONE]
        rows.append([cost.peer, with_quartiles(cost.took), *compared])
    return table([f"{found.framework}: {TITLES[kind]}", "µs", "added µs", f"added, × {found.own}"], rows)
