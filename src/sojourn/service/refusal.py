"""RequestRefused: a request that gets a problem for an answer, and the headers that go with some problems."""

from __future__ import annotations

from collections.abc import Collection

from sojourn.core.problem import Problem
from sojourn.wire.http import BEARER
from sojourn.wire.problems import method_not_allowed

__all__ = ["RequestRefused", "key_refused", "method_refused"]


class RequestRefused(Exception):
    """Carries the problem, and what headers go with it, to where it is answered."""

    def __init__(self, problem: Problem, *headers: tuple[str, str]) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.headers = headers


def method_refused(methods: Collection[str]) -> RequestRefused:
    """An endpoint was asked for by another method than its own."""
    return RequestRefused(method_not_allowed(methods), ("allow", ", ".join(methods).replace("GET", "GET, HEAD")))


def key_refused(problem: Problem) -> RequestRefused:
    """An API key is missing, wrong, or for something else."""
    return RequestRefused(problem, *([("www-authenticate", BEARER)] if problem.status == 401 else []))
