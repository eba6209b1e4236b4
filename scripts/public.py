"""What is public: the names of the public modules, read from the sources without importing them.

docs/api.md is written from it (scripts/api.py), and tests/test_api.py holds docs, examples and docstrings to it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

__all__ = ["PUBLIC", "Definition", "Member", "Module", "module", "public_names", "twin_of"]

SOURCE = Path(__file__).parents[1] / "src"

# What people import from, in the order of the page. All else is internal.
PUBLIC = (
    "sojourn",
    "sojourn.events",
    "sojourn.asgi",
    "sojourn.fastapi",
    "sojourn.flask",
    "sojourn.django",
    "sojourn.django.urls",
    "sojourn.wsgi",
    "sojourn.stores",
    "sojourn.stores.memory",
    "sojourn.stores.sqlite",
    "sojourn.stores.postgres",
    "sojourn.stores.redis",
    "sojourn.stores.cached",
    "sojourn.remote",
    "sojourn.service",
    "sojourn.audit",
    "sojourn.metrics",
    "sojourn.traces",
    "sojourn.adopt",
    "sojourn.browser",
    "sojourn.testing",
)

Kind = Literal["class", "error", "function", "value"]
Function = ast.FunctionDef | ast.AsyncFunctionDef
Node = ast.ClassDef | Function | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class Member:
    """A method, property or attribute of a class; `owner` is the class that defines it."""

    name: str
    node: Function | ast.AnnAssign | ast.arg
    owner: Definition
    doc: str

    @property
    def is_method(self) -> bool:
        """Whether it is to be called."""
        return isinstance(self.node, Function) and not self._has_decorator("property", "cached_property")

    @property
    def is_class_method(self) -> bool:
        """Whether it is called on the class, and gets it."""
        return self._has_decorator("classmethod")

    @property
    def is_static(self) -> bool:
        """Whether it is called on the class, and gets nothing."""
        return self._has_decorator("staticmethod")

    def _has_decorator(self, *names: str) -> bool:
        return isinstance(self.node, Function) and any(ast.unparse(each) in names for each in self.node.decorator_list)


@dataclass(frozen=True)
class Definition:
    """A name, and where it is defined."""

    name: str
    home: Module
    node: Node
    doc: str

    @property
    def path(self) -> str:
        """The module that defines it, and the name: for what is not public too."""
        return f"{self.home.name}.{self.name}"

    @property
    def kind(self) -> Kind:
        """What it is to somebody who reads the page."""
        if isinstance(self.node, ast.ClassDef):
            return "error" if any(each.name == "SojournError" for each in self.ancestry) else "class"
        return "function" if isinstance(self.node, Function) else "value"

    @cached_property
    def ancestry(self) -> list[Definition]:
        """The class and those of ours that it inherits from, in the order in which Python looks."""
        if not isinstance(self.node, ast.ClassDef):
            return []
        found = [self]
        for base in self.bases:
            found += [each for each in base.ancestry if each not in found]
        return found

    @cached_property
    def bases(self) -> list[Definition]:
        """The classes of ours that it names as its bases."""
        named = self.node.bases if isinstance(self.node, ast.ClassDef) else []
        return [found for base in named if isinstance(base, ast.Name) and (found := self.home.find(base.id))]

    @property
    def fields(self) -> list[ast.AnnAssign]:
        """What is annotated in the class itself, without an underscore."""
        body = self.node.body if isinstance(self.node, ast.ClassDef) else []
        return [node for node in body if isinstance(node, ast.AnnAssign) and ast.unparse(node.target)[0] != "_"]

    @property
    def has_fields(self) -> bool:
        """Whether its fields are what it is made of: a struct, a dataclass or a named tuple."""
        if not isinstance(self.node, ast.ClassDef):
            return False
        made = any(ast.unparse(each).startswith("dataclass") for each in self.node.decorator_list)
        bases = {ast.unparse(base) for base in self.node.bases}
        return made or bool(bases & {"msgspec.Struct", "NamedTuple"}) or any(each.has_fields for each in self.bases)

    @property
    def init(self) -> Function | None:
        """What makes it, where it is not made of its fields."""
        for each in self.ancestry:
            for node in each.node.body if isinstance(each.node, ast.ClassDef) else []:
                if isinstance(node, Function) and node.name == "__init__":
                    return node
        return None

    def members(self) -> Iterator[Member]:
        """What can be called and read; of the attributes that `__init__` sets, those that the docstring names."""
        seen = set()
        for owner in self.ancestry:
            for member in owner._own_members():
                if member.name not in seen:
                    seen.add(member.name)
                    yield member

    def _own_members(self) -> Iterator[Member]:
        assert isinstance(self.node, ast.ClassDef)
        body = self.node.body
        for at, node in enumerate(body):
            if isinstance(node, Function) and node.name[0] != "_":
                yield Member(node.name, node, self, ast.get_docstring(node) or "")
            elif isinstance(node, ast.AnnAssign) and not self.has_fields and node in self.fields:
                yield Member(ast.unparse(node.target), node, self, _docstring_after(body, at))
            elif isinstance(node, Function) and node.name == "__init__":
                for argument in _kept(node):
                    if f"`{argument.arg}`" in self.doc:
                        yield Member(argument.arg, argument, self, "")


class Module:
    """A source file, and what stands at its top level."""

    def __init__(self, name: str) -> None:
        self.name = name
        path = SOURCE.joinpath(*name.split("."))
        self.file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        self.tree = ast.parse(self.file.read_text("utf-8"))
        self.doc = ast.get_docstring(self.tree) or ""

    @cached_property
    def exported(self) -> list[str]:
        """Its `__all__`."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                return [str(each) for each in ast.literal_eval(node.value)]
        return []

    @property
    def names(self) -> list[str]:
        """What stands at its top level, imports too."""
        return list(self._nodes)

    @cached_property
    def _nodes(self) -> dict[str, ast.stmt | tuple[str, str]]:
        return dict(self._look(self.tree.body))

    def _look(self, body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt | tuple[str, str]]]:
        for node in body:
            match node:
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    yield name, node
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    yield name, node
                case ast.ImportFrom(names=names):
                    for alias in names:
                        yield alias.asname or alias.name, (self._absolute(node), alias.name)
                case ast.If(body=inner) | ast.Try(body=inner):
                    yield from self._look(inner)

    def _absolute(self, node: ast.ImportFrom) -> str:
        package = self.name.split(".")
        if self.file.name != "__init__.py":
            package.pop()
        below = package[: len(package) - node.level + 1] if node.level else []
        return ".".join([*below, node.module] if node.module else below)

    def imported_from(self, name: str) -> str | None:
        """The dotted name of what is imported here under this name."""
        found = self._nodes.get(name)
        return ".".join(found) if isinstance(found, tuple) else None

    def find(self, name: str) -> Definition | None:
        """What `name` stands for here, wherever in the package it is defined; None for what is not ours."""
        found = self._nodes.get(name)
        if isinstance(found, tuple):
            home, there = found
            return module(home).find(there) if home.partition(".")[0] == "sojourn" else None
        if not isinstance(found, Node):
            return None
        if isinstance(found, (ast.ClassDef, Function)):
            return Definition(name, self, found, ast.get_docstring(found) or "")
        return Definition(name, self, found, _docstring_after(self.tree.body, self.tree.body.index(found)))


