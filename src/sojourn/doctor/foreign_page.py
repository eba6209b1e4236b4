"""What a foreign page can do: with a form, with a script, and by reading. The cookies come along all the same."""

from __future__ import annotations

from collections.abc import Iterator

from sojourn.torture.app import AppAnswer, AppEndpoint, AppRaceContext, Browser, session_cookies

from .check import Check, Observation
from .finding import Severity

__all__ = ["CORS", "CSRF", "FOREIGN"]

# What a browser says of a foreign page; and one that is too old for the second of them.
ORIGIN = {"Origin": "https://elsewhere.example"}
FOREIGN = ORIGIN | {"Sec-Fetch-Site": "cross-site"}
SIMPLE = ("GET", "POST")
JSON = "application/json"


def forged_write(context: AppRaceContext) -> Iterator[Observation]:
    """A write as a form on a foreign page sends it, and as a script there would have to ask for it.

    A form has the cookies, a foreign Origin, no header of its own, and no other method than POST. Before anything else
    the browser asks the server (CORS).
    """
    browser, write = context.log_in(), context.app.write
    names = session_cookies(context, browser, context.write(browser))
    guarded = _is_guarded(browser, names)
    severity: Severity = "low" if guarded else "high"
    but = "; only SameSite keeps browsers from sending the cookie with it" if guarded else ""
    form = write if write.method in SIMPLE else write._replace(method="POST")
    kind = "text/plain" if form.content_type == JSON else form.content_type
    for headers in (FOREIGN, ORIGIN):
        number = context.number()
        browser.send(form, number, headers=headers | ({"Content-Type": kind} if kind else {}))
        if context.numbers_in(browser, [number]):
            said = " and ".join(f"{each}: {value}" for each, value in headers.items())
            mend = "Refuse unsafe requests whose Sec-Fetch-Site is not same-origin, or whose Origin is another."
            yield Observation(severity, f"it was done{but}", mend, sent=f"{form.method} {form.path} with {said}")
            return
    if (write.method not in SIMPLE or write.content_type == JSON) and _is_allowed(context, write):
        sent = f"OPTIONS {write.path} with Origin: {ORIGIN['Origin']} and Access-Control-Request-Method: {write.method}"
        came = f"leave, for any origin, to do it with the visitor's cookies{but}"
        yield Observation(severity, came, "Name the origins that may, one by one, or none.", sent=sent, asvs="3.4.2")


def _is_allowed(context: AppRaceContext, write: AppEndpoint) -> bool:
    asks = {"Access-Control-Request-Method": write.method, "Access-Control-Request-Headers": "content-type"}
    # Without cookies, as browsers do.
    answer = Browser(context.app.site).send(AppEndpoint("OPTIONS", write.path, ""), 0, headers=ORIGIN | asks)
    methods = answer.header("access-control-allow-methods").upper()
    types = answer.header("access-control-allow-headers").lower()
    return (
        _lets_in(answer)
        and (write.method in SIMPLE or write.method in methods)
        and (write.content_type != JSON or "content-type" in types)
    )


def foreign_read(context: AppRaceContext) -> Iterator[Observation]:
    """A read by a script of a foreign page: whether it is shown the answer, with the visitor's cookies."""
    browser = context.log_in()
    guarded = _is_guarded(browser, session_cookies(context, browser, context.write(browser)))
    if _lets_in(browser.send(context.app.read, headers=FOREIGN)):
        but = "; only SameSite keeps browsers from sending the cookie with it" if guarded else ""
        came = f"leave, for any origin, to read it with the visitor's cookies{but}"
        yield Observation("low" if guarded else "high", came, "Name the origins that may, one by one, or none.")


def _lets_in(answer: AppAnswer) -> bool:
    shown = answer.header("access-control-allow-origin") == ORIGIN["Origin"]
    return shown and answer.header("access-control-allow-credentials").lower() == "true"


def _is_guarded(browser: Browser, names: list[str]) -> bool:
    return bool(names) and all(
        browser.attributes[name].get("samesite", "").lower() in ("lax", "strict") for name in names
    )


CSRF = Check("CSRF", "3.5.1", "the write from a foreign page", "it was not done", forged_write)
CORS = Check("CORS", "3.4.2", "the read by a script of a foreign page", "no leave to read it", foreign_read)
