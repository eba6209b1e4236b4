"""The races that a web application runs, seen from its visitors. What each does is its function's docstring."""

from __future__ import annotations

import inspect
import string
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import NamedTuple

from sojourn.torture.crew import Broken
from sojourn.torture.result import Result, Tally, judged

from .application import Application, Ground, Sending, told
from .endpoint import Endpoint
from .visitor import Visitor

__all__ = ["APP_RACES", "AppRace", "fire", "rehearse"]

REQUESTS = 50
LOGOUTS = 5  # in each round
# So long after a slow write was sent the log-out is.
HEAD_START = 0.25
FLAGS = ("Secure", "HttpOnly", "SameSite")


class AppRace(NamedTuple):
    """One race. `lost` says what a try that is lost means, after "of so many tries"."""

    name: str
    run: Callable[[Ground], Tally]
    lost: str
    needs_slow_write: bool = False

    @property
    def meaning(self) -> str:
        """What happens in it."""
        return inspect.getdoc(self.run) or ""


def fire(race: AppRace, app: Application, *, rounds: int, seed: int, progress: Callable[[str], None]) -> Result:
    """Run a race on the application, and log out whoever logged in for it."""
    ground = _ground(app, f"{seed} {race.name}", rounds, progress)
    return judged(race.name, race.lost, lambda: race.run(ground), ground.tidy)


def rehearse(app: Application, seed: int) -> None:
    """See that the endpoints do what they are said to. Raises ConfigurationError, with what to look at."""
    _ground(app, f"{seed}").rehearse()


def _ground(
    app: Application, seed: str, rounds: int = 1, progress: Callable[[str], None] = lambda text: None
) -> Ground:
    return Ground(app, Random(seed), rounds, progress)  # noqa: S311  # to be repeated, not to be secret


def parallel(ground: Ground) -> Tally:
    """Fifty writes of one session are sent at once."""
    return _parallel(ground, ground.app.write)


def parallel_slow(ground: Ground) -> Tally:
    """Fifty slow writes of one session are sent at once: all have loaded it before the first is done."""
    assert ground.app.slow_write is not None
    return _parallel(ground, ground.app.slow_write)


def _parallel(ground: Ground, endpoint: Endpoint) -> Tally:
    tally, refused = Tally(), 0
    for done in range(ground.rounds):
        ground.progress(f"{done * REQUESTS:,} of {ground.rounds * REQUESTS:,} requests")
        visitor = ground.log_in()
        numbers = [ground.number() for _ in range(REQUESTS)]
        answers = ground.at_once([Sending(visitor, endpoint, number) for number in numbers])
        written = {number for number, answer in zip(numbers, answers, strict=True) if answer.is_good}
        if not written:
            raise Broken(f"All writes were refused, the first with {told(answers[0])}.")
        refused += REQUESTS - len(written)
        tally.tries += len(written)
        tally.lost += len(written - ground.numbers_in(visitor, written))
    tally.note = f"{refused:,} more were refused" if refused else ""
    tally.figures["refused"] = refused
    return tally


def logout(ground: Ground) -> Tally:
    """A log-out, three writes and two reads of one session are sent at once."""
    tally = Tally()
    for done in range(ground.rounds * LOGOUTS):
        ground.progress(f"{done:,} of {ground.rounds * LOGOUTS:,} log-outs")
        visitor = ground.log_in()
        before, late = ground.write(visitor), [ground.number() for _ in range(3)]
        stolen = visitor.copy()
        sendings = [Sending(visitor, ground.app.write, number) for number in late]
        sendings += [Sending(visitor, ground.app.read)] * 2
        sendings.insert(ground.random.randrange(6), Sending(visitor, ground.app.logout))
        ground.at_once(sendings)
        tally.tries += 1
        tally.lost += _is_back(ground, visitor, stolen, before, late)
    return tally


