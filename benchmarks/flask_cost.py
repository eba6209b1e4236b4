"""Flask: what a session layer adds to one request of a bare Flask application, in process."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from .flask_shop import FLASK, FlaskShop
from .rounds import Rounds, Spread
from .shop import SESSION
from .tables import NONE, figure, table, with_quartiles

__all__ = ["FLASK_COOKIE", "OURS_MEMORY", "OURS_SQLITE", "Cost", "FlaskCost", "Size", "measure", "report"]

FLASK_COOKIE = "Flask signed cookie"
OURS_MEMORY = "Sojourn, memory"
OURS_SQLITE = "Sojourn, SQLite"

Kind = Literal["read", "change"]
TITLES: dict[Kind, str] = {"read": "One key read", "change": "One key changed"}


class Size(msgspec.Struct, frozen=True):
    """How many rounds, how many laps of each peer in each, and how many requests in a lap."""

    rounds: int
    laps: int
    requests: int


class Cost(msgspec.Struct, frozen=True):
    """One peer's request of one kind, in µs. What compares was taken inside each round."""

    peer: str
    kind: Kind
    took: Spread
    added: Spread
    of_signed_cookie: Spread


class FlaskCost(msgspec.Struct, frozen=True):
    """All that this benchmark found; nothing without Flask."""

    size: Size
    costs: list[Cost]


class _Peer(NamedTuple):
    name: str
    join: Callable[[Any, Path], Callable[[], None]]


class _Shop(FlaskShop):
    """The shop behind one peer's layer, and a browser that has a session there."""

    def __init__(self, peer: _Peer, folder: Path) -> None:
        flask, visits = import_module("flask"), count(100)
        app = flask.Flask(__name__)
        self.close = peer.join(app, folder)
        bare = peer.name == FLASK

        def fill() -> str:
            flask.session.update(SESSION)
            return "dark"

        def read() -> str:
            return "dark" if bare else str(flask.session["theme"])

        def change() -> str:
            if not bare:
                flask.session["visits"] = next(visits)
            return "dark"

        for view in (fill, read, change):
            app.add_url_rule(f"/{view.__name__}", view.__name__, view)
        self._app, self._cookie = app, b""
        if not bare:
            (headers,) = self.visit("/fill")
            self._cookie = next(value for name, value in headers if name == "Set-Cookie").partition(";")[0].encode()

    def time(self, kind: Kind, requests: int) -> float:
        """The µs of one request, from a run of them, one after another."""
        environs = [self.environ(f"/{kind}") for _ in range(requests)]
        began = perf_counter()
        for environ in environs:
            self.call(environ)
        return (perf_counter() - began) / requests * 1e6


def _without(app: Any, folder: Path) -> Callable[[], None]:
    return lambda: None


def _signed_cookie(app: Any, folder: Path) -> Callable[[], None]:
    app.secret_key = "b7c1" * 16
    return lambda: None


def _sojourn(url: str) -> Callable[[Any, Path], Callable[[], None]]:
    def join(app: Any, folder: Path) -> Callable[[], None]:
        from sojourn import SessionManager, open_store
        from sojourn.flask import init_app

        manager = SessionManager(open_store(url.format(folder=folder)))
        init_app(app, manager, cleanup_interval=None)
        return manager.close

    return join


PEERS = [
    _Peer(FLASK, _without),
    _Peer(FLASK_COOKIE, _signed_cookie),
    _Peer(OURS_MEMORY, _sojourn("memory:")),
    _Peer(OURS_SQLITE, _sojourn("sqlite:///{folder}/sessions.sqlite3")),
]


@contextmanager
def _shops() -> Iterator[list[tuple[str, _Shop]]]:
    with TemporaryDirectory() as folder, ExitStack() as stack:
        shops = [(peer.name, _Shop(peer, Path(folder))) for peer in PEERS]
        for _, shop in shops:
            stack.callback(shop.close)
        yield shops


def measure(size: Size) -> FlaskCost:
    """Take the rounds of all peers."""
    if find_spec("flask") is None:
        return FlaskCost(size, [])
    taken: dict[Kind, Rounds] = {kind: Rounds() for kind in get_args(Kind)}
    with _shops() as shops:
        for round_ in range(size.rounds + 1):
            for kind, rounds in taken.items():
                laps: dict[str, list[float]] = {name: [] for name, _ in shops}
                for _ in range(size.laps):
                    for name, shop in random.sample(shops, len(shops)):
                        laps[name].append(shop.time(kind, size.requests))
                # The first round warms caches up. The machine's other work only ever slows a lap.
                if round_:
                    rounds.add({name: min(took) for name, took in laps.items()})
    return FlaskCost(size, [_cost(peer.name, kind, rounds) for kind, rounds in taken.items() for peer in PEERS])


def _cost(peer: str, kind: Kind, rounds: Rounds) -> Cost:
    return Cost(
        peer=peer,
        kind=kind,
        took=rounds.compare(float, peer),
        added=rounds.compare(lambda mine, bare: mine - bare, peer, FLASK),
        of_signed_cookie=rounds.compare(
            lambda mine, bare, cookie: (mine - bare) / (cookie - bare), peer, FLASK, FLASK_COOKIE
        ),
    )


def report(found: FlaskCost) -> str:
    """The tables, in Markdown."""
    if not found.costs:
        return "Flask is not installed."
    return "\n\n".join(_table(found, kind) for kind in get_args(Kind))


def _table(found: FlaskCost, kind: Kind) -> str:
    rows = []
    for cost in found.costs:
        if cost.kind == kind:
            bare = cost.peer == FLASK
            added = NONE if bare else with_quartiles(cost.added)
            ratio = NONE if bare else f"{figure(cost.of_signed_cookie.median)}"
            rows.append([cost.peer, with_quartiles(cost.took), added, ratio])
    return table([f"Flask: {TITLES[kind].lower()}", "µs", "added µs", "added, × signed cookie"], rows)
