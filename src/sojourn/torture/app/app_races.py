"""The races that a web application runs, seen from outside. What each does is its function's docstring."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

from sojourn.torture.race import Race, run_race
from sojourn.torture.result import Result, Tally
from sojourn.torture.worker_pool import RaceError

from .attempts import (
    HEAD_START,
    made_up_browser,
    old_cookie_opens,
    planted_cookie_opens,
    session_cookies,
    slow_write_revives,
    stranger,
    written_at_once,
)
from .browser import Browser
from .endpoint import AppEndpoint
from .web_application import Application, AppRaceContext, AppRequest

__all__ = ["APP_RACES", "check_endpoints", "run_app_race"]

REQUESTS = 50
LOGOUTS = 5  # in each round
FLAGS = ("Secure", "HttpOnly", "SameSite")


def run_app_race(
    race: Race[AppRaceContext], app: Application, *, rounds: int, seed: int, progress: Callable[[str], None]
) -> Result:
    """Run a race on the application, and log out whoever logged in for it."""
    context = _context(app, f"{seed} {race.name}", rounds, progress)
    return run_race(race, context, context.tidy)


def check_endpoints(app: Application, seed: int) -> None:
    """See that the endpoints do what they are said to. Raises ConfigurationError, with what to look at."""
    _context(app, f"{seed}").check_endpoints()


def _context(
    app: Application, seed: str, rounds: int = 1, progress: Callable[[str], None] = lambda text: None
) -> AppRaceContext:
    return AppRaceContext(app, Random(seed), rounds, progress)  # noqa: S311  # to be repeated, not to be secret


def parallel(context: AppRaceContext) -> Tally:
    """Fifty writes of one session are sent at once."""
    return _parallel(context, context.app.write)


def parallel_slow(context: AppRaceContext) -> Tally:
    """Fifty slow writes of one session are sent at once: all have loaded it before the first is done."""
    assert context.app.slow_write is not None
    return _parallel(context, context.app.slow_write)


def _parallel(context: AppRaceContext, endpoint: AppEndpoint) -> Tally:
    tally, refused = Tally(), 0
    for done in range(context.rounds):
        context.progress(f"{done * REQUESTS:,} of {context.rounds * REQUESTS:,} requests")
        written, kept = written_at_once(context, context.log_in(), [endpoint] * REQUESTS)
        refused += REQUESTS - len(written)
        tally.tries += len(written)
        tally.lost += len(written - kept)
    tally.note = f"{refused:,} more were refused" if refused else ""
    tally.figures["refused"] = refused
    return tally


def logout(context: AppRaceContext) -> Tally:
    """A log-out, three writes and two reads of one session are sent at once."""
    tally = Tally()
    for done in range(context.rounds * LOGOUTS):
        context.progress(f"{done:,} of {context.rounds * LOGOUTS:,} log-outs")
        browser = context.log_in()
        before, late = context.write(browser), [context.number() for _ in range(3)]
        stolen = browser.copy()
        requests = [AppRequest(browser, context.app.write, number) for number in late]
        requests += [AppRequest(browser, context.app.read)] * 2
        requests.insert(context.random.randrange(6), AppRequest(browser, context.app.logout))
        context.at_once(requests)
        tally.tries += 1
        # What came too late may begin a new session in the browser; but what was there before is gone.
        tally.lost += bool(context.numbers_in(stolen, [before, *late]) or context.numbers_in(browser, [before]))
    return tally


def slow_write(context: AppRaceContext) -> Tally:
    """A log-out is done while a slow write of the same session is under way."""
    slow = context.app.slow_write
    assert slow is not None
    context.progress(f"{context.rounds:,} log-outs")
    with ThreadPoolExecutor(context.rounds) as threads:
        tries = list(threads.map(lambda _: slow_write_revives(context, slow), range(context.rounds)))
    met = [revived for revived in tries if revived is not None]
    if not met:
        raise RaceError(f"The slow write was over before the log-out. Let it take longer than {HEAD_START:g} s.")
    return Tally(len(met), sum(met))


def old_cookie(context: AppRaceContext) -> Tally:
    """The cookies from before a log-out are sent again after it."""
    return Tally(context.rounds, sum(old_cookie_opens(context) for _ in range(context.rounds)))


def fixation(context: AppRaceContext) -> Tally:
    """A victim logs in with planted cookies, somebody else's or made-up ones, which must gain nothing."""
    known = context.log_in()
    tries = [
        planted_cookie_opens(context, made_up_browser(context, known) if done % 2 else stranger(context))
        for done in range(context.rounds)
    ]
    # Refused, nothing is gained; but what a stranger plants should not lock anybody out.
    refused = tries.count(None)
    tally = Tally(len(tries), tries.count(True))
    tally.note = f"{refused:,} log-ins with planted cookies were refused" if refused else ""
    tally.figures["refused"] = refused
    return tally


def pages(context: AppRaceContext) -> Tally:
    """A page that one browser's session has changed is asked for by another, as behind a cache, and then once more."""
    tally = Tally()
    for _ in range(context.rounds):
        # Without a visit before: that would be the page that a cache keeps.
        browser = context.log_in(Browser(context.app.site))
        number = context.write(browser)
        mine = browser.send(context.app.read).body
        stranger = Browser(context.app.site)
        # A page, then what a cookie opens that may have come with it.
        shown = [stranger.send(context.app.read).body for _ in range(2)]
        tally.tries += 1
        tally.lost += str(number) not in mine or any(body == mine or str(number) in body for body in shown)
    return tally


def flags(context: AppRaceContext) -> Tally:
    """The session's cookies are Secure, HttpOnly and have a SameSite."""
    browser = context.log_in()
    number = context.write(browser)
    names = session_cookies(context, browser, number)
    missing = [
        f"{name} has no {flag}" for name in names for flag in FLAGS if flag.lower() not in browser.attributes[name]
    ]
    return Tally(len(names) * len(FLAGS), len(missing), note=", ".join(missing))


APP_RACES: tuple[Race[AppRaceContext], ...] = (
    Race("parallel", parallel, "writes are gone: another request's went over them"),
    Race("parallel-slow", parallel_slow, "writes are gone: another request's went over them", needs="slow write"),
    Race("logout", logout, "sessions were there again after their log-out"),
    Race("slow-write", slow_write, "sessions were there again after their log-out", needs="slow write"),
    Race("old-cookie", old_cookie, "log-outs were undone by sending the old cookie"),
    Race("fixation", fixation, "planted cookies showed the victim's session"),
    Race("pages", pages, "pages of one browser were shown to another, or its cookie was given away: docs/caches.md"),
    Race("flags", flags, "flags are missing"),
)
