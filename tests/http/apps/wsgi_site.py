"""The site, as plain WSGI."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from sojourn.wsgi import BrowserEndpoints, SessionMiddleware, commit, logged_in, mount, session_of
from tests.http.apps import place

manager = place.manager()


def act(environ: WSGIEnvironment, start: StartResponse, action: str) -> Iterable[bytes]:
    body = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or "null")
    return answer(start, place.ACTIONS[action](session_of(environ), body))


def slow(environ: WSGIEnvironment, start: StartResponse, action: str, gate: str) -> Iterable[bytes]:
    session_of(environ).get("cart")
    place.Gate(gate).wait()
    return act(environ, start, action)


def nap(environ: WSGIEnvironment, start: StartResponse, action: str) -> Iterable[bytes]:
    place.ACTIONS["show"](session_of(environ), None)
    time.sleep(place.NAP)
    return act(environ, start, action)


@logged_in(within=place.RECENT)
def proved(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    return act(environ, start, "echo")


def public(_: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    return answer(start, {})


def cached(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    session_of(environ)["seen"] = True
    return answer(start, {}, ("Cache-Control", "public, max-age=60"), ("Vary", "Accept-Encoding"))


def redirect(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    session_of(environ)["sent"] = True
    return answer(start, {}, ("Location", "/see/show"), status="303 See Other")


def deny(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    session_of(environ)["denied"] = True
    return answer(start, {}, status="404 Not Found")


def unwell(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    session_of(environ)["unwell"] = True
    return answer(start, {}, status="503 Service Unavailable")


def come_and_go(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    session_of(environ).start()
    commit(environ)
    session_of(environ).logout()
    return answer(start, {})


def fail(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    session_of(environ)["failed"] = True
    raise RuntimeError("This handler is broken.")


def sessions(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    return answer(start, [mine.id for mine in manager.list("nobody")])


def stream(environ: WSGIEnvironment, start: StartResponse) -> Iterator[bytes]:
    session_of(environ)["streamed"] = True
    start("200 OK", [("Content-Type", "text/plain")])
    for chunk in place.CHUNKS:
        yield chunk.encode()


def stream_late(environ: WSGIEnvironment, start: StartResponse) -> Iterator[bytes]:
    for chunk in stream(environ, start):
        yield chunk
        session_of(environ)["late"] = True


HANDLERS: dict[str, Callable[..., Iterable[bytes]]] = {
    "do": act,
    "see": act,
    "slow": slow,
    "nap": nap,
    "proved": proved,
    "public": public,
    "cached": cached,
    "redirect": redirect,
    "deny": deny,
    "unwell": unwell,
    "come-and-go": come_and_go,
    "fail": fail,
    "sessions": sessions,
    "stream": stream,
    "stream-late": stream_late,
}


def site(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    _, name, *rest = environ["PATH_INFO"].split("/")
    return HANDLERS[name](environ, start, *rest)


def answer(start: StartResponse, value: Any, *headers: tuple[str, str], status: str = "200 OK") -> Iterable[bytes]:
    start(status, [("Content-Type", "application/json"), *headers])
    return [json.dumps(value).encode()]


endpoints = BrowserEndpoints(readable=place.READABLE, writable=place.WRITABLE)
app = SessionMiddleware(mount(site, "/session", endpoints), manager, **place.OPTIONS)
