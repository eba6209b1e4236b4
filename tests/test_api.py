"""The public names: docs/api.md lists them, documentation uses no others, and docstrings say what types cannot."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from scripts import api
from scripts.public import PUBLIC, Definition, Function, module, public_names, twin_of
from tests.raised import raised_by_class, raised_by_function, raised_by_member

ROOT = Path(__file__).parents[1]
NAMES = public_names()

FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOTTED = re.compile(r"\bsojourn(?:\.[A-Za-z_]+)+\b(?!/)")

# What the package itself uses.
NO_EXPORTS = {"late_exports", "logger"}
# Where the source alone would have it so: what is encoded is the text of an id, no level is asked for, what is
# adopted has no key, no bound session is opened at hand, and a session that asks for an end is named by its own id.
NEVER = {
    ("sojourn.adopt.Adoption.open", "InvalidData"),
    ("sojourn.adopt.Adoption.open_async", "InvalidData"),
    ("sojourn.adopt.Adoption.open", "ProofRefused"),
    ("sojourn.adopt.Adoption.open_async", "ProofRefused"),
    ("sojourn.browser.perform", "ConfigurationError"),
    ("sojourn.browser.perform_async", "ConfigurationError"),
    ("sojourn.browser.plan", "ConfigurationError"),
    ("sojourn.remote.AsyncRemoteSessionManager.open_at_hand", "ProofRefused"),
    ("sojourn.testing.make_record", "ConfigurationError"),
}
# Some error of ours, whichever it is; a ConfigurationError that Django's `migrate` tells from others; and an outage of
# one row alone.
NO_ERRORS = {"SojournError", "SchemaBehind", "UnreadableRecord"}
# Files, an entry of WSGI's environ, the numbers of Django's checks, and spans: no names of Python.
NO_NAMES = {"sojourn.sock", "sojourn.toml", "sojourn.session", "sojourn.E", "sojourn.W"}
NO_NAMES |= {"sojourn.open", "sojourn.commit", "sojourn.outcome", "sojourn.store.get", "sojourn.store.commit"}
NO_NAMES |= {"sojourn.ended"}  # a type of webhook
# Pages about the inside.
INSIDE = {ROOT / "docs/architecture.md", ROOT / "docs/api.md"}

GUIDES = sorted(
    {ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("adapters/*/README.md"), *ROOT.glob("client/*.md")}
    - INSIDE
)
PROGRAMS = sorted(
    path
    for path in [*ROOT.glob("examples/**/*.py"), *ROOT.glob("adapters/**/*.py")]
    if "node_modules" not in path.parts
)


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


# The page


def test_the_page_is_what_signatures_and_docstrings_say() -> None:
    assert api.PAGE.read_text("utf-8") == api.page(), "run `make pages`, and commit it"


def test_each_public_name_has_a_heading_of_its_own() -> None:
    headings = re.findall(r"^#### (sojourn\..+)$", api.PAGE.read_text("utf-8"), re.MULTILINE)

    assert sorted(headings) == sorted(NAMES)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_module_exports_all_that_it_has(name: str) -> None:
    """What it defines, and what it imports from its own folder."""
    home = module(name)
    own = [short for short in home.names if (home.imported_from(short) or f"{name}.").startswith(f"{name}.")]

    assert {short for short in own if short[0] != "_" and home.find(short)} - NO_EXPORTS <= set(home.exported)


# Who uses it


def imported(source: str) -> Iterator[str]:
    """The names of ours that a program imports, dotted."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "sojourn":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "sojourn")


def is_public(name: str) -> bool:
    """A public module or name, or a method or attribute of one."""
    above = name.rpartition(".")[0]
    members = {each.name for each in NAMES[above].members()} if above in NAMES else ()
    return name in NAMES or name in PUBLIC or name.rpartition(".")[2] in members


@pytest.mark.parametrize("page", GUIDES, ids=_id)
def test_a_page_s_code_imports_public_names_only(page: Path) -> None:
    used = [name for block in FENCE.findall(page.read_text("utf-8")) for name in imported(block)]

    assert [name for name in used if not is_public(name)] == []


@pytest.mark.parametrize("program", PROGRAMS, ids=_id)
def test_an_example_imports_public_names_only(program: Path) -> None:
    assert [name for name in imported(program.read_text("utf-8")) if not is_public(name)] == []


@pytest.mark.parametrize("page", [*GUIDES, *PROGRAMS], ids=_id)
def test_every_dotted_name_that_is_mentioned_is_public(page: Path) -> None:
    mentioned = set(DOTTED.findall(page.read_text("utf-8"))) - NO_NAMES

    assert [name for name in sorted(mentioned) if not is_public(name)] == []


def test_pages_and_programs_are_found() -> None:
    assert len(GUIDES) > 20
    assert len(PROGRAMS) > 20


# The words

# What one thing is called, and what it is not.
OTHER_WORDS = re.compile(r"(?<![\w.-])(?:caps?|time-outs?|logouts?|logins?|backends?)(?![\w.-])", re.IGNORECASE)
CODE = re.compile(r"^```.*?^```|^    .*?$|`[^`]*`|\]\([^)]*\)", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [page for page in GUIDES if page.is_relative_to(ROOT / "docs")], ids=_id)
def test_a_page_has_one_word_for_one_thing(page: Path) -> None:
    """Limit, timeout, log-out, log-in and back end; names in code are as they are."""
    assert OTHER_WORDS.findall(CODE.sub("", page.read_text("utf-8"))) == []


