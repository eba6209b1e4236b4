"""WSGIAnswer: what a WSGI application says, held back until the session is committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from sojourn.core.errors import SojournError
from sojourn.core.problem import Problem, problem_to_send
from sojourn.exchange import Exchange

__all__ = ["WSGIAnswer", "reason_of", "send_problem"]

Headers = list[tuple[str, str]]
# Any: sys.exc_info(), which is only handed on.
Start = tuple[str, Headers, Any]


class WSGIAnswer:
    """The application's answer to one request; `start` is what it gets for `start_response`.

    What it starts with is sent when the first byte is due: PEP 3333 lets an application start early, change its mind
    by `exc_info`, start only when its body is asked for, and use write().
    """

    def __init__(self, exchange: Exchange, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self._exchange = exchange
        self._environ = environ
        self._start_response = start_response
        self._said: Start | None = None
        self._write: Callable[[bytes], object] | None = None
        self._instead: Problem | None = None

    def start(self, status: str, headers: Headers, exc_info: Any = None, /) -> Callable[[bytes], object]:
        """The application's start_response."""
        if self._write is not None and self._instead is None:
            # The first byte was due, though maybe not sent: the server knows, and raises exc_info if it was.
            self._send((status, headers, exc_info))
        elif self._said is not None and exc_info is None:
            raise AssertionError("start_response was called twice, the second time without exc_info.")
        else:
            self._said = (status, headers, exc_info)
        return self.write

    def write(self, chunk: bytes, /) -> None:
        """PEP 3333's write(): bytes of the body, sent before the application returns."""
        if self._write is None:
            instead = self._begin()
            if instead is not None:
                self._started_writer()(b"".join(instead))
        if self._instead is None:
            self._started_writer()(chunk)

    def begin_with(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """The application returned `body`: what the server is to send."""
        if self._said is None:
            # A generator, say, that has not run yet.
            return Body(self, body)
        try:
            instead = self._begin() if self._write is None else [] if self._instead else None
        except BaseException:
            _close(body)
            raise
        if instead is not None:
            _close(body)
            return instead
        # A list's length tells the server the Content-Length, and nothing can happen in it any more.
        file_wrapper = self._environ.get("wsgi.file_wrapper")
        if type(body) in (list, tuple) or (isinstance(file_wrapper, type) and isinstance(body, file_wrapper)):
            return body
        return Body(self, body)

    def fail(self, error: SojournError) -> Iterable[bytes]:
        """The application raised `error`: answer with its problem, or raise it on where that is too late."""
        if self._write is not None:
            raise error
        return self._replace(problem_to_send(error))

    def first(self) -> Iterable[bytes] | None:
        """The first part of the body is there: begin, if that is still to be done. Gives what to send instead."""
        if self._said is None:
            raise AssertionError("The application gave a body without calling start_response.")
        if self._write is None:
            return self._begin()
        return [] if self._instead else None

    def finish(self) -> None:
        """All was sent."""
        if self._write is not None and self._instead is None:
            self._exchange.check_late_changes()

    def _begin(self) -> Iterable[bytes] | None:
        """Commit, and start the response: None, or the body of the problem that is sent instead."""
        assert self._said is not None
        try:
            self._exchange.finish(int(self._said[0][:3]))
        except SojournError as error:
            return self._replace(problem_to_send(error))
        self._send(self._said)
        # A traceback that is kept would keep its frames, and they this.
        self._said = (*self._said[:2], None)
        return None

    def _send(self, said: Start) -> None:
        status, headers, exc_info = said
        # exc_info only where there is one: some servers take two arguments.
        rest = () if exc_info is None else (exc_info,)
        self._write = self._start_response(status, self._told(headers), *rest)

    def _told(self, headers: Headers) -> Headers:
        # In no frame that calls the server, which may fail: a token may be among them.
        told = list(headers)
        self._exchange.add_headers(told)
        return told

    def _replace(self, problem: Problem) -> Iterable[bytes]:
        self._instead = problem

        def start(status: str, headers: Headers) -> None:
            # What was committed before is told all the same: the token that the browser has may be over by that.
            self._write = self._start_response(status, self._told(headers))

        return send_problem(self._environ, start, problem)

    def _started_writer(self) -> Callable[[bytes], object]:
        assert self._write is not None
        return self._write


class Body:
    """An application's body, part by part; the response begins with the first."""

    def __init__(self, answer: WSGIAnswer, parts: Iterable[bytes]) -> None:
        self._answer = answer
        self._parts = parts
        self._sent = self._run(parts)

    def __iter__(self) -> Iterator[bytes]:
        return self._sent

    def close(self) -> None:
        """Let the application close its body, then see that nothing was changed too late."""
        _close(self._parts)
        self._answer.finish()

    def _run(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        answer = self._answer
        each = iter(parts)
        try:
            # None where the body is empty, which has a start all the same.
            part = next(each, None)
        except SojournError as error:
            yield from answer.fail(error)
            return
        instead = answer.first()
        if instead is not None:
            yield from instead
            return
        while part is not None:
            yield part
            part = next(each, None)


def send_problem(environ: WSGIEnvironment, start: Callable[[str, Headers], object], problem: Problem) -> list[bytes]:
    """Answer with a problem in place of the application."""
    body = problem.body()
    start(reason_of(problem.status), [*problem.headers(), ("content-length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def reason_of(status: int) -> str:
    """A status line's text, "404 Not Found"."""
    from http import HTTPStatus

    return f"{status} {HTTPStatus(status).phrase}"


def _close(body: object) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()