def slow_write(ground: Ground) -> Tally:
    """A log-out is done while a slow write of the same session is under way."""
    assert ground.app.slow_write is not None
    slow = ground.app.slow_write
    ground.progress(f"{ground.rounds:,} log-outs")
    visitors = [ground.log_in() for _ in range(ground.rounds)]
    before = [ground.write(visitor) for visitor in visitors]
    late = [ground.number() for _ in visitors]
    stolen = [visitor.copy() for visitor in visitors]
    with ThreadPoolExecutor(len(visitors)) as threads:
        writes = [threads.submit(visitor.send, slow, number) for visitor, number in zip(visitors, late, strict=True)]
        time.sleep(HEAD_START)
        raced = [not write.done() for write in writes]
        ground.at_once([Sending(visitor, ground.app.logout) for visitor in visitors])
    if not any(raced):
        raise Broken(f"The slow write was over before the log-out. Let it take longer than {HEAD_START:g} s.")
    tries = [one for one, met in zip(zip(visitors, stolen, before, late, strict=True), raced, strict=True) if met]
    lost = sum(_is_back(ground, visitor, old, first, [last]) for visitor, old, first, last in tries)
    return Tally(len(tries), lost)


def _is_back(ground: Ground, visitor: Visitor, stolen: Visitor, before: int, late: list[int]) -> bool:
    """Whether the session is there again: for the browser, or for the cookies from before the log-out.

    What came too late may begin a new session in the browser; but what was there before is gone.
    """
    return bool(ground.numbers_in(stolen, [before, *late]) or ground.numbers_in(visitor, [before]))


def old_cookie(ground: Ground) -> Tally:
    """The cookies from before a log-out are sent again after it."""
    tally = Tally()
    for _ in range(ground.rounds):
        visitor = ground.log_in()
        number = ground.write(visitor)
        stolen = visitor.copy()
        visitor.send(ground.app.logout)
        tally.tries += 1
        tally.lost += bool(ground.numbers_in(stolen, [number]))
    return tally


def fixation(ground: Ground) -> Tally:
    """A victim logs in with planted cookies, somebody else's or made-up ones, which must gain nothing."""
    tally, refused = Tally(), 0
    known = ground.log_in()
    for done in range(ground.rounds):
        if done % 2:
            thief = Visitor(
                ground.app.site, {name: _made_up(value, ground.random) for name, value in known.jar.items()}
            )
        else:
            thief = Visitor(ground.app.site)
            thief.send(ground.app.read)
            # It may be refused: nobody is logged in.
            thief.send(ground.app.write, ground.number())
        victim = thief.copy()
        tally.tries += 1
        try:
            ground.log_in(victim)
        except Broken:
            refused += 1  # Nothing is gained, but what a stranger plants should not lock anybody out.
            continue
        tally.lost += bool(ground.numbers_in(thief, [ground.write(victim)]))
    tally.note = f"{refused:,} log-ins with planted cookies were refused" if refused else ""
    tally.figures["refused"] = refused
    return tally


def _made_up(value: str, chance: Random) -> str:
    """A value that looks like this one."""
    kinds = (string.digits, "abcdef", string.ascii_lowercase, string.ascii_uppercase)
    return "".join(next((chance.choice(kind) for kind in kinds if letter in kind), letter) for letter in value)


def flags(ground: Ground) -> Tally:
    """The session's cookies are Secure, HttpOnly and have a SameSite."""
    visitor = ground.log_in()
    number = ground.write(visitor)
    missing, tries = [], 0
    for name in visitor.jar:
        without = Visitor(ground.app.site, {other: value for other, value in visitor.jar.items() if other != name})
        if ground.numbers_in(without, [number]):
            continue  # The session does without it: it is another one's.
        tries += len(FLAGS)
        missing += [f"{name} has no {flag}" for flag in FLAGS if flag.lower() not in visitor.attributes[name]]
    return Tally(tries, len(missing), note=", ".join(missing))


APP_RACES = (
    AppRace("parallel", parallel, "writes are gone: another request's went over them"),
    AppRace("parallel-slow", parallel_slow, "writes are gone: another request's went over them", needs_slow_write=True),
    AppRace("logout", logout, "sessions were there again after their log-out"),
    AppRace("slow-write", slow_write, "sessions were there again after their log-out", needs_slow_write=True),
    AppRace("old-cookie", old_cookie, "log-outs were undone by sending the old cookie"),
    AppRace("fixation", fixation, "planted cookies showed the victim's session"),
    AppRace("flags", flags, "flags are missing"),
)