def test_the_page_of_names_has_the_words_of_the_others() -> None:
    docs = {path: definition.doc for path, definition in NAMES.items()}
    for path, definition in NAMES.items():
        docs |= {f"{path}.{each.name}": each.doc for each in definition.members() if not each.name.startswith("test_")}

    assert {path: found for path, doc in docs.items() if (found := OTHER_WORDS.findall(CODE.sub("", doc)))} == {}


# What docstrings say

_Told = tuple[str, str, frozenset[str], list[ast.arg | ast.AnnAssign]]


@cache
def _told() -> list[_Told]:
    """All that is said of each public callable. When a test asks: every worker collects this file."""
    return list(_tell())


def _tell() -> Iterator[_Told]:
    """Each public callable, with all that its docstring and its class's say, its errors, and what it takes."""
    public = {each.path for each in NAMES.values()}
    for path, definition in NAMES.items():
        node = definition.node
        if isinstance(node, Function):
            said = "\n".join(_with_references(definition.doc, definition, None))
            yield path, said, raised_by_function(definition), _taken(node)
        elif isinstance(node, ast.ClassDef) and definition.kind == "class":
            twin = twin_of(path)
            like = [twin] if twin is not None and twin.name in definition.doc else []
            docs = "\n".join(each.doc for each in [*definition.ancestry, *like] if each.path in public)
            said = "\n".join(_with_references(docs, definition, definition))
            init = [] if definition.init is None else _taken(definition.init)
            yield path, said, raised_by_class(definition), init or list(definition.fields)
            for member in definition.members():
                if isinstance(member.node, Function) and not member.node.name.startswith("test_"):
                    text = f"{said}\n" + "\n".join(_with_references(member.doc, member.owner, definition))
                    yield f"{path}.{member.name}", text, raised_by_member(member, definition), _taken(member.node)


def _taken(node: Function) -> list[ast.arg | ast.AnnAssign]:
    return [*node.args.args, *node.args.kwonlyargs]


def _with_references(doc: str, home: Definition, owner: Definition | None) -> Iterator[str]:
    """A docstring and, where it says "as" something, that one's."""
    seen = {doc}
    waiting = [doc]
    while waiting:
        text = waiting.pop()
        yield text
        for found in _referred(text, home, owner):
            if found not in seen:
                seen.add(found)
                waiting.append(found)


def _referred(text: str, home: Definition, owner: Definition | None) -> Iterator[str]:
    for path, name in re.findall(r"\b((?:sojourn\.[a-z_.]+\.)?[A-Z]\w+)(?:\.([a-z_]+))?\b", text):
        definition = NAMES.get(path) or (home.home.find(path) if "." not in path else None) or _anywhere(path)
        if definition is not None and (name or "." in path):
            yield definition.doc
            yield from (each.doc for each in definition.members() if each.name == name)
    for name in re.findall(r"\b[Aa]s `?([a-z_]+)`?", text):
        other = home.home.find(name)
        if other is not None and isinstance(other.node, Function):
            yield other.doc
        yield from (each.doc for each in (owner.members() if owner else ()) if each.name == name)


def _anywhere(name: str) -> Definition | None:
    return next((found for path, found in NAMES.items() if path.endswith(f".{name}")), None)


def test_the_source_tells_what_a_commit_raises() -> None:
    """So that the next test cannot pass for want of errors."""
    errors = {path: errors for path, _, errors, _ in _told()}

    assert errors["sojourn.SessionManager.commit"] >= {"SessionConflict", "SessionEnded", "DataTooLarge", "InvalidData"}
    assert errors["sojourn.stores.postgres.PostgresStore"] >= {"ConfigurationError", "StoreUnavailable"}
    assert errors["sojourn.Session.login"] >= {"SessionCommitted"}


def test_a_docstring_names_the_errors_that_are_raised() -> None:
    unsaid = {
        path: missing
        for path, said, errors, _ in _told()
        if (
            missing := sorted(error for error in errors - NO_ERRORS if error not in said and (path, error) not in NEVER)
        )
    }

    assert unsaid == {}


def test_a_docstring_gives_the_units_of_durations_and_times() -> None:
    unsaid = {path: missing for path, said, _, taken in _told() if (missing := list(_without_units(said, taken)))}

    assert unsaid == {}


def _without_units(said: str, taken: list[ast.arg | ast.AnnAssign]) -> Iterator[str]:
    for each in taken:
        name = each.arg if isinstance(each, ast.arg) else ast.unparse(each.target)
        annotation = ast.unparse(each.annotation) if each.annotation else ""
        if "float" in annotation or name == "max_age":
            is_said = "Durations are seconds" in said or (f"`{name}`" in said and re.search(r"\bseconds?\b", said))
        elif "int" in annotation and re.fullmatch(r"now|at|before|clock|\w+_at", name):
            is_said = "milliseconds" in said
        else:
            is_said = True
        if not is_said:
            yield name


def test_everything_on_the_page_is_documented() -> None:
    silent = [path for path, definition in NAMES.items() if not definition.doc]
    for path, definition in NAMES.items():
        methods = [each for each in definition.members() if isinstance(each.node, Function)]
        silent += [f"{path}.{each.name}" for each in methods if not each.doc]

    assert silent == []
