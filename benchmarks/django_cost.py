"""Django: what a session layer adds to one request of a bare Django project, in process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from . import framework_cost
from .framework_cost import CLOCK, FrameworkCost, Shop, Size
from .shop import SESSION

__all__ = ["OURS", "measure"]

DJANGO = "Django, no sessions"
DATABASE = "Django sessions, SQLite"
OURS_UNDER_DJANGO_S = "Sojourn, SQLite, Django's middleware"
OURS = "Sojourn, SQLite"

DATABASE_ENGINE = "django.contrib.sessions.backends.db"
DJANGO_S_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"


class _Peer(NamedTuple):
    name: str
    engine: str | None
    middleware: list[str]


PEERS = [
    _Peer(DJANGO, None, []),
    _Peer(DATABASE, DATABASE_ENGINE, [DJANGO_S_MIDDLEWARE]),
    _Peer(OURS_UNDER_DJANGO_S, "sojourn.django", [DJANGO_S_MIDDLEWARE]),
    _Peer(OURS, "sojourn.django", ["sojourn.django.SessionMiddleware"]),
]


class _Shop(Shop):
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
            self._cookie = self.cookie_after("/fill")

    def environ(self, path: str) -> dict[str, Any]:
        return super().environ(path + self._suffix) | {"wsgi.input": BytesIO(), "wsgi.errors": BytesIO()}


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
        SOJOURN={"store": f"sqlite:///{folder}/sessions.sqlite3", "cleanup_interval": None},
    )
    import_module("django").setup()
    import_module("django.core.management").call_command("migrate", verbosity=0)


def _pages() -> tuple[Any, ...]:
    http, urls, numbers = import_module("django.http"), import_module("django.urls"), count(100)

    def fill(request: Any) -> Any:
        request.session.update(SESSION)
        return http.HttpResponse("dark")

    def read(request: Any) -> Any:
        return http.HttpResponse(request.session["theme"])

    def change(request: Any) -> Any:
        request.session["visits"] = next(numbers)
        return http.HttpResponse("dark")

    def bare(request: Any, kind: str) -> Any:
        return http.HttpResponse("dark")

    def login(request: Any) -> Any:
        # What django.contrib.auth does with the session, without the user's row in the database.
        request.session.cycle_key()
        request.session.update(
            {"_auth_user_id": f"{next(numbers)}", "_auth_user_backend": "shop", "_auth_user_hash": "5"}
        )
        return http.HttpResponse("dark")

    def logout(request: Any) -> Any:
        request.session.flush()
        return http.HttpResponse("dark")

    def visits(request: Any) -> Any:
        return http.HttpResponse(str(request.session["visits"]))

    def renewal(request: Any) -> Any:
        if request.session.__class__.__module__ == DATABASE_ENGINE:
            request.session.cycle_key()
        return visits(request)

    pages = [urls.path(view.__name__, view) for view in (fill, read, change, visits, login, logout, renewal)]
    return (*pages, urls.path("first", change), urls.path("<kind>/bare", bare))


@contextmanager
def _shops() -> Iterator[list[tuple[str, _Shop]]]:
    with TemporaryDirectory() as folder:
        _set_up(Path(folder))
        import_module("sojourn.django.process").manager().clock = CLOCK
        yield [(peer.name, _Shop(peer)) for peer in PEERS]
        import_module("sojourn.django.process").close()
        import_module("django.db").connections.close_all()


def measure(size: Size) -> FrameworkCost:
    """Take the rounds of all peers. Once in a process: Django's settings stay."""
    if find_spec("django") is None:
        return FrameworkCost(size, "Django", DATABASE)
    with _shops() as shops:
        return framework_cost.measure(size, "Django", shops)
