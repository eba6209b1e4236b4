"""Django: what a session layer adds to one request of a bare Django project, in process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from .flask_shop import FlaskShop
from .rounds import Rounds, Spread
from .shop import SESSION
from .tables import NONE, figure, table, with_quartiles

__all__ = ["DATABASE", "DJANGO", "OURS", "OURS_UNDER_DJANGO_S", "Cost", "DjangoCost", "Size", "measure", "report"]

DJANGO = "Django, no sessions"
DATABASE = "Django sessions, SQLite"
OURS_UNDER_DJANGO_S = "Sojourn, SQLite, Django's middleware"
OURS = "Sojourn, SQLite"

Kind = Literal["read", "change"]
TITLES: dict[Kind, str] = {"read": "One key read", "change": "One key changed"}
DJANGO_S_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"


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
    of_database: Spread


class DjangoCost(msgspec.Struct, frozen=True):
    """All that this benchmark found; nothing without Django."""

    size: Size
    costs: list[Cost]


class _Peer(NamedTuple):
    name: str
    engine: str | None
    middleware: list[str]


PEERS = [
    _Peer(DJANGO, None, []),
    _Peer(DATABASE, "django.contrib.sessions.backends.db", [DJANGO_S_MIDDLEWARE]),
    _Peer(OURS_UNDER_DJANGO_S, "sojourn.django", [DJANGO_S_MIDDLEWARE]),
    _Peer(OURS, "sojourn.django", ["sojourn.django.SessionMiddleware"]),
]


class _Shop(FlaskShop):
    """The shop behind one peer's layer, and a browser that has a session there."""

    def __init__(self, peer: _Peer) -> None:
        settings = import_module("django.conf").settings
        settings.MIDDLEWARE = peer.middleware
        if peer.engine is not None:
            settings.SESSION_ENGINE = peer.engine
        self._app, self._cookie = import_module("django.core.handlers.wsgi").WSGIHandler(), b""
        # A project has its pages once; this one has them for each peer.
        self._suffix = "/bare" if peer.engine is None else ""
        if peer.engine is not None:
            (headers,) = self.visit("/fill")
            cookie = next(value for name, value in headers if name == "Set-Cookie")
            self._cookie = cookie.strip().partition(";")[0].encode()

    def environ(self, path: str) -> dict[str, Any]:
        return super().environ(path + self._suffix) | {"wsgi.input": BytesIO(), "wsgi.errors": BytesIO()}

    def time(self, kind: Kind, requests: int) -> float:
        """The µs of one request, from a run of them, one after another."""
        environs = [self.environ(f"/{kind}") for _ in range(requests)]
        began = perf_counter()
        for environ in environs:
            self.call(environ)
        return (perf_counter() - began) / requests * 1e6


def _set_up(folder: Path) -> None:
    """One project for all peers: Django has its settings once in a process."""
    conf = import_module("django.conf")
    if conf.settings.configured:
        return
    conf.settings.configure(
        SECRET_KEY="of a benchmark, and as long as Django wants it to be",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=_pages(),
        INSTALLED_APPS=["django.contrib.sessions", "sojourn.django"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": folder / "django.sqlite3",
                # As it is advised, and as fast as it goes: kept open, in WAL mode.
                "CONN_MAX_AGE": None,
                "OPTIONS": {"init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"},
            }
        },
        SESSION_COOKIE_SECURE=True,
        SOJOURN={"store": f"sqlite:///{folder}/sessions.sqlite3", "cleanup_interval": None, "device_label": None},
    )
    import_module("django").setup()
    import_module("django.core.management").call_command("migrate", verbosity=0)


def _pages() -> tuple[Any, ...]:
    http, urls, visits = import_module("django.http"), import_module("django.urls"), count(100)

    def fill(request: Any) -> Any:
        request.session.update(SESSION)
        return http.HttpResponse("dark")

    def read(request: Any) -> Any:
        return http.HttpResponse(request.session["theme"])

    def change(request: Any) -> Any:
        request.session["visits"] = next(visits)
        return http.HttpResponse("dark")

    def bare(request: Any, kind: str) -> Any:
        return http.HttpResponse("dark")

    pages = [urls.path(view.__name__, view) for view in (fill, read, change)]
    return (*pages, urls.path("<kind>/bare", bare))


@contextmanager
def _shops() -> Iterator[list[tuple[str, _Shop]]]:
    with TemporaryDirectory() as folder:
        _set_up(Path(folder))
        yield [(peer.name, _Shop(peer)) for peer in PEERS]
        import_module("sojourn.django.process").close()
        import_module("django.db").connections.close_all()


def measure(size: Size) -> DjangoCost:
    """Take the rounds of all peers. Once in a process: Django's settings stay."""
    if find_spec("django") is None:
        return DjangoCost(size, [])
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
    return DjangoCost(size, [_cost(peer.name, kind, rounds) for kind, rounds in taken.items() for peer in PEERS])


def _cost(peer: str, kind: Kind, rounds: Rounds) -> Cost:
    return Cost(
        peer=peer,
        kind=kind,
        took=rounds.compare(float, peer),
        added=rounds.compare(lambda mine, bare: mine - bare, peer, DJANGO),
        of_database=rounds.compare(
            lambda mine, bare, database: (mine - bare) / (database - bare), peer, DJANGO, DATABASE
        ),
    )


def report(found: DjangoCost) -> str:
    """The tables, in Markdown."""
    if not found.costs:
        return "Django is not installed."
    return "\n\n".join(_table(found, kind) for kind in get_args(Kind))


def _table(found: DjangoCost, kind: Kind) -> str:
    rows = []
    for cost in found.costs:
        if cost.kind == kind:
            bare = cost.peer == DJANGO
            added = NONE if bare else with_quartiles(cost.added)
            ratio = NONE if bare else figure(cost.of_database.median)
            rows.append([cost.peer, with_quartiles(cost.took), added, ratio])
    return table([f"Django: {TITLES[kind].lower()}", "µs", "added µs", "added, × Django's sessions"], rows)
