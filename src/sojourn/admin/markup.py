"""Markup: HTML that is put together from elements, so that no text gets into a page unescaped. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["Child", "Markup", "bdi", "document", "element", "joined", "prose"]

_VOID = frozenset({"img", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML already. Made by `element`, `joined` and `document` alone."""

    __slots__ = ()


Child = str | None | Iterable["Child"]
"""What an element holds: text, which is escaped, Markup, which is not, nothing, or several of these."""


def element(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """An element. `class_` is its class and `aria_label` its aria-label; an attribute of None or False is left away."""
    told = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in _VOID:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Several, one after the other."""
    return Markup("".join(_spelled(child) for child in children))


def bdi(text: str) -> Markup:
    """What a stranger wrote: letters that turn the direction of writing reach no further than it."""
    return element("bdi", text)


def prose(text: str) -> Markup:
    """A sentence in which `what is typed` stands between backticks."""
    return joined(element("code", part) if n % 2 else part for n, part in enumerate(text.split("`")))


def document(*children: Child, lang: str) -> Markup:
    """A whole page."""
    return Markup("<!doctype html>\n" + element("html", *children, lang=lang))


def _attribute(key: str, value: str | int | bool) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def _spelled(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    return escape(child) if isinstance(child, str) else joined(*child)
