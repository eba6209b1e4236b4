"""The checks of a web application, seen from outside. What each does is its function's docstring."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

from sojourn.torture.app import AppEndpoint, Application, AppRaceContext, AppRequest, Browser, check_endpoints, made_up

from .cookie_checks import cookie_flags, page_caches, session_cookies
from .finding import Finding

__all__ = ["examine_app"]

WRITES = 20
HEAD_START = 0.25
# What a browser says of a foreign page; and one that is too old for the second of them.
ORIGIN = {"Origin": "https://elsewhere.example"}
FOREIGN = ORIGIN | {"Sec-Fetch-Site": "cross-site"}


def examine_app(
    app: Application, seed: int, progress: Callable[[str], None], idle: float | None = None
) -> list[Finding]:
    """All findings. `idle`: the seconds after which an untouched session must have ended; None does not wait for it.

    Raises ConfigurationError where the endpoints do not do what they are said to, RaceError where they cease to.
    """
    check_endpoints(app, seed)
    context = AppRaceContext(app, Random(seed), 1, progress)  # noqa: S311  # to be repeated, not to be secret
    found: list[Finding] = []
    try:
        for check in CHECKS:
            progress(check.__name__.replace("_", " "))
            found += check(context)
        progress("idle time-out")
        found += _idle(context, idle)
    finally:
        context.tidy()
    return found


def cookies(context: AppRaceContext) -> Iterator[Finding]:
    """The flags of the session's cookies, and what caches are told of the page that depends on them."""
    browser = context.log_in()
    names = session_cookies(context, browser, context.write(browser))
    yield from cookie_flags(context.app.site.scheme, browser, names)
    yield from page_caches(browser.send(context.app.read), context.app.read)


def planted_cookie(context: AppRaceContext) -> Iterator[Finding]:
    """A victim logs in with the cookies of a visit that somebody else began."""
    thief = Browser(context.app.site)
    thief.send(context.app.read)
    thief.send(context.app.write, context.number())  # it may be refused: nobody is logged in
    victim = context.log_in(thief.copy())
    if context.numbers_in(thief, [context.write(victim)]):
        yield Finding(
            "fixation",
            "high",
            "a log-in with the cookies of a visit begun before it, then a read with those same cookies",
            "the read shows what was written after the log-in: the session kept its id",
            "7.2.4",
            "Give the session a new id at the log-in, and end the old one.",
        )


def unknown_cookie(context: AppRaceContext) -> Iterator[Finding]:
    """A victim logs in with made-up cookies, which the server has never issued."""
    known = context.log_in()
    thief = Browser(context.app.site, {name: made_up(value, context.random) for name, value in known.jar.items()})
    victim = thief.copy()
    if not victim.send(context.app.login).is_good:
        return  # Refused: nothing is gained by it.
    if context.numbers_in(thief, [context.write(victim)]):
        yield Finding(
            "adoption",
            "high",
            "a log-in with made-up cookies, then a read with those same cookies",
            "the read shows what was written after the log-in: an id that the server never made was adopted",
            "7.2.3",
            "Take no id that the server has not issued (PHP: session.use_strict_mode=1).",
        )


def log_out(context: AppRaceContext) -> Iterator[Finding]:
    """The cookies from before a log-out are sent again after it."""
    browser = context.log_in()
    number = context.write(browser)
    old = browser.copy()
    browser.send(context.app.logout)
    if context.numbers_in(old, [number]):
        yield Finding(
            "log-out",
            "high",
            "the cookies from before a log-out, after it",
            "the session's data: the log-out removed the cookie, and ended nothing on the server",
            "7.4.1",
            "End the session on the server at a log-out; sessions that are kept in the cookie alone cannot be ended.",
        )


def resurrection(context: AppRaceContext) -> Iterator[Finding]:
    """A log-out is done while a slow write of the same session is under way."""
    slow = context.app.slow_write
    if slow is None:
        yield Finding("resurrection", "not tried", "nothing", "nothing", "7.4.1", "Give --slow-write, of 1 s or so.")
        return
    browser = context.log_in()
    before, late = context.write(browser), context.number()
    old, other_tab = browser.copy(), browser.copy()
    with ThreadPoolExecutor(1) as thread:
        write = thread.submit(browser.send, slow, late)
        time.sleep(HEAD_START)
        other_tab.send(context.app.logout)
        met = not write.done()
    if not met:
        came, mend = "the slow write was over before the log-out", "Give a --slow-write that takes 1 s or so."
        yield Finding("resurrection", "cannot tell", "a log-out during a slow write", came, "7.4.1", mend)
        return
    if context.numbers_in(old, [before, late]):
        yield Finding(
            "resurrection",
            "high",
            "a log-out while a slow write was under way, then a read with the cookies from before",
            "the session's data: the slow request saved the ended session back",
            "7.4.1",
            "Save a session only where it still exists, in one step of the store.",
        )


