"""The first page: what is counted now, and of the last hour and day."""

from __future__ import annotations

from .census import DAY, HOUR, SessionCounts
from .charts import chart
from .desk import Desk
from .markup import Markup, element
from .page import REASONS, link, moment, page, url
from .request import AdminAnswer, AdminRequest

__all__ = ["overview"]


async def overview(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """The numbers."""
    counts = await desk.census.look()
    return AdminAnswer(
        page(
            "Overview",
            element("h1", "Overview"),
            _how(counts, request.now),
            _sweep(desk, request.now),
            _numbers(counts),
            element(
                "section",
                element("h2", "Log-ins and ends"),
                element(
                    "p",
                    element("span", "Log-ins", class_="key logins"),
                    element("span", "Ends, but for those by a log-in", class_="key ends"),
                    class_="legend",
                ),
                element("div", chart(counts, HOUR), chart(counts, DAY), class_="two"),
                class_="card",
            ),
            element(
                "div",
                element("section", element("h2", "Ends by reason"), _reasons(counts), class_="card"),
                element(
                    "section",
                    element("h2", "In an emergency"),
                    element("p", "Where the store or a key leaked, end every session: everybody has to log in again."),
                    link("End everything…", url("/end", everything="yes"), kind="danger"),
                    class_="card emergency",
                ),
                class_="two",
            ),
            operator=request.operator,
            here="",
            notice=request.session.pop("notice", ""),
        )
    )


def _how(counts: SessionCounts, now: int) -> Markup:
    if counts.is_whole:
        took = f"It took {counts.took / 1000:.1f} s." if counts.took >= 1000 else ""
        return element(
            "p",
            "Counted ",
            moment(counts.now, now),
            f" from the sessions themselves. {took} What ended is counted for as long as its row is kept. ",
            link("Look again", url("")),
            class_="soft",
        )
    return element(
        "p",
        f"Counting: {counts.share:.0%} of the sessions so far. The numbers below are of those. ",
        link("Look again", url("")),
        class_="soft",
        role="status",
    )


def _sweep(desk: Desk, now: int) -> Markup | None:
    sweep = desk.acts.sweep
    if sweep is None:
        return None
    return element(
        "p",
        element("b", f"End of everything: {sweep.state}. "),
        f"{sweep.ended:,} ended. Begun by ",
        sweep.by.name,
        ", ",
        moment(sweep.began_at, now),
        ".",
        class_="notice",
        role="status",
    )


def _numbers(counts: SessionCounts) -> Markup:
    def number(name: str, value: int, note: str) -> Markup:
        return element("div", element("dt", name), element("dd", element("b", f"{value:,}"), element("small", note)))

    return element(
        "dl",
        number("Live", counts.live, "sessions now"),
        number("Logged in", counts.users_live, "of the live ones"),
        number("Visitors", counts.live - counts.users_live, "without a log-in"),
        number("Bound to a key", counts.bound, "of the live ones"),
        number("Log-ins", sum(counts.logins[DAY]), f"in 24 h; {sum(counts.logins[HOUR]):,} in the last hour"),
        number("Ends", sum(counts.ends[DAY]), f"in 24 h; {sum(counts.ends[HOUR]):,} in the last hour"),
        class_="tiles",
    )


def _reasons(counts: SessionCounts) -> Markup:
    rows = []
    for reason, spelled in REASONS.items():
        numbers = [counts.reasons[span][reason] for span in (HOUR, DAY)]  # type: ignore[index]  # of EndReason
        name = element("th", link(spelled, url("/sessions", state=reason)), scope="row")
        rows.append(element("tr", name, [element("td", f"{number:,}") for number in numbers]))
    head = element("tr", [element("th", name, scope="col") for name in ("Reason", "Last hour", "Last day")])
    return element("table", element("thead", head), element("tbody", rows), class_="numbers")
