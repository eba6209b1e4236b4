"""Load: the visitors of one site, and all that it answered them."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapters.tests.sites import Site
from adapters.tests.visitor import Answer, Visitor
from tests.servers.process import Running

__all__ = ["Load", "Visit"]

PAUSE = 0.03
TABS = 3


@dataclass(frozen=True)
class Visit:
    """One request: who made it and when, the key that it was to write, and what came of it."""

    user: str
    key: str | None
    began: float
    ended: float
    answer: Answer | None  # None: not even one that is HTTP

    @property
    def took(self) -> float:
        return self.ended - self.began

    @property
    def status(self) -> int:
        return self.answer.status if self.answer else 0


class Load(Running):
    """Ada, who counts and adds keys in three tabs at once, and Bob, who looks who he is, until it is stopped."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.visits: list[Visit] = []
        self.ada, self.bob = (self._log_in(name) for name in ("ada", "bob"))
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(tab,)) for tab in range(TABS)]
        self._threads.append(threading.Thread(target=self._read))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def join_in(self, number: int) -> None:
        """So many requests of Bob's besides, all at one time."""
        more = [threading.Thread(target=self.visit, args=(self.bob, "bob", None)) for _ in range(number)]
        self._threads += more
        for thread in more:
            thread.start()

    def since(self, moment: float) -> list[Visit]:
        """The visits that began after `moment`."""
        return [visit for visit in self.visits if visit.began > moment]

    def visit(self, visitor: Visitor, user: str, key: str | None, *steps: Sequence[Any]) -> Visit:
        """A request that ends in the facts."""
        began = time.monotonic()
        try:
            answer = visitor.do(*steps, ["facts"])
        except (OSError, http.client.HTTPException):
            answer = None
        visit = Visit(user, key, began, time.monotonic(), answer)
        self.visits.append(visit)
        return visit

    def _log_in(self, name: str) -> Visitor:
        visitor = self.site.visitor()
        assert visitor.do(["login", f"{name}-{self.site.kind}"], ["set", "count", 0]).status == 200
        return visitor

    def _write(self, tab: int) -> None:
        number = 0
        while not self._stopped.wait(PAUSE):
            number += 1
            key = f"{tab}-{number}"
            self.visit(self.ada, "ada", key, ["set", key, number], ["increment", "count"])

    def _read(self) -> None:
        while not self._stopped.wait(PAUSE):
            self.visit(self.bob, "bob", None)
