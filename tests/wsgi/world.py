"""A small WSGI application with a session, between two judges of PEP 3333, and a browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from sojourn import Policy, Session, SessionManager
from sojourn.core.events import Event
from sojourn.wsgi import BrowserEndpoints, SessionMiddleware, mount, session_of
from tests.counting_store import CountingStore

COOKIE = "__Host-session"
View = Callable[[Session, WSGIEnvironment], object]


@dataclass(frozen=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> Any:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Browser:
    """A cookie jar for one site."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app
        self.cookie = ""

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        environ = new_environ(method, path, body, **headers)
        if self.cookie:
            environ.setdefault("HTTP_COOKIE", f"{COOKIE}={self.cookie}")
        answer = call(self.app, environ)
        for name, value in answer.headers:
            if name == "set-cookie":
                self.cookie = value.partition(";")[0].partition("=")[2]
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self("POST", path, body, **headers)


def new_environ(method: str, path: str, body: Any = None, **headers: str) -> WSGIEnvironment:
    """What a server makes of a request; headers by their WSGI names, in small letters."""
    environ: WSGIEnvironment = {}
    setup_testing_defaults(environ)
    environ |= {"REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": ""}
    environ |= {"REMOTE_ADDR": "203.0.113.7", "HTTP_USER_AGENT": "Test/1", "wsgi.url_scheme": "https"}
    if body is not None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        environ |= {"wsgi.input": BytesIO(raw), "CONTENT_LENGTH": str(len(raw)), "CONTENT_TYPE": "application/json"}
    return environ | {name.upper(): value for name, value in headers.items()}


def call(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Ask `app`, as a server would: what it says, all of its body, and close."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    sent = bytearray()

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        if exc_info is not None and sent:
            raise exc_info[1]
        started[:] = [(status, headers)]
        return sent.extend

    body = app(environ, start_response)
    try:
        for part in body:
            assert started
            sent.extend(part)
    finally:
        close = getattr(body, "close", None)
        if close:
            close()
    status, headers = started[0]
    return Answer(int(status[:3]), [(name.lower(), value) for name, value in headers], bytes(sent))


def log_in(session: Session, environ: WSGIEnvironment) -> None:
    session.login(environ["PATH_INFO"].rpartition("/")[2])


def log_out(session: Session, environ: WSGIEnvironment) -> None:
    session.logout()


def show(session: Session, environ: WSGIEnvironment) -> object:
    return dict(session)


def put(session: Session, environ: WSGIEnvironment) -> None:
    session.update(json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))))


def plain(session: Session, environ: WSGIEnvironment) -> object:
    return {"public": True}


VIEWS: dict[str, View] = {"login": log_in, "logout": log_out, "show": show, "put": put, "plain": plain}


class World:
    """An application, its manager on a clock that tests move, and a browser.

    `views` answer in JSON; `app` is a WSGI application of the test's own, and then there are none.
    """

    def __init__(self, app: WSGIApplication | None = None, *, policy: Policy | None = None, **options: Any) -> None:
        self.now = 1_800_000_000_000
        self.events: list[Event] = []
        self.store = CountingStore()
        self.views = dict(VIEWS)
        self.headers = [("Content-Type", "application/json")]
        self.manager = SessionManager(self.store, policy, on_event=self.events.append, clock=lambda: self.now)
        inside = mount(app or self._answer, "/session", BrowserEndpoints(readable={"theme"}, writable={"theme"}))
        self.middleware = SessionMiddleware(validator(inside), self.manager, **options)
        self.app = validator(self.middleware)
        self.browser = Browser(self.app)

    def new_browser(self) -> Browser:
        return Browser(self.app)

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        found = self.views[environ["PATH_INFO"].split("/")[1]](session_of(environ), environ)
        start_response("200 OK", self.headers)
        return [json.dumps(found).encode()]