@cache
def module(name: str) -> Module:
    """The module of this name, read once."""
    return Module(name)


@cache
def public_names() -> dict[str, Definition]:
    """Every public name, as it is imported, with its definition."""
    found = {}
    for name in PUBLIC:
        for exported in module(name).exported:
            definition = module(name).find(exported)
            if definition is None:
                raise LookupError(f"{name}.__all__ has {exported!r}, which is not defined or imported there.")
            found[f"{name}.{exported}"] = definition
    return found


def twin_of(path: str) -> Definition | None:
    """The class for threads of a public one for an event loop."""
    home, _, name = path.rpartition(".")
    return public_names().get(f"{home}.{name.removeprefix('Async')}") if name.startswith("Async") else None


def _docstring_after(body: list[ast.stmt], at: int) -> str:
    """The text that stands alone behind an assignment."""
    match body[at + 1 : at + 2]:
        case [ast.Expr(value=ast.Constant(value=str(text)))]:
            return text
    return ""


def _kept(init: Function) -> Iterator[ast.arg]:
    """What `__init__` sets; with a type where it is a parameter that is kept under its own name."""
    given = {each.arg: each for each in [*init.args.args, *init.args.kwonlyargs]}
    for node in ast.walk(init):
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value):
                kept = isinstance(value, ast.Name) and value.id == name
                yield given[name] if kept and name in given else ast.arg(name)
