"""Application: a running web application, and visitors of it who do things at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import NamedTuple

from sojourn.core.errors import ConfigurationError
from sojourn.torture.crew import Broken

from .endpoint import Endpoint
from .visitor import Answer, Site, Visitor

__all__ = ["Application", "Ground", "Sending"]

# Nine digits: in the answer to a read they are found nowhere else.
FIRST, LAST = 100_000_000, 900_000_000


class Application(NamedTuple):
    """What the application does for a visitor, and where."""

    site: Site
    login: Endpoint
    write: Endpoint
    read: Endpoint
    logout: Endpoint
    slow_write: Endpoint | None = None


class Sending(NamedTuple):
    """A request that is about to be sent."""

    visitor: Visitor
    endpoint: Endpoint
    number: int = 0


@dataclass
class Ground:
    """What a race runs on. Whoever logged in on it is logged out by `tidy`."""

    app: Application
    random: Random
    rounds: int
    progress: Callable[[str], None]
    _numbers: count[int] = field(init=False)
    _visitors: list[Visitor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = count(self.random.randrange(FIRST, LAST))

    def number(self) -> int:
        """One that no other try has."""
        return next(self._numbers)

    def log_in(self, visitor: Visitor | None = None) -> Visitor:
        """A visitor who came to the site and has logged in. Raises Broken if the application refuses."""
        if visitor is None:
            visitor = Visitor(self.app.site)
            visitor.send(self.app.read)
        self._visitors.append(visitor)
        answer = visitor.send(self.app.login)
        if not answer.is_good:
            raise Broken(f"A log-in was answered with {told(answer)}.")
        return visitor

    def write(self, visitor: Visitor) -> int:
        """Write a new number into the visitor's session. Raises Broken if the application refuses."""
        number = self.number()
        answer = visitor.send(self.app.write, number)
        if not answer.is_good:
            raise Broken(f"A write was answered with {told(answer)}.")
        return number

    def numbers_in(self, visitor: Visitor, numbers: Collection[int]) -> set[int]:
        """Which of the numbers the visitor reads."""
        body = visitor.send(self.app.read).body
        return {number for number in numbers if str(number) in body}

    def at_once(self, sendings: Sequence[Sending]) -> list[Answer]:
        """The answers to requests that are sent at the same moment, each over a connection of its own."""
        gate = threading.Barrier(len(sendings))
        with ThreadPoolExecutor(len(sendings)) as threads:
            return list(threads.map(lambda one: one.visitor.send(one.endpoint, one.number, gate), sendings))

    def rehearse(self) -> None:
        """See that the endpoints do what they are said to. Raises ConfigurationError, with what to look at."""
        visitor = Visitor(self.app.site)
        arrived = visitor.send(self.app.read)
        if not arrived.status:
            raise ConfigurationError(f"The application at {self.app.site.origin} does not answer: {arrived.body}.")
        number, answers = self.number(), [("--login", visitor.send(self.app.login))]
        answers.append(("--write", visitor.send(self.app.write, number)))
        read = visitor.send(self.app.read)
        answers += [("--read", read), ("--logout", visitor.send(self.app.logout))]
        bad = [f"{name} with {told(answer)}" for name, answer in answers if not answer.is_good]
        if bad:
            raise ConfigurationError(f"The application answered {', '.join(bad)}. Say what it takes, and try again.")
        if str(number) not in read.body:
            raise ConfigurationError(
                f"--write was answered as done with {number} for {{n}}, but the answer to --read does not hold "
                f"{number}. It must show all that was written."
            )

    def tidy(self) -> None:
        """Log everyone out."""
        for visitor in self._visitors:
            visitor.send(self.app.logout)


def told(answer: Answer) -> str:
    """An answer in a few words; without the body, which may hold anything."""
    return str(answer.status) if answer.status else f"no answer ({answer.body})"
