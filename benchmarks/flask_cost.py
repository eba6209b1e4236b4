"""Flask: what a session layer adds to one request of a bare Flask application, in process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from . import framework_cost
from .flask_shop import FLASK, views
from .framework_cost import CLOCK, LIFE, USED, FrameworkCost, Shop, Size

__all__ = ["OURS_SQLITE", "measure"]

FLASK_COOKIE = "Flask signed cookie"
OURS_MEMORY = "Sojourn, memory"
OURS_SQLITE = "Sojourn, SQLite"


class _Peer(NamedTuple):
    name: str
    join: Callable[[Any, Path], Callable[[], None]]


class _Shop(Shop):
    """The shop behind one peer's layer, and a browser that has a session there."""

    def __init__(self, peer: _Peer, folder: Path) -> None:
        flask = import_module("flask")
        app = flask.Flask(__name__)
        self.close = peer.join(app, folder)
        for path, view in _views(flask, peer.name).items():
            app.add_url_rule(f"/{path}", path, view)
        self._app, self._cookie = app, b""
        if peer.name == FLASK_COOKIE:
            # It has nothing to renew: each change is signed anew.
            self.kinds = (*USED, "first", "login", "logout")
        if peer.name != FLASK:
            self._cookie = self.cookie_after("/fill")


def _views(flask: Any, peer: str) -> dict[str, Callable[[], str]]:
    """The pages, by what they do."""
    used, numbers = views(flask), count(100)

    def login() -> str:
        if peer == FLASK_COOKIE:
            flask.session.clear()
            flask.session["user_id"] = f"user-{next(numbers)}"
        else:
            flask.session.login(f"user-{next(numbers)}")
        return "dark"

    def logout() -> str:
        if peer == FLASK_COOKIE:
            flask.session.clear()
        else:
            flask.session.logout()
        return "dark"

    def visits() -> str:
        return str(flask.session["visits"])

    if peer == FLASK:
        return dict.fromkeys((*USED, *LIFE, "visits"), lambda: "dark")
    return used | {"first": used["change"], "visits": visits, "login": login, "logout": logout, "renewal": visits}


def _without(app: Any, folder: Path) -> Callable[[], None]:
    return lambda: None


def _signed_cookie(app: Any, folder: Path) -> Callable[[], None]:
    app.secret_key = "b7c1" * 16
    return lambda: None


def _sojourn(url: str) -> Callable[[Any, Path], Callable[[], None]]:
    def join(app: Any, folder: Path) -> Callable[[], None]:
        from sojourn import Policy, SessionManager, open_store
        from sojourn.flask import init_app

        manager = SessionManager(open_store(url.format(folder=folder)), Policy(idle_timeout=7200), clock=CLOCK)
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


def measure(size: Size) -> FrameworkCost:
    """Take the rounds of all peers."""
    if find_spec("flask") is None:
        return FrameworkCost(size, "Flask", FLASK_COOKIE)
    with _shops() as shops:
        return framework_cost.measure(size, "Flask", shops)
