"""Page: the frame around what an operator sees, and the pieces that pages are made of. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from sojourn.core.info import SessionInfo

from .duration import relative
from .markup import Child, Markup, bdi, document, element, joined, prose
from .operators import Operator

__all__ = ["MOUNT", "button", "facts", "field", "form", "link", "moment", "page", "short", "state", "table", "url"]

MOUNT = "/admin"
PLACES = (
    ("", "Overview"),
    ("/sessions", "Sessions"),
    ("/keys", "API keys"),
    ("/policy", "Policy"),
    ("/audit", "Audit"),
)
REASONS = {
    "logout": "logged out",
    "idle_timeout": "idle timeout",
    "absolute_timeout": "absolute timeout",
    "revoked": "revoked",
    "replaced": "replaced by a log-in",
    "token_reuse": "token reused",
    "limit": "over the limit",
}


def url(path: str, **query: str) -> str:
    """A page's URL; parameters without a value are left away."""
    told = urlencode({name.rstrip("_"): value for name, value in query.items() if value})
    return f"{MOUNT}{path}" + (f"?{told}" if told else "")


def page(title: str, *content: Child, operator: Operator | None, here: str | None = None, notice: str = "") -> Markup:
    """A whole page; `here` is the place that is marked as the one where one is."""
    return document(
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("title", f"{title} · Sojourn"),
            element("link", rel="icon", href=url("/static/mark.svg"), type="image/svg+xml"),
            element("link", rel="stylesheet", href=url("/static/admin.css")),
        ),
        element(
            "body",
            element("a", "Skip to the page", class_="skip", href="#main"),
            element("header", element("div", *_bar(operator, here), class_="bar")),
            element(
                "main",
                element("p", notice, class_="notice", role="status") if notice else None,
                *content,
                id="main",
            ),
        ),
        lang="en",
    )


def _bar(operator: Operator | None, here: str | None) -> list[Child]:
    brand = element(
        "a",
        element("img", src=url("/static/mark.svg"), alt="", width=28, height=28),
        element("span", "Sojourn"),
        class_="brand",
        href=url(""),
    )
    if operator is None:
        return [brand]
    links = [element("a", name, href=url(path), aria_current="page" if path == here else None) for path, name in PLACES]
    who = element("span", "Operator ", element("b", bdi(operator.name)), class_="who")
    leave = form("/sign-out", button("Sign out", kind="quiet"))
    return [brand, element("nav", *links, aria_label="Pages"), element("div", who, leave, class_="me")]


def form(path: str, *content: Child, hidden: Mapping[str, str] | None = None, class_: str | None = None) -> Markup:
    """A form that is posted."""
    kept = [element("input", type="hidden", name=name, value=value) for name, value in (hidden or {}).items() if value]
    return element("form", *kept, *content, method="post", action=url(path), class_=class_)


def field(label: str, name: str, *, value: str = "", hint: str = "", **attributes: str | int | bool | None) -> Markup:
    """A line of text to fill in, with its name above it."""
    told = element("small", prose(hint), id=f"{name}-hint") if hint else None
    box = element(
        "input", id=name, name=name, value=value, aria_describedby=f"{name}-hint" if hint else None, **attributes
    )
    return element("div", element("label", label, for_=name), box, told, class_="field")


def button(text: str, *, kind: str = "") -> Markup:
    """What sends the form that it is in."""
    return element("button", text, type="submit", class_=f"button {kind}".strip())


def link(text: Child, place: str, *, kind: str = "") -> Markup:
    """A link to a URL of `url`; one that looks like a button where a `kind` is given."""
    return element("a", text, href=place, class_=f"button {kind}" if kind else None)


def moment(at: int, now: int) -> Markup:
    """A moment as seen from now, and when it was."""
    when = datetime.fromtimestamp(at / 1000, UTC)
    exact = element("small", when.strftime("%Y-%m-%d %H:%M:%S UTC"))
    return element("time", relative(at, now), " ", exact, datetime=when.isoformat(timespec="seconds"))


def short(id: str) -> str:
    """An id's first digits, as much as a person compares."""
    return id[:12]


def state(session: SessionInfo) -> Markup:
    """Whether it lives, or why not."""
    if session.end_reason is None:
        return element("span", "live", class_="state live")
    bad = " bad" if session.end_reason in ("token_reuse", "revoked") else ""
    return element("span", REASONS[session.end_reason], class_="state ended" + bad)


def facts(pairs: Sequence[tuple[str, Child]]) -> Markup:
    """Names and values."""
    return element("dl", [element("div", element("dt", name), element("dd", value)) for name, value in pairs])


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Child]], *, class_: str = "") -> Markup:
    """A table that becomes a list where the window is narrow; its caption is for who does not see it."""
    heads = element("tr", [element("th", name, scope="col") for name in head])
    body = [
        element("tr", [element("td", cell, data_label=name) for name, cell in zip(head, row, strict=True)])
        for row in rows
    ]
    return element(
        "table",
        element("caption", caption, class_="unseen"),
        element("thead", heads),
        element("tbody", joined(body)),
        class_=class_ or None,
    )
