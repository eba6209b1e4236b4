"""Application: a running web application, and the context of a race on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import NamedTuple

from sojourn.core.errors import ConfigurationError
from sojourn.torture.worker_pool import RaceError

from .browser import AppAnswer, Browser, Site
from .endpoint import AppEndpoint

__all__ = ["AppRaceContext", "AppRequest", "Application"]

# Nine digits: in the answer to a read they are found nowhere else.
FIRST, LAST = 100_000_000, 900_000_000


class Application(NamedTuple):
    """What the application does for a visitor, and where. `other_writes` are kept beside `write`, under other keys."""

    site: Site
    login: AppEndpoint
    write: AppEndpoint
    read: AppEndpoint
    logout: AppEndpoint
    slow_write: AppEndpoint | None = None
    other_writes: tuple[AppEndpoint, ...] = ()


class AppRequest(NamedTuple):
    """A request that is about to be sent."""

    browser: Browser
    endpoint: AppEndpoint
    number: int = 0


@dataclass
class AppRaceContext:
    """What a race runs on. Whoever logged in on it is logged out by `tidy`."""

    app: Application
    random: Random
    rounds: int
    progress: Callable[[str], None]
    _numbers: count[int] = field(init=False)
    _browsers: list[Browser] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = count(self.random.randrange(FIRST, LAST))

    def number(self) -> int:
        """One that no other try has."""
        return next(self._numbers)

    def log_in(self, browser: Browser | None = None) -> Browser:
        """A browser that came to the site and has logged in. Raises RaceError if the application refuses."""
        if browser is None:
            browser = Browser(self.app.site)
            browser.send(self.app.read)
        answer = self.tries_log_in(browser)
        if not answer.is_good:
            raise RaceError(f"A log-in was answered with {described(answer)}.")
        return browser

    def tries_log_in(self, browser: Browser) -> AppAnswer:
        """The answer to a log-in, which may be refused."""
        self._browsers.append(browser)
        return browser.send(self.app.login)

    def write(self, browser: Browser) -> int:
        """Write a new number into the browser's session. Raises RaceError if the application refuses."""
        number = self.number()
        answer = browser.send(self.app.write, number)
        if not answer.is_good:
            raise RaceError(f"A write was answered with {described(answer)}.")
        return number

    def numbers_in(self, browser: Browser, numbers: Collection[int]) -> set[int]:
        """Which of the numbers the browser reads. Raises RaceError where an answer says nothing of any session."""
        answer = browser.send(self.app.read)
        if answer.status in (0, 429) or answer.status >= 500:
            raise RaceError(f"A read was answered with {described(answer)}.")
        return {number for number in numbers if str(number) in answer.body}

    def at_once(self, requests: Sequence[AppRequest]) -> list[AppAnswer]:
        """The answers to requests that are sent at the same moment, each over a connection of its own."""
        gate = threading.Barrier(len(requests))
        with ThreadPoolExecutor(len(requests)) as threads:
            return list(threads.map(lambda one: one.browser.send(one.endpoint, one.number, gate), requests))

    def check_endpoints(self) -> None:
        """See that the endpoints do what they are said to. Raises ConfigurationError, with what to look at."""
        browser = Browser(self.app.site)
        arrived = browser.send(self.app.read)
        if not arrived.status:
            raise ConfigurationError(f"The application at {self.app.site.origin} does not answer: {arrived.body}.")
        number, answers = self.number(), [("--login", browser.send(self.app.login))]
        answers.append(("--write", browser.send(self.app.write, number)))
        read = browser.send(self.app.read)
        answers += [("--read", read), ("--logout", browser.send(self.app.logout))]
        bad = [f"{name} with {described(answer)}" for name, answer in answers if not answer.is_good]
        if bad:
            raise ConfigurationError(f"The application answered {', '.join(bad)}. Say what it takes, and try again.")
        if str(number) not in read.body and read.body == arrived.body:
            raise ConfigurationError(
                f"--write was answered as done with {number} for {{n}}, but --read is answered as it was before the "
                "log-in. A cache keeps that page (docs/caches.md), or what is written goes elsewhere."
            )
        if str(number) not in read.body:
            raise ConfigurationError(
                f"--write was answered as done with {number} for {{n}}, but the answer to --read does not hold "
                f"{number}. It must show all that was written."
            )

    def tidy(self) -> None:
        """Log everyone out."""
        for browser in self._browsers:
            browser.send(self.app.logout)


def described(answer: AppAnswer) -> str:
    """An answer in a few words; without the body, which may hold anything."""
    return str(answer.status) if answer.status else f"no answer ({answer.body})"