def lost_updates(context: AppRaceContext) -> Iterator[Finding]:
    """Writes of one session are sent at once; two in a row must both be shown for that to mean anything."""
    browser = context.log_in()
    two = [context.write(browser), context.write(browser)]
    if len(context.numbers_in(browser, two)) < len(two):
        mend = "Give a --write that adds, to a list say, to have this tried."
        yield Finding("lost updates", "not tried", "two writes in a row", "the second replaces the first", "", mend)
        return
    numbers = [context.number() for _ in range(WRITES)]
    answers = context.at_once([AppRequest(browser, context.app.write, number) for number in numbers])
    written = {number for number, answer in zip(numbers, answers, strict=True) if answer.is_good}
    lost = len(written - context.numbers_in(browser, written))
    if lost:
        yield Finding(
            "lost updates",
            "medium",
            f"{WRITES} writes of one session at once",
            f"{lost} of {len(written)} that were answered as done are gone",
            "",
            "Merge what requests changed, or let one session's requests go one after the other.",
        )


def cross_site(context: AppRaceContext) -> Iterator[Finding]:
    """A write as a form on a foreign page sends it: with the cookies, a foreign Origin, and no header of a script."""
    browser, write = context.log_in(), context.app.write
    if write.method not in ("GET", "POST"):
        told = "Give a --write by POST: before another method a browser asks the server (CORS), and that is not tried."
        yield Finding("CSRF", "not tried", "nothing", f"--write is by {write.method}", "3.5.1", told)
        return
    names = session_cookies(context, browser, context.write(browser))
    guarded = all(browser.attributes[name].get("samesite", "").lower() in ("lax", "strict") for name in names)
    simple = write.content_type if write.content_type != "application/json" else "text/plain"
    for headers in (FOREIGN, ORIGIN):
        number = context.number()
        browser.send(write, number, headers=headers | ({"Content-Type": simple} if simple else {}))
        if context.numbers_in(browser, [number]):
            yield Finding(
                "CSRF",
                "low" if names and guarded else "high",
                f"{write.method} {write.path} with " + " and ".join(f"{each}: {headers[each]}" for each in headers),
                "it was done" + ("; only SameSite keeps browsers from sending the cookie with it" if guarded else ""),
                "3.5.1",
                "Refuse unsafe requests whose Sec-Fetch-Site is not same-origin, or whose Origin is another.",
            )
            return


def log_out_by_get(context: AppRaceContext) -> Iterator[Finding]:
    """The log-out, asked for by GET as an image on a foreign page asks for it."""
    browser = context.log_in()
    number = context.write(browser)
    old = browser.copy()
    was_there = context.numbers_in(old, [number])
    browser.send(AppEndpoint("GET", context.app.logout.path, ""), headers=FOREIGN)
    if was_there and not context.numbers_in(old, [number]):
        yield Finding(
            "log-out by GET",
            "low",
            f"GET {context.app.logout.path} from a foreign page",
            "the session has ended",
            "3.5.3",
            "Log out by POST alone.",
        )


def _idle(context: AppRaceContext, seconds: float | None) -> Iterator[Finding]:
    if seconds is None:
        told = "Give --idle DURATION, after which an untouched session must have ended."
        yield Finding("idle time-out", "not tried", "nothing", "nothing", "7.3.1", told)
        return
    browser = context.log_in()
    number = context.write(browser)
    old = browser.copy()
    time.sleep(seconds)
    if context.numbers_in(old, [number]):
        mend = "End a session on the server that long after its last request."
        sent = f"a read {seconds:g} s after the session's last request"
        yield Finding("idle time-out", "medium", sent, "the session's data", "7.3.1", mend)


CHECKS = (
    cookies,
    planted_cookie,
    unknown_cookie,
    log_out,
    resurrection,
    lost_updates,
    cross_site,
    log_out_by_get,
)
