"""Writes docs/api.md from signatures and docstrings: `python -m scripts.api`; with --check it only compares."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from scripts.public import PUBLIC, Definition, Function, Member, module, public_names, twin_of
from scripts.signatures import attribute_line, definition_code, method_line, reached

__all__ = ["PAGE", "anchors", "page"]

PAGE = Path(__file__).parents[1] / "docs" / "api.md"

GROUPS = (("class", "Classes"), ("function", "Functions"), ("value", "Values and types"), ("error", "Errors"))

INTRO = """\
# The public names

Made from signatures and docstrings by `make pages`: change those, not this page.

**Public is what this page lists**: the names below, imported from the module that heads their section; their
parameters, methods and attributes; and what their docstrings say. A change of it stands in
[CHANGELOG.md](../CHANGELOG.md). **All else is internal**, with or without an underscore: other modules, such as
`sojourn.core` and `sojourn.manager`, and whatever is imported from them, may move or change in any release. What is not
Python has pages of its own: [the command line](cli.md), [the session service](service.md) and
[the browser client](browser.md).

A class that is shown with fields is a value: it is made of them, those below `KW_ONLY` by keyword, and does not change.
Times are whole Unix milliseconds and durations are seconds, unless a docstring says otherwise. Whatever asks a store
may raise StoreUnavailable. The words are those of [Concepts](concepts.md#the-words).
"""


def page() -> str:
    """The whole page."""
    lines = [linked(INTRO, "sojourn"), *_contents(), *(line for name in PUBLIC for line in _section(name))]
    return "\n".join(lines).rstrip() + "\n"


def _contents() -> Iterator[str]:
    yield "| Import from | Names |"
    yield "|---|---|"
    for name in PUBLIC:
        names = ", ".join(f"[{short}](#{anchors()[f'{name}.{short}']})" for short in _in_order(name))
        yield f"| [`{name}`](#{name.replace('.', '')}) | {names} |"
    yield ""


def _in_order(name: str) -> list[str]:
    """What a module exports: what is for threads, then the same for an event loop."""
    plain = {short: re.sub("Async|async_|_async", "", short) for short in module(name).exported}
    return sorted(plain, key=lambda short: (plain[short], short != plain[short]))


def _section(name: str) -> Iterator[str]:
    yield f"## {name}\n"
    yield from _text(module(name).doc, name)
    guide = next(PAGE.parent.rglob(f"{name.rpartition('.')[2]}.md"), None)
    if guide is not None:
        path = guide.relative_to(PAGE.parent)
        yield f"How to use it: [{path.name}]({path}).\n"
    names = {short: public_names()[f"{name}.{short}"] for short in _in_order(name)}
    for kind, title in GROUPS:
        of_kind = {short: found for short, found in names.items() if found.kind == kind}
        if of_kind:
            yield f"### {title} of {name}\n"
        if of_kind and kind == "error":
            yield from _text(next(iter(of_kind.values())).home.doc, name)
        for short, definition in of_kind.items():
            yield f"#### {name}.{short}\n"
            first = _first_name(definition)
            if first == f"{name}.{short}":
                yield from _definition(definition, name)
            else:
                yield f"The same as [{first}](#{anchors()[first]}).\n"
    yield from _also(name)


def _first_name(definition: Definition) -> str:
    return next(path for path, found in public_names().items() if found.path == definition.path)


def _also(name: str) -> Iterator[str]:
    before = {found.path for earlier in PUBLIC[: PUBLIC.index(name)] for found in reached(earlier)}
    also = [found for found in reached(name) if found.path not in before]
    if also:
        yield f"### Taken and given by {name}\n"
        yield "What the signatures above name. It is public too, where it is named: nobody has to import it.\n"
    for definition in also:
        yield f"#### {definition.name}\n"
        yield from _definition(definition, name)


def _definition(definition: Definition, within: str) -> Iterator[str]:
    yield f"```py\n{definition_code(definition)}\n```\n"
    yield from _text(definition.doc, within)
    if isinstance(definition.node, ast.ClassDef):
        yield from _members(definition, within)


# Members


def _members(definition: Definition, within: str) -> Iterator[str]:
    public = {each.path for each in public_names().values()}
    inherited = [each for each in definition.ancestry[1:] if each.path in public]
    members = [each for each in definition.members() if each.owner not in inherited]
    attributes = {attribute_line(each): each.doc for each in members if not each.is_method}
    if attributes:
        yield "**Attributes**\n"
        yield from _bullets(attributes, within)
    methods = [each for each in members if each.is_method and not each.name.startswith("test_")]
    elsewhere = {each.name: _told_elsewhere(each, twin_of(f"{within}.{definition.name}")) for each in methods}
    here = {method_line(each): each.doc for each in methods if not elsewhere[each.name]}
    if here:
        yield "**Methods**\n"
        yield from _bullets(here, within)
    for told in dict.fromkeys(filter(None, elsewhere.values())):
        names = ", ".join(f"`{name}`" for name, found in elsewhere.items() if found == told)
        yield f"{linked(told, within)}: {names}.\n"
    tests = [each.name.removeprefix("test_").replace("_", " ") for each in members if each.name.startswith("test_")]
    if tests:
        yield "**Tests**\n"
        yield "\n".join(f"- {test}" for test in tests) + "\n"


def _told_elsewhere(member: Member, twin: Definition | None) -> str | None:
    """Where all that there is to say of this method is said: of another class, or of the one that does not wait."""
    awaited = ", awaited" if isinstance(member.node, ast.AsyncFunctionDef) else ""
    reference = re.fullmatch(r"As (\w+)\.(\w+)\.", member.doc)
    if reference and reference[2] == member.name:
        return f"As in {reference[1]}{awaited}"
    if member.doc == f"As {member.name[1:]}." and awaited:
        return "As those without the `a`, awaited"
    return f"As in {twin.name}{awaited}" if twin is not None and _is_the_same(member, twin) else None


def _is_the_same(member: Member, twin: Definition) -> bool:
    """Whether a class for an event loop has this method as its twin for threads has it."""
    other = next((each for each in twin.members() if each.name == member.name), None)
    if other is None or not isinstance(other.node, Function) or not isinstance(member.node, Function):
        return False
    return (ast.dump(other.node.args), other.doc) == (ast.dump(member.node.args), member.doc)


def _bullets(told: dict[str, str], within: str) -> Iterator[str]:
    for code, doc in told.items():
        lines = "\n".join(_text(doc, within)).splitlines()
        yield f"- `{code}`" + "\\" * bool(lines)
        yield from (f"  {line}".rstrip() for line in lines)
    yield ""


# Text


_ITEM = re.compile(r"(?:^|(?<=[.;]) |(?<=[.;])\n)(?=`\w+`(?:, `\w+`)*: )")


def _text(doc: str, within: str) -> Iterator[str]:
    """A docstring as Markdown: a paragraph that begins with a name and a colon is a list of such."""
    for paragraph in doc.split("\n\n") if doc else []:
        items = [item.strip().replace("\n", "\n  ") for item in _ITEM.split(paragraph) if item.strip()]
        text = "\n".join(f"- {item}" for item in items) if _ITEM.match(paragraph) else paragraph
        yield f"{text if text.startswith('    ') else linked(text, within)}\n"


_CODE = re.compile(r"(`[^`]*`)")
_NAME = re.compile(r"(?<![\w/.])((?:sojourn\.(?:[a-z_]+\.)*)?)([A-Z]\w+)((?:\.[a-z_]+)?)\b|\bdocs/(\w+)\.md")


def linked(text: str, within: str) -> str:
    """`text` with links to the names and pages that it mentions outside of code."""

    def link(match: re.Match[str]) -> str:
        if match[4]:
            return f"[{match[4]}.md]({match[4]}.md)"
        # A single word may be any word: Commit, End, Limit.
        if not match[1] and not match[3] and not re.search(r"[a-z][A-Z]", match[2]) and not text.startswith("As in "):
            return match[0]
        return _link(match[0], match[1] + match[2], within)

    return "".join(part if part.startswith("`") else _NAME.sub(link, part) for part in _CODE.split(text))


def _link(text: str, name: str, within: str) -> str:
    found = [path for path in (name, f"{within}.{name}", f"sojourn.{name}") if path in anchors()]
    found += [path for path in anchors() if path.endswith(f".{name}")]
    return f"[{text}](#{anchors()[found[0]]})" if found else text


@cache
def anchors() -> dict[str, str]:
    """The anchor of each public name on the page, as GitHub makes it: in small letters, numbered where it is taken."""
    found: dict[str, str] = {}
    taken: dict[str, int] = {}
    for kind, _ in GROUPS:
        for path, definition in public_names().items():
            if definition.kind == kind:
                anchor = path.replace(".", "").lower()
                number = taken[anchor] = taken.get(anchor, -1) + 1
                found[path] = f"{anchor}-{number}" if number else anchor
    return found


def main(arguments: list[str]) -> int:
    """Write the page, or compare."""
    made = page()
    if arguments != ["--check"]:
        PAGE.write_text(made, "utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != made:
        sys.stderr.write("docs/api.md is not what signatures and docstrings say: run `make pages`, and commit it.\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
