"""Traces: a span around each open, each commit and each operation of the store."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import trace

from sojourn.core.errors import SojournError, StoreUnavailable
from sojourn.core.problem import problem_of
from sojourn.core.record import Client
from sojourn.core.session import Session
from sojourn.core.store import Refused
from sojourn.manager import AsyncSessionManager, SessionManager
from sojourn.observed import like, observed_store

if TYPE_CHECKING:
    from sojourn.core.binding import Shown
    from sojourn.core.commit import Reply

__all__ = ["Traces"]

M = TypeVar("M", bound=SessionManager | AsyncSessionManager)

OUTCOME = "sojourn.outcome"


class Traces:
    """Spans around what managers do: `manager = Traces().observe(manager)`.

    `sojourn.open`, `sojourn.commit` and, for each operation of the store, `sojourn.store.get` and the like, each with
    what came of it in `sojourn.outcome`. No attribute names a user, a session, an address or a token.
    `tracer_provider` is the process's own if none is given.
    """

    def __init__(self, tracer_provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("sojourn", tracer_provider=tracer_provider)

    def observe(self, manager: M) -> M:
        """A manager like this one, on the same store, whose opens, commits and store are traced.

        Use it in the place of the one that is given, which is not traced. One that is counted by Metrics may be given,
        and a remote one. Raises ConfigurationError for one that is traced already.
        """
        kind = _AsyncTracedManager if isinstance(manager, AsyncSessionManager) else _TracedManager
        store: Any = manager._store
        traced = None if store is None else observed_store(store, self._traced)
        return like(manager, kind, "_untraced_", _traces=self, _store=traced)

    @contextmanager
    def _span(self, name: str, kind: trace.SpanKind = trace.SpanKind.INTERNAL) -> Iterator[trace.Span]:
        # An exception that is recorded brings its whole traceback, and a refusal is no failure.
        with self._tracer.start_as_current_span(
            name, kind=kind, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                problem = problem_of(error) if isinstance(error, SojournError) else None
                span.set_attribute(OUTCOME, problem.code if problem else type(error).__name__)
                if problem is None or isinstance(error, StoreUnavailable):
                    span.set_status(trace.StatusCode.ERROR)
                raise

    def _traced(self, operation: str, method: Callable[..., Any]) -> Callable[..., Any]:
        name = f"sojourn.store.{operation}"
        if iscoroutinefunction(method):

            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with self._span(name, trace.SpanKind.CLIENT) as span:
                    answer = await method(*args, **kwargs)
                    _note(span, answer)
                    return answer

            return awaited

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._span(name, trace.SpanKind.CLIENT) as span:
                answer = method(*args, **kwargs)
                _note(span, answer)
                return answer

        return call


def _note(span: trace.Span, answer: object) -> None:
    if type(answer) is Refused:
        span.set_attribute(OUTCOME, "refused")


def _outcome(session: Session) -> str:
    if session._end_reason is not None:
        return f"ended: {session._end_reason}"
    return "none" if session._record is None else "live"


class _TracedManager(SessionManager):
    _traces: Traces
    _untraced_open: Callable[[str, Client, Shown | None], Session]
    _untraced_commit: Callable[[Session], Reply]

    def open(self, token: str, client: Client = Client(), presented: Shown | None = None) -> Session:
        shown = [token]
        del token  # A reporter of errors sends what frames hold.
        with self._traces._span("sojourn.open") as span:
            session = self._untraced_open(shown.pop(), client, presented)
            span.set_attribute(OUTCOME, _outcome(session))
            return session

    def commit(self, session: Session) -> Reply:
        with self._traces._span("sojourn.commit"):
            return self._untraced_commit(session)


class _AsyncTracedManager(AsyncSessionManager):
    _traces: Traces
    _untraced_open: Callable[[str, Client, Shown | None], Coroutine[Any, Any, Session]]
    _untraced_commit: Callable[[Session], Coroutine[Any, Any, Reply]]

    async def open(self, token: str, client: Client = Client(), presented: Shown | None = None) -> Session:
        opening = self._untraced_open(token, client, presented)
        del token
        with self._traces._span("sojourn.open") as span:
            session = await opening
            span.set_attribute(OUTCOME, _outcome(session))
            return session

    async def commit(self, session: Session) -> Reply:
        with self._traces._span("sojourn.commit"):
            return await self._untraced_commit(session)
