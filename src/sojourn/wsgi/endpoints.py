"""BrowserEndpoints: the endpoints of sojourn.browser as a WSGI application, to be mounted under any path."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from sojourn.browser import BrowserOptions, Request
from sojourn.browser.endpoints import MAX_BODY, REAUTHENTICATE_WITHIN
from sojourn.core.errors import ConfigurationError

from .answer import reason_of
from .request import exchange_of

__all__ = ["BrowserEndpoints", "mount"]


class BrowserEndpoints:
    """What the browser client calls: `mount(app, "/session", BrowserEndpoints(readable={"theme"}))`.

    `writable` names the keys of a session that its browser may write, and read; `readable` those that it may only
    read. The server's own stay unseen. Sessions elsewhere are ended only by who logged in in the last
    `reauthenticate_within` seconds (ASVS 7.5.2); None asks for no recent log-in. It works inside SessionMiddleware,
    which gives it the manager and answers what SessionManager.commit raises. Raises ConfigurationError outside of it,
    and for keys that no browser may have.
    """

    def __init__(
        self,
        *,
        readable: Collection[str] = (),
        writable: Collection[str] = (),
        reauthenticate_within: float | None = REAUTHENTICATE_WITHIN,
    ) -> None:
        self._options = BrowserOptions(readable, writable, reauthenticate_within)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(
            environ["REQUEST_METHOD"],
            environ.get("PATH_INFO", ""),
            environ.get("CONTENT_TYPE", ""),
            _read_body(environ),
            environ.get("HTTP_IF_NONE_MATCH", ""),
        )
        answer = exchange_of(environ).answer_browser(request, self._options)
        start_response(reason_of(answer.status), list(answer.headers))
        return [answer.body]


def mount(app: WSGIApplication, path: str, mounted: WSGIApplication) -> WSGIApplication:
    """`app`, but what is asked for under `path` goes to `mounted`.

    Raises ConfigurationError for a path that does not begin with a slash, or ends with one.
    """
    if not path.startswith("/") or path.endswith("/"):
        raise ConfigurationError(f"mount(path={path!r}): write it like '/session', without a slash at its end.")

    def either(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = environ.get("PATH_INFO", "")
        if asked != path and not asked.startswith(f"{path}/"):
            return app(environ, start_response)
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + path
        environ["PATH_INFO"] = asked.removeprefix(path)
        return mounted(environ, start_response)

    return either


def _read_body(environ: WSGIEnvironment) -> bytes:
    length = environ.get("CONTENT_LENGTH") or ""
    # One byte more than is allowed is enough to know.
    limit = MAX_BODY + 1
    if length.isdecimal():
        limit = min(int(length), limit)
    elif not environ.get("wsgi.input_terminated"):
        return b""
    body = b""
    while len(body) < limit and (part := environ["wsgi.input"].read(limit - len(body))):
        body += part
    return body
