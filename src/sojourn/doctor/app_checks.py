"""The checks of a web application, seen from outside. What each does is its look's docstring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sojourn.torture.app import (
    AppEndpoint,
    AppRaceContext,
    Browser,
    made_up_browser,
    old_cookie_opens,
    planted_cookie_opens,
    slow_write_revives,
    stranger,
    written_at_once,
)

from .check import Check, Observation
from .cookie_checks import CACHES, COOKIES
from .foreign_page import CORS, CSRF, FOREIGN

__all__ = ["APP_CHECKS", "writes_add"]

WRITES = 20
# Of writes that go to a few places of their own there are fewer at once.
ROUNDS = 5


def planted_cookie(context: AppRaceContext) -> Iterator[Observation]:
    """A victim logs in with the cookies of a visit that somebody else began."""
    if planted_cookie_opens(context, stranger(context)):
        came = "the read shows what was written after the log-in: the session kept its id"
        yield Observation("high", came, "Give the session a new id at the log-in, and end the old one.")


def unknown_cookie(context: AppRaceContext) -> Iterator[Observation]:
    """A victim logs in with made-up cookies, which the server has never issued."""
    if planted_cookie_opens(context, made_up_browser(context, context.log_in())):
        came = "the read shows what was written after the log-in: an id that the server never made was adopted"
        yield Observation("high", came, "Take no id that the server has not issued (PHP: session.use_strict_mode=1).")


def log_out(context: AppRaceContext) -> Iterator[Observation]:
    """The cookies from before a log-out are sent again after it."""
    if old_cookie_opens(context):
        came = "the session's data: the log-out removed the cookie, and ended nothing on the server"
        mend = "End the session on the server at a log-out; sessions that are kept in the cookie alone cannot be ended."
        yield Observation("high", came, mend)


def resurrection(context: AppRaceContext) -> Iterator[Observation]:
    """A log-out is done while a slow write of the same session is under way."""
    slow = context.app.slow_write
    if slow is None:
        yield Observation("not tried", "", "Give --slow-write, of 1 s or so.")
    elif old_cookie_opens(context):
        yield Observation("cannot tell", "a log-out ends nothing in any case", "See log-out.")
    elif (revived := slow_write_revives(context, slow)) is None:
        came, mend = "the slow write was over before the log-out", "Give a --slow-write that takes 1 s or so."
        yield Observation("cannot tell", came, mend)
    elif revived:
        came = "the session's data: the slow request saved the ended session back"
        yield Observation("high", came, "Save a session only where it still exists, in one step of the store.")


def lost_updates(context: AppRaceContext) -> Iterator[Observation]:
    """Writes of one session are sent at once; sent in a row they must all be shown for that to mean anything."""
    app, browser = context.app, context.log_in()
    if writes_add(context, browser):
        rounds, endpoints = 1, [app.write] * WRITES
    elif app.other_writes and _all_kept(context, browser, [app.write, *app.other_writes]):
        rounds, endpoints = ROUNDS, [app.write, *app.other_writes]
    else:
        mend = "Give a --write that adds, to a list say, or a second --write that is kept beside the first."
        yield Observation("not tried", "one replaces the other", mend, sent="two writes in a row")
        return
    written = lost = 0
    for _ in range(rounds):
        done, kept = written_at_once(context, browser, endpoints)
        written, lost = written + len(done), lost + len(done - kept)
    if not lost:
        return
    if not _all_kept(context, context.log_in(), endpoints):
        mend = "Give a --write of which as many are kept."
        yield Observation("cannot tell", "sent in a row, not all of them are kept either", mend)
        return
    came = f"{lost} of {written} that were answered as done are gone"
    mend = "Merge what requests changed, or let one session's requests go one after the other."
    yield Observation("medium", came, mend, sent=f"{len(endpoints)} writes of one session at once")


def writes_add(context: AppRaceContext, browser: Browser) -> bool:
    """Whether a second write leaves what the first one wrote."""
    return _all_kept(context, browser, [context.app.write] * 2)


def _all_kept(context: AppRaceContext, browser: Browser, endpoints: Sequence[AppEndpoint]) -> bool:
    numbers = [context.number() for _ in endpoints]
    for endpoint, number in zip(endpoints, numbers, strict=True):
        browser.send(endpoint, number)
    return len(context.numbers_in(browser, numbers)) == len(numbers)


def log_out_by_get(context: AppRaceContext) -> Iterator[Observation]:
    """The log-out, asked for by GET as an image on a foreign page asks for it."""
    browser = context.log_in()
    number = context.write(browser)
    was_there = context.numbers_in(browser, [number])
    browser.send(AppEndpoint("GET", context.app.logout.path, ""), headers=FOREIGN)
    if was_there and not context.numbers_in(browser, [number]):
        yield Observation("low", "the session has ended", "Log out by POST alone.")


APP_CHECKS = (
    COOKIES,
    CACHES,
    Check(
        "fixation",
        "7.2.4",
        "a log-in with the cookies of a visit begun before it, then a read with those same cookies",
        "nothing of what was written after the log-in",
        planted_cookie,
    ),
    Check(
        "adoption",
        "7.2.3",
        "a log-in with made-up cookies, then a read with those same cookies",
        "nothing of what was written after the log-in",
        unknown_cookie,
    ),
    Check("log-out", "7.4.1", "the cookies from before a log-out, after it", "no session", log_out),
    Check(
        "resurrection",
        "7.4.1",
        "a log-out while a slow write was under way, then a read with the cookies from before",
        "no session",
        resurrection,
    ),
    Check("lost updates", "", "writes of one session at once", "all that were answered as done", lost_updates),
    CSRF,
    CORS,
    Check(
        "log-out by GET",
        "3.5.3",
        "the log-out's path by GET from a foreign page",
        "the session goes on",
        log_out_by_get,
    ),
)
